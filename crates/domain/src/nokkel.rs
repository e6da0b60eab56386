//! Offentlig nøkkel: the certificate that meldinger to a Konto are encrypted to.

use jiff::Timestamp;
use wire::id::KontoId;

/// The certificate of a Konto with the facts read out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffentligNokkel {
    /// The Konto.
    pub konto_id: KontoId,
    /// PEM exactly as uploaded: the official Java client compares it with its own.
    pub pem: String,
    /// Start of its validity.
    pub gyldig_fra: Timestamp,
    /// End of its validity.
    pub gyldig_til: Timestamp,
    /// Serial number, hexadecimal.
    pub serienummer: String,
    /// Who it is issued to.
    pub utstedt_til: String,
    /// Who issued it.
    pub utsteder: String,
    /// SHA-256 of the certificate, lower-case hexadecimal.
    pub fingeravtrykk: String,
    /// When it was uploaded.
    pub opprettet: Timestamp,
}

impl OffentligNokkel {
    /// Whether it is within its validity at `now`.
    pub fn gyldig(&self, now: Timestamp) -> bool {
        self.gyldig_fra <= now && now < self.gyldig_til
    }
}
