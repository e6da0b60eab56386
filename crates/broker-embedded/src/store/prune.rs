//! Forgets meldinger that are long done with.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use fjall::{PersistMode, Readable};
use jiff::Timestamp;
use wire::id::{FiksOrgId, KontoId};

use super::damage::guarded;
use super::keys::{Cost, LEVEL, decode_dead, decode_level, encode_level, number_at, pair};
use super::line::{StoredMelding, decode};
use super::{FORGOTTEN, SPORING, Store, StoreError};
use crate::sporing::Level;

/// How many meldinger are looked at, and forgotten if it is time, in one write.
const PRUNE_AT_ONCE: usize = 256;

/// Dead letters that are forgotten: of which Konto, and what each took.
#[derive(Default)]
struct Dead {
    all: Vec<(KontoId, Cost)>,
    /// How many of them are gone from the log, the others being in a batch that was not written yet.
    committed: usize,
    /// How large the payloads are that are in that batch. Bytes.
    payloads: Vec<u32>,
}

impl Store {
    /// Holds off forgetting.
    pub(crate) fn no_forgetting(&self) -> MutexGuard<'_, ()> {
        self.forgetting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to when meldinger that were over have been forgotten; `None` if none ever were, or it cannot be read.
    pub(super) fn forgotten_before(&self) -> Option<Timestamp> {
        let value = guarded(|| Ok(self.meta.get(FORGOTTEN)?)).ok().flatten()?;
        Timestamp::from_nanosecond(i128::from_be_bytes(value.as_ref().try_into().ok()?)).ok()
    }

    /// How much sporing whose meldinger leave behind, as it was last written down. What cannot be read is none.
    pub(crate) fn sporing_levels(&self) -> Result<Vec<(FiksOrgId, Level)>, StoreError> {
        let Some(value) = self.meta.get(SPORING)? else { return Ok(Vec::new()) };
        let (levels, _) = value.as_chunks::<LEVEL>();
        Ok(levels.iter().map(decode_level).collect())
    }

    pub(crate) fn note_sporing_levels(&self, levels: &[(FiksOrgId, Level)]) -> Result<(), StoreError> {
        let value: Vec<u8> = levels.iter().flat_map(encode_level).collect();
        let mut batch = self.db.batch().durability(Some(PersistMode::Buffer));
        batch.insert(&self.meta, SPORING, value);
        Ok(batch.commit()?)
    }

    /// Forgets meldinger whose last line of sporing is from before `before`, with their sporing, index and dead letter.
    /// Returns the dead letters that went with them: of which Konto, and what each took of the room.
    ///
    /// What was forgotten before something failed is returned as well, so that it is not counted any more.
    pub(crate) fn prune(&self, before: Timestamp) -> Result<Vec<(KontoId, Cost)>, StoreError> {
        let mut dead = Dead::default();
        match self.prune_into(before, &mut dead) {
            Ok(()) => Ok(dead.all),
            Err(error) if dead.committed == 0 => Err(error),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "not all old meldinger could be forgotten"
                );
                dead.all.truncate(dead.committed);
                Ok(dead.all)
            }
        }
    }

    fn prune_into(&self, before: Timestamp, dead: &mut Dead) -> Result<(), StoreError> {
        let snapshot = self.db.snapshot();
        let mut batch = self.db.batch();
        // Whoever looks for a melding that was promised must know that the log may have forgotten it.
        let forgotten = before.max(self.forgotten_before().unwrap_or(before)).as_nanosecond().to_be_bytes();
        let mut is_noted = false;
        let mut in_batch = 0;
        let mut first_left = None;
        let start = self.pruned_to.load(Ordering::Relaxed);
        let mut last_seen = start;
        let mut turn = self.no_forgetting();
        let mut meldinger = snapshot.range(&self.meldinger, start.to_be_bytes()..);
        while let Some(guard) = meldinger.next() {
            let read = guarded(|| {
                let (key, value) = guard.into_inner()?;
                Ok((number_at(&key, 0)?, value))
            });
            let Some((number, value)) = self.indexed(read)? else {
                // What stands in a damaged block stays.
                first_left.get_or_insert(last_seen);
                last_seen = self.after_damage(&snapshot, last_seen);
                meldinger = snapshot.range(&self.meldinger, last_seen.to_be_bytes()..);
                continue;
            };
            in_batch += 1;
            if in_batch == PRUNE_AT_ONCE {
                std::mem::replace(&mut batch, self.db.batch())
                    .durability(Some(PersistMode::Buffer))
                    .commit()?;
                self.went(dead);
                (in_batch, is_noted) = (0, false);
                // Whoever puts a dead letter back waits for no more than this.
                drop(turn);
                turn = self.no_forgetting();
            }
            last_seen = number;
            let read = guarded(|| {
                let (melding, _, mut lines) = StoredMelding::decode(&value)?.melding()?;
                let mut line_keys = Vec::new();
                for guard in snapshot.prefix(&self.sporing, number.to_be_bytes()) {
                    let (key, value) = guard.into_inner()?;
                    lines.push(decode(&value, "a line of sporing")?);
                    line_keys.push(key);
                }
                Ok((melding, lines, line_keys))
            });
            let Some((melding, lines, line_keys)) = self.readable(number, read)? else {
                first_left.get_or_insert(number);
                continue;
            };
            let last = lines.iter().map(|line| line.at).max().unwrap_or_default();
            let waits = guarded(|| Ok(snapshot.contains_key(&self.entries, number.to_be_bytes())?));
            // Where it cannot be read, it may wait.
            if last >= before.as_nanosecond() || self.readable(number, waits)?.unwrap_or(true) {
                first_left.get_or_insert(number);
                if melding.mottatt >= before {
                    break; // All that follow were taken later.
                }
                continue;
            }
            let dead_key = pair(melding.mottaker, number);
            let kept = guarded(|| match snapshot.get(&self.dead, dead_key)? {
                Some(kept) => Ok(Some((decode_dead(&kept)?.cost, self.dead.contains_key(dead_key)?))),
                None => Ok(None),
            });
            let Some(kept) = self.readable(number, kept)? else {
                first_left.get_or_insert(number);
                continue;
            };
            if let Some((cost, is_there)) = kept {
                if !is_there {
                    // Back on its queue since, under a new number, or ended with its Konto a moment ago.
                    first_left.get_or_insert(number);
                    continue;
                }
                dead.all.push((melding.mottaker, cost));
                batch.remove(&self.dead, dead_key);
                if let Ok(Some(bytes)) = guarded(|| Ok(self.payloads.size_of(number.to_be_bytes())?)) {
                    dead.payloads.push(bytes);
                }
                batch.remove(&self.payloads, number.to_be_bytes());
            }
            // In the same batch, so that neither is there without the other.
            if !is_noted {
                batch.insert(&self.meta, FORGOTTEN, forgotten);
                is_noted = true;
            }
            for key in line_keys {
                batch.remove(&self.sporing, key);
            }
            batch.remove(&self.ids, melding.id.as_uuid().as_bytes());
            batch.remove(&self.by_konto, pair(melding.mottaker, number));
            if melding.avsender != melding.mottaker {
                batch.remove(&self.by_konto, pair(melding.avsender, number));
            }
            batch.remove(&self.meldinger, number.to_be_bytes());
        }
        batch.durability(Some(PersistMode::Buffer)).commit()?;
        drop(turn);
        self.went(dead);
        self.pruned_to.store(first_left.unwrap_or(last_seen), Ordering::Relaxed);
        Ok(())
    }

    /// Notes that what was in the last batch is gone from the log.
    fn went(&self, dead: &mut Dead) {
        dead.committed = dead.all.len();
        for bytes in dead.payloads.drain(..) {
            self.live.went(bytes);
        }
    }
}
