//! Access tokens from Maskinporten: asked for with a signed JWT, kept until shortly before they expire.
//!
//! Source: Digdir's Maskinporten documentation, "maskinporten_protocol_jwtgrant".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Header};
use reqwest::{Client, StatusCode};
use serde::Serialize;
use wire::maskinporten::{TokenError, TokenResponse};

use crate::ambient::{Clock, random_uuid};
use crate::config::{KeyName, Maskinporten};
use crate::error::{Error, Peer};
use crate::http::{http_error, read_body};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long a request for a token is good; Maskinporten takes no more.
const ASSERTION_SECONDS: i64 = 120;
/// How long before its end a token is no longer used.
const MARGIN: SignedDuration = SignedDuration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// An access token.
pub(crate) type Token = Arc<str>;

type Fetch = Shared<BoxFuture<'static, Result<Token, Error>>>;

/// Gives out access tokens. However many ask at the same time, one request is under way.
#[derive(Debug)]
pub(crate) struct Tokens {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    maskinporten: Maskinporten,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Empty,
    Fetching(Fetch),
    Ready { token: Token, usable_until: Timestamp },
}

impl Tokens {
    pub(crate) fn new(client: Client, maskinporten: Maskinporten, clock: Clock) -> Self {
        Self { inner: Arc::new(Inner { client, maskinporten, clock, state: Mutex::new(State::Empty) }) }
    }

    /// A token that is good for at least ten seconds more.
    pub(crate) async fn token(&self) -> Result<Token, Error> {
        let fetch = {
            let mut state = self.inner.state();
            match &*state {
                State::Ready { token, usable_until } if self.inner.clock.now() < *usable_until => {
                    return Ok(Arc::clone(token));
                }
                State::Fetching(fetch) => fetch.clone(),
                State::Ready { .. } | State::Empty => {
                    let fetch = Inner::start_fetch(&self.inner);
                    *state = State::Fetching(fetch.clone());
                    fetch
                }
            }
        };
        fetch.await
    }

    /// Drops the token, so that the next one who asks gets a new one.
    pub(crate) fn forget(&self) {
        let mut state = self.inner.state();
        if matches!(*state, State::Ready { .. }) {
            *state = State::Empty;
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a token in a task of its own, so that it comes to an end even if all who wait give up.
    fn start_fetch(inner: &Arc<Self>) -> Fetch {
        let inner = Arc::clone(inner);
        let task = tokio::spawn(async move {
            let result = inner.fetch().await;
            let mut state = inner.state();
            match result {
                Ok((token, usable_until)) => {
                    *state = State::Ready { token: Arc::clone(&token), usable_until };
                    Ok(token)
                }
                Err(error) => {
                    *state = State::Empty;
                    Err(error)
                }
            }
        });
        async move { task.await.unwrap_or_else(|error| Err(Error::connection(Peer::Maskinporten, error))) }
            .boxed()
            .shared()
    }

    async fn fetch(&self) -> Result<(Token, Timestamp), Error> {
        let asked = self.clock.now();
        let assertion = assertion(&self.maskinporten, asked)?;
        let response = self
            .client
            .post(self.maskinporten.token_endpoint.clone())
            .form(&[("grant_type", GRANT_TYPE), ("assertion", &assertion)])
            .timeout(TIMEOUT)
            .send()
            .await
            .map_err(maskinporten_error)?;
        let status = response.status();
        let body = read_body(response, Peer::Maskinporten, MAX_ANSWER_BYTES).await?;
        if status != StatusCode::OK {
            let refusal = serde_json::from_slice::<TokenError>(&body).ok();
            let (error, description) = refusal
                .map(|refusal| (refusal.error, refusal.error_description.unwrap_or_default()))
                .unwrap_or_default();
            return Err(Error::TokenRefused { status: status.as_u16(), error, description });
        }
        let answer: TokenResponse = serde_json::from_slice(&body)
            // The parser's own words quote none of the values.
            .map_err(|error| Error::unexpected(Peer::Maskinporten, error.to_string()))?;
        let lifetime = SignedDuration::from_secs(i64::try_from(answer.expires_in).unwrap_or(i64::MAX));
        let usable_until = asked.saturating_add(lifetime.saturating_sub(MARGIN)).unwrap_or(asked);
        Ok((answer.access_token.into(), usable_until))
    }
}

fn maskinporten_error(error: reqwest::Error) -> Error {
    match http_error(Peer::Maskinporten, error) {
        Error::Timeout { peer, .. } => Error::Timeout { peer, waited: TIMEOUT },
        other => other,
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    scope: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer_org: Option<&'a str>,
}

/// The signed request for a token.
fn assertion(maskinporten: &Maskinporten, now: Timestamp) -> Result<String, Error> {
    let mut header = Header::new(Algorithm::RS256);
    header.typ = None;
    match &maskinporten.identity.name {
        KeyName::Kid(kid) => header.kid = Some(kid.clone()),
        KeyName::X5c(leaf) => header.x5c = Some(vec![leaf.clone()]),
    }
    let iat = now.as_second();
    let claims = Claims {
        aud: &maskinporten.audience,
        iss: &maskinporten.client_id,
        scope: &maskinporten.scope,
        iat,
        exp: iat.saturating_add(ASSERTION_SECONDS),
        jti: random_uuid().to_string(),
        consumer_org: maskinporten.consumer_org.as_deref(),
    };
    jsonwebtoken::encode(&header, &claims, &maskinporten.identity.key)
        .map_err(|error| Error::TokenRequest(Arc::new(error)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use axum::extract::State as Shared;
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Json, Response};
    use axum::routing::post;
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::{Value, json};

    use super::*;
    use crate::config::tests::complete;
    use crate::testing::{self, identity};

    /// A token endpoint that counts, checks the assertion and answers slowly enough for callers to pile up.
    #[derive(Clone, Default)]
    struct Endpoint {
        asked: Arc<AtomicUsize>,
        assertions: Arc<Mutex<Vec<String>>>,
        refuse: Arc<AtomicUsize>,
    }

    async fn answer(Shared(endpoint): Shared<Endpoint>, form: String) -> Response {
        let form = reqwest::Url::parse(&format!("http://localhost/?{form}")).unwrap();
        let form: Vec<_> = form.query_pairs().collect();
        assert_eq!((form[0].0.as_ref(), form[0].1.as_ref()), ("grant_type", GRANT_TYPE));
        assert_eq!(form[1].0, "assertion");
        let number = endpoint.asked.fetch_add(1, Ordering::SeqCst) + 1;
        endpoint.assertions.lock().unwrap().push(form[1].1.to_string());
        // Lets everyone who asks at the same time come to wait for this very request.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        if endpoint.refuse.load(Ordering::SeqCst) > 0 {
            endpoint.refuse.fetch_sub(1, Ordering::SeqCst);
            let body = json!({"error": "invalid_grant", "error_description": "MP-110 wrong aud"});
            return (StatusCode::BAD_REQUEST, Json(body)).into_response();
        }
        Json(json!({
            "access_token": format!("token-{number}"), "token_type": "Bearer", "expires_in": 120, "scope": "ks:fiks",
        }))
        .into_response()
    }

    struct Setup {
        endpoint: Endpoint,
        seconds: Arc<AtomicI64>,
        tokens: Tokens,
    }

    async fn setup() -> Setup {
        let endpoint = Endpoint::default();
        let router = axum::Router::new().route("/token", post(answer)).with_state(endpoint.clone());
        let address = testing::serve(router).await;
        let config =
            complete().maskinporten("client", format!("http://{address}/token"), "aud").build().unwrap();
        let seconds = Arc::new(AtomicI64::new(1_800_000_000));
        let clock = Clock::from_fn({
            let seconds = Arc::clone(&seconds);
            move || Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap()
        });
        let tokens = Tokens::new(testing::http_client(), config.maskinporten, clock);
        Setup { endpoint, seconds, tokens }
    }

    #[tokio::test]
    async fn a_token_is_kept_until_ten_seconds_before_its_end() {
        let Setup { endpoint, seconds, tokens } = setup().await;
        assert_eq!(&*tokens.token().await.unwrap(), "token-1");
        seconds.fetch_add(109, Ordering::SeqCst);
        assert_eq!(&*tokens.token().await.unwrap(), "token-1");
        seconds.fetch_add(1, Ordering::SeqCst);
        assert_eq!(&*tokens.token().await.unwrap(), "token-2");
        assert_eq!(endpoint.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn many_who_ask_at_once_make_one_request() {
        let Setup { endpoint, tokens, .. } = setup().await;
        let answers = futures::future::join_all((0..50).map(|_| tokens.token())).await;
        assert!(answers.iter().all(|answer| &**answer.as_ref().unwrap() == "token-1"));
        assert_eq!(endpoint.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_forgotten_token_is_replaced() {
        let Setup { tokens, .. } = setup().await;
        assert_eq!(&*tokens.token().await.unwrap(), "token-1");
        tokens.forget();
        assert_eq!(&*tokens.token().await.unwrap(), "token-2");
    }

    #[tokio::test]
    async fn a_refusal_reaches_all_who_wait_and_is_not_kept() {
        let Setup { endpoint, tokens, .. } = setup().await;
        endpoint.refuse.store(1, Ordering::SeqCst);
        for answer in futures::future::join_all((0..10).map(|_| tokens.token())).await {
            let Err(Error::TokenRefused { status, error, description }) = answer else {
                panic!("{answer:?}")
            };
            assert_eq!(
                (status, error.as_str(), description.as_str()),
                (400, "invalid_grant", "MP-110 wrong aud")
            );
        }
        assert_eq!(endpoint.asked.load(Ordering::SeqCst), 1);
        assert_eq!(&*tokens.token().await.unwrap(), "token-2");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_stops_no_one_else() {
        let Setup { endpoint, tokens, .. } = setup().await;
        assert!(tokens.token().now_or_never().is_none(), "the answer cannot be there yet");
        assert_eq!(&*tokens.token().await.unwrap(), "token-1");
        assert_eq!(endpoint.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_request_is_signed_and_says_who_asks() {
        let Setup { endpoint, tokens, .. } = setup().await;
        tokens.token().await.unwrap();
        let assertion = endpoint.assertions.lock().unwrap().remove(0);

        let header = jsonwebtoken::decode_header(&assertion).unwrap();
        assert_eq!(header.alg, Algorithm::RS256);
        assert_eq!(header.kid, None);
        let x5c = header.x5c.unwrap();
        let certificate = asice::Certificate::from_pem(&identity().certificate).unwrap();
        assert_eq!(
            x5c,
            [base64::Engine::encode(&base64::engine::general_purpose::STANDARD, certificate.der())]
        );

        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&["aud"]);
        validation.validate_exp = false;
        let key = DecodingKey::from_rsa_pem(identity().public_key.as_bytes()).unwrap();
        let claims = jsonwebtoken::decode::<Value>(&assertion, &key, &validation).unwrap().claims;
        assert_eq!(claims["iss"], "client");
        assert_eq!(claims["scope"], "ks:fiks");
        assert_eq!(claims["iat"], 1_800_000_000);
        assert_eq!(claims["exp"], 1_800_000_120);
        assert!(claims["jti"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
        assert!(claims.get("consumer_org").is_none());
    }

    #[test]
    fn a_registered_key_is_named_in_place_of_the_certificate() {
        let config = complete()
            .maskinporten_key("my-key", identity().key.as_str())
            .maskinporten_consumer_org("987654321")
            .build()
            .unwrap();
        let assertion = assertion(&config.maskinporten, Timestamp::UNIX_EPOCH).unwrap();
        let header = jsonwebtoken::decode_header(&assertion).unwrap();
        assert_eq!((header.kid.as_deref(), header.x5c), (Some("my-key"), None));
    }
}
