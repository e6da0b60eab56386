//! Writing containers.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use aws_lc_rs::digest::{Context, SHA256};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::manifest::{self, Digest};
use crate::names::{self, MANIFEST_NAME, MIMETYPE, MIMETYPE_NAME};
use crate::zip::{self, FLAG_DESCRIPTOR, FLAG_UTF8, METHOD_DEFLATE, METHOD_STORE};
use crate::{Error, Signer, signed_data};

const COPY_BYTES: usize = 64 * 1024;

/// Writes a signed ASiC-E container to a sink, file after file.
///
/// Memory use does not depend on the size of the files, and the sink need not seek. Without
/// [`finish`](Self::finish) the output is not a container.
///
/// # Example: sign two files
///
/// ```
/// use asice::{AsiceReader, AsiceWriter, ReadOptions, Signer};
/// # let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
/// # let chain_pem = rcgen::CertificateParams::default().self_signed(&key)?.pem();
/// # let private_key_pem = key.serialize_pem();
///
/// let signer = Signer::from_pem(&private_key_pem, &chain_pem)?;
/// let mut writer = AsiceWriter::new(Vec::new(), &signer)?;
/// writer.add_file("søknad.json", &b"{}"[..])?;
/// writer.add_file("vedlegg.txt", &b"hei"[..])?;
/// let container = writer.finish()?;
///
/// let read = AsiceReader::new(&container[..], ReadOptions::default()).read_to_memory(1_000_000)?;
/// assert_eq!(read.files[0].name, "søknad.json");
/// assert_eq!(read.signatures[0].signer, *signer.certificate());
/// # Ok::<(), asice::Error>(())
/// # .map_err(Box::<dyn std::error::Error>::from)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AsiceWriter<'s, W: Write> {
    sink: Counting<W>,
    signer: &'s Signer,
    now: Timestamp,
    entries: Vec<Entry>,
    names: HashSet<String>,
    files: Vec<(String, Digest)>,
    /// An entry was begun and not ended: its content or the sink failed.
    unfinished: bool,
}

/// What the central directory says of an entry.
struct Entry {
    name: String,
    flags: u16,
    method: u16,
    crc: u32,
    compressed: u64,
    uncompressed: u64,
    offset: u64,
}

impl<'s, W: Write> AsiceWriter<'s, W> {
    /// Starts a container with its `mimetype` entry.
    ///
    /// # Errors
    /// [`Error::Io`] from `sink`.
    pub fn new(sink: W, signer: &'s Signer) -> Result<Self, Error> {
        let mut writer = Self {
            sink: Counting { sink, count: 0 },
            signer,
            now: now(),
            entries: Vec::new(),
            names: HashSet::new(),
            files: Vec::new(),
            unfinished: false,
        };
        writer.add_mimetype()?;
        Ok(writer)
    }

    /// Adds a file with everything that `content` gives; returns its size in bytes.
    ///
    /// # Errors
    /// [`Error::FileName`] or [`Error::DuplicateFileName`], after which the writer can still be used;
    /// [`Error::Io`] from `content` or the sink, after which it cannot.
    pub fn add_file(&mut self, name: &str, content: impl Read) -> Result<u64, Error> {
        names::check_file_name(name)?;
        if !self.names.insert(name.to_owned()) {
            return Err(Error::DuplicateFileName(name.to_owned()));
        }
        let (digest, size) = self.add_deflated(name, content)?;
        self.files.push((name.to_owned(), digest));
        Ok(size)
    }

    /// Writes manifest, signature and the end of the archive, and gives the sink back.
    ///
    /// # Errors
    /// [`Error::NoFiles`] if none was added; [`Error::Io`] from the sink; [`Error::Crypto`] if signing fails.
    pub fn finish(mut self) -> Result<W, Error> {
        if self.files.is_empty() {
            return Err(Error::NoFiles);
        }
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| Error::Crypto("draw a random name"))?;
        let id = uuid::Builder::from_random_bytes(id).into_uuid();
        let signature_name = format!("META-INF/signature-{id}.p7s");
        let manifest = manifest::write(&signature_name, &self.files);
        let signature = signed_data::sign(manifest.as_bytes(), self.signer, self.now)?;
        self.add_deflated(MANIFEST_NAME, manifest.as_bytes())?;
        self.add_deflated(&signature_name, &signature[..])?;
        self.write_directory()?;
        self.sink.flush()?;
        Ok(self.sink.sink)
    }

    /// `mimetype` is stored and has its sizes in front, so that the type can be seen at a fixed offset.
    fn add_mimetype(&mut self) -> Result<(), Error> {
        let mut crc = Crc::new();
        crc.update(MIMETYPE.as_bytes());
        let size = MIMETYPE.len() as u64;
        let entry = Entry {
            name: MIMETYPE_NAME.to_owned(),
            flags: 0,
            method: METHOD_STORE,
            crc: crc.sum(),
            compressed: size,
            uncompressed: size,
            offset: 0,
        };
        self.write_local_header(&entry)?;
        self.sink.write_all(MIMETYPE.as_bytes())?;
        self.entries.push(entry);
        Ok(())
    }

    fn add_deflated(&mut self, name: &str, mut content: impl Read) -> Result<(Digest, u64), Error> {
        let mut entry = Entry {
            name: name.to_owned(),
            flags: FLAG_DESCRIPTOR | FLAG_UTF8,
            method: METHOD_DEFLATE,
            crc: 0,
            compressed: 0,
            uncompressed: 0,
            offset: self.sink.count,
        };
        if std::mem::replace(&mut self.unfinished, true) {
            return Err(Error::Io(io::Error::other("an earlier file of the container failed")));
        }
        self.write_local_header(&entry)?;

        let start = self.sink.count;
        let mut crc = Crc::new();
        let mut digest = Context::new(&SHA256);
        let mut buffer = vec![0; COPY_BYTES];
        // Most payloads are PDF or otherwise packed already: more effort would cost time and gain nothing.
        let mut encoder = DeflateEncoder::new(&mut self.sink, Compression::fast());
        loop {
            let piece = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => buffer.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            crc.update(piece);
            digest.update(piece);
            entry.uncompressed += piece.len() as u64;
            encoder.write_all(piece)?;
        }
        encoder.finish()?;
        entry.crc = crc.sum();
        entry.compressed = self.sink.count - start;

        let mut descriptor = Vec::with_capacity(24);
        descriptor.extend_from_slice(&zip::DESCRIPTOR);
        descriptor.extend_from_slice(&entry.crc.to_le_bytes());
        if let (Ok(compressed), Ok(uncompressed)) =
            (u32::try_from(entry.compressed), u32::try_from(entry.uncompressed))
        {
            descriptor.extend_from_slice(&compressed.to_le_bytes());
            descriptor.extend_from_slice(&uncompressed.to_le_bytes());
        } else {
            // Java reads eight bytes exactly when one of the sizes does not fit into four.
            descriptor.extend_from_slice(&entry.compressed.to_le_bytes());
            descriptor.extend_from_slice(&entry.uncompressed.to_le_bytes());
        }
        self.sink.write_all(&descriptor)?;
        self.unfinished = false;

        let size = entry.uncompressed;
        self.entries.push(entry);
        let digest = digest.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
        Ok((digest, size))
    }

    fn write_local_header(&mut self, entry: &Entry) -> Result<(), Error> {
        let (time, date) = dos_time(self.now);
        let mut header = Vec::with_capacity(64);
        header.extend_from_slice(&zip::LOCAL_HEADER);
        header.extend_from_slice(&zip::VERSION_DEFLATE.to_le_bytes());
        for field in [entry.flags, entry.method, time, date] {
            header.extend_from_slice(&field.to_le_bytes());
        }
        header.extend_from_slice(&entry.crc.to_le_bytes());
        // Zero when a descriptor follows; mimetype is the only entry without one.
        header.extend_from_slice(&small(entry.compressed).to_le_bytes());
        header.extend_from_slice(&small(entry.uncompressed).to_le_bytes());
        header.extend_from_slice(&name_length(&entry.name).to_le_bytes());
        header.extend_from_slice(&0u16.to_le_bytes());
        header.extend_from_slice(entry.name.as_bytes());
        Ok(self.sink.write_all(&header)?)
    }

    fn write_directory(&mut self) -> Result<(), Error> {
        let start = self.sink.count;
        let (time, date) = dos_time(self.now);
        for entry in std::mem::take(&mut self.entries) {
            // ZIP64 extra field: those of the three values that do not fit, in this order.
            let mut extra = Vec::new();
            for value in [entry.uncompressed, entry.compressed, entry.offset] {
                if value >= u64::from(u32::MAX) {
                    extra.extend_from_slice(&value.to_le_bytes());
                }
            }
            let version = if extra.is_empty() { zip::VERSION_DEFLATE } else { zip::VERSION_ZIP64 };
            if !extra.is_empty() {
                let length = u16::try_from(extra.len()).expect("three values have 24 bytes");
                extra.splice(0..0, [zip::ZIP64_EXTRA.to_le_bytes(), length.to_le_bytes()].concat());
            }
            let extra_length = u16::try_from(extra.len()).expect("the extra field has at most 28 bytes");
            let mut header = Vec::with_capacity(128);
            header.extend_from_slice(&zip::CENTRAL_HEADER);
            for field in [version, version, entry.flags, entry.method, time, date] {
                header.extend_from_slice(&field.to_le_bytes());
            }
            for field in [entry.crc, small(entry.compressed), small(entry.uncompressed)] {
                header.extend_from_slice(&field.to_le_bytes());
            }
            // Then no comment, disk 0, no internal and no external attributes.
            for field in [name_length(&entry.name), extra_length, 0, 0, 0, 0, 0] {
                header.extend_from_slice(&field.to_le_bytes());
            }
            header.extend_from_slice(&small(entry.offset).to_le_bytes());
            header.extend_from_slice(entry.name.as_bytes());
            header.extend_from_slice(&extra);
            self.sink.write_all(&header)?;
        }
        // Two for mimetype and manifest, one for the signature.
        let count = self.files.len() as u64 + 3;
        let end = self.sink.count;
        let size = end - start;
        let mut tail = Vec::new();
        let short_count = u16::try_from(count).unwrap_or(u16::MAX);
        if short_count == u16::MAX || small(start) == u32::MAX || small(size) == u32::MAX {
            tail.extend_from_slice(&zip::ZIP64_END);
            tail.extend_from_slice(&44u64.to_le_bytes());
            tail.extend_from_slice(&[zip::VERSION_ZIP64, zip::VERSION_ZIP64].map(u16::to_le_bytes).concat());
            tail.extend_from_slice(&[0; 8]);
            tail.extend_from_slice(&[count, count, size, start].map(u64::to_le_bytes).concat());
            tail.extend_from_slice(&zip::ZIP64_LOCATOR);
            tail.extend_from_slice(&0u32.to_le_bytes());
            tail.extend_from_slice(&end.to_le_bytes());
            tail.extend_from_slice(&1u32.to_le_bytes());
        }
        tail.extend_from_slice(&zip::END);
        tail.extend_from_slice(&[0, 0, short_count, short_count].map(u16::to_le_bytes).concat());
        tail.extend_from_slice(&[small(size), small(start)].map(u32::to_le_bytes).concat());
        tail.extend_from_slice(&0u16.to_le_bytes());
        Ok(self.sink.write_all(&tail)?)
    }
}

/// The value, or the mark that it stands in a ZIP64 field.
fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn name_length(name: &str) -> u16 {
    u16::try_from(name.len()).expect("names are checked to be short")
}

/// Time and date of a zip entry: two seconds exact, years 1980 to 2107.
fn dos_time(now: Timestamp) -> (u16, u16) {
    let now = now.to_zoned(TimeZone::UTC);
    let part = |value: i8| u16::try_from(value).unwrap_or(0);
    let year = u16::try_from(now.year().clamp(1980, 2107) - 1980).unwrap_or(0);
    (
        (part(now.hour()) << 11) | (part(now.minute()) << 5) | (part(now.second()) / 2),
        (year << 9) | (part(now.month()) << 5) | part(now.day()),
    )
}

#[expect(clippy::disallowed_methods, reason = "a library for clients; the time goes into the signature only")]
fn now() -> Timestamp {
    Timestamp::now()
}

struct Counting<W> {
    sink: W,
    count: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn u64_at(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn what_lies_beyond_four_gigabytes_gets_large_fields() {
        const START: u64 = 5 << 30;
        let signer = testing::signer();
        let mut writer = AsiceWriter::new(Vec::new(), &signer).unwrap();
        let start = writer.sink.count;
        // As if a file of 5 GiB, packed to 5 GiB less, were written already.
        writer.sink.count += START;
        writer.files.push(("stor.bin".to_owned(), [0; 32]));
        writer.entries.push(Entry {
            name: "stor.bin".to_owned(),
            flags: FLAG_DESCRIPTOR | FLAG_UTF8,
            method: METHOD_DEFLATE,
            crc: 0,
            compressed: START,
            uncompressed: START + 1,
            offset: start,
        });
        writer.add_file("etter.txt", &b"hei"[..]).unwrap();
        let archive = writer.finish().unwrap();

        let find = |mark: [u8; 4]| archive.windows(4).rposition(|window| window == mark).unwrap();
        let entry =
            |name: &str| archive.windows(name.len()).rposition(|window| window == name.as_bytes()).unwrap();
        // Sizes but not the offset for the large file; the offset but not the sizes for the next.
        let large = entry("stor.bin") + "stor.bin".len();
        assert_eq!(archive[large..large + 4], [1, 0, 16, 0]);
        assert_eq!((u64_at(&archive, large + 4), u64_at(&archive, large + 12)), (START + 1, START));
        let after = entry("etter.txt") + "etter.txt".len();
        assert_eq!(archive[after..after + 4], [1, 0, 8, 0]);
        assert_eq!(u64_at(&archive, after + 4), start + START);

        let end = find(zip::ZIP64_END);
        let directory = archive.windows(4).position(|window| window == zip::CENTRAL_HEADER).unwrap() as u64;
        assert_eq!(u64_at(&archive, end + 24), 5, "entries");
        assert_eq!(u64_at(&archive, end + 48), START + directory);
        assert_eq!(u64_at(&archive, end + 40), end as u64 - directory);
        let locator = find(zip::ZIP64_LOCATOR);
        assert_eq!(locator, end + 56);
        assert_eq!(u64_at(&archive, locator + 8), START + end as u64);
        let last = find(zip::END);
        assert_eq!(last, locator + 20);
        assert_eq!(archive[last + 16..last + 20], [0xFF; 4]);
    }

    #[test]
    fn dos_time_has_date_and_two_second_steps() {
        let (time, date) = dos_time("2026-03-01T12:34:57Z".parse().unwrap());
        assert_eq!((time >> 11, time >> 5 & 63, time & 31), (12, 34, 28));
        assert_eq!((date >> 9, date >> 5 & 15, date & 31), (46, 3, 1));
    }
}
