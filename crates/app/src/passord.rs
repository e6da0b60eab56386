//! integrasjonPassord: 256 random bits, shown once, stored as a keyed hash.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use domain::id::Uuid;

use crate::ports::PersonIdentifier;

/// The key under which passwords, and what people are known by, are hashed. Kept outside the database, so that a stolen copy of it is of no use.
pub struct PassordKey(hmac::Key);

impl PassordKey {
    /// Takes 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The keyed hash of `passord`. A password has full entropy, so nothing slower is needed; a slow hash on the hot path
    /// would be a way to deny service.
    pub(crate) fn hash(&self, passord: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.0, passord.as_bytes());
        tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
    }

    /// The keyed hash by which a person is found again. A fødselsnummer can be guessed, so it is the key that keeps it
    /// secret. The prefix keeps the hash of a number apart from that of a password; ours have no blank in them.
    pub(crate) fn lookup_hash(&self, identifier: &PersonIdentifier) -> [u8; 32] {
        self.hash(&format!("person {}", identifier.reveal()))
    }

    /// What tells, beside the id of an installation, whether this is its key: says nothing of the key itself.
    pub fn nokkelprove(&self, installasjon: Uuid) -> [u8; 32] {
        self.hash(&format!("installasjon {installasjon}"))
    }

    /// Whether `passord` has `hash`, in constant time.
    pub(crate) fn matches(&self, passord: &str, hash: &[u8; 32]) -> bool {
        hmac::verify(&self.0, passord.as_bytes(), hash).is_ok()
    }
}

/// A new password, in clear. Exists from its making until it was shown.
pub struct IntegrasjonPassord(String);

impl IntegrasjonPassord {
    pub(crate) fn from_secret(secret: &[u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(secret))
    }

    /// The password, for showing it once: 43 characters, none of them a blank.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IntegrasjonPassord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntegrasjonPassord(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_password_under_the_same_key_matches() {
        let key = PassordKey::new(&[1; 32]);
        let passord = IntegrasjonPassord::from_secret(&[7; 32]);
        let hash = key.hash(passord.reveal());
        assert!(key.matches(passord.reveal(), &hash));
        assert!(!key.matches("x", &hash));
        assert!(!PassordKey::new(&[2; 32]).matches(passord.reveal(), &hash));
    }

    #[test]
    fn person_is_found_under_the_same_key_and_apart_from_passwords() {
        let (key, other) = (PassordKey::new(&[1; 32]), PassordKey::new(&[2; 32]));
        let kari = PersonIdentifier::new("01019012345");
        assert_eq!(key.lookup_hash(&kari), key.lookup_hash(&kari.clone()));
        assert_ne!(key.lookup_hash(&kari), other.lookup_hash(&kari));
        assert_ne!(key.lookup_hash(&kari), key.lookup_hash(&PersonIdentifier::new("01019012346")));
        assert_ne!(key.lookup_hash(&kari), key.hash(kari.reveal()));
    }

    #[test]
    fn password_is_not_shown_by_debug() {
        let passord = IntegrasjonPassord::from_secret(&[7; 32]);
        assert!(!format!("{passord:?}").contains(passord.reveal()));
        assert_eq!(passord.reveal().len(), 43);
    }
}
