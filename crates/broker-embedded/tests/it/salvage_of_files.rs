//! Whatever file of a log is gone or damaged: each melding is saved or listed, or nothing is changed and only a backup helps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use app::contract::broker::BrokerHarness;
use app::ports::{Broker as _, ChannelOptions, Clock as _, Consumer, Settlement};
use bytes::Bytes;
use knutepunkt_broker_embedded::{EmbeddedBroker, Emptied, salvage};
use wire::id::{KontoId, MeldingId};

use crate::harness::{Harness, copy};
use crate::lifecycle::{konto, melding, soon};
use crate::witness::text;

const KONTOER: usize = 5;
const COUNT: usize = 500;

/// A log of which some stands in tables, some in journals, with small and large payloads, and how it waits.
struct Filled {
    h: Harness,
    kontoer: Vec<KontoId>,
    waiting: BTreeMap<MeldingId, Bytes>,
}

async fn filled() -> Filled {
    let h = Harness::start().await;
    let mut kontoer = Vec::new();
    for _ in 0..KONTOER {
        kontoer.push(konto(&h).await);
    }
    let mut waiting = BTreeMap::new();
    for n in 0..COUNT {
        if n == COUNT / 2 || n == COUNT * 3 / 4 {
            h.embedded().flush().await.unwrap();
        }
        let sent = melding(&h, kontoer[(n + 1) % KONTOER], kontoer[n % KONTOER]);
        let size = if n.is_multiple_of(7) { 50_000 } else { 20 + n };
        let payload = Bytes::from(vec![u8::try_from(n % 251).unwrap(); size]);
        waiting.insert(sent.id, payload.clone());
        h.broker().publish(sent, payload).await.unwrap();
        if n % 50 == 49 {
            let mut channel = h.broker().open_channel(ChannelOptions::default()).await.unwrap();
            channel.control.consume(Consumer(1), kontoer[n / 50 % KONTOER], 3).await.unwrap();
            let mut held = Vec::new();
            for _ in 0..3 {
                held.push(channel.deliveries.recv().await.unwrap());
            }
            channel.control.cancel(Consumer(1)).await.unwrap();
            for delivery in held {
                channel.control.settle(delivery.id, Settlement::Ack);
                waiting.remove(&delivery.melding.id);
            }
            let konto = kontoer[n / 50 % KONTOER];
            soon(async || h.broker().queue_status(konto).await.unwrap().unacked == 0).await;
        }
    }
    h.embedded().close().await.unwrap();
    Filled { h, kontoer, waiting }
}

/// All that is handed out, with its payload.
async fn drained(h: &Harness, log: &Path, kontoer: &[KontoId]) -> BTreeMap<MeldingId, Bytes> {
    let clock = Arc::new(h.clock.clone());
    let broker = EmbeddedBroker::open(log, clock, h.ids.clone(), h.options.clone()).await.unwrap();
    let mut channel = broker.open_channel(ChannelOptions::default()).await.unwrap();
    let mut got = BTreeMap::new();
    for (n, konto) in kontoer.iter().enumerate() {
        // A queue of which nothing is left may be gone with it.
        let _ = channel.control.consume(Consumer(u32::try_from(n).unwrap()), *konto, 1_000).await;
    }
    loop {
        let mut left = 0;
        for konto in kontoer {
            let status = broker.queue_status(*konto).await.unwrap();
            left += status.ready + status.unacked;
        }
        if left == 0 {
            break;
        }
        while let Ok(Some(delivery)) =
            tokio::time::timeout(Duration::from_millis(20), channel.deliveries.recv()).await
        {
            // What tells a sender that something went wrong is none of those that were sent.
            got.insert(delivery.melding.id, delivery.payload.clone());
            channel.control.settle(delivery.id, Settlement::Ack);
        }
    }
    broker.close().await.unwrap();
    got
}

fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, std::fs::metadata(&path).unwrap().len());
            }
        }
    }
    found
}

fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |name: PathBuf| (name.clone(), std::fs::read(folder.join(name)).unwrap_or_default());
    files(folder).into_keys().map(read).collect()
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Removed,
    Halved,
    Zeroed,
    /// At so many eighths of it.
    Flipped(usize),
}

impl Damage {
    fn apply(self, path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        match self {
            Self::Removed => return std::fs::remove_file(path).unwrap(),
            Self::Halved => bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) / 2),
            Self::Zeroed => bytes.fill(0),
            Self::Flipped(part) => {
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                if let Some(byte) = bytes.get_mut(end * part / 8) {
                    *byte ^= 0x24;
                }
            }
        }
        std::fs::write(path, bytes).unwrap();
    }
}

/// Damage with which nothing can be saved. Anything else must be saved, so that a change which refuses more is found.
const REFUSED: &[&str] = &["everything"];

/// What became of a damaged log, for a table of results.
async fn judge(filled: &Filled, damage: impl FnOnce(&Path), what: &str) -> String {
    let Filled { h, kontoer, waiting } = filled;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("ko");
    copy(&h.path(), &log);
    std::fs::copy(h.path().with_extension("vitne"), log.with_extension("vitne")).unwrap();
    damage(&log);
    let before = content(folder.path());
    let saved = match salvage(&log, h.clock.now(), Emptied::Refuse, &BTreeMap::new()) {
        Ok(saved) => saved,
        Err(error) => {
            let text = text(&error);
            assert!(text.to_lowercase().contains("only a backup helps"), "{what}: {text}");
            assert!(content(folder.path()) == before, "{what}: nothing was changed");
            assert!(REFUSED.contains(&what), "{what}: something can be saved, but is refused: {text}");
            return format!("{what:42} refused: {text}");
        }
    };
    let kept = content(&saved.old_log);
    assert!(kept == content_below(&before, "ko"), "{what}: the damaged log is kept as it was");
    assert!(!log.with_extension("berget").exists() && !log.with_extension("skygge").exists(), "{what}");
    let listed: BTreeSet<_> =
        saved.kontoer.values().flat_map(|konto| &konto.lost).filter_map(|lost| lost.id).collect();
    let unknown =
        saved.kontoer.values().flat_map(|konto| &konto.lost).filter(|lost| lost.id.is_none()).count();
    let lost: usize = saved.kontoer.values().map(|konto| konto.lost.len()).sum();
    let counted: u64 = saved.kontoer.values().map(|konto| konto.waiting).sum();
    let got = drained(h, &log, kontoer).await;
    let whole = waiting.iter().filter(|(id, payload)| got.get(*id) == Some(*payload)).count();
    let neither: Vec<_> = waiting
        .iter()
        .filter(|(id, payload)| got.get(*id) != Some(*payload) && !listed.contains(*id))
        .collect();
    assert!(neither.len() <= unknown, "{what}: {} are neither saved nor listed, {saved:?}", neither.len());
    assert!(counted > 0, "{what}: what saves nothing is refused");
    assert!(!REFUSED.contains(&what), "{what}: it is refused no more");
    let again = counted.saturating_sub(whole as u64);
    format!(
        "{what:42} {whole} of {} saved, {lost} listed{}, {again} come again, without {:?}",
        waiting.len(),
        if saved.is_complete { "" } else { " (at least)" },
        saved.lost_files
    )
}

fn content_below(all: &BTreeMap<PathBuf, Vec<u8>>, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let below = |(name, bytes): (&PathBuf, &Vec<u8>)| {
        Some((name.strip_prefix(folder).ok()?.to_owned(), bytes.clone()))
    };
    all.iter().filter_map(below).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_file_is_gone_or_damaged_all_is_saved_or_listed() {
    let filled = filled().await;
    let damages = [Damage::Removed, Damage::Halved, Damage::Zeroed, Damage::Flipped(0), Damage::Flipped(5)];
    for name in files(&filled.h.path()).into_keys() {
        // Of the keyspaces: the list, that of large values, that of what waits, and two others.
        let keyspace = name.strip_prefix("keyspaces").ok().and_then(|rest| rest.iter().next()?.to_str());
        if keyspace.is_some_and(|number| !["0", "3", "5", "6", "8"].contains(&number)) {
            continue;
        }
        for damage in damages {
            let what = format!("{} {damage:?}", name.display());
            println!("{}", judge(&filled, |log| damage.apply(&log.join(&name)), &what).await);
        }
    }
}

/// A folder as a whole, or all of one kind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_folder_is_gone_all_is_saved_or_listed() {
    let filled = filled().await;
    for n in 0..=10 {
        for part in ["", "/tables", "/current"] {
            let name = format!("keyspaces/{n}{part}");
            let gone = |log: &Path| {
                let path = log.join(&name);
                if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
                    .unwrap();
            };
            println!("{}", judge(&filled, gone, &name).await);
        }
    }
    let all_below = |kind: &'static str| {
        move |log: &Path| {
            for name in files(log).into_keys().filter(|name| name.to_string_lossy().contains(kind)) {
                std::fs::remove_file(log.join(name)).unwrap();
            }
        }
    };
    for kind in ["current", "/v", ".jnl", "/tables/", "/blobs/", "keyspaces/"] {
        println!("{}", judge(&filled, all_below(kind), &format!("all {kind}")).await);
    }
    let list_and_one = |log: &Path| {
        std::fs::remove_dir_all(log.join("keyspaces/0")).unwrap();
        std::fs::remove_dir_all(log.join("keyspaces/5")).unwrap();
    };
    println!("{}", judge(&filled, list_and_one, "keyspaces/0 and keyspaces/5").await);
    let everything = |log: &Path| {
        std::fs::remove_dir_all(log.join("keyspaces")).unwrap();
        all_below(".jnl")(log);
    };
    let refused = judge(&filled, everything, "everything").await;
    assert!(refused.contains("refused"), "{refused}");
    println!("{refused}");
}
