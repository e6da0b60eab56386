//! The provider's metadata (OpenID Connect Discovery): fetched when first needed, kept for a while.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde::Deserialize;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::http::{Http, HttpError};
use crate::keys::metadata_address;

pub(super) const NAME: &str = "openid-configuration";
/// Target of log events for what anybody can bring about.
const REFUSED: &str = "refused";
/// After a failed attempt to replace old metadata the next one waits this long.
const RETRY: SignedDuration = SignedDuration::from_secs(30);
/// With none at all the provider is asked this often: right after a start it may come up a moment later.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(1);

/// The metadata as they come, as far as they are used.
#[derive(Deserialize)]
struct Answer {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where the provider is asked for what; every address is one that may be asked.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) userinfo_endpoint: Option<Url>,
    pub(super) end_session_endpoint: Option<Url>,
    auth_methods: Option<Vec<String>>,
    /// Each answer says whose it is (RFC 9207 §3).
    pub(super) answers_name_issuer: bool,
}

impl Metadata {
    /// Whether a secret must travel in the form since the provider knows no other way. Without a word about it the header
    /// is right (OpenID Connect Discovery §3).
    pub(super) fn secret_in_form(&self) -> bool {
        self.auth_methods.as_ref().is_some_and(|methods| {
            let has = |name: &str| methods.iter().any(|method| method == name);
            has("client_secret_post") && !has("client_secret_basic")
        })
    }
}

/// Why the metadata could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum MetadataError {
    #[error("fetch the metadata of the login provider")]
    Fetch(#[source] HttpError),
    #[error("read the metadata of the login provider")]
    Read(#[source] serde_json::Error),
    #[error(
        "read the metadata of the login provider: it names another issuer than the one that is configured"
    )]
    OtherIssuer,
    #[error("read the metadata of the login provider: the address of an endpoint is not https")]
    Address,
    #[error("fetch the metadata of the login provider: it broke off")]
    BrokeOff,
}

/// The last failure, shared by all who waited for it.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<MetadataError>);

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

pub(super) struct Discovery {
    issuer: String,
    max_age: SignedDuration,
    http: Http,
    state: RwLock<State>,
    /// Held by the one fetch under way.
    fetching: Arc<Mutex<()>>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    /// How many fetches have ended, well or not.
    attempts: u64,
    /// Why there are none or old ones, and since when.
    error: Option<(Shared, Timestamp)>,
}

impl State {
    /// The metadata, if they can be had without asking the provider; or why not, if it was asked just now.
    fn without_asking(&self, now: Timestamp) -> Option<Result<Arc<Metadata>, Shared>> {
        match (&self.kept, &self.error) {
            (Some(kept), _) => kept.is_fresh(now).then(|| Ok(Arc::clone(&kept.metadata))),
            (None, Some((error, since))) if now.duration_since(*since).abs() < FIRST_RETRY => {
                Some(Err(error.clone()))
            }
            (None, _) => None,
        }
    }
}

#[derive(Clone)]
struct Kept {
    metadata: Arc<Metadata>,
    fetched: Timestamp,
    /// How long they are good from then on.
    age: SignedDuration,
}

impl Kept {
    /// A clock that was set back makes them old, too.
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_since(self.fetched).abs() < self.age
    }
}

impl Discovery {
    pub(super) fn new(issuer: String, max_age: SignedDuration, http: Http) -> Self {
        Self { issuer, max_age, http, state: RwLock::default(), fetching: Arc::default() }
    }

    /// What is kept, however old.
    pub(super) fn kept(&self) -> Option<Arc<Metadata>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.kept.as_ref().map(|kept| Arc::clone(&kept.metadata))
    }

    /// Makes the next login fetch them again: an endpoint may have moved.
    pub(super) fn distrust(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &mut state.kept {
            kept.age = SignedDuration::ZERO;
        }
    }

    /// The metadata, fetched if they are missing or old. Old ones serve on while the provider does not answer.
    pub(super) async fn metadata(self: &Arc<Self>, now: Timestamp) -> Result<Arc<Metadata>, Shared> {
        let seen = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            match state.without_asking(now) {
                Some(answer) => return answer,
                None => state.attempts,
            }
        };
        let turn = Arc::clone(&self.fetching).lock_owned().await;
        // On its own task: a browser that goes away must not break off what others wait for.
        if tokio::spawn(Arc::clone(self).fetch_once(turn, seen, now)).await.is_err() {
            tracing::error!("the fetch of the metadata of the login provider broke off");
        }
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match (&state.kept, &state.error) {
            (Some(kept), _) => Ok(Arc::clone(&kept.metadata)),
            (None, Some((error, _))) => Err(error.clone()),
            (None, None) => Err(Shared(Arc::new(MetadataError::BrokeOff))),
        }
    }

    /// Fetches, unless another fetch has ended since `seen`.
    async fn fetch_once(self: Arc<Self>, turn: OwnedMutexGuard<()>, seen: u64, now: Timestamp) {
        if self.state.read().unwrap_or_else(PoisonError::into_inner).attempts == seen {
            let fetched = self.fetch().await;
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.attempts += 1;
            match fetched {
                Ok(metadata) => {
                    let metadata = Arc::new(metadata);
                    state.kept = Some(Kept { metadata, fetched: now, age: self.max_age });
                    state.error = None;
                }
                Err(error) => {
                    tracing::warn!(
                        target: REFUSED,
                        error = &error as &dyn std::error::Error,
                        kept = state.kept.is_some(),
                        "failed to fetch the metadata of the login provider"
                    );
                    if let Some(kept) = &mut state.kept {
                        (kept.fetched, kept.age) = (now, RETRY);
                    }
                    state.error = Some((Shared(Arc::new(error)), now));
                }
            }
        }
        drop(turn);
    }

    /// A look at the metadata by one who is told no time, so nothing is kept.
    pub(super) async fn look(&self) -> Option<Metadata> {
        let looked = self.fetch().await;
        looked
            .inspect_err(|error| {
                tracing::warn!(
                    target: REFUSED,
                    error = error as &dyn std::error::Error,
                    "failed to fetch the metadata of the login provider"
                );
            })
            .ok()
    }

    async fn fetch(&self) -> Result<Metadata, MetadataError> {
        let address = metadata_address(&self.issuer, NAME);
        let body = self.http.get(&address).await.map_err(MetadataError::Fetch)?;
        let answer: Answer = serde_json::from_slice(&body).map_err(MetadataError::Read)?;
        if answer.issuer != self.issuer {
            return Err(MetadataError::OtherIssuer);
        }
        let url = |address: String| self.http.url(&address).map_err(|_| MetadataError::Address);
        Ok(Metadata {
            authorization_endpoint: url(answer.authorization_endpoint)?,
            token_endpoint: url(answer.token_endpoint)?,
            userinfo_endpoint: answer.userinfo_endpoint.map(url).transpose()?,
            end_session_endpoint: answer.end_session_endpoint.map(url).transpose()?,
            auth_methods: answer.token_endpoint_auth_methods_supported,
            answers_name_issuer: answer.authorization_response_iss_parameter_supported,
        })
    }
}
