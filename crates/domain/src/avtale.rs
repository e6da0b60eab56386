//! Avtale: what an organisasjon signs before it takes Fiks Protokoll into use.

use jiff::Timestamp;
use wire::id::{FiksOrgId, PersonId, Uuid};

/// The document that is signed. The operator provides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvtaleDokument {
    /// Its version, as it says of itself.
    pub versjon: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Its name.
    pub navn: String,
}

/// A signature of an avtale. Never changed once it was made.
#[derive(Clone, PartialEq, Eq)]
pub struct AvtaleSignatur {
    /// Its id.
    pub id: Uuid,
    /// For whom it was signed.
    pub fiks_org_id: FiksOrgId,
    /// What was signed.
    pub dokument: AvtaleDokument,
    /// Who signed.
    pub signert_av: PersonId,
    /// His name as it was then.
    pub signert_navn: String,
    /// The level at which he had proved who he is.
    pub acr: Option<String>,
    /// When.
    pub tidspunkt: Timestamp,
}

impl std::fmt::Debug for AvtaleSignatur {
    /// Without the name: names of people are not logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AvtaleSignatur")
            .field("id", &self.id)
            .field("fiks_org_id", &self.fiks_org_id)
            .field("dokument", &self.dokument)
            .field("signert_av", &self.signert_av)
            .field("tidspunkt", &self.tidspunkt)
            .finish_non_exhaustive()
    }
}
