use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use app::contract::broker::BrokerHarness;
use app::ports::{Broker, ChannelOptions, Consumer, MeldingSok, Settlement};
use bytes::Bytes;
use knutepunkt_broker_embedded::EmbeddedBroker;
use wire::id::{KontoId, MeldingId};

use crate::harness::{Harness, copy};
use crate::lifecycle::{konto, melding, soon};

/// How many meldinger the log holds; every tenth has a payload that lies in a file of its own kind.
const COUNT: usize = 600;
/// In how many places each file is damaged, one at a time.
const PLACES: u64 = 3;

fn payload(n: usize) -> Bytes {
    let size = if n.is_multiple_of(10) { 40_000 } else { 200 };
    Bytes::from((0..size).map(|at| u8::try_from((at * 7 + n) % 251).unwrap()).collect::<Vec<_>>())
}

/// All files of tables and of large payloads below `folder`.
pub(crate) fn tables(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tables(&path));
        } else if path.parent().is_some_and(|parent| parent.ends_with("tables") || parent.ends_with("blobs"))
        {
            files.push(path);
        }
    }
    files
}

/// One byte of one file is flipped, anywhere: either the start says so, or all meldinger but those in the damaged block are
/// handed out whole and to the same consumer, those are dead letters, and every list can be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flipped_byte_takes_no_more_than_what_it_stands_in() {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let mut sent = Vec::new();
    for n in 0..COUNT {
        let melding = melding(&h, a, b);
        sent.push(melding.id);
        h.broker().publish(melding, payload(n)).await.unwrap();
    }
    h.embedded().flush().await.unwrap();
    h.embedded().close().await.unwrap();

    let (mut refused, mut damaged) = (0, 0);
    for file in tables(&h.path()) {
        let name = file.strip_prefix(h.path()).unwrap();
        let size = std::fs::metadata(&file).unwrap().len();
        for place in 1..=PLACES {
            let at = usize::try_from(size * place / (PLACES + 1)).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("ko");
            copy(&h.path(), &log);
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[at] ^= 0x10;
            std::fs::write(log.join(name), bytes).unwrap();
            let clock = Arc::new(h.clock.clone());
            let opened = EmbeddedBroker::open(&log, clock, h.ids.clone(), h.options.clone()).await;
            let Ok(broker) = opened else {
                refused += 1;
                continue;
            };
            let lost = take_all(&broker, (a, b), &sent, &format!("{} at {at}", name.display())).await;
            damaged += usize::from(lost > 0);
            broker.close().await.unwrap();
        }
    }
    assert!(damaged > 3, "{damaged} places were found damaged, {refused} were refused at the start");
}

/// Takes all from the queue; says how many were dead letters instead.
async fn take_all(
    broker: &Arc<EmbeddedBroker>,
    (a, b): (KontoId, KontoId),
    sent: &[MeldingId],
    place: &str,
) -> usize {
    let mut channel = broker.open_channel(ChannelOptions::default()).await.unwrap();
    channel.control.consume(Consumer(1), b, 50).await.unwrap();
    let mut left: BTreeSet<MeldingId> = sent.iter().copied().collect();
    let all_done = async {
        loop {
            let status = broker.queue_status(b).await.unwrap();
            if usize::try_from(status.dead).unwrap() >= left.len() {
                return usize::try_from(status.dead).unwrap();
            }
            let next = tokio::time::timeout(Duration::from_millis(200), channel.deliveries.recv()).await;
            let Ok(next) = next else { continue };
            let delivery = next.unwrap_or_else(|| unreachable!("the channel ended with {}", place));
            let n = sent.iter().position(|id| *id == delivery.melding.id).unwrap();
            assert!(delivery.payload == payload(n), "{place}: what is handed out is whole");
            assert!(left.remove(&delivery.melding.id), "{place}: once");
            channel.control.settle(delivery.id, Settlement::Ack);
        }
    };
    let dead = tokio::time::timeout(Duration::from_mins(1), all_done)
        .await
        .unwrap_or_else(|_| unreachable!("{place}: the queue stands still"));
    soon(async || broker.queue_status(b).await.unwrap().unacked == 0).await;
    for konto in [a, b] {
        broker.list_meldinger(konto, 1_000).await.unwrap();
        let sok = MeldingSok { kontoer: vec![konto], limit: 1_000, ..MeldingSok::default() };
        broker.search_meldinger(&sok).await.unwrap();
        broker.list_dead_letters(konto, 1_000).await.unwrap();
    }
    for id in sent.iter().step_by(50) {
        broker.melding(*id).await.unwrap();
        broker.list_svar(*id).await.unwrap();
    }
    dead
}

/// A damaged block hides its own meldinger: which payloads all others name is known still, and how their queue stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_block_does_not_hide_what_other_meldinger_name() {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let mut named = BTreeSet::new();
    for n in 0..COUNT {
        let dokument = wire::id::DokumentId::from_uuid(h.uuid());
        named.insert(dokument);
        let melding = domain::melding::Melding { dokumentlager_id: Some(dokument), ..melding(&h, a, b) };
        h.broker().publish(melding, payload(n)).await.unwrap();
    }
    h.embedded().flush().await.unwrap();
    h.embedded().close().await.unwrap();
    let mut hidden = 0;
    for file in tables(&h.path()) {
        let name = file.strip_prefix(h.path()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("ko");
        copy(&h.path(), &log);
        let mut bytes = std::fs::read(&file).unwrap();
        // In the first block, where the oldest stand.
        bytes[100] ^= 0x10;
        std::fs::write(log.join(name), bytes).unwrap();
        let clock = Arc::new(h.clock.clone());
        let Ok(broker) = EmbeddedBroker::open(&log, clock, h.ids.clone(), h.options.clone()).await else {
            continue;
        };
        let found = broker.named_dokumenter(named.clone()).await.unwrap();
        assert!(
            found.is_subset(&named) && found.len() > COUNT / 2,
            "{}: {} are known",
            name.display(),
            found.len()
        );
        hidden += named.len() - found.len();
        let status = broker.queue_status(b).await.unwrap();
        assert_eq!(status.ready, COUNT as u64);
        broker.queue_statuses(&[a, b]).await.unwrap();
        broker.close().await.unwrap();
    }
    assert!(hidden > 0, "no block with meldinger was damaged");
}
