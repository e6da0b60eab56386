//! `GET /fiks-io/konto/api/v1/kontoer/{kontoId}/offentligNokkel`.

use app::App;
use axum::extract::State;
use http::Method;
use wire::id::KontoId;
use wire::katalog::OffentligNokkel;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::fiks_io_katalog::nokkel::offentlig_nokkel;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-io/konto/api/v1/kontoer/{kontoId}/offentligNokkel",
        "getOffentligNokkel",
        Access::Integrasjon,
        nokkel,
    )
    .summary("Henter sertifikatet som innhold til kontoen skal krypteres til.")
    .response::<OffentligNokkel>()
}

async fn nokkel(
    State(app): State<App>,
    Innlogget(_): Innlogget,
    Path(konto): Path<KontoId>,
) -> Result<Json<OffentligNokkel>, Failure> {
    let nokkel = app.offentlig_nokkel(konto).await?;
    Ok(Json(offentlig_nokkel(nokkel, app.clock().now())))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn konto_without_key_is_told() {
        let world = World::new().await;
        let path = format!("/fiks-io/konto/api/v1/kontoer/{}/offentligNokkel", world.arkiv.konto);
        world.call(&world.fag, Method::GET, path, None).await.error(StatusCode::NOT_FOUND, "INGEN_NOKKEL");
    }
}
