//! `GET …/{fiksOrgId}/protokoller/{protokollnavn}/{protokollversjon}`.

use app::App;
use axum::extract::State;
use domain::protokoll::Meldingstype;
use http::Method;
use wire::id::FiksOrgId;
use wire::konfigurasjon::{MeldingstypeResponse, ProtokollDefinisjonResponse};

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/protokoller/{protokollnavn}/{protokollversjon}",
        "getProtokollDefinisjon",
        Access::Integrasjon,
        hent_protokoll,
    )
    .summary("Viser en versjon av en protokoll.")
    .response::<ProtokollDefinisjonResponse>()
}

async fn hent_protokoll(
    State(app): State<App>,
    Innlogget(_): Innlogget,
    Path((_, navn, versjon)): Path<(FiksOrgId, String, String)>,
) -> Result<Json<ProtokollDefinisjonResponse>, Failure> {
    let protokoll = app.protokoll(&navn, &versjon).await?;
    let parter = protokoll.parter.iter().map(|part| bodies::part(&protokoll, part)).collect();
    let meldingstype = |meldingstype: Meldingstype| MeldingstypeResponse {
        meldingstype_navn: meldingstype.navn,
        payload_kriterie: Some(meldingstype.payload_kriterie),
        er_feilmelding: meldingstype.er_feilmelding,
    };
    Ok(Json(ProtokollDefinisjonResponse {
        navn: protokoll.navn,
        protokollversjon: protokoll.versjon,
        beskrivelse: protokoll.beskrivelse,
        meldingstyper: protokoll.meldingstyper.into_iter().map(meldingstype).collect(),
        parter,
        status: protokoll.status,
    }))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn every_meldingstype_says_whether_it_tells_of_a_fault() {
        let world = World::new().await;
        let path =
            format!("/fiks-protokoll/api/v1/konfigurasjon/{}/protokoller/no.ks.fiks.arkiv/v1", world.fag.org);
        let found = world.call(&world.fag, Method::GET, path, None).await.ok(StatusCode::OK);
        let meldingstyper = found["meldingstyper"].as_array().unwrap();
        assert!(meldingstyper.iter().all(|one| one["erFeilmelding"].is_boolean()), "{found}");
        assert_eq!(meldingstyper[0]["payloadKriterie"], "REQUIRED");
        assert_eq!(found["parter"][0]["navn"], "arkiv.full");
    }
}
