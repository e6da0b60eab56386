//! What can be read of a damaged log is saved into a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use app::contract::broker::BrokerHarness;
use app::ports::{Broker as _, ChannelOptions, Clock as _, Consumer, Eiere, KoRom, Settlement};
use bytes::Bytes;
use knutepunkt_broker_embedded::{EmbeddedBroker, Emptied, Missing, Options, check_log, load_log, salvage};
use wire::id::{FiksOrgId, KontoId, MeldingId};

use crate::damage::tables;
use crate::harness::{Harness, copy};
use crate::journal::{content, ends};
use crate::lifecycle::{consume, konto, melding, publish, soon};
use crate::witness::killed;

const COUNT: usize = 300;

/// A log with meldinger that wait, some that were acked and one that is a dead letter, and the ids of those that wait.
async fn filled() -> (Harness, (KontoId, KontoId), Vec<MeldingId>) {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let mut sent = Vec::new();
    for n in 0..COUNT {
        let melding = melding(&h, a, b);
        sent.push(melding.id);
        let size = if n.is_multiple_of(10) { 40_000 } else { 200 };
        h.broker().publish(melding, Bytes::from(vec![7; size])).await.unwrap();
    }
    let mut channel = h.broker().open_channel(ChannelOptions::default()).await.unwrap();
    channel.control.consume(Consumer(1), b, 20).await.unwrap();
    for _ in 0..20 {
        let delivery = channel.deliveries.recv().await.unwrap();
        channel.control.settle(delivery.id, Settlement::Ack);
        sent.retain(|id| *id != delivery.melding.id);
    }
    channel.control.cancel(Consumer(1)).await.unwrap();
    h.embedded().flush().await.unwrap();
    h.embedded().close().await.unwrap();
    (h, (a, b), sent)
}

/// Everything in the queue of `b` once it was saved: what was handed out, and how many became dead letters.
async fn drained(h: &Harness, log: &Path, b: KontoId) -> (BTreeSet<MeldingId>, u64) {
    let clock = Arc::new(h.clock.clone());
    let broker = EmbeddedBroker::open(log, clock, h.ids.clone(), h.options.clone()).await.unwrap();
    let mut channel = broker.open_channel(ChannelOptions::default()).await.unwrap();
    channel.control.consume(Consumer(1), b, 50).await.unwrap();
    let mut got = BTreeSet::new();
    loop {
        let status = broker.queue_status(b).await.unwrap();
        if status.ready == 0 && status.unacked == 0 {
            break;
        }
        let next = tokio::time::timeout(Duration::from_millis(50), channel.deliveries.recv()).await;
        let Ok(next) = next else { continue };
        let delivery = next.unwrap();
        assert!(delivery.attempts > 0, "what was handed out before is not known");
        assert!(delivery.payload == "innhold" || delivery.payload.iter().all(|byte| *byte == 7));
        assert!(got.insert(delivery.melding.id), "once");
        channel.control.settle(delivery.id, Settlement::Ack);
    }
    soon(async || broker.queue_status(b).await.unwrap().unacked == 0).await;
    let dead = broker.queue_status(b).await.unwrap().dead;
    broker.close().await.unwrap();
    (got, dead)
}

/// Whatever byte of whatever table is wrong: all that it does not take is saved, the rest is listed by konto and is a dead
/// letter, and the damaged log is kept as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_can_be_read_is_saved_and_the_rest_is_listed() {
    let (h, (_, b), waiting) = filled().await;
    let mut lost_somewhere = 0;
    for (n, file) in tables(&h.path()).iter().enumerate() {
        let name = file.strip_prefix(h.path()).unwrap();
        let size = std::fs::metadata(file).unwrap().len();
        // In the middle, and near the end, where it says what it holds.
        let places = if n % 3 == 0 { vec![size / 2, size - size.min(40)] } else { vec![size / 2] };
        for at in places {
            let at = usize::try_from(at).unwrap();
            let place = format!("{} at {at}", name.display());
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("ko");
            copy(&h.path(), &log);
            std::fs::copy(h.path().with_extension("vitne"), log.with_extension("vitne")).unwrap();
            let mut bytes = std::fs::read(file).unwrap();
            bytes[at] ^= 0x10;
            std::fs::write(log.join(name), &bytes).unwrap();

            let saved = salvage(&log, h.clock.now(), Emptied::Refuse, &BTreeMap::new())
                .unwrap_or_else(|error| unreachable!("{place}: {error:?}"));
            assert!(
                std::fs::read(saved.old_log.join(name)).unwrap() == bytes,
                "{place}: it is kept as it was"
            );
            let of_konto = saved.kontoer.get(&b).cloned().unwrap_or_default();
            let report = std::fs::read_to_string(&saved.report).unwrap();
            let lost: usize = saved.kontoer.values().map(|konto| konto.lost.len()).sum();
            assert_eq!(report.lines().count(), lost, "{place}");
            lost_somewhere += usize::from(lost > 0);

            let (got, dead) = drained(&h, &log, b).await;
            // What cannot be known to be over comes again.
            assert!(got.len() as u64 >= of_konto.waiting.min(got.len() as u64), "{place}");
            let listed: BTreeSet<_> = of_konto.lost.iter().filter_map(|lost| lost.id).collect();
            let unknown = of_konto.lost.iter().filter(|lost| lost.id.is_none()).count();
            let missing: Vec<_> =
                waiting.iter().filter(|id| !got.contains(id) && !listed.contains(id)).collect();
            assert!(missing.len() <= unknown, "{place}: {} are neither there nor listed", missing.len());
            let not_all = of_konto.lost.iter().filter(|lost| lost.missing != Missing::All).count() as u64;
            assert!(dead >= not_all, "{place}: {dead} of {not_all} became dead letters");
        }
    }
    assert!(lost_somewhere > 2, "{lost_somewhere} places cost a melding");
}

/// Also one that is in order.
#[tokio::test]
async fn whole_log_is_saved_whole() {
    let (h, (_, b), waiting) = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("ko");
    copy(&h.path(), &log);
    std::fs::copy(h.path().with_extension("vitne"), log.with_extension("vitne")).unwrap();
    let saved = salvage(&log, h.clock.now(), Emptied::Refuse, &BTreeMap::new()).unwrap();
    assert_eq!((saved.places, saved.journal_bytes, saved.lost_files.len()), (0, 0, 0));
    assert!(saved.is_complete);
    let of_konto = &saved.kontoer[&b];
    assert_eq!((of_konto.waiting, of_konto.dead, of_konto.lost.len()), (waiting.len() as u64, 0, 0));
    let (got, dead) = drained(&h, &log, b).await;
    assert_eq!((got, dead), (waiting.into_iter().collect(), 0));
}

/// The list of what waits is made anew from the meldinger, which do not say who owns their kontoer: others of the same kontoer do, or
/// the registry.
#[tokio::test]
async fn what_is_listed_anew_counts_for_those_who_own_its_kontoer() {
    const COUNT: u64 = 10;
    for others in [5, 0] {
        let h = Harness::start().await;
        let (a, b) = (konto(&h).await, konto(&h).await);
        let owners = [a, b].map(|konto| (konto, FiksOrgId::from_uuid(h.uuid())));
        let room = KoRom::unbounded(Eiere { avsender: owners[0].1, mottaker: owners[1].1 });
        for n in 0..COUNT + others {
            if n == COUNT {
                h.embedded().flush().await.unwrap();
            }
            let payload = Bytes::from_static(b"innhold");
            h.broker().publish_within(melding(&h, a, b), payload, room).await.unwrap();
        }
        if others == 0 {
            h.embedded().flush().await.unwrap();
        }
        let counted = h.broker().list_kobytes();
        h.embedded().close().await.unwrap();
        let known = if others == 0 { BTreeMap::from(owners) } else { BTreeMap::new() };
        let mut made_anew = 0;
        for keyspace in std::fs::read_dir(h.path().join("keyspaces")).unwrap() {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("ko");
            copy(&h.path(), &log);
            let name = keyspace.unwrap().file_name();
            let lost = log.join("keyspaces").join(name).join("tables");
            if !lost.is_dir() {
                continue;
            }
            std::fs::remove_dir_all(&lost).unwrap();
            std::fs::create_dir(&lost).unwrap();
            let Ok(saved) = salvage(&log, h.clock.now(), Emptied::Refuse, &known) else { continue };
            if saved.kontoer.get(&b).is_none_or(|konto| konto.waiting < COUNT + others) {
                continue;
            }
            made_anew += 1;
            let clock = Arc::new(h.clock.clone());
            let broker = EmbeddedBroker::open(&log, clock, h.ids.clone(), h.options.clone()).await.unwrap();
            let mut found = broker.list_kobytes();
            found.sort_unstable_by_key(|(owner, _)| *owner);
            let mut expected = counted.clone();
            expected.sort_unstable_by_key(|(owner, _)| *owner);
            assert_eq!(found, expected, "{others} {}", lost.display());
            broker.close().await.unwrap();
        }
        assert!(made_anew > 1, "{made_anew}");
    }
}

/// Flips a bit in the batch that ends at the place `nth` of those in the newest journal.
fn damage_batch(log: &Path, nth: impl Fn(usize) -> usize) {
    let (path, mut bytes) = content(log);
    let ends = ends(&bytes);
    bytes[ends[nth(ends.len())] - 20] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// A batch in the middle leaves no gap in anything but the witness: the last step is the one that was promised.
#[tokio::test]
async fn what_stood_in_a_damaged_batch_is_listed() {
    let (h, accepted, b) = killed(20).await;
    let log = h.path().with_file_name("left");
    damage_batch(&log, |count| count - 6);
    let saved = salvage(&log, h.clock.now(), Emptied::Refuse, &BTreeMap::new()).unwrap();
    let of_konto = &saved.kontoer[&b];
    let lost: Vec<_> = of_konto.lost.iter().map(|lost| (lost.id.unwrap(), lost.missing)).collect();
    let [(id, Missing::All)] = lost[..] else { unreachable!("{lost:?}") };
    assert!(accepted.contains(&id) && id != accepted[19], "{id}");
    assert_eq!(of_konto.waiting, 19);
    assert!(saved.is_complete && saved.journal_bytes > 0, "{saved:?}");
    let report = std::fs::read_to_string(&saved.report).unwrap();
    assert!(report.contains(&id.to_string()) && report.lines().count() == 1, "{report}");
    let (got, dead) = drained(&h, &log, b).await;
    assert_eq!((got.len(), got.contains(&id), dead), (19, false, 0));
}

/// Without the witness nobody knows what is missing, and that is said.
#[tokio::test]
async fn without_a_witness_the_list_is_said_to_be_short() {
    let (h, _, b) = killed(20).await;
    let log = h.path().with_file_name("left");
    std::fs::remove_file(log.with_extension("vitne")).unwrap();
    damage_batch(&log, |count| count - 6);
    let saved = salvage(&log, h.clock.now(), Emptied::Refuse, &BTreeMap::new()).unwrap();
    assert_eq!((saved.kontoer[&b].waiting, saved.kontoer[&b].lost.len()), (19, 0));
    assert!(!saved.is_complete && saved.known_since.is_none(), "{saved:?}");
}

/// What was acked long ago and forgotten is not lost, although the witness knows it still and the log does not.
#[tokio::test]
async fn what_the_log_has_forgotten_is_not_listed_as_lost() {
    let hour = Duration::from_hours(1);
    let options =
        Options { min_free_bytes: 0, retention: 30 * hour, prune_every: hour, ..Options::default() };
    let h = Harness::with(options).await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let mut old = Vec::new();
    let mut channel = consume(&h, b).await;
    for _ in 0..5 {
        old.push(publish(&h, a, b).await);
        let delivery = channel.deliveries.recv().await.unwrap();
        channel.control.settle(delivery.id, Settlement::Ack);
    }
    channel.control.cancel(Consumer(1)).await.unwrap();
    let broker = h.broker();
    soon(async || broker.queue_status(b).await.unwrap().unacked == 0).await;
    h.pass(32 * hour).await;
    for id in old {
        soon(async || broker.melding(id).await.unwrap().is_none()).await;
    }
    let mut sent = BTreeSet::new();
    for _ in 0..10 {
        sent.insert(publish(&h, a, b).await);
    }
    let left = h.path().with_file_name("left");
    copy(&h.path(), &left);
    std::fs::copy(h.path().with_extension("vitne"), left.with_extension("vitne")).unwrap();
    damage_batch(&left, |count| count - 6);
    let saved = salvage(&left, h.clock.now(), Emptied::Refuse, &BTreeMap::new()).unwrap();
    let lost = &saved.kontoer[&b].lost;
    assert_eq!((lost.len(), saved.forgotten, saved.kontoer[&b].waiting), (1, 5, 9));
    assert!(sent.contains(&lost[0].id.unwrap()));
    // In a log without damage they are known to be over.
    let whole = h.path().with_file_name("whole");
    copy(&h.path(), &whole);
    std::fs::copy(h.path().with_extension("vitne"), whole.with_extension("vitne")).unwrap();
    let saved = salvage(&whole, h.clock.now(), Emptied::Refuse, &BTreeMap::new()).unwrap();
    assert_eq!((saved.kontoer[&b].lost.len(), saved.forgotten, saved.is_complete), (0, 0, true));
}

/// What a salvage leaves in its place without its payload is no damage of a backup made of that log.
#[tokio::test]
async fn backup_of_a_salvaged_log_is_checked_and_says_what_it_lacks() {
    let (h, (_, b), waiting) = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("ko");
    copy(&h.path(), &log);
    std::fs::copy(h.path().with_extension("vitne"), log.with_extension("vitne")).unwrap();
    std::fs::remove_dir_all(log.join("keyspaces/3/blobs")).unwrap();
    let saved = salvage(&log, h.clock.now(), Emptied::Refuse, &BTreeMap::new()).unwrap();
    let lost = saved.kontoer[&b].lost.len() as u64;
    assert!(
        lost > 10 && saved.kontoer[&b].lost.iter().all(|lost| lost.missing == Missing::Payload),
        "{saved:?}"
    );
    let clock = Arc::new(h.clock.clone());
    let broker = EmbeddedBroker::open(&log, clock, h.ids.clone(), h.options.clone()).await.unwrap();
    let mut dump = Vec::new();
    let counts = broker.moment().await.unwrap().dump(&mut dump, || true).unwrap();
    broker.close().await.unwrap();
    assert_eq!((counts.lacking, counts.damaged, counts.queued), (lost, 0, waiting.len() as u64));
    assert_eq!(check_log(&dump[..]).unwrap().counts, counts);
    let loaded = load_log(&dump[..], &folder.path().join("loaded"), h.clock.now(), || true).unwrap();
    assert_eq!(loaded.queued, counts.queued);
}
