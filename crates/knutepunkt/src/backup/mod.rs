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
pub(crate) mod sums;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod verify;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Names in a backup.
pub(crate) const LOG: &str = "ko.dump";
pub(crate) const SQLITE: &str = "register.sqlite";
pub(crate) const ROWS: &str = "register.jsonl";
pub(crate) const KEY: &str = "passord.key";
pub(crate) const PAYLOADS: &str = "dokumentlager";
pub(crate) const SUMS: &str = "SHA256SUMS";
pub(crate) const MANIFEST: &str = "manifest.json";

/// How far the work has come, for a person, and whether to go on.
#[derive(Clone)]
pub(crate) struct Progress {
    say: Arc<dyn Fn(String) + Send + Sync>,
    stopped: Arc<AtomicBool>,
}

/// Stops the work when it is dropped: nobody waits for it any more.
pub(crate) struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Progress {
    pub(crate) fn new(say: impl Fn(String) + Send + Sync + 'static) -> (Self, StopOnDrop) {
        let stopped = Arc::new(AtomicBool::new(false));
        (Self { say: Arc::new(say), stopped: Arc::clone(&stopped) }, StopOnDrop(stopped))
    }

    pub(crate) fn say(&self, text: String) {
        (self.say)(text);
    }

    pub(crate) fn go_on(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }

    /// # Errors
    /// When it was stopped.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.go_on(), "it was stopped");
        Ok(())
    }
}
