//! The journals of the log, looked at before fjall opens them.
//!
//! fjall takes whatever it cannot parse for the end of a journal and cuts the file there, without a word; and refuses one with a
//! batch that parses and has the wrong checksum, which is what torn sectors of a write that nobody was promised leave behind.
//! So the journals are read here first, as they are: where the last whole batch ends, and what stands behind it.
//!
//! * Behind the end of the newest journal there may be something after any crash. It is copied to a file beside the log and cut
//!   off. If the [`witness`](super::witness) then finds that nothing promised is missing, it never counted and the copy goes;
//!   else the start is refused and it is put back, so that the journal is as it was.
//! * An older journal was synced whole before the next one was made. What cannot be read in it is damage, and stops the start
//!   before anything is changed.
//!
//! A journal is a run of batches: `Start` (tag 1, count of items, sequence number), items (tag 2: value type, compression,
//! keyspace, lengths, key, value; or tag 4, a cleared keyspace), `End` (tag 3, XXH3 of all items as they stand, [`MAGIC`]).
//! All numbers are little-endian. Zeros follow, room taken in advance.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::STEP;
use super::folder::sync_folder_of;
use super::salvage::whole_behind;

/// How each batch ends, and how the file begins that names the format of the whole log. Another one is not read here.
pub(super) const MAGIC: [u8; 4] = *b"FJL\x03";
const VERSION_FILE: &str = "version";
const BUFFER: usize = 256 * 1024;
static ZEROS: [u8; BUFFER] = [0; BUFFER];

/// A journal that holds something behind its last whole batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornJournal {
    /// The file.
    pub path: PathBuf,
    /// Where its last whole batch ends. Bytes.
    pub whole: u64,
    /// How many bytes stand behind that, without the zeros at the end.
    pub torn: u64,
    /// Whether it was complete once, so that this is damage and not the end of an interrupted write.
    pub is_damage: bool,
    /// How many whole writes stand behind the damage. Cutting it off takes them too; a salvage keeps them.
    pub whole_behind: u64,
}

impl fmt::Display for TornJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, whole, torn, whole_behind, .. } = self;
        write!(f, "{} cannot be read from byte {whole} on ({torn} bytes", path.display())?;
        if *whole_behind > 0 {
            write!(f, ", with {whole_behind} whole writes behind the damage")?;
        }
        f.write_str(")")
    }
}

/// Reads all journals of the log at `log`, and changes nothing. Gives those that are torn, oldest first; none where there is
/// no log, or one of another format, which is for fjall to judge.
pub(super) fn find_torn(log: &Path) -> io::Result<Vec<TornJournal>> {
    match std::fs::read(log.join(VERSION_FILE)) {
        Ok(version) if version.starts_with(&MAGIC) => {}
        Ok(_) => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let journals = numbered(log)?;
    let newest = journals.last().map(|(number, _)| *number);
    let mut torn = Vec::new();
    for (number, path) in journals {
        let Measured { whole, end, .. } = measure(&path)?;
        if end > whole {
            let (is_damage, whole_behind) = (Some(number) != newest, whole_behind(&path, whole)?);
            torn.push(TornJournal { path, whole, torn: end - whole, is_damage, whole_behind });
        }
    }
    Ok(torn)
}

/// The journals in the folder `log`, oldest first.
pub(super) fn list(log: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(numbered(log)?.into_iter().map(|(_, path)| path).collect())
}

/// The numbers of the journals in the folder `log`, oldest first.
pub(super) fn numbers(log: &Path) -> io::Result<Vec<u64>> {
    Ok(numbered(log)?.into_iter().map(|(number, _)| number).collect())
}

fn numbered(log: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut journals = Vec::new();
    for entry in std::fs::read_dir(log)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jnl"));
        if let Some(number) = name.and_then(|name| name.parse::<u64>().ok()) {
            journals.push((number, path));
        }
    }
    journals.sort();
    Ok(journals)
}

/// What to do where there is no room for a copy of what is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// Cut it off all the same.
    GoOn,
    /// Fail, and change nothing.
    Fail,
}

/// What was cut off a journal.
pub(super) struct Cut {
    torn: TornJournal,
    /// The copy; `None` where there was no room for one.
    copy: Option<PathBuf>,
}

impl Cut {
    /// Copies what stands behind the last whole batch to a new file beside `log`, syncs it, and cuts it off.
    ///
    /// Where nobody was promised what the copy would hold, no room for it is no reason to fail.
    pub(super) fn make(torn: TornJournal, log: &Path, room: NoRoom) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open(&torn.path)?;
        let copy = match keep(&mut file, &torn, log) {
            Ok(path) => Some(path),
            Err(error)
                if room == NoRoom::GoOn
                    && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                tracing::warn!(
                    journal = %torn.path.display(),
                    bytes = torn.torn,
                    error = &error as &dyn std::error::Error,
                    "no room to keep what an interrupted write left in the queue log"
                );
                None
            }
            Err(error) => return Err(error),
        };
        file.set_len(torn.whole)?;
        file.sync_all()?;
        Ok(Self { torn, copy })
    }

    /// Puts it back: the journal is as it was. The log must be closed.
    pub(super) fn put_back(self, log: &Path) -> io::Result<()> {
        let Some(copy) = self.copy else { return Ok(()) };
        let mut journal = OpenOptions::new().write(true).open(&self.torn.path)?;
        if journal.seek(SeekFrom::End(0))? != self.torn.whole {
            return Ok(()); // Something else stands there now; the copy stays beside.
        }
        io::copy(&mut File::open(&copy)?, &mut journal)?;
        journal.sync_all()?;
        std::fs::remove_file(&copy)?;
        sync_folder_of(log)
    }

    /// It never counted: removes the copy.
    pub(super) fn forget(self) -> io::Result<()> {
        tracing::info!(
            journal = %self.torn.path.display(),
            bytes = self.torn.torn,
            "the queue log ended in a write that was interrupted and never answered; it was cut off"
        );
        self.copy.map_or(Ok(()), std::fs::remove_file)
    }

    /// Leaves the copy where it is. Gives its path.
    pub(super) fn into_copy(self) -> Option<PathBuf> {
        self.copy
    }
}

fn keep(journal: &mut File, torn: &TornJournal, log: &Path) -> io::Result<PathBuf> {
    let stem = torn.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let (mut copy, path) = create_new(log, &format!("rest-{stem}-{}", torn.whole))?;
    journal.seek(SeekFrom::Start(torn.whole))?;
    let copied = io::copy(&mut journal.take(torn.torn), &mut copy).and_then(|_| copy.sync_all());
    if let Err(error) = copied {
        drop(copy);
        // Half a copy takes the room that is missing, and is of no use.
        let _ = std::fs::remove_file(&path);
        return Err(error);
    }
    sync_folder_of(log)?;
    Ok(path)
}

/// A new file beside `log` with this extension, or with a number behind it where there is one already.
fn create_new(log: &Path, extension: &str) -> io::Result<(File, PathBuf)> {
    for n in 0_u32.. {
        let path = log.with_extension(if n == 0 { extension.to_owned() } else { format!("{extension}-{n}") });
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return Ok((opened?, path)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A journal that was read through.
struct Measured {
    /// Where its last whole batch ends. Bytes from the start.
    whole: u64,
    /// Where its last byte is that is not zero, or rather the one behind it.
    end: u64,
    /// The last step that is noted in its whole batches.
    last_step: Option<u64>,
}

/// The last step that stands in the journals of the log at `log` before they are torn; `None` where none does.
pub(super) fn last_step(log: &Path) -> io::Result<Option<u64>> {
    let mut last = None;
    for path in list(log)? {
        last = last.max(measure(&path)?.last_step);
    }
    Ok(last)
}

fn measure(path: &Path) -> io::Result<Measured> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut reader = Reader {
        inner: BufReader::with_capacity(BUFFER, file),
        left: len,
        hash: Xxh3::new(),
        scratch: Vec::new(),
        step: None,
    };
    let (mut whole, mut last_step) = (0, None);
    while reader.batch()? {
        whole = len - reader.left;
        last_step = reader.step.or(last_step);
    }
    let mut file = reader.inner.into_inner();
    file.seek(SeekFrom::Start(whole))?;
    let (mut at, mut end, mut buffer) = (whole, whole, vec![0; BUFFER]);
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(Measured { whole, end, last_step });
        };
        // Compared at once: most of a journal is room that was never written.
        if Some(bytes) != ZEROS.get(..read)
            && let Some(last) = bytes.iter().rposition(|byte| *byte != 0)
        {
            end = at + last as u64 + 1;
        }
        at += read as u64;
    }
}

/// The first step that is noted in a journal, if it begins with a whole batch: no earlier one stands in it then, nor in a newer
/// journal. `None` where that is not known.
pub(super) fn first_step(path: &Path) -> io::Result<Option<u64>> {
    let Measured { whole, .. } = measure(path)?;
    let mut bytes = Vec::new();
    File::open(path)?.take(whole).read_to_end(&mut bytes)?;
    // An item's lengths, its key, and its value: as nothing else of a batch begins.
    let lengths = [5, 0, 8, 0, 0, 0, 8, 0, 0, 0];
    let item = [&lengths, STEP.as_bytes()].concat();
    let value =
        memchr::memmem::find(&bytes, &item).and_then(|at| bytes.get(at + item.len()..)?.first_chunk());
    Ok(value.map(|value| u64::from_be_bytes(*value)))
}

/// Reads batch after batch.
struct Reader<R> {
    inner: R,
    /// Bytes to the end of the file: no length in it is believed beyond that.
    left: u64,
    /// Of the items of a batch, as they stand.
    hash: Xxh3,
    scratch: Vec<u8>,
    /// The last step that was noted, also in a batch that is not whole.
    step: Option<u64>,
}

impl<R: Read> Reader<R> {
    /// Reads one batch. Whether it is whole.
    fn batch(&mut self) -> io::Result<bool> {
        match self.parse() {
            Ok(whole) => Ok(whole),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn parse(&mut self) -> io::Result<bool> {
        let [1] = self.bytes()? else { return Ok(false) };
        let items = u32::from_le_bytes(self.bytes()?);
        let _sequence: [u8; 8] = self.bytes()?;
        self.hash.reset();
        for _ in 0..items {
            if !self.item()? {
                return Ok(false);
            }
        }
        let expected = self.hash.digest();
        let [3] = self.bytes()? else { return Ok(false) };
        let checksum = u64::from_le_bytes(self.bytes()?);
        let magic: [u8; 4] = self.bytes()?;
        Ok(magic == MAGIC && checksum == expected)
    }

    /// Reads one item and takes it into the checksum. Whether it can be one.
    fn item(&mut self) -> io::Result<bool> {
        match self.hashed()? {
            [2] => {
                let [0 | 1 | 2 | 4] = self.hashed()? else { return Ok(false) };
                let [0] = self.hashed()? else { return Ok(false) };
                let _keyspace: [u8; 8] = self.hashed()?;
                let key = u16::from_le_bytes(self.hashed()?);
                let _value = u32::from_le_bytes(self.hashed()?);
                let stored = u32::from_le_bytes(self.hashed()?);
                if usize::from(key) == STEP.len() && stored == 8 {
                    let (name, value): ([u8; STEP.len()], [u8; 8]) = (self.hashed()?, self.hashed()?);
                    if name == STEP.as_bytes() {
                        self.step = Some(u64::from_be_bytes(value));
                    }
                    return Ok(true);
                }
                self.skip(u64::from(key) + u64::from(stored))?;
                Ok(true)
            }
            [4] => {
                let _keyspace: [u8; 8] = self.hashed()?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        self.left = self.left.saturating_sub(N as u64);
        Ok(bytes)
    }

    fn hashed<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let bytes = self.bytes()?;
        self.hash.update(&bytes);
        Ok(bytes)
    }

    /// Takes so many bytes into the checksum.
    fn skip(&mut self, mut count: u64) -> io::Result<()> {
        if count > self.left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count;
        let room = usize::try_from(count).unwrap_or(BUFFER).min(BUFFER);
        if self.scratch.len() < room {
            self.scratch.resize(room, 0);
        }
        while count > 0 {
            let now = usize::try_from(count).unwrap_or(BUFFER).min(BUFFER);
            let Some(some) = self.scratch.get_mut(..now) else { break };
            self.inner.read_exact(some)?;
            self.hash.update(some);
            count -= now as u64;
        }
        Ok(())
    }
}
