//! The search among meldinger.

use std::collections::{BTreeSet, BinaryHeap};

use app::ports::{MeldingSok, MeldingTreff};
use fjall::{Readable, Snapshot};
use jiff::Timestamp;
use wire::id::{KontoId, MeldingId};

use super::damage::guarded;
use super::keys::{number_at, pair};
use super::line::StoredMelding;
use super::{Store, StoreError};
use crate::queue::Number;

impl Store {
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
        let til = sok.til.map_or(i128::MAX, Timestamp::as_nanosecond);
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
                let number = guarded(|| number_at(&guard.key()?, 16));
                match self.indexed(number)? {
                    Some(number) => heads.push((number, of)),
                    None => found.avkortet = true,
                }
            }
        }
        let (mut looked_at, mut last) = (0, None);
        while let Some((number, of)) = heads.pop() {
            if let Some(guard) = numbers.get_mut(of).and_then(Iterator::next) {
                let number = guarded(|| number_at(&guard.key()?, 16));
                match self.indexed(number)? {
                    Some(number) => heads.push((number, of)),
                    None => found.avkortet = true,
                }
            }
            if last.replace(number) == Some(number) {
                continue; // Of two of the kontoer.
            }
            if looked_at == look_at {
                found.avkortet = true;
                break;
            }
            looked_at += 1;
            let stored = guarded(|| self.stored_at(&snapshot, number));
            let Some(stored) = self.readable(number, stored)?.flatten() else { continue };
            if stored.put() < fra {
                break; // All that follow were put there earlier.
            }
            if stored.put() > til {
                continue; // Where what parts the numbers is damaged, some are too many.
            }
            if stored.fits(sok) {
                let record = guarded(|| self.record_at(&snapshot, number));
                found.meldinger.extend(self.readable(number, record)?.flatten());
                if found.meldinger.len() >= sok.limit as usize {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The number of the melding `id`, if it was put on its queue `at` that time.
    fn number_put(&self, snapshot: &Snapshot, id: MeldingId, at: i128) -> Result<Option<Number>, StoreError> {
        let Some(number) = self.number_of(snapshot, id)? else { return Ok(None) };
        let stored = guarded(|| self.stored_at(snapshot, number));
        let Some(stored) = self.readable(number, stored)?.flatten() else { return Ok(None) };
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
            let read = guarded(|| {
                let (key, value) = guard.into_inner()?;
                Ok((number_at(&key, 0)?, StoredMelding::decode(&value)?.put()))
            });
            let Some((number, put)) = self.readable(middle, read)? else {
                // Nobody knows; too many are found rather than too few.
                low = middle + 1;
                continue;
            };
            if put <= at {
                low = number + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}
