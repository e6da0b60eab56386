//! Konto: a queue for one Protokoll.

use jiff::Timestamp;
use wire::id::{KontoId, SystemId};

/// A Konto of a System.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Konto {
    /// Its id, also in Fiks IO.
    pub id: KontoId,
    /// The System it belongs to.
    pub system_id: SystemId,
    /// 2–200 characters.
    pub navn: String,
    /// 1–500 characters.
    pub beskrivelse: String,
    /// Name of its Protokoll.
    pub protokoll_navn: String,
    /// The parts it plays, at least one; all of its Protokoll.
    pub parter: Vec<PartRef>,
    /// It may only receive.
    pub send_meldinger_deaktivert: bool,
    /// When it was made.
    pub opprettet: Timestamp,
    /// When it was last changed.
    pub sist_endret: Timestamp,
}

/// A Part of a known Protokoll, by name and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartRef {
    /// Version of the Protokoll.
    pub versjon: String,
    /// Name of the Part.
    pub navn: String,
}
