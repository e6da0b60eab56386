//! How the portal of this installation is set up.

use std::sync::Arc;

use http::{Uri, uri::Scheme};

use crate::avtale::Avtale;

/// What the installation is for. Told on every page but those of production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miljo {
    /// A developer's machine.
    Utvikling,
    /// A shared test installation.
    Test,
    /// The real thing.
    Produksjon,
}

/// A file that the operator brings, read at start.
#[derive(Debug, Clone)]
pub struct Fil {
    /// Its media type.
    pub content_type: &'static str,
    /// What stands in it.
    pub bytes: Arc<[u8]>,
}

/// How the portal of this installation is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where browsers find the portal: scheme, host and port, without a path.
    pub url: PortalUrl,
    /// What the portal is called.
    pub navn: String,
    /// What the installation is for.
    pub miljo: Miljo,
    /// What an organisasjon has to sign before it takes Fiks Protokoll into use. Must go with the setting `avtale_kreves` of
    /// the use cases.
    pub avtale: Avtale,
    /// Theme of the design system, instead of the default one.
    pub tema_css: Option<Fil>,
    /// Logo beside the name.
    pub logo: Option<Fil>,
    /// Where the operator publishes the accessibility statement.
    pub tilgjengelighetserklaering_url: Option<String>,
    /// Whom to write to.
    pub kontakt_epost: Option<String>,
    /// Header in which a trusted proxy tells the address of the browser; the last address in it counts.
    pub klientadresse_header: Option<http::HeaderName>,
}

/// Where browsers find the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalUrl {
    origin: String,
    authority: String,
    secure: bool,
}

/// The text is not scheme, host and port of a website.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the address of a portal: write it as https://host or https://host:port")]
pub struct InvalidPortalUrl(String);

impl PortalUrl {
    /// Reads `https://host[:port]`, or `http://…` where there is no TLS.
    ///
    /// # Errors
    /// [`InvalidPortalUrl`] for anything else, such as an address with a path.
    pub fn parse(text: &str) -> Result<Self, InvalidPortalUrl> {
        let wrong = || InvalidPortalUrl(text.to_owned());
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(wrong()) };
        let secure = *scheme == Scheme::HTTPS;
        let bare = uri.path() == "/" && uri.query().is_none() && !authority.as_str().contains('@');
        if !bare || !(secure || *scheme == Scheme::HTTP) {
            return Err(wrong());
        }
        let authority = authority.as_str().to_ascii_lowercase();
        Ok(Self { origin: format!("{scheme}://{authority}"), authority, secure })
    }

    /// `https://host[:port]`, as browsers send it in `Origin`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// `host[:port]`, as browsers send it in `Host`.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is reached over TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The port where it stands in the address.
    pub(crate) fn port(&self) -> Option<&str> {
        self.authority.rsplit_once(':').map(|(_, port)| port).filter(|port| port.parse::<u16>().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portal_url_is_an_origin() {
        let url = PortalUrl::parse("https://Forvaltning.eksempel.no/").unwrap();
        assert_eq!(
            (url.origin(), url.is_secure(), url.port()),
            ("https://forvaltning.eksempel.no", true, None)
        );
        let local = PortalUrl::parse("http://127.0.0.1:8080").unwrap();
        assert_eq!(
            (local.authority(), local.is_secure(), local.port()),
            ("127.0.0.1:8080", false, Some("8080"))
        );
        for wrong in ["", "forvaltning", "https://a/b", "https://a?b", "ftp://a", "https://x@a", "/x"] {
            assert!(PortalUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
