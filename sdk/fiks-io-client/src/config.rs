//! Configuration: where the services are, and who the client is.
//!
//! [`Settings`] is what stands in a file or in environment variables; [`Config`] is what the client runs on, with all
//! keys read and checked. [`Config::builder`] makes the one without the other being seen.

use std::fmt;
use std::path::{Path, PathBuf};

use asice::{Certificate, PrivateKey, Signer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jsonwebtoken::EncodingKey;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::id::{IntegrasjonId, KontoId};
use wire::maskinporten::SCOPE_KS_FIKS;

use crate::Secret;

/// What each environment variable of [`Settings::from_env`] starts with.
pub const ENV_PREFIX: &str = "FIKS_IO_";

const DEFAULT_PREFETCH: u16 = 10;
const DEFAULT_NAME: &str = concat!("fiks-io-client (Rust) ", env!("CARGO_PKG_VERSION"));

/// Why a configuration cannot be used. `key` is the name in JSON; as environment variable it is written
/// `FIKS_IO_` and the same words in upper case with underscores.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key that must be given is not.
    #[error("`{key}` is missing")]
    Missing {
        /// Which.
        key: &'static str,
    },
    /// A value cannot be used.
    #[error("`{key}` cannot be used: {reason}")]
    Invalid {
        /// Which.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A key and its twin that names a file are both given.
    #[error("both `{key}` and `{key}File` are given")]
    Ambiguous {
        /// Which, without `File`.
        key: &'static str,
    },
    /// A file cannot be read.
    #[error("read {}, named by `{key}`", path.display())]
    File {
        /// Which.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A private key or certificate cannot be used.
    #[error("use the key or certificate of `{key}`")]
    Key {
        /// Which.
        key: &'static str,
        /// Why.
        #[source]
        source: asice::Error,
    },
    /// The text is not the JSON of [`Settings`], or the environment has a variable that [`Settings`] does not know.
    #[error("read the settings")]
    Settings(#[source] serde_json::Error),
    /// TLS or HTTP cannot be set up.
    #[error("set up {what}")]
    Setup {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Which installation of Fiks gives the defaults for hosts and Maskinporten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Miljo {
    /// `api.fiks.ks.no`, `io.fiks.ks.no` and `maskinporten.no`.
    Produksjon,
    /// `api.fiks.test.ks.no`, `io.fiks.test.ks.no` and `test.maskinporten.no`.
    Test,
}

/// How the HTTP APIs are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpScheme {
    /// In clear; for a server on the same machine.
    Http,
    /// By TLS.
    Https,
}

/// How the AMQP endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AmqpScheme {
    /// In clear; for a server on the same machine.
    Amqp,
    /// By TLS.
    Amqps,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $field:ident : $type:ty,)+) => {
        /// The configuration as it stands in a JSON file or in environment variables. Unknown keys are refused.
        ///
        /// Every secret and certificate may be given in place or by the name of a file, never both.
        ///
        /// # Example: settings from JSON
        ///
        /// ```
        /// let settings = fiks_io_client::Settings::from_json(r#"{
        ///     "miljo": "test",
        ///     "kontoId": "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1",
        ///     "privateKeyFiles": ["konto.pem"],
        ///     "integrasjonId": "9a1a1d0c-6f7e-4a53-8a1c-6a2f8c5f3f10",
        ///     "integrasjonPassordFile": "passord.txt",
        ///     "maskinportenClientId": "my-client",
        ///     "virksomhetssertifikatFile": "virksomhet.pem",
        ///     "virksomhetssertifikatKeyFile": "virksomhet.key.pem"
        /// }"#)?;
        /// assert_eq!(settings.maskinporten_client_id.as_deref(), Some("my-client"));
        /// # Ok::<(), fiks_io_client::ConfigError>(())
        /// ```
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct Settings {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none", default)] pub $field: Option<$type>,)+
        }
    };
}

settings! {
    /// Where the defaults for hosts and Maskinporten come from. Without it they must be given.
    miljo: Miljo,

    /// The konto to receive for and to send from.
    konto_id: KontoId,
    /// Private keys of the konto, PEM, one after the other, PKCS#8 or PKCS#1 without password. All are tried.
    ///
    /// Certificates among them are used to find the right key at once.
    private_keys: Secret,
    /// Files as `private_keys`. As environment variable: separated as in `PATH`.
    private_key_files: Vec<PathBuf>,

    /// What the client logs in as.
    integrasjon_id: IntegrasjonId,
    /// The integrasjon's password.
    integrasjon_passord: Secret,
    /// File with the integrasjon's password; white space around it is cut off.
    integrasjon_passord_file: PathBuf,

    /// The virksomhetssertifikat with its chain, PEM. Signs payloads, and the request for a token unless
    /// `maskinporten_kid` is given.
    virksomhetssertifikat: String,
    /// File as `virksomhetssertifikat`.
    virksomhetssertifikat_file: PathBuf,
    /// The private key of the virksomhetssertifikat, PEM.
    virksomhetssertifikat_key: Secret,
    /// File as `virksomhetssertifikat_key`.
    virksomhetssertifikat_key_file: PathBuf,

    /// The client's id at Maskinporten.
    maskinporten_client_id: String,
    /// URL of the token endpoint.
    maskinporten_token_endpoint: String,
    /// `aud` of the request for a token: Maskinporten's issuer.
    maskinporten_audience: String,
    /// Scopes to ask for, separated by spaces. Default `ks:fiks`.
    maskinporten_scope: String,
    /// `kid` of a key registered with the client at Maskinporten, used in place of the virksomhetssertifikat.
    maskinporten_kid: String,
    /// The private key that belongs to `maskinporten_kid`, PEM. Default: `virksomhetssertifikat_key`.
    maskinporten_key: Secret,
    /// File as `maskinporten_key`.
    maskinporten_key_file: PathBuf,
    /// Organisasjonsnummer of whom a supplier acts for.
    maskinporten_consumer_org: String,

    /// `https` (default) or `http`.
    api_scheme: HttpScheme,
    /// Host of the HTTP APIs.
    api_host: String,
    /// Port of the HTTP APIs. Default 443, or 80 for `http`.
    api_port: u16,

    /// `amqps` (default) or `amqp`.
    amqp_scheme: AmqpScheme,
    /// Host of the AMQP endpoint.
    amqp_host: String,
    /// Port of the AMQP endpoint. Default 5671, or 5672 for `amqp`.
    amqp_port: u16,
    /// How many meldinger may be in the client's hands at a time, 1 to 65535. Default 10.
    prefetch: u16,

    /// Roots to trust besides the platform's, PEM.
    ca_certificates: String,
    /// File as `ca_certificates`.
    ca_certificates_file: PathBuf,
    /// Shown to the operator of the server as the name of the connection.
    application_name: String,
}

impl Settings {
    /// Reads settings from JSON.
    ///
    /// # Errors
    /// [`ConfigError::Settings`] if the text is not JSON, a value has the wrong form, or a key is unknown.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        serde_json::from_str(json).map_err(ConfigError::Settings)
    }

    /// Reads settings from the environment: `kontoId` is `FIKS_IO_KONTO_ID`, and so on.
    ///
    /// # Errors
    /// As [`Settings::from_vars`].
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(std::env::vars_os().filter_map(|(name, value)| {
            // Variables of others may hold anything; only ours must be text.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// Reads settings from `vars`, passing over what does not start with [`ENV_PREFIX`].
    ///
    /// # Errors
    /// [`ConfigError::Settings`] if a value has the wrong form, or a name is unknown.
    ///
    /// # Example: settings from variables
    ///
    /// ```
    /// use fiks_io_client::Settings;
    ///
    /// let vars = [("FIKS_IO_MILJO", "test"), ("FIKS_IO_AMQP_PORT", "5671"), ("HOME", "/root")];
    /// let settings = Settings::from_vars(vars.map(|(name, value)| (name.to_owned(), value.to_owned())))?;
    /// assert_eq!(settings.amqp_port, Some(5671));
    /// # Ok::<(), fiks_io_client::ConfigError>(())
    /// ```
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let object = vars
            .into_iter()
            .filter_map(|(name, value)| {
                let key = camel_case(name.strip_prefix(ENV_PREFIX)?);
                let value = match key.as_str() {
                    "apiPort" | "amqpPort" | "prefetch" => {
                        value.trim().parse::<u64>().map_or(Value::String(value), Value::from)
                    }
                    "privateKeyFiles" => std::env::split_paths(&value)
                        .map(|path| Value::String(path.to_string_lossy().into_owned()))
                        .collect(),
                    _ => Value::String(value),
                };
                Some((key, value))
            })
            .collect();
        serde_json::from_value(Value::Object(object)).map_err(ConfigError::Settings)
    }

    /// Reads all files and checks all values.
    ///
    /// # Errors
    /// Each of [`ConfigError`] but `Settings`.
    pub fn into_config(self) -> Result<Config, ConfigError> {
        let missing = |key| ConfigError::Missing { key };
        let defaults = Defaults::of(self.miljo);
        let signer_key = secret(
            "virksomhetssertifikatKey",
            self.virksomhetssertifikat_key.clone(),
            self.virksomhetssertifikat_key_file.clone(),
        )?;
        let signer = self.signer(signer_key.as_ref())?;
        let identity = self.token_identity(signer_key.as_ref(), signer.as_ref())?;
        let integrasjon_passord = secret(
            "integrasjonPassord",
            self.integrasjon_passord.clone(),
            self.integrasjon_passord_file.clone(),
        )?
        .ok_or(missing("integrasjonPassord"))?;
        if !integrasjon_passord.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("integrasjonPassord", "it holds white space or other than ASCII characters"));
        }
        let prefetch = self.prefetch.unwrap_or(DEFAULT_PREFETCH);
        if prefetch == 0 {
            return Err(invalid("prefetch", "it must be at least 1"));
        }
        Ok(Config {
            konto_id: self.konto_id.ok_or(missing("kontoId"))?,
            private_keys: self.read_private_keys()?,
            integrasjon_id: self.integrasjon_id.ok_or(missing("integrasjonId"))?,
            integrasjon_passord,
            signer,
            api: self.api(defaults)?,
            amqp: self.amqp(defaults)?,
            prefetch,
            extra_roots: self.extra_roots()?,
            maskinporten: self.maskinporten(defaults, identity)?,
            application_name: self.application_name.unwrap_or_else(|| DEFAULT_NAME.to_owned()),
        })
    }

    fn signer(&self, key: Option<&Secret>) -> Result<Option<Signer>, ConfigError> {
        let certificates = text(
            "virksomhetssertifikat",
            self.virksomhetssertifikat.clone(),
            self.virksomhetssertifikat_file.clone(),
        )?;
        let Some(certificates) = certificates else { return Ok(None) };
        let key = key.ok_or(ConfigError::Missing { key: "virksomhetssertifikatKey" })?;
        Signer::from_pem(key.expose(), &certificates)
            .map(Some)
            .map_err(|source| ConfigError::Key { key: "virksomhetssertifikat", source })
    }

    fn token_identity(
        &self,
        signer_key: Option<&Secret>,
        signer: Option<&Signer>,
    ) -> Result<TokenIdentity, ConfigError> {
        let own_key =
            secret("maskinportenKey", self.maskinporten_key.clone(), self.maskinporten_key_file.clone())?;
        match (&self.maskinporten_kid, own_key) {
            (Some(kid), Some(key)) => TokenIdentity::new("maskinportenKey", &key, KeyName::Kid(kid.clone())),
            (Some(kid), None) => {
                let key = signer_key.ok_or(ConfigError::Missing { key: "maskinportenKey" })?;
                TokenIdentity::new("virksomhetssertifikatKey", key, KeyName::Kid(kid.clone()))
            }
            (None, Some(_)) => Err(ConfigError::Missing { key: "maskinportenKid" }),
            (None, None) => {
                let signer = signer.ok_or(ConfigError::Missing { key: "virksomhetssertifikat" })?;
                let key = signer_key.ok_or(ConfigError::Missing { key: "virksomhetssertifikatKey" })?;
                let leaf = BASE64.encode(signer.certificate().der());
                TokenIdentity::new("virksomhetssertifikatKey", key, KeyName::X5c(leaf))
            }
        }
    }

    fn maskinporten(
        &self,
        defaults: Option<Defaults>,
        identity: TokenIdentity,
    ) -> Result<Maskinporten, ConfigError> {
        let token_endpoint = given_or(
            "maskinportenTokenEndpoint",
            self.maskinporten_token_endpoint.as_deref(),
            defaults.map(|defaults| defaults.token_endpoint),
        )?;
        let audience = given_or(
            "maskinportenAudience",
            self.maskinporten_audience.as_deref(),
            defaults.map(|defaults| defaults.audience),
        )?;
        Ok(Maskinporten {
            token_endpoint: http_url("maskinportenTokenEndpoint", token_endpoint)?,
            audience: audience.to_owned(),
            client_id: given_or("maskinportenClientId", self.maskinporten_client_id.as_deref(), None)?
                .to_owned(),
            scope: self.maskinporten_scope.clone().unwrap_or_else(|| SCOPE_KS_FIKS.to_owned()),
            consumer_org: self.maskinporten_consumer_org.clone(),
            identity,
        })
    }

    fn api(&self, defaults: Option<Defaults>) -> Result<Url, ConfigError> {
        let (scheme, port) = match self.api_scheme {
            Some(HttpScheme::Http) => ("http", 80),
            Some(HttpScheme::Https) | None => ("https", 443),
        };
        let host = given_or("apiHost", self.api_host.as_deref(), defaults.map(|defaults| defaults.api_host))?;
        let port = self.api_port.unwrap_or(port);
        http_url("apiHost", &format!("{scheme}://{}:{port}/", bracketed(host)))
    }

    fn amqp(&self, defaults: Option<Defaults>) -> Result<AmqpEndpoint, ConfigError> {
        let tls = self.amqp_scheme != Some(AmqpScheme::Amqp);
        let host =
            given_or("amqpHost", self.amqp_host.as_deref(), defaults.map(|defaults| defaults.amqp_host))?;
        let port = self.amqp_port.unwrap_or(if tls { 5671 } else { 5672 });
        Ok(AmqpEndpoint { tls, host: host.to_owned(), port })
    }

    fn read_private_keys(&self) -> Result<Vec<PrivateKey>, ConfigError> {
        let mut keys = Vec::new();
        if let Some(pem) = &self.private_keys {
            keys.extend(private_keys_of("privateKeys", pem.expose())?);
        }
        for path in self.private_key_files.iter().flatten() {
            keys.extend(private_keys_of("privateKeyFiles", &read("privateKeyFiles", path)?)?);
        }
        Ok(keys)
    }

    fn extra_roots(&self) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        let pem = text("caCertificates", self.ca_certificates.clone(), self.ca_certificates_file.clone())?;
        let Some(pem) = pem else { return Ok(Vec::new()) };
        let roots = Certificate::all_from_pem(&pem)
            .map_err(|source| ConfigError::Key { key: "caCertificates", source })?;
        if roots.is_empty() {
            return Err(invalid("caCertificates", "it holds no certificate"));
        }
        Ok(roots.iter().map(|root| CertificateDer::from(root.der().to_vec())).collect())
    }
}

/// `KONTO_ID` as `kontoId`.
fn camel_case(screaming: &str) -> String {
    let mut words = screaming.split('_').map(str::to_ascii_lowercase);
    let first = words.next().unwrap_or_default();
    words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}

fn invalid(key: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { key, reason: reason.into() }
}

fn given_or<'a>(
    key: &'static str,
    given: Option<&'a str>,
    default: Option<&'static str>,
) -> Result<&'a str, ConfigError> {
    given.or(default).ok_or(ConfigError::Missing { key })
}

/// An IPv6 address stands in brackets in a URL.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

fn http_url(key: &'static str, text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text).map_err(|error| invalid(key, error.to_string()))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(invalid(key, "it is no http or https URL"))
    }
}

fn read(key: &'static str, path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::File { key, path: path.to_owned(), source })
}

/// A value given in place or by a file, or `None` if by neither.
fn text(
    key: &'static str,
    inline: Option<String>,
    file: Option<PathBuf>,
) -> Result<Option<String>, ConfigError> {
    match (inline, file) {
        (Some(_), Some(_)) => Err(ConfigError::Ambiguous { key }),
        (Some(text), None) => Ok(Some(text)),
        (None, Some(path)) => read(key, &path).map(|text| Some(text.trim().to_owned())),
        (None, None) => Ok(None),
    }
}

fn secret(
    key: &'static str,
    inline: Option<Secret>,
    file: Option<PathBuf>,
) -> Result<Option<Secret>, ConfigError> {
    let inline = inline.map(|secret| secret.expose().to_owned());
    Ok(text(key, inline, file)?.map(Secret::from))
}

/// Every private key of a PEM text, each with those of the text's certificates that belong to it.
pub(crate) fn private_keys_of(key: &'static str, text: &str) -> Result<Vec<PrivateKey>, ConfigError> {
    let failed = |source| ConfigError::Key { key, source };
    let blocks = pem::parse_many(text).map_err(|error| invalid(key, error.to_string()))?;
    let certificates = Certificate::all_from_pem(text).map_err(failed)?;
    let keys: Vec<PrivateKey> = blocks
        .iter()
        .filter(|block| block.tag().ends_with("PRIVATE KEY"))
        .map(|block| {
            let private_key = PrivateKey::from_pem(&pem::encode(block)).map_err(failed)?;
            certificates.iter().try_fold(private_key, |private_key, certificate| {
                if private_key.matches(certificate) {
                    private_key.with_certificate(certificate.clone()).map_err(failed)
                } else {
                    Ok(private_key)
                }
            })
        })
        .collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(invalid(key, "it holds no private key"));
    }
    Ok(keys)
}

#[derive(Clone, Copy)]
struct Defaults {
    api_host: &'static str,
    amqp_host: &'static str,
    token_endpoint: &'static str,
    audience: &'static str,
}

impl Defaults {
    fn of(miljo: Option<Miljo>) -> Option<Self> {
        miljo.map(|miljo| match miljo {
            Miljo::Produksjon => Self {
                api_host: "api.fiks.ks.no",
                amqp_host: "io.fiks.ks.no",
                token_endpoint: "https://maskinporten.no/token",
                audience: "https://maskinporten.no/",
            },
            Miljo::Test => Self {
                api_host: "api.fiks.test.ks.no",
                amqp_host: "io.fiks.test.ks.no",
                token_endpoint: "https://test.maskinporten.no/token",
                audience: "https://test.maskinporten.no/",
            },
        })
    }
}

/// A checked configuration, all keys read. Secrets do not show in `Debug`.
#[derive(Clone)]
pub struct Config {
    pub(crate) konto_id: KontoId,
    pub(crate) private_keys: Vec<PrivateKey>,
    pub(crate) integrasjon_id: IntegrasjonId,
    pub(crate) integrasjon_passord: Secret,
    pub(crate) maskinporten: Maskinporten,
    pub(crate) signer: Option<Signer>,
    pub(crate) api: Url,
    pub(crate) amqp: AmqpEndpoint,
    pub(crate) prefetch: u16,
    pub(crate) extra_roots: Vec<CertificateDer<'static>>,
    pub(crate) application_name: String,
}

impl Config {
    /// Starts a configuration from nothing.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// The konto to receive for and to send from.
    pub fn konto_id(&self) -> KontoId {
        self.konto_id
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("konto_id", &self.konto_id)
            .field("private_keys", &self.private_keys.len())
            .field("integrasjon_id", &self.integrasjon_id)
            .field("maskinporten", &self.maskinporten)
            .field("signer", &self.signer)
            .field("api", &self.api.as_str())
            .field("amqp", &self.amqp)
            .field("prefetch", &self.prefetch)
            .field("extra_roots", &self.extra_roots.len())
            .field("application_name", &self.application_name)
            .finish_non_exhaustive()
    }
}

/// Where the AMQP endpoint is.
#[derive(Debug, Clone)]
pub(crate) struct AmqpEndpoint {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// How a token is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Maskinporten {
    pub(crate) token_endpoint: Url,
    pub(crate) audience: String,
    pub(crate) client_id: String,
    pub(crate) scope: String,
    pub(crate) consumer_org: Option<String>,
    pub(crate) identity: TokenIdentity,
}

/// The key that signs a request for a token.
#[derive(Clone)]
pub(crate) struct TokenIdentity {
    pub(crate) key: EncodingKey,
    pub(crate) name: KeyName,
}

impl TokenIdentity {
    fn new(key: &'static str, pem: &Secret, name: KeyName) -> Result<Self, ConfigError> {
        EncodingKey::from_rsa_pem(pem.expose().as_bytes())
            .map(|encoding| Self { key: encoding, name })
            // The library's own words could quote the key.
            .map_err(|_| invalid(key, "it is no RSA private key in PEM"))
    }
}

impl fmt::Debug for TokenIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIdentity").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How Maskinporten finds the public key.
#[derive(Debug, Clone)]
pub(crate) enum KeyName {
    /// By its name among the client's registered keys.
    Kid(String),
    /// By the certificate, DER in base64.
    X5c(String),
}

/// Makes a [`Config`] step by step. Each method stands for the key of the same name in [`Settings`].
///
/// # Example: a client of a server on the same machine
///
/// ```no_run
/// use fiks_io_client::{Config, FiksIoClient, HttpScheme};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::builder()
///     .konto_id("5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1".parse()?)
///     .private_key_file("konto.pem")
///     .integrasjon("9a1a1d0c-6f7e-4a53-8a1c-6a2f8c5f3f10".parse()?, "passord")
///     .virksomhetssertifikat_files("virksomhet.pem", "virksomhet.key.pem")
///     .maskinporten("my-client", "http://localhost:8088/maskinporten/token", "https://maskinporten.test/")
///     .api(HttpScheme::Http, "localhost", 8080)
///     .amqps("localhost", 5671)
///     .ca_certificates_file("ca.pem")
///     .build()?;
/// let client = FiksIoClient::new(config)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct ConfigBuilder {
    settings: Settings,
}

impl ConfigBuilder {
    /// Takes hosts and Maskinporten of KS's own installation as defaults.
    #[must_use]
    pub fn miljo(mut self, miljo: Miljo) -> Self {
        self.settings.miljo = Some(miljo);
        self
    }

    /// The konto to receive for and to send from.
    #[must_use]
    pub fn konto_id(mut self, konto_id: KontoId) -> Self {
        self.settings.konto_id = Some(konto_id);
        self
    }

    /// Adds a private key of the konto, PEM. May be called several times.
    #[must_use]
    pub fn private_key(mut self, pem: &str) -> Self {
        let before = self.settings.private_keys.as_ref().map(Secret::expose).unwrap_or_default();
        self.settings.private_keys = Some(Secret::from(format!("{before}{pem}\n")));
        self
    }

    /// Adds a file with private keys of the konto, PEM. May be called several times.
    #[must_use]
    pub fn private_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.private_key_files.get_or_insert_default().push(path.into());
        self
    }

    /// What the client logs in as.
    #[must_use]
    pub fn integrasjon(mut self, id: IntegrasjonId, passord: impl Into<Secret>) -> Self {
        self.settings.integrasjon_id = Some(id);
        self.settings.integrasjon_passord = Some(passord.into());
        self
    }

    /// The virksomhetssertifikat with its chain and its private key, both PEM.
    #[must_use]
    pub fn virksomhetssertifikat(mut self, certificates: impl Into<String>, key: impl Into<Secret>) -> Self {
        self.settings.virksomhetssertifikat = Some(certificates.into());
        self.settings.virksomhetssertifikat_key = Some(key.into());
        self
    }

    /// As [`ConfigBuilder::virksomhetssertifikat`], from files.
    #[must_use]
    pub fn virksomhetssertifikat_files(
        mut self,
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.settings.virksomhetssertifikat_file = Some(certificates.into());
        self.settings.virksomhetssertifikat_key_file = Some(key.into());
        self
    }

    /// The client at Maskinporten: its id, the URL of the token endpoint, and the audience to name.
    #[must_use]
    pub fn maskinporten(
        mut self,
        client_id: impl Into<String>,
        token_endpoint: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        self.settings.maskinporten_client_id = Some(client_id.into());
        self.settings.maskinporten_token_endpoint = Some(token_endpoint.into());
        self.settings.maskinporten_audience = Some(audience.into());
        self
    }

    /// The client's id at Maskinporten, where the rest comes from [`ConfigBuilder::miljo`].
    #[must_use]
    pub fn maskinporten_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.settings.maskinporten_client_id = Some(client_id.into());
        self
    }

    /// Scopes to ask for, separated by spaces. Default `ks:fiks`.
    #[must_use]
    pub fn maskinporten_scope(mut self, scope: impl Into<String>) -> Self {
        self.settings.maskinporten_scope = Some(scope.into());
        self
    }

    /// A key registered with the client at Maskinporten, used in place of the virksomhetssertifikat there.
    #[must_use]
    pub fn maskinporten_key(mut self, kid: impl Into<String>, key: impl Into<Secret>) -> Self {
        self.settings.maskinporten_kid = Some(kid.into());
        self.settings.maskinporten_key = Some(key.into());
        self
    }

    /// Organisasjonsnummer of whom a supplier acts for.
    #[must_use]
    pub fn maskinporten_consumer_org(mut self, orgnummer: impl Into<String>) -> Self {
        self.settings.maskinporten_consumer_org = Some(orgnummer.into());
        self
    }

    /// Where the HTTP APIs are.
    #[must_use]
    pub fn api(mut self, scheme: HttpScheme, host: impl Into<String>, port: u16) -> Self {
        self.settings.api_scheme = Some(scheme);
        self.settings.api_host = Some(host.into());
        self.settings.api_port = Some(port);
        self
    }

    /// Where the AMQP endpoint is, spoken to by TLS.
    #[must_use]
    pub fn amqps(self, host: impl Into<String>, port: u16) -> Self {
        self.amqp(AmqpScheme::Amqps, host, port)
    }

    /// Where the AMQP endpoint is.
    #[must_use]
    pub fn amqp(mut self, scheme: AmqpScheme, host: impl Into<String>, port: u16) -> Self {
        self.settings.amqp_scheme = Some(scheme);
        self.settings.amqp_host = Some(host.into());
        self.settings.amqp_port = Some(port);
        self
    }

    /// How many meldinger may be in the client's hands at a time, at least 1. Default 10.
    #[must_use]
    pub fn prefetch(mut self, prefetch: u16) -> Self {
        self.settings.prefetch = Some(prefetch);
        self
    }

    /// Roots to trust besides the platform's, PEM.
    #[must_use]
    pub fn ca_certificates(mut self, pem: impl Into<String>) -> Self {
        self.settings.ca_certificates = Some(pem.into());
        self
    }

    /// As [`ConfigBuilder::ca_certificates`], from a file.
    #[must_use]
    pub fn ca_certificates_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.ca_certificates_file = Some(path.into());
        self
    }

    /// Shown to the operator of the server as the name of the connection.
    #[must_use]
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        self.settings.application_name = Some(name.into());
        self
    }

    /// The settings as built so far, to be saved or completed otherwise.
    pub fn into_settings(self) -> Settings {
        self.settings
    }

    /// Reads all files and checks all values.
    ///
    /// # Errors
    /// As [`Settings::into_config`].
    pub fn build(self) -> Result<Config, ConfigError> {
        self.into_settings().into_config()
    }
}

impl TryFrom<Settings> for Config {
    type Error = ConfigError;

    fn try_from(settings: Settings) -> Result<Self, ConfigError> {
        settings.into_config()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::identity;

    /// Complete settings for a server at `127.0.0.1`.
    pub(crate) fn complete() -> ConfigBuilder {
        let identity = identity();
        Config::builder()
            .konto_id("5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1".parse().unwrap())
            .private_key(&identity.key)
            .integrasjon("9a1a1d0c-6f7e-4a53-8a1c-6a2f8c5f3f10".parse().unwrap(), "hemmelig-passord")
            .virksomhetssertifikat(identity.certificate.clone(), identity.key.as_str())
            .maskinporten("client", "http://127.0.0.1:1/token", "https://maskinporten.test/")
            .api(HttpScheme::Http, "127.0.0.1", 1)
            .amqp(AmqpScheme::Amqp, "127.0.0.1", 1)
    }

    #[test]
    fn each_missing_key_is_named() {
        let complete = serde_json::to_value(complete().into_settings()).unwrap();
        for key in [
            "kontoId",
            "integrasjonId",
            "integrasjonPassord",
            "virksomhetssertifikat",
            "virksomhetssertifikatKey",
            "maskinportenClientId",
            "maskinportenTokenEndpoint",
            "maskinportenAudience",
            "apiHost",
            "amqpHost",
        ] {
            let mut settings = complete.clone();
            settings.as_object_mut().unwrap().remove(key).unwrap();
            let error = Settings::from_json(&settings.to_string()).unwrap().into_config().unwrap_err();
            assert_eq!(error.to_string(), format!("`{key}` is missing"));
        }
    }

    #[test]
    fn miljo_gives_hosts_and_maskinporten() {
        let mut settings = complete().miljo(Miljo::Test).into_settings();
        settings.api_scheme = None;
        settings.api_host = None;
        settings.api_port = None;
        settings.amqp_scheme = None;
        settings.amqp_host = None;
        settings.amqp_port = None;
        settings.maskinporten_token_endpoint = None;
        settings.maskinporten_audience = None;
        let config = settings.into_config().unwrap();
        assert_eq!(config.api.as_str(), "https://api.fiks.test.ks.no/");
        assert_eq!(
            (config.amqp.host.as_str(), config.amqp.port, config.amqp.tls),
            ("io.fiks.test.ks.no", 5671, true)
        );
        assert_eq!(config.maskinporten.token_endpoint.as_str(), "https://test.maskinporten.no/token");
        assert_eq!(config.maskinporten.audience, "https://test.maskinporten.no/");
        assert_eq!(config.maskinporten.scope, "ks:fiks");
        assert_eq!(config.prefetch, 10);
    }

    #[test]
    fn json_and_variables_say_the_same() {
        let json = Settings::from_json(
            r#"{"kontoId": "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1", "apiPort": 8080, "amqpScheme": "amqp",
                "privateKeyFiles": ["a.pem", "b.pem"], "integrasjonPassord": "hemmelig"}"#,
        )
        .unwrap();
        let vars = [
            ("FIKS_IO_KONTO_ID", "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1"),
            ("FIKS_IO_API_PORT", "8080"),
            ("FIKS_IO_AMQP_SCHEME", "amqp"),
            ("FIKS_IO_PRIVATE_KEY_FILES", "a.pem:b.pem"),
            ("FIKS_IO_INTEGRASJON_PASSORD", "hemmelig"),
            ("PATH", "/bin"),
        ];
        let vars =
            Settings::from_vars(vars.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
        assert_eq!(vars, json);
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(matches!(Settings::from_json(r#"{"kontold": "x"}"#), Err(ConfigError::Settings(_))));
        let vars = [("FIKS_IO_KONTO".to_owned(), "x".to_owned())];
        assert!(matches!(Settings::from_vars(vars), Err(ConfigError::Settings(_))));
    }

    #[test]
    fn a_value_and_its_file_exclude_each_other() {
        let mut settings = complete().into_settings();
        settings.integrasjon_passord_file = Some("passord.txt".into());
        assert!(matches!(settings.into_config(), Err(ConfigError::Ambiguous { key: "integrasjonPassord" })));
    }

    #[test]
    fn files_are_read_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let passord = folder.path().join("passord.txt");
        std::fs::write(&passord, "hemmelig\n").unwrap();
        let mut settings = complete().into_settings();
        settings.integrasjon_passord = None;
        settings.integrasjon_passord_file = Some(passord);
        assert_eq!(settings.clone().into_config().unwrap().integrasjon_passord.expose(), "hemmelig");

        let missing = folder.path().join("no-such-file");
        settings.private_key_files = Some(vec![missing.clone()]);
        let error = settings.into_config().unwrap_err();
        assert!(matches!(error, ConfigError::File { key: "privateKeyFiles", path, .. } if path == missing));
    }

    #[test]
    fn several_private_keys_are_read_from_one_text_and_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("old.pem");
        std::fs::write(&file, format!("{}{}", identity().key, identity().certificate)).unwrap();
        let config = complete().private_key(&identity().key).private_key_file(file).build().unwrap();
        assert_eq!(config.private_keys.len(), 3);
    }

    #[test]
    fn unusable_values_are_refused() {
        type Spoil = fn(ConfigBuilder) -> ConfigBuilder;
        let cases: [(&str, Spoil); 5] = [
            ("prefetch", |builder| builder.prefetch(0)),
            ("privateKeys", |builder| builder.private_key("no key")),
            ("caCertificates", |builder| builder.ca_certificates("no certificate")),
            ("maskinportenTokenEndpoint", |builder| {
                builder.maskinporten("client", "ftp://localhost/", "aud")
            }),
            ("maskinportenKey", |builder| builder.maskinporten_key("kid", "no key")),
        ];
        for (key, spoil) in cases {
            // A builder without the good key, so that the bad text stands alone.
            let mut builder = complete();
            if key == "privateKeys" {
                builder.settings.private_keys = None;
            }
            let error = spoil(builder).build().unwrap_err();
            assert!(error.to_string().contains(&format!("`{key}`")), "{key}: {error}");
        }
    }

    #[test]
    fn a_certificate_of_another_key_is_refused() {
        let error = complete()
            .virksomhetssertifikat(
                crate::testing::other_identity().certificate.clone(),
                identity().key.as_str(),
            )
            .build()
            .unwrap_err();
        assert!(matches!(error, ConfigError::Key { key: "virksomhetssertifikat", .. }));
    }

    #[test]
    fn no_secret_shows_in_debug() {
        let builder = complete();
        let shown = format!("{:?} {:?}", builder.clone().into_settings(), builder.build().unwrap());
        assert!(!shown.contains("hemmelig"));
        assert!(!shown.contains("PRIVATE KEY"));
    }
}
