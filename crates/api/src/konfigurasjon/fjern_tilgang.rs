//! `DELETE …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/tilganger/{eksternSystemId}`.

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
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/tilganger/{eksternSystemId}",
        "removeTilgangTilSystem",
        Access::Konfigurer,
        fjern_tilgang,
    )
    .summary("Tar tilgangen til kontoen fra et annet system.")
    .success(StatusCode::NO_CONTENT)
}

async fn fjern_tilgang(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id, fra)): Path<(FiksOrgId, SystemId, KontoId, SystemId)>,
) -> Result<StatusCode, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    app.remove_tilgang(&caller, sti, fra).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{OPPRETT, World, form};

    #[tokio::test]
    async fn melding_is_refused_once_tilgang_is_gone() {
        let world = World::new().await;
        let path = format!("{}/tilganger/{}", world.arkiv.konto_path(), world.fag.system);
        world.call(&world.arkiv, Method::DELETE, &path, None).await.ok(StatusCode::NO_CONTENT);
        let answer = world.send(&world.fag, form(&world.metadata(OPPRETT), Some(b"x"))).await;
        answer.error(StatusCode::FORBIDDEN, "MANGLER_TILGANG");
        world
            .call(&world.arkiv, Method::DELETE, &path, None)
            .await
            .error(StatusCode::NOT_FOUND, "INGEN_TILGANG");
    }
}
