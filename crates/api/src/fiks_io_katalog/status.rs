//! `GET /fiks-io/katalog/api/v1/kontoer/{kontoId}/status`.

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
        "/fiks-io/katalog/api/v1/kontoer/{kontoId}/status",
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
    use crate::testing::{OPPRETT, World, form};

    #[tokio::test]
    async fn meldinger_on_the_queue_are_counted() {
        let world = World::new().await;
        world.send(&world.fag, form(&world.metadata(OPPRETT), Some(b"x"))).await.ok(StatusCode::ACCEPTED);
        let path = format!("/fiks-io/katalog/api/v1/kontoer/{}/status", world.arkiv.konto);
        let status = world.call(&world.fag, Method::GET, path, None).await.ok(StatusCode::OK);
        assert_eq!([&status["antallUavhentedeMeldinger"], &status["antallKonsumenter"]], [1, 0]);
    }
}
