//! `DELETE …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/forespurteTilganger/{eksternSystemId}`.

use app::App;
use app::konto::KontoSti;
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
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/forespurteTilganger/{eksternSystemId}",
        "removeForespurtTilgangTilKonto",
        Access::Konfigurer,
        avvis_foresporsel,
    )
    .summary("Avviser en forespørsel om tilgang til kontoen.")
    .success(StatusCode::NO_CONTENT)
}

async fn avvis_foresporsel(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id, fra)): Path<(FiksOrgId, SystemId, KontoId, SystemId)>,
) -> Result<StatusCode, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    app.reject_foresporsel(&caller, sti, fra).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn foresporsel_is_gone() {
        let world = World::new().await;
        let ask = format!("{}/forespurteTilganger/{}", world.fremmed.system_path(), world.arkiv.konto);
        world.call(&world.fremmed, Method::POST, &ask, None).await.ok(StatusCode::CREATED);
        let path = format!("{}/forespurteTilganger/{}", world.arkiv.konto_path(), world.fremmed.system);
        world.call(&world.arkiv, Method::DELETE, &path, None).await.ok(StatusCode::NO_CONTENT);
        world
            .call(&world.arkiv, Method::DELETE, &path, None)
            .await
            .error(StatusCode::NOT_FOUND, "INGEN_FORESPORSEL");
    }
}
