//! What is checked of a virksomhetssertifikat.
//!
//! Source: Digdir's certificate validator and test certificate generator, and the SEID 2.0 profile.

use jiff::Timestamp;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::CertificateCheck;
use crate::jws::{self, Alg};
use crate::orgnr;

/// No chain of virksomhetssertifikater is longer.
const MAX_CHAIN: usize = 5;

/// Policies of certificates that Maskinporten's test environment takes, and the ones with any ending.
const POLICIES: [&str; 5] = [
    "2.16.578.1.26.1.3.5",
    "2.16.578.1.26.1.3.2",
    "2.16.578.1.26.1.0.3.2",
    "2.16.578.1.29.13.1.1.0",
    "2.16.578.1.1.1.1.100",
];
const POLICY_PREFIXES: [&str; 4] =
    ["2.16.578.1.29.13.200.", "2.16.578.1.29.13.210.", "2.16.578.1.29.13.220.", "2.16.578.1.29.913."];

/// A certificate that could be read.
pub(super) struct Certificate<'a>(X509Certificate<'a>);

impl<'a> Certificate<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        rest.is_empty().then_some(Self(certificate))
    }

    /// The public key, DER.
    pub(super) fn public_key(&self) -> &[u8] {
        self.0.public_key().raw
    }

    /// The organisasjonsnummer, from `serialNumber`, `organizationIdentifier` and, unless `strict`, the end of `O`. All
    /// that are there must agree.
    pub(super) fn orgnr(&self, strict: bool) -> Result<String, &'static str> {
        let mut found: Option<String> = None;
        for attribute in self.0.subject().iter_attributes() {
            let Ok(value) = attribute.as_str() else { continue };
            let orgnr = match attribute.attr_type().to_id_string().as_str() {
                "2.5.4.5" => Some(value).filter(|value| orgnr::is_nine_digits(value)),
                "2.5.4.97" => organization_identifier(value),
                "2.5.4.10" if !strict => organization_name(value),
                _ => None,
            };
            let Some(orgnr) = orgnr else { continue };
            match &found {
                Some(other) if other != orgnr => return Err("it names two organisasjonsnummer"),
                _ => found = Some(orgnr.to_owned()),
            }
        }
        found.ok_or("it names no organisasjonsnummer")
    }

    fn is_valid_at(&self, now: Timestamp) -> bool {
        let validity = self.0.validity();
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now.as_second())
    }

    fn is_signed_by(&self, issuer: &Self) -> bool {
        let alg = match self.0.signature_algorithm.algorithm.to_id_string().as_str() {
            "1.2.840.113549.1.1.11" => Alg::Rs256,
            "1.2.840.113549.1.1.12" => Alg::Rs384,
            "1.2.840.113549.1.1.13" => Alg::Rs512,
            _ => return false,
        };
        jws::is_signed_by(
            issuer.public_key(),
            alg,
            self.0.tbs_certificate.as_ref(),
            &self.0.signature_value.data,
        )
    }
}

/// `NTRNO-<orgnr>`, `PSDNO-FSA-<orgnr>` or the bare number.
fn organization_identifier(value: &str) -> Option<&str> {
    let bare = ["NTRNO-", "PSDNO-FSA-"].iter().find_map(|prefix| value.strip_prefix(prefix)).unwrap_or(value);
    Some(bare).filter(|bare| orgnr::is_nine_digits(bare))
}

/// The number behind a dash at the end of a name, as in `KS - 971032146`.
fn organization_name(value: &str) -> Option<&str> {
    let (name, number) = value.split_at_checked(value.len().checked_sub(9)?)?;
    let between = name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let dash = name.rfind('-').filter(|at| *at >= between.len() && *at > 0);
    dash.and(Some(number)).filter(|number| orgnr::is_nine_digits(number))
}

/// Checks time, chain and profile as far as `checks` asks.
pub(super) fn check(
    certificate: &Certificate<'_>,
    checks: &CertificateCheck,
    now: Timestamp,
) -> Result<(), &'static str> {
    if !certificate.is_valid_at(now) {
        return Err("it has expired or is not yet valid");
    }
    match checks {
        CertificateCheck::Lax => Ok(()),
        CertificateCheck::Chain(authorities) => check_chain(certificate, authorities, now),
        CertificateCheck::Strict(authorities) => {
            check_chain(certificate, authorities, now)?;
            check_profile(&certificate.0)
        }
    }
}

/// Follows the issuers from the leaf to a self-signed root among `authorities`.
fn check_chain(leaf: &Certificate<'_>, authorities: &[Vec<u8>], now: Timestamp) -> Result<(), &'static str> {
    const UNTRUSTED: &str = "it does not come from an authority that is trusted here";
    let authorities: Vec<Certificate<'_>> =
        authorities.iter().filter_map(|der| Certificate::parse(der)).collect();
    let mut current = leaf;
    for _ in 0..MAX_CHAIN {
        let issuer = authorities
            .iter()
            .find(|authority| {
                authority.0.subject().as_raw() == current.0.issuer().as_raw()
                    && current.is_signed_by(authority)
            })
            .ok_or(UNTRUSTED)?;
        if !issuer.0.is_ca() {
            return Err("its issuer is no certificate authority");
        }
        if !issuer.is_valid_at(now) {
            return Err("its issuer has expired or is not yet valid");
        }
        if issuer.0.subject().as_raw() == issuer.0.issuer().as_raw() {
            return Ok(());
        }
        current = issuer;
    }
    Err(UNTRUSTED)
}

fn check_profile(certificate: &X509Certificate<'_>) -> Result<(), &'static str> {
    let critical_known = |oid: &Oid<'_>| matches!(oid.to_id_string().as_str(), "2.5.29.15" | "2.5.29.19");
    if certificate.extensions().iter().any(|extension| extension.critical && !critical_known(&extension.oid))
    {
        return Err("it has an unknown critical extension");
    }
    let usage =
        certificate.key_usage().map_err(|_| "its key usage cannot be read")?.ok_or("it has no key usage")?;
    if !usage.value.digital_signature() && !usage.value.non_repudiation() {
        return Err("its key usage is neither digitalSignature nor nonRepudiation");
    }
    let known = |policy: &str| {
        POLICIES.contains(&policy) || POLICY_PREFIXES.iter().any(|prefix| policy.starts_with(prefix))
    };
    let policy = certificate.extensions().iter().any(|extension| match extension.parsed_extension() {
        ParsedExtension::CertificatePolicies(policies) => {
            policies.iter().any(|policy| known(&policy.policy_id.to_id_string()))
        }
        _ => false,
    });
    if policy { Ok(()) } else { Err("its policy is not that of a virksomhetssertifikat") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_behind_a_dash_in_the_name_is_found() {
        assert_eq!(organization_name("KS - 971032146"), Some("971032146"));
        assert_eq!(organization_name("KS-971032146"), Some("971032146"));
        assert_eq!(organization_name("Ås kommune –- 971032146"), Some("971032146"));
        for name in [
            "971032146",
            "-971032146",
            "KS 971032146",
            "KS - 1971032146",
            "KS - 97103214",
            "KS - x971032146",
            "æøå",
            "",
        ] {
            assert_eq!(organization_name(name), None, "{name}");
        }
    }

    #[test]
    fn all_forms_of_organization_identifier_are_read() {
        for value in ["NTRNO-971032146", "PSDNO-FSA-971032146", "971032146"] {
            assert_eq!(organization_identifier(value), Some("971032146"), "{value}");
        }
        for value in ["NTRSE-971032146", "NTRNO-97103214", "NTRNO-PSDNO-FSA-971032146"] {
            assert_eq!(organization_identifier(value), None, "{value}");
        }
    }
}
