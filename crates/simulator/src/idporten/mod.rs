//! An ID-porten for development and tests: logs synthetic persons in by OpenID Connect.
//!
//! It serves metadata, keys, the page where one chooses a person, tokens, userinfo and the end of the session with
//! front-channel logout. It keeps the person logged in (single sign-on) as ID-porten does, can be told to be down or slow
//! ([`Idporten::set_fault`]) and to issue forged ID tokens ([`Idporten::set_forgery`]).
//!
//! Source of the rules: OpenID Connect Core, Discovery, RP-Initiated Logout and Front-Channel Logout 1.0; Digdir's
//! documentation of ID-porten.

mod endpoint;
mod login;
mod pages;
mod pid;
mod token;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::Uri;
use jiff::{SignedDuration, Timestamp};

use crate::maskinporten::{Fault, SigningKeys, lock};
use crate::{Miljo, Now};

pub use pid::{is_syntetisk_pid, syntetisk_pid};
pub use token::Forgery;

/// How long a code can be exchanged.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// How long ID tokens and access tokens live.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_mins(2);
/// How long a person stays logged in.
const SESSION_LIFETIME: SignedDuration = SignedDuration::from_mins(120);

/// A registered client.
#[derive(Clone, Default)]
pub struct OidcKlient {
    /// Its id.
    pub client_id: String,
    /// Its secret. Without one, and without a key, it is a public client.
    pub secret: Option<String>,
    /// The public key (DER, `SubjectPublicKeyInfo` or `RSAPublicKey`) of its assertions (`private_key_jwt`).
    pub public_key: Option<Vec<u8>>,
    /// Where the browser may be sent after a login.
    pub redirect_uris: Vec<String>,
    /// Where the browser may be sent after a logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// What is loaded in the browser when a person who used this client logs out.
    pub frontchannel_logout_uri: Option<String>,
}

impl fmt::Debug for OidcKlient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcKlient").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// A person to choose on the login page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testperson {
    /// A synthetic fødselsnummer.
    pub pid: String,
    /// The name.
    pub navn: String,
    /// What the person is for, as the page tells it.
    pub beskrivelse: String,
}

/// What the simulator is to be like.
#[derive(Debug, Clone)]
pub struct IdportenConfig {
    /// The issuer, which is also the base of the endpoints, such as `http://127.0.0.1:8080/idporten`. A slash at the end is
    /// taken away: ID-porten has none.
    pub issuer: String,
    /// Where the process runs.
    pub miljo: Miljo,
    /// The clients.
    pub klienter: Vec<OidcKlient>,
    /// The persons to choose from.
    pub personer: Vec<Testperson>,
    /// The level of assurance of every login. Empty: tokens have no `acr`, as with providers that know none.
    pub acr: String,
}

impl IdportenConfig {
    /// Without clients and persons, at level substantial.
    pub fn new(issuer: impl Into<String>, miljo: Miljo) -> Self {
        Self {
            issuer: issuer.into(),
            miljo,
            klienter: Vec::new(),
            personer: Vec::new(),
            acr: "idporten-loa-substantial".to_owned(),
        }
    }
}

/// Why there is no simulator.
#[derive(Debug, thiserror::Error)]
pub enum IdportenError {
    /// The simulator never runs in production.
    #[error("start the ID-porten simulator: it logs anyone in and never runs in production")]
    Production,
    /// The simulator never poses as ID-porten.
    #[error("start the ID-porten simulator: {0} is an issuer of the real ID-porten")]
    RealIssuer(String),
    /// The issuer is no http or https address.
    #[error("start the ID-porten simulator: {0:?} is not an http or https address")]
    Issuer(String),
    /// The simulator never logs in somebody who may exist.
    #[error("start the ID-porten simulator: the fødselsnummer of {0} is not synthetic")]
    NotSynthetic(String),
}

/// The simulator. Clones are the same simulator.
#[derive(Clone)]
pub struct Idporten {
    inner: Arc<Inner>,
}

struct Inner {
    config: IdportenConfig,
    /// Path of the issuer, where the cookie belongs.
    path: String,
    keys: SigningKeys,
    state: Mutex<State>,
    now: Now,
}

#[derive(Default)]
struct State {
    fault: Fault,
    forgery: Option<Forgery>,
    codes: HashMap<String, Code>,
    /// Sessions by the value of the cookie.
    sessions: HashMap<String, Session>,
    access_tokens: HashMap<String, AccessToken>,
    /// Used `jti` values of assertions, with the time until which they are remembered.
    used: HashMap<(String, String), Timestamp>,
}

/// Somebody who has logged in.
#[derive(Clone)]
struct Login {
    pid: String,
    navn: String,
    sid: String,
    at: Timestamp,
}

struct Session {
    login: Login,
    expires: Timestamp,
    /// The clients that the person has used.
    klienter: BTreeSet<String>,
}

/// What a code can be exchanged for.
struct Code {
    client_id: String,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    scope: String,
    login: Login,
    expires: Timestamp,
}

impl fmt::Debug for Idporten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idporten").field("issuer", &self.inner.config.issuer).finish_non_exhaustive()
    }
}

impl Idporten {
    /// Makes a simulator that signs with `keys`.
    ///
    /// # Errors
    /// [`IdportenError::Production`] in production, [`IdportenError::RealIssuer`] for an issuer of ID-porten itself,
    /// [`IdportenError::Issuer`] for one that is no address, [`IdportenError::NotSynthetic`] for a person who may exist.
    pub fn new(mut config: IdportenConfig, keys: SigningKeys, now: Now) -> Result<Self, IdportenError> {
        if config.miljo == Miljo::Produksjon {
            return Err(IdportenError::Production);
        }
        let uri: Uri = config.issuer.parse().map_err(|_| IdportenError::Issuer(config.issuer.clone()))?;
        let host = match (uri.scheme_str(), uri.host(), uri.query()) {
            (Some("http" | "https"), Some(host), None) => host.trim_end_matches('.').to_ascii_lowercase(),
            _ => return Err(IdportenError::Issuer(config.issuer)),
        };
        if host == "idporten.no" || host.ends_with(".idporten.no") {
            return Err(IdportenError::RealIssuer(config.issuer));
        }
        if let Some(person) = config.personer.iter().find(|person| !is_syntetisk_pid(&person.pid)) {
            return Err(IdportenError::NotSynthetic(person.navn.clone()));
        }
        config.issuer.truncate(config.issuer.trim_end_matches('/').len());
        let path = format!("{}/", uri.path().trim_end_matches('/'));
        let inner = Inner { config, path, keys, state: Mutex::default(), now };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The endpoints below the issuer. Mount them where the issuer says, at the root or with `nest`.
    pub fn router(&self) -> Router {
        endpoint::router(self.clone())
    }

    /// The issuer; no slash at the end.
    pub fn issuer(&self) -> &str {
        &self.inner.config.issuer
    }

    /// The persons to choose from.
    pub fn personer(&self) -> &[Testperson] {
        &self.inner.config.personer
    }

    /// Makes the simulator ail from now on.
    pub fn set_fault(&self, fault: Fault) {
        lock(&self.inner.state).fault = fault;
    }

    /// Makes every ID token a forged one from now on, or an honest one again.
    pub fn set_forgery(&self, forgery: Option<Forgery>) {
        lock(&self.inner.state).forgery = forgery;
    }

    fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.issuer())
    }

    fn now(&self) -> Timestamp {
        (self.inner.now)()
    }

    fn klient(&self, client_id: &str) -> Option<&OidcKlient> {
        self.inner.config.klienter.iter().find(|klient| klient.client_id == client_id)
    }
}

/// What opens userinfo.
struct AccessToken {
    login: Login,
    client_id: String,
    expires: Timestamp,
}

fn later(now: Timestamp, lifetime: SignedDuration) -> Timestamp {
    now.checked_add(lifetime).unwrap_or(Timestamp::MAX)
}
