//! `PUT …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/info`.

use app::App;
use app::konto::KontoSti;
use axum::extract::State;
use http::{Method, StatusCode};
use serde_json::json;
use wire::id::{FiksOrgId, KontoId, SystemId};
use wire::konfigurasjon::UpdateProtokollKontoInfoRequest;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::PUT,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/info",
        "updateKontoInfo",
        Access::Konfigurer,
        endre_kontoinfo,
    )
    .summary("Endrer navn og beskrivelse.")
    .request::<UpdateProtokollKontoInfoRequest>(
        || json!({ "navn": "Mitt arkiv", "beskrivelse": "Arkiv for saksbehandling" }),
    )
    .success(StatusCode::NO_CONTENT)
}

async fn endre_kontoinfo(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id)): Path<(FiksOrgId, SystemId, KontoId)>,
    Json(body): Json<UpdateProtokollKontoInfoRequest>,
) -> Result<StatusCode, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    app.update_konto_info(&caller, sti, body.navn, body.beskrivelse, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn konto_shows_its_new_texts() {
        let world = World::new().await;
        let (path, info) =
            (format!("{}/info", world.fag.konto_path()), json!({ "navn": "Ny konto", "beskrivelse": "Ny" }));
        world.call(&world.fag, Method::PUT, path, Some(info)).await.ok(StatusCode::NO_CONTENT);
        let konto =
            world.call(&world.fag, Method::GET, world.fag.konto_path(), None).await.ok(StatusCode::OK);
        assert_eq!([&konto["navn"], &konto["beskrivelse"]], ["Ny konto", "Ny"]);
    }
}
