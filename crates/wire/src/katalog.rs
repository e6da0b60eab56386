//! Fiks IO katalog and konto API: who is behind a Konto, and its public key.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{FiksOrgId, KontoId};

/// A Konto as the katalog shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KatalogKonto {
    /// The owner.
    pub fiks_org_id: FiksOrgId,
    /// The owner's name.
    pub fiks_org_navn: String,
    /// The owner's organisasjonsnummer, nine digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub organisasjonsnummer: Option<String>,
    /// The owner's kommunenummer, four digits, if it is a municipality.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kommunenummer: Option<String>,
    /// The Konto.
    pub konto_id: KontoId,
    /// Its name.
    pub konto_navn: String,
    /// How it stands right now.
    pub status: KontoStatus,
}

/// How a Konto stands right now. Always complete: the official clients read every field without a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct KontoStatus {
    /// It may send.
    pub gyldig_avsender: bool,
    /// It can be sent to.
    pub gyldig_mottaker: bool,
    /// AMQP consumers on its queue.
    pub antall_konsumenter: i64,
    /// Meldinger on its queue that no consumer holds.
    pub antall_uavhentede_meldinger: i64,
    /// What is wrong, if anything.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub melding: Option<String>,
}

/// A Konto in the protokoll-katalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProtokollKatalogKonto {
    /// The Konto.
    pub konto_id: KontoId,
    /// Its name.
    pub konto_navn: String,
    /// What it is for.
    pub konto_beskrivelse: String,
    /// The owner.
    pub fiks_org_id: FiksOrgId,
    /// The owner's name.
    pub fiks_org_navn: String,
    /// The owner's organisasjonsnummer, nine digits.
    pub organisasjonsnummer: String,
    /// The owner's kommunenummer, if it is a municipality.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kommunenummer: Option<String>,
    /// How it stands right now.
    pub status: KontoStatus,
}

/// The public key of a Konto. Also `OffentligNokkelResponse` of the konfigurasjon API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OffentligNokkel {
    /// An X.509 certificate as PEM, never a bare key.
    pub nokkel: String,
    /// It can be used now.
    pub valid: bool,
    /// Start of its validity.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub valid_from: Option<Timestamp>,
    /// End of its validity.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub valid_to: Option<Timestamp>,
    /// Serial number of the certificate, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub serial: Option<String>,
    /// Who it is issued to.
    #[serde(rename = "subjectDN", skip_serializing_if = "Option::is_none", default)]
    pub subject_dn: Option<String>,
    /// Who issued it.
    #[serde(rename = "issuerDN", skip_serializing_if = "Option::is_none", default)]
    pub issuer_dn: Option<String>,
    /// Why it is not valid.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status_message: Option<String>,
}

/// `PUT /fiks-io/konto/api/v1/kontoer/{kontoId}/offentligNokkel`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettOffentligNokkel {
    /// An X.509 certificate as PEM.
    pub pem: String,
}

/// `PUT /fiks-io/katalog/api/v1/kontoer/{kontoId}/offentligNokkel`; in no published document, used by the .NET client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettOffentligNokkelKatalog {
    /// An X.509 certificate as PEM.
    pub nokkel: String,
}
