//! The disk follows what is still there.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use app::contract::broker::BrokerHarness;
use app::ports::{Broker as _, Settlement};
use bytes::Bytes;

use crate::harness::Harness;
use crate::lifecycle::{consume, konto, melding};

const MIB: u64 = 1024 * 1024;
/// What may lie about besides half of what is live, journals included.
const BESIDES: u64 = 64 * MIB;

/// Publishes `count` payloads of `bytes` that do not compress, and has them written to tables.
async fn fill(h: &Harness, count: u64, bytes: usize) -> (wire::id::KontoId, u64) {
    let (a, b) = (konto(h).await, konto(h).await);
    let mut seed = count;
    for _ in 0..count {
        let payload: Vec<u8> = std::iter::repeat_with(|| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed.to_le_bytes()
        })
        .flatten()
        .take(bytes)
        .collect();
        h.broker().publish(melding(h, a, b), Bytes::from(payload)).await.unwrap();
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

/// Nobody counted what went before the restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_comes_back_after_a_restart_too() {
    let mut h = Harness::start().await;
    let (drained, _) = fill(&h, 120, 1024 * 1024).await;
    drain(&h, drained, 120).await;
    h.restart().await;
    comes_down_to(&h, BESIDES).await;
}
