//! Giving room back: the disk follows what is still there, while the log is in use.
//!
//! A table is written once, so what is removed stays in it until the table is written anew. The log store does that where
//! tables of one level overlap, which those of payloads, written in the order of their numbers, rarely do. So it is asked
//! for here, when enough is gone to be worth the work: what is left is copied, and that costs no more than a fixed multiple
//! of what was given back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{MIB, Store, StoreError};
use crate::queue::Number;

/// How often the log is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A payload of at least so many bytes is counted by itself, and lies in a file of its own kind.
pub(super) const LARGE: u32 = 32 * 1024;
/// So much may lie about however little is left. Together with one journal it stays below 64 MiB.
const WASTE_BYTES: u64 = 16 * MIB;
/// And so much more of what is left: one part in so many.
const WASTE_PART: u64 = 4;
/// Beyond this the first look after an opening tidies up, since nobody counted what is gone.
const UNKNOWN_BYTES: u64 = 64 * MIB;
/// Changes between two looks below which the log is at rest, and its journals can be given up.
const AT_REST: u64 = 10_000;
/// Large payloads are copied from their oldest files on, a part of them at a time.
const ROUNDS: usize = 8;
/// How long to wait for a table to be written from memory.
const FLUSH_DEADLINE: Duration = Duration::from_secs(30);

/// What is gone, as far as it was counted since the last tidying up.
#[derive(Default)]
pub(super) struct Waste {
    /// Sizes of the large payloads that are there.
    large: Mutex<HashMap<Number, u64>>,
    /// Bytes of large payloads that are gone.
    large_bytes: AtomicU64,
    /// How many others are gone.
    small: AtomicU64,
    /// The number of changes at the last look.
    changes: AtomicU64,
    looked: std::sync::atomic::AtomicBool,
}

impl Waste {
    pub(super) fn came(&self, number: Number, bytes: usize) {
        if bytes >= LARGE as usize {
            self.large.lock().unwrap_or_else(PoisonError::into_inner).insert(number, bytes as u64);
        }
    }

    pub(super) fn went(&self, number: Number) {
        match self.large.lock().unwrap_or_else(PoisonError::into_inner).remove(&number) {
            Some(bytes) => self.large_bytes.fetch_add(bytes, Ordering::Relaxed),
            None => self.small.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// Bytes that are gone from `items` payloads which take `disk_bytes`, about.
    fn bytes(&self, items: u64, disk_bytes: u64) -> u64 {
        let average = (disk_bytes / items.max(1)).min(u64::from(LARGE));
        let small = self.small.load(Ordering::Relaxed).saturating_mul(average);
        self.large_bytes.load(Ordering::Relaxed).saturating_add(small).min(disk_bytes)
    }
}

/// Whether so much is gone of what takes `disk_bytes` that it should be given back.
fn is_due(waste_bytes: u64, disk_bytes: u64) -> bool {
    let left = disk_bytes.saturating_sub(waste_bytes);
    waste_bytes > WASTE_BYTES + left / WASTE_PART
}

impl Store {
    /// Looks at how much of the log is gone, and gives its room back if it is worth the work. Returns whether it did
    /// something. Blocks for as long as that takes; the log is used meanwhile.
    pub(crate) fn tidy(&self) -> Result<bool, StoreError> {
        let journals = self.give_up_journals()?;
        let disk_bytes = self.payloads.disk_space();
        let waste_bytes = self.waste.bytes(self.payloads.approximate_len() as u64, disk_bytes);
        let first = !self.waste.looked.swap(true, Ordering::Relaxed);
        if !(is_due(waste_bytes, disk_bytes) || first && disk_bytes > UNKNOWN_BYTES) {
            return Ok(journals);
        }
        let left = disk_bytes.saturating_sub(waste_bytes);
        if self.free_bytes().is_some_and(|free| free < left.saturating_add(WASTE_BYTES)) {
            tracing::debug!(disk_bytes, waste_bytes, "there is no room to tidy up the queue log now");
            return Ok(journals);
        }
        self.waste.large_bytes.store(0, Ordering::Relaxed);
        self.waste.small.store(0, Ordering::Relaxed);
        // What is gone is known to the tables only once it stands in one.
        self.write_out(&self.payloads)?;
        for _ in 0..ROUNDS {
            self.payloads.major_compact()?;
            let stale = self.payloads.fragmented_blob_bytes();
            if !is_due(stale, self.payloads.disk_space()) {
                break;
            }
        }
        self.let_go()?;
        let now_bytes = self.payloads.disk_space();
        tracing::info!(
            given_back_bytes = disk_bytes.saturating_sub(now_bytes),
            disk_bytes = now_bytes,
            "gave the room of removed payloads back"
        );
        Ok(true)
    }

    /// What the payloads of the log take on disk, with what is gone but not given back, and with the journals. Bytes.
    pub(crate) fn disk_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.db.disk_space()?)
    }

    /// Gives up the journals of a log at rest: they are needed only for what stands in no table yet.
    fn give_up_journals(&self) -> Result<bool, StoreError> {
        let changes = self.db.seqno();
        let before = self.waste.changes.swap(changes, Ordering::Relaxed);
        if self.db.journal_count() < 2 || changes.saturating_sub(before) > AT_REST {
            return Ok(false);
        }
        for keyspace in [
            &self.kontoer,
            &self.entries,
            &self.meldinger,
            &self.sporing,
            &self.payloads,
            &self.ids,
            &self.by_konto,
            &self.dead,
            &self.meta,
        ] {
            self.write_out(keyspace)?;
        }
        Ok(true)
    }

    /// Has the files removed that nothing needs any more. The log store keeps them for readers of earlier moments, and looks
    /// which moments those may be only when memory is written to a table; a removal comes with the table after that. On a full
    /// disk, where nothing is taken, there would be none.
    fn let_go(&self) -> Result<(), StoreError> {
        for _ in 0..2 {
            // No melding has this number.
            let key = Number::MIN.to_be_bytes();
            self.payloads.insert(key, [])?;
            self.payloads.remove(key)?;
            self.write_out(&self.payloads)?;
        }
        Ok(())
    }

    /// Has the changes in memory written to a table, and waits for it. The store's own way to wait would go on for ever if
    /// its background thread has failed.
    fn write_out(&self, keyspace: &fjall::Keyspace) -> Result<(), StoreError> {
        if !keyspace.rotate_memtable()? {
            return Ok(());
        }
        let deadline = Instant::now() + FLUSH_DEADLINE;
        while keyspace.sealed_memtable_count() > 0 && Instant::now() < deadline {
            self.check()?;
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_waste_is_left_and_much_is_not() {
        for (waste, disk, due) in [
            (0, 0, false),
            (16 * MIB, 16 * MIB, false),
            (17 * MIB, 17 * MIB, true),
            (100 * MIB, 400 * MIB, true),
            (100 * MIB, 500 * MIB, false),
            (2_000 * MIB, 2_610 * MIB, true),
        ] {
            assert_eq!(is_due(waste, disk), due, "{waste} of {disk}");
            // What may stay is within half of what is left, and half of the 64 MiB that are allowed besides.
            if !due {
                assert!(waste <= (disk - waste) / 2 + 32 * MIB, "{waste} of {disk}");
            }
        }
    }

    #[test]
    fn waste_is_counted_by_size_where_it_is_large_and_by_the_average_elsewhere() {
        let waste = Waste::default();
        waste.came(1, LARGE as usize);
        waste.came(2, 5_000_000);
        waste.came(3, 10);
        waste.went(2);
        assert_eq!(waste.bytes(3, 6_000_000), 5_000_000);
        waste.went(3);
        assert_eq!(waste.bytes(1_000, 10_000_000), 5_010_000);
        assert_eq!(waste.bytes(0, 4_000_000), 4_000_000, "never more than there is");
    }
}
