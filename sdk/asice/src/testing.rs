//! Keys and certificates for unit tests, made once.

use std::sync::LazyLock;

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use crate::{Certificate, Signer, signed_data};

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), "971032146");
    Signer::from_pem(&key.serialize_pem(), &params.self_signed(&key).unwrap().pem()).unwrap()
});

static SIGNATURE: LazyLock<Vec<u8>> =
    LazyLock::new(|| signed_data::sign(b"hei", &SIGNER, "2026-03-01T12:34:56Z".parse().unwrap()).unwrap());

pub(crate) fn signer() -> Signer {
    SIGNER.clone()
}

/// A signature over `hei`.
pub(crate) fn sample_signature() -> &'static [u8] {
    &SIGNATURE
}

/// A certificate with these subject attributes only.
pub(crate) fn certificate_with(subject: &[(DnType, &str)]) -> Certificate {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    let key = KeyPair::generate().unwrap();
    Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap()
}
