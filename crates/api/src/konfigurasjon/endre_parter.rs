//! `POST …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/parter`.

use app::App;
use app::konto::KontoSti;
use axum::extract::State;
use http::Method;
use serde_json::json;
use wire::id::{FiksOrgId, KontoId, SystemId};
use wire::konfigurasjon::{UpdateParterRequest, UpdateParterResponse};

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::POST,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/parter",
        "updateParter",
        Access::Konfigurer,
        endre_parter,
    )
    .summary("Bytter ut alle partene kontoen har.")
    .request::<UpdateParterRequest>(
        || json!({ "parts": [{ "partNavn": "arkiv.full", "stottetProtokollVersjon": "v1" }] }),
    )
    .response::<UpdateParterResponse>()
}

async fn endre_parter(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id)): Path<(FiksOrgId, SystemId, KontoId)>,
    Json(body): Json<UpdateParterRequest>,
) -> Result<Json<UpdateParterResponse>, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    let konto = app.update_parter(&caller, sti, bodies::wanted_parter(body.parts), None).await?;
    Ok(Json(UpdateParterResponse { parter: bodies::konto_parter(&konto) }))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn answer_says_parter_where_the_request_says_parts() {
        let world = World::new().await;
        let path = format!("{}/parter", world.fag.konto_path());
        let body = json!({ "parts": [{ "partNavn": "klient.innsyn", "stottetProtokollVersjon": "v1" }] });
        let answer = world.call(&world.fag, Method::POST, path, Some(body)).await.ok(StatusCode::OK);
        assert_eq!(answer["parter"][0]["navn"], "klient.innsyn");
    }
}
