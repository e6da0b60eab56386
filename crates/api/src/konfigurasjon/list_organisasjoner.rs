//! `GET …/{fiksOrgId}/systemer/{systemId}/organisasjoner`.

use app::App;
use axum::extract::State;
use http::Method;
use wire::id::{FiksOrgId, SystemId};
use wire::konfigurasjon::FiksOrgResponse;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/organisasjoner",
        "getFiksOrgsMedSystemer",
        Access::Konfigurer,
        list_organisasjoner,
    )
    .summary("Viser organisasjonene som har systemer som kan få tilgang.")
    .response_list::<FiksOrgResponse>()
}

async fn list_organisasjoner(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id)): Path<(FiksOrgId, SystemId)>,
) -> Result<Json<Vec<FiksOrgResponse>>, Failure> {
    let _turn = app.turn(&caller).await?;
    let organisasjoner = app.list_organisasjoner_med_systemer(&caller, fiks_org_id, system_id).await?;
    Ok(Json(organisasjoner.into_iter().map(bodies::fiks_org).collect()))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn organisasjoner_are_shown_without_one_that_has_only_the_asking_system() {
        let world = World::new().await;
        let path = format!("{}/organisasjoner", world.fag.system_path());
        let found = world.call(&world.fag, Method::GET, path, None).await.ok(StatusCode::OK);
        let navn: Vec<_> =
            found.as_array().unwrap().iter().map(|org| org["navn"].as_str().unwrap()).collect();
        assert_eq!(navn, ["Fjerndal kommune", "Lillefjord kommune"]);
        assert_eq!(found[0]["kommunenummer"], "4640");
    }
}
