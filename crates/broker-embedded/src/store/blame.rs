//! Which file is to blame when the log cannot be opened.
//!
//! What opens the log says what it stumbled over and not where. The list of files of each keyspace has the sum of every one of
//! them, so that they can be looked at one by one. That reads the whole log, and is done only when it cannot be opened.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::StoreError;
use super::files::{current_version, names, number_of};

/// The file that names the list: its number, its sum, and what kind of sum that is.
const CURRENT_BYTES: u64 = 8 + 16 + 1;
/// Files of large payloads of more than this together are not read through.
const MOST_BYTES: u64 = 4 << 30;

impl StoreError {
    /// The same with the file that is to blame, where it stands for damage of the log at `path` and the file can be found.
    pub(crate) fn explained(self, path: &Path) -> Self {
        match self {
            Self::Backend(fjall::Error::Locked) => Self::InUse,
            error if error.is_damage() || error.is_refusal_to_open() => match damaged_file(path) {
                Ok(Some(Bad { file, is_missing: true })) => Self::Missing { file },
                Ok(Some(Bad { file, is_missing: false })) => {
                    Self::DamagedFile { file, source: Box::new(error) }
                }
                Ok(None) | Err(_) => Self::DamagedSomewhere { source: Box::new(error) },
            },
            error => error,
        }
    }

    /// Whether the log store would not open what it found, for a reason that lies in the files.
    fn is_refusal_to_open(&self) -> bool {
        use fjall::{Error, LsmError};
        matches!(
            self,
            Self::Backend(
                Error::Storage(LsmError::Unrecoverable)
                    | Error::Unrecoverable
                    | Error::JournalRecovery(_)
                    | Error::InvalidVersion(_)
            )
        ) || self.is_too_short()
    }

    /// Whether a file was so short that its end was looked for before its begin, as in one of no length at all.
    fn is_too_short(&self) -> bool {
        use fjall::{Error, LsmError};
        match self {
            Self::Backend(Error::Storage(LsmError::Io(error)) | Error::Io(error)) => {
                error.kind() == io::ErrorKind::InvalidInput
            }
            _ => false,
        }
    }
}

/// A file that is not as it was written.
#[derive(Debug, PartialEq, Eq)]
struct Bad {
    file: PathBuf,
    is_missing: bool,
}

/// The first file of the log at `path` that is not what its keyspace says it is.
fn damaged_file(path: &Path) -> io::Result<Option<Bad>> {
    let version = path.join("version");
    if std::fs::read(&version)?.get(..4) != Some(super::journal::MAGIC.as_slice()) {
        return Ok(Some(damaged(version)));
    }
    let keyspaces = path.join("keyspaces");
    let mut kept: Vec<OsString> = names(&keyspaces).map_err(io::Error::other)?;
    // That of all others first: without it nothing is found.
    kept.sort_by_key(number_of);
    for name in kept {
        let keyspace = keyspaces.join(name);
        if keyspace.is_dir()
            && keyspace.join("current").try_exists()?
            && let Some(bad) = bad_in(&keyspace)?
        {
            return Ok(Some(bad));
        }
    }
    Ok(None)
}

/// Refuses a log of which a list of files is damaged. What opens it looks at neither sum, and removes the files that are not
/// on the list.
pub(super) fn check_lists(path: &Path) -> Result<(), StoreError> {
    let keyspaces = path.join("keyspaces");
    for name in names(&keyspaces)? {
        let keyspace = keyspaces.join(name);
        let failed = |source| StoreError::Unreadable { file: keyspace.clone(), source };
        if keyspace.join("current").try_exists().map_err(failed)?
            && let Some(bad) = bad_list_in(&keyspace).map_err(failed)?
        {
            let source = Box::new(StoreError::Damaged("the list of files of a keyspace"));
            return Err(StoreError::DamagedFile { file: bad.file, source });
        }
    }
    Ok(())
}

fn bad_list_in(keyspace: &Path) -> io::Result<Option<Bad>> {
    let current = keyspace.join("current");
    if current.metadata()?.len() != CURRENT_BYTES || is_zeroed(&current)? {
        return Ok(Some(damaged(current)));
    }
    let list = list_of(keyspace)?;
    if !list.try_exists()? {
        // Either may be wrong.
        return Ok(Some(damaged(current)));
    }
    let expected = std::fs::read(&current)?.get(8..24).map(u128_of);
    Ok((expected != Some(sum_of(&list)?)).then(|| damaged(list)))
}

/// Whether nothing stands in a file, as after a loss of power: no file of the log is written like that.
pub(super) fn is_zeroed(file: &Path) -> io::Result<bool> {
    Ok(std::fs::read(file)?.iter().all(|byte| *byte == 0))
}

/// Whether a list of files is there that is not the one which the number in `current` says, and is by its sum.
pub(super) fn names_another(keyspace: &Path) -> io::Result<bool> {
    let expected = std::fs::read(keyspace.join("current"))?.get(8..24).map(u128_of);
    for entry in std::fs::read_dir(keyspace)? {
        let file = entry?.path();
        let is_list = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('v'));
        if is_list && expected == Some(sum_of(&file)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn u128_of(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn list_of(keyspace: &Path) -> io::Result<PathBuf> {
    Ok(keyspace.join(format!("v{}", current_version(keyspace)?)))
}

fn bad_in(keyspace: &Path) -> io::Result<Option<Bad>> {
    if let Some(bad) = bad_list_in(keyspace)? {
        return Ok(Some(bad));
    }
    let list = list_of(keyspace)?;
    let Ok(listed) = sfa::Reader::new(&list) else { return Ok(Some(damaged(list))) };
    for (section, folder) in [("tables", "tables"), ("blob_files", "blobs")] {
        let Some(section) = listed.toc().section(section.as_bytes()) else { return Ok(Some(damaged(list))) };
        let mut bytes = Vec::new();
        section.reader(&list)?.read_to_end(&mut bytes)?;
        let files = if folder == "tables" { tables(&bytes) } else { large_files(&bytes) };
        let Some(files) = files else { return Ok(Some(damaged(list))) };
        let mut read = 0;
        for (id, sum) in files {
            let file = keyspace.join(folder).join(id.to_string());
            if !file.try_exists()? {
                return Ok(Some(Bad { file, is_missing: true }));
            }
            read += file.metadata()?.len();
            if read <= MOST_BYTES && sum_of(&file)? != sum {
                return Ok(Some(damaged(file)));
            }
        }
    }
    Ok(None)
}

fn damaged(file: PathBuf) -> Bad {
    Bad { file, is_missing: false }
}

/// How many levels, of each how many runs, of each how many tables; each an id, what kind of sum, the sum, a sequence number.
fn tables(mut bytes: &[u8]) -> Option<Vec<(u64, u128)>> {
    let mut tables = Vec::new();
    for _ in 0..take::<1>(&mut bytes)?[0] {
        for _ in 0..take::<1>(&mut bytes)?[0] {
            for _ in 0..u32::from_le_bytes(take(&mut bytes)?) {
                tables.push(id_and_sum(&mut bytes)?);
                take::<8>(&mut bytes)?;
            }
        }
    }
    Some(tables)
}

/// How many; each an id, what kind of sum, the sum.
fn large_files(mut bytes: &[u8]) -> Option<Vec<(u64, u128)>> {
    let count = u32::from_le_bytes(take(&mut bytes)?);
    (0..count).map(|_| id_and_sum(&mut bytes)).collect()
}

fn id_and_sum(bytes: &mut &[u8]) -> Option<(u64, u128)> {
    let id = u64::from_le_bytes(take(bytes)?);
    take::<1>(bytes)?;
    Some((id, u128::from_le_bytes(take(bytes)?)))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

fn sum_of(file: &Path) -> io::Result<u128> {
    let mut reader = BufReader::with_capacity(256 * 1024, File::open(file)?);
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.digest128()),
            n => hasher.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}
