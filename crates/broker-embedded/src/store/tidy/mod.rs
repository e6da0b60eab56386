//! Giving room back: the disk follows what is still there, while the log is in use.
//!
//! A table is written once, so what is removed stays in it until the table is written anew. The log store does that where
//! tables of one level overlap, which those of payloads, written in the order of their numbers, rarely do. So it is asked
//! for here, when enough is gone to be worth the work: what is left is copied, and that costs no more than a fixed multiple
//! of what was given back. How much is gone is what lies on the disk without what is [`live`]: nothing that happened before,
//! no crash and no full disk, can make that wrong.

mod journals;
mod live;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fjall::{AbstractTree as _, Keyspace};

use self::journals::Seen;
pub(super) use self::live::Live;
use super::damage::guarded;
use super::{FILLING, MIB, Store, StoreError};

/// How often the log is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A payload of at least so many bytes lies in a file of its own kind.
pub(super) const LARGE: u32 = 32 * 1024;
/// How large such files become. Two of them may stay though most in them is gone.
pub(super) const LARGE_FILE: u64 = 8 * MIB;
/// Of the files with large payloads that are worth it, the older ones are copied, so many at a time. More at a time would need
/// more room.
pub(super) const LARGE_PART: f32 = 0.34;
/// So much may lie about however little is left. With one journal it stays below 64 MiB.
const WASTE_BYTES: u64 = 16 * MIB;
/// And so much more of what is left: one part in so many.
const WASTE_PART: u64 = 4;
/// A keyspace without payloads that takes less than this is left as it is.
const SMALL_KEYSPACE: u64 = 4 * MIB;
/// How often to go on copying what is left of large payloads, each time a third of the files.
const ROUNDS: usize = 8;
/// The most looks to wait after one that gave nothing back.
const LONGEST_PAUSE: u32 = 12;
/// How long to wait for a table to be written from memory.
const FLUSH_DEADLINE: Duration = Duration::from_secs(30);

/// What is known from one look to the next.
#[derive(Default)]
pub(super) struct Tidying(Mutex<State>);

#[derive(Default)]
struct State {
    journals: Seen,
    /// Looks to let pass, since the last ones gave nothing back.
    skip: u32,
    pause: u32,
    /// The same for keyspaces without payloads.
    skip_records: u32,
    /// Keyspaces that cannot be written anew, since something in them is damaged. What an attempt has written until then stays
    /// until the log is opened again, so there is no second one before.
    damaged: BTreeSet<String>,
    /// Whether the log said that it needs room to give room back.
    said_short: bool,
}

/// What lies on the disk of the payloads. Bytes.
#[derive(Debug, Clone, Copy)]
struct Room {
    disk: u64,
    live: u64,
    /// What of it is live and lies in tables.
    small: u64,
    /// What of the files of large payloads is known to be gone.
    stale: u64,
}

impl Room {
    fn waste_bytes(self) -> u64 {
        self.disk.saturating_sub(self.live)
    }

    /// Whether so much is gone that it should be given back.
    fn is_due(self) -> bool {
        self.waste_bytes() > WASTE_BYTES + self.live / WASTE_PART
    }

    /// What the next round writes at most, before what it replaces is removed.
    fn to_write_bytes(self) -> u64 {
        let large = self.live.saturating_sub(self.small);
        // Files of which less than a quarter is gone are left as they are.
        let copied = large.min(self.stale.saturating_mul(3));
        self.small + copied / 3 + LARGE_FILE
    }
}

impl Store {
    /// Looks at how much of the log is gone, and gives its room back if it is worth the work. Returns whether it did
    /// something. Blocks for as long as that takes; the log is used meanwhile. Below `reserve_bytes` of free room
    /// meldinger are refused.
    pub(crate) fn tidy(&self, reserve_bytes: u64) -> Result<bool, StoreError> {
        let mut state = self.tidying.0.lock().unwrap_or_else(PoisonError::into_inner);
        // First, since the copies of payloads need the room.
        let journals = self.tidy_journals(&mut state.journals, reserve_bytes)?;
        let mut done = self.tidy_payloads(&mut state)?;
        done |= self.tidy_records(&mut state)?;
        if done {
            self.let_go()?;
        }
        Ok(done || journals)
    }

    /// What the payloads of the log take on disk, with what is gone but not given back, and with the journals. Bytes.
    pub(crate) fn disk_bytes(&self) -> Result<u64, StoreError> {
        let keyspaces: u64 = self.keyspaces().into_iter().map(Keyspace::disk_space).sum();
        Ok(keyspaces + self.journal_bytes()?)
    }

    fn tidy_payloads(&self, state: &mut State) -> Result<bool, StoreError> {
        if !self.room()?.is_due() {
            (state.skip, state.pause) = (0, 0);
            return Ok(false);
        }
        if state.skip > 0 {
            state.skip -= 1;
            return Ok(false);
        }
        // For whatever fails below.
        state.skip = LONGEST_PAUSE;
        // What is gone is known to the tables only once it stands in one.
        self.write_out(&self.payloads)?;
        let before = self.room()?;
        for _ in 0..ROUNDS {
            let room = self.room()?;
            if !room.is_due() || !self.has_room(room, state) {
                break;
            }
            if !compact(&self.payloads, state)? {
                break;
            }
            // Before the next round, which needs the room.
            self.let_go()?;
        }
        let after = self.room()?;
        let given_back_bytes = before.disk.saturating_sub(after.disk);
        state.skip = 0;
        if given_back_bytes < before.waste_bytes() / 4 {
            // Somebody reads an earlier moment: it is tried again, and not all the time. Room may be there soon.
            if !state.said_short {
                state.pause = (state.pause * 2).clamp(1, LONGEST_PAUSE);
                state.skip = state.pause;
            }
        } else {
            state.pause = 0;
        }
        if given_back_bytes == 0 {
            return Ok(false);
        }
        tracing::info!(
            given_back_bytes,
            disk_bytes = after.disk,
            live_bytes = after.live,
            "gave the room of removed payloads back"
        );
        Ok(true)
    }

    fn room(&self) -> Result<Room, StoreError> {
        let live = self.live.count(&self.db, &self.payloads)?;
        Ok(Room {
            disk: self.payloads.disk_space(),
            live: live.bytes(),
            small: live.small_bytes,
            stale: self.payloads.fragmented_blob_bytes(),
        })
    }

    /// Whether there is room for the copies. Says so in the log when it ends, and when it is back.
    fn has_room(&self, room: Room, state: &mut State) -> bool {
        let needed_bytes = room.to_write_bytes() + self.unwritten_bytes();
        let is_short = self.free_bytes().is_some_and(|free| free < needed_bytes);
        if is_short && !state.said_short {
            tracing::warn!(
                waste_bytes = room.waste_bytes(),
                needed_bytes,
                "the disk has too little room to give that of removed payloads back; free so much on it"
            );
        }
        state.said_short = is_short;
        !is_short
    }

    /// Has the keyspaces without payloads written anew of which much was removed.
    fn tidy_records(&self, state: &mut State) -> Result<bool, StoreError> {
        let mut done = false;
        if state.skip_records > 0 {
            state.skip_records -= 1;
            return Ok(false);
        }
        for keyspace in self.keyspaces() {
            let disk_bytes = keyspace.disk_space();
            if keyspace.is_kv_separated() || disk_bytes < SMALL_KEYSPACE {
                continue;
            }
            // Each stands for a record that is gone, or will be when both meet.
            let removed = keyspace.tree.tombstone_count();
            let is_due = removed > keyspace.approximate_len() as u64 / 4;
            if is_due
                && self
                    .free_bytes()
                    .is_none_or(|free| free > disk_bytes + WASTE_BYTES + self.unwritten_bytes())
            {
                // For whatever fails below.
                state.skip_records = LONGEST_PAUSE;
                self.write_out(keyspace)?;
                if !compact(keyspace, state)? {
                    continue;
                }
                state.skip_records = 0;
                done = true;
                if keyspace.tree.tombstone_count() > removed / 2 {
                    // Somebody reads an earlier moment.
                    state.skip_records = LONGEST_PAUSE;
                }
            }
        }
        Ok(done)
    }

    /// Has the files removed that nothing needs any more. The log store keeps them for readers of earlier moments, and looks
    /// which moments those may be only when memory is written to a table; a removal comes with the table after that. On a full
    /// disk, where nothing is taken, there would be none.
    fn let_go(&self) -> Result<(), StoreError> {
        for _ in 0..2 {
            self.steps.insert(FILLING, [])?;
            self.write_out(&self.steps)?;
        }
        Ok(())
    }

    pub(super) fn keyspaces(&self) -> [&Keyspace; 10] {
        [
            &self.kontoer,
            &self.entries,
            &self.meldinger,
            &self.sporing,
            &self.payloads,
            &self.ids,
            &self.by_konto,
            &self.dead,
            &self.meta,
            &self.steps,
        ]
    }

    /// Has the changes in memory written to a table, and waits for it. The store's own way to wait would go on for ever if
    /// its background thread has failed.
    pub(super) fn write_out(&self, keyspace: &Keyspace) -> Result<(), StoreError> {
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

/// Has a keyspace written anew. Tells whether it was; one with something damaged in it is left as it is, and said.
fn compact(keyspace: &Keyspace, state: &mut State) -> Result<bool, StoreError> {
    let name: &str = keyspace.name();
    if state.damaged.contains(name) {
        return Ok(false);
    }
    match guarded(|| Ok(keyspace.major_compact()?)) {
        Ok(()) => Ok(true),
        Err(error) if error.is_damage() => {
            state.damaged.insert(name.to_owned());
            tracing::error!(
                error = &error as &dyn std::error::Error,
                keyspace = name,
                "the room of what was removed cannot be given back, since something else there is damaged: run knutepunkt doctor"
            );
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_waste_is_left_and_much_is_not() {
        for (live, disk, due) in [
            (0, 0, false),
            (0, 16, false),
            (0, 17, true),
            (300, 391, false),
            (300, 392, true),
            (400, 500, false),
            (610, 2_610, true),
            (20, 10, false),
        ] {
            let room = Room { disk: disk * MIB, live: live * MIB, small: 0, stale: 0 };
            assert_eq!(room.is_due(), due, "{live} of {disk}");
            // What may stay is within half of what is left, and half of the 64 MiB that are allowed besides.
            if !due {
                assert!(room.waste_bytes() <= room.live / 2 + 32 * MIB, "{live} of {disk}");
            }
        }
    }

    #[test]
    fn where_nothing_is_left_nothing_is_copied() {
        let room = Room { disk: 900 * MIB, live: 0, small: 0, stale: 900 * MIB };
        assert_eq!(room.to_write_bytes(), LARGE_FILE);
    }
}
