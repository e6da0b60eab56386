//! What the client takes from the world without asking: the time, and random bits for ids and jitter.
//!
//! Nothing else in the crate may reach for these, so that a test can hand in its own clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

/// Tells the time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The clock of the machine.
    #[expect(clippy::disallowed_methods, reason = "the one place where the client reads the machine's clock")]
    pub(crate) fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that shows what `now` says.
    #[cfg(test)]
    pub(crate) fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A new random UUID.
#[expect(clippy::disallowed_methods, reason = "the one place where the client makes random ids")]
pub(crate) fn random_uuid() -> Uuid {
    Uuid::new_v4()
}

/// A random duration between half of `longest` and all of it.
pub(crate) fn jittered(longest: Duration) -> Duration {
    let (high, _) = random_uuid().as_u64_pair();
    // Of a version 4 UUID the first 32 bits are all random.
    let fraction = f64::from(u32::try_from(high >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    longest.mul_f64(0.5 + fraction / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_between_half_and_whole() {
        let longest = Duration::from_secs(4);
        let waits: Vec<_> = (0..1000).map(|_| jittered(longest)).collect();
        assert!(waits.iter().all(|wait| *wait >= longest / 2 && *wait <= longest));
        assert!(waits.iter().any(|wait| *wait != waits[0]), "all waits alike is no jitter");
    }
}
