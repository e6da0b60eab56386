//! What Maskinporten's token endpoint answers.
//!
//! Source: Digdir's Maskinporten documentation, "maskinporten_protocol_token".

use serde::{Deserialize, Serialize};

/// The scope that gives access to Fiks.
pub const SCOPE_KS_FIKS: &str = "ks:fiks";

/// A successful answer.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenResponse {
    /// The access token, a JWS.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until the token expires.
    pub expires_in: u64,
    /// The scopes given, space separated.
    pub scope: String,
}

/// A refusal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenError {
    /// OAuth code, such as `invalid_grant`.
    pub error: String,
    /// What is wrong, starting with Maskinporten's own code (`MP-…`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_description: Option<String>,
    /// Where to read more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_uri: Option<String>,
}
