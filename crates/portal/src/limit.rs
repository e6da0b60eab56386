//! Bounds on how often somebody may try something. Kept in memory: each node counts by itself.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::id::{PersonId, SystemId};
use jiff::{SignedDuration, Timestamp};

/// Who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// Logins begun, or come back from the provider, from an address; of IPv6 from a /64, of which each subscriber has one.
    Login(IpAddr),
    /// Searches of a person.
    Search(PersonId),
    /// New passwords of a System.
    Passord(SystemId),
}

impl Who {
    /// Logins from `address`.
    pub(crate) fn login(address: IpAddr) -> Self {
        Self::Login(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    /// How often, in which time.
    fn limit(self) -> (u32, Duration) {
        match self {
            // A whole municipality may come from one address in the morning, and a login under way is kept in the browser:
            // it costs this server next to nothing.
            Self::Login(_) => (1_200, Duration::from_mins(1)),
            Self::Search(_) => (60, Duration::from_mins(1)),
            Self::Passord(_) => (10, Duration::from_hours(1)),
        }
    }
}

/// Entries kept at most; over that the counting of logins starts anew, rather than that memory fills.
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
                // Strangers can bring about these alone.
                windows.retain(|who, _| !matches!(who, Who::Login(_)));
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

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn one_try_too_many_within_a_minute_is_refused_and_the_next_minute_is_free() {
        let limits = Limits::default();
        let who = Who::login(IpAddr::from([127, 0, 0, 1]));
        for _ in 0..who.limit().0 {
            limits.count(who, at(100)).unwrap();
        }
        assert_eq!(limits.count(who, at(130)), Err(TooOften { wait_minutes: 1 }));
        assert_eq!(limits.count(Who::login(IpAddr::from([127, 0, 0, 2])), at(130)), Ok(()));
        assert_eq!(limits.count(who, at(160)), Ok(()));
    }

    #[test]
    fn municipality_behind_one_address_logs_in_within_ten_minutes() {
        let limits = Limits::default();
        let who = Who::login(IpAddr::from([10, 0, 0, 1]));
        // Each login counts when it begins and when it comes back.
        let tries = (0..2 * 5_000).filter(|n| limits.count(who, at(n * 600 / 10_000)).is_ok()).count();
        assert_eq!(tries, 10_000);
    }

    #[test]
    fn subscriber_of_ipv6_is_one_whatever_address_is_used() {
        let address = |text: &str| Who::login(text.parse().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::2:3:4:5"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
    }

    #[test]
    fn strangers_from_everywhere_fill_no_memory_and_wipe_out_no_other_count() {
        let limits = Limits::default();
        let passord = Who::Passord(SystemId::from_uuid(domain::id::Uuid::from_u128(1)));
        for _ in 0..10 {
            limits.count(passord, at(0)).unwrap();
        }
        for n in 0..120_000_u32 {
            limits.count(Who::login(IpAddr::from(n.to_be_bytes())), at(1)).unwrap();
        }
        assert!(limits.windows.lock().unwrap().len() <= MAX_ENTRIES);
        assert!(limits.count(passord, at(2)).is_err());
    }
}
