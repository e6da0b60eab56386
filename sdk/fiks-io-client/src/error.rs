use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wire::error::ErrorMessage;
use wire::id::{KontoId, MeldingId};

use crate::config::ConfigError;

/// Who the client was talking with when something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// The HTTP APIs of Fiks Protokoll.
    Api,
    /// The AMQP endpoint.
    Amqp,
    /// Maskinporten's token endpoint.
    Maskinporten,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Api => "the HTTP API",
            Self::Amqp => "the AMQP endpoint",
            Self::Maskinporten => "Maskinporten",
        })
    }
}

/// The cause of a failed connection, as the library below reports it.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why the client could not do what it was asked.
///
/// [`Error::is_temporary`] tells whether the same call may succeed later.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used.
    #[error("use the configuration")]
    Config(#[source] Arc<ConfigError>),

    /// Fiks Protokoll answered with an error. Its own text, in `error.message`, says what to do.
    #[error("refused with status {status}: {}", error.message)]
    Refused {
        /// The HTTP status, 400 and above.
        status: u16,
        /// The answer.
        error: Box<ErrorMessage>,
    },
    /// Maskinporten gave no token.
    #[error("Maskinporten refused to give a token with status {status}: {error} ({description})")]
    TokenRefused {
        /// The HTTP status.
        status: u16,
        /// OAuth code, such as `invalid_grant`; empty if the answer had none.
        error: String,
        /// What Maskinporten says is wrong, starting with its own code (`MP-…`); empty if the answer had none.
        description: String,
    },
    /// The AMQP endpoint refused the log-in, or the integrasjon may not read the konto's queue.
    #[error("refused by the AMQP endpoint: {0}")]
    AmqpRefused(String),

    /// There is no such konto in the katalog.
    #[error("konto {0} is not in the katalog")]
    UnknownKonto(KontoId),
    /// The receiving konto has no public key, so nothing can be encrypted to it: its owner must upload one.
    #[error("konto {0} has no public key")]
    NoKey(KontoId),
    /// The receiving konto's public key cannot be used: its owner must upload another.
    #[error("use the public key of konto {konto}")]
    UnusableKey {
        /// Whose key it is.
        konto: KontoId,
        /// What is wrong with it.
        #[source]
        source: Arc<asice::Error>,
    },
    /// A melding with payload must be signed, and the configuration has no virksomhetssertifikat.
    #[error("no virksomhetssertifikat to sign the payload with")]
    NoSigner,
    /// The configuration has no private key, so no payload can be read.
    #[error("no private key to decrypt with")]
    NoPrivateKey,

    /// The payload could not be packed, or what came in could not be read, decrypted or verified.
    #[error("handle the payload")]
    Payload(#[source] Arc<asice::Error>),
    /// The melding has no payload.
    #[error("melding {0} has no payload")]
    NoPayload(MeldingId),
    /// What was asked for cannot be sent.
    #[error("send such a melding: {0}")]
    InvalidMelding(&'static str),

    /// A delivery lacks what every melding must have. It has been rejected; the next ones arrive as usual.
    #[error("read a delivery: {reason}")]
    BadDelivery {
        /// The melding, if the delivery tells.
        melding: Option<MeldingId>,
        /// What is wrong, with the name of the header.
        reason: String,
    },
    /// The connection that the melding came by is gone, so it cannot be settled any more. The server delivers it again.
    #[error("settle melding {0}: its connection is gone and it will be delivered again")]
    Stale(MeldingId),
    /// The melding was acked or nacked before.
    #[error("settle melding {0}: it is settled already")]
    AlreadySettled(MeldingId),

    /// No connection, or it broke.
    #[error("talk with {peer}")]
    Connection {
        /// With whom.
        peer: Peer,
        /// What happened.
        #[source]
        source: Cause,
    },
    /// No answer came in time.
    #[error("no answer from {peer} within {} s", waited.as_secs())]
    Timeout {
        /// From whom.
        peer: Peer,
        /// How long the client waited.
        waited: Duration,
    },
    /// An answer came that is none of those agreed upon.
    #[error("understand the answer of {peer}: {reason}")]
    UnexpectedAnswer {
        /// Whose answer.
        peer: Peer,
        /// What is wrong with it.
        reason: String,
    },
    /// The request to Maskinporten could not be signed with the key of the configuration.
    #[error("sign the request for a token")]
    TokenRequest(#[source] Cause),
}

impl Error {
    /// Whether the same call may succeed when tried again after a while, with nothing changed.
    ///
    /// A melding is not sent twice by trying again after [`Error::Refused`]; after [`Error::Connection`] or
    /// [`Error::Timeout`] it may be, since the answer can have been lost on its way. Give the melding a
    /// `klientMeldingId`, so that the receiver can tell.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused { status, .. } | Self::TokenRefused { status, .. } => {
                *status >= 500 || *status == 429
            }
            Self::Connection { .. } | Self::Timeout { .. } => true,
            _ => false,
        }
    }

    /// The HTTP status, if the error is an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::TokenRefused { status, .. } => Some(*status),
            _ => None,
        }
    }

    pub(crate) fn connection(peer: Peer, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Connection { peer, source: Arc::new(source) }
    }

    pub(crate) fn unexpected(peer: Peer, reason: impl Into<String>) -> Self {
        Self::UnexpectedAnswer { peer, reason: reason.into() }
    }
}

impl From<asice::Error> for Error {
    fn from(error: asice::Error) -> Self {
        Self::Payload(Arc::new(error))
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Error {
        let error = ErrorMessage {
            timestamp: None,
            status,
            error: None,
            error_id: None,
            path: None,
            message: "Kontoen har ikke tilgang.".to_owned(),
            error_code: None,
        };
        Error::Refused { status, error: Box::new(error) }
    }

    #[test]
    fn only_what_may_pass_is_temporary() {
        assert!(refused(503).is_temporary());
        assert!(!refused(403).is_temporary());
        assert!(Error::Timeout { peer: Peer::Api, waited: Duration::from_secs(10) }.is_temporary());
        assert!(!Error::NoSigner.is_temporary());
    }

    #[test]
    fn the_servers_own_words_are_shown() {
        assert_eq!(refused(403).to_string(), "refused with status 403: Kontoen har ikke tilgang.");
    }
}
