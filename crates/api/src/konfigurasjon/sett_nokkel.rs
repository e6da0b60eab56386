//! `PUT …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/pem`.

use app::App;
use app::konto::KontoSti;
use axum::extract::State;
use http::Method;
use serde_json::json;
use wire::id::{FiksOrgId, KontoId, SystemId};
use wire::konfigurasjon::{OffentligNokkel, UpdateOffentligNokkelRequest};

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::fiks_io_katalog::nokkel::offentlig_nokkel;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::PUT,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/pem",
        "updateKontoOffentligNokkel",
        Access::Konfigurer,
        sett_nokkel,
    )
    .summary("Setter sertifikatet som innhold til kontoen skal krypteres til.")
    .request::<UpdateOffentligNokkelRequest>(
        || json!({ "offentligNokkel": "-----BEGIN CERTIFICATE-----\n…" }),
    )
    .response::<OffentligNokkel>()
}

async fn sett_nokkel(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id)): Path<(FiksOrgId, SystemId, KontoId)>,
    Json(body): Json<UpdateOffentligNokkelRequest>,
) -> Result<Json<OffentligNokkel>, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    let nokkel = app.set_nokkel(&caller, sti, &body.offentlig_nokkel).await?;
    Ok(Json(offentlig_nokkel(nokkel, app.clock().now())))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::{World, certificate};

    #[tokio::test]
    async fn key_is_taken_and_shown() {
        let world = World::new().await;
        let (path, body) =
            (format!("{}/pem", world.fag.konto_path()), json!({ "offentligNokkel": certificate() }));
        let nokkel = world.call(&world.fag, Method::PUT, path, Some(body)).await.ok(StatusCode::OK);
        assert_eq!([&nokkel["nokkel"], &nokkel["valid"]], [&json!(certificate()), &json!(true)]);
        assert!(nokkel["validTo"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }

    #[tokio::test]
    async fn what_is_no_certificate_is_refused() {
        let world = World::new().await;
        let (path, body) = (format!("{}/pem", world.fag.konto_path()), json!({ "offentligNokkel": "nei" }));
        world
            .call(&world.fag, Method::PUT, path, Some(body))
            .await
            .error(StatusCode::BAD_REQUEST, "UGYLDIG_FELT");
    }
}
