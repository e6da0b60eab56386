//! The journals: all that is written stands in one first, and is needed there until it stands in a table.
//!
//! The log store begins a new journal once one has 64 MB, and removes one when all that stands in it stands in tables. A log at
//! rest would keep the last one at whatever size it had, and those before it for as long as one keyspace is written to rarely.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use fjall::Slice;

use super::{FLUSH_DEADLINE, MIB};
use crate::store::journal;
use crate::store::room::JOURNAL_BYTES;
use crate::store::{FILLING, Store, StoreError};

/// Beyond this a journal is given up for a new one.
const LONG: u64 = 24 * MIB;
/// One that grows faster between two looks is not at rest, and is full soon by itself.
const FAST: u64 = 2 * MIB;
/// What is written beyond that, if there is no new one yet: the log store counts otherwise than the disk.
const FILL_BEYOND: u64 = 8 * MIB;
/// Room beyond the reserve is short when it is less than this.
const NEARLY: u64 = 16 * MIB;
/// What stands in memory is written out for the room that is kept for it if it is more than this.
const MUCH: u64 = 8 * MIB;
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
        match self.journals() {
            Ok(journals) => Ok(journals.iter().map(|seen| seen.bytes).sum()),
            // Of a log whose folder was moved away under this process: that is when a copy is needed most.
            Err(StoreError::Journals(error)) if error.kind() == io::ErrorKind::NotFound => {
                Ok(self.unwritten_bytes())
            }
            Err(error) => Err(error),
        }
    }

    fn journals(&self) -> Result<Vec<Seen>, StoreError> {
        let paths = journal::list(&self.path).map_err(StoreError::Journals)?;
        // One that is removed meanwhile takes nothing.
        let seen = |path: PathBuf| {
            path.metadata().ok().map(|metadata| Seen { bytes: metadata.blocks() * 512, path })
        };
        Ok(paths.into_iter().filter_map(seen).collect())
    }

    /// Gives up the journals that are not needed, and a long one of a log at rest; and where less than `reserve_bytes` are free,
    /// what stands in memory is written out, since that is kept room for. Returns whether there was one.
    pub(super) fn tidy_journals(&self, last: &mut Seen, reserve_bytes: u64) -> Result<bool, StoreError> {
        let done = self.give_up_journals(last, reserve_bytes);
        // What a journal was filled up with went with it.
        self.used.filling.store(0, Ordering::Relaxed);
        done
    }

    fn give_up_journals(&self, last: &mut Seen, reserve_bytes: u64) -> Result<bool, StoreError> {
        let newest = self.journals()?.pop().unwrap_or_default();
        let before = std::mem::replace(last, newest);
        let is_at_rest = before.path == last.path && last.bytes < before.bytes + FAST;
        let to_fill = JOURNAL_BYTES.saturating_sub(last.bytes);
        let free = self.free_bytes().unwrap_or(u64::MAX);
        // It is what the reserve is for, and comes back at once.
        let needed = to_fill + FILL_BEYOND + LONG + self.merging_bytes() + self.unwritten_bytes();
        if is_at_rest && before.bytes > LONG && free > needed {
            self.fill_journal(to_fill + FILL_BEYOND)?;
        }
        let is_short = free < reserve_bytes.saturating_add(NEARLY) && self.unwritten_bytes() > MUCH;
        if self.db.journal_count() < 2 && !is_short {
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
            self.used.filling.fetch_add(PIECE as u64, Ordering::Relaxed);
            thread::sleep(BETWEEN);
        }
        self.steps.insert(FILLING, [])?;
        self.write_out(&self.steps)
    }
}
