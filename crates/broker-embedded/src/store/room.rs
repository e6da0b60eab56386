//! How much of the disk must stay free, so that the log always has room for what it does by itself; and how a log is opened
//! where that is not there.
//!
//! All that is written stands in a journal first, and is written a second time when its memtable becomes a table: so what is in
//! memory needs as much room again. Tables are merged now and then, which writes what is left of them before the old ones go.
//! And whoever empties the queues writes too: each attempt takes lines of sporing, and a melding that expires or is given up a
//! kvittering, which has to be fetched as well. Meldinger are refused while there is less than all of that
//! ([`Store::reserve_bytes`]), so a full log can be emptied, stopped and started, whatever its consumers make of it.
//!
//! The log store has one thread, which lets journals and memtables grow while it merges. Where room is short, whoever writes
//! waits for it ([`Store::make_way`]), so that no more stands in journals than is reckoned with here.
//!
//! Where others have filled the disk, or the log was filled by a version that kept less, it is opened without the log store's
//! own thread first, which would begin to write at once and fail at the first table that does not fit: [`make`] writes out what
//! is in the journals if that fits, or says how much room is missing.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use fjall::{AbstractTree as _, Database, Keyspace, KeyspaceCreateOptions};
use lsm_tree::compaction::PullDown;

use super::folder::sync_folder_of;
use super::{FILLING, MIB, Store, StoreError, journal, names};

/// What is still to be written to tables of a melding that waits: every attempt that counts, its end as a dead letter, the
/// serverfeil to its sender, and the same of that.
const SETTLING_BYTES: u64 = 2304;
/// How much of that comes to the keyspace that gets most of it, and is merged with what is there.
const LINES_BYTES: u64 = 896;
/// What the crashes write of a melding that was in a consumer's hands each time.
const CRASHES_BYTES: u64 = 1152;
/// How many meldinger those are at most: what one consumer can hold. After a crash the same ones are handed out first, so no others
/// are until these are given up.
const CRASHING: u64 = u16::MAX as u64;
/// A journal has so many bytes for each that comes to a table: what is rewritten stands there each time.
const JOURNAL_FACTOR: u64 = 2;
/// How far a journal grows before there is a new one: 64 MB, and some more since that is looked at now and then.
pub(super) const JOURNAL_BYTES: u64 = 66 * MIB;
/// What may be in memory where room is short. Beyond that, writing waits until all of it stands in tables.
const WAY_BYTES: u64 = 16 * MIB;
/// What all journals may take together where room is short: a full one, and what comes while it is written out.
const JOURNALS_BYTES: u64 = JOURNAL_BYTES + JOURNAL_FACTOR * WAY_BYTES;
/// The log store merges no more than about this at a time, but for what was removed all over a very large log.
const MERGED_BYTES: u64 = 256 * MIB;
/// From so many newest tables on, the log store merges them with older ones.
const MANY_TABLES: usize = 4;
/// Left over for lists of files and what is smaller than a block.
pub(super) const MARGIN_BYTES: u64 = 4 * MIB;

/// Bytes that must be free before more is taken, for whoever wants to know. Changes as the log is used.
#[derive(Debug)]
pub struct Reserve(AtomicU64);

impl Reserve {
    pub(crate) fn new(min_free_bytes: u64) -> Self {
        Self(AtomicU64::new(min_free_bytes))
    }

    /// How many.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn note(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// What the log does with the disk at the moment, for [`Store::reserve_bytes`].
#[derive(Debug, Default)]
pub(super) struct Use {
    /// What the next merge writes at most.
    merging: AtomicU64,
    /// What a journal is filled up with, and comes back with it.
    pub(super) filling: AtomicU64,
    /// How many journals were left when last all was written out.
    journals: AtomicUsize,
}

impl Store {
    /// What is in memory and in journals, and in no table yet. Bytes.
    pub(super) fn unwritten_bytes(&self) -> u64 {
        self.db.write_buffer_size()
    }

    /// What the next merge writes at most. Bytes.
    pub(super) fn merging_bytes(&self) -> u64 {
        self.used.merging.load(Ordering::Relaxed)
    }

    /// Looks at how large the tables are.
    pub(crate) fn look_at_tables(&self) {
        let largest = self.keyspaces().into_iter().map(table_bytes).max().unwrap_or_default();
        self.used.merging.store(largest.min(MERGED_BYTES), Ordering::Relaxed);
    }

    /// Has all that is in memory written to tables if that is much, and waits for it; the journals that were needed for it go as
    /// well. For whoever writes where room is short.
    pub(crate) fn make_way(&self) -> Result<(), StoreError> {
        let journals = self.db.journal_count();
        let before = self.used.journals.fetch_min(journals, Ordering::Relaxed);
        if self.unwritten_bytes() <= WAY_BYTES && journals <= before.max(1) {
            return Ok(());
        }
        for keyspace in self.keyspaces() {
            self.write_out(keyspace)?;
        }
        // One that stays is not tried for again with each write.
        self.used.journals.store(self.db.journal_count(), Ordering::Relaxed);
        Ok(())
    }

    /// Bytes that must be free where the log lies before more is taken, while `waiting` meldinger wait: what is in memory, and
    /// `min_free_bytes` or what upkeep and settlements need, whichever is more.
    pub(crate) fn reserve_bytes(&self, min_free_bytes: u64, waiting: u64) -> u64 {
        let upkeep = reserve(self.merging_bytes(), waiting);
        let all = self.unwritten_bytes().saturating_add(min_free_bytes.max(upkeep));
        all.saturating_sub(self.used.filling.load(Ordering::Relaxed))
    }
}

fn reserve(merging_bytes: u64, waiting: u64) -> u64 {
    let crashes = waiting.min(CRASHING) * CRASHES_BYTES;
    let settling = waiting.saturating_mul(SETTLING_BYTES).saturating_add(crashes);
    let merging = merging_bytes.saturating_add(waiting.saturating_mul(LINES_BYTES).saturating_add(crashes));
    // Journals go again, tables stay.
    let journals = settling.saturating_mul(JOURNAL_FACTOR).min(JOURNALS_BYTES);
    // What is merged by then is at most what is merged at a time.
    settling.saturating_add(journals).saturating_add(merging.min(MERGED_BYTES.max(merging_bytes)))
}

/// What the tables of a keyspace take, without files of large payloads.
fn table_bytes(keyspace: &Keyspace) -> u64 {
    keyspace.tree.current_version().iter_levels().fold(0, |sum, level| sum + level.size())
}

/// Bytes that are free where `path` lies; as many as there can be where the system does not say.
pub(super) fn free_bytes(path: &Path) -> u64 {
    fs4::available_space(path).unwrap_or(u64::MAX)
}

/// Whether the log at `path` may lack room for what is done first when it is opened.
pub(super) fn is_short(path: &Path) -> Result<bool, StoreError> {
    let free = free_bytes(path);
    let of = |file: &Path| file.metadata().map_or(0, |metadata| metadata.blocks() * 512);
    let journals = match journal::list(path) {
        Ok(journals) => journals,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(StoreError::Journals(error)),
    };
    let journal_bytes: u64 = journals.iter().map(|journal| of(journal)).sum();
    // Nothing stands in a new log.
    Ok(!journals.is_empty() && free < journal_bytes + MERGED_BYTES + MARGIN_BYTES)
}

/// Writes what is in the journals of a log that has no thread of its own to tables, and keeps the newest tables few, so that
/// nothing large is written when it is opened.
///
/// `free` says how many bytes are.
///
/// # Errors
/// [`StoreError::NoRoom`]: there is too little room for that, and nothing is lost.
pub(super) fn make(db: &Database, path: &Path, free: impl Fn() -> u64) -> Result<(), StoreError> {
    let fits = |needed: u64| {
        let (free, needed) = (free(), needed.saturating_add(MARGIN_BYTES));
        let missing_bytes = needed.saturating_sub(free);
        if missing_bytes == 0 {
            Ok(())
        } else {
            Err(StoreError::NoRoom { path: path.to_owned(), missing_bytes })
        }
    };
    fits(db.write_buffer_size())?;
    let mut keyspaces = Vec::new();
    for name in db.list_keyspace_names() {
        keyspaces.push(db.keyspace(&name, KeyspaceCreateOptions::default)?);
    }
    for keyspace in &keyspaces {
        write_out(db, keyspace)?;
    }
    for keyspace in &keyspaces {
        let version = keyspace.tree.current_version();
        let newest = version.l0();
        // All of them fit, or the newest are merged with each other alone: then there are too few to be merged with others.
        if newest.table_count() < MANY_TABLES || fits(table_bytes(keyspace)).is_ok() {
            continue;
        }
        fits(newest.size())?;
        merge_newest(db, keyspace)?;
    }
    // Journals that nothing needs any more are removed when a memtable is exchanged.
    if let Some(keyspace) = keyspaces.iter().find(|keyspace| **keyspace.name() == *names::STEPS) {
        keyspace.insert(FILLING, [])?;
        write_out(db, keyspace)?;
    }
    Ok(())
}

/// Begins a new journal in place of those of a closed log, all of which stands in tables. The log store itself begins one no
/// sooner than the last has 64 MB, and that may be the room that is missing.
pub(super) fn begin_journal(path: &Path) -> io::Result<()> {
    let old = journal::list(path)?;
    let Some(last) = journal::numbers(path)?.pop() else { return Ok(()) };
    let new = path.join(format!("{}.jnl", last + 1));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?.sync_all()?;
    // From the oldest on, so that none is missing between others; and never without one.
    sync_folder_of(&new)?;
    for journal in old {
        std::fs::remove_file(journal)?;
        sync_folder_of(&new)?;
    }
    Ok(())
}

/// Merges the newest tables of a keyspace with each other alone. There is nobody else who writes, or reads.
pub(super) fn merge_newest(db: &Database, keyspace: &Keyspace) -> Result<(), StoreError> {
    Ok(keyspace.tree.compact(Arc::new(PullDown(0, 0)), db.seqno()).map_err(fjall::Error::from)?)
}

/// Writes what is in memory of a keyspace to a table. There is nobody else who does, or reads.
fn write_out(db: &Database, keyspace: &Keyspace) -> Result<(), StoreError> {
    keyspace.rotate_memtable()?;
    let lock = keyspace.tree.get_flush_lock();
    keyspace.tree.flush(&lock, db.seqno()).map_err(fjall::Error::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddr};
    use std::time::Duration;

    use app::ports::Eiere;
    use domain::melding::{
        Hendelse, KORRELASJON_ALWAYS_BYTES, Kvittering, MAX_ATTEMPTS, MAX_CRASHES, Melding, Retur,
    };
    use jiff::Timestamp;
    use wire::id::{KontoId, MeldingId, Uuid};

    use super::*;
    use crate::queue::{Entry, Number, Tries};
    use crate::store::keys::{Cost, KeptDead, encode_dead, encode_held, line_key, pair};
    use crate::store::line::{Line, encode, melding_value};

    /// What a record takes in a table besides key and value: lengths, its moment, and its part of index, filter and checksums.
    const RECORD: usize = 16;
    const NUMBER: Number = u64::MAX;

    fn record(key: &[u8], value: &[u8]) -> usize {
        key.len() + value.len() + RECORD
    }

    fn now() -> Timestamp {
        Timestamp::from_second(4_000_000_000).expect("it is in range")
    }

    fn line(hendelse: &Hendelse) -> usize {
        let value = encode(&Line::new(now(), hendelse), 32).expect("it can be written");
        record(&line_key(NUMBER, u64::MAX), &value)
    }

    fn attempts(count: u32, arsak: Retur) -> usize {
        let adresse = Some(SocketAddr::from((Ipv6Addr::from([0xff; 16]), u16::MAX)));
        let levert = line(&Hendelse::Levert { forsok: 13, adresse });
        count as usize * (levert + line(&Hendelse::Returnert { arsak }))
    }

    /// An entry is rewritten with each change, and removed at last.
    fn entry(konto: KontoId) -> usize {
        let share = Cost::new(Eiere::default(), u64::MAX);
        let entry = Entry { number: NUMBER, deadline: i64::MAX, tries: Tries::default(), held: true, share };
        record(&NUMBER.to_be_bytes(), &encode_held(konto, &entry, i64::MAX))
            + record(&NUMBER.to_be_bytes(), &[])
    }

    fn dead(konto: KontoId) -> usize {
        let dead = KeptDead { at: now(), cost: Cost::default() };
        record(&pair(konto, NUMBER), &encode_dead(&dead)) + line(&Hendelse::Dodko)
    }

    /// The constants follow what is really written, and not by far.
    #[test]
    fn what_is_kept_for_a_melding_is_what_it_may_still_write() {
        let konto = |n| KontoId::from_uuid(Uuid::from_u128(n));
        let id = MeldingId::from_uuid(Uuid::from_u128(3));
        let korrelasjon = "k".repeat(KORRELASJON_ALWAYS_BYTES);
        let names = [wire::headers::KLIENT_KORRELASJONS_ID, wire::headers::KLIENT_KORRELASJON_ID];
        let original = Melding {
            id,
            avsender: konto(1),
            mottaker: konto(2),
            meldingstype: "t".repeat(255),
            svar_pa_melding: None,
            svar_til_type: None,
            dokumentlager_id: None,
            headere: names.into_iter().map(|name| (name.to_owned(), korrelasjon.clone())).collect(),
            ttl: Duration::from_secs(1),
            mottatt: now(),
        };
        let kvittering = original.kvittering(Kvittering::Serverfeil, id, now()).expect("there is one");
        assert_eq!(kvittering.headere.len(), 2);
        let put = [Line::new(now(), &Hendelse::LagtPaKo)];
        let value = melding_value(&kvittering, 0, 0, &put).expect("it can be written");
        let number = NUMBER.to_be_bytes();
        let stored = record(&number, &value);
        let index =
            record(id.as_uuid().as_bytes(), &number) + 2 * record(&pair(kvittering.mottaker, NUMBER), &[]);
        let tried = attempts(MAX_ATTEMPTS, Retur::NackMedRequeue);
        let notified = line(&Hendelse::KvitteringSendt { kvittering: id });
        let ends = tried + entry(original.mottaker) + dead(original.mottaker);

        let is_near = |kept: u64, written: usize| {
            let written = written as u64;
            assert!(kept >= written, "{kept} bytes are kept, {written} may be written");
            assert!(kept < written + written / 4, "{kept} bytes are kept, {written} would do");
        };
        is_near(SETTLING_BYTES, 2 * ends + notified + stored + index);
        is_near(LINES_BYTES, 2 * (tried + line(&Hendelse::Dodko)) + notified);
        assert!(LINES_BYTES >= stored as u64);
        is_near(CRASHES_BYTES, attempts(MAX_CRASHES, Retur::Krasj));
    }

    #[test]
    fn what_is_kept_grows_with_what_waits() {
        assert_eq!(reserve(7, 0), 7);
        let of_one = SETTLING_BYTES + CRASHES_BYTES;
        assert_eq!(reserve(7, 1), of_one + JOURNAL_FACTOR * of_one + 7 + LINES_BYTES + CRASHES_BYTES);
        // Journals have a bound, merges as well, and only so many can be in hands at a crash.
        let (many, more) = (reserve(0, 10_000_000), reserve(0, 10_000_001));
        assert_eq!(more - many, SETTLING_BYTES);
        assert_eq!(reserve(u64::MAX, u64::MAX), u64::MAX);
    }
}
