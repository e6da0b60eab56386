//! How much of the disk must stay free, so that the log always has room for what it does by itself; and how a log is opened
//! where that is not there.
//!
//! All that is written stands in a journal first, and is written a second time when its memtable becomes a table: so what is in
//! memory needs as much room again. Tables are merged now and then, which writes what is left of them before the old ones go.
//! And whoever empties the queues writes too: each settlement takes a line of sporing, and a melding that expires a kvittering.
//! Meldinger are refused while there is less than all of that ([`Store::reserve_bytes`]), so a full log can be emptied, stopped
//! and started.
//!
//! Where others have filled the disk, or the log was filled by a version that kept less, it is opened without the log store's
//! own thread first, which would begin to write at once and fail at the first table that does not fit: [`make`] writes out what
//! is in the journals if that fits, or says how much room is missing.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::{AbstractTree as _, Database, Keyspace, KeyspaceCreateOptions};
use lsm_tree::compaction::PullDown;

use super::folder::sync_folder_of;
use super::{FILLING, MIB, Store, StoreError, journal, names};

/// What is still to be written of each melding that waits: two lines of sporing, and a kvittering with its own if it expires.
const SETTLING_BYTES: u64 = 512;
/// How far a journal grows before there is a new one: 64 MB, and some more since that is looked at now and then.
pub(super) const JOURNAL_BYTES: u64 = 66 * MIB;
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

    /// Bytes that must be free where the log lies before more is taken, while `waiting` meldinger wait: what is in memory, and
    /// `min_free_bytes` or what upkeep and settlements need, whichever is more.
    pub(crate) fn reserve_bytes(&self, min_free_bytes: u64, waiting: u64) -> u64 {
        let upkeep = reserve(self.merging_bytes(), waiting);
        let all = self.unwritten_bytes().saturating_add(min_free_bytes.max(upkeep));
        all.saturating_sub(self.used.filling.load(Ordering::Relaxed))
    }
}

fn reserve(merging_bytes: u64, waiting: u64) -> u64 {
    let settling = waiting.saturating_mul(SETTLING_BYTES);
    // Journals go again, tables stay.
    merging_bytes.saturating_add(settling).saturating_add(settling.min(JOURNAL_BYTES))
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
