//! Dokumentlager: payloads that are too large for a queue.

mod download;
mod sweep;

pub use download::Download;
