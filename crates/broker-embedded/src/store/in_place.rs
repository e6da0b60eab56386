//! Whether the files of a log that is open are still where they were.
//!
//! Whoever removes, moves or replaces them under a process that has them open causes no error: all that is written goes to files
//! that nobody finds any more once the process ends. So the places are compared with what is open, and each comparison is one that
//! cannot be wrong while the log store itself makes and removes files:
//!
//! - The folder, its lock and the witness are the same for as long as the log is open. What is open is held by a file of this
//!   process, so that no other can get its number.
//! - There are never fewer journals than the log store has: it makes one before it uses it, and removes one before it forgets it.
//!   The newest is the one that is written to, and is replaced by nobody.
//! - The tables of a version are removed when the last who uses it lets go of it, so all are there while it is looked at.
//!
//! What cannot be looked at, as where the disk fails, is not taken for gone.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use fjall::{AbstractTree as _, Keyspace};
use lsm_tree::BlobFile;

use super::{Store, journal, witness};

/// How long after a first look there is a second one: only what both find is not in its place.
const AGAIN: Duration = Duration::from_millis(50);

/// A file, whatever its name.
type FileId = (u64, u64);

/// Where the log was opened.
pub(super) struct Place {
    folder: File,
    lock: FileId,
    witness: FileId,
    /// The journal that is written to, as it was when it was first seen.
    newest: Mutex<Option<(u64, FileId)>>,
}

impl Place {
    /// That of the log in the folder `path`, which is open, and so is its witness.
    pub(super) fn of(path: &Path, witness: &Metadata) -> io::Result<Self> {
        let lock = id(&path.join("lock").metadata()?);
        Ok(Self { folder: File::open(path)?, lock, witness: id(witness), newest: Mutex::default() })
    }
}

impl Store {
    /// The files and folders that were removed, moved or replaced since the log was opened, or the first of several that were; empty
    /// where all are in place. Where not `all`, tables are not looked at, of which there may be many.
    pub(crate) fn displaced(&self, all: bool) -> BTreeSet<PathBuf> {
        let first = self.look_at_places(all);
        if first.is_empty() {
            return first;
        }
        thread::sleep(AGAIN);
        let second = self.look_at_places(all);
        first.intersection(&second).cloned().collect()
    }

    fn look_at_places(&self, all: bool) -> BTreeSet<PathBuf> {
        let mut displaced = BTreeSet::new();
        let witness = witness::beside(&self.path);
        if is_elsewhere(&witness, self.place.witness) {
            displaced.insert(witness);
        }
        if self.place.folder.metadata().is_ok_and(|open| is_elsewhere(&self.path, id(&open))) {
            displaced.insert(self.path.clone());
            // Whatever lies in another folder is not this log's.
            return displaced;
        }
        let lock = self.path.join("lock");
        if is_elsewhere(&lock, self.place.lock) {
            displaced.insert(lock);
        }
        let marker = self.path.join("version");
        if is_gone(&marker) {
            displaced.insert(marker);
        }
        displaced.extend(self.displaced_journal());
        if all {
            displaced.extend(self.keyspaces().into_iter().filter_map(displaced_part));
        }
        displaced
    }

    fn displaced_journal(&self) -> Option<PathBuf> {
        let before = self.db.journal_count();
        let there = journal::numbers(&self.path).ok()?;
        let open = before.min(self.db.journal_count());
        let Some(newest) = there.last().copied().filter(|_| there.len() >= open) else {
            return Some(self.path.join("*.jnl"));
        };
        let path = self.path.join(format!("{newest}.jnl"));
        let found = id(&path.metadata().ok()?);
        let mut known = self.place.newest.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some((number, open)) if number == newest => (open != found).then_some(path),
            _ => {
                *known = Some((newest, found));
                None
            }
        }
    }
}

/// A file of `keyspace` that is gone.
fn displaced_part(keyspace: &Keyspace) -> Option<PathBuf> {
    let current = keyspace.path().join("current");
    if is_gone(&current) {
        return Some(current);
    }
    let version = keyspace.tree.current_version();
    let list = keyspace.path().join(format!("v{}", version.id()));
    // One that is still current after the look was so before.
    if is_gone(&list) && keyspace.tree.current_version().id() == version.id() {
        return Some(list);
    }
    let tables = version.iter_tables().map(|table| table.path.as_path());
    let large = version.blob_files.iter().map(BlobFile::path);
    tables.chain(large).find(|path| is_gone(path)).map(Path::to_owned)
}

fn id(file: &Metadata) -> FileId {
    (file.dev(), file.ino())
}

/// Whether at `path` there is nothing, or another file than the one that is `open`.
fn is_elsewhere(path: &Path, open: FileId) -> bool {
    match path.metadata() {
        Ok(found) => id(&found) != open,
        Err(error) => says_gone(&error),
    }
}

fn is_gone(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| says_gone(&error))
}

fn says_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::MIB;
    use super::super::tests::{Place, konto, melding, store};
    use super::*;

    /// Journals come and go, and so do tables, all of which are in their places.
    #[test]
    fn what_the_log_store_makes_and_removes_is_never_taken_for_displaced() {
        let place = Place::new();
        let store = Arc::new(store(&place, 10));
        let first = journal::numbers(place.path()).expect("it can be read");
        let writing = Arc::clone(&store);
        let writer = thread::spawn(move || {
            for round in 0..40_u64 {
                let numbers = round * 100..(round + 1) * 100;
                let mut write = writing.write();
                for number in numbers.clone() {
                    let byte = u8::try_from(number % 251).expect("it is small");
                    let payload = vec![byte; usize::try_from(MIB / 10).expect("it is small")];
                    let melding = melding(number.into(), konto(1), konto(2));
                    write.payload(number, &melding, &payload).expect("it can be written");
                }
                write.commit(true).expect("it can be written");
                let mut write = writing.write();
                numbers.for_each(|number| write.payload_gone(number));
                write.commit(true).expect("it can be written");
                if round % 4 == 3 {
                    writing.flush().expect("it can be written");
                    writing.tidy(0).expect("it can be written");
                }
            }
        });
        let mut looks = 0;
        while !writer.is_finished() {
            assert_eq!(store.displaced(true), BTreeSet::new());
            looks += 1;
        }
        writer.join().expect("it can be written");
        let last = journal::numbers(place.path()).expect("it can be read");
        assert!(last.last() >= first.last().map(|first| first + 3).as_ref(), "{first:?} to {last:?}");
        assert!(looks > 10, "{looks}");
    }
}
