//! Backups: made while the server runs, checked without a place, and put back into an empty one.
//!
//! | In the folder | What |
//! |---|---|
//! | `ko.dump` | the queue log, in the form that `broker-embedded` describes in `store/chunks.rs` |
//! | `register.sqlite`, or `register.jsonl` | the registry: a whole SQLite database, or the rows of PostgreSQL |
//! | `passord.key` | the key of passwords and persons |
//! | `dokumentlager/dokument/ID` | the payloads in Dokumentlager |
//! | `SHA256SUMS` | of all of these, as `sha256sum -c` reads it |
//! | `manifest.json` | what it is, and the sum of `SHA256SUMS`; written last |
//!
//! A folder without the manifest is no backup. The order in which the parts are copied makes them fit each other without
//! stopping anything: first no payload is removed any more, then a moment of the queue log is held and written down, then the
//! registry is copied, which is therefore not older than the log, and then the payloads, all of which that moment names are
//! still there.

pub(crate) mod make;
pub(crate) mod manifest;
pub(crate) mod read;
pub(crate) mod restore;
mod room;
pub(crate) mod sums;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod verify;

/// Names in a backup.
pub(crate) const LOG: &str = "ko.dump";
pub(crate) use crate::names::{KEY, PAYLOADS, SQLITE};
pub(crate) const ROWS: &str = "register.jsonl";
pub(crate) const SUMS: &str = "SHA256SUMS";
pub(crate) const MANIFEST: &str = "manifest.json";
