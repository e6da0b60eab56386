//! The search among meldinger.

use std::collections::{BTreeSet, BinaryHeap};

use app::ports::{MeldingSok, MeldingTreff};
use fjall::{Readable, Snapshot};
use jiff::Timestamp;
use wire::id::{KontoId, MeldingId};

use super::keys::{number_at, pair};
use super::line::{StoredMelding, decode};
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
}
