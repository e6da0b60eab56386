//! A copy of a log that may be opened without a trace. While it is there its tables take room on the disk, whatever becomes of
//! the log; so one that a killed process left behind is removed by whoever opens the log next.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{StoreError, folder, witness};

/// What the folder is called that it lies in, beside the log.
const EXTENSION: &str = "skygge";

/// Taken away again when it is dropped.
pub(super) struct Shadow {
    folder: PathBuf,
    log: PathBuf,
    /// Keeps a server from opening the log, and from removing this.
    _lock: Option<File>,
}

impl Shadow {
    /// Makes one of the log at `path`, with its witness, in place of an older one that a killed process left behind.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let lock = folder::lock(path)?;
        Self::locked(path, lock)
    }

    /// As [`Self::of`], where `lock` is held already.
    pub(super) fn locked(path: &Path, lock: Option<File>) -> Result<Self, StoreError> {
        clear(path)?;
        let folder = path.with_extension(EXTENSION);
        let shadow = Self { log: folder.join("ko"), folder, _lock: lock };
        shadow.fill(path).map_err(StoreError::Files)?;
        Ok(shadow)
    }

    fn fill(&self, path: &Path) -> io::Result<()> {
        folder::make(&self.folder)?;
        folder::copy(path, &self.log)?;
        match folder::copy_file(&witness::beside(path), &witness::beside(&self.log)) {
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

/// Whether a killed process left one behind, or one is in use.
pub(super) fn is_there(path: &Path) -> bool {
    path.with_extension(EXTENSION).exists()
}

/// Removes one that a killed process left behind. The log at `path` must be locked.
pub(super) fn clear(path: &Path) -> Result<(), StoreError> {
    let left = path.with_extension(EXTENSION);
    if folder::remove(&left).map_err(StoreError::Files)? {
        tracing::info!(
            path = %left.display(),
            "removed a copy of the queue log that an interrupted repair had left behind"
        );
    }
    Ok(())
}
