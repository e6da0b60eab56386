//! Files of the log that are removed, moved or replaced under the process that has it open.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use app::contract::broker::BrokerHarness;
use app::ports::{BrokerError, Settlement};
use bytes::Bytes;
use knutepunkt_broker_embedded::Fault;

use crate::harness::Harness;
use crate::lifecycle::{consume, konto, melding, publish, soon};

/// Lets the time pass in which all files are looked at, until `condition` holds.
async fn in_time(h: &Harness, condition: impl Fn() -> bool) {
    soon(async || {
        h.clock.advance(Duration::from_secs(1));
        condition()
    })
    .await;
}

fn journals(log: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).collect()
}

fn empty(log: &Path) {
    for entry in fs::read_dir(log).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

fn copied_over(file: &Path) {
    let copy = file.with_extension("kopi");
    fs::copy(file, &copy).unwrap();
    fs::rename(copy, file).unwrap();
}

fn one_table(log: &Path) -> PathBuf {
    let keyspaces = fs::read_dir(log.join("keyspaces")).unwrap().map(|entry| entry.unwrap().path());
    let tables =
        keyspaces.filter(|path| !path.ends_with("0")).flat_map(|path| fs::read_dir(path.join("tables")));
    tables.flatten().next().unwrap().unwrap().path()
}

/// What happens to a log, and how.
type Case = (&'static str, fn(&Path));

/// Whatever it is: it is said, nothing more is taken, and what is there can be consumed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_whose_files_are_gone_or_others_takes_nothing_more() {
    let cases: [Case; 10] = [
        ("all in it is removed", empty),
        ("its journals are removed", |log| {
            for file in journals(log) {
                fs::remove_file(file).unwrap();
            }
        }),
        ("a journal is replaced", |log| copied_over(&journals(log)[0])),
        ("it is moved away", |log| fs::rename(log, log.with_extension("borte")).unwrap()),
        ("another is in its place", |log| {
            fs::rename(log, log.with_extension("borte")).unwrap();
            fs::create_dir(log).unwrap();
        }),
        ("its witness is removed", |log| fs::remove_file(log.with_extension("vitne")).unwrap()),
        ("its witness is replaced", |log| copied_over(&log.with_extension("vitne"))),
        ("its lock is removed", |log| fs::remove_file(log.join("lock")).unwrap()),
        ("its marker is removed", |log| fs::remove_file(log.join("version")).unwrap()),
        ("a table is removed", |log| fs::remove_file(one_table(log)).unwrap()),
    ];
    for (what, change) in cases {
        let h = Harness::start().await;
        let (a, b) = (konto(&h).await, konto(&h).await);
        let id = publish(&h, a, b).await;
        h.embedded().flush().await.unwrap();
        for _ in 0..30 {
            h.clock.advance(Duration::from_secs(1));
            publish(&h, a, b).await;
        }
        assert_eq!(h.embedded().displaced(), [] as [&Path; 0], "before {what}");
        change(&h.path());
        in_time(&h, || !h.broker().availability().available).await;
        assert!(!h.embedded().displaced().is_empty(), "{what}");
        let refused = h.broker().publish(melding(&h, a, b), Bytes::new()).await;
        assert!(matches!(refused, Err(BrokerError::NotAsked(_))), "{what}: {refused:?}");
        let mut channel = consume(&h, b).await;
        let delivery = channel.deliveries.recv().await.unwrap();
        assert_eq!(delivery.melding.id, id, "{what}");
        channel.control.settle(delivery.id, Settlement::Ack);
        drop(h.embedded().close().await);
    }
}

/// As when somebody moves the folder to make room, and is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_that_was_put_back_is_used_again() {
    let mut h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let id = publish(&h, a, b).await;
    let aside = h.path().with_extension("borte");
    fs::rename(h.path(), &aside).unwrap();
    in_time(&h, || !h.broker().availability().available).await;
    fs::rename(&aside, h.path()).unwrap();
    in_time(&h, || h.broker().availability().available).await;
    let later = publish(&h, a, b).await;
    h.restart().await;
    assert!(h.broker().melding(id).await.unwrap().is_some());
    assert!(h.broker().melding(later).await.unwrap().is_some());
}

/// What is open can be copied until it is closed, and no new process helps: so it is kept open, and is not given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_that_fails_while_its_files_are_elsewhere_is_kept_open() {
    let mut h = Harness::start().await;
    h.options.reopening.give_up_after = Duration::ZERO;
    h.restart().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let id = publish(&h, a, b).await;
    let aside = h.path().with_extension("borte");
    fs::rename(h.path(), &aside).unwrap();
    h.options.faults.set(Fault::Write);
    // Nobody looks before it fails.
    soon(async || !h.embedded().displaced().is_empty()).await;
    h.options.faults.set(Fault::None);
    let refused = h.broker().melding(id).await;
    assert!(matches!(refused, Err(BrokerError::NotAsked(_))), "{refused:?}");
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let names = open.filter_map(|file| fs::read_link(file.path()).ok());
    assert_eq!(
        names
            .filter(|name| name.starts_with(&aside) && name.extension().is_some_and(|end| end == "jnl"))
            .count(),
        1
    );
    fs::rename(&aside, h.path()).unwrap();
    soon(async || h.broker().availability().available && h.broker().melding(id).await.is_ok()).await;
    publish(&h, a, b).await;
    h.restart().await;
    assert!(h.broker().melding(id).await.unwrap().is_some());
}

/// A log that is opened again after a failure is never an empty one in its place.
#[tokio::test]
async fn log_that_is_gone_when_it_is_opened_again_is_not_made_anew() {
    let mut h = Harness::start().await;
    h.options.reopening.give_up_after = Duration::from_millis(100);
    h.restart().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    publish(&h, a, b).await;
    h.options.faults.set(Fault::Write);
    soon(async || h.embedded().position().is_none()).await;
    empty(&h.path());
    fs::remove_file(h.path().with_extension("vitne")).unwrap();
    h.options.faults.set(Fault::None);
    let given_up = tokio::time::timeout(Duration::from_secs(30), h.embedded().given_up()).await;
    assert!(given_up.is_ok(), "no other log is opened in its place");
    assert_eq!(fs::read_dir(h.path()).unwrap().count(), 0);
    assert!(!h.path().with_extension("vitne").exists());
}
