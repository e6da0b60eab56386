//! The configuration: `default.toml`, overridden by a file, overridden by the environment.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use app::Settings;
use domain::sending::SendRules;
use serde::Deserialize;
use toml::{Table, Value};

/// Every key with its default and its documentation.
pub const DEFAULTS: &str = include_str!("default.toml");
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
    pub http: Listen,
    pub https: Listen,
    pub amqps: Listen,
    pub amqp: DangerListen,
    pub tls: Tls,
    pub registry: Registry,
    pub maskinporten: Maskinporten,
    pub melding: Melding,
    pub lager: Lager,
}

/// `[http]`, `[https]`, `[amqps]`.
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
pub struct DangerListen {
    pub danger_listen: String,
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
        let mut table: Table = DEFAULTS.parse().context("default.toml is broken")?;
        if let Some(file) = file {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            merge(&mut table, text.parse().with_context(|| format!("{} is not TOML", file.display()))?);
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
        Ok(config)
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
            ("", true) => Ok(format!("sqlite://{}?mode=rwc", self.data.join("register.sqlite").display())),
            (url, true) => Ok(url.to_owned()),
            ("", false) => {
                let url = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read {}", file.display()))?;
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

    #[test]
    fn password_in_the_database_url_is_not_shown() {
        let config =
            Config::load(None, variables(&[("KNUTEPUNKT__REGISTRY__URL", "postgres://k:hemmelig@db/k")]))
                .unwrap();
        assert!(!format!("{config:?}").contains("hemmelig"));
    }
}
