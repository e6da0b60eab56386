//! Getting in, and being sent away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use app::Caller;
use app::konto::NyKonto;
use domain::konto::PartRef;
use futures::StreamExt;
use knutepunkt_amqp::{Config, Server};
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Party, World, within};

/// Reply code and text of an error.
fn reply(error: &lapin::Error) -> (u16, String) {
    match error.kind() {
        ErrorKind::ProtocolError(error) => (error.get_id(), error.get_message().to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn wrong_password_unknown_user_and_token_of_another_are_refused_alike() {
    let world = World::new().await;
    let party = &world.storevik;
    let user = party.integrasjon.to_string();
    let good = format!("{} {}", party.passord, party.token);
    for (user, secret) in [
        (user.as_str(), format!("wrong {}", party.token)),
        (user.as_str(), format!("{} {}", party.passord, world.lillefjord.token)),
        (user.as_str(), format!("{} garbage", party.passord)),
        (user.as_str(), party.passord.clone()),
        ("00000000-0000-4000-8000-000000000000", good.clone()),
        ("guest", good.clone()),
    ] {
        let error = world.connect_as(user, &secret).await.expect_err("it is refused");
        let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.";
        assert_eq!(reply(&error), (403, text.to_owned()));
    }
    world.connect_as(&user, &good).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn failed_log_ins_of_an_address_are_limited_and_the_right_one_gets_in() {
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    let config = Config {
        refused_log_ins: Arc::new(move |address| {
            assert!(address.is_loopback());
            counted.fetch_add(1, Ordering::SeqCst) < 3
        }),
        refusal_delay: Duration::from_millis(20),
        ..Config::default()
    };
    let world = World::with(config).await;
    let party = &world.storevik;
    let user = party.integrasjon.to_string();
    let wrong = format!("wrong {}", party.token);
    for attempt in 0..5 {
        let error = world.connect_as(&user, &wrong).await.expect_err("it is refused");
        let is_told = matches!(error.kind(), ErrorKind::ProtocolError(_));
        assert_eq!(is_told, attempt < 3, "{attempt}: {error:?}");
        // It is their own client that gets in between, and counts for nothing.
        world.connect(party).await.unwrap();
    }
    assert_eq!(refused.load(Ordering::SeqCst), 5);
    world.end().await;
}

#[tokio::test]
async fn foreign_queue_is_403_and_unknown_queue_404_on_the_channel() {
    let world = World::new().await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let user = world.storevik.integrasjon;
    let foreign = world.lillefjord.queue();
    let unknown = "fiksio.konto.00000000-0000-4000-8000-000000000000";
    for (queue, expected) in [
        (
            foreign.as_str(),
            (
                403,
                format!(
                    "ACCESS_REFUSED - access to queue '{foreign}' in vhost '/' refused for user '{user}'"
                ),
            ),
        ),
        (unknown, (404, format!("NOT_FOUND - no queue '{unknown}' in vhost '/'"))),
    ] {
        let channel = connection.create_channel().await.unwrap();
        let consume = channel.basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        assert_eq!(reply(&within(consume).await.expect_err("it is refused")), expected);
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = connection.create_channel().await.unwrap();
        let declare = channel.queue_declare(queue.into(), options, FieldTable::default());
        assert_eq!(reply(&within(declare).await.expect_err("it is refused")), expected);
    }
    // The connection is as good as before.
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    world.send(3).await;
    let own =
        channel.queue_declare(world.storevik.queue().into(), options, FieldTable::default()).await.unwrap();
    assert_eq!((own.message_count(), own.consumer_count()), (3, 0));
    world.end().await;
}

#[tokio::test]
async fn publish_and_declare_are_refused_cleanly() {
    let world = World::new().await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let declare = channel.queue_declare("jobs".into(), QueueDeclareOptions::default(), FieldTable::default());
    assert_eq!(reply(&within(declare).await.expect_err("it is refused")).0, 403);

    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let queue = world.lillefjord.queue();
    let published = within(async {
        channel
            .basic_publish(
                "".into(),
                queue.into(),
                BasicPublishOptions::default(),
                b"x",
                BasicProperties::default(),
            )
            .await?
            .await
    });
    let (code, text) = reply(&published.await.expect_err("it is refused"));
    assert_eq!(code, 403);
    assert!(
        text.starts_with("ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user"),
        "{text}"
    );
    assert_eq!(world.broker().queue_status(world.lillefjord.konto).await.unwrap().ready, 0);
    world.end().await;
}

const CHANGED: &str = "CONNECTION_FORCED - the log-in was changed, log in again";

async fn error(events: &mut (impl StreamExt<Item = lapin::Event> + Unpin)) -> lapin::Error {
    within(async {
        loop {
            if let lapin::Event::Error(error) = events.next().await.expect("an event") {
                break error;
            }
        }
    })
    .await
}

/// With however many kontoer, and however often others change their log-ins.
#[tokio::test]
async fn removed_system_ends_its_own_connections_and_no_others() {
    let world = World::new().await;
    let (gone, others) = (&world.lillefjord, &world.storevik);
    for number in 0..300 {
        let ny = NyKonto {
            navn: format!("Konto {number}"),
            beskrivelse: "For test".to_owned(),
            protokoll_navn: "no.ks.fiks.arkiv".to_owned(),
            parter: vec![PartRef { versjon: "v1".to_owned(), navn: "klient.full".to_owned() }],
            offentlig_nokkel: None,
        };
        world.app.create_konto(&Caller::Operator, gone.org, gone.system, ny, None).await.unwrap();
    }
    let connection = world.connect(others).await.unwrap();
    let ended = world.connect(gone).await.unwrap();
    let mut errors = Box::pin(ended.events_listener());
    for _ in 0..300 {
        let caller = Caller::Operator;
        world.app.new_passord(&caller, gone.org, gone.system, gone.integrasjon, None).await.unwrap();
    }
    assert_eq!(reply(&error(&mut errors).await), (320, CHANGED.to_owned()));
    let passord = world
        .app
        .new_passord(&Caller::Operator, gone.org, gone.system, gone.integrasjon, None)
        .await
        .unwrap();
    let secret = format!("{} {}", passord.reveal(), gone.token);
    let ended = world.connect_as(&gone.integrasjon.to_string(), &secret).await.unwrap();
    let mut errors = Box::pin(ended.events_listener());
    world.app.remove_system(&Caller::Operator, gone.org, gone.system).await.unwrap();
    assert_eq!(reply(&error(&mut errors).await), (320, CHANGED.to_owned()));
    connection.create_channel().await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn new_password_ends_the_connections_of_the_old_with_320() {
    let world = World::new().await;
    let party = &world.storevik;
    let mine = world.connect(party).await.unwrap();
    let other = world.connect(&world.lillefjord).await.unwrap();
    let sent = world.send_one(b"0".to_vec()).await;
    let channel = mine.create_channel().await.unwrap();
    let options = lapin::options::BasicConsumeOptions::default();
    let queue = party.queue();
    let mut consumer = channel
        .basic_consume(queue.as_str().into(), "".into(), options, lapin::types::FieldTable::default())
        .await
        .unwrap();
    within(consumer.next()).await.unwrap().unwrap();
    let mut errors = Box::pin(mine.events_listener());
    world.app.new_passord(&Caller::Operator, party.org, party.system, party.integrasjon, None).await.unwrap();
    assert_eq!(reply(&error(&mut errors).await), (320, CHANGED.to_owned()));
    // The receiver had no part in it.
    world.until_returned(sent, domain::melding::Retur::Avbrutt).await;
    // Nobody else is bothered, and the old password is out.
    other.create_channel().await.unwrap();
    assert_eq!(reply(&world.connect(party).await.expect_err("it is refused")).0, 403);
    world.end().await;
}

#[tokio::test]
async fn garbage_and_plain_text_do_not_disturb_the_others() {
    let world = World::new().await;
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"AMQP\0\0\x09\x01", &[0xff; 5000]] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // Whatever the answer, it comes to an end.
        let _ = within(stream.read_to_end(&mut answer)).await;
    }
    world.connect(&world.storevik).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn silent_strangers_never_keep_a_client_out_and_the_oldest_goes() {
    let config = Config { unauthenticated_max: 4, unauthenticated_per_address: 100, ..Config::default() };
    let world = World::with(config).await;
    let logged_in = world.connect(&world.storevik).await.unwrap();
    // Not one of them comes as far as a TLS handshake.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(world.address).await.unwrap());
    }
    let newcomer = world.connect(&world.lillefjord).await.expect("there is always room to log in");
    assert_eq!(within(silent[0].read(&mut [0; 8])).await.unwrap(), 0);
    newcomer.create_channel().await.unwrap();
    logged_in.create_channel().await.expect("whoever is logged in is no stranger");
    world.end().await;
}

#[tokio::test]
async fn silent_strangers_never_keep_a_client_out_however_many_are_logged_in() {
    let config = Config { connections_max: 8, unauthenticated_max: 4, ..Config::default() };
    let world = World::with(config).await;
    let mut logged_in = Vec::new();
    for _ in 0..6 {
        logged_in.push(world.connect(&world.storevik).await.unwrap());
    }
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(world.address).await.unwrap());
    }
    let newcomer = world.connect(&world.lillefjord).await.expect("there is always room to log in");
    newcomer.create_channel().await.unwrap();
    // Now all places are taken but for the one that is kept for strangers.
    let (code, text) = reply(&world.connect(&world.lillefjord).await.expect_err("there is no room"));
    assert_eq!(code, 320, "{text}");
    for connection in &logged_in {
        connection.create_channel().await.expect("whoever is logged in is no stranger");
    }
    world.end().await;
}

/// Logs in at `address` and goes no further, whatever the server says to it.
pub(crate) async fn log_in_and_stop(address: SocketAddr, party: &Party) -> std::io::Result<TcpStream> {
    let secret = format!("\0{}\0{} {}", party.integrasjon, party.passord, party.token);
    let mut payload = vec![0, 10, 0, 11, 0, 0, 0, 0, 5];
    payload.extend_from_slice(b"PLAIN");
    payload.extend_from_slice(&u32::try_from(secret.len()).unwrap().to_be_bytes());
    payload.extend_from_slice(secret.as_bytes());
    payload.extend_from_slice(b"\x05en_US");
    let mut bytes = b"AMQP\0\0\x09\x01\x01\0\0".to_vec();
    bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&payload);
    bytes.push(0xce);
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&bytes).await?;
    // `connection.start`, then `connection.tune`.
    for method in [10, 30] {
        let mut head = [0; 7];
        stream.read_exact(&mut head).await?;
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut rest = vec![0; usize::try_from(size).unwrap() + 1];
        stream.read_exact(&mut rest).await?;
        assert_eq!(rest[..4], [0, 10, 0, method]);
    }
    Ok(stream)
}

#[tokio::test]
async fn connections_over_a_limit_that_go_no_further_keep_nobody_out() {
    let grenser = app::Grenser::default().with(app::Grense::TilkoblingerPerIntegrasjon, 1);
    let world = World::limited(Config::default(), grenser).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Config { connections_max: 32, unauthenticated_max: 16, ..Config::default() };
    let (server, stop) = (Server::new(world.app.clone(), config), world.shutdown.clone());
    let server = tokio::spawn(async move { server.run(listener, None, stop).await });
    let mut stuck = Vec::new();
    for _ in 0..64 {
        stuck.push(within(log_in_and_stop(address, &world.storevik)).await.expect("it is let in"));
    }
    // All but the first were over the limit, and two of them may stay.
    assert_eq!(within(stuck[1].read(&mut [0; 8])).await.unwrap_or(0), 0, "the oldest made room");
    within(log_in_and_stop(address, &world.lillefjord)).await.expect("another organisasjon is let in");
    drop(stuck);
    world.end().await;
    within(server).await.unwrap();
}

#[tokio::test]
async fn connection_over_the_limit_of_its_integrasjon_is_told_530_and_others_go_on() {
    let grenser = app::Grenser::default().with(app::Grense::TilkoblingerPerIntegrasjon, 2);
    let world = World::limited(Config::default(), grenser).await;
    let first = world.connect(&world.storevik).await.unwrap();
    let _second = world.connect(&world.storevik).await.unwrap();
    let (code, text) = reply(&world.connect(&world.storevik).await.expect_err("it is one too many"));
    assert_eq!(code, 530);
    assert!(text.contains("grenser.tilkoblinger_per_integrasjon = 2"), "{text}");
    world.connect(&world.lillefjord).await.expect("another integrasjon has its own limit");
    first.close(200, "".into()).await.unwrap();
    within(async { while world.connect(&world.storevik).await.is_err() {} }).await;
    world.end().await;
}

#[tokio::test]
async fn channels_and_consumers_over_the_limit_close_the_connection_so_that_no_client_stays_deaf() {
    let grenser = app::Grenser::default()
        .with(app::Grense::KanalerPerIntegrasjon, 2)
        .with(app::Grense::KonsumenterPerIntegrasjon, 1);
    let world = World::limited(Config::default(), grenser).await;
    let connection = world.connect(&world.storevik).await.unwrap();
    let _one = connection.create_channel().await.unwrap();
    let _two = connection.create_channel().await.unwrap();
    let (code, text) = reply(&within(connection.create_channel()).await.expect_err("it is one too many"));
    assert_eq!(code, 530);
    assert!(text.contains("grenser.kanaler_per_integrasjon"), "{text}");
    within(async {
        while connection.status().connected() {
            tokio::task::yield_now().await;
        }
    })
    .await;

    // What the lost connection had is given back.
    let again = within(async {
        loop {
            let connection = world.connect(&world.storevik).await.unwrap();
            if let Ok(channel) = connection.create_channel().await {
                break (connection, channel);
            }
        }
    })
    .await;
    let consume = |tag: &'static str| {
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        again.1.basic_consume(world.storevik.queue().into(), tag.into(), options, arguments)
    };
    let _consumer = within(consume("a")).await.unwrap();
    let (code, text) = reply(&within(consume("b")).await.expect_err("it is one too many"));
    assert_eq!(code, 530);
    assert!(text.contains("grenser.konsumenter_per_integrasjon"), "{text}");
    within(async {
        while again.0.status().connected() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.end().await;
}
