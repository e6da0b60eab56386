//! Organisasjon: who owns systemer.

use jiff::Timestamp;
use wire::id::FiksOrgId;

use crate::Orgnummer;

/// An organisasjon in Fiks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisasjon {
    /// Its id.
    pub id: FiksOrgId,
    /// Its name.
    pub navn: String,
    /// Its organisasjonsnummer.
    pub orgnummer: Orgnummer,
    /// Four digits, if it is a municipality.
    pub kommunenummer: Option<String>,
    /// When it took Fiks Protokoll into use; `None` while it has not.
    pub tatt_i_bruk: Option<Timestamp>,
}
