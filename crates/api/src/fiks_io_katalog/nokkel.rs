//! `GET /fiks-io/katalog/api/v1/kontoer/{kontoId}/offentligNokkel`.
//!
//! The official clients call it without any log-in.

use app::App;
use axum::extract::State;
use http::Method;
use jiff::Timestamp;
use wire::id::KontoId;
use wire::katalog::OffentligNokkel;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-io/katalog/api/v1/kontoer/{kontoId}/offentligNokkel",
        "getOffentligNokkel",
        Access::Offentlig,
        nokkel,
    )
    .summary("Henter sertifikatet som innhold til kontoen skal krypteres til.")
    .response::<OffentligNokkel>()
}

async fn nokkel(
    State(app): State<App>,
    Path(konto): Path<KontoId>,
) -> Result<Json<OffentligNokkel>, Failure> {
    let nokkel = app.offentlig_nokkel(konto).await?;
    Ok(Json(offentlig_nokkel(nokkel, app.clock().now())))
}

/// A public key as every API shows it.
pub(crate) fn offentlig_nokkel(nokkel: domain::nokkel::OffentligNokkel, now: Timestamp) -> OffentligNokkel {
    let status_message = if now < nokkel.gyldig_fra {
        Some("Sertifikatet er ikke gyldig ennå.".to_owned())
    } else if nokkel.gyldig(now) {
        None
    } else {
        Some("Sertifikatet er utløpt.".to_owned())
    };
    OffentligNokkel {
        valid: status_message.is_none(),
        nokkel: nokkel.pem,
        valid_from: Some(nokkel.gyldig_fra),
        valid_to: Some(nokkel.gyldig_til),
        serial: Some(nokkel.serienummer),
        subject_dn: Some(nokkel.utstedt_til),
        issuer_dn: Some(nokkel.utsteder),
        status_message,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use http::{Request, StatusCode};
    use serde_json::json;

    use super::*;
    use crate::testing::{World, call, certificate};

    #[tokio::test]
    async fn anybody_can_fetch_a_key_without_logging_in() {
        let world = World::new().await;
        let path = format!("/fiks-io/katalog/api/v1/kontoer/{}/offentligNokkel", world.arkiv.konto);
        let fetch = async || call(&world.router, Request::get(&path).body(Body::empty()).unwrap()).await;
        fetch().await.error(StatusCode::NOT_FOUND, "INGEN_NOKKEL");
        world.app.set_nokkel(&app::Caller::Operator, world.arkiv.sti(), certificate()).await.unwrap();
        let nokkel = fetch().await.ok(StatusCode::OK);
        assert_eq!([&nokkel["nokkel"], &nokkel["valid"]], [&json!(certificate()), &json!(true)]);
        assert!(nokkel.get("statusMessage").is_none());
    }

    #[tokio::test]
    async fn certificate_outside_its_validity_says_so() {
        let world = World::new().await;
        let nokkel =
            world.app.set_nokkel(&app::Caller::Operator, world.arkiv.sti(), certificate()).await.unwrap();
        let second = Duration::from_secs(1);
        for (now, valid) in [
            (nokkel.gyldig_fra - second, false),
            (nokkel.gyldig_fra, true),
            (nokkel.gyldig_til - second, true),
            (nokkel.gyldig_til, false),
        ] {
            let shown = offentlig_nokkel(nokkel.clone(), now);
            assert_eq!((shown.valid, shown.status_message.is_none()), (valid, valid), "{now}");
        }
    }
}
