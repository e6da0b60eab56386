//! A log that lacks what was promised is known by its witness.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::contract::{CountingIds, ManualClock};
use app::ports::{Broker as _, Clock as _, IdSource as _};
use knutepunkt_broker_embedded::{
    EmbeddedBroker, Emptied, OpenError, Options, accept_loss, find_loss, hold_log_copy, salvage,
};
use wire::id::MeldingId;

use crate::harness::Harness;
use crate::lifecycle::{consume, konto, publish};

pub(crate) fn journals(log: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let mut journals: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "jnl")).collect();
    journals.sort();
    journals
}

/// Cuts the newest journal behind the last byte that is not zero, less `bytes`.
fn cut(log: &Path, bytes: usize) {
    let journal = journals(log).pop().unwrap();
    let whole = std::fs::read(&journal).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    std::fs::write(&journal, &whole[..end.saturating_sub(bytes)]).unwrap();
}

pub(crate) async fn open(log: &Path) -> Result<Arc<EmbeddedBroker>, OpenError> {
    let clock = Arc::new(ManualClock::default());
    EmbeddedBroker::open(log, clock, Arc::new(CountingIds::default()), Options::default()).await
}

pub(crate) fn text(error: &OpenError) -> String {
    let mut chain = vec![error.to_string()];
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        chain.push(error.to_string());
        source = error.source();
    }
    chain.join(": ")
}

/// A log with `count` accepted meldinger, left as by `kill -9`.
pub(crate) async fn killed(count: usize) -> (Harness, Vec<MeldingId>, wire::id::KontoId) {
    let mut h = Harness::start().await;
    let (a, b) = (konto(&h).await, konto(&h).await);
    let mut accepted = Vec::new();
    for _ in 0..count {
        accepted.push(publish(&h, a, b).await);
    }
    let left = h.path().with_file_name("left");
    crate::harness::copy(&h.path(), &left);
    h.abandon();
    (h, accepted, b)
}

#[tokio::test]
async fn cut_journal_is_refused_with_what_is_missing_until_the_loss_is_accepted() {
    for bytes in [1, 2_000, usize::MAX] {
        let (h, accepted, b) = killed(20).await;
        let log = h.path().with_file_name("left");
        cut(&log, bytes);
        let refused = text(&open(&log).await.err().unwrap());
        assert!(refused.contains("that were promised are missing"), "{bytes}: {refused}");
        assert!(refused.contains("knutepunkt repair"), "{bytes}: {refused}");
        // Nothing changes by looking.
        assert!(open(&log).await.is_err(), "{bytes}");
        let loss = find_loss(&log, None).unwrap().unwrap();
        assert!(loss.is_complete && !loss.meldinger.is_empty(), "{bytes}: {loss}");
        let gone: Vec<_> = loss.meldinger.iter().map(|melding| melding.id).collect();
        assert_eq!(gone, accepted[accepted.len() - gone.len()..], "{bytes}: the newest are gone");

        let done = accept_loss(&log, h.clock.now(), None).unwrap().unwrap();
        assert_eq!(done.loss, loss);
        assert_eq!(std::fs::read_to_string(&done.reports[0]).unwrap().lines().count(), gone.len());
        assert!(done.old_witness.is_some_and(|witness| witness.exists()));
        let broker = open(&log).await.unwrap();
        for id in &accepted {
            assert_eq!(broker.melding(*id).await.unwrap().is_none(), gone.contains(id), "{bytes}: {id}");
        }
        if gone.len() < accepted.len() {
            assert_eq!(broker.queue_status(b).await.unwrap().ready, (accepted.len() - gone.len()) as u64);
        }
        broker.close().await.unwrap();
        assert_eq!(accept_loss(&log, h.clock.now(), None).unwrap().map(|done| done.loss), None);
    }
}

#[tokio::test]
async fn what_waits_beside_a_loss_is_handed_out_as_redelivered() {
    let (mut h, accepted, b) = killed(10).await;
    let log = h.path().with_file_name("left");
    cut(&log, 1);
    accept_loss(&log, h.clock.now(), None).unwrap().unwrap();
    h.go_on_with("left").await;
    let mut channel = consume(&h, b).await;
    let first = channel.deliveries.recv().await.unwrap();
    assert_eq!((first.melding.id, first.attempts > 0), (accepted[0], true));
}

#[tokio::test]
async fn log_that_is_gone_beside_its_witness_is_refused() {
    let (h, accepted, _) = killed(5).await;
    let log = h.path().with_file_name("left");
    std::fs::remove_dir_all(&log).unwrap();
    let refused = text(&open(&log).await.err().unwrap());
    assert!(refused.contains(&format!("with {} meldinger", accepted.len())), "{refused}");
}

/// Without it a cut journal would be taken for whole.
#[tokio::test]
async fn log_without_its_witness_is_refused_until_it_is_taken_as_it_is() {
    let (h, accepted, _) = killed(5).await;
    let log = h.path().with_file_name("left");
    let witness = log.with_extension("vitne");
    let whole = std::fs::read(&witness).unwrap();
    let size = whole.len();
    let zeroed = [&whole[..0], &vec![0; size]].concat();
    for damaged in [None, Some(vec![]), Some(zeroed), Some(vec![0xff; size]), Some(whole[..4_096].to_vec())] {
        std::fs::remove_file(&witness).unwrap();
        if let Some(bytes) = &damaged {
            std::fs::write(&witness, bytes).unwrap();
        }
        for _ in 0..2 {
            let refused = text(&open(&log).await.err().unwrap());
            assert!(
                refused.contains("left.vitne, which knows what was promised, is missing or damaged"),
                "{refused}"
            );
            assert!(refused.contains("repair --godta-tap"), "{refused}");
            assert_eq!(std::fs::read(&witness).ok(), damaged, "nothing changes by looking");
        }
        let loss = find_loss(&log, None).unwrap().unwrap();
        assert!(loss.is_unknown() && loss.meldinger.is_empty(), "{loss}");
        std::fs::write(&witness, &whole).unwrap();
        assert_eq!(find_loss(&log, None).unwrap(), None, "it was put back");
    }
    std::fs::remove_file(&witness).unwrap();
    let done = accept_loss(&log, h.clock.now(), None).unwrap().unwrap();
    assert_eq!((done.loss.is_unknown(), done.old_witness), (true, None));
    let broker = open(&log).await.unwrap();
    for id in accepted {
        assert!(broker.melding(id).await.unwrap().is_some());
    }
    broker.close().await.unwrap();
    open(&log).await.unwrap();
}

/// A crash in the middle of a write leaves half a step that nobody was promised.
#[tokio::test]
async fn torn_tail_that_nobody_was_promised_does_not_stop_the_start() {
    use std::io::{Seek as _, Write as _};
    let (h, accepted, _) = killed(5).await;
    let log = h.path().with_file_name("left");
    let journal = journals(&log).pop().unwrap();
    let whole = std::fs::read(&journal).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut file = std::fs::OpenOptions::new().write(true).open(&journal).unwrap();
    file.seek(std::io::SeekFrom::Start(end as u64)).unwrap();
    // As a batch begins, and no further.
    file.write_all(&whole[..20.min(end)]).unwrap();
    let broker = open(&log).await.unwrap();
    for id in accepted {
        assert!(broker.melding(id).await.unwrap().is_some());
    }
}

/// Every file of a folder, by name, with its bytes but for zeros at the end.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

/// Flips a bit of the newest journal, so far from its last byte that is not zero.
fn flip(log: &Path, from_end: impl FnOnce(usize) -> usize) {
    let journal = journals(log).pop().unwrap();
    let mut bytes = std::fs::read(&journal).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes[end - from_end(end)] ^= 0x20;
    std::fs::write(&journal, bytes).unwrap();
}

/// Whatever is wrong with it, looking for a loss changes no byte, and leaves nothing beside it.
#[tokio::test]
async fn looking_for_a_loss_touches_nothing() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 7] = [
        ("nothing", |_| {}),
        ("cut by a byte", |log| cut(log, 1)),
        ("empty", |log| cut(log, usize::MAX)),
        ("flipped at its start", |log| flip(log, |end| end - 3)),
        ("flipped in the middle", |log| flip(log, |end| end / 2)),
        ("without journal", |log| std::fs::remove_file(journals(log).pop().unwrap()).unwrap()),
        ("without version", |log| std::fs::remove_file(log.join("version")).unwrap()),
    ];
    for (name, damage) in damages {
        let (h, ..) = killed(10).await;
        let log = h.path().with_file_name("left");
        damage(&log);
        let all = || {
            let beside = std::fs::read_dir(log.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
            let ours = beside.filter(|path| path.file_stem() == log.file_stem()).collect::<BTreeSet<_>>();
            (ours, std::fs::read(log.with_extension("vitne")).unwrap(), contents(&log))
        };
        let before = all();
        let found = find_loss(&log, None);
        assert_eq!(matches!(found, Ok(None)), name == "nothing", "{name}");
        assert!(all() == before, "{name}");
        // What is missing altogether is refused before anything is opened.
        if name.starts_with("without") {
            let refused = text(&open(&log).await.err().unwrap());
            assert!(refused.contains("is missing") && all() == before, "{name}: {refused}");
        }
    }
}

/// An absent keyspace would be made anew, empty, and nobody would know what stood in it.
#[tokio::test]
async fn a_log_that_lacks_a_keyspace_is_refused() {
    let (h, accepted, b) = killed(6).await;
    let left = h.path().with_file_name("left");
    let mut keyspaces: Vec<_> =
        std::fs::read_dir(left.join("keyspaces")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    keyspaces.sort();
    assert_eq!(keyspaces.len(), 11);
    for name in &keyspaces {
        let log = left.with_file_name(format!("without-{}", name.display()));
        crate::harness::copy(&left, &log);
        std::fs::remove_dir_all(log.join("keyspaces").join(name)).unwrap();
        for _ in 0..2 {
            let refused = text(&open(&log).await.err().unwrap());
            assert!(refused.contains("is missing"), "{}: {refused}", name.display());
            assert!(!log.join("keyspaces").join(name).exists(), "{}", name.display());
        }
        assert!(find_loss(&log, None).is_err(), "{}", name.display());
    }
    let broker = open(&left).await.unwrap();
    assert_eq!(broker.queue_status(b).await.unwrap().ready, accepted.len() as u64);
    broker.close().await.unwrap();
}

/// Its steps look like those of this log, but it knows nothing of what this log promised.
#[tokio::test]
async fn witness_of_another_log_is_refused() {
    let (h, ..) = killed(20).await;
    let log = h.path().with_file_name("left");
    let other = Harness::start().await;
    // So that its ids are others.
    for _ in 0..100 {
        let _ = other.ids.uuid();
    }
    let (a, b) = (konto(&other).await, konto(&other).await);
    publish(&other, a, b).await;
    let witness = log.with_extension("vitne");
    let right = std::fs::read(&witness).unwrap();
    std::fs::copy(other.path().with_extension("vitne"), &witness).unwrap();
    let refused = text(&open(&log).await.err().unwrap());
    assert!(refused.contains("that of another log") && refused.contains("left.vitne"), "{refused}");
    assert!(find_loss(&log, None).unwrap().unwrap().is_unknown());
    std::fs::write(&witness, right).unwrap();
    assert_eq!(find_loss(&log, None).unwrap(), None);
    open(&log).await.unwrap().close().await.unwrap();
}

/// What is said of it names the log, and not the copy that was looked at and is gone again.
#[tokio::test]
async fn what_is_missing_is_named_where_it_belongs() {
    let (h, ..) = killed(20).await;
    let log = h.path().with_file_name("left");
    let witness = log.with_extension("vitne");
    std::fs::remove_file(&witness).unwrap();
    let loss = find_loss(&log, None).unwrap().unwrap();
    assert_eq!(loss.witness_missing.as_deref(), Some(witness.as_path()));
    let scratch = tempfile::tempdir().unwrap();
    let refused = text(&hold_log_copy(&log, scratch.path(), None).err().unwrap());
    assert!(refused.contains(&witness.display().to_string()), "{refused}");
    assert!(!refused.contains(&scratch.path().display().to_string()), "{refused}");
}

/// Nothing that was set aside gives way to something else.
#[tokio::test]
async fn two_losses_accepted_within_a_second_keep_what_they_set_aside_apart() {
    let (h, ..) = killed(20).await;
    let log = h.path().with_file_name("left");
    let now = ManualClock::default().now();
    let mut kept = BTreeSet::new();
    for _ in 0..3 {
        let witness = std::fs::read(log.with_extension("vitne")).unwrap();
        std::fs::write(log.with_extension("vitne"), &witness[..100]).unwrap();
        let mut accepted = accept_loss(&log, now, None).unwrap().unwrap();
        assert!(kept.insert(accepted.reports.remove(0)) && kept.insert(accepted.old_witness.unwrap()));
    }
    assert!(kept.iter().all(|file| file.is_file()), "{kept:?}");
}

/// The witness outlives its log, and knows what stood in it.
#[tokio::test]
async fn log_that_is_gone_as_a_whole_is_listed_by_its_witness_and_begun_anew_when_told_to() {
    for is_empty in [false, true] {
        let (h, accepted, _) = killed(20).await;
        let log = h.path().with_file_name("left");
        std::fs::remove_dir_all(&log).unwrap();
        if is_empty {
            std::fs::create_dir(&log).unwrap();
        }
        let now = ManualClock::default().now();
        let lost = find_loss(&log, None).unwrap().unwrap();
        assert_eq!(lost.meldinger.len(), accepted.len());
        let refused = text(&salvage(&log, now, Emptied::Refuse, &BTreeMap::new()).unwrap_err());
        assert!(refused.contains("20 meldinger that were promised would be lost"), "{refused}");
        assert_eq!(log.exists(), is_empty, "nothing was changed");
        let accepted = accept_loss(&log, now, None).unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(&accepted.reports[0]).unwrap().lines().count(), 20);
        open(&log).await.unwrap().close().await.unwrap();
    }
}

/// Whatever ends a start that refuses, the journal is whole: it is never cut before it is known that nobody was promised what
/// stands behind.
#[tokio::test]
async fn damaged_journal_is_not_touched_before_it_is_known_what_was_promised() {
    let (h, accepted, _) = killed(20).await;
    let log = h.path().with_file_name("left");
    let journal = journals(&log).pop().unwrap();
    let mut bytes = std::fs::read(&journal).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes[end * 3 / 10] ^= 1;
    std::fs::write(&journal, &bytes).unwrap();
    let written = std::fs::metadata(&journal).unwrap().modified().unwrap();
    let refused = text(&open(&log).await.err().unwrap());
    assert!(refused.contains("that were promised are missing"), "{refused}");
    assert_eq!(
        std::fs::metadata(&journal).unwrap().modified().unwrap(),
        written,
        "nothing was written to it"
    );
    assert!(std::fs::read(&journal).unwrap() == bytes);
    // All but what the damage itself took can be saved from it.
    let saved = salvage(&log, ManualClock::default().now(), Emptied::Refuse, &BTreeMap::new()).unwrap();
    let waiting: u64 = saved.kontoer.values().map(|konto| konto.waiting).sum();
    assert!(waiting + 2 >= accepted.len() as u64, "{saved:?}");
}
