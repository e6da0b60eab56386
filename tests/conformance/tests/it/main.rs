//! What a client of any kind may count on.

mod access;
mod followed;
mod identity;
mod lifetime;
mod main_job;
mod start_page;
mod startup;
mod upload;

use std::time::Duration;

use fiks_io_client::{Error, MeldingRequest, Meldinger, MottattMelding, Payload};
use testkit::PATIENCE;
use wire::id::KontoId;

const OPPRETT: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett";
const MOTTATT: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett.mottatt";

/// An arkivmelding with one small file.
fn arkivmelding(mottaker: KontoId) -> MeldingRequest {
    MeldingRequest::new(mottaker, OPPRETT).payload(Payload::file("arkivmelding.xml", "<arkivmelding/>"))
}

/// The next melding, which must come in time.
async fn next(meldinger: &mut Meldinger) -> MottattMelding {
    tokio::time::timeout(PATIENCE, meldinger.next()).await.expect("a melding comes").expect("it can be read")
}

/// Nothing comes for a while. That something never comes cannot be waited for, so this is only the second line of defence:
/// each test that uses it also looks at what became of the melding.
async fn nothing(meldinger: &mut Meldinger) {
    let came = tokio::time::timeout(Duration::from_millis(100), meldinger.next()).await;
    assert!(came.is_err(), "{:?} came", came.map(|melding| melding.map(|melding| melding.melding_type)));
}

/// Status and error code of a refusal.
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String) {
    match result {
        Err(Error::Refused { status, error }) => (status, error.error_code.unwrap_or_default()),
        other => unreachable!("expected a refusal: {other:?}"),
    }
}
