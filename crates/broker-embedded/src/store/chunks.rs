//! The form of a dump of the queue log: what a backup holds of it.
//!
//! ```text
//! dump    = magic, chunk*, end
//! magic   = "KNUTEKO" 0x01
//! chunk   = index: u32, space: u8, records: u32, length: u32, body, checksum: u32
//! body    = record*                                        length bytes of them
//! record  = key length: u16, value length: u32, key, value
//! end     = a chunk of space 0 whose body is the number of records of each space, 1 to 7, as u64; nothing stands behind it
//! ```
//!
//! Numbers are big-endian. `index` counts the chunks from 0. `checksum` is the CRC-32 of all that stands before it in the chunk.
//! Spaces come in the order of their numbers ([`Space`]) and keys in ascending order; keys and values are those of the
//! keyspaces of the log of the format that stands under `format` in the first space. Indexes are left out: whoever loads the
//! dump makes them anew, so they cannot disagree with what they lead to.

use std::io::{self, Read, Write};

/// What a dump begins with; the last byte is the version of this form.
const MAGIC: [u8; 8] = *b"KNUTEKO\x01";
/// A chunk is closed once its body has so many bytes, so that it is as large as this and one record at most.
const CHUNK: usize = 256 * 1024;
/// Bytes before the body of a chunk.
const HEADER: usize = 13;
/// What the chunk that ends a dump has in place of a space.
const END: u8 = 0;
/// How many spaces there are.
const SPACES: usize = 7;

/// A keyspace of the log, as it is called in a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Space {
    /// `meta`
    Meta = 1,
    /// `konto`
    Konto = 2,
    /// `queue`
    Queue = 3,
    /// `dodko`
    Dead = 4,
    /// `melding`
    Melding = 5,
    /// `sporing`
    Sporing = 6,
    /// `payload`
    Payload = 7,
}

impl Space {
    const ALL: [Self; SPACES] =
        [Self::Meta, Self::Konto, Self::Queue, Self::Dead, Self::Melding, Self::Sporing, Self::Payload];

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|space| *space as u8 == byte)
    }

    fn place(self) -> usize {
        self as usize - 1
    }
}

/// Why a dump could not be written, read or loaded.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// It cannot be read.
    #[error("read the dump of the queue log")]
    Read(#[source] io::Error),
    /// It cannot be written.
    #[error("write the dump of the queue log")]
    Write(#[source] io::Error),
    /// It is not what was written.
    #[error("read the dump of the queue log: {0}; this copy cannot be used, take another one")]
    Damaged(&'static str),
    /// The log that is dumped or filled does not do its part.
    #[error("use the queue log")]
    Log(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log that is dumped is damaged where nothing of it can be left out.
    #[error("read the queue log: {0} is damaged; see what `knutepunkt repair` can save of it")]
    LogDamaged(&'static str),
    /// It was to end.
    #[error("copy the queue log: it was stopped")]
    Stopped,
}

fn read_error(error: io::Error) -> DumpError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => DumpError::Damaged("it ends too early"),
        _ => DumpError::Read(error),
    }
}

/// How many records of each space there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Records([u64; SPACES]);

impl Records {
    pub(super) fn of(&self, space: Space) -> u64 {
        self.0.get(space.place()).copied().unwrap_or_default()
    }

    fn add(&mut self, space: Space, more: u64) {
        if let Some(count) = self.0.get_mut(space.place()) {
            *count += more;
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|count| count.to_be_bytes()).collect()
    }
}

/// Writes a dump.
pub(super) struct ChunkWriter<W> {
    to: W,
    index: u32,
    space: Space,
    records: u32,
    body: Vec<u8>,
    written: Records,
}

impl<W: Write> ChunkWriter<W> {
    pub(super) fn begin(mut to: W) -> Result<Self, DumpError> {
        to.write_all(&MAGIC).map_err(DumpError::Write)?;
        let body = Vec::with_capacity(CHUNK + CHUNK / 4);
        Ok(Self { to, index: 0, space: Space::Meta, records: 0, body, written: Records::default() })
    }

    /// Writes a record. Tells whether a chunk was closed by it.
    pub(super) fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<bool, DumpError> {
        if space != self.space {
            self.close_chunk()?;
            self.space = space;
        }
        let too_large = |_| DumpError::LogDamaged("something larger than can be");
        let key_length = u16::try_from(key.len()).map_err(too_large)?;
        let value_length = u32::try_from(value.len()).map_err(too_large)?;
        self.body.extend_from_slice(&key_length.to_be_bytes());
        self.body.extend_from_slice(&value_length.to_be_bytes());
        self.body.extend_from_slice(key);
        self.body.extend_from_slice(value);
        self.records += 1;
        if self.body.len() < CHUNK {
            return Ok(false);
        }
        self.close_chunk()?;
        Ok(true)
    }

    fn close_chunk(&mut self) -> Result<(), DumpError> {
        if self.records > 0 {
            self.written.add(self.space, u64::from(self.records));
            let body = std::mem::take(&mut self.body);
            self.write_chunk(self.space as u8, self.records, &body)?;
            self.body = body;
            self.body.clear();
            self.records = 0;
        }
        Ok(())
    }

    fn write_chunk(&mut self, space: u8, records: u32, body: &[u8]) -> Result<(), DumpError> {
        let length =
            u32::try_from(body.len()).map_err(|_| DumpError::LogDamaged("something larger than can be"))?;
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&self.index.to_be_bytes());
        header[4] = space;
        header[5..9].copy_from_slice(&records.to_be_bytes());
        header[9..].copy_from_slice(&length.to_be_bytes());
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&header);
        checksum.update(body);
        for bytes in [&header[..], body, &checksum.finalize().to_be_bytes()] {
            self.to.write_all(bytes).map_err(DumpError::Write)?;
        }
        self.index += 1;
        Ok(())
    }

    /// Writes the end. Gives back where it was written to.
    pub(super) fn end(mut self) -> Result<(W, Records), DumpError> {
        self.close_chunk()?;
        let totals = self.written.bytes();
        self.write_chunk(END, 0, &totals)?;
        self.to.flush().map_err(DumpError::Write)?;
        Ok((self.to, self.written))
    }
}

/// Reads a whole dump and hands out each record; gives how many there were.
///
/// What is damaged is noticed before any record of its chunk is handed out, and what is missing or too much at the end.
pub(super) fn read_records(
    mut from: impl Read,
    mut each: impl FnMut(Space, &[u8], &[u8]) -> Result<(), DumpError>,
) -> Result<Records, DumpError> {
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic).map_err(read_error)?;
    if magic != MAGIC {
        return Err(DumpError::Damaged("it does not begin as a dump that this version can read"));
    }
    let (mut records, mut body) = (Records::default(), Vec::new());
    let mut last = Space::Meta;
    for index in 0_u32.. {
        let (space, count) = read_chunk(&mut from, index, &mut body)?;
        if space == END {
            if body != records.bytes() {
                return Err(DumpError::Damaged("it has another number of records than its end says"));
            }
            let mut more = [0];
            return match from.read(&mut more) {
                Ok(0) => Ok(records),
                Ok(_) => Err(DumpError::Damaged("something stands behind its end")),
                Err(error) => Err(DumpError::Read(error)),
            };
        }
        let space = Space::of(space).ok_or(DumpError::Damaged("it has a part that is not known"))?;
        if space < last {
            return Err(DumpError::Damaged("its parts are out of order"));
        }
        last = space;
        let (mut rest, mut found) = (body.as_slice(), 0);
        while !rest.is_empty() {
            let (key, value, behind) = split_record(rest).ok_or(DumpError::Damaged("a record is cut off"))?;
            each(space, key, value)?;
            (rest, found) = (behind, found + 1);
        }
        if found != count {
            return Err(DumpError::Damaged("a chunk has another number of records than it says"));
        }
        records.add(space, u64::from(count));
    }
    Err(DumpError::Damaged("it has no end"))
}

/// Reads the chunk `index` and checks it.
fn read_chunk(from: &mut impl Read, index: u32, body: &mut Vec<u8>) -> Result<(u8, u32), DumpError> {
    let mut header = [0; HEADER];
    from.read_exact(&mut header).map_err(read_error)?;
    let number = |at: usize| {
        header.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
    };
    let length = number(9);
    body.clear();
    // Grows with what is there, whatever a damaged length says.
    let read = from.by_ref().take(u64::from(length)).read_to_end(body).map_err(read_error)?;
    if read as u64 != u64::from(length) {
        return Err(DumpError::Damaged("it ends too early"));
    }
    let mut stored = [0; 4];
    from.read_exact(&mut stored).map_err(read_error)?;
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&header);
    checksum.update(body);
    if checksum.finalize() != u32::from_be_bytes(stored) {
        return Err(DumpError::Damaged("a checksum does not match"));
    }
    if number(0) != index {
        return Err(DumpError::Damaged("its chunks are out of order"));
    }
    Ok((header[4], number(5)))
}

fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (lengths, rest) = bytes.split_at_checked(6)?;
    let key = usize::from(u16::from_be_bytes(lengths.get(..2)?.try_into().ok()?));
    let value = usize::try_from(u32::from_be_bytes(lengths.get(2..)?.try_into().ok()?)).ok()?;
    let (key, rest) = rest.split_at_checked(key)?;
    let (value, rest) = rest.split_at_checked(value)?;
    Some((key, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump() -> Vec<u8> {
        let mut chunks = ChunkWriter::begin(Vec::new()).expect("memory takes it");
        chunks.put(Space::Meta, b"format", b"3").expect("memory takes it");
        for n in 0..1_000_u64 {
            chunks.put(Space::Melding, &n.to_be_bytes(), &[7; 1_000]).expect("memory takes it");
        }
        chunks.put(Space::Payload, b"large", &vec![1; 3 * CHUNK]).expect("memory takes it");
        chunks.end().expect("memory takes it").0
    }

    fn read(bytes: &[u8]) -> Result<Records, DumpError> {
        let mut next = 0;
        read_records(bytes, |space, key, _| {
            if space == Space::Melding {
                assert_eq!(key, u64::to_be_bytes(next));
                next += 1;
            }
            Ok(())
        })
    }

    #[test]
    fn dump_is_read_back_as_it_was_written() {
        let records = read(&dump()).expect("it is whole");
        let count = |space| records.of(space);
        assert_eq!(
            (count(Space::Meta), count(Space::Queue), count(Space::Melding), count(Space::Payload)),
            (1, 0, 1_000, 1)
        );
    }

    #[test]
    fn dump_that_is_cut_or_changed_anywhere_is_noticed() {
        let whole = dump();
        for at in (0..whole.len()).step_by(997).chain(whole.len() - 80..whole.len()) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert!(matches!(read(&flipped), Err(DumpError::Damaged(_))), "byte {at} flipped");
            assert!(matches!(read(&whole[..at]), Err(DumpError::Damaged(_))), "cut at {at}");
        }
        let mut longer = whole;
        longer.push(0);
        assert!(matches!(read(&longer), Err(DumpError::Damaged(_))));
    }

    #[test]
    fn chunk_that_is_left_out_or_comes_twice_is_noticed() {
        let whole = dump();
        let mut starts = vec![MAGIC.len()];
        while let Some(header) = starts.last().and_then(|start| whole.get(*start..*start + HEADER)) {
            let length = u32::from_be_bytes(header[9..].try_into().expect("it has four bytes"));
            starts.push(starts.last().expect("it has one") + HEADER + length as usize + 4);
        }
        let (second, third) = (starts[1], starts[2]);
        let without = [&whole[..second], &whole[third..]].concat();
        let twice = [&whole[..third], &whole[second..]].concat();
        for changed in [without, twice] {
            assert!(matches!(read(&changed), Err(DumpError::Damaged(_))));
        }
    }
}
