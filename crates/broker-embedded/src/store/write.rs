//! What one step writes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use domain::melding::Melding;
use fjall::PersistMode;
use wire::id::KontoId;

use super::damage::guarded;
use super::keys::{Cost, KeptDead, KeptEntry, encode_dead, encode_entry, encode_held, line_key, pair};
use super::line::{Line, VERSION, beside, encode, melding_value};
use super::witness::Noted;
use super::{STEP, Store, StoreError};
use crate::queue::{Millis, Number};

/// A dead letter that is about to move.
pub(crate) struct DeadMelding {
    pub(super) number: Number,
    pub(crate) melding: Arc<Melding>,
    pub(crate) payload: Bytes,
    /// All that happened to it.
    pub(crate) lines: Vec<Line>,
    /// Where those of `lines` stand that were not written with it.
    pub(super) line_keys: Vec<Vec<u8>>,
    /// What it takes of the room.
    pub(crate) cost: Cost,
}

/// What one step writes, all or nothing.
pub(crate) struct Write<'a> {
    pub(super) store: &'a Store,
    pub(super) batch: fjall::OwnedWriteBatch,
    /// The meldinger that come in, for the witness.
    pub(super) taken: Vec<Noted>,
}

impl Write<'_> {
    pub(crate) fn queue_created(&mut self, konto: KontoId) {
        self.batch.insert(&self.store.kontoer, konto.as_uuid().as_bytes(), [VERSION]);
    }

    pub(crate) fn queue_removed(&mut self, konto: KontoId) {
        self.batch.remove(&self.store.kontoer, konto.as_uuid().as_bytes());
    }

    /// Of one that is held it is written that it was handed out at `now`.
    pub(crate) fn entry(&mut self, konto: KontoId, entry: &KeptEntry, now: Millis) {
        let (entries, key) = (&self.store.entries, entry.number.to_be_bytes());
        if entry.held {
            self.batch.insert(entries, key, encode_held(konto, entry, now));
        } else {
            self.batch.insert(entries, key, encode_entry(konto, entry));
        }
    }

    pub(crate) fn entry_gone(&mut self, number: Number) {
        self.batch.remove(&self.store.entries, number.to_be_bytes());
    }

    pub(crate) fn melding(
        &mut self,
        number: Number,
        melding: &Melding,
        payload_bytes: usize,
        lines: &[Line],
    ) -> Result<(), StoreError> {
        let beside_bytes = beside(melding)?.map_or(0, |headere| headere.len());
        let beside_bytes =
            u32::try_from(beside_bytes).map_err(|_| StoreError::Damaged("headers to write"))?;
        let value = melding_value(melding, payload_bytes as u64, beside_bytes, lines)?;
        self.taken.push(Noted::new(number, melding));
        let store = self.store;
        self.batch.insert(&store.meldinger, number.to_be_bytes(), value);
        self.batch.insert(&store.ids, melding.id.as_uuid().as_bytes(), number.to_be_bytes());
        self.batch.insert(&store.by_konto, pair(melding.mottaker, number), []);
        if melding.avsender != melding.mottaker {
            self.batch.insert(&store.by_konto, pair(melding.avsender, number), []);
        }
        Ok(())
    }

    /// What goes when the melding leaves its queue: its payload, and headers where they are many.
    pub(crate) fn payload(
        &mut self,
        number: Number,
        melding: &Melding,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        let store = self.store;
        let mut insert = |bytes: &[u8]| {
            store.live.came(bytes.len());
            self.batch.insert(&store.payloads, number.to_be_bytes(), bytes);
        };
        match beside(melding)? {
            Some(mut bytes) => {
                bytes.extend(payload);
                insert(&bytes);
            }
            None if payload.is_empty() => {}
            None => insert(payload),
        }
        Ok(())
    }

    pub(crate) fn payload_gone(&mut self, number: Number) {
        let store = self.store;
        match guarded(|| Ok(store.payloads.size_of(number.to_be_bytes())?)) {
            Ok(Some(bytes)) => store.live.went(bytes),
            // Most meldinger without payload; what there is not needs no removal.
            Ok(None) => return,
            // It is counted as there until the next opening.
            Err(_) => {}
        }
        // Written once and removed once, so the two cancel each other out: what was acked before its memtable is full never
        // reaches a table.
        self.batch.remove_weak(&store.payloads, number.to_be_bytes());
    }

    pub(crate) fn line(&mut self, number: Number, step: u64, line: &Line) -> Result<(), StoreError> {
        self.batch.insert(&self.store.sporing, line_key(number, step), encode(line, 32)?);
        Ok(())
    }

    pub(crate) fn dead(&mut self, konto: KontoId, number: Number, dead: &KeptDead) {
        self.batch.insert(&self.store.dead, pair(konto, number), encode_dead(dead));
    }

    /// A dead letter whose Konto was removed ends. What is known of the melding stays.
    pub(crate) fn dead_gone(&mut self, konto: KontoId, number: Number) {
        self.batch.remove(&self.store.dead, pair(konto, number));
        self.payload_gone(number);
    }

    /// Takes away what stood under the old number of a dead letter. Its id leads to the new one already.
    pub(crate) fn moved(&mut self, dead: &DeadMelding) {
        let DeadMelding { number, melding, line_keys, .. } = dead;
        let store = self.store;
        self.batch.remove(&store.dead, pair(melding.mottaker, *number));
        self.batch.remove(&store.meldinger, number.to_be_bytes());
        for key in line_keys {
            self.batch.remove(&store.sporing, key.as_slice());
        }
        self.batch.remove(&store.by_konto, pair(melding.mottaker, *number));
        if melding.avsender != melding.mottaker {
            self.batch.remove(&store.by_konto, pair(melding.avsender, *number));
        }
        self.payload_gone(*number);
    }

    /// Writes it. With `sync` it is on stable storage when this returns, else with the operating system, so that it
    /// outlives this process.
    pub(crate) fn commit(mut self, sync: bool) -> Result<(), StoreError> {
        if !sync {
            return Ok(self.batch.durability(Some(PersistMode::Buffer)).commit()?);
        }
        let store = self.store;
        let mut witness = store.witness.lock().unwrap_or_else(PoisonError::into_inner);
        let step = store.step.load(Ordering::Relaxed) + 1;
        self.batch.insert(&store.steps, STEP, step.to_be_bytes());
        self.batch.durability(Some(PersistMode::SyncData)).commit()?;
        store.step.store(step, Ordering::Release);
        // Behind the sync, and before anybody is answered.
        witness.note(step, &self.taken);
        Ok(())
    }
}
