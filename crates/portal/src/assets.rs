//! The styles, the script and the icon of the pages, built from `web/` and embedded.
//!
//! Their paths hold a hash of their content, so that a browser may keep them for ever and still gets the new ones of a new version.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

/// One embedded file.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Where the styles are served: `/static/{hash}/app.css`.
pub(crate) fn css_path() -> &'static str {
    CSS.path
}

/// Where the script is served, an ES module: `/static/{hash}/app.js`.
pub(crate) fn js_path() -> &'static str {
    JS.path
}

/// Where the icon of the pages is served: `/static/{hash}/ikon.svg`.
pub(crate) fn icon_path() -> &'static str {
    ICON.path
}

/// The styles themselves, for a page that is not served.
#[cfg(test)]
pub(crate) fn css() -> &'static [u8] {
    CSS.plain
}

/// The script itself, for a page that is not served.
#[cfg(test)]
pub(crate) fn js() -> &'static [u8] {
    JS.plain
}

/// Serves the files at their paths.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    [&CSS, &JS, &ICON].into_iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(move |headers: HeaderMap| async move { serve(asset, &headers) }))
    })
}

fn serve(asset: &'static Asset, request: &HeaderMap) -> Response {
    let gzip = accepts_gzip(request);
    let body = if gzip { asset.gzip } else { asset.plain };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether `Accept-Encoding` names gzip and does not give it the weight 0 (RFC 9110 §12.5.3).
fn accepts_gzip(request: &HeaderMap) -> bool {
    request
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            let refused = parts
                .filter_map(|part| part.strip_prefix("q="))
                .any(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0));
            named && !refused
        })
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::{Request, StatusCode};
    use tower::ServiceExt;

    use super::*;

    async fn fetch(path: &str, accept_encoding: &str) -> Response {
        let request =
            Request::get(path).header(ACCEPT_ENCODING, accept_encoding).body(Body::empty()).unwrap();
        routes::<()>().oneshot(request).await.unwrap()
    }

    #[test]
    fn styles_and_script_keep_within_their_budgets() {
        for (asset, budget) in [(CSS, 30_000), (JS, 12_000)] {
            let size = asset.gzip.len();
            assert!(size <= budget, "{} is {size} bytes as gzip", asset.path);
        }
    }

    #[tokio::test]
    async fn an_asset_is_served_for_ever_with_its_type() {
        for (asset, content_type) in [
            (CSS, "text/css; charset=utf-8"),
            (JS, "text/javascript; charset=utf-8"),
            (ICON, "image/svg+xml"),
        ] {
            let response = fetch(asset.path, "identity").await;
            assert_eq!(response.status(), StatusCode::OK);
            let headers = response.headers();
            assert_eq!(headers[CONTENT_TYPE], content_type);
            assert_eq!(headers[CACHE_CONTROL], "public, max-age=31536000, immutable");
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert!(!headers.contains_key(CONTENT_ENCODING));
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            assert_eq!(body, asset.plain);
        }
    }

    #[tokio::test]
    async fn gzip_is_sent_to_those_who_take_it() {
        for (accept_encoding, gzip) in
            [("gzip, deflate, br", true), ("br;q=1.0, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false)]
        {
            let response = fetch(CSS.path, accept_encoding).await;
            assert_eq!(response.headers().contains_key(CONTENT_ENCODING), gzip, "{accept_encoding}");
        }
    }

    #[tokio::test]
    async fn a_path_with_another_hash_is_not_found() {
        let response = fetch("/static/000000000000/app.css", "gzip").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }

    /// The pages forbid inline style and unsafe sinks by CSP; what breaks it only shows in a browser.
    #[test]
    fn the_script_uses_no_html_strings() {
        let script = String::from_utf8_lossy(JS.plain);
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "DOMParser", "document.write", "eval("] {
            assert!(!script.contains(sink), "{sink}");
        }
    }
}
