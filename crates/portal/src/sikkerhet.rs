//! What holds on every page: headers, and that changes come from pages of ours.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::config::Miljo;
use crate::feil::Feil;
use crate::portal::Portal;

/// May be framed by the login provider, which tells of logouts that way.
pub(crate) const FRONT_CHANNEL: &str = "/auth/frontkanal";

const PERMISSIONS: &str = "accelerometer=(), camera=(), clipboard-read=(), clipboard-write=(self), display-capture=(), \
     fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()";

/// Adds the headers that every page has.
pub(crate) async fn headers(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let framed = request.uri().path() == FRONT_CHANNEL;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_SECURITY_POLICY, &policy(&portal, framed));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    if !framed {
        set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
        set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    }
    let config = portal.config();
    if config.miljo == Miljo::Produksjon && config.url.is_secure() {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn policy(portal: &Portal, framed: bool) -> String {
    // Browsers check form-action again on the redirect to the login provider.
    let provider = portal.login().map_or("", |login| login.origin());
    let ancestors = if framed && !provider.is_empty() { provider } else { "'none'" };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; form-action 'self' {provider}; frame-ancestors {ancestors}; base-uri 'none'; \
         require-trusted-types-for 'script'"
    )
}

/// In development, leads from the other names of this machine to the one address that cookies and forms are bound to.
pub(crate) async fn one_address(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let config = portal.config();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let asked = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let asked = asked.or(request.uri().authority().map(Authority::as_str)).unwrap_or_default();
    if config.miljo != Miljo::Utvikling || !reads || !is_other_name(asked, config.url.authority()) {
        return next.run(request).await;
    }
    let sti = request.uri().path_and_query().map_or("/", |sti| sti.as_str());
    match HeaderValue::try_from(format!("{}{sti}", config.url.origin())) {
        Ok(address) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, address)]).into_response(),
        Err(_) => next.run(request).await,
    }
}

/// Whether `asked` is this very machine, by another name or port than `ours`.
fn is_other_name(asked: &str, ours: &str) -> bool {
    let host = match asked.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => asked,
    };
    !asked.eq_ignore_ascii_case(ours)
        && ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| host.eq_ignore_ascii_case(name))
}

/// Refuses changes that another website asks the browser for. The token in each form is the second check.
pub(crate) async fn same_origin(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if safe || comes_from_us(request.headers(), portal.config().url.origin()) {
        next.run(request).await
    } else {
        Feil::FremmedOpprinnelse.into_response()
    }
}

/// Whether the browser says that the request was made by a page of ours. A browser that says nothing is not believed.
pub(crate) fn comes_from_us(headers: &HeaderMap, origin: &str) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    match headers.get(header::ORIGIN).map(HeaderValue::as_bytes) {
        // What browsers send from a page that asks for no referrer, as ours do.
        None | Some(b"null") => site == Some(b"same-origin"),
        Some(sent) => sent == origin.as_bytes() && matches!(site, None | Some(b"same-origin")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_of_this_machine_are_known() {
        const OURS: &str = "127.0.0.1:8080";
        for (asked, other) in [
            ("127.0.0.1:8080", false),
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("localhost:8443", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("dev.eksempel.no:8080", false),
            ("localhost.eksempel.no", false),
            ("", false),
        ] {
            assert_eq!(is_other_name(asked, OURS), other, "{asked}");
        }
    }

    #[test]
    fn only_a_page_of_ours_may_ask_for_changes() {
        const OURS: &str = "https://portal.no";
        for (origin, site, expected) in [
            (Some(OURS), Some("same-origin"), true),
            (Some(OURS), None, true),
            (None, Some("same-origin"), true),
            (None, None, false),
            (Some("https://evil.no"), None, false),
            (Some("https://evil.no"), Some("same-origin"), false),
            (Some("null"), Some("same-origin"), true),
            (Some("null"), Some("cross-site"), false),
            (Some("null"), None, false),
            (Some(OURS), Some("same-site"), false),
            (None, Some("none"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            if let Some(site) = site {
                headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            }
            assert_eq!(comes_from_us(&headers, OURS), expected, "{origin:?} {site:?}");
        }
    }
}
