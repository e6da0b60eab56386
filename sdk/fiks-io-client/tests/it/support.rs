//! Identities, and an HTTP server that is Maskinporten and Fiks Protokoll in one.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::response::Json;
use axum::routing::post;
use fiks_io_client::wire::id::KontoId;
use fiks_io_client::{AmqpScheme, Config, ConfigBuilder, HttpScheme};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::json;
use tokio::net::TcpListener;

pub(crate) const PASSORD: &str = "integrasjonens-passord";
pub(crate) const INTEGRASJON: &str = "9a1a1d0c-6f7e-4a53-8a1c-6a2f8c5f3f10";

/// An RSA key with a self-signed certificate, both PEM.
pub(crate) struct Identity {
    pub(crate) key: String,
    pub(crate) certificate: String,
}

fn new_identity(name: &str) -> Identity {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    Identity { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// The client's own keys. Making them takes long, so all tests share them.
pub(crate) fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| new_identity("Storevik kommune"))
}

/// Somebody else's keys.
pub(crate) fn other_identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| new_identity("Lillefjord kommune"))
}

pub(crate) fn konto() -> KontoId {
    "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1".parse().unwrap()
}

pub(crate) fn mottaker() -> KontoId {
    "11111111-1111-4111-8111-111111111111".parse().unwrap()
}

/// What the server has seen of those who asked for a token.
#[derive(Clone, Default)]
pub(crate) struct TokensAsked(Arc<AtomicUsize>);

impl TokensAsked {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Serves `router`, and tokens at `/token`: `token-1`, `token-2` and so on, each good for `expires_in` seconds.
pub(crate) async fn serve(router: Router, expires_in: u64) -> (ConfigBuilder, TokensAsked) {
    let asked = TokensAsked::default();
    let counter = asked.clone();
    let router = router.route(
        "/token",
        post(async move || {
            let number = counter.0.fetch_add(1, Ordering::SeqCst) + 1;
            Json(json!({
                "access_token": format!("token-{number}"), "token_type": "Bearer",
                "expires_in": expires_in, "scope": "ks:fiks",
            }))
        }),
    );
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let config = Config::builder()
        .konto_id(konto())
        .private_key(&identity().key)
        .integrasjon(INTEGRASJON.parse().unwrap(), PASSORD)
        .virksomhetssertifikat(identity().certificate.clone(), identity().key.as_str())
        .maskinporten("client", format!("http://127.0.0.1:{port}/token"), "https://maskinporten.test/")
        .api(HttpScheme::Http, "127.0.0.1", port)
        .amqp(AmqpScheme::Amqp, "127.0.0.1", 1);
    (config, asked)
}

/// Waits for what must come, and fails the test rather than hang.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it must come")
}
