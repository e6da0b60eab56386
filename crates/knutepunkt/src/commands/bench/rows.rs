//! The rows of the table.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use futures::StreamExt as _;
use lapin::options::BasicAckOptions;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use crate::commands::bench::server::Server;
use crate::commands::bench::stats::{Samples, median, ms};
use crate::commands::bench::target::{Ours, Out, Reference, Target};

const KIB: usize = 1024;
/// Not measured, at the start of each row.
const WARM_UP: Duration = Duration::from_secs(1);
/// Wait for a melding that must come.
const PATIENCE: Duration = Duration::from_mins(1);
/// Consumers, and kontoer, of the row on memory.
const CONSUMERS: usize = 1000;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Row {
    /// 1 KiB, 100 in flight.
    Throughput,
    /// The same, with TLS on our way out.
    Tls,
    /// 1 KiB, one at a time.
    Latency,
    /// 1 KiB, 200 a second.
    Paced,
    /// 100 KiB, 64 in flight.
    Medium,
    /// 4.9 MB, 4 in flight.
    Large,
    /// Memory with 1000 consumers on 1000 kontoer.
    Consumers,
    /// Memory with a long queue, and time to come back after `kill -9`.
    Queued,
}

impl Row {
    pub(super) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }
}

/// How to measure.
pub(super) struct Shape {
    pub(super) time: Duration,
    pub(super) rounds: usize,
    pub(super) queued: u32,
    pub(super) folder: PathBuf,
}

/// Measures `row` and prints it.
pub(super) async fn measure(
    row: Row,
    shape: &Shape,
    server: &mut Server,
    reference: Option<&mut Reference>,
) -> anyhow::Result<()> {
    match row {
        Row::Throughput => {
            throughput(shape, server, reference, Load::new("1 KiB, 100 in flight", KIB, 100)).await
        }
        Row::Tls => {
            let load = Load { tls: true, ..Load::new("1 KiB, 100 in flight, ours with TLS", KIB, 100) };
            throughput(shape, server, reference, load).await
        }
        Row::Medium => {
            throughput(shape, server, reference, Load::new("100 KiB, 64 in flight", 100 * KIB, 64)).await
        }
        Row::Large => {
            throughput(shape, server, reference, Load::new("4.9 MB, 4 in flight", 4_900_000, 4)).await
        }
        Row::Latency => latency(shape, server, reference).await,
        Row::Paced => paced(shape, server, reference).await,
        Row::Consumers => consumers(server).await,
        Row::Queued => queued(shape, server, reference).await,
    }
}

/// Prints a row; `better` is how many times better ours is.
fn print(work: &str, ours: &str, reference: Option<String>, better: Option<f64>) {
    let ratio = better.map_or_else(|| "–".to_owned(), |better| format!("{better:.2} ×"));
    println!("| {work} | {ours} | {} | {ratio} |", reference.unwrap_or_else(|| "–".to_owned()));
}

// ---- throughput ----

/// A load of many meldinger.
struct Load {
    name: &'static str,
    bytes: usize,
    in_flight: usize,
    tls: bool,
}

impl Load {
    fn new(name: &'static str, bytes: usize, in_flight: usize) -> Self {
        Self { name, bytes, in_flight, tls: false }
    }
}

async fn throughput(
    shape: &Shape,
    server: &Server,
    reference: Option<&mut Reference>,
    load: Load,
) -> anyhow::Result<()> {
    let Load { name, bytes, in_flight, tls } = load;
    let ours = Ours::new(server, None, tls).await?;
    let (mut ours_rates, mut their_rates) = (Vec::new(), Vec::new());
    // In turn, so that both see the same weather on a shared machine.
    for _ in 0..shape.rounds {
        ours_rates.push(rate(&ours, shape.time, bytes, in_flight).await?);
        if let Some(reference) = &reference {
            their_rates.push(rate(&**reference, shape.time, bytes, in_flight).await?);
        }
    }
    let (ours, theirs) = (median(ours_rates), median(their_rates));
    let there = reference.is_some();
    print(
        name,
        &format!("{ours:.0} /s"),
        there.then(|| format!("{theirs:.0} /s")),
        there.then(|| ours / theirs),
    );
    Ok(())
}

/// Meldinger a second that are sent, safe, delivered and acked, with at most `in_flight` on their way.
async fn rate(target: &dyn Target, time: Duration, bytes: usize, in_flight: usize) -> anyhow::Result<f64> {
    let room = Arc::new(Semaphore::new(in_flight));
    let payload = Bytes::from(vec![b'x'; bytes]);
    let mut senders = JoinSet::new();
    for _ in 0..in_flight {
        let (mut publisher, room, payload) = (target.publisher().await?, Arc::clone(&room), payload.clone());
        senders.spawn(async move {
            while let Ok(permit) = room.acquire().await {
                // Given back by whoever acks it.
                permit.forget();
                publisher.publish(&payload).await?;
            }
            anyhow::Ok(())
        });
    }
    let prefetch = u16::try_from(in_flight).context("in flight")?;
    let mut out = target.consumer(prefetch).await?;
    let begun = Instant::now();
    let (mut counted, mut from, mut acks) = (0u64, None, JoinSet::new());
    while begun.elapsed() < WARM_UP + time {
        let delivery = next(&mut out).await?;
        // Not waited for: the client resolves an ack only when its own thread has written it, and one such wait a melding
        // would measure that thread.
        let room = Arc::clone(&room);
        acks.spawn(async move {
            let acked = delivery.ack(BasicAckOptions::default()).await;
            room.add_permits(1);
            acked.map(drop)
        });
        while let Some(acked) = acks.try_join_next() {
            acked??;
        }
        match from {
            None if begun.elapsed() >= WARM_UP => from = Some(Instant::now()),
            None => {}
            Some(_) => counted += 1,
        }
    }
    let took = from.context("nothing was delivered")?.elapsed();
    // Those on their way are sent and taken, so that the next row starts from nothing.
    room.close();
    let drain = async {
        loop {
            tokio::select! {
                ended = senders.join_next() => match ended {
                    Some(ended) => ended??,
                    None => return anyhow::Ok(()),
                },
                delivery = next(&mut out) => delivery?.ack(BasicAckOptions::default()).await.map(drop)?,
            }
        }
    };
    drain.await?;
    empty(&mut out).await?;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    Ok(counted as f64 / took.as_secs_f64())
}

async fn next(out: &mut Out) -> anyhow::Result<lapin::message::Delivery> {
    let delivery = tokio::time::timeout(PATIENCE, out.consumer.next()).await.context("nothing came")?;
    Ok(delivery.context("the consumer was ended")??)
}

/// Takes what is left; nothing for a while means that nothing is.
async fn empty(out: &mut Out) -> anyhow::Result<()> {
    while let Ok(Some(delivery)) = tokio::time::timeout(Duration::from_millis(200), out.consumer.next()).await
    {
        delivery?.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

// ---- latency ----

async fn latency(shape: &Shape, server: &Server, reference: Option<&mut Reference>) -> anyhow::Result<()> {
    let ours = Ours::new(server, None, false).await?;
    let (mut sync, mut our_times, mut their_times) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..shape.rounds {
        sync.push(ms(fdatasync(&shape.folder)?));
        our_times.push(ms(one_at_a_time(&ours, shape.time).await?));
        if let Some(reference) = &reference {
            their_times.push(ms(one_at_a_time(&**reference, shape.time).await?));
        }
    }
    let (sync, ours, theirs) = (median(sync), median(our_times), median(their_times));
    let there = reference.is_some();
    print(
        "1 KiB, one at a time: median until safe",
        &format!("{ours:.2} ms ({:.1} × one fdatasync of {sync:.2} ms)", ours / sync),
        there.then(|| format!("{theirs:.2} ms")),
        there.then(|| theirs / ours),
    );
    Ok(())
}

/// Median of the time until a melding is safe, with nothing else under way.
async fn one_at_a_time(target: &dyn Target, time: Duration) -> anyhow::Result<Duration> {
    let payload = Bytes::from(vec![b'x'; KIB]);
    let (mut publisher, mut out) = (target.publisher().await?, target.consumer(10).await?);
    let (begun, mut samples) = (Instant::now(), Samples::default());
    while begun.elapsed() < time {
        let sent = Instant::now();
        publisher.publish(&payload).await?;
        samples.push(sent.elapsed());
        next(&mut out).await?.ack(BasicAckOptions::default()).await?;
    }
    Ok(samples.median())
}

/// Median of the time that one kibibyte takes to the disk.
fn fdatasync(folder: &Path) -> anyhow::Result<Duration> {
    let path = folder.join("fdatasync");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut samples = Samples::default();
    for _ in 0..300 {
        let begun = Instant::now();
        file.write_all(&[b'x'; KIB])?;
        file.sync_data()?;
        samples.push(begun.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(samples.median())
}

// ---- paced ----

async fn paced(shape: &Shape, server: &Server, reference: Option<&mut Reference>) -> anyhow::Result<()> {
    let ours = Ours::new(server, None, false).await?;
    let (mut our_times, mut their_times) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..shape.rounds {
        let samples = at_a_pace(&ours, shape.time).await?;
        our_times[0].push(ms(samples.median()));
        our_times[1].push(ms(samples.quantile(0.99)));
        if let Some(reference) = &reference {
            let samples = at_a_pace(&**reference, shape.time).await?;
            their_times[0].push(ms(samples.median()));
            their_times[1].push(ms(samples.quantile(0.99)));
        }
    }
    let [ours, theirs] = [our_times, their_times].map(|times| times.map(median));
    let there = reference.is_some();
    print(
        "1 KiB, 200 a second: send to delivery, p50 / p99",
        &format!("{:.2} / {:.2} ms", ours[0], ours[1]),
        there.then(|| format!("{:.2} / {:.2} ms", theirs[0], theirs[1])),
        there.then(|| theirs[0] / ours[0]),
    );
    Ok(())
}

/// Times from the start of a send to the delivery, at 200 a second.
async fn at_a_pace(target: &dyn Target, time: Duration) -> anyhow::Result<Samples> {
    const SLOTS: usize = 16;
    let mut publishers = Vec::new();
    for _ in 0..SLOTS {
        publishers.push(Arc::new(Mutex::new(target.publisher().await?)));
    }
    let mut out = target.consumer(100).await?;
    let begun = Instant::now();
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let sending = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        let mut under_way = JoinSet::new();
        for publisher in publishers.into_iter().cycle() {
            ticks.tick().await;
            if begun.elapsed() >= time {
                break;
            }
            count.fetch_add(1, Ordering::SeqCst);
            under_way.spawn(async move {
                let mut publisher = publisher.lock().await;
                // The time of the send rides in the payload.
                let at = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
                let mut payload = vec![b'x'; KIB];
                payload[..8].copy_from_slice(&at.to_be_bytes());
                publisher.publish(&payload.into()).await
            });
        }
        while let Some(published) = under_way.join_next().await {
            published??;
        }
        anyhow::Ok(())
    });
    let (mut samples, mut received) = (Samples::default(), 0);
    while !sending.is_finished() || received < sent.load(Ordering::SeqCst) {
        let Ok(delivery) = tokio::time::timeout(Duration::from_millis(500), out.consumer.next()).await else {
            continue;
        };
        let arrived = begun.elapsed();
        let delivery = delivery.context("the consumer was ended")??;
        let at: [u8; 8] = delivery.data.get(..8).context("a strange payload")?.try_into()?;
        samples.push(arrived.saturating_sub(Duration::from_nanos(u64::from_be_bytes(at))));
        delivery.ack(BasicAckOptions::default()).await?;
        received += 1;
    }
    sending.await??;
    Ok(samples)
}

// ---- size ----

#[expect(clippy::cast_precision_loss, reason = "megabytes for a reader")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

async fn consumers(server: &Server) -> anyhow::Result<()> {
    let before = server.memory()?;
    let kontoer = server.more_kontoer(CONSUMERS).await?;
    let ours = Ours::new(server, None, true).await?;
    let mut consumers = Vec::with_capacity(CONSUMERS);
    for konto in &kontoer {
        consumers.push(ours.consumer_on(*konto, 10).await?);
    }
    // A trickle: one melding on each.
    for (konto, out) in kontoer.iter().zip(&mut consumers) {
        let target = Ours::new(server, Some(*konto), true).await?;
        target.publisher().await?.publish(&Bytes::from_static(&[b'x'; KIB])).await?;
        next(out).await?.ack(BasicAckOptions::default()).await?;
    }
    let after = server.memory()?;
    let work = format!("memory with {CONSUMERS} consumers on {CONSUMERS} kontoer");
    print(&work, &format!("{:.0} MB (empty: {:.0} MB)", mb(after), mb(before)), None, None);
    Ok(())
}

async fn queued(shape: &Shape, server: &mut Server, reference: Option<&mut Reference>) -> anyhow::Result<()> {
    let count = shape.queued;
    let konto = server.more_kontoer(1).await?.pop().context("one konto was made")?;
    fill(&Ours::new(server, Some(konto), false).await?, count).await?;
    let ours = server.memory()?;
    let theirs = match reference {
        Some(reference) => {
            fill(reference, count).await?;
            let memory = reference.memory()?;
            reference.purge().await?;
            memory
        }
        None => None,
    };
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let better = theirs.map(|theirs| theirs as f64 / ours as f64);
    let work = format!("memory with {count} meldinger of 1 KiB queued");
    print(
        &work,
        &format!("{:.0} MB", mb(ours)),
        theirs.map(|theirs| format!("{:.0} MB", mb(theirs))),
        better,
    );

    let took = server.kill_and_restart().await?;
    let ours = Ours::new(server, Some(konto), false).await?;
    let mut out = ours.consumer(2000).await?;
    let mut left = 0u32;
    while left < count {
        next(&mut out).await?.ack(BasicAckOptions::default()).await?;
        left += 1;
    }
    let more = tokio::time::timeout(Duration::from_millis(500), out.consumer.next()).await.is_ok();
    ensure!(!more, "more came back than was sent");
    let work = format!("kill -9 with {count} queued → answering again");
    print(&work, &format!("{:.2} s, {left} of {count} came back", took.as_secs_f64()), None, None);
    Ok(())
}

async fn fill(target: &dyn Target, count: u32) -> anyhow::Result<()> {
    let left = Arc::new(AtomicU64::new(u64::from(count)));
    let payload = Bytes::from(vec![b'x'; KIB]);
    let mut senders = JoinSet::new();
    for _ in 0..100 {
        let (mut publisher, left, payload) = (target.publisher().await?, Arc::clone(&left), payload.clone());
        senders.spawn(async move {
            while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                publisher.publish(&payload).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    Ok(())
}
