//! Dokumentlager: payloads that are too large for a queue.

mod download;
mod hold;
mod kvote;
mod sweep;
mod whole;

pub use download::Download;
pub use hold::PayloadHold;
pub(crate) use kvote::Kvote;
pub use whole::{Damage, DamagedDokument};
