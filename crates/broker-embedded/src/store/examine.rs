//! Looking through a whole log for what is wrong with it, without changing it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fjall::Readable as _;
use wire::id::{DokumentId, KontoId};

use super::chunks::DumpError;
use super::damage::guarded;
use super::dump::{LogMoment, hold, log};
use super::keys::{decode_entry, konto_at, number_at};
use super::line::{StoredMelding, decode};
use super::loss::note;
use super::{StoreError, shadow};
use crate::OpenError;
use crate::queue::Number;

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
    /// Reads all that waits, payloads included. `go_on` is asked often, and says whether to. Blocks.
    ///
    /// # Errors
    /// [`DumpError::Log`], [`DumpError::Stopped`].
    pub fn examine(&self, mut go_on: impl FnMut() -> bool) -> Result<LogFindings, DumpError> {
        let (store, snapshot) = self.parts();
        let mut found = LogFindings::default();
        for guard in snapshot.iter(&store.kontoer) {
            let konto = guarded(|| konto_at(&guard.key()?, 0)).map_err(log)?;
            found.waiting.insert(konto, 0);
        }
        for (count, guard) in snapshot.iter(&store.entries).enumerate() {
            self.check_whether_to_go_on(count, &mut go_on)?;
            let (konto, entry) = guarded(|| {
                let (key, value) = guard.into_inner()?;
                decode_entry(&key, &value)
            })
            .map_err(log)?;
            *found.waiting.entry(konto).or_default() += 1;
            match self.named(entry.number, true) {
                Ok(named) => found.dokumenter.extend(named),
                Err(error) if error.is_damage() => *found.damaged.entry(konto).or_default() += 1,
                Err(error) => return Err(log(error)),
            }
        }
        for (count, guard) in snapshot.iter(&store.dead).enumerate() {
            self.check_whether_to_go_on(count, &mut go_on)?;
            found.dead += 1;
            let number = guarded(|| number_at(&guard.key()?, 16)).map_err(log)?;
            match self.named(number, false) {
                Ok(named) => found.dokumenter.extend(named),
                // It is a dead letter already.
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(log(error)),
            }
        }
        Ok(found)
    }

    /// Some payloads are large, so few of them are read between two looks.
    fn check_whether_to_go_on(
        &self,
        count: usize,
        go_on: &mut impl FnMut() -> bool,
    ) -> Result<(), DumpError> {
        const LOOK_EVERY: usize = 16;
        if count.is_multiple_of(LOOK_EVERY) && !(self.is_open() && go_on()) {
            return Err(DumpError::Stopped);
        }
        Ok(())
    }

    /// Reads a melding, and its payload if it waits; gives the dokument that it names.
    fn named(&self, number: Number, waits: bool) -> Result<Option<DokumentId>, StoreError> {
        let (store, snapshot) = self.parts();
        guarded(|| {
            let value = snapshot.get(&store.meldinger, number.to_be_bytes())?;
            let value = value.ok_or(StoreError::Damaged("a melding that is not there"))?;
            let (melding, payload_bytes, _) = decode::<StoredMelding>(&value, "a melding")?.melding()?;
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

/// Opens a second copy of the log at `path`, which is made in the folder `scratch` and shares its tables, so that looking at it
/// changes nothing of the log. Whoever calls sees to it that nobody uses the log meanwhile, and removes `scratch`. Blocks.
///
/// # Errors
/// As [`hold_log`], and what could not be copied.
pub fn hold_log_copy(path: &Path, scratch: &Path) -> Result<LogMoment, OpenError> {
    note::refuse(path).map_err(|error| OpenError::new(path, error))?;
    let held = shadow::fill(path, scratch).and_then(|copy| hold(&copy));
    held.map_err(|error| OpenError::new(path, error.said_of(scratch, path)))
}
