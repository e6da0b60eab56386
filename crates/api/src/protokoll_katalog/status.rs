//! `GET /fiks-protokoll/katalog/api/v1/kontoer/{kontoId}/status`.

use app::App;
use axum::extract::State;
use http::Method;
use wire::id::KontoId;
use wire::katalog::KontoStatus;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::fiks_io_katalog::konto::konto_status;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/katalog/api/v1/kontoer/{kontoId}/status",
        "getKontoStatus",
        Access::Integrasjon,
        status,
    )
    .summary("Viser hvordan det står til med en konto akkurat nå.")
    .response::<KontoStatus>()
}

async fn status(
    State(app): State<App>,
    Innlogget(_): Innlogget,
    Path(konto): Path<KontoId>,
) -> Result<Json<KontoStatus>, Failure> {
    Ok(Json(konto_status(&app.katalog_konto(konto).await?)))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn konto_without_fault_has_no_text() {
        let world = World::new().await;
        let path = format!("/fiks-protokoll/katalog/api/v1/kontoer/{}/status", world.arkiv.konto);
        let status = world.call(&world.fag, Method::GET, path, None).await.ok(StatusCode::OK);
        assert_eq!([&status["gyldigAvsender"], &status["gyldigMottaker"]], [true, true]);
        assert!(status.get("melding").is_none());
    }
}
