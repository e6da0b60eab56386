//! What the engine and those who watch read, melding by melding.

use std::sync::Arc;

use app::ports::{DeadLetter, MeldingRecord};
use bytes::Bytes;
use domain::melding::{CRASH_COUNTS_FOR, Hendelse, Melding, Sporing};
use fjall::{Readable, Snapshot};
use wire::id::{KontoId, MeldingId, Uuid};

use super::damage::guarded;
use super::keys::{Cost, KeptEntry, decode_dead, decode_entry, handed_out, konto_at, number_at, pair};
use super::line::{Line, StoredMelding, decode};
use super::moment::rows;
use super::write::DeadMelding;
use super::{Store, StoreError};
use crate::queue::Number;

impl Store {
    /// The Kontoer that have a queue.
    pub(crate) fn kontoer(&self) -> Result<Vec<KontoId>, StoreError> {
        self.kontoer.iter().map(|guard| konto_at(&guard.key()?, 0)).collect()
    }

    /// Reads all queue entries, by number.
    pub(crate) fn scan_entries(&self, mut each: impl FnMut(KontoId, KeptEntry)) -> Result<(), StoreError> {
        for guard in self.entries.iter() {
            let (key, value) = guard.into_inner()?;
            let (konto, entry) = decode_entry(&key, &value)?;
            each(konto, entry);
        }
        Ok(())
    }

    /// Reads all dead letters, by Konto and number.
    pub(crate) fn scan_dead(&self, mut each: impl FnMut(KontoId, Number, Cost)) -> Result<(), StoreError> {
        for guard in self.dead.iter() {
            let (key, value) = guard.into_inner()?;
            each(konto_at(&key, 0)?, number_at(&key, 16)?, decode_dead(&value)?.cost);
        }
        Ok(())
    }

    /// Up to `limit` dead letters of `konto` from number `from` on, and what each takes of the room. Those behind a place in
    /// the index that is damaged are left to be forgotten in their time.
    pub(crate) fn dead_from(
        &self,
        konto: KontoId,
        from: Number,
        limit: usize,
    ) -> Result<Vec<(Number, Cost)>, StoreError> {
        let mut dead = Vec::new();
        for guard in self.dead.range(pair(konto, from)..=pair(konto, Number::MAX)).take(limit) {
            let read = guarded(|| {
                let (key, value) = guard.into_inner()?;
                Ok((number_at(&key, 16)?, decode_dead(&value)?.cost))
            });
            let Some(read) = self.indexed(read)? else { break };
            dead.push(read);
        }
        Ok(dead)
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

    /// Every melding that is in a queue or is a dead letter, all at one moment: one that moves from the one to the other is not
    /// missed. Those that cannot be read are passed over.
    pub(crate) fn each_kept(&self, mut each: impl FnMut(&Melding)) -> Result<(), StoreError> {
        let [mut entries, mut dead] = rows(&self.db, [&self.entries, &self.dead]);
        let mut numbers = Vec::new();
        while let Some((key, value)) = entries.next()? {
            numbers.push(decode_entry(&key, &value)?.1.number);
        }
        while let Some((key, _)) = dead.next()? {
            numbers.push(number_at(&key, 16)?);
        }
        drop((entries, dead));
        // One that is put back meanwhile gets a number behind all of these, and its record moves there.
        let behind = numbers.iter().max().map_or(Number::MIN, |last| last.saturating_add(1));
        let mut has_moved = false;
        for number in numbers {
            let read = guarded(|| self.melding(number));
            match self.readable(number, read)? {
                Some(Some(melding)) => each(&melding),
                Some(None) => has_moved = true,
                None => {}
            }
        }
        if !has_moved {
            return Ok(());
        }
        let mut next = behind;
        while let Some(last) = self.each_from(next, &mut each)? {
            next = last.saturating_add(1);
        }
        Ok(())
    }

    /// Some meldinger with numbers from `from` on, done with or not; gives the number of the last, `None` where there are none.
    fn each_from(&self, from: Number, each: &mut impl FnMut(&Melding)) -> Result<Option<Number>, StoreError> {
        const AT_ONCE: usize = 1_024;
        let mut last = None;
        for guard in self.meldinger.range(from.to_be_bytes()..).take(AT_ONCE) {
            let (key, value) = guard.into_inner()?;
            let number = number_at(&key, 0)?;
            let read = guarded(|| Ok(StoredMelding::decode(&value)?.melding()?.0));
            self.readable(number, read)?.iter().for_each(&mut *each);
            last = Some(number);
        }
        Ok(last)
    }

    /// A melding without its payload.
    pub(crate) fn melding(&self, number: Number) -> Result<Option<Melding>, StoreError> {
        match self.meldinger.get(number.to_be_bytes())? {
            Some(value) => Ok(Some(StoredMelding::decode(&value)?.melding()?.0)),
            None => Ok(None),
        }
    }

    /// A melding without its payload, unless it is damaged.
    pub(crate) fn melding_if_readable(&self, number: Number) -> Result<Option<Melding>, StoreError> {
        let read = guarded(|| self.melding(number));
        Ok(self.readable(number, read)?.flatten())
    }

    /// A melding with its payload, unless `may_read` says of what both take together, in bytes, that it may not be read now.
    ///
    /// # Errors
    /// Damage also where either is not there at all.
    pub(crate) fn load(
        &self,
        number: Number,
        may_read: impl FnOnce(u64) -> bool,
    ) -> Result<Option<(Melding, Bytes)>, StoreError> {
        let snapshot = self.db.snapshot();
        let value = snapshot.get(&self.meldinger, number.to_be_bytes())?;
        let value = value.ok_or(StoreError::Damaged("a melding that is not there"))?;
        let stored = StoredMelding::decode(&value)?;
        let payload_bytes = stored.payload_bytes();
        if !may_read(stored.memory_bytes()) {
            return Ok(None);
        }
        let payload = match payload_bytes {
            0 => None,
            _ => snapshot.get(&self.payloads, number.to_be_bytes())?,
        };
        let payload = match payload {
            Some(payload) => Bytes::from_owner(payload),
            None if payload_bytes == 0 => Bytes::new(),
            None => return Err(StoreError::Damaged("a payload that is not there")),
        };
        let (melding, payload, _) = stored.whole(&payload)?;
        Ok(Some((melding, payload)))
    }

    /// A melding with its sporing.
    pub(crate) fn record(&self, id: MeldingId) -> Result<Option<MeldingRecord>, StoreError> {
        let snapshot = self.db.snapshot();
        let Some(number) = self.number_of(&snapshot, id)? else { return Ok(None) };
        let record = guarded(|| self.record_at(&snapshot, number));
        Ok(self.readable(number, record)?.flatten())
    }

    /// The newest meldinger that `konto` sent or received, newest first.
    pub(crate) fn records_of(&self, konto: KontoId, limit: usize) -> Result<Vec<MeldingRecord>, StoreError> {
        let snapshot = self.db.snapshot();
        let mut records = Vec::new();
        for guard in snapshot.prefix(&self.by_konto, konto.as_uuid().as_bytes()).rev().take(limit) {
            let number = guarded(|| number_at(&guard.key()?, 16));
            let Some(number) = self.indexed(number)? else { break };
            let record = guarded(|| self.record_at(&snapshot, number));
            records.extend(self.readable(number, record)?.flatten());
        }
        Ok(records)
    }

    /// What answers the melding `id`, oldest first, among the `look_at` meldinger that its sender sent or received next.
    pub(crate) fn svar_to(&self, id: MeldingId, look_at: usize) -> Result<Vec<MeldingId>, StoreError> {
        let snapshot = self.db.snapshot();
        let Some(number) = self.number_of(&snapshot, id)? else { return Ok(Vec::new()) };
        let record = guarded(|| self.record_at(&snapshot, number));
        let Some(record) = self.readable(number, record)?.flatten() else { return Ok(Vec::new()) };
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
            let number = guarded(|| number_at(&guard.key()?, 16));
            let Some(number) = self.indexed(number)? else { break };
            let stored = guarded(|| self.stored_at(&snapshot, number));
            let Some(stored) = self.readable(number, stored)?.flatten() else { continue };
            let later = MeldingId::from_uuid(Uuid::from_bytes(stored.id));
            if stored.svar_pa_melding == Some(id.as_uuid().into_bytes()) && !svar.contains(&later) {
                svar.push(later);
            }
        }
        Ok(svar)
    }

    /// The dead letter `id` of `konto` with all that it needs to move.
    pub(crate) fn dead_letter(
        &self,
        konto: KontoId,
        id: MeldingId,
    ) -> Result<Option<DeadMelding>, StoreError> {
        let snapshot = self.db.snapshot();
        let Some(number) = self.number_of(&snapshot, id)? else { return Ok(None) };
        let Some(dead) = snapshot.get(&self.dead, pair(konto, number))? else { return Ok(None) };
        let cost = decode_dead(&dead)?.cost;
        let Some(value) = snapshot.get(&self.meldinger, number.to_be_bytes())? else { return Ok(None) };
        let stored = StoredMelding::decode(&value)?;
        let payload = match snapshot.get(&self.payloads, number.to_be_bytes())? {
            Some(payload) => Bytes::from_owner(payload),
            None if stored.payload_bytes() == 0 => Bytes::new(),
            None => return Err(StoreError::Damaged("the payload of a dead letter")),
        };
        let (melding, payload, mut lines) = stored.whole(&payload)?;
        let mut line_keys = Vec::new();
        for guard in snapshot.prefix(&self.sporing, number.to_be_bytes()) {
            let (key, value) = guard.into_inner()?;
            lines.push(decode(&value, "a line of sporing")?);
            line_keys.push(key.to_vec());
        }
        if lines.iter().any(Line::says_damaged) {
            // There is nothing of it to be handed out.
            return Ok(None);
        }
        Ok(Some(DeadMelding { number, melding: Arc::new(melding), payload, lines, line_keys, cost }))
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
            let read = guarded(|| {
                let (key, value) = guard.into_inner()?;
                Ok((number_at(&key, 16)?, decode_dead(&value)?.at))
            });
            let Some((number, tidspunkt)) = self.indexed(read)? else { break };
            let record = guarded(|| self.record_at(&snapshot, number));
            if let Some(record) = self.readable(number, record)?.flatten() {
                letters.push(DeadLetter {
                    skadet: is_damaged(&record.sporing),
                    melding: record.melding,
                    tidspunkt,
                });
            }
        }
        Ok(letters)
    }

    /// Whether a melding that somebody held when the process ended had been handed out so long before that it has no part in that.
    /// What cannot be read is not known to be.
    pub(crate) fn is_unsuspected(&self, number: Number) -> bool {
        let entry = guarded(|| Ok(self.entries.get(number.to_be_bytes())?));
        let handed_out = entry.ok().flatten().and_then(|value| handed_out(&value));
        let (Some(last_alive), Some(handed_out)) = (self.last_alive, handed_out) else { return false };
        let held_ms = last_alive.as_millisecond().saturating_sub(handed_out);
        held_ms >= i64::try_from(CRASH_COUNTS_FOR.as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn record_at(
        &self,
        snapshot: &Snapshot,
        number: Number,
    ) -> Result<Option<MeldingRecord>, StoreError> {
        let Some(value) = snapshot.get(&self.meldinger, number.to_be_bytes())? else { return Ok(None) };
        let stored = StoredMelding::decode(&value)?;
        let beside_bytes = stored.beside_bytes();
        let (melding, payload_bytes, lines) = stored.melding()?;
        let payload_bytes = payload_bytes.saturating_sub(beside_bytes);
        let mut sporing = lines.into_iter().map(Line::sporing).collect::<Result<Vec<_>, _>>()?;
        for guard in snapshot.prefix(&self.sporing, number.to_be_bytes()) {
            let line = guard
                .into_inner()
                .map_err(StoreError::from)
                .and_then(|(_, value)| decode::<Line>(&value, "a line of sporing")?.sporing());
            // What follows a damaged line stands in the same block, or behind it: it is left out as well.
            let Some(line) = self.readable(number, line)? else { break };
            sporing.push(line);
        }
        Ok(Some(MeldingRecord { melding, payload_bytes, sporing }))
    }

    pub(super) fn stored_at(
        &self,
        snapshot: &Snapshot,
        number: Number,
    ) -> Result<Option<StoredMelding>, StoreError> {
        match snapshot.get(&self.meldinger, number.to_be_bytes())? {
            Some(value) => Ok(Some(StoredMelding::decode(&value)?)),
            None => Ok(None),
        }
    }
}

/// Whether it stands in the dead-letter store since it is damaged.
fn is_damaged(sporing: &[Sporing]) -> bool {
    sporing.iter().any(|line| line.hendelse == Hendelse::Skadet)
}
