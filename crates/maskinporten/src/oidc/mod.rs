//! Login of persons: OpenID Connect, authorization code flow with PKCE.
//!
//! [`OidcLogin`] is made for ID-porten and takes any provider that signs its ID tokens with RSA. Nothing of a token and
//! nothing of a person is logged, or stands in an error.

mod config;
mod id_token;
mod metadata;

use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};

use app::ports::{
    LoginAnswer, LoginStart, PersonIdentifier, PersonLogin, PersonLoginError, TokenError, VerifiedPerson,
};
use async_trait::async_trait;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::http::{Http, HttpError, HttpOptions};
use crate::keys::{KeyConfig, Keys};
use crate::token;

use config::{Credential, assertion};
use metadata::{Discovery, Metadata};

pub use config::{ClientAuth, OidcConfig, OidcConfigError};

/// No provider's code is longer.
const MAX_CODE_BYTES: usize = 4 * 1024;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Logs persons in at one provider.
pub struct OidcLogin {
    config: OidcConfig,
    credential: Credential,
    http: Http,
    discovery: Arc<Discovery>,
    keys: Arc<Keys>,
    /// Of the issuer, until the metadata say where logins really begin.
    issuer_origin: String,
    origin: OnceLock<String>,
}

impl fmt::Debug for OidcLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcLogin").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}

/// What the token endpoint answers with, both ways.
#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<String>,
    access_token: Option<String>,
    error: Option<String>,
}

/// Why the provider could not be asked.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("ask the login provider for tokens")]
    Token(#[source] HttpError),
    #[error("ask the login provider for tokens: it answered {status} {error}")]
    TokenStatus { status: StatusCode, error: String },
    #[error("read the answer of the login provider's token endpoint")]
    TokenRead(#[source] serde_json::Error),
    #[error("ask the login provider who the person is")]
    Userinfo(#[source] HttpError),
    #[error("read the login provider's answer about the person")]
    UserinfoRead,
    #[error("sign the assertion for the login provider")]
    Sign,
}

fn unavailable(error: impl Error + Send + Sync + 'static) -> PersonLoginError {
    PersonLoginError::Unavailable(Box::new(error))
}

fn refused(reason: &str) -> PersonLoginError {
    PersonLoginError::Refused { reason: reason.to_owned() }
}

fn of_token(error: TokenError) -> PersonLoginError {
    match error {
        TokenError::Invalid { reason } => PersonLoginError::Refused { reason },
        TokenError::Unavailable(source) => PersonLoginError::Unavailable(source),
    }
}

impl OidcLogin {
    /// Makes a login. The provider is asked when the first person comes, or by [`OidcLogin::prepare`].
    ///
    /// The process must have installed the default crypto provider of rustls.
    ///
    /// # Errors
    /// [`OidcConfigError`] for a configuration by which nobody could log in, or not safely.
    pub fn new(config: OidcConfig) -> Result<Self, OidcConfigError> {
        if config.algorithms.is_empty() {
            return Err(OidcConfigError::NoAlgorithm);
        }
        let needed = [
            ("client_id", &config.client_id),
            ("redirect_uri", &config.redirect_uri),
            ("the identifier claim", &config.identifier_claim),
        ];
        if let Some((name, _)) = needed.into_iter().find(|(_, value)| value.is_empty()) {
            return Err(OidcConfigError::Missing(name));
        }
        if !config.scopes.split_whitespace().any(|scope| scope == "openid") {
            return Err(OidcConfigError::NoOpenid);
        }
        let options = HttpOptions {
            timeout: config.timeout,
            max_answer_bytes: config.max_answer_bytes,
            root_certificates: config.root_certificates.clone(),
            danger_allow_plain_http: config.danger_allow_plain_http,
        };
        let url = |address: &String| -> Result<Url, OidcConfigError> {
            let url: Option<Url> = address.parse().ok();
            url.filter(|url| options.may_fetch(url)).ok_or_else(|| OidcConfigError::Address(address.clone()))
        };
        let issuer = url(&config.issuer)?;
        url(&config.redirect_uri)?;
        if !config.post_logout_redirect_uri.is_empty() {
            url(&config.post_logout_redirect_uri)?;
        }
        let credential = Credential::new(&config.auth)?;
        let http = Http::new(options, &issuer).map_err(OidcConfigError::Http)?;
        let keys = KeyConfig {
            issuer: config.issuer.clone(),
            jwks_uri: String::new(),
            metadata: metadata::NAME,
            algorithms: config.algorithms.clone(),
            refresh_after: SignedDuration::from_mins(5),
            max_age: SignedDuration::from_mins(15),
            refetch_interval: SignedDuration::from_secs(30),
        };
        Ok(Self {
            keys: Arc::new(Keys::new(keys, http.clone())),
            discovery: Arc::new(Discovery::new(config.issuer.clone(), config.metadata_max_age, http.clone())),
            issuer_origin: issuer.origin().ascii_serialization(),
            origin: OnceLock::new(),
            credential,
            http,
            config,
        })
    }

    /// Reads the provider's metadata, so that [`PersonLogin::origin`] is right before the first login: the page that a
    /// login starts from must name it, and it is often not the issuer's.
    ///
    /// # Errors
    /// [`PersonLoginError::Unavailable`]; the first login tries again.
    pub async fn prepare(&self, now: Timestamp) -> Result<(), PersonLoginError> {
        self.metadata(now).await.map(drop)
    }

    async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, PersonLoginError> {
        let metadata = self.discovery.metadata(now).await.map_err(unavailable)?;
        self.origin.get_or_init(|| metadata.authorization_endpoint.origin().ascii_serialization());
        Ok(metadata)
    }

    /// Whether the answer is of this provider. One that mixes two providers up would have the code sent to the wrong one.
    fn check_issuer(&self, issuer: Option<&str>, metadata: &Metadata) -> Result<(), PersonLoginError> {
        match issuer {
            Some(issuer) if issuer == self.config.issuer => Ok(()),
            Some(_) => Err(refused("the answer is of another issuer")),
            None if metadata.answers_name_issuer => {
                Err(refused("the answer does not say of which issuer it is"))
            }
            None => Ok(()),
        }
    }

    async fn tokens(
        &self,
        metadata: &Metadata,
        code: &str,
        started: &LoginStart,
        now: Timestamp,
    ) -> Result<TokenAnswer, PersonLoginError> {
        let config = &self.config;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &config.redirect_uri),
            ("code_verifier", &started.verifier),
        ];
        let signed;
        let mut basic = None;
        match &self.credential {
            Credential::None => form.push(("client_id", &config.client_id)),
            Credential::Secret(secret) if metadata.secret_in_form() => {
                form.extend([("client_id", config.client_id.as_str()), ("client_secret", secret.as_str())]);
            }
            Credential::Secret(secret) => {
                let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect();
                basic = Some((encode(&config.client_id), encode(secret)));
            }
            Credential::Key { pair, kid } => {
                signed = assertion(pair, kid, &config.client_id, &config.issuer, now)
                    .ok_or_else(|| unavailable(AskError::Sign))?;
                form.extend([
                    ("client_id", config.client_id.as_str()),
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", signed.as_str()),
                ]);
            }
        }
        let asked = self.http.post_form(metadata.token_endpoint.clone(), &form, basic).await;
        let (status, body) = asked.map_err(|error| {
            self.discovery.distrust();
            unavailable(AskError::Token(error))
        })?;
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|error| unavailable(AskError::TokenRead(error)));
        }
        let error = serde_json::from_slice(&body).ok().and_then(|answer: TokenAnswer| answer.error);
        let error = error.filter(|error| is_error_code(error)).unwrap_or_default();
        if error == "invalid_grant" {
            return Err(refused("the provider does not take the code"));
        }
        if error.is_empty() {
            self.discovery.distrust();
        }
        Err(unavailable(AskError::TokenStatus { status, error }))
    }

    /// The claims of an ID token that was found good.
    async fn verified_claims(
        &self,
        id_token: &str,
        started: &LoginStart,
        now: Timestamp,
    ) -> Result<Map<String, Value>, PersonLoginError> {
        if id_token.len() > self.config.max_token_bytes {
            let reason = format!("the ID token is longer than {} bytes", self.config.max_token_bytes);
            return Err(PersonLoginError::Refused { reason });
        }
        let unverified = token::parse(id_token, &self.config.algorithms).map_err(of_token)?;
        let key = self.keys.key(&unverified.kid, now).await.map_err(of_token)?;
        key.verify(unverified.algorithm, unverified.input, &unverified.signature).map_err(of_token)?;
        let claims = unverified.claims().map_err(of_token)?;
        id_token::check(&claims, &self.config, started, now).map_err(of_token)?;
        Ok(claims)
    }

    /// What the userinfo endpoint says of the person whom the ID token calls `sub`.
    async fn userinfo(
        &self,
        metadata: &Metadata,
        access_token: Option<&str>,
        sub: Option<&Value>,
    ) -> Result<Map<String, Value>, PersonLoginError> {
        let (Some(address), Some(token)) = (&metadata.userinfo_endpoint, access_token) else {
            return Ok(Map::new());
        };
        let body = self.http.get_with_bearer(address.clone(), token).await;
        let body = body.map_err(|error| unavailable(AskError::Userinfo(error)))?;
        // Without the source: a parse error may quote what it could not read.
        let claims: Map<String, Value> =
            serde_json::from_slice(&body).map_err(|_| unavailable(AskError::UserinfoRead))?;
        // OpenID Connect Core §5.3.2: otherwise it may speak of somebody else.
        if claims.get("sub") == sub { Ok(claims) } else { Err(refused("userinfo speaks of another person")) }
    }
}

/// Whether the text can stand in a log: error codes of OAuth are short words.
fn is_error_code(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[async_trait]
impl PersonLogin for OidcLogin {
    fn navn(&self) -> &str {
        &self.config.navn
    }

    fn origin(&self) -> &str {
        self.origin.get().unwrap_or(&self.issuer_origin)
    }

    fn issuer(&self) -> &str {
        &self.config.issuer
    }

    async fn start(&self, started: &LoginStart, now: Timestamp) -> Result<String, PersonLoginError> {
        let metadata = self.metadata(now).await?;
        let config = &self.config;
        let challenge = digest::digest(&digest::SHA256, started.verifier.as_bytes());
        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        let mut url = metadata.authorization_endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &config.client_id)
                .append_pair("redirect_uri", &config.redirect_uri)
                .append_pair("scope", &config.scopes)
                .append_pair("state", &started.state)
                .append_pair("nonce", &started.nonce)
                .append_pair("code_challenge", &challenge)
                .append_pair("code_challenge_method", "S256")
                .append_pair("ui_locales", &started.sprak);
            if !config.acr_values.is_empty() {
                query.append_pair("acr_values", &config.acr_values.join(" "));
            }
            if let Some(hint) = &started.hint {
                query.append_pair("login_hint", hint);
            }
            if started.force {
                // With max_age the provider has to say in auth_time when the person proved himself (Core §3.1.2.1).
                query.append_pair("prompt", "login").append_pair("max_age", "0");
            }
        }
        Ok(url.into())
    }

    async fn finish(
        &self,
        LoginAnswer { code, issuer }: LoginAnswer<'_>,
        started: &LoginStart,
        now: Timestamp,
    ) -> Result<VerifiedPerson, PersonLoginError> {
        if code.is_empty() || code.len() > MAX_CODE_BYTES {
            return Err(refused("the code is empty or too long"));
        }
        let metadata = self.metadata(now).await?;
        self.check_issuer(issuer, &metadata)?;
        let answer = self.tokens(&metadata, code, started, now).await?;
        let id_token = answer.id_token.ok_or_else(|| refused("the provider gave no ID token"))?;
        let claims = self.verified_claims(&id_token, started, now).await?;
        let config = &self.config;
        let mut identifier = id_token::text(&claims, &config.identifier_claim);
        let mut navn = id_token::text(&claims, &config.name_claim);
        if identifier.is_none() {
            let more = self.userinfo(&metadata, answer.access_token.as_deref(), claims.get("sub")).await?;
            identifier = id_token::text(&more, &config.identifier_claim);
            navn = navn.or_else(|| id_token::text(&more, &config.name_claim));
        }
        let identifier =
            identifier.ok_or_else(|| refused("the claim that identifies the person is missing"))?;
        Ok(VerifiedPerson {
            identifier: PersonIdentifier::new(identifier),
            navn,
            acr: id_token::text(&claims, "acr"),
            sid: id_token::text(&claims, "sid"),
            id_token,
        })
    }

    async fn logout_url(&self, id_token: Option<&str>, state: &str) -> Option<String> {
        let config = &self.config;
        // Whoever logs out has logged in, so the metadata are here; unless the server was started anew in between.
        let mut url = match self.discovery.kept() {
            Some(metadata) => metadata.end_session_endpoint.clone(),
            None => self.discovery.look().await?.end_session_endpoint,
        }?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", &config.client_id);
            if let Some(id_token) = id_token {
                query.append_pair("id_token_hint", id_token);
            }
            if !config.post_logout_redirect_uri.is_empty() {
                query.append_pair("post_logout_redirect_uri", &config.post_logout_redirect_uri);
                query.append_pair("state", state);
            }
        }
        Some(url.into())
    }
}
