//! From a template to a response.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::feil::Feil;

/// A page.
pub(crate) fn html(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => Feil::intern(error).into_response(),
    }
}

/// A page where all is well.
pub(crate) fn ok(template: &impl Template) -> Response {
    html(StatusCode::OK, template)
}

/// A form to be mended.
pub(crate) fn invalid(template: &impl Template) -> Response {
    html(StatusCode::UNPROCESSABLE_ENTITY, template)
}

/// A form that somebody else changed the facts of.
pub(crate) fn conflict(template: &impl Template) -> Response {
    html(StatusCode::CONFLICT, template)
}

/// To another page, by GET.
pub(crate) fn found(address: &str) -> Response {
    match HeaderValue::try_from(address) {
        Ok(address) => (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response(),
        Err(error) => Feil::intern(error).into_response(),
    }
}
