use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::ports::Clock;

/// A clock that stands still until it is told to move on. Clones show the same time.
///
/// ```
/// # use std::time::Duration;
/// # use knutepunkt_app::contract::ManualClock;
/// # use knutepunkt_app::ports::Clock;
/// let clock = ManualClock::default();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(clock.now().duration_since(before).as_secs(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    shown: watch::Sender<Shown>,
}

#[derive(Debug, Clone, Copy)]
struct Shown {
    now: Timestamp,
    /// How much time has passed since the clock was made: what it was set back by does not count.
    passed: Duration,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { shown: watch::Sender::new(Shown { now, passed: Duration::ZERO }) }
    }

    /// Moves on by `by`, and wakes whoever sleeps until then. Stops at the end of the calendar.
    pub fn advance(&self, by: Duration) {
        self.shown.send_modify(|shown| {
            shown.now = shown.now.saturating_add(by).unwrap_or(Timestamp::MAX);
            shown.passed = shown.passed.saturating_add(by);
        });
    }

    /// Shows `now` from here on; earlier than before is possible, as with any clock that is set.
    pub fn set(&self, now: Timestamp) {
        self.shown.send_modify(|shown| {
            let by = Duration::try_from(now.duration_since(shown.now)).unwrap_or_default();
            *shown = Shown { now, passed: shown.passed.saturating_add(by) };
        });
    }
}

impl Default for ManualClock {
    /// Some time in 2026.
    fn default() -> Self {
        Self::new(Timestamp::constant(1_780_000_000, 0))
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.shown.borrow().now
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        // The sender is ours, so the channel cannot end under us.
        drop(self.shown.subscribe().wait_for(|shown| shown.now >= deadline).await);
    }

    async fn sleep(&self, length: Duration) {
        let mut shown = self.shown.subscribe();
        let end = shown.borrow().passed.saturating_add(length);
        drop(shown.wait_for(|shown| shown.passed >= end).await);
    }
}
