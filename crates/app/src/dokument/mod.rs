//! Dokumentlager: payloads that are too large for a queue.

mod download;
mod kvote;
mod sweep;

pub use download::Download;
pub(crate) use kvote::Kvote;
