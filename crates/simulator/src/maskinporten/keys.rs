//! The keys that access tokens are signed with.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use serde_json::{Value, json};

use crate::ca::RsaBits;
use crate::files::{self, Access};
use crate::jws;

/// Why the signing keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A key could not be made.
    #[error("make a signing key")]
    Generate,
    /// The file of the keys could not be read or written.
    #[error("use the file {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The file does not hold two or three RSA keys.
    #[error("read {path}: it does not hold the signing keys; remove it to have new ones made")]
    Content {
        /// Which one.
        path: PathBuf,
    },
}

/// The current key, the next one, and the former one after a rotation.
pub struct SigningKeys {
    bits: RsaBits,
    path: Option<PathBuf>,
    ring: RwLock<Ring>,
}

struct Ring {
    current: Key,
    next: Key,
    former: Option<Key>,
}

pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) pair: RsaKeyPair,
    pkcs8: Vec<u8>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys")
            .field("bits", &self.bits)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SigningKeys {
    /// Makes keys that live in memory only.
    ///
    /// # Errors
    /// [`KeysError::Generate`].
    pub fn generate(bits: RsaBits) -> Result<Self, KeysError> {
        let ring = Ring { current: Key::generate(bits)?, next: Key::generate(bits)?, former: None };
        Ok(Self { bits, path: None, ring: RwLock::new(ring) })
    }

    /// Takes the keys kept in the file `path`, or makes keys and keeps them there (mode 0600), so that tokens outlive a
    /// restart.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn load_or_create(path: impl Into<PathBuf>, bits: RsaBits) -> Result<Self, KeysError> {
        let path = path.into();
        match fs::read_to_string(&path) {
            Ok(text) => {
                let ring = Ring::from_pem(&text).ok_or_else(|| KeysError::Content { path: path.clone() })?;
                Ok(Self { bits, path: Some(path), ring: RwLock::new(ring) })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut keys = Self::generate(bits)?;
                keys.read().keep(&path)?;
                keys.path = Some(path);
                Ok(keys)
            }
            Err(source) => Err(KeysError::File { path, source }),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn rotate(&self) -> Result<(), KeysError> {
        let fresh = Key::generate(self.bits)?;
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        let next = std::mem::replace(&mut ring.next, fresh);
        let former = std::mem::replace(&mut ring.current, next);
        ring.former = Some(former);
        match &self.path {
            Some(path) => ring.keep(path),
            None => Ok(()),
        }
    }

    /// Runs `f` with the key that signs now.
    pub(crate) fn with_current<T>(&self, f: impl FnOnce(&Key) -> T) -> T {
        f(&self.read().current)
    }

    pub(crate) fn jwks(&self) -> Value {
        let ring = self.read();
        let keys: Vec<Value> = ring.iter().map(Key::jwk).collect();
        json!({ "keys": keys })
    }
}

impl Ring {
    fn iter(&self) -> impl Iterator<Item = &Key> {
        [Some(&self.current), Some(&self.next), self.former.as_ref()].into_iter().flatten()
    }

    fn from_pem(text: &str) -> Option<Self> {
        let mut keys =
            pem::parse_many(text).ok()?.into_iter().map(|block| Key::from_pkcs8(block.into_contents()));
        let (current, next) = (keys.next()??, keys.next()??);
        let former = match keys.next() {
            Some(key) => Some(key?),
            None => None,
        };
        Some(Self { current, next, former })
    }

    fn keep(&self, path: &Path) -> Result<(), KeysError> {
        let blocks: Vec<pem::Pem> =
            self.iter().map(|key| pem::Pem::new("PRIVATE KEY", key.pkcs8.clone())).collect();
        files::write(path, pem::encode_many(&blocks).as_bytes(), Access::Private)
            .map_err(|source| KeysError::File { path: path.to_owned(), source })
    }
}

impl Key {
    pub(crate) fn generate(bits: RsaBits) -> Result<Self, KeysError> {
        let size = match bits {
            RsaBits::B2048 => KeySize::Rsa2048,
            RsaBits::B3072 => KeySize::Rsa3072,
            RsaBits::B4096 => KeySize::Rsa4096,
        };
        let pair = RsaKeyPair::generate(size).map_err(|_| KeysError::Generate)?;
        let pkcs8 = pair.as_der().map_err(|_| KeysError::Generate)?.as_ref().to_vec();
        Self::from_pkcs8(pkcs8).ok_or(KeysError::Generate)
    }

    fn from_pkcs8(pkcs8: Vec<u8>) -> Option<Self> {
        let pair = RsaKeyPair::from_pkcs8(&pkcs8).ok()?;
        let kid = jws::encode(&digest::digest(&digest::SHA256, pair.public_key().as_ref()).as_ref()[..16]);
        Some(Self { kid, pair, pkcs8 })
    }

    /// The public key, DER.
    pub(crate) fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn jwk(&self) -> Value {
        let parts: PublicKeyComponents<Vec<u8>> = self.pair.public_key().into();
        json!({
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid,
            "n": jws::encode(parts.n),
            "e": jws::encode(parts.e),
        })
    }
}
