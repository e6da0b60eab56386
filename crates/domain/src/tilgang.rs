//! Tilgang: a Konto lets a System send to it. Forespørsel: a System asks for that.

use jiff::Timestamp;
use wire::id::{KontoId, SystemId};

/// The owner of `konto_id` lets the kontoer of `system_id` send to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tilgang {
    /// Who may be sent to.
    pub konto_id: KontoId,
    /// Whose kontoer may send.
    pub system_id: SystemId,
    /// Since when.
    pub gitt: Timestamp,
}

/// `system_id` has asked the owner of `konto_id` for [`Tilgang`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foresporsel {
    /// Who shall be sent to.
    pub konto_id: KontoId,
    /// Whose kontoer want to send.
    pub system_id: SystemId,
    /// Since when.
    pub sendt: Timestamp,
}
