//! A certificate authority for development: virksomhetssertifikater for any organisasjonsnummer, konto keys, and the TLS
//! certificate of a local Knutepunkt.
//!
//! A root and one issuing authority live in a folder. What they issue follows the SEID 2.0 profile where Maskinporten
//! and the Fiks IO clients look: subject `C=NO`, `organizationIdentifier`, `serialNumber`, `O`, `CN`; critical key
//! usage; the certificate policy of Digdir's own test generator. Everything can be had as PEM and as PKCS#12.

mod keystore;
mod order;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
    string::PrintableString,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::files::{self, Access};

pub use keystore::{TRUSTSTORE_PASSWORD, truststore};
pub use order::{Flaw, RsaBits, Usage, Virksomhetssertifikat};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Certificates count from a little before they were issued: the clocks of two machines are never alike.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);
/// A kept certificate with less left than this is issued anew.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Why a certificate, a key or a key store could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file or folder of the authority could not be read or written.
    #[error("use the file {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// What stands in a file is not the key or certificate it should be.
    #[error(
        "read {path}: it holds no usable key or certificate; remove the folder to have a new authority made"
    )]
    Content {
        /// Which one.
        path: PathBuf,
    },
    /// The authority's own certificate has expired.
    #[error("issue from {path}: the test authority has expired; remove the folder to have a new one made")]
    Expired {
        /// The folder of the authority.
        path: PathBuf,
    },
    /// An organisasjonsnummer is nine digits.
    #[error("issue a certificate for {0:?}: an organisasjonsnummer has nine digits")]
    Orgnr(String),
    /// A name of a server or organisation does not fit in a certificate.
    #[error("issue a certificate: a name in it is not usable")]
    Name(#[source] rcgen::Error),
    /// Making a key or signing a certificate went wrong.
    #[error("issue a certificate")]
    Issue(#[source] rcgen::Error),
    /// Making a PKCS#12 file went wrong.
    #[error("make a PKCS#12 key store")]
    KeyStore(#[source] p12_keystore::error::Error),
}

/// The test authority: a root and one issuing authority below it, as real virksomhetssertifikater have.
pub struct TestCa {
    folder: PathBuf,
    root: Vec<u8>,
    issuing: Authority,
}

struct Authority {
    certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for TestCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCa").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl TestCa {
    /// Takes the authority kept in `folder`, or makes one there: `root.pem`, `root.key.pem`, `issuing.pem`,
    /// `issuing.key.pem` and `truststore.p12` (the root, password [`TRUSTSTORE_PASSWORD`], for
    /// `javax.net.ssl.trustStore`). It lasts ten years.
    ///
    /// # Errors
    /// [`CaError::File`] and [`CaError::Content`] for what is in the way, [`CaError::Expired`] for an authority too old.
    pub fn load_or_create(folder: impl Into<PathBuf>, now: Timestamp) -> Result<Self, CaError> {
        let folder = folder.into();
        // `issuing.pem` is written last: without it a former start was interrupted, and nothing was issued yet.
        if folder.join("issuing.pem").exists() { Self::load(folder, now) } else { Self::create(folder, now) }
    }

    fn load(folder: PathBuf, now: Timestamp) -> Result<Self, CaError> {
        let root = read_certificate(&folder.join("root.pem"))?;
        let path = folder.join("issuing.pem");
        let certificate = read_certificate(&path)?;
        if valid_until(&certificate).ok_or(CaError::Content { path: path.clone() })? <= now {
            return Err(CaError::Expired { path: folder });
        }
        let key_path = folder.join("issuing.key.pem");
        let key = KeyPair::from_pem(&read(&key_path)?).map_err(|_| CaError::Content { path: key_path })?;
        let issuer = Issuer::from_ca_cert_der(&certificate.as_slice().into(), key)
            .map_err(|_| CaError::Content { path })?;
        Ok(Self { folder, root, issuing: Authority { certificate, issuer } })
    }

    fn create(folder: PathBuf, now: Timestamp) -> Result<Self, CaError> {
        fs::create_dir_all(&folder).map_err(|source| CaError::File { path: folder.clone(), source })?;
        let root = Authority::new("Knutepunkt Test Root CA", None, now)?;
        let issuing = Authority::new("Knutepunkt Test Issuing CA", Some(&root.issuer), now)?;
        for (name, authority) in [("root", &root), ("issuing", &issuing)] {
            let key = authority.issuer.key().serialize_pem();
            write(&folder.join(format!("{name}.key.pem")), key.as_bytes(), Access::Private)?;
        }
        let trusted = truststore(&[("knutepunkt-test-root", &root.certificate)], TRUSTSTORE_PASSWORD)?;
        write(&folder.join("truststore.p12"), &trusted, Access::Public)?;
        for (name, authority) in [("root", &root), ("issuing", &issuing)] {
            write(
                &folder.join(format!("{name}.pem")),
                certificate_pem(&authority.certificate).as_bytes(),
                Access::Public,
            )?;
        }
        Ok(Self { folder, root: root.certificate, issuing })
    }

    /// The folder of the authority.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The truststore with the root, for `javax.net.ssl.trustStore`; its password is [`TRUSTSTORE_PASSWORD`].
    pub fn truststore_path(&self) -> PathBuf {
        self.folder.join("truststore.p12")
    }

    /// The root as PEM: what a client must trust.
    pub fn root_pem(&self) -> String {
        certificate_pem(&self.root)
    }

    /// The root as DER.
    pub fn root_der(&self) -> &[u8] {
        &self.root
    }

    /// The issuing authority as DER.
    pub fn issuing_der(&self) -> &[u8] {
        &self.issuing.certificate
    }

    /// Issues a virksomhetssertifikat, good for two years or as flawed as ordered.
    ///
    /// # Errors
    /// [`CaError::Orgnr`] unless the order has nine digits; [`CaError::Name`] and [`CaError::Issue`] for the rest.
    pub fn virksomhetssertifikat(
        &self,
        order: &Virksomhetssertifikat,
        now: Timestamp,
    ) -> Result<KeyedCertificate, CaError> {
        let params = order.params(now)?;
        let key = rsa_key(order.bits)?;
        if order.flaw == Some(Flaw::OtherCa) {
            // The same name with another key: only the signature gives it away.
            let stranger = Authority::new("Knutepunkt Test Issuing CA", None, now)?;
            return stranger.issue(&params, &key, &[]);
        }
        self.issuing.issue(&params, &key, &[&self.root])
    }

    /// Makes the key pair of a konto, with a certificate of this authority that is good for five years.
    ///
    /// # Errors
    /// [`CaError::Name`] and [`CaError::Issue`].
    pub fn konto_key(&self, name: &str, bits: RsaBits, now: Timestamp) -> Result<KeyedCertificate, CaError> {
        self.issuing.issue(&konto_params(name, now)?, &rsa_key(bits)?, &[&self.root])
    }

    /// Issues a TLS certificate (ECDSA P-256, 300 days) for `names`: host names and IP addresses.
    ///
    /// # Errors
    /// [`CaError::Name`] for a name that is neither, [`CaError::Issue`] for the rest.
    pub fn tls_server(&self, names: &[&str], now: Timestamp) -> Result<KeyedCertificate, CaError> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let common_name = names.first().cloned().unwrap_or_else(|| "localhost".to_owned());
        let mut params = CertificateParams::new(names).map_err(CaError::Name)?;
        set_validity(&mut params, now - BACKDATED, now + DAY * 300);
        params.distinguished_name = distinguished_name(&[(DnType::CommonName, &common_name)]);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CaError::Issue)?;
        self.issuing.issue(&params, &key, &[&self.root])
    }

    /// The TLS certificate for `localhost`, `127.0.0.1` and `::1`, kept in the folder as `localhost.*`.
    ///
    /// # Errors
    /// As [`TestCa::keep`] and [`TestCa::tls_server`].
    pub fn localhost(&self, now: Timestamp) -> Result<KeyedCertificate, CaError> {
        self.keep(&self.folder, "localhost", "localhost", TRUSTSTORE_PASSWORD, now, || {
            self.tls_server(&["localhost", "127.0.0.1", "::1"], now)
        })
    }

    /// Takes the key and certificate kept in `folder` as `name`, or has them issued and keeps them.
    ///
    /// They are issued anew when they are missing, unreadable, of another authority, or have less than 30 days left.
    ///
    /// # Errors
    /// [`CaError::File`] when they cannot be kept, and what `issue` gives.
    pub fn keep(
        &self,
        folder: &Path,
        name: &str,
        alias: &str,
        password: &str,
        now: Timestamp,
        issue: impl FnOnce() -> Result<KeyedCertificate, CaError>,
    ) -> Result<KeyedCertificate, CaError> {
        if let Ok(kept) = KeyedCertificate::load(folder, name) {
            let ours = kept.issuers.is_empty() || kept.issuers.last() == Some(&self.root);
            let complete = folder.join(format!("{name}.p12")).exists();
            if ours && complete && kept.valid_until().is_some_and(|until| until - RENEW_BEFORE > now) {
                return Ok(kept);
            }
        }
        let issued = issue()?;
        issued.save(folder, name, alias, password)?;
        Ok(issued)
    }
}

/// Makes the key pair of a konto with a self-signed certificate that is good for five years, as most vendors do.
///
/// # Errors
/// [`CaError::Name`] and [`CaError::Issue`].
pub fn self_signed_konto_key(name: &str, bits: RsaBits, now: Timestamp) -> Result<KeyedCertificate, CaError> {
    let key = rsa_key(bits)?;
    let certificate = konto_params(name, now)?.self_signed(&key).map_err(CaError::Issue)?;
    Ok(KeyedCertificate { key: key.serialize_der(), leaf: certificate.der().to_vec(), issuers: Vec::new() })
}

impl Authority {
    fn new(name: &str, above: Option<&Issuer<'static, KeyPair>>, now: Timestamp) -> Result<Self, CaError> {
        let mut params = CertificateParams::default();
        set_validity(&mut params, now - BACKDATED, now + DAY * 3650);
        params.distinguished_name = distinguished_name(&[
            (DnType::CountryName, "NO"),
            (DnType::OrganizationName, "Knutepunkt, kun til test"),
            (DnType::CommonName, name),
        ]);
        params.is_ca =
            IsCa::Ca(above.map_or(BasicConstraints::Unconstrained, |_| BasicConstraints::Constrained(0)));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = rsa_key(RsaBits::B2048)?;
        let certificate = match above {
            Some(above) => {
                params.use_authority_key_identifier_extension = true;
                params.signed_by(&key, above)
            }
            None => params.self_signed(&key),
        }
        .map_err(CaError::Issue)?;
        Ok(Self { certificate: certificate.der().to_vec(), issuer: Issuer::new(params, key) })
    }

    fn issue(
        &self,
        params: &CertificateParams,
        key: &KeyPair,
        above: &[&[u8]],
    ) -> Result<KeyedCertificate, CaError> {
        let mut params = params.clone();
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key, &self.issuer).map_err(CaError::Issue)?;
        let issuers = std::iter::once(self.certificate.as_slice())
            .chain(above.iter().copied())
            .map(<[u8]>::to_vec)
            .collect();
        Ok(KeyedCertificate { key: key.serialize_der(), leaf: certificate.der().to_vec(), issuers })
    }
}

/// A private key and its certificate, with the certificates above it.
#[derive(Clone)]
pub struct KeyedCertificate {
    key: Vec<u8>,
    leaf: Vec<u8>,
    issuers: Vec<Vec<u8>>,
}

impl fmt::Debug for KeyedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedCertificate").field("issuers", &self.issuers.len()).finish_non_exhaustive()
    }
}

impl KeyedCertificate {
    /// The private key, PKCS#8 DER.
    pub fn private_key_der(&self) -> &[u8] {
        &self.key
    }

    /// The private key, PKCS#8 PEM (`BEGIN PRIVATE KEY`).
    pub fn private_key_pem(&self) -> String {
        pem::encode_config(&pem::Pem::new("PRIVATE KEY", self.key.clone()), pem_config())
    }

    /// The certificate, DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.leaf
    }

    /// The certificate alone, PEM: what a konto uploads as its public key.
    pub fn certificate_pem(&self) -> String {
        certificate_pem(&self.leaf)
    }

    /// The certificate and all above it, root last, DER. A self-signed one stands alone.
    pub fn chain_der(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.leaf.as_slice()).chain(self.issuers.iter().map(Vec::as_slice))
    }

    /// What a TLS server sends: the chain without the root, DER.
    pub fn tls_chain_der(&self) -> impl Iterator<Item = &[u8]> {
        self.chain_der().take(self.issuers.len().max(1))
    }

    /// The certificate and all above it, root last, PEM.
    pub fn chain_pem(&self) -> String {
        self.chain_der().map(certificate_pem).collect()
    }

    /// Until when the certificate is good; `None` for one that cannot be read.
    pub fn valid_until(&self) -> Option<Timestamp> {
        valid_until(&self.leaf)
    }

    /// Key and chain as a PKCS#12 key store with one entry. The password of store and key are the same, as Java wants.
    ///
    /// # Errors
    /// [`CaError::KeyStore`].
    pub fn pkcs12(&self, alias: &str, password: &str) -> Result<Vec<u8>, CaError> {
        keystore::key_store(self, alias, password)
    }

    /// Writes `<name>.key.pem` and `<name>.p12` (mode 0600), `<name>.pem` (the certificate) and `<name>.chain.pem`.
    ///
    /// # Errors
    /// [`CaError::File`] and [`CaError::KeyStore`].
    pub fn save(&self, folder: &Path, name: &str, alias: &str, password: &str) -> Result<(), CaError> {
        fs::create_dir_all(folder).map_err(|source| CaError::File { path: folder.to_owned(), source })?;
        let path = |ending: &str| folder.join(format!("{name}.{ending}"));
        write(&path("key.pem"), self.private_key_pem().as_bytes(), Access::Private)?;
        write(&path("pem"), self.certificate_pem().as_bytes(), Access::Public)?;
        write(&path("p12"), &self.pkcs12(alias, password)?, Access::Private)?;
        write(&path("chain.pem"), self.chain_pem().as_bytes(), Access::Public)
    }

    /// Reads what [`KeyedCertificate::save`] wrote.
    ///
    /// # Errors
    /// [`CaError::File`] and [`CaError::Content`].
    pub fn load(folder: &Path, name: &str) -> Result<Self, CaError> {
        let path = folder.join(format!("{name}.key.pem"));
        let key = pem::parse(read(&path)?).map_err(|_| CaError::Content { path })?.into_contents();
        let path = folder.join(format!("{name}.chain.pem"));
        let mut chain = pem::parse_many(read(&path)?)
            .map_err(|_| CaError::Content { path: path.clone() })?
            .into_iter()
            .map(pem::Pem::into_contents);
        let leaf = chain.next().filter(|leaf| certifies(leaf, &key)).ok_or(CaError::Content { path })?;
        Ok(Self { key, leaf, issuers: chain.collect() })
    }
}

/// Whether `certificate` holds the public half of `key`: an interrupted write may leave the files of two issues.
fn certifies(certificate: &[u8], key: &[u8]) -> bool {
    use rcgen::PublicKeyData as _;
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    KeyPair::try_from(key)
        .is_ok_and(|key| key.der_bytes() == certificate.public_key().subject_public_key.data.as_ref())
}

fn valid_until(certificate: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

fn rsa_key(bits: RsaBits) -> Result<KeyPair, CaError> {
    let size = match bits {
        RsaBits::B2048 => RsaKeySize::_2048,
        RsaBits::B3072 => RsaKeySize::_3072,
        RsaBits::B4096 => RsaKeySize::_4096,
    };
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).map_err(CaError::Issue)
}

fn konto_params(name: &str, now: Timestamp) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::new(Vec::new()).map_err(CaError::Name)?;
    set_validity(&mut params, now - BACKDATED, now + DAY * 1825);
    params.distinguished_name = distinguished_name(&[(DnType::CommonName, name)]);
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DataEncipherment];
    Ok(params)
}

fn distinguished_name(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, text) in parts {
        // Country and serialNumber are PrintableString by X.520; the rest may hold æ, ø and å.
        let printable = matches!(kind, DnType::CountryName)
            || *kind == DnType::CustomDnType(order::SERIAL_NUMBER.to_vec());
        let value = match PrintableString::try_from(*text) {
            Ok(value) if printable => DnValue::PrintableString(value),
            _ => DnValue::Utf8String((*text).to_owned()),
        };
        name.push(kind.clone(), value);
    }
    name
}

fn set_validity(params: &mut CertificateParams, from: Timestamp, to: Timestamp) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since = |time: Timestamp| Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0));
    params.not_before = epoch + since(from);
    params.not_after = epoch + since(to);
}

fn pem_config() -> pem::EncodeConfig {
    pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF)
}

fn certificate_pem(der: &[u8]) -> String {
    pem::encode_config(&pem::Pem::new("CERTIFICATE", der), pem_config())
}

fn read(path: &Path) -> Result<String, CaError> {
    fs::read_to_string(path).map_err(|source| CaError::File { path: path.to_owned(), source })
}

fn read_certificate(path: &Path) -> Result<Vec<u8>, CaError> {
    let content = || CaError::Content { path: path.to_owned() };
    let der = pem::parse(read(path)?).map_err(|_| content())?.into_contents();
    X509Certificate::from_der(&der).map_err(|_| content())?;
    Ok(der)
}

fn write(path: &Path, content: &[u8], access: Access) -> Result<(), CaError> {
    files::write(path, content, access).map_err(|source| CaError::File { path: path.to_owned(), source })
}
