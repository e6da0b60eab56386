//! `DELETE /fiks-io/konto/api/v1/kontoer/{kontoId}/offentligNokkel`.

use app::App;
use axum::extract::State;
use http::{Method, StatusCode};
use wire::id::KontoId;

use crate::extract::Path;
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::DELETE,
        "/fiks-io/konto/api/v1/kontoer/{kontoId}/offentligNokkel",
        "slettOffentligNokkel",
        Access::Konfigurer,
        fjern_nokkel,
    )
    .summary("Tar sertifikatet til kontoen ut av bruk. Ingen kan da sende den innhold.")
    .success(StatusCode::NO_CONTENT)
}

async fn fjern_nokkel(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path(konto): Path<KontoId>,
) -> Result<StatusCode, Failure> {
    app.remove_own_nokkel(&caller, konto).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, certificate};

    #[tokio::test]
    async fn key_is_out_of_use() {
        let world = World::new().await;
        world.app.set_nokkel(&app::Caller::Operator, world.arkiv.sti(), certificate()).await.unwrap();
        let path = format!("/fiks-io/konto/api/v1/kontoer/{}/offentligNokkel", world.arkiv.konto);
        world.call(&world.arkiv, Method::DELETE, &path, None).await.ok(StatusCode::NO_CONTENT);
        world.call(&world.fag, Method::GET, &path, None).await.error(StatusCode::NOT_FOUND, "INGEN_NOKKEL");
    }
}
