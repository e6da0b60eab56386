//! The three endpoints.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::grant::{self, Refusal};
use super::{Fault, Simulator};

/// More than any grant with a chain of certificates takes.
const MAX_BODY_BYTES: usize = 64 * 1024;

pub(super) fn router(simulator: Simulator) -> Router {
    Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/jwk", get(jwk))
        .route("/token", post(token))
        .layer(middleware::from_fn_with_state(simulator.clone(), ail))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(simulator)
}

async fn ail(State(simulator): State<Simulator>, request: Request, next: Next) -> Response {
    match ailing(simulator.fault()).await {
        Some(failure) => failure,
        None => next.run(request).await,
    }
}

/// Does what `fault` says; an answer, if there is to be no other one.
pub(crate) async fn ailing(fault: Fault) -> Option<Response> {
    match fault {
        Fault::None => None,
        Fault::Unavailable => {
            let text = "the simulator was told to be unavailable\n";
            Some((StatusCode::SERVICE_UNAVAILABLE, text).into_response())
        }
        Fault::Slow(delay) => {
            tokio::time::sleep(delay).await;
            None
        }
    }
}

async fn metadata(State(simulator): State<Simulator>) -> Json<Value> {
    Json(json!({
        "issuer": simulator.issuer(),
        "token_endpoint": simulator.token_endpoint(),
        "jwks_uri": simulator.jwks_uri(),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "grant_types_supported": [grant::GRANT_TYPE],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "RS384", "RS512"],
        "authorization_details_types_supported": [],
    }))
}

async fn jwk(State(simulator): State<Simulator>) -> Json<Value> {
    Json(simulator.jwks())
}

/// The body is read whatever `Content-Type` says: KS's Java client sends the header twice.
async fn token(State(simulator): State<Simulator>, body: Bytes) -> Response {
    match grant::token(&simulator, &body) {
        Ok(answer) => ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response(),
        Err(refusal) => {
            tracing::info!(
                code = refusal.code,
                reason = refusal.text,
                "the Maskinporten simulator refused a grant"
            );
            refusal.into_response()
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = wire::maskinporten::TokenError {
            error: self.error.to_owned(),
            error_description: Some(format!("{}: {}", self.code, self.text)),
            error_uri: Some("https://docs.digdir.no/docs/Maskinporten/maskinporten_feilsoking".to_owned()),
        };
        (self.status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
    }
}
