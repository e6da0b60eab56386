//! Files and folders that are their owner's alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Lets nobody but the owner read or write what this process makes from now on, whatever it was started with.
pub fn keep_to_owner() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// What is said of something that is there and cannot be read, which its cause follows.
pub(crate) fn cannot_read(path: &Path) -> String {
    format!(
        "cannot read {} (look at who owns it, at its mode, and at the disk: the user of the server must be able to read it)",
        path.display()
    )
}

/// Writes a file, whole or not at all, and waits until it is on the disk under its name.
///
/// # Errors
/// When it cannot be written; what was there before is still there then.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut draft = PathBuf::from(path).into_os_string();
    draft.push(".ny");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_folder_of(path)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Waits until the names in a folder are on the disk.
///
/// # Errors
/// When the folder cannot be synced.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder for its owner alone, with those above it. Tells whether it was missing.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_folder(folder: &Path) -> anyhow::Result<bool> {
    if folder.is_dir() {
        return Ok(false);
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(true)
}

/// Reports a folder that others may read or write, with what to run. Nothing is changed: somebody may want it so.
pub(crate) fn report_open_folder(folder: &Path) {
    let Ok(known) = fs::metadata(folder) else { return };
    let mode = known.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            folder = %folder.display(),
            mode = format!("{mode:o}"),
            "others on this machine may reach the data folder with keys and meldinger in it; run: chmod -R go-rwx {}",
            folder.display()
        );
    }
}
