//! A Maskinporten for development and tests.
//!
//! It serves what the official clients and a Knutepunkt use: metadata, keys and the token endpoint, with Maskinporten's
//! own error codes. It can also be told to be down or slow ([`Simulator::set_fault`]), to change its keys
//! ([`Simulator::rotate`]) and to hand out forged tokens ([`Simulator::mint`]).
//!
//! Source of the rules: Digdir's Maskinporten documentation ("maskinporten_protocol_jwtgrant",
//! "maskinporten_protocol_token", "maskinporten_func_wellknown"), and the requests that KS's Java and .NET clients send.

mod assertion;
mod certificate;
mod endpoint;
mod grant;
mod keys;
mod mint;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use jiff::Timestamp;
use serde_json::Value;

use crate::{Miljo, Now};

pub use crate::jws::Alg;
pub use assertion::{Assertion, sign_assertion};
pub(crate) use assertion::{object, set};
pub(crate) use endpoint::ailing;
pub(crate) use keys::Key;
pub use keys::{KeysError, SigningKeys};
pub use mint::{Forgery, TokenOrder};
pub(crate) use mint::{foreign_key, random_id};

/// How much of a certificate the token endpoint checks.
#[derive(Debug, Clone, Default)]
pub enum CertificateCheck {
    /// Any certificate that can be read and is in its time, self-signed ones too. KS's test key stores need this.
    #[default]
    Lax,
    /// The certificate must come from one of these authorities (DER; roots and intermediates, in any order), since
    /// clients send the leaf only.
    Chain(Vec<Vec<u8>>),
    /// As `Chain`, and the certificate must follow the profile: key usage, policy, no unknown critical extension, an
    /// organisasjonsnummer outside `O`; the grant must be fresh (`iat` within 10 seconds).
    Strict(Vec<Vec<u8>>),
}

/// Which organisations a client may act for by `consumer_org`.
#[derive(Debug, Clone, Default)]
pub enum ActsFor {
    /// Only its own.
    #[default]
    Itself,
    /// Any: the delegations are taken for granted.
    Anyone,
    /// These organisasjonsnummer, and its own.
    These(Vec<String>),
}

/// A registered client.
#[derive(Debug, Clone)]
pub struct Klient {
    /// The `iss` of its grants.
    pub client_id: String,
    /// Its organisation. Without one the certificate decides; with both they must agree (MP-122).
    pub orgnr: Option<String>,
    /// Its keys by `kid`, for grants without a certificate.
    pub keys: HashMap<String, KlientKey>,
    /// The scopes it may ask for.
    pub scopes: Vec<String>,
    /// The organisations it may act for.
    pub acts_for: ActsFor,
}

/// A key registered to a client.
#[derive(Debug, Clone)]
pub struct KlientKey {
    /// DER, `SubjectPublicKeyInfo` or `RSAPublicKey`.
    pub public_key: Vec<u8>,
    /// After this the key is refused (MP-121).
    pub expires: Option<Timestamp>,
}

/// What a simulator is to be like.
#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    /// The issuer, which is also the base of the endpoints, such as `http://127.0.0.1:8080/maskinporten/`. A missing
    /// slash at the end is added.
    pub issuer: String,
    /// Where the process runs.
    pub miljo: Miljo,
    /// How certificates are checked.
    pub certificates: CertificateCheck,
    /// Whether a client that is not registered gets `auto_scopes` and may act for `auto_acts_for`.
    pub auto: bool,
    /// The scopes of a client that is not registered.
    pub auto_scopes: Vec<String>,
    /// Whom a client that is not registered may act for.
    pub auto_acts_for: ActsFor,
    /// How long an access token lives. KS's Java client asks for a new one each time when this is 10 seconds or less.
    pub lifetime: Duration,
}

impl SimulatorConfig {
    /// Any client, any certificate, `ks:fiks` for all, 120 seconds: the simulator of a developer.
    pub fn new(issuer: impl Into<String>, miljo: Miljo) -> Self {
        Self {
            issuer: issuer.into(),
            miljo,
            certificates: CertificateCheck::default(),
            auto: true,
            auto_scopes: vec![wire::maskinporten::SCOPE_KS_FIKS.to_owned()],
            auto_acts_for: ActsFor::Anyone,
            lifetime: Duration::from_mins(2),
        }
    }
}

/// Why there is no simulator.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The simulator never runs in production.
    #[error("start the Maskinporten simulator: it hands out access to anyone and never runs in production")]
    Production,
    /// The simulator never poses as Maskinporten.
    #[error("start the Maskinporten simulator: {0} is an issuer of the real Maskinporten")]
    RealIssuer(String),
    /// The issuer is no http or https address.
    #[error("start the Maskinporten simulator: {0:?} is not an http or https address")]
    Issuer(String),
}

/// What is wrong with the simulator just now, by order of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Every request is answered 503.
    Unavailable,
    /// Every answer comes this late.
    Slow(Duration),
}

/// The simulator. Clones are the same simulator.
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

struct Inner {
    config: SimulatorConfig,
    keys: SigningKeys,
    klienter: RwLock<HashMap<String, Klient>>,
    /// Used `jti` values by client, with the time until which they are remembered.
    used: Mutex<HashMap<(String, String), Timestamp>>,
    fault: Mutex<Fault>,
    now: Now,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("issuer", &self.inner.config.issuer).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Makes a simulator that signs with `keys`.
    ///
    /// # Errors
    /// [`SimulatorError::Production`] in production, [`SimulatorError::RealIssuer`] for an issuer of Maskinporten itself,
    /// [`SimulatorError::Issuer`] for one that is no address.
    pub fn new(mut config: SimulatorConfig, keys: SigningKeys, now: Now) -> Result<Self, SimulatorError> {
        if config.miljo == Miljo::Produksjon {
            return Err(SimulatorError::Production);
        }
        let uri: Uri = config.issuer.parse().map_err(|_| SimulatorError::Issuer(config.issuer.clone()))?;
        let host = match (uri.scheme_str(), uri.host(), uri.query()) {
            (Some("http" | "https"), Some(host), None) => host.trim_end_matches('.').to_ascii_lowercase(),
            _ => return Err(SimulatorError::Issuer(config.issuer)),
        };
        if host == "maskinporten.no" || host.ends_with(".maskinporten.no") {
            return Err(SimulatorError::RealIssuer(config.issuer));
        }
        if !config.issuer.ends_with('/') {
            config.issuer.push('/');
        }
        let inner = Inner {
            config,
            keys,
            klienter: RwLock::default(),
            used: Mutex::default(),
            fault: Mutex::default(),
            now,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The endpoints below the issuer: `/.well-known/oauth-authorization-server`, `/jwk` and `/token`. Mount it where
    /// the issuer says, at the root or with `nest`.
    pub fn router(&self) -> Router {
        endpoint::router(self.clone())
    }

    /// The issuer, which is also the audience of grants: ends with a slash.
    pub fn issuer(&self) -> &str {
        &self.inner.config.issuer
    }

    /// The address of the token endpoint.
    pub fn token_endpoint(&self) -> String {
        format!("{}token", self.issuer())
    }

    /// The address of the keys.
    pub fn jwks_uri(&self) -> String {
        format!("{}jwk", self.issuer())
    }

    /// The public keys as a JWK set: the current, the next, and the former one after a rotation.
    pub fn jwks(&self) -> Value {
        self.inner.keys.jwks()
    }

    /// Signs with the next key from now on and makes a new next one; the key before the former one is forgotten.
    ///
    /// # Errors
    /// [`KeysError`] when the new key cannot be made or kept.
    pub fn rotate(&self) -> Result<(), KeysError> {
        self.inner.keys.rotate()
    }

    /// Registers a client, or changes its registration.
    pub fn register(&self, klient: Klient) {
        let mut klienter = self.inner.klienter.write().unwrap_or_else(PoisonError::into_inner);
        klienter.insert(klient.client_id.clone(), klient);
    }

    /// Makes the simulator ail from now on.
    pub fn set_fault(&self, fault: Fault) {
        *lock(&self.inner.fault) = fault;
    }

    /// An access token for `orgnr` as the token endpoint would give it, without a grant.
    pub fn mint_token(&self, orgnr: &str, scope: &str, lifetime: Duration) -> String {
        self.mint(&TokenOrder::new(orgnr).scope(scope).lifetime(lifetime))
    }

    fn now(&self) -> Timestamp {
        (self.inner.now)()
    }

    fn fault(&self) -> Fault {
        *lock(&self.inner.fault)
    }

    /// The registration of a client; in auto mode every client has one.
    fn klient(&self, client_id: &str) -> Option<Klient> {
        let klienter = self.inner.klienter.read().unwrap_or_else(PoisonError::into_inner);
        let config = &self.inner.config;
        klienter.get(client_id).cloned().or_else(|| {
            config.auto.then(|| Klient {
                client_id: client_id.to_owned(),
                orgnr: None,
                keys: HashMap::new(),
                scopes: config.auto_scopes.clone(),
                acts_for: config.auto_acts_for.clone(),
            })
        })
    }

    /// Marks a `jti` as used until `until`; false when it was used before.
    fn use_jti(&self, client_id: &str, jti: &str, until: Timestamp, now: Timestamp) -> bool {
        let mut used = lock(&self.inner.used);
        used.retain(|_, until| *until > now);
        used.insert((client_id.to_owned(), jti.to_owned()), until).is_none()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
