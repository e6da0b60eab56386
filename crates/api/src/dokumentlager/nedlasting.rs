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

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::{OPPRETT, World, form};

    #[tokio::test]
    async fn document_can_be_fetched_again_and_again_by_both_ends() {
        let world = World::new().await;
        let sent = world
            .send(&world.fag, form(&world.metadata(OPPRETT), Some(&[7; 5000])))
            .await
            .ok(StatusCode::ACCEPTED);
        let path = format!("/dokumentlager/nedlasting/{}", sent["dokumentlagerId"].as_str().unwrap());
        for party in [&world.arkiv, &world.arkiv, &world.fag] {
            let answer = world.call(party, Method::GET, &path, None).await;
            answer.headers.get("content-type").filter(|kind| *kind == MEDIA_TYPE).unwrap();
            assert_eq!(answer.headers["content-length"], "5000");
            assert!(answer.status == StatusCode::OK && answer.body == [7; 5000].as_slice());
        }
    }

    #[tokio::test]
    async fn document_whose_time_is_over_does_not_exist() {
        let world = World::new().await;
        let sent = world
            .send(&world.fag, form(&world.metadata(OPPRETT), Some(&[7; 5000])))
            .await
            .ok(StatusCode::ACCEPTED);
        let path = format!("/dokumentlager/nedlasting/{}", sent["dokumentlagerId"].as_str().unwrap());
        world.clock.advance(std::time::Duration::from_hours(8 * 24));
        world
            .call(&world.arkiv, Method::GET, path, None)
            .await
            .error(StatusCode::NOT_FOUND, "UKJENT_DOKUMENT");
    }
}
