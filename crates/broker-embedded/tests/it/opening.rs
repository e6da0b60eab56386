//! What whoever opens a damaged log reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::contract::broker::BrokerHarness;
use bytes::Bytes;
use knutepunkt_broker_embedded::{EmbeddedBroker, OpenError, find_loss};

use crate::harness::{Harness, copy};
use crate::lifecycle::{consume, konto, melding};
use crate::witness::{journals, text};

/// A byte at the begin, in the middle and at the end of a file.
const PLACES: usize = 3;

/// A log whose keyspaces have all kinds of files, closed in good order.
async fn closed() -> Harness {
    let h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    for n in 0..40_u8 {
        let size = if n.is_multiple_of(4) { 40_000 } else { 200 };
        h.broker().publish(melding(&h, a, b), Bytes::from(vec![n; size])).await.unwrap();
    }
    let mut channel = consume(&h, b).await;
    channel.deliveries.recv().await.unwrap();
    h.embedded().flush().await.unwrap();
    h.embedded().close().await.unwrap();
    h
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

async fn open(h: &Harness, log: &Path) -> Result<Arc<EmbeddedBroker>, OpenError> {
    EmbeddedBroker::open(log, Arc::new(h.clock.clone()), h.ids.clone(), h.options.clone()).await
}

/// A byte is wrong, or the end is cut off: where that keeps the log from being opened, the file is named, and what to do. What
/// is opened in spite of it is met when it is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_stops_the_start_is_named_with_what_to_do() {
    let h = closed().await;
    let mut refused = 0;
    for (nth, file) in files(&h.path()).into_iter().enumerate() {
        let name = file.strip_prefix(h.path()).unwrap();
        if name.to_str() == Some("lock") || file.extension().is_some_and(|extension| extension == "jnl") {
            continue;
        }
        let whole = std::fs::read(&file).unwrap();
        // A log takes its time to open: each file is damaged in some of the ways.
        for place in (0..=PLACES).filter(|place| (nth + place).is_multiple_of(2)) {
            let mut bytes = whole.clone();
            if place == PLACES {
                bytes.pop();
            } else {
                bytes[(whole.len() - 1) * place / (PLACES - 1)] ^= 0x10;
            }
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("ko");
            copy(&h.path(), &log);
            let wrong = log.join(name);
            std::fs::write(&wrong, bytes).unwrap();
            match open(&h, &log).await {
                Ok(broker) => broker.close().await.unwrap(),
                Err(error) => {
                    refused += 1;
                    let said = text(&error);
                    // The number of the list stands in the file that names it.
                    let named = [name, Path::new(name.parent().unwrap())];
                    let is_named = named.iter().any(|name| said.contains(&*name.to_string_lossy()));
                    assert!(is_named, "{} at {place}: {said}", name.display());
                    assert!(said.contains("repair --berg"), "{}: {said}", name.display());
                    assert!(said.contains("knutepunkt restore"), "{}: {said}", name.display());
                    assert!(!said.contains("--godta-tap"), "{}: {said}", name.display());
                }
            }
        }
    }
    assert!(refused > 10, "{refused} were refused");
}

/// A file of no length, or of nothing but zeros, as a file system may leave it after a loss of power.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptied_file_of_a_keyspace_is_named() {
    let h = closed().await;
    let mut refused = 0;
    for file in files(&h.path().join("keyspaces")) {
        let name = file.strip_prefix(h.path()).unwrap();
        let length = usize::try_from(std::fs::metadata(&file).unwrap().len()).unwrap();
        for length in [0, length] {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("ko");
            copy(&h.path(), &log);
            std::fs::write(log.join(name), vec![0; length]).unwrap();
            match open(&h, &log).await {
                // An older list, or one with large payloads, which is looked at when they are read.
                Ok(broker) => broker.close().await.unwrap(),
                Err(error) => {
                    refused += 1;
                    let said = text(&error);
                    assert!(
                        said.contains(&format!("{} is damaged", name.display())),
                        "{length} bytes: {said}"
                    );
                    assert!(said.contains("repair --berg"), "{said}");
                }
            }
        }
    }
    assert!(refused > 20, "{refused} were refused");
}

/// Each file of a keyspace is needed; what opens the log would do without, or say no more than that it is not well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_file_of_a_keyspace_is_named() {
    let h = closed().await;
    for file in files(&h.path().join("keyspaces")) {
        let name = file.strip_prefix(h.path()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("ko");
        copy(&h.path(), &log);
        std::fs::remove_file(log.join(name)).unwrap();
        // An older list is needed by nobody.
        if let Some(error) = open(&h, &log).await.err() {
            let said = text(&error);
            assert!(said.contains(&*name.to_string_lossy()) && said.contains("is missing"), "{said}");
        } else {
            let is_list = name.file_name().unwrap().to_string_lossy().starts_with('v');
            assert!(is_list, "{} is missing and the log was opened", name.display());
        }
    }
}

/// They are numbered one by one.
#[tokio::test]
async fn missing_journal_between_others_is_named_and_nothing_is_changed() {
    let h = closed().await;
    let log = h.path();
    let last = journals(&log).pop().unwrap();
    let number: u64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    std::fs::copy(&last, last.with_file_name(format!("{}.jnl", number + 2))).unwrap();
    let before: Vec<_> = files(&log).into_iter().map(|file| std::fs::read(file).unwrap()).collect();
    for error in [open(&h, &log).await.err().unwrap(), find_loss(&log, None).err().unwrap()] {
        let said = text(&error);
        assert!(said.contains(&format!("{}.jnl is missing", number + 1)), "{said}");
        assert!(said.contains("repair --berg"), "{said}");
    }
    let after: Vec<_> = files(&log).into_iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(before == after, "a file was changed");
}

/// It would pass as one that was never written to.
#[tokio::test]
async fn log_without_its_journals_and_its_mark_is_refused() {
    let h = closed().await;
    let log = h.path();
    for journal in journals(&log) {
        std::fs::remove_file(journal).unwrap();
    }
    std::fs::remove_file(log.join("version")).unwrap();
    let said = text(&open(&h, &log).await.err().unwrap());
    assert!(said.contains("version is missing"), "{said}");
    assert!(!log.join("0.jnl").exists(), "nothing is made in its place");
}

#[tokio::test]
async fn log_that_is_in_use_says_so() {
    let h = Harness::start().await;
    let said = text(&open(&h, &h.path()).await.err().unwrap());
    assert!(said.contains("another Knutepunkt uses this folder"), "{said}");
}
