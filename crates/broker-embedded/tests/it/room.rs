//! The disk follows what is still there.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use app::contract::broker::BrokerHarness;
use app::ports::{Broker as _, Settlement};
use bytes::Bytes;
use domain::melding::{Melding, Retur};
use knutepunkt_broker_embedded::{Fault, Options};
use wire::id::KontoId;

use crate::harness::Harness;
use crate::lifecycle::{consume, konto, melding, soon};

const MIB: u64 = 1024 * 1024;
/// What may lie about besides half of what is live, journals included.
const BESIDES: u64 = 64 * MIB;

/// What stays of a melding that is over, its sporing included, and is live for 30 days.
const RECORD: u64 = 1024;

/// Bytes that do not compress.
fn noise(seed: u64, bytes: usize) -> Bytes {
    let mut state = seed + 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    Bytes::from(words.flatten().take(bytes).collect::<Vec<u8>>())
}

/// Publishes `count` payloads of `bytes` that do not compress, and has them written to tables.
async fn fill(h: &Harness, count: u64, bytes: usize) -> (wire::id::KontoId, u64) {
    let (a, b) = (konto(h).await, konto(h).await);
    for number in 0..count {
        h.broker().publish(melding(h, a, b), noise(number, bytes)).await.unwrap();
    }
    h.embedded().flush().await.unwrap();
    (b, count * bytes as u64)
}

async fn drain(h: &Harness, konto: wire::id::KontoId, count: u64) {
    let mut channel = consume(h, konto).await;
    for _ in 0..count {
        let delivery = channel.deliveries.recv().await.unwrap();
        channel.control.settle(delivery.id, Settlement::Ack);
    }
    assert_eq!(h.embedded().queue_status(konto).await.unwrap().unacked, 0);
}

/// What the files below `folder` take of the disk, whether the log still knows them or not.
fn on_disk(folder: &Path) -> u64 {
    let of = |entry: std::fs::DirEntry| {
        if entry.path().is_dir() {
            on_disk(&entry.path())
        } else {
            entry.metadata().map_or(0, |m| m.blocks() * 512)
        }
    };
    // Files go while they are listed.
    std::fs::read_dir(folder).map_or(0, |entries| entries.flatten().map(of).sum())
}

/// Lets time pass until no more than `bound` bytes are on disk.
async fn comes_down_to(h: &Harness, bound: u64) {
    let wait = async {
        while h.embedded().disk_bytes().await.unwrap().max(on_disk(&h.path())) > bound {
            h.clock.advance(Duration::from_secs(10));
            tokio::task::yield_now().await;
        }
    };
    let last = tokio::time::timeout(Duration::from_mins(2), wait).await;
    let bytes = h.embedded().disk_bytes().await.unwrap();
    assert!(last.is_ok(), "{bytes} bytes are on disk, {bound} may be");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_of_large_payloads_comes_back_after_a_drain() {
    let h = Harness::start().await;
    let (kept, live) = fill(&h, 20, 1024 * 1024).await;
    let (drained, gone) = fill(&h, 120, 1024 * 1024).await;
    assert!(h.embedded().disk_bytes().await.unwrap() >= live + gone);
    drain(&h, drained, 120).await;
    comes_down_to(&h, live * 3 / 2 + BESIDES).await;
    assert_eq!(h.embedded().queue_status(kept).await.unwrap().ready, 20);
    drain(&h, kept, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_of_small_payloads_comes_back_after_a_drain() {
    let h = Harness::start().await;
    let (kept, live) = fill(&h, 500, 20 * 1024).await;
    let (drained, gone) = fill(&h, 6_000, 20 * 1024).await;
    assert!(h.embedded().disk_bytes().await.unwrap() >= live + gone);
    drain(&h, drained, 6_000).await;
    comes_down_to(&h, live * 3 / 2 + BESIDES).await;
    drain(&h, kept, 500).await;
}

/// Twice over: filled, ended in one way or the other, looked at with nothing gone yet, and drained.
async fn comes_back_after_each_ending(count: u64, bytes: usize) {
    let mut h = Harness::start().await;
    let mut done = 0;
    for in_good_order in [true, false] {
        let (filled, live) = fill(&h, count, bytes).await;
        if in_good_order {
            h.restart().await;
        } else {
            h.crash().await;
        }
        h.embedded().tidy().await.unwrap();
        assert!(h.embedded().disk_bytes().await.unwrap() >= live);
        drain(&h, filled, count).await;
        done += count;
        comes_down_to(&h, done * RECORD * 3 / 2 + BESIDES).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_of_large_payloads_comes_back_after_a_restart_too() {
    comes_back_after_each_ending(120, 1024 * 1024).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_of_small_payloads_comes_back_after_a_restart_too() {
    comes_back_after_each_ending(6_000, 20 * 1024).await;
}

/// Between each two that go stands one that stays, and nobody counted what went before the restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_between_what_stays_comes_back() {
    let mut h = Harness::start().await;
    let (sender, kept, drained) = (konto(&h).await, konto(&h).await, konto(&h).await);
    let mut live = 0;
    for number in 0..200_u64 {
        // Both kinds of each.
        let bytes = if number % 10 < 8 { 1024 * 1024 } else { 30_000 };
        let to = if number % 2 == 0 { kept } else { drained };
        live += if to == kept { bytes as u64 } else { 0 };
        h.broker().publish(melding(&h, sender, to), noise(number, bytes)).await.unwrap();
    }
    h.embedded().flush().await.unwrap();
    drain(&h, drained, 100).await;
    h.restart().await;
    // Waste of 16 MiB and a fourth of what is live, and a journal of 24 MiB, are left as they are.
    comes_down_to(&h, live + live / 4 + 44 * MIB).await;
    drain(&h, kept, 100).await;
    comes_down_to(&h, BESIDES).await;
}

/// With `count` headers of 20 000 bytes that do not compress, and those that it is found by.
fn with_headere(h: &Harness, from: KontoId, to: KontoId, count: u64) -> Melding {
    let text =
        |number| noise(number, 20_000).iter().map(|byte| char::from(b' ' + byte % 64)).collect::<String>();
    let mut melding = melding(h, from, to);
    melding.headere = (0..count).map(|number| (format!("h{number}"), text(number + 7))).collect();
    melding.headere.insert(wire::headers::KLIENT_MELDING_ID.to_owned(), "mine".to_owned());
    melding.headere.insert(wire::headers::KLIENT_KORRELASJONS_ID.to_owned(), "k".repeat(300));
    melding
}

/// Sporing is what happened, and not what the sender wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_of_headers_comes_back_after_a_drain() {
    const COUNT: u64 = 1_500;
    let mut h = Harness::start().await;
    let (from, to) = (konto(&h).await, konto(&h).await);
    for number in 0..COUNT {
        h.broker().publish(with_headere(&h, from, to, 3), noise(number, 100)).await.unwrap();
    }
    h.embedded().flush().await.unwrap();
    h.restart().await;
    assert!(h.embedded().disk_bytes().await.unwrap() > COUNT * 30_000);
    drain(&h, to, COUNT).await;
    comes_down_to(&h, COUNT * RECORD * 3 / 2 + BESIDES).await;
    let records = h.broker().list_meldinger(from, 10_000).await.unwrap();
    assert_eq!(records.len() as u64, COUNT);
}

/// Its headers stay while it waits, whatever happens to it, and come back with it from the dead letters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_stay_until_a_melding_is_over() {
    for payload in [Bytes::new(), noise(1, 700), noise(2, 100_000)] {
        let mut h = Harness::start().await;
        let (from, to) = (konto(&h).await, konto(&h).await);
        let sent = with_headere(&h, from, to, 3);
        h.broker().publish(sent.clone(), payload.clone()).await.unwrap();
        let mut channel = consume(&h, to).await;
        for attempt in 0..3 {
            let delivery = channel.deliveries.recv().await.unwrap();
            assert_eq!((&*delivery.melding, &delivery.payload), (&sent, &payload));
            channel.control.settle(delivery.id, Settlement::Requeue(Retur::NackMedRequeue));
            if attempt == 0 {
                drop(channel);
                h.crash().await;
                channel = consume(&h, to).await;
            }
        }
        soon(async || h.embedded().queue_status(to).await.unwrap().dead == 1).await;
        drop(channel);
        h.restart().await;
        assert_eq!(h.broker().melding(sent.id).await.unwrap().unwrap().payload_bytes, payload.len() as u64);
        assert!(h.broker().requeue_dead_letter(to, sent.id).await.unwrap());
        h.restart().await;
        let mut channel = consume(&h, to).await;
        let delivery = channel.deliveries.recv().await.unwrap();
        assert_eq!((&*delivery.melding, &delivery.payload), (&sent, &payload));
        channel.control.settle(delivery.id, Settlement::Ack);
        // What it is found by stays.
        let record = h.broker().melding(sent.id).await.unwrap().unwrap();
        let left: Vec<_> = record.melding.headere.into_keys().collect();
        assert_eq!(left, [wire::headers::KLIENT_KORRELASJONS_ID, wire::headers::KLIENT_MELDING_ID]);
        assert_eq!(record.payload_bytes, payload.len() as u64);
    }
}

/// Filled until no more may be taken, and then each melding comes back until it is given up, and its sender is notified.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_log_has_the_room_for_consumers_that_fail_with_all_of_it() {
    const COUNT: u64 = 20_000;
    let h = Harness::start().await;
    let (from, to) = (konto(&h).await, konto(&h).await);
    let mut sends = tokio::task::JoinSet::new();
    for _ in 0..COUNT {
        let (broker, melding) = (h.broker(), melding(&h, from, to));
        sends.spawn(async move { broker.publish(melding, Bytes::new()).await });
    }
    for sent in sends.join_all().await {
        sent.unwrap();
    }
    h.options.faults.set(Fault::Full);
    // It is looked at now and then.
    soon(async || h.embedded().reserve().bytes() > COUNT * 512).await;
    assert!(matches!(
        h.broker().publish(melding(&h, from, to), Bytes::new()).await,
        Err(app::ports::BrokerError::Full)
    ));
    let (kept, filled) = (h.embedded().reserve().bytes(), on_disk(&h.path()));
    let mut channel = consume(&h, to).await;
    let mut highest = filled;
    for number in 0..3 * COUNT {
        let delivery = channel.deliveries.recv().await.unwrap();
        channel.control.settle(delivery.id, Settlement::Requeue(Retur::NackMedRequeue));
        if number % 500 == 0 {
            highest = highest.max(on_disk(&h.path()));
        }
    }
    soon(async || h.embedded().queue_status(to).await.unwrap().dead == COUNT).await;
    assert_eq!(h.embedded().queue_status(from).await.unwrap().ready, COUNT);
    highest = highest.max(on_disk(&h.path()));
    assert!(highest - filled <= kept, "{} bytes were written, {kept} were kept", highest - filled);
}

/// A kvittering carries back what its melding was sent with; the room for it is kept for what is not very long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_korrelasjonsid_comes_back_where_there_is_room_for_it() {
    let h = Harness::start().await;
    let (from, to) = (konto(&h).await, konto(&h).await);
    let mut notified = consume(&h, from).await;
    let mut carried = Vec::new();
    for has_room in [true, false] {
        for length in [200, 201] {
            let mut melding = melding(&h, from, to);
            let korrelasjon = "k".repeat(length);
            melding.headere.insert(wire::headers::KLIENT_KORRELASJONS_ID.to_owned(), korrelasjon);
            h.broker().publish(melding, Bytes::new()).await.unwrap();
        }
        if !has_room {
            h.options.faults.set(Fault::Full);
        }
        h.clock.advance(domain::melding::DEFAULT_TTL);
        for _ in 0..2 {
            let kvittering = notified.deliveries.recv().await.unwrap();
            let back = kvittering.melding.headere.get(wire::headers::KLIENT_KORRELASJONS_ID);
            carried.push(back.map_or(0, String::len));
            notified.control.settle(kvittering.id, Settlement::Ack);
        }
    }
    assert_eq!(carried, [200, 201, 200, 0]);
}

/// They are live until they are forgotten, whenever that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_of_dead_letters_stays_and_comes_back_when_they_are_forgotten() {
    let retention = Duration::from_hours(24);
    let every = Duration::from_mins(1);
    let mut h =
        Harness::with(Options { min_free_bytes: 0, retention, prune_every: every, ..Options::default() })
            .await;
    let (filled, live) = fill(&h, 100, 1024 * 1024).await;
    let mut channel = consume(&h, filled).await;
    for _ in 0..300 {
        let delivery = channel.deliveries.recv().await.unwrap();
        channel.control.settle(delivery.id, Settlement::Requeue(Retur::NackMedRequeue));
    }
    drop(channel);
    assert_eq!(h.embedded().queue_status(filled).await.unwrap().dead, 100);
    h.restart().await;
    h.embedded().tidy().await.unwrap();
    assert!(h.embedded().disk_bytes().await.unwrap() >= live);
    assert_eq!(h.embedded().list_dead_letters(filled, 200).await.unwrap().len(), 100);
    let counted: u64 = h.embedded().list_kobytes().iter().map(|(_, kobytes)| kobytes.mottatt).sum();
    assert!(counted >= live, "{counted} bytes are counted");
    h.clock.advance(retention + every);
    comes_down_to(&h, BESIDES).await;
    assert_eq!(h.embedded().list_dead_letters(filled, 200).await.unwrap().len(), 0);
    // Nobody answers for what is forgotten; kvitteringer may wait still.
    soon(async || h.embedded().list_kobytes().iter().map(|(_, kobytes)| kobytes.mottatt).sum::<u64>() < MIB)
        .await;
}

/// Nothing of it is live, and it is too short for the log store to begin another by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journal_of_a_log_at_rest_is_given_up() {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    for number in 0..40 {
        h.broker().publish(melding(&h, a, b), noise(number, 1024 * 1024)).await.unwrap();
    }
    drain(&h, b, 40).await;
    assert!(on_disk(&h.path()) > BESIDES / 2);
    comes_down_to(&h, BESIDES / 2).await;
}

/// What cannot be written anew is tried once, not at every look: each attempt would leave what it had written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_table_is_not_written_anew_again_and_again() {
    let mut h = Harness::start().await;
    fill(&h, 500, 20 * 1024).await;
    let (drained, _) = fill(&h, 3_000, 20 * 1024).await;
    let payloads: Vec<_> = crate::damage::tables(&h.path())
        .into_iter()
        .filter(|file| std::fs::metadata(file).unwrap().len() > MIB)
        .collect();
    assert!(!payloads.is_empty());
    h.embedded().close().await.unwrap();
    for file in payloads {
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::write(&file, bytes).unwrap();
    }
    h.open_when_free().await;
    let mut channel = consume(&h, drained).await;
    let status = async || h.embedded().queue_status(drained).await.unwrap();
    // Those that are damaged become dead letters.
    while status().await.ready + status().await.unacked > 0 {
        if let Ok(delivery) =
            tokio::time::timeout(Duration::from_millis(100), channel.deliveries.recv()).await
        {
            channel.control.settle(delivery.unwrap().id, Settlement::Ack);
        }
    }
    assert!(status().await.dead > 0);
    h.embedded().tidy().await.unwrap();
    let before = on_disk(&h.path());
    for _ in 0..5 {
        h.clock.advance(Duration::from_secs(10));
        h.embedded().tidy().await.unwrap();
    }
    let after = on_disk(&h.path());
    assert!(after <= before + MIB, "{before} bytes became {after}");
}
