//! The three roles a key has: signing a container, receiving an encrypted one, being encrypted to.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};

use crate::ber::{self, INTEGER, OCTET_STRING, SEQUENCE};
use crate::{Certificate, Error, oid};

/// Smallest RSA modulus accepted, in bits.
const MIN_KEY_BITS: usize = 2048;

const NOT_RSA: &str = "not an RSA key of 2048 to 8192 bits in PKCS#8 or PKCS#1";

/// PKCS#8 in DER out of a PEM text with a `PRIVATE KEY` or `RSA PRIVATE KEY` block.
fn pkcs8_from_pem(pem: &str) -> Result<Vec<u8>, Error> {
    let blocks = pem::parse_many(pem).map_err(|_| Error::PrivateKey("not PEM"))?;
    for block in &blocks {
        match block.tag() {
            "PRIVATE KEY" => return Ok(block.contents().to_vec()),
            "RSA PRIVATE KEY" => return Ok(pkcs8_from_pkcs1(block.contents())),
            "ENCRYPTED PRIVATE KEY" => return Err(Error::PrivateKey("it is protected by a password")),
            _ => {}
        }
    }
    Err(Error::PrivateKey("the PEM text holds no private key"))
}

fn pkcs8_from_pkcs1(pkcs1: &[u8]) -> Vec<u8> {
    let version = ber::tlv(INTEGER, &[0]);
    let algorithm = ber::algorithm_null(oid::RSA_ENCRYPTION);
    ber::constructed(SEQUENCE, &[&version, &algorithm, &ber::tlv(OCTET_STRING, pkcs1)])
}

fn key_pair(pkcs8: &[u8]) -> Result<KeyPair, Error> {
    KeyPair::from_pkcs8(pkcs8).map_err(|_| Error::PrivateKey(NOT_RSA))
}

/// The key and the certificates that containers are signed with: the sender's virksomhetssertifikat.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Signer {
    key: Arc<KeyPair>,
    /// The signer's own certificate first.
    certificates: Arc<[Certificate]>,
}

impl Signer {
    /// Reads a private key (PKCS#8 or PKCS#1, not protected by a password) and a chain of certificates.
    ///
    /// The chain may be in any order and may lack the upper end; the certificate that belongs to the key must be in
    /// it. Both arguments may be the same text.
    ///
    /// # Errors
    /// [`Error::PrivateKey`], [`Error::Certificate`] or [`Error::KeyMismatch`].
    pub fn from_pem(private_key_pem: &str, certificates_pem: &str) -> Result<Self, Error> {
        Self::new(&pkcs8_from_pem(private_key_pem)?, Certificate::all_from_pem(certificates_pem)?)
    }

    /// Opens a PKCS#12 file (`.p12`, `.pfx`) and takes its first private key with its chain.
    ///
    /// # Errors
    /// [`Error::Pkcs12`] if the file is damaged, the password wrong or no private key in it; else as
    /// [`Signer::from_pem`].
    #[cfg(feature = "pkcs12")]
    pub fn from_pkcs12(file: &[u8], password: &str) -> Result<Self, Error> {
        let store = p12_keystore::KeyStore::from_pkcs12(file, password)
            .map_err(|error| Error::Pkcs12(error.to_string()))?;
        let (_, chain) = store
            .private_key_chain()
            .ok_or_else(|| Error::Pkcs12("it holds no private key with a certificate".to_owned()))?;
        let certificates = chain
            .chain()
            .iter()
            .map(|entry| Certificate::from_der(entry.as_der()))
            .collect::<Result<_, _>>()?;
        Self::new(chain.key(), certificates)
    }

    fn new(pkcs8: &[u8], mut certificates: Vec<Certificate>) -> Result<Self, Error> {
        let key = key_pair(pkcs8)?;
        let own = certificates
            .iter()
            .position(|certificate| certificate.rsa_public_key() == Some(key.public_key().as_ref()))
            .ok_or(Error::KeyMismatch)?;
        let own = certificates.remove(own);
        certificates.insert(0, own);
        Ok(Self { key: Arc::new(key), certificates: certificates.into() })
    }

    /// The signer's own certificate.
    pub fn certificate(&self) -> &Certificate {
        self.certificates.first().expect("a signer is only made with its own certificate")
    }

    /// All certificates that go into a signature, the signer's own first.
    pub(crate) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// RSA PKCS#1 v1.5 over SHA-256 of `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &aws_lc_rs::rand::SystemRandom::new(), message, &mut signature)
            .map_err(|_| Error::Crypto("sign"))?;
        Ok(signature)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("certificate", self.certificate()).finish_non_exhaustive()
    }
}

/// A certificate to encrypt to: a konto's `offentligNokkel`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientCertificate(Certificate);

impl RecipientCertificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`Error::Certificate`] if there is none or its key is not RSA of at least 2048 bits.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        Self::try_from(Certificate::from_pem(pem)?)
    }

    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// As [`RecipientCertificate::from_pem`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        Self::try_from(Certificate::from_der(der)?)
    }

    /// The certificate itself.
    pub fn certificate(&self) -> &Certificate {
        &self.0
    }

    /// Encrypts a content key with RSAES-OAEP, SHA-256 and MGF1 with SHA-256.
    pub(crate) fn encrypt_key(&self, content_key: &[u8]) -> Result<Vec<u8>, Error> {
        let crypto = |_| Error::Crypto("encrypt the content key");
        let key = PublicEncryptingKey::from_der(self.0.public_key_info())
            .map_err(|_| Error::Certificate("its key cannot be used"))?;
        let key = OaepPublicEncryptingKey::new(key).map_err(crypto)?;
        let mut encrypted = vec![0; key.ciphertext_size()];
        let length =
            key.encrypt(&OAEP_SHA256_MGF1SHA256, content_key, &mut encrypted, None).map_err(crypto)?.len();
        encrypted.truncate(length);
        Ok(encrypted)
    }
}

impl TryFrom<Certificate> for RecipientCertificate {
    type Error = Error;

    fn try_from(certificate: Certificate) -> Result<Self, Error> {
        if certificate.rsa_public_key().is_none() {
            return Err(Error::Certificate("its key is not RSA"));
        }
        match PublicEncryptingKey::from_der(certificate.public_key_info()) {
            Ok(key) if key.key_size_bits() >= MIN_KEY_BITS => Ok(Self(certificate)),
            _ => Err(Error::Certificate("its RSA key is not of 2048 to 8192 bits")),
        }
    }
}

/// Which key transport a recipient's content key was encrypted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyTransport {
    Pkcs1,
    OaepSha1,
    OaepSha256,
    OaepSha384,
    OaepSha512,
}

/// A private key that encrypted payloads are opened with.
///
/// Cheap to clone. Keep the old key beside the new one after a change of certificate, for what is still under way.
#[derive(Clone)]
pub struct PrivateKey {
    keys: Arc<DecryptingKeys>,
    certificates: Vec<Certificate>,
}

struct DecryptingKeys {
    oaep: OaepPrivateDecryptingKey,
    pkcs1: Pkcs1PrivateDecryptingKey,
    public_key: Vec<u8>,
}

impl PrivateKey {
    /// Reads a private key in PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`) from a PEM text.
    ///
    /// # Errors
    /// [`Error::PrivateKey`] if there is none, it is protected by a password, or not RSA of 2048 to 8192 bits.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        Self::from_pkcs8(&pkcs8_from_pem(pem)?)
    }

    /// Reads a private key in PKCS#8 DER.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pem`].
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, Error> {
        let rejected = || Error::PrivateKey(NOT_RSA);
        let load = || PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|_| rejected());
        let public_key = key_pair(pkcs8)?.public_key().as_ref().to_vec();
        Ok(Self {
            keys: Arc::new(DecryptingKeys {
                oaep: OaepPrivateDecryptingKey::new(load()?).map_err(|_| rejected())?,
                pkcs1: Pkcs1PrivateDecryptingKey::new(load()?).map_err(|_| rejected())?,
                public_key,
            }),
            certificates: Vec::new(),
        })
    }

    /// Adds a certificate of this key, so that payloads naming it are tried with this key first.
    ///
    /// Without certificates all keys are tried in order.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`] if the certificate belongs to another key.
    pub fn with_certificate(mut self, certificate: Certificate) -> Result<Self, Error> {
        if certificate.rsa_public_key() != Some(&self.keys.public_key) {
            return Err(Error::KeyMismatch);
        }
        self.certificates.push(certificate);
        Ok(self)
    }

    /// Whether `certificate` belongs to this key.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        certificate.rsa_public_key() == Some(&self.keys.public_key)
    }

    pub(crate) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Length of the modulus, and of every content key encrypted to this key, in bytes.
    pub(crate) fn modulus_bytes(&self) -> usize {
        self.keys.oaep.key_size_bytes()
    }

    /// The content key, or `None` if this key does not open it.
    pub(crate) fn decrypt_key(&self, transport: KeyTransport, encrypted: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![0; self.modulus_bytes()];
        let oaep = match transport {
            KeyTransport::Pkcs1 => {
                let length = self.keys.pkcs1.decrypt(encrypted, &mut out).ok()?.len();
                out.truncate(length);
                return Some(out);
            }
            KeyTransport::OaepSha1 => &OAEP_SHA1_MGF1SHA1,
            KeyTransport::OaepSha256 => &OAEP_SHA256_MGF1SHA256,
            KeyTransport::OaepSha384 => &OAEP_SHA384_MGF1SHA384,
            KeyTransport::OaepSha512 => &OAEP_SHA512_MGF1SHA512,
        };
        let length = self.keys.oaep.decrypt(oaep, encrypted, &mut out, None).ok()?.len();
        out.truncate(length);
        Some(out)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}
