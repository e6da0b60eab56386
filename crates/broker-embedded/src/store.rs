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

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app::ports::{DeadLetter, MeldingRecord, MeldingSok, MeldingTreff};
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

/// Shape of what is on disk. Since 2, lines of sporing may tell of [`What::LagtTilbake`] and [`What::LevertTil`]; all else
/// is as in 1, so a log of either is read, and is of this format from its opening on.
const FORMAT: u64 = 2;
/// The oldest shape that is still read.
const OLDEST_FORMAT: u64 = 1;
/// First byte of a melding and of a line of sporing.
const VERSION: u8 = 1;
/// How many numbers an epoch has. A new one starts at every opening, so that no number is ever used twice.
const EPOCH_BITS: u32 = 40;
const MIB: u64 = 1024 * 1024;
/// How many meldinger are looked at, and forgotten if it is time, in one write.
const PRUNE_AT_ONCE: usize = 256;

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("use the queue log")]
    Backend(#[from] fjall::Error),
    #[error("read the queue log: {0} is damaged")]
    Damaged(&'static str),
    #[error("read the queue log: it has format {0}, this version knows {OLDEST_FORMAT} to {FORMAT}")]
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
    /// Held while meldinger are forgotten, and while a dead letter moves.
    forgetting: Mutex<()>,
    /// Dropped last, when the files are closed and unlocked.
    _closed: watch::Sender<()>,
}

/// How the log is kept.
pub(crate) struct Layout {
    pub(crate) cache_bytes: u64,
    pub(crate) journal_bytes: u64,
    pub(crate) open_tables: usize,
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
    LagtTilbake,
    LevertTil(u32, SocketAddr),
}

impl Line {
    pub(crate) fn new(at: Timestamp, hendelse: &Hendelse) -> Self {
        let what = match hendelse {
            Hendelse::LagtPaKo => What::LagtPaKo,
            Hendelse::Levert { forsok, adresse: None } => What::Levert(*forsok),
            Hendelse::Levert { forsok, adresse: Some(adresse) } => What::LevertTil(*forsok, *adresse),
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
            Hendelse::LagtTilbake => What::LagtTilbake,
        };
        Self { at: at.as_nanosecond(), what }
    }

    fn sporing(self) -> Result<Sporing, StoreError> {
        let hendelse = match self.what {
            What::LagtPaKo => Hendelse::LagtPaKo,
            What::Levert(forsok) => Hendelse::Levert { forsok, adresse: None },
            What::LevertTil(forsok, adresse) => Hendelse::Levert { forsok, adresse: Some(adresse) },
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
            What::LagtTilbake => Hendelse::LagtTilbake,
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
    /// When it was put on its queue last: both lines that tell so are written with the melding.
    fn put(&self) -> i128 {
        let put = |line: &&Line| matches!(line.what, What::LagtPaKo | What::LagtTilbake);
        self.lines.iter().rfind(put).map_or(self.mottatt, |line| line.at)
    }

    fn fits(&self, sok: &MeldingSok) -> bool {
        let names = [
            wire::headers::KLIENT_MELDING_ID,
            wire::headers::KLIENT_KORRELASJONS_ID,
            wire::headers::KLIENT_KORRELASJON_ID,
        ];
        let is_named = |id: &String| names.iter().any(|name| self.headere.get(*name) == Some(id));
        sok.klient_id.as_ref().is_none_or(is_named)
            && sok.meldingstype.as_ref().is_none_or(|wanted| *wanted == self.meldingstype)
    }

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

/// A dead letter that is about to move.
pub(crate) struct DeadMelding {
    number: Number,
    pub(crate) melding: Arc<Melding>,
    pub(crate) payload: Bytes,
    /// All that happened to it.
    pub(crate) lines: Vec<Line>,
    /// Where those of `lines` stand that were not written with it.
    line_keys: Vec<Vec<u8>>,
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

    /// Takes away what stood under the old number of a dead letter. Its id leads to the new one already.
    pub(crate) fn moved(&mut self, dead: &DeadMelding) {
        let DeadMelding { number, melding, line_keys, .. } = dead;
        let store = self.store;
        self.batch.remove(&store.dead, pair(melding.mottaker, *number));
        self.batch.remove(&store.meldinger, number.to_be_bytes());
        for key in line_keys {
            self.batch.remove(&store.sporing, key.as_slice());
        }
        self.batch.remove(&store.by_konto, pair(melding.mottaker, *number));
        if melding.avsender != melding.mottaker {
            self.batch.remove(&store.by_konto, pair(melding.avsender, *number));
        }
        self.payload_gone(*number);
    }

    /// Writes it. With `sync` it is on stable storage when this returns, else with the operating system, so that it
    /// outlives this process.
    pub(crate) fn commit(self, sync: bool) -> Result<(), StoreError> {
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        self.batch.durability(Some(mode)).commit()?;
        Ok(())
    }
}

/// Whether this version can read what is there.
fn check_format(meta: &Keyspace) -> Result<(), StoreError> {
    let format = match meta.get("format")? {
        Some(value) => number_at(&value, 0)?,
        None => FORMAT,
    };
    if (OLDEST_FORMAT..=FORMAT).contains(&format) { Ok(()) } else { Err(StoreError::Format(format)) }
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
            .max_cached_files(Some(layout.open_tables))
            .manual_journal_persist(true)
            // With more than one, fjall's first worker spins for as long as another compacts.
            .worker_threads(1)
            .open()?;
        let keyspace = |name: &str, memtable_bytes: u64| {
            db.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes))
        };
        let meta = keyspace("meta", MIB)?;
        check_format(&meta)?;
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
            forgetting: Mutex::new(()),
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

    /// The meldinger that fit `sok`, the last put on its queue first, after looking at `look_at` of them at most.
    pub(crate) fn search(&self, sok: &MeldingSok, look_at: usize) -> Result<MeldingTreff, StoreError> {
        let mut found = MeldingTreff::default();
        if sok.limit == 0 {
            return Ok(found);
        }
        let snapshot = self.db.snapshot();
        let mut end = Number::MAX;
        if let Some(til) = sok.til {
            end = self.first_put_after(&snapshot, til.as_nanosecond())?;
        }
        if let Some((at, id)) = sok.before {
            let at = at.as_nanosecond();
            end = end.min(match self.number_put(&snapshot, id, at)? {
                Some(number) => number,
                // Forgotten, or put back on its queue since: all that were put there before it come next.
                None => self.first_put_after(&snapshot, at - 1)?,
            });
        }
        let fra = sok.fra.map_or(i128::MIN, Timestamp::as_nanosecond);
        let kontoer: BTreeSet<KontoId> = sok.kontoer.iter().copied().collect();
        let mut numbers: Vec<_> = kontoer
            .into_iter()
            .map(|konto| snapshot.range(&self.by_konto, pair(konto, 0)..pair(konto, end)).rev())
            .collect();
        // The newest that each Konto has left; the newest of all comes out first.
        let mut heads = BinaryHeap::new();
        for (of, numbers) in numbers.iter_mut().enumerate() {
            if let Some(guard) = numbers.next() {
                heads.push((number_at(&guard.key()?, 16)?, of));
            }
        }
        let (mut looked_at, mut last) = (0, None);
        while let Some((number, of)) = heads.pop() {
            if let Some(guard) = numbers.get_mut(of).and_then(Iterator::next) {
                heads.push((number_at(&guard.key()?, 16)?, of));
            }
            if last.replace(number) == Some(number) {
                continue; // Of two of the kontoer.
            }
            if looked_at == look_at {
                found.avkortet = true;
                break;
            }
            looked_at += 1;
            let Some(value) = snapshot.get(&self.meldinger, number.to_be_bytes())? else { continue };
            let stored = decode::<StoredMelding>(&value, "a melding")?;
            if stored.put() < fra {
                break; // All that follow were put there earlier.
            }
            if stored.fits(sok) {
                found.meldinger.extend(self.record_at(&snapshot, number)?);
                if found.meldinger.len() >= sok.limit as usize {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The number of the melding `id`, if it was put on its queue `at` that time.
    fn number_put(&self, snapshot: &Snapshot, id: MeldingId, at: i128) -> Result<Option<Number>, StoreError> {
        let Some(number) = snapshot.get(&self.ids, id.as_uuid().as_bytes())? else { return Ok(None) };
        let number = number_at(&number, 0)?;
        let Some(value) = snapshot.get(&self.meldinger, number.to_be_bytes())? else { return Ok(None) };
        let stored = decode::<StoredMelding>(&value, "a melding")?;
        Ok((stored.put() == at).then_some(number))
    }

    /// A number that parts those put on their queues until `at` from those put there later, by halves: numbers grow with
    /// time, and there is no index by time.
    fn first_put_after(&self, snapshot: &Snapshot, at: i128) -> Result<Number, StoreError> {
        let (mut low, mut high) = (0, Number::MAX);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut from_middle = snapshot.range(&self.meldinger, middle.to_be_bytes()..high.to_be_bytes());
            let Some(guard) = from_middle.next() else {
                high = middle;
                continue;
            };
            let (key, value) = guard.into_inner()?;
            if decode::<StoredMelding>(&value, "a melding")?.put() <= at {
                low = number_at(&key, 0)? + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// What answers the melding `id`, oldest first, among the `look_at` meldinger that its sender sent or received next.
    pub(crate) fn svar_to(&self, id: MeldingId, look_at: usize) -> Result<Vec<MeldingId>, StoreError> {
        let snapshot = self.db.snapshot();
        let Some(number) = snapshot.get(&self.ids, id.as_uuid().as_bytes())? else { return Ok(Vec::new()) };
        let number = number_at(&number, 0)?;
        let Some(record) = self.record_at(&snapshot, number)? else { return Ok(Vec::new()) };
        // Kvitteringer from before it was put back on its queue have lower numbers than it has now.
        let mut svar: Vec<MeldingId> = record
            .sporing
            .iter()
            .filter_map(|line| match line.hendelse {
                Hendelse::KvitteringSendt { kvittering } => Some(kvittering),
                _ => None,
            })
            .collect();
        let konto = record.melding.avsender;
        let later = pair(konto, number + 1)..pair(konto, Number::MAX);
        for guard in snapshot.range(&self.by_konto, later).take(look_at) {
            let number = number_at(&guard.key()?, 16)?;
            let Some(value) = snapshot.get(&self.meldinger, number.to_be_bytes())? else { continue };
            let stored = decode::<StoredMelding>(&value, "a melding")?;
            let later = MeldingId::from_uuid(Uuid::from_bytes(stored.id));
            if stored.svar_pa_melding == Some(id.as_uuid().into_bytes()) && !svar.contains(&later) {
                svar.push(later);
            }
        }
        Ok(svar)
    }

    /// Holds off forgetting.
    pub(crate) fn no_forgetting(&self) -> MutexGuard<'_, ()> {
        self.forgetting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dead letter `id` of `konto` with all that it needs to move.
    pub(crate) fn dead_letter(
        &self,
        konto: KontoId,
        id: MeldingId,
    ) -> Result<Option<DeadMelding>, StoreError> {
        let snapshot = self.db.snapshot();
        let Some(number) = snapshot.get(&self.ids, id.as_uuid().as_bytes())? else { return Ok(None) };
        let number = number_at(&number, 0)?;
        if !snapshot.contains_key(&self.dead, pair(konto, number))? {
            return Ok(None);
        }
        let Some(value) = snapshot.get(&self.meldinger, number.to_be_bytes())? else { return Ok(None) };
        let (melding, payload_bytes, mut lines) = decode::<StoredMelding>(&value, "a melding")?.melding()?;
        let payload = match snapshot.get(&self.payloads, number.to_be_bytes())? {
            Some(payload) => Bytes::from_owner(payload),
            None if payload_bytes == 0 => Bytes::new(),
            None => return Err(StoreError::Damaged("the payload of a dead letter")),
        };
        let mut line_keys = Vec::new();
        for guard in snapshot.prefix(&self.sporing, number.to_be_bytes()) {
            let (key, value) = guard.into_inner()?;
            lines.push(decode(&value, "a line of sporing")?);
            line_keys.push(key.to_vec());
        }
        Ok(Some(DeadMelding { number, melding: Arc::new(melding), payload, lines, line_keys }))
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
        let mut turn = self.no_forgetting();
        for guard in snapshot.range(&self.meldinger, start.to_be_bytes()..) {
            let (key, value) = guard.into_inner()?;
            let number = number_at(&key, 0)?;
            in_batch += 1;
            if in_batch == PRUNE_AT_ONCE {
                std::mem::replace(&mut batch, self.db.batch())
                    .durability(Some(PersistMode::Buffer))
                    .commit()?;
                in_batch = 0;
                // Whoever puts a dead letter back waits for no more than this.
                drop(turn);
                turn = self.no_forgetting();
            }
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
                if !self.dead.contains_key(dead_key)? {
                    continue; // Back on its queue since, under a new number.
                }
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
        }
        batch.durability(Some(PersistMode::Buffer)).commit()?;
        drop(turn);
        self.pruned_to.store(first_left.unwrap_or(last_seen), Ordering::Relaxed);
        Ok(dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MELDING: u128 = 0x1000;

    fn konto(n: u128) -> KontoId {
        KontoId::from_uuid(Uuid::from_u128(n))
    }

    fn melding(n: u128, avsender: KontoId, mottaker: KontoId) -> Melding {
        Melding {
            id: MeldingId::from_uuid(Uuid::from_u128(MELDING + n)),
            avsender,
            mottaker,
            meldingstype: "no.ks.fiks.arkiv.v1.innsyn.sok".to_owned(),
            svar_pa_melding: None,
            svar_til_type: None,
            dokumentlager_id: None,
            headere: BTreeMap::new(),
            ttl: Duration::from_mins(1),
            mottatt: at(n),
        }
    }

    /// A second for each.
    fn at(n: u128) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + i64::try_from(n).expect("it is small"))
            .expect("it is in range")
    }

    /// A log with `count` meldinger from one Konto to another, one a second.
    fn store(folder: &tempfile::TempDir, count: u128) -> Store {
        let layout = Layout { cache_bytes: MIB, journal_bytes: 64 * MIB, open_tables: 64 };
        let (store, first, _) = Store::open(folder.path(), &layout).expect("the folder is empty");
        let mut write = store.write();
        for n in 0..count {
            let number = first + u64::try_from(n).expect("it is small");
            let lines = [Line::new(at(n), &Hendelse::LagtPaKo)];
            write.melding(number, &melding(n, konto(1), konto(2)), 0, &lines).expect("it can be written");
        }
        write.commit(false).expect("it can be written");
        store
    }

    fn search(store: &Store, sok: &MeldingSok, look_at: usize) -> (Vec<u128>, bool) {
        let found = store.search(sok, look_at).expect("the log can be read");
        let numbers = found.meldinger.iter().map(|record| record.melding.id.as_uuid().as_u128() - MELDING);
        (numbers.collect(), found.avkortet)
    }

    /// What a log of format 1 holds is read as it was meant, whatever came to be told since.
    #[test]
    fn lines_of_the_first_format_are_read() {
        let time = [0x80, 0xa0, 0x94, 0xa5, 0x8d, 0x1d]; // 500 s after 1970, as a varint of twice the nanoseconds.
        for (rest, expected) in [
            (vec![0], Hendelse::LagtPaKo),
            (vec![1, 3], Hendelse::Levert { forsok: 3, adresse: None }),
            (vec![2], Hendelse::Returnert { arsak: Retur::NackMedRequeue }),
            (vec![3], Hendelse::Returnert { arsak: Retur::Frakoblet }),
            (vec![4], Hendelse::Returnert { arsak: Retur::Omstart }),
            (vec![5], Hendelse::Bekreftet),
            (vec![6], Hendelse::Avvist),
            (vec![7], Hendelse::Utlopt),
            (vec![8], Hendelse::Dodko),
            (vec![9], Hendelse::KontoSlettet),
            (
                [vec![10], vec![7; 16]].concat(),
                Hendelse::KvitteringSendt { kvittering: MeldingId::from_uuid(Uuid::from_bytes([7; 16])) },
            ),
        ] {
            let bytes = [vec![1], time.to_vec(), rest].concat();
            let line: Line = decode(&bytes, "a line").expect("it is a line");
            let tidspunkt = Timestamp::from_second(500).expect("it is in range");
            assert_eq!(
                line.sporing().expect("its time is in range"),
                Sporing { tidspunkt, hendelse: expected.clone() }
            );
            assert_eq!(encode(&line, 32).expect("it can be written"), bytes, "{expected:?}");
        }
    }

    #[test]
    fn lines_are_read_back_as_written() {
        for hendelse in [
            Hendelse::LagtTilbake,
            Hendelse::Levert { forsok: 2, adresse: Some("192.0.2.7:50123".parse().expect("it is one")) },
            Hendelse::Levert { forsok: 1, adresse: Some("[2001:db8::7]:443".parse().expect("it is one")) },
        ] {
            let bytes = encode(&Line::new(at(0), &hendelse), 32).expect("it can be written");
            let line: Line = decode(&bytes, "a line").expect("it is a line");
            assert_eq!(line.sporing().expect("its time is in range"), Sporing { tidspunkt: at(0), hendelse });
        }
    }

    #[test]
    fn a_log_of_an_unknown_format_is_refused() {
        let folder = tempfile::tempdir().expect("there is room");
        let store = store(&folder, 0);
        for (format, known) in [(0, false), (OLDEST_FORMAT, true), (FORMAT, true), (FORMAT + 1, false)] {
            let meta = store.db.keyspace("meta", KeyspaceCreateOptions::default).expect("it is there");
            meta.insert("format", format.to_be_bytes()).expect("it can be written");
            assert_eq!(check_format(&meta).is_ok(), known, "format {format}");
        }
    }

    #[test]
    fn search_looks_at_no_more_than_it_may() {
        let folder = tempfile::tempdir().expect("there is room");
        let store = store(&folder, 20);
        let sok = MeldingSok { kontoer: vec![konto(2), konto(1)], limit: 100, ..MeldingSok::default() };
        assert_eq!(search(&store, &sok, 5), (vec![19, 18, 17, 16, 15], true));
        assert_eq!(search(&store, &sok, 20), ((0..20).rev().collect(), false));
        // What is newer than the period costs nothing.
        let sok = MeldingSok { til: Some(at(3)), ..sok };
        assert_eq!(search(&store, &sok, 5), (vec![3, 2, 1, 0], false));
        let sok = MeldingSok { fra: Some(at(2)), ..sok };
        assert_eq!(search(&store, &sok, 5), (vec![3, 2], false));
    }

    #[test]
    fn search_goes_on_after_a_melding_that_is_forgotten() {
        let folder = tempfile::tempdir().expect("there is room");
        let store = store(&folder, 6);
        let sok = MeldingSok { kontoer: vec![konto(1)], limit: 2, ..MeldingSok::default() };
        let unknown = MeldingId::from_uuid(Uuid::from_u128(7));
        for (before, expected) in [
            ((at(4), MeldingId::from_uuid(Uuid::from_u128(MELDING + 4))), [3, 2]),
            ((at(4), unknown), [3, 2]),
            // It was at that time once, and is elsewhere now.
            ((at(3), MeldingId::from_uuid(Uuid::from_u128(MELDING + 5))), [2, 1]),
        ] {
            let sok = MeldingSok { before: Some(before), ..sok.clone() };
            assert_eq!(search(&store, &sok, 100), (expected.to_vec(), false), "{before:?}");
        }
    }
}
