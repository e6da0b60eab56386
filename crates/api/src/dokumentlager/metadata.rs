//! `GET /dokumentlager/nedlasting/{dokumentId}/metadata`.

use app::App;
use axum::extract::State;
use http::Method;
use wire::dokumentlager::DokumentMetadata;
use wire::id::DokumentId;

use crate::dokumentlager::nedlasting::MEDIA_TYPE;
use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/dokumentlager/nedlasting/{dokumentId}/metadata",
        "getDokumentMetadata",
        Access::Eier,
        metadata,
    )
    .summary("Viser hva som er kjent om innholdet i en melding uten å hente det.")
    .response::<DokumentMetadata>()
}

async fn metadata(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path(dokument): Path<DokumentId>,
) -> Result<Json<DokumentMetadata>, Failure> {
    let dokument = app.dokument(&caller, dokument).await?;
    let size_bytes = i64::try_from(dokument.size_bytes).unwrap_or(i64::MAX);
    Ok(Json(DokumentMetadata {
        id: dokument.id,
        dokumentnavn: dokument.id.to_string(),
        mime_type: MEDIA_TYPE.to_owned(),
        kryptert_storrelse: size_bytes,
        ukryptert_storrelse: size_bytes,
        korrelasjonsid: None,
    }))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::testing::{OPPRETT, World, form};

    #[tokio::test]
    async fn sizes_are_those_of_what_was_sent() {
        let world = World::new().await;
        let sent = world
            .send(&world.fag, form(&world.metadata(OPPRETT), Some(&[7; 5000])))
            .await
            .ok(StatusCode::ACCEPTED);
        let id = sent["dokumentlagerId"].as_str().unwrap();
        let path = format!("/dokumentlager/nedlasting/{id}/metadata");
        assert_eq!(
            world.call(&world.arkiv, Method::GET, path, None).await.ok(StatusCode::OK),
            json!({
                "id": id,
                "dokumentnavn": id,
                "mimeType": "application/octet-stream",
                "kryptertStorrelse": 5000,
                "ukryptertStorrelse": 5000,
            })
        );
    }
}
