//! PKCS#12 files that Java 17 and the .NET clients read.

use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKeyChain};

use super::{CaError, KeyedCertificate};

/// The password of the truststore, which holds nothing secret: Java's own customary one.
pub const TRUSTSTORE_PASSWORD: &str = "changeit";

pub(super) fn key_store(keyed: &KeyedCertificate, alias: &str, password: &str) -> Result<Vec<u8>, CaError> {
    let chain = keyed
        .chain_der()
        .map(Certificate::from_der)
        .collect::<Result<Vec<_>, _>>()
        .map_err(CaError::KeyStore)?;
    let mut store = KeyStore::new();
    store.add_entry(
        alias,
        KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(&keyed.key, alias.as_bytes(), chain)),
    );
    store.writer(password).write().map_err(CaError::KeyStore)
}

/// A PKCS#12 truststore with these certificates (alias and DER).
///
/// Each bag carries the attribute by which Java knows a trusted certificate (2.16.840.1.113894.746875.1.1); without it
/// Java opens the file and finds it empty.
///
/// # Errors
/// [`CaError::KeyStore`] for a certificate that cannot be read.
pub fn truststore(certificates: &[(&str, &[u8])], password: &str) -> Result<Vec<u8>, CaError> {
    let mut store = KeyStore::new();
    for (alias, der) in certificates {
        store.add_entry(
            alias,
            KeyStoreEntry::Certificate(Certificate::from_der(der).map_err(CaError::KeyStore)?),
        );
    }
    store.writer(password).write().map_err(CaError::KeyStore)
}
