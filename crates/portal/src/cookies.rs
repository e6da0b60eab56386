//! The two cookies there are: of the session, and of a login under way.

use app::sesjon::INNLOGGING;
use http::{HeaderMap, HeaderValue, header};

use crate::config::PortalUrl;

/// How the cookies of this installation are called and set.
#[derive(Debug, Clone)]
pub(crate) struct Cookies {
    sesjon: String,
    innlogging: String,
    attributes: &'static str,
}

impl Cookies {
    pub(crate) fn new(url: &PortalUrl) -> Self {
        if url.is_secure() {
            return Self {
                sesjon: "__Host-sesjon".to_owned(),
                innlogging: "__Host-innlogging".to_owned(),
                attributes: "; Path=/; Secure; HttpOnly; SameSite=Lax",
            };
        }
        // Browsers take no `__Host-` cookie without TLS, and share cookies among the ports of a host.
        let port = url.port().unwrap_or("80");
        Self {
            sesjon: format!("sesjon-uten-tls-{port}"),
            innlogging: format!("innlogging-uten-tls-{port}"),
            attributes: "; Path=/; HttpOnly; SameSite=Lax",
        }
    }

    /// Token of the session, if the browser sent one.
    pub(crate) fn sesjon<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        find(headers, &self.sesjon)
    }

    /// What was kept for the login under way.
    pub(crate) fn innlogging<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        find(headers, &self.innlogging)
    }

    /// Names of both, for the page that tells of them.
    pub(crate) fn names(&self) -> (&str, &str) {
        (&self.sesjon, &self.innlogging)
    }

    /// Sets the session, for as long as the browser is open; the server ends it earlier.
    pub(crate) fn set_sesjon(&self, token: &str) -> HeaderValue {
        self.value(&self.sesjon, token, "")
    }

    pub(crate) fn remove_sesjon(&self) -> HeaderValue {
        self.value(&self.sesjon, "", "; Max-Age=0")
    }

    pub(crate) fn set_innlogging(&self, value: &str) -> HeaderValue {
        self.value(&self.innlogging, value, &format!("; Max-Age={}", INNLOGGING.as_secs()))
    }

    pub(crate) fn remove_innlogging(&self) -> HeaderValue {
        self.value(&self.innlogging, "", "; Max-Age=0")
    }

    fn value(&self, name: &str, value: &str, more: &str) -> HeaderValue {
        let mut header = HeaderValue::try_from(format!("{name}={value}{}{more}", self.attributes))
            .expect("tokens, base64url, digits and full stops are what a header may have");
        header.set_sensitive(true);
        header
    }
}

fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_host_bound_over_tls_and_have_other_names_without() {
        let secure = Cookies::new(&PortalUrl::parse("https://a.no").unwrap());
        assert_eq!(secure.set_sesjon("x"), "__Host-sesjon=x; Path=/; Secure; HttpOnly; SameSite=Lax");
        let plain = Cookies::new(&PortalUrl::parse("http://127.0.0.1:8080").unwrap());
        assert_eq!(plain.set_sesjon("x"), "sesjon-uten-tls-8080=x; Path=/; HttpOnly; SameSite=Lax");
        assert!(plain.remove_innlogging().to_str().unwrap().contains("Max-Age=0"));
    }

    #[test]
    fn own_cookie_is_found_among_others() {
        let cookies = Cookies::new(&PortalUrl::parse("https://a.no").unwrap());
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; x__Host-sesjon=no"));
        assert_eq!(cookies.sesjon(&headers), None);
        headers.append(header::COOKIE, HeaderValue::from_static("c=d; __Host-sesjon=token"));
        assert_eq!(cookies.sesjon(&headers), Some("token"));
    }
}
