//! The token of a session, and what is derived from it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longest token that is looked at; ours have 43 characters.
const MAX_LEN: usize = 64;

/// What a browser shows for its session: 256 random bits as 43 characters.
pub struct SesjonToken(String);

impl SesjonToken {
    pub(super) fn from_secret(secret: &[u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(secret))
    }

    /// The token in clear, for the browser's cookie.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SesjonToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SesjonToken(…)")
    }
}

/// What the registry knows a token by; `None` for what cannot be one. The token has full entropy, so a plain hash is enough.
pub(super) fn hash(token: &str) -> Option<[u8; 32]> {
    if token.is_empty() || token.len() > MAX_LEN {
        return None;
    }
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    Some(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

/// A secret of the session for one purpose.
fn derive(token: &str, purpose: &str) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
    hmac::sign(&key, purpose.as_bytes()).as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
}

/// What the forms of the session carry, so that no other site can send them.
pub(super) fn csrf(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(derive(token, "csrf"))
}

fn id_token_key(token: &str) -> LessSafeKey {
    let key = derive(token, "id_token");
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("the key has 32 bytes"))
}

/// The key seals one thing in its life, since each token is given to one session once: so the nonce need not vary.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Seals an id token, which names the person, so that only the browser's next visit can open it.
pub(super) fn seal(token: &SesjonToken, id_token: &str) -> Option<Vec<u8>> {
    let mut sealed = id_token.as_bytes().to_vec();
    id_token_key(&token.0).seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed).ok()?;
    Some(sealed)
}

/// Opens what [`seal`] sealed with the same token.
pub(super) fn open(token: &str, sealed: &[u8]) -> Option<String> {
    let mut sealed = sealed.to_vec();
    let id_token = id_token_key(token).open_in_place(nonce(), Aad::empty(), &mut sealed).ok()?;
    String::from_utf8(id_token.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_token_is_opened_with_the_same_token_only() {
        let (token, other) = (SesjonToken::from_secret(&[1; 32]), SesjonToken::from_secret(&[2; 32]));
        let sealed = seal(&token, "header.claims.signature").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"claims"));
        assert_eq!(open(token.reveal(), &sealed).as_deref(), Some("header.claims.signature"));
        assert_eq!(open(other.reveal(), &sealed), None);
        assert_eq!(open(token.reveal(), &[]), None);
    }

    #[test]
    fn token_hash_and_guard_of_forms_say_nothing_of_each_other() {
        let token = SesjonToken::from_secret(&[1; 32]);
        assert_eq!(token.reveal().len(), 43);
        assert!(!format!("{token:?}").contains(token.reveal()));
        let hash = hash(token.reveal()).unwrap();
        assert_ne!(URL_SAFE_NO_PAD.encode(hash), csrf(token.reveal()));
        assert_ne!(csrf(token.reveal()), csrf("another"));
    }

    #[test]
    fn what_cannot_be_a_token_has_no_hash() {
        assert_eq!(hash(""), None);
        assert_eq!(hash(&"x".repeat(65)), None);
    }
}
