//! `GET …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/tilganger`.

use app::App;
use app::konto::KontoSti;
use axum::extract::State;
use http::Method;
use wire::id::{FiksOrgId, KontoId, SystemId};
use wire::konfigurasjon::ProtokollSystemSummaryWithOrgNameResponse;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/tilganger",
        "getSystemerMedTilgangTilKonto",
        Access::Konfigurer,
        list_tilganger,
    )
    .summary("Viser systemene som kan sende til kontoen.")
    .response_list::<ProtokollSystemSummaryWithOrgNameResponse>()
}

async fn list_tilganger(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<Json<Vec<ProtokollSystemSummaryWithOrgNameResponse>>, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    let systemer = app.list_tilganger(&caller, sti).await?;
    Ok(Json(systemer.into_iter().map(bodies::system_summary).collect()))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn systemer_are_shown_with_their_owner() {
        let world = World::new().await;
        let path = format!("{}/tilganger", world.arkiv.konto_path());
        let systemer = world.call(&world.arkiv, Method::GET, path, None).await.ok(StatusCode::OK);
        assert_eq!(systemer[0]["id"], json!(world.fag.system));
        assert_eq!(systemer[0]["fiksOrgNavn"], "Storevik kommune");
        let path = format!("{}/tilganger", world.fag.konto_path());
        assert_eq!(world.call(&world.fag, Method::GET, path, None).await.ok(StatusCode::OK), json!([]));
    }
}
