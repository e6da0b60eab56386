//! Reading containers, front to back.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Read};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::Error;
use crate::manifest::{Digest, Manifest};
use crate::names::{self, MIMETYPE, MIMETYPE_NAME};
use crate::signed_data::{self, Signature};
use crate::source::Source;
use crate::zip::{self, FLAG_DESCRIPTOR, FLAG_ENCRYPTED, METHOD_DEFLATE, METHOD_STORE};

/// Most entries that are not files. Real containers have three or four.
const MAX_METADATA_ENTRIES: usize = 256;

/// Bounds on what a container may make its reader do. The defaults let everything through that Fiks IO transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most files. Default 10 000.
    pub max_files: usize,
    /// Largest single file, in bytes after decompression. Default 8 GiB.
    pub max_file_bytes: u64,
    /// Largest sum of all files, in bytes after decompression. Default 16 GiB.
    pub max_total_bytes: u64,
    /// Largest sum of all manifests and signatures, in bytes after decompression. Default 8 MiB.
    pub max_metadata_bytes: u64,
    /// Most bytes that one byte of the container may decompress to, on average. Default 200.
    pub max_ratio: u64,
    /// Decompressed bytes up to which `max_ratio` is not looked at: small payloads of zeros are harmless.
    /// Default 128 MiB.
    pub ratio_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_files: 10_000,
            max_file_bytes: 8 << 30,
            max_total_bytes: 16 << 30,
            max_metadata_bytes: 8 << 20,
            max_ratio: 200,
            ratio_free_bytes: 128 << 20,
        }
    }
}

/// How to read a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// Bounds on size and number.
    pub limits: Limits,
    /// Refuse containers without a signature. On by default; without one anybody may have made the container.
    pub require_signature: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { limits: Limits::default(), require_signature: true }
    }
}

/// The outcome of reading a whole container: what was signed is what was read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Verified {
    /// All signatures found, each valid and each for all files. Empty only if [`ReadOptions::require_signature`] is off.
    pub signatures: Vec<Signature>,
    /// Number of files.
    pub file_count: usize,
    /// Sum of the files' sizes in bytes.
    pub total_bytes: u64,
}

/// A file of a container that was read into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, safe to use in a folder of one's own.
    pub name: String,
    /// Its content.
    pub content: Bytes,
}

/// A container that was read into memory and verified.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Container {
    /// The files in the order of the container.
    pub files: Vec<File>,
    /// All signatures found, each valid and each for all files. Empty only if [`ReadOptions::require_signature`] is off.
    pub signatures: Vec<Signature>,
}

impl Container {
    /// The content of the file called `name`.
    pub fn file(&self, name: &str) -> Option<&Bytes> {
        self.files.iter().find(|file| file.name == name).map(|file| &file.content)
    }
}

/// Reads an ASiC-E container from front to back.
///
/// Manifest and signature stand behind the files. So what [`AsiceFile`] gives is **not verified** until
/// [`finish`](Self::finish) has returned: put large files where they can be thrown away until then.
///
/// Tolerant in form (deflated `mimetype`, both namespaces and both families of digest names that the official clients
/// write, several signatures, SHA-1 signatures) and strict in substance: every file must be listed with the right
/// digest in every manifest, each with a valid signature.
///
/// # Example: read files one after another
///
/// ```
/// use std::io::Read;
/// use asice::{AsiceReader, ReadOptions};
/// # let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
/// # let chain_pem = rcgen::CertificateParams::default().self_signed(&key)?.pem();
/// # let signer = asice::Signer::from_pem(&key.serialize_pem(), &chain_pem)?;
/// # let mut writer = asice::AsiceWriter::new(Vec::new(), &signer)?;
/// # writer.add_file("brev.txt", &b"hei"[..])?;
/// # let container = writer.finish()?;
///
/// let mut reader = AsiceReader::new(&container[..], ReadOptions::default());
/// while let Some(mut file) = reader.next_file()? {
///     let mut content = String::new();
///     file.read_to_string(&mut content)?;
///     assert_eq!((file.name(), &*content), ("brev.txt", "hei"));
/// }
/// let verified = reader.finish()?;
/// assert!(!verified.signatures[0].digest.is_weak());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AsiceReader<R> {
    source: Source<R>,
    options: ReadOptions,
    current: Option<Current>,
    /// Digest of every entry read so far; whether it is a file.
    entries: HashMap<String, (Digest, bool)>,
    /// Manifests and signatures in the order of the container.
    metadata: Vec<(String, Vec<u8>)>,
    metadata_bytes: u64,
    file_count: usize,
    total_bytes: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Entries,
    Done,
    Failed,
}

/// The entry that the position is in.
struct Current {
    name: String,
    is_file: bool,
    inflate: Option<Decompress>,
    /// Checksum and both sizes, unless they follow in a descriptor.
    declared: Option<(u32, u64, u64)>,
    /// Position of the content.
    start: u64,
    /// Decompressed bytes so far.
    size: u64,
    /// The compressed content has come to its end.
    ended: bool,
    crc: Crc,
    digest: Context,
}

impl<R: Read> AsiceReader<R> {
    /// Starts reading; nothing is read yet.
    pub fn new(source: R, options: ReadOptions) -> Self {
        Self {
            source: Source::new(source),
            options,
            current: None,
            entries: HashMap::new(),
            metadata: Vec::new(),
            metadata_bytes: 0,
            file_count: 0,
            total_bytes: 0,
            state: State::Entries,
        }
    }

    /// Goes on to the next file, past what is left of the last one; `None` at the end of the container.
    ///
    /// # Errors
    /// [`Error::MalformedContainer`], [`Error::Truncated`], [`Error::LimitExceeded`], [`Error::FileName`] or
    /// [`Error::DuplicateFileName`] by the container; [`Error::Io`] from the source. The reader cannot be used after.
    pub fn next_file(&mut self) -> Result<Option<AsiceFile<'_, R>>, Error> {
        let found = self.advance();
        Ok(self.guard(found)?.map(|name| AsiceFile { name, reader: self }))
    }

    /// Reads the rest of the container and verifies all of it.
    ///
    /// # Errors
    /// As [`next_file`](Self::next_file); [`Error::NoManifest`], [`Error::Unsigned`], [`Error::UnlistedFile`],
    /// [`Error::MissingFile`], [`Error::DigestMismatch`] and [`Error::InvalidSignature`] if not everything is signed;
    /// [`Error::NoFiles`], [`Error::MalformedManifest`], [`Error::MalformedCms`] and
    /// [`Error::UnsupportedAlgorithm`].
    pub fn finish(mut self) -> Result<Verified, Error> {
        while self.next_file()?.is_some() {}
        if self.file_count == 0 {
            return Err(Error::NoFiles);
        }
        Ok(Verified {
            signatures: self.verify()?,
            file_count: self.file_count,
            total_bytes: self.total_bytes,
        })
    }

    /// Reads the whole container into memory and verifies it.
    ///
    /// # Errors
    /// As [`finish`](Self::finish); [`Error::LimitExceeded`] if the files together exceed `max_bytes`.
    pub fn read_to_memory(mut self, max_bytes: u64) -> Result<Container, Error> {
        self.options.limits.max_total_bytes = self.options.limits.max_total_bytes.min(max_bytes);
        let mut files = Vec::new();
        while let Some(mut file) = self.next_file()? {
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            files.push(File { name: file.name().to_owned(), content: content.into() });
        }
        Ok(Container { files, signatures: self.finish()?.signatures })
    }

    /// Notes a failure, after which nothing more is read.
    fn guard<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    fn advance(&mut self) -> Result<Option<String>, Error> {
        match self.state {
            State::Entries => {}
            State::Done => return Ok(None),
            State::Failed => return Err(Error::MalformedContainer("reading it has failed before")),
        }
        let mut scratch = vec![0; 16 * 1024];
        while self.current.is_some() {
            self.read_current(&mut scratch)?;
        }
        loop {
            let mark = self.source.peek(4)?;
            if mark.len() < 4 {
                return Err(Error::Truncated);
            }
            if mark == zip::CENTRAL_HEADER {
                self.read_directory()?;
                self.state = State::Done;
                return Ok(None);
            }
            if mark != zip::LOCAL_HEADER {
                return Err(Error::MalformedContainer("not a zip archive"));
            }
            self.open_entry()?;
            if let Some(current) = self.current.as_ref().filter(|current| current.is_file) {
                return Ok(Some(current.name.clone()));
            }
            self.read_metadata()?;
        }
    }

    /// Reads a local header and makes its entry the current one.
    fn open_entry(&mut self) -> Result<(), Error> {
        let source = &mut self.source;
        source.skip(6)?;
        let flags = u16::from_le_bytes(source.take_array()?);
        let method = u16::from_le_bytes(source.take_array()?);
        source.skip(4)?;
        let crc = u32::from_le_bytes(source.take_array()?);
        let compressed = u32::from_le_bytes(source.take_array()?);
        let uncompressed = u32::from_le_bytes(source.take_array()?);
        let name_length = u16::from_le_bytes(source.take_array()?);
        let extra_length = u16::from_le_bytes(source.take_array()?);
        let name = source.take_vec(name_length.into())?;
        let extra = source.take_vec(extra_length.into())?;
        if flags & FLAG_ENCRYPTED != 0 {
            return Err(Error::MalformedContainer("an entry is encrypted by zip"));
        }
        let name = String::from_utf8(name).map_err(|error| Error::FileName {
            name: String::from_utf8_lossy(error.as_bytes()).into_owned(),
            reason: "it is not UTF-8",
        })?;
        let inflate = match method {
            METHOD_DEFLATE => Some(Decompress::new(false)),
            METHOD_STORE => None,
            _ => return Err(Error::MalformedContainer("an entry is packed by another method than deflate")),
        };
        let declared = if flags & FLAG_DESCRIPTOR == 0 {
            let (compressed, uncompressed) = sizes(compressed, uncompressed, &extra)?;
            Some((crc, compressed, uncompressed))
        } else if inflate.is_some() {
            None
        } else {
            return Err(Error::MalformedContainer("an entry is stored with its size behind it"));
        };

        let is_file = name != MIMETYPE_NAME && names::in_meta_inf(&name).is_none();
        if is_file {
            names::check_file_name(&name)?;
            if self.file_count == self.options.limits.max_files {
                return Err(Error::LimitExceeded { limit: "max_files" });
            }
            self.file_count += 1;
        } else if self.entries.len() - self.file_count.min(self.entries.len()) >= MAX_METADATA_ENTRIES {
            return Err(Error::MalformedContainer("too many entries in META-INF"));
        }
        if self.entries.contains_key(&name) {
            return Err(Error::DuplicateFileName(name));
        }
        self.current = Some(Current {
            name,
            is_file,
            inflate,
            declared,
            start: self.source.position(),
            size: 0,
            ended: false,
            crc: Crc::new(),
            digest: Context::new(&SHA256),
        });
        Ok(())
    }

    /// Reads `mimetype`, a manifest, a signature or what else may stand in META-INF.
    fn read_metadata(&mut self) -> Result<(), Error> {
        let Some(name) = self.current.as_ref().map(|current| current.name.clone()) else { return Ok(()) };
        let mut content = Vec::new();
        let mut scratch = vec![0; 16 * 1024];
        loop {
            let read = self.read_current(&mut scratch)?;
            if read == 0 {
                break;
            }
            self.metadata_bytes += read as u64;
            if self.metadata_bytes > self.options.limits.max_metadata_bytes {
                return Err(Error::LimitExceeded { limit: "max_metadata_bytes" });
            }
            content.extend_from_slice(scratch.get(..read).unwrap_or_default());
        }
        if name == MIMETYPE_NAME {
            if content.trim_ascii() != MIMETYPE.as_bytes() {
                return Err(Error::MalformedContainer("its mimetype is not that of ASiC-E"));
            }
        } else if names::is_manifest(&name) || names::is_signature(&name) {
            self.metadata.push((name, content));
        }
        Ok(())
    }

    /// Reads decompressed bytes of the current entry; 0 only at its end, when it is checked and closed.
    fn read_current(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let Some(current) = &mut self.current else { return Ok(0) };
        if out.is_empty() {
            return Ok(0);
        }
        let mut read = 0;
        while read == 0 && !current.ended {
            let used = self.source.position() - current.start;
            // Known compressed size: nothing beyond it belongs to the entry.
            let left = current.declared.map(|(_, compressed, _)| compressed.saturating_sub(used));
            let available = match left {
                Some(0) => &[],
                _ => self.source.fill_buf()?,
            };
            let left = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
            let input = available.get(..left).unwrap_or(available);
            let consumed = if let Some(inflate) = &mut current.inflate {
                let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
                let status = inflate
                    .decompress(input, out, FlushDecompress::None)
                    .map_err(|_| Error::MalformedContainer("an entry cannot be decompressed"))?;
                let consumed = usize::try_from(inflate.total_in() - before_in).unwrap_or(0);
                read = usize::try_from(inflate.total_out() - before_out).unwrap_or(0);
                current.ended = status == Status::StreamEnd;
                if read == 0 && consumed == 0 && !current.ended {
                    return Err(if input.is_empty() && left > 0 {
                        Error::Truncated
                    } else {
                        Error::MalformedContainer("an entry cannot be decompressed")
                    });
                }
                consumed
            } else if left == 0 {
                current.ended = true;
                0
            } else if input.is_empty() {
                return Err(Error::Truncated);
            } else {
                read = input.len().min(out.len());
                if let (Some(from), Some(to)) = (input.get(..read), out.get_mut(..read)) {
                    to.copy_from_slice(from);
                }
                read
            };
            self.source.consume(consumed);
        }
        if read == 0 {
            self.close_entry()?;
            return Ok(0);
        }

        let produced = out.get(..read).unwrap_or_default();
        current.crc.update(produced);
        current.digest.update(produced);
        current.size += read as u64;
        let limits = &self.options.limits;
        if current.is_file {
            if current.size > limits.max_file_bytes {
                return Err(Error::LimitExceeded { limit: "max_file_bytes" });
            }
            self.total_bytes += read as u64;
            if self.total_bytes > limits.max_total_bytes {
                return Err(Error::LimitExceeded { limit: "max_total_bytes" });
            }
            if self.total_bytes > limits.ratio_free_bytes
                && self.total_bytes / self.source.position().max(1) >= limits.max_ratio
            {
                return Err(Error::LimitExceeded { limit: "max_ratio" });
            }
        }
        Ok(read)
    }

    /// Checks the current entry against its checksum and sizes and notes its digest.
    fn close_entry(&mut self) -> Result<(), Error> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let compressed = self.source.position() - current.start;
        let crc = current.crc.sum();
        let matches = match current.declared {
            Some(declared) => declared == (crc, compressed, current.size),
            None => take_descriptor(&mut self.source, crc, compressed, current.size)?,
        };
        if !matches {
            return Err(Error::MalformedContainer("checksum or size of an entry is wrong"));
        }
        let digest = current.digest.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
        self.entries.insert(current.name, (digest, current.is_file));
        Ok(())
    }

    /// Reads the central directory: it must list what was read, so that no other reader finds anything else.
    fn read_directory(&mut self) -> Result<(), Error> {
        const OTHER: Error = Error::MalformedContainer("its directory lists other entries than it holds");
        let source = &mut self.source;
        let mut count = 0;
        loop {
            let mark = source.take_array::<4>()?;
            match mark {
                zip::CENTRAL_HEADER => {
                    source.skip(24)?;
                    let name = u16::from_le_bytes(source.take_array()?);
                    let extra = u16::from_le_bytes(source.take_array()?);
                    let comment = u16::from_le_bytes(source.take_array()?);
                    source.skip(12)?;
                    let name = String::from_utf8(source.take_vec(name.into())?).map_err(|_| OTHER)?;
                    source.skip(u64::from(extra) + u64::from(comment))?;
                    count += 1;
                    if count > self.entries.len() || !self.entries.contains_key(&name) {
                        return Err(OTHER);
                    }
                }
                zip::ZIP64_END => {
                    let length = u64::from_le_bytes(source.take_array()?);
                    if length > self.options.limits.max_metadata_bytes {
                        return Err(Error::MalformedContainer("its end record is too long"));
                    }
                    source.skip(length)?;
                }
                zip::ZIP64_LOCATOR => source.skip(16)?,
                zip::END => {
                    source.skip(16)?;
                    let comment = u16::from_le_bytes(source.take_array()?);
                    source.skip(comment.into())?;
                    break;
                }
                _ => return Err(Error::MalformedContainer("its directory is damaged")),
            }
        }
        if count != self.entries.len() {
            return Err(OTHER);
        }
        // Also lets a decrypting source check its end.
        if !source.peek(1)?.is_empty() {
            return Err(Error::MalformedContainer("bytes follow its end"));
        }
        Ok(())
    }

    /// Checks manifests and signatures against the entries read.
    fn verify(&self) -> Result<Vec<Signature>, Error> {
        let mut signatures = Vec::new();
        let mut used = Vec::new();
        let mut manifests = self.metadata.iter().filter(|(name, _)| names::is_manifest(name)).peekable();
        if manifests.peek().is_none() {
            return Err(Error::NoManifest);
        }
        for (_, bytes) in manifests {
            let manifest = Manifest::parse(bytes)?;
            if let Some(uri) = &manifest.signature {
                let (name, signature) = self
                    .metadata
                    .iter()
                    .find(|(name, _)| names::is_signature(name) && name.eq_ignore_ascii_case(uri))
                    .ok_or_else(|| Error::MissingFile(uri.clone()))?;
                signatures.extend(signed_data::verify(bytes, signature)?);
                used.push(name);
            } else if self.options.require_signature {
                return Err(Error::Unsigned);
            }
            let mut listed = HashSet::new();
            for (uri, digest) in manifest.references {
                let decoded = percent_decoded(&uri);
                let (name, (found, _)) = self
                    .entries
                    .get_key_value(&uri)
                    .or_else(|| self.entries.get_key_value(decoded.as_ref()?))
                    .ok_or_else(|| Error::MissingFile(uri.clone()))?;
                if *found != digest {
                    return Err(Error::DigestMismatch(name.clone()));
                }
                listed.insert(name);
            }
            // By each manifest: otherwise somebody could add a file of his own under a signature of his own, and
            // the files would not all be from each of the signers.
            for (name, (_, is_file)) in &self.entries {
                if *is_file && !listed.contains(name) {
                    return Err(Error::UnlistedFile(name.clone()));
                }
            }
        }
        if self.metadata.iter().any(|(name, _)| names::is_signature(name) && !used.contains(&name)) {
            return Err(Error::InvalidSignature("no manifest refers to it"));
        }
        Ok(signatures)
    }
}

/// One file of a container, to be read to its end or passed over. See [`AsiceReader`] on when to trust it.
pub struct AsiceFile<'r, R> {
    name: String,
    reader: &'r mut AsiceReader<R>,
}

impl<R> AsiceFile<'_, R> {
    /// The file's name: no path, no control characters, unique in its container.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<R: Read> Read for AsiceFile<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.reader.state == State::Failed {
            return Err(Error::MalformedContainer("reading it has failed before").into());
        }
        let read = self.reader.read_current(out);
        Ok(self.reader.guard(read)?)
    }
}

/// The sizes of an entry, from the ZIP64 extra field where they do not fit into four bytes.
fn sizes(compressed: u32, uncompressed: u32, extra: &[u8]) -> Result<(u64, u64), Error> {
    const BROKEN: Error = Error::MalformedContainer("its large sizes are missing");
    if compressed != u32::MAX && uncompressed != u32::MAX {
        return Ok((compressed.into(), uncompressed.into()));
    }
    let mut source = Source::new(extra);
    loop {
        let id = u16::from_le_bytes(source.take_array().map_err(|_| BROKEN)?);
        let length = u16::from_le_bytes(source.take_array().map_err(|_| BROKEN)?);
        let field = source.take_vec(length.into()).map_err(|_| BROKEN)?;
        if id == zip::ZIP64_EXTRA {
            let mut field = Source::new(&field[..]);
            let mut large = |value: u32| -> Result<u64, Error> {
                if value == u32::MAX {
                    Ok(u64::from_le_bytes(field.take_array().map_err(|_| BROKEN)?))
                } else {
                    Ok(value.into())
                }
            };
            let uncompressed = large(uncompressed)?;
            return Ok((large(compressed)?, uncompressed));
        }
    }
}

/// Takes a data descriptor if it says what was found, whichever of its four forms it has.
fn take_descriptor<R: Read>(
    source: &mut Source<R>,
    crc: u32,
    compressed: u64,
    uncompressed: u64,
) -> Result<bool, Error> {
    let crc = crc.to_le_bytes();
    let large = [&crc[..], &compressed.to_le_bytes(), &uncompressed.to_le_bytes()].concat();
    let mut forms = vec![[&zip::DESCRIPTOR[..], &large].concat(), large];
    if let (Ok(compressed), Ok(uncompressed)) = (u32::try_from(compressed), u32::try_from(uncompressed)) {
        let short = [crc, compressed.to_le_bytes(), uncompressed.to_le_bytes()].concat();
        forms.push([&zip::DESCRIPTOR[..], &short].concat());
        forms.push(short);
    }
    let next = source.peek(24)?;
    let length = forms.iter().find(|form| next.starts_with(form)).map(Vec::len);
    match length {
        Some(length) => source.skip(length as u64).map(|()| true),
        None if next.len() < 12 => Err(Error::Truncated),
        None => Ok(false),
    }
}

/// A manifest's URI with its percent signs resolved, as other writers of ASiC-E encode names.
fn percent_decoded(uri: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(uri.len());
    let mut rest = uri.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_sizes_stand_in_the_extra_field() {
        // Another field first, then ZIP64 with both sizes.
        let mut extra = vec![0x55, 0x54, 1, 0, 9, 1, 0, 16, 0];
        extra.extend_from_slice(&(6u64 << 30).to_le_bytes());
        extra.extend_from_slice(&(5u64 << 30).to_le_bytes());
        assert_eq!(sizes(u32::MAX, u32::MAX, &extra).unwrap(), (5 << 30, 6 << 30));
        assert_eq!(sizes(7, u32::MAX, &extra).unwrap(), (7, 6 << 30));
        assert_eq!(sizes(7, 8, &extra).unwrap(), (7, 8));
        assert!(sizes(u32::MAX, u32::MAX, &extra[..20]).is_err());
        assert!(sizes(u32::MAX, 8, &[]).is_err());
    }

    #[test]
    fn a_descriptor_is_taken_in_each_of_its_forms() {
        let (crc, compressed, uncompressed) = (0x0102_0304_u32, 5, 6);
        let short = [&crc.to_le_bytes()[..], &[5, 0, 0, 0], &[6, 0, 0, 0]].concat();
        let large = [&crc.to_le_bytes()[..], &[5, 0, 0, 0, 0, 0, 0, 0], &[6, 0, 0, 0, 0, 0, 0, 0]].concat();
        for form in [short, large] {
            for mark in [&[][..], &zip::DESCRIPTOR] {
                let bytes = [mark, &form, b"PK\x01\x02 and more that follows"].concat();
                let mut source = Source::new(&bytes[..]);
                assert!(take_descriptor(&mut source, crc, compressed, uncompressed).unwrap());
                assert_eq!(source.peek(4).unwrap(), zip::CENTRAL_HEADER);
                assert!(!take_descriptor(&mut Source::new(&bytes[..]), crc, compressed, 7).unwrap());
            }
        }
        assert!(matches!(take_descriptor(&mut Source::new(&b"PK"[..]), crc, 5, 6), Err(Error::Truncated)));
    }

    #[test]
    fn percent_signs_are_resolved_or_left() {
        assert_eq!(percent_decoded("s%C3%B8knad%20a").as_deref(), Some("søknad a"));
        assert_eq!(percent_decoded("100%"), None);
        assert_eq!(percent_decoded("%ff"), None);
    }
}
