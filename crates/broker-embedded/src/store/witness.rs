//! The witness: a second place that knows what was promised.
//!
//! The journal of the log ends where its last whole entry ends. Whether something stood behind that, which a crash in the
//! middle of a write explains, or which somebody was promised, the journal itself cannot say. So each synced step has a
//! number, kept in the log with it, and after the sync, before anybody is answered, the step is noted here too: its number,
//! and who was promised what. A log that ends before the last step noted here has lost what was promised.
//!
//! The note is written to the operating system and synced a moment later, so it costs no wait. It outlives the process at
//! once, and may lag behind the log after a loss of power; it never leads.
//!
//! One file of fixed size beside the log's folder, a ring of records with a checksum each. It takes no more room on a full
//! disk, and a record torn by a crash is not counted.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use domain::melding::Melding;
use jiff::Timestamp;
use wire::id::{KontoId, MeldingId, Uuid};

use super::folder::sync_folder_of;
use super::journal::TornJournal;
use super::position::Behind;

/// Bytes of a record: step, number, time, three ids, checksum.
const RECORD: usize = 80;
/// Where the checksum stands.
const CHECKSUM: usize = 76;
/// In a record that was never written, so that one is told from a file that was wiped.
const UNUSED: [u8; RECORD] = [b'-'; RECORD];
/// So many records may be torn by a loss of power: all that are written in a second or two. More than that is damage.
const TORN: u64 = 4_096;
/// How many records the ring has: at least what stands in a journal.
const SLOTS: u64 = 65_536;
/// How often it is noted that the server is there. Milliseconds.
const ALIVE_EVERY_MS: i64 = 5_000;
/// The step of the log and the ring belong together.
const EXTENSION: &str = "vitne";

/// A melding that was promised, and is not in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostMelding {
    /// Its id.
    pub id: MeldingId,
    /// Who sent it, and was answered that it is safe.
    pub avsender: KontoId,
    /// Whose queue it stood in.
    pub mottaker: KontoId,
    /// When it was taken.
    pub mottatt: Timestamp,
}

/// What was promised and is not in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    /// The last step that the log has.
    pub log_step: u64,
    /// The last step that was promised.
    pub promised_step: u64,
    /// Meldinger that were taken in steps that the log lacks, in the order in which they were taken.
    pub meldinger: Vec<LostMelding>,
    /// Whether the ring reaches back to the first missing step, so that `meldinger` has all of them.
    pub is_complete: bool,
    /// Journals that are damaged before the log's end: what stood behind is lost, and the witness cannot say what it was.
    pub journals: Vec<TornJournal>,
    /// How many whole writes stand behind damage in the journals: accepting the loss takes them too, a salvage keeps them.
    pub whole_behind: u64,
    /// The file that knows what was promised; `None` where it is there and can be read. Without it nobody can say whether anything is lost.
    pub witness_missing: Option<PathBuf>,
    /// Whether it has been further than it and its witness are, as somebody else knows: what it lacks then nobody can list.
    pub behind: Option<Behind>,
}

impl Loss {
    /// Whether nothing is known to be lost, and nobody can know.
    pub fn is_unknown(&self) -> bool {
        self.behind.is_none() && self.is_all_there() && self.witness_missing.is_some()
    }

    /// How far it had come, where nothing else is wrong with it.
    pub fn only_behind(&self) -> Option<Behind> {
        self.behind.filter(|_| self.is_all_there() && self.witness_missing.is_none())
    }

    fn is_all_there(&self) -> bool {
        self.journals.is_empty() && self.promised_step == self.log_step && self.meldinger.is_empty()
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What stands between this part and the one before.
        let mut between = "";
        if let Some(behind) = self.behind {
            write!(f, "{behind}")?;
            between = "; ";
        }
        if let Some(witness) = &self.witness_missing {
            write!(
                f,
                "{between}the file {}, which knows what was promised, is missing or damaged, or that of another log, so nobody can tell whether \
                 the log is whole",
                witness.display()
            )?;
            between = "; ";
        }
        for (place, journal) in self.journals.iter().enumerate() {
            write!(f, "{}{journal}", if place == 0 { between } else { ", " })?;
            between = "; ";
        }
        let steps = self.promised_step - self.log_step;
        let count = self.meldinger.len();
        if steps == 0 && count == 0 {
            return Ok(());
        }
        f.write_str(between)?;
        let at_least = if self.is_complete { "" } else { "at least " };
        if steps > 0 {
            write!(f, "{steps} steps that were promised are missing, with ")?;
        }
        write!(f, "{at_least}{count} meldinger")?;
        if steps == 0 {
            f.write_str(" that were promised are missing,")?;
        }
        if let (Some(first), Some(last)) = (self.meldinger.first(), self.meldinger.last()) {
            write!(f, " taken from {} to {}", first.mottatt, last.mottatt)?;
        }
        let mut by_konto: BTreeMap<KontoId, u64> = BTreeMap::new();
        for melding in &self.meldinger {
            *by_konto.entry(melding.mottaker).or_default() += 1;
        }
        let shown = 10;
        for (place, (konto, count)) in by_konto.iter().take(shown).enumerate() {
            write!(f, "{} konto {konto}: {count}", if place == 0 { " (" } else { "," })?;
        }
        if by_konto.len() > shown {
            write!(f, ", and {} more kontoer", by_konto.len() - shown)?;
        }
        if by_konto.is_empty() { Ok(()) } else { write!(f, ")") }
    }
}

/// What is noted of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) step: u64,
    /// `None` where the record says only that the step was promised.
    pub(super) melding: Option<Noted>,
    /// When the server was there, to some seconds, where the record says that a step was promised; 0 where it does not know.
    pub(super) alive_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) number: u64,
    id: [u8; 16],
    avsender: [u8; 16],
    mottaker: [u8; 16],
    mottatt_ms: i64,
}

impl Noted {
    pub(super) fn new(number: u64, melding: &Melding) -> Self {
        Self {
            number,
            id: melding.id.as_uuid().into_bytes(),
            avsender: melding.avsender.as_uuid().into_bytes(),
            mottaker: melding.mottaker.as_uuid().into_bytes(),
            mottatt_ms: melding.mottatt.as_millisecond(),
        }
    }

    pub(super) fn melding(&self) -> LostMelding {
        LostMelding {
            id: MeldingId::from_uuid(Uuid::from_bytes(self.id)),
            avsender: KontoId::from_uuid(Uuid::from_bytes(self.avsender)),
            mottaker: KontoId::from_uuid(Uuid::from_bytes(self.mottaker)),
            mottatt: Timestamp::from_millisecond(self.mottatt_ms).unwrap_or_default(),
        }
    }
}

/// Parts of a record, one behind the other.
fn encode(note: &Note) -> [u8; RECORD] {
    let empty = Noted { number: 0, id: [0; 16], avsender: [0; 16], mottaker: [0; 16], mottatt_ms: 0 };
    let noted = note.melding.unwrap_or(Noted { mottatt_ms: note.alive_ms, ..empty });
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&note.step.to_be_bytes());
    record[8..16].copy_from_slice(&noted.number.to_be_bytes());
    record[16..24].copy_from_slice(&noted.mottatt_ms.to_be_bytes());
    record[24..40].copy_from_slice(&noted.id);
    record[40..56].copy_from_slice(&noted.avsender);
    record[56..72].copy_from_slice(&noted.mottaker);
    record[72] = u8::from(note.melding.is_some());
    let checksum = crc32fast::hash(&record[..CHECKSUM]);
    record[CHECKSUM..].copy_from_slice(&checksum.to_be_bytes());
    record
}

/// The note in a record, if it is whole.
fn decode(record: &[u8; RECORD]) -> Option<Note> {
    let eight = |at: usize| record.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    let sixteen = |at: usize| -> Option<[u8; 16]> { record.get(at..at + 16)?.try_into().ok() };
    let checksum = record.get(CHECKSUM..)?.try_into().ok().map(u32::from_be_bytes)?;
    let step = eight(0)?;
    if step == 0 || checksum != crc32fast::hash(record.get(..CHECKSUM)?) {
        return None;
    }
    let mottatt_ms = eight(16)?.cast_signed();
    if record[72] == 0 {
        return Some(Note { step, melding: None, alive_ms: mottatt_ms });
    }
    let (number, id, avsender, mottaker) = (eight(8)?, sixteen(24)?, sixteen(40)?, sixteen(56)?);
    let noted = Noted { number, id, avsender, mottaker, mottatt_ms };
    Some(Note { step, melding: Some(noted), alive_ms: 0 })
}

/// Where the witness of the log at `path` lies.
pub(crate) fn beside(path: &Path) -> PathBuf {
    path.with_extension(EXTENSION)
}

/// All that the witness of a log knows.
#[derive(Default)]
pub(super) struct Recalled {
    /// In no order.
    pub(super) notes: Vec<Note>,
    /// Records that were written and cannot be read.
    pub(super) unreadable: u64,
}

/// Reads the witness of the log at `path`. It knows nothing where there is none.
pub(super) fn recall(path: &Path) -> io::Result<Recalled> {
    let bytes = match std::fs::read(beside(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Recalled::default()),
        bytes => bytes?,
    };
    let mut recalled = Recalled::default();
    for record in bytes.as_chunks::<RECORD>().0 {
        match decode(record) {
            Some(note) => recalled.notes.push(note),
            None if *record != UNUSED && record.iter().any(|byte| *byte != 0) => recalled.unreadable += 1,
            None => {}
        }
    }
    Ok(recalled)
}

/// The last step that the witness of the log at `path` knows of; 0 if it knows of none, or is not there. Writes nothing.
pub(super) fn last_step(path: &Path) -> io::Result<u64> {
    match std::fs::read(beside(path)) {
        Ok(bytes) => {
            let notes = bytes.as_chunks::<RECORD>().0.iter().filter_map(decode);
            Ok(notes.map(|note| note.step).max().unwrap_or_default())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The witness of an open log. Written by the thread that writes the log.
pub(crate) struct Witness {
    file: File,
    /// The slot that is written next.
    next: u64,
    /// The last step noted; 0 if none is.
    last_step: u64,
    /// When the server was there, as far as it knows; 0 if it does not.
    alive_ms: i64,
    /// All whole notes, until they were looked at.
    notes: Vec<Note>,
    failed: bool,
    unsynced: AtomicBool,
}

impl Witness {
    /// Makes an empty witness beside the log at `path`, in place of one that is of no use. All of its room is taken now, so that a
    /// full disk does not keep it from being written later.
    pub(crate) fn make(path: &Path) -> io::Result<Self> {
        let path = beside(path);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all_at(&UNUSED.repeat(usize::try_from(SLOTS).unwrap_or_default()), 0)?;
        file.sync_all()?;
        sync_folder_of(&path)?;
        let unsynced = AtomicBool::new(false);
        Ok(Self { file, next: 0, last_step: 0, alive_ms: 0, notes: Vec::new(), failed: false, unsynced })
    }

    /// Opens the witness beside the log at `path`; `None` where there is none, or none that can be believed.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let path = beside(path);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let size = SLOTS * RECORD as u64;
        if file.metadata()?.len() != size {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        file.read_exact_at(&mut bytes, 0)?;
        let mut notes = Vec::new();
        let (mut last_step, mut next) = (0, 0);
        let (mut unused, mut wiped) = (0, 0);
        for (slot, record) in bytes.as_chunks::<RECORD>().0.iter().enumerate() {
            let Some(note) = decode(record) else {
                unused += u64::from(*record == UNUSED);
                // As files of early versions had it.
                wiped += u64::from(record.iter().all(|byte| *byte == 0));
                continue;
            };
            // Of a step with many records the last one is the end of what was written.
            if note.step >= last_step {
                (last_step, next) = (note.step, slot as u64 + 1);
            }
            notes.push(note);
        }
        let known = notes.len() as u64 + unused;
        let torn = SLOTS.saturating_sub(known + wiped);
        if known == 0 || torn > TORN {
            return Ok(None);
        }
        // Of the last step alone: before it the clock may have been ahead.
        let last = notes.iter().filter(|note| note.step == last_step);
        let seen = last.map(|note| note.melding.map_or(note.alive_ms, |noted| noted.mottatt_ms));
        let alive_ms = seen.max().unwrap_or_default();
        let unsynced = AtomicBool::new(false);
        Ok(Some(Self { file, next: next % SLOTS, last_step, alive_ms, notes, failed: false, unsynced }))
    }

    /// The last step that it knows to be promised; 0 if it knows of none.
    pub(crate) fn last_step(&self) -> u64 {
        self.last_step
    }

    /// When a server wrote to the log last, or was there without having anything to write: to some seconds.
    pub(super) fn last_alive(&self) -> Option<Timestamp> {
        if self.alive_ms == 0 { None } else { Timestamp::from_millisecond(self.alive_ms).ok() }
    }

    /// What was promised after `log_step`; `None` if the log has it all.
    pub(crate) fn loss(&self, log_step: u64) -> Option<Loss> {
        if self.last_step <= log_step {
            return None;
        }
        let mut missing: Vec<_> = self.notes.iter().filter(|note| note.step > log_step).collect();
        missing.sort_by_key(|note| (note.step, note.melding.map(|noted| noted.number)));
        let meldinger = missing.iter().filter_map(|note| note.melding).map(|noted| noted.melding());
        let oldest = self.notes.iter().map(|note| note.step).min().unwrap_or_default();
        Some(Loss {
            log_step,
            promised_step: self.last_step,
            meldinger: meldinger.collect(),
            // The first step of the ring may have lost some of its records already.
            is_complete: oldest <= log_step || log_step == 0 && (self.notes.len() as u64) < SLOTS,
            journals: Vec::new(),
            witness_missing: None,
            whole_behind: 0,
            behind: None,
        })
    }

    /// The last meldinger that were taken up to `log_step`, the newest first.
    pub(crate) fn last_taken(&self, log_step: u64) -> impl Iterator<Item = LostMelding> {
        let taken = self.notes.iter().filter(|note| note.step <= log_step).filter_map(|note| note.melding);
        let mut taken: Vec<_> = taken.collect();
        taken.sort_by_key(|noted| std::cmp::Reverse(noted.number));
        taken.into_iter().map(|noted| noted.melding())
    }

    /// Lets go of what was read, once it was looked at.
    pub(crate) fn forget_read(&mut self) {
        self.notes = Vec::new();
    }

    /// Notes that `step` is on disk, with the meldinger that it took in.
    ///
    /// That it cannot be noted is no reason to break the promise: the witness then lags behind, and says so once.
    pub(super) fn note(&mut self, step: u64, taken: &[Noted]) {
        // The mark that the step is promised comes last, so that one without it is known to be cut short.
        let notes = taken.iter().map(|noted| Note { step, melding: Some(*noted), alive_ms: 0 });
        let mut bytes = Vec::with_capacity((taken.len() + 1) * RECORD);
        for note in notes.chain([Note { step, melding: None, alive_ms: self.alive_ms }]) {
            bytes.extend_from_slice(&encode(&note));
        }
        self.last_step = step;
        let written = self.write(&bytes);
        self.unsynced.store(true, Ordering::Relaxed);
        match written {
            Ok(()) => self.failed = false,
            Err(error) if !self.failed => {
                self.failed = true;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to write the witness of the queue log; a loss would be noticed later"
                );
            }
            Err(_) => {}
        }
    }

    /// Notes now and then that the server is there, in a place that the next note takes. It is read after the process has ended, and
    /// need not outlive a loss of power.
    pub(super) fn note_alive(&mut self, now: Timestamp) -> io::Result<()> {
        let now_ms = now.as_millisecond();
        // A clock that was set back counts as well.
        let is_recent = (0..ALIVE_EVERY_MS).contains(&now_ms.saturating_sub(self.alive_ms));
        if self.last_step == 0 || is_recent {
            return Ok(());
        }
        self.alive_ms = now_ms;
        let note = Note { step: self.last_step, melding: None, alive_ms: now_ms };
        self.file.write_all_at(&encode(&note), self.next * RECORD as u64)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let until_end = usize::try_from((SLOTS - self.next) * RECORD as u64).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(bytes.len().min(until_end));
            self.file.write_all_at(now, self.next * RECORD as u64)?;
            self.next = (self.next + (now.len() / RECORD) as u64) % SLOTS;
            bytes = rest;
        }
        Ok(())
    }

    /// Of the file that is open.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// A handle to sync what was noted, if something was since the last time.
    pub(crate) fn to_sync(&self) -> Option<io::Result<File>> {
        self.unsynced.swap(false, Ordering::Relaxed).then(|| self.file.try_clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(n: u64) -> Noted {
        let byte = u8::try_from(n % 251).expect("it is small");
        Noted {
            number: n,
            id: [byte; 16],
            avsender: [1; 16],
            mottaker: [2; 16],
            mottatt_ms: 1_790_000_000_000 + n.cast_signed(),
        }
    }

    fn open(folder: &tempfile::TempDir) -> Witness {
        let log = folder.path().join("ko");
        let opened = Witness::open(&log).expect("it can be opened");
        opened.map_or_else(|| Witness::make(&log), Ok).expect("there is room")
    }

    #[test]
    fn what_is_behind_the_log_is_said_by_melding() {
        let folder = tempfile::tempdir().expect("there is room");
        let mut witness = open(&folder);
        for step in 1..=5 {
            witness.note(step, &[noted(step), noted(100 + step)]);
        }
        drop(witness);
        let witness = open(&folder);
        assert_eq!(witness.loss(5), None);
        assert_eq!(witness.loss(6), None, "the witness may lag behind");
        let loss = witness.loss(3).expect("two steps are missing");
        let ids: Vec<_> = loss.meldinger.iter().map(|lost| lost.id.as_uuid().into_bytes()[0]).collect();
        assert_eq!((loss.promised_step, ids, loss.is_complete), (5, vec![4, 104, 5, 105], true));
        assert!(
            loss.to_string().starts_with("2 steps that were promised are missing, with 4 meldinger"),
            "{loss}"
        );
        assert!(witness.loss(0).expect("all is missing").is_complete);
    }

    #[test]
    fn a_torn_record_is_not_counted_and_the_ring_goes_on_behind_it() {
        let folder = tempfile::tempdir().expect("there is room");
        let mut witness = open(&folder);
        witness.note(1, &[noted(1)]);
        witness.note(2, &[noted(2)]);
        let torn = 3 * RECORD as u64 + 5;
        witness.file.write_all_at(b"x", torn).expect("it can be written");
        drop(witness);
        let mut witness = open(&folder);
        // The melding of step 2 is known, so the step is.
        assert_eq!(witness.loss(1).map(|loss| loss.meldinger.len()), Some(1));
        witness.note(3, &[]);
        drop(witness);
        assert_eq!(open(&folder).loss(2).map(|loss| loss.promised_step), Some(3));
    }

    #[test]
    fn the_ring_keeps_the_newest_and_says_that_it_has_not_all() {
        let folder = tempfile::tempdir().expect("there is room");
        let mut witness = open(&folder);
        let many: Vec<_> = (0..1_000).map(noted).collect();
        let steps = SLOTS / 1_001 + 10;
        for step in 1..=steps {
            witness.note(step, &many);
        }
        drop(witness);
        let witness = open(&folder);
        assert_eq!(witness.loss(steps), None);
        let loss = witness.loss(steps - 3).expect("three steps are missing");
        assert_eq!((loss.meldinger.len(), loss.is_complete), (3_000, true));
        assert!(!witness.loss(1).expect("nearly all is missing").is_complete);
    }

    #[test]
    fn a_flipped_byte_in_the_witness_hides_no_more_than_its_record() {
        let folder = tempfile::tempdir().expect("there is room");
        let mut witness = open(&folder);
        for step in 1..=4 {
            witness.note(step, &[noted(step)]);
        }
        for at in [0, 9, 17, 30, 45, 60, 72, 77] {
            let note = Note { step: 9, melding: Some(noted(9)), alive_ms: 0 };
            let record = encode(&note);
            let mut damaged = record;
            damaged[at] ^= 4;
            assert_eq!(decode(&damaged), None, "byte {at}");
            assert_eq!(decode(&record), Some(note));
        }
    }
}
