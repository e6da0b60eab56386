use std::time::Duration;

use domain::id::SesjonId;
use jiff::Timestamp;

use crate::App;
use crate::error::Error;
use crate::sesjon::{ABSOLUTE, IDLE};

impl App {
    /// Ends a session with all that it keeps.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn end_sesjon(&self, id: SesjonId) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        tx.remove_sesjon(id).await?;
        Ok(tx.commit().await?)
    }

    /// Ends the sessions that began with one login at a provider, and tells how many there were: front-channel logout.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn end_sesjoner_by_sid(&self, issuer: &str, sid: &str) -> Result<u64, Error> {
        let mut tx = self.begin().await?;
        let ended = tx.remove_sesjoner_by_sid(issuer, sid).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Removes sessions whose time is over, and tells how many there were.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn remove_expired_sesjoner(&self) -> Result<u64, Error> {
        let now = self.now();
        let before = |time: Duration| now.checked_sub(time).unwrap_or(Timestamp::MIN);
        let mut tx = self.begin().await?;
        let removed = tx.remove_expired_sesjoner(before(IDLE), before(ABSOLUTE)).await?;
        tx.commit().await?;
        Ok(removed)
    }
}
