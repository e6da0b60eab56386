//! What may be ordered from the authority.

use jiff::Timestamp;
use rcgen::{CertificateParams, CustomExtension, DnType, IsCa, KeyUsagePurpose};

use super::{BACKDATED, CaError, DAY, distinguished_name, set_validity};
use crate::orgnr;

/// `serialNumber`, 2.5.4.5.
pub(super) const SERIAL_NUMBER: &[u64] = &[2, 5, 4, 5];
/// `organizationIdentifier`, 2.5.4.97.
const ORGANIZATION_IDENTIFIER: &[u64] = &[2, 5, 4, 97];
/// `certificatePolicies`, 2.5.29.32.
const CERTIFICATE_POLICIES: &[u64] = &[2, 5, 29, 32];
/// `SEQUENCE { SEQUENCE { OBJECT IDENTIFIER 2.16.578.1.1.1.1.100 } }`: the policy of Digdir's test generator.
const TEST_POLICY: &[u8] =
    &[0x30, 0x0c, 0x30, 0x0a, 0x06, 0x08, 0x60, 0x84, 0x42, 0x01, 0x01, 0x01, 0x01, 0x64];
/// The same with 2.16.578.1.1.1.1.101, which nobody lists.
const UNKNOWN_POLICY: &[u8] =
    &[0x30, 0x0c, 0x30, 0x0a, 0x06, 0x08, 0x60, 0x84, 0x42, 0x01, 0x01, 0x01, 0x01, 0x65];

/// Size of an RSA key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RsaBits {
    /// 2048 bits: quick to make.
    #[default]
    B2048,
    /// 3072 bits: what SEID 2.0 demands.
    B3072,
    /// 4096 bits: what Maskinporten signs its tokens with.
    B4096,
}

/// What a virksomhetssertifikat is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Usage {
    /// One certificate for authentication, signing and encryption, as Digdir's test generator makes.
    #[default]
    All,
    /// Authentication: digitalSignature.
    Auth,
    /// Sealing: nonRepudiation.
    Sign,
    /// Encryption: keyEncipherment and dataEncipherment. No good for Maskinporten.
    Crypt,
}

/// What is wrong with a certificate ordered for a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It ran out yesterday.
    Expired,
    /// It counts from tomorrow.
    NotYetValid,
    /// No organisasjonsnummer stands anywhere in it.
    NoOrgnr,
    /// `serialNumber` and `organizationIdentifier` name two organisations.
    TwoOrgnr,
    /// Another authority of the same name signed it.
    OtherCa,
    /// Its certificate policy is one that nobody lists.
    WrongPolicy,
}

/// An order for a virksomhetssertifikat.
#[derive(Debug, Clone)]
pub struct Virksomhetssertifikat {
    pub(super) orgnr: String,
    pub(super) navn: String,
    pub(super) usage: Usage,
    pub(super) bits: RsaBits,
    pub(super) flaw: Option<Flaw>,
}

impl Virksomhetssertifikat {
    /// For the organisation `navn` with organisasjonsnummer `orgnr` (nine digits).
    pub fn new(orgnr: impl Into<String>, navn: impl Into<String>) -> Self {
        Self {
            orgnr: orgnr.into(),
            navn: navn.into(),
            usage: Usage::default(),
            bits: RsaBits::default(),
            flaw: None,
        }
    }

    /// For one usage only.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// With a key of this size.
    #[must_use]
    pub fn bits(mut self, bits: RsaBits) -> Self {
        self.bits = bits;
        self
    }

    /// With something wrong.
    #[must_use]
    pub fn flaw(mut self, flaw: Flaw) -> Self {
        self.flaw = Some(flaw);
        self
    }

    pub(super) fn params(&self, now: Timestamp) -> Result<CertificateParams, CaError> {
        if !orgnr::is_nine_digits(&self.orgnr) {
            return Err(CaError::Orgnr(self.orgnr.clone()));
        }
        let mut params = CertificateParams::new(Vec::new()).map_err(CaError::Name)?;
        let (from, to) = match self.flaw {
            Some(Flaw::Expired) => (now - DAY * 2, now - DAY),
            Some(Flaw::NotYetValid) => (now + DAY, now + DAY * 2),
            _ => (now - BACKDATED, now + DAY * 730),
        };
        set_validity(&mut params, from, to);
        let serial_number = if self.flaw == Some(Flaw::TwoOrgnr) { "974760673" } else { &self.orgnr };
        let identifier = format!("NTRNO-{}", self.orgnr);
        let mut subject = vec![(DnType::CountryName, "NO")];
        if self.flaw != Some(Flaw::NoOrgnr) {
            subject.push((DnType::CustomDnType(ORGANIZATION_IDENTIFIER.to_vec()), &identifier));
            subject.push((DnType::CustomDnType(SERIAL_NUMBER.to_vec()), serial_number));
        }
        subject.push((DnType::OrganizationName, &self.navn));
        subject.push((DnType::CommonName, &self.navn));
        params.distinguished_name = distinguished_name(&subject);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = match self.usage {
            Usage::All => vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::ContentCommitment,
                KeyUsagePurpose::KeyEncipherment,
                KeyUsagePurpose::DataEncipherment,
            ],
            Usage::Auth => vec![KeyUsagePurpose::DigitalSignature],
            Usage::Sign => vec![KeyUsagePurpose::ContentCommitment],
            Usage::Crypt => vec![KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DataEncipherment],
        };
        let policy = if self.flaw == Some(Flaw::WrongPolicy) { UNKNOWN_POLICY } else { TEST_POLICY };
        params.custom_extensions =
            vec![CustomExtension::from_oid_content(CERTIFICATE_POLICIES, policy.to_vec())];
        Ok(params)
    }
}
