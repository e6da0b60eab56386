//! A [`Config`] made step by step in code.

use std::path::PathBuf;

use wire::id::{IntegrasjonId, KontoId};

use super::{AmqpScheme, Config, ConfigError, HttpScheme, Miljo, Settings};
use crate::Secret;

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
    pub(super) settings: Settings,
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
