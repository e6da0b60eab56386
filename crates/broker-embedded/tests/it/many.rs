//! What a caller can make large is done in pieces, with all else in between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use app::contract::broker::BrokerHarness;
use app::memory::{Owner, Pool};
use app::ports::{Broker, ChannelOptions, Consumer, EndedBy, OpenChannel, QueueStatus, Settlement};
use bytes::Bytes;
use domain::melding::{MAX_ATTEMPTS, Retur};
use wire::id::{DokumentId, KontoId, MeldingId};

use crate::harness::Harness;
use crate::lifecycle::{konto, melding, soon};

/// So many that one step with all of them would be very long.
const MANY: u64 = 20_000;
/// As many as go into one step, about.
const AT_ONCE: u64 = 1_024;

async fn publish_many(h: &Harness, a: KontoId, b: KontoId, count: u64) -> Vec<MeldingId> {
    let mut sent = Vec::new();
    let mut publishing = tokio::task::JoinSet::new();
    for _ in 0..count {
        let melding = melding(h, a, b);
        sent.push(melding.id);
        let broker = Arc::clone(h.embedded());
        publishing.spawn(async move { broker.publish(melding, Bytes::new()).await });
    }
    while let Some(published) = publishing.join_next().await {
        published.unwrap().unwrap();
    }
    sent
}

async fn now(h: &Harness, konto: KontoId) -> QueueStatus {
    h.embedded().queue_statuses(&[konto]).await.unwrap().remove(0).unwrap()
}

/// Consumers that hold all of `konto` and take nothing.
async fn hold_all(h: &Harness, konto: KontoId, count: u64) -> OpenChannel {
    let channel = h.broker().open_channel(ChannelOptions::default()).await.unwrap();
    channel.control.consume(Consumer(1), konto, u16::MAX).await.unwrap();
    soon(async || now(h, konto).await.unacked == count).await;
    channel
}

/// Whoever lets go of very many at once lets others be answered meanwhile, also where each becomes a dead letter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_a_channel_that_holds_many_lets_others_be_answered() {
    let h = Harness::start().await;
    let (a, b, c) = (konto(&h).await, konto(&h).await, konto(&h).await);
    publish_many(&h, a, b, MANY).await;
    for round in 1..=MAX_ATTEMPTS {
        let channel = hold_all(&h, b, MANY).await;
        channel.control.end(EndedBy::Consumer);
        // Is asked behind the end of the channel, and answered before all of it is done.
        let QueueStatus { unacked, .. } = now(&h, b).await;
        assert!(unacked > 0, "in round {round} somebody is answered before all have come back");
        h.broker().publish(melding(&h, a, c), Bytes::new()).await.unwrap();
        channel.control.close(EndedBy::Server).await;
        soon(async || now(&h, b).await.unacked == 0).await;
    }
    assert_eq!(now(&h, b).await.dead, MANY);
    assert_eq!(now(&h, a).await.ready, MANY, "each sender is notified once");
    assert_eq!(now(&h, c).await.ready, u64::from(MAX_ATTEMPTS));

    // So does the removal of what became of it.
    let broker = Arc::clone(h.embedded());
    let removal = tokio::spawn(async move { broker.delete_queue(b).await });
    soon(async || !h.broker().list_queues().await.unwrap().contains(&b)).await;
    h.broker().publish(melding(&h, a, c), Bytes::new()).await.unwrap();
    removal.await.unwrap().unwrap();
    assert_eq!(h.broker().list_dead_letters(b, 10).await.unwrap(), []);
}

/// What could go to another consumer of a channel that closes is held by nobody afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channel_with_several_consumers_that_closes_early_leaves_nothing_held_by_nobody() {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let count = 6 * AT_ONCE;
    publish_many(&h, a, b, count).await;
    for round in 0..10 {
        let channel = h.broker().open_channel(ChannelOptions::default()).await.unwrap();
        for consumer in 1..=3 {
            channel.control.consume(Consumer(consumer), b, u16::MAX).await.unwrap();
        }
        // Most are still to be handed out.
        channel.control.close(EndedBy::Server).await;
        let QueueStatus { ready, unacked, dead, .. } = now(&h, b).await;
        assert_eq!((ready, unacked, dead), (count, 0, 0), "in round {round}");
    }
}

/// Whoever goes away before the answer comes leaves no channel behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channel_that_nobody_waits_for_any_more_is_closed() {
    let h = Harness::start().await;
    let pool = Pool::new(1024, 1024);
    let before = Arc::strong_count(&pool);
    for n in 0..200 {
        let options =
            ChannelOptions { memory: Some(pool.share(Owner::Strangers)), ..ChannelOptions::default() };
        let broker = h.broker();
        let mut opening = Box::pin(broker.open_channel(options));
        // It asks, and goes away.
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(opening.as_mut().poll(context)));
        drop(polled.await);
        drop(opening);
        if n % 20 == 0 {
            now(&h, konto(&h).await).await;
        }
    }
    soon(async || Arc::strong_count(&pool) == before).await;
}

/// What a melding names is named at any moment, also while it goes from its queue to the dead letters and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dokument_of_a_melding_that_moves_is_always_named() {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    // So that looking takes a while.
    publish_many(&h, a, a, 5_000).await;
    let dokument = DokumentId::from_uuid(h.uuid());
    let moving = domain::melding::Melding { dokumentlager_id: Some(dokument), ..melding(&h, a, b) };
    let id = moving.id;
    h.broker().publish(moving, Bytes::new()).await.unwrap();
    let mut channel = h.broker().open_channel(ChannelOptions::default()).await.unwrap();
    channel.control.consume(Consumer(1), b, 1).await.unwrap();
    let (broker, done) = (Arc::clone(h.embedded()), Arc::new(AtomicBool::new(false)));
    let looking = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                let named = broker.named_dokumenter([dokument].into()).await.unwrap();
                assert!(named.contains(&dokument), "look {looks} missed it");
                looks += 1;
            }
            looks
        }
    });
    for _ in 0..100 {
        for _ in 0..MAX_ATTEMPTS {
            let delivery = channel.deliveries.recv().await.unwrap();
            channel.control.settle(delivery.id, Settlement::Requeue(Retur::NackMedRequeue));
        }
        soon(async || h.broker().requeue_dead_letter(b, id).await.unwrap()).await;
    }
    done.store(true, Ordering::Relaxed);
    assert!(looking.await.unwrap() > 0);
}

/// A crash between two pieces loses nothing and counts nothing twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_while_many_come_back_counts_each_once() {
    let mut h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let count = 6 * AT_ONCE;
    let sent = publish_many(&h, a, b, count).await;
    let channel = hold_all(&h, b, count).await;
    channel.control.end(EndedBy::Consumer);
    h.crash().await;
    soon(async || now(&h, b).await.ready == count).await;
    let mut channel = h.broker().open_channel(ChannelOptions::default()).await.unwrap();
    channel.control.consume(Consumer(1), b, u16::MAX).await.unwrap();
    let mut taken = BTreeSet::new();
    while taken.len() < sent.len() {
        let delivery = channel.deliveries.recv().await.unwrap();
        assert_eq!(delivery.attempts, 1, "each came back once");
        taken.insert(delivery.melding.id);
    }
    assert_eq!(taken, sent.into_iter().collect());
}

/// A stop in good order while they come back: what a consumer let go of before counts as an attempt, and nothing else does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_while_many_come_back_counts_what_was_let_go_of_and_no_more() {
    let mut h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let count = 6 * AT_ONCE;
    publish_many(&h, a, b, count).await;
    for by in [EndedBy::Server, EndedBy::Consumer, EndedBy::Server, EndedBy::Consumer, EndedBy::Consumer] {
        let before = now(&h, b).await;
        assert_eq!((before.ready, before.unacked, before.dead), (count, 0, 0));
        let channel = hold_all(&h, b, count).await;
        channel.control.end(by);
        h.broker().begin_stop();
        h.restart().await;
    }
    let after = now(&h, b).await;
    assert_eq!((after.ready, after.unacked, after.dead), (0, 0, count));
    assert_eq!(now(&h, a).await.ready, count);
}

/// Many whose time is over end in pieces; whoever asks for the queue is answered when all have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_expire_let_others_be_answered() {
    let h = Harness::start().await;
    let (a, b, c) = (konto(&h).await, konto(&h).await, konto(&h).await);
    let count = MANY;
    publish_many(&h, a, b, count).await;
    h.clock.advance(domain::melding::DEFAULT_TTL);
    let (status, ()) = tokio::join!(h.embedded().queue_status(b), async {
        h.broker().publish(melding(&h, a, c), Bytes::new()).await.unwrap();
        assert!(now(&h, b).await.ready > 0, "another was taken before all had expired");
    });
    assert_eq!(status.unwrap().ready, 0);
    assert_eq!(h.embedded().queue_status(a).await.unwrap().ready, count);
}
