//! The verifier: cache, token, keys.

use std::fmt;
use std::sync::Arc;

use app::ports::{TokenError, TokenVerifier, VerifiedToken};
use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::Url;

use crate::cache::{Cache, fingerprint};
use crate::config::{Config, ConfigError};
use crate::http::{Http, HttpOptions};
use crate::keys::{KeyConfig, Keys, KeysState};
use crate::token;

/// Verifies access tokens of one issuer.
pub struct MaskinportenVerifier {
    config: Config,
    keys: Arc<Keys>,
    cache: Cache,
}

impl fmt::Debug for MaskinportenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaskinportenVerifier").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}

impl MaskinportenVerifier {
    /// Makes a verifier. Keys are fetched when the first token comes.
    ///
    /// The process must have installed the default crypto provider of rustls.
    ///
    /// # Errors
    /// [`ConfigError`] for a configuration that would refuse every token or fetch keys from anywhere.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        if config.algorithms.is_empty() {
            return Err(ConfigError::NoAlgorithm);
        }
        if config.audience_required && config.audience.is_none() {
            return Err(ConfigError::NoAudience);
        }
        let source = if config.jwks_uri.is_empty() { &config.issuer } else { &config.jwks_uri };
        let url: Url = source.parse().map_err(|_| ConfigError::Address(source.clone()))?;
        let options = HttpOptions {
            timeout: config.timeout,
            max_answer_bytes: config.max_answer_bytes,
            root_certificates: config.root_certificates.clone(),
            danger_allow_plain_http: config.danger_allow_plain_http,
        };
        if !options.may_fetch(&url) {
            return Err(ConfigError::Address(source.clone()));
        }
        let keys = KeyConfig {
            issuer: config.issuer.clone(),
            jwks_uri: config.jwks_uri.clone(),
            metadata: "oauth-authorization-server",
            algorithms: config.algorithms.clone(),
            refresh_after: config.refresh_after,
            max_age: config.max_age,
            refetch_interval: config.refetch_interval,
        };
        let keys = Arc::new(Keys::new(keys, Http::new(options, &url)?));
        let cache = Cache::new(config.remember_tokens, config.remember);
        Ok(Self { config, keys, cache })
    }

    /// How the issuer's keys stand, for whoever watches over the installation. Asks the issuer for them where there are
    /// none, or where a login would do so for their age.
    pub async fn check_keys(&self, now: Timestamp) -> KeysState {
        self.keys.check(now).await
    }
}

#[async_trait]
impl TokenVerifier for MaskinportenVerifier {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        // Before the token is hashed, so that no long one costs anything.
        if token.len() > self.config.max_token_bytes {
            return Err(TokenError::Invalid {
                reason: format!("longer than {} bytes", self.config.max_token_bytes),
            });
        }
        let fingerprint = fingerprint(token);
        if let Some(verified) = self.cache.get(&fingerprint, now) {
            return Ok(verified);
        }
        let unverified = token::parse(token, &self.config.algorithms)?;
        let key = self.keys.key(&unverified.kid, now).await?;
        key.verify(unverified.algorithm, unverified.input, &unverified.signature)?;
        let verified = token::check(&unverified, &self.config, now)?;
        self.cache.put(fingerprint, verified, now);
        Ok(verified)
    }
}
