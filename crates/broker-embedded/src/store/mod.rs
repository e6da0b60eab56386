//! The queue log on disk: which keyspaces there are, how keys and values are spelled, and how a step is written.
//!
//! | Keyspace | Key | Value |
//! |---|---|---|
//! | `meta` | name | format version; epoch; before when what was over is forgotten; when it was last decided what it holds; levels of sporing |
//! | `konto` | KontoId | nothing: the queue exists |
//! | `queue` | number | [`KeptEntry`] with its KontoId, 64 bytes; all that a start has to read |
//! | `melding` | number | the melding and the lines of sporing written with it |
//! | `sporing` | number, step | one later line |
//! | `payload` | number | the bytes, and before them headers where these are many; large ones in files of their own |
//! | `melding_id` | MeldingId | number |
//! | `konto_melding` | KontoId, number | nothing: the Konto sent or received it |
//! | `dodko` | KontoId, number | [`KeptDead`] |
//! | `steg` | name | number of the last synced step, which the [`witness`] knows too |
//!
//! Numbers and steps are big-endian and only grow, so all large keyspaces are written at their end. Values that may change
//! their shape start with a version byte.

mod blame;
mod check;
mod chunks;
mod damage;
mod dump;
mod examine;
mod files;
mod folder;
mod in_place;
mod journal;
mod keys;
mod line;
mod load;
mod loss;
mod moment;
mod names;
mod position;
mod prune;
mod read;
mod room;
mod salvage;
mod search;
mod shadow;
#[cfg(test)]
mod tests;
mod tidy;
mod witness;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use jiff::Timestamp;
use tokio::sync::watch;

pub use self::check::{CheckedLog, check_log};
pub use self::chunks::DumpError;
pub(crate) use self::damage::{Remains, guarded};
pub use self::dump::{LogCounts, LogMoment, hold_log};
pub use self::examine::{LogFindings, hold_log_copy};
pub use self::journal::TornJournal;
use self::journal::{Cut, NoRoom};
use self::keys::number_at;
pub(crate) use self::keys::{Cost, KeptDead};
pub(crate) use self::line::Line;
pub use self::load::load_log;
pub use self::loss::{AcceptedLoss, accept_loss, find_earlier, find_loss};
pub use self::position::{Behind, LogPosition, SeenPosition};
pub use self::room::Reserve;
pub use self::salvage::{Emptied, Missing, Salvaged, SavedKonto, Unsaved, finish_salvage, salvage};
use self::shadow::Shadow;
pub(crate) use self::tidy::LOOK_EVERY;
use self::tidy::{LARGE, LARGE_FILE, LARGE_PART, Live, Tidying};
use self::witness::Witness;
pub use self::witness::{Loss, LostMelding};
pub(crate) use self::write::{DeadMelding, Write};
use crate::queue::Number;

/// Shape of what is on disk. Since 2, lines of sporing may tell of `What::LagtTilbake` and `What::LevertTil`; since 3 also of
/// all that stands after those, and a queue entry counts crashes beside `held`; since 4 queue entries and dead letters say what
/// they take of the room, and those of before take none; since 5 many headers of a melding stand with its payload, and an entry that is
/// held says since when. All else is as in 1, so a log of any of them is read, and is of this format from its opening on.
const FORMAT: u64 = 5;
/// The oldest shape that is still read.
const OLDEST_FORMAT: u64 = 1;
/// How many numbers an epoch has. A new one starts at every opening, so that no number is ever used twice.
const EPOCH_BITS: u32 = 40;
/// How many keyspaces a log has once it was opened.
const KEYSPACES: usize = names::NAMES.len();
const MIB: u64 = 1024 * 1024;
/// Key of the time up to which meldinger that are over were forgotten: nanoseconds, 16 bytes.
const FORGOTTEN: &str = "glemt";
/// Key of how much sporing whose meldinger leave behind: FiksOrgId, bytes and time of each.
const SPORING: &str = "spor";
/// Key of the last synced step.
const STEP: &str = "siste";
/// Key of what is written for no other reason than to fill a journal or a table, beside the number of the last step.
const FILLING: &str = "fyll";

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("use the queue log")]
    Backend(#[from] fjall::Error),
    #[error("read the queue log: {0} is damaged")]
    Damaged(&'static str),
    #[error("read the queue log: it has format {0}, this version knows {OLDEST_FORMAT} to {FORMAT}")]
    Format(u64),
    #[error(
        "read the queue log: {0}; have them listed with `knutepunkt repair`. Then restore a backup; or save all that can be \
         read with `knutepunkt repair --berg`; or, to go on without them, accept the loss with `--godta-tap`"
    )]
    Lost(Box<Loss>),
    #[error(
        "read the queue log: {0}. Put the file back where it was; or restore a backup; or, to go on without it, take the log as \
         it is with `knutepunkt repair --godta-tap`"
    )]
    WitnessMissing(Box<Loss>),
    #[error(
        "read the queue log: {0}. Put back the right folder \"ko\" together with \"ko.vitne\" and \"ko.installasjon\"; or restore a backup \
         with `knutepunkt restore`; or, to go on with this one, accept that with `knutepunkt repair --godta-tap`: what waits in it is \
         then handed out as redelivered. Nothing was changed"
    )]
    Behind(Box<Behind>),
    #[error(
        "read the queue log: {}; restore a backup, or save all that can be read with `knutepunkt repair --berg`, or, to go on \
         with what stands before it, accept the loss with `--godta-tap`",
        listed(.0)
    )]
    Torn(Vec<TornJournal>),
    #[error("read the journals of the queue log")]
    Journals(#[source] std::io::Error),
    #[error("use the witness of the queue log")]
    Witness(#[source] std::io::Error),
    #[error(
        "read the queue log: a loss of it was being accepted, and that was not finished, as {} says. Run `knutepunkt repair \
         --godta-tap` again, which goes on with it", note.display()
    )]
    HalfAccepted { note: PathBuf },
    #[error(
        "find the queue log: there is no queue log, and no witness of one. Name the right folder in data, put the folder back together with \
         its witness {}, or restore a backup with `knutepunkt restore`", witness.display()
    )]
    NoLog { witness: PathBuf },
    #[error("look at the files of the queue log")]
    Files(#[source] std::io::Error),
    #[error("use the queue log: another Knutepunkt uses this folder; stop it first")]
    InUse,
    #[error(
        "open the queue log: the disk is too full to write what stands in its journals to its tables; free {} MiB on the disk \
         of {}, or move the data folder to a larger one. Nothing is lost", missing_bytes.div_ceil(MIB), path.display()
    )]
    NoRoom { path: PathBuf, missing_bytes: u64 },
    #[error(
        "read the queue log: {} is damaged; save all that can be read with `knutepunkt repair --berg`, or restore a backup \
         with `knutepunkt restore`", file.display()
    )]
    DamagedFile {
        file: PathBuf,
        #[source]
        source: Box<StoreError>,
    },
    #[error(
        "read the queue log: it is damaged, and in which file was not found; save all that can be read with \
         `knutepunkt repair --berg`, or restore a backup with `knutepunkt restore`"
    )]
    DamagedSomewhere {
        #[source]
        source: Box<StoreError>,
    },
    #[error(
        "read the queue log: {} is missing, so meldinger may be; bring the file back where it was, restore a backup with \
         `knutepunkt restore`, or save all that can be read without it with `knutepunkt repair --berg`. Nothing was changed",
        file.display()
    )]
    Missing { file: PathBuf },
    #[error(
        "read the queue log: {} is missing, so meldinger are; bring the file back where it was, restore a backup with \
         `knutepunkt restore`, or save all that can be read with `knutepunkt repair --berg`. Nothing was changed",
        file.display()
    )]
    MissingJournal { file: PathBuf },
    #[error(
        "save anything of the queue log: nothing in it can be read, and {lost} meldinger that were promised would be lost. Nothing \
         was changed. Only a backup helps: move the log and its witness aside and use `knutepunkt restore`; or, to go on \
         without them, `knutepunkt repair --berg --godta-tap`"
    )]
    NothingSaved { lost: usize },
    #[error(
        "save anything of the queue log: {0}. Nothing was changed, and only a backup helps: `knutepunkt restore`"
    )]
    Beyond(&'static str),
    #[error("read the queue log: {} cannot be read; look at the disk and at who owns the file", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// The open log.
pub(crate) struct Store {
    db: Database,
    meta: Keyspace,
    kontoer: Keyspace,
    entries: Keyspace,
    meldinger: Keyspace,
    sporing: Keyspace,
    payloads: Keyspace,
    ids: Keyspace,
    by_konto: Keyspace,
    dead: Keyspace,
    path: PathBuf,
    /// Where its files were when it was opened.
    place: in_place::Place,
    steps: Keyspace,
    /// The number of the last synced step.
    step: AtomicU64,
    /// When it was last decided what it holds.
    decided_ms: u64,
    /// When a server was there before this opening, to some seconds.
    last_alive: Option<Timestamp>,
    witness: Mutex<Witness>,
    /// How much of the payloads is there.
    live: Live,
    tidying: Tidying,
    /// What is done with the disk.
    used: room::Use,
    /// Before this number nothing is left to forget.
    pruned_to: AtomicU64,
    /// Held while meldinger are forgotten, and while a dead letter moves.
    forgetting: Mutex<()>,
    /// Meldinger of which the log has said already that they are damaged.
    damaged: Mutex<BTreeSet<Number>>,
    /// Dropped last, when the files are closed and unlocked.
    _closed: watch::Sender<()>,
}

/// How the log is kept.
#[derive(Clone)]
pub(crate) struct Layout {
    pub(crate) cache_bytes: u64,
    pub(crate) journal_bytes: u64,
    pub(crate) open_tables: usize,
    /// How far somebody else has seen it to come: one that has come less far is refused.
    pub(crate) seen: Option<SeenPosition>,
}

fn listed(torn: &[TornJournal]) -> String {
    torn.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A log that was read, and not written to yet.
struct Begun {
    db: Database,
    meta: Keyspace,
    steps: Keyspace,
    step: u64,
    /// `None` where there is none: it is made once the log is gone on with.
    witness: Option<Witness>,
    /// What it lacks of what was promised.
    loss: Option<Loss>,
    /// What was cut off its journals.
    cuts: Vec<Cut>,
    /// Whether the log store does not write by itself yet, since there may be no room for it.
    is_idle: bool,
}

/// What to do about a journal that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Change nothing.
    Refuse,
    /// Go on with what stands before it.
    Accept,
}

impl Begun {
    /// Opens the log at `path`, and makes it where there is none. What interrupted writes left in its journals is cut off.
    fn new(path: &Path, layout: &Layout, damage: Damage) -> Result<Self, StoreError> {
        match damage {
            Damage::Refuse => {
                files::check_all_there(path)?;
                files::check_journals(path)?;
                blame::check_lists(path)?;
            }
            Damage::Accept => files::check(path)?,
        }
        let torn = journal::find_torn(path).map_err(StoreError::Journals)?;
        if damage == Damage::Refuse && !torn.is_empty() && !was_promised_to_nobody(path)? {
            // What stands there may have been promised, and is not touched before that is known.
            let shadow = Shadow::of(path)?;
            let looked = Self::of_copy(shadow.path(), layout, damage);
            let found = looked.map_err(|error| error.said_of(shadow.folder(), path))?;
            if let Some(loss) = found.loss {
                return Err(refusal(loss.said_of(shadow.folder(), path)));
            }
        }
        Self::cut_and_open(path, layout, damage, torn)
    }

    /// Opens a copy of a log, as [`Self::new`], which is of no more use afterwards.
    fn of_copy(copy: &Path, layout: &Layout, damage: Damage) -> Result<Self, StoreError> {
        let torn = journal::find_torn(copy).map_err(StoreError::Journals)?;
        Self::cut_and_open(copy, layout, damage, torn)
    }

    fn cut_and_open(
        path: &Path,
        layout: &Layout,
        damage: Damage,
        torn: Vec<TornJournal>,
    ) -> Result<Self, StoreError> {
        let damaged: Vec<_> = torn.iter().filter(|torn| torn.is_damage).cloned().collect();
        let whole_behind = torn.iter().map(|torn| torn.whole_behind).sum();
        if damage == Damage::Refuse && !damaged.is_empty() {
            return Err(StoreError::Torn(damaged));
        }
        let mut cuts = Vec::new();
        let room = if damage == Damage::Accept { NoRoom::Fail } else { NoRoom::GoOn };
        let begun = cut_all(torn, path, room, &mut cuts)
            .and_then(|()| room::is_short(path))
            .and_then(|is_short| Self::open(path, layout, damaged, is_short));
        match begun {
            Ok(begun) => {
                let loss = begun.loss.map(|loss| Loss { whole_behind, ..loss });
                Ok(Self { loss, cuts, ..begun })
            }
            Err(error) => {
                // As they were found, whatever kept the log from being opened.
                put_back(cuts, path)?;
                Err(error)
            }
        }
    }

    /// Opens the log at `path`, whose journals end where they can be read.
    fn open(
        path: &Path,
        layout: &Layout,
        damaged: Vec<TornJournal>,
        is_idle: bool,
    ) -> Result<Self, StoreError> {
        let db = Database::builder(path)
            .cache_size(layout.cache_bytes)
            .max_journaling_size(layout.journal_bytes.max(64 * MIB))
            .max_cached_files(Some(layout.open_tables))
            .manual_journal_persist(true)
            // With more than one, fjall's first worker spins for as long as another compacts.
            .worker_threads_unchecked(usize::from(!is_idle))
            .open()?;
        let meta = keyspace(&db, names::META, MIB)?;
        check_format(&meta)?;
        let steps = keyspace(&db, names::STEPS, 8 * MIB)?;
        let step = match steps.get(STEP)? {
            Some(value) => number_at(&value, 0)?,
            None => 0,
        };
        // One that is not there yet is made in its turn: their numbers follow from the order in which they are made.
        let has_ids = db.keyspace_exists("melding_id");
        let ids = if has_ids { Some(keyspace(&db, "melding_id", 4 * MIB)?) } else { None };
        let forgotten_before = meta.get(FORGOTTEN)?.and_then(|value| forgotten_before(&value));
        let kept = Kept { ids, forgotten_before, lacks_some: !damaged.is_empty() };
        let (mut witness, mut loss) = call_witness(path, step, &kept)?;
        let position = LogPosition { decided_ms: position::decided_ms(&meta)?, step };
        // Where the witness knows of more, the log was damaged or cut, and is no earlier state. One that was put back went back with it.
        let known = witness.as_ref().map_or(0, Witness::last_step).max(step);
        let known = LogPosition { step: known, ..position };
        if let Some(seen) = layout.seen.filter(|seen| seen.position > known) {
            let last = witness.as_ref().and_then(|witness| witness.last_taken(step).next());
            let last_taken = last.map(|melding| melding.mottatt);
            loss.get_or_insert(unknown(step)).behind = Some(Behind { found: position, seen, last_taken });
        }
        if let Some(witness) = &mut witness {
            witness.forget_read();
        }
        if !damaged.is_empty() {
            loss.get_or_insert(unknown(step)).journals = damaged;
        }
        Ok(Self { db, meta, steps, step, witness, loss, cuts: Vec::new(), is_idle })
    }

    /// Sees to it that the log store has room for what it does first, before it does it.
    fn make_room(self, path: &Path, layout: &Layout) -> Result<Self, StoreError> {
        self.make_room_of(path, layout, || room::free_bytes(path))
    }

    /// The same where `free` says how many bytes are free.
    fn make_room_of(self, path: &Path, layout: &Layout, free: impl Fn() -> u64) -> Result<Self, StoreError> {
        if !self.is_idle {
            return Ok(self);
        }
        let made = room::make(&self.db, path, free);
        let Self { db, meta, steps, cuts, .. } = self;
        drop((meta, steps, db));
        let opened = made
            .and_then(|()| room::begin_journal(path).map_err(StoreError::Journals))
            .and_then(|()| Self::open(path, layout, Vec::new(), false));
        match opened {
            Ok(begun) => Ok(Self { cuts, ..begun }),
            Err(error) => {
                put_back(cuts, path)?;
                Err(error)
            }
        }
    }

    /// Closes the log again and leaves its journals as they were found. Gives what it lacks.
    fn leave(self, path: &Path) -> Result<Option<Loss>, StoreError> {
        let Self { db, meta, steps, loss, cuts, .. } = self;
        drop((meta, steps, db));
        put_back(cuts, path)?;
        Ok(loss)
    }
}

/// Whether all that was promised by the log at `path` stands before the places where its journals are torn: what stands there is what
/// an interrupted write has left.
fn was_promised_to_nobody(path: &Path) -> Result<bool, StoreError> {
    let file = witness::beside(path);
    let witness = Witness::open(path).map_err(|source| StoreError::Unreadable { file, source })?;
    let Some(witness) = witness else { return Ok(false) };
    if witness.last_step() == 0 {
        return Ok(true);
    }
    let last = journal::last_step(path).map_err(StoreError::Journals)?;
    Ok(last.is_some_and(|last| witness.last_step() <= last))
}

/// Why a log that lacks something is not opened.
fn refusal(loss: Loss) -> StoreError {
    if let Some(behind) = loss.only_behind() {
        StoreError::Behind(Box::new(behind))
    } else if loss.is_unknown() {
        StoreError::WitnessMissing(Box::new(loss))
    } else {
        StoreError::Lost(Box::new(loss))
    }
}

fn cut_all(torn: Vec<TornJournal>, path: &Path, room: NoRoom, cuts: &mut Vec<Cut>) -> Result<(), StoreError> {
    for torn in torn {
        cuts.push(Cut::make(torn, path, room).map_err(StoreError::Journals)?);
    }
    Ok(())
}

fn put_back(cuts: Vec<Cut>, path: &Path) -> Result<(), StoreError> {
    for cut in cuts {
        cut.put_back(path).map_err(StoreError::Journals)?;
    }
    Ok(())
}

fn keyspace(db: &Database, name: &str, memtable_bytes: u64) -> fjall::Result<Keyspace> {
    db.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes))
}

/// An open log, its first number, and what ends when it is closed again.
type Opened = (Store, Number, watch::Receiver<()>);

/// Whether this version can read what is there.
fn check_format(meta: &Keyspace) -> Result<(), StoreError> {
    let format = match meta.get("format")? {
        Some(value) => number_at(&value, 0)?,
        None => FORMAT,
    };
    if (OLDEST_FORMAT..=FORMAT).contains(&format) { Ok(()) } else { Err(StoreError::Format(format)) }
}

/// A loss of a log that ends with `step`, of which nothing is known.
fn unknown(step: u64) -> Loss {
    Loss { log_step: step, promised_step: step, ..Loss::default() }
}

/// What a log knows of the meldinger that it took, for as long as it does not forget them.
struct Kept {
    ids: Option<Keyspace>,
    /// Those that were taken before this and are over may be forgotten.
    forgotten_before: Option<Timestamp>,
    /// Whether its journals are damaged.
    lacks_some: bool,
}

impl Kept {
    fn has(&self, melding: &LostMelding) -> Result<bool, StoreError> {
        let Some(ids) = &self.ids else { return Ok(false) };
        guarded(|| Ok(ids.contains_key(melding.id.as_uuid().as_bytes())?))
    }
}

/// Meldinger that were taken up to `step`, and that the log neither knows nor may have forgotten; in the order in which they were
/// taken.
fn missing_in_the_middle(witness: &Witness, step: u64, kept: &Kept) -> Result<Vec<LostMelding>, StoreError> {
    let forgotten_before = kept.forgotten_before;
    let mut gone = Vec::new();
    for melding in witness.last_taken(step) {
        if forgotten_before.is_none_or(|before| melding.mottatt >= before) && !kept.has(&melding)? {
            gone.push(melding);
        }
    }
    gone.reverse();
    Ok(gone)
}

/// Whether a witness is that of another log: of the last meldinger that it saw taken, and that this one cannot have forgotten, this
/// one knows none.
fn is_anothers(witness: &Witness, step: u64, kept: &Kept) -> Result<bool, StoreError> {
    const LOOKED_AT: usize = 200;
    let forgotten_before = kept.forgotten_before;
    let mut looked_for = false;
    for melding in witness.last_taken(step).take(LOOKED_AT) {
        if forgotten_before.is_some_and(|before| melding.mottatt < before) {
            continue;
        }
        match kept.has(&melding) {
            Ok(true) => return Ok(false),
            Ok(false) => looked_for = true,
            // Whatever is damaged is found where it is needed.
            Err(error) if error.is_damage() => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(looked_for)
}

/// What [`FORGOTTEN`] says.
fn forgotten_before(value: &[u8]) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from_be_bytes(value.try_into().ok()?)).ok()
}

/// The witness of the log at `path`, which ends with `step`, if there is one, and what the log lacks.
fn call_witness(path: &Path, step: u64, kept: &Kept) -> Result<(Option<Witness>, Option<Loss>), StoreError> {
    let file = witness::beside(path);
    let opened = Witness::open(path).map_err(|source| StoreError::Unreadable { file: file.clone(), source });
    let missing = || Loss { witness_missing: Some(file), ..unknown(step) };
    let Some(witness) = opened? else {
        // A log without any step has promised nothing.
        return Ok((None, (step > 0).then(missing)));
    };
    if is_anothers(&witness, step, kept)? {
        return Ok((None, Some(missing())));
    }
    let mut loss = witness.loss(step);
    if kept.lacks_some {
        // What stood in the middle left a gap that the last step does not tell of.
        let mut gone = missing_in_the_middle(&witness, step, kept)?;
        let loss = loss.get_or_insert(unknown(step));
        gone.append(&mut loss.meldinger);
        loss.meldinger = gone;
    }
    Ok((Some(witness), loss))
}

impl Store {
    /// Opens the log, and makes it where there is none. Gives also the epoch's first number, and what tells that all is
    /// closed again: its channel ends then.
    pub(crate) fn open(path: &Path, layout: &Layout) -> Result<Opened, StoreError> {
        salvage::clear_up(path)?;
        loss::note::refuse(path)?;
        let begun = Begun::new(path, layout, Damage::Refuse)?;
        if begun.loss.is_some() {
            return Err(refusal(begun.leave(path)?.unwrap_or_default()));
        }
        let mut begun = begun.make_room(path, layout)?;
        for cut in std::mem::take(&mut begun.cuts) {
            cut.forget().map_err(StoreError::Journals)?;
        }
        Self::go_on(path, begun)
    }

    /// Refuses a folder without a log, where there must be one.
    pub(crate) fn require(path: &Path) -> Result<(), StoreError> {
        files::require(path)
    }

    /// Begins a new epoch of a log.
    fn go_on(path: &Path, begun: Begun) -> Result<Opened, StoreError> {
        let Begun { db, meta, steps, step, witness, .. } = begun;
        let witness = witness.map_or_else(|| Witness::make(path), Ok).map_err(StoreError::Witness)?;
        let last_alive = witness.last_alive();
        let epoch = match meta.get("epoch")? {
            Some(value) => number_at(&value, 0)? + 1,
            None => 1,
        };
        let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&meta, "format", FORMAT.to_be_bytes());
        batch.insert(&meta, "epoch", epoch.to_be_bytes());
        batch.commit()?;

        let payloads = db.keyspace(names::PAYLOADS, || {
            KeyspaceCreateOptions::default().max_memtable_size(16 * MIB).with_kv_separation(Some(
                KvSeparationOptions::default()
                    .separation_threshold(LARGE)
                    .file_target_size(LARGE_FILE)
                    .age_cutoff(LARGE_PART),
            ))
        })?;
        let place = witness.metadata().and_then(|witness| in_place::Place::of(path, &witness));
        let place = place.map_err(StoreError::Files)?;
        let decided_ms = position::decided_ms(&meta)?;
        let live = Live::since_now(&db, &payloads);
        let (closed, is_closed) = watch::channel(());
        let store = Self {
            kontoer: keyspace(&db, names::KONTOER, MIB)?,
            entries: keyspace(&db, names::ENTRIES, 4 * MIB)?,
            meldinger: keyspace(&db, names::MELDINGER, 8 * MIB)?,
            sporing: keyspace(&db, names::SPORING, 4 * MIB)?,
            payloads,
            ids: keyspace(&db, names::IDS, 4 * MIB)?,
            by_konto: keyspace(&db, names::BY_KONTO, 4 * MIB)?,
            dead: keyspace(&db, names::DEAD, MIB)?,
            meta,
            db,
            path: path.to_owned(),
            place,
            steps,
            step: AtomicU64::new(step),
            decided_ms,
            last_alive,
            witness: Mutex::new(witness),
            live,
            tidying: Tidying::default(),
            used: room::Use::default(),
            pruned_to: AtomicU64::new(0),
            forgetting: Mutex::new(()),
            damaged: Mutex::default(),
            _closed: closed,
        };
        store.look_at_tables();
        Ok((store, epoch << EPOCH_BITS, is_closed))
    }

    /// How far it has come: what is on stable storage.
    pub(crate) fn position(&self) -> LogPosition {
        LogPosition { decided_ms: self.decided_ms, step: self.step.load(Ordering::Acquire) }
    }

    /// Starts a step.
    pub(crate) fn write(&self) -> Write<'_> {
        Write { store: self, batch: self.db.batch(), taken: Vec::new() }
    }

    /// Syncs what the witness noted, if anything, and lets it note now and then that the server is there at `now`. Of one that cannot
    /// be synced the next loss of power may take the end.
    pub(crate) fn keep_witness(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        witness.note_alive(now).map_err(StoreError::Witness)?;
        let file = witness.to_sync();
        drop(witness);
        match file {
            Some(file) => file.and_then(|file| file.sync_data()).map_err(StoreError::Witness),
            None => Ok(()),
        }
    }

    /// Whether the log is well: what failed in the background is known here.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        Ok(self.db.persist(PersistMode::Buffer)?)
    }

    /// Bytes that are free where the log lies; `None` where the system does not say.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        fs4::available_space(&self.path).ok()
    }
}
