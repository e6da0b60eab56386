//! `DELETE …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}`.

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
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}",
        "deleteKonto",
        Access::Konfigurer,
        slett_konto,
    )
    .summary("Sletter en konto med køen. Avsenderne av det som står der, får beskjed.")
    .success(StatusCode::NO_CONTENT)
}

async fn slett_konto(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<StatusCode, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    app.remove_konto(&caller, sti).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn konto_is_gone() {
        let world = World::new().await;
        world.call(&world.fag, Method::DELETE, world.fag.konto_path(), None).await.ok(StatusCode::NO_CONTENT);
        let answer = world.call(&world.fag, Method::GET, world.fag.konto_path(), None).await;
        answer.error(StatusCode::NOT_FOUND, "UKJENT_KONTO");
    }
}
