//! One process at a time uses a data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};

/// Name of the file in the data folder.
pub(crate) const FILE: &str = "knutepunkt.lock";

/// The right to use a data folder. Let go of when dropped, and when the process ends; the file stays.
#[derive(Debug)]
pub(crate) struct FolderLock(#[expect(dead_code, reason = "it is the open file that holds the lock")] File);

impl FolderLock {
    /// Takes the lock of a folder that is there.
    ///
    /// # Errors
    /// When another process has it, which is named, or the file cannot be used.
    pub(crate) fn take(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(FILE);
        let failed = || format!("cannot lock the data folder with {}", path.display());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // It may be about to write it.
                let known = file.read_to_string(&mut pid).is_ok() && !pid.trim().is_empty();
                let who = if known { format!(", process {}", pid.trim()) } else { String::new() };
                bail!(
                    "another Knutepunkt uses the data folder {}{who}; stop it first, or name another folder",
                    data.display()
                );
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
        }
        file.set_len(0).with_context(failed)?;
        file.rewind().with_context(failed)?;
        writeln!(file, "{}", std::process::id()).with_context(failed)?;
        Ok(Self(file))
    }
}

/// Says who uses the data folder `data`, for one that comes upon a taken port first: that it is the same server says more.
///
/// # Errors
/// When another process uses it, as [`FolderLock::take`].
pub(crate) fn refuse_second(data: &Path) -> anyhow::Result<()> {
    if data.join(FILE).is_file() { FolderLock::take(data).map(drop) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_that_nobody_uses_is_not_touched_by_asking() {
        let folder = tempfile::tempdir().unwrap();
        refuse_second(folder.path()).unwrap();
        refuse_second(&folder.path().join("gone")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let _first = FolderLock::take(folder.path()).unwrap();
        assert!(refuse_second(folder.path()).is_err());
    }

    #[test]
    fn second_one_is_told_who_has_the_folder_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path()).unwrap();
        let refused = FolderLock::take(folder.path()).unwrap_err().to_string();
        assert!(refused.starts_with("another Knutepunkt uses the data folder "), "{refused}");
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        FolderLock::take(folder.path()).unwrap();
    }
}
