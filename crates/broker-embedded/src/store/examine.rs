//! Looking through a whole log for what is wrong with it, without changing it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::PoisonError;

use fjall::{Readable as _, Snapshot};
use wire::id::{DokumentId, KontoId};

use super::chunks::DumpError;
use super::damage::guarded;
use super::dump::{LogMoment, hold, log};
use super::keys::{decode_entry, number_at};
use super::line::StoredMelding;
use super::loss::note;
use super::{SeenPosition, StoreError, shadow};
use crate::OpenError;
use crate::queue::Number;

/// How many are looked at in one moment of the log. Some payloads are large, so these are few.
const AT_ONCE: usize = 16;

/// What was found in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFindings {
    /// Meldinger that wait, by the Konto whose queue it is; those with an empty queue are among them.
    pub waiting: BTreeMap<KontoId, u64>,
    /// Dead letters.
    pub dead: u64,
    /// Meldinger that wait and cannot be read, by Konto. Each will be set aside when its turn comes.
    pub damaged: BTreeMap<KontoId, u64>,
    /// Dokumenter that meldinger name which wait or are dead letters.
    pub dokumenter: BTreeSet<DokumentId>,
}

impl LogMoment {
    /// Reads all that waits of what there was, payloads included, as it is now. `go_on` is asked often, and says whether to. Blocks.
    ///
    /// # Errors
    /// [`DumpError::Log`], [`DumpError::Stopped`].
    pub fn examine(self, mut go_on: impl FnMut() -> bool) -> Result<LogFindings, DumpError> {
        let store = &*self.store;
        let mut found = LogFindings::default();
        match &self.kontoer {
            Ok(kontoer) => found.waiting.extend(kontoer.iter().map(|konto| (*konto, 0))),
            Err(_) => found.waiting.extend(store.kontoer().map_err(log)?.into_iter().map(|konto| (konto, 0))),
        }
        // What it holds back is not needed here.
        drop(self.rows.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut next = Some(Vec::new());
        while let Some(from) = next.take() {
            self.check_whether_to_go_on(&mut go_on)?;
            // No snapshot is held for long.
            let snapshot = store.db.snapshot();
            for guard in snapshot.range(&store.entries, from..).take(AT_ONCE) {
                let (key, konto, entry) = guarded(|| {
                    let (key, value) = guard.into_inner()?;
                    let (konto, entry) = decode_entry(&key, &value)?;
                    Ok((key, konto, entry))
                })
                .map_err(log)?;
                next = Some(behind(&key));
                if entry.number > self.last {
                    continue;
                }
                *found.waiting.entry(konto).or_default() += 1;
                match self.named(&snapshot, entry.number, true) {
                    Ok(named) => found.dokumenter.extend(named),
                    Err(error) if error.is_damage() => *found.damaged.entry(konto).or_default() += 1,
                    Err(error) => return Err(log(error)),
                }
            }
        }
        next = Some(Vec::new());
        while let Some(from) = next.take() {
            self.check_whether_to_go_on(&mut go_on)?;
            let snapshot = store.db.snapshot();
            for guard in snapshot.range(&store.dead, from..).take(AT_ONCE) {
                let (key, number) = guarded(|| {
                    let key = guard.key()?;
                    let number = number_at(&key, 16)?;
                    Ok((key, number))
                })
                .map_err(log)?;
                next = Some(behind(&key));
                if number > self.last {
                    continue;
                }
                found.dead += 1;
                match self.named(&snapshot, number, false) {
                    Ok(named) => found.dokumenter.extend(named),
                    // It is a dead letter already.
                    Err(error) if error.is_damage() => {}
                    Err(error) => return Err(log(error)),
                }
            }
        }
        Ok(found)
    }

    fn check_whether_to_go_on(&self, go_on: &mut impl FnMut() -> bool) -> Result<(), DumpError> {
        if self.is_open() && go_on() { Ok(()) } else { Err(DumpError::Stopped) }
    }

    /// Reads a melding, and its payload if it waits; gives the dokument that it names.
    fn named(
        &self,
        snapshot: &Snapshot,
        number: Number,
        waits: bool,
    ) -> Result<Option<DokumentId>, StoreError> {
        let store = &*self.store;
        guarded(|| {
            let value = snapshot.get(&store.meldinger, number.to_be_bytes())?;
            let value = value.ok_or(StoreError::Damaged("a melding that is not there"))?;
            let (melding, payload_bytes, _) = StoredMelding::decode(&value)?.melding()?;
            if waits && payload_bytes > 0 {
                let payload = snapshot.get(&store.payloads, number.to_be_bytes())?;
                if payload.is_none_or(|payload| payload.len() as u64 != payload_bytes) {
                    return Err(StoreError::Damaged("a payload"));
                }
            }
            Ok(melding.dokumentlager_id)
        })
    }
}

/// The first key behind `key`.
fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Opens a second copy of the log at `path`, which is made in the folder `scratch` and shares its tables, so that looking at it
/// changes nothing of the log. Whoever calls sees to it that nobody uses the log meanwhile, and removes `scratch`. Blocks.
///
/// # Errors
/// As [`hold_log`], and what could not be copied.
pub fn hold_log_copy(
    path: &Path,
    scratch: &Path,
    seen: Option<SeenPosition>,
) -> Result<LogMoment, OpenError> {
    note::refuse(path).map_err(|error| OpenError::new(path, error))?;
    let held = shadow::fill(path, scratch).and_then(|copy| hold(&copy, seen));
    held.map_err(|error| OpenError::new(path, error.said_of(scratch, path)))
}
