//! The portal's part of the configuration, and the files that it names.

use std::path::Path;

use anyhow::Context as _;
use portal::{Fil, PortalUrl};

use crate::config::{Avtale, Config, Miljo};

/// What the portal is told.
///
/// # Errors
/// Which key or file is wrong.
pub(crate) fn portal_config(config: &Config) -> anyhow::Result<portal::Config> {
    let keys = &config.portal;
    let url = PortalUrl::parse(&config.portal_url()).context("portal.url is wrong")?;
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if !url.is_secure() && config.miljo != Miljo::Utvikling {
        tracing::warn!(
            url = url.origin(),
            "the portal is served without TLS: whoever can listen on the network can take over sessions"
        );
    }
    let header = &keys.klientadresse_header;
    Ok(portal::Config {
        url,
        navn: keys.navn.clone(),
        miljo: match config.miljo {
            Miljo::Utvikling => portal::Miljo::Utvikling,
            Miljo::Test => portal::Miljo::Test,
            Miljo::Produksjon => portal::Miljo::Produksjon,
        },
        avtale: avtale(config)?,
        tema_css: file("portal.tema_css", &keys.tema_css, |_| Some("text/css; charset=utf-8"))?,
        logo: file("portal.logo", &keys.logo, logo_type)?,
        tilgjengelighetserklaering_url: text(&keys.tilgjengelighetserklaering_url),
        kontakt_epost: text(&keys.kontakt_epost),
        klientadresse_header: text(header)
            .map(|name| name.parse().with_context(|| format!("portal.klientadresse_header: {name}")))
            .transpose()?,
    })
}

/// The agreement that an organisasjon signs.
fn avtale(config: &Config) -> anyhow::Result<portal::Avtale> {
    let path = &config.portal.avtale_fil;
    if config.portal.avtale == Avtale::Av {
        return Ok(portal::Avtale::Av);
    }
    if path.as_os_str().is_empty() {
        return Ok(portal::Avtale::standard());
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("portal.avtale_fil: cannot read {}", path.display()))?;
    portal::Avtale::from_text(&text).with_context(|| format!("portal.avtale_fil: {}", path.display()))
}

fn logo_type(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        _ => None,
    }
}

/// The file that the key names, if it names one.
fn file(
    key: &str,
    path: &Path,
    content_type: impl FnOnce(&Path) -> Option<&'static str>,
) -> anyhow::Result<Option<Fil>> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let content_type =
        content_type(path).with_context(|| format!("{key}: {} is neither .svg nor .png", path.display()))?;
    let bytes = std::fs::read(path).with_context(|| format!("{key}: cannot read {}", path.display()))?.into();
    Ok(Some(Fil { content_type, bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_operator_are_read_at_start_or_complained_of_by_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::defaults();
        config.portal.logo = folder.path().join("logo.svg");
        assert!(format!("{:#}", portal_config(&config).unwrap_err()).contains("portal.logo"));
        std::fs::write(&config.portal.logo, "<svg/>").unwrap();
        assert_eq!(portal_config(&config).unwrap().logo.unwrap().content_type, "image/svg+xml");
        config.portal.logo = folder.path().join("logo.bmp");
        assert!(format!("{:#}", portal_config(&config).unwrap_err()).contains("portal.logo"));
    }
}
