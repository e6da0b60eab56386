//! What the verifier is told.

use std::time::Duration;

use jiff::SignedDuration;

/// A signature algorithm of access tokens. Nothing but RSA PKCS#1 v1.5 is ever accepted: Maskinporten signs with RS256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// With SHA-256.
    Rs256,
    /// With SHA-384.
    Rs384,
    /// With SHA-512.
    Rs512,
}

impl Algorithm {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Rs256, Self::Rs384, Self::Rs512];

    /// The name in the `alg` header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }
}

/// What is accepted, and how the keys are fetched.
#[derive(Debug, Clone)]
pub struct Config {
    /// The `iss` of the tokens, exactly, such as `https://maskinporten.no/`.
    pub issuer: String,
    /// Where the keys are. Empty: the issuer's metadata (`.well-known/oauth-authorization-server`) says it.
    pub jwks_uri: String,
    /// The signature algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// The scope that the token must have.
    pub scope: String,
    /// The audience that stands for this installation. A token for another audience is refused.
    pub audience: Option<String>,
    /// Whether the token must name `audience`; otherwise a token for no audience, or `unspecified`, will do.
    pub audience_required: bool,
    /// How far the clocks may differ.
    pub leeway: SignedDuration,
    /// The longest token, in bytes.
    pub max_token_bytes: usize,
    /// How long a verified token is remembered, never past its `exp`.
    pub remember: SignedDuration,
    /// How many verified tokens are remembered.
    pub remember_tokens: usize,
    /// Keys older than this are fetched again in the background.
    pub refresh_after: SignedDuration,
    /// Keys older than this are not used before an attempt to fetch them again.
    pub max_age: SignedDuration,
    /// The shortest time between two fetches because of unknown keys, and between two attempts to replace old ones.
    pub refetch_interval: SignedDuration,
    /// The longest answer of the issuer, in bytes.
    pub max_answer_bytes: usize,
    /// How long the issuer may take to answer.
    pub timeout: Duration,
    /// Certificates (PEM) to trust for the issuer instead of those of the system.
    pub root_certificates: Option<Vec<u8>>,
    /// Whether the keys may come over plain http from another machine. Over loopback they always may.
    pub danger_allow_plain_http: bool,
}

impl Config {
    /// For tokens of `issuer`, with the values that Maskinporten's documentation suggests: RS256, scope `ks:fiks`, ten
    /// seconds' leeway.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            jwks_uri: String::new(),
            algorithms: vec![Algorithm::Rs256],
            scope: wire::maskinporten::SCOPE_KS_FIKS.to_owned(),
            audience: None,
            audience_required: false,
            leeway: SignedDuration::from_secs(10),
            max_token_bytes: 8 * 1024,
            remember: SignedDuration::from_mins(1),
            remember_tokens: 16 * 1024,
            refresh_after: SignedDuration::from_mins(5),
            max_age: SignedDuration::from_mins(15),
            refetch_interval: SignedDuration::from_secs(30),
            max_answer_bytes: 256 * 1024,
            timeout: Duration::from_secs(5),
            root_certificates: None,
            danger_allow_plain_http: false,
        }
    }
}

/// Why there is no verifier.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The issuer or the address of its keys is not one that keys may be fetched from.
    #[error(
        "use {0:?} for the keys of the token issuer: it must be an https address, or http on this machine"
    )]
    Address(String),
    /// Nothing would ever be accepted.
    #[error("verify tokens: no signature algorithm is accepted")]
    NoAlgorithm,
    /// An audience is required but none is given.
    #[error("verify tokens: an audience is required, but none is configured")]
    NoAudience,
    /// The process has not chosen its cryptography.
    #[error("verify tokens: no default crypto provider of rustls is installed in this process")]
    NoCryptoProvider,
    /// The HTTP client could not be made, for instance since the root certificates cannot be read.
    #[error("make the http client for the keys of the token issuer")]
    HttpClient(#[source] reqwest::Error),
}
