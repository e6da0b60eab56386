//! Opening a damaged log as far as it goes.

use std::path::{Path, PathBuf};

use fjall::Database;

use crate::store::StoreError;
use crate::store::damage::guarded;
use crate::store::journal::{first_step, list};
use crate::store::mend::mend;
use crate::store::shadow::Shadow;

/// What was made to be opened in place of a damaged log.
pub(super) struct Opened {
    pub(super) shadow: Shadow,
    /// Bytes of journals that could not be read.
    pub(super) journal_bytes: u64,
    /// No step before this one stands in a journal; `None` where that is not known.
    pub(super) journal_from: Option<u64>,
    /// How many keyspaces it has to do without.
    pub(super) unopened: usize,
}

/// A shadow of the log whose journals have all their whole batches, and without the keyspaces that cannot be opened.
pub(super) fn open_what_can_be(path: &Path) -> Result<Opened, StoreError> {
    let mut without: Vec<PathBuf> = Vec::new();
    if let Err(error) = try_open(path, &without) {
        if !error.is_damage() && !matches!(error, StoreError::Backend(_)) {
            return Err(error);
        }
        let mut all = Vec::new();
        for entry in std::fs::read_dir(path.join("keyspaces")).map_err(StoreError::Files)? {
            let name = PathBuf::from(entry.map_err(StoreError::Files)?.file_name());
            // The list of all others.
            if name != Path::new("0") {
                all.push(name);
            }
        }
        for name in &all {
            let alone: Vec<_> = all.iter().filter(|other| *other != name).cloned().collect();
            if try_open(path, &alone).is_err() {
                without.push(name.clone());
            }
        }
        try_open(path, &without)?;
    }
    let (shadow, journal_bytes) = prepared(path, &without)?;
    let journal_from = match list(path).map_err(StoreError::Files)?.first() {
        Some(oldest) => first_step(oldest).map_err(StoreError::Journals)?,
        None => None,
    };
    Ok(Opened { shadow, journal_bytes, journal_from, unopened: without.len() })
}

fn try_open(path: &Path, without: &[PathBuf]) -> Result<(), StoreError> {
    let (shadow, _) = prepared(path, without)?;
    guarded(|| {
        drop(Database::builder(shadow.path()).worker_threads(1).open()?);
        Ok(())
    })
}

fn prepared(path: &Path, without: &[PathBuf]) -> Result<(Shadow, u64), StoreError> {
    let shadow = Shadow::of(path)?;
    let mut gone = 0;
    for journal in list(shadow.path()).map_err(StoreError::Files)? {
        gone += mend(&journal).map_err(StoreError::Files)?;
    }
    for name in without {
        std::fs::remove_dir_all(shadow.path().join("keyspaces").join(name)).map_err(StoreError::Files)?;
    }
    Ok((shadow, gone))
}
