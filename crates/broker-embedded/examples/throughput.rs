//! How fast the broker is on this machine, beside what its disk can do. Absolute numbers say little: compare runs made one
//! after the other on the same machine, and read the ratios.
//!
//! `cargo run --release -p knutepunkt-broker-embedded --example throughput [-- FOLDER]`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use app::ports::{Broker, ChannelOptions, Clock, Consumer, EndedBy, IdSource, Settlement};
use async_trait::async_trait;
use bytes::Bytes;
use domain::melding::{DEFAULT_TTL, Melding};
use jiff::Timestamp;
use knutepunkt_broker_embedded::{EmbeddedBroker, Options};
use wire::id::{KontoId, MeldingId, Uuid};

type Fallible<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const KIB: usize = 1024;
const QUEUED: u64 = 500_000;

struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "an example has no other clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        let left = Duration::try_from(deadline.duration_since(self.now())).unwrap_or_default();
        tokio::time::sleep(left).await;
    }

    async fn sleep(&self, length: Duration) {
        tokio::time::sleep(length).await;
    }
}

/// Spread like random ids, so that the index is as hard to keep.
struct SpreadIds(AtomicU64);

impl IdSource for SpreadIds {
    fn uuid(&self) -> Uuid {
        let mut z = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Uuid::from_u64_pair(z ^ (z >> 31), z)
    }

    fn secret(&self) -> [u8; 32] {
        [0; 32]
    }
}

struct World {
    broker: Arc<EmbeddedBroker>,
    ids: Arc<SpreadIds>,
    a: KontoId,
    b: KontoId,
}

impl World {
    async fn open(folder: &Path, seed: u64) -> Fallible<Self> {
        let ids = Arc::new(SpreadIds(AtomicU64::new(seed)));
        let broker =
            EmbeddedBroker::open(folder, Arc::new(SystemClock), ids.clone(), Options::default()).await?;
        let a = KontoId::from_uuid(Uuid::from_u64_pair(1, 1));
        let b = KontoId::from_uuid(Uuid::from_u64_pair(2, 2));
        broker.create_queue(a).await?;
        broker.create_queue(b).await?;
        Ok(Self { broker, ids, a, b })
    }

    fn melding(&self) -> Melding {
        Melding {
            id: MeldingId::from_uuid(self.ids.uuid()),
            avsender: self.a,
            mottaker: self.b,
            meldingstype: "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett".to_owned(),
            svar_pa_melding: None,
            svar_til_type: None,
            dokumentlager_id: None,
            headere: BTreeMap::from([("klientMeldingId".to_owned(), self.ids.uuid().to_string())]),
            ttl: DEFAULT_TTL,
            mottatt: SystemClock.now(),
        }
    }

    /// Publishes `count` meldinger from `in_flight` publishers at once while a consumer acks. Gives how long it took until
    /// the last ack was written.
    async fn through(self: &Arc<Self>, count: u64, in_flight: u64, size: usize) -> Fallible<Duration> {
        let mut channel = self.broker.open_channel(ChannelOptions::default()).await?;
        channel.control.consume(Consumer(1), self.b, 200).await?;
        let payload = Bytes::from(vec![7; size]);
        let started = Instant::now();
        let publishers: Vec<_> = (0..in_flight)
            .map(|_| {
                let (world, payload) = (self.clone(), payload.clone());
                tokio::spawn(async move {
                    for _ in 0..count / in_flight {
                        world.broker.publish(world.melding(), payload.clone()).await?;
                    }
                    Ok::<_, app::ports::BrokerError>(())
                })
            })
            .collect();
        for _ in 0..count / in_flight * in_flight {
            let delivery = channel.deliveries.recv().await.ok_or("the channel ended")?;
            channel.control.settle(delivery.id, Settlement::Ack);
        }
        for publisher in publishers {
            publisher.await??;
        }
        let status = self.broker.queue_status(self.b).await?;
        assert_eq!((status.ready, status.unacked), (0, 0), "all are acked");
        let took = started.elapsed();
        channel.control.close(EndedBy::Server).await;
        Ok(took)
    }

    /// One at a time: how long from publish to delivery, each.
    async fn latencies(&self, count: u32) -> Fallible<Vec<Duration>> {
        let mut channel = self.broker.open_channel(ChannelOptions::default()).await?;
        channel.control.consume(Consumer(1), self.b, 10).await?;
        let payload = Bytes::from(vec![7; KIB]);
        let mut latencies = Vec::new();
        for _ in 0..count {
            let started = Instant::now();
            self.broker.publish(self.melding(), payload.clone()).await?;
            let delivery = channel.deliveries.recv().await.ok_or("the channel ended")?;
            latencies.push(started.elapsed());
            channel.control.settle(delivery.id, Settlement::Ack);
        }
        channel.control.close(EndedBy::Server).await;
        latencies.sort();
        Ok(latencies)
    }
}

/// What one write with fdatasync takes here, median.
fn fdatasync(folder: &Path) -> Fallible<Duration> {
    let mut file = std::fs::File::create(folder.join("fdatasync"))?;
    file.set_len(64 * 1024 * 1024)?;
    let mut times = Vec::new();
    for _ in 0..400 {
        let started = Instant::now();
        file.write_all(&[1; 2 * KIB])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

fn rss_mb() -> Fallible<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kb: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kb / 1024)
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Fills a queue and ends without a word, as if killed.
async fn fill(folder: PathBuf) -> Fallible {
    let world = Arc::new(World::open(&folder, 1).await?);
    let payload = Bytes::from(vec![7; KIB]);
    let started = Instant::now();
    let publishers: Vec<_> = (0..100)
        .map(|_| {
            let (world, payload) = (world.clone(), payload.clone());
            tokio::spawn(async move {
                for _ in 0..QUEUED / 100 {
                    world.broker.publish(world.melding(), payload.clone()).await?;
                }
                Ok::<_, app::ports::BrokerError>(())
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await??;
    }
    let rate = per_second(QUEUED, started.elapsed());
    println!("{QUEUED} queued at {rate:.0}/s, resident {} MB", rss_mb()?);
    std::process::abort();
}

/// Opens what `fill` left, and empties it.
async fn reopen(folder: PathBuf) -> Fallible {
    let started = Instant::now();
    let world = World::open(&folder, QUEUED * 10).await?;
    let status = world.broker.queue_status(world.b).await?;
    let took = started.elapsed();
    let resident = rss_mb()?;
    println!("killed and open again in {took:.2?} with {} queued, resident {resident} MB", status.ready);
    let mut channel = world.broker.open_channel(ChannelOptions::default()).await?;
    channel.control.consume(Consumer(1), world.b, 100).await?;
    let started = Instant::now();
    for _ in 0..status.ready {
        let delivery = channel.deliveries.recv().await.ok_or("the channel ended")?;
        channel.control.settle(delivery.id, Settlement::Ack);
    }
    let rate = per_second(status.ready, started.elapsed());
    println!("emptied at {rate:.0}/s, resident {} MB", rss_mb()?);
    let missing = QUEUED - status.ready;
    println!("lost: {missing}");
    Ok(world.broker.close().await?)
}

#[tokio::main]
async fn main() -> Fallible {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    match (first.as_deref(), arguments.next()) {
        (Some("fill"), Some(folder)) => return fill(folder.into()).await,
        (Some("reopen"), Some(folder)) => return reopen(folder.into()).await,
        _ => {}
    }
    let folder = match first {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let sync = fdatasync(folder.path())?;
    println!("one fdatasync of 2 KiB: {sync:.2?}");
    let world = Arc::new(World::open(&folder.path().join("speed"), 1).await?);
    world.through(20_000, 100, KIB).await?;
    for (name, count, in_flight, size) in [
        ("1 KiB, 100 in flight", 200_000, 100, KIB),
        ("100 KiB, 64 in flight", 6_400, 64, 100 * KIB),
        ("4.9 MB, 4 in flight", 200, 4, 4_900_000),
    ] {
        let rate = per_second(count, world.through(count, in_flight, size).await?);
        let syncs = rate * sync.as_secs_f64();
        println!("publish, deliver, ack, {name}: {rate:.0}/s = {syncs:.1} in the time of one fdatasync");
    }
    let latencies = world.latencies(2_000).await?;
    let (p50, p99) = (latencies[latencies.len() / 2], latencies[latencies.len() * 99 / 100]);
    let ratio = p50.as_secs_f64() / sync.as_secs_f64();
    println!("one at a time, publish to delivery: p50 {p50:.2?} = {ratio:.1} fdatasync, p99 {p99:.2?}");
    println!("resident {} MB", rss_mb()?);
    world.broker.close().await?;

    let queue = folder.path().join("queue");
    for step in ["fill", "reopen"] {
        // `fill` aborts itself, so its status says nothing.
        Command::new(std::env::current_exe()?).arg(step).arg(&queue).status()?;
    }
    Ok(())
}
