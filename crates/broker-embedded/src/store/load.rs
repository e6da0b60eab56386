//! Filling a new log with very many records at once: they are written straight into tables, in the order of their keys.

use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;

use domain::melding::{Hendelse, Retur};
use fjall::{Keyspace, PersistMode};
use jiff::Timestamp;

use super::chunks::{DumpError, Space, read_records};
use super::dump::{LogCounts, log};
use super::keys::{decode_entry, encode_entry, line_key, number_at};
use super::line::{Line, StoredMelding, encode};
use super::position::{decided_in, decision};
use super::{EPOCH_BITS, FORMAT, Layout, MIB, OLDEST_FORMAT, Store, StoreError};
use crate::OpenError;
use crate::queue::Number;

/// How many index records are sorted in memory before they are written to a table: some tens of MB.
const SORTED_AT_ONCE: usize = 500_000;

/// Takes a record, and with none ends the table: the type behind it has no name outside its library.
type Ingestion<'a> = Box<dyn FnMut(Option<(&[u8], &[u8])>) -> fjall::Result<()> + 'a>;

fn begin(keyspace: &Keyspace) -> fjall::Result<Ingestion<'_>> {
    let mut ingestion = Some(keyspace.start_ingestion()?);
    Ok(Box::new(move |record| match (record, &mut ingestion) {
        (Some((key, value)), Some(ingestion)) => ingestion.write(key, value),
        (_, ended) => match ended.take() {
            Some(ingestion) => ingestion.finish(),
            None => Ok(()),
        },
    }))
}

/// One keyspace that is being filled.
struct Run<'a> {
    keyspace: &'a Keyspace,
    /// Begun with the first record: an empty one would leave a file behind.
    ingestion: Option<Ingestion<'a>>,
    last: Vec<u8>,
}

impl<'a> Run<'a> {
    fn new(keyspace: &'a Keyspace) -> Self {
        Self { keyspace, ingestion: None, last: Vec::new() }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        // The library panics over it.
        if self.ingestion.is_some() && self.last.as_slice() >= key {
            return Err(StoreError::Damaged("the order of keys"));
        }
        let ingestion = match &mut self.ingestion {
            Some(ingestion) => ingestion,
            none => none.insert(begin(self.keyspace)?),
        };
        ingestion(Some((key, value)))?;
        self.last.clear();
        self.last.extend_from_slice(key);
        Ok(())
    }

    fn finish(self) -> Result<(), StoreError> {
        match self.ingestion {
            Some(mut ingestion) => Ok(ingestion(None)?),
            None => Ok(()),
        }
    }
}

/// An index, whose records do not come in its order.
struct Index<'a> {
    keyspace: &'a Keyspace,
    /// Not written yet.
    records: Vec<([u8; 24], u8)>,
}

impl<'a> Index<'a> {
    fn new(keyspace: &'a Keyspace) -> Self {
        Self { keyspace, records: Vec::new() }
    }

    /// `first` and `number`, the first `split` bytes of which are the key.
    fn put(&mut self, first: [u8; 16], number: Number, split: u8) -> Result<(), StoreError> {
        let mut record = [0; 24];
        record[..16].copy_from_slice(&first);
        record[16..].copy_from_slice(&number.to_be_bytes());
        self.records.push((record, split));
        if self.records.len() < SORTED_AT_ONCE { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let mut records = std::mem::take(&mut self.records);
        records.sort_unstable();
        let mut run = Run::new(self.keyspace);
        for (record, split) in &records {
            let (key, value) = record.split_at(usize::from(*split).min(record.len()));
            run.put(key, value)?;
        }
        run.finish()?;
        records.clear();
        self.records = records;
        Ok(())
    }
}

/// Fills a log that has nothing in it.
///
/// Records of one keyspace come in the order of their keys; between keyspaces any order will do. The indexes are made from
/// the meldinger. Nothing of it counts before [`Bulk::finish`] has returned.
pub(crate) struct Bulk<'a> {
    store: &'a Store,
    kontoer: Run<'a>,
    entries: Run<'a>,
    dead: Run<'a>,
    meldinger: Run<'a>,
    sporing: Run<'a>,
    payloads: Run<'a>,
    ids: Index<'a>,
    by_konto: Index<'a>,
    meta: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'a> Bulk<'a> {
    pub(crate) fn begin(store: &'a Store) -> Self {
        Self {
            store,
            kontoer: Run::new(&store.kontoer),
            entries: Run::new(&store.entries),
            dead: Run::new(&store.dead),
            meldinger: Run::new(&store.meldinger),
            sporing: Run::new(&store.sporing),
            payloads: Run::new(&store.payloads),
            ids: Index::new(&store.ids),
            by_konto: Index::new(&store.by_konto),
            meta: Vec::new(),
        }
    }

    /// Writes a record as it stands in the keyspace `space` of a log.
    pub(crate) fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        match space {
            Space::Meta => {
                self.meta.push((key.to_vec(), value.to_vec()));
                Ok(())
            }
            Space::Konto => self.kontoer.put(key, value),
            Space::Queue => self.entries.put(key, value),
            Space::Dead => self.dead.put(key, value),
            Space::Melding => {
                let number = number_at(key, 0)?;
                let melding = StoredMelding::decode(value)?;
                self.ids.put(melding.id, number, 16)?;
                self.by_konto.put(melding.mottaker, number, 24)?;
                if melding.avsender != melding.mottaker {
                    self.by_konto.put(melding.avsender, number, 24)?;
                }
                self.meldinger.put(key, value)
            }
            Space::Sporing => self.sporing.put(key, value),
            Space::Payload => self.payloads.put(key, value),
        }
    }

    /// Writes what is left, and waits until all of it is on the disk.
    pub(crate) fn finish(self) -> Result<(), StoreError> {
        let Self { store, kontoer, entries, dead, meldinger, sporing, payloads, mut ids, mut by_konto, meta } =
            self;
        for run in [kontoer, entries, dead, meldinger, sporing, payloads] {
            run.finish()?;
        }
        ids.write()?;
        by_konto.write()?;
        let mut batch = store.db.batch().durability(Some(PersistMode::SyncAll));
        for (key, value) in meta {
            batch.insert(&store.meta, key, value);
        }
        Ok(batch.commit()?)
    }
}

/// Makes a new log at `to` from a dump. What waits in it is handed out as redelivered, since nobody knows what became of it
/// after the dump. `go_on` is asked often, and says whether to. Blocks.
///
/// An error leaves a log behind that must not be used.
///
/// # Errors
/// [`DumpError`].
pub fn load_log(
    from: impl Read,
    to: &Path,
    now: Timestamp,
    mut go_on: impl FnMut() -> bool,
) -> Result<LogCounts, DumpError> {
    let layout = Layout { cache_bytes: 8 * MIB, journal_bytes: 64 * MIB, open_tables: 200, seen: None };
    let (store, ..) =
        Store::open(to, &layout).map_err(|error| DumpError::Log(OpenError::new(to, error).into()))?;
    if store.entries.first_key_value().is_some() || store.meldinger.first_key_value().is_some() {
        return Err(DumpError::Log("there is a queue log already".into()));
    }
    let mut bulk = Bulk::begin(&store);
    let mut returned = Returned::default();
    let mut count = 0_u64;
    let records = read_records(from, |space, key, value| {
        count += 1;
        if count.is_multiple_of(1_000) && !go_on() {
            return Err(DumpError::Stopped);
        }
        returned.put(&mut bulk, space, key, value, now).map_err(in_dump)
    })?;
    returned.lines_before(&mut bulk, Number::MAX, now).map_err(in_dump)?;
    returned.decide(&mut bulk, now).map_err(log)?;
    bulk.finish().map_err(log)?;
    Ok(LogCounts::of(&records, 0, 0))
}

/// An error over a record that was read from a dump.
fn in_dump(error: StoreError) -> DumpError {
    match error {
        StoreError::Damaged(_) => DumpError::Damaged("a record cannot be understood"),
        StoreError::Format(_) => DumpError::Damaged("it is of a newer version than this one"),
        other => log(other),
    }
}

/// Notes while a log is loaded that everything has come back.
#[derive(Default)]
pub(super) struct Returned {
    epoch: u64,
    /// When it was decided last what the log holds that is copied.
    decided_ms: u64,
    /// Meldinger that somebody held, and whose sporing must say what became of that.
    held: VecDeque<Number>,
}

impl Returned {
    pub(super) fn put(
        &mut self,
        bulk: &mut Bulk<'_>,
        space: Space,
        key: &[u8],
        value: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match (space, key) {
            (Space::Meta, b"format") => {
                let format = number_at(value, 0)?;
                if !(OLDEST_FORMAT..=FORMAT).contains(&format) {
                    return Err(StoreError::Format(format));
                }
            }
            (Space::Meta, b"epoch") => self.epoch = number_at(value, 0)?,
            (Space::Meta, key) => {
                if let Some(decided_ms) = decided_in(key, value) {
                    // What is made here is a decision of its own.
                    self.decided_ms = decided_ms;
                    return Ok(());
                }
            }
            (Space::Queue, _) => {
                let (konto, mut entry) = decode_entry(key, value)?;
                if entry.held {
                    self.held.push_back(entry.number);
                }
                entry.held = false;
                entry.tries.returned = entry.tries.returned.max(1);
                return bulk.put(space, key, &encode_entry(konto, &entry));
            }
            (Space::Sporing, _) => self.lines_before(bulk, number_at(key, 0)?, now)?,
            _ => {}
        }
        bulk.put(space, key, value)
    }

    /// Writes that what the new log holds was decided now: how far the old one had come says nothing of it.
    pub(super) fn decide(&self, bulk: &mut Bulk<'_>, now: Timestamp) -> Result<(), StoreError> {
        let (key, value) = decision(now, self.decided_ms, None);
        bulk.put(Space::Meta, key.as_bytes(), &value)
    }

    /// Writes for those that were held and have lower numbers than `number` that they came back.
    pub(super) fn lines_before(
        &mut self,
        bulk: &mut Bulk<'_>,
        number: Number,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Behind all steps of the log that was dumped, and before those of the next opening.
        let step = ((self.epoch + 1) << EPOCH_BITS) - 1;
        while let Some(held) = self.held.pop_front_if(|held| *held < number) {
            let line = Line::new(now, &Hendelse::Returnert { arsak: Retur::Omstart });
            bulk.put(Space::Sporing, &line_key(held, step), &encode(&line, 32)?)?;
        }
        Ok(())
    }
}
