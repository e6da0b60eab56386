//! How much sporing each organisasjon leaves behind.
//!
//! What happened to a melding is kept for a time when it is over, and waits for nobody then: acking gives nothing of it back. To know
//! exactly what is kept of whom, all of it would have to be read at each start. So it is bounded by how fast it comes: each
//! organisasjon has a level, which rises with each melding that it sends and sinks by the whole bound in the time that sporing is
//! kept. What came within that time is never more than the bound that the level has, and once more as much that sank meanwhile; so
//! no more than that is there. Levels are written down now and then, and survive the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::id::FiksOrgId;

use crate::queue::Millis;

/// A level at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    /// How high. Bytes.
    pub(crate) bytes: u64,
    /// When.
    pub(crate) at: Millis,
}

#[derive(Debug, Clone, Copy)]
struct Exact {
    /// Bytes times milliseconds, so that little that sinks often is not lost.
    height: u128,
    at: Millis,
}

/// The levels of all organisasjoner.
#[derive(Debug)]
pub(crate) struct Sporing {
    /// By how much a level sinks in `over`. Bytes.
    bound: u64,
    /// Milliseconds, at least one.
    over: u64,
    levels: Mutex<HashMap<FiksOrgId, Exact>>,
}

impl Sporing {
    pub(crate) fn new(bound: u64, over: Duration) -> Self {
        let over = u64::try_from(over.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { bound, over, levels: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FiksOrgId, Exact>> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, exact: Exact, now: Millis) -> Exact {
        let passed = u128::try_from(now.saturating_sub(exact.at)).unwrap_or(0);
        let height = exact.height.saturating_sub(passed.saturating_mul(self.bound.into()));
        // Where the clock was set back, time passes from there on. It was ahead before, and may have been by months.
        Exact { height, at: now }
    }

    fn bytes(&self, exact: Exact) -> u64 {
        u64::try_from(exact.height.div_ceil(self.over.into())).unwrap_or(u64::MAX)
    }

    fn exact(&self, level: Level) -> Exact {
        Exact { height: u128::from(level.bytes) * u128::from(self.over), at: level.at }
    }

    /// How high the level of an organisasjon is. Bytes.
    pub(crate) fn of(&self, organisasjon: FiksOrgId, now: Millis) -> u64 {
        self.lock().get(&organisasjon).map_or(0, |exact| self.bytes(self.at(*exact, now)))
    }

    /// Whether levels are bounded at all.
    pub(crate) fn is_bounded(&self) -> bool {
        self.bound < u64::MAX
    }

    /// A melding leaves so much behind.
    pub(crate) fn add(&self, organisasjon: FiksOrgId, bytes: u64, now: Millis) {
        let mut levels = self.lock();
        let exact = levels.entry(organisasjon).or_insert(Exact { height: 0, at: now });
        *exact = self.at(*exact, now);
        exact.height = exact.height.saturating_add(u128::from(bytes) * u128::from(self.over));
    }

    /// The levels of all who have one.
    pub(crate) fn list(&self, now: Millis) -> Vec<(FiksOrgId, Level)> {
        let mut levels = self.lock();
        levels.retain(|_, exact| {
            *exact = self.at(*exact, now);
            exact.height > 0
        });
        let level = |exact: &Exact| Level { bytes: self.bytes(*exact), at: exact.at };
        levels.iter().map(|(organisasjon, exact)| (*organisasjon, level(exact))).collect()
    }

    /// What was written down. What is known already goes on.
    pub(crate) fn restore(&self, written: impl IntoIterator<Item = (FiksOrgId, Level)>) {
        let mut levels = self.lock();
        for (organisasjon, level) in written {
            levels.entry(organisasjon).or_insert_with(|| self.exact(level));
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::id::Uuid;

    use super::*;

    const DAY: Millis = 24 * 60 * 60 * 1_000;

    fn org(n: u128) -> FiksOrgId {
        FiksOrgId::from_uuid(Uuid::from_u128(n))
    }

    fn sporing(bound: u64) -> Sporing {
        Sporing::new(bound, Duration::from_hours(24 * 30))
    }

    #[test]
    fn level_sinks_by_the_bound_while_sporing_is_kept() {
        let sporing = sporing(3_000);
        sporing.add(org(1), 2_000, 0);
        sporing.add(org(2), 7, 0);
        assert_eq!(sporing.of(org(1), 0), 2_000);
        assert_eq!(sporing.of(org(1), 10 * DAY), 1_000);
        sporing.add(org(1), 500, 10 * DAY);
        assert_eq!(sporing.of(org(1), 15 * DAY), 1_000);
        assert_eq!(sporing.of(org(1), 25 * DAY), 0);
        assert_eq!(sporing.list(26 * DAY), []);
    }

    /// Set back, the clock gives nothing, and what came while it was ahead sinks from then on.
    #[test]
    fn level_sinks_on_after_the_clock_was_set_back() {
        let mut sporing = sporing(3_000);
        sporing.add(org(1), 1_500, 10 * DAY);
        sporing.add(org(1), 10, 5 * DAY);
        assert_eq!(sporing.of(org(1), 5 * DAY), 1_510);
        assert_eq!(sporing.of(org(1), 10 * DAY), 1_010);
        // A start with a clock that is ahead by a year, as it is written down.
        sporing.add(org(1), 1_000, 375 * DAY);
        let written = sporing.list(375 * DAY);
        sporing = super::tests::sporing(3_000);
        sporing.restore(written);
        let written = sporing.list(11 * DAY);
        assert_eq!(written, [(org(1), Level { bytes: 1_000, at: 11 * DAY })]);
        assert_eq!(sporing.of(org(1), 16 * DAY), 500);
    }

    /// However often it is asked, and whenever it is written down.
    #[test]
    fn no_more_than_twice_the_bound_comes_while_sporing_is_kept() {
        let (bound, each) = (1_000_000, 1_024);
        let mut sporing = sporing(bound);
        let mut came = 0;
        for minute in 0..30 * 24 * 60 {
            let now = minute * 60_000;
            while sporing.of(org(1), now) + each <= bound {
                sporing.add(org(1), each, now);
                came += each;
            }
            if minute % 1_000 == 0 {
                let written = sporing.list(now);
                sporing = super::tests::sporing(bound);
                sporing.restore(written);
            }
        }
        assert!(came <= 2 * bound, "{came}");
        assert!(came > 2 * bound - 100 * each, "{came}");
    }
}
