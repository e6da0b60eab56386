//! Who may come in: access tokens of machines, and the login of persons.

use std::sync::Arc;

use anyhow::Context as _;
use app::ports::Clock;
use maskinporten::oidc::{ClientAuth, OidcConfig, OidcLogin};

use crate::config::{Config, Miljo};

/// Where the browser comes back from a login, below the portal's address.
pub const AUTH_RETUR: &str = "/auth/retur";
/// What the login provider loads when a person logs out elsewhere, below the portal's address.
pub const AUTH_FRONTKANAL: &str = "/auth/frontkanal";
/// Where the browser comes back from a logout, below the portal's address.
pub const LOGGED_OUT: &str = "/logg-inn";

pub(crate) fn token_verifier(config: &Config) -> anyhow::Result<maskinporten::MaskinportenVerifier> {
    let mut verifier = maskinporten::Config::new(&config.maskinporten.issuer);
    if !config.maskinporten.jwks_uri.is_empty() {
        verifier.jwks_uri.clone_from(&config.maskinporten.jwks_uri);
    }
    if !config.maskinporten.audience.is_empty() {
        verifier.audience = Some(config.maskinporten.audience.clone());
    }
    // The simulator is served on plain loopback; anywhere else keys over plain HTTP could be anybody's.
    verifier.danger_allow_plain_http = config.miljo == Miljo::Utvikling;
    maskinporten::MaskinportenVerifier::new(verifier)
        .context("cannot set up the verification of access tokens")
}

/// Login of persons at the provider that the configuration names; `None` where it names none.
///
/// # Errors
/// What is wrong with which key or file.
pub fn person_login(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Option<Arc<OidcLogin>>> {
    let Some(login) = oidc_login(config)? else { return Ok(None) };
    let login = Arc::new(login);
    // The pages that a login starts from must name the provider's origin, which its metadata tell. It may be down just
    // now, and in development it is this very server, which does not answer yet: nothing waits for it.
    let (early, now) = (Arc::clone(&login), clock.now());
    tokio::spawn(async move {
        if let Err(error) = early.prepare(now).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to reach the login provider; the first login tries again"
            );
        }
    });
    Ok(Some(login))
}

/// The login, before anybody has asked for it.
///
/// # Errors
/// As [`person_login`].
pub(crate) fn oidc_login(config: &Config) -> anyhow::Result<Option<OidcLogin>> {
    let innlogging = &config.innlogging;
    if innlogging.issuer.is_empty() {
        return Ok(None);
    }
    let portal = config.portal_url();
    let mut login =
        OidcConfig::new(&innlogging.issuer, &innlogging.client_id, format!("{portal}{AUTH_RETUR}"));
    login.post_logout_redirect_uri = format!("{portal}{LOGGED_OUT}");
    login.navn.clone_from(&innlogging.navn);
    login.acr_values = innlogging.acr_values.split_whitespace().map(str::to_owned).collect();
    login.identifier_claim.clone_from(&innlogging.identifikator_claim);
    login.name_claim.clone_from(&innlogging.navn_claim);
    login.scopes.clone_from(&innlogging.scopes);
    let key = &innlogging.private_key_file;
    login.auth = match config.innlogging_secret()? {
        Some(secret) => ClientAuth::Secret(secret),
        None if key.as_os_str().is_empty() => ClientAuth::None,
        None => ClientAuth::PrivateKeyJwt {
            pem: std::fs::read(key).with_context(|| format!("cannot read {}", key.display()))?,
            kid: innlogging.kid.clone(),
        },
    };
    login.danger_allow_plain_http = config.miljo == Miljo::Utvikling;
    OidcLogin::new(login).map(Some).context("cannot set up the login of persons")
}
