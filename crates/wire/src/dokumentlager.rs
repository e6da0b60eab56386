//! Dokumentlager: metadata of a stored payload.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::DokumentId;

/// Below which payloads are fetched.
pub const PREFIX: &str = "/dokumentlager/nedlasting/";

/// `GET /dokumentlager/nedlasting/{dokumentId}/metadata`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DokumentMetadata {
    /// The document.
    pub id: DokumentId,
    /// Its file name.
    pub dokumentnavn: String,
    /// Its media type. Spelt `mimeType` here and `mimetype` in the upload metadata.
    pub mime_type: String,
    /// Bytes as stored.
    pub kryptert_storrelse: i64,
    /// Bytes before encryption; for payloads of Fiks IO the same as `kryptert_storrelse`, since the server sees only those.
    pub ukryptert_storrelse: i64,
    /// Ties documents together.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub korrelasjonsid: Option<Uuid>,
}
