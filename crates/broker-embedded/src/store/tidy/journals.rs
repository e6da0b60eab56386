//! The journals: all that is written stands in one first, and is needed there until it stands in a table.
//!
//! The log store begins a new journal once one has 64 MB, and removes one when all that stands in it stands in tables. A log at
//! rest would keep the last one at whatever size it had, and those before it for as long as one keyspace is written to rarely.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use fjall::Slice;

use super::{FLUSH_DEADLINE, MIB};
use crate::store::journal;
use crate::store::{FILLING, Store, StoreError};

/// Beyond this a journal is given up for a new one.
const LONG: u64 = 24 * MIB;
/// One that grows faster between two looks is not at rest, and is full soon by itself.
const FAST: u64 = 2 * MIB;
/// Where the log store begins a new one: 64 MB, and some more since what it takes on disk is not known to the byte.
const FULL: u64 = 66 * MIB;
/// What is written beyond that, if there is no new one yet: the log store counts otherwise than the disk.
const FILL_BEYOND: u64 = 8 * MIB;
/// What is written at a time, and how long others are let through in between.
const PIECE: usize = 256 * 1024;
const BETWEEN: Duration = Duration::from_millis(2);

/// The newest journal as it was at the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    path: PathBuf,
    bytes: u64,
}

impl Store {
    /// What the journals take on disk. Their length says less: room is taken in advance.
    pub(super) fn journal_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.journals()?.iter().map(|seen| seen.bytes).sum())
    }

    fn journals(&self) -> Result<Vec<Seen>, StoreError> {
        let paths = journal::list(&self.path).map_err(StoreError::Journals)?;
        // One that is removed meanwhile takes nothing.
        let seen = |path: PathBuf| {
            path.metadata().ok().map(|metadata| Seen { bytes: metadata.blocks() * 512, path })
        };
        Ok(paths.into_iter().filter_map(seen).collect())
    }

    /// Gives up the journals that are not needed, and a long one of a log at rest. Returns whether there was one.
    pub(super) fn tidy_journals(&self, last: &mut Seen, min_free_bytes: u64) -> Result<bool, StoreError> {
        let newest = self.journals()?.pop().unwrap_or_default();
        let before = std::mem::replace(last, newest);
        let is_at_rest = before.path == last.path && last.bytes < before.bytes + FAST;
        let to_fill = FULL.saturating_sub(last.bytes);
        let free = self.free_bytes().unwrap_or(u64::MAX);
        // Where meldinger are refused already, it can only become better.
        let has_room = free > min_free_bytes + to_fill || (to_fill + LONG..min_free_bytes).contains(&free);
        if is_at_rest && before.bytes > LONG && has_room {
            self.fill_journal(to_fill + FILL_BEYOND)?;
        }
        if self.db.journal_count() < 2 {
            return Ok(false);
        }
        for keyspace in self.keyspaces() {
            self.write_out(keyspace)?;
        }
        Ok(true)
    }

    /// Fills the journal, so that a new one is begun. There is no other way to ask for one.
    fn fill_journal(&self, bytes: u64) -> Result<(), StoreError> {
        let piece = Slice::from(vec![0; PIECE]);
        let journals = self.db.journal_count();
        let mut left = bytes;
        while left > 0 && self.db.journal_count() == journals {
            self.steps.insert(FILLING, piece.clone())?;
            // Whoever writes a step would wait for these tables.
            let deadline = Instant::now() + FLUSH_DEADLINE;
            while self.steps.sealed_memtable_count() > 0 {
                if Instant::now() > deadline {
                    return Ok(());
                }
                self.check()?;
                thread::sleep(BETWEEN);
            }
            left = left.saturating_sub(PIECE as u64);
            thread::sleep(BETWEEN);
        }
        self.steps.insert(FILLING, [])?;
        self.write_out(&self.steps)
    }
}
