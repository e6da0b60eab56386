//! `DELETE …/{fiksOrgId}/systemer/{systemId}/tilganger/{eksternKontoId}`.

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
        Method::DELETE,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/tilganger/{eksternKontoId}",
        "removeTilgangTilKontoForSystem",
        Access::Konfigurer,
        gi_fra_seg_tilgang,
    )
    .summary("Gir fra seg tilgangen til en konto i et annet system.")
    .success(StatusCode::NO_CONTENT)
}

async fn gi_fra_seg_tilgang(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<StatusCode, Failure> {
    app.give_up_tilgang(&caller, fiks_org_id, system_id, konto).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn tilgang_is_gone() {
        let world = World::new().await;
        let path = format!("{}/tilganger/{}", world.fag.system_path(), world.arkiv.konto);
        world.call(&world.fag, Method::DELETE, &path, None).await.ok(StatusCode::NO_CONTENT);
        world
            .call(&world.fag, Method::DELETE, &path, None)
            .await
            .error(StatusCode::NOT_FOUND, "INGEN_TILGANG");
    }
}
