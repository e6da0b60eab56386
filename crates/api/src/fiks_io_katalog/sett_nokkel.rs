//! `PUT /fiks-io/katalog/api/v1/kontoer/{kontoId}/offentligNokkel`.
//!
//! In no published document; called by the .NET client's automatic upload, which names the PEM `nokkel`. The Java client
//! uses the one of [`crate::fiks_io_konto`].

use app::App;
use axum::extract::State;
use http::Method;
use serde_json::json;
use wire::id::KontoId;
use wire::katalog::{OffentligNokkel, SettOffentligNokkelKatalog};

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::fiks_io_katalog::nokkel::offentlig_nokkel;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::PUT,
        "/fiks-io/katalog/api/v1/kontoer/{kontoId}/offentligNokkel",
        "settOffentligNokkel",
        Access::Konfigurer,
        sett_nokkel,
    )
    .summary("Setter sertifikatet som innhold til kontoen skal krypteres til.")
    .request::<SettOffentligNokkelKatalog>(|| json!({ "nokkel": "-----BEGIN CERTIFICATE-----\n…" }))
    .response::<OffentligNokkel>()
}

async fn sett_nokkel(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path(konto): Path<KontoId>,
    Json(body): Json<SettOffentligNokkelKatalog>,
) -> Result<Json<OffentligNokkel>, Failure> {
    let nokkel = app.set_own_nokkel(&caller, konto, "nokkel", &body.nokkel).await?;
    Ok(Json(offentlig_nokkel(nokkel, app.clock().now())))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::{World, certificate};

    #[tokio::test]
    async fn key_is_set_under_its_name_in_this_api() {
        let world = World::new().await;
        let path = format!("/fiks-io/katalog/api/v1/kontoer/{}/offentligNokkel", world.arkiv.konto);
        let body = json!({ "nokkel": certificate() });
        let nokkel = world.call(&world.arkiv, Method::PUT, &path, Some(body)).await.ok(StatusCode::OK);
        assert_eq!(nokkel["nokkel"], certificate());
        let answer = world.call(&world.arkiv, Method::PUT, &path, Some(json!({ "nokkel": "nei" }))).await;
        let message = answer.error(StatusCode::BAD_REQUEST, "UGYLDIG_FELT");
        assert!(message.contains("«nokkel»"), "{message}");
    }
}
