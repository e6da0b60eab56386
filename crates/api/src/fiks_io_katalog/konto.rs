//! `GET /fiks-io/katalog/api/v1/kontoer/{kontoId}`.

use app::App;
use axum::extract::State;
use http::Method;
use wire::id::KontoId;
use wire::katalog::{KatalogKonto, KontoStatus};

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-io/katalog/api/v1/kontoer/{kontoId}",
        "getKonto",
        Access::Integrasjon,
        katalog_konto,
    )
    .summary("Viser hvem som står bak en konto, og hvordan det står til med den.")
    .response::<KatalogKonto>()
}

async fn katalog_konto(
    State(app): State<App>,
    Innlogget(_): Innlogget,
    Path(konto): Path<KontoId>,
) -> Result<Json<KatalogKonto>, Failure> {
    let found = app.katalog_konto(konto).await?;
    let status = konto_status(&found);
    Ok(Json(KatalogKonto {
        fiks_org_id: found.eier.id,
        fiks_org_navn: found.eier.navn,
        organisasjonsnummer: Some(found.eier.orgnummer.into()),
        kommunenummer: found.eier.kommunenummer,
        konto_id: found.konto.id,
        konto_navn: found.konto.navn,
        status,
    }))
}

/// How a Konto stands, complete: the official clients read every field without a check.
pub(crate) fn konto_status(found: &app::katalog::KatalogKonto) -> KontoStatus {
    let status = found.status;
    KontoStatus {
        gyldig_avsender: status.gyldig_avsender,
        gyldig_mottaker: status.gyldig_mottaker,
        antall_konsumenter: i64::from(status.antall_konsumenter),
        antall_uavhentede_meldinger: i64::try_from(status.antall_uavhentede_meldinger).unwrap_or(i64::MAX),
        melding: match (status.gyldig_avsender, status.gyldig_mottaker) {
            (true, true) => None,
            (false, true) => Some("Kontoen kan bare motta meldinger.".to_owned()),
            (true, false) => Some("Kontoen har ingen kø og kan ikke motta meldinger.".to_owned()),
            (false, false) => Some("Kontoen kan verken sende eller motta meldinger.".to_owned()),
        },
    }
}
