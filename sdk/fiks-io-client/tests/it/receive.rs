use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use amq_protocol::protocol::{AMQPClass, basic, channel, connection};
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use fiks_io_client::asice::{self, RecipientCertificate, Signer};
use fiks_io_client::wire::meldingstype::TIDSAVBRUDD;
use fiks_io_client::{AmqpScheme, ConnectionState, Error, FiksIoClient, FileSource, Meldinger};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::AsyncReadExt as _;
use tokio_rustls::rustls;

use crate::broker::{Broker, Client};
use crate::support::{
    INTEGRASJON, PASSORD, TokensAsked, identity, konto, mottaker, other_identity, serve, soon,
};

const MELDING: &str = "0f6d0ac9-6f0e-4b0c-a1c1-7f7f3e1f9a55";
const AVSENDER: &str = "11111111-1111-4111-8111-111111111111";

fn queue() -> String {
    format!("fiksio.konto.{}", konto())
}

fn headers() -> Vec<(&'static str, &'static str)> {
    vec![("melding-id", MELDING), ("type", "no.ks.test.v1"), ("avsender-id", AVSENDER)]
}

async fn setup() -> (Broker, FiksIoClient, TokensAsked) {
    setup_with(Router::new()).await
}

async fn setup_with(router: Router) -> (Broker, FiksIoClient, TokensAsked) {
    let broker = Broker::start().await;
    // Each token is used once: it expires before it is old enough to be used again.
    let (config, tokens) = serve(router, 5).await;
    let config = config.amqp(AmqpScheme::Amqp, "127.0.0.1", broker.address().port()).prefetch(3);
    (broker, FiksIoClient::new(config.build().unwrap()).unwrap(), tokens)
}

/// A consumer and its server side.
async fn connected() -> (Broker, FiksIoClient, Meldinger, Client) {
    let (broker, client, _) = setup().await;
    let (meldinger, peer) = tokio::join!(soon(client.receive()), broker.accept_consumer());
    (broker, client, meldinger.unwrap(), peer)
}

async fn settled(peer: &mut Client) -> AMQPClass {
    peer.method().await.expect("the client must still be there")
}

fn ack(delivery_tag: u64) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple: false }))
}

fn nack(delivery_tag: u64, requeue: bool) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Nack(basic::Nack { delivery_tag, multiple: false, requeue }))
}

async fn payload() -> Vec<u8> {
    let files =
        vec![FileSource::from_bytes("a.txt", "hei"), FileSource::from_bytes("stor.bin", vec![9; 300_000])];
    let signer = Signer::from_pem(&other_identity().key, &other_identity().certificate).unwrap();
    let recipient = RecipientCertificate::from_pem(&identity().certificate).unwrap();
    let mut bytes = Vec::new();
    asice::pack_encrypted(files, signer, recipient).unwrap().read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn the_log_in_is_as_the_contract_says() {
    let (broker, client, _) = setup().await;
    let server = async {
        let mut peer = broker.accept().await;
        assert_eq!(peer.login, format!("\0{INTEGRASJON}\0{PASSORD} token-1"));
        assert_eq!(peer.welcome().await, (3, queue()));
        peer
    };
    let (meldinger, _peer) = tokio::join!(soon(client.receive()), server);
    assert!(matches!(meldinger.unwrap().state(), ConnectionState::Connected));
}

#[tokio::test]
async fn a_melding_arrives_with_its_headers_and_is_settled_once() {
    let (_broker, _client, mut meldinger, mut peer) = connected().await;
    let headers = [
        headers(),
        vec![
            ("svar-til", AVSENDER),
            ("egendefinert-header.klientMeldingId", MELDING),
            ("egendefinert-header.klientKorrelasjonsId", "sak 17"),
        ],
    ]
    .concat();
    peer.deliver(1, false, &queue(), &headers, b"").await;
    let melding = soon(meldinger.next()).await.unwrap();
    assert_eq!(melding.melding_id.to_string(), MELDING);
    assert_eq!(melding.melding_type, "no.ks.test.v1");
    assert_eq!(melding.avsender_konto_id, mottaker());
    assert_eq!(melding.mottaker_konto_id, konto());
    assert_eq!(melding.svar_pa_melding.unwrap().to_string(), AVSENDER);
    assert_eq!(melding.klient_melding_id().unwrap().to_string(), MELDING);
    assert_eq!(melding.klient_korrelasjons_id(), Some("sak 17"));
    assert_eq!(melding.ttl.unwrap().as_secs(), 60);
    assert!(!melding.redelivered && !melding.has_payload() && !melding.is_kvittering_of_platform());
    assert!(matches!(melding.dekrypter().await, Err(Error::NoPayload(_))));

    melding.ack().await.unwrap();
    assert_eq!(settled(&mut peer).await, ack(1));
    assert!(matches!(melding.ack().await, Err(Error::AlreadySettled(_))));
    assert!(matches!(melding.nack().await, Err(Error::AlreadySettled(_))));

    peer.deliver(2, true, &queue(), &headers, b"").await;
    let melding = soon(meldinger.next()).await.unwrap();
    assert!(melding.redelivered);
    melding.nack().await.unwrap();
    assert_eq!(settled(&mut peer).await, nack(2, false));

    peer.deliver(
        3,
        false,
        &queue(),
        &[("type", TIDSAVBRUDD)]
            .into_iter()
            .chain(headers.into_iter().filter(|(name, _)| *name != "type"))
            .collect::<Vec<_>>(),
        b"",
    )
    .await;
    let melding = soon(meldinger.next()).await.unwrap();
    assert!(melding.is_kvittering_of_platform());
    melding.nack_with_requeue().await.unwrap();
    assert_eq!(settled(&mut peer).await, nack(3, true));
}

#[tokio::test]
async fn a_payload_in_the_body_is_decrypted_and_verified_as_often_as_asked() {
    let (_broker, _client, mut meldinger, mut peer) = connected().await;
    peer.deliver(1, false, &queue(), &headers(), &payload().await).await;
    let melding = soon(meldinger.next()).await.unwrap();
    for _ in 0..2 {
        let container =
            soon(async { melding.dekrypter().await.unwrap().read_to_memory(1 << 20).await }).await.unwrap();
        assert_eq!(container.file("a.txt").unwrap(), "hei");
        assert_eq!(container.file("stor.bin").unwrap().len(), 300_000);
        let signer = asice::Certificate::from_pem(&other_identity().certificate).unwrap();
        assert_eq!(container.signatures[0].signer, signer);
    }
}

#[tokio::test]
async fn any_of_several_private_keys_opens_a_payload() {
    let (broker, client, _) = setup().await;
    let keys = format!("{}{}", other_identity().key, identity().key);
    let client = client.for_konto(konto(), &keys).unwrap();
    let (meldinger, mut peer) = tokio::join!(soon(client.receive()), broker.accept_consumer());
    peer.deliver(1, false, &queue(), &headers(), &payload().await).await;
    let melding = soon(meldinger.unwrap().next()).await.unwrap();
    soon(async { melding.dekrypter().await.unwrap().finish().await }).await.unwrap();

    let without = client.for_konto(konto(), "").unwrap();
    let (meldinger, mut peer) = tokio::join!(soon(without.receive()), broker.accept_consumer());
    peer.deliver(1, false, &queue(), &headers(), &payload().await).await;
    let melding = soon(meldinger.unwrap().next()).await.unwrap();
    assert!(matches!(melding.dekrypter().await, Err(Error::NoPrivateKey)));
}

#[tokio::test]
async fn a_payload_in_dokumentlager_is_fetched_with_credentials_each_time() {
    const DOKUMENT: &str = "44444444-4444-4444-8444-444444444444";
    let fetched = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&fetched);
    let payload = payload().await;
    let served = payload.clone();
    let download = async move |Path(dokument): Path<String>, headers: HeaderMap| {
        if dokument != DOKUMENT {
            return StatusCode::NOT_FOUND.into_response();
        }
        counter.fetch_add(1, Ordering::SeqCst);
        assert!(headers["authorization"].to_str().unwrap().starts_with("Bearer token-"));
        assert_eq!(
            (headers["integrasjonid"].as_bytes(), headers["integrasjonpassord"].as_bytes()),
            (INTEGRASJON.as_bytes(), PASSORD.as_bytes())
        );
        served.clone().into_response()
    };
    let router = Router::new().route("/dokumentlager/nedlasting/{dokument}", get(download));
    let (broker, client, _) = setup_with(router).await;
    let (meldinger, mut peer) = tokio::join!(soon(client.receive()), broker.accept_consumer());
    let mut meldinger = meldinger.unwrap();

    let found = [headers(), vec![("dokumentlager-id", DOKUMENT)]].concat();
    peer.deliver(1, false, &queue(), &found, b"").await;
    let melding = soon(meldinger.next()).await.unwrap();
    assert!(melding.has_payload());
    let mut encrypted = Vec::new();
    soon(melding.encrypted().await.unwrap().read_to_end(&mut encrypted)).await.unwrap();
    assert_eq!(encrypted, payload);
    soon(async { melding.dekrypter().await.unwrap().finish().await }).await.unwrap();
    assert_eq!(fetched.load(Ordering::SeqCst), 2);

    let missing = [headers(), vec![("dokumentlager-id", MELDING)]].concat();
    peer.deliver(2, false, &queue(), &missing, b"").await;
    let melding = soon(meldinger.next()).await.unwrap();
    assert_eq!(soon(melding.dekrypter()).await.err().and_then(|error| error.status()), Some(404));
}

#[tokio::test]
async fn a_bad_delivery_is_rejected_and_the_next_one_arrives() {
    let (_broker, _client, mut meldinger, mut peer) = connected().await;
    peer.deliver(1, false, &queue(), &[("melding-id", MELDING), ("type", "x")], b"").await;
    peer.deliver(2, false, &queue(), &headers(), b"").await;
    let error = soon(meldinger.next()).await.unwrap_err();
    assert!(
        matches!(&error, Error::BadDelivery { melding: Some(id), reason } if id.to_string() == MELDING && reason.contains("avsender-id"))
    );
    assert_eq!(settled(&mut peer).await, nack(1, false));
    soon(meldinger.next()).await.unwrap().ack().await.unwrap();
    assert_eq!(settled(&mut peer).await, ack(2));
}

#[tokio::test]
async fn a_svar_goes_to_the_sender_and_carries_the_conversation_on() {
    let (_broker, _client, mut meldinger, mut peer) = connected().await;
    let headers = [headers(), vec![("egendefinert-header.klientKorrelasjonId", "sak 17")]].concat();
    peer.deliver(1, false, &queue(), &headers, b"").await;
    let melding = soon(meldinger.next()).await.unwrap();
    let shown = format!("{:?}", melding.svar_request("no.ks.svar.v1"));
    assert!(shown.contains(AVSENDER) && shown.contains(MELDING) && shown.contains("sak 17"), "{shown}");
}

/// What ends a connection, from the server's side.
#[derive(Debug, Clone, Copy)]
enum End {
    SocketDropped,
    ConnectionForced,
    AccessRefused,
    ChannelClosed,
    ConsumerCancelled,
}

#[tokio::test]
async fn whatever_ends_the_connection_the_consumer_comes_back_with_a_new_token() {
    for end in [
        End::SocketDropped,
        End::ConnectionForced,
        End::AccessRefused,
        End::ChannelClosed,
        End::ConsumerCancelled,
    ] {
        let (broker, client, tokens) = setup().await;
        let (meldinger, peer) = tokio::join!(soon(client.receive()), broker.accept_consumer());
        let (mut meldinger, mut peer) = (meldinger.unwrap(), peer);
        peer.deliver(1, false, &queue(), &headers(), b"").await;
        // One is taken, one is left lying.
        peer.deliver(2, false, &queue(), &headers(), b"").await;
        let held = soon(meldinger.next()).await.unwrap();
        let _kept_open = match end {
            End::SocketDropped => {
                drop(peer);
                None
            }
            End::ConnectionForced => {
                peer.close(320, "CONNECTION_FORCED - closed by operator").await;
                None
            }
            End::AccessRefused => {
                peer.close(403, "ACCESS_REFUSED - new password").await;
                None
            }
            End::ChannelClosed => {
                peer.close_channel(406, "PRECONDITION_FAILED - timed out").await;
                Some(peer)
            }
            End::ConsumerCancelled => {
                peer.cancel_consumer().await;
                Some(peer)
            }
        };

        let mut peer = broker.accept().await;
        assert_eq!(peer.login, format!("\0{INTEGRASJON}\0{PASSORD} token-{}", tokens.count()), "{end:?}");
        assert!(tokens.count() > 1, "{end:?}");
        assert_eq!(peer.welcome().await, (3, queue()), "{end:?}");

        let error = soon(held.ack()).await.unwrap_err();
        assert!(matches!(error, Error::Stale(_)), "{end:?}: {error:?}");
        peer.deliver(1, true, &queue(), &headers(), b"").await;
        let melding = soon(meldinger.next()).await.unwrap();
        assert!(melding.redelivered, "{end:?}: what was left lying on the old connection must not show");
        melding.ack().await.unwrap();
        assert_eq!(settled(&mut peer).await, ack(1), "{end:?}");
    }
}

#[tokio::test]
async fn it_tries_again_until_the_server_is_back() {
    let (broker, client, mut meldinger, peer) = connected().await;
    drop(peer);
    broker.hang_up().await;
    let peer = broker.accept().await;
    peer.close(403, "ACCESS_REFUSED - Login was refused").await;
    let mut peer = broker.accept().await;
    peer.up_to_consume().await;
    peer.close_channel(404, "NOT_FOUND - no queue").await;
    let _peer = broker.accept_consumer().await;
    soon(meldinger.connected()).await;
    assert_eq!(client.konto_id(), konto());
}

#[tokio::test]
async fn a_refused_log_in_is_told_at_once() {
    let (broker, client, _) = setup().await;
    let server = async { broker.accept().await.close(403, "ACCESS_REFUSED - Login was refused").await };
    let (meldinger, ()) = tokio::join!(soon(client.receive()), server);
    let Err(Error::AmqpRefused(text)) = meldinger else { panic!("{meldinger:?}") };
    assert_eq!(text, "ACCESS_REFUSED - Login was refused");
}

#[tokio::test]
async fn a_foreign_queue_is_told_at_once() {
    let (broker, client, _) = setup().await;
    let server = async {
        let mut peer = broker.accept().await;
        peer.up_to_consume().await;
        peer.close_channel(403, "ACCESS_REFUSED - access to queue refused").await;
        peer
    };
    let (meldinger, _peer) = tokio::join!(soon(client.receive()), server);
    assert!(matches!(meldinger, Err(Error::AmqpRefused(_))), "{meldinger:?}");
}

#[tokio::test]
async fn without_a_server_one_way_fails_and_the_other_waits() {
    let broker = Broker::start().await;
    let address = broker.address();
    drop(broker);
    let (config, _) = serve(Router::new(), 120).await;
    let config = config.amqp(AmqpScheme::Amqp, "127.0.0.1", address.port()).build().unwrap();
    let client = FiksIoClient::new(config).unwrap();
    assert!(matches!(soon(client.receive()).await, Err(Error::Connection { .. })));

    let meldinger = client.receive_when_possible();
    soon(async {
        while !matches!(
            meldinger.state(),
            ConnectionState::Reconnecting { error: Some(Error::Connection { .. }) }
        ) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn dropping_the_stream_stops_the_consumer_and_leaves_what_is_held() {
    let (_broker, _client, mut meldinger, mut peer) = connected().await;
    peer.deliver(1, false, &queue(), &headers(), b"").await;
    let held = soon(meldinger.next()).await.unwrap();
    drop(meldinger);
    assert!(matches!(settled(&mut peer).await, AMQPClass::Basic(basic::AMQPMethod::Cancel(_))));
    peer.accept_cancel().await;
    held.ack().await.unwrap();
    assert_eq!(settled(&mut peer).await, ack(1));
    drop(held);
    // lapin may close the channel first, or the connection with all that is in it.
    loop {
        match settled(&mut peer).await {
            AMQPClass::Channel(channel::AMQPMethod::Close(_)) => peer.accept_channel_close().await,
            AMQPClass::Connection(connection::AMQPMethod::Close(close)) => {
                assert_eq!(close.reply_code, 200);
                break;
            }
            other => panic!("expected Close, got {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_log_in_that_is_given_up_leaves_no_connection_behind() {
    let (broker, client, _) = setup().await;
    let mut receive = Box::pin(client.receive());
    let mut silent = tokio::select! {
        _ = &mut receive => panic!("nobody has answered"),
        peer = broker.accept() => peer,
    };
    drop(receive);
    assert!(silent.method().await.is_none(), "the client is gone");
}

#[tokio::test]
async fn closing_waits_for_the_server() {
    let (_broker, _client, meldinger, mut peer) = connected().await;
    let server = async {
        assert!(matches!(settled(&mut peer).await, AMQPClass::Basic(basic::AMQPMethod::Cancel(_))));
        peer.accept_cancel().await;
        let close = settled(&mut peer).await;
        assert!(matches!(close, AMQPClass::Connection(connection::AMQPMethod::Close(_))), "{close:?}");
        peer.accept_close().await;
    };
    tokio::join!(soon(meldinger.close()), server);
    assert!(peer.method().await.is_none(), "the client is gone");
}

fn tls_identity() -> (String, rustls::ServerConfig) {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &Issuer::new(ca, ca_key))
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (ca_pem, config)
}

#[tokio::test]
async fn tls_trusts_the_given_root_and_no_other() {
    let (ca_pem, tls) = tls_identity();
    let broker = Broker::start().await.with_tls(Arc::new(tls).into());
    let (config, _) = serve(Router::new(), 120).await;
    let config = config.amqps("localhost", broker.address().port());

    let trusting = FiksIoClient::new(config.clone().ca_certificates(ca_pem).build().unwrap()).unwrap();
    let (meldinger, mut peer) = tokio::join!(soon(trusting.receive()), broker.accept_consumer());
    let mut meldinger = meldinger.unwrap();
    peer.deliver(1, false, &queue(), &headers(), &payload().await).await;
    let melding = soon(meldinger.next()).await.unwrap();
    soon(async { melding.dekrypter().await.unwrap().finish().await }).await.unwrap();

    // A server that nobody vouches for: the handshake fails on both sides.
    let (_, stranger) = tls_identity();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = async {
        let (socket, _) = listener.accept().await.unwrap();
        let handshake: io::Result<_> =
            tokio_rustls::TlsAcceptor::from(Arc::new(stranger)).accept(socket).await;
        assert!(handshake.is_err());
    };
    let (config, _) = serve(Router::new(), 120).await;
    let wary = FiksIoClient::new(config.amqps("localhost", port).build().unwrap()).unwrap();
    let (refused, ()) = tokio::join!(soon(wary.receive()), soon(server));
    assert!(matches!(refused, Err(Error::Connection { .. })), "{refused:?}");
}
