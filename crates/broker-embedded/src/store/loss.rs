//! What an operator does about a log that lacks what was promised: look, and accept.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use fjall::PersistMode;
use jiff::Timestamp;

use super::folder::{self, sync_folder_of};
use super::keys::{decode_entry, encode_entry};
use super::shadow::Shadow;
use super::witness::{self, Loss, Witness};
use super::{Begun, Cut, Damage, Layout, MIB, Store, StoreError, salvage};
use super::{blame, files};
use crate::OpenError;

/// How a log is opened that nobody uses.
pub(super) const LAYOUT: Layout = Layout { cache_bytes: 8 * MIB, journal_bytes: 64 * MIB, open_tables: 100 };
/// How many entries are changed in one write.
const AT_ONCE: usize = 1_000;

/// A loss that was accepted.
#[derive(Debug)]
pub struct AcceptedLoss {
    /// What is lost.
    pub loss: Loss,
    /// A file with one line of JSON a melding.
    pub report: PathBuf,
    /// Where the witness lies that knew of it, if there was one.
    pub old_witness: Option<PathBuf>,
    /// What could not be read of the journals, a file each.
    pub rests: Vec<PathBuf>,
}

/// What the log at `path` lacks of what was promised; `None` if it lacks nothing. Changes nothing of it. Blocks.
///
/// # Errors
/// [`OpenError`]: there is no log, a server uses it, or it cannot be read.
pub fn find_loss(path: &Path) -> Result<Option<Loss>, OpenError> {
    salvage::finish_salvage(path)?;
    let failed = |error| OpenError::new(path, error);
    note::refuse(path).map_err(failed)?;
    if !path.is_dir() {
        return loss_of_all(path).map(Some).map_err(failed);
    }
    look(path, Damage::Refuse).map_err(|error| OpenError::new(path, error))
}

/// Looks what the log at `path` lacks. Opening a log changes it, so a copy is opened.
fn look(path: &Path, damage: Damage) -> Result<Option<Loss>, StoreError> {
    files::check_all_there(path)?;
    files::check_journals(path)?;
    if damage == Damage::Refuse {
        blame::check_lists(path)?;
    }
    let shadow = Shadow::of(path)?;
    match Begun::of_copy(shadow.path(), &LAYOUT, damage) {
        Ok(begun) => Ok(begun.loss.map(|loss| loss.said_of(shadow.folder(), path))),
        Err(error) => Err(error.said_of(shadow.folder(), path)),
    }
}

/// Accepts that the log at `path` lacks what was promised, so that it can be opened again; `None` if it lacks nothing.
///
/// What is lost is written to a file beside the log first, and a note that the loss is being accepted: until all is done, no log is
/// opened beside that note, and whoever calls this again goes on. The witness is kept under another name. Since it is not
/// known what was handed out after the log's end, everything that waits is handed out as redelivered from then on. Blocks.
///
/// # Errors
/// [`OpenError`] as [`find_loss`], or the report cannot be written: the loss is then not accepted, and nothing was changed. What
/// fails after the note was written leaves it there.
pub fn accept_loss(path: &Path, now: Timestamp) -> Result<Option<AcceptedLoss>, OpenError> {
    salvage::finish_salvage(path)?;
    accept(path, now, &mut || Ok(())).map_err(|error| OpenError::new(path, error))
}

/// As [`accept_loss`]; `each` is asked before each step.
fn accept(
    path: &Path,
    now: Timestamp,
    each: &mut dyn FnMut() -> io::Result<()>,
) -> Result<Option<AcceptedLoss>, StoreError> {
    let mut each = || each().map_err(StoreError::Files);
    let begun = note::read(path).map_err(StoreError::Files)?;
    let found = if path.is_dir() { look(path, Damage::Accept)? } else { Some(loss_of_all(path)?) };
    if begun.is_none() && found.is_none() {
        return Ok(None);
    }
    let loss = found.unwrap_or_default();
    let stamp = begun.unwrap_or_else(|| folder::unused_stamp(path, now));
    let report = path.with_extension(format!("tap-{stamp}.jsonl"));
    if begun.is_none() {
        each()?;
        write_report(&report, &loss).map_err(StoreError::Witness)?;
        each()?;
        note::write(path, stamp).map_err(StoreError::Files)?;
    }
    each()?;
    if !path.is_dir() {
        folder::make(path).and_then(|()| sync_folder_of(path)).map_err(StoreError::Files)?;
    }
    let mut begun = Begun::new(path, &LAYOUT, Damage::Accept)?.make_room(path, &LAYOUT)?;
    let rests = std::mem::take(&mut begun.cuts).into_iter().filter_map(Cut::into_copy).collect();
    each()?;
    let kept = keep_damaged_witness(path, &loss, stamp).map_err(StoreError::Witness)?;
    let (store, ..) = Store::go_on(path, begun)?;
    each()?;
    store.mark_all_returned()?;
    drop(store);
    each()?;
    let old_witness = replace_witness(path, &loss, stamp).map_err(StoreError::Witness)?.or(kept);
    each()?;
    note::remove(path).map_err(StoreError::Files)?;
    Ok(Some(AcceptedLoss { loss, report, old_witness, rests }))
}

/// The note that a loss is being accepted.
pub(super) mod note {
    use std::io;
    use std::path::{Path, PathBuf};

    use super::super::StoreError;
    use super::super::folder::{sync_folder_of, write_file};

    fn beside(path: &Path) -> PathBuf {
        path.with_extension("godtas")
    }

    /// Under which time it was begun; `None` where none is.
    pub(super) fn read(path: &Path) -> io::Result<Option<i64>> {
        match std::fs::read_to_string(beside(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => text?.trim().parse().map(Some).map_err(io::Error::other),
        }
    }

    pub(super) fn write(path: &Path, stamp: i64) -> io::Result<()> {
        write_file(&beside(path), stamp.to_string().as_bytes())
    }

    pub(super) fn remove(path: &Path) -> io::Result<()> {
        std::fs::remove_file(beside(path))?;
        sync_folder_of(path)
    }

    /// # Errors
    /// [`StoreError::HalfAccepted`] where the note is there: what the log lacks cannot be told by it any more.
    pub(in crate::store) fn refuse(path: &Path) -> Result<(), StoreError> {
        let note = beside(path);
        match note.try_exists() {
            Ok(false) => Ok(()),
            Ok(true) => Err(StoreError::HalfAccepted { note }),
            Err(source) => Err(StoreError::Unreadable { file: note, source }),
        }
    }
}

/// Moves a witness out of the way that is there and cannot be read. Gives where it lies from then on.
fn keep_damaged_witness(path: &Path, loss: &Loss, stamp: i64) -> io::Result<Option<PathBuf>> {
    let witness = witness::beside(path);
    let old = path.with_extension(format!("vitne-{stamp}"));
    if loss.witness_missing.is_none() || !witness.exists() || old.exists() {
        return Ok(None);
    }
    std::fs::rename(witness, &old)?;
    Ok(Some(old))
}

/// Puts an empty witness in the place of the one that knows of the loss. Gives where that one lies from then on.
fn replace_witness(path: &Path, loss: &Loss, stamp: i64) -> io::Result<Option<PathBuf>> {
    if loss.witness_missing.is_some() {
        // It was made when the log was gone on with.
        return Ok(None);
    }
    let old = path.with_extension(format!("vitne-{stamp}"));
    if !old.exists() {
        std::fs::rename(witness::beside(path), &old)?;
    }
    Witness::make(path)?;
    sync_folder_of(path)?;
    Ok(Some(old))
}

/// What is lost where the log at `path` is gone, by the witness that is left of it.
///
/// # Errors
/// [`StoreError::NoLog`] where there is no witness either, [`StoreError::Unreadable`].
pub(super) fn loss_of_all(path: &Path) -> Result<Loss, StoreError> {
    let witness = witness::beside(path);
    if !witness.exists() {
        return Err(StoreError::NoLog { witness });
    }
    match Witness::open(path) {
        Ok(Some(known)) => Ok(known.loss(0).unwrap_or_default()),
        Ok(None) => Ok(Loss { witness_missing: Some(witness), ..Loss::default() }),
        Err(source) => Err(StoreError::Unreadable { file: witness, source }),
    }
}

fn write_report(path: &Path, loss: &Loss) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut lines = BufWriter::new(file);
    for melding in &loss.meldinger {
        // Ids and a time hold nothing that JSON would have to escape.
        writeln!(
            lines,
            r#"{{"meldingId":"{}","avsenderKontoId":"{}","mottakerKontoId":"{}","mottatt":"{}"}}"#,
            melding.id, melding.avsender, melding.mottaker, melding.mottatt
        )?;
    }
    lines.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    sync_folder_of(path)
}

impl Store {
    /// Has everything that waits handed out as redelivered.
    fn mark_all_returned(&self) -> Result<(), StoreError> {
        let mut batch = self.db.batch();
        let mut in_batch = 0;
        for guard in self.entries.iter() {
            let (key, value) = guard.into_inner()?;
            let (konto, mut entry) = decode_entry(&key, &value)?;
            if entry.tries.returned > 0 || entry.held {
                continue; // Comes back as redelivered anyway.
            }
            entry.tries.returned = 1;
            batch.insert(&self.entries, entry.number.to_be_bytes(), encode_entry(konto, &entry));
            in_batch += 1;
            if in_batch == AT_ONCE {
                std::mem::replace(&mut batch, self.db.batch()).commit()?;
                in_batch = 0;
            }
        }
        batch.durability(Some(PersistMode::SyncAll)).commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::promise_at;

    fn lost_ids(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder)
            .expect("it is there")
            .map(|entry| entry.expect("it can be read").path());
        let reports = entries.filter(|path| path.to_string_lossy().contains(".tap-"));
        let lines =
            reports.map(|path| std::fs::read_to_string(path).expect("it can be read").lines().count());
        lines.max().unwrap_or_default()
    }

    /// Wherever it was killed: the start is refused until it was accepted to its end, and what is lost stands in the report.
    #[test]
    fn acceptance_of_a_loss_that_was_killed_anywhere_hides_nothing() {
        let now = Timestamp::from_second(1_800_000_000).expect("it is in range");
        let mut steps = 0;
        for stop_at in 0.. {
            let folder = tempfile::tempdir().expect("there is room");
            let log = folder.path().join("ko");
            promise_at(&log, 20);
            let journal = log.join("0.jnl");
            let mut bytes = std::fs::read(&journal).expect("it is there");
            let end = bytes.iter().rposition(|byte| *byte != 0).expect("something was written");
            bytes[end / 2] ^= 4;
            std::fs::write(&journal, &bytes).expect("there is room");
            let lost = look(&log, Damage::Accept)
                .expect("it can be read")
                .expect("it lacks something")
                .meldinger
                .len();
            assert!(lost > 5, "{lost}");
            let mut left = stop_at;
            let killed = accept(&log, now, &mut || {
                left -= 1;
                if left < 0 { Err(io::Error::other("killed")) } else { Ok(()) }
            });
            if killed.is_err() {
                assert!(Store::open(&log, &LAYOUT).is_err(), "step {stop_at}: the start is refused");
                assert!(
                    find_loss(&log).is_err() || find_loss(&log).is_ok_and(|loss| loss.is_some()),
                    "step {stop_at}"
                );
                accept_loss(&log, now).expect("it can be accepted").expect("something is lost");
            }
            assert_eq!(lost_ids(folder.path()), lost, "step {stop_at}");
            drop(Store::open(&log, &LAYOUT).expect("it was accepted"));
            assert_eq!(find_loss(&log).expect("it can be read"), None);
            if killed.is_ok() {
                steps = stop_at;
                break;
            }
        }
        assert_eq!(steps, 7, "each step was tried");
    }
}
