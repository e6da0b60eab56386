//! The queue log on disk: which keyspaces there are, how keys and values are spelled, and how a step is written.
//!
//! | Keyspace | Key | Value |
//! |---|---|---|
//! | `meta` | name | format version; epoch |
//! | `konto` | KontoId | nothing: the queue exists |
//! | `queue` | number | [`Entry`] with its KontoId, 28 bytes; all that a start has to read |
//! | `melding` | number | the melding and the lines of sporing written with it |
//! | `sporing` | number, step | one later line |
//! | `payload` | number | the bytes; large ones in files of their own |
//! | `melding_id` | MeldingId | number |
//! | `konto_melding` | KontoId, number | nothing: the Konto sent or received it |
//! | `dodko` | KontoId, number | when it was given up |
//!
//! Numbers and steps are big-endian and only grow, so all large keyspaces are written at their end. Values that may change
//! their shape start with a version byte.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use app::ports::{DeadLetter, MeldingRecord};
use bytes::Bytes;
use domain::melding::{Hendelse, Melding, Retur, Sporing};
use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode, Readable, Snapshot,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use wire::id::{DokumentId, KontoId, MeldingId, Uuid};

use crate::queue::{Entry, Number, Tries};

/// Shape of what is on disk.
const FORMAT: u64 = 1;
/// First byte of a melding and of a line of sporing.
const VERSION: u8 = 1;
/// How many numbers an epoch has. A new one starts at every opening, so that no number is ever used twice.
const EPOCH_BITS: u32 = 40;
const MIB: u64 = 1024 * 1024;
/// How many meldinger are forgotten in one write.
const PRUNE_AT_ONCE: usize = 256;

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("use the queue log")]
    Backend(#[from] fjall::Error),
    #[error("read the queue log: {0} is damaged")]
    Damaged(&'static str),
    #[error("read the queue log: it has format {0}, this version knows {FORMAT} only")]
    Format(u64),
}

/// The open log.
pub(crate) struct Store {
    db: Database,
    kontoer: Keyspace,
    entries: Keyspace,
    meldinger: Keyspace,
    sporing: Keyspace,
    payloads: Keyspace,
    ids: Keyspace,
    by_konto: Keyspace,
    dead: Keyspace,
    path: PathBuf,
    /// Before this number nothing is left to forget.
    pruned_to: AtomicU64,
    /// Dropped last, when the files are closed and unlocked.
    _closed: watch::Sender<()>,
}

/// How the log is kept.
pub(crate) struct Layout {
    pub(crate) cache_bytes: u64,
    pub(crate) journal_bytes: u64,
}

/// A line of sporing as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    at: i128,
    what: What,
}

/// [`Hendelse`] in a form of its own, so that what is on disk does not change with the domain. Only ever add at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    LagtPaKo,
    Levert(u32),
    NackMedRequeue,
    Frakoblet,
    Omstart,
    Bekreftet,
    Avvist,
    Utlopt,
    Dodko,
    KontoSlettet,
    KvitteringSendt([u8; 16]),
}

impl Line {
    pub(crate) fn new(at: Timestamp, hendelse: &Hendelse) -> Self {
        let what = match hendelse {
            Hendelse::LagtPaKo => What::LagtPaKo,
            Hendelse::Levert { forsok } => What::Levert(*forsok),
            Hendelse::Returnert { arsak: Retur::NackMedRequeue } => What::NackMedRequeue,
            Hendelse::Returnert { arsak: Retur::Frakoblet } => What::Frakoblet,
            Hendelse::Returnert { arsak: Retur::Omstart } => What::Omstart,
            Hendelse::Bekreftet => What::Bekreftet,
            Hendelse::Avvist => What::Avvist,
            Hendelse::Utlopt => What::Utlopt,
            Hendelse::Dodko => What::Dodko,
            Hendelse::KontoSlettet => What::KontoSlettet,
            Hendelse::KvitteringSendt { kvittering } => {
                What::KvitteringSendt(kvittering.as_uuid().into_bytes())
            }
        };
        Self { at: at.as_nanosecond(), what }
    }

    fn sporing(self) -> Result<Sporing, StoreError> {
        let hendelse = match self.what {
            What::LagtPaKo => Hendelse::LagtPaKo,
            What::Levert(forsok) => Hendelse::Levert { forsok },
            What::NackMedRequeue => Hendelse::Returnert { arsak: Retur::NackMedRequeue },
            What::Frakoblet => Hendelse::Returnert { arsak: Retur::Frakoblet },
            What::Omstart => Hendelse::Returnert { arsak: Retur::Omstart },
            What::Bekreftet => Hendelse::Bekreftet,
            What::Avvist => Hendelse::Avvist,
            What::Utlopt => Hendelse::Utlopt,
            What::Dodko => Hendelse::Dodko,
            What::KontoSlettet => Hendelse::KontoSlettet,
            What::KvitteringSendt(id) => {
                Hendelse::KvitteringSendt { kvittering: MeldingId::from_uuid(Uuid::from_bytes(id)) }
            }
        };
        Ok(Sporing { tidspunkt: timestamp(self.at)?, hendelse })
    }
}

/// A melding as written. Field by field the same as [`StoredMelding`].
#[derive(Serialize)]
struct MeldingRef<'a> {
    id: [u8; 16],
    avsender: [u8; 16],
    mottaker: [u8; 16],
    meldingstype: &'a str,
    svar_pa_melding: Option<[u8; 16]>,
    svar_til_type: Option<&'a str>,
    dokumentlager_id: Option<[u8; 16]>,
    headere: &'a BTreeMap<String, String>,
    ttl: Duration,
    mottatt: i128,
    payload_bytes: u64,
    lines: &'a [Line],
}

/// A melding as read.
#[derive(Deserialize)]
struct StoredMelding {
    id: [u8; 16],
    avsender: [u8; 16],
    mottaker: [u8; 16],
    meldingstype: String,
    svar_pa_melding: Option<[u8; 16]>,
    svar_til_type: Option<String>,
    dokumentlager_id: Option<[u8; 16]>,
    headere: BTreeMap<String, String>,
    ttl: Duration,
    mottatt: i128,
    payload_bytes: u64,
    lines: Vec<Line>,
}

impl StoredMelding {
    fn melding(self) -> Result<(Melding, u64, Vec<Line>), StoreError> {
        let melding = Melding {
            id: MeldingId::from_uuid(Uuid::from_bytes(self.id)),
            avsender: KontoId::from_uuid(Uuid::from_bytes(self.avsender)),
            mottaker: KontoId::from_uuid(Uuid::from_bytes(self.mottaker)),
            meldingstype: self.meldingstype,
            svar_pa_melding: self.svar_pa_melding.map(|id| MeldingId::from_uuid(Uuid::from_bytes(id))),
            svar_til_type: self.svar_til_type,
            dokumentlager_id: self.dokumentlager_id.map(|id| DokumentId::from_uuid(Uuid::from_bytes(id))),
            headere: self.headere,
            ttl: self.ttl,
            mottatt: timestamp(self.mottatt)?,
        };
        Ok((melding, self.payload_bytes, self.lines))
    }
}

fn timestamp(nanoseconds: i128) -> Result<Timestamp, StoreError> {
    Timestamp::from_nanosecond(nanoseconds).map_err(|_| StoreError::Damaged("a time"))
}

fn encode<T: Serialize>(value: &T, capacity: usize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(capacity);
    bytes.push(VERSION);
    postcard::to_extend(value, bytes).map_err(|_| StoreError::Damaged("a value to write"))
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &'static str) -> Result<T, StoreError> {
    match bytes {
        [VERSION, rest @ ..] => postcard::from_bytes(rest).map_err(|_| StoreError::Damaged(what)),
        _ => Err(StoreError::Damaged(what)),
    }
}

fn pair(konto: KontoId, number: Number) -> [u8; 24] {
    let mut key = [0; 24];
    key[..16].copy_from_slice(konto.as_uuid().as_bytes());
    key[16..].copy_from_slice(&number.to_be_bytes());
    key
}

fn line_key(number: Number, step: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&step.to_be_bytes());
    key
}

fn number_at(key: &[u8], at: usize) -> Result<Number, StoreError> {
    key.get(at..at + 8)
        .and_then(|bytes| bytes.try_into().ok())
        .map(Number::from_be_bytes)
        .ok_or(StoreError::Damaged("a key"))
}

fn konto_at(bytes: &[u8], at: usize) -> Result<KontoId, StoreError> {
    bytes
        .get(at..at + 16)
        .and_then(|bytes| Uuid::from_slice(bytes).ok())
        .map(KontoId::from_uuid)
        .ok_or(StoreError::Damaged("a KontoId"))
}

fn encode_entry(konto: KontoId, entry: &Entry) -> [u8; 28] {
    let mut value = [0; 28];
    value[0] = VERSION;
    value[1..17].copy_from_slice(konto.as_uuid().as_bytes());
    value[17..25].copy_from_slice(&entry.deadline.to_be_bytes());
    value[25] = entry.tries.failed;
    value[26] = entry.tries.returned;
    value[27] = u8::from(entry.held);
    value
}

fn decode_entry(key: &[u8], value: &[u8]) -> Result<(KontoId, Entry), StoreError> {
    let value: &[u8; 28] = value.try_into().map_err(|_| StoreError::Damaged("a queue entry"))?;
    if value[0] != VERSION {
        return Err(StoreError::Damaged("a queue entry"));
    }
    let mut deadline = [0; 8];
    deadline.copy_from_slice(&value[17..25]);
    let entry = Entry {
        number: number_at(key, 0)?,
        deadline: i64::from_be_bytes(deadline),
        tries: Tries { failed: value[25], returned: value[26] },
        held: value[27] != 0,
    };
    Ok((konto_at(value, 1)?, entry))
}

/// What one step writes, all or nothing.
pub(crate) struct Write<'a> {
    store: &'a Store,
    batch: fjall::OwnedWriteBatch,
}

impl Write<'_> {
    pub(crate) fn queue_created(&mut self, konto: KontoId) {
        self.batch.insert(&self.store.kontoer, konto.as_uuid().as_bytes(), [VERSION]);
    }

    pub(crate) fn queue_removed(&mut self, konto: KontoId) {
        self.batch.remove(&self.store.kontoer, konto.as_uuid().as_bytes());
    }

    pub(crate) fn entry(&mut self, konto: KontoId, entry: &Entry) {
        self.batch.insert(&self.store.entries, entry.number.to_be_bytes(), encode_entry(konto, entry));
    }

    pub(crate) fn entry_gone(&mut self, number: Number) {
        self.batch.remove(&self.store.entries, number.to_be_bytes());
    }

    pub(crate) fn melding(
        &mut self,
        number: Number,
        melding: &Melding,
        payload_bytes: usize,
        lines: &[Line],
    ) -> Result<(), StoreError> {
        let value = encode(
            &MeldingRef {
                id: melding.id.as_uuid().into_bytes(),
                avsender: melding.avsender.as_uuid().into_bytes(),
                mottaker: melding.mottaker.as_uuid().into_bytes(),
                meldingstype: &melding.meldingstype,
                svar_pa_melding: melding.svar_pa_melding.map(|id| id.as_uuid().into_bytes()),
                svar_til_type: melding.svar_til_type.as_deref(),
                dokumentlager_id: melding.dokumentlager_id.map(|id| id.as_uuid().into_bytes()),
                headere: &melding.headere,
                ttl: melding.ttl,
                mottatt: melding.mottatt.as_nanosecond(),
                payload_bytes: payload_bytes as u64,
                lines,
            },
            256,
        )?;
        let store = self.store;
        self.batch.insert(&store.meldinger, number.to_be_bytes(), value);
        self.batch.insert(&store.ids, melding.id.as_uuid().as_bytes(), number.to_be_bytes());
        self.batch.insert(&store.by_konto, pair(melding.mottaker, number), []);
        if melding.avsender != melding.mottaker {
            self.batch.insert(&store.by_konto, pair(melding.avsender, number), []);
        }
        Ok(())
    }

    pub(crate) fn payload(&mut self, number: Number, payload: &[u8]) {
        self.batch.insert(&self.store.payloads, number.to_be_bytes(), payload);
    }

    pub(crate) fn payload_gone(&mut self, number: Number) {
        // Written once and removed once, so the two cancel each other out: what was acked before its memtable is full never
        // reaches a table.
        self.batch.remove_weak(&self.store.payloads, number.to_be_bytes());
    }

    pub(crate) fn line(&mut self, number: Number, step: u64, line: &Line) -> Result<(), StoreError> {
        self.batch.insert(&self.store.sporing, line_key(number, step), encode(line, 32)?);
        Ok(())
    }

    pub(crate) fn dead(&mut self, konto: KontoId, number: Number, at: Timestamp) {
        self.batch.insert(&self.store.dead, pair(konto, number), at.as_nanosecond().to_be_bytes());
    }

    /// Writes it. With `sync` it is on stable storage when this returns, else with the operating system, so that it
    /// outlives this process.
    pub(crate) fn commit(self, sync: bool) -> Result<(), StoreError> {
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        self.batch.durability(Some(mode)).commit()?;
        Ok(())
    }
}

impl Store {
    /// Opens the log, and makes it where there is none. Gives also the epoch's first number, and what tells that all is
    /// closed again: its channel ends then.
    pub(crate) fn open(
        path: &Path,
        layout: &Layout,
    ) -> Result<(Self, Number, watch::Receiver<()>), StoreError> {
        let db = Database::builder(path)
            .cache_size(layout.cache_bytes)
            .max_journaling_size(layout.journal_bytes.max(64 * MIB))
            .manual_journal_persist(true)
            // With more than one, fjall's first worker spins for as long as another compacts.
            .worker_threads(1)
            .open()?;
        let keyspace = |name: &str, memtable_bytes: u64| {
            db.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes))
        };
        let meta = keyspace("meta", MIB)?;
        let format = match meta.get("format")? {
            Some(value) => number_at(&value, 0)?,
            None => FORMAT,
        };
        if format != FORMAT {
            return Err(StoreError::Format(format));
        }
        let epoch = match meta.get("epoch")? {
            Some(value) => number_at(&value, 0)? + 1,
            None => 1,
        };
        let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&meta, "format", FORMAT.to_be_bytes());
        batch.insert(&meta, "epoch", epoch.to_be_bytes());
        batch.commit()?;

        let payloads = db.keyspace("payload", || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(16 * MIB)
                .with_kv_separation(Some(KvSeparationOptions::default().separation_threshold(32 * 1024)))
        })?;
        let (closed, is_closed) = watch::channel(());
        let store = Self {
            kontoer: keyspace("konto", MIB)?,
            entries: keyspace("queue", 4 * MIB)?,
            meldinger: keyspace("melding", 8 * MIB)?,
            sporing: keyspace("sporing", 4 * MIB)?,
            payloads,
            ids: keyspace("melding_id", 4 * MIB)?,
            by_konto: keyspace("konto_melding", 4 * MIB)?,
            dead: keyspace("dodko", MIB)?,
            db,
            path: path.to_owned(),
            pruned_to: AtomicU64::new(0),
            _closed: closed,
        };
        Ok((store, epoch << EPOCH_BITS, is_closed))
    }

    /// Starts a step.
    pub(crate) fn write(&self) -> Write<'_> {
        Write { store: self, batch: self.db.batch() }
    }

    /// Bytes that are free where the log lies; `None` where the system does not say.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        fs4::available_space(&self.path).ok()
    }

    /// The Kontoer that have a queue.
    pub(crate) fn kontoer(&self) -> Result<Vec<KontoId>, StoreError> {
        self.kontoer.iter().map(|guard| konto_at(&guard.key()?, 0)).collect()
    }

    /// Reads all queue entries, by number.
    pub(crate) fn scan_entries(&self, mut each: impl FnMut(KontoId, Entry)) -> Result<(), StoreError> {
        for guard in self.entries.iter() {
            let (key, value) = guard.into_inner()?;
            let (konto, entry) = decode_entry(&key, &value)?;
            each(konto, entry);
        }
        Ok(())
    }

    /// How many dead letters each Konto has.
    pub(crate) fn count_dead(&self) -> Result<HashMap<KontoId, u64>, StoreError> {
        let mut counts = HashMap::new();
        for guard in self.dead.iter() {
            *counts.entry(konto_at(&guard.key()?, 0)?).or_default() += 1;
        }
        Ok(counts)
    }

    /// How many dead letters `konto` has.
    pub(crate) fn dead_of(&self, konto: KontoId) -> Result<u64, StoreError> {
        let mut count = 0;
        for guard in self.dead.prefix(konto.as_uuid().as_bytes()) {
            guard.key()?;
            count += 1;
        }
        Ok(count)
    }

    /// A melding without its payload.
    pub(crate) fn melding(&self, number: Number) -> Result<Option<Melding>, StoreError> {
        match self.meldinger.get(number.to_be_bytes())? {
            Some(value) => Ok(Some(decode::<StoredMelding>(&value, "a melding")?.melding()?.0)),
            None => Ok(None),
        }
    }

    /// A melding with its payload, if both are still there.
    pub(crate) fn load(&self, number: Number) -> Result<Option<(Melding, Bytes)>, StoreError> {
        let snapshot = self.db.snapshot();
        let Some(value) = snapshot.get(&self.meldinger, number.to_be_bytes())? else { return Ok(None) };
        let (melding, payload_bytes, _) = decode::<StoredMelding>(&value, "a melding")?.melding()?;
        if payload_bytes == 0 {
            return Ok(Some((melding, Bytes::new())));
        }
        Ok(snapshot
            .get(&self.payloads, number.to_be_bytes())?
            .map(|payload| (melding, Bytes::from_owner(payload))))
    }

    /// A melding with its sporing.
    pub(crate) fn record(&self, id: MeldingId) -> Result<Option<MeldingRecord>, StoreError> {
        let snapshot = self.db.snapshot();
        match snapshot.get(&self.ids, id.as_uuid().as_bytes())? {
            Some(number) => self.record_at(&snapshot, number_at(&number, 0)?),
            None => Ok(None),
        }
    }

    /// The newest meldinger that `konto` sent or received, newest first.
    pub(crate) fn records_of(&self, konto: KontoId, limit: usize) -> Result<Vec<MeldingRecord>, StoreError> {
        let snapshot = self.db.snapshot();
        let mut records = Vec::new();
        for guard in snapshot.prefix(&self.by_konto, konto.as_uuid().as_bytes()).rev().take(limit) {
            records.extend(self.record_at(&snapshot, number_at(&guard.key()?, 16)?)?);
        }
        Ok(records)
    }

    /// The dead letters of `konto`, oldest first.
    pub(crate) fn dead_letters_of(
        &self,
        konto: KontoId,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let snapshot = self.db.snapshot();
        let mut letters = Vec::new();
        for guard in snapshot.prefix(&self.dead, konto.as_uuid().as_bytes()).take(limit) {
            let (key, at) = guard.into_inner()?;
            let at: [u8; 16] = at.as_ref().try_into().map_err(|_| StoreError::Damaged("a dead letter"))?;
            if let Some(record) = self.record_at(&snapshot, number_at(&key, 16)?)? {
                letters.push(DeadLetter {
                    melding: record.melding,
                    tidspunkt: timestamp(i128::from_be_bytes(at))?,
                });
            }
        }
        Ok(letters)
    }

    fn record_at(&self, snapshot: &Snapshot, number: Number) -> Result<Option<MeldingRecord>, StoreError> {
        let Some(value) = snapshot.get(&self.meldinger, number.to_be_bytes())? else { return Ok(None) };
        let (melding, payload_bytes, lines) = decode::<StoredMelding>(&value, "a melding")?.melding()?;
        let mut sporing = lines.into_iter().map(Line::sporing).collect::<Result<Vec<_>, _>>()?;
        for guard in snapshot.prefix(&self.sporing, number.to_be_bytes()) {
            let (_, value) = guard.into_inner()?;
            sporing.push(decode::<Line>(&value, "a line of sporing")?.sporing()?);
        }
        Ok(Some(MeldingRecord { melding, payload_bytes, sporing }))
    }

    /// Forgets meldinger whose last line of sporing is from before `before`, with their sporing, index and dead letter.
    /// Tells how many dead letters of which Konto went with them.
    pub(crate) fn prune(&self, before: Timestamp) -> Result<HashMap<KontoId, u64>, StoreError> {
        let snapshot = self.db.snapshot();
        let mut dead: HashMap<KontoId, u64> = HashMap::new();
        let mut batch = self.db.batch();
        let mut in_batch = 0;
        let mut first_left = None;
        let start = self.pruned_to.load(Ordering::Relaxed);
        let mut last_seen = start;
        for guard in snapshot.range(&self.meldinger, start.to_be_bytes()..) {
            let (key, value) = guard.into_inner()?;
            let number = number_at(&key, 0)?;
            last_seen = number;
            let (melding, _, mut lines) = decode::<StoredMelding>(&value, "a melding")?.melding()?;
            let mut line_keys = Vec::new();
            for guard in snapshot.prefix(&self.sporing, number.to_be_bytes()) {
                let (key, value) = guard.into_inner()?;
                lines.push(decode(&value, "a line of sporing")?);
                line_keys.push(key);
            }
            let last = lines.iter().map(|line| line.at).max().unwrap_or_default();
            if last >= before.as_nanosecond() || snapshot.contains_key(&self.entries, number.to_be_bytes())? {
                first_left.get_or_insert(number);
                if melding.mottatt >= before {
                    break; // All that follow were taken later.
                }
                continue;
            }
            let dead_key = pair(melding.mottaker, number);
            if snapshot.contains_key(&self.dead, dead_key)? {
                *dead.entry(melding.mottaker).or_default() += 1;
                batch.remove(&self.dead, dead_key);
                batch.remove(&self.payloads, number.to_be_bytes());
            }
            for key in line_keys {
                batch.remove(&self.sporing, key);
            }
            batch.remove(&self.ids, melding.id.as_uuid().as_bytes());
            batch.remove(&self.by_konto, pair(melding.mottaker, number));
            if melding.avsender != melding.mottaker {
                batch.remove(&self.by_konto, pair(melding.avsender, number));
            }
            batch.remove(&self.meldinger, number.to_be_bytes());
            in_batch += 1;
            if in_batch == PRUNE_AT_ONCE {
                std::mem::replace(&mut batch, self.db.batch())
                    .durability(Some(PersistMode::Buffer))
                    .commit()?;
                in_batch = 0;
            }
        }
        batch.durability(Some(PersistMode::Buffer)).commit()?;
        self.pruned_to.store(first_left.unwrap_or(last_seen), Ordering::Relaxed);
        Ok(dead)
    }
}
