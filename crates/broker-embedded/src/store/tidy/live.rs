//! How many bytes of payloads are there.
//!
//! They are counted as they come and go, a payload that goes by the size that the log knows of it. What was there before is
//! counted once after each opening, as it was at that moment, so that both counts fit together.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use fjall::{Database, Keyspace, Readable as _};

use super::LARGE;
use crate::queue::Number;
use crate::store::StoreError;
use crate::store::damage::{guarded, readable_behind};
use crate::store::keys::number_at;
use crate::store::moment::{Rows, rows, rows_from};

/// What a record takes besides its bytes: key, lengths, and its part of index and checksums.
const OVERHEAD: u64 = 48;

/// How much is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// What lies in tables.
    pub(super) small_bytes: u64,
    /// What lies in files of large payloads.
    large_bytes: u64,
}

impl Count {
    pub(super) fn bytes(self) -> u64 {
        self.small_bytes + self.large_bytes
    }

    fn of(bytes: u32) -> Self {
        if bytes >= LARGE {
            Self { small_bytes: OVERHEAD, large_bytes: u64::from(bytes) }
        } else {
            Self { small_bytes: u64::from(bytes) + OVERHEAD, large_bytes: 0 }
        }
    }
}

/// The payloads that are there.
pub(in crate::store) struct Live {
    before: Mutex<Before>,
    /// What came since the opening, without what went.
    small_bytes: AtomicI64,
    large_bytes: AtomicI64,
}

/// What was there at the opening.
enum Before {
    ToCount(Rows),
    Counted(Count),
}

impl Live {
    /// From now on each change is counted.
    pub(in crate::store) fn since_now(db: &Database, payloads: &Keyspace) -> Self {
        let [before] = rows(db, [payloads]);
        Self {
            before: Mutex::new(Before::ToCount(before)),
            small_bytes: AtomicI64::new(0),
            large_bytes: AtomicI64::new(0),
        }
    }

    pub(in crate::store) fn came(&self, bytes: usize) {
        self.change(bytes, 1);
    }

    pub(in crate::store) fn went(&self, bytes: u32) {
        self.change(bytes as usize, -1);
    }

    fn change(&self, bytes: usize, sign: i64) {
        let Count { small_bytes, large_bytes } = Count::of(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.small_bytes.fetch_add(small_bytes.cast_signed() * sign, Ordering::Relaxed);
        self.large_bytes.fetch_add(large_bytes.cast_signed() * sign, Ordering::Relaxed);
    }

    /// How much is there now. Reads through all payloads the first time, those in files of their own without their bytes.
    pub(super) fn count(&self, db: &Database, payloads: &Keyspace) -> Result<Count, StoreError> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = match &mut *before {
            Before::Counted(count) => *count,
            Before::ToCount(rows) => {
                let counted = count_all(rows, db, payloads);
                if counted.is_err() {
                    // What was read is not read again. The next time it is counted as it is then, which is near enough.
                    *rows = rows_from(db, payloads, Number::MIN);
                }
                let count = counted?;
                *before = Before::Counted(count);
                count
            }
        };
        let now =
            |before: u64, change: &AtomicI64| before.saturating_add_signed(change.load(Ordering::Relaxed));
        Ok(Count {
            small_bytes: now(counted.small_bytes, &self.small_bytes),
            large_bytes: now(counted.large_bytes, &self.large_bytes),
        })
    }
}

/// What stands in a damaged place is not counted, and what stands behind one is counted as it is now.
fn count_all(rows: &mut Rows, db: &Database, payloads: &Keyspace) -> Result<Count, StoreError> {
    let mut sum = Count::default();
    let mut from = Number::MIN;
    loop {
        match rows.next_size() {
            Ok(Some(bytes)) => {
                let Count { small_bytes, large_bytes } = Count::of(bytes);
                sum.small_bytes += small_bytes;
                sum.large_bytes += large_bytes;
            }
            Ok(None) => return Ok(sum),
            Err(error) if error.is_damage() => {
                from = readable_behind(&db.snapshot(), payloads, last_readable(db, payloads, from));
                if from == Number::MAX {
                    return Ok(sum);
                }
                *rows = rows_from(db, payloads, from);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The last one that can be read from `from` on before the next damage.
fn last_readable(db: &Database, payloads: &Keyspace, from: Number) -> Number {
    let mut last = from;
    for guard in db.snapshot().range(payloads, from.to_be_bytes()..) {
        match guarded(|| number_at(&guard.key()?, 0)) {
            Ok(number) => last = number,
            Err(_) => break,
        }
    }
    last
}
