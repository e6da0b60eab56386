//! Heads of requests that a proxy and this server might not understand alike: none of them is served.
//!
//! Where one end takes for a body what the other takes for a request, or both find another host in a request, a stranger speaks
//! with somebody else's rights (RFC 9112 §3.2, §6.1, §6.3, §11.2). What cannot be read at all is refused before it gets here.

use axum::response::{IntoResponse as _, Response};
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, StatusCode, Version};

/// What is answered to a head that is not served, before the connection is closed.
pub(super) fn refusal(head: &Parts) -> Option<Response> {
    let (status, why) = host(head).and_then(|()| framing(head)).err()?;
    let close = [(CONNECTION, HeaderValue::from_static("close"))];
    Some((status, close, why).into_response())
}

type Refusal = (StatusCode, &'static str);

/// One host, and no other in the target.
fn host(head: &Parts) -> Result<(), Refusal> {
    let bad = |why| Err((StatusCode::BAD_REQUEST, why));
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, other) = (hosts.next(), hosts.next());
    if other.is_some() {
        return bad("the request has several Host headers\n");
    }
    let Some(host) = host else {
        return if head.version < Version::HTTP_11 {
            Ok(())
        } else {
            bad("the request has no Host header\n")
        };
    };
    // Empty where the target has no authority.
    if host.is_empty() {
        return Ok(());
    }
    let named =
        host.to_str().ok().filter(|name| !name.contains('@')).and_then(|name| name.parse::<Authority>().ok());
    match (named, head.uri.authority()) {
        (None, _) => bad("the Host header is not a host\n"),
        (Some(named), Some(target)) if *target != named => {
            bad("the Host header is not the host of the target\n")
        }
        _ => Ok(()),
    }
}

/// Chunks, and nothing else. A length besides them is left out and the connection closed before this is asked.
fn framing(head: &Parts) -> Result<(), Refusal> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if codings.next().is_some() || coding.as_bytes().contains(&b',') {
        return Err((StatusCode::BAD_REQUEST, "the request has several transfer codings\n"));
    }
    if !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Err((StatusCode::NOT_IMPLEMENTED, "the only transfer coding here is chunked\n"));
    }
    Ok(())
}
