//! What every [`Broker`] must do. Run with [`broker_contract!`](crate::broker_contract) in each adapter.
//!
//! A case makes its own Kontoer, so cases may share a backend. None says how soon something happens, only that it does;
//! what must not happen is told from [`QueueStatus`] and sporing, which are exact once what was asked for before is done.

#![expect(clippy::missing_panics_doc, reason = "each case panics when the adapter breaks its rule")]

mod room;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::melding::{
    CRASH_COUNTS_FOR, DEFAULT_TTL, Hendelse, MAX_ATTEMPTS, MAX_CRASHES, Melding, Retur, rest_after,
    rest_after_breaks,
};
use jiff::Timestamp;
use tokio::time::timeout;
use wire::id::{DokumentId, KontoId, MeldingId, Uuid};
use wire::{headers, meldingstype};

use crate::ports::{
    Broker, BrokerChannel, BrokerError, ChannelOptions, Consumer, Delivery, DeliveryId, EndedBy, MeldingSok,
    OpenChannel, QueueStatus, Settlement,
};

pub use self::room::{
    bound_is_kept_by_many_at_once, dead_letter_counts_on, dead_letters_end_with_their_queue,
    removed_queue_makes_room, what_an_organisasjon_sends_itself_counts_at_both_ends,
    what_expires_makes_room_and_its_kvittering_counts, what_is_counted_survives_restart_and_crash,
    what_waits_counts_until_it_has_left,
};

/// How long a case waits for what must happen. Only a broken adapter waits so long.
const PATIENCE: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_secs(1);
const TYPE: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett";

/// A broker under test, and the world around it.
#[async_trait]
pub trait BrokerHarness: Send + Sync {
    /// The broker that runs now.
    fn broker(&self) -> Arc<dyn Broker>;

    /// The broker's time.
    fn now(&self) -> Timestamp;

    /// Lets time pass.
    async fn pass(&self, by: Duration);

    /// A UUID that was never used before.
    fn uuid(&self) -> Uuid;

    /// Stops the broker in good order and starts it again.
    async fn restart(&mut self);

    /// Ends the broker as `kill -9` would and starts it again.
    async fn crash(&mut self);

    /// From now on the broker's storage fails, as a disk does that is full or broken. The broker is not told.
    async fn break_storage(&mut self);

    /// The storage is well again. The broker is not told.
    async fn mend_storage(&mut self);

    /// The melding with this id, and nothing else, cannot be read any more from where it is kept. All consumers end.
    async fn damage(&mut self, id: MeldingId);
}

/// Makes a test of each case. Takes an expression that makes a future of a [`BrokerHarness`](broker::BrokerHarness).
///
/// [broker::BrokerHarness]: crate::contract::broker::BrokerHarness
#[macro_export]
macro_rules! broker_contract {
    ($harness:expr) => {
        $crate::broker_contract!(@each $harness;
            publish_without_queue_is_refused,
            consume_without_queue_is_refused,
            queue_is_made_once,
            list_queues_tells_those_that_are_there,
            first_in_first_out,
            delivery_carries_the_whole_melding,
            large_payloads_arrive_whole,
            returned_meldinger_come_first_in_their_old_order,
            requeue_may_go_to_another_consumer,
            third_requeue_gives_dead_letter_and_serverfeil,
            third_lost_channel_gives_dead_letters_and_serverfeil,
            dropped_melding_is_gone_silently,
            expires_without_consumer,
            expires_at_its_time_and_not_before,
            expires_behind_a_longer_ttl,
            expires_while_the_consumer_is_busy,
            held_melding_does_not_expire,
            late_return_expires,
            late_last_return_is_a_dead_letter,
            kvittering_carries_what_the_sender_needs,
            kvittering_causes_no_kvittering,
            kvittering_without_queue_is_dropped,
            prefetch_is_never_exceeded,
            prefetch_zero_takes_many,
            two_consumers_take_turns,
            one_channel_consumes_many_kontoer,
            consumer_in_use_is_refused,
            cancel_keeps_what_is_held,
            dropped_channel_returns_all,
            dropped_receiver_returns_all,
            what_was_never_given_to_the_consumer_does_not_count,
            delete_queue_tells_senders_and_ends_consumers,
            delete_queue_that_is_not_there,
            queue_made_again_is_empty,
            queue_set_aside_stands_still_until_it_comes_back,
            queue_set_aside_can_be_removed_for_good,
            dokumenter_that_meldinger_name_are_told,
            queue_status_counts,
            queue_statuses_are_in_the_order_asked,
            settling_twice_is_passed_over,
            many_are_settled_as_each_would_be,
            settling_a_stale_delivery_is_passed_over,
            restart_keeps_everything,
            restart_in_good_order_does_not_count,
            channel_that_the_server_ends_does_not_count,
            what_the_server_takes_back_without_end_leaves_little_sporing,
            the_first_to_end_a_channel_answers_for_it,
            nothing_counts_once_the_server_begins_to_stop,
            nothing_is_handed_out_once_the_server_begins_to_stop,
            crash_marks_what_was_handed_out,
            crash_is_no_attempt,
            tenth_crash_gives_a_dead_letter,
            crash_long_after_it_was_handed_out_counts_nothing,
            crash_counts_against_what_came_back_often,
            failed_storage_is_said_and_healed_by_itself,
            failed_storage_counts_nothing,
            damaged_melding_is_set_aside_and_the_queue_goes_on,
            damaged_melding_that_expires_notifies_its_sender,
            damaged_dead_letter_cannot_be_put_back,
            held_melding_whose_payload_is_damaged_is_set_aside,
            expires_while_the_broker_is_down,
            sporing_of_an_acked_melding,
            sporing_of_a_dropped_melding,
            sporing_of_an_expired_melding,
            sporing_of_a_dead_letter,
            sporing_tells_where_the_consumer_calls_from,
            list_meldinger_is_newest_first_for_both,
            search_finds_what_fits_newest_first_and_once,
            search_goes_page_by_page,
            search_keeps_to_a_period,
            svar_and_kvitteringer_are_found,
            list_dead_letters_is_oldest_first,
            requeued_dead_letter_is_as_fresh,
            requeued_dead_letter_lives_its_whole_ttl_again,
            requeue_of_what_is_no_dead_letter_does_nothing,
            unknown_melding_is_none,
            deaf_consumer_does_not_hold_up_another_konto,
            what_waits_counts_until_it_has_left,
            what_an_organisasjon_sends_itself_counts_at_both_ends,
            what_expires_makes_room_and_its_kvittering_counts,
            dead_letter_counts_on,
            removed_queue_makes_room,
            dead_letters_end_with_their_queue,
            what_is_counted_survives_restart_and_crash,
            bound_is_kept_by_many_at_once,
        );
    };
    (@each $harness:expr; $($case:ident,)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let mut harness = $harness.await;
            $crate::contract::broker::$case(&mut harness).await;
        }
    )+};
}

/// An open channel with a consumer.
struct Receiver {
    channel: OpenChannel,
}

impl Receiver {
    async fn on(h: &impl BrokerHarness, konto: KontoId, prefetch: u16) -> Self {
        let receiver = Self::idle(h).await;
        receiver.control().consume(Consumer(1), konto, prefetch).await.expect("the queue is there");
        receiver
    }

    async fn idle(h: &impl BrokerHarness) -> Self {
        Self { channel: h.broker().open_channel(ChannelOptions::default()).await.expect("the broker runs") }
    }

    fn control(&self) -> &dyn BrokerChannel {
        self.channel.control.as_ref()
    }

    async fn next(&mut self) -> Delivery {
        soon(self.channel.deliveries.recv()).await.expect("the channel is open")
    }

    async fn take(&mut self, count: usize) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for _ in 0..count {
            deliveries.push(self.next().await);
        }
        deliveries
    }

    fn ack(&self, delivery: &Delivery) {
        self.control().settle(delivery.id, Settlement::Ack);
    }

    fn requeue(&self, delivery: &Delivery) {
        self.control().settle(delivery.id, Settlement::Requeue(Retur::NackMedRequeue));
    }

    /// Takes the next, which must be a kvittering of `kind` for `original`, and acks it.
    async fn kvittering(&mut self, kind: &str, original: &Melding) -> Melding {
        let delivery = self.next().await;
        assert_eq!(delivery.melding.meldingstype, kind);
        assert_eq!(delivery.melding.svar_pa_melding, Some(original.id));
        self.ack(&delivery);
        delivery.melding.as_ref().clone()
    }

    /// The consumer goes away, and all that it holds comes back as failed.
    async fn close(self) {
        self.channel.control.close(EndedBy::Consumer).await;
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("happens in time")
}

fn ids(deliveries: &[Delivery]) -> Vec<MeldingId> {
    deliveries.iter().map(|delivery| delivery.melding.id).collect()
}

async fn konto(h: &impl BrokerHarness) -> KontoId {
    let konto = KontoId::from_uuid(h.uuid());
    h.broker().create_queue(konto).await.expect("a queue can be made");
    konto
}

fn melding(h: &impl BrokerHarness, avsender: KontoId, mottaker: KontoId, ttl: Duration) -> Melding {
    Melding {
        id: MeldingId::from_uuid(h.uuid()),
        avsender,
        mottaker,
        meldingstype: TYPE.to_owned(),
        svar_pa_melding: None,
        svar_til_type: None,
        dokumentlager_id: None,
        headere: BTreeMap::new(),
        ttl,
        mottatt: h.now(),
    }
}

async fn publish(h: &impl BrokerHarness, melding: &Melding) {
    h.broker()
        .publish(melding.clone(), Bytes::from_static(b"innhold"))
        .await
        .expect("there is a queue and room");
}

/// Publishes `count` meldinger with the usual TTL, in order.
async fn publish_many(
    h: &impl BrokerHarness,
    avsender: KontoId,
    mottaker: KontoId,
    count: usize,
) -> Vec<MeldingId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let melding = melding(h, avsender, mottaker, DEFAULT_TTL);
        publish(h, &melding).await;
        ids.push(melding.id);
    }
    ids
}

async fn status(h: &impl BrokerHarness, konto: KontoId) -> QueueStatus {
    h.broker().queue_status(konto).await.expect("the queue is there")
}

/// Waits until the queue stands as `wanted` says.
async fn until(h: &impl BrokerHarness, konto: KontoId, wanted: impl Fn(&QueueStatus) -> bool) -> QueueStatus {
    soon(async {
        loop {
            let status = status(h, konto).await;
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

async fn hendelser(h: &impl BrokerHarness, id: MeldingId) -> Vec<Hendelse> {
    let record = h.broker().melding(id).await.expect("the broker runs").expect("the melding is known");
    assert!(record.sporing.is_sorted_by_key(|line| line.tidspunkt), "oldest first");
    record.sporing.into_iter().map(|line| line.hendelse).collect()
}

/// Waits until the last line of sporing but for kvitteringer is `last`.
async fn until_sporing(h: &impl BrokerHarness, id: MeldingId, last: &Hendelse) -> Vec<Hendelse> {
    soon(async {
        loop {
            let hendelser = hendelser(h, id).await;
            let is_last = hendelser
                .iter()
                .rfind(|hendelse| !matches!(hendelse, Hendelse::KvitteringSendt { .. }))
                .is_some_and(|hendelse| hendelse == last);
            if is_last {
                return hendelser;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// `publish` answers [`BrokerError::NoQueue`] and nothing is remembered.
pub async fn publish_without_queue_is_refused(h: &mut impl BrokerHarness) {
    let avsender = konto(h).await;
    let unknown = KontoId::from_uuid(h.uuid());
    let melding = melding(h, avsender, unknown, DEFAULT_TTL);
    let refused = h.broker().publish(melding.clone(), Bytes::new()).await;
    assert!(matches!(refused, Err(BrokerError::NoQueue { konto }) if konto == unknown), "{refused:?}");
    assert_eq!(h.broker().melding(melding.id).await.expect("the broker runs"), None);
    let refused = h.broker().queue_status(unknown).await;
    assert!(matches!(refused, Err(BrokerError::NoQueue { konto }) if konto == unknown), "{refused:?}");
}

/// `consume` answers [`BrokerError::NoQueue`], and the channel lives on.
pub async fn consume_without_queue_is_refused(h: &mut impl BrokerHarness) {
    let known = konto(h).await;
    let unknown = KontoId::from_uuid(h.uuid());
    let mut receiver = Receiver::idle(h).await;
    let refused = receiver.control().consume(Consumer(1), unknown, 1).await;
    assert!(matches!(refused, Err(BrokerError::NoQueue { konto }) if konto == unknown), "{refused:?}");
    receiver.control().consume(Consumer(1), known, 1).await.expect("the key is still free");
    let sent = publish_many(h, known, known, 1).await;
    assert_eq!(receiver.next().await.melding.id, sent[0]);
}

/// Making a queue that is there does nothing to it.
pub async fn queue_is_made_once(h: &mut impl BrokerHarness) {
    let konto = konto(h).await;
    publish_many(h, konto, konto, 2).await;
    h.broker().create_queue(konto).await.expect("it is there already");
    assert_eq!(status(h, konto).await.ready, 2);
}

/// Those that were made and not removed, also after a crash.
pub async fn list_queues_tells_those_that_are_there(h: &mut impl BrokerHarness) {
    let (kept, removed) = (konto(h).await, konto(h).await);
    h.broker().delete_queue(removed).await.expect("the broker runs");
    assert_eq!(h.broker().list_queues().await.expect("the broker runs"), [kept]);
    h.crash().await;
    assert_eq!(h.broker().list_queues().await.expect("the broker runs"), [kept]);
}

/// Nothing in it ends while it is set aside, also where something comes in; all that is due ends when it comes back.
pub async fn queue_set_aside_stands_still_until_it_comes_back(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let (short, long) = (melding(h, a, b, SHORT), melding(h, a, b, DEFAULT_TTL));
    publish(h, &short).await;
    publish(h, &long).await;
    assert_eq!(h.broker().list_set_aside().await.expect("the broker runs"), []);
    h.broker().set_aside(b).await.expect("the broker runs");
    h.pass(2 * SHORT).await;
    publish_many(h, a, b, 1).await;
    let aside = h.broker().list_set_aside().await.expect("the broker runs");
    assert_eq!(aside.iter().map(|(konto, queue)| (*konto, queue.ready)).collect::<Vec<_>>(), [(b, 3)]);
    assert_eq!(status(h, b).await.ready, 3);
    assert_eq!(hendelser(h, short.id).await, [Hendelse::LagtPaKo]);
    assert_eq!(status(h, a).await.ready, 0);

    h.broker().create_queue(b).await.expect("the broker runs");
    assert_eq!(h.broker().list_set_aside().await.expect("the broker runs"), []);
    until_sporing(h, short.id, &Hendelse::Utlopt).await;
    until(h, a, |queue| queue.ready == 1).await;
    assert_eq!(ids(&Receiver::on(h, b, 10).await.take(2).await)[0], long.id);
}

/// As any other queue: its senders get a serverfeil. One that is not there is not set aside.
pub async fn queue_set_aside_can_be_removed_for_good(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 1).await;
    h.broker().set_aside(b).await.expect("the broker runs");
    assert_eq!(h.broker().delete_queue(b).await.expect("the broker runs").meldinger, 1);
    until_sporing(h, sent[0], &Hendelse::KontoSlettet).await;
    until(h, a, |queue| queue.ready == 1).await;
    h.broker().set_aside(b).await.expect("the broker runs");
    assert_eq!(h.broker().list_set_aside().await.expect("the broker runs"), []);
}

/// Of meldinger that wait, are held or dead, and of no others.
pub async fn dokumenter_that_meldinger_name_are_told(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut dokumenter = Vec::new();
    for _ in 0..4 {
        let mut melding = melding(h, a, b, DEFAULT_TTL);
        let dokument = DokumentId::from_uuid(h.uuid());
        melding.dokumentlager_id = Some(dokument);
        h.broker().publish(melding, Bytes::new()).await.expect("there is a queue and room");
        dokumenter.push(dokument);
    }
    let mut receiver = Receiver::on(h, b, 3).await;
    let taken = receiver.take(3).await;
    receiver.control().settle(taken[0].id, Settlement::Ack);
    receiver.control().settle(taken[1].id, Settlement::Requeue(Retur::NackMedRequeue));
    for _ in 1..MAX_ATTEMPTS {
        let again = loop {
            // The fourth is handed out in between, and stays in hand.
            let delivery = receiver.next().await;
            if delivery.melding.id == taken[1].melding.id {
                break delivery;
            }
        };
        receiver.control().settle(again.id, Settlement::Requeue(Retur::NackMedRequeue));
    }
    until(h, b, |queue| queue.dead == 1).await;
    h.broker().set_aside(b).await.expect("the broker runs");
    let unknown = DokumentId::from_uuid(h.uuid());
    let wanted = dokumenter.iter().copied().chain([unknown]).collect();
    let named = h.broker().named_dokumenter(wanted).await.expect("the broker runs");
    assert_eq!(named, dokumenter[1..].iter().copied().collect());
    let one = h.broker().named_dokumenter([dokumenter[2]].into()).await.expect("the broker runs");
    assert_eq!(one, [dokumenter[2]].into());
}

/// First in, first out, before and after the consumer comes.
pub async fn first_in_first_out(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sent = publish_many(h, a, b, 20).await;
    let mut receiver = Receiver::on(h, b, 7).await;
    sent.extend(publish_many(h, a, b, 20).await);
    for id in sent {
        let delivery = receiver.next().await;
        assert_eq!(delivery.melding.id, id);
        assert_eq!(delivery.consumer, Consumer(1));
        receiver.ack(&delivery);
    }
    until(h, b, |status| status.ready + status.unacked == 0).await;
}

/// What was published is what is delivered, field by field.
pub async fn delivery_carries_the_whole_melding(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sent = melding(h, a, b, Duration::from_millis(123_456_789));
    sent.svar_pa_melding = Some(MeldingId::from_uuid(h.uuid()));
    sent.headere = BTreeMap::from([
        (headers::KLIENT_MELDING_ID.to_owned(), h.uuid().to_string()),
        ("blåbær".to_owned(), "med fløte".to_owned()),
        ("tom".to_owned(), String::new()),
    ]);
    let payload = Bytes::from_static(b"\0innhold\xff");
    h.broker().publish(sent.clone(), payload.clone()).await.expect("there is a queue and room");
    let mut in_dokumentlager = melding(h, a, b, DEFAULT_TTL);
    in_dokumentlager.dokumentlager_id = Some(DokumentId::from_uuid(h.uuid()));
    h.broker().publish(in_dokumentlager.clone(), Bytes::new()).await.expect("there is a queue and room");

    let mut receiver = Receiver::on(h, b, 10).await;
    let first = receiver.next().await;
    assert_eq!(*first.melding, sent);
    assert_eq!(first.payload, payload);
    assert_eq!(first.attempts, 0);
    let second = receiver.next().await;
    assert_eq!(*second.melding, in_dokumentlager);
    assert!(second.payload.is_empty());
    assert_ne!(first.id, second.id);

    let record = h.broker().melding(sent.id).await.expect("the broker runs").expect("it is known");
    assert_eq!(record.melding, sent);
    assert_eq!(record.payload_bytes, payload.len() as u64);
}

/// Several large payloads arrive byte for byte, in order.
pub async fn large_payloads_arrive_whole(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut receiver = Receiver::on(h, b, 0).await;
    for fill in 0..6_u8 {
        let payload = Bytes::from(vec![fill; 3_000_000 + usize::from(fill)]);
        h.broker().publish(melding(h, a, b, DEFAULT_TTL), payload).await.expect("there is a queue and room");
    }
    for fill in 0..6_u8 {
        let delivery = receiver.next().await;
        assert_eq!(delivery.payload.len(), 3_000_000 + usize::from(fill));
        assert!(delivery.payload.iter().all(|byte| *byte == fill), "payload {fill} is whole");
        receiver.ack(&delivery);
    }
}

/// What comes back stands before what was never handed out, in its old order.
pub async fn returned_meldinger_come_first_in_their_old_order(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 6).await;
    let mut receiver = Receiver::on(h, b, 4).await;
    let held = receiver.take(4).await;
    receiver.ack(&held[1]);
    receiver.close().await;

    let mut receiver = Receiver::on(h, b, 10).await;
    let again = receiver.take(5).await;
    assert_eq!(ids(&again), [sent[0], sent[2], sent[3], sent[4], sent[5]]);
    // The fifth had taken the place of the one that was acked.
    let attempts: Vec<u32> = again.iter().map(|delivery| delivery.attempts).collect();
    assert_eq!(attempts, [1, 1, 1, 1, 0]);
}

/// A requeued melding goes to whoever is next.
pub async fn requeue_may_go_to_another_consumer(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut first = Receiver::on(h, b, 1).await;
    let sent = publish_many(h, a, b, 1).await;
    let delivery = first.next().await;
    let mut second = Receiver::on(h, b, 1).await;
    first.control().cancel(Consumer(1)).await.expect("the broker runs");
    first.requeue(&delivery);
    let again = second.next().await;
    assert_eq!(again.melding.id, sent[0]);
    assert_eq!(again.attempts, 1);
}

/// Three requeues: `redelivered` on the second and third delivery, then dead letter and serverfeil.
pub async fn third_requeue_gives_dead_letter_and_serverfeil(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sender = Receiver::on(h, a, 1).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    let sent = melding(h, a, b, DEFAULT_TTL);
    publish(h, &sent).await;
    for attempts in 0..MAX_ATTEMPTS {
        let delivery = receiver.next().await;
        assert_eq!(delivery.melding.id, sent.id);
        assert_eq!(delivery.attempts, attempts);
        receiver.requeue(&delivery);
    }
    sender.kvittering(meldingstype::SERVERFEIL, &sent).await;
    let after = status(h, b).await;
    assert_eq!((after.ready, after.unacked, after.dead), (0, 0, 1));
    let dead = h.broker().list_dead_letters(b, 10).await.expect("the broker runs");
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].melding, sent);
}

/// A client that takes ten, acks none and goes away three times.
pub async fn third_lost_channel_gives_dead_letters_and_serverfeil(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 10).await;
    for attempts in 0..MAX_ATTEMPTS {
        let mut receiver = Receiver::on(h, b, 10).await;
        let held = receiver.take(10).await;
        assert_eq!(ids(&held), sent);
        assert!(held.iter().all(|delivery| delivery.attempts == attempts));
        receiver.control().end(EndedBy::Consumer);
        drop(receiver);
    }
    let after = until(h, b, |status| status.dead == 10).await;
    assert_eq!((after.ready, after.unacked), (0, 0));
    let mut sender = Receiver::on(h, a, 10).await;
    let told: Vec<_> = sender.take(10).await.iter().map(|told| told.melding.svar_pa_melding).collect();
    assert_eq!(told, sent.into_iter().map(Some).collect::<Vec<_>>());
}

/// Nack without requeue: gone, no dead letter, no kvittering.
pub async fn dropped_melding_is_gone_silently(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut receiver = Receiver::on(h, b, 1).await;
    let sent = publish_many(h, a, b, 1).await;
    let delivery = receiver.next().await;
    receiver.control().settle(delivery.id, Settlement::Drop);
    until_sporing(h, sent[0], &Hendelse::Avvist).await;
    let after = status(h, b).await;
    assert_eq!((after.ready, after.unacked, after.dead), (0, 0, 0));
    assert_eq!(status(h, a).await.ready, 0);
    assert!(h.broker().list_dead_letters(b, 10).await.expect("the broker runs").is_empty());
}

/// The TTL passes with nobody listening: tidsavbrudd.
pub async fn expires_without_consumer(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sender = Receiver::on(h, a, 1).await;
    let sent = melding(h, a, b, SHORT);
    publish(h, &sent).await;
    h.pass(Duration::from_secs(2)).await;
    sender.kvittering(meldingstype::TIDSAVBRUDD, &sent).await;
    assert_eq!(status(h, b).await.ready, 0);
}

/// Not before its time, and then at once.
pub async fn expires_at_its_time_and_not_before(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = melding(h, a, b, Duration::from_mins(1));
    publish(h, &sent).await;
    h.pass(Duration::from_secs(30)).await;
    assert_eq!(status(h, b).await.ready, 1);
    h.pass(Duration::from_secs(31)).await;
    until(h, b, |status| status.ready == 0).await;
    until(h, a, |status| status.ready == 1).await;
}

/// A short TTL behind a long one does not wait for it.
pub async fn expires_behind_a_longer_ttl(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sender = Receiver::on(h, a, 1).await;
    let front = publish_many(h, a, b, 1).await;
    let sent = melding(h, a, b, SHORT);
    publish(h, &sent).await;
    let behind = publish_many(h, a, b, 1).await;
    h.pass(Duration::from_secs(2)).await;
    sender.kvittering(meldingstype::TIDSAVBRUDD, &sent).await;
    let mut receiver = Receiver::on(h, b, 10).await;
    assert_eq!(ids(&receiver.take(2).await), [front[0], behind[0]]);
}

/// A consumer that is busy with another melding does not keep one from expiring.
pub async fn expires_while_the_consumer_is_busy(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sender = Receiver::on(h, a, 1).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    publish_many(h, a, b, 1).await;
    let busy_with = receiver.next().await;
    let sent = melding(h, a, b, SHORT);
    publish(h, &sent).await;
    h.pass(Duration::from_secs(2)).await;
    sender.kvittering(meldingstype::TIDSAVBRUDD, &sent).await;
    receiver.ack(&busy_with);
    until(h, b, |status| status.ready + status.unacked == 0).await;
}

/// In a consumer's hands nothing expires; a late ack is accepted.
pub async fn held_melding_does_not_expire(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut receiver = Receiver::on(h, b, 1).await;
    let sent = melding(h, a, b, SHORT);
    publish(h, &sent).await;
    let delivery = receiver.next().await;
    h.pass(Duration::from_secs(5)).await;
    assert_eq!(status(h, b).await.unacked, 1);
    receiver.ack(&delivery);
    let hendelser = until_sporing(h, sent.id, &Hendelse::Bekreftet).await;
    assert_eq!(
        hendelser,
        [Hendelse::LagtPaKo, Hendelse::Levert { forsok: 1, adresse: None }, Hendelse::Bekreftet]
    );
    assert_eq!(status(h, a).await.ready, 0);
}

/// What comes back after its time expires.
pub async fn late_return_expires(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sender = Receiver::on(h, a, 1).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    let sent = melding(h, a, b, SHORT);
    publish(h, &sent).await;
    let delivery = receiver.next().await;
    h.pass(Duration::from_secs(2)).await;
    receiver.requeue(&delivery);
    sender.kvittering(meldingstype::TIDSAVBRUDD, &sent).await;
    let after = status(h, b).await;
    assert_eq!((after.ready, after.unacked, after.dead), (0, 0, 0));
}

/// The count is looked at before the TTL: the last return gives a dead letter though the time has passed.
pub async fn late_last_return_is_a_dead_letter(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sender = Receiver::on(h, a, 1).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    let sent = melding(h, a, b, Duration::from_mins(1));
    publish(h, &sent).await;
    for _ in 1..MAX_ATTEMPTS {
        let delivery = receiver.next().await;
        receiver.requeue(&delivery);
    }
    let last = receiver.next().await;
    h.pass(Duration::from_secs(61)).await;
    receiver.requeue(&last);
    sender.kvittering(meldingstype::SERVERFEIL, &sent).await;
    assert_eq!(status(h, b).await.dead, 1);
}

/// Headers only: svar-til, svar-til-type and the klientKorrelasjonsId, and nothing else of the sender's.
pub async fn kvittering_carries_what_the_sender_needs(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sender = Receiver::on(h, a, 1).await;
    let mut sent = melding(h, a, b, SHORT);
    let korrelasjon = h.uuid().to_string();
    sent.headere = BTreeMap::from([
        (headers::KLIENT_MELDING_ID.to_owned(), h.uuid().to_string()),
        (headers::KLIENT_KORRELASJONS_ID.to_owned(), korrelasjon.clone()),
        ("annet".to_owned(), "verdi".to_owned()),
    ]);
    publish(h, &sent).await;
    h.pass(Duration::from_secs(2)).await;
    let told = sender.next().await;
    assert!(told.payload.is_empty());
    assert_eq!(told.attempts, 0);
    let told = told.melding;
    assert_eq!(told.meldingstype, meldingstype::TIDSAVBRUDD);
    assert_ne!(told.id, sent.id);
    assert_eq!((told.avsender, told.mottaker), (b, a));
    assert_eq!(told.svar_pa_melding, Some(sent.id));
    assert_eq!(told.svar_til_type.as_deref(), Some(TYPE));
    assert_eq!(told.dokumentlager_id, None);
    assert_eq!(told.headere, BTreeMap::from([(headers::KLIENT_KORRELASJONS_ID.to_owned(), korrelasjon)]));
    assert_eq!(told.ttl, DEFAULT_TTL);
    let record = h.broker().melding(told.id).await.expect("the broker runs").expect("it has sporing too");
    assert_eq!(record.melding, *told);
}

/// A kvittering that expires or is tried too often is told nobody.
pub async fn kvittering_causes_no_kvittering(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sender = Receiver::on(h, a, 1).await;
    let expiring = melding(h, a, b, SHORT);
    publish(h, &expiring).await;
    h.pass(Duration::from_secs(2)).await;
    let mut given_up = None;
    for _ in 0..MAX_ATTEMPTS {
        let told = sender.next().await;
        sender.requeue(&told);
        given_up = Some(told.melding.id);
    }
    let given_up = given_up.expect("there was an attempt");
    until_sporing(h, given_up, &Hendelse::Dodko).await;
    sender.close().await;

    let expiring = melding(h, a, b, SHORT);
    publish(h, &expiring).await;
    h.pass(Duration::from_secs(2)).await;
    until(h, a, |status| status.ready == 1).await;
    h.pass(DEFAULT_TTL + SHORT).await;
    until(h, a, |status| status.ready == 0).await;
    let after = status(h, b).await;
    assert_eq!((after.ready, after.unacked), (0, 0));
    assert!(
        !hendelser(h, given_up).await.iter().any(|line| matches!(line, Hendelse::KvitteringSendt { .. }))
    );
}

/// The sender's Konto is gone: the kvittering is dropped, and nothing else goes wrong.
pub async fn kvittering_without_queue_is_dropped(h: &mut impl BrokerHarness) {
    let b = konto(h).await;
    let gone = KontoId::from_uuid(h.uuid());
    let sent = melding(h, gone, b, SHORT);
    publish(h, &sent).await;
    h.pass(Duration::from_secs(2)).await;
    let hendelser = until_sporing(h, sent.id, &Hendelse::Utlopt).await;
    assert_eq!(hendelser, [Hendelse::LagtPaKo, Hendelse::Utlopt]);
}

/// No consumer ever holds more than its prefetch.
pub async fn prefetch_is_never_exceeded(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut receiver = Receiver::on(h, b, 3).await;
    let sent = publish_many(h, a, b, 8).await;
    let mut held = receiver.take(3).await;
    let now = status(h, b).await;
    assert_eq!((now.unacked, now.ready), (3, 5));
    while let Some(delivery) = held.pop() {
        receiver.ack(&delivery);
        assert!(status(h, b).await.unacked <= 3);
    }
    assert_eq!(ids(&receiver.take(3).await), sent[3..6]);
    assert_eq!(status(h, b).await.ready, 2);
}

/// No prefetch: as many as the broker sees fit, but many.
pub async fn prefetch_zero_takes_many(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 200).await;
    let mut receiver = Receiver::on(h, b, 0).await;
    assert_eq!(ids(&receiver.take(200).await), sent);
}

/// Those with credit take turns.
pub async fn two_consumers_take_turns(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut first = Receiver::on(h, b, 2).await;
    let mut second = Receiver::on(h, b, 10).await;
    assert_eq!(status(h, b).await.consumers, 2);
    let sent = publish_many(h, a, b, 6).await;
    // The first has room for two only, so the second gets the rest.
    let (first, second) = (ids(&first.take(2).await), ids(&second.take(4).await));
    let mut all: Vec<_> = first.iter().chain(&second).copied().collect();
    all.sort_unstable();
    let mut expected = sent.clone();
    expected.sort_unstable();
    assert_eq!(all, expected);
    assert!(first.iter().all(|id| sent[..4].contains(id)), "they took turns from the start");
}

/// One channel, two consumers on two queues, told apart by their keys.
pub async fn one_channel_consumes_many_kontoer(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut receiver = Receiver::idle(h).await;
    receiver.control().consume(Consumer(7), a, 1).await.expect("the queue is there");
    receiver.control().consume(Consumer(8), b, 1).await.expect("the queue is there");
    for (konto, consumer) in [(a, Consumer(7)), (b, Consumer(8))] {
        let sent = publish_many(h, a, konto, 1).await;
        let delivery = receiver.next().await;
        assert_eq!((delivery.melding.id, delivery.consumer), (sent[0], consumer));
        receiver.ack(&delivery);
    }
}

/// A consumer key is used once at a time on a channel; other channels may use it too.
pub async fn consumer_in_use_is_refused(h: &mut impl BrokerHarness) {
    let a = konto(h).await;
    let first = Receiver::on(h, a, 1).await;
    let refused = first.control().consume(Consumer(1), a, 1).await;
    assert!(matches!(refused, Err(BrokerError::ConsumerInUse(Consumer(1)))), "{refused:?}");
    let _second = Receiver::on(h, a, 1).await;
    first.control().cancel(Consumer(1)).await.expect("the broker runs");
    first.control().consume(Consumer(1), a, 1).await.expect("the key is free again");
    assert_eq!(status(h, a).await.consumers, 2);
}

/// Cancel ends the consumer; what it holds stays with the channel and can be settled.
pub async fn cancel_keeps_what_is_held(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 5).await;
    let mut receiver = Receiver::on(h, b, 2).await;
    let held = receiver.take(2).await;
    receiver.control().cancel(Consumer(1)).await.expect("the broker runs");
    receiver.control().cancel(Consumer(1)).await.expect("nothing happens");
    let now = status(h, b).await;
    assert_eq!((now.consumers, now.unacked, now.ready), (0, 2, 3));
    receiver.ack(&held[0]);
    until(h, b, |status| status.unacked == 1).await;
    receiver.close().await;
    let now = status(h, b).await;
    assert_eq!((now.unacked, now.ready), (0, 4));
    let mut receiver = Receiver::on(h, b, 1).await;
    let again = receiver.next().await;
    assert_eq!((again.melding.id, again.attempts), (sent[1], 1));
}

/// Dropping the channel ends it, as by the server.
pub async fn dropped_channel_returns_all(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    publish_many(h, a, b, 5).await;
    let mut receiver = Receiver::on(h, b, 0).await;
    receiver.take(5).await;
    drop(receiver);
    let now = until(h, b, |status| status.unacked == 0).await;
    assert_eq!((now.consumers, now.ready), (0, 5));
}

/// What a consumer was handed and never given is nothing that it failed at.
pub async fn what_was_never_given_to_the_consumer_does_not_count(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 4).await;
    let mut receiver = Receiver::on(h, b, 0).await;
    let held = receiver.take(4).await;
    receiver.control().note_given(None);
    receiver.control().note_given(Some(held[1].id));
    receiver.close().await;
    let mut receiver = Receiver::on(h, b, 0).await;
    receiver.take(4).await;
    receiver.control().note_given(None);
    receiver.close().await;
    for (id, last) in
        sent.into_iter().zip([Retur::Frakoblet, Retur::Frakoblet, Retur::Avbrutt, Retur::Avbrutt])
    {
        let returned = |arsak| Hendelse::Returnert { arsak };
        let sporing = hendelser(h, id).await;
        let found: Vec<_> =
            sporing.into_iter().filter(|line| matches!(line, Hendelse::Returnert { .. })).collect();
        assert_eq!(found, [returned(last), returned(Retur::Avbrutt)]);
    }
}

/// A receiver that is gone closes its channel, though the control side is still there.
pub async fn dropped_receiver_returns_all(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    publish_many(h, a, b, 3).await;
    let OpenChannel { mut deliveries, control } =
        h.broker().open_channel(ChannelOptions::default()).await.expect("the broker runs");
    control.consume(Consumer(1), b, 2).await.expect("the queue is there");
    let first = soon(deliveries.recv()).await.expect("the channel is open");
    drop(deliveries);
    let now = until(h, b, |status| status.unacked == 0).await;
    assert_eq!((now.consumers, now.ready), (0, 3));
    control.settle(first.id, Settlement::Ack);
    assert_eq!(status(h, b).await.ready, 3);
}

/// With the queue go its meldinger, waiting or held; their senders hear of it, and the consumers end.
pub async fn delete_queue_tells_senders_and_ends_consumers(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 5).await;
    let mut receiver = Receiver::on(h, b, 2).await;
    let held = receiver.take(2).await;
    let deleted = h.broker().delete_queue(b).await.expect("the broker runs");
    assert_eq!(deleted.meldinger, 5);
    assert_eq!(soon(receiver.control().ended()).await, Some(Consumer(1)));
    receiver.ack(&held[0]);

    let refused = h.broker().queue_status(b).await;
    assert!(matches!(refused, Err(BrokerError::NoQueue { .. })), "{refused:?}");
    let mut sender = Receiver::on(h, a, 10).await;
    let told = sender.take(5).await;
    assert!(told.iter().all(|told| told.melding.meldingstype == meldingstype::SERVERFEIL));
    let told_of: Vec<_> = told.iter().filter_map(|told| told.melding.svar_pa_melding).collect();
    assert_eq!(told_of, sent);
    let sporing = hendelser(h, sent[0]).await;
    assert_eq!(
        sporing,
        [
            Hendelse::LagtPaKo,
            Hendelse::Levert { forsok: 1, adresse: None },
            Hendelse::KontoSlettet,
            Hendelse::KvitteringSendt { kvittering: told[0].melding.id },
        ]
    );
}

/// Settled together, each is as if it were settled alone, those that are settled already are passed over, and what comes back
/// keeps its order.
pub async fn many_are_settled_as_each_would_be(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 600).await;
    let mut receiver = Receiver::on(h, b, 600).await;
    let ids: Vec<_> = receiver.take(600).await.iter().map(|delivery| delivery.id).collect();
    receiver.control().settle_all(ids[..300].to_vec(), Settlement::Ack);
    receiver.control().settle_all(ids[250..350].to_vec(), Settlement::Drop);
    receiver.control().settle_all(ids[320..].to_vec(), Settlement::Requeue(Retur::NackMedRequeue));
    let again: Vec<_> = receiver.take(250).await.iter().map(|delivery| delivery.melding.id).collect();
    assert_eq!(again, sent[350..]);
    until_sporing(h, sent[299], &Hendelse::Bekreftet).await;
    until_sporing(h, sent[349], &Hendelse::Avvist).await;
    let now = status(h, b).await;
    assert_eq!((now.ready, now.unacked, now.dead), (0, 250, 0));
}

/// Nothing happens.
pub async fn delete_queue_that_is_not_there(h: &mut impl BrokerHarness) {
    let unknown = KontoId::from_uuid(h.uuid());
    let deleted = h.broker().delete_queue(unknown).await.expect("nothing happens");
    assert_eq!(deleted.meldinger, 0);
}

/// A Konto whose queue is made again starts anew, also after a crash.
pub async fn queue_made_again_is_empty(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    publish_many(h, a, b, 3).await;
    h.broker().delete_queue(b).await.expect("the broker runs");
    h.broker().create_queue(b).await.expect("the broker runs");
    assert_eq!(status(h, b).await, QueueStatus::default());
    let sent = publish_many(h, a, b, 1).await;
    h.crash().await;
    assert_eq!(status(h, b).await.ready, 1);
    let mut receiver = Receiver::on(h, b, 1).await;
    assert_eq!(receiver.next().await.melding.id, sent[0]);
}

/// All numbers of a queue's status.
pub async fn queue_status_counts(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    assert_eq!(status(h, b).await, QueueStatus::default());
    let first_at = h.now();
    publish_many(h, a, b, 2).await;
    h.pass(Duration::from_mins(1)).await;
    publish_many(h, a, b, 3).await;
    let waiting = status(h, b).await;
    assert_eq!((waiting.consumers, waiting.ready, waiting.unacked, waiting.dead), (0, 5, 0, 0));
    assert_eq!(waiting.oldest, Some(first_at));
    let mut receiver = Receiver::on(h, b, 2).await;
    let held = receiver.take(2).await;
    let busy = status(h, b).await;
    assert_eq!((busy.consumers, busy.ready, busy.unacked), (1, 3, 2));
    assert_eq!(busy.oldest, Some(first_at));
    for delivery in &held {
        receiver.ack(delivery);
    }
    let later = until(h, b, |status| status.ready == 1).await;
    assert!(later.oldest > Some(first_at));
}

/// Only the first word on a delivery counts; so does no word on one that never was.
pub async fn settling_twice_is_passed_over(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 2).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    let first = receiver.next().await;
    receiver.ack(&first);
    receiver.ack(&first);
    receiver.requeue(&first);
    receiver.control().settle(DeliveryId(u64::MAX), Settlement::Ack);
    assert_eq!(receiver.next().await.melding.id, sent[1]);
    let now = status(h, b).await;
    assert_eq!((now.ready, now.unacked), (0, 1));
    assert_eq!(hendelser(h, sent[0]).await.last(), Some(&Hendelse::Bekreftet));
}

/// A word on an earlier delivery does not settle a later one of the same melding, nor does one from another channel.
pub async fn settling_a_stale_delivery_is_passed_over(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    publish_many(h, a, b, 1).await;
    let other = Receiver::idle(h).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    let first = receiver.next().await;
    receiver.requeue(&first);
    let second = receiver.next().await;
    assert_ne!(first.id, second.id);
    receiver.ack(&first);
    assert_eq!(status(h, b).await.unacked, 1);
    other.ack(&second);
    assert_eq!(status(h, b).await.unacked, 1);
    receiver.ack(&second);
    until(h, b, |status| status.unacked == 0).await;
}

/// Queues, meldinger in their order, payloads, dead letters and sporing outlive a stop.
pub async fn restart_keeps_everything(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let dead = melding(h, a, b, DEFAULT_TTL);
    publish(h, &dead).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    for _ in 0..MAX_ATTEMPTS {
        let delivery = receiver.next().await;
        receiver.requeue(&delivery);
    }
    receiver.close().await;
    let sent = publish_many(h, a, b, 20).await;
    let mut receiver = Receiver::on(h, b, 5).await;
    for delivery in receiver.take(5).await {
        receiver.ack(&delivery);
    }
    receiver.close().await;
    let (before, sporing) = (status(h, b).await, hendelser(h, sent[0]).await);
    assert_eq!(before.dead, 1);
    for crash in [false, true] {
        if crash {
            h.crash().await;
        } else {
            h.restart().await;
        }
        assert_eq!(status(h, b).await.dead, 1);
        assert_eq!(hendelser(h, sent[0]).await, sporing);
        assert_eq!(h.broker().list_dead_letters(b, 10).await.expect("the broker runs")[0].melding, dead);
        assert_eq!(status(h, a).await.ready, 1);
    }
    let mut receiver = Receiver::on(h, b, 50).await;
    let rest = receiver.take(usize::try_from(before.ready).expect("it is 15")).await;
    assert_eq!(ids(&rest), sent[20 - rest.len()..]);
    assert!(rest.iter().all(|delivery| delivery.payload == "innhold"));
}

/// A server that stops in good order takes what consumers hold back and does not blame them, however often; but says that
/// it was handed out before.
pub async fn restart_in_good_order_does_not_count(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 1).await;
    for attempts in 0..=MAX_ATTEMPTS {
        let mut receiver = Receiver::on(h, b, 1).await;
        let delivery = receiver.next().await;
        assert_eq!((delivery.melding.id, delivery.attempts), (sent[0], attempts));
        h.restart().await;
    }
    let mut receiver = Receiver::on(h, b, 1).await;
    for _ in 0..MAX_ATTEMPTS {
        let delivery = receiver.next().await;
        receiver.requeue(&delivery);
    }
    assert_eq!(until(h, b, |status| status.dead == 1).await.ready, 0);
}

/// The server may end a channel as often as it likes, by a word or by letting go of it: nothing is held against what the
/// consumer had, and it comes back marked.
pub async fn channel_that_the_server_ends_does_not_count(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 3).await;
    for attempts in 0..4 * MAX_ATTEMPTS {
        until(h, b, |status| status.ready == 3).await;
        h.pass(rest_after_breaks(attempts)).await;
        let mut receiver = Receiver::on(h, b, 3).await;
        let held = receiver.take(3).await;
        assert_eq!(ids(&held), sent);
        assert!(held.iter().all(|delivery| delivery.attempts == attempts));
        match attempts % 3 {
            0 => receiver.channel.control.close(EndedBy::Server).await,
            1 => drop(receiver),
            _ => drop(receiver.channel.deliveries),
        }
    }
    let sporing = hendelser(h, sent[0]).await;
    assert_eq!(sporing[2], Hendelse::Returnert { arsak: Retur::Avbrutt });
    assert_eq!(until(h, b, |status| status.ready == 3).await.dead, 0);
}

/// However often that is, by whatever a client does, it leaves little behind that is kept for long; and each time it is handed out later.
pub async fn what_the_server_takes_back_without_end_leaves_little_sporing(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 1).await[0];
    let times = 30;
    for attempts in 0..times {
        let mut receiver = Receiver::on(h, b, 1).await;
        assert_eq!(receiver.next().await.attempts, attempts);
        receiver.channel.control.close(EndedBy::Server).await;
        let rest = rest_after_breaks(attempts + 1);
        if !rest.is_zero() {
            let mut early = Receiver::on(h, b, 1).await;
            h.pass(rest.saturating_sub(Duration::from_millis(1))).await;
            assert_eq!(status(h, b).await.ready, 1);
            h.pass(Duration::from_millis(1)).await;
            assert_eq!(early.next().await.attempts, attempts + 1);
            early.channel.control.close(EndedBy::Server).await;
            break;
        }
    }
    let mut receiver = Receiver::on(h, b, 1).await;
    for _ in 0..times {
        h.pass(rest_after_breaks(u32::MAX)).await;
        receiver.next().await;
        receiver.channel.control.close(EndedBy::Server).await;
        receiver = Receiver::on(h, b, 1).await;
    }
    h.pass(rest_after_breaks(u32::MAX)).await;
    let delivery = receiver.next().await;
    assert_eq!(delivery.attempts, 11 + times);
    receiver.ack(&delivery);
    let sporing = until_sporing(h, sent, &Hendelse::Bekreftet).await;
    let returns =
        sporing.iter().filter(|hendelse| **hendelse == Hendelse::Returnert { arsak: Retur::Avbrutt });
    assert!((1..10).contains(&returns.count()), "{sporing:?}");
    assert!(sporing.len() < 20, "{sporing:?}");
}

/// Whoever ends a channel first answers for it, however it is let go of afterwards.
pub async fn the_first_to_end_a_channel_answers_for_it(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 1).await;
    for (first, then, arsak) in [
        (EndedBy::Consumer, EndedBy::Server, Retur::Frakoblet),
        (EndedBy::Server, EndedBy::Consumer, Retur::Avbrutt),
    ] {
        let mut receiver = Receiver::on(h, b, 1).await;
        receiver.next().await;
        receiver.control().end(first);
        receiver.channel.control.close(then).await;
        until_sporing(h, sent[0], &Hendelse::Returnert { arsak }).await;
    }
}

/// Once the server begins to stop, it does not matter who ends a channel first or what a consumer still says.
pub async fn nothing_counts_once_the_server_begins_to_stop(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 4).await;
    for attempts in 0..2 * MAX_ATTEMPTS {
        let mut receiver = Receiver::on(h, b, 4).await;
        let held = receiver.take(4).await;
        assert_eq!(ids(&held), sent);
        assert!(held.iter().all(|delivery| delivery.attempts == attempts));
        h.broker().begin_stop();
        receiver.requeue(&held[0]);
        match attempts % 3 {
            0 => receiver.close().await,
            1 => drop(receiver),
            _ => {}
        }
        h.restart().await;
        assert_eq!(status(h, b).await.ready, 4);
        let sporing = hendelser(h, sent[0]).await;
        assert_eq!(sporing.last(), Some(&Hendelse::Returnert { arsak: Retur::Omstart }));
    }
}

/// What comes back while the server stops is not handed to the next consumer that is about to be sent away; meldinger and
/// acks are still taken.
pub async fn nothing_is_handed_out_once_the_server_begins_to_stop(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 2).await;
    let (mut first, mut second) = (Receiver::on(h, b, 1).await, Receiver::on(h, b, 1).await);
    let (held, acked) = (first.next().await, second.next().await);
    assert_eq!([held.melding.id, acked.melding.id], sent[..]);
    h.broker().begin_stop();
    first.close().await;
    second.ack(&acked);
    publish_many(h, a, b, 1).await;
    until_sporing(h, sent[1], &Hendelse::Bekreftet).await;
    let now = status(h, b).await;
    assert_eq!((now.ready, now.unacked, now.consumers), (2, 0, 0));
    let late = second.control().consume(Consumer(2), b, 1).await;
    assert!(late.as_ref().is_err_and(BrokerError::is_unavailable), "{late:?}");
    h.restart().await;
    let mut receiver = Receiver::on(h, b, 9).await;
    let again = receiver.take(2).await;
    assert_eq!(again.iter().map(|delivery| delivery.attempts).collect::<Vec<_>>(), [1, 0]);
}

/// A melding that was handed out before `kill -9` is never handed out as new after it.
pub async fn crash_marks_what_was_handed_out(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 6).await;
    let mut receiver = Receiver::on(h, b, 3).await;
    let held = receiver.take(3).await;
    receiver.ack(&held[1]);
    // The next one takes its place.
    receiver.next().await;
    h.crash().await;

    let now = status(h, b).await;
    assert_eq!((now.ready, now.unacked, now.consumers), (5, 0, 0));
    let mut receiver = Receiver::on(h, b, 10).await;
    let again = receiver.take(5).await;
    assert_eq!(ids(&again), [sent[0], sent[2], sent[3], sent[4], sent[5]]);
    let attempts: Vec<u32> = again.iter().map(|delivery| delivery.attempts).collect();
    assert_eq!(attempts, [1, 1, 1, 0, 0]);
    assert_eq!(
        hendelser(h, sent[0]).await,
        [
            Hendelse::LagtPaKo,
            Hendelse::Levert { forsok: 1, adresse: None },
            Hendelse::Returnert { arsak: Retur::Krasj },
            Hendelse::Levert { forsok: 2, adresse: None },
        ]
    );
}

/// The server's crashes use up none of the receiver's attempts.
pub async fn crash_is_no_attempt(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    publish_many(h, a, b, 1).await;
    for attempts in 0..=MAX_ATTEMPTS {
        let mut receiver = Receiver::on(h, b, 1).await;
        assert_eq!(receiver.next().await.attempts, attempts);
        h.crash().await;
        h.pass(rest_after(attempts + 1)).await;
    }
    let mut receiver = Receiver::on(h, b, 1).await;
    for failed in 1..=MAX_ATTEMPTS {
        let delivery = receiver.next().await;
        assert_eq!(delivery.attempts, MAX_ATTEMPTS + failed);
        receiver.requeue(&delivery);
    }
    assert_eq!(until(h, b, |status| status.dead == 1).await.ready, 0);
}

/// A melding that is in a consumer's hands each time that the server crashes may be what crashes it. It is handed out ever later, others
/// going on meanwhile, and is given up in the end.
pub async fn tenth_crash_gives_a_dead_letter(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = melding(h, a, b, DEFAULT_TTL);
    publish(h, &sent).await;
    for attempts in 0..MAX_CRASHES {
        let mut receiver = Receiver::on(h, b, 1).await;
        if attempts == 5 {
            let other = publish_many(h, a, b, 1).await;
            let delivery = receiver.next().await;
            assert_eq!(ids(std::slice::from_ref(&delivery)), other);
            receiver.ack(&delivery);
        }
        h.pass(rest_after(attempts)).await;
        assert_eq!(receiver.next().await.attempts, attempts);
        h.crash().await;
    }
    let after = until(h, b, |status| status.dead == 1).await;
    assert_eq!((after.ready, after.unacked), (0, 0));
    let mut sender = Receiver::on(h, a, 1).await;
    sender.kvittering(meldingstype::SERVERFEIL, &sent).await;
}

/// However often it came back before without that counting.
pub async fn crash_counts_against_what_came_back_often(h: &mut impl BrokerHarness) {
    let (a, b, c) = (konto(h).await, konto(h).await, konto(h).await);
    let sent = melding(h, a, b, DEFAULT_TTL);
    publish(h, &sent).await;
    for _ in 0..12 {
        h.pass(rest_after_breaks(u32::MAX)).await;
        let mut receiver = Receiver::on(h, b, 1).await;
        receiver.next().await;
        receiver.channel.control.close(EndedBy::Server).await;
    }
    h.pass(2 * CRASH_COUNTS_FOR).await;
    for crashes in 0..MAX_CRASHES {
        h.pass(rest_after(crashes)).await;
        let mut receiver = Receiver::on(h, b, 1).await;
        receiver.next().await;
        publish_many(h, a, c, 1).await;
        h.crash().await;
    }
    let after = until(h, b, |status| status.dead == 1).await;
    assert_eq!((after.ready, after.unacked), (0, 0));
}

/// Whoever holds a melding for long is not the cause of a crash, however often.
pub async fn crash_long_after_it_was_handed_out_counts_nothing(h: &mut impl BrokerHarness) {
    let (a, b, c) = (konto(h).await, konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 1).await[0];
    for attempts in 0..=MAX_CRASHES {
        let mut receiver = Receiver::on(h, b, 1).await;
        assert_eq!(receiver.next().await.attempts, attempts);
        h.pass(CRASH_COUNTS_FOR).await;
        // What the server did last.
        publish_many(h, a, c, 1).await;
        h.crash().await;
    }
    let mut receiver = Receiver::on(h, b, 1).await;
    assert_eq!(receiver.next().await.attempts, MAX_CRASHES + 1);
    let sporing = hendelser(h, sent).await;
    assert!(sporing.contains(&Hendelse::Returnert { arsak: Retur::Omstart }));
    assert!(!sporing.contains(&Hendelse::Returnert { arsak: Retur::Krasj }));
}

async fn until_available(h: &impl BrokerHarness, available: bool) {
    soon(async {
        while h.broker().availability().available != available {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Nobody has to ask for anything for the failure to be known. Everybody is answered meanwhile, and all goes on afterwards
/// with whatever was promised, nothing else and in order.
pub async fn failed_storage_is_said_and_healed_by_itself(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sent = publish_many(h, a, b, 3).await;
    let mut idle = Receiver::idle(h).await;
    for _ in 0..3 {
        assert!(h.broker().availability().available);
        h.break_storage().await;
        until_available(h, false).await;
        let refused = melding(h, a, b, DEFAULT_TTL);
        let answer = h.broker().publish(refused.clone(), Bytes::new()).await;
        assert!(answer.as_ref().is_err_and(BrokerError::is_unavailable), "{answer:?}");
        assert!(h.broker().queue_status(b).await.is_err_and(|error| error.is_unavailable()));
        assert!(h.broker().open_channel(ChannelOptions::default()).await.is_err());
        // An idle channel learns of it, too.
        assert_eq!(soon(idle.control().ended()).await, None);
        assert!(soon(idle.channel.deliveries.recv()).await.is_none());

        h.mend_storage().await;
        until_available(h, true).await;
        assert_eq!(h.broker().melding(refused.id).await.expect("the broker is back"), None);
        sent.extend(publish_many(h, a, b, 1).await);
        idle = Receiver::idle(h).await;
    }
    let mut receiver = Receiver::on(h, b, 10).await;
    assert_eq!(ids(&receiver.take(sent.len()).await), sent);
}

/// What was in a consumer's hands when the storage failed comes back marked and without counting, however often; and what
/// the consumer still says of it is passed over.
pub async fn failed_storage_counts_nothing(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 3).await;
    for attempts in 0..2 * MAX_ATTEMPTS {
        let mut receiver = Receiver::on(h, b, 10).await;
        let held = receiver.take(3).await;
        assert_eq!(ids(&held), sent);
        assert!(held.iter().all(|delivery| delivery.attempts == attempts));
        h.break_storage().await;
        until_available(h, false).await;
        receiver.ack(&held[0]);
        h.mend_storage().await;
        until_available(h, true).await;
        receiver.ack(&held[1]);
        receiver.requeue(&held[2]);
        receiver.close().await;
        let now = status(h, b).await;
        assert_eq!((now.ready, now.unacked, now.dead, now.consumers), (3, 0, 0, 0));
        let sporing = hendelser(h, sent[0]).await;
        assert_eq!(sporing.last(), Some(&Hendelse::Returnert { arsak: Retur::Avbrutt }));
    }
}

/// One that cannot be read when its turn comes is a dead letter, its sender is notified, and its consumer is handed all
/// others in order and on the same channel.
pub async fn damaged_melding_is_set_aside_and_the_queue_goes_on(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 5).await;
    h.damage(sent[0]).await;
    h.damage(sent[3]).await;
    let mut receiver = Receiver::on(h, b, 2).await;
    for expected in [sent[1], sent[2], sent[4]] {
        let delivery = receiver.next().await;
        assert_eq!((delivery.melding.id, delivery.attempts), (expected, 0));
        receiver.ack(&delivery);
    }
    let sent_after = publish_many(h, a, b, 1).await;
    let delivery = receiver.next().await;
    assert_eq!(delivery.melding.id, sent_after[0]);
    receiver.ack(&delivery);
    let after = until(h, b, |status| status.dead == 2 && status.unacked == 0).await;
    assert_eq!(after.ready, 0);

    let letters = h.broker().list_dead_letters(b, 10).await.expect("the broker runs");
    let dead: Vec<_> = letters.iter().map(|letter| (letter.melding.id, letter.skadet)).collect();
    assert_eq!(dead, [(sent[0], true), (sent[3], true)]);
    assert!(letters.iter().all(|letter| (letter.melding.avsender, letter.melding.mottaker) == (a, b)));
    let mut sender = Receiver::on(h, a, 10).await;
    for damaged in [sent[0], sent[3]] {
        let told = sender.next().await;
        assert_eq!(told.melding.meldingstype, meldingstype::SERVERFEIL);
        assert_eq!(told.melding.svar_pa_melding, Some(damaged));
        sender.ack(&told);
        let hendelser = hendelser(h, damaged).await;
        let end = [Hendelse::Skadet, Hendelse::KvitteringSendt { kvittering: told.melding.id }];
        assert_eq!(hendelser[hendelser.len() - 2..], end);
    }
    // Nobody who looks is refused: six that were sent to it, and two kvitteringer in its name.
    assert_eq!(h.broker().list_meldinger(b, 10).await.expect("the broker runs").len(), 8);
    let sok = MeldingSok { kontoer: vec![b], limit: 10, ..MeldingSok::default() };
    assert_eq!(search(h, sok).await.len(), 8);
    h.crash().await;
    assert_eq!(status(h, b).await.dead, 2);
}

/// Its time is over before anybody would have had it.
pub async fn damaged_melding_that_expires_notifies_its_sender(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = melding(h, a, b, Duration::from_mins(1));
    publish(h, &sent).await;
    h.damage(sent.id).await;
    h.pass(Duration::from_secs(61)).await;
    let mut sender = Receiver::on(h, a, 1).await;
    sender.kvittering(meldingstype::TIDSAVBRUDD, &sent).await;
    assert_eq!(status(h, b).await.ready, 0);
}

/// Neither one that is a dead letter since it is damaged, nor one that is damaged since it is a dead letter.
pub async fn damaged_dead_letter_cannot_be_put_back(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 2).await;
    h.damage(sent[0]).await;
    give_up_next(h, b).await;
    until(h, b, |status| status.dead == 2).await;
    h.damage(sent[1]).await;
    for id in sent {
        assert!(!h.broker().requeue_dead_letter(b, id).await.expect("the broker runs"));
    }
    let now = status(h, b).await;
    assert_eq!((now.ready, now.dead), (0, 2));
}

/// Its consumer keeps its place for another, and what it still says is passed over; one that nobody holds stays.
pub async fn held_melding_whose_payload_is_damaged_is_set_aside(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 3).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    let damaged = receiver.next().await;
    assert_eq!(damaged.melding.id, sent[0]);
    assert!(!h.broker().set_aside_held(b, sent[1]).await.expect("the broker runs"), "nobody holds it");
    assert!(!h.broker().set_aside_held(a, sent[0]).await.expect("the broker runs"), "it is on another queue");
    assert!(h.broker().set_aside_held(b, sent[0]).await.expect("the broker runs"));
    assert!(!h.broker().set_aside_held(b, sent[0]).await.expect("the broker runs"), "once is enough");
    receiver.ack(&damaged);
    for expected in &sent[1..] {
        let delivery = receiver.next().await;
        assert_eq!(delivery.melding.id, *expected);
        receiver.ack(&delivery);
    }
    let after = until(h, b, |status| status.unacked == 0).await;
    assert_eq!((after.ready, after.dead), (0, 1));
    let mut sender = Receiver::on(h, a, 1).await;
    let told = sender.next().await;
    assert_eq!(told.melding.meldingstype, meldingstype::SERVERFEIL);
    assert_eq!(told.melding.svar_pa_melding, Some(sent[0]));
    let hendelser = hendelser(h, sent[0]).await;
    let end = [Hendelse::Skadet, Hendelse::KvitteringSendt { kvittering: told.melding.id }];
    assert_eq!(hendelser[hendelser.len() - 2..], end);
}

/// The time that passes while nothing runs counts too.
pub async fn expires_while_the_broker_is_down(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = melding(h, a, b, Duration::from_mins(1));
    publish(h, &sent).await;
    h.restart().await;
    h.pass(Duration::from_secs(61)).await;
    h.crash().await;
    let mut sender = Receiver::on(h, a, 1).await;
    sender.kvittering(meldingstype::TIDSAVBRUDD, &sent).await;
    assert_eq!(status(h, b).await.ready, 0);
}

/// Taken, handed out, come back, handed out again, acked.
pub async fn sporing_of_an_acked_melding(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 1).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    let delivery = receiver.next().await;
    receiver.requeue(&delivery);
    receiver.next().await;
    receiver.close().await;
    let mut receiver = Receiver::on(h, b, 1).await;
    let delivery = receiver.next().await;
    receiver.ack(&delivery);
    let sporing = until_sporing(h, sent[0], &Hendelse::Bekreftet).await;
    assert_eq!(
        sporing,
        [
            Hendelse::LagtPaKo,
            Hendelse::Levert { forsok: 1, adresse: None },
            Hendelse::Returnert { arsak: Retur::NackMedRequeue },
            Hendelse::Levert { forsok: 2, adresse: None },
            Hendelse::Returnert { arsak: Retur::Frakoblet },
            Hendelse::Levert { forsok: 3, adresse: None },
            Hendelse::Bekreftet,
        ]
    );
}

/// Taken, handed out, refused.
pub async fn sporing_of_a_dropped_melding(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut receiver = Receiver::on(h, b, 1).await;
    let sent = publish_many(h, a, b, 1).await;
    let delivery = receiver.next().await;
    receiver.control().settle(delivery.id, Settlement::Drop);
    let sporing = until_sporing(h, sent[0], &Hendelse::Avvist).await;
    assert_eq!(
        sporing,
        [Hendelse::LagtPaKo, Hendelse::Levert { forsok: 1, adresse: None }, Hendelse::Avvist]
    );
}

/// Taken, expired, and which kvittering tells of it.
pub async fn sporing_of_an_expired_melding(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sender = Receiver::on(h, a, 1).await;
    let sent = melding(h, a, b, SHORT);
    publish(h, &sent).await;
    h.pass(Duration::from_secs(2)).await;
    let told = sender.kvittering(meldingstype::TIDSAVBRUDD, &sent).await;
    assert_eq!(
        hendelser(h, sent.id).await,
        [Hendelse::LagtPaKo, Hendelse::Utlopt, Hendelse::KvitteringSendt { kvittering: told.id }]
    );
    let sporing = until_sporing(h, told.id, &Hendelse::Bekreftet).await;
    assert_eq!(
        sporing,
        [Hendelse::LagtPaKo, Hendelse::Levert { forsok: 1, adresse: None }, Hendelse::Bekreftet]
    );
}

/// Three times handed out and come back, given up, and which kvittering tells of it.
pub async fn sporing_of_a_dead_letter(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut sender = Receiver::on(h, a, 1).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    let sent = melding(h, a, b, DEFAULT_TTL);
    publish(h, &sent).await;
    let mut expected = vec![Hendelse::LagtPaKo];
    for forsok in 1..=MAX_ATTEMPTS {
        let delivery = receiver.next().await;
        receiver.requeue(&delivery);
        expected.push(Hendelse::Levert { forsok, adresse: None });
        expected.push(Hendelse::Returnert { arsak: Retur::NackMedRequeue });
    }
    let told = sender.kvittering(meldingstype::SERVERFEIL, &sent).await;
    expected.extend([Hendelse::Dodko, Hendelse::KvitteringSendt { kvittering: told.id }]);
    assert_eq!(hendelser(h, sent.id).await, expected);
}

/// The newest first, for the sender as for the receiver, whatever became of them.
pub async fn list_meldinger_is_newest_first_for_both(h: &mut impl BrokerHarness) {
    let (a, b, c) = (konto(h).await, konto(h).await, konto(h).await);
    let mut expected = publish_many(h, a, b, 3).await;
    expected.extend(publish_many(h, b, a, 2).await);
    let to_c = publish_many(h, a, c, 1).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    let delivery = receiver.next().await;
    receiver.ack(&delivery);
    until_sporing(h, expected[0], &Hendelse::Bekreftet).await;
    expected.reverse();

    let ids = |records: Vec<crate::ports::MeldingRecord>| -> Vec<MeldingId> {
        records.into_iter().map(|record| record.melding.id).collect()
    };
    let of_b = ids(h.broker().list_meldinger(b, 10).await.expect("the broker runs"));
    assert_eq!(of_b, expected);
    let of_b = ids(h.broker().list_meldinger(b, 2).await.expect("the broker runs"));
    assert_eq!(of_b, expected[..2]);
    let of_a = ids(h.broker().list_meldinger(a, 10).await.expect("the broker runs"));
    assert_eq!(of_a, [to_c, expected].concat());
}

/// In the order in which they were taken, each with the time when it was given up, up to the limit.
pub async fn list_dead_letters_is_oldest_first(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 3).await;
    h.pass(Duration::from_mins(1)).await;
    let mut receiver = Receiver::on(h, b, 1).await;
    let before = h.now();
    for _ in 0..MAX_ATTEMPTS * 3 {
        let delivery = receiver.next().await;
        receiver.requeue(&delivery);
    }
    until(h, b, |status| status.dead == 3).await;
    let dead = h.broker().list_dead_letters(b, 10).await.expect("the broker runs");
    assert_eq!(dead.iter().map(|letter| letter.melding.id).collect::<Vec<_>>(), sent);
    assert!(dead.iter().all(|letter| letter.tidspunkt >= before && letter.tidspunkt <= h.now()));
    let dead = h.broker().list_dead_letters(b, 1).await.expect("the broker runs");
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].melding.id, sent[0]);
    assert!(h.broker().list_dead_letters(a, 10).await.expect("the broker runs").is_empty());
}

/// Not known, no fault.
pub async fn unknown_melding_is_none(h: &mut impl BrokerHarness) {
    let unknown = MeldingId::from_uuid(h.uuid());
    assert_eq!(h.broker().melding(unknown).await.expect("the broker runs"), None);
    let unknown = KontoId::from_uuid(h.uuid());
    assert!(h.broker().list_meldinger(unknown, 10).await.expect("the broker runs").is_empty());
}

/// A consumer that takes nothing from its channel is nobody else's trouble.
pub async fn deaf_consumer_does_not_hold_up_another_konto(h: &mut impl BrokerHarness) {
    let (a, b, c) = (konto(h).await, konto(h).await, konto(h).await);
    let _deaf = Receiver::on(h, b, 0).await;
    publish_many(h, a, b, 300).await;
    let mut receiver = Receiver::on(h, c, 10).await;
    for id in publish_many(h, a, c, 50).await {
        let delivery = receiver.next().await;
        assert_eq!(delivery.melding.id, id);
        receiver.ack(&delivery);
    }
    until(h, c, |status| status.ready + status.unacked == 0).await;
}

/// In the order asked, `None` without queue, the same numbers as one by one.
pub async fn queue_statuses_are_in_the_order_asked(h: &mut impl BrokerHarness) {
    let (a, b, c) = (konto(h).await, konto(h).await, konto(h).await);
    let unknown = KontoId::from_uuid(h.uuid());
    publish_many(h, a, b, 2).await;
    h.pass(Duration::from_mins(1)).await;
    publish_many(h, a, c, 1).await;
    let _receiver = Receiver::on(h, c, 0).await;
    until(h, c, |status| status.unacked == 1).await;
    let all = h.broker().queue_statuses(&[c, unknown, b, a, c]).await.expect("the broker runs");
    let (of_a, of_b, of_c) = (status(h, a).await, status(h, b).await, status(h, c).await);
    assert!(of_b.oldest.is_some() && of_b.oldest < of_c.oldest);
    assert_eq!(all, [Some(of_c), None, Some(of_b), Some(of_a), Some(of_c)]);
    assert_eq!(h.broker().queue_statuses(&[]).await.expect("the broker runs"), []);
}

/// The address that the channel was opened with.
pub async fn sporing_tells_where_the_consumer_calls_from(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 1).await;
    let adresse = Some("192.0.2.7:50123".parse().expect("it is an address"));
    let channel = h
        .broker()
        .open_channel(ChannelOptions { adresse, ..ChannelOptions::default() })
        .await
        .expect("the broker runs");
    let mut receiver = Receiver { channel };
    receiver.control().consume(Consumer(1), b, 1).await.expect("the queue is there");
    receiver.next().await;
    let expected = [Hendelse::LagtPaKo, Hendelse::Levert { forsok: 1, adresse }];
    assert_eq!(hendelser(h, sent[0]).await, expected);
    h.crash().await;
    assert_eq!(hendelser(h, sent[0]).await[..2], expected);
}

async fn search(h: &impl BrokerHarness, sok: MeldingSok) -> Vec<MeldingId> {
    let found = h.broker().search_meldinger(&sok).await.expect("the broker runs");
    assert!(!found.avkortet, "there are only a few");
    found.meldinger.into_iter().map(|record| record.melding.id).collect()
}

/// Of any of the kontoer, by each of the keys; what both a sender and a receiver have to do with is told once.
pub async fn search_finds_what_fits_newest_first_and_once(h: &mut impl BrokerHarness) {
    let (a, b, c) = (konto(h).await, konto(h).await, konto(h).await);
    let (klient_melding_id, sak) = (h.uuid().to_string(), h.uuid().to_string());
    let mut sent = Vec::new();
    for (from, to, meldingstype, headere) in [
        (
            a,
            b,
            TYPE,
            vec![(headers::KLIENT_MELDING_ID, &klient_melding_id), (headers::KLIENT_KORRELASJONS_ID, &sak)],
        ),
        (b, a, "no.ks.fiks.arkiv.v1.kvittering.mottatt", vec![(headers::KLIENT_KORRELASJONS_ID, &sak)]),
        (c, b, TYPE, vec![(headers::KLIENT_KORRELASJON_ID, &sak)]),
        (c, c, TYPE, vec![("egen", &sak)]),
    ] {
        let mut melding = melding(h, from, to, DEFAULT_TTL);
        meldingstype.clone_into(&mut melding.meldingstype);
        melding.headere =
            headere.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        publish(h, &melding).await;
        sent.push(melding.id);
    }
    let of =
        |kontoer: &[KontoId]| MeldingSok { kontoer: kontoer.to_vec(), limit: 10, ..MeldingSok::default() };
    for (sok, expected) in [
        (of(&[a, b, c]), vec![3, 2, 1, 0]),
        (of(&[a, a]), vec![1, 0]),
        (of(&[c]), vec![3, 2]),
        (of(&[]), vec![]),
        (of(&[KontoId::from_uuid(h.uuid())]), vec![]),
        (MeldingSok { klient_id: Some(sak.clone()), ..of(&[a, b, c]) }, vec![2, 1, 0]),
        (MeldingSok { klient_id: Some(sak.clone()), ..of(&[c]) }, vec![2]),
        (MeldingSok { klient_id: Some(klient_melding_id.clone()), ..of(&[a, b]) }, vec![0]),
        (MeldingSok { klient_id: Some("ukjent".to_owned()), ..of(&[a, b]) }, vec![]),
        (MeldingSok { meldingstype: Some(TYPE.to_owned()), ..of(&[a, b, c]) }, vec![3, 2, 0]),
        (MeldingSok { limit: 2, ..of(&[a, b, c]) }, vec![3, 2]),
        (MeldingSok { limit: 0, ..of(&[a, b, c]) }, vec![]),
    ] {
        let expected: Vec<MeldingId> = expected.into_iter().map(|n: usize| sent[n]).collect();
        assert_eq!(search(h, sok.clone()).await, expected, "{sok:?}");
    }
    let sok = MeldingSok { klient_id: Some(klient_melding_id), ..of(&[b]) };
    let found = h.broker().search_meldinger(&sok).await.expect("the broker runs");
    assert_eq!(
        Some(&found.meldinger[0]),
        h.broker().melding(sent[0]).await.expect("the broker runs").as_ref()
    );
}

/// Each page goes on where the one before ended, whatever came meanwhile, also among those of one moment.
pub async fn search_goes_page_by_page(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut expected = publish_many(h, a, b, 3).await;
    h.pass(Duration::from_mins(1)).await;
    expected.extend(publish_many(h, b, a, 4).await);
    expected.reverse();
    let mut sok = MeldingSok { kontoer: vec![a, b], limit: 2, ..MeldingSok::default() };
    let mut pages = Vec::new();
    loop {
        let found = h.broker().search_meldinger(&sok).await.expect("the broker runs").meldinger;
        let Some(last) = found.last() else { break };
        sok.before = Some((last.lagt_pa_ko(), last.melding.id));
        pages.extend(found.iter().map(|record| record.melding.id));
        publish_many(h, a, b, 1).await;
    }
    assert_eq!(pages, expected);
}

/// From and until, both included.
pub async fn search_keeps_to_a_period(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let (mut sent, mut times) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        sent.extend(publish_many(h, a, b, 1).await);
        let record = h.broker().melding(sent[sent.len() - 1]).await.expect("the broker runs");
        times.push(record.expect("it is known").lagt_pa_ko());
        h.pass(Duration::from_mins(1)).await;
    }
    for (fra, til, expected) in [
        (None, None, vec![2, 1, 0]),
        (Some(times[1]), None, vec![2, 1]),
        (None, Some(times[1]), vec![1, 0]),
        (Some(times[1]), Some(times[1]), vec![1]),
        (Some(h.now()), None, vec![]),
    ] {
        let expected: Vec<MeldingId> = expected.into_iter().map(|n: usize| sent[n]).collect();
        let sok = MeldingSok { kontoer: vec![b], fra, til, limit: 10, ..MeldingSok::default() };
        assert_eq!(search(h, sok).await, expected, "{fra:?} to {til:?}");
    }
}

/// Those that name it and no others, and the kvittering that tells of it.
pub async fn svar_and_kvitteringer_are_found(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = melding(h, a, b, SHORT);
    publish(h, &sent).await;
    let mut svar = Vec::new();
    for _ in 0..2 {
        publish_many(h, b, a, 1).await;
        let answer = Melding { svar_pa_melding: Some(sent.id), ..melding(h, b, a, DEFAULT_TTL) };
        publish(h, &answer).await;
        svar.push(answer.id);
    }
    assert_eq!(h.broker().list_svar(sent.id).await.expect("the broker runs"), svar);
    h.pass(Duration::from_secs(2)).await;
    let sporing = until_sporing(h, sent.id, &Hendelse::Utlopt).await;
    let told = sporing.iter().rev().find_map(|line| match line {
        Hendelse::KvitteringSendt { kvittering } => Some(*kvittering),
        _ => None,
    });
    let mut found = h.broker().list_svar(sent.id).await.expect("the broker runs");
    svar.push(told.expect("the sender was told"));
    found.sort_unstable();
    svar.sort_unstable();
    assert_eq!(found, svar);
    assert_eq!(h.broker().list_svar(svar[0]).await.expect("the broker runs"), []);
    let unknown = MeldingId::from_uuid(h.uuid());
    assert_eq!(h.broker().list_svar(unknown).await.expect("the broker runs"), []);
}

/// Makes a dead letter of the next melding on the queue of `konto`.
async fn give_up_next(h: &impl BrokerHarness, konto: KontoId) {
    let mut receiver = Receiver::on(h, konto, 1).await;
    for _ in 0..MAX_ATTEMPTS {
        let delivery = receiver.next().await;
        receiver.requeue(&delivery);
    }
    receiver.close().await;
}

/// Behind what waits, with its payload, no attempt against it, in one step that a crash does not take back.
pub async fn requeued_dead_letter_is_as_fresh(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let dead = melding(h, a, b, DEFAULT_TTL);
    publish(h, &dead).await;
    give_up_next(h, b).await;
    until(h, b, |status| status.dead == 1).await;
    let waiting = publish_many(h, a, b, 2).await;
    assert!(h.broker().requeue_dead_letter(b, dead.id).await.expect("there is room"));
    assert!(!h.broker().requeue_dead_letter(b, dead.id).await.expect("there is room"), "it is done already");
    let check = async |h: &dyn Broker| {
        let now = h.queue_status(b).await.expect("the queue is there");
        assert_eq!((now.ready, now.unacked, now.dead), (3, 0, 0));
        assert!(h.list_dead_letters(b, 10).await.expect("the broker runs").is_empty());
        let sporing = h.melding(dead.id).await.expect("the broker runs").expect("it is known").sporing;
        assert_eq!(sporing.last().map(|line| &line.hendelse), Some(&Hendelse::LagtTilbake));
        assert_eq!(sporing[0].hendelse, Hendelse::LagtPaKo);
        assert_eq!(sporing.len(), 10, "{sporing:?}");
        assert!(sporing.is_sorted_by_key(|line| line.tidspunkt));
    };
    check(&*h.broker()).await;
    h.crash().await;
    check(&*h.broker()).await;

    let mut receiver = Receiver::on(h, b, 10).await;
    let got = receiver.take(3).await;
    assert_eq!(ids(&got), [waiting[0], waiting[1], dead.id]);
    assert_eq!((got[2].attempts, got[2].melding.as_ref()), (0, &dead));
    assert_eq!(got[2].payload, "innhold");
    assert!(got.iter().all(|delivery| !delivery.payload.is_empty()));
    receiver.ack(&got[2]);
    until_sporing(h, dead.id, &Hendelse::Bekreftet).await;
    assert!(!h.broker().requeue_dead_letter(b, dead.id).await.expect("there is room"));
    // It is told once, where it stands now.
    let of_b = h.broker().list_meldinger(b, 10).await.expect("the broker runs");
    let of_b: Vec<MeldingId> = of_b.into_iter().map(|record| record.melding.id).collect();
    assert_eq!(of_b[..3], [dead.id, waiting[1], waiting[0]]);
    assert_eq!(of_b.iter().filter(|id| **id == dead.id).count(), 1);
    // Its kvittering was sent before it came back, and is still found.
    assert_eq!(h.broker().list_svar(dead.id).await.expect("the broker runs").len(), 1);
}

/// Given up at the end of its life, it is not expired when it comes back; then three failed attempts or the TTL end it
/// as they did before.
pub async fn requeued_dead_letter_lives_its_whole_ttl_again(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = melding(h, a, b, Duration::from_mins(1));
    publish(h, &sent).await;
    give_up_next(h, b).await;
    until(h, b, |status| status.dead == 1).await;
    h.pass(Duration::from_mins(5)).await;
    assert!(h.broker().requeue_dead_letter(b, sent.id).await.expect("there is room"));
    give_up_next(h, b).await;
    until(h, b, |status| status.dead == 1).await;
    assert!(h.broker().requeue_dead_letter(b, sent.id).await.expect("there is room"));
    h.pass(Duration::from_secs(50)).await;
    assert_eq!(status(h, b).await.ready, 1);
    h.pass(Duration::from_secs(11)).await;
    until(h, b, |status| status.ready == 0).await;
    let mut sender = Receiver::on(h, a, 10).await;
    for kind in [meldingstype::SERVERFEIL, meldingstype::SERVERFEIL, meldingstype::TIDSAVBRUDD] {
        sender.kvittering(kind, &sent).await;
    }
}

/// Unknown, another Konto's, alive, or without a queue to go to.
pub async fn requeue_of_what_is_no_dead_letter_does_nothing(h: &mut impl BrokerHarness) {
    let (a, b) = (konto(h).await, konto(h).await);
    let sent = publish_many(h, a, b, 2).await;
    give_up_next(h, b).await;
    until(h, b, |status| status.dead == 1).await;
    let unknown = MeldingId::from_uuid(h.uuid());
    for (konto, id) in [(b, unknown), (b, sent[1]), (a, sent[0])] {
        assert!(!h.broker().requeue_dead_letter(konto, id).await.expect("there is room"));
    }
    assert_eq!((status(h, b).await.ready, status(h, b).await.dead), (1, 1));
    h.broker().delete_queue(b).await.expect("the broker runs");
    let refused = h.broker().requeue_dead_letter(b, sent[0]).await;
    assert!(matches!(refused, Err(BrokerError::NoQueue { konto }) if konto == b), "{refused:?}");
}
