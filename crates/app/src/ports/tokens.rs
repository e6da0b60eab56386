use async_trait::async_trait;
use domain::Orgnummer;
use jiff::Timestamp;

/// Verifies Maskinporten access tokens.
#[async_trait]
pub trait TokenVerifier: Send + Sync + 'static {
    /// Verifies signature, issuer, time, scope `ks:fiks` and consumer of `token` at `now`.
    ///
    /// Must answer from memory for a token or key already known: it stands on the hot path of every send.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] for whatever is wrong with the token, [`TokenError::Unavailable`] when the keys of the
    /// issuer cannot be had and none are kept.
    async fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenError>;
}

/// What a verified token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedToken {
    /// The organisasjon that the token stands for (`consumer`; a `supplier` does not count).
    pub consumer: Orgnummer,
    /// When it expires.
    pub expires: Timestamp,
}

/// Why a token was not verified.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The token is no good. `reason` is for the log and the developer; it holds nothing of the token itself.
    #[error("token refused: {reason}")]
    Invalid {
        /// What is wrong, such as `expired` or `scope ks:fiks is missing`.
        reason: String,
    },
    /// The issuer's keys cannot be had now.
    #[error("keys of the token issuer are not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
