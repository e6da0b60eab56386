//! A least speed for whoever the server waits for.

use std::time::Duration;

use tokio::time::Instant;

/// Measures how fast bytes move while one waits for the other. Time in which nobody waits does not count, so a server that
/// is slow itself sends nobody away.
#[derive(Debug)]
pub(super) struct Pace {
    /// How long to wait before judging.
    window: Duration,
    /// Bytes that must have moved in a window.
    least: u64,
    waited: Duration,
    moved: u64,
    waiting_since: Option<Instant>,
}

impl Pace {
    pub(super) fn new(window: Duration, bytes_a_second: u64) -> Self {
        // Who moves nothing at all is too slow at any speed.
        let least = bytes_a_second.saturating_mul(window.as_secs()).max(1);
        Self { window, least, waited: Duration::ZERO, moved: 0, waiting_since: None }
    }

    /// One waits from now on, if it did not already. Returns when to judge.
    pub(super) fn wait(&mut self, now: Instant) -> Instant {
        let since = *self.waiting_since.get_or_insert(now);
        since + self.window.saturating_sub(self.waited)
    }

    /// Bytes have moved, and nobody waits until [`Pace::wait`] is called again.
    pub(super) fn moved(&mut self, now: Instant, bytes: usize) {
        self.settle(now);
        self.moved = self.moved.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Judges, once a window was spent in waiting. Whoever was fast enough starts on a new one.
    pub(super) fn is_too_slow(&mut self, now: Instant) -> bool {
        let waiting = self.waiting_since.is_some();
        self.settle(now);
        if waiting {
            self.waiting_since = Some(now);
        }
        if self.waited < self.window {
            return false;
        }
        let too_slow = self.moved < self.least;
        (self.waited, self.moved) = (Duration::ZERO, 0);
        too_slow
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting_since.is_some()
    }

    fn settle(&mut self, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += now.saturating_duration_since(since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn silence_is_too_slow_after_a_window() {
        let (mut pace, start) = (Pace::new(WINDOW, 0), Instant::now());
        assert_eq!(pace.wait(start), start + WINDOW);
        assert!(!pace.is_too_slow(start + seconds(9)));
        assert!(pace.is_too_slow(start + WINDOW));
    }

    #[test]
    fn trickle_is_too_slow_however_it_is_cut() {
        let (mut pace, start) = (Pace::new(WINDOW, 100), Instant::now());
        let slow = (1..=10).any(|second| {
            let now = start + seconds(second);
            pace.wait(start + seconds(second - 1));
            pace.moved(now, 99);
            pace.is_too_slow(now)
        });
        assert!(slow);
    }

    #[test]
    fn whoever_keeps_the_pace_may_go_on_for_ever() {
        let (mut pace, start) = (Pace::new(WINDOW, 100), Instant::now());
        for second in 1..=1_000 {
            let now = start + seconds(second);
            pace.wait(start + seconds(second - 1));
            pace.moved(now, 100);
            assert!(!pace.is_too_slow(now));
        }
    }

    #[test]
    fn time_in_which_nobody_waits_does_not_count() {
        let (mut pace, start) = (Pace::new(WINDOW, 100), Instant::now());
        for minute in 0..100 {
            let now = start + seconds(60 * minute);
            pace.wait(now);
            pace.moved(now, 1);
            assert!(!pace.is_too_slow(now + seconds(59)));
        }
    }
}
