use jiff::Timestamp;
use wire::id::{FiksOrgId, KontoId, SystemId};

/// What the registry knows of a Konto that is looked after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KontoFakta {
    /// The Konto.
    pub konto_id: KontoId,
    /// Its System.
    pub system_id: SystemId,
    /// Start and end of validity of the nøkkel in use, if there is one.
    pub nokkel: Option<(Timestamp, Timestamp)>,
    /// It may only receive.
    pub send_meldinger_deaktivert: bool,
}

/// How a Konto is called, to others too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kontonavn {
    /// The Konto.
    pub konto_id: KontoId,
    /// Its name.
    pub navn: String,
    /// Its System.
    pub system_id: SystemId,
    /// The name of its System.
    pub system_navn: String,
    /// The owner.
    pub fiks_org_id: FiksOrgId,
    /// The name of the owner.
    pub organisasjon_navn: String,
}
