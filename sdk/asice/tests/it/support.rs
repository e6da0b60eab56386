//! Keys, made once, and parts to build containers from by hand.

use std::io::Write;
use std::sync::LazyLock;

use asice::{AsiceWriter, PrivateKey, RecipientCertificate, Signer};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

pub(crate) struct Identity {
    pub(crate) key_pem: String,
    pub(crate) certificate_pem: String,
}

impl Identity {
    fn new(orgnr: &str) -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 97]), format!("NTRNO-{orgnr}"));
        let certificate_pem = params.self_signed(&key).unwrap().pem();
        Self { key_pem: key.serialize_pem(), certificate_pem }
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer::from_pem(&self.key_pem, &self.certificate_pem).unwrap()
    }

    pub(crate) fn recipient(&self) -> RecipientCertificate {
        RecipientCertificate::from_pem(&self.certificate_pem).unwrap()
    }

    pub(crate) fn private_key(&self) -> PrivateKey {
        PrivateKey::from_pem(&self.key_pem).unwrap()
    }
}

pub(crate) static SENDER: LazyLock<Identity> = LazyLock::new(|| Identity::new("971032146"));
pub(crate) static RECEIVER: LazyLock<Identity> = LazyLock::new(|| Identity::new("991825827"));
pub(crate) static STRANGER: LazyLock<Identity> = LazyLock::new(|| Identity::new("974760673"));

/// A container of these files, signed by the sender.
pub(crate) fn container(files: &[(&str, &[u8])]) -> Vec<u8> {
    container_of(&SENDER, files)
}

pub(crate) fn container_of(signer: &Identity, files: &[(&str, &[u8])]) -> Vec<u8> {
    let signer = signer.signer();
    let mut writer = AsiceWriter::new(Vec::new(), &signer).unwrap();
    for (name, content) in files {
        writer.add_file(name, *content).unwrap();
    }
    writer.finish().unwrap()
}

/// Bytes that do not compress, the same each time.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    pub(crate) fn next(&mut self, length: usize) -> Vec<u8> {
        std::iter::repeat_with(|| {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.to_le_bytes()
        })
        .flatten()
        .take(length)
        .collect()
    }
}

pub(crate) fn noise(length: usize) -> Vec<u8> {
    Noise::new().next(length)
}

/// How an entry of a hand-made archive is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Stored,
    Deflated,
    /// Deflated, with checksum and sizes behind the content.
    Streamed,
    /// As `Streamed`, with sizes of eight bytes.
    StreamedLarge,
    /// As `Streamed`, without the mark in front of the descriptor.
    StreamedBare,
}

/// An archive written by hand, to be wrong on purpose.
pub(crate) fn zip(entries: &[(&str, &[u8], Form)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, content, form) in entries {
        let offset = u32::try_from(out.len()).unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let packed = if *form == Form::Stored { content.to_vec() } else { deflate(content) };
        let method = u16::from(*form != Form::Stored) * 8;
        let streamed = !matches!(form, Form::Stored | Form::Deflated);
        let sizes = [crc.sum(), u32::try_from(packed.len()).unwrap(), u32::try_from(content.len()).unwrap()];
        let name_length = u16::try_from(name.len()).unwrap();
        let flags = 0x0800 | (u16::from(streamed) << 3);

        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&[20, flags, method, 0, 0].map(u16::to_le_bytes).concat());
        let local_sizes = if streamed { [0; 3] } else { sizes };
        out.extend_from_slice(&local_sizes.map(u32::to_le_bytes).concat());
        out.extend_from_slice(&[name_length, 0].map(u16::to_le_bytes).concat());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&packed);
        if streamed && *form != Form::StreamedBare {
            out.extend_from_slice(b"PK\x07\x08");
        }
        if *form == Form::StreamedLarge {
            out.extend_from_slice(&sizes[0].to_le_bytes());
            out.extend_from_slice(&[u64::from(sizes[1]), u64::from(sizes[2])].map(u64::to_le_bytes).concat());
        } else if streamed {
            out.extend_from_slice(&sizes.map(u32::to_le_bytes).concat());
        }

        directory.extend_from_slice(b"PK\x01\x02");
        directory.extend_from_slice(&[20, 20, flags, method, 0, 0].map(u16::to_le_bytes).concat());
        directory.extend_from_slice(&sizes.map(u32::to_le_bytes).concat());
        directory.extend_from_slice(&[name_length, 0, 0, 0, 0, 0, 0].map(u16::to_le_bytes).concat());
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let start = u32::try_from(out.len()).unwrap();
    let count = u16::try_from(entries.len()).unwrap();
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06");
    out.extend_from_slice(&[0, 0, count, count].map(u16::to_le_bytes).concat());
    out.extend_from_slice(&[u32::try_from(directory.len()).unwrap(), start].map(u32::to_le_bytes).concat());
    out.extend_from_slice(&[0, 0]);
    out
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Name and content of each entry, found through the central directory as other readers do.
pub(crate) fn entries(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let u16_at = |at: usize| u16::from_le_bytes(archive[at..at + 2].try_into().unwrap()) as usize;
    let u32_at = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().unwrap()) as usize;
    let end = archive.len() - 22;
    assert_eq!(&archive[end..end + 4], b"PK\x05\x06");
    let mut at = u32_at(end + 16);
    let mut found = Vec::new();
    for _ in 0..u16_at(end + 10) {
        assert_eq!(&archive[at..at + 4], b"PK\x01\x02");
        let (method, packed) = (u16_at(at + 10), u32_at(at + 20));
        let (name, extra, comment) = (u16_at(at + 28), u16_at(at + 30), u16_at(at + 32));
        let local = u32_at(at + 42);
        assert_eq!(&archive[local..local + 4], b"PK\x03\x04");
        let start = local + 30 + u16_at(local + 26) + u16_at(local + 28);
        let packed = &archive[start..start + packed];
        let content = if method == 0 { packed.to_vec() } else { inflate(packed) };
        found.push((String::from_utf8(archive[at + 46..at + 46 + name].to_vec()).unwrap(), content));
        at += 46 + name + extra + comment;
    }
    found
}

fn inflate(packed: &[u8]) -> Vec<u8> {
    let mut decoder = flate2::write::DeflateDecoder::new(Vec::new());
    decoder.write_all(packed).unwrap();
    decoder.finish().unwrap()
}

/// The archive again, its entries changed by `change` and written in `form`.
pub(crate) fn rewritten(
    archive: &[u8],
    form: impl Fn(&str) -> Form,
    change: impl FnOnce(&mut Vec<(String, Vec<u8>)>),
) -> Vec<u8> {
    let mut entries = entries(archive);
    change(&mut entries);
    let parts: Vec<_> =
        entries.iter().map(|(name, content)| (name.as_str(), content.as_slice(), form(name))).collect();
    zip(&parts)
}
