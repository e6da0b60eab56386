//! What an operator does about a log that lacks what was promised: look, and accept.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use fjall::PersistMode;
use jiff::Timestamp;

use super::files;
use super::folder::{self, sync_folder_of};
use super::keys::{decode_entry, encode_entry};
use super::shadow::Shadow;
use super::witness::{self, Loss, Witness};
use super::{Begun, Cut, Damage, Layout, MIB, Store, StoreError, salvage};
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
    if !path.is_dir() {
        return loss_of_all(path).map(Some);
    }
    // Opening a log changes it, so a copy is opened.
    let look = || {
        files::check_all_there(path)?;
        files::check_journals(path)?;
        let shadow = Shadow::of(path)?;
        match Begun::new(shadow.path(), &LAYOUT, Damage::Refuse) {
            Ok(begun) => Ok(begun.loss.map(|loss| loss.as_of(shadow.folder(), path))),
            Err(error) => Err(error.as_of(shadow.folder(), path)),
        }
    };
    look().map_err(|error| OpenError::new(path, error))
}

/// Accepts that the log at `path` lacks what was promised, so that it can be opened again; `None` if it lacks nothing.
///
/// What is lost is written to a file beside the log first, and the witness is kept under another name. Since it is not
/// known what was handed out after the log's end, everything that waits is handed out as redelivered from then on. Blocks.
///
/// # Errors
/// [`OpenError`] as [`find_loss`], or the report cannot be written. The loss is then not accepted.
pub fn accept_loss(path: &Path, now: Timestamp) -> Result<Option<AcceptedLoss>, OpenError> {
    let failed = |error: StoreError| OpenError::new(path, error);
    salvage::finish_salvage(path)?;
    let gone = if path.is_dir() { None } else { Some(begin_anew(path)?) };
    let mut begun = begin(path, Damage::Accept)?;
    let Some(loss) = begun.loss.take().or(gone) else {
        begun.leave(path).map_err(failed)?;
        return Ok(None);
    };
    let mut begun = begun.make_room(path, &LAYOUT).map_err(failed)?;
    let rests = std::mem::take(&mut begun.cuts).into_iter().filter_map(Cut::into_copy).collect();
    let stamp = folder::unused_stamp(path, now);
    let report = path.with_extension(format!("tap-{stamp}.jsonl"));
    write_report(&report, &loss).map_err(|error| failed(StoreError::Witness(error)))?;
    let witness_failed = |error| failed(StoreError::Witness(error));
    let kept = keep_damaged_witness(path, &loss, stamp).map_err(witness_failed)?;
    let (store, ..) = Store::go_on(path, begun).map_err(failed)?;
    store.mark_all_returned().map_err(failed)?;
    drop(store);
    let old_witness =
        replace_witness(path, &loss, stamp).map_err(|error| failed(StoreError::Witness(error)))?;
    let old_witness = old_witness.or(kept);
    Ok(Some(AcceptedLoss { loss, report, old_witness, rests }))
}

/// Moves a witness out of the way that is there and cannot be read. Gives where it lies from then on.
fn keep_damaged_witness(path: &Path, loss: &Loss, stamp: i64) -> io::Result<Option<PathBuf>> {
    let witness = witness::beside(path);
    if loss.witness_missing.is_none() || !witness.exists() {
        return Ok(None);
    }
    let old = path.with_extension(format!("vitne-{stamp}"));
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
    std::fs::rename(witness::beside(path), &old)?;
    Witness::make(path)?;
    sync_folder_of(path)?;
    Ok(Some(old))
}

/// What is lost where the log at `path` is gone, by the witness that is left of it.
///
/// # Errors
/// [`OpenError`]: there is no witness either, or it cannot be read.
pub(super) fn loss_of_all(path: &Path) -> Result<Loss, OpenError> {
    let witness = witness::beside(path);
    let failed = |error| OpenError::new(path, error);
    if !witness.exists() {
        return Err(failed(StoreError::NoLog { witness }));
    }
    match Witness::open(path) {
        Ok(Some(known)) => Ok(known.loss(0).unwrap_or_default()),
        Ok(None) => Ok(Loss { witness_missing: Some(witness), ..Loss::default() }),
        Err(source) => Err(failed(StoreError::Unreadable { file: witness, source })),
    }
}

/// Makes an empty log where that at `path` is gone and its loss is accepted. Gives what is lost.
pub(super) fn begin_anew(path: &Path) -> Result<Loss, OpenError> {
    let loss = loss_of_all(path)?;
    let made = folder::make(path).and_then(|()| sync_folder_of(path));
    made.map_err(|error| OpenError::new(path, StoreError::Files(error)))?;
    Ok(loss)
}

fn begin(path: &Path, damage: Damage) -> Result<Begun, OpenError> {
    files::check_all_there(path)
        .and_then(|()| files::check_journals(path))
        .and_then(|()| Begun::new(path, &LAYOUT, damage))
        .map_err(|error| OpenError::new(path, error))
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
