//! `POST …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/system-sok`.

use app::App;
use app::konto::KontoSti;
use app::tilgang::SystemMedEier;
use axum::extract::State;
use axum::response::Response;
use http::Method;
use serde_json::json;
use wire::id::{FiksOrgId, KontoId, SystemId};
use wire::konfigurasjon::{ProtokollSystemSokRequest, ProtokollSystemSokResponse};

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::long_lists::{self, List};
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::POST,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/system-sok",
        "systemSok",
        Access::Konfigurer,
        system_sok,
    )
    .summary("Finner systemer som kan få tilgang til kontoen.")
    .request::<ProtokollSystemSokRequest>(|| json!({ "term": "arkiv", "filter": { "stotterKonto": false } }))
    .response::<ProtokollSystemSokResponse>()
}

async fn system_sok(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id)): Path<(FiksOrgId, SystemId, KontoId)>,
    Json(body): Json<ProtokollSystemSokRequest>,
) -> Result<Response, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    let term = body.term.unwrap_or_default();
    let (owners, stotter_konto) = match body.filter {
        Some(filter) => (filter.fiks_org_ider.unwrap_or_default(), filter.stotter_konto.unwrap_or(true)),
        None => (Vec::new(), true),
    };
    let make = || app.search_systemer(&caller, sti, &term, &owners, stotter_konto);
    let bytes = |found: &Vec<_>| found.iter().map(SystemMedEier::memory_bytes).sum();
    let (systemer, held) = app.long_list(&caller, make, bytes).await?;
    let list = List::new("systemer", systemer, bodies::ekstern_system);
    long_lists::answer(&ProtokollSystemSokResponse { systemer: Vec::new() }, [list], held)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn only_systemer_that_can_talk_are_found_unless_asked_otherwise() {
        let world = World::new().await;
        let path = format!("{}/system-sok", world.fag.konto_path());
        let found = async |body| {
            let answer = world.call(&world.fag, Method::POST, &path, Some(body)).await.ok(StatusCode::OK);
            let systemer = answer["systemer"].as_array().unwrap().clone();
            systemer
                .into_iter()
                .map(|system| system["fiksOrg"]["navn"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(found(json!({})).await, ["Lillefjord kommune"]);
        let all = json!({ "filter": { "stotterKonto": false, "fiksOrgIder": null }, "term": null });
        assert_eq!(found(all).await, ["Fjerndal kommune", "Lillefjord kommune"]);
        assert_eq!(
            found(json!({ "term": "FJERNDAL", "filter": { "stotterKonto": false } })).await,
            ["Fjerndal kommune"]
        );
        assert!(found(json!({ "filter": { "fiksOrgIder": [world.fremmed.org] } })).await.is_empty());
    }
}
