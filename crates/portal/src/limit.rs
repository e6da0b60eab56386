//! Bounds on how often somebody may try something. Kept in memory: each node counts by itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::id::{PersonId, SystemId};
use jiff::{SignedDuration, Timestamp};

/// Who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// Logins begun from an address.
    Login(IpAddr),
    /// Searches of a person.
    Search(PersonId),
    /// New passwords of a System.
    Passord(SystemId),
}

impl Who {
    /// How often, in which time.
    fn limit(self) -> (u32, Duration) {
        match self {
            Self::Login(_) => (10, Duration::from_mins(1)),
            Self::Search(_) => (60, Duration::from_mins(1)),
            Self::Passord(_) => (10, Duration::from_hours(1)),
        }
    }
}

/// Entries kept at most; over that the counting starts anew, rather than that memory fills.
const MAX_ENTRIES: usize = 50_000;

/// The counters.
#[derive(Default)]
pub(crate) struct Limits {
    windows: Mutex<HashMap<Who, Window>>,
}

struct Window {
    ends: Timestamp,
    used: u32,
}

/// The limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooOften {
    /// Whole minutes until the next try, at least one.
    pub(crate) wait_minutes: u64,
}

impl Limits {
    /// Counts one try of `who`.
    pub(crate) fn count(&self, who: Who, now: Timestamp) -> Result<(), TooOften> {
        let (max, length) = who.limit();
        let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MAX_ENTRIES {
            windows.retain(|_, window| window.ends > now);
            if windows.len() >= MAX_ENTRIES {
                windows.clear();
            }
        }
        let ends = now.checked_add(length).unwrap_or(Timestamp::MAX);
        let window = windows.entry(who).or_insert(Window { ends, used: 0 });
        if window.ends <= now {
            *window = Window { ends, used: 0 };
        }
        if window.used >= max {
            let seconds = u64::try_from(window.ends.duration_since(now).as_secs()).unwrap_or_default();
            return Err(TooOften { wait_minutes: seconds.div_ceil(60).max(1) });
        }
        window.used += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eleventh_try_within_a_minute_is_refused_and_the_next_minute_is_free() {
        let limits = Limits::default();
        let who = Who::Login(IpAddr::from([127, 0, 0, 1]));
        let at = |second| Timestamp::from_second(second).unwrap();
        for _ in 0..10 {
            limits.count(who, at(100)).unwrap();
        }
        assert_eq!(limits.count(who, at(130)), Err(TooOften { wait_minutes: 1 }));
        assert_eq!(limits.count(Who::Login(IpAddr::from([127, 0, 0, 2])), at(130)), Ok(()));
        assert_eq!(limits.count(who, at(160)), Ok(()));
    }
}
