//! What the login is told.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

use crate::config::{Algorithm, ConfigError};

/// How long a signed assertion of the client is good. ID-porten takes none that lives longer than two minutes.
const ASSERTION_LIFETIME_S: i64 = 60;

/// How this installation proves to the provider that it is the client.
#[derive(Clone)]
pub enum ClientAuth {
    /// Not at all: a public client, which PKCE alone protects.
    None,
    /// By a secret: in the header (`client_secret_basic`), or in the form (`client_secret_post`) where the provider's
    /// metadata name only that.
    Secret(String),
    /// By an assertion that it signs with RS256 (`private_key_jwt`).
    PrivateKeyJwt {
        /// The RSA private key, PEM (PKCS#8 or PKCS#1).
        pem: Vec<u8>,
        /// The `kid` under which the provider knows the key.
        kid: String,
    },
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Secret(_) => f.write_str("Secret(…)"),
            Self::PrivateKeyJwt { kid, .. } => {
                f.debug_struct("PrivateKeyJwt").field("kid", kid).finish_non_exhaustive()
            }
        }
    }
}

/// A provider, and what is demanded of a login there.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    /// The provider's issuer, exactly as its metadata and tokens write it, such as `https://idporten.no`.
    pub issuer: String,
    /// The id of this installation at the provider.
    pub client_id: String,
    /// How this installation proves who it is.
    pub auth: ClientAuth,
    /// Where the browser comes back, as registered with the provider.
    pub redirect_uri: String,
    /// Where the browser comes back after a logout, as registered with the provider. Empty: nowhere.
    pub post_logout_redirect_uri: String,
    /// What users call the provider.
    pub navn: String,
    /// The levels of assurance that will do, the one to ask for first. Of ID-porten's own levels a higher one will do as
    /// well. Empty: no level is asked for, and none is checked.
    pub acr_values: Vec<String>,
    /// The claim that identifies the person. It is asked for at the userinfo endpoint if the ID token lacks it.
    pub identifier_claim: String,
    /// The claim with the person's name.
    pub name_claim: String,
    /// The scopes to ask for, space separated.
    pub scopes: String,
    /// The signature algorithms that are accepted of ID tokens.
    pub algorithms: Vec<Algorithm>,
    /// How far the clocks may differ.
    pub leeway: SignedDuration,
    /// How old the proof of a person may be who had to prove himself again.
    pub max_auth_age: SignedDuration,
    /// How long the provider's metadata are kept.
    pub metadata_max_age: SignedDuration,
    /// The longest ID token, in bytes.
    pub max_token_bytes: usize,
    /// The longest answer of the provider, in bytes.
    pub max_answer_bytes: usize,
    /// How long the provider may take to answer.
    pub timeout: Duration,
    /// Certificates (PEM) to trust for the provider instead of those of the system.
    pub root_certificates: Option<Vec<u8>>,
    /// Whether the provider may be asked over plain http on another machine. Over loopback it always may.
    pub danger_allow_plain_http: bool,
}

impl OidcConfig {
    /// A public client of `issuer`, with what suits ID-porten: at least level substantial, `pid` identifies the person.
    pub fn new(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        redirect_uri: impl Into<String>,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            auth: ClientAuth::None,
            redirect_uri: redirect_uri.into(),
            post_logout_redirect_uri: String::new(),
            navn: "ID-porten".to_owned(),
            acr_values: vec!["idporten-loa-substantial".to_owned()],
            identifier_claim: "pid".to_owned(),
            name_claim: "name".to_owned(),
            scopes: "openid profile".to_owned(),
            algorithms: vec![Algorithm::Rs256],
            leeway: SignedDuration::from_secs(10),
            max_auth_age: SignedDuration::from_mins(5),
            metadata_max_age: SignedDuration::from_hours(1),
            max_token_bytes: 16 * 1024,
            max_answer_bytes: 256 * 1024,
            timeout: Duration::from_secs(5),
            root_certificates: None,
            danger_allow_plain_http: false,
        }
    }
}

/// Why there is no login.
#[derive(Debug, thiserror::Error)]
pub enum OidcConfigError {
    /// An address is none, or not one that logins may go to.
    #[error("use {0:?} for the login of persons: it must be an https address, or http on this machine")]
    Address(String),
    /// Nothing would ever be accepted.
    #[error("log persons in: no signature algorithm is accepted")]
    NoAlgorithm,
    /// A value that must be there is missing.
    #[error("log persons in: {0} is missing")]
    Missing(&'static str),
    /// The scopes do not make it a login.
    #[error("log persons in: the scopes do not hold openid")]
    NoOpenid,
    /// The private key cannot be used.
    #[error("log persons in: the private key is not an RSA key of 2048 bits or more in PEM")]
    PrivateKey,
    /// The HTTP client could not be made.
    #[error("make the http client for the login of persons")]
    Http(#[source] ConfigError),
}

/// [`ClientAuth`], ready for use.
pub(super) enum Credential {
    None,
    Secret(String),
    Key { pair: Box<RsaKeyPair>, kid: String },
}

impl Credential {
    pub(super) fn new(auth: &ClientAuth) -> Result<Self, OidcConfigError> {
        Ok(match auth {
            ClientAuth::None => Self::None,
            ClientAuth::Secret(secret) if secret.is_empty() => {
                return Err(OidcConfigError::Missing("the client secret"));
            }
            ClientAuth::Secret(secret) => Self::Secret(secret.clone()),
            ClientAuth::PrivateKeyJwt { kid, .. } if kid.is_empty() => {
                return Err(OidcConfigError::Missing("the kid of the private key"));
            }
            ClientAuth::PrivateKeyJwt { pem, kid } => {
                let pair = match PrivateKeyDer::from_pem_slice(pem) {
                    Ok(PrivateKeyDer::Pkcs8(key)) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
                    Ok(PrivateKeyDer::Pkcs1(key)) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok(),
                    _ => None,
                };
                let pair = pair.filter(|pair| pair.public_modulus_len() >= 256);
                Self::Key { pair: Box::new(pair.ok_or(OidcConfigError::PrivateKey)?), kid: kid.clone() }
            }
        })
    }
}

/// An assertion of the client about itself (RFC 7523 §2.2); `None` when it cannot be signed.
pub(super) fn assertion(
    pair: &RsaKeyPair,
    kid: &str,
    client_id: &str,
    issuer: &str,
    now: Timestamp,
) -> Option<String> {
    let mut jti = [0; 16];
    aws_lc_rs::rand::fill(&mut jti).ok()?;
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": kid });
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "iat": now.as_second(),
        "exp": now.as_second() + ASSERTION_LIFETIME_S,
        "jti": URL_SAFE_NO_PAD.encode(jti),
    });
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).ok()?;
    Some(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
