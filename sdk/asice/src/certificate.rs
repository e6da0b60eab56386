//! X.509 certificates: what containers and recipients need of them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
};
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

use crate::{Error, oid};

/// Where in a certificate's subject an organisation number may stand.
///
/// The places are looked at in this order: `serialNumber` of nine digits (SEID 1.0), the end of
/// `organizationName` (only if switched on), `organizationIdentifier` (SEID 2.0: `NTRNO-`, `PSDNO-FSA-` or bare).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrgnrRules {
    /// Also take nine digits after a hyphen at the end of `organizationName`, such as `KS - 971032146`.
    ///
    /// Test certificates have it so. Leave it off in production: an organisation may choose its name.
    pub from_organization_name: bool,
}

/// An X.509 certificate.
///
/// # Example: the organisation behind a certificate
///
/// ```
/// use asice::{Certificate, OrgnrRules};
/// # let mut params = rcgen::CertificateParams::default();
/// # params.distinguished_name.push(rcgen::DnType::CustomDnType(vec![2, 5, 4, 97]), "NTRNO-971032146");
/// # let key = rcgen::KeyPair::generate()?;
/// # let pem = params.self_signed(&key)?.pem();
///
/// let certificate = Certificate::from_pem(&pem)?;
/// assert_eq!(certificate.orgnr(OrgnrRules::default())?.as_deref(), Some("971032146"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Certificate(Arc<Fields>);

struct Fields {
    der: Vec<u8>,
    subject: String,
    subject_der: Vec<u8>,
    issuer: String,
    issuer_der: Vec<u8>,
    serial: Vec<u8>,
    key_id: Option<Vec<u8>>,
    public_key_info: Vec<u8>,
    rsa_public_key: Option<Vec<u8>>,
    not_before: SystemTime,
    not_after: SystemTime,
    serial_number: Vec<String>,
    organization_name: Vec<String>,
    organization_identifier: Vec<String>,
    is_authority: bool,
    signed: Signed,
}

/// What the issuer signed, and how.
struct Signed {
    content: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`Error::Certificate`] if the text holds no certificate or a malformed one.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        Self::all_from_pem(pem)?
            .into_iter()
            .next()
            .ok_or(Error::Certificate("the PEM text holds no certificate"))
    }

    /// Reads all certificates of a PEM text, in order. Other PEM blocks are passed over.
    ///
    /// # Errors
    /// [`Error::Certificate`] if the text is not PEM or a certificate is malformed.
    pub fn all_from_pem(pem: &str) -> Result<Vec<Self>, Error> {
        pem::parse_many(pem)
            .map_err(|_| Error::Certificate("not PEM"))?
            .iter()
            .filter(|block| block.tag() == "CERTIFICATE")
            .map(|block| Self::from_der(block.contents()))
            .collect()
    }

    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`Error::Certificate`] if the bytes are anything but one certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|_| Error::Certificate("not an X.509 certificate"))?;
        if !rest.is_empty() {
            return Err(Error::Certificate("bytes after the certificate"));
        }
        let subject = parsed.subject();
        let info = parsed.public_key();
        let is_rsa = matches!(info.parsed(), Ok(PublicKey::RSA(_)));
        let key_id = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        Ok(Self(Arc::new(Fields {
            der: der.to_vec(),
            subject: subject.to_string(),
            subject_der: subject.as_raw().to_vec(),
            issuer: parsed.issuer().to_string(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            serial: parsed.tbs_certificate.raw_serial().to_vec(),
            key_id,
            public_key_info: info.raw.to_vec(),
            rsa_public_key: is_rsa.then(|| info.subject_public_key.data.to_vec()),
            not_before: system_time(parsed.validity().not_before.timestamp()),
            not_after: system_time(parsed.validity().not_after.timestamp()),
            serial_number: attributes(subject, "2.5.4.5"),
            organization_name: attributes(subject, "2.5.4.10"),
            organization_identifier: attributes(subject, "2.5.4.97"),
            is_authority: parsed.is_ca(),
            signed: Signed {
                content: parsed.tbs_certificate.as_ref().to_vec(),
                algorithm: parsed.signature_algorithm.algorithm.as_bytes().to_vec(),
                signature: parsed.signature_value.data.to_vec(),
            },
        })))
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The certificate in PEM.
    pub fn to_pem(&self) -> String {
        pem::encode(&pem::Pem::new("CERTIFICATE", self.der()))
    }

    /// The subject's distinguished name, for people.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The issuer's distinguished name, for people.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The serial number as the certificate encodes it: big-endian, two's complement.
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// Start of the validity, whole seconds.
    pub fn not_before(&self) -> SystemTime {
        self.0.not_before
    }

    /// End of the validity, whole seconds.
    pub fn not_after(&self) -> SystemTime {
        self.0.not_after
    }

    /// The organisation number of the subject, nine digits, or `None` if the subject names no organisation by number.
    ///
    /// Source of the rules: Digdir's `idporten-certificate-validator-lib`; SEID 1.0 and 2.0.
    ///
    /// # Errors
    /// [`Error::AmbiguousOrgnr`] if two places disagree, [`Error::InvalidOrgnr`] if the check digit is wrong.
    pub fn orgnr(&self, rules: OrgnrRules) -> Result<Option<String>, Error> {
        let fields = &self.0;
        let from_serial = fields.serial_number.iter().filter(|value| is_nine_digits(value)).cloned();
        let from_name = fields
            .organization_name
            .iter()
            .filter(|_| rules.from_organization_name)
            .filter_map(|name| number_at_end(name));
        let from_identifier = fields.organization_identifier.iter().filter_map(|value| {
            let number =
                value.strip_prefix("NTRNO-").or_else(|| value.strip_prefix("PSDNO-FSA-")).unwrap_or(value);
            is_nine_digits(number).then(|| number.to_owned())
        });
        let mut found = from_serial.chain(from_name).chain(from_identifier);
        let Some(first) = found.next() else { return Ok(None) };
        if let Some(second) = found.find(|other| *other != first) {
            return Err(Error::AmbiguousOrgnr { first, second });
        }
        if is_valid_orgnr(&first) { Ok(Some(first)) } else { Err(Error::InvalidOrgnr(first)) }
    }

    /// Whether `time` lies in the certificate's validity.
    pub fn is_valid_at(&self, time: SystemTime) -> bool {
        (self.not_before()..=self.not_after()).contains(&time)
    }

    /// Whether the certificate may issue others.
    pub(crate) fn is_authority(&self) -> bool {
        self.0.is_authority
    }

    /// Whether the name and the key of `issuer` are those that this certificate was signed with.
    ///
    /// RSA with SHA-256 or better only, as all issuers of virksomhetssertifikat use.
    pub(crate) fn is_issued_by(&self, issuer: &Self) -> bool {
        let signed = &self.0.signed;
        let algorithm = match &signed.algorithm[..] {
            oid::SHA256_WITH_RSA => &RSA_PKCS1_2048_8192_SHA256,
            oid::SHA384_WITH_RSA => &RSA_PKCS1_2048_8192_SHA384,
            oid::SHA512_WITH_RSA => &RSA_PKCS1_2048_8192_SHA512,
            _ => return false,
        };
        self.issuer_der() == issuer.0.subject_der
            && issuer.rsa_public_key().is_some_and(|key| {
                UnparsedPublicKey::new(algorithm, key).verify(&signed.content, &signed.signature).is_ok()
            })
    }

    /// The issuer's distinguished name in DER.
    pub(crate) fn issuer_der(&self) -> &[u8] {
        &self.0.issuer_der
    }

    /// The subject key identifier, if the certificate has one.
    pub(crate) fn key_id(&self) -> Option<&[u8]> {
        self.0.key_id.as_deref()
    }

    /// SubjectPublicKeyInfo in DER.
    pub(crate) fn public_key_info(&self) -> &[u8] {
        &self.0.public_key_info
    }

    /// RSAPublicKey (PKCS#1) in DER; `None` for other kinds of key.
    pub(crate) fn rsa_public_key(&self) -> Option<&[u8]> {
        self.0.rsa_public_key.as_deref()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("issuer", &self.issuer())
            .finish()
    }
}

fn system_time(timestamp: i64) -> SystemTime {
    let offset = Duration::from_secs(timestamp.unsigned_abs());
    let time = if timestamp < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(offset)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(offset)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn attributes(name: &X509Name<'_>, oid: &str) -> Vec<String> {
    name.iter_attributes()
        .filter(|attribute| attribute.attr_type().to_id_string() == oid)
        .filter_map(|attribute| {
            let text = attribute.as_str().ok().or_else(|| std::str::from_utf8(attribute.as_slice()).ok())?;
            Some(text.to_owned())
        })
        .collect()
}

fn is_nine_digits(text: &str) -> bool {
    text.len() == 9 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Nine digits at the end, after a hyphen that is not the first character and what is neither letter nor digit.
fn number_at_end(name: &str) -> Option<String> {
    let (head, number) = name.split_at_checked(name.len().checked_sub(9)?)?;
    let head = head.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
    let before = head.strip_suffix('-')?;
    (is_nine_digits(number) && !before.is_empty()).then(|| number.to_owned())
}

/// Whether `orgnr` is nine digits with the right check digit (modulus 11).
///
/// # Example: check an organisation number
///
/// ```
/// assert!(asice::is_valid_orgnr("971032146"));
/// assert!(!asice::is_valid_orgnr("971032147"));
/// ```
pub fn is_valid_orgnr(orgnr: &str) -> bool {
    if !is_nine_digits(orgnr) {
        return false;
    }
    let digits = orgnr.bytes().map(|byte| u32::from(byte - b'0'));
    // With weight 1 for the check digit the whole sum is divisible by 11; a check digit of 10 does not exist.
    digits.zip([3, 2, 7, 6, 5, 4, 3, 2, 1]).map(|(digit, weight)| digit * weight).sum::<u32>() % 11 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::certificate_with;
    use rcgen::DnType;

    const O: OrgnrRules = OrgnrRules { from_organization_name: true };
    const NO_O: OrgnrRules = OrgnrRules { from_organization_name: false };

    fn serial_number() -> DnType {
        DnType::CustomDnType(vec![2, 5, 4, 5])
    }

    fn organization_identifier() -> DnType {
        DnType::CustomDnType(vec![2, 5, 4, 97])
    }

    #[test]
    fn orgnr_stands_in_each_of_three_places() {
        for value in ["NTRNO-991825827", "PSDNO-FSA-991825827", "991825827"] {
            let certificate = certificate_with(&[(organization_identifier(), value)]);
            assert_eq!(certificate.orgnr(NO_O).unwrap().as_deref(), Some("991825827"));
        }
        let certificate = certificate_with(&[(serial_number(), "974760673")]);
        assert_eq!(certificate.orgnr(NO_O).unwrap().as_deref(), Some("974760673"));
        let certificate = certificate_with(&[(DnType::OrganizationName, "KS - 971032146")]);
        assert_eq!(certificate.orgnr(O).unwrap().as_deref(), Some("971032146"));
        assert_eq!(certificate.orgnr(NO_O).unwrap(), None);
    }

    #[test]
    fn a_name_gives_a_number_only_after_a_hyphen() {
        for (name, number) in [
            ("KS-971032146", Some("971032146")),
            ("Et - navn -: 971032146", Some("971032146")),
            ("KS 971032146", None),
            ("-971032146", None),
            ("KS - 9710321466", None),
            ("KS - 97103214", None),
            ("ÆØÅ", None),
        ] {
            assert_eq!(number_at_end(name).as_deref(), number, "{name}");
        }
    }

    #[test]
    fn disagreeing_places_are_refused() {
        let certificate = certificate_with(&[
            (serial_number(), "974760673"),
            (organization_identifier(), "NTRNO-991825827"),
        ]);
        assert!(matches!(certificate.orgnr(NO_O), Err(Error::AmbiguousOrgnr { .. })));
        let certificate = certificate_with(&[
            (serial_number(), "974760673"),
            (organization_identifier(), "NTRNO-974760673"),
        ]);
        assert_eq!(certificate.orgnr(NO_O).unwrap().as_deref(), Some("974760673"));
    }

    #[test]
    fn a_wrong_check_digit_is_refused() {
        let certificate = certificate_with(&[(serial_number(), "974760674")]);
        assert!(matches!(certificate.orgnr(NO_O), Err(Error::InvalidOrgnr(number)) if number == "974760674"));
        assert!(!is_valid_orgnr("97476067"));
        assert!(!is_valid_orgnr("97476067a"));
        assert!(is_valid_orgnr("974760673"));
    }

    #[test]
    fn garbage_is_no_certificate() {
        assert!(matches!(Certificate::from_der(b"hei"), Err(Error::Certificate(_))));
        assert!(matches!(Certificate::from_pem("hei"), Err(Error::Certificate(_))));
    }
}
