use domain::id::SesjonId;
use jiff::Timestamp;

use crate::error::Error;
use crate::ports::Tx;
use crate::sesjon::value::{MAX_VALUES, is_key};

/// A one-time key of a form: what it asks for is done at most once, however often the form is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The session that the form was shown in.
    pub sesjon: SesjonId,
    /// The key, new with each form: 1–100 visible ASCII characters.
    pub key: String,
}

/// Spends the key as part of `tx`, so that it is spent if and only if the work is done.
pub(crate) async fn spend(tx: &mut dyn Tx, once: Option<&Once>) -> Result<(), Error> {
    let Some(Once { sesjon, key }) = once else { return Ok(()) };
    if tx.sesjon(*sesjon).await?.is_none() {
        return Err(Error::Conflict { what: "sesjon" });
    }
    // We never hand out such a key.
    if !is_key(key) {
        return Err(Error::Conflict { what: "engangsnokkel" });
    }
    Ok(tx.add_engangsnokkel(*sesjon, key).await?)
}

/// Keeps under the key, as part of `tx`, what the form became, so that a repeat of it can be led there.
pub(crate) async fn remember(
    tx: &mut dyn Tx,
    once: Option<&Once>,
    became: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(Once { sesjon, key }) = once else { return Ok(()) };
    Ok(tx.put_sesjon_value(*sesjon, key, became, now, MAX_VALUES - 1).await?)
}
