//! All of a configuration checked before anything is opened: what `serve` refuses, `config --check` and `doctor` refuse too.

use anyhow::{Context as _, bail, ensure};

use crate::config::Config;
use crate::grenser::Grenser;
use crate::portal::portal_config;
use crate::{http, server, tls};

/// The fewest days that the log of hendelser is kept for.
const FEWEST_DAYS: u32 = 30;
/// A day.
const MOST_SECONDS: u64 = 86_400;

/// # Errors
/// Which key is wrong, in which way, and what is allowed.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    for (key, address) in [
        ("http.listen", &config.http.listen),
        ("https.listen", &config.https.listen),
        ("amqps.listen", &config.amqps.listen),
        ("amqp.danger_listen", &config.amqp.danger_listen),
    ] {
        check_address(key, address)?;
    }
    ensure!(!config.data.as_os_str().is_empty(), "data is empty: it must name the data folder");
    let url = config.registry_url()?;
    let is_known = ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme));
    ensure!(
        is_known,
        "registry.url, or the file that registry.url_file names, must begin with postgres:// or sqlite://, or be empty for \
         register.sqlite in the data folder"
    );
    let stillstand = config.amqp.stillstand_sekunder;
    ensure!(
        (1..=MOST_SECONDS).contains(&stillstand),
        "amqp.stillstand_sekunder is {stillstand}: it must be between 1 and {MOST_SECONDS}"
    );
    // How many files may be open is no part of the configuration.
    http::Limits::new(config, Grenser::UNBOUNDED)?;
    check_limits(config)?;
    check_tls(config)?;
    server::token_verifier(config).context("maskinporten.issuer or maskinporten.jwks_uri is wrong")?;
    server::oidc_login(config).context("innlogging is wrong")?;
    portal_config(config)?;
    Ok(())
}

fn check_address(key: &str, address: &str) -> anyhow::Result<()> {
    let parts = address.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
    match parts {
        _ if address.is_empty() => Ok(()),
        Some((host, Ok(_))) if !host.is_empty() => Ok(()),
        _ => bail!(
            "{key} is \"{address}\": it must be an address and a port, such as 127.0.0.1:8080, or \"\" for none"
        ),
    }
}

fn check_limits(config: &Config) -> anyhow::Result<()> {
    let days = config.portal.hendelser_beholdes_dager;
    ensure!(
        days == 0 || days >= FEWEST_DAYS,
        "portal.hendelser_beholdes_dager is {days}: what is older is removed for good, so it must be at least {FEWEST_DAYS}, or 0 \
         to keep all of it"
    );
    let seconds = config.ko.gi_opp_etter_sekunder;
    ensure!(
        (1..=MOST_SECONDS).contains(&seconds),
        "ko.gi_opp_etter_sekunder is {seconds}: it must be between 1 and {MOST_SECONDS} seconds"
    );
    let melding = &config.melding;
    ensure!(
        melding.payload_max_bytes > 0 && melding.inline_payload_max_bytes as u64 <= melding.payload_max_bytes,
        "melding.inline_payload_max_bytes and melding.payload_max_bytes must be in this order, and the last at least 1"
    );
    let per = &config.grenser;
    for (key, value) in [
        ("tilkoblinger_per_integrasjon", per.tilkoblinger_per_integrasjon),
        ("tilkoblinger_per_organisasjon", per.tilkoblinger_per_organisasjon),
        ("kanaler_per_integrasjon", per.kanaler_per_integrasjon),
        ("kanaler_per_organisasjon", per.kanaler_per_organisasjon),
        ("konsumenter_per_integrasjon", per.konsumenter_per_integrasjon),
        ("konsumenter_per_organisasjon", per.konsumenter_per_organisasjon),
        ("ubekreftede_per_organisasjon", per.ubekreftede_per_organisasjon),
        ("svar_per_melding", per.svar_per_melding),
        ("nokler_per_konto", per.nokler_per_konto),
        ("parter_per_konto", per.parter_per_konto),
        ("tilganger_per_konto", per.tilganger_per_konto),
        ("tilganger_per_system", per.tilganger_per_system),
        ("foresporsler_per_system", per.foresporsler_per_system),
        ("kontoer_per_system", per.kontoer_per_system),
        ("integrasjoner_per_system", per.integrasjoner_per_system),
        ("eposter_per_system", per.eposter_per_system),
        ("systemer_per_organisasjon", per.systemer_per_organisasjon),
        ("sesjoner_per_person", per.sesjoner_per_person),
    ] {
        ensure!(
            value > 0,
            "grenser.{key} is 0, which would let nobody through: it must be at least 1; a very large number is as none"
        );
    }
    Ok(())
}

fn check_tls(config: &Config) -> anyhow::Result<()> {
    if config.https.listen.is_empty() && config.amqps.listen.is_empty() {
        return Ok(());
    }
    let files = &config.tls;
    for (key, file) in
        [("certificate_file", &files.certificate_file), ("private_key_file", &files.private_key_file)]
    {
        ensure!(
            !file.as_os_str().is_empty(),
            "tls.{key} is empty: https.listen and amqps.listen need a PEM file there; set both of those to \"\" to serve \
             without TLS"
        );
    }
    tls::from_files(&files.certificate_file, &files.private_key_file)
        .context("tls.certificate_file or tls.private_key_file is wrong")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::*;
    use crate::config::DEFAULTS;

    /// What is said of the defaults with one more line, in the section that is given.
    fn said(section: &str, line: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("knutepunkt.toml");
        let without_tls = if section == "amqps" { "" } else { "[amqps]\nlisten = \"\"\n" };
        let text = if section.is_empty() {
            format!("{line}\n{without_tls}")
        } else {
            format!("{without_tls}[{section}]\n{line}\n")
        };
        std::fs::write(&file, text).unwrap();
        let checked = Config::load(Some(&file), std::iter::empty()).and_then(|config| check(&config));
        checked.err().map(|error| format!("{error:#}"))
    }

    /// Each key, mistyped once in each way.
    #[test]
    fn every_key_that_is_mistyped_is_refused_by_its_name_and_that_of_the_file() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let defaults: Table = DEFAULTS.parse().unwrap();
        let mut keys = Vec::new();
        for (key, value) in &defaults {
            match value {
                Value::Table(section) => {
                    keys.extend(section.iter().map(|(name, value)| (key.as_str(), name, value)));
                }
                value => keys.push(("", key, value)),
            }
        }
        assert!(keys.len() > 60);
        for (section, key, value) in keys {
            let wrong = if value.is_str() { "7" } else { "\"x\"" };
            let mut lines = vec![format!("{key}x = 1"), format!("{key} = {wrong}")];
            if value.is_integer() {
                lines.extend([format!("{key} = -1"), format!("{key} = \"\"")]);
            }
            for line in lines {
                let said = said(section, &line).unwrap_or_else(|| unreachable!("{section} {line} is taken"));
                assert!(
                    said.contains(key.as_str()) && said.contains("knutepunkt.toml"),
                    "{section} {line}: {said}"
                );
            }
        }
    }

    #[test]
    fn values_that_no_server_starts_with_are_refused_by_key() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        assert_eq!(said("", "miljo = \"test\""), None);
        for (section, line, key) in [
            ("http", "listen = \"nonsense\"", "http.listen"),
            ("https", "listen = \"127.0.0.1\"", "https.listen"),
            ("amqps", "listen = \"127.0.0.1:99999\"", "amqps.listen"),
            ("amqps", "listen = \"127.0.0.1:5671\"", "tls.certificate_file is empty"),
            ("amqp", "danger_listen = \":1\"", "amqp.danger_listen"),
            ("amqp", "stillstand_sekunder = 0", "amqp.stillstand_sekunder"),
            ("http", "betrodde_proxyer = \"nonsense\"", "http.betrodde_proxyer"),
            ("http", "handtrykk_sekunder = 0", "http.handtrykk_sekunder"),
            ("http", "tilkoblinger_maks = 0", "http.tilkoblinger_maks"),
            ("registry", "url = \"nonsense\"", "registry.url"),
            ("registry", "url_file = \"/not/there\"", "/not/there"),
            ("maskinporten", "issuer = \"nonsense\"", "maskinporten.issuer"),
            ("portal", "logo = \"/not/there.svg\"", "portal.logo"),
            ("portal", "tema_css = \"/not/there.css\"", "portal.tema_css"),
            ("portal", "avtale_fil = \"/not/there.md\"", "portal.avtale_fil"),
            ("portal", "klientadresse_header = \"  \"", "portal.klientadresse_header"),
            ("portal", "hendelser_beholdes_dager = 1", "portal.hendelser_beholdes_dager"),
            ("portal", "hendelser_beholdes_dager = 29", "portal.hendelser_beholdes_dager"),
            ("ko", "gi_opp_etter_sekunder = 0", "ko.gi_opp_etter_sekunder"),
            ("melding", "payload_max_bytes = 0", "melding.payload_max_bytes"),
            ("grenser", "sesjoner_per_person = 0", "grenser.sesjoner_per_person"),
            ("grenser", "kanaler_per_integrasjon = 0", "grenser.kanaler_per_integrasjon"),
        ] {
            let said = said(section, line).unwrap_or_else(|| unreachable!("{section} {line} is taken"));
            assert!(said.contains(key), "{section} {line}: {said}");
        }
        for line in ["hendelser_beholdes_dager = 0", "hendelser_beholdes_dager = 30"] {
            assert_eq!(said("portal", line), None, "{line}");
        }
    }

    #[test]
    fn lines_of_the_log_are_kept_for_ever_where_no_time_is_set() {
        let mut config = Config::defaults();
        config.portal.hendelser_beholdes_dager = 0;
        assert_eq!(config.settings().hendelser_beholdes, std::time::Duration::MAX);
    }
}
