//! Keys over TLS, with the root certificate that is configured and no other.

use std::sync::Arc;

use app::ports::{TokenError, TokenVerifier as _};
use jiff::Timestamp;
use knutepunkt_maskinporten::{Config, MaskinportenVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use simulator::Miljo;
use simulator::ca::{RsaBits, TestCa};
use simulator::maskinporten::{SigningKeys, Simulator, SimulatorConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use crate::world::{ORGNR, install_crypto};

#[tokio::test]
async fn keys_come_over_tls_from_a_trusted_issuer_only() {
    install_crypto();
    // Clients judge TLS certificates by the clock of the machine.
    #[expect(clippy::disallowed_methods, reason = "the TLS library reads this clock, too")]
    let now = Timestamp::now();
    let folder = tempfile::tempdir().unwrap();
    let ca = TestCa::load_or_create(folder.path().join("ca"), now).unwrap();
    let stranger = TestCa::load_or_create(folder.path().join("other"), now).unwrap();
    let server = ca.localhost(now).unwrap();
    let chain = server.tls_chain_der().map(|der| CertificateDer::from(der.to_vec())).collect();
    let key = PrivateKeyDer::try_from(server.private_key_der().to_vec()).unwrap();
    let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));

    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let issuer = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let keys = SigningKeys::generate(RsaBits::B2048).unwrap();
    let simulator =
        Simulator::new(SimulatorConfig::new(&issuer, Miljo::Utvikling), keys, Arc::new(move || now)).unwrap();
    let jwks = simulator.jwks().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate breaks off here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", jwks.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(jwks.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });

    let token = simulator.mint_token(ORGNR, "ks:fiks", std::time::Duration::from_mins(2));
    let verifier = |root: &TestCa| {
        let mut config = Config::new(&issuer);
        config.jwks_uri = format!("{issuer}jwk");
        config.root_certificates = Some(root.root_pem().into_bytes());
        MaskinportenVerifier::new(config).unwrap()
    };
    assert!(matches!(verifier(&stranger).verify(&token, now).await, Err(TokenError::Unavailable(_))));
    assert_eq!(verifier(&ca).verify(&token, now).await.unwrap().consumer.as_str(), ORGNR);
}
