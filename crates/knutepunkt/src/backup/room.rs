//! Room on the disk that a backup is written to, which others write to as well: where it is one of the installation's, what senders
//! need to be taken and receivers to be served stays free until the end, whatever comes meanwhile.

use std::cell::Cell;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::rom::{Disk, Minst};

/// So much must be left over when it is begun, wherever it lies. Bytes.
const SPARE: u64 = 64 * 1024 * 1024;
/// At most so much is written between two looks. Bytes.
pub(super) const LOOK_EVERY: usize = 8 * 1024 * 1024;

/// The disk has less free than what is kept and what is still to come.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} has {free} bytes free; {to_come} of the backup are still to come, and {kept} stay free there for the server. Name a folder on \
     another disk, or make room: remove older backups from it, or use a larger disk",
    target.display()
)]
pub(super) struct TooFull {
    target: PathBuf,
    free: u64,
    to_come: u64,
    kept: u64,
}

/// The disk of a backup.
pub(super) struct Room {
    target: PathBuf,
    /// What the installation keeps free there; empty where nothing of it lies there.
    kept: Vec<Minst>,
    free: Box<dyn Fn() -> io::Result<u64>>,
    /// What is known to be needed yet. Bytes.
    to_come: Cell<u64>,
}

impl Room {
    /// That of the folder `target`, for a backup of an installation that lies on `disks`.
    pub(super) fn of(target: &Path, disks: &[Disk]) -> io::Result<Self> {
        let own = target.metadata()?.dev();
        let is_same = |disk: &&Disk| disk.folder.metadata().is_ok_and(|folder| folder.dev() == own);
        let kept = disks.iter().filter(is_same).map(|disk| disk.minst.clone()).collect();
        let folder = target.to_owned();
        Ok(Self::new(target, kept, move || fs4::available_space(&folder)))
    }

    pub(super) fn new(target: &Path, kept: Vec<Minst>, free: impl Fn() -> io::Result<u64> + 'static) -> Self {
        Self { target: target.to_owned(), kept, free: Box::new(free), to_come: Cell::new(0) }
    }

    /// The folder of the backup.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Whether a backup that may take `expected` bytes has the room.
    ///
    /// # Errors
    /// [`TooFull`], or the disk cannot be looked at.
    pub(super) fn begin(&self, expected: u64) -> io::Result<()> {
        self.require(expected, self.kept_bytes().max(SPARE))
    }

    /// So many bytes are still to come, by what is known.
    pub(super) fn expect(&self, bytes: u64) {
        self.to_come.set(bytes);
    }

    /// So many of those that were to come were written, or are not needed.
    pub(super) fn came(&self, bytes: u64) {
        self.to_come.set(self.to_come.get().saturating_sub(bytes));
    }

    /// Whether to write on, for as much as is written between two looks.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) fn look(&self) -> io::Result<()> {
        if self.kept.is_empty() {
            // The write itself says when it is full, and it is nobody else's.
            return Ok(());
        }
        self.require(self.to_come.get(), self.kept_bytes().saturating_add(LOOK_EVERY as u64))
    }

    fn kept_bytes(&self) -> u64 {
        self.kept.iter().map(Minst::bytes).max().unwrap_or(0)
    }

    fn require(&self, to_come: u64, kept: u64) -> io::Result<()> {
        let free = (self.free)()?;
        if free >= to_come.saturating_add(kept) {
            return Ok(());
        }
        Err(io::Error::other(TooFull { target: self.target.clone(), free, to_come, kept }))
    }
}
