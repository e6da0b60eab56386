//! The issuer's public keys: fetched, kept, and fetched again.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use app::ports::TokenError;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaParameters,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde::Deserialize;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::config::Algorithm;
use crate::http::{Http, HttpError};
use crate::token::invalid;

/// With no keys at all the issuer is asked this often: right after a start it may come up a moment later.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(1);
/// No issuer publishes more.
const MAX_KEYS: usize = 100;

/// A public key, ready for each algorithm that it may be used with.
pub(crate) struct Key(Vec<(Algorithm, ParsedPublicKey)>);

impl Key {
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        input: &str,
        signature: &[u8],
    ) -> Result<(), TokenError> {
        let key = self.0.iter().find(|(of, _)| *of == algorithm);
        let (_, key) = key.ok_or_else(|| invalid("the key is meant for another signature algorithm"))?;
        key.verify_sig(input.as_bytes(), signature).map_err(|_| invalid("the signature does not fit"))
    }
}

/// How the issuer's keys stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysState {
    /// There are keys, and the last fetch went well.
    Fresh,
    /// There are keys, but the issuer did not answer when it was last asked. Logins still work.
    Kept,
    /// There are none that may be used.
    Missing,
}

/// Keys by `kid`.
type KeySet = HashMap<String, Arc<Key>>;

/// Whose keys, and when they are fetched.
pub(crate) struct KeyConfig {
    pub(crate) issuer: String,
    /// Where the keys are. Empty: the metadata say it.
    pub(crate) jwks_uri: String,
    /// Where the metadata are, below the issuer.
    pub(crate) metadata: &'static str,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) refresh_after: SignedDuration,
    pub(crate) max_age: SignedDuration,
    pub(crate) refetch_interval: SignedDuration,
}

pub(crate) struct Keys {
    config: KeyConfig,
    http: Http,
    state: RwLock<State>,
    /// Held by the one fetch under way.
    fetching: Arc<Mutex<()>>,
}

#[derive(Default)]
struct State {
    /// The last good set, and when it was fetched.
    set: Option<(KeySet, Timestamp)>,
    /// How many fetches have ended, well or not.
    attempts: u64,
    /// When the last fetch ended.
    attempted: Option<Timestamp>,
    /// When an unknown key last led to a fetch.
    unknown_fetched: Option<Timestamp>,
    error: Option<Arc<FetchError>>,
}

/// Why a fetch is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Missing,
    Old,
    Unknown,
}

enum Plan {
    Use(Arc<Key>),
    /// Use this key, and fetch meanwhile.
    UseAndFetch(Arc<Key>),
    Fetch(Cause),
    Refuse(TokenError),
}

/// Why the keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("reach the token issuer")]
    Request(#[source] reqwest::Error),
    #[error("fetch the keys of the token issuer: it answered {0}")]
    Status(StatusCode),
    #[error("fetch the keys of the token issuer: the answer has more than {0} bytes")]
    TooLarge(usize),
    #[error("read the metadata of the token issuer")]
    Metadata(#[source] serde_json::Error),
    #[error("read the metadata of the token issuer: it names another issuer than the one that is configured")]
    OtherIssuer,
    #[error("fetch the keys of the token issuer: their address is not https")]
    Address,
    #[error("read the keys of the token issuer")]
    Jwks(#[source] serde_json::Error),
    #[error("read the keys of the token issuer: none of them can be used")]
    NoKeys,
}

impl From<HttpError> for FetchError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Request(source) => Self::Request(source),
            HttpError::Status(status) => Self::Status(status),
            HttpError::TooLarge(limit) => Self::TooLarge(limit),
            HttpError::Address => Self::Address,
        }
    }
}

/// The last failure, shared by all who waited for it.
#[derive(Debug)]
struct Shared(Arc<FetchError>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Keys {
    pub(crate) fn new(config: KeyConfig, http: Http) -> Self {
        Self { config, http, state: RwLock::default(), fetching: Arc::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key named `kid`. Waits for the issuer only when there is no set, when the set is very old, or when the key is
    /// unknown and the last such fetch was long enough ago.
    pub(crate) async fn key(self: &Arc<Self>, kid: &str, now: Timestamp) -> Result<Arc<Key>, TokenError> {
        let (plan, seen) = {
            let state = self.read();
            (state.plan(kid, now, &self.config), state.attempts)
        };
        let cause = match plan {
            Plan::Use(key) => return Ok(key),
            Plan::Refuse(error) => return Err(error),
            Plan::UseAndFetch(key) => {
                if let Ok(turn) = Arc::clone(&self.fetching).try_lock_owned() {
                    tokio::spawn(Arc::clone(self).fetch_once(turn, seen, Cause::Old, now));
                }
                return Ok(key);
            }
            Plan::Fetch(cause) => cause,
        };
        let turn = Arc::clone(&self.fetching).lock_owned().await;
        // On its own task: a caller that goes away must not break off what others wait for.
        if tokio::spawn(Arc::clone(self).fetch_once(turn, seen, cause, now)).await.is_err() {
            tracing::error!("the fetch of the keys of the token issuer broke off");
        }
        self.read().after_fetch(kid)
    }

    /// How the keys stand, after a fetch if one is due.
    pub(crate) async fn check(self: &Arc<Self>, now: Timestamp) -> KeysState {
        let (due, seen) = {
            let state = self.read();
            (state.due(now, &self.config), state.attempts)
        };
        if let Some(cause) = due {
            let turn = Arc::clone(&self.fetching).lock_owned().await;
            // On its own task: whoever checks has less patience than those who log in meanwhile.
            if tokio::spawn(Arc::clone(self).fetch_once(turn, seen, cause, now)).await.is_err() {
                tracing::error!("the fetch of the keys of the token issuer broke off");
            }
        }
        self.read().standing(now, &self.config)
    }

    /// Fetches, unless another fetch has ended since `seen`.
    async fn fetch_once(self: Arc<Self>, turn: OwnedMutexGuard<()>, seen: u64, cause: Cause, now: Timestamp) {
        if self.read().attempts == seen {
            let fetched = self.fetch().await;
            let mut state = self.write();
            state.attempts += 1;
            state.attempted = Some(now);
            if cause == Cause::Unknown {
                state.unknown_fetched = Some(now);
            }
            match fetched {
                Ok(set) => {
                    tracing::debug!(keys = set.len(), "fetched the keys of the token issuer");
                    state.set = Some((set, now));
                    state.error = None;
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        kept = state.set.is_some(),
                        "failed to fetch the keys of the token issuer"
                    );
                    state.error = Some(Arc::new(error));
                }
            }
        }
        drop(turn);
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let address = if self.config.jwks_uri.is_empty() {
            self.discover().await?
        } else {
            self.config.jwks_uri.clone()
        };
        parse_jwks(&self.http.get(&address).await?, &self.config.algorithms)
    }

    /// Where the issuer's metadata says that its keys are (RFC 8414, OpenID Connect Discovery).
    async fn discover(&self) -> Result<String, FetchError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let address = metadata_address(&self.config.issuer, self.config.metadata);
        let metadata: Metadata =
            serde_json::from_slice(&self.http.get(&address).await?).map_err(FetchError::Metadata)?;
        if metadata.issuer == self.config.issuer {
            Ok(metadata.jwks_uri)
        } else {
            Err(FetchError::OtherIssuer)
        }
    }
}

/// Where the metadata of `issuer` are, under `name`.
pub(crate) fn metadata_address(issuer: &str, name: &str) -> String {
    format!("{}/.well-known/{name}", issuer.trim_end_matches('/'))
}

impl State {
    fn plan(&self, kid: &str, now: Timestamp, config: &KeyConfig) -> Plan {
        let Some((set, fetched)) = &self.set else {
            return match &self.error {
                Some(error) if is_within(self.attempted, now, FIRST_RETRY) => {
                    Plan::Refuse(unavailable(error))
                }
                _ => Plan::Fetch(Cause::Missing),
            };
        };
        // A clock that was set back makes keys old, too: nobody knows how old they are.
        let age = now.duration_since(*fetched).abs();
        let may_replace = !is_within(self.attempted, now, config.refetch_interval);
        if age > config.max_age && may_replace {
            return Plan::Fetch(Cause::Old);
        }
        match set.get(kid) {
            Some(key) if age > config.refresh_after && may_replace => Plan::UseAndFetch(Arc::clone(key)),
            Some(key) => Plan::Use(Arc::clone(key)),
            None if is_within(self.unknown_fetched, now, config.refetch_interval) => {
                Plan::Refuse(self.not_published())
            }
            None => Plan::Fetch(Cause::Unknown),
        }
    }

    /// Why keys should be fetched now, whatever key is asked for.
    fn due(&self, now: Timestamp, config: &KeyConfig) -> Option<Cause> {
        match &self.set {
            None => (!is_within(self.attempted, now, FIRST_RETRY)).then_some(Cause::Missing),
            Some((_, fetched)) => {
                let old = now.duration_since(*fetched).abs() > config.refresh_after;
                (old && !is_within(self.attempted, now, config.refetch_interval)).then_some(Cause::Old)
            }
        }
    }

    fn standing(&self, now: Timestamp, config: &KeyConfig) -> KeysState {
        match &self.set {
            Some((_, fetched)) if now.duration_since(*fetched).abs() <= config.max_age => {
                if self.error.is_none() { KeysState::Fresh } else { KeysState::Kept }
            }
            _ => KeysState::Missing,
        }
    }

    fn after_fetch(&self, kid: &str) -> Result<Arc<Key>, TokenError> {
        match (&self.set, &self.error) {
            (Some((set, _)), _) => set.get(kid).cloned().ok_or_else(|| self.not_published()),
            (None, Some(error)) => Err(unavailable(error)),
            (None, None) => Err(TokenError::Unavailable("the fetch broke off".into())),
        }
    }

    /// Why there is no key of that name. An issuer that cannot be asked may have published it since it last answered.
    fn not_published(&self) -> TokenError {
        match &self.error {
            Some(error) => unavailable(error),
            None => invalid("signed with a key that the issuer does not publish"),
        }
    }
}

fn unavailable(error: &Arc<FetchError>) -> TokenError {
    TokenError::Unavailable(Box::new(Shared(Arc::clone(error))))
}

fn is_within(last: Option<Timestamp>, now: Timestamp, interval: SignedDuration) -> bool {
    last.map(|last| now.duration_since(last)).is_some_and(|since| !since.is_negative() && since < interval)
}

/// Reads a JWK set and keeps the keys that can verify a token: RSA of 2048 to 8192 bits, with a `kid`, for signing.
fn parse_jwks(body: &[u8], accepted: &[Algorithm]) -> Result<KeySet, FetchError> {
    #[derive(Deserialize)]
    struct Jwks {
        keys: Vec<serde_json::Value>,
    }
    let jwks: Jwks = serde_json::from_slice(body).map_err(FetchError::Jwks)?;
    let set: KeySet =
        jwks.keys.into_iter().take(MAX_KEYS).filter_map(|jwk| usable_key(jwk, accepted)).collect();
    if set.is_empty() { Err(FetchError::NoKeys) } else { Ok(set) }
}

fn usable_key(jwk: serde_json::Value, accepted: &[Algorithm]) -> Option<(String, Arc<Key>)> {
    #[derive(Deserialize)]
    struct Jwk {
        kty: String,
        kid: String,
        #[serde(rename = "use")]
        usage: Option<String>,
        alg: Option<String>,
        n: String,
        e: String,
    }
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    if jwk.kty != "RSA" || jwk.usage.is_some_and(|usage| usage != "sig") {
        return None;
    }
    let number = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let start = bytes.iter().position(|byte| *byte != 0)?;
        Some(bytes[start..].to_vec())
    };
    let components = PublicKeyComponents { n: number(&jwk.n)?, e: number(&jwk.e)? };
    let bits = components.n.len() * 8 - usize::try_from(components.n.first()?.leading_zeros()).ok()?;
    if !(2048..=8192).contains(&bits) || components.e.len() > 8 {
        return None;
    }
    let fits = |algorithm: &&Algorithm| jwk.alg.as_deref().is_none_or(|name| name == algorithm.name());
    let parsed: Option<Vec<_>> = accepted
        .iter()
        .filter(fits)
        .map(|algorithm| Some((*algorithm, components.to_parsed_public_key(parameters(*algorithm)).ok()?)))
        .collect();
    parsed.filter(|parsed| !parsed.is_empty()).map(|parsed| (jwk.kid, Arc::new(Key(parsed))))
}

fn parameters(algorithm: Algorithm) -> &'static RsaParameters {
    match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn jwk(change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) -> serde_json::Value {
        let mut modulus = [0xff; 256];
        modulus[255] = 0xfd;
        let mut jwk = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB" });
        change(jwk.as_object_mut().unwrap());
        jwk
    }

    fn usable(jwk: serde_json::Value) -> bool {
        usable_key(jwk, &Algorithm::ALL).is_some()
    }

    #[test]
    fn only_rsa_signing_keys_of_a_fair_size_are_kept() {
        assert!(usable(jwk(|_| {})));
        assert!(usable(jwk(|jwk| drop(jwk.remove("use")))));
        assert!(usable(jwk(|jwk| drop(jwk.remove("alg")))));
        let with = |name: &str, value: serde_json::Value| {
            jwk(|jwk| {
                jwk.insert(name.to_owned(), value);
            })
        };
        for (name, value) in [
            ("kty", json!("EC")),
            ("use", json!("enc")),
            ("alg", json!("RSA-OAEP")),
            ("alg", json!("none")),
            ("kid", json!(null)),
            ("n", json!(URL_SAFE_NO_PAD.encode([0xff; 255]))),
            ("n", json!(URL_SAFE_NO_PAD.encode([0xff; 1025]))),
            ("n", json!("")),
            ("n", json!("%")),
            ("e", json!("AAAA")),
            ("e", json!(URL_SAFE_NO_PAD.encode([0xff; 9]))),
        ] {
            assert!(!usable(with(name, value.clone())), "{name} {value}");
        }
    }

    #[test]
    fn a_key_serves_the_algorithm_it_names_and_those_accepted() {
        let algorithms = |jwk, accepted: &[Algorithm]| -> Vec<Algorithm> {
            usable_key(jwk, accepted)
                .map(|(_, key)| key.0.iter().map(|(algorithm, _)| *algorithm).collect())
                .unwrap_or_default()
        };
        assert_eq!(algorithms(jwk(|_| {}), &Algorithm::ALL), [Algorithm::Rs256]);
        assert_eq!(algorithms(jwk(|jwk| drop(jwk.remove("alg"))), &Algorithm::ALL), Algorithm::ALL);
        assert_eq!(algorithms(jwk(|_| {}), &[Algorithm::Rs512]), []);
    }

    #[test]
    fn a_set_without_a_usable_key_is_an_error_and_others_are_skipped() {
        let parse = |set: serde_json::Value| parse_jwks(set.to_string().as_bytes(), &Algorithm::ALL);
        assert!(matches!(parse(json!({ "keys": [] })), Err(FetchError::NoKeys)));
        assert!(matches!(parse(json!({ "keys": [7, { "kty": "EC" }] })), Err(FetchError::NoKeys)));
        assert!(matches!(parse(json!({})), Err(FetchError::Jwks(_))));
        assert_eq!(parse(json!({ "keys": [7, { "kty": "EC" }, jwk(|_| {})] })).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn garbage_for_keys_never_panics(body in prop::collection::vec(any::<u8>(), 0..300), n in "[A-Za-z0-9_-]{0,400}", e in "[A-Za-z0-9_-]{0,20}") {
            let _ = parse_jwks(&body, &Algorithm::ALL);
            let _ = usable_key(json!({ "kty": "RSA", "kid": "k", "n": n, "e": e }), &Algorithm::ALL);
        }
    }
}
