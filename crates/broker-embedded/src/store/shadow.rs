//! A copy of a log that may be opened without a trace: its tables, which are never changed, under a second name, and copies of
//! all that opening it changes.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{StoreError, witness};

/// What the folder is called that it lies in, beside the log.
const EXTENSION: &str = "skygge";
/// Folders whose files are written once.
const WRITTEN_ONCE: [&str; 2] = ["tables", "blobs"];
const CHUNK: usize = 256 * 1024;

/// Taken away again when it is dropped.
pub(super) struct Shadow {
    folder: PathBuf,
    log: PathBuf,
}

impl Shadow {
    /// Makes one of the log at `path`, with its witness, in place of an older one that a killed process left behind.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let _lock = lock(path)?;
        let folder = path.with_extension(EXTENSION);
        let shadow = Self { log: folder.join("ko"), folder };
        shadow.fill(path).map_err(StoreError::Files)?;
        Ok(shadow)
    }

    fn fill(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&self.folder)?;
        copy_folder(path, &self.log)?;
        match copy_file(&witness::beside(path), &witness::beside(&self.log)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.log
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(
                path = %self.folder.display(),
                error = &error as &dyn std::error::Error,
                "a copy of the queue log that was made to look at it could not be removed"
            );
        }
    }
}

/// Keeps a server from opening the log, and refuses where one has it open.
fn lock(path: &Path) -> Result<Option<File>, StoreError> {
    let file = match File::open(path.join("lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(StoreError::Files)?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(StoreError::Files(error)),
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&source, &target)?;
        } else if from.file_name().is_some_and(|name| WRITTEN_ONCE.iter().any(|once| name == *once)) {
            std::fs::hard_link(&source, &target)?;
        } else {
            copy_file(&source, &target)?;
        }
    }
    Ok(())
}

/// Copies a file. Where the original has nothing but zeros, the copy takes no room: most of a journal was never written to.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let mut chunk = vec![0; CHUNK];
    let mut length = 0;
    loop {
        let count = source.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        length += count as u64;
        if bytes.iter().all(|byte| *byte == 0) {
            target.seek(SeekFrom::Current(i64::try_from(count).unwrap_or_default()))?;
        } else {
            target.write_all(bytes)?;
        }
    }
    target.set_len(length)
}
