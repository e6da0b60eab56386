//! `GET …/{fiksOrgId}/protokoller/{protokollnavn}`.

use app::App;
use axum::extract::State;
use http::Method;
use wire::id::FiksOrgId;
use wire::konfigurasjon::ParterResponse;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/protokoller/{protokollnavn}",
        "getParterForProtokoll",
        Access::Integrasjon,
        list_parter,
    )
    .summary("Viser partene i alle versjoner av en protokoll.")
    .response::<ParterResponse>()
}

async fn list_parter(
    State(app): State<App>,
    Innlogget(_): Innlogget,
    Path((_, navn)): Path<(FiksOrgId, String)>,
) -> Result<Json<ParterResponse>, Failure> {
    let versjoner = app.protokoll_versjoner(&navn).await?;
    let parter = versjoner
        .iter()
        .flat_map(|protokoll| protokoll.parter.iter().map(|part| bodies::part(protokoll, part)))
        .collect();
    Ok(Json(ParterResponse { parter }))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn parter_of_all_versions_are_shown() {
        let world = World::new().await;
        let path =
            format!("/fiks-protokoll/api/v1/konfigurasjon/{}/protokoller/no.ks.fiks.arkiv", world.fag.org);
        let found = world.call(&world.fag, Method::GET, path, None).await.ok(StatusCode::OK);
        let of = |versjon| {
            found["parter"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|part| part["protokollversjon"] == versjon)
                .count()
        };
        assert!(of("v1") > 0 && of("v2") > 0, "{found}");
    }

    #[tokio::test]
    async fn unknown_protokoll_is_told() {
        let world = World::new().await;
        let path = format!("/fiks-protokoll/api/v1/konfigurasjon/{}/protokoller/no.ks.tull", world.fag.org);
        world
            .call(&world.fag, Method::GET, path, None)
            .await
            .error(StatusCode::NOT_FOUND, "UKJENT_PROTOKOLL");
    }
}
