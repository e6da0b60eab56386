//! The endpoints.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::login::{Asked, Choice, Ended, Wrong};
use super::token::{self, Refusal, field, read_form};
use super::{Idporten, pages};
use crate::maskinporten::{ailing, lock};

/// More than any form here takes.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Name of the cookie that keeps the person logged in.
const COOKIE: &str = "sso";
/// Seconds that the page of a logout stays, for the clients to hear of it.
const LINGER_S: u32 = 2;

pub(super) fn router(idporten: Idporten) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/jwk", get(jwk))
        .route("/authorize", get(authorize).post(chosen))
        .route("/token", post(exchange))
        .route("/userinfo", get(userinfo).post(userinfo))
        .route("/endsession", get(end_session).post(end_session_by_form))
        .route("/idporten.css", get(style))
        .layer(middleware::from_fn_with_state(idporten.clone(), ail))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(idporten)
}

async fn ail(State(idporten): State<Idporten>, request: Request, next: Next) -> Response {
    let fault = lock(&idporten.inner.state).fault;
    match ailing(fault).await {
        Some(failure) => failure,
        None => next.run(request).await,
    }
}

async fn metadata(State(idporten): State<Idporten>) -> Json<Value> {
    Json(json!({
        "issuer": idporten.issuer(),
        "authorization_endpoint": idporten.address("authorize"),
        "token_endpoint": idporten.address("token"),
        "userinfo_endpoint": idporten.address("userinfo"),
        "end_session_endpoint": idporten.address("endsession"),
        "jwks_uri": idporten.address("jwk"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["pairwise"],
        "scopes_supported": ["openid", "profile"],
        "claims_supported": ["pid", "name", "acr", "auth_time", "sid"],
        "acr_values_supported": ["idporten-loa-low", "idporten-loa-substantial", "idporten-loa-high"],
        "ui_locales_supported": ["nb", "nn", "en"],
        "prompt_values_supported": ["login", "none"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
    }))
}

async fn jwk(State(idporten): State<Idporten>) -> Json<Value> {
    Json(idporten.inner.keys.jwks())
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], pages::STYLE).into_response()
}

async fn authorize(
    State(idporten): State<Idporten>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = read_query(query.as_deref());
    match idporten.asked(&query) {
        Err(wrong) => refuse(wrong, &query),
        Ok(asked) => {
            if let Some(person) = idporten.hinted(&asked) {
                return idporten.let_in(&asked, person.pid.clone(), person.navn.clone(), &headers);
            }
            match idporten.pass(&asked, cookie(&headers)) {
                Some(location) => see_other(&location, None),
                None => idporten.choose(&asked, &query, None),
            }
        }
    }
}

async fn chosen(
    State(idporten): State<Idporten>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = read_query(query.as_deref());
    let asked = match idporten.asked(&query) {
        Ok(asked) => asked,
        Err(wrong) => return refuse(wrong, &query),
    };
    let form = read_form(&body).unwrap_or_default();
    match idporten.choice(&form) {
        Choice::Cancel => see_other(&idporten.cancelled(&asked), None),
        Choice::Invalid => {
            let written = field(&form, "pid").unwrap_or_default();
            idporten.choose(&asked, &query, Some(written))
        }
        Choice::Person { pid, navn } => idporten.let_in(&asked, pid, navn, &headers),
    }
}

async fn exchange(State(idporten): State<Idporten>, headers: HeaderMap, body: Bytes) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match token::exchange(&idporten, authorization, &body) {
        Ok(answer) => ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response(),
        Err(refusal) => {
            tracing::info!(
                error = refusal.error,
                reason = refusal.text,
                "the ID-porten simulator refused a code"
            );
            refusal.into_response()
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.text });
        (self.status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
    }
}

async fn userinfo(State(idporten): State<Idporten>, headers: HeaderMap) -> Response {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer "));
    if let Some(claims) = token.and_then(|token| idporten.userinfo(token)) {
        ([(header::CACHE_CONTROL, "no-store")], Json(claims)).into_response()
    } else {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
        (StatusCode::UNAUTHORIZED, challenge).into_response()
    }
}

async fn end_session(
    State(idporten): State<Idporten>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    idporten.ended(&read_query(query.as_deref()), cookie(&headers))
}

async fn end_session_by_form(State(idporten): State<Idporten>, headers: HeaderMap, body: Bytes) -> Response {
    idporten.ended(&read_form(&body).unwrap_or_default(), cookie(&headers))
}

fn refuse(wrong: Wrong, query: &Map<String, Value>) -> Response {
    match wrong {
        Wrong::Redirect(location) => see_other(&location, None),
        Wrong::Page(reason) => {
            let texts = pages::texts(field(query, "ui_locales"));
            page(StatusCode::BAD_REQUEST, pages::wrong(texts, reason), "form-action 'none'")
        }
    }
}

impl Idporten {
    fn let_in(&self, asked: &Asked<'_>, pid: String, navn: String, headers: &HeaderMap) -> Response {
        let granted = self.log_in(asked, pid, navn, cookie(headers));
        see_other(&granted.location, Some(self.set_cookie(&granted.cookie, "")))
    }

    fn choose(&self, asked: &Asked<'_>, query: &Map<String, Value>, wrong: Option<&str>) -> Response {
        let texts = pages::texts(field(query, "ui_locales"));
        let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let body = pages::choose(texts, self.personer(), wrong);
        // Browsers hold the redirect after a form against form-action, too.
        page(status, body, &format!("form-action 'self' {}", origin(&asked.redirect_uri)))
    }

    fn ended(&self, query: &Map<String, Value>, cookie: Option<&str>) -> Response {
        let Ended { told, location } = self.end_session(query, cookie);
        let forget = self.set_cookie("", "; Max-Age=0");
        if let (true, Some(location)) = (told.is_empty(), &location) {
            return see_other(location, Some(forget));
        }
        let texts = pages::texts(field(query, "ui_locales"));
        let body = pages::logged_out(texts, &told, location.as_deref());
        let frames: Vec<String> = told.iter().map(|uri| origin(uri)).collect();
        let frames = if frames.is_empty() { "'none'".to_owned() } else { frames.join(" ") };
        let mut response = page(StatusCode::OK, body, &format!("form-action 'none'; frame-src {frames}"));
        let headers = response.headers_mut();
        headers.insert(header::SET_COOKIE, forget);
        let refresh = location.and_then(|location| format!("{LINGER_S}; url={location}").try_into().ok());
        if let Some(refresh) = refresh {
            headers.insert(header::REFRESH, refresh);
        }
        response
    }

    fn set_cookie(&self, value: &str, more: &str) -> HeaderValue {
        let secure = if self.issuer().starts_with("https:") { "; Secure" } else { "" };
        let path = &self.inner.path;
        let text = format!("{COOKIE}={value}; Path={path}; HttpOnly; SameSite=Lax{secure}{more}");
        text.try_into().expect("the value is base64url, and the path was read from a URI")
    }
}

fn read_query(query: Option<&str>) -> Map<String, Value> {
    read_form(query.unwrap_or_default().as_bytes()).unwrap_or_default()
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    pairs
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

/// `scheme://host[:port]` of a registered address; `'none'` for one that has none.
fn origin(address: &str) -> String {
    let uri: Option<Uri> = address.parse().ok();
    uri.and_then(|uri| Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?)))
        .unwrap_or_else(|| "'none'".to_owned())
}

fn see_other(location: &str, cookie: Option<HeaderValue>) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut response = (StatusCode::SEE_OTHER, [(header::CACHE_CONTROL, "no-store")]).into_response();
    response.headers_mut().insert(header::LOCATION, location);
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn page(status: StatusCode, body: String, policy: &str) -> Response {
    let policy =
        format!("default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; {policy}");
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (status, headers, body).into_response()
}
