//! The error body of every HTTP API.

use serde::{Deserialize, Serialize};

/// `ErrorMessage`: sent with every status of 400 and above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timestamp: Option<i64>,
    /// Same as the HTTP status.
    pub status: u16,
    /// Reason phrase of the status.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Tells this answer from all others; stands in the server's log.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_id: Option<String>,
    /// Path of the request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// What is wrong and what to do, for a person.
    pub message: String,
    /// Machine-readable code, `docs/errors.md` lists them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<String>,
}
