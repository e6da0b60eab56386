//! `POST …/{fiksOrgId}/systemer/{systemId}/forespurteTilganger/{eksternKonto}`.
//!
//! Where the owner grants automatically, tilgang is given at once. Has no body either way.

use app::App;
use axum::extract::State;
use http::{Method, StatusCode};
use wire::id::{FiksOrgId, KontoId, SystemId};

use crate::extract::Path;
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::POST,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/forespurteTilganger/{eksternKonto}",
        "createTilgangForesporselTilKonto",
        Access::Konfigurer,
        be_om_tilgang,
    )
    .summary("Spør om å få sende til en konto i et annet system.")
    .success(StatusCode::CREATED)
}

async fn be_om_tilgang(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<StatusCode, Failure> {
    app.request_tilgang(&caller, fiks_org_id, system_id, konto).await?;
    Ok(StatusCode::CREATED)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn request_stands_in_the_system_until_it_is_answered() {
        let world = World::new().await;
        let ask = format!("{}/forespurteTilganger/{}", world.fremmed.system_path(), world.arkiv.konto);
        world.call(&world.fremmed, Method::POST, &ask, None).await.ok(StatusCode::CREATED);
        let system = world
            .call(&world.fremmed, Method::GET, world.fremmed.system_path(), None)
            .await
            .ok(StatusCode::OK);
        assert_eq!(system["forespurteTilgangerTilKontoer"][0]["id"], json!(world.arkiv.konto));
        let grant = format!("{}/tilganger/{}", world.arkiv.konto_path(), world.fremmed.system);
        world.call(&world.arkiv, Method::POST, grant, None).await.ok(StatusCode::CREATED);
        let system = world
            .call(&world.fremmed, Method::GET, world.fremmed.system_path(), None)
            .await
            .ok(StatusCode::OK);
        assert_eq!(system["forespurteTilgangerTilKontoer"], json!([]));
        assert_eq!(system["tilgangTilKontoer"][0]["id"], json!(world.arkiv.konto));
    }
}
