//! What becomes of a request whose body is still coming when the server stops.
//!
//! A body that comes slowly could take all the time that a stop waits for requests, only to be cut off then. So after a moment what
//! will not be here in time is answered, while there is still time for that. Nothing of it was accepted.

use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use app::Error;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::DRAIN;

/// In this time a body may be finished, however it comes.
const MOMENT: Duration = Duration::from_secs(3);
/// What is left of the time for requests must do for the answer.
const FOR_ANSWER: Duration = Duration::from_secs(2);
/// How often the pace of what goes on for longer is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// When it is worth a retry.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Judges one body once the server stops.
pub(super) struct Stopping {
    shutdown: CancellationToken,
    begins: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Since when the server stops, and how much has come since.
    since: Option<(Instant, u64)>,
}

impl Stopping {
    pub(super) fn new(shutdown: CancellationToken) -> Self {
        Self { shutdown, begins: None, since: None }
    }

    /// Bytes have come.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Some((_, moved)) = &mut self.since {
            *moved = moved.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
    }

    /// The server waits for the client. Returns when to judge, if it stops.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Instant> {
        if self.since.is_none() {
            let begins = self.begins.get_or_insert_with(|| Box::pin(self.shutdown.clone().cancelled_owned()));
            if begins.as_mut().poll(cx).is_pending() {
                return None;
            }
            self.since = Some((now, 0));
        }
        self.since.map(|(since, _)| (since + MOMENT).max(now + LOOK_AGAIN))
    }

    /// What to answer where the rest, `left` bytes if that is known, will not be here in time.
    pub(super) fn must_end(&self, now: Instant, left: Option<u64>) -> Option<Error> {
        let (since, moved) = self.since?;
        let passed = now.saturating_duration_since(since);
        if passed < MOMENT {
            return None;
        }
        let time = DRAIN.saturating_sub(FOR_ANSWER).saturating_sub(passed);
        let will_come = u128::from(moved) * time.as_millis() / passed.as_millis().max(1);
        match left {
            Some(left) if u128::from(left) <= will_come => None,
            _ => Some(Error::Stopping { retry_after: RETRY_AFTER }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// So many bytes are left when the server stops, and so many come a second. When it is answered.
    fn answered_after(mut left: u64, a_second: u64, is_known: bool) -> Option<u64> {
        let shutdown = CancellationToken::new();
        let mut stopping = Stopping::new(shutdown.clone());
        let (mut cx, start) = (Context::from_waker(Waker::noop()), Instant::now());
        assert!(stopping.wait(&mut cx, start).is_none());
        shutdown.cancel();
        for second in 0..10 {
            let now = start + Duration::from_secs(second);
            assert!(stopping.wait(&mut cx, now).is_some_and(|judged| judged > now));
            if stopping.must_end(now, is_known.then_some(left)).is_some() {
                return Some(second);
            }
            let bytes = left.min(a_second);
            left -= bytes;
            stopping.moved(usize::try_from(bytes).unwrap());
            if left == 0 {
                return None;
            }
        }
        Some(u64::MAX)
    }

    #[test]
    fn what_will_be_here_in_time_goes_on_and_the_rest_is_answered_after_a_moment() {
        assert_eq!(answered_after(1_000, 500, true), None, "it is finished within a moment");
        assert_eq!(answered_after(1_000, 500, false), None);
        assert_eq!(answered_after(7_000, 1_000, true), None, "it is finished before the stop is");
        assert_eq!(answered_after(20_000, 1_000, true), Some(3));
        assert_eq!(answered_after(u64::MAX, 1_000_000, false), Some(3), "nobody knows how much is left");
        assert_eq!(answered_after(1, 0, true), Some(3));
    }

    #[test]
    fn what_becomes_slower_is_answered_once_it_will_not_be_here_in_time() {
        let shutdown = CancellationToken::new();
        let mut stopping = Stopping::new(shutdown.clone());
        let (mut cx, start) = (Context::from_waker(Waker::noop()), Instant::now());
        shutdown.cancel();
        stopping.wait(&mut cx, start);
        stopping.moved(5_000);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(stopping.must_end(after(3), Some(3_000)).is_none());
        assert!(stopping.must_end(after(6), Some(3_000)).is_some());
    }
}
