//! What waits counts against its owners, until it is gone for good.

use domain::id::FiksOrgId;

use super::{
    BrokerError, BrokerHarness, Bytes, DEFAULT_TTL, Duration, Hendelse, KontoId, Melding, PATIENCE,
    QueueStatus, Receiver, SHORT, Settlement, give_up_next, konto, melding, soon, status, timeout,
    until_available,
};
use crate::ports::{Eiere, Ende, KoRom, Kobytes};

fn eiere(h: &impl BrokerHarness) -> Eiere {
    Eiere { avsender: FiksOrgId::from_uuid(h.uuid()), mottaker: FiksOrgId::from_uuid(h.uuid()) }
}

/// What each of the two has waiting: as sender and as receiver.
fn counted(h: &impl BrokerHarness, eiere: Eiere) -> [Kobytes; 2] {
    [eiere.avsender, eiere.mottaker].map(|organisasjon| h.broker().kobytes(organisasjon))
}

const NOTHING: [Kobytes; 2] = [Kobytes { sendt: 0, mottatt: 0 }; 2];

fn between(bytes: u64) -> [Kobytes; 2] {
    [Kobytes { sendt: bytes, mottatt: 0 }, Kobytes { sendt: 0, mottatt: bytes }]
}

/// `kvittering` bytes wait for the sender of what is about it.
fn with_kvittering(mut counted: [Kobytes; 2], kvittering: u64) -> [Kobytes; 2] {
    counted[0].sendt += kvittering;
    counted[0].mottatt += kvittering;
    counted
}

async fn until_counted(h: &impl BrokerHarness, eiere: Eiere, wanted: [Kobytes; 2]) {
    let wait = async {
        while counted(h, eiere) != wanted {
            tokio::task::yield_now().await;
        }
    };
    if timeout(PATIENCE, wait).await.is_err() {
        assert_eq!(counted(h, eiere), wanted);
    }
}

async fn send(
    h: &impl BrokerHarness,
    melding: &Melding,
    payload: &[u8],
    room: KoRom,
) -> Result<(), BrokerError> {
    h.broker().publish_within(melding.clone(), Bytes::copy_from_slice(payload), room).await
}

/// A melding in room without bound, and what it takes.
async fn sent(
    h: &impl BrokerHarness,
    from: KontoId,
    to: KontoId,
    ttl: Duration,
    eiere: Eiere,
) -> (Melding, u64) {
    let mut melding = melding(h, from, to, ttl);
    melding.headere.insert("klientMeldingId".to_owned(), "a".repeat(100));
    send(h, &melding, &[7; 3_000], KoRom::unbounded(eiere)).await.expect("there is a queue and room");
    let bytes = melding.room_bytes(3_000);
    (melding, bytes)
}

/// The kvittering of `kind` for `original` that waits for its sender, and what it takes.
async fn kvittering_bytes(h: &impl BrokerHarness, original: &Melding) -> u64 {
    let wait = async {
        loop {
            for kvittering in h.broker().list_svar(original.id).await.expect("the broker runs") {
                if let Some(record) = h.broker().melding(kvittering).await.expect("the broker runs") {
                    return record.melding.room_bytes(0);
                }
            }
            tokio::task::yield_now().await;
        }
    };
    soon(wait).await
}

/// Payload, headers and what each melding costs count, for the owner at each end, until it is acked or dropped.
pub async fn what_waits_counts_until_it_has_left(h: &mut impl BrokerHarness) {
    let (from, to, eiere) = (konto(h).await, konto(h).await, eiere(h));
    let (_, bytes) = sent(h, from, to, DEFAULT_TTL, eiere).await;
    assert!(bytes > 4_000, "payload, headers and a cost of each melding");
    let (_, again) = sent(h, from, to, DEFAULT_TTL, eiere).await;
    assert_eq!(counted(h, eiere), between(bytes + again));
    let mut receiver = Receiver::on(h, to, 10).await;
    let [first, second] = [receiver.next().await, receiver.next().await];
    assert_eq!(counted(h, eiere), between(bytes + again), "in a consumer's hands it waits on");
    receiver.ack(&first);
    until_counted(h, eiere, between(again)).await;
    let all = h.broker().list_kobytes();
    for (organisasjon, kobytes) in [eiere.avsender, eiere.mottaker].into_iter().zip(between(again)) {
        assert!(all.contains(&(organisasjon, kobytes)));
    }
    receiver.control().settle(second.id, Settlement::Drop);
    until_counted(h, eiere, NOTHING).await;
}

/// One's own organisasjon pays at both ends.
pub async fn what_an_organisasjon_sends_itself_counts_at_both_ends(h: &mut impl BrokerHarness) {
    let (from, to, eiere) = (konto(h).await, konto(h).await, eiere(h));
    let own = Eiere { mottaker: eiere.avsender, ..eiere };
    let (_, bytes) = sent(h, from, to, DEFAULT_TTL, own).await;
    assert_eq!(h.broker().kobytes(own.avsender), Kobytes { sendt: bytes, mottatt: bytes });
}

/// A kvittering counts against whoever sent what it is about, and is never refused.
pub async fn what_expires_makes_room_and_its_kvittering_counts(h: &mut impl BrokerHarness) {
    let (from, to, eiere) = (konto(h).await, konto(h).await, eiere(h));
    let (melding, _) = sent(h, from, to, SHORT, eiere).await;
    h.pass(SHORT * 2).await;
    let kvittering = kvittering_bytes(h, &melding).await;
    until_counted(h, eiere, with_kvittering(NOTHING, kvittering)).await;
    let room = KoRom { avsender_max: kvittering, ..KoRom::unbounded(eiere) };
    let refused = send(h, &melding, &[], room).await;
    assert!(matches!(refused, Err(BrokerError::NoRoom { ende: Ende::Avsender })), "{refused:?}");
    let mut receiver = Receiver::on(h, from, 1).await;
    let delivery = receiver.next().await;
    receiver.ack(&delivery);
    until_counted(h, eiere, NOTHING).await;
}

/// A dead letter counts on, and no more than it did when it is put back.
pub async fn dead_letter_counts_on(h: &mut impl BrokerHarness) {
    let (from, to, eiere) = (konto(h).await, konto(h).await, eiere(h));
    let (melding, bytes) = sent(h, from, to, DEFAULT_TTL, eiere).await;
    give_up_next(h, to).await;
    let kvittering = kvittering_bytes(h, &melding).await;
    let wanted = with_kvittering(between(bytes), kvittering);
    until_counted(h, eiere, wanted).await;
    h.restart().await;
    assert_eq!(counted(h, eiere), wanted);
    assert!(h.broker().requeue_dead_letter(to, melding.id).await.expect("there is room"));
    assert_eq!(counted(h, eiere), wanted);
    h.crash().await;
    assert_eq!(counted(h, eiere), wanted);
    let mut receiver = Receiver::on(h, to, 1).await;
    let delivery = receiver.next().await;
    receiver.ack(&delivery);
    until_counted(h, eiere, with_kvittering(NOTHING, kvittering)).await;
}

/// What goes with its queue makes room, the Konto of its sender may be gone before.
pub async fn removed_queue_makes_room(h: &mut impl BrokerHarness) {
    let (from, to, eiere) = (konto(h).await, konto(h).await, eiere(h));
    let (_, bytes) = sent(h, from, to, DEFAULT_TTL, eiere).await;
    h.broker().delete_queue(from).await.expect("it can be removed");
    h.restart().await;
    assert_eq!(counted(h, eiere), between(bytes), "it waits, whoever sent it is gone");
    h.broker().delete_queue(to).await.expect("it can be removed");
    assert_eq!(counted(h, eiere), NOTHING);
}

/// A dead letter whose Konto is removed takes no room any more, since nobody can reach it. What happened to it stays to be seen.
pub async fn dead_letters_end_with_their_queue(h: &mut impl BrokerHarness) {
    let (from, to, eiere) = (konto(h).await, konto(h).await, eiere(h));
    let (melding, _) = sent(h, from, to, DEFAULT_TTL, eiere).await;
    give_up_next(h, to).await;
    let kvittering = kvittering_bytes(h, &melding).await;
    h.broker().delete_queue(to).await.expect("it can be removed");
    let left = with_kvittering(NOTHING, kvittering);
    assert_eq!(counted(h, eiere), left);
    h.crash().await;
    assert_eq!(counted(h, eiere), left);
    h.restart().await;
    assert_eq!(counted(h, eiere), left);
    assert_eq!(h.broker().list_dead_letters(to, 10).await.expect("the broker runs"), []);
    let record = h.broker().melding(melding.id).await.expect("the broker runs").expect("it is known");
    let last = record.sporing.last().expect("something happened to it");
    assert_eq!(last.hendelse, Hendelse::KontoSlettet);
    let notified =
        record.sporing.iter().filter(|line| matches!(line.hendelse, Hendelse::KvitteringSendt { .. }));
    assert_eq!(notified.count(), 1, "its sender is not notified twice");
    h.broker().create_queue(to).await.expect("the broker runs");
    assert_eq!(status(h, to).await, QueueStatus::default());
}

/// The same is counted after a restart, a crash and a failure of the storage: what waits, is held, or stands aside.
pub async fn what_is_counted_survives_restart_and_crash(h: &mut impl BrokerHarness) {
    let (from, to, aside, eiere) = (konto(h).await, konto(h).await, konto(h).await, eiere(h));
    let mut all = 0;
    for n in 0..9 {
        let to = if n % 3 == 0 { aside } else { to };
        all += sent(h, from, to, DEFAULT_TTL, eiere).await.1;
    }
    h.broker().set_aside(aside).await.expect("the broker runs");
    let mut receiver = Receiver::on(h, to, 2).await;
    receiver.take(2).await;
    assert_eq!(counted(h, eiere), between(all));
    h.crash().await;
    assert_eq!(counted(h, eiere), between(all));
    h.restart().await;
    assert_eq!(counted(h, eiere), between(all));
    h.break_storage().await;
    until_available(h, false).await;
    h.mend_storage().await;
    until_available(h, true).await;
    assert_eq!(counted(h, eiere), between(all));
    let mut receiver = Receiver::on(h, to, 10).await;
    for delivery in receiver.take(6).await {
        receiver.ack(&delivery);
    }
    h.broker().delete_queue(aside).await.expect("it can be removed");
    let kvitteringer = status(h, from).await.ready;
    assert_eq!(kvitteringer, 3);
    let mut senders = Receiver::on(h, from, 10).await;
    for delivery in senders.take(3).await {
        senders.ack(&delivery);
    }
    until_counted(h, eiere, NOTHING).await;
}

/// What many send at once never goes over a bound together, and all that fits is taken.
pub async fn bound_is_kept_by_many_at_once(h: &mut impl BrokerHarness) {
    let (from, to, eiere) = (konto(h).await, konto(h).await, eiere(h));
    let each = melding(h, from, to, DEFAULT_TTL).room_bytes(2_000);
    for (room, wanted) in [
        (KoRom { avsender_max: 10 * each, ..KoRom::unbounded(eiere) }, Ende::Avsender),
        (KoRom { mottaker_max: 15 * each + 1, ..KoRom::unbounded(eiere) }, Ende::Mottaker),
    ] {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (broker, melding) = (h.broker(), melding(h, from, to, DEFAULT_TTL));
            let payload = Bytes::from_static(&[1; 2_000]);
            tasks.spawn(async move { broker.publish_within(melding, payload, room).await });
        }
        let mut refused = 0;
        while let Some(answer) = tasks.join_next().await {
            match answer.expect("it does not panic") {
                Ok(()) => {}
                Err(BrokerError::NoRoom { ende }) => {
                    assert_eq!(ende, wanted);
                    refused += 1;
                }
                Err(other) => unreachable!("{other:?}"),
            }
        }
        let taken = room.avsender_max.min(room.mottaker_max) / each;
        assert_eq!(counted(h, eiere), between(taken * each));
        assert!(refused >= 45 - 10, "{refused}");
        assert_eq!(status(h, to).await.ready, taken);
    }
    // Whoever has nothing to do with it sends on.
    sent(h, from, to, DEFAULT_TTL, Eiere { avsender: self::eiere(h).avsender, ..eiere }).await;
}
