//! Checking a dump without a place to load it into.

use std::collections::BTreeSet;
use std::io::Read;

use wire::id::DokumentId;

use super::chunks::{DumpError, Space, read_records};
use super::dump::LogCounts;
use super::keys::{decode_entry, konto_at, number_at};
use super::line::{Line, StoredMelding, decode};
use super::{FORMAT, OLDEST_FORMAT, StoreError};
use crate::queue::Number;

/// What a dump of the log was found to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckedLog {
    /// How much of everything.
    pub counts: LogCounts,
    /// Dokumenter in Dokumentlager that meldinger name which wait or are dead letters.
    pub dokumenter: BTreeSet<DokumentId>,
}

/// Reads a dump and checks that each record can be understood and that all is there which belongs together. Takes eight bytes
/// of memory for each melding that waits. Blocks.
///
/// # Errors
/// [`DumpError::Read`], [`DumpError::Damaged`].
pub fn check_log(from: impl Read) -> Result<CheckedLog, DumpError> {
    let mut check = Check::default();
    let records = read_records(from, |space, key, value| {
        check.look(space, key, value).map_err(|error| damaged(&error))
    })?;
    if !check.knows_format {
        return Err(DumpError::Damaged("it does not say which format its log has"));
    }
    let dokumenter = std::mem::take(&mut check.dokumenter);
    Ok(CheckedLog { counts: LogCounts::of(&records, 0, check.lacking()), dokumenter })
}

fn damaged(error: &StoreError) -> DumpError {
    match error {
        StoreError::Format(_) => DumpError::Damaged("it is of a newer version than this one"),
        _ => DumpError::Damaged("a record cannot be understood"),
    }
}

/// Looks at records as they come, in the order of a dump.
#[derive(Default)]
pub(super) struct Check {
    knows_format: bool,
    last: Option<(Space, Vec<u8>)>,
    /// Meldinger that wait or are dead letters, in order once the first melding comes.
    live: Vec<Number>,
    is_sorted: bool,
    /// How many of `live` were looked for.
    looked_for: usize,
    /// Payloads that must come, with their sizes, in order.
    wanted: std::collections::VecDeque<(Number, u64)>,
    dokumenter: BTreeSet<DokumentId>,
    missing: u64,
}

impl Check {
    /// Notes what it says of others. Whether it can be understood is looked at when the dump is checked.
    pub(super) fn look_at_what_belongs_together(&mut self, space: Space, key: &[u8], value: &[u8]) {
        if space != Space::Sporing {
            let _ = self.look(space, key, value);
        }
    }

    /// Meldinger that wait or are dead letters, of which the melding or its payload did not come.
    pub(super) fn lacking(mut self) -> u64 {
        self.is_missing(Number::MAX);
        self.payloads_before(Number::MAX);
        self.missing
    }

    fn look(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if let Some((last_space, last)) = &mut self.last {
            if *last_space == space && last.as_slice() >= key {
                return Err(StoreError::Damaged("the order of keys"));
            }
            *last_space = space;
            last.clear();
            last.extend_from_slice(key);
        } else {
            self.last = Some((space, key.to_vec()));
        }
        match space {
            Space::Meta => self.meta(key, value)?,
            Space::Konto => {
                konto_at(key, 0)?;
            }
            Space::Queue => self.live.push(decode_entry(key, value)?.1.number),
            Space::Dead => {
                konto_at(key, 0)?;
                self.live.push(number_at(key, 16)?);
            }
            Space::Melding => self.melding(number_at(key, 0)?, value)?,
            Space::Sporing => {
                decode::<Line>(value, "a line of sporing")?.sporing()?;
            }
            Space::Payload => {
                let number = number_at(key, 0)?;
                self.payloads_before(number);
                if let Some((_, size)) = self.wanted.pop_front_if(|(wanted, _)| *wanted == number)
                    && size != value.len() as u64
                {
                    self.missing += 1;
                }
            }
        }
        Ok(())
    }

    fn meta(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if key == b"format" {
            let format = number_at(value, 0)?;
            if !(OLDEST_FORMAT..=FORMAT).contains(&format) {
                return Err(StoreError::Format(format));
            }
            self.knows_format = true;
        }
        Ok(())
    }

    fn melding(&mut self, number: Number, value: &[u8]) -> Result<(), StoreError> {
        let stored = StoredMelding::decode(value)?;
        let (melding, payload_bytes, lines) = stored.melding()?;
        for line in lines {
            line.sporing()?;
        }
        if self.is_missing(number) {
            return Ok(());
        }
        self.dokumenter.extend(melding.dokumentlager_id);
        if payload_bytes > 0 {
            self.wanted.push_back((number, payload_bytes));
        }
        Ok(())
    }

    /// Counts those before `number` whose melding did not come. Tells whether that of `number` is of no interest.
    fn is_missing(&mut self, number: Number) -> bool {
        if !self.is_sorted {
            self.live.sort_unstable();
            self.is_sorted = true;
        }
        while let Some(next) = self.live.get(self.looked_for) {
            if *next >= number {
                break;
            }
            self.missing += 1;
            self.looked_for += 1;
        }
        let wanted = self.live.get(self.looked_for) == Some(&number);
        self.looked_for += usize::from(wanted);
        !wanted
    }

    fn payloads_before(&mut self, number: Number) {
        while self.wanted.pop_front_if(|(wanted, _)| *wanted < number).is_some() {
            self.missing += 1;
        }
    }
}
