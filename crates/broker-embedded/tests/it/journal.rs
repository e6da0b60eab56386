//! What stands at the end of a journal after a crash, and what is damage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use app::ports::{Broker as _, Clock as _};
use knutepunkt_broker_embedded::{accept_loss, find_loss};

use crate::witness::{journals, killed, open, text};

/// All files of the log and beside it, but the witness: opening makes its record durable.
fn files(log: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(log.parent().unwrap()).unwrap().chain(std::fs::read_dir(log).unwrap()) {
        let path = entry.unwrap().path();
        if path.is_file() && path.extension().is_none_or(|extension| extension != "vitne") {
            files.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    files
}

/// The content of the newest journal, up to the zeros.
pub(crate) fn content(log: &Path) -> (PathBuf, Vec<u8>) {
    let path = journals(log).pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    (path, bytes)
}

/// Where the batches of a journal end, as the mark at the end of each says.
pub(crate) fn ends(bytes: &[u8]) -> Vec<usize> {
    let is_end = |at: &usize| bytes[*at..].starts_with(b"FJL\x03");
    (0..bytes.len()).filter(is_end).map(|at| at + 4).collect()
}

/// A write that was on its way when the power went may be on the disk in any part, whole at its ends and wrong within.
#[tokio::test]
async fn write_that_was_torn_anywhere_does_not_stop_the_start() {
    let (h, accepted, _) = killed(5).await;
    let left = h.path().with_file_name("left");
    let (_, bytes) = content(&left);
    let ends = ends(&bytes);
    let [.., begin, end] = ends[..] else { unreachable!("there are batches") };
    let batch = &bytes[begin..end];
    let mut tails = Vec::new();
    for at in 0..batch.len() {
        // One byte is wrong, or all from there on did not make it.
        let mut wrong = batch.to_vec();
        wrong[at] ^= 0x41;
        tails.push(wrong);
        if at.is_multiple_of(7) {
            tails.push(batch[..at].to_vec());
        }
    }
    // A sector of zeros within, lengths beyond the file, and a whole one behind a torn one.
    let mut zeros = batch.to_vec();
    zeros[20..40].fill(0);
    tails.push([&zeros, batch].concat());
    tails.push([&batch[..13], &[2, 0, 0], &[0; 8], &[0xff; 10]].concat());
    // A log takes its time to open: some of the tails are tried.
    for (n, tail) in tails.iter().enumerate().filter(|(n, _)| n.is_multiple_of(23) || n + 2 >= tails.len()) {
        let log = left.with_file_name(format!("torn-{n}"));
        crate::harness::copy(&left, &log);
        let (path, mut bytes) = content(&log);
        bytes.extend_from_slice(tail);
        bytes.resize(bytes.len() + 1_000, 0);
        std::fs::write(path, bytes).unwrap();
        let broker = match open(&log).await {
            Ok(broker) => broker,
            Err(error) => panic!("tail {n}: {}", text(&error)),
        };
        for id in &accepted {
            assert!(broker.melding(*id).await.unwrap().is_some(), "tail {n}: {id}");
        }
        broker.close().await.unwrap();
        let beside: Vec<_> =
            files(&log).into_keys().filter(|path| path.to_string_lossy().contains("rest-")).collect();
        assert!(beside.is_empty(), "tail {n}: {beside:?}");
    }
}

#[tokio::test]
async fn damage_before_the_end_is_refused_and_nothing_changes_until_it_is_accepted() {
    let (h, accepted, _) = killed(20).await;
    let log = h.path().with_file_name("left");
    let (path, mut bytes) = content(&log);
    let ends = ends(&bytes);
    let begin = ends[ends.len() / 2];
    bytes[begin + 40] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let before = files(&log);
    for _ in 0..2 {
        let refused = text(&open(&log).await.err().unwrap());
        assert!(refused.contains("that were promised are missing"), "{refused}");
        assert!(find_loss(&log, None).unwrap().is_some_and(|loss| !loss.meldinger.is_empty()));
        assert_eq!(files(&log), before);
    }
    let done = accept_loss(&log, h.clock.now(), None).unwrap().unwrap();
    assert_eq!(done.rests.len(), 1);
    assert_eq!(std::fs::read(&done.rests[0]).unwrap(), bytes[begin..]);
    let broker = open(&log).await.unwrap();
    let gone: Vec<_> = done.loss.meldinger.iter().map(|lost| lost.id).collect();
    for id in &accepted {
        assert_eq!(broker.melding(*id).await.unwrap().is_none(), gone.contains(id), "{id}");
    }
    broker.close().await.unwrap();
}

/// What is missing in the middle, the number of the last step does not show.
#[tokio::test]
async fn damage_in_an_older_journal_is_refused_and_nothing_changes_until_it_is_accepted() {
    let (h, accepted, _) = killed(8).await;
    let log = h.path().with_file_name("left");
    let (path, bytes) = content(&log);
    // The same batches twice over are the same log.
    let number: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    std::fs::write(path.with_file_name(format!("{}.jnl", number + 1)), &bytes).unwrap();
    let ends = ends(&bytes);
    let mut damaged = bytes.clone();
    damaged[ends[ends.len() / 2] + 40] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    let before = files(&log);
    let name = path.file_name().unwrap().to_string_lossy();
    for refused in [open(&log).await.err().unwrap(), find_loss(&log, None).err().unwrap()] {
        let refused = text(&refused);
        assert!(refused.contains(&*name) && refused.contains("cannot be read from byte"), "{refused}");
        assert!(refused.contains("--godta-tap"), "{refused}");
        assert_eq!(files(&log), before);
    }
    let done = accept_loss(&log, h.clock.now(), None).unwrap().unwrap();
    assert_eq!((done.loss.journals.len(), done.rests.len()), (1, 1), "{}", done.loss);
    let broker = open(&log).await.unwrap();
    for id in &accepted {
        assert!(broker.melding(*id).await.unwrap().is_some(), "{id}");
    }
    broker.close().await.unwrap();
}
