use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// The time, and waiting for it. The one place where the clock is read.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Returns once [`Clock::now`] is at or after `deadline`; at once if it already is. Cancel-safe. Where the clock is set
    /// back that takes as much longer, so it is for what is due at a time, and [`Clock::sleep`] for what is done now and then.
    async fn sleep_until(&self, deadline: Timestamp);

    /// Returns once `length` has passed, whatever the clock is set to meanwhile. Cancel-safe.
    async fn sleep(&self, length: Duration);
}
