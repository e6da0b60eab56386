//! A log is copied while it is in use, and the copy is loaded into a new one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use app::contract::broker::BrokerHarness;
use app::ports::{MeldingSok, Settlement};
use bytes::Bytes;
use domain::melding::{Hendelse, MAX_ATTEMPTS, Retur};
use knutepunkt_broker_embedded::{DumpError, EmbeddedBroker, LogCounts, LogMoment, check_log, load_log};
use wire::id::MeldingId;

use crate::harness::{Harness, copy};
use crate::lifecycle::{consume, konto, melding, publish, soon};

fn dump(moment: &LogMoment) -> (Vec<u8>, LogCounts) {
    let mut bytes = Vec::new();
    let counts = moment.dump(&mut bytes, || true).unwrap();
    (bytes, counts)
}

/// Loads `dump` beside the log of `h`, and goes on with that.
async fn go_on_with(h: &mut Harness, dump: &[u8]) -> LogCounts {
    let to = h.path().with_file_name("loaded");
    let counts = load_log(dump, &to, h.now(), || true).unwrap();
    h.go_on_with("loaded").await;
    counts
}

#[tokio::test]
async fn what_was_copied_is_handed_out_again_and_marked() {
    let mut h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let mut sent = BTreeMap::new();
    for n in 0..40_usize {
        let (melding, payload) = (melding(&h, a, b), Bytes::from(vec![1; n * 2_000]));
        sent.insert(melding.id, payload.clone());
        h.broker().publish(melding, payload).await.unwrap();
    }
    let mut channel = consume(&h, b).await;
    let acked = channel.deliveries.recv().await.unwrap();
    channel.control.settle(acked.id, Settlement::Ack);
    let mut dead = channel.deliveries.recv().await.unwrap();
    let held = channel.deliveries.recv().await.unwrap().melding.id;
    for attempt in 1..=MAX_ATTEMPTS {
        channel.control.settle(dead.id, Settlement::Requeue(Retur::NackMedRequeue));
        if attempt == MAX_ATTEMPTS {
            break;
        }
        dead = loop {
            let next = channel.deliveries.recv().await.unwrap();
            if next.melding.id == dead.melding.id {
                break next;
            }
        };
    }
    let (acked, dead) = (acked.melding.id, dead.melding.id);
    soon(async || h.broker().queue_status(b).await.unwrap().dead == 1).await;
    let moment = h.embedded().moment().await.unwrap();

    // What follows is not in the copy, and takes nothing from it.
    let later = publish(&h, a, b).await;
    drop(channel);
    let mut channel = consume(&h, b).await;
    for _ in 0..20 {
        let delivery = channel.deliveries.recv().await.unwrap();
        channel.control.settle(delivery.id, Settlement::Ack);
    }
    soon(async || h.broker().queue_status(b).await.unwrap().ready < 20).await;
    h.embedded().flush().await.unwrap();
    let (bytes, counts) = dump(&moment);
    drop(moment);
    drop(channel);
    let found = check_log(&bytes[..]).unwrap();
    assert_eq!((found.counts, counts.lacking), (counts, 0));
    // A serverfeil waits for the sender of the dead letter.
    assert_eq!((counts.kontoer, counts.queued, counts.dead, counts.damaged), (2, 39, 1, 0));

    assert_eq!(go_on_with(&mut h, &bytes).await, counts);
    assert_eq!(h.broker().melding(later).await.unwrap(), None);
    assert_eq!(h.broker().list_dead_letters(b, 10).await.unwrap()[0].melding.id, dead);
    let record = h.broker().melding(acked).await.unwrap().unwrap();
    assert_eq!(record.sporing.last().unwrap().hendelse, Hendelse::Bekreftet);
    let record = h.broker().melding(held).await.unwrap().unwrap();
    assert_eq!(record.sporing.last().unwrap().hendelse, Hendelse::Returnert { arsak: Retur::Omstart });
    let sok = MeldingSok { kontoer: vec![b], limit: 100, ..MeldingSok::default() };
    assert_eq!(
        h.broker().search_meldinger(&sok).await.unwrap().meldinger.len(),
        41,
        "those and the serverfeil"
    );

    // Numbers go on behind those of the copy.
    let newest = publish(&h, a, b).await;
    let mut channel = consume(&h, b).await;
    let mut came = Vec::new();
    for _ in 0..39 {
        let delivery = channel.deliveries.recv().await.unwrap();
        let id = delivery.melding.id;
        assert_eq!(delivery.attempts > 0, id != newest, "marked, but for what is new");
        if id != newest {
            assert!(sent[&id] == delivery.payload, "its payload is whole");
        }
        came.push(id);
        channel.control.settle(delivery.id, Settlement::Ack);
    }
    let expected: Vec<MeldingId> =
        sent.keys().copied().filter(|id| *id != acked && *id != dead).chain([newest]).collect();
    assert_eq!(came, expected, "all that waited, in its old order");
    drop(channel);
    h.restart().await;
    assert_eq!(h.broker().queue_status(b).await.unwrap().ready, 0);
}

#[tokio::test]
async fn copy_that_is_not_whole_is_neither_checked_nor_loaded() {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    for _ in 0..20 {
        publish(&h, a, b).await;
    }
    let (bytes, _) = dump(&h.embedded().moment().await.unwrap());
    let places = (0..bytes.len()).step_by(bytes.len() / 5);
    for (n, at) in places.enumerate() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x20;
        for damaged in [&flipped[..], &bytes[..at]] {
            assert!(matches!(check_log(damaged), Err(DumpError::Damaged(_))), "at {at}");
            let to = tempfile::tempdir().unwrap();
            let loaded = load_log(damaged, &to.path().join(n.to_string()), h.now(), || true);
            assert!(matches!(loaded, Err(DumpError::Damaged(_))), "at {at}: {loaded:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copying_ends_when_it_is_to_end_and_when_the_log_is_closed() {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    for _ in 0..20 {
        h.broker().publish(melding(&h, a, b), Bytes::from(vec![7; 300_000])).await.unwrap();
    }
    let moment = h.embedded().moment().await.unwrap();
    assert!(matches!(moment.dump(std::io::sink(), || false), Err(DumpError::Stopped)));

    let closing = Arc::new(AtomicBool::new(false));
    let (begun, is_begun) = std::sync::mpsc::channel();
    let go_on = closing.clone();
    let copying = std::thread::spawn(move || {
        let dumped = moment.dump(std::io::sink(), || {
            begun.send(()).ok();
            while !go_on.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            true
        });
        drop(moment);
        dumped
    });
    is_begun.recv().unwrap();
    let closed = tokio::spawn({
        let broker = h.embedded().clone();
        async move { broker.close().await }
    });
    soon(async || h.embedded().moment().await.is_err()).await;
    closing.store(true, Ordering::Relaxed);
    closed.await.unwrap().unwrap();
    assert!(matches!(copying.join().unwrap(), Err(DumpError::Stopped)));
}

/// All files of tables and of large payloads of meldinger, below `folder`.
fn tables(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tables(&path));
        } else if ["tables", "blobs"].iter().any(|name| path.parent().unwrap().ends_with(name)) {
            files.push(path);
        }
    }
    files
}

/// A log that is damaged can be copied: what cannot be read is left out and said, and all else is in the copy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_log_is_copied_but_for_what_is_damaged() {
    const COUNT: u64 = 300;
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    for n in 0..COUNT {
        let size = if n.is_multiple_of(10) { 40_000 } else { 200 };
        h.broker().publish(melding(&h, a, b), Bytes::from(vec![3; size])).await.unwrap();
    }
    h.embedded().flush().await.unwrap();
    h.embedded().close().await.unwrap();
    let mut left_out = 0;
    for file in tables(&h.path()) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("ko");
        copy(&h.path(), &log);
        let mut bytes = std::fs::read(&file).unwrap();
        let at = bytes.len() / 3;
        bytes[at] ^= 0x10;
        std::fs::write(log.join(file.strip_prefix(h.path()).unwrap()), bytes).unwrap();
        let clock = Arc::new(h.clock.clone());
        let opened = EmbeddedBroker::open(&log, clock, h.ids.clone(), h.options.clone()).await;
        let Ok(broker) = opened else { continue };
        let mut copied = Vec::new();
        let dumped = broker.moment().await.unwrap().dump(&mut copied, || true);
        let place = format!("{} at {at}", file.display());
        match dumped {
            Ok(counts) => {
                let found = check_log(&copied[..]).unwrap();
                assert_eq!(counts.damaged == 0, found.counts.lacking == 0, "{place}: {counts:?}");
                assert_eq!(found.counts.queued, COUNT, "{place}");
                assert!(found.counts.lacking < COUNT, "{place}: {found:?}");
                left_out += found.counts.lacking;
            }
            Err(DumpError::LogDamaged(_)) => {}
            Err(other) => unreachable!("{place}: {other}"),
        }
        broker.close().await.unwrap();
    }
    assert!(left_out > 0, "something was damaged");
}
