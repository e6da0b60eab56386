//! Files of a backup with their sums: while they are written, and while they are read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::digest::{Context, SHA256, digest};

use super::SUMS;
use super::room::{LOOK_EVERY, Room};
use crate::files;
use crate::progress::Progress;

/// How much is read at a time.
const PIECE: usize = 256 * 1024;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String does not fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Writes a file of its own and sums it up. It is synced now and then, so that a copy never floods the disk that the server waits for;
/// and its room is looked at, where that is somebody else's too.
pub(crate) struct SumFile<'a> {
    file: File,
    room: Option<&'a Room>,
    sum: Context,
    unsynced: usize,
    bytes: u64,
}

impl<'a> SumFile<'a> {
    pub(super) fn create(path: &Path, room: Option<&'a Room>) -> io::Result<Self> {
        room.map_or(Ok(()), Room::look)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self { file, room, sum: Context::new(&SHA256), unsynced: 0, bytes: 0 })
    }

    /// Waits until it is on the disk. Gives its sum and its length.
    pub(crate) fn finish(self) -> io::Result<(String, u64)> {
        self.file.sync_all()?;
        Ok((hex(self.sum.finish().as_ref()), self.bytes))
    }
}

impl Write for SumFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        self.unsynced += written;
        if self.unsynced >= LOOK_EVERY {
            self.file.sync_data()?;
            self.unsynced = 0;
            self.room.map_or(Ok(()), Room::look)?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Reads a file and sums it up.
pub(crate) struct SumReader {
    file: File,
    sum: Context,
}

impl SumReader {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, sum: Context::new(&SHA256) })
    }

    /// The sum of the whole file, whatever of it was read.
    pub(crate) fn finish(mut self) -> io::Result<String> {
        let mut piece = vec![0; PIECE];
        while self.read(&mut piece)? > 0 {}
        Ok(hex(self.sum.finish().as_ref()))
    }
}

impl Read for SumReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.sum.update(into.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// The files of a backup and their sums.
#[derive(Debug, Default)]
pub(crate) struct Sums(BTreeMap<String, String>);

impl Sums {
    pub(crate) fn add(&mut self, name: &str, sum: String) {
        self.0.insert(name.to_owned(), sum);
    }

    pub(crate) fn of(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names below a folder, without it.
    pub(crate) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.keys().filter_map(move |name| name.strip_prefix(folder)?.strip_prefix('/'))
    }

    /// Writes them, and gives the sum of what was written.
    pub(crate) fn write(&self, backup: &Path) -> anyhow::Result<String> {
        let mut text = String::new();
        for (name, sum) in &self.0 {
            writeln!(text, "{sum}  {name}")?;
        }
        let path = backup.join(SUMS);
        files::replace(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(sha256(text.as_bytes()))
    }

    /// Reads those of a backup, which must have the sum `expected`.
    pub(crate) fn read(backup: &Path, expected: &str) -> anyhow::Result<Self> {
        let path = backup.join(SUMS);
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let damaged = || format!("{} is damaged; use another backup", path.display());
        ensure!(sha256(&text) == expected, damaged());
        let text = String::from_utf8(text).with_context(damaged)?;
        let mut sums = Self::default();
        for line in text.lines() {
            let Some((sum, name)) = line.split_once("  ") else { bail!(damaged()) };
            // Nothing outside the folder is ever named.
            ensure!(
                Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_))),
                damaged()
            );
            sums.add(name, sum.to_owned());
        }
        Ok(sums)
    }

    /// Reads every file and compares. Gives how many bytes there are.
    pub(crate) fn check(&self, backup: &Path, progress: &Progress) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for (name, sum) in &self.0 {
            progress.check()?;
            let path = backup.join(name);
            bytes += check_file(&path, sum)?;
        }
        Ok(bytes)
    }
}

/// The sum of a file that is there.
pub(crate) fn sum_of(path: &Path) -> anyhow::Result<String> {
    let sum = SumReader::open(path).and_then(SumReader::finish);
    sum.with_context(|| format!("cannot read {}", path.display()))
}

fn check_file(path: &Path, expected: &str) -> anyhow::Result<u64> {
    let cannot = || format!("cannot read {}, which belongs to the backup", path.display());
    let reader = SumReader::open(path).with_context(cannot)?;
    let bytes = reader.file.metadata().with_context(cannot)?.len();
    check_sum(path, &reader.finish().with_context(cannot)?, expected)?;
    Ok(bytes)
}

/// # Errors
/// When the sum is another one.
pub(crate) fn check_sum(path: &Path, found: &str, expected: &str) -> anyhow::Result<()> {
    ensure!(
        found == expected,
        "{} is damaged: its sum is not that of the backup; use another backup",
        path.display()
    );
    Ok(())
}

/// Copies a file into a new one and waits until that is on the disk. Gives its sum and its length.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<(String, u64)> {
    let copied = || -> io::Result<(String, u64)> {
        let mut source = File::open(from)?;
        let mut target = SumFile::create(to, None)?;
        io::copy(&mut source, &mut target)?;
        target.finish()
    };
    copied().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Copies a file of a backup, which must have its sum, into a new one.
pub(crate) fn copy_checked(from: &Path, to: &Path, expected: &str) -> anyhow::Result<u64> {
    let (sum, bytes) = copy(from, to)?;
    check_sum(from, &sum, expected)?;
    Ok(bytes)
}

/// Waits until the names in a folder are on the disk.
pub(crate) fn sync_folder(folder: &Path) -> anyhow::Result<()> {
    crate::files::sync_folder(folder).with_context(|| format!("cannot sync the folder {}", folder.display()))
}

/// What is in a folder, but for `allowed`; nothing where there is no folder.
pub(crate) fn entries_but(folder: &Path, allowed: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(cannot),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(cannot)?;
        if !allowed.iter().any(|name| entry.file_name() == *name) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
