//! Encrypting and decrypting.

use std::io::{Read, Write};

use asice::{
    Certificate, ContentCheck, DecryptingReader, EncryptingWriter, Error, PrivateKey, RecipientCertificate,
    Signer,
};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, EncryptionContext, StreamingEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey,
    PublicEncryptingKey,
};
use proptest::prelude::*;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::support::{Identity, RECEIVER, SENDER, STRANGER, noise};

fn encrypt(content: &[u8]) -> Vec<u8> {
    let mut writer = EncryptingWriter::new(Vec::new(), &RECEIVER.recipient()).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn decrypt(payload: &[u8], keys: &[PrivateKey], check: ContentCheck) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    DecryptingReader::new(payload, keys, check)?.read_to_end(&mut plain)?;
    Ok(plain)
}

#[test]
fn content_of_every_length_comes_back() {
    for length in [0, 1, 15, 16, 17, 16_383, 16_384, 16_385, 100_000] {
        let content = noise(length);
        let plain = decrypt(&encrypt(&content), &[RECEIVER.private_key()], ContentCheck::Anything).unwrap();
        assert_eq!(plain, content, "{length} bytes");
    }
}

#[test]
fn another_key_does_not_open_it() {
    let payload = encrypt(b"PK\x03\x04");
    for check in [ContentCheck::Container, ContentCheck::Anything] {
        assert!(matches!(decrypt(&payload, &[STRANGER.private_key()], check), Err(Error::Decryption)));
        assert!(matches!(decrypt(&payload, &[], check), Err(Error::Decryption)));
    }
}

#[test]
fn the_right_one_of_several_keys_is_found() {
    let payload = encrypt(b"PK\x03\x04...");
    let certificate = Certificate::from_pem(&RECEIVER.certificate_pem).unwrap();
    let named = RECEIVER.private_key().with_certificate(certificate.clone()).unwrap();
    for keys in [
        vec![STRANGER.private_key(), SENDER.private_key(), RECEIVER.private_key()],
        vec![STRANGER.private_key(), named],
    ] {
        assert_eq!(decrypt(&payload, &keys, ContentCheck::Container).unwrap(), b"PK\x03\x04...");
    }
    assert!(matches!(STRANGER.private_key().with_certificate(certificate), Err(Error::KeyMismatch)));
}

#[test]
fn what_is_no_container_is_refused_when_one_is_expected() {
    let payload = encrypt(b"this is not a zip archive");
    let result = decrypt(&payload, &[RECEIVER.private_key()], ContentCheck::Container);
    assert!(matches!(result, Err(Error::Decryption)));
}

#[test]
fn every_cut_is_noticed() {
    let payload = encrypt(&[b"PK\x03\x04", &noise(500)[..]].concat());
    for length in 0..payload.len() {
        let result = decrypt(&payload[..length], &[RECEIVER.private_key()], ContentCheck::Container);
        assert!(result.is_err(), "cut to {length} bytes");
    }
}

// ---- payloads of other programs, built by hand ----

#[derive(Clone, Copy)]
enum Transport {
    Pkcs1,
    OaepSha1,
    OaepSha256,
}

#[derive(Clone, Copy)]
enum Encoding {
    /// Definite lengths, the content as one primitive value.
    Primitive,
    /// Definite lengths, the content in pieces.
    Pieces,
    /// Indefinite lengths, the content in pieces of pieces.
    Nested,
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag, 0x84];
    out.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
    out.extend_from_slice(&content);
    out
}

/// Writes a constructed value with a definite or an indefinite length.
type Wrap = fn(u8, &[&[u8]]) -> Vec<u8>;

fn indefinite(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[tag, 0x80], &parts.concat()[..], &[0, 0]].concat()
}

const PKCS: [u8; 8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01];

fn recipient(identity: &Identity, transport: Transport, content_key: &[u8]) -> Vec<u8> {
    let certificate = Certificate::from_pem(&identity.certificate_pem).unwrap();
    let (_, parsed) = X509Certificate::from_der(certificate.der()).unwrap();
    let key = PublicEncryptingKey::from_der(parsed.public_key().raw).unwrap();
    let mut encrypted = vec![0; key.key_size_bytes()];
    let oid = |last: u8| tlv(6, &[&PKCS, &[last]]);
    let sha256 =
        tlv(0x30, &[&tlv(6, &[&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]]), &[0x05, 0x00]]);
    let algorithm = match transport {
        Transport::Pkcs1 => {
            Pkcs1PublicEncryptingKey::new(key).unwrap().encrypt(content_key, &mut encrypted).unwrap();
            tlv(0x30, &[&oid(1), &[0x05, 0x00]])
        }
        Transport::OaepSha1 => {
            let key = OaepPublicEncryptingKey::new(key).unwrap();
            key.encrypt(&OAEP_SHA1_MGF1SHA1, content_key, &mut encrypted, None).unwrap();
            tlv(0x30, &[&oid(7), &tlv(0x30, &[])])
        }
        Transport::OaepSha256 => {
            let key = OaepPublicEncryptingKey::new(key).unwrap();
            key.encrypt(&OAEP_SHA256_MGF1SHA256, content_key, &mut encrypted, None).unwrap();
            let mask = tlv(0x30, &[&oid(8), &sha256]);
            tlv(0x30, &[&oid(7), &tlv(0x30, &[&tlv(0xA0, &[&sha256]), &tlv(0xA1, &[&mask])])])
        }
    };
    let id = tlv(0x30, &[parsed.issuer().as_raw(), &tlv(2, &[certificate.serial()])]);
    tlv(0x30, &[&tlv(2, &[&[0]]), &id, &algorithm, &tlv(4, &[&encrypted])])
}

fn payload(
    recipients: &[(&Identity, Transport)],
    (cipher, cipher_id): (&'static Algorithm, u8),
    encoding: Encoding,
    content: &[u8],
) -> Vec<u8> {
    let key_bytes = match cipher_id {
        2 => 16,
        22 => 24,
        _ => 32,
    };
    let content_key = noise(key_bytes);
    let key = UnboundCipherKey::new(cipher, &content_key).unwrap();
    let iv = EncryptionContext::Iv128(FixedLength::from([7; 16]));
    let mut key = StreamingEncryptingKey::less_safe_cbc_pkcs7(key, iv).unwrap();
    let mut encrypted = vec![0; content.len() + 16];
    let start = key.update(content, &mut encrypted).unwrap().written().len();
    let end = key.finish(&mut encrypted[start..]).unwrap().1.written().len();
    encrypted.truncate(start + end);

    let recipients: Vec<u8> = recipients
        .iter()
        .flat_map(|(identity, transport)| recipient(identity, *transport, &content_key))
        .collect();
    let recipients = tlv(0x31, &[&recipients]);
    let algorithm = tlv(
        0x30,
        &[&tlv(6, &[&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, cipher_id]]), &tlv(4, &[&[7; 16]])],
    );
    let pieces: Vec<Vec<u8>> = encrypted.chunks(1000).map(|piece| tlv(4, &[piece])).collect();
    let (wrap, content): (Wrap, _) = match encoding {
        Encoding::Primitive => (tlv, tlv(0x80, &[&encrypted])),
        Encoding::Pieces => (tlv, tlv(0xA0, &[&pieces.concat()])),
        Encoding::Nested => {
            let (first, rest) = pieces.split_first().unwrap();
            let nested = indefinite(0x24, &[first, &tlv(4, &[])]);
            (indefinite, indefinite(0xA0, &[&nested, &rest.concat()]))
        }
    };
    let data = tlv(6, &[&PKCS[..7], &[0x07, 0x01]]);
    let info = wrap(0x30, &[&data, &algorithm, &content]);
    let unprotected = tlv(0xA1, &[&tlv(0x30, &[])]);
    let enveloped = wrap(0x30, &[&tlv(2, &[&[2]]), &recipients, &info, &unprotected]);
    wrap(0x30, &[&tlv(6, &[&PKCS[..7], &[0x07, 0x03]]), &wrap(0xA0, &[&enveloped])])
}

#[test]
fn every_accepted_form_is_read() {
    let content = [b"PK\x03\x04", &noise(2500)[..]].concat();
    let keys = [STRANGER.private_key(), RECEIVER.private_key()];
    for transport in [Transport::Pkcs1, Transport::OaepSha1, Transport::OaepSha256] {
        for cipher in [(&AES_128, 2), (&AES_192, 22), (&AES_256, 42)] {
            for encoding in [Encoding::Primitive, Encoding::Pieces, Encoding::Nested] {
                let payload = payload(&[(&RECEIVER, transport)], cipher, encoding, &content);
                assert_eq!(decrypt(&payload, &keys, ContentCheck::Container).unwrap(), content);
            }
        }
    }
}

#[test]
fn two_recipients_of_one_certificate_are_read_as_the_dotnet_client_writes_them() {
    let content = [b"PK\x03\x04", &noise(100)[..]].concat();
    let recipients = [(&*RECEIVER, Transport::Pkcs1), (&*RECEIVER, Transport::OaepSha256)];
    let payload = payload(&recipients, (&AES_256, 42), Encoding::Nested, &content);
    assert_eq!(decrypt(&payload, &[RECEIVER.private_key()], ContentCheck::Container).unwrap(), content);
}

#[test]
fn a_recipient_among_others_is_found() {
    let content = [b"PK\x03\x04", &noise(100)[..]].concat();
    let recipients = [(&*SENDER, Transport::Pkcs1), (&*RECEIVER, Transport::Pkcs1)];
    let payload = payload(&recipients, (&AES_256, 42), Encoding::Primitive, &content);
    assert_eq!(decrypt(&payload, &[RECEIVER.private_key()], ContentCheck::Container).unwrap(), content);
    assert!(matches!(
        decrypt(&payload, &[STRANGER.private_key()], ContentCheck::Container),
        Err(Error::Decryption)
    ));
}

#[test]
fn another_cipher_is_named_in_the_error() {
    // DES-EDE3-CBC has another identifier; GCM differs in its last byte only.
    let payload =
        payload(&[(&RECEIVER, Transport::Pkcs1)], (&AES_256, 46), Encoding::Primitive, b"PK\x03\x04");
    match decrypt(&payload, &[RECEIVER.private_key()], ContentCheck::Container) {
        Err(Error::UnsupportedAlgorithm { oid, .. }) => assert_eq!(oid, "2.16.840.1.101.3.4.1.46"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_length_of_gigabytes_is_not_believed() {
    // A recipient set that claims 2^40 bytes.
    let mut payload = vec![0x30, 0x80];
    payload.extend_from_slice(&tlv(6, &[&PKCS[..7], &[0x07, 0x03]]));
    payload.extend_from_slice(&[0xA0, 0x80, 0x30, 0x80, 2, 1, 0, 0x31, 0x86, 1, 0, 0, 0, 0, 0]);
    let result = decrypt(&payload, &[RECEIVER.private_key()], ContentCheck::Container);
    assert!(matches!(result, Err(Error::MalformedCms(_))));
}

// ---- keys ----

#[test]
fn keys_in_pkcs1_form_are_read() {
    let pkcs8 = pem::parse(&RECEIVER.key_pem).unwrap();
    // PrivateKeyInfo of an RSA key: 26 bytes before the RSAPrivateKey.
    let pkcs1 = pem::encode(&pem::Pem::new("RSA PRIVATE KEY", &pkcs8.contents()[26..]));
    let key = PrivateKey::from_pem(&pkcs1).unwrap();
    assert!(key.matches(&Certificate::from_pem(&RECEIVER.certificate_pem).unwrap()));
    assert_eq!(decrypt(&encrypt(b"hei"), &[key], ContentCheck::Anything).unwrap(), b"hei");
    Signer::from_pem(&pkcs1, &RECEIVER.certificate_pem).unwrap();
}

#[test]
fn a_signer_needs_the_certificate_of_its_key() {
    let result = Signer::from_pem(&SENDER.key_pem, &RECEIVER.certificate_pem);
    assert!(matches!(result, Err(Error::KeyMismatch)));
    // Order in the chain does not matter.
    let chain = format!("{}{}", RECEIVER.certificate_pem, SENDER.certificate_pem);
    let signer = Signer::from_pem(&SENDER.key_pem, &chain).unwrap();
    assert_eq!(*signer.certificate(), Certificate::from_pem(&SENDER.certificate_pem).unwrap());
}

#[cfg(feature = "pkcs12")]
#[test]
fn a_signer_is_read_from_pkcs12() {
    use p12_keystore::{KeyStore, KeyStoreEntry, PrivateKeyChain};

    let key = pem::parse(&SENDER.key_pem).unwrap();
    let certificate = pem::parse(&SENDER.certificate_pem).unwrap();
    let certificate = p12_keystore::Certificate::from_der(certificate.contents()).unwrap();
    let mut store = KeyStore::new();
    let chain = PrivateKeyChain::new(key.contents(), [1], [certificate]);
    store.add_entry("alias", KeyStoreEntry::PrivateKeyChain(chain));
    let file = store.writer("hemmelig").write().unwrap();

    let signer = Signer::from_pkcs12(&file, "hemmelig").unwrap();
    assert_eq!(*signer.certificate(), Certificate::from_pem(&SENDER.certificate_pem).unwrap());
    assert!(matches!(Signer::from_pkcs12(&file, "feil"), Err(Error::Pkcs12(_))));
    assert!(matches!(Signer::from_pkcs12(b"hei", "hemmelig"), Err(Error::Pkcs12(_))));
}

#[test]
fn content_altered_in_its_last_block_is_never_taken_for_whole() {
    let payload = encrypt(&[b"PK\x03\x04", &noise(28)[..]].concat());
    // The last byte of the padding is decrypted from the block before it and this one.
    let last_block = payload.len() - 10 - 16;
    let mut altered = payload;
    altered[last_block - 1] ^= 0x80;
    let keys = [RECEIVER.private_key()];
    let mut reader = DecryptingReader::new(&altered[..], &keys, ContentCheck::Container).unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(matches!(Error::from(error), Error::Decryption));
    assert!(reader.read(&mut [0]).is_err());
}

#[test]
fn unusable_keys_are_refused() {
    let elliptic = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&elliptic).unwrap().pem();
    assert!(matches!(PrivateKey::from_pem(&elliptic.serialize_pem()), Err(Error::PrivateKey(_))));
    assert!(matches!(RecipientCertificate::from_pem(&certificate), Err(Error::Certificate(_))));
    assert!(matches!(RecipientCertificate::from_pem(&RECEIVER.key_pem), Err(Error::Certificate(_))));
    assert!(matches!(PrivateKey::from_pem(&RECEIVER.certificate_pem), Err(Error::PrivateKey(_))));
    let locked = pem::encode(&pem::Pem::new("ENCRYPTED PRIVATE KEY", [1, 2, 3]));
    assert!(matches!(PrivateKey::from_pem(&locked), Err(Error::PrivateKey(_))));
    assert!(matches!(PrivateKey::from_pem("hei"), Err(Error::PrivateKey(_))));
}

#[test]
fn keys_are_not_shown() {
    let shown = format!("{:?} {:?}", RECEIVER.private_key(), RECEIVER.signer());
    assert!(shown.len() < 400, "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        prop_assert!(decrypt(&bytes, &[RECEIVER.private_key()], ContentCheck::Container).is_err());
    }

    #[test]
    fn altered_payloads_never_panic(at in any::<prop::sample::Index>(), flip in 1u8.., keep in any::<prop::sample::Index>()) {
        let mut payload = encrypt(&[b"PK\x03\x04", &noise(100)[..]].concat());
        let (at, keep) = (at.index(payload.len()), keep.index(payload.len()));
        payload[at] ^= flip;
        let keys = [RECEIVER.private_key()];
        let _ = decrypt(&payload, &keys, ContentCheck::Container);
        payload.truncate(keep);
        let _ = decrypt(&payload, &keys, ContentCheck::Container);
    }
}
