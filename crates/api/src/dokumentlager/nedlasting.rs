//! `GET /dokumentlager/nedlasting/{dokumentId}`.
//!
//! In no published document; follows the official clients. They fetch a document again on each look at the payload, and
//! the .NET client wants a Content-Length.

use app::App;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use wire::id::DokumentId;

use crate::extract::Path;
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

/// Media type of every payload: the server sees only that it is encrypted.
pub(super) const MEDIA_TYPE: &str = "application/octet-stream";

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/dokumentlager/nedlasting/{dokumentId}",
        "lastNedDokument",
        Access::Eier,
        nedlasting,
    )
    .summary("Henter innholdet i en melding. Kan gjentas så lenge dokumentet lagres.")
    .response_bytes()
}

async fn nedlasting(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path(dokument): Path<DokumentId>,
) -> Result<Response, Failure> {
    let download = app.download_dokument(&caller, dokument).await?;
    let headers = [(CONTENT_TYPE, MEDIA_TYPE.to_owned()), (CONTENT_LENGTH, download.size_bytes.to_string())];
    Ok((headers, Body::from_stream(download.bytes)).into_response())
}
