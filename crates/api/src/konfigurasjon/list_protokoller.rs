//! `GET …/{fiksOrgId}/protokoller`.

use app::App;
use axum::extract::State;
use domain::protokoll::Protokoll;
use http::Method;
use wire::id::FiksOrgId;
use wire::konfigurasjon::ProtokollDefinisjonSummaryResponse;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/protokoller",
        "getProtokollDefinisjoner",
        Access::Integrasjon,
        list_protokoller,
    )
    .summary("Viser alle protokollene.")
    .response_list::<ProtokollDefinisjonSummaryResponse>()
}

async fn list_protokoller(
    State(app): State<App>,
    Innlogget(_): Innlogget,
    Path(_): Path<FiksOrgId>,
) -> Result<Json<Vec<ProtokollDefinisjonSummaryResponse>>, Failure> {
    let protokoller = app.list_protokoller().await?;
    let summary = |protokoll: &Protokoll| ProtokollDefinisjonSummaryResponse {
        navn: protokoll.navn.clone(),
        protokollversjon: protokoll.versjon.clone(),
        beskrivelse: protokoll.beskrivelse.clone(),
        parter: protokoll.parter.iter().map(|part| part.navn.clone()).collect(),
        status: protokoll.status,
    };
    Ok(Json(protokoller.iter().map(summary).collect()))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn parter_are_told_by_name() {
        let world = World::new().await;
        let path = format!("/fiks-protokoll/api/v1/konfigurasjon/{}/protokoller", world.fag.org);
        let found = world.call(&world.fag, Method::GET, path, None).await.ok(StatusCode::OK);
        let arkiv = found.as_array().unwrap().iter().find(|one| one["navn"] == "no.ks.fiks.arkiv").unwrap();
        assert_eq!(
            [&arkiv["protokollversjon"], &arkiv["status"], &arkiv["parter"][0]],
            ["v1", "AKTIV", "arkiv.full"]
        );
    }
}
