use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that must not be seen: a password or a private key.
///
/// `Debug` shows only that there is one. Serialising writes it in clear, since that is how a configuration is saved.
///
/// # Example: a secret does not show
///
/// ```
/// let secret = fiks_io_client::Secret::from("passord");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert_eq!(secret.expose(), "passord");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text in clear.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
