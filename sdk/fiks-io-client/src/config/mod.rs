//! Configuration: where the services are, and who the client is.
//!
//! [`Settings`] is what stands in a file or in environment variables; [`Config`] is what the client runs on, with all
//! keys read and checked. [`Config::builder`] makes the one without the other being seen.

mod builder;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::path::PathBuf;

use asice::{PrivateKey, Signer};
use jsonwebtoken::EncodingKey;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use wire::id::{IntegrasjonId, KontoId};

pub use self::builder::ConfigBuilder;
pub(crate) use self::settings::private_keys_of;
pub use self::settings::{ENV_PREFIX, Settings};
use crate::Secret;

/// Why a configuration cannot be used. `key` is the name in JSON; as environment variable it is written
/// `FIKS_IO_` and the same words in upper case with underscores.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key that must be given is not.
    #[error("`{key}` is missing")]
    Missing {
        /// Which.
        key: &'static str,
    },
    /// A value cannot be used.
    #[error("`{key}` cannot be used: {reason}")]
    Invalid {
        /// Which.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A key and its twin that names a file are both given.
    #[error("both `{key}` and `{key}File` are given")]
    Ambiguous {
        /// Which, without `File`.
        key: &'static str,
    },
    /// A file cannot be read.
    #[error("read {}, named by `{key}`", path.display())]
    File {
        /// Which.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A private key or certificate cannot be used.
    #[error("use the key or certificate of `{key}`")]
    Key {
        /// Which.
        key: &'static str,
        /// Why.
        #[source]
        source: asice::Error,
    },
    /// The text is not the JSON of [`Settings`], or the environment has a variable that [`Settings`] does not know.
    #[error("read the settings")]
    Settings(#[source] serde_json::Error),
    /// TLS or HTTP cannot be set up.
    #[error("set up {what}")]
    Setup {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Which installation of Fiks gives the defaults for hosts and Maskinporten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Miljo {
    /// `api.fiks.ks.no`, `io.fiks.ks.no` and `maskinporten.no`.
    Produksjon,
    /// `api.fiks.test.ks.no`, `io.fiks.test.ks.no` and `test.maskinporten.no`.
    Test,
}

/// How the HTTP APIs are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpScheme {
    /// In clear; for a server on the same machine.
    Http,
    /// By TLS.
    Https,
}

/// How the AMQP endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AmqpScheme {
    /// In clear; for a server on the same machine.
    Amqp,
    /// By TLS.
    Amqps,
}

/// A checked configuration, all keys read. Secrets do not show in `Debug`.
#[derive(Clone)]
pub struct Config {
    pub(crate) konto_id: KontoId,
    pub(crate) private_keys: Vec<PrivateKey>,
    pub(crate) integrasjon_id: IntegrasjonId,
    pub(crate) integrasjon_passord: Secret,
    pub(crate) maskinporten: Maskinporten,
    pub(crate) signer: Option<Signer>,
    pub(crate) api: Url,
    pub(crate) amqp: AmqpEndpoint,
    pub(crate) prefetch: u16,
    pub(crate) extra_roots: Vec<CertificateDer<'static>>,
    pub(crate) application_name: String,
}

impl Config {
    /// Starts a configuration from nothing.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// The konto to receive for and to send from.
    pub fn konto_id(&self) -> KontoId {
        self.konto_id
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("konto_id", &self.konto_id)
            .field("private_keys", &self.private_keys.len())
            .field("integrasjon_id", &self.integrasjon_id)
            .field("maskinporten", &self.maskinporten)
            .field("signer", &self.signer)
            .field("api", &self.api.as_str())
            .field("amqp", &self.amqp)
            .field("prefetch", &self.prefetch)
            .field("extra_roots", &self.extra_roots.len())
            .field("application_name", &self.application_name)
            .finish_non_exhaustive()
    }
}

/// Where the AMQP endpoint is.
#[derive(Debug, Clone)]
pub(crate) struct AmqpEndpoint {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// How a token is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Maskinporten {
    pub(crate) token_endpoint: Url,
    pub(crate) audience: String,
    pub(crate) client_id: String,
    pub(crate) scope: String,
    pub(crate) consumer_org: Option<String>,
    pub(crate) identity: TokenIdentity,
}

/// The key that signs a request for a token.
#[derive(Clone)]
pub(crate) struct TokenIdentity {
    pub(crate) key: EncodingKey,
    pub(crate) name: KeyName,
}

impl TokenIdentity {
    fn new(key: &'static str, pem: &Secret, name: KeyName) -> Result<Self, ConfigError> {
        EncodingKey::from_rsa_pem(pem.expose().as_bytes())
            .map(|encoding| Self { key: encoding, name })
            // The library's own words could quote the key.
            .map_err(|_| invalid(key, "it is no RSA private key in PEM"))
    }
}

impl fmt::Debug for TokenIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIdentity").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How Maskinporten finds the public key.
#[derive(Debug, Clone)]
pub(crate) enum KeyName {
    /// By its name among the client's registered keys.
    Kid(String),
    /// By the certificate, DER in base64.
    X5c(String),
}

fn invalid(key: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { key, reason: reason.into() }
}
