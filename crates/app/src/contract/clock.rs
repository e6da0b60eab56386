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
    now: watch::Sender<Timestamp>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { now: watch::Sender::new(now) }
    }

    /// Moves on by `by`, and wakes whoever sleeps until then. Stops at the end of the calendar.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = now.saturating_add(by).unwrap_or(Timestamp::MAX));
    }

    /// Shows `now` from here on; earlier than before is possible, as with any clock that is set.
    pub fn set(&self, now: Timestamp) {
        self.now.send_replace(now);
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
        *self.now.borrow()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        // The sender is ours, so the channel cannot end under us.
        drop(self.now.subscribe().wait_for(|now| *now >= deadline).await);
    }
}
