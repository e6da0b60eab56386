//! Copying the log while it is in use: a moment of it is held, and written down record by record.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fjall::Keyspace;
use serde::{Deserialize, Serialize};
use wire::id::KontoId;

use super::check::Check;
use super::chunks::{ChunkWriter, DumpError, Records, Space};
use super::damage::{guarded, readable_behind};
use super::keys::number_at;
use super::moment::{Rows, rows, rows_from};
use super::{Layout, MIB, SeenPosition, Store, StoreError, witness};
use crate::OpenError;
use crate::queue::Number;
use crate::slot::Slot;

/// What a copy of the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCounts {
    /// Kontoer that have a queue.
    pub kontoer: u64,
    /// Meldinger that wait in queues.
    pub queued: u64,
    /// Dead letters.
    pub dead: u64,
    /// Meldinger that are known, those that are done with included.
    pub meldinger: u64,
    /// Lines of sporing that were not written with their melding.
    pub sporing: u64,
    /// Payloads that lie in the log.
    pub payloads: u64,
    /// Places of the log that could not be read when it was copied. What stood there is not in the copy.
    pub damaged: u64,
    /// Meldinger that wait or are dead letters, and that lacked something already when it was copied: a salvage leaves those in
    /// their places. Each becomes a dead letter when its turn comes.
    #[serde(default, skip_serializing_if = "is_none")]
    pub lacking: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl LogCounts {
    pub(super) fn of(records: &Records, damaged: u64, lacking: u64) -> Self {
        Self {
            kontoer: records.of(Space::Konto),
            queued: records.of(Space::Queue),
            dead: records.of(Space::Dead),
            meldinger: records.of(Space::Melding),
            sporing: records.of(Space::Sporing),
            payloads: records.of(Space::Payload),
            damaged,
            lacking,
        }
    }
}

/// Opens the log at `path` to copy it; `seen` is how far somebody else has seen it to come. Blocks.
///
/// # Errors
/// [`OpenError`]: there is no log, a server uses it, it cannot be read, or it lacks what was promised.
pub fn hold_log(path: &Path, seen: Option<SeenPosition>) -> Result<LogMoment, OpenError> {
    hold(path, seen).map_err(|error| OpenError::new(path, error))
}

/// As [`hold_log`].
pub(super) fn hold(path: &Path, seen: Option<SeenPosition>) -> Result<LogMoment, StoreError> {
    if !path.is_dir() {
        return Err(StoreError::NoLog { witness: witness::beside(path) });
    }
    let layout = Layout { cache_bytes: 8 * MIB, journal_bytes: 64 * MIB, open_tables: 200, seen };
    let (store, ..) = Store::open(path, &layout)?;
    Ok(LogMoment::of(Arc::new(store), None))
}

/// What a copy holds, in its order.
const SPACES: [(Space, &str); 7] = [
    (Space::Meta, "what it says of itself"),
    (Space::Konto, "the list of queues"),
    (Space::Queue, "a queue entry"),
    (Space::Dead, "the list of dead letters"),
    (Space::Melding, "a melding"),
    (Space::Sporing, "sporing"),
    (Space::Payload, "a payload"),
];

fn keyspace_of(store: &Store, space: Space) -> &Keyspace {
    match space {
        Space::Meta => &store.meta,
        Space::Konto => &store.kontoer,
        Space::Queue => &store.entries,
        Space::Dead => &store.dead,
        Space::Melding => &store.meldinger,
        Space::Sporing => &store.sporing,
        Space::Payload => &store.payloads,
    }
}

/// A moment of a log. While it is held, nothing that the log had then is given up.
pub struct LogMoment {
    pub(super) store: Arc<Store>,
    /// What there was, in the order of a copy; until it is copied.
    pub(super) rows: Mutex<Option<[Rows; SPACES.len()]>>,
    /// The queues that there were.
    pub(super) kontoer: Result<Vec<KontoId>, StoreError>,
    /// No melding had a number beyond this.
    pub(super) last: Number,
    /// Where the log is found for as long as it stays open; `None` for one that is open for this alone.
    slot: Option<Arc<Slot>>,
}

impl LogMoment {
    pub(crate) fn of(store: Arc<Store>, slot: Option<Arc<Slot>>) -> Self {
        let rows = rows(&store.db, SPACES.map(|(space, _)| keyspace_of(&store, space)));
        let last = |keyspace: &Keyspace| {
            keyspace.last_key_value().map(|guard| guarded(|| number_at(&guard.key()?, 0)))
        };
        // Where it cannot be read, everything is looked at.
        let last = last(&store.meldinger).map_or(Number::MIN, |last| last.unwrap_or(Number::MAX));
        Self { rows: Mutex::new(Some(rows)), kontoer: guarded(|| store.kontoer()), store, last, slot }
    }

    /// What the log takes on disk, about as much as a copy of it needs at most. Bytes.
    ///
    /// # Errors
    /// [`DumpError::Log`].
    pub fn disk_bytes(&self) -> Result<u64, DumpError> {
        self.store.disk_bytes().map_err(|error| DumpError::Log(error.into()))
    }

    /// Writes the log as it was at this moment, or, where it was written already, as it is now. `go_on` is asked often, and says
    /// whether to. Blocks, and takes no more memory for more meldinger.
    ///
    /// A log that is closed or fails meanwhile is let go of at once.
    ///
    /// # Errors
    /// [`DumpError::Write`], [`DumpError::Stopped`], [`DumpError::Log`], [`DumpError::LogDamaged`].
    pub fn dump(&self, to: impl Write, mut go_on: impl FnMut() -> bool) -> Result<LogCounts, DumpError> {
        let held = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        let held = held.unwrap_or_else(|| {
            rows(&self.store.db, SPACES.map(|(space, _)| keyspace_of(&self.store, space)))
        });
        let mut chunks = ChunkWriter::begin(to)?;
        let mut damaged = 0;
        let mut check = Check::default();
        // Each is let go of as soon as it is written.
        for ((space, name), mut rows) in SPACES.into_iter().zip(held) {
            let mut last = 0;
            loop {
                let (key, value) = match rows.next() {
                    Ok(Some(row)) => row,
                    Ok(None) => break,
                    Err(error) if error.is_damage() && space >= Space::Melding => {
                        damaged += 1;
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "a place of the queue log is damaged and is left out of the copy: {name}"
                        );
                        let keyspace = keyspace_of(&self.store, space);
                        let Some(next) = self.behind_damage(keyspace, last) else { break };
                        // As it is now. What came since stands behind what there was, and is left out.
                        rows = rows_from(&self.store.db, keyspace, next);
                        last = next;
                        continue;
                    }
                    Err(error) if error.is_damage() => return Err(DumpError::LogDamaged(name)),
                    Err(error) => return Err(log(error)),
                };
                if space >= Space::Melding {
                    last = number_at(&key, 0).map_err(log)?;
                    if last > self.last {
                        break;
                    }
                }
                check.look_at_what_belongs_together(space, &key, &value);
                if chunks.put(space, &key, &value)? && !(self.is_open() && go_on()) {
                    return Err(DumpError::Stopped);
                }
            }
        }
        let (_, records) = chunks.end()?;
        Ok(LogCounts::of(&records, damaged, check.lacking()))
    }

    pub(super) fn is_open(&self) -> bool {
        let Some(slot) = &self.slot else { return true };
        slot.get().is_some_and(|store| Arc::ptr_eq(&store, &self.store))
    }

    fn behind_damage(&self, keyspace: &Keyspace, last: Number) -> Option<Number> {
        let next = readable_behind(&self.store.db.snapshot(), keyspace, last);
        (next < Number::MAX).then_some(next)
    }
}

pub(super) fn log(error: StoreError) -> DumpError {
    DumpError::Log(error.into())
}
