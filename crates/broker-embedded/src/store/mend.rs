//! All that can be read of a damaged journal, also behind the damage.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::journal::whole_batch;

/// Leaves nothing in a journal but whole batches. Returns how many bytes went that could not be read.
///
/// A batch is found again behind a damaged one by reading from every byte with which one may begin; nearly none of them gets
/// further than its next few bytes.
pub(super) fn mend(journal: &Path) -> io::Result<u64> {
    let mut bytes = std::fs::read(journal)?;
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end);
    let mut whole = Vec::with_capacity(bytes.len());
    let (mut at, mut gone) = (0, 0);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(batch) = whole_batch(rest)?.and_then(|length| rest.get(..length)) {
            whole.extend_from_slice(batch);
            at += batch.len();
            continue;
        }
        let mut next = rest.len();
        for start in memchr::memchr_iter(1, rest) {
            if start > 0 && whole_batch(rest.get(start..).unwrap_or_default())?.is_some() {
                next = start;
                break;
            }
        }
        at += next;
        gone += next as u64;
    }
    if gone > 0 {
        let draft = journal.with_extension("utkast");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&whole)?;
        file.sync_all()?;
        std::fs::rename(&draft, journal)?;
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::super::tests::store;
    use super::*;

    /// Whichever byte of it is wrong, one batch is lost and all others are kept.
    #[test]
    fn all_but_the_damaged_batch_is_kept() {
        let folder = tempfile::tempdir().expect("there is room");
        let log = store(&folder, 3);
        let journal = folder.path().join("0.jnl");
        let mut ends = vec![];
        for _ in 0..3 {
            log.write().commit(true).expect("it can be written");
            let bytes = std::fs::read(&journal).expect("it is there");
            ends.push(bytes.iter().rposition(|byte| *byte != 0).expect("it is filled") + 1);
        }
        drop(log);
        let bytes = std::fs::read(&journal).expect("it is there");
        let copy = folder.path().join("copy");
        // Sequence numbers and counts of a batch's start stand before all that has a checksum.
        for at in ends[0] + 13..ends[1] {
            let mut damaged = bytes[..ends[2]].to_vec();
            damaged[at] ^= 0x40;
            std::fs::write(&copy, damaged).expect("there is room");
            assert_eq!(mend(&copy).expect("it can be read"), (ends[1] - ends[0]) as u64, "{at}");
            let kept = std::fs::read(&copy).expect("it is there");
            assert!(kept == [&bytes[..ends[0]], &bytes[ends[1]..ends[2]]].concat(), "{at}");
        }
        std::fs::write(&copy, &bytes).expect("there is room");
        assert_eq!(mend(&copy).expect("it can be read"), 0);
        assert!(std::fs::read(&copy).expect("it is there") == bytes);
    }
}
