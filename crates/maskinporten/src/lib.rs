//! What national and other issuers vouch for: access tokens of machines (Maskinporten), and logins of persons (ID-porten
//! or any other OpenID Connect provider).
//!
//! [`MaskinportenVerifier`] answers from memory for a token it has seen within the last minute, and with one RSA
//! verification for a new token under a known key. It asks the issuer for keys when it has none, now and then in the
//! background, and, at most twice a minute, when a token names a key that it does not know. It never asks for anything
//! else: no revocation exists for these tokens, their short life is the control.
//!
//! [`oidc::OidcLogin`] sends a browser to the provider and judges what comes back. It keeps the provider's keys in the same
//! way.

mod cache;
mod config;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod http;
mod keys;
pub mod oidc;
mod token;
mod verifier;

pub use config::{Algorithm, Config, ConfigError};
pub use keys::KeysState;
pub use verifier::MaskinportenVerifier;
