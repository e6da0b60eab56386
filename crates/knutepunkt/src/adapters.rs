//! The clock and the randomness of the operating system: the one place where either is read.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use app::ports::{Clock, IdSource};
use async_trait::async_trait;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use jiff::Timestamp;
use uuid::Uuid;

use crate::jumps::{self, Change, Judge};

/// How long a sleep goes on without a look at the clock, which may be set meanwhile.
const STEP: Duration = Duration::from_secs(1);

/// The wall clock, but for its jumps, which are believed only once they have stood for [`jumps::STANDS`]. There is one in a
/// process, and so is what is known of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

static JUDGE: LazyLock<(Instant, Mutex<Option<Judge>>)> =
    LazyLock::new(|| (Instant::now(), Mutex::new(None)));

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that the ban points to")]
    fn now(&self) -> Timestamp {
        let (begun, judge) = &*JUDGE;
        let mut judge = judge.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that the looks of all threads come in order.
        let (wall, monotonic) = (Timestamp::now(), begun.elapsed());
        let (now, change) = judge.get_or_insert_with(|| Judge::new(wall, monotonic)).look(wall, monotonic);
        drop(judge);
        if let Some(change) = change {
            log(change);
        }
        now
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        loop {
            let left = deadline.duration_since(self.now());
            let Ok(left) = Duration::try_from(left) else { return };
            if left.is_zero() {
                return;
            }
            // In steps: the wall clock may be set while we sleep, and each look is also how that is noticed.
            tokio::time::sleep(left.min(STEP)).await;
        }
    }

    async fn sleep(&self, length: Duration) {
        let begun = Instant::now();
        while let Some(left) = length.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left.min(STEP)).await;
            self.now();
        }
    }
}

fn log(change: Change) {
    let stands_seconds = jumps::STANDS.as_secs();
    match change {
        Change::Seen(by) => tracing::warn!(
            jump_seconds = by.as_secs(),
            stands_seconds,
            "the system clock jumped; the jump is believed if it stands"
        ),
        Change::Adopted(by) => {
            tracing::warn!(jump_seconds = by.as_secs(), "the system clock's jump stood and is believed now");
        }
        Change::Gone(by) => tracing::info!(jump_seconds = by.as_secs(), "the system clock's jump is gone"),
    }
}

/// Random ids and secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that the ban points to")]
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }

    fn secret(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        SystemRandom::new()
            .fill(&mut secret)
            .expect("the operating system always has randomness once it has started");
        secret
    }
}
