//! What was promised, held against what was saved.
//!
//! A batch that is damaged leaves no trace in the log: those before and behind it are whole, and the last step is the one that
//! was promised. So each melding of which the witness knows is looked for. One that the log does not know is
//!
//! * over, if its sporing says so; or if nothing is left of it, it is so old that the log may have forgotten it, and the log's
//!   lists have no gaps: it forgets what has been over for long, and notes up to when;
//! * over or lost, and nobody knows which, where those lists have gaps. These are counted, and not listed;
//! * else lost, and listed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use wire::id::MeldingId;

use super::live::{End, Known, end_of};
use super::saving::Saving;
use crate::queue::Number;
use crate::store::witness::{LostMelding, Recalled};
use crate::store::{EPOCH_BITS, StoreError};

/// A melding that somebody was answered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promise {
    step: u64,
    pub(super) number: Number,
    pub(super) melding: LostMelding,
}

/// What became of a melding that was promised, and that the log does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Over,
    OverOrLost,
    Lost,
}

/// All that the witness knows, and how far back that goes.
pub(super) struct Promised {
    /// One for each melding, in the order in which they were taken.
    promises: Vec<Promise>,
    by_number: HashMap<Number, usize>,
    /// The last step that the log has.
    log_step: u64,
    /// The last step that was promised.
    last_step: u64,
    /// From this step on all are known.
    all_from: u64,
}

impl Promised {
    pub(super) fn new(recalled: &Recalled, log_step: u64) -> Self {
        let mut latest: BTreeMap<MeldingId, Promise> = BTreeMap::new();
        let mut steps = BTreeSet::new();
        for note in &recalled.notes {
            let Some(noted) = note.melding else {
                steps.insert(note.step);
                continue;
            };
            let promise = Promise { step: note.step, number: noted.number, melding: noted.melding() };
            match latest.get(&promise.melding.id) {
                // A dead letter that was put back on its queue was taken a second time.
                Some(other) if other.number > promise.number => {}
                _ => {
                    latest.insert(promise.melding.id, promise);
                }
            }
        }
        let mut promises: Vec<_> = latest.into_values().collect();
        promises.sort_by_key(|promise| promise.number);
        let by_number = promises.iter().enumerate().map(|(at, promise)| (promise.number, at)).collect();
        let last_step = recalled.notes.iter().map(|note| note.step).max().unwrap_or_default();
        Self { promises, by_number, log_step, last_step, all_from: all_from(&steps, last_step, recalled) }
    }

    /// The melding that was taken under `number`.
    pub(super) fn of_number(&self, number: Number) -> Option<&LostMelding> {
        Some(&self.promises.get(*self.by_number.get(&number)?)?.melding)
    }

    /// The highest number that was promised.
    pub(super) fn last_number(&self) -> Option<Number> {
        self.promises.last().map(|promise| promise.number)
    }

    /// When the oldest was taken.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.promises.iter().map(|promise| promise.melding.mottatt).min()
    }

    /// Those that are not among the known ones, under any number.
    pub(super) fn not_in(&self, known: &BTreeMap<Number, Known>) -> Vec<Promise> {
        let known: BTreeSet<MeldingId> = known.values().map(|known| known.id).collect();
        self.promises.iter().filter(|promise| !known.contains(&promise.melding.id)).cloned().collect()
    }

    /// Whether all that may be missing is known here, by what is damaged, and the first step that stands in a journal.
    pub(super) fn has_all_from(
        &self,
        are_tables_damaged: bool,
        are_journals_damaged: bool,
        journal_from: Option<u64>,
    ) -> bool {
        let first_missing = if are_tables_damaged {
            1
        } else if are_journals_damaged {
            journal_from.unwrap_or(1)
        } else {
            self.log_step + 1
        };
        let lags = self.last_step < self.log_step && (are_tables_damaged || are_journals_damaged);
        // What a log was filled with, from a backup or a damaged log, was promised by another one. Only one that was not
        // filled begins with the first epoch.
        let was_filled = self.promises.first().is_none_or(|first| first.number >> EPOCH_BITS != 1);
        let is_all_noted = self.all_from <= first_missing && !lags;
        is_all_noted && !(are_tables_damaged && was_filled)
    }
}

/// The first step of those at the end that are all noted as a whole.
fn all_from(steps: &BTreeSet<u64>, last_step: u64, recalled: &Recalled) -> u64 {
    if recalled.unreadable > 0 || steps.is_empty() {
        return u64::MAX;
    }
    let mut from = last_step + 1;
    while from > 1 && steps.contains(&(from - 1)) {
        from -= 1;
    }
    // Of the oldest step in the ring some records may have been written over.
    if from == 1 { 1 } else { from + 1 }
}

impl Saving<'_> {
    /// What became of a melding that was promised, and of which there is neither the melding nor its place.
    pub(super) fn what_became_of(
        &self,
        promise: &Promise,
        gaps: u64,
        forgotten_before: Option<Timestamp>,
    ) -> Result<Fate, StoreError> {
        let lines = match self.old.lines_of(promise.number) {
            Err(error) if !error.is_damage() => return Err(error),
            lines => lines.unwrap_or_default(),
        };
        if matches!(end_of(&lines), Ok(Some(End::Over))) {
            return Ok(Fate::Over);
        }
        // What is not forgotten yet is there, over or not.
        let was_written = promise.step <= self.promised.log_step;
        let is_old = forgotten_before.is_some_and(|before| promise.melding.mottatt < before);
        if was_written && is_old && lines.is_empty() && !self.is_indexed(promise)? {
            return Ok(if gaps == 0 { Fate::Over } else { Fate::OverOrLost });
        }
        Ok(Fate::Lost)
    }

    /// Whether the id leads somewhere still. What is forgotten goes with its index.
    fn is_indexed(&self, promise: &Promise) -> Result<bool, StoreError> {
        match self.old.ids.get(promise.melding.id.as_uuid().as_bytes()) {
            Err(error) if error.is_damage() => Ok(false),
            found => Ok(found?.is_some()),
        }
    }
}
