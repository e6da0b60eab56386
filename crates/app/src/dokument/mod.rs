//! Dokumentlager: payloads that are too large for a queue.

mod download;
mod hold;
mod kvote;
mod place;
mod sweep;
mod whole;

pub use download::Download;
pub use hold::PayloadHold;
pub(crate) use kvote::Kvote;
pub use place::{FOLDER, dokument_at, object_path};
pub use whole::{Damage, DamagedDokument};
