//! Looks after files that a running server does not miss: those of the registry on SQLite, which it has open, and those of the data
//! folder that it has read. Whoever removes or replaces them is told while all can still be mended; after a stop it is too late.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use storage::RegistryFiles;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::mark;
use crate::{files, passord_key};

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);

/// What is looked after.
pub(crate) struct InPlace {
    registry: Option<Arc<RegistryFiles>>,
    has_registry: bool,
    data: PathBuf,
    /// Held open, so that no other folder is taken for it.
    folder: File,
    key: Kept,
    mark: Kept,
}

/// A file whose content this process has.
struct Kept {
    path: PathBuf,
    content: Vec<u8>,
    is_in_place: bool,
}

/// What a look at a file has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It is in its place, or cannot be looked at.
    InPlace,
    /// There is none.
    Gone,
    /// It has another content.
    Another,
}

impl InPlace {
    /// Of the data folder `data`, with the registry whose files are `registry`.
    ///
    /// # Errors
    /// When something cannot be read.
    pub(crate) fn new(data: &Path, registry: Option<Arc<RegistryFiles>>) -> io::Result<Self> {
        // So that it is known what is open before anybody can move it away.
        if let Some(files) = registry.as_deref() {
            files.look();
        }
        Ok(Self {
            registry,
            has_registry: true,
            data: data.to_owned(),
            folder: File::open(data)?,
            key: Kept::read(passord_key::path(data))?,
            mark: Kept::read(data.join(mark::FILE))?,
        })
    }

    /// Looks, and says what has changed. Returns whether the registry's being in place has.
    fn look(&mut self) -> bool {
        let is_ours = self.folder.metadata().is_ok_and(|open| is_it(&self.data, &open));
        match self.key.look() {
            Found::Another => self.key.say_once(
                "passord.key was replaced under this server, which still uses the one that it was started with: with the other one nobody \
                 can log in any more. Put it back, from a backup",
            ),
            found => self.key.put_back(found, is_ours),
        }
        let found = self.mark.look();
        if found == Found::Another {
            // The server itself writes it.
            self.mark.read_again();
        }
        self.mark.put_back(found, is_ours);
        self.look_at_registry()
    }

    fn look_at_registry(&mut self) -> bool {
        let Some(files) = self.registry.as_deref() else { return false };
        let is_in_place = files.look();
        if std::mem::replace(&mut self.has_registry, is_in_place) == is_in_place {
            return false;
        }
        if is_in_place {
            tracing::info!("the files of the registry are in their places again, changes are taken");
        } else {
            tracing::error!(
                path = %files.path().display(),
                process = std::process::id(),
                still_open = open_files(files.path()).join(", "),
                "a file of the registry, its -wal or its -shm was removed, moved or replaced under this server. What was changed since may \
                 be gone when it is killed, so nothing more is changed. Put back what was moved. Where the registry's own file was removed, \
                 copy what is still open from /proc/PID/fd first; then stop the server in good order, which writes what stands in the -wal \
                 to the file, and start it again"
            );
        }
        true
    }
}

impl Kept {
    fn read(path: PathBuf) -> io::Result<Self> {
        let content = std::fs::read(&path)?;
        Ok(Self { path, content, is_in_place: true })
    }

    fn read_again(&mut self) {
        if let Ok(content) = std::fs::read(&self.path) {
            self.content = content;
        }
    }

    fn look(&self) -> Found {
        match std::fs::read(&self.path) {
            Ok(found) if found == self.content => Found::InPlace,
            Ok(_) => Found::Another,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Found::Gone
            }
            Err(_) => Found::InPlace,
        }
    }

    /// Puts it back where it is gone from a folder that is ours, and says so.
    fn put_back(&mut self, found: Found, is_ours: bool) {
        if found != Found::Gone {
            if !std::mem::replace(&mut self.is_in_place, true) {
                tracing::info!(path = %self.path.display(), "the file is in its place again");
            }
            return;
        }
        match if is_ours { self.write() } else { Err(ErrorKind::NotFound.into()) } {
            Ok(()) => tracing::error!(
                path = %self.path.display(),
                "a file of the data folder, without which no server starts, was removed under this server, and was written again from what \
                 the server has in memory. Look who removes files there"
            ),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the file cannot be written again");
                self.say_once(
                    "a file of the data folder, without which no server starts, is gone under this server, and cannot be written again. Bring \
                     the folder back, or make a backup of what is left and restore the file before the server is stopped",
                );
            }
        }
    }

    /// Never in the place of one that has come meanwhile.
    fn write(&self) -> io::Result<()> {
        let draft = self.path.with_added_extension("igjen");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&self.content)?;
        file.sync_all()?;
        let linked = std::fs::hard_link(&draft, &self.path);
        std::fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => self.path.parent().map_or(Ok(()), files::sync_folder),
        }
    }

    fn say_once(&mut self, what: &str) {
        if std::mem::replace(&mut self.is_in_place, false) {
            tracing::error!(path = %self.path.display(), "{what}");
        }
    }
}

/// Looks for as long as it is polled, and notifies `changed` where the registry may be used no more, or again.
pub(crate) async fn watch(mut files: InPlace, changed: Arc<Notify>) {
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let looked = tokio::task::spawn_blocking(move || {
            let has_changed = files.look();
            (files, has_changed)
        });
        let Ok((back, has_changed)) = looked.await else { return };
        files = back;
        if has_changed {
            changed.notify_one();
        }
    }
}

/// Whether at `path` is what is `open`.
fn is_it(path: &Path, open: &Metadata) -> bool {
    path.metadata().is_ok_and(|found| (open.dev(), open.ino()) == (found.dev(), found.ino()))
}

/// The files that this process has open whose names begin as that of the database `file`, with their numbers.
fn open_files(file: &Path) -> Vec<String> {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut files = Vec::new();
    for entry in open.flatten() {
        let Ok(path) = std::fs::read_link(entry.path()) else { continue };
        let path = path.display().to_string();
        if path.contains(&*name) && !path.contains(".lock") {
            files.push(format!("{}: {path}", entry.file_name().display()));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn data_folder() -> (tempfile::TempDir, PathBuf, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let (key, mark) = (passord_key::path(&data), data.join(mark::FILE));
        fs::write(&key, [7; 32]).unwrap();
        fs::write(&mark, "first").unwrap();
        (folder, data, key, mark)
    }

    #[test]
    fn key_and_mark_that_are_removed_under_a_server_are_written_again() {
        let (_folder, data, key, mark) = data_folder();
        let mut files = InPlace::new(&data, None).unwrap();
        // As the server does.
        files::replace(&mark, b"second").unwrap();
        files.look();
        fs::remove_file(&key).unwrap();
        fs::remove_file(&mark).unwrap();
        files.look();
        assert_eq!(fs::read(&key).unwrap(), [7; 32]);
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&mark).unwrap(), b"second");
        assert_eq!(fs::read_dir(&data).unwrap().count(), 2);
    }

    #[test]
    fn another_key_and_another_folder_are_said_and_left_as_they_are() {
        let (folder, data, key, _) = data_folder();
        let mut files = InPlace::new(&data, None).unwrap();
        fs::write(&key, [8; 32]).unwrap();
        files.look();
        assert!(!files.key.is_in_place);
        assert_eq!(fs::read(&key).unwrap(), [8; 32]);
        fs::write(&key, [7; 32]).unwrap();
        files.look();
        assert!(files.key.is_in_place);
        // As when a disk is unmounted.
        fs::rename(&data, folder.path().join("aside")).unwrap();
        fs::create_dir(&data).unwrap();
        files.look();
        assert!(!files.key.is_in_place && !files.mark.is_in_place);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "no key is left where the disk is not");
    }

    #[tokio::test]
    async fn registry_that_is_moved_and_put_back_is_noticed_once_each() {
        let (folder, data, ..) = data_folder();
        let register = data.join("register.sqlite");
        let database = storage::connect(&format!("sqlite://{}?mode=rwc", register.display())).await.unwrap();
        database.migrate().await.unwrap();
        let mut files = InPlace::new(&data, database.files()).unwrap();
        assert!(!files.look());
        let aside = folder.path().join("register.sqlite.borte");
        fs::rename(&register, &aside).unwrap();
        assert!(files.look() && !files.look());
        assert!(open_files(&register).iter().any(|open| open.ends_with("borte")));
        fs::rename(&aside, &register).unwrap();
        assert!(files.look() && !files.look());
    }
}
