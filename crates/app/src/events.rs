use domain::id::{IntegrasjonId, KontoId, SystemId};

/// A change that open connections must hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The login of this integrasjon is no longer what it was (new passord, other orgnummer, removed): end its
    /// connections, with a reply code that lets the client come back with the new login.
    IntegrasjonChanged(IntegrasjonId),
    /// All logins of this System have ended with it.
    SystemRemoved(SystemId),
    /// The queue is gone; its consumers have ended.
    KontoRemoved(KontoId),
}
