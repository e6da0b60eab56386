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
