//! `GET /fiks-io/katalog/api/v1/kontoer/{kontoId}/offentligNokkel`.
//!
//! The official clients call it without any log-in.

use app::App;
use axum::extract::State;
use http::Method;
use jiff::Timestamp;
use wire::id::KontoId;
use wire::katalog::OffentligNokkel;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-io/katalog/api/v1/kontoer/{kontoId}/offentligNokkel",
        "getOffentligNokkel",
        Access::Offentlig,
        nokkel,
    )
    .summary("Henter sertifikatet som innhold til kontoen skal krypteres til.")
    .response::<OffentligNokkel>()
}

async fn nokkel(
    State(app): State<App>,
    Path(konto): Path<KontoId>,
) -> Result<Json<OffentligNokkel>, Failure> {
    let nokkel = app.offentlig_nokkel(konto).await?;
    Ok(Json(offentlig_nokkel(nokkel, app.clock().now())))
}

/// A public key as every API shows it.
pub(crate) fn offentlig_nokkel(nokkel: domain::nokkel::OffentligNokkel, now: Timestamp) -> OffentligNokkel {
    let status_message = if now < nokkel.gyldig_fra {
        Some("Sertifikatet er ikke gyldig ennå.".to_owned())
    } else if nokkel.gyldig(now) {
        None
    } else {
        Some("Sertifikatet er utløpt.".to_owned())
    };
    OffentligNokkel {
        valid: status_message.is_none(),
        nokkel: nokkel.pem,
        valid_from: Some(nokkel.gyldig_fra),
        valid_to: Some(nokkel.gyldig_til),
        serial: Some(nokkel.serienummer),
        subject_dn: Some(nokkel.utstedt_til),
        issuer_dn: Some(nokkel.utsteder),
        status_message,
    }
}
