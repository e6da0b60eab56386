//! A look at the files of the log before it is opened. What opens them makes a new log where its marker is gone, and takes
//! away what it does not know: that must not happen to a log that holds meldinger.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{KEYSPACES, StoreError, blame, witness};

/// Refuses a folder without a log, where there must be one.
pub(super) fn require(path: &Path) -> Result<(), StoreError> {
    let marker = path.join("version");
    if exists(&marker)? { Ok(()) } else { Err(missing(marker)) }
}

/// Refuses a folder that holds parts of a log, but not all that is needed to read it.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let keyspaces = path.join("keyspaces");
    if !exists(&path.join("version"))? {
        // It is made before any keyspace, so a folder without one is new only where there is none.
        let written =
            names(&keyspaces)?.iter().any(|name| !names(&keyspaces.join(name)).is_ok_and(|n| n.is_empty()));
        return if written { Err(missing(path.join("version"))) } else { Ok(()) };
    }
    if !exists(&keyspaces)? {
        return Err(missing(keyspaces));
    }
    // There is always one that is written to, and a new one is made where there is none.
    if !names(path)?.iter().any(|name| Path::new(name).extension() == Some(OsStr::new("jnl"))) {
        return Err(missing(path.join("*.jnl")));
    }
    let kept = names(&keyspaces)?;
    // The list of all others. It is the first to be made.
    if !kept.is_empty() && !exists(&keyspaces.join("0"))? {
        return Err(missing(keyspaces.join("0")));
    }
    for name in &kept {
        check_keyspace(&keyspaces.join(name))?;
    }
    // They are made one after the other, all before anything is taken.
    let last = kept.iter().filter_map(number_of).max();
    for name in &kept {
        let current = keyspaces.join(name).join("current");
        if !exists(&current)? && (number_of(name) != last || was_in_use(path)?) {
            return Err(missing(current));
        }
    }
    Ok(())
}

/// Refuses a log that has promised something and lacks a keyspace: one that is not there is made anew, empty, by whoever opens
/// it, and all are made before anything is promised.
pub(super) fn check_all_there(path: &Path) -> Result<(), StoreError> {
    check(path)?;
    let keyspaces = path.join("keyspaces");
    let numbers: BTreeSet<u64> =
        names(&keyspaces)?.iter().filter_map(number_of).filter(|number| *number > 0).collect();
    // A folder without any log is for the witness to judge, which says what is lost.
    if exists(&path.join("version"))?
        && numbers.len() < KEYSPACES
        && witness::last_step(path)
            .map_err(|source| StoreError::Unreadable { file: witness::beside(path), source })?
            > 0
    {
        let absent = (1..=KEYSPACES as u64).find(|number| !numbers.contains(number)).unwrap_or_default();
        return Err(missing(keyspaces.join(absent.to_string())));
    }
    Ok(())
}

/// Whether anything was ever taken: its journals then have the number of a step.
fn was_in_use(path: &Path) -> Result<bool, StoreError> {
    let failed = |source| StoreError::Unreadable { file: path.to_owned(), source };
    for journal in super::journal::list(path).map_err(failed)? {
        let bytes = std::fs::read(&journal).map_err(failed)?;
        if memchr::memmem::find(&bytes, super::STEP.as_bytes()).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses a log that lacks a journal between others: they are numbered one by one, and given up from the oldest on.
pub(super) fn check_journals(path: &Path) -> Result<(), StoreError> {
    let numbers = match super::journal::numbers(path) {
        Ok(numbers) => numbers,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(StoreError::Unreadable { file: path.to_owned(), source }),
    };
    let gap = numbers.iter().zip(numbers.iter().skip(1)).find(|(number, next)| *number + 1 < **next);
    match gap {
        Some((number, _)) => {
            Err(StoreError::MissingJournal { file: path.join(format!("{}.jnl", number + 1)) })
        }
        None => Ok(()),
    }
}

/// One that is being made has its first version and no tables; anything more was in use, and needs all its parts.
fn check_keyspace(folder: &Path) -> Result<(), StoreError> {
    if !folder.is_dir() {
        return Ok(());
    }
    let current = folder.join("current");
    if !exists(&current)? {
        let later = names(folder)?.iter().any(|name| {
            let version = name.to_str().and_then(|name| name.strip_prefix('v')?.parse::<u64>().ok());
            version.is_some_and(|version| version > 0)
        });
        let used = later || !names(&folder.join("tables"))?.is_empty();
        return if used { Err(missing(current)) } else { Ok(()) };
    }
    let version = match current_version(folder) {
        Ok(version) => version,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err(StoreError::DamagedFile {
                file: current,
                source: Box::new(StoreError::Files(error)),
            });
        }
        Err(source) => return Err(StoreError::Unreadable { file: current, source }),
    };
    let manifest = folder.join(format!("v{version}"));
    if exists(&manifest)? {
        return Ok(());
    }
    // Where the right one is there, its number is wrong; where nothing but zeros stands there, that was never written.
    let is_wrong = blame::is_zeroed(&current).and_then(|is| Ok(is || blame::names_another(folder)?));
    Err(if is_wrong.unwrap_or_default() {
        StoreError::DamagedFile {
            file: current,
            source: Box::new(StoreError::Damaged("the number of a list of files")),
        }
    } else {
        missing(manifest)
    })
}

/// The number of the list of files that a keyspace goes by.
pub(super) fn current_version(keyspace: &Path) -> std::io::Result<u64> {
    let mut version = [0; 8];
    std::fs::File::open(keyspace.join("current"))?.read_exact(&mut version)?;
    Ok(u64::from_le_bytes(version))
}

pub(super) fn number_of(name: &OsString) -> Option<u64> {
    name.to_str()?.parse().ok()
}

fn missing(file: PathBuf) -> StoreError {
    StoreError::Missing { file }
}

fn exists(file: &Path) -> Result<bool, StoreError> {
    file.try_exists().map_err(|source| StoreError::Unreadable { file: file.to_owned(), source })
}

/// What stands in a folder; nothing where there is none.
pub(super) fn names(folder: &Path) -> Result<Vec<OsString>, StoreError> {
    let failed = |source| StoreError::Unreadable { file: folder.to_owned(), source };
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            entries.map(|entry| Ok(entry.map_err(failed)?.file_name())).collect::<Result<_, StoreError>>()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}
