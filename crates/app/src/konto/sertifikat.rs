//! Reading an uploaded certificate.

use aws_lc_rs::digest;
use domain::id::KontoId;
use domain::nokkel::OffentligNokkel;
use jiff::Timestamp;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::App;
use crate::error::FieldError;
use crate::rule::SertifikatRule;

/// Largest upload in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Largest certificate in bytes, without its form as text. Those of virksomheter have two or three thousand.
const MAX_DER_BYTES: usize = 8 * 1024;
/// Smallest modulus in bits.
const MIN_RSA_BITS: usize = 2048;
/// What stands in the head of every kind of private key in PEM.
const PRIVATE_KEY: &str = "PRIVATE KEY";

impl App {
    /// The PEM in an uploaded file, if it can become the nøkkel of a Konto right now: for whoever has to keep it until the
    /// rest of a form is right. Nothing is stored, and of a file that is refused nothing is kept or told.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check_sertifikat(&self, file: &[u8]) -> Result<String, SertifikatRule> {
        check(file, self.now())
    }
}

pub(crate) fn check(file: &[u8], now: Timestamp) -> Result<String, SertifikatRule> {
    if file.len() > MAX_BYTES {
        return Err(SertifikatRule::TooLarge { max_bytes: MAX_BYTES });
    }
    // Also in a file whose other bytes are no text.
    if file.windows(PRIVATE_KEY.len()).any(|window| window == PRIVATE_KEY.as_bytes()) {
        return Err(SertifikatRule::PrivateKey);
    }
    let pem = std::str::from_utf8(file).map_err(|_| SertifikatRule::NotPem)?;
    // Whose it will be does not matter to the rules.
    Ok(parse(pem, KontoId::from_uuid(wire::id::Uuid::nil()), now)?.pem)
}

/// Reads the one certificate in `pem` and checks that meldinger can be encrypted to it at `now`.
pub(super) fn read(
    field: &'static str,
    pem: &str,
    konto_id: KontoId,
    now: Timestamp,
) -> Result<OffentligNokkel, FieldError> {
    parse(pem, konto_id, now).map_err(|rule| FieldError::new(field, rule))
}

fn parse(pem: &str, konto_id: KontoId, now: Timestamp) -> Result<OffentligNokkel, SertifikatRule> {
    if pem.len() > MAX_BYTES {
        return Err(SertifikatRule::TooLarge { max_bytes: MAX_BYTES });
    }
    if pem.contains(PRIVATE_KEY) {
        return Err(SertifikatRule::PrivateKey);
    }
    let blocks = pem::parse_many(pem).map_err(|_| SertifikatRule::NotPem)?;
    let (block, der) = match blocks.as_slice() {
        [block] if block.tag() == "CERTIFICATE" => (block, block.contents()),
        [] | [_] => return Err(SertifikatRule::NotCertificate),
        _ => return Err(SertifikatRule::Several),
    };
    if der.len() > MAX_DER_BYTES {
        return Err(SertifikatRule::TooLarge { max_bytes: MAX_DER_BYTES });
    }
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| SertifikatRule::NotX509)?;
    if !rest.is_empty() {
        return Err(SertifikatRule::TrailingBytes);
    }
    match certificate.public_key().parsed() {
        // A modulus has one leading zero byte at most.
        Ok(PublicKey::RSA(key)) if key.key_size() >= MIN_RSA_BITS => {}
        _ => return Err(SertifikatRule::Key { min_bits: MIN_RSA_BITS }),
    }
    let validity = certificate.validity();
    let (gyldig_fra, gyldig_til) =
        (tidspunkt(validity.not_before.timestamp()), tidspunkt(validity.not_after.timestamp()));
    if gyldig_til <= now {
        return Err(SertifikatRule::Expired { gyldig_til });
    }
    if now < gyldig_fra {
        return Err(SertifikatRule::NotYetValid { gyldig_fra });
    }
    let fingerprint = digest::digest(&digest::SHA256, der);
    Ok(OffentligNokkel {
        konto_id,
        // What stands around it is left out, such as the text that tools write before it.
        pem: pem::encode_config(block, pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF)),
        gyldig_fra,
        gyldig_til,
        serienummer: certificate.raw_serial_as_string().replace(':', ""),
        utstedt_til: certificate.subject().to_string(),
        utsteder: certificate.issuer().to_string(),
        fingeravtrykk: hex(fingerprint.as_ref()),
        opprettet: now,
    })
}

/// A time of a certificate, given in seconds since 1970. RFC 5280, 4.1.2.5, lets one that has no end be valid to
/// 9999-12-31T23:59:59Z, which is a day after the end of our calendar; it is valid for as long as we can tell.
pub fn tidspunkt(second: i64) -> Timestamp {
    let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(second.clamp(first, last)).unwrap_or(Timestamp::MAX)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};

    use super::*;

    fn konto() -> KontoId {
        KontoId::from_uuid(wire::id::Uuid::from_u128(7))
    }

    /// rcgen's certificates are valid from 1975 to 4096.
    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn rsa() -> KeyPair {
        KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
    }

    fn pem(key: &KeyPair) -> String {
        CertificateParams::new(vec![]).unwrap().self_signed(key).unwrap().pem()
    }

    fn rule(pem: &str) -> String {
        read("pem", pem, konto(), now()).unwrap_err().rule.to_string()
    }

    #[test]
    fn good_certificate_is_read_and_its_pem_kept_without_what_stands_around_it() {
        let pem = pem(&rsa()).replace("\r\n", "\n");
        let nokkel = read("pem", &pem, konto(), now()).unwrap();
        assert_eq!(nokkel.pem, pem);
        for sent in [pem.replace('\n', "\r\n"), format!("Bag Attributes\n{}\n{pem}\n", "x".repeat(20_000))] {
            let nokkel = read("pem", &sent, konto(), now()).unwrap();
            assert_eq!(nokkel.pem, pem, "{sent}");
        }
        assert_eq!(nokkel.fingeravtrykk.len(), 64);
        assert!(nokkel.gyldig(now()));
    }

    #[test]
    fn whatever_is_no_usable_certificate_is_refused_with_its_reason() {
        let key = rsa();
        let good = pem(&key);
        assert_eq!(rule("x"), "must be an X.509 certificate in PEM (BEGIN CERTIFICATE)");
        assert_eq!(rule(&format!("{good}{good}")), "holds several certificates; send one");
        assert!(rule(&format!("{good}{}", key.serialize_pem())).starts_with("holds a private key"));
        assert_eq!(
            rule("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "is not an X.509 certificate"
        );
        let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        assert_eq!(rule(&pem(&ec)), "must have an RSA key of at least 2048 bits");
        assert_eq!(rule(&" ".repeat(MAX_BYTES + 1)), "may have at most 65536 bytes");
        let long_ago = Timestamp::from_second(0).unwrap();
        assert!(
            read("pem", &good, konto(), long_ago)
                .unwrap_err()
                .rule
                .to_string()
                .starts_with("is not valid before")
        );
        assert!(
            read("pem", &good, konto(), Timestamp::MAX).unwrap_err().rule.to_string().starts_with("expired")
        );
    }

    /// What is kept of it is kept for years, and there may be many.
    #[test]
    fn certificate_that_is_much_larger_than_any_is_refused() {
        let mut params = CertificateParams::new(vec![]).unwrap();
        let comment = [2, 16, 840, 1, 113_730, 1, 13];
        params.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&comment, vec![0; 8_192]));
        let pem = params.self_signed(&rsa()).unwrap().pem();
        assert_eq!(rule(&pem), "may have at most 8192 bytes");
    }

    /// As certificates without an end are made, and as far back as one can begin.
    #[test]
    fn validity_at_both_ends_is_read() {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.not_before = rcgen::date_time_ymd(1950, 1, 1);
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let pem = params.self_signed(&rsa()).unwrap().pem();
        let nokkel = read("pem", &pem, konto(), now()).unwrap();
        assert_eq!(nokkel.gyldig_fra, "1950-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(nokkel.gyldig_til.as_second(), Timestamp::MAX.as_second());
        assert!(nokkel.gyldig(now()));
        assert_eq!(tidspunkt(i64::MIN), Timestamp::MIN);
        assert_eq!(tidspunkt(0), Timestamp::UNIX_EPOCH);
        assert_eq!(tidspunkt(i64::MAX).as_second(), Timestamp::MAX.as_second());
    }

    #[test]
    fn file_is_checked_before_anybody_owns_it() {
        let key = rsa();
        let pem = pem(&key).replace("\r\n", "\n");
        assert_eq!(check(pem.as_bytes(), now()).unwrap(), pem);
        let binary = [0x30, 0x82, 0x0a, 0xff];
        assert_eq!(check(&binary, now()), Err(SertifikatRule::NotPem));
        let mut named = b"friendlyName: n\xf8kkel\n".to_vec();
        named.extend(key.serialize_pem().bytes());
        assert_eq!(check(&named, now()), Err(SertifikatRule::PrivateKey));
        assert!(matches!(check(&vec![b' '; MAX_BYTES + 1], now()), Err(SertifikatRule::TooLarge { .. })));
        assert!(matches!(check(pem.as_bytes(), Timestamp::MAX), Err(SertifikatRule::Expired { .. })));
    }
}
