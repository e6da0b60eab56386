//! What a browser keeps while a person logs in: sealed, so that only what this installation made leads to the login provider.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use crate::App;

/// How long a person may take to log in.
pub const INNLOGGING: Duration = Duration::from_mins(10);

impl App {
    /// Seals `value`, which has no full stop in it, for as long as a person may take to log in.
    pub fn seal_innlogging(&self, value: &str) -> String {
        let value = format!("{value}.{}", self.now().as_second());
        let seal = self.inner.passord_key.hash(&sealed(&value));
        format!("{value}.{}", URL_SAFE_NO_PAD.encode(seal))
    }

    /// The value that this installation sealed; nothing where it did not, or longer ago than a person may take.
    pub fn open_innlogging<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (value, seal) = text.rsplit_once('.')?;
        let seal = URL_SAFE_NO_PAD.decode(seal).ok()?.try_into().ok()?;
        if !self.inner.passord_key.matches(&sealed(value), &seal) {
            return None;
        }
        let (value, second) = value.rsplit_once('.')?;
        let made = Timestamp::from_second(second.parse().ok()?).ok()?;
        let age = self.now().duration_since(made);
        (age.unsigned_abs() <= INNLOGGING).then_some(value)
    }
}

/// The prefix keeps the seal apart from the hash of a password; ours have no blank in them.
fn sealed(value: &str) -> String {
    format!("innlogging {value}")
}
