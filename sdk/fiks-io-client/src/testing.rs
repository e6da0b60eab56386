//! What the tests of several modules need.

use std::net::SocketAddr;
use std::sync::OnceLock;

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256};

/// An RSA key with a self-signed certificate, all PEM.
pub(crate) struct Identity {
    pub(crate) key: String,
    pub(crate) public_key: String,
    pub(crate) certificate: String,
}

impl Identity {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        Self {
            certificate: params.self_signed(&key).unwrap().pem(),
            public_key: key.public_key_pem(),
            key: key.serialize_pem(),
        }
    }
}

/// The identity of the client under test. Making a key takes long, so all tests share it.
pub(crate) fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::new("Storevik kommune"))
}

/// Somebody else.
pub(crate) fn other_identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::new("Lillefjord kommune"))
}

/// An HTTP client as the real one.
pub(crate) fn http_client() -> reqwest::Client {
    crate::http::client(crate::tls::client_config(Vec::new()).unwrap()).unwrap()
}

/// Serves `router` on a free port of the loopback until the test ends.
pub(crate) async fn serve(router: axum::Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}
