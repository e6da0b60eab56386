use async_trait::async_trait;
use jiff::Timestamp;

/// The time, and waiting for it. The one place where the clock is read.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Returns once [`Clock::now`] is at or after `deadline`; at once if it already is. Cancel-safe.
    async fn sleep_until(&self, deadline: Timestamp);
}
