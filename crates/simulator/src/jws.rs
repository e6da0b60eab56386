//! JSON Web Signatures with RSA, compact form (RFC 7515), both ways.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair, RsaParameters, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The signature algorithms that Maskinporten knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Alg {
    /// RSA PKCS#1 v1.5 with SHA-256: what all official clients use.
    #[default]
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rs512,
}

impl Alg {
    /// The name in the `alg` header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Rs384, Self::Rs512].into_iter().find(|alg| alg.name() == name)
    }

    fn encoding(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Rs256 => &RSA_PKCS1_SHA256,
            Self::Rs384 => &RSA_PKCS1_SHA384,
            Self::Rs512 => &RSA_PKCS1_SHA512,
        }
    }

    fn verification(self) -> &'static RsaParameters {
        match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        }
    }
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// `header.claims`, which is what gets signed.
pub(crate) fn signing_input(header: &Map<String, Value>, claims: &Map<String, Value>) -> String {
    let part = |map: &Map<String, Value>| encode(Value::Object(map.clone()).to_string());
    format!("{}.{}", part(header), part(claims))
}

/// Signs with a PKCS#1 or PKCS#8 key; `None` where the key cannot sign.
pub(crate) fn sign(key: &RsaKeyPair, alg: Alg, input: &str) -> Option<Vec<u8>> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(alg.encoding(), &SystemRandom::new(), input.as_bytes(), &mut signature).ok()?;
    Some(signature)
}

/// Whether `signature` over `input` was made with the private half of `public_key` (DER, `RSAPublicKey` or
/// `SubjectPublicKeyInfo`), which must have 2048 to 8192 bits.
pub(crate) fn is_signed_by(public_key: &[u8], alg: Alg, input: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(alg.verification(), public_key).verify(input, signature).is_ok()
}

/// A JWS taken apart, nothing of it verified.
pub(crate) struct Unverified<'a> {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) input: &'a str,
    pub(crate) signature: Vec<u8>,
}

pub(crate) fn parse(text: &str) -> Option<Unverified<'_>> {
    let (input, signature) = text.rsplit_once('.')?;
    let (header, claims) = input.split_once('.')?;
    if claims.contains('.') {
        return None;
    }
    let object = |part: &str| serde_json::from_slice::<Map<String, Value>>(&decode(part)?).ok();
    Some(Unverified {
        header: object(header)?,
        claims: object(claims)?,
        input,
        signature: decode(signature)?,
    })
}
