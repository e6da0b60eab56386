//! A backup that is there, looked at.

use std::path::{Path, PathBuf};

use super::manifest::{Form, Manifest};
use super::sums::Sums;
use super::{PAYLOADS, ROWS, SQLITE};
use crate::progress::Progress;

/// A finished backup.
pub(crate) struct Backup {
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) sums: Sums,
}

impl Backup {
    /// Reads what a backup says of itself, and compares the sum of each of its files.
    ///
    /// # Errors
    /// When it is no finished backup, or anything in it is not as it was written.
    pub(crate) fn open(folder: &Path, progress: &Progress) -> anyhow::Result<Self> {
        let manifest = Manifest::read(folder)?;
        let sums = Sums::read(folder, &manifest.sha256sums)?;
        let bytes = sums.check(folder, progress)?;
        progress.say(format!("all files have their sums, {bytes} bytes"));
        Ok(Self { folder: folder.to_owned(), manifest, sums })
    }

    /// The name of the file with the registry.
    pub(crate) fn registry(&self) -> &'static str {
        match self.manifest.register.form {
            Form::Sqlite => SQLITE,
            Form::Postgres => ROWS,
        }
    }

    /// The names of the payloads, as they are called in their store.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = &str> {
        self.sums.below(PAYLOADS)
    }

    /// The sum that a file of it must have.
    ///
    /// # Errors
    /// When it has no such file.
    pub(crate) fn sum(&self, name: &str) -> anyhow::Result<&str> {
        self.sums
            .of(name)
            .ok_or_else(|| anyhow::anyhow!("{} has no {name}; it is no whole backup", self.folder.display()))
    }
}
