//! The configuration: `default.toml`, overridden by a file, overridden by the environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use app::person::Identifikator;
use app::{Grense, Settings};
use domain::sending::SendRules;
use serde::Deserialize;
use toml::{Table, Value};
use uuid::Uuid;

use crate::files;

/// Every key with its default and its documentation.
pub const DEFAULTS: &str = include_str!("default.toml");
/// What is otherwise on a developer's machine. Everybody there is one developer, who may also want to know how fast it goes.
const DEV_DEFAULTS: &str =
    "miljo = \"utvikling\"\n[grenser]\nkall_per_integrasjon = 0\nkall_per_organisasjon = 0";
/// What variables start with.
const PREFIX: &str = "KNUTEPUNKT__";

/// What kind of installation this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Miljo {
    /// A developer's machine.
    Utvikling,
    /// A shared test installation.
    Test,
    /// The real thing.
    Produksjon,
}

/// The configuration. `default.toml` says what each key means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Config {
    pub miljo: Miljo,
    pub data: PathBuf,
    pub installasjon: String,
    pub http: Http,
    pub https: Listen,
    pub amqps: Listen,
    pub amqp: Amqp,
    pub tls: Tls,
    pub registry: Registry,
    pub maskinporten: Maskinporten,
    pub innlogging: Innlogging,
    pub portal: Portal,
    pub melding: Melding,
    pub lager: Lager,
    pub grenser: Grenser,
    pub ko: Ko,
}

/// `[http]`. Its limits hold for `[https]`, too.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Http {
    pub listen: String,
    pub tilkoblinger_maks: usize,
    pub fremmede_per_adresse: usize,
    pub betrodde_proxyer: String,
    pub handtrykk_sekunder: u64,
    pub hode_sekunder: u64,
    pub ledig_sekunder: u64,
    pub skjema_sekunder: u64,
    pub minst_bytes_per_sekund: u64,
    pub stillstand_sekunder: u64,
}

/// `[grenser]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Grenser {
    pub kall_per_integrasjon: u32,
    pub kall_per_organisasjon: u32,
    pub samtidige_kall_per_organisasjon: usize,
    pub kall_per_adresse: u32,
    pub tilkoblinger_per_integrasjon: u64,
    pub tilkoblinger_per_organisasjon: u64,
    pub kanaler_per_integrasjon: u64,
    pub kanaler_per_organisasjon: u64,
    pub konsumenter_per_integrasjon: u64,
    pub konsumenter_per_organisasjon: u64,
    pub ubekreftede_per_organisasjon: u64,
    pub minne_bytes_for_kanaler: u64,
    pub minne_bytes: u64,
    pub minne_bytes_per_organisasjon: u64,
    pub sendte_bytes_per_organisasjon: u64,
    pub mottatte_bytes_per_organisasjon: u64,
    pub sendte_bytes_i_ko_per_organisasjon: u64,
    pub mottatte_bytes_i_ko_per_organisasjon: u64,
    pub sporing_bytes_per_organisasjon: u64,
    pub svar_per_melding: u64,
    pub nokler_per_konto: u64,
    pub parter_per_konto: u64,
    pub tilganger_per_konto: u64,
    pub tilganger_per_system: u64,
    pub foresporsler_per_system: u64,
    pub kontoer_per_system: u64,
    pub integrasjoner_per_system: u64,
    pub eposter_per_system: u64,
    pub systemer_per_organisasjon: u64,
    pub endringer_per_organisasjon: u64,
    pub sesjoner_per_person: u64,
}

impl Grenser {
    /// The limits that the use cases hold.
    fn values(&self) -> app::Grenser {
        let values = [
            (Grense::TilkoblingerPerIntegrasjon, self.tilkoblinger_per_integrasjon),
            (Grense::TilkoblingerPerOrganisasjon, self.tilkoblinger_per_organisasjon),
            (Grense::KanalerPerIntegrasjon, self.kanaler_per_integrasjon),
            (Grense::KanalerPerOrganisasjon, self.kanaler_per_organisasjon),
            (Grense::KonsumenterPerIntegrasjon, self.konsumenter_per_integrasjon),
            (Grense::KonsumenterPerOrganisasjon, self.konsumenter_per_organisasjon),
            (Grense::UbekreftedePerOrganisasjon, self.ubekreftede_per_organisasjon),
            (Grense::MinneBytesForKanaler, self.minne_bytes_for_kanaler),
            (Grense::MinneBytes, self.minne_bytes),
            (Grense::MinneBytesPerOrganisasjon, self.minne_bytes_per_organisasjon),
            (Grense::SendteBytesPerOrganisasjon, self.sendte_bytes_per_organisasjon),
            (Grense::MottatteBytesPerOrganisasjon, self.mottatte_bytes_per_organisasjon),
            (Grense::SendteBytesIKoPerOrganisasjon, self.sendte_bytes_i_ko_per_organisasjon),
            (Grense::MottatteBytesIKoPerOrganisasjon, self.mottatte_bytes_i_ko_per_organisasjon),
            (Grense::SporingBytesPerOrganisasjon, self.sporing_bytes_per_organisasjon),
            (Grense::SvarPerMelding, self.svar_per_melding),
            (Grense::NoklerPerKonto, self.nokler_per_konto),
            (Grense::ParterPerKonto, self.parter_per_konto),
            (Grense::TilgangerPerKonto, self.tilganger_per_konto),
            (Grense::TilgangerPerSystem, self.tilganger_per_system),
            (Grense::ForesporslerPerSystem, self.foresporsler_per_system),
            (Grense::KontoerPerSystem, self.kontoer_per_system),
            (Grense::IntegrasjonerPerSystem, self.integrasjoner_per_system),
            (Grense::EposterPerSystem, self.eposter_per_system),
            (Grense::SystemerPerOrganisasjon, self.systemer_per_organisasjon),
            (Grense::EndringerPerOrganisasjon, self.endringer_per_organisasjon),
            (Grense::SesjonerPerPerson, self.sesjoner_per_person),
        ];
        values.into_iter().fold(app::Grenser::default(), |all, (grense, value)| all.with(grense, value))
    }
}

/// `[https]`, `[amqps]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Listen {
    pub listen: String,
}

/// `[amqp]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Amqp {
    pub danger_listen: String,
    pub stillstand_sekunder: u64,
}

/// `[tls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Tls {
    pub certificate_file: PathBuf,
    pub private_key_file: PathBuf,
}

/// `[registry]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Registry {
    pub url: String,
    pub url_file: PathBuf,
}

impl std::fmt::Debug for Registry {
    /// The URL may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("url_file", &self.url_file).finish_non_exhaustive()
    }
}

/// `[maskinporten]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Maskinporten {
    pub issuer: String,
    pub jwks_uri: String,
    pub audience: String,
}

/// `[innlogging]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Innlogging {
    pub issuer: String,
    pub navn: String,
    pub client_id: String,
    pub client_secret: String,
    pub client_secret_file: PathBuf,
    pub private_key_file: PathBuf,
    pub kid: String,
    pub acr_values: String,
    pub identifikator_claim: String,
    pub navn_claim: String,
    pub scopes: String,
}

impl std::fmt::Debug for Innlogging {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Innlogging")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("acr_values", &self.acr_values)
            .finish_non_exhaustive()
    }
}

/// `[portal]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Portal {
    pub url: String,
    pub navn: String,
    pub tema_css: PathBuf,
    pub logo: PathBuf,
    pub avtale: Avtale,
    pub avtale_fil: PathBuf,
    pub tilgjengelighetserklaering_url: String,
    pub kontakt_epost: String,
    pub klientadresse_header: String,
    pub hendelser_beholdes_dager: u32,
}

/// `portal.avtale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Avtale {
    /// The agreement is signed in the portal.
    Innebygd,
    /// There is none.
    Av,
}

/// `[melding]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Melding {
    pub inline_payload_max_bytes: usize,
    pub payload_max_bytes: u64,
    pub svar_krever_tilgang: bool,
}

/// `[lager]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Lager {
    pub min_free_bytes: u64,
    pub sporing_dager: std::num::NonZeroU32,
}

/// `[ko]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "default.toml documents each key")]
pub struct Ko {
    pub gi_opp_etter_sekunder: u64,
    pub feil_per_time: usize,
}

impl Config {
    /// The defaults, overridden by `file` if there is one, overridden by those of `variables` that are ours.
    ///
    /// # Errors
    /// What is wrong with which key or file.
    pub fn load(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        Self::read(Table::new(), file, variables)
    }

    /// The same for a developer's machine, without a file.
    ///
    /// # Errors
    /// As there.
    pub fn load_for_dev(variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Self> {
        Self::read(DEV_DEFAULTS.parse().context("the defaults of dev are broken")?, None, variables)
    }

    /// The defaults, with `other` ones over them, overridden by `file` and `variables`.
    fn read(
        other: Table,
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let mut table: Table = DEFAULTS.parse().context("default.toml is broken")?;
        merge(&mut table, other);
        if let Some(file) = file {
            let text = std::fs::read_to_string(file).with_context(|| files::cannot_read(file))?;
            // Whoever names a file wants more than the defaults, which lead to another place.
            if text.trim_matches(|c: char| c.is_whitespace() || c == '\0').is_empty() {
                bail!(
                    "{} is empty; `knutepunkt config` prints every key. To run with the defaults name no file",
                    file.display()
                );
            }
            merge(&mut table, text.parse().with_context(|| format!("{} is not TOML", file.display()))?);
            // By itself, so that what is wrong with it is not looked for among the variables.
            let _: Self = Value::Table(table.clone())
                .try_into()
                .with_context(|| format!("the configuration file {} is wrong", file.display()))?;
        }
        for (name, value) in variables {
            if let Some(path) = name.strip_prefix(PREFIX) {
                set(&mut table, path, &value).with_context(|| format!("the variable {name} is wrong"))?;
            }
        }
        let config: Self = Value::Table(table).try_into().context("the configuration is wrong")?;
        if config.miljo == Miljo::Produksjon && config.maskinporten.issuer.contains("test.maskinporten.no") {
            bail!("miljo is \"produksjon\" but maskinporten.issuer is the test one: anybody could log in");
        }
        config.expected_installasjon()?;
        config.check_innlogging()?;
        config.check_portal()?;
        Ok(config)
    }

    /// The installation that must be found, if one is named.
    ///
    /// # Errors
    /// When it is no id.
    pub fn expected_installasjon(&self) -> anyhow::Result<Option<Uuid>> {
        let id = self.installasjon.trim();
        let wrong = "installasjon must be the id that knutepunkt doctor says, or \"\"";
        (!id.is_empty()).then(|| id.parse().context(wrong)).transpose()
    }

    fn check_innlogging(&self) -> anyhow::Result<()> {
        let Innlogging {
            issuer, client_id, client_secret, client_secret_file, private_key_file, kid, ..
        } = &self.innlogging;
        if issuer.is_empty() {
            return Ok(());
        }
        if client_id.is_empty() {
            bail!("innlogging.issuer is set but innlogging.client_id is not");
        }
        let is_given = |file: &Path| !file.as_os_str().is_empty();
        let proofs = [!client_secret.is_empty(), is_given(client_secret_file), is_given(private_key_file)];
        if proofs.into_iter().filter(|given| *given).count() > 1 {
            bail!(
                "more than one of innlogging.client_secret, client_secret_file and private_key_file is set; set one"
            );
        }
        if is_given(private_key_file) && kid.is_empty() {
            bail!("innlogging.private_key_file is set but innlogging.kid is not");
        }
        if self.miljo == Miljo::Produksjon {
            if !issuer.starts_with("https://") {
                bail!("miljo is \"produksjon\" but innlogging.issuer is not an https address");
            }
            if issuer.contains("test.idporten.no") {
                bail!("miljo is \"produksjon\" but innlogging.issuer is the test one: anybody could log in");
            }
            if !self.portal.url.starts_with("https://") {
                bail!("miljo is \"produksjon\" and persons log in, but portal.url is not an https address");
            }
        }
        Ok(())
    }

    fn check_portal(&self) -> anyhow::Result<()> {
        let Portal { url, avtale, avtale_fil, tilgjengelighetserklaering_url, .. } = &self.portal;
        if !url.is_empty() {
            let uri: http::Uri = url.parse().context("portal.url is not an address")?;
            let is_bare = uri.path().trim_end_matches('/').is_empty() && uri.query().is_none();
            if !matches!(uri.scheme_str(), Some("http" | "https")) || !is_bare {
                bail!("portal.url must be https:// or http:// and a host, perhaps with a port, and no path");
            }
            if self.miljo == Miljo::Produksjon && uri.scheme_str() != Some("https") {
                bail!("miljo is \"produksjon\" but portal.url is not an https address");
            }
        }
        if *avtale == Avtale::Av && !avtale_fil.as_os_str().is_empty() {
            bail!("portal.avtale_fil is set but portal.avtale is \"av\"");
        }
        let statement = tilgjengelighetserklaering_url;
        if !statement.is_empty() && !statement.starts_with("https://") && !statement.starts_with("http://") {
            bail!("portal.tilgjengelighetserklaering_url is not an address");
        }
        Ok(())
    }

    /// Address of the portal as browsers see it; no slash at the end.
    pub fn portal_url(&self) -> String {
        match self.portal.url.trim_end_matches('/') {
            "" => format!("http://{}", self.http.listen),
            url => url.to_owned(),
        }
    }

    /// The client's secret at the login provider, if it has one.
    ///
    /// # Errors
    /// When the file that should hold it cannot be read.
    pub fn innlogging_secret(&self) -> anyhow::Result<Option<String>> {
        let Innlogging { client_secret, client_secret_file: file, .. } = &self.innlogging;
        if !client_secret.is_empty() {
            return Ok(Some(client_secret.clone()));
        }
        if file.as_os_str().is_empty() {
            return Ok(None);
        }
        let secret =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Some(secret.trim().to_owned()))
    }

    /// The defaults alone.
    pub fn defaults() -> Self {
        Self::load(None, std::iter::empty()).expect("default.toml is part of the program and tested")
    }

    /// What the use cases care for.
    pub fn settings(&self) -> Settings {
        Settings {
            inline_payload_max_bytes: self.melding.inline_payload_max_bytes,
            payload_max_bytes: self.melding.payload_max_bytes,
            send_rules: SendRules { svar_krever_tilgang: self.melding.svar_krever_tilgang },
            avtale_kreves: self.portal.avtale == Avtale::Innebygd,
            identifikator: Identifikator::of_claim(&self.innlogging.identifikator_claim),
            hendelser_beholdes: match self.portal.hendelser_beholdes_dager {
                0 => Duration::MAX,
                days => Duration::from_hours(24 * u64::from(days)),
            },
            grenser: self.grenser.values(),
            ..Settings::default()
        }
    }

    /// The URL of the registry's database.
    ///
    /// # Errors
    /// When the file that should hold it cannot be read.
    pub fn registry_url(&self) -> anyhow::Result<String> {
        let file = &self.registry.url_file;
        match (self.registry.url.as_str(), file.as_os_str().is_empty()) {
            ("", true) => Ok(format!("sqlite://{}?mode=rwc", self.data.join(crate::names::SQLITE).display())),
            (url, true) => Ok(url.to_owned()),
            ("", false) => {
                let url = std::fs::read_to_string(file)
                    .with_context(|| format!("registry.url_file: {}", files::cannot_read(file)))?;
                Ok(url.trim().to_owned())
            }
            _ => bail!("registry.url and registry.url_file are both set; set one"),
        }
    }
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Sets the key at `path` (`HTTP__LISTEN`), which must have a default: its type says how to read `text`.
fn set(table: &mut Table, path: &str, text: &str) -> anyhow::Result<()> {
    let path = path.to_lowercase();
    let mut keys: Vec<&str> = path.split("__").collect();
    let last = keys.pop().unwrap_or_default();
    let mut table = table;
    for key in keys {
        table = table.get_mut(key).and_then(Value::as_table_mut).context("there is no such key")?;
    }
    let value = table.get_mut(last).context("there is no such key")?;
    *value = match value {
        Value::Integer(_) => Value::Integer(text.parse().context("it must be a whole number")?),
        Value::Boolean(_) => Value::Boolean(text.parse().context("it must be true or false")?),
        Value::Table(_) => bail!("it is a section, not a key"),
        _ => Value::String(text.to_owned()),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn environment_overrides_file_overrides_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k.toml");
        std::fs::write(&file, "[http]\nlisten = \"127.0.0.1:1\"\n[melding]\nsvar_krever_tilgang = true\n")
            .unwrap();
        let config =
            Config::load(Some(&file), variables(&[("KNUTEPUNKT__HTTP__LISTEN", "127.0.0.1:2")])).unwrap();
        assert_eq!(config.http.listen, "127.0.0.1:2");
        assert!(config.settings().send_rules.svar_krever_tilgang);
        assert_eq!(config.amqps.listen, Config::defaults().amqps.listen);
    }

    #[test]
    fn dev_reads_the_environment_as_serve_does() {
        let config = Config::load_for_dev(variables(&[("KNUTEPUNKT__GRENSER__KALL_PER_INTEGRASJON", "7")]));
        let Config { grenser, miljo, .. } = config.unwrap();
        assert_eq!((grenser.kall_per_integrasjon, grenser.kall_per_organisasjon), (7, 0));
        assert_eq!(miljo, Miljo::Utvikling);
        let wrong = Config::load_for_dev(variables(&[("KNUTEPUNKT__GRENSER__KALL", "7")]));
        assert!(wrong.unwrap_err().to_string().contains("KNUTEPUNKT__GRENSER__KALL"));
    }

    #[test]
    fn every_limit_is_a_key_with_the_default_that_the_use_cases_have() {
        let table: Table = DEFAULTS.parse().unwrap();
        for grense in Grense::ALL {
            let (section, key) = grense.nokkel().split_once('.').unwrap();
            let value = table[section].get(key).and_then(Value::as_integer);
            assert_eq!(value, i64::try_from(grense.default()).ok(), "{grense}");
        }
        assert_eq!(Config::defaults().settings().grenser, app::Grenser::default());
        let one = [("KNUTEPUNKT__GRENSER__NOKLER_PER_KONTO", "3")];
        let grenser = Config::load(None, variables(&one)).unwrap().settings().grenser;
        assert_eq!(grenser.get(Grense::NoklerPerKonto), 3);
    }

    #[test]
    fn people_are_known_by_the_claim_that_is_configured() {
        assert_eq!(Config::defaults().settings().identifikator, Identifikator::Fodselsnummer);
        let claim = [("KNUTEPUNKT__INNLOGGING__IDENTIFIKATOR_CLAIM", "oid")];
        let config = Config::load(None, variables(&claim)).unwrap();
        assert_eq!(config.settings().identifikator, Identifikator::Claim("oid".to_owned()));
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_refused_by_name() {
        let wrong =
            |name, value| format!("{:#}", Config::load(None, variables(&[(name, value)])).unwrap_err());
        assert!(wrong("KNUTEPUNKT__HTTP__LISTN", "x").contains("KNUTEPUNKT__HTTP__LISTN"));
        assert!(wrong("KNUTEPUNKT__MELDING__PAYLOAD_MAX_BYTES", "5 GB").contains("whole number"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k.toml");
        std::fs::write(&file, "mijlo = \"test\"").unwrap();
        assert!(format!("{:#}", Config::load(Some(&file), variables(&[])).unwrap_err()).contains("mijlo"));
    }

    #[test]
    fn production_with_test_tokens_is_refused() {
        assert!(Config::load(None, variables(&[("KNUTEPUNKT__MILJO", "produksjon")])).is_err());
        let issuer = ("KNUTEPUNKT__MASKINPORTEN__ISSUER", "https://maskinporten.no/");
        assert!(Config::load(None, variables(&[("KNUTEPUNKT__MILJO", "produksjon"), issuer])).is_ok());
    }

    /// What is wrong with the defaults under these variables.
    fn complaint(pairs: &[(&str, &str)]) -> String {
        let named: Vec<(String, String)> =
            pairs.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned())).collect();
        Config::load(None, named.into_iter()).map_or_else(|error| format!("{error:#}"), |_| "none".to_owned())
    }

    #[test]
    fn login_is_checked_as_a_whole() {
        let issuer = ("INNLOGGING__ISSUER", "https://test.idporten.no");
        let client = ("INNLOGGING__CLIENT_ID", "portal");
        assert_eq!(complaint(&[issuer, client]), "none");
        assert!(complaint(&[issuer]).contains("innlogging.client_id"));
        let secret = ("INNLOGGING__CLIENT_SECRET", "s");
        let key = ("INNLOGGING__PRIVATE_KEY_FILE", "/k.pem");
        assert!(complaint(&[issuer, client, key]).contains("innlogging.kid"));
        assert!(complaint(&[issuer, client, key, secret]).contains("more than one"));
        assert_eq!(complaint(&[issuer, client, key, ("INNLOGGING__KID", "k")]), "none");
    }

    #[test]
    fn production_needs_real_logins_over_https() {
        let production = [
            ("MILJO", "produksjon"),
            ("MASKINPORTEN__ISSUER", "https://maskinporten.no/"),
            ("INNLOGGING__CLIENT_ID", "portal"),
        ];
        let with = |more: &[(&str, &str)]| complaint(&[&production[..], more].concat());
        let real = ("INNLOGGING__ISSUER", "https://idporten.no");
        let url = ("PORTAL__URL", "https://fiks.example.no");
        assert_eq!(with(&[real, url]), "none");
        assert!(with(&[real]).contains("portal.url"));
        assert!(with(&[real, ("PORTAL__URL", "http://fiks.example.no")]).contains("portal.url"));
        assert!(with(&[("INNLOGGING__ISSUER", "https://test.idporten.no"), url]).contains("anybody"));
        assert!(with(&[("INNLOGGING__ISSUER", "http://idporten.no"), url]).contains("innlogging.issuer"));
        assert_eq!(with(&[]), "none", "login is off");
    }

    #[test]
    fn the_portal_is_at_a_bare_address() {
        for url in ["fiks.example.no", "ftp://fiks.example.no", "https://example.no/fiks", "https://a.no/?b"]
        {
            assert!(complaint(&[("PORTAL__URL", url)]).contains("portal.url"), "{url}");
        }
        assert!(complaint(&[("PORTAL__AVTALE", "kanskje")]).contains("kanskje"));
        assert!(
            complaint(&[("PORTAL__AVTALE", "av"), ("PORTAL__AVTALE_FIL", "/a.md")]).contains("avtale_fil")
        );
        assert!(complaint(&[("PORTAL__TILGJENGELIGHETSERKLAERING_URL", "uustatus.no")]).contains("address"));
        let at =
            |url| Config::load(None, variables(&[("KNUTEPUNKT__PORTAL__URL", url)])).unwrap().portal_url();
        assert_eq!(at("https://fiks.example.no/"), "https://fiks.example.no");
        assert_eq!(at(""), "http://127.0.0.1:8080");
    }

    #[test]
    fn the_secret_of_the_login_comes_from_a_file_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "hemmelig\n").unwrap();
        let name = "KNUTEPUNKT__INNLOGGING__CLIENT_SECRET_FILE";
        let config = Config::load(None, variables(&[(name, file.to_str().unwrap())])).unwrap();
        assert_eq!(config.innlogging_secret().unwrap().as_deref(), Some("hemmelig"));
        assert_eq!(Config::defaults().innlogging_secret().unwrap(), None);
        let config =
            Config::load(None, variables(&[("KNUTEPUNKT__INNLOGGING__CLIENT_SECRET", "hemmelig")])).unwrap();
        assert!(!format!("{config:?}").contains("hemmelig"));
    }

    #[test]
    fn password_in_the_database_url_is_not_shown() {
        let config =
            Config::load(None, variables(&[("KNUTEPUNKT__REGISTRY__URL", "postgres://k:hemmelig@db/k")]))
                .unwrap();
        assert!(!format!("{config:?}").contains("hemmelig"));
    }
}
