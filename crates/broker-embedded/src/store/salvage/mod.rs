//! Saving what can be read of a damaged log into a new one.
//!
//! The damaged log is not changed: a [`Shadow`] of it is opened, whose journals keep every batch that is whole. What its tables
//! still hold is copied keyspace by keyspace, past what cannot be read. Where the list of what waits, or of dead letters, has
//! gaps, it is completed from the meldinger: one whose sporing has no end waits still. A melding that waits and cannot be
//! read is left in its place as far as it is known, so that its turn makes a dead letter of it and notifies its sender.
//!
//! At the end each melding that the [`witness`](super::witness) knows to be promised is looked for in what was saved, since a
//! batch that is damaged leaves no trace in the log; see [`promised`].

mod live;
mod open;
mod promised;
mod report;
mod saving;
mod stand_in;

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use wire::id::{KontoId, MeldingId};

use self::open::{Opened, open_what_can_be};
use self::promised::Promised;
use self::report::write_report;
use self::saving::Saving;
use super::loss::{LAYOUT, no_log, sync_folder_of};
use super::{Begun, Damage, Store, StoreError, files, witness};
use crate::OpenError;

/// What was saved for one Konto, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedKonto {
    /// Meldinger that wait in its queue, and are whole.
    pub waiting: u64,
    /// Its dead letters.
    pub dead: u64,
    /// Meldinger that should wait or be dead letters, and of which something could not be saved.
    pub lost: Vec<Unsaved>,
}

/// A melding of which something could not be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsaved {
    /// Its id, where that is known.
    pub id: Option<MeldingId>,
    /// Who sent it, where that is known.
    pub avsender: Option<KontoId>,
    /// What is missing.
    pub missing: Missing,
}

/// What is missing of a melding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Its payload. It becomes a dead letter when its turn comes, and its sender is notified.
    Payload,
    /// All but its place. As above, where its sender is known.
    Melding,
    /// Everything: it was promised, and the log does not know it any more.
    All,
}

impl Missing {
    fn name(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Melding => "melding",
            Self::All => "alt",
        }
    }
}

/// A log that was saved as far as it could be.
#[derive(Debug)]
pub struct Salvaged {
    /// By the Konto whose queue it is.
    pub kontoer: BTreeMap<KontoId, SavedKonto>,
    /// Places in tables that could not be read.
    pub places: u64,
    /// Bytes of journals that could not be read.
    pub journal_bytes: u64,
    /// Keyspaces none of whose tables could be opened.
    pub unopened: usize,
    /// Whether the witness reaches back far enough to know of all that may be missing.
    pub is_complete: bool,
    /// When the oldest melding was taken that the witness knows of.
    pub known_since: Option<Timestamp>,
    /// Meldinger that were promised and left no trace, and are so old that the log forgets them once they are over.
    pub forgotten: u64,
    /// A file with a line of JSON for each melding of which something is missing.
    pub report: PathBuf,
    /// The damaged log, as it was found.
    pub old_log: PathBuf,
}

/// Saves what can be read of the log at `path` into a new log, which takes its place; the damaged one is kept beside it. What
/// waits is handed out as redelivered. Blocks.
///
/// # Errors
/// [`OpenError`]: there is no log, a server uses it, or so much is missing that nothing can be read. Nothing is changed then.
pub fn salvage(path: &Path, now: Timestamp) -> Result<Salvaged, OpenError> {
    if !path.is_dir() {
        return Err(no_log(path));
    }
    save(path, now).map_err(|error| OpenError::new(path, error))
}

fn save(path: &Path, now: Timestamp) -> Result<Salvaged, StoreError> {
    files::check_all_there(path)?;
    let Opened { shadow, journal_bytes, journal_from, unopened } = open_what_can_be(path)?;
    let recalled = witness::recall(shadow.path()).map_err(StoreError::Witness)?;
    let begun = Begun::new(shadow.path(), &LAYOUT, Damage::Accept)?;
    let promised = Promised::new(&recalled, begun.step);
    let (old, ..) = Store::go_on(shadow.path(), begun)?;

    let stamp = now.as_second();
    let place = path.with_extension("berget");
    DirBuilder::new().mode(0o700).create(&place).map_err(StoreError::Files)?;
    let new_path = place.join("ko");
    let saving = Saving::new(&old, now, &promised, unopened, journal_bytes > 0);
    let saved = match saving.run(&new_path) {
        Ok(saved) => saved,
        Err(error) => {
            // It was made just now, and nothing is in it that is not in the old one.
            drop(std::fs::remove_dir_all(&place));
            return Err(error);
        }
    };
    let is_complete =
        promised.has_all_from(saved.places > 0 || unopened > 0, journal_bytes > 0, journal_from);
    drop((old, shadow));
    let report = path.with_extension(format!("berging-{stamp}.jsonl"));
    write_report(&report, &saved.kontoer).map_err(StoreError::Files)?;
    let old_log = put_in_place(path, &place, stamp).map_err(StoreError::Files)?;
    Ok(Salvaged {
        kontoer: saved.kontoer,
        places: saved.places,
        journal_bytes,
        unopened,
        is_complete,
        known_since: promised.since(),
        forgotten: saved.forgotten,
        report,
        old_log,
    })
}

/// Has the new log take the place of the old one, which keeps another name.
fn put_in_place(path: &Path, place: &Path, stamp: i64) -> io::Result<PathBuf> {
    let old = path.with_extension(format!("skadet-{stamp}"));
    let witness = witness::beside(path);
    if witness.exists() {
        std::fs::rename(&witness, path.with_extension(format!("vitne-{stamp}")))?;
    }
    std::fs::rename(path, &old)?;
    std::fs::rename(place.join("ko"), path)?;
    std::fs::rename(witness::beside(&place.join("ko")), witness)?;
    std::fs::remove_dir(place)?;
    sync_folder_of(path)?;
    Ok(old)
}
