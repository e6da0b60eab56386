//! Whether the files of a SQLite registry are still those that are open. SQLite itself notices nothing where they are removed, moved
//! or replaced: what is written then is gone once the last process closes them, and another process that opens the database meanwhile
//! knows nothing of what this one does.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use app::ports::RegistryError;

use crate::error::backend;

/// How long after a first look there is a second one: only what both find is not in its place.
const AGAIN: Duration = Duration::from_millis(50);

/// Where the system lists what this process has open. Nothing is opened by looking at it: to close one of SQLite's files once more would
/// let go of its locks.
const OPEN: &str = "/proc/self/fd";

/// A file, whatever its name.
type FileId = (u64, u64);

/// The files of a SQLite registry as they were when it was opened.
#[derive(Debug)]
pub struct RegistryFiles {
    path: PathBuf,
    id: FileId,
    /// Those beside it, which SQLite makes and removes itself: its log of changes, and the index of that.
    beside: [Beside; 2],
    displaced: AtomicBool,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "a file of the registry was removed, moved or replaced under this server, so nothing is written to it"
)]
struct Displaced;

impl RegistryFiles {
    /// Those of the registry at `path`, which is open; `None` where it cannot be looked at.
    pub(crate) fn of(path: PathBuf) -> Option<Self> {
        let id = id(&path.metadata().ok()?);
        // As the system names it.
        let named = path.canonicalize().ok()?;
        let beside = ["-wal", "-shm"].map(|end| Beside::new(&named, end));
        Some(Self { path, id, beside, displaced: AtomicBool::new(false) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks whether all are in place. Where they are not, the registry takes no changes until they are. Reads folders.
    pub fn look(&self) -> bool {
        let mut is_displaced = self.is_displaced();
        if is_displaced {
            // SQLite may just be closing its log.
            thread::sleep(AGAIN);
            is_displaced = self.is_displaced();
        }
        self.displaced.store(is_displaced, Ordering::Relaxed);
        !is_displaced
    }

    fn is_displaced(&self) -> bool {
        is_elsewhere(&self.path, self.id) || self.beside.iter().any(Beside::is_displaced)
    }

    /// Fails where they were not in place at the last look.
    pub(crate) fn check(&self) -> Result<(), RegistryError> {
        if self.displaced.load(Ordering::Relaxed) { Err(backend(Displaced)) } else { Ok(()) }
    }
}

/// A file beside the database.
#[derive(Debug)]
struct Beside {
    path: PathBuf,
    removed: PathBuf,
    /// One of the names under which the system has it open, and which file that was.
    open: Mutex<Option<(PathBuf, FileId)>>,
}

impl Beside {
    fn new(database: &Path, end: &str) -> Self {
        let path = PathBuf::from(format!("{}{end}", database.display()));
        let removed = PathBuf::from(format!("{} (deleted)", path.display()));
        Self { path, removed, open: Mutex::default() }
    }

    /// Whether SQLite has it open, and at its place is nothing or another one.
    fn is_displaced(&self) -> bool {
        self.find_open().is_some_and(|open| is_elsewhere(&self.path, open))
    }

    fn find_open(&self) -> Option<FileId> {
        let mut known = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, file)) = &*known
            && name.metadata().is_ok_and(|found| id(&found) == *file)
        {
            return Some(*file);
        }
        let is_it = |name: &PathBuf| {
            std::fs::read_link(name).is_ok_and(|found| found == self.path || found == self.removed)
        };
        let open = std::fs::read_dir(OPEN).ok()?.flatten().map(|entry| entry.path()).find(is_it);
        *known = open.and_then(|name| Some((name.clone(), id(&name.metadata().ok()?))));
        known.as_ref().map(|(_, file)| *file)
    }
}

/// Whether at `path` there is nothing, or another file than the one that is `open`. What cannot be looked at is not taken for gone.
fn is_elsewhere(path: &Path, open: FileId) -> bool {
    match path.metadata() {
        Ok(found) => id(&found) != open,
        Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

fn id(file: &Metadata) -> FileId {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use app::ports::Registry;
    use tempfile::TempDir;

    use super::*;
    use crate::database::{Database, SQLITE_READERS, connect};

    async fn registry() -> (TempDir, PathBuf, Database, Arc<dyn Registry>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("register.sqlite");
        let database = connect(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap();
        database.migrate().await.unwrap();
        let registry = database.registry().await.unwrap();
        (folder, file, database, registry)
    }

    #[tokio::test]
    async fn registry_whose_file_was_moved_takes_no_changes_until_it_is_back() {
        let (folder, file, database, registry) = registry().await;
        let aside = folder.path().join("aside");
        let files = database.files().unwrap();
        assert!(files.look());
        registry.begin().await.unwrap().commit().await.unwrap();
        std::fs::rename(&file, &aside).unwrap();
        assert!(!files.look());
        assert!(registry.begin().await.is_err());
        assert!(registry.begin_read().await.is_ok(), "what was read is still what it was");
        std::fs::copy(&aside, &file).unwrap();
        assert!(!files.look(), "it is another");
        std::fs::rename(&aside, &file).unwrap();
        assert!(files.look());
        registry.begin().await.unwrap().commit().await.unwrap();
    }

    /// However many read at a time, and however long the connections have been idle.
    #[tokio::test]
    async fn nothing_is_made_where_the_registry_was_moved_from() {
        let (folder, file, database, registry) = registry().await;
        let log = PathBuf::from(format!("{}-wal", file.display()));
        let before = std::fs::read(&log).unwrap();
        assert!(!before.is_empty(), "there is something to lose");
        std::fs::rename(&file, folder.path().join("aside")).unwrap();
        let mut readers = Vec::new();
        for _ in 0..SQLITE_READERS {
            readers.push(registry.begin_read().await.unwrap());
        }
        assert!(!file.exists());
        assert_eq!(before, std::fs::read(&log).unwrap());
        drop(readers);
        database.writer().get_sqlite_connection_pool().acquire().await.unwrap().close().await.unwrap();
        assert!(registry.begin().await.is_err(), "no other connection can be had");
        assert!(!file.exists());
        assert_eq!(before, std::fs::read(&log).unwrap());
    }

    /// Removed, moved or replaced, be it the log of changes or its index.
    #[tokio::test]
    async fn registry_whose_log_or_index_is_gone_takes_no_changes() {
        for end in ["-wal", "-shm"] {
            for (what, is_back) in [("removed", false), ("replaced", false), ("moved", true)] {
                let (folder, file, database, registry) = registry().await;
                let beside = PathBuf::from(format!("{}{end}", file.display()));
                let aside = folder.path().join("aside");
                let files = database.files().unwrap();
                assert!(files.look());
                std::fs::copy(&beside, &aside).unwrap();
                match what {
                    "removed" => std::fs::remove_file(&beside).unwrap(),
                    _ if what == "moved" => std::fs::rename(&beside, &aside).unwrap(),
                    _ => std::fs::rename(&aside, &beside).unwrap(),
                }
                assert!(!files.look(), "{end} {what}");
                assert!(registry.begin().await.is_err(), "{end} {what}");
                if is_back {
                    std::fs::rename(&aside, &beside).unwrap();
                    assert!(files.look(), "{end} is back");
                    registry.begin().await.unwrap().commit().await.unwrap();
                }
            }
        }
    }

    /// SQLite makes and removes its log and the index itself, as where all connections end for a while.
    #[tokio::test]
    async fn log_that_sqlite_removes_itself_is_not_missed() {
        let (_folder, file, database, _registry) = registry().await;
        let files = database.files().unwrap();
        assert!(files.look());
        let url = format!("sqlite://{}?mode=rw", file.display());
        database.close().await.unwrap();
        assert!(!PathBuf::from(format!("{}-wal", file.display())).exists());
        assert!(files.look(), "they are closed");
        let again = connect(&url).await.unwrap();
        again.ping().await.unwrap();
        assert!(files.look(), "they are others");
        again.close().await.unwrap();
        assert!(files.look());
    }
}
