//! What stays of meldinger that are over is bounded for each sender.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use app::contract::broker::BrokerHarness as _;
use app::ports::{Broker as _, BrokerError, Eiere, KoRom, Settlement};
use bytes::Bytes;
use domain::id::FiksOrgId;
use knutepunkt_broker_embedded::{EmbeddedBroker, Options};
use wire::id::KontoId;

use crate::harness::{Harness, copy};
use crate::lifecycle::{consume, konto, melding, soon};

const BOUND: u64 = 50_000;

fn room(h: &Harness) -> KoRom {
    let org = || FiksOrgId::from_uuid(h.uuid());
    KoRom { sporing_max: BOUND, ..KoRom::unbounded(Eiere { avsender: org(), mottaker: org() }) }
}

/// Sends and acks until it is refused. Gives how many were taken.
async fn fill(h: &Harness, (from, to): (KontoId, KontoId), room: KoRom) -> u64 {
    let mut channel = consume(h, to).await;
    let mut taken = 0;
    loop {
        match h.broker().publish_within(melding(h, from, to), Bytes::new(), room).await {
            Ok(()) => taken += 1,
            Err(BrokerError::NoRoomForSporing) => return taken,
            Err(other) => unreachable!("{other}"),
        }
        let delivery = channel.deliveries.recv().await.unwrap();
        channel.control.settle(delivery.id, Settlement::Ack);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sporing_of_one_sender_is_bounded_over_restarts_and_others_go_on() {
    let options = Options { min_free_bytes: 0, sporing_bytes: BOUND, ..Options::default() };
    let mut h = Harness::with(options).await;
    let (kontoer, room) = ((konto(&h).await, konto(&h).await), room(&h));
    let taken = fill(&h, kontoer, room).await;
    let each = melding(&h, kontoer.0, kontoer.1).sporing_bytes();
    assert_eq!(taken, BOUND / each);
    let level = h.broker().sporing_bytes(room.eiere.avsender);
    assert_eq!(level, taken * each);
    assert_eq!(h.broker().list_sporing_bytes(), [(room.eiere.avsender, level)]);
    // Whoever receives all of it, and everybody else, may send.
    let back = Eiere { avsender: room.eiere.mottaker, mottaker: room.eiere.avsender };
    let other = KoRom { eiere: back, ..room };
    h.broker().publish_within(melding(&h, kontoer.1, kontoer.0), Bytes::new(), other).await.unwrap();
    h.restart().await;
    assert_eq!(h.broker().sporing_bytes(room.eiere.avsender), level);
    assert_eq!(fill(&h, kontoer, room).await, 0);
    // A tenth of the time that it is kept is a tenth of the bound.
    h.pass(Duration::from_hours(3 * 24)).await;
    let again = fill(&h, kontoer, room).await;
    assert!((BOUND / 10 / each..=BOUND / 10 / each + 1).contains(&again), "{again}");
    // What a kill -9 forgets is what came in the last seconds.
    let level = h.broker().sporing_bytes(room.eiere.avsender);
    let folder = tempfile::tempdir().unwrap();
    let killed = AtomicU32::new(0);
    soon(async || {
        let path = folder.path().join(killed.fetch_add(1, Ordering::Relaxed).to_string());
        copy(&h.path(), &path);
        let clock = Arc::new(h.clock.clone());
        let left = EmbeddedBroker::open(&path, clock, h.ids.clone(), h.options.clone()).await.unwrap();
        let known = left.sporing_bytes(room.eiere.avsender) == level;
        left.close().await.unwrap();
        known
    })
    .await;
}
