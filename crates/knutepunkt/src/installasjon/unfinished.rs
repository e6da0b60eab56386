//! The mark of a place into which a restore is under way: no server starts there, and none makes a new installation.
//!
//! It is a folder in the data folder. Where that is missing too, it is made with all folders above it that are missing, under
//! another name beside the uppermost of them, and gets its name with the mark in it. So from the first thing that a restore makes
//! on, there is something by which the place is known.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::files::sync_folder;

/// Name of the folder in the data folder, which stays where a restore was cut off.
pub(crate) const UNFINISHED: &str = "gjenoppretting.uferdig";

/// What [`make`] has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// The data folder, with the mark in it.
    Folder,
    /// The mark, in a folder that was there.
    Mark,
    /// Nothing: an earlier restore has left it.
    Nothing,
}

/// A data folder that is missing, and how it is made.
struct Draft {
    /// The uppermost folder that is missing.
    top: PathBuf,
    /// What it is called until the mark is in the data folder below it.
    name: PathBuf,
    /// Where the mark is made.
    mark: PathBuf,
}

impl Draft {
    /// `None` where the data folder is there.
    fn of(data: &Path) -> io::Result<Option<Self>> {
        let whole = std::path::absolute(data)?;
        let is_missing = |path: &&Path| fs::symlink_metadata(path).is_err();
        let Some(top) = whole.ancestors().take_while(is_missing).last() else { return Ok(None) };
        let mut name = OsString::from(top.file_name().unwrap_or_default());
        name.push(".");
        name.push(UNFINISHED);
        let name = top.with_file_name(name);
        let below = whole.strip_prefix(top).map_err(io::Error::other)?;
        Ok(Some(Self { mark: name.join(below).join(UNFINISHED), top: top.to_owned(), name }))
    }
}

/// What says that a restore into the data folder `data` has not finished, if anything does.
pub(crate) fn find(data: &Path) -> io::Result<Option<PathBuf>> {
    let mark = data.join(UNFINISHED);
    if fs::symlink_metadata(&mark).is_ok() {
        return Ok(Some(mark));
    }
    let draft = Draft::of(data)?;
    Ok(draft.map(|draft| draft.name).filter(|name| fs::symlink_metadata(name).is_ok()))
}

/// # Errors
/// When a restore into the data folder `data` has not finished, with what to do.
pub(crate) fn refuse(data: &Path) -> anyhow::Result<()> {
    match find(data)? {
        None => Ok(()),
        Some(mark) => bail!(
            "a restore into {} was not finished, as {} says: run knutepunkt restore again; for another installation name another \
             folder in data",
            data.display(),
            mark.display()
        ),
    }
}

/// Marks the data folder `data`, and makes it where it is missing; `each` is asked before each step. What it makes is on the disk
/// when it returns.
///
/// # Errors
/// What cannot be made.
pub(crate) fn make(data: &Path, each: &mut dyn FnMut() -> io::Result<()>) -> io::Result<Made> {
    let Some(Draft { top, name, mark }) = Draft::of(data)? else {
        each()?;
        let made = match DirBuilder::new().mode(0o700).create(data.join(UNFINISHED)) {
            Ok(()) => Made::Mark,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Made::Nothing,
            Err(error) => return Err(error),
        };
        each()?;
        sync_folder(data)?;
        return Ok(made);
    };
    let above = top.parent().unwrap_or(&top);
    // From above to below. One that an earlier restore has left is gone on with.
    let mut folders: Vec<_> = mark.ancestors().take_while(|folder| *folder != above).collect();
    folders.reverse();
    for folder in &folders {
        each()?;
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    for folder in folders.iter().rev() {
        each()?;
        sync_folder(folder)?;
    }
    each()?;
    // The name of the draft, too, is on the disk before it changes.
    sync_folder(above)?;
    each()?;
    fs::rename(&name, &top)?;
    each()?;
    sync_folder(above)?;
    Ok(Made::Folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each prefix of what a restore makes first, in a folder that is there and in one that is missing with others above it.
    #[test]
    fn place_of_a_restore_is_known_from_the_first_thing_that_is_made() {
        for data in ["there", "missing", "missing/below/another"] {
            for stop_at in 0.. {
                let folder = tempfile::tempdir().unwrap();
                fs::create_dir(folder.path().join("there")).unwrap();
                let data = folder.path().join(data);
                let mut left = stop_at;
                let killed = make(&data, &mut || {
                    left -= 1;
                    if left < 0 { Err(io::Error::other("killed")) } else { Ok(()) }
                });
                let refused = refuse(&data);
                // At the first step nothing was made yet.
                assert_eq!(refused.is_err(), stop_at > 0, "{} {stop_at}: {refused:?}", data.display());
                let was_there = data.is_dir();
                let again = make(&data, &mut || Ok(())).unwrap();
                assert!(data.join(UNFINISHED).is_dir(), "{} {stop_at}", data.display());
                assert_eq!(again == Made::Folder, !was_there, "{} {stop_at}", data.display());
                assert_eq!(
                    fs::read_dir(folder.path()).unwrap().count(),
                    1 + usize::from(!data.ends_with("there"))
                );
                if killed.is_ok() {
                    break;
                }
            }
        }
    }

    #[test]
    fn place_without_restore_is_not_refused() {
        let folder = tempfile::tempdir().unwrap();
        refuse(folder.path()).unwrap();
        refuse(&folder.path().join("missing/below")).unwrap();
        refuse(Path::new("missing-relative")).unwrap();
    }
}
