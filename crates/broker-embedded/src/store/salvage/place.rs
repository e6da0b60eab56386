//! How the new log takes the place of the damaged one, so that a process that is killed in the middle loses nothing.
//!
//! The new log is made in a folder of its own, `ko.berget`. Once it is whole and on the disk a note is put beside it; from then on
//! it is settled that it takes the place, and whoever opens the log next goes on with what is left to do:
//!
//! 1. the damaged log gets another name, `ko.skadet-TIME`;
//! 2. the new log gets its name;
//! 3. the witness of the damaged log gets another name, `ko.vitne-TIME`: last, so that until then the old one would refuse the
//!    new log rather than say nothing;
//! 4. the witness of the new log gets its name;
//! 5. the folder is removed.
//!
//! What is done already is seen by what is left in the folder, so each step can be tried again. A folder without a note is of no
//! use, and is removed: the damaged log is still in its place.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::store::folder::{self, sync_folder_of};
use crate::store::witness;

const EXTENSION: &str = "berget";
const NOTE: &str = "ferdig";

/// Where a new log is made beside that at `path`.
pub(super) fn beside(path: &Path) -> PathBuf {
    path.with_extension(EXTENSION)
}

/// Whether one was begun.
pub(in crate::store) fn is_there(path: &Path) -> bool {
    beside(path).exists()
}

/// Where the new log lies in it.
pub(super) fn new_log(path: &Path) -> PathBuf {
    beside(path).join("ko")
}

/// What the damaged log is called from then on.
pub(super) fn old_log(path: &Path, stamp: i64) -> PathBuf {
    path.with_extension(format!("skadet-{stamp}"))
}

/// Settles that the new log takes the place. Nothing of it may be missing any more.
pub(super) fn settle(path: &Path, stamp: i64) -> io::Result<()> {
    let draft = beside(path).join("ferdig.utkast");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(stamp.to_string().as_bytes())?;
    file.sync_all()?;
    let note = beside(path).join(NOTE);
    std::fs::rename(draft, &note)?;
    sync_folder_of(&note)?;
    sync_folder_of(&beside(path))
}

/// The time of a new log that is whole and has not, or not entirely, taken its place yet. That there is a note is what counts: where
/// it does not say the time any more, that of the note itself will do.
fn settled(path: &Path) -> io::Result<Option<i64>> {
    let note = beside(path).join(NOTE);
    let bytes = match std::fs::read(&note) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    if let Some(stamp) = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok()) {
        return Ok(Some(stamp));
    }
    let written = Timestamp::try_from(note.metadata()?.modified()?).map_err(io::Error::other)?;
    Ok(Some(folder::unused_stamp(path, written)))
}

/// Removes a new log that is not to take the place; `each` is asked before the second step. The note goes first: were it left with half of the new log, that half would
/// take the place.
pub(super) fn discard(path: &Path, each: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
    let note = beside(path).join(NOTE);
    match std::fs::remove_file(&note) {
        Ok(()) => sync_folder_of(&note)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    each()?;
    folder::remove(&beside(path)).map(drop)
}

/// Does what is left to do; `each` is asked before each step. Gives the damaged log's new name, or `None` where none is settled:
/// what was only begun is removed then.
///
/// # Errors
/// What the file system refuses. What was done until then stands, and whoever calls this next goes on from there: until the new log
/// and its witness have their names, no log can be opened that would pass for whole.
pub(super) fn finish(path: &Path, each: &mut dyn FnMut() -> io::Result<()>) -> io::Result<Option<PathBuf>> {
    let place = beside(path);
    let Some(stamp) = settled(path)? else {
        if folder::remove(&place)? {
            tracing::warn!(
                path = %place.display(),
                "removed what an interrupted salvage of the queue log had left behind; the damaged log is as it was"
            );
        }
        return Ok(None);
    };
    let (new, new_witness, witness) = (new_log(path), witness::beside(&new_log(path)), witness::beside(path));
    let old = old_log(path, stamp);
    if new.exists() {
        move_away(path, &old, each)?;
        move_in(&new, path, each)?;
    }
    if new_witness.exists() {
        move_away(&witness, &path.with_extension(format!("vitne-{stamp}")), each)?;
        move_in(&new_witness, &witness, each)?;
    }
    each()?;
    // The note goes with it: without the new log in it, what is left is of no use to anybody.
    folder::remove(&place)?;
    sync_folder_of(path)?;
    Ok(Some(old))
}

fn move_away(from: &Path, to: &Path, each: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
    if from.exists() {
        each()?;
        std::fs::rename(from, to)?;
        sync_folder_of(to)?;
    }
    Ok(())
}

fn move_in(from: &Path, to: &Path, each: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
    each()?;
    std::fs::rename(from, to)?;
    sync_folder_of(to)?;
    sync_folder_of(from)
}

#[cfg(test)]
mod tests {
    use super::super::{Emptied, make};
    use super::*;
    use crate::store::Store;
    use crate::store::loss::LAYOUT;
    use crate::store::tests::store_at;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("it is there");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// What a process that was killed had left to do is done by whoever opens the log next, and the damaged log and its witness
    /// are kept.
    #[test]
    fn killed_at_any_step_the_new_log_takes_its_place_at_the_next_start() {
        let mut steps = 0;
        for stop_at in 0.. {
            let folder = tempfile::tempdir().expect("there is room");
            let log = folder.path().join("ko");
            drop(store_at(&log, 7));
            std::fs::write(log.join("keyspaces/0/current"), "damaged").expect("it can be written");
            let old_witness = std::fs::read(witness::beside(&log)).expect("it is there");
            let now = Timestamp::from_second(1_800_000_000).expect("it is in range");
            make(&log, now, None, Emptied::Refuse, &std::collections::BTreeMap::new())
                .expect("it can be read");
            settle(&log, now.as_second()).expect("there is room");
            let mut left = stop_at;
            let killed = finish(&log, &mut || {
                if left == 0 {
                    return Err(io::Error::other("killed"));
                }
                left -= 1;
                Ok(())
            });
            let (again, ..) = Store::open(&log, &LAYOUT).expect("the new log is whole");
            assert_eq!(again.meldinger.iter().count(), 7, "step {stop_at}");
            drop(again);
            assert_eq!(
                names(folder.path()),
                ["ko", "ko.skadet-1800000000", "ko.vitne", "ko.vitne-1800000000"],
                "step {stop_at}"
            );
            let kept = std::fs::read(log.with_extension("vitne-1800000000")).expect("it is there");
            assert!(kept == old_witness, "step {stop_at}");
            let damaged = std::fs::read(old_log(&log, 1_800_000_000).join("keyspaces/0/current"));
            assert_eq!(damaged.expect("it is kept"), b"damaged");
            if killed.is_ok() {
                steps = stop_at;
                break;
            }
        }
        assert_eq!(steps, 5, "each step was tried");
    }

    /// However far it came, half of a new log never takes the place.
    #[test]
    fn new_log_that_was_discarded_never_takes_the_place() {
        let folder = tempfile::tempdir().expect("there is room");
        let log = folder.path().join("ko");
        drop(store_at(&log, 7));
        let now = Timestamp::from_second(1_800_000_000).expect("it is in range");
        make(&log, now, None, Emptied::Refuse, &std::collections::BTreeMap::new()).expect("it can be read");
        settle(&log, now.as_second()).expect("there is room");
        discard(&log, &mut || Err(io::Error::other("killed"))).expect_err("it was killed");
        assert!(new_log(&log).is_dir(), "nothing of it is removed while its note is there");
        assert_eq!(settled(&log).expect("it can be read"), None);
        let (again, ..) = Store::open(&log, &LAYOUT).expect("it is whole");
        assert_eq!(again.meldinger.iter().count(), 7);
    }

    /// What was only begun is of no use.
    #[test]
    fn killed_before_the_new_log_is_whole_the_damaged_one_is_as_it_was() {
        let folder = tempfile::tempdir().expect("there is room");
        let log = folder.path().join("ko");
        drop(store_at(&log, 7));
        folder::make(&beside(&log)).expect("there is room");
        std::fs::write(beside(&log).join("ko"), "half").expect("there is room");
        folder::make(&log.with_extension("skygge")).expect("there is room");
        let (again, ..) = Store::open(&log, &LAYOUT).expect("it is whole");
        assert_eq!(again.meldinger.iter().count(), 7);
        assert_eq!(names(folder.path()), ["ko", "ko.vitne"]);
        // While somebody has it open nothing is cleared up.
        folder::make(&log.with_extension("skygge")).expect("there is room");
        assert!(matches!(super::super::clear_up(&log), Err(crate::store::StoreError::InUse)));
        drop(again);
        assert_eq!(super::super::clear_up(&log).expect("nobody has it"), None);
        assert_eq!(names(folder.path()), ["ko", "ko.vitne"]);
    }
}
