use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use app::contract::broker::BrokerHarness;
use app::ports::{BrokerError, ChannelOptions, Consumer, EndedBy, OpenChannel, Settlement};
use bytes::Bytes;
use domain::melding::{DEFAULT_TTL, MAX_ATTEMPTS, Melding, Retur};
use knutepunkt_broker_embedded::{EmbeddedBroker, Options};
use wire::id::{KontoId, MeldingId};

use crate::harness::Harness;

const DAY: Duration = Duration::from_hours(24);

pub(crate) async fn konto(h: &Harness) -> KontoId {
    let konto = KontoId::from_uuid(h.uuid());
    h.broker().create_queue(konto).await.unwrap();
    konto
}

pub(crate) fn melding(h: &Harness, avsender: KontoId, mottaker: KontoId) -> Melding {
    Melding {
        id: MeldingId::from_uuid(h.uuid()),
        avsender,
        mottaker,
        meldingstype: "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett".to_owned(),
        svar_pa_melding: None,
        svar_til_type: None,
        dokumentlager_id: None,
        headere: BTreeMap::new(),
        ttl: DEFAULT_TTL,
        mottatt: h.now(),
    }
}

pub(crate) async fn publish(h: &Harness, avsender: KontoId, mottaker: KontoId) -> MeldingId {
    let melding = melding(h, avsender, mottaker);
    let id = melding.id;
    h.broker().publish(melding, Bytes::from_static(b"innhold")).await.unwrap();
    id
}

pub(crate) async fn consume(h: &Harness, konto: KontoId) -> OpenChannel {
    let channel = h.broker().open_channel(ChannelOptions::default()).await.unwrap();
    channel.control.consume(Consumer(1), konto, 100).await.unwrap();
    channel
}

/// Waits until it is so.
pub(crate) async fn soon(is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("comes about in time");
}

#[tokio::test]
async fn full_disk_refuses_publish_and_loses_nothing() {
    let mut h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let kept = publish(&h, a, b).await;
    h.options.min_free_bytes = u64::MAX;
    h.restart().await;

    let refused = melding(&h, a, b);
    let id = refused.id;
    let answer = h.broker().publish(refused, Bytes::new()).await;
    assert!(matches!(answer, Err(BrokerError::Full)), "{answer:?}");
    assert_eq!(h.broker().melding(id).await.unwrap(), None);

    // All else goes on: handing out, returning, telling the sender.
    let mut channel = consume(&h, b).await;
    for _ in 0..MAX_ATTEMPTS {
        let delivery = channel.deliveries.recv().await.unwrap();
        assert_eq!(delivery.melding.id, kept);
        channel.control.settle(delivery.id, Settlement::Requeue(Retur::NackMedRequeue));
    }
    let mut sender = consume(&h, a).await;
    let told = sender.deliveries.recv().await.unwrap();
    assert_eq!(told.melding.svar_pa_melding, Some(kept));

    h.options.min_free_bytes = 0;
    h.restart().await;
    publish(&h, a, b).await;
    assert_eq!(h.broker().queue_status(b).await.unwrap().ready, 1);
}

#[tokio::test]
async fn folder_in_use_is_refused() {
    let h = Harness::start().await;
    let again =
        EmbeddedBroker::open(h.path(), Arc::new(h.clock.clone()), h.ids.clone(), Options::default()).await;
    let error = again.err().expect("the folder is locked");
    assert!(error.to_string().contains(&h.path().display().to_string()), "{error}");
}

#[tokio::test]
async fn closed_broker_is_not_available_and_ends_its_channels() {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    publish(&h, a, b).await;
    let mut channel = consume(&h, b).await;
    channel.deliveries.recv().await.unwrap();
    h.embedded().close().await.unwrap();

    assert!(channel.deliveries.recv().await.is_none());
    let broker = h.broker();
    let unavailable = |error: Option<BrokerError>| error.is_some_and(|error| error.is_unavailable());
    assert!(unavailable(broker.publish(melding(&h, a, b), Bytes::new()).await.err()));
    assert!(unavailable(broker.create_queue(a).await.err()));
    assert!(unavailable(broker.delete_queue(a).await.err()));
    assert!(unavailable(broker.queue_status(a).await.err()));
    assert!(unavailable(broker.open_channel(ChannelOptions::default()).await.err()));
    assert!(unavailable(broker.list_meldinger(a, 1).await.err()));
    assert!(unavailable(channel.control.consume(Consumer(2), a, 1).await.err()));
    channel.control.cancel(Consumer(1)).await.unwrap();
    channel.control.close(EndedBy::Server).await;
    h.embedded().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meldinger_are_forgotten_after_the_retention() {
    let options = Options { min_free_bytes: 0, retention: 30 * DAY, prune_every: DAY, ..Options::default() };
    let h = Harness::with(options).await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let acked = publish(&h, a, b).await;
    let dead = publish(&h, a, b).await;
    let mut channel = consume(&h, b).await;
    let delivery = channel.deliveries.recv().await.unwrap();
    channel.control.settle(delivery.id, Settlement::Ack);
    for _ in 0..MAX_ATTEMPTS {
        let delivery = channel.deliveries.recv().await.unwrap();
        channel.control.settle(delivery.id, Settlement::Requeue(Retur::NackMedRequeue));
    }
    channel.control.close(EndedBy::Server).await;
    let mut long = melding(&h, a, b);
    long.ttl = 100 * DAY;
    let waiting = long.id;
    h.broker().publish(long, Bytes::from_static(b"innhold")).await.unwrap();
    // The serverfeil expires after seven days, and is remembered for thirty more.
    h.pass(29 * DAY).await;
    let before = h.broker().queue_status(b).await.unwrap();
    assert_eq!((before.dead, before.ready), (1, 1));
    assert!(h.broker().melding(acked).await.unwrap().is_some());
    let kvittering = h.broker().list_meldinger(a, 1_000).await.unwrap();
    assert_eq!(kvittering.len(), 4);

    h.pass(2 * DAY).await;
    soon(async || h.broker().queue_status(b).await.unwrap().dead == 0).await;
    assert_eq!(h.broker().melding(acked).await.unwrap(), None);
    assert_eq!(h.broker().melding(dead).await.unwrap(), None);
    assert!(h.broker().list_dead_letters(b, 10).await.unwrap().is_empty());
    let of_b: Vec<_> =
        h.broker().list_meldinger(b, 10).await.unwrap().into_iter().map(|m| m.melding.id).collect();
    assert!(of_b.contains(&waiting) && of_b.len() == 2, "the serverfeil is not yet due: {of_b:?}");

    h.pass(30 * DAY).await;
    soon(async || h.broker().list_meldinger(a, 10).await.unwrap().len() == 1).await;
    let mut channel = consume(&h, b).await;
    let delivery = channel.deliveries.recv().await.unwrap();
    assert_eq!((delivery.melding.id, &delivery.payload[..]), (waiting, &b"innhold"[..]));
}
