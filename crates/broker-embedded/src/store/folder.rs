//! Folders of the log: what is done with them as a whole.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use jiff::Timestamp;

use super::StoreError;

/// Folders whose files are written once.
const WRITTEN_ONCE: [&str; 2] = ["tables", "blobs"];
const CHUNK: usize = 256 * 1024;
static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// Has the names in the folder of `path` outlive a loss of power.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// Makes a folder that nobody else can look into.
pub(super) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// The time in seconds, or one a little later where something beside the log at `path` is named after it already: nothing that was
/// set aside gives way to something else.
pub(super) fn unused_stamp(path: &Path, now: Timestamp) -> i64 {
    const NAMES: [(&str, &str); 4] =
        [("skadet-", ""), ("berging-", ".jsonl"), ("tap-", ".jsonl"), ("vitne-", "")];
    let is_taken = |stamp: &i64| {
        let named = |(before, behind)| path.with_extension(format!("{before}{stamp}{behind}"));
        NAMES.into_iter().any(|name| std::fs::symlink_metadata(named(name)).is_ok())
    };
    (now.as_second()..i64::MAX).find(|stamp| !is_taken(stamp)).unwrap_or_default()
}

/// Writes a file, whole or not at all, and waits until it is on the disk under its name.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_added_extension("utkast");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    sync_folder_of(path)
}

/// Removes a folder with all that is in it. Whether there was one.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Keeps others from opening the log for as long as it is held, and refuses where somebody has it open. A log that has lost its
/// lock cannot be held.
pub(super) fn lock(log: &Path) -> Result<Option<File>, StoreError> {
    let file = match File::open(log.join("lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(StoreError::Files)?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(StoreError::Files(error)),
    }
}

/// Copies a log so that the copy may be opened without a trace in the original: its tables, which are written once, get a second
/// name, or are copied where the file system has no such thing; all that opening changes is copied.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    make(to)?;
    let is_written_once = WRITTEN_ONCE.iter().any(|name| from.ends_with(name));
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&source, &target)?;
        } else if !is_written_once || std::fs::hard_link(&source, &target).is_err() {
            copy_file(&source, &target)?;
        }
    }
    Ok(())
}

/// Copies a file. Where the original has nothing but zeros, the copy takes no room: most of a journal was never written to.
pub(super) fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let mut chunk = vec![0; CHUNK];
    let mut length = 0;
    loop {
        let count = source.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        length += count as u64;
        if Some(bytes) == ZEROS.get(..count) {
            target.seek(SeekFrom::Current(i64::try_from(count).unwrap_or_default()))?;
        } else {
            target.write_all(bytes)?;
        }
    }
    target.set_len(length)
}

/// Where the last byte is that is not zero, or rather the one behind it.
pub(super) fn content_end(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    for chunk in bytes.rchunks(CHUNK) {
        // Compared at once: most of a journal is room that was never written.
        if Some(chunk) != ZEROS.get(..chunk.len()) {
            let last = chunk.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            return end - chunk.len() + last;
        }
        end -= chunk.len();
    }
    0
}
