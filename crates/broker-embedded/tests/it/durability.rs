use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::contract::broker::BrokerHarness;
use app::ports::{BrokerError, EndedBy, Settlement};
use bytes::Bytes;
use domain::melding::{Hendelse, Retur, Status, status};
use knutepunkt_broker_embedded::{EmbeddedBroker, Fault};
use wire::id::{KontoId, MeldingId};

use crate::harness::Harness;
use crate::lifecycle::{consume, konto, melding, publish, soon};

/// The process ends at any moment under load: whatever was accepted by then is there, and whatever was handed out by then
/// is never handed out as new.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_under_load_loses_nothing_and_repeats_nothing_as_new() {
    let mut h = Harness::start().await;
    for round in 0..5 {
        let (a, b) = (konto(&h).await, konto(&h).await);
        let accepted = Arc::new(Mutex::new(Vec::<MeldingId>::new()));
        let handed_out = Arc::new(Mutex::new(Vec::<MeldingId>::new()));
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let meldinger: Vec<_> = (0..2_000).map(|_| melding(&h, a, b)).collect();
            let (broker, accepted) = (h.broker(), accepted.clone());
            tasks.push(tokio::spawn(async move {
                for melding in meldinger {
                    let id = melding.id;
                    if broker.publish(melding, Bytes::from_static(b"innhold")).await.is_err() {
                        return;
                    }
                    accepted.lock().unwrap().push(id);
                }
            }));
        }
        let mut channel = consume(&h, b).await;
        let noted = handed_out.clone();
        tasks.push(tokio::spawn(async move {
            let mut count = 0_u32;
            while let Some(delivery) = channel.deliveries.recv().await {
                noted.lock().unwrap().push(delivery.melding.id);
                count += 1;
                // Every fifth is left in hand.
                if !count.is_multiple_of(5) {
                    channel.control.settle(delivery.id, Settlement::Ack);
                }
            }
        }));
        let enough = 100 * (round + 1);
        soon(async || accepted.lock().unwrap().len() >= enough).await;
        let accepted_then = accepted.lock().unwrap().clone();
        let handed_out_then = handed_out.lock().unwrap().clone();
        h.crash().await;
        for task in tasks {
            task.abort();
        }

        let mut statuses = HashMap::new();
        for id in &accepted_then {
            let record = h.broker().melding(*id).await.unwrap().expect("what was accepted is there");
            statuses.insert(*id, status(&record.sporing));
        }
        let mut channel = consume(&h, b).await;
        let mut left = statuses.values().filter(|status| !status.is_final()).count();
        while left > 0 {
            let delivery = channel.deliveries.recv().await.unwrap();
            let id = delivery.melding.id;
            assert_ne!(statuses.insert(id, Status::Bekreftet), Some(Status::Bekreftet), "acked once only");
            left -= usize::from(accepted_then.contains(&id));
            let before = handed_out_then.contains(&id);
            assert!(delivery.attempts > 0 || !before, "{id} was handed out before the end");
            assert_eq!(&delivery.payload[..], b"innhold");
            channel.control.settle(delivery.id, Settlement::Ack);
        }
        channel.control.close(EndedBy::Server).await;
    }
}

/// Dropped without a word, all of it: as if killed, in the same folder.
#[tokio::test]
async fn dropped_broker_marks_what_was_handed_out() {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let id = publish(&h, a, b).await;
    let mut channel = consume(&h, b).await;
    channel.deliveries.recv().await.unwrap();
    let mut h = h;
    h.abandon();
    drop(channel);
    h.open_when_free().await;
    let mut channel = consume(&h, b).await;
    let delivery = channel.deliveries.recv().await.unwrap();
    assert_eq!((delivery.melding.id, delivery.attempts), (id, 1));
}

/// Something in the queues panics: they are read anew from the disk, and what was in hand is a suspect.
#[tokio::test]
async fn queues_that_panic_come_back_and_count_a_crash() {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let id = publish(&h, a, b).await;
    let mut channel = consume(&h, b).await;
    channel.deliveries.recv().await.unwrap();
    h.options.faults.set(Fault::Panic);
    assert_eq!(channel.control.ended().await, None);
    soon(async || h.broker().availability().available && h.broker().melding(id).await.is_ok()).await;
    let record = h.broker().melding(id).await.unwrap().unwrap();
    assert_eq!(record.sporing.last().unwrap().hendelse, Hendelse::Returnert { arsak: Retur::Krasj });
    let mut channel = consume(&h, b).await;
    assert_eq!(channel.deliveries.recv().await.unwrap().attempts, 1);
}

/// A log that stays out of use is given up, so that the process ends; a new one finds everything.
#[tokio::test]
async fn log_that_cannot_be_opened_again_is_given_up() {
    let mut h = Harness::start().await;
    h.options.reopening.give_up_after = Duration::ZERO;
    h.restart().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let id = publish(&h, a, b).await;
    h.options.faults.set(Fault::Write);
    h.embedded().given_up().await;
    h.options.faults.set(Fault::None);
    assert!(!h.broker().availability().available);
    assert!(h.broker().melding(id).await.is_err());
    h.abandon();
    h.open_when_free().await;
    assert!(h.broker().melding(id).await.unwrap().is_some());
}

/// One that can be opened again each time, and never for long.
#[tokio::test]
async fn log_that_fails_again_and_again_is_given_up() {
    let mut h = Harness::start().await;
    h.options.reopening.failures_max = 2;
    h.restart().await;
    for failures in 1..=3 {
        h.options.faults.set(Fault::Write);
        soon(async || !h.broker().availability().available).await;
        h.options.faults.set(Fault::None);
        if failures < 3 {
            soon(async || h.broker().availability().available).await;
        }
    }
    h.embedded().given_up().await;
    assert!(!h.broker().availability().available);
}

/// A disk that hangs gives no error: it is said, whoever waits is answered, and when it answers again all goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disk_that_hangs_is_said_and_holds_nobody_up() {
    let mut h = Harness::start().await;
    h.options.reopening.hangs_after = Duration::from_millis(50);
    h.options.reopening.deaf_after = Duration::from_millis(200);
    h.restart().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    h.options.faults.set(Fault::Hang);
    let melding = melding(&h, a, b);
    let id = melding.id;
    let refused = h.broker().publish(melding, Bytes::new()).await;
    assert!(refused.as_ref().is_err_and(BrokerError::is_unavailable), "{refused:?}");
    assert!(!h.broker().availability().available);
    let refused = h.broker().queue_status(b).await;
    assert!(refused.as_ref().is_err_and(BrokerError::is_unavailable), "{refused:?}");
    h.options.faults.set(Fault::None);
    soon(async || h.broker().availability().available).await;
    publish(&h, a, b).await;
    assert!(h.broker().melding(id).await.unwrap().is_some(), "what it was at is done");
    h.embedded().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disk_that_hangs_for_too_long_is_given_up_and_holds_up_no_stop() {
    let mut h = Harness::start().await;
    h.options.reopening.hangs_after = Duration::from_millis(50);
    h.options.reopening.deaf_after = Duration::from_millis(50);
    h.options.reopening.give_up_after = Duration::from_millis(100);
    h.restart().await;
    h.options.faults.set(Fault::Hang);
    let (a, b) = (KontoId::from_uuid(h.uuid()), KontoId::from_uuid(h.uuid()));
    assert!(h.broker().publish(melding(&h, a, b), Bytes::new()).await.is_err());
    h.embedded().given_up().await;
    assert!(h.embedded().close().await.is_err());
    h.options.faults.set(Fault::None);
}

/// Closed while the log is out of use: it says that this was in no good order, and lets go of the files.
#[tokio::test]
async fn broker_can_be_closed_while_its_log_is_out_of_use() {
    let mut h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let id = publish(&h, a, b).await;
    h.options.faults.set(Fault::Write);
    soon(async || !h.broker().availability().available).await;
    assert!(h.embedded().close().await.is_err());
    h.options.faults.set(Fault::None);
    h.abandon();
    h.open_when_free().await;
    assert!(h.broker().melding(id).await.unwrap().is_some());
}

/// The removal of a large queue is cut short: what is left is seen to after the start, each melding once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removal_cut_short_goes_on_after_the_start() {
    let mut h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let count = 2_000;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (broker, melding) = (h.broker(), melding(&h, a, b));
        tasks.spawn(async move { broker.publish(melding, Bytes::new()).await.unwrap() });
    }
    tasks.join_all().await;
    let broker = h.broker();
    let removal = tokio::spawn(async move { broker.delete_queue(b).await });
    soon(async || h.broker().queue_status(b).await.is_err()).await;
    h.crash().await;
    drop(removal);
    // Waits for what is left, if anything is.
    h.broker().delete_queue(b).await.unwrap();
    assert_eq!(h.broker().queue_status(a).await.unwrap().ready, count);
    h.restart().await;
    assert_eq!(h.broker().queue_status(a).await.unwrap().ready, count);
    let told = h.broker().list_meldinger(a, 10_000).await.unwrap();
    let told: std::collections::HashSet<_> = told.iter().filter_map(|m| m.melding.svar_pa_melding).collect();
    assert_eq!(told.len() as u64, count);
}

/// A folder that is none of ours is not touched.
#[tokio::test]
async fn file_in_place_of_the_folder_is_refused() {
    let h = Harness::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let clock = Arc::new(h.clock.clone());
    let opened = EmbeddedBroker::open(file.path(), clock, h.ids.clone(), h.options.clone()).await;
    assert!(opened.is_err());
}
