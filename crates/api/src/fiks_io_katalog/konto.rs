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

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn konto_is_shown_with_owner_and_complete_status() {
        let world = World::new().await;
        let path = format!("/fiks-io/katalog/api/v1/kontoer/{}", world.arkiv.konto);
        let konto = world.call(&world.fag, Method::GET, path, None).await.ok(StatusCode::OK);
        assert_eq!(
            konto,
            json!({
                "fiksOrgId": world.arkiv.org,
                "fiksOrgNavn": "Lillefjord kommune",
                "organisasjonsnummer": world.arkiv.orgnummer,
                "kommunenummer": "4640",
                "kontoId": world.arkiv.konto,
                "kontoNavn": "Konto i Lillefjord kommune",
                "status": {
                    "gyldigAvsender": true,
                    "gyldigMottaker": true,
                    "antallKonsumenter": 0,
                    "antallUavhentedeMeldinger": 0,
                },
            })
        );
    }

    #[tokio::test]
    async fn unknown_konto_and_bad_ids_are_told_apart() {
        let world = World::new().await;
        let unknown = "/fiks-io/katalog/api/v1/kontoer/00000000-0000-4000-8000-000000000000";
        world.call(&world.fag, Method::GET, unknown, None).await.error(StatusCode::NOT_FOUND, "UKJENT_KONTO");
        for bad in ["konto", "%FF", "%2e%2e"] {
            let answer = world
                .call(&world.fag, Method::GET, format!("/fiks-io/katalog/api/v1/kontoer/{bad}"), None)
                .await;
            answer.error(StatusCode::BAD_REQUEST, "UGYLDIG_STI");
        }
    }
}
