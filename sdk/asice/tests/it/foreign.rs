//! Payloads made by other programs; `tests/fixtures/README.md` tells how.

use asice::{
    AsiceReader, ContentCheck, DecryptingReader, OrgnrRules, PrivateKey, ReadOptions, SignatureDigest,
};

use crate::support::STRANGER;

fn assert_read(payload: &[u8]) {
    let keys =
        [STRANGER.private_key(), PrivateKey::from_pem(include_str!("../fixtures/receiver.key.pem")).unwrap()];
    let plain = DecryptingReader::new(payload, &keys, ContentCheck::Container).unwrap();
    let container = AsiceReader::new(plain, ReadOptions::default()).read_to_memory(1000).unwrap();
    assert_eq!(container.files.len(), 2);
    assert_eq!(container.file("brev.txt").unwrap(), "Hei fra Java.\n");
    assert_eq!(container.file("søknad æøå.json").unwrap(), "{\"a\":1}\n");
    assert_eq!(container.signatures.len(), 1);
    let signature = &container.signatures[0];
    assert_eq!(signature.digest, SignatureDigest::Sha1);
    assert!(signature.digest.is_weak());
    assert_eq!(signature.signer.orgnr(OrgnrRules::default()).unwrap().as_deref(), Some("971032146"));
    assert!(signature.signing_time.is_some());
}

#[test]
fn the_official_java_client_is_read() {
    assert_read(include_bytes!("../fixtures/java.cms"));
}

#[test]
fn openssl_with_definite_lengths_and_pkcs1_is_read() {
    assert_read(include_bytes!("../fixtures/openssl-pkcs1-aes256.cms"));
}

#[test]
fn openssl_with_default_oaep_is_read() {
    assert_read(include_bytes!("../fixtures/openssl-oaep-sha1-aes128.cms"));
}

#[test]
fn openssl_with_several_recipients_and_key_identifiers_is_read() {
    assert_read(include_bytes!("../fixtures/openssl-oaep-sha256-aes192.cms"));
}
