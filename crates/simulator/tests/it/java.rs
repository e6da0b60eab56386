//! The key stores as Java reads them. Needs `keytool` of a JDK 17 in the path: run with `--ignored`.

use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use knutepunkt_simulator::ca::{RsaBits, TRUSTSTORE_PASSWORD, TestCa, Virksomhetssertifikat};

fn keytool(store: &Path, password: &str) -> String {
    let output = Command::new("keytool")
        .args([
            "-J-Duser.language=en",
            "-list",
            "-v",
            "-storetype",
            "PKCS12",
            "-storepass",
            password,
            "-keystore",
        ])
        .arg(store)
        .output()
        .expect("keytool must be in the path");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
#[ignore = "needs keytool of a JDK"]
fn java_reads_key_store_and_truststore() {
    let folder = tempfile::tempdir().unwrap();
    let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
    let ca = TestCa::load_or_create(folder.path(), now).unwrap();
    let trusted = keytool(&ca.truststore_path(), TRUSTSTORE_PASSWORD);
    assert!(trusted.contains("trustedCertEntry"), "{trusted}");
    assert!(trusted.contains("knutepunkt-test-root"), "{trusted}");

    let order = Virksomhetssertifikat::new("971032146", "Blåbær og Søt Ås").bits(RsaBits::B3072);
    ca.virksomhetssertifikat(&order, now)
        .unwrap()
        .save(folder.path(), "org", "virksomhet", "hemmelig")
        .unwrap();
    let key = keytool(&folder.path().join("org.p12"), "hemmelig");
    assert!(key.contains("PrivateKeyEntry"), "{key}");
    assert!(key.contains("Alias name: virksomhet"), "{key}");
    assert!(key.contains("Certificate chain length: 3"), "{key}");
}
