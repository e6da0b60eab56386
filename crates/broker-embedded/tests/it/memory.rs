//! What is handed out takes its memory before it is read.

use std::time::Duration;

use app::contract::broker::BrokerHarness;
use app::memory::{Owner, Pool, Share};
use app::ports::{ChannelOptions, Consumer, Delivery, OpenChannel, Settlement};
use wire::id::{FiksOrgId, KontoId, Uuid};

use crate::harness::Harness;
use crate::lifecycle::{konto, melding, soon};

const LARGE: usize = 400_000;

async fn channel(h: &Harness, konto: KontoId, memory: Share, prefetch: u16) -> OpenChannel {
    let options = ChannelOptions { memory: Some(memory), ..ChannelOptions::default() };
    let channel = h.broker().open_channel(options).await.unwrap();
    channel.control.consume(Consumer(1), konto, prefetch).await.unwrap();
    channel
}

async fn next(channel: &mut OpenChannel) -> Delivery {
    tokio::time::timeout(Duration::from_secs(30), channel.deliveries.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn nothing_is_read_for_a_consumer_before_there_is_memory_for_it() {
    let h = Harness::start().await;
    let (sender, receiver, other) = (konto(&h).await, konto(&h).await, konto(&h).await);
    // Some small enough to be at hand already.
    for size in [LARGE, 20_000, LARGE, LARGE, 20_000, LARGE, LARGE] {
        for to in [receiver, other] {
            h.broker().publish(melding(&h, sender, to), vec![7; size].into()).await.unwrap();
        }
    }
    let pool = Pool::new(2_500_000, 1_000_000);
    let share = |n| pool.share(Owner::Organisasjon(FiksOrgId::from_uuid(Uuid::from_u128(n))));
    let mut deaf = Vec::new();
    for _ in 0..2 {
        deaf.push(channel(&h, receiver, share(1), 4).await);
    }
    // Both of one organisasjon wait for the other, and hold no more than is theirs.
    soon(async || share(1).is_wanted()).await;
    assert!(pool.held() <= 1_000_000);
    // Another goes on, and so does one of the same once the deaf ones are gone.
    let mut honest = channel(&h, other, share(2), 100).await;
    for _ in 0..7 {
        let delivery = next(&mut honest).await;
        assert!(delivery.memory.as_ref().is_some_and(|held| held.bytes() > delivery.payload.len() as u64));
        honest.control.settle(delivery.id, Settlement::Ack);
    }
    drop(deaf);
    let mut again = channel(&h, receiver, share(1), 100).await;
    for _ in 0..7 {
        let delivery = next(&mut again).await;
        again.control.settle(delivery.id, Settlement::Ack);
    }
    drop((honest, again));
    soon(async || pool.held() == 0).await;
}

/// A large one first, and small ones behind it that are at hand: whoever waits for the large one must not hold the memory of the
/// small ones, or it would wait for itself.
#[tokio::test]
async fn whoever_waits_for_memory_holds_none() {
    let h = Harness::start().await;
    let (sender, receiver) = (konto(&h).await, konto(&h).await);
    let sizes = || std::iter::once(LARGE).chain(std::iter::repeat_n(20_000, 20));
    for size in sizes() {
        h.broker().publish(melding(&h, sender, receiver), vec![7; size].into()).await.unwrap();
    }
    let pool = Pool::new(1_000_000, 600_000);
    let share = pool.share(Owner::Organisasjon(FiksOrgId::from_uuid(Uuid::from_u128(1))));
    let mut channel = channel(&h, receiver, share, 30).await;
    for size in sizes() {
        let delivery = next(&mut channel).await;
        assert_eq!(delivery.payload.len(), size, "in their order");
        channel.control.settle(delivery.id, Settlement::Ack);
    }
}

#[tokio::test]
async fn melding_larger_than_all_memory_is_handed_out_alone() {
    let h = Harness::start().await;
    let (sender, receiver) = (konto(&h).await, konto(&h).await);
    for _ in 0..3 {
        h.broker().publish(melding(&h, sender, receiver), vec![7; LARGE].into()).await.unwrap();
    }
    let pool = Pool::new(1_000, 1_000);
    let mut channel = channel(&h, receiver, pool.share(Owner::Strangers), 100).await;
    for _ in 0..3 {
        let delivery = next(&mut channel).await;
        assert_eq!((delivery.payload.len(), pool.held()), (LARGE, 1_000));
        channel.control.settle(delivery.id, Settlement::Ack);
    }
}
