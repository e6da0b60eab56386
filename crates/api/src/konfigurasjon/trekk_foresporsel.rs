//! `DELETE …/{fiksOrgId}/systemer/{systemId}/forespurteTilganger/{eksternKonto}`.

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
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/forespurteTilganger/{eksternKonto}",
        "removeTilgangForesporselTilKonto",
        Access::Konfigurer,
        trekk_foresporsel,
    )
    .summary("Trekker en forespørsel om tilgang.")
    .success(StatusCode::NO_CONTENT)
}

async fn trekk_foresporsel(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<StatusCode, Failure> {
    app.withdraw_foresporsel(&caller, fiks_org_id, system_id, konto).await?;
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
        world.call(&world.fremmed, Method::DELETE, &ask, None).await.ok(StatusCode::NO_CONTENT);
        world
            .call(&world.fremmed, Method::DELETE, &ask, None)
            .await
            .error(StatusCode::NOT_FOUND, "INGEN_FORESPORSEL");
    }
}
