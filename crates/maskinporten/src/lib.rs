//! Verification of Maskinporten access tokens.
//!
//! [`MaskinportenVerifier`] answers from memory for a token it has seen within the last minute, and with one RSA
//! verification for a new token under a known key. It asks the issuer for keys when it has none, now and then in the
//! background, and, at most twice a minute, when a token names a key that it does not know. It never asks for anything
//! else: no revocation exists for these tokens, their short life is the control.

mod cache;
mod config;
mod keys;
mod token;
mod verifier;

pub use config::{Algorithm, Config, ConfigError};
pub use keys::KeysState;
pub use verifier::MaskinportenVerifier;
