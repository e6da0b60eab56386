//! Saving what can be read of a damaged log into a new one.
//!
//! The damaged log is not changed: a [`Shadow`] of it is opened keyspace by keyspace, without the tables that cannot be, and all
//! whole batches of the journals are added. What that holds is copied, past what cannot be read. Where the list of what waits, or of dead letters, has
//! gaps, it is completed from the meldinger: one whose sporing has no end waits still. A melding that waits and cannot be
//! read is left in its place as far as it is known, so that its turn makes a dead letter of it and notifies its sender.
//!
//! A missing file is no more than a damaged one: see [`tree`] for tables and their lists, [`spaces`] for the list of keyspaces,
//! [`journals`] for those.
//!
//! At the end each melding that the [`witness`](super::witness) knows to be promised is looked for in what was saved, since a
//! batch that is damaged leaves no trace in the log; see [`promised`].

mod journals;
mod live;
mod manifest;
mod old;
mod place;
mod promised;
mod report;
mod saving;
mod scan;
mod spaces;
mod stand_in;
mod tree;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use wire::id::{FiksOrgId, KontoId, MeldingId};

pub(super) use self::journals::whole_behind;
use self::old::Old;
use self::promised::Promised;
use self::report::write_report;
use self::saving::{Saved, Saving};
use super::loss::{loss_of_all, note};
use super::shadow::Shadow;
use super::{StoreError, folder, shadow, witness};
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
    /// Files of the damaged log that were missing or could not be used, as they are called within it.
    pub lost_files: Vec<PathBuf>,
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

/// What to do where nothing can be saved although something was, or may have been, promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptied {
    /// Change nothing.
    Refuse,
    /// Go on with a new log that holds nothing.
    Accept,
}

/// Saves what can be read of the log at `path` into a new log, which takes its place; the damaged one is kept beside it. What
/// waits is handed out as redelivered, and counts for those who own its kontoer by the log or by `owners`. Blocks.
///
/// Once the new log is whole, whoever opens the log next finishes what a process that was killed had left to do.
///
/// # Errors
/// [`OpenError`]: there is no log, a server uses it, or nothing can be saved. Nothing is changed then.
pub fn salvage(
    path: &Path,
    now: Timestamp,
    emptied: Emptied,
    owners: &BTreeMap<KontoId, FiksOrgId>,
) -> Result<Salvaged, OpenError> {
    finish_salvage(path)?;
    let failed = |error| OpenError::new(path, error);
    note::refuse(path).map_err(failed)?;
    if !path.is_dir() {
        let loss = loss_of_all(path).map_err(failed)?;
        if emptied == Emptied::Refuse {
            return Err(failed(StoreError::NothingSaved { lost: loss.meldinger.len() }));
        }
        let made = folder::make(path).and_then(|()| folder::sync_folder_of(path));
        made.map_err(|error| failed(StoreError::Files(error)))?;
    }
    save(path, now, emptied, owners).map_err(|error| OpenError::new(path, error))
}

/// Finishes a salvage of the log at `path` that was interrupted after the new log was whole, and removes what any other left
/// behind. Gives what the damaged log is called now, if one was finished. Blocks.
///
/// # Errors
/// [`OpenError`]: a server uses the log, or the file system fails.
pub fn finish_salvage(path: &Path) -> Result<Option<PathBuf>, OpenError> {
    clear_up(path).map_err(|error| OpenError::new(path, error))
}

/// As [`finish_salvage`].
pub(super) fn clear_up(path: &Path) -> Result<Option<PathBuf>, StoreError> {
    if !place::is_there(path) && !shadow::is_there(path) {
        return Ok(None);
    }
    let _lock = folder::lock(path)?;
    shadow::clear(path)?;
    if !place::is_there(path) {
        return Ok(None);
    }
    let finished = place::finish(path, &mut || Ok(())).map_err(StoreError::Files)?;
    if let Some(old_log) = &finished {
        tracing::warn!(
            old_log = %old_log.display(),
            "finished a salvage of the queue log that was interrupted: the new log has taken the place of the damaged one"
        );
    }
    Ok(finished)
}

fn save(
    path: &Path,
    now: Timestamp,
    emptied: Emptied,
    owners: &BTreeMap<KontoId, FiksOrgId>,
) -> Result<Salvaged, StoreError> {
    // Held until the new log is in its place.
    let lock = folder::lock(path)?;
    let stamp = folder::unused_stamp(path, now);
    let made = make(path, now, lock.as_ref().map(File::try_clone), emptied, owners);
    let report = path.with_extension(format!("berging-{stamp}.jsonl"));
    let settled = made.and_then(|made| {
        write_report(&report, &made.kontoer).map_err(StoreError::Files)?;
        if let Err(error) = place::settle(path, stamp) {
            drop(std::fs::remove_file(&report));
            return Err(StoreError::Files(error));
        }
        Ok(made)
    });
    let made = settled.inspect_err(|_| {
        // It was made just now, and nothing is in it that is not in the old one.
        drop(place::discard(path, &mut || Ok(())));
    })?;
    place::finish(path, &mut || Ok(())).map_err(StoreError::Files)?;
    Ok(Salvaged { report, old_log: place::old_log(path, stamp), ..made })
}

/// Makes the new log. Its report is not written yet.
fn make(
    path: &Path,
    now: Timestamp,
    lock: Option<io::Result<File>>,
    emptied: Emptied,
    owners: &BTreeMap<KontoId, FiksOrgId>,
) -> Result<Salvaged, StoreError> {
    let shadow = Shadow::locked(path, lock.transpose().map_err(StoreError::Files)?)?;
    let recalled = witness::recall(path).map_err(StoreError::Witness)?;
    let old = Old::open(path, shadow.path())?;
    let promised = Promised::new(&recalled, old.step);
    folder::make(&place::beside(path)).map_err(StoreError::Files)?;
    let Saved { kontoer, places, forgotten } =
        Saving::new(&old, now, &promised, owners).run(&place::new_log(path))?;
    let are_tables_damaged = places > 0 || !old.lost_files.is_empty();
    let is_complete = promised.has_all_from(are_tables_damaged, old.journals_lack, old.journal_from);
    let saved: u64 = kontoer.values().map(|konto| konto.waiting + konto.dead).sum();
    let lost: usize = kontoer.values().map(|konto| konto.lost.len()).sum();
    let may_lack = lost > 0 || forgotten > 0 || !is_complete;
    if saved == 0 && may_lack && emptied == Emptied::Refuse {
        return Err(StoreError::NothingSaved { lost });
    }
    Ok(Salvaged {
        kontoer,
        places,
        journal_bytes: old.journal_bytes,
        lost_files: old.lost_files,
        is_complete,
        known_since: promised.since(),
        forgotten,
        report: PathBuf::new(),
        old_log: PathBuf::new(),
    })
}
