//! Whether the log of changes beside a SQLite database is whole, told before SQLite opens it.
//!
//! SQLite takes the first frame that does not match its checksum for the end of the log, and silently does without all that
//! stands behind it. The index beside the log (`-shm`) says how many frames were committed; it is written after the log is
//! synced, so it never says too many. A log that has fewer whole ones, or none at all, has lost what was committed.
//!
//! SQLite documentation, "WAL-mode File Format", §1.2 and §4.

use std::io::{self, ErrorKind};
use std::path::Path;

/// Bytes of the header of the log, and of a frame before its page.
const HEADER: usize = 32;
const FRAME: usize = 24;
/// What a log begins with; the last bit says in which order the bytes of its sums are.
const MAGIC: u32 = 0x377f_0682;

/// What the index says of the log.
struct Index {
    frames: u64,
    page_bytes: usize,
    salts: [u8; 8],
}

/// What a log lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Missing {
    /// So many frames that were committed; 0 also where nothing can be told.
    Frames(u64),
    /// All of so many: it is not the log that the index is of.
    All(u64),
}

/// What the log lacks of what was committed.
pub(crate) fn missing_frames(log: &Path, index: &Path) -> io::Result<Missing> {
    let Some(index) = read(index)?.and_then(|bytes| parse_index(&bytes)) else {
        return Ok(Missing::Frames(0));
    };
    let log = read(log)?.unwrap_or_default();
    if log.len() < HEADER {
        return Ok(Missing::Frames(index.frames));
    }
    if log.get(16..24) != Some(index.salts.as_slice()) {
        let is_ours = index.frames == 0 || was_begun_anew(&log, &index);
        return Ok(if is_ours { Missing::Frames(0) } else { Missing::All(index.frames) });
    }
    Ok(Missing::Frames(index.frames.saturating_sub(whole_frames(&log, &index))))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

fn native(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn big(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Of the index, which is in the byte order of the machine. Its header stands there twice, with a checksum.
fn parse_index(bytes: &[u8]) -> Option<Index> {
    let header = bytes.get(..48)?;
    let is_whole = bytes.get(48..96)? == header
        && bytes.get(12)? == &1
        && sum((0, 0), header.get(..40)?, cfg!(target_endian = "big"))
            == (native(header, 40)?, native(header, 44)?);
    let page = usize::from(u16::from_ne_bytes(header.get(14..16)?.try_into().ok()?));
    let page_bytes = if page == 1 { 65_536 } else { page };
    let salts = header.get(32..40)?.try_into().ok()?;
    (is_whole && page_bytes >= 512).then_some(Index { frames: native(header, 16)?.into(), page_bytes, salts })
}

/// Whether this is the log that the index is of, begun anew since, which the index may not know after a loss of power: each time,
/// the first salt grows by one. A log that was wiped, or is that of another database, is not.
fn was_begun_anew(log: &[u8], index: &Index) -> bool {
    const MOST_TIMES: u32 = 1 << 16;
    let grown = || {
        let magic = big(log, 0)?;
        let is_whole = magic & !1 == MAGIC
            && sum((0, 0), log.get(..24)?, magic & 1 == 1) == (big(log, 24)?, big(log, 28)?);
        let grown = big(log, 16)?.wrapping_sub(big(&index.salts, 0)?);
        is_whole.then_some(grown)
    };
    grown().is_some_and(|grown| (1..=MOST_TIMES).contains(&grown))
}

/// How many frames from the first on match their checksums, each of which covers all before it.
fn whole_frames(log: &[u8], index: &Index) -> u64 {
    let count = || {
        let is_big = big(log, 0)? & 1 == 1;
        let mut sums = sum((0, 0), log.get(..24)?, is_big);
        let mut whole = 0;
        if sums != (big(log, 24)?, big(log, 28)?) {
            return Some(whole);
        }
        for frame in log.get(HEADER..)?.chunks_exact(FRAME + index.page_bytes) {
            sums = sum(sum(sums, frame.get(..8)?, is_big), frame.get(FRAME..)?, is_big);
            let fits = frame.get(8..16)? == index.salts && sums == (big(frame, 16)?, big(frame, 20)?);
            if !fits || whole == index.frames {
                break;
            }
            whole += 1;
        }
        Some(whole)
    };
    count().unwrap_or_default()
}

fn sum((mut first, mut second): (u32, u32), bytes: &[u8], is_big: bool) -> (u32, u32) {
    let word = |bytes: [u8; 4]| if is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
    for [a, b, c, d, e, f, g, h] in bytes.as_chunks::<8>().0 {
        first = first.wrapping_add(word([*a, *b, *c, *d])).wrapping_add(second);
        second = second.wrapping_add(word([*e, *f, *g, *h])).wrapping_add(first);
    }
    (first, second)
}
