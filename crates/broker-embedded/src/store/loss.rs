//! What an operator does about a log that lacks what was promised: look, and accept.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use fjall::PersistMode;
use jiff::Timestamp;
use wire::id::MeldingId;

use super::folder::{self, sync_folder_of};
use super::keys::{decode_entry, encode_entry};
use super::position::{Behind, LogPosition, decision};
use super::shadow::Shadow;
use super::witness::{self, Loss, LostMelding, Witness};
use super::{Begun, Cut, Damage, Layout, MIB, SeenPosition, Store, StoreError, salvage};
use super::{blame, files, guarded};
use crate::OpenError;

/// How a log is opened that nobody uses.
pub(super) const LAYOUT: Layout =
    Layout { cache_bytes: 8 * MIB, journal_bytes: 64 * MIB, open_tables: 100, seen: None };
/// How a line of a report begins.
const MELDING_ID: &str = r#"{"meldingId":""#;
/// How many entries are changed in one write.
const AT_ONCE: usize = 1_000;

/// A loss that was accepted.
#[derive(Debug)]
pub struct AcceptedLoss {
    /// What is lost.
    pub loss: Loss,
    /// Files with one line of JSON a melding: more than one where an acceptance was cut off, and more was lost before it was gone on
    /// with. None where nobody can know what is lost.
    pub reports: Vec<PathBuf>,
    /// Where the witness lies that knew of it, if there was one.
    pub old_witness: Option<PathBuf>,
    /// What could not be read of the journals, a file each.
    pub rests: Vec<PathBuf>,
}

/// What the log at `path` lacks of what was promised, and of what it is `seen` to have had; `None` if it lacks nothing. Changes nothing of
/// it. Blocks.
///
/// # Errors
/// [`OpenError`]: there is no log, a server uses it, or it cannot be read.
pub fn find_loss(path: &Path, seen: Option<SeenPosition>) -> Result<Option<Loss>, OpenError> {
    salvage::finish_salvage(path)?;
    let failed = |error| OpenError::new(path, error);
    note::refuse(path).map_err(failed)?;
    if !path.is_dir() {
        return loss_of_all(path).map(Some).map_err(failed);
    }
    look(path, Damage::Refuse, &Layout { seen, ..LAYOUT }).map_err(|error| OpenError::new(path, error))
}

/// What the log at `path` lacks, where it has been further than it and its witness are, as somebody else has `seen`: whatever is damaged
/// of it besides, nobody can list what came after. Changes nothing of it. Blocks.
///
/// # Errors
/// [`OpenError`]: a server uses it, or it cannot be looked at.
pub fn find_earlier(path: &Path, seen: Option<SeenPosition>) -> Result<Option<Loss>, OpenError> {
    let Some(seen) = seen else { return Ok(None) };
    let layout = Layout { seen: Some(seen), ..LAYOUT };
    match guarded(|| look(path, Damage::Accept, &layout)) {
        Ok(loss) => Ok(loss.filter(|loss| loss.behind.is_some())),
        Err(error @ StoreError::InUse) => Err(OpenError::new(path, error)),
        // Where it cannot be opened at all, its witness can tell.
        Err(_) => Ok(earlier_by_witness(path, seen)),
    }
}

fn earlier_by_witness(path: &Path, seen: SeenPosition) -> Option<Loss> {
    let witness = Witness::open(path).ok().flatten()?;
    let step = witness.last_step();
    // When it was last decided what the log holds, a witness does not know.
    let found = LogPosition { step, ..seen.position };
    let last_taken = witness.last_taken(step).next().map(|melding| melding.mottatt);
    let behind = (seen.position > found).then_some(Behind { found, seen, last_taken })?;
    Some(Loss { log_step: step, promised_step: step, behind: Some(behind), ..Loss::default() })
}

/// Looks what the log at `path` lacks. Opening a log changes it, so a copy is opened.
fn look(path: &Path, damage: Damage, layout: &Layout) -> Result<Option<Loss>, StoreError> {
    files::check_all_there(path)?;
    files::check_journals(path)?;
    if damage == Damage::Refuse {
        blame::check_lists(path)?;
    }
    let shadow = Shadow::of(path)?;
    match Begun::of_copy(shadow.path(), layout, damage) {
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
pub fn accept_loss(
    path: &Path,
    now: Timestamp,
    seen: Option<SeenPosition>,
) -> Result<Option<AcceptedLoss>, OpenError> {
    salvage::finish_salvage(path)?;
    accept(path, now, seen, &mut || Ok(())).map_err(|error| OpenError::new(path, error))
}

/// As [`accept_loss`]; `each` is asked before each step.
fn accept(
    path: &Path,
    now: Timestamp,
    seen: Option<SeenPosition>,
    each: &mut dyn FnMut() -> io::Result<()>,
) -> Result<Option<AcceptedLoss>, StoreError> {
    let mut each = || each().map_err(StoreError::Files);
    let begun = note::read(path)?;
    let layout = Layout { seen, ..LAYOUT };
    let found = if path.is_dir() { look(path, Damage::Accept, &layout)? } else { Some(loss_of_all(path)?) };
    if begun.is_none() && found.is_none() {
        return Ok(None);
    }
    let loss = found.unwrap_or_default();
    let (stamps, is_begun) = (begun.clone().unwrap_or_default(), begun.is_some());
    let (stamp, reports) = write_reports(path, now, stamps, is_begun, &loss, &mut each)?;
    each()?;
    if !path.is_dir() {
        folder::make(path).and_then(|()| sync_folder_of(path)).map_err(StoreError::Files)?;
    }
    let mut begun = Begun::new(path, &layout, Damage::Accept)?.make_room(path, &layout)?;
    let rests = std::mem::take(&mut begun.cuts).into_iter().filter_map(Cut::into_copy).collect();
    each()?;
    let kept = keep_damaged_witness(path, &loss, stamp).map_err(StoreError::Witness)?;
    let (store, ..) = Store::go_on(path, begun)?;
    each()?;
    store.mark_all_returned(decision(now, store.decided_ms, seen))?;
    drop(store);
    each()?;
    let old_witness = replace_witness(path, &loss, stamp).map_err(StoreError::Witness)?.or(kept);
    each()?;
    note::remove(path).map_err(StoreError::Files)?;
    Ok(Some(AcceptedLoss { loss, reports, old_witness, rests }))
}

/// Writes what is lost to a file, but for what stands in one already, and then the note that names the files. Gives when the
/// acceptance was begun, and the files.
fn write_reports(
    path: &Path,
    now: Timestamp,
    mut stamps: Vec<i64>,
    is_begun: bool,
    loss: &Loss,
    each: &mut dyn FnMut() -> Result<(), StoreError>,
) -> Result<(i64, Vec<PathBuf>), StoreError> {
    let report = |stamp: i64| path.with_extension(format!("tap-{stamp}.jsonl"));
    let mut listed = BTreeSet::new();
    for stamp in &stamps {
        listed.extend(listed_in(&report(*stamp)).map_err(StoreError::Files)?);
    }
    // The disk may have failed on, and the log may be another one, since the acceptance was begun.
    let more: Vec<_> = loss.meldinger.iter().filter(|lost| !listed.contains(&lost.id)).collect();
    let has_list = !is_begun && loss.only_behind().is_none();
    if has_list || !more.is_empty() || stamps.is_empty() {
        let stamp = folder::unused_stamp(path, now);
        if has_list || !more.is_empty() {
            each()?;
            write_report(&report(stamp), &more).map_err(StoreError::Witness)?;
        }
        stamps.push(stamp);
        each()?;
        note::write(path, &stamps).map_err(StoreError::Files)?;
    }
    let reports = stamps.iter().map(|stamp| report(*stamp)).filter(|report| report.exists()).collect();
    Ok((stamps.first().copied().unwrap_or_default(), reports))
}

/// The meldinger that a report lists.
fn listed_in(report: &Path) -> io::Result<Vec<MeldingId>> {
    let text = match std::fs::read_to_string(report) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        // Bytes that are no text list nothing: it is written again.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Vec::new()),
        text => text?,
    };
    let id = |line: &str| line.strip_prefix(MELDING_ID)?.split('"').next()?.parse().ok();
    Ok(text.lines().filter_map(id).collect())
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

    /// The times in the names of the reports, the first of them that at which it was begun; `None` where none was. Of one that is
    /// damaged what can be read: that it is there is what counts, and what is lost is written anew then.
    pub(super) fn read(path: &Path) -> Result<Option<Vec<i64>>, StoreError> {
        let file = beside(path);
        match std::fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Unreadable { file, source }),
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                Ok(Some(text.lines().filter_map(|line| line.trim().parse().ok()).collect()))
            }
        }
    }

    pub(super) fn write(path: &Path, stamps: &[i64]) -> io::Result<()> {
        let lines: Vec<_> = stamps.iter().map(ToString::to_string).collect();
        write_file(&beside(path), lines.join("\n").as_bytes())
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
    if loss.witness_missing.is_some() || loss.only_behind().is_some() {
        // It was made when the log was gone on with, or agrees with the log.
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

fn write_report(path: &Path, lost: &[&LostMelding]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut lines = BufWriter::new(file);
    for melding in lost {
        // Ids and a time hold nothing that JSON would have to escape.
        writeln!(
            lines,
            r#"{MELDING_ID}{}","avsenderKontoId":"{}","mottakerKontoId":"{}","mottatt":"{}"}}"#,
            melding.id, melding.avsender, melding.mottaker, melding.mottatt
        )?;
    }
    lines.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    sync_folder_of(path)
}

impl Store {
    /// Has everything that waits handed out as redelivered, and notes the decision to go on with it.
    fn mark_all_returned(&self, (key, value): (&str, [u8; 8])) -> Result<(), StoreError> {
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
        batch.insert(&self.meta, key, value);
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
            let lost = look(&log, Damage::Accept, &LAYOUT)
                .expect("it can be read")
                .expect("it lacks something")
                .meldinger
                .len();
            assert!(lost > 5, "{lost}");
            let mut left = stop_at;
            let killed = accept(&log, now, None, &mut || {
                left -= 1;
                if left < 0 { Err(io::Error::other("killed")) } else { Ok(()) }
            });
            if killed.is_err() {
                assert!(Store::open(&log, &LAYOUT).is_err(), "step {stop_at}: the start is refused");
                assert!(
                    find_loss(&log, None).is_err() || find_loss(&log, None).is_ok_and(|loss| loss.is_some()),
                    "step {stop_at}"
                );
                accept_loss(&log, now, None).expect("it can be accepted").expect("something is lost");
            }
            assert_eq!(lost_ids(folder.path()), lost, "step {stop_at}");
            drop(Store::open(&log, &LAYOUT).expect("it was accepted"));
            assert_eq!(find_loss(&log, None).expect("it can be read"), None);
            if killed.is_ok() {
                steps = stop_at;
                break;
            }
        }
        assert_eq!(steps, 7, "each step was tried");
    }

    fn flip(log: &Path, percent: usize) {
        let journal = log.join("0.jnl");
        let mut bytes = std::fs::read(&journal).expect("it is there");
        let end = bytes.iter().rposition(|byte| *byte != 0).expect("something was written");
        bytes[end * percent / 100] ^= 4;
        std::fs::write(&journal, &bytes).expect("there is room");
    }

    /// The disk fails on while a loss is being accepted: what is lost by then is listed, too, and nothing twice; also where the note
    /// of it is damaged.
    #[test]
    fn what_is_lost_while_a_loss_is_being_accepted_is_listed_too() {
        let now = Timestamp::from_second(1_800_000_000).expect("it is in range");
        for damaged_note in
            [None, Some(&b""[..]), Some(&[0; 9]), Some(b"18000\xff0000x"), Some(b"1800000007")]
        {
            let folder = tempfile::tempdir().expect("there is room");
            let log = folder.path().join("ko");
            promise_at(&log, 40);
            flip(&log, 90);
            let mut left = 2;
            let killed = accept(&log, now, None, &mut || {
                left -= 1;
                if left < 0 { Err(io::Error::other("killed")) } else { Ok(()) }
            });
            assert!(killed.is_err() && lost_ids(folder.path()) > 0 && log.with_extension("godtas").exists());
            flip(&log, 20);
            if let Some(bytes) = damaged_note {
                std::fs::write(log.with_extension("godtas"), bytes).expect("there is room");
            }
            let done = accept_loss(&log, now, None).expect("it can be accepted").expect("something is lost");
            let mut listed = Vec::new();
            for report in &done.reports {
                listed.extend(listed_in(report).expect("it can be read"));
            }
            let mut lost: Vec<_> = done.loss.meldinger.iter().map(|melding| melding.id).collect();
            listed.sort();
            lost.sort();
            assert_eq!(listed, lost, "{damaged_note:?}");
            assert_eq!(done.reports.len(), if damaged_note.is_none() { 2 } else { 1 }, "{damaged_note:?}");
            drop(Store::open(&log, &LAYOUT).expect("it was accepted"));
        }
    }
}
