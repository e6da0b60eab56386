//! CMS EnvelopedData as a stream (RFC 5652 §6): one `Write` that encrypts, one `Read` that decrypts.

use std::io::{self, BufRead, Read, Write};

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, EncryptionContext, StreamingDecryptingKey,
    StreamingEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;

use crate::ber::{
    self, CONTEXT_0, CONTEXT_0_CONSTRUCTED, CONTEXT_1_CONSTRUCTED, CONTEXT_2_CONSTRUCTED, Element, INTEGER,
    OCTET_STRING, OCTET_STRING_CONSTRUCTED, OID, Parser, SEQUENCE, SET,
};
use crate::keys::KeyTransport;
use crate::source::Source;
use crate::{Error, PrivateKey, RecipientCertificate, oid, signed_data};

const BLOCK_BYTES: usize = 16;
/// Bytes of one OCTET STRING of encrypted content.
const CHUNK_BYTES: usize = 16 * 1024;
/// Most bytes of everything before the encrypted content, and of each part after it.
const MAX_HEADER_BYTES: u64 = 256 * 1024;
/// Most recipients looked at: each may cost one RSA operation a key.
const MAX_RECIPIENTS: usize = 32;
const MAX_STRING_DEPTH: usize = 4;
const INDEFINITE: u8 = 0x80;
const END_MARK: [u8; 2] = [0, 0];
/// How every container begins: the first local file header of a zip archive.
const CONTAINER_START: &[u8] = b"PK\x03\x04";

// ---- encrypting ----

/// Encrypts what is written to it and passes it on to `sink`, as Fiks IO clients expect it.
///
/// One recipient; the content key with RSAES-OAEP (SHA-256), the content with AES-256-CBC, in BER with indefinite
/// lengths. Memory use does not depend on the size of the content. Without [`finish`](Self::finish) the output is
/// incomplete.
///
/// # Example: encrypt and decrypt
///
/// ```
/// use std::io::{Read, Write};
/// use asice::{ContentCheck, DecryptingReader, EncryptingWriter, PrivateKey, RecipientCertificate};
/// # let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
/// # let certificate_pem = rcgen::CertificateParams::default().self_signed(&key)?.pem();
/// # let private_key_pem = key.serialize_pem();
///
/// let recipient = RecipientCertificate::from_pem(&certificate_pem)?;
/// let mut writer = EncryptingWriter::new(Vec::new(), &recipient)?;
/// writer.write_all(b"hemmelig")?;
/// let encrypted = writer.finish()?;
///
/// let keys = [PrivateKey::from_pem(&private_key_pem)?];
/// let mut plain = String::new();
/// DecryptingReader::new(&encrypted[..], &keys, ContentCheck::Anything)?.read_to_string(&mut plain)?;
/// assert_eq!(plain, "hemmelig");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EncryptingWriter<W: Write> {
    sink: W,
    cipher: StreamingEncryptingKey,
    /// Encrypted bytes not yet written as a chunk.
    pending: Vec<u8>,
    scratch: Vec<u8>,
}

impl<W: Write> EncryptingWriter<W> {
    /// Writes everything that stands before the encrypted content.
    ///
    /// # Errors
    /// [`Error::Io`] from `sink`, [`Error::Crypto`] if the crypto library fails.
    pub fn new(mut sink: W, recipient: &RecipientCertificate) -> Result<Self, Error> {
        let crypto = |_| Error::Crypto("start encryption");
        let mut content_key = [0; 32];
        let mut iv = [0; BLOCK_BYTES];
        aws_lc_rs::rand::fill(&mut content_key).map_err(crypto)?;
        aws_lc_rs::rand::fill(&mut iv).map_err(crypto)?;

        let recipient_info = ber::constructed(
            SEQUENCE,
            &[
                &ber::tlv(INTEGER, &[0]),
                &signed_data::issuer_and_serial(recipient.certificate()),
                &oaep_sha256(),
                &ber::tlv(OCTET_STRING, &recipient.encrypt_key(&content_key)?),
            ],
        );
        let cipher =
            ber::constructed(SEQUENCE, &[&ber::tlv(OID, oid::AES_256_CBC), &ber::tlv(OCTET_STRING, &iv)]);
        let start = [
            &[SEQUENCE, INDEFINITE][..],
            &ber::tlv(OID, oid::ENVELOPED_DATA),
            &[CONTEXT_0_CONSTRUCTED, INDEFINITE, SEQUENCE, INDEFINITE],
            &ber::tlv(INTEGER, &[0]),
            &ber::tlv(SET, &recipient_info),
            &[SEQUENCE, INDEFINITE],
            &ber::tlv(OID, oid::DATA),
            &cipher,
            &[CONTEXT_0_CONSTRUCTED, INDEFINITE],
        ]
        .concat();
        sink.write_all(&start)?;

        let key = UnboundCipherKey::new(&AES_256, &content_key).map_err(crypto)?;
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        let cipher = StreamingEncryptingKey::less_safe_cbc_pkcs7(key, context).map_err(crypto)?;
        Ok(Self { sink, cipher, pending: Vec::new(), scratch: vec![0; CHUNK_BYTES + BLOCK_BYTES] })
    }

    fn encrypt(&mut self, plain: &[u8]) -> Result<(), Error> {
        for piece in plain.chunks(CHUNK_BYTES) {
            let update = self
                .cipher
                .update(piece, &mut self.scratch)
                .map_err(|_| Error::Crypto("encrypt the content"))?;
            self.pending.extend_from_slice(update.written());
            while self.pending.len() >= CHUNK_BYTES {
                let rest = self.pending.split_off(CHUNK_BYTES);
                write_chunk(&mut self.sink, &self.pending)?;
                self.pending = rest;
            }
        }
        Ok(())
    }

    /// Writes the padding and all end marks, and gives the sink back.
    ///
    /// # Errors
    /// As [`EncryptingWriter::new`].
    pub fn finish(mut self) -> Result<W, Error> {
        let (_, update) =
            self.cipher.finish(&mut self.scratch).map_err(|_| Error::Crypto("finish encryption"))?;
        self.pending.extend_from_slice(update.written());
        for chunk in self.pending.chunks(CHUNK_BYTES) {
            write_chunk(&mut self.sink, chunk)?;
        }
        // Of the encrypted content, EncryptedContentInfo, EnvelopedData, [0] and ContentInfo.
        self.sink.write_all(&END_MARK.repeat(5))?;
        self.sink.flush()?;
        Ok(self.sink)
    }
}

impl<W: Write> Write for EncryptingWriter<W> {
    fn write(&mut self, plain: &[u8]) -> io::Result<usize> {
        self.encrypt(plain)?;
        Ok(plain.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

fn write_chunk(sink: &mut impl Write, chunk: &[u8]) -> Result<(), Error> {
    sink.write_all(&ber::header(OCTET_STRING, chunk.len()))?;
    sink.write_all(chunk)?;
    Ok(())
}

/// AlgorithmIdentifier of RSAES-OAEP with SHA-256, MGF1 with SHA-256 and an empty label, all spelt out as
/// BouncyCastle does.
fn oaep_sha256() -> Vec<u8> {
    let sha256 = ber::algorithm_null(oid::SHA256);
    let mgf1 = ber::constructed(SEQUENCE, &[&ber::tlv(OID, oid::MGF1), &sha256]);
    let label = ber::constructed(SEQUENCE, &[&ber::tlv(OID, oid::P_SPECIFIED), &ber::tlv(OCTET_STRING, &[])]);
    let parameters = ber::constructed(
        SEQUENCE,
        &[
            &ber::tlv(CONTEXT_0_CONSTRUCTED, &sha256),
            &ber::tlv(CONTEXT_1_CONSTRUCTED, &mgf1),
            &ber::tlv(CONTEXT_2_CONSTRUCTED, &label),
        ],
    );
    ber::constructed(SEQUENCE, &[&ber::tlv(OID, oid::RSAES_OAEP), &parameters])
}

// ---- decrypting ----

/// What decrypted content must look like for a private key to count as the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentCheck {
    /// It begins as an ASiC-E container does. For payloads of Fiks IO.
    #[default]
    Container,
    /// Nothing is known about it.
    ///
    /// With RSA PKCS#1 v1.5 and several keys a wrong key may then be taken for the right one.
    Anything,
}

/// Decrypts CMS EnvelopedData read from `source`.
///
/// Takes what the official clients write and more: definite and indefinite lengths, any number of recipients, RSA
/// PKCS#1 v1.5 and OAEP, AES-128, -192 and -256 in CBC mode. The keys whose certificate the payload names are tried
/// first, then all others. Memory use does not depend on the size of the content.
///
/// CMS encryption of this kind does not protect against alteration; the signature of the container inside does.
pub struct DecryptingReader<R> {
    content: Content<R>,
    cipher: Option<StreamingDecryptingKey>,
    /// Decrypted bytes, and how many of them were handed out.
    plain: Vec<u8>,
    plain_end: usize,
    plain_start: usize,
    /// Encrypted bytes read while looking for the key.
    first: Vec<u8>,
    /// Ends of the four values around the content, outermost first.
    outer: Vec<Option<u64>>,
    failed: bool,
}

impl<R: Read> DecryptingReader<R> {
    /// Reads everything before the encrypted content and finds the key that opens it.
    ///
    /// # Errors
    /// [`Error::Decryption`] if no key fits; [`Error::MalformedCms`], [`Error::UnsupportedAlgorithm`] and
    /// [`Error::Truncated`] for input that cannot be read by any key; [`Error::Io`] from `source`.
    pub fn new(source: R, keys: &[PrivateKey], check: ContentCheck) -> Result<Self, Error> {
        let mut source = Source::new(source);
        let mut outer = Vec::with_capacity(4);
        outer.push(enter(&mut source, SEQUENCE, "not CMS")?);
        let kind = small(&mut source)?;
        if one(&kind)?.tag != OID || one(&kind)?.content != oid::ENVELOPED_DATA {
            return Err(Error::MalformedCms("not EnvelopedData"));
        }
        outer.push(enter(&mut source, CONTEXT_0_CONSTRUCTED, "no content")?);
        outer.push(enter(&mut source, SEQUENCE, "EnvelopedData is no sequence")?);
        if one(&small(&mut source)?)?.tag != INTEGER {
            return Err(Error::MalformedCms("EnvelopedData has no version"));
        }
        let mut set = small(&mut source)?;
        if one(&set)?.tag == CONTEXT_0_CONSTRUCTED {
            // originatorInfo: only helps key agreement.
            set = small(&mut source)?;
        }
        let recipients = recipients(&one(&set)?)?;
        outer.push(enter(&mut source, SEQUENCE, "no encrypted content info")?);
        if one(&small(&mut source)?)?.tag != OID {
            return Err(Error::MalformedCms("encrypted content has no type"));
        }
        let algorithm = small(&mut source)?;
        let content_cipher = ContentCipher::parse(&one(&algorithm)?)?;

        let mut content = Content::enter(source)?;
        let mut first = Vec::new();
        while first.len() < BLOCK_BYTES {
            let piece = content.piece()?;
            if piece.is_empty() {
                return Err(Error::MalformedCms("no encrypted content"));
            }
            let piece = piece.get(..BLOCK_BYTES - first.len()).unwrap_or(piece);
            first.extend_from_slice(piece);
            let length = piece.len();
            content.consume(length);
        }
        let cipher = find_key(&recipients, keys, &content_cipher, &first, check)?;
        Ok(Self {
            content,
            cipher: Some(cipher),
            plain: vec![0; CHUNK_BYTES + BLOCK_BYTES],
            plain_end: 0,
            plain_start: 0,
            first,
            outer,
            failed: false,
        })
    }

    /// Decrypts until there is something to hand out or the end is reached.
    fn decrypt(&mut self) -> Result<(), Error> {
        self.plain_start = 0;
        self.plain_end = 0;
        while self.plain_end == 0 {
            let Some(cipher) = &mut self.cipher else { return Ok(()) };
            if !self.first.is_empty() {
                let first = std::mem::take(&mut self.first);
                let update = cipher.update(&first, &mut self.plain).map_err(|_| Error::Decryption)?;
                self.plain_end = update.written().len();
                continue;
            }
            let piece = self.content.piece()?;
            if piece.is_empty() {
                // Taken out before it can fail, so that a failure is not followed by more output.
                if let Some(cipher) = self.cipher.take() {
                    self.plain_end =
                        cipher.finish(&mut self.plain).map_err(|_| Error::Decryption)?.written().len();
                }
                self.leave()?;
                continue;
            }
            let piece = piece.get(..CHUNK_BYTES).unwrap_or(piece);
            let update = cipher.update(piece, &mut self.plain).map_err(|_| Error::Decryption)?;
            self.plain_end = update.written().len();
            let length = piece.len();
            self.content.consume(length);
        }
        Ok(())
    }

    /// Reads what stands after the encrypted content, so that a cut-off payload is noticed.
    fn leave(&mut self) -> Result<(), Error> {
        let source = &mut self.content.source;
        while let Some(end) = self.outer.pop() {
            loop {
                if at_end(source, end)? {
                    break;
                }
                // Only unprotectedAttrs may follow, in EnvelopedData.
                if self.outer.len() != 2 || one(&small(source)?)?.tag != CONTEXT_1_CONSTRUCTED {
                    return Err(Error::MalformedCms("unexpected value after the encrypted content"));
                }
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for DecryptingReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Err(Error::Decryption.into());
        }
        if self.plain_start == self.plain_end
            && let Err(error) = self.decrypt()
        {
            // Not to be taken for the end by whoever reads on.
            self.failed = true;
            self.plain_end = 0;
            return Err(error.into());
        }
        let read = self.plain.get(self.plain_start..self.plain_end).unwrap_or_default().read(out)?;
        self.plain_start += read;
        Ok(read)
    }
}

/// Reads tag and length; `None` is an indefinite length, else the position of the end.
fn enter<R: Read>(source: &mut Source<R>, tag: u8, what: &'static str) -> Result<Option<u64>, Error> {
    if source.take_array::<1>()? == [tag] { length(source) } else { Err(Error::MalformedCms(what)) }
}

fn length<R: Read>(source: &mut Source<R>) -> Result<Option<u64>, Error> {
    let [first] = source.take_array::<1>()?;
    if first == INDEFINITE {
        return Ok(None);
    }
    let mut length = u64::from(first);
    if first > INDEFINITE {
        let count = first & 0x7F;
        if count > 8 {
            return Err(Error::MalformedCms("length of more than eight bytes"));
        }
        length = 0;
        for _ in 0..count {
            length = length << 8 | u64::from(source.take_array::<1>()?[0]);
        }
    }
    let end = source.position().checked_add(length).ok_or(Error::MalformedCms("impossible length"))?;
    Ok(Some(end))
}

/// Whether a constructed value ends here; takes the end mark of one with indefinite length.
fn at_end<R: Read>(source: &mut Source<R>, end: Option<u64>) -> Result<bool, Error> {
    if let Some(end) = end {
        return match source.position().cmp(&end) {
            std::cmp::Ordering::Less => Ok(false),
            std::cmp::Ordering::Equal => Ok(true),
            std::cmp::Ordering::Greater => Err(Error::MalformedCms("value longer than what holds it")),
        };
    }
    let next = source.peek(2)?;
    if next.len() < 2 {
        return Err(Error::Truncated);
    }
    let ends = next == END_MARK;
    if ends {
        source.skip(2)?;
    }
    Ok(ends)
}

/// Reads one whole value of bounded size.
fn small<R: Read>(source: &mut Source<R>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    copy_value(source, &mut bytes, ber::MAX_DEPTH)?;
    Ok(bytes)
}

fn copy_value<R: Read>(source: &mut Source<R>, bytes: &mut Vec<u8>, depth: u8) -> Result<(), Error> {
    const TOO_LARGE: Error = Error::MalformedCms("header too large");
    let depth = depth.checked_sub(1).ok_or(Error::MalformedCms("nested too deeply"))?;
    let [tag] = source.take_array::<1>()?;
    let start = source.position();
    if let Some(end) = length(source)? {
        let length = end - source.position();
        if length.saturating_add(bytes.len() as u64) > MAX_HEADER_BYTES {
            return Err(TOO_LARGE);
        }
        let content = source.take_vec(length)?;
        bytes.extend_from_slice(&ber::tlv(tag, &content));
    } else {
        bytes.extend_from_slice(&[tag, INDEFINITE]);
        while !at_end(source, None)? {
            copy_value(source, bytes, depth)?;
            if source.position() - start > MAX_HEADER_BYTES {
                return Err(TOO_LARGE);
            }
        }
        bytes.extend_from_slice(&END_MARK);
    }
    Ok(())
}

fn one(bytes: &[u8]) -> Result<Element<'_>, Error> {
    Parser::new(bytes).next()?.ok_or(Error::MalformedCms("value missing"))
}

/// The encrypted content: OCTET STRINGs in a tree, or one primitive value.
struct Content<R> {
    source: Source<R>,
    /// Ends of the constructed values that the position is in.
    open: Vec<Option<u64>>,
    /// Bytes left of the string that the position is in.
    left: u64,
}

impl<R: Read> Content<R> {
    fn enter(mut source: Source<R>) -> Result<Self, Error> {
        const MISSING: Error = Error::MalformedCms("no encrypted content");
        let [tag] = source.take_array::<1>()?;
        let end = length(&mut source)?;
        match (tag, end) {
            (CONTEXT_0, Some(end)) => {
                let left = end - source.position();
                Ok(Self { source, open: Vec::new(), left })
            }
            (CONTEXT_0_CONSTRUCTED, end) => Ok(Self { source, open: vec![end], left: 0 }),
            _ => Err(MISSING),
        }
    }

    /// The next encrypted bytes, as many as are at hand; none at the end of the content.
    fn piece(&mut self) -> Result<&[u8], Error> {
        while self.left == 0 {
            let Some(&end) = self.open.last() else { return Ok(&[]) };
            if at_end(&mut self.source, end)? {
                self.open.pop();
                continue;
            }
            let [tag] = self.source.take_array::<1>()?;
            match (tag, length(&mut self.source)?) {
                (OCTET_STRING, Some(end)) => self.left = end - self.source.position(),
                (OCTET_STRING_CONSTRUCTED, end) if self.open.len() < MAX_STRING_DEPTH => self.open.push(end),
                _ => return Err(Error::MalformedCms("encrypted content is not made of octet strings")),
            }
        }
        let available = self.source.fill_buf()?;
        if available.is_empty() {
            return Err(Error::Truncated);
        }
        let length = available.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        Ok(available.get(..length).unwrap_or(available))
    }

    fn consume(&mut self, amount: usize) {
        self.source.consume(amount);
        self.left -= amount as u64;
    }
}

struct ContentCipher {
    algorithm: &'static Algorithm,
    key_bytes: usize,
    iv: [u8; BLOCK_BYTES],
}

impl ContentCipher {
    fn parse(element: &Element<'_>) -> Result<Self, Error> {
        let mut fields = element.children();
        let oid = fields.expect(OID, "content cipher has no identifier")?.content;
        let (algorithm, key_bytes) = match oid {
            oid::AES_128_CBC => (&AES_128, 16),
            oid::AES_192_CBC => (&AES_192, 24),
            oid::AES_256_CBC => (&AES_256, 32),
            _ => {
                return Err(Error::UnsupportedAlgorithm {
                    purpose: "encrypted content",
                    oid: ber::dotted(oid),
                });
            }
        };
        let iv = fields.expect(OCTET_STRING, "content cipher has no initialization vector")?.content;
        let iv = iv.try_into().map_err(|_| Error::MalformedCms("initialization vector of wrong length"))?;
        Ok(Self { algorithm, key_bytes, iv })
    }

    fn start(&self, content_key: &[u8]) -> Result<StreamingDecryptingKey, Error> {
        let key = UnboundCipherKey::new(self.algorithm, content_key).map_err(|_| Error::Decryption)?;
        let context = DecryptionContext::Iv128(FixedLength::from(self.iv));
        StreamingDecryptingKey::cbc_pkcs7(key, context).map_err(|_| Error::Decryption)
    }

    /// Decrypts the first block alone.
    fn first_block(&self, content_key: &[u8], encrypted: &[u8]) -> Result<[u8; BLOCK_BYTES], Error> {
        // The cipher holds the last block back for its padding: so the block goes in twice and comes out once.
        let twice = encrypted.repeat(2);
        let mut out = [0; 3 * BLOCK_BYTES];
        let mut cipher = self.start(content_key)?;
        let update = cipher.update(&twice, &mut out).map_err(|_| Error::Decryption)?;
        update.written().get(..BLOCK_BYTES).and_then(|block| block.try_into().ok()).ok_or(Error::Decryption)
    }
}

/// One KeyTransRecipientInfo.
struct Recipient {
    /// IssuerAndSerialNumber in DER, or the key identifier.
    id: RecipientId,
    transport: KeyTransport,
    encrypted_key: Vec<u8>,
}

enum RecipientId {
    IssuerAndSerial { issuer: Vec<u8>, serial: Vec<u8> },
    KeyId(Vec<u8>),
}

impl Recipient {
    fn names(&self, key: &PrivateKey) -> bool {
        key.certificates().iter().any(|certificate| match &self.id {
            RecipientId::IssuerAndSerial { issuer, serial } => {
                certificate.issuer_der() == issuer && certificate.serial() == serial
            }
            RecipientId::KeyId(id) => certificate.key_id() == Some(id),
        })
    }
}

/// Recipients that a private key could open. If there are others only, says why they cannot be.
fn recipients(set: &Element<'_>) -> Result<Vec<Recipient>, Error> {
    if set.tag != SET {
        return Err(Error::MalformedCms("no recipients"));
    }
    let mut found = Vec::new();
    let mut unsupported = Error::MalformedCms("no recipients");
    let mut entries = set.children();
    while let Some(entry) = entries.next()? {
        if entry.tag != SEQUENCE {
            unsupported = Error::UnsupportedAlgorithm {
                purpose: "an encrypted key",
                oid: "other than key transport".to_owned(),
            };
            continue;
        }
        if found.len() == MAX_RECIPIENTS {
            return Err(Error::MalformedCms("too many recipients"));
        }
        let mut fields = entry.children();
        fields.expect(INTEGER, "recipient has no version")?;
        let id = fields.next()?.ok_or(Error::MalformedCms("recipient has no identifier"))?;
        let id = match id.tag {
            SEQUENCE => {
                let mut id = id.children();
                let issuer = id.expect(SEQUENCE, "recipient has no issuer")?.raw.to_vec();
                let serial = id.expect(INTEGER, "recipient has no serial number")?.content.to_vec();
                RecipientId::IssuerAndSerial { issuer, serial }
            }
            CONTEXT_0 => RecipientId::KeyId(id.content.to_vec()),
            _ => return Err(Error::MalformedCms("recipient has an unknown identifier")),
        };
        let algorithm = fields.expect(SEQUENCE, "recipient has no algorithm")?;
        let encrypted_key = fields.expect(OCTET_STRING, "recipient has no encrypted key")?.content.to_vec();
        match key_transport(&algorithm) {
            Ok(transport) => found.push(Recipient { id, transport, encrypted_key }),
            Err(error @ Error::UnsupportedAlgorithm { .. }) => unsupported = error,
            Err(error) => return Err(error),
        }
    }
    if found.is_empty() { Err(unsupported) } else { Ok(found) }
}

fn key_transport(algorithm: &Element<'_>) -> Result<KeyTransport, Error> {
    let unsupported =
        |oid: &[u8]| Error::UnsupportedAlgorithm { purpose: "an encrypted key", oid: ber::dotted(oid) };
    let mut fields = algorithm.children();
    match fields.expect(OID, "recipient's algorithm has no identifier")?.content {
        oid::RSA_ENCRYPTION => return Ok(KeyTransport::Pkcs1),
        oid::RSAES_OAEP => {}
        other => return Err(unsupported(other)),
    }
    // RFC 4055 §4.1: absent fields mean SHA-1.
    let mut hash = oid::SHA1.to_vec();
    let mut mask_hash = oid::SHA1.to_vec();
    if let Some(parameters) = fields.optional(SEQUENCE)? {
        let mut fields = parameters.children();
        if let Some(wrapper) = fields.optional(CONTEXT_0_CONSTRUCTED)? {
            hash = algorithm_oid(&wrapper)?;
        }
        if let Some(wrapper) = fields.optional(CONTEXT_1_CONSTRUCTED)? {
            let mask = wrapper.children().expect(SEQUENCE, "OAEP mask is no sequence")?;
            let mut mask = mask.children();
            let oid = mask.expect(OID, "OAEP mask has no identifier")?.content;
            if oid != oid::MGF1 {
                return Err(unsupported(oid));
            }
            let inner = mask.expect(SEQUENCE, "OAEP mask has no digest")?;
            mask_hash = inner.children().expect(OID, "OAEP mask has no digest")?.content.to_vec();
        }
        if let Some(wrapper) = fields.optional(CONTEXT_2_CONSTRUCTED)? {
            let label = wrapper.children().expect(SEQUENCE, "OAEP label is no sequence")?;
            let mut label = label.children();
            label.expect(OID, "OAEP label has no identifier")?;
            if label.next()?.is_some_and(|value| !value.content.is_empty()) {
                return Err(unsupported(oid::P_SPECIFIED));
            }
        }
    }
    if hash != mask_hash {
        return Err(unsupported(&mask_hash));
    }
    match &hash[..] {
        oid::SHA1 => Ok(KeyTransport::OaepSha1),
        oid::SHA256 => Ok(KeyTransport::OaepSha256),
        oid::SHA384 => Ok(KeyTransport::OaepSha384),
        oid::SHA512 => Ok(KeyTransport::OaepSha512),
        other => Err(unsupported(other)),
    }
}

/// The identifier of the AlgorithmIdentifier inside an explicit tag.
fn algorithm_oid(wrapper: &Element<'_>) -> Result<Vec<u8>, Error> {
    let algorithm = wrapper.children().expect(SEQUENCE, "OAEP digest is no sequence")?;
    Ok(algorithm.children().expect(OID, "OAEP digest has no identifier")?.content.to_vec())
}

/// Tries recipients and keys until one decrypts the first block to what it should be.
fn find_key(
    recipients: &[Recipient],
    keys: &[PrivateKey],
    cipher: &ContentCipher,
    first: &[u8],
    check: ContentCheck,
) -> Result<StreamingDecryptingKey, Error> {
    let pairs = || recipients.iter().flat_map(|recipient| keys.iter().map(move |key| (recipient, key)));
    let named = pairs().filter(|(recipient, key)| recipient.names(key));
    let others = pairs().filter(|(recipient, key)| !recipient.names(key));
    for (recipient, key) in named.chain(others) {
        if recipient.encrypted_key.len() != key.modulus_bytes() {
            continue;
        }
        let content_key = match key.decrypt_key(recipient.transport, &recipient.encrypted_key) {
            Some(content_key) if content_key.len() == cipher.key_bytes => content_key,
            // Bad PKCS#1 v1.5 padding goes on with a random key, to fail where a wrong key fails (RFC 3218 §2.3.2).
            _ if recipient.transport == KeyTransport::Pkcs1 && check == ContentCheck::Container => {
                let mut random = vec![0; cipher.key_bytes];
                aws_lc_rs::rand::fill(&mut random).map_err(|_| Error::Crypto("draw a random key"))?;
                random
            }
            _ => continue,
        };
        let block = cipher.first_block(&content_key, first)?;
        if check == ContentCheck::Anything || block.starts_with(CONTAINER_START) {
            return cipher.start(&content_key);
        }
    }
    Err(Error::Decryption)
}
