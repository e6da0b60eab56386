//! What a handler takes out of a request and how it answers: path ids and JSON bodies.

use std::error::Error as StdError;
use std::io;

use axum::body::HttpBody as _;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;

use app::{App, Door};

use crate::failure::Failure;

/// Values that a JSON body may have, each text, number, list and object by itself. The longest lists that are taken have some
/// hundreds.
pub(crate) const MAX_JSON_VALUES: usize = 5_000;
/// Bytes that a value takes besides its text, at most: the largest element of a list has four fields of 24 bytes, a list has
/// twice the room that it needs while it grows, and may be there once as it was sent and once as the use case takes it.
const VALUE_BYTES: usize = 256;

/// Largest JSON body in bytes. The largest field is a certificate of a few KiB.
pub(crate) const MAX_JSON_BYTES: usize = 1024 * 1024;

/// The ids of the path, in the order of the path.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        if parts.uri.path().contains("%00") {
            return Err(Failure::bad_path(None, JsonFault::Nul));
        }
        match axum::extract::Path::<T>::from_request_parts(parts, app).await {
            Ok(axum::extract::Path(ids)) => Ok(Self(ids)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                let value = match error.kind() {
                    ErrorKind::DeserializeError { value, .. }
                    | ErrorKind::ParseErrorAtKey { value, .. }
                    | ErrorKind::ParseErrorAtIndex { value, .. }
                    | ErrorKind::ParseError { value, .. } => Some(value.clone()),
                    _ => None,
                };
                Err(Failure::bad_path(value.as_deref(), error))
            }
            Err(rejection) => Err(Failure::bad_path(None, rejection)),
        }
    }
}

/// A JSON body, on its way in or out. Unknown fields are passed over.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(JsonFault::MediaType.into());
        }
        let told = body.size_hint().lower();
        if told > MAX_JSON_BYTES as u64 {
            return Err(JsonFault::TooLarge { max_bytes: MAX_JSON_BYTES as u64 }.into());
        }
        let bytes = match Limited::new(body, MAX_JSON_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(JsonFault::TooLarge { max_bytes: MAX_JSON_BYTES as u64 }.into());
            }
            Err(error) => return Err(JsonFault::Interrupted(error).into()),
        };
        // The text is there twice while it is parsed; how much more that takes is bounded by its values.
        if let Some(Door(keeper)) = parts.extensions.get() {
            let takes = bytes.len().saturating_add(count_values(&bytes).min(MAX_JSON_VALUES) * VALUE_BYTES);
            keeper.takes(u64::try_from(takes).unwrap_or(u64::MAX)).map_err(Failure::from)?;
        }
        Ok(Self(parse_json(&bytes)?))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A body without media type is taken for JSON: no other kind is asked for.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(CONTENT_TYPE) else { return true };
    let media_type =
        media_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    media_type.eq_ignore_ascii_case(b"application/json")
        || (media_type.len() > 17
            && media_type[..12].eq_ignore_ascii_case(b"application/")
            && media_type[media_type.len() - 5..].eq_ignore_ascii_case(b"+json"))
}

/// Whether a body broke off because it came too slowly, which whoever holds the connection reports as a time-out.
pub(crate) fn is_late(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Why a JSON body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonFault {
    /// It says that it is something else.
    #[error("the content type is not JSON")]
    MediaType,
    /// It is larger than any body needs to be.
    #[error("the body has more than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// It has more values than any body needs to have.
    #[error("the body has more than {max} values")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The client went away.
    #[error("the body did not arrive whole")]
    Interrupted(#[source] app::BoxError),
    /// There is none.
    #[error("the body is empty")]
    Empty,
    /// It is no JSON.
    #[error("the body is not JSON")]
    Syntax(#[source] serde_json::Error),
    /// It has the character U+0000, which not every database can keep.
    #[error("a text has the character U+0000")]
    Nul,
    /// It is JSON, but not what was asked for.
    #[error("the field at {path} is missing or does not fit")]
    Field {
        /// Where, such as `parts[0].partNavn`; a dot for the whole.
        path: String,
        /// What is wrong.
        #[source]
        error: serde_json::Error,
    },
}

/// Reads JSON. Only when that fails is it read again for where it went wrong.
///
/// # Errors
/// [`JsonFault::Empty`], [`JsonFault::Syntax`], [`JsonFault::Nul`], [`JsonFault::TooMany`], [`JsonFault::Field`].
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, JsonFault> {
    if has_nul(bytes) {
        return Err(JsonFault::Nul);
    }
    // Before any of them is made: the shortest take many times their text.
    if count_values(bytes) > MAX_JSON_VALUES {
        return Err(JsonFault::TooMany { max: MAX_JSON_VALUES });
    }
    let error = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if bytes.trim_ascii().is_empty() {
        return Err(JsonFault::Empty);
    }
    if !error.is_data() {
        return Err(JsonFault::Syntax(error));
    }
    match serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_slice(bytes)) {
        Ok(_) => Err(JsonFault::Syntax(error)),
        Err(found) => {
            let path = found.path().to_string();
            Err(JsonFault::Field { path, error: found.into_inner() })
        }
    }
}

/// How many values there are in JSON, at most: one more than there are commas, and one in each list and object.
fn count_values(json: &[u8]) -> usize {
    let (mut in_text, mut escaped) = (false, false);
    let begins = json.iter().filter(|byte| match **byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' if in_text => {
            escaped = true;
            false
        }
        b'"' => {
            in_text = !in_text;
            false
        }
        b',' | b'[' | b'{' => !in_text,
        _ => false,
    });
    begins.count() + 1
}

/// Whether a text in JSON has the character U+0000: only ever as an escape, and never behind an escaped backslash.
fn has_nul(json: &[u8]) -> bool {
    let mut escaped = false;
    json.iter().enumerate().any(|(at, byte)| {
        let begins = *byte == b'\\' && !escaped;
        let is_nul = escaped && json[at..].starts_with(b"u0000");
        escaped = begins;
        is_nul
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{HeaderValue, Method, StatusCode};
    use serde_json::json;

    use super::*;
    use crate::testing::{World, call};

    #[tokio::test]
    async fn bodies_that_cannot_be_taken_are_told_apart() {
        let world = World::new().await;
        let path = format!("{}/info", world.fag.konto_path());
        let good =
            json!({ "navn": "Ny konto", "beskrivelse": "Ny", "framtidig": { "a": [null] } }).to_string();
        let put = async |media_type: Option<&str>, body: Body| {
            let mut request = world.fag.request(Method::PUT, &path);
            if let Some(media_type) = media_type {
                request = request.header(CONTENT_TYPE, media_type);
            }
            call(&world.router, request.body(body).unwrap()).await
        };
        let json = Some("application/json");
        put(json, good.clone().into()).await.ok(StatusCode::NO_CONTENT);
        put(None, good.clone().into()).await.ok(StatusCode::NO_CONTENT);
        let answer = put(Some("application/x-www-form-urlencoded"), good.into()).await;
        answer.error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UGYLDIG_MEDIETYPE");
        for bad in [
            "",
            "  ",
            "{",
            "nei",
            "[]",
            "{}",
            "{\"navn\":1,\"beskrivelse\":\"Ny\"}",
            "{\"navn\":\"Ny\"}",
            "{} {}",
            "{\"navn\":\"Ny\\u0000\",\"beskrivelse\":\"Ny\"}",
            "{\"navn\":\"Ny konto\",\"beskrivelse\":\"\\\\\\u0000\"}",
        ] {
            put(json, bad.into()).await.error(StatusCode::BAD_REQUEST, "UGYLDIG_JSON");
        }
        // An escaped backslash before the same letters is a text as any other.
        let letters = json!({ "navn": "Ny konto", "beskrivelse": "\\u0000" }).to_string();
        put(json, letters.into()).await.ok(StatusCode::NO_CONTENT);
        let deep = |levels| Body::from("[".repeat(levels));
        put(json, deep(1_000)).await.error(StatusCode::BAD_REQUEST, "UGYLDIG_JSON");
        put(json, deep(100_000)).await.error(StatusCode::PAYLOAD_TOO_LARGE, "FOR_STOR");
        let large = Body::from(vec![b' '; MAX_JSON_BYTES + 1]);
        put(json, large).await.error(StatusCode::PAYLOAD_TOO_LARGE, "FOR_STOR");
        let gone = Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        let gone = Body::from_stream(futures::stream::iter([Ok(Bytes::from_static(b"{")), gone]));
        put(json, gone).await.error(StatusCode::BAD_REQUEST, "AVBRUTT");
        let late = Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let late = Body::from_stream(futures::stream::iter([Ok(Bytes::from_static(b"{")), late]));
        put(json, late).await.error(StatusCode::REQUEST_TIMEOUT, "FOR_TREG");
    }

    #[test]
    fn values_are_counted_and_no_text_is_taken_for_one() {
        for (json, count) in
            [("", 1), ("7", 1), (r#"{"a":"[[[,,,","b":["\",[,", "\\", {}]}"#, 7), (r#"["","","",""]"#, 5)]
        {
            assert_eq!(count_values(json.as_bytes()), count, "{json}");
        }
    }

    /// A list of the shortest texts takes twenty times as much as its JSON.
    #[tokio::test]
    async fn body_of_very_many_values_is_refused_before_they_are_made() {
        let world = World::new().await;
        let put = async |count: usize| {
            let body = json!({ "navn": "Ny konto", "beskrivelse": "Ny", "framtidig": vec![""; count] });
            let path = format!("{}/info", world.fag.konto_path());
            let request = world.fag.request(Method::PUT, &path).body(body.to_string().into()).unwrap();
            call(&world.router, request).await
        };
        put(4_000).await.ok(StatusCode::NO_CONTENT);
        put(5_000).await.error(StatusCode::PAYLOAD_TOO_LARGE, "FOR_STOR");
    }

    /// What was parsed of it waits for the registry.
    #[tokio::test]
    async fn what_is_made_of_a_body_takes_memory_until_the_request_is_done() {
        struct Counts(std::sync::atomic::AtomicU64);
        impl app::Doorkeeper for Counts {
            fn admit(&self, _: &app::Caller) -> Result<(), app::Error> {
                Ok(())
            }

            fn log_in_refused(&self) -> Result<(), app::Error> {
                Ok(())
            }

            fn takes(&self, bytes: u64) -> Result<(), app::Error> {
                self.0.store(bytes, std::sync::atomic::Ordering::Relaxed);
                let what = app::Grense::MinneBytesPerOrganisasjon;
                Err(app::Error::TooMany { retry_after: std::time::Duration::from_secs(5), what })
            }
        }
        let world = World::new().await;
        let body = json!({ "navn": "Ny", "beskrivelse": "Ny", "framtidig": vec![""; 100] }).to_string();
        let least = 100 * 256 + body.len();
        let door = std::sync::Arc::new(Counts(std::sync::atomic::AtomicU64::default()));
        let request = world
            .fag
            .request(Method::PUT, format!("{}/info", world.fag.konto_path()))
            .extension(Door(door.clone()))
            .body(body.into())
            .unwrap();
        call(&world.router, request).await.error(StatusCode::TOO_MANY_REQUESTS, "FOR_MANGE");
        assert!(door.0.load(std::sync::atomic::Ordering::Relaxed) >= u64::try_from(least).unwrap());
    }

    #[test]
    fn media_types_of_json_are_known() {
        for (media_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/json", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
            ("+json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            assert_eq!(is_json(&headers), expected, "{media_type}");
        }
        assert!(is_json(&HeaderMap::new()));
    }
}
