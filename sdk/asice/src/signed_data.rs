//! Detached CMS SignedData over a manifest (RFC 5652 §5, CAdES baseline attributes of ETSI EN 319 122-1).

use std::time::SystemTime;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, UnparsedPublicKey,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::ber::{
    self, CONTEXT_0, CONTEXT_0_CONSTRUCTED, CONTEXT_1_CONSTRUCTED, Element, GENERALIZED_TIME, INTEGER,
    OCTET_STRING, OCTET_STRING_CONSTRUCTED, OID, Parser, SEQUENCE, SET, UTC_TIME,
};
use crate::{Certificate, Error, Signer, oid};

/// Most signers and certificates looked at in one signature.
const MAX_SIGNERS: usize = 16;
const MAX_CERTIFICATES: usize = 64;

/// The digest algorithm that a signature uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureDigest {
    /// Broken for new signatures, but what the official Java client signs with.
    Sha1,
    /// SHA-256, which this crate signs with.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl SignatureDigest {
    /// Whether forging such a signature is within reach (SHA-1).
    pub fn is_weak(self) -> bool {
        self == Self::Sha1
    }

    fn from_oid(oid: &[u8]) -> Result<Self, Error> {
        match oid {
            oid::SHA1 => Ok(Self::Sha1),
            oid::SHA256 => Ok(Self::Sha256),
            oid::SHA384 => Ok(Self::Sha384),
            oid::SHA512 => Ok(Self::Sha512),
            _ => Err(Error::UnsupportedAlgorithm {
                purpose: "the digest of a signature",
                oid: ber::dotted(oid),
            }),
        }
    }

    fn digest(self, bytes: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }
}

/// A signature that was found valid for the manifest, and with it for every file the manifest lists.
///
/// Valid means that the key of [`signer`](Self::signer) made it. Who issued the certificate, and whether it was still
/// valid, is not checked; [`verify_chain`](Self::verify_chain) does that.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Signature {
    /// The certificate of the key that signed.
    pub signer: Certificate,
    /// The other certificates that came with the signature, usually the chain above the signer.
    pub chain: Vec<Certificate>,
    /// The digest algorithm. Look at [`SignatureDigest::is_weak`].
    pub digest: SignatureDigest,
    /// When the signer says that it signed; a claim, no time stamp.
    pub signing_time: Option<SystemTime>,
}

/// Most certificates between a signer and a root.
const MAX_CHAIN: u8 = 6;

impl Signature {
    /// Checks that the signer's certificate was issued by one of `roots`, directly or through certificates that came
    /// with the signature or stand in `intermediates`, and that all of them were valid at `time`.
    ///
    /// Revocation, key usage and certificate policies are not looked at.
    ///
    /// # Errors
    /// [`Error::UntrustedSigner`].
    pub fn verify_chain(
        &self,
        roots: &[Certificate],
        intermediates: &[Certificate],
        time: SystemTime,
    ) -> Result<(), Error> {
        let between: Vec<&Certificate> = self
            .chain
            .iter()
            .chain(intermediates)
            .filter(|one| one.is_authority() && one.is_valid_at(time))
            .collect();
        let roots: Vec<&Certificate> = roots.iter().filter(|root| root.is_valid_at(time)).collect();
        if self.signer.is_valid_at(time) && leads_to(&self.signer, &roots, &between, MAX_CHAIN) {
            Ok(())
        } else {
            Err(Error::UntrustedSigner)
        }
    }
}

fn leads_to(one: &Certificate, roots: &[&Certificate], between: &[&Certificate], depth: u8) -> bool {
    if roots.iter().any(|root| *root == one || one.is_issued_by(root)) {
        return true;
    }
    let Some(depth) = depth.checked_sub(1) else { return false };
    between.iter().enumerate().filter(|(_, issuer)| one.is_issued_by(issuer)).any(|(at, issuer)| {
        // Each is used once on a path, so that certificates that sign each other cost nothing.
        let rest: Vec<&Certificate> =
            between.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, rest)| *rest).collect();
        leads_to(issuer, roots, &rest, depth)
    })
}

/// Makes a detached signature over `message`, at `now`.
pub(crate) fn sign(message: &[u8], signer: &Signer, now: Timestamp) -> Result<Vec<u8>, Error> {
    let own = signer.certificate();
    let attribute =
        |oid: &[u8], value: &[u8]| ber::constructed(SEQUENCE, &[&ber::tlv(OID, oid), &ber::tlv(SET, value)]);
    let mut attributes = [
        attribute(oid::CONTENT_TYPE, &ber::tlv(OID, oid::DATA)),
        attribute(oid::SIGNING_TIME, &time(now)),
        attribute(
            oid::MESSAGE_DIGEST,
            &ber::tlv(OCTET_STRING, digest::digest(&digest::SHA256, message).as_ref()),
        ),
        attribute(oid::SIGNING_CERTIFICATE_V2, &signing_certificate(own)),
    ];
    // DER sorts a SET OF by encoding.
    attributes.sort();
    let attributes = attributes.concat();
    let signature = signer.sign(&ber::tlv(SET, &attributes))?;

    let sha256 = ber::constructed(SEQUENCE, &[&ber::tlv(OID, oid::SHA256)]);
    let signer_info = ber::constructed(
        SEQUENCE,
        &[
            &ber::tlv(INTEGER, &[1]),
            &issuer_and_serial(own),
            &sha256,
            &ber::tlv(CONTEXT_0_CONSTRUCTED, &attributes),
            &ber::algorithm_null(oid::RSA_ENCRYPTION),
            &ber::tlv(OCTET_STRING, &signature),
        ],
    );
    let certificates: Vec<u8> =
        signer.certificates().iter().flat_map(|certificate| certificate.der().iter().copied()).collect();
    let signed_data = ber::constructed(
        SEQUENCE,
        &[
            &ber::tlv(INTEGER, &[1]),
            &ber::tlv(SET, &sha256),
            &ber::constructed(SEQUENCE, &[&ber::tlv(OID, oid::DATA)]),
            &ber::tlv(CONTEXT_0_CONSTRUCTED, &certificates),
            &ber::tlv(SET, &signer_info),
        ],
    );
    Ok(ber::constructed(
        SEQUENCE,
        &[&ber::tlv(OID, oid::SIGNED_DATA), &ber::tlv(CONTEXT_0_CONSTRUCTED, &signed_data)],
    ))
}

/// IssuerAndSerialNumber of `certificate`.
pub(crate) fn issuer_and_serial(certificate: &Certificate) -> Vec<u8> {
    ber::constructed(SEQUENCE, &[certificate.issuer_der(), &ber::tlv(INTEGER, certificate.serial())])
}

/// SigningCertificateV2 with the default hash, SHA-256 (RFC 5035).
fn signing_certificate(certificate: &Certificate) -> Vec<u8> {
    const DIRECTORY_NAME: u8 = 0xA4;
    let hash = ber::tlv(OCTET_STRING, digest::digest(&digest::SHA256, certificate.der()).as_ref());
    let names = ber::constructed(SEQUENCE, &[&ber::tlv(DIRECTORY_NAME, certificate.issuer_der())]);
    let issuer_serial = ber::constructed(SEQUENCE, &[&names, &ber::tlv(INTEGER, certificate.serial())]);
    let id = ber::constructed(SEQUENCE, &[&hash, &issuer_serial]);
    ber::constructed(SEQUENCE, &[&ber::tlv(SEQUENCE, &id)])
}

/// UTCTime until 2049, GeneralizedTime after (RFC 5652 §11.3).
fn time(now: Timestamp) -> Vec<u8> {
    let now = now.to_zoned(TimeZone::UTC);
    if (1950..2050).contains(&now.year()) {
        ber::tlv(UTC_TIME, now.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        ber::tlv(GENERALIZED_TIME, now.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes())
    }
}

fn parse_time(element: &Element<'_>) -> Option<SystemTime> {
    let text = std::str::from_utf8(element.content).ok()?;
    let full = match element.tag {
        UTC_TIME => {
            let century = if text.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" };
            format!("{century}{text}")
        }
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let civil = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", &full).ok()?;
    Some(SystemTime::from(civil.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

/// Checks every signer of a detached signature over `message`.
pub(crate) fn verify(message: &[u8], signature: &[u8]) -> Result<Vec<Signature>, Error> {
    let content_info = Parser::new(signature).expect(SEQUENCE, "signature is no ContentInfo")?;
    let mut fields = content_info.children();
    if fields.expect(OID, "signature has no content type")?.content != oid::SIGNED_DATA {
        return Err(Error::MalformedCms("signature is not SignedData"));
    }
    let wrapper = fields.expect(CONTEXT_0_CONSTRUCTED, "signature has no content")?;
    let signed_data = wrapper.children().expect(SEQUENCE, "SignedData is no sequence")?;

    let mut fields = signed_data.children();
    fields.expect(INTEGER, "SignedData has no version")?;
    fields.expect(SET, "SignedData has no digest algorithms")?;
    let content = fields.expect(SEQUENCE, "SignedData has no content info")?;
    let mut content = content.children();
    let content_type = content.expect(OID, "signed content has no type")?.content;
    if let Some(wrapper) = content.optional(CONTEXT_0_CONSTRUCTED)? {
        // An enclosed copy is allowed if it is the same.
        let enclosed = wrapper.children().next()?.ok_or(Error::MalformedCms("signed content is empty"))?;
        if *enclosed.octets()? != *message {
            return Err(Error::InvalidSignature("it encloses another manifest"));
        }
    }
    let mut certificates = Vec::new();
    if let Some(set) = fields.optional(CONTEXT_0_CONSTRUCTED)? {
        let mut set = set.children();
        while let Some(entry) = set.next()? {
            if entry.tag == SEQUENCE {
                if certificates.len() == MAX_CERTIFICATES {
                    return Err(Error::MalformedCms("too many certificates"));
                }
                certificates.push(Certificate::from_der(entry.raw)?);
            }
        }
    }
    fields.optional(CONTEXT_1_CONSTRUCTED)?;

    let mut found = Vec::new();
    let mut signers = fields.expect(SET, "SignedData has no signers")?.children();
    while let Some(signer) = signers.next()? {
        if signer.tag != SEQUENCE || found.len() == MAX_SIGNERS {
            return Err(Error::MalformedCms("signer is no sequence, or too many signers"));
        }
        found.push(verify_signer(message, content_type, &signer, &certificates)?);
    }
    if found.is_empty() {
        return Err(Error::InvalidSignature("nobody signed"));
    }
    Ok(found)
}

fn verify_signer(
    message: &[u8],
    content_type: &[u8],
    signer: &Element<'_>,
    certificates: &[Certificate],
) -> Result<Signature, Error> {
    let mut fields = signer.children();
    fields.expect(INTEGER, "signer has no version")?;
    let id = fields.next()?.ok_or(Error::MalformedCms("signer has no identifier"))?;
    let own =
        find_certificate(&id, certificates)?.ok_or(Error::InvalidSignature("its certificate is missing"))?;
    let digest_algorithm = fields.expect(SEQUENCE, "signer has no digest algorithm")?;
    let digest_oid = digest_algorithm.children().expect(OID, "digest algorithm has no identifier")?.content;
    let digest = SignatureDigest::from_oid(digest_oid)?;
    let attributes = fields.optional(CONTEXT_0_CONSTRUCTED)?;
    let algorithm = fields.expect(SEQUENCE, "signer has no signature algorithm")?;
    let signature = fields.next()?.ok_or(Error::MalformedCms("signer has no signature"))?;
    if signature.tag != OCTET_STRING && signature.tag != OCTET_STRING_CONSTRUCTED {
        return Err(Error::MalformedCms("signature is no octet string"));
    }
    let signature = signature.octets()?;

    let public_key = own.rsa_public_key().ok_or_else(|| Error::UnsupportedAlgorithm {
        purpose: "the key of a signature",
        oid: "other than RSA".to_owned(),
    })?;
    let key = UnparsedPublicKey::new(signature_algorithm(&algorithm, digest)?, public_key);

    let mut signing_time = None;
    let verified = if let Some(attributes) = attributes {
        if attributes.indefinite {
            return Err(Error::MalformedCms("signed attributes are not DER"));
        }
        signing_time = check_attributes(message, content_type, &attributes, digest, own)?;
        // Signed as a SET OF, sent as [0] (RFC 5652 §5.4).
        key.verify(&ber::tlv(SET, attributes.content), &signature)
    } else {
        key.verify(message, &signature)
    };
    verified.map_err(|_| Error::InvalidSignature("it was not made by the key of its certificate"))?;

    let chain = certificates.iter().filter(|other| *other != own).cloned().collect();
    Ok(Signature { signer: own.clone(), chain, digest, signing_time })
}

fn find_certificate<'a>(
    id: &Element<'_>,
    certificates: &'a [Certificate],
) -> Result<Option<&'a Certificate>, Error> {
    match id.tag {
        SEQUENCE => {
            let mut fields = id.children();
            let issuer = fields.expect(SEQUENCE, "signer has no issuer")?.raw;
            let serial = fields.expect(INTEGER, "signer has no serial number")?.content;
            Ok(certificates.iter().find(|one| one.issuer_der() == issuer && one.serial() == serial))
        }
        CONTEXT_0 => Ok(certificates.iter().find(|one| one.key_id() == Some(id.content))),
        _ => Err(Error::MalformedCms("signer has an unknown identifier")),
    }
}

fn signature_algorithm(
    algorithm: &Element<'_>,
    digest: SignatureDigest,
) -> Result<&'static RsaParameters, Error> {
    let mut fields = algorithm.children();
    let oid = fields.expect(OID, "signature algorithm has no identifier")?.content;
    let demanded = match oid {
        oid::RSA_ENCRYPTION | oid::RSASSA_PSS => digest,
        oid::SHA1_WITH_RSA => SignatureDigest::Sha1,
        oid::SHA256_WITH_RSA => SignatureDigest::Sha256,
        oid::SHA384_WITH_RSA => SignatureDigest::Sha384,
        oid::SHA512_WITH_RSA => SignatureDigest::Sha512,
        _ => return Err(Error::UnsupportedAlgorithm { purpose: "a signature", oid: ber::dotted(oid) }),
    };
    if demanded != digest {
        return Err(Error::InvalidSignature("its two digest algorithms disagree"));
    }
    Ok(match (oid == oid::RSASSA_PSS, digest) {
        (false, SignatureDigest::Sha1) => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (false, SignatureDigest::Sha256) => &RSA_PKCS1_2048_8192_SHA256,
        (false, SignatureDigest::Sha384) => &RSA_PKCS1_2048_8192_SHA384,
        (false, SignatureDigest::Sha512) => &RSA_PKCS1_2048_8192_SHA512,
        (true, SignatureDigest::Sha256) => &RSA_PSS_2048_8192_SHA256,
        (true, SignatureDigest::Sha384) => &RSA_PSS_2048_8192_SHA384,
        (true, SignatureDigest::Sha512) => &RSA_PSS_2048_8192_SHA512,
        (true, SignatureDigest::Sha1) => {
            return Err(Error::UnsupportedAlgorithm { purpose: "a signature", oid: ber::dotted(oid) });
        }
    })
}

/// Checks content type, message digest and signing certificate; returns the signing time.
fn check_attributes(
    message: &[u8],
    content_type: &[u8],
    attributes: &Element<'_>,
    digest: SignatureDigest,
    own: &Certificate,
) -> Result<Option<SystemTime>, Error> {
    let mut has_type = false;
    let mut has_digest = false;
    let mut signing_time = None;
    let mut list = attributes.children();
    while let Some(attribute) = list.next()? {
        let mut fields = attribute.children();
        let kind = fields.expect(OID, "signed attribute has no type")?.content;
        let value = fields
            .expect(SET, "signed attribute has no values")?
            .children()
            .next()?
            .ok_or(Error::MalformedCms("signed attribute has no value"))?;
        match kind {
            oid::CONTENT_TYPE => {
                if has_type || value.content != content_type {
                    return Err(Error::InvalidSignature("it is for another content type"));
                }
                has_type = true;
            }
            oid::MESSAGE_DIGEST => {
                if has_digest || value.content != digest.digest(message).as_ref() {
                    return Err(Error::InvalidSignature("the manifest differs from the signed one"));
                }
                has_digest = true;
            }
            oid::SIGNING_TIME => signing_time = parse_time(&value),
            oid::SIGNING_CERTIFICATE => check_signing_certificate(&value, SignatureDigest::Sha1, own)?,
            oid::SIGNING_CERTIFICATE_V2 => check_signing_certificate(&value, SignatureDigest::Sha256, own)?,
            _ => {}
        }
    }
    if has_type && has_digest {
        Ok(signing_time)
    } else {
        Err(Error::InvalidSignature("a mandatory signed attribute is missing"))
    }
}

/// The first ESSCertID or ESSCertIDv2 must be the hash of the signer's certificate.
fn check_signing_certificate(
    value: &Element<'_>,
    default: SignatureDigest,
    own: &Certificate,
) -> Result<(), Error> {
    let ids = value.children().expect(SEQUENCE, "signing certificate attribute holds no list")?;
    let id = ids.children().expect(SEQUENCE, "signing certificate attribute is empty")?;
    let mut fields = id.children();
    let digest = match fields.optional(SEQUENCE)? {
        Some(algorithm) => {
            SignatureDigest::from_oid(algorithm.children().expect(OID, "hash has no algorithm")?.content)?
        }
        None => default,
    };
    let hash = fields.expect(OCTET_STRING, "signing certificate attribute has no hash")?.content;
    if digest.digest(own.der()).as_ref() == hash {
        Ok(())
    } else {
        Err(Error::InvalidSignature("it was made for another certificate"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2026-03-01T12:34:56Z".parse().unwrap()
    }

    #[test]
    fn own_signature_is_verified_and_reported() {
        let signer = testing::signer();
        let signature = sign(b"hei", &signer, now()).unwrap();
        let found = verify(b"hei", &signature).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].signer, *signer.certificate());
        assert_eq!(found[0].digest, SignatureDigest::Sha256);
        assert_eq!(found[0].signing_time, Some(SystemTime::from(now())));
    }

    #[test]
    fn a_signer_is_trusted_through_its_chain() {
        use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

        let rsa = || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let params = |name: &str, is_ca| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::NoCa };
            params
        };
        let own = |certificate: &rcgen::Certificate| Certificate::from_der(certificate.der()).unwrap();
        for between_may_issue in [true, false] {
            let (root_key, between_key, leaf_key) = (rsa(), rsa(), rsa());
            let root = params("root", true).self_signed(&root_key).unwrap();
            let root_issuer = Issuer::new(params("root", true), root_key);
            let between = params("between", between_may_issue).signed_by(&between_key, &root_issuer).unwrap();
            let between_issuer = Issuer::new(params("between", between_may_issue), between_key);
            let leaf = params("leaf", false).signed_by(&leaf_key, &between_issuer).unwrap();

            let signer = Signer::from_pem(&leaf_key.serialize_pem(), &leaf.pem()).unwrap();
            let signature = verify(b"hei", &sign(b"hei", &signer, now()).unwrap()).unwrap().remove(0);
            let between_pem = between.pem();
            let (root, between) = (&[own(&root)][..], &[own(&between)][..]);
            let at = SystemTime::from(now());
            let trusted = |roots: &[Certificate], intermediates: &[Certificate]| {
                signature.verify_chain(roots, intermediates, at).is_ok()
            };
            assert_eq!(trusted(root, between), between_may_issue);
            // A root that is the direct issuer is trusted as it is.
            assert!(trusted(between, &[]));
            assert!(!trusted(root, &[]));
            assert!(!trusted(&[], &[root, between].concat()));
            let late: Timestamp = "5000-01-01T00:00:00Z".parse().unwrap();
            assert!(matches!(
                signature.verify_chain(root, between, late.into()),
                Err(Error::UntrustedSigner)
            ));

            // With the chain in the signature no intermediates are needed.
            let chain = format!("{between_pem}{}", leaf.pem());
            let signer = Signer::from_pem(&leaf_key.serialize_pem(), &chain).unwrap();
            let signature = verify(b"hei", &sign(b"hei", &signer, now()).unwrap()).unwrap().remove(0);
            assert_eq!(signature.chain, between);
            assert_eq!(signature.verify_chain(root, &[], at).is_ok(), between_may_issue);
        }
    }

    #[test]
    fn another_message_is_refused() {
        let signature = sign(b"hei", &testing::signer(), now()).unwrap();
        assert!(matches!(verify(b"hopp", &signature), Err(Error::InvalidSignature(_))));
    }

    #[test]
    fn a_late_time_is_written_long() {
        let late: Timestamp = "2051-01-02T03:04:05Z".parse().unwrap();
        let bytes = time(late);
        let element = Parser::new(&bytes).next().unwrap().unwrap();
        assert_eq!(element.content, b"20510102030405Z");
        assert_eq!(parse_time(&element), Some(SystemTime::from(late)));
    }

    #[test]
    fn every_flipped_signature_or_attribute_byte_is_noticed() {
        let signer = testing::signer();
        let signature = sign(b"hei", &signer, now()).unwrap();
        let certificate = signature
            .windows(signer.certificate().der().len())
            .position(|window| window == signer.certificate().der())
            .unwrap();
        // What follows the certificate is the signer info: all of it matters.
        let start = certificate + signer.certificate().der().len();
        for at in start..signature.len() {
            let mut altered = signature.clone();
            altered[at] ^= 0x01;
            // The version, the parameters of algorithms and such may be read as the same; never as another signer.
            if let Ok(found) = verify(b"hei", &altered) {
                assert_eq!(found[0].signer, *signer.certificate(), "byte {at}");
                assert_eq!(found[0].signing_time, Some(SystemTime::from(now())), "byte {at}");
            }
        }
        let last = signature.len() - 1;
        let mut altered = signature;
        altered[last] ^= 0x01;
        assert!(verify(b"hei", &altered).is_err());
    }

    proptest! {
        #[test]
        fn altered_signatures_never_panic(at in 0usize..1000, value in any::<u8>(), keep in 0usize..2000) {
            let mut signature = testing::sample_signature().to_vec();
            let length = signature.len();
            signature[at % length] = value;
            signature.truncate(keep);
            let _ = verify(b"hei", &signature);
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = verify(b"hei", &bytes);
        }
    }
}
