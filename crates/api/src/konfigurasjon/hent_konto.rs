//! `GET …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}`.

use app::App;
use app::konto::KontoSti;
use axum::extract::State;
use http::Method;
use wire::id::{FiksOrgId, KontoId, SystemId};
use wire::konfigurasjon::ProtokollKontoResponse;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}",
        "getKonto",
        Access::Konfigurer,
        hent_konto,
    )
    .summary("Viser en konto.")
    .response::<ProtokollKontoResponse>()
}

async fn hent_konto(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<Json<ProtokollKontoResponse>, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    let konto = app.konto(&caller, sti).await?;
    Ok(Json(bodies::konto(konto, app.clock().now())))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn konto_without_key_has_no_such_field() {
        let world = World::new().await;
        let konto =
            world.call(&world.fag, Method::GET, world.fag.konto_path(), None).await.ok(StatusCode::OK);
        assert_eq!(
            [&konto["id"], &konto["parts"][0]["navn"]],
            [&json!(world.fag.konto), &json!("klient.full")]
        );
        assert!(konto.get("offentligNokkel").is_none() && konto.get("parter").is_none(), "{konto}");
    }

    #[tokio::test]
    async fn konto_of_another_system_does_not_exist_in_this_one() {
        let world = World::new().await;
        let path = format!("{}/kontoer/{}", world.fag.system_path(), world.arkiv.konto);
        world.call(&world.fag, Method::GET, path, None).await.error(StatusCode::NOT_FOUND, "UKJENT_KONTO");
    }
}
