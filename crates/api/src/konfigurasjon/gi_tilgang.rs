//! `POST …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/tilganger/{eksternSystemId}`.
//!
//! Answers the forespørsel if there is one; works without. Has no body either way.

use app::App;
use app::konto::KontoSti;
use axum::extract::State;
use http::{Method, StatusCode};
use wire::id::{FiksOrgId, KontoId, SystemId};

use crate::extract::Path;
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::POST,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/tilganger/{eksternSystemId}",
        "createTilgangTilSystem",
        Access::Konfigurer,
        gi_tilgang,
    )
    .summary("Lar et annet system sende til kontoen, enten det har spurt eller ikke.")
    .success(StatusCode::CREATED)
}

async fn gi_tilgang(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id, til)): Path<(FiksOrgId, SystemId, KontoId, SystemId)>,
) -> Result<StatusCode, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    app.grant_tilgang(&caller, sti, til).await?;
    Ok(StatusCode::CREATED)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde_json::json;

    use super::*;
    use crate::testing::{World, call};

    #[tokio::test]
    async fn tilgang_is_given_without_having_been_asked_for() {
        let world = World::new().await;
        let path = format!("{}/tilganger/{}", world.fag.konto_path(), world.arkiv.system);
        // As the generated .NET client calls an operation without body.
        let request =
            world.fag.request(Method::POST, path).header("Content-Type", "application/json; charset=utf-8");
        let answer = call(&world.router, request.body(Body::empty()).unwrap()).await;
        answer.ok(StatusCode::CREATED);
        assert!(answer.body.is_empty());
        let path = format!("{}/tilganger", world.fag.konto_path());
        let systemer = world.call(&world.fag, Method::GET, path, None).await.ok(StatusCode::OK);
        assert_eq!(systemer[0]["id"], json!(world.arkiv.system));
    }

    /// Whoever gives it unasked must not fill what a System can have, nor what it has to read.
    #[tokio::test]
    async fn half_of_what_a_system_may_have_is_kept_for_what_it_asks_for() {
        let world = World::limited(app::Grenser::default().with(app::Grense::TilgangerPerSystem, 2)).await;
        let to_arkiv = |path: String| format!("{path}/tilganger/{}", world.arkiv.system);
        let (first, second) = (to_arkiv(world.fag.konto_path()), to_arkiv(world.fremmed.konto_path()));
        world.call(&world.fag, Method::POST, &first, None).await.ok(StatusCode::CREATED);
        let refused = world.call(&world.fremmed, Method::POST, &second, None).await;
        let message = refused.error(StatusCode::INSUFFICIENT_STORAGE, "KVOTE_FULL");
        assert!(message.contains("grenser.tilganger_per_system"), "{message}");
        let ask = format!("{}/forespurteTilganger/{}", world.arkiv.system_path(), world.fremmed.konto);
        world.call(&world.arkiv, Method::POST, &ask, None).await.ok(StatusCode::CREATED);
        world.call(&world.fremmed, Method::POST, &second, None).await.ok(StatusCode::CREATED);
    }
}
