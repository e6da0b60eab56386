//! Protokoll, Part and Meldingstype.

use serde::{Deserialize, Serialize};
pub use wire::konfigurasjon::{PayloadKriterie, Protokollstatus};

/// One version of a Protokoll. This is also the form in which it is stored and shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protokoll {
    /// Name, such as `no.ks.fiks.arkiv`.
    pub navn: String,
    /// Version, such as `v1`.
    pub versjon: String,
    /// What it is for.
    pub beskrivelse: String,
    /// Whether it may be used.
    pub status: Protokollstatus,
    /// All its meldingstyper.
    pub meldingstyper: Vec<Meldingstype>,
    /// All its parter.
    pub parter: Vec<Part>,
}

/// A kind of melding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meldingstype {
    /// Name, unique within its Protokoll and version.
    pub navn: String,
    /// Whether it has payload.
    pub payload_kriterie: PayloadKriterie,
    /// It tells that something went wrong.
    #[serde(default)]
    pub er_feilmelding: bool,
}

/// A role in a Protokoll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Name, unique within its Protokoll and version.
    pub navn: String,
    /// What it is for.
    pub beskrivelse: String,
    /// Meldingstyper it may send.
    pub avsender_meldingstyper: Vec<String>,
    /// Meldingstyper it may receive.
    pub mottaker_meldingstyper: Vec<String>,
    /// Parter it may talk with.
    pub stottede_parter: Vec<String>,
}

impl Protokoll {
    /// The Part called `navn`.
    pub fn part(&self, navn: &str) -> Option<&Part> {
        self.parter.iter().find(|part| part.navn == navn)
    }

    /// The Meldingstype called `navn`.
    pub fn meldingstype(&self, navn: &str) -> Option<&Meldingstype> {
        self.meldingstyper.iter().find(|meldingstype| meldingstype.navn == navn)
    }
}
