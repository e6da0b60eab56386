//! ASiC-E containers and CMS encryption as Fiks IO clients exchange them.
//!
//! A payload of Fiks IO is a signed container (ASiC-E: a zip archive with a manifest and a CMS signature over it),
//! encrypted as a whole to the recipient's certificate (CMS EnvelopedData). Everything here streams, so payloads of
//! several gigabytes need no more memory than small ones.
//!
//! | to | asynchronous | blocking |
//! |---|---|---|
//! | sign and encrypt | [`pack_encrypted`] | [`AsiceWriter`] over [`EncryptingWriter`] |
//! | sign only | [`pack`] | [`AsiceWriter`] |
//! | decrypt and read | [`unpack_encrypted`] | [`AsiceReader`] over [`DecryptingReader`] |
//! | read only | [`unpack`] | [`AsiceReader`] |
//!
//! The asynchronous functions run the blocking ones on Tokio's blocking threads.
//!
//! # Example: from sender to receiver
//!
//! ```
//! use asice::{FileSource, PrivateKey, ReadOptions, RecipientCertificate, Signer};
//! # let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
//! # let certificate_pem = rcgen::CertificateParams::default().self_signed(&key)?.pem();
//! # let private_key_pem = key.serialize_pem();
//! # let (chain_pem, konto_private_key_pem, konto_certificate_pem) = (&certificate_pem, &private_key_pem, &certificate_pem);
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//!
//! // The sender signs with its virksomhetssertifikat and encrypts to the konto's offentligNokkel.
//! let signer = Signer::from_pem(&private_key_pem, chain_pem)?;
//! let recipient = RecipientCertificate::from_pem(konto_certificate_pem)?;
//! let files = vec![FileSource::from_bytes("melding.json", "{}"), FileSource::new("stor.pdf", &b"%PDF"[..])];
//! let payload = asice::pack_encrypted(files, signer, recipient)?;
//!
//! // `payload` is an AsyncRead and a Stream of Bytes; here it goes straight to the receiver.
//! let keys = vec![PrivateKey::from_pem(konto_private_key_pem)?];
//! let received = asice::unpack_encrypted(payload, keys, ReadOptions::default()).read_to_memory(1 << 20).await?;
//! assert_eq!(received.file("melding.json").map(|content| &content[..]), Some(&b"{}"[..]));
//! assert_eq!(received.signatures.len(), 1);
//! # Ok::<(), asice::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod ber;
mod certificate;
mod envelope;
mod error;
mod keys;
mod manifest;
mod names;
mod oid;
mod reader;
mod signed_data;
mod source;
mod stream;
#[cfg(test)]
mod testing;
mod writer;
mod zip;

pub use certificate::{Certificate, OrgnrRules, is_valid_orgnr};
pub use envelope::{ContentCheck, DecryptingReader, EncryptingWriter};
pub use error::Error;
pub use keys::{PrivateKey, RecipientCertificate, Signer};
pub use reader::{AsiceFile, AsiceReader, Container, File, Limits, ReadOptions, Verified};
pub use signed_data::{Signature, SignatureDigest};
pub use stream::{
    ByteStream, FileSource, Unpacked, UnpackedFile, decrypt, encrypt, pack, pack_encrypted, unpack,
    unpack_encrypted,
};
pub use writer::AsiceWriter;
