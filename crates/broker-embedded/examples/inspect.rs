//! Opens queue logs one after the other and says what is in each: a test tool of `tests/faults`, which rebuilds thousands of
//! disks as a power cut may leave them.
//!
//! Reads the folder of a log from each line of standard input and writes one line of JSON for it: what is queued, with
//! whether it was handed out before, and size and Adler-32 of its payload; what is dead; or why the log does not open. The
//! logs are changed by that, as by any opening.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use app::ports::{Broker as _, ChannelOptions, Clock, Consumer, IdSource};
use async_trait::async_trait;
use jiff::Timestamp;
use knutepunkt_broker_embedded::{EmbeddedBroker, Options};
use wire::id::Uuid;

type Fallible<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// As much as one consumer may hold, and more than any log has that is looked at here.
const MOST: u16 = u16::MAX;

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

/// Different in every run of a log is all that they need to be.
struct CountedIds(AtomicU64);

impl IdSource for CountedIds {
    fn uuid(&self) -> Uuid {
        Uuid::from_u64_pair(u64::MAX, self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn secret(&self) -> [u8; 32] {
        [0; 32]
    }
}

/// RFC 1950.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for chunk in bytes.chunks(4096) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    (b << 16) | a
}

/// What the log at `folder` holds, as JSON.
async fn inspect(folder: &Path) -> Fallible<String> {
    let options = Options { min_free_bytes: 0, ..Options::default() };
    let ids = Arc::new(CountedIds(AtomicU64::new(0)));
    let broker = EmbeddedBroker::open(folder, Arc::new(SystemClock), ids, options).await?;
    let (mut queued, mut dead) = (String::new(), String::new());
    for konto in broker.list_queues().await? {
        for letter in broker.list_dead_letters(konto, MOST.into()).await? {
            write!(dead, "{}\"{}\"", comma(&dead), letter.melding.id)?;
        }
        let ready = broker.queue_status(konto).await?.ready;
        if ready > MOST.into() {
            return Err(format!("{ready} meldinger are more than can be looked at").into());
        }
        let mut channel = broker.open_channel(ChannelOptions::default()).await?;
        channel.control.consume(Consumer(1), konto, MOST).await?;
        for _ in 0..ready {
            let delivery = channel.deliveries.recv().await.ok_or("the channel ended")?;
            let dokument = delivery.melding.dokumentlager_id.map(|id| id.to_string());
            write!(
                queued,
                "{}[\"{}\",{},{},{},\"{}\"]",
                comma(&queued),
                delivery.melding.id,
                delivery.attempts > 0,
                delivery.payload.len(),
                adler32(&delivery.payload),
                dokument.unwrap_or_default(),
            )?;
        }
        channel.control.close(app::ports::EndedBy::Server).await;
    }
    broker.close().await?;
    Ok(format!("{{\"queued\":[{queued}],\"dead\":[{dead}]}}"))
}

fn comma(before: &str) -> &'static str {
    if before.is_empty() { "" } else { "," }
}

/// The error with all its causes, without what JSON would have to escape.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text.chars().map(|c| if c == '"' || c == '\\' || c.is_control() { '\'' } else { c }).collect()
}

#[tokio::main]
async fn main() -> Fallible {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        match inspect(Path::new(&line?)).await {
            Ok(found) => writeln!(out, "{found}")?,
            Err(error) => writeln!(out, "{{\"error\":\"{}\"}}", chain(&*error))?,
        }
        out.flush()?;
    }
    Ok(())
}
