//! Whether this process was held: as a container that is paused, or on a machine that swaps.
//!
//! Whoever is held is silent to all its clients, and some of them give it up. None of them answers for that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often to look.
const LOOK: Duration = Duration::from_millis(100);
/// Whoever looks so often and comes so late was held.
pub(crate) const HELD: Duration = Duration::from_secs(1);
/// Connections that are lost so soon behind that were given up meanwhile.
const BEHIND: Duration = Duration::from_secs(5);

/// When the process was last held.
#[derive(Debug)]
pub(crate) struct Held {
    origin: Instant,
    /// Until when, in milliseconds behind `origin`; 0 if it never was.
    until: AtomicU64,
    /// When it was looked last, likewise; 0 if it never was.
    looked: AtomicU64,
}

impl Held {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), until: AtomicU64::new(0), looked: AtomicU64::new(0) }
    }

    /// Looks on and on.
    pub(crate) async fn watch(&self) {
        loop {
            let before = Instant::now();
            self.looked.store(self.since_origin(before), Ordering::Relaxed);
            tokio::time::sleep(LOOK).await;
            self.looked_after(before.elapsed(), Instant::now());
        }
    }

    /// Between two looks so much time went by.
    fn looked_after(&self, gap: Duration, now: Instant) {
        if gap < HELD + LOOK {
            return;
        }
        self.until.store(self.since_origin(now), Ordering::Relaxed);
        tracing::warn!(
            seconds = gap.as_secs_f64(),
            "this process was held, as by a pause of its container or for want of processors; AMQP connections that are lost for \
             that count as no failed attempt"
        );
    }

    /// Milliseconds, at least one.
    fn since_origin(&self, at: Instant) -> u64 {
        let passed = at.saturating_duration_since(self.origin).as_millis();
        u64::try_from(passed).unwrap_or(u64::MAX).max(1)
    }

    /// Whether a connection that was opened at `opened` and is given up now may have been given up while the process was held.
    pub(crate) fn may_be_why(&self, opened: Instant, now: Instant) -> bool {
        let [until, looked] = [&self.until, &self.looked]
            .map(|at| self.origin + Duration::from_millis(at.load(Ordering::Relaxed)));
        let was_held = until > self.origin && opened < until && now < until + BEHIND;
        // Whoever looks has not come to it yet.
        let is_late = looked > self.origin && now > looked + HELD + LOOK;
        was_held || is_late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_behind_the_time_in_which_the_process_was_held_was_given_up_for_that() {
        let held = Held::new();
        let at = |seconds| held.origin + Duration::from_secs(seconds);
        held.looked_after(Duration::from_millis(900), at(1));
        assert!(!held.may_be_why(at(0), at(1)), "it was not held for long");
        held.looked_after(Duration::from_secs(4), at(10));
        assert!(held.may_be_why(at(5), at(10)) && held.may_be_why(at(5), at(14)));
        assert!(!held.may_be_why(at(11), at(12)), "it was opened behind that");
        assert!(!held.may_be_why(at(5), at(16)), "it was there for long behind that");
        held.looked.store(20_000, Ordering::Relaxed);
        assert!(!held.may_be_why(at(19), at(21)) && held.may_be_why(at(19), at(22)), "nobody has looked yet");
    }
}
