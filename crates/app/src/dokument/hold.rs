//! Holding off the removal of payloads for as long as they are copied.

use tokio::sync::OwnedRwLockWriteGuard;

use crate::App;

/// While this is there no payload is removed.
pub struct PayloadHold(
    #[expect(dead_code, reason = "it is held until it is dropped")] OwnedRwLockWriteGuard<()>,
);

impl App {
    /// Lets no payload be removed any more, once a removal under way is done. What is due is removed some time after the hold has
    /// been dropped.
    pub async fn hold_payloads(&self) -> PayloadHold {
        PayloadHold(self.inner.removal.clone().write_owned().await)
    }
}
