//! A copy of a log that may be opened without a trace. While it is there its tables take room on the disk, whatever becomes of
//! the log; so one that a killed process left behind is removed by whoever opens the log next.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{Loss, StoreError, folder, witness};

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
        folder::make(&folder).map_err(StoreError::Files)?;
        let mut shadow = Self { log: folder.join("ko"), folder, _lock: lock };
        shadow.log = fill(path, &shadow.folder)?;
        Ok(shadow)
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.log
    }

    /// What it lies in, with the copy of its witness.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
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

/// Copies the log at `path`, with its witness, into `folder`. Gives where the copy lies.
pub(super) fn fill(path: &Path, folder: &Path) -> Result<PathBuf, StoreError> {
    let copy = folder.join("ko");
    folder::copy(path, &copy).map_err(StoreError::Files)?;
    let from = witness::beside(path);
    match folder::copy_file(&from, &witness::beside(&copy)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(StoreError::Unreadable { file: from, source }),
        Ok(()) => {}
    }
    Ok(copy)
}

impl Loss {
    /// What a copy in `folder` lacks, said of the log at `path` that it is a copy of.
    pub(super) fn said_of(mut self, folder: &Path, path: &Path) -> Self {
        self.witness_missing = self.witness_missing.map(|file| original(&file, folder, path));
        for journal in &mut self.journals {
            journal.path = original(&journal.path, folder, path);
        }
        self
    }
}

impl StoreError {
    /// What is wrong with a copy in `folder`, said of the log at `path` that it is a copy of: the copy is gone by the time that
    /// somebody reads it.
    pub(super) fn said_of(self, folder: &Path, path: &Path) -> Self {
        let of = |file: PathBuf| original(&file, folder, path);
        match self {
            Self::DamagedFile { file, source } => Self::DamagedFile { file: of(file), source },
            Self::Missing { file } => Self::Missing { file: of(file) },
            Self::MissingJournal { file } => Self::MissingJournal { file: of(file) },
            Self::Unreadable { file, source } => Self::Unreadable { file: of(file), source },
            Self::NoLog { witness } => Self::NoLog { witness: of(witness) },
            Self::Lost(loss) => Self::Lost(Box::new(loss.said_of(folder, path))),
            Self::WitnessMissing(loss) => Self::WitnessMissing(Box::new(loss.said_of(folder, path))),
            Self::Torn(mut torn) => {
                for journal in &mut torn {
                    journal.path = original(&journal.path, folder, path);
                }
                Self::Torn(torn)
            }
            error => error,
        }
    }
}

fn original(file: &Path, folder: &Path, path: &Path) -> PathBuf {
    let copy = folder.join("ko");
    if file == witness::beside(&copy) {
        return witness::beside(path);
    }
    match file.strip_prefix(&copy) {
        Ok(below) => path.join(below),
        Err(_) => file.to_owned(),
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
