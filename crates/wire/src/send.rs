//! `POST /fiks-io/api/v1/send`.
//!
//! There is no published document for it; the bodies follow the official send clients.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{DokumentId, KontoId, MeldingId};

/// Path of the operation.
pub const PATH: &str = "/fiks-io/api/v1/send";
/// Name of the first part of the multipart body: [`SendMetadata`] as JSON.
pub const PART_METADATA: &str = "metadata";
/// Name of the optional second part: the encrypted payload.
pub const PART_DATA: &str = "data";

/// The `metadata` part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SendMetadata {
    /// Who sends.
    pub avsender_konto_id: KontoId,
    /// Who shall receive.
    pub mottaker_konto_id: KontoId,
    /// The meldingstype.
    pub melding_type: String,
    /// The melding that this answers.
    #[serde(default)]
    pub svar_pa_melding: Option<MeldingId>,
    /// Time to live in milliseconds; absent means the server's default.
    #[serde(default)]
    pub ttl: Option<i64>,
    /// The sender's own headers, names without prefix.
    #[serde(default)]
    pub headere: Option<BTreeMap<String, String>>,
}

/// Answer with status 202. Has exactly these eight keys: the stand-alone Java client fails on an unknown one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SendtMelding {
    /// Id that the server gave the melding.
    pub melding_id: MeldingId,
    /// As asked.
    pub melding_type: String,
    /// As asked.
    pub avsender_konto_id: KontoId,
    /// As asked.
    pub mottaker_konto_id: KontoId,
    /// Milliseconds that the melding will live.
    pub ttl: i64,
    /// Where the payload lies if it was too large for the queue; `null` otherwise.
    pub dokumentlager_id: Option<DokumentId>,
    /// As asked; `null` if the melding answers none.
    pub svar_pa_melding: Option<MeldingId>,
    /// As asked; `{}` if none.
    pub headere: BTreeMap<String, String>,
}
