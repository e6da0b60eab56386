use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use knutepunkt_simulator::ca::{
    CaError, Flaw, KeyedCertificate, RsaBits, TRUSTSTORE_PASSWORD, TestCa, Usage, Virksomhetssertifikat,
    self_signed_konto_key,
};
use p12_keystore::{KeyStore, KeyStoreEntry};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn authority() -> (tempfile::TempDir, TestCa) {
    let folder = tempfile::tempdir().unwrap();
    let ca = TestCa::load_or_create(folder.path().join("ca"), now()).unwrap();
    (folder, ca)
}

fn subject(certificate: &X509Certificate<'_>, oid: &str) -> Vec<String> {
    let attributes = certificate.subject().iter_attributes();
    attributes
        .filter(|a| a.attr_type().to_id_string() == oid)
        .map(|a| a.as_str().unwrap().to_owned())
        .collect()
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_kept_authority_is_taken_up_again_and_goes_on_issuing() {
    let (folder, first) = authority();
    let again = TestCa::load_or_create(folder.path().join("ca"), now()).unwrap();
    assert_eq!(first.root_der(), again.root_der());
    assert_eq!(first.issuing_der(), again.issuing_der());
    let issued = again.konto_key("konto", RsaBits::B2048, now()).unwrap();
    let (_, leaf) = X509Certificate::from_der(issued.certificate_der()).unwrap();
    let (_, issuing) = X509Certificate::from_der(first.issuing_der()).unwrap();
    assert_eq!(leaf.issuer().as_raw(), issuing.subject().as_raw());
    let chain: Vec<&[u8]> = issued.chain_der().collect();
    assert_eq!(chain, [issued.certificate_der(), first.issuing_der(), first.root_der()]);
}

#[test]
fn an_interrupted_start_is_made_good() {
    let (folder, first) = authority();
    fs::remove_file(folder.path().join("ca/issuing.pem")).unwrap();
    let second = TestCa::load_or_create(folder.path().join("ca"), now()).unwrap();
    assert_ne!(first.root_der(), second.root_der());
}

#[test]
fn an_authority_that_is_too_old_or_damaged_is_told_of() {
    let (folder, ca) = authority();
    let later = now() + SignedDuration::from_hours(24 * 3651);
    assert!(matches!(TestCa::load_or_create(ca.folder(), later), Err(CaError::Expired { .. })));
    fs::write(folder.path().join("ca/issuing.key.pem"), "nothing").unwrap();
    assert!(matches!(TestCa::load_or_create(ca.folder(), now()), Err(CaError::Content { .. })));
}

#[cfg(unix)]
#[test]
fn keys_can_be_read_by_their_owner_only() {
    let (folder, ca) = authority();
    let key = ca.konto_key("konto", RsaBits::B2048, now()).unwrap();
    key.save(folder.path(), "konto", "konto", "hemmelig").unwrap();
    for private in ["ca/root.key.pem", "ca/issuing.key.pem", "konto.key.pem", "konto.p12"] {
        assert_eq!(mode(&folder.path().join(private)), 0o600, "{private}");
    }
    for public in ["ca/root.pem", "ca/truststore.p12", "konto.pem"] {
        assert_eq!(mode(&folder.path().join(public)), 0o644, "{public}");
    }
}

#[test]
fn a_virksomhetssertifikat_follows_the_seid_2_profile() {
    let (_folder, ca) = authority();
    let order =
        Virksomhetssertifikat::new("971032146", "Blåbær kommune").bits(RsaBits::B3072).usage(Usage::Auth);
    let issued = ca.virksomhetssertifikat(&order, now()).unwrap();
    let (_, certificate) = X509Certificate::from_der(issued.certificate_der()).unwrap();
    assert_eq!(subject(&certificate, "2.5.4.6"), ["NO"]);
    assert_eq!(subject(&certificate, "2.5.4.97"), ["NTRNO-971032146"]);
    assert_eq!(subject(&certificate, "2.5.4.5"), ["971032146"]);
    assert_eq!(subject(&certificate, "2.5.4.10"), ["Blåbær kommune"]);
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.digital_signature() && !usage.value.non_repudiation());
    assert!(!certificate.is_ca());
    let policies = certificate.extensions().iter().find(|e| e.oid.to_id_string() == "2.5.29.32").unwrap();
    match policies.parsed_extension() {
        x509_parser::extensions::ParsedExtension::CertificatePolicies(policies) => {
            assert_eq!(policies[0].policy_id.to_id_string(), "2.16.578.1.1.1.1.100");
        }
        other => panic!("{other:?}"),
    }
    match certificate.public_key().parsed().unwrap() {
        x509_parser::public_key::PublicKey::RSA(key) => assert_eq!(key.key_size(), 3072),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_nine_digits_get_a_virksomhetssertifikat() {
    let (_folder, ca) = authority();
    for orgnr in ["", "97103214", "97103214x", "9710321466"] {
        let result = ca.virksomhetssertifikat(&Virksomhetssertifikat::new(orgnr, "Feil"), now());
        assert!(matches!(result, Err(CaError::Orgnr(_))), "{orgnr}");
    }
}

#[test]
fn flaws_are_as_ordered() {
    let (_folder, ca) = authority();
    let issue = |flaw| {
        ca.virksomhetssertifikat(&Virksomhetssertifikat::new("971032146", "Feil"), now()).and_then(|_| {
            ca.virksomhetssertifikat(&Virksomhetssertifikat::new("971032146", "Feil").flaw(flaw), now())
        })
    };
    assert!(issue(Flaw::Expired).unwrap().valid_until().unwrap() < now());
    let early = issue(Flaw::NotYetValid).unwrap();
    let (_, early) = X509Certificate::from_der(early.certificate_der()).unwrap();
    assert!(early.validity().not_before.timestamp() > now().as_second());
    let nameless = issue(Flaw::NoOrgnr).unwrap();
    let (_, nameless) = X509Certificate::from_der(nameless.certificate_der()).unwrap();
    assert!(!nameless.subject().to_string().contains("971032146"));
    let (_, issuing) = X509Certificate::from_der(ca.issuing_der()).unwrap();
    let foreign = issue(Flaw::OtherCa).unwrap();
    let stranger: Vec<&[u8]> = foreign.chain_der().skip(1).collect();
    let (_, stranger) = X509Certificate::from_der(stranger[0]).unwrap();
    assert_eq!(stranger.subject().as_raw(), issuing.subject().as_raw());
    assert_ne!(stranger.public_key().raw, issuing.public_key().raw);
}

#[test]
fn the_tls_certificate_names_this_machine_and_lives_less_than_a_year() {
    let (_folder, ca) = authority();
    let issued = ca.localhost(now()).unwrap();
    let (_, certificate) = X509Certificate::from_der(issued.certificate_der()).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert!(names.value.general_names.contains(&GeneralName::DNSName("localhost")));
    assert!(names.value.general_names.contains(&GeneralName::IPAddress(&[127, 0, 0, 1])));
    assert!(
        names
            .value
            .general_names
            .contains(&GeneralName::IPAddress(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]))
    );
    assert!(issued.valid_until().unwrap() < now() + SignedDuration::from_hours(24 * 365));
    assert_eq!(issued.tls_chain_der().count(), 2, "leaf and intermediate");
    assert_eq!(issued.private_key_pem().lines().next(), Some("-----BEGIN PRIVATE KEY-----"));
}

#[test]
fn a_kept_certificate_is_used_until_a_month_before_its_end() {
    let (_folder, ca) = authority();
    let first = ca.localhost(now()).unwrap();
    let same = ca.localhost(now() + SignedDuration::from_hours(24 * 269)).unwrap();
    assert_eq!(first.certificate_der(), same.certificate_der());
    assert_eq!(first.private_key_der(), same.private_key_der());
    let renewed = ca.localhost(now() + SignedDuration::from_hours(24 * 271)).unwrap();
    assert_ne!(first.certificate_der(), renewed.certificate_der());
}

#[test]
fn a_kept_certificate_of_another_authority_or_with_another_key_is_issued_anew() {
    let (folder, ca) = authority();
    let (_elsewhere, other) = authority();
    let kept = |ca: &TestCa| {
        ca.keep(folder.path(), "konto", "konto", "hemmelig", now(), || {
            ca.konto_key("konto", RsaBits::B2048, now())
        })
        .unwrap()
    };
    let first = kept(&ca);
    assert_eq!(first.certificate_der(), kept(&ca).certificate_der());
    let second = kept(&other);
    assert_ne!(first.certificate_der(), second.certificate_der());
    fs::write(folder.path().join("konto.key.pem"), first.private_key_pem()).unwrap();
    assert!(matches!(KeyedCertificate::load(folder.path(), "konto"), Err(CaError::Content { .. })));
    assert_ne!(kept(&other).certificate_der(), second.certificate_der());
}

#[test]
fn key_stores_hold_key_and_chain_under_alias_and_password() {
    let (_folder, ca) = authority();
    let issued = ca.virksomhetssertifikat(&Virksomhetssertifikat::new("971032146", "Blåbær"), now()).unwrap();
    let bytes = issued.pkcs12("virksomhet", "hemmelig").unwrap();
    assert!(KeyStore::from_pkcs12(&bytes, "feil").is_err());
    let store = KeyStore::from_pkcs12(&bytes, "hemmelig").unwrap();
    match store.entry("virksomhet") {
        Some(KeyStoreEntry::PrivateKeyChain(entry)) => {
            assert_eq!(entry.key(), issued.private_key_der());
            let chain: Vec<&[u8]> = entry.chain().iter().map(p12_keystore::Certificate::as_der).collect();
            assert_eq!(chain, issued.chain_der().collect::<Vec<_>>());
        }
        other => panic!("{other:?}"),
    }
    let trusted =
        KeyStore::from_pkcs12(&fs::read(ca.truststore_path()).unwrap(), TRUSTSTORE_PASSWORD).unwrap();
    match trusted.entry("knutepunkt-test-root") {
        Some(KeyStoreEntry::Certificate(root)) => assert_eq!(root.as_der(), ca.root_der()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_self_signed_konto_key_can_be_saved_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let key = self_signed_konto_key("Mitt arkiv", RsaBits::B2048, now()).unwrap();
    key.save(folder.path(), "konto", "konto", "hemmelig").unwrap();
    let read = KeyedCertificate::load(folder.path(), "konto").unwrap();
    assert_eq!(read.private_key_der(), key.private_key_der());
    assert_eq!(read.chain_der().collect::<Vec<_>>(), [key.certificate_der()]);
    assert_eq!(read.tls_chain_der().count(), 1);
}
