//! What stands in a file or in environment variables, and how it becomes a [`Config`].

use std::path::{Path, PathBuf};

use asice::{Certificate, PrivateKey, Signer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::id::{IntegrasjonId, KontoId};
use wire::maskinporten::SCOPE_KS_FIKS;

use super::{
    AmqpEndpoint, AmqpScheme, Config, ConfigError, HttpScheme, KeyName, Maskinporten, Miljo, TokenIdentity,
    invalid,
};
use crate::Secret;

/// What each environment variable of [`Settings::from_env`] starts with.
pub const ENV_PREFIX: &str = "FIKS_IO_";
const DEFAULT_PREFETCH: u16 = 10;
const DEFAULT_NAME: &str = concat!("fiks-io-client (Rust) ", env!("CARGO_PKG_VERSION"));

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
