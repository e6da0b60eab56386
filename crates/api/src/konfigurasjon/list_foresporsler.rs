//! `GET …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/forespurteTilganger`.

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
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/forespurteTilganger",
        "getForespurteTilgangerPaaKonto",
        Access::Konfigurer,
        list_foresporsler,
    )
    .summary("Viser systemene som har spurt om å få sende til kontoen.")
    .response_list::<ProtokollSystemSummaryWithOrgNameResponse>()
}

async fn list_foresporsler(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<Json<Vec<ProtokollSystemSummaryWithOrgNameResponse>>, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    let systemer = app.list_foresporsler(&caller, sti).await?;
    Ok(Json(systemer.into_iter().map(bodies::system_summary).collect()))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn who_has_asked_is_shown() {
        let world = World::new().await;
        let ask = format!("{}/forespurteTilganger/{}", world.fremmed.system_path(), world.arkiv.konto);
        world.call(&world.fremmed, Method::POST, &ask, None).await.ok(StatusCode::CREATED);
        let path = format!("{}/forespurteTilganger", world.arkiv.konto_path());
        let systemer = world.call(&world.arkiv, Method::GET, path, None).await.ok(StatusCode::OK);
        assert_eq!(systemer[0]["id"], json!(world.fremmed.system));
        assert_eq!(systemer.as_array().unwrap().len(), 1);
    }
}
