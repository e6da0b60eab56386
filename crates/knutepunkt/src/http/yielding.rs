//! Who moves next to nothing gives way to somebody who waits for the memory that this keeps.

use std::sync::Arc;
use std::time::Duration;

use app::Error;
use app::memory::Pool;
use tokio::time::Instant;

use super::pace::Pace;
use super::slot::Slot;

/// How long one waits for a client before judging, twice at most. Whoever waits for memory is patient for longer than that.
const WINDOW: Duration = Duration::from_secs(3);
/// Who moves fewer bytes a second than this moves next to nothing: consumers over AMQP are judged alike.
const LEAST_SPEED: u64 = 16 * 1024 / 5;

/// Judges a client whose payload keeps memory of a [`Pool`].
pub(super) struct Yielding {
    pool: Arc<Pool>,
    pace: Pace,
}

impl Yielding {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, pace: Pace::new(WINDOW, LEAST_SPEED) }
    }

    /// The server waits for the client from now on, if it did not already. Returns when to judge.
    pub(super) fn wait(&mut self, now: Instant) -> Instant {
        self.pace.wait(now)
    }

    /// Bytes have moved.
    pub(super) fn moved(&mut self, now: Instant, bytes: usize) {
        self.pace.moved(now, bytes);
    }

    /// What to answer where the client has to give way.
    pub(super) fn must(&mut self, slot: &Slot, now: Instant) -> Option<Error> {
        if !self.pace.is_too_slow(now) {
            return None;
        }
        let owner = slot.owner()?;
        self.pool.is_wanted(owner).then(|| self.pool.share(owner).refusal(0))
    }
}
