use domain::id::SesjonId;

use crate::App;
use crate::error::{Error, FieldError};
use crate::rule::Rule;

/// Longest key in bytes.
const KEY_MAX_BYTES: usize = 100;
/// Largest value in bytes.
const VALUE_MAX_BYTES: usize = 64 * 1024;
/// Values of one session.
pub(super) const MAX_VALUES: u32 = 64;

/// Whether values can be kept under `key`: 1–100 visible ASCII characters.
pub(super) fn is_key(key: &str) -> bool {
    (1..=KEY_MAX_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

impl App {
    /// What a session keeps under `key`, such as a draft.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn sesjon_value(&self, id: SesjonId, key: &str) -> Result<Option<String>, Error> {
        if !is_key(key) {
            return Ok(None);
        }
        Ok(self.begin_read().await?.sesjon_value(id, key).await?)
    }

    /// Keeps `value` under `key`, in place of what was there. A session keeps 64 values; one more drops the one set longest
    /// ago.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key of other than 1–100 visible ASCII characters, [`Error::TooLarge`] above 64 KiB,
    /// [`Error::Conflict`] (`sesjon`) if the session has ended, [`Error::Full`], [`Error::Unavailable`].
    pub async fn put_sesjon_value(&self, id: SesjonId, key: &str, value: &str) -> Result<(), Error> {
        if !is_key(key) {
            let rule = Rule::Length { min: 1, max: KEY_MAX_BYTES };
            return Err(Error::Invalid(vec![FieldError::new("key", rule)]));
        }
        if value.len() > VALUE_MAX_BYTES {
            return Err(Error::TooLarge { max_bytes: VALUE_MAX_BYTES as u64 });
        }
        self.ask_room()?;
        let mut tx = self.begin().await?;
        if tx.sesjon(id).await?.is_none() {
            return Err(Error::Conflict { what: "sesjon" });
        }
        tx.put_sesjon_value(id, key, value, self.now(), MAX_VALUES - 1).await?;
        Ok(tx.commit().await?)
    }

    /// Takes what a session keeps under `key`: a second one finds nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn take_sesjon_value(&self, id: SesjonId, key: &str) -> Result<Option<String>, Error> {
        // Most pages find nothing to take, and they need not wait for whoever writes.
        if self.sesjon_value(id, key).await?.is_none() {
            return Ok(None);
        }
        let mut tx = self.begin().await?;
        let Some(value) = tx.sesjon_value(id, key).await? else { return Ok(None) };
        tx.remove_sesjon_value(id, key).await?;
        tx.commit().await?;
        Ok(Some(value))
    }
}
