//! Asking an issuer: with time-outs, bounded answers, no redirects, and TLS but on this machine.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, StatusCode, Url};

use crate::config::ConfigError;

#[derive(Debug, Clone)]
pub(crate) struct HttpOptions {
    pub(crate) timeout: Duration,
    pub(crate) max_answer_bytes: usize,
    pub(crate) root_certificates: Option<Vec<u8>>,
    pub(crate) danger_allow_plain_http: bool,
}

impl HttpOptions {
    /// Whether `url` may be asked.
    pub(crate) fn may_fetch(&self, url: &Url) -> bool {
        match url.scheme() {
            "https" => true,
            "http" => self.danger_allow_plain_http || is_loopback(url),
            _ => false,
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("reach the issuer")]
    Request(#[source] reqwest::Error),
    #[error("ask the issuer: it answered {0}")]
    Status(StatusCode),
    #[error("ask the issuer: the answer has more than {0} bytes")]
    TooLarge(usize),
    #[error("ask the issuer: an address in its metadata is not https")]
    Address,
}

#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    options: HttpOptions,
}

impl Http {
    /// A client for the issuer at `url`.
    pub(crate) fn new(options: HttpOptions, url: &Url) -> Result<Self, ConfigError> {
        // Without one reqwest panics.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(ConfigError::NoCryptoProvider);
        }
        let mut builder = reqwest::Client::builder()
            .timeout(options.timeout)
            .connect_timeout(options.timeout)
            .redirect(Policy::none());
        if let Some(pem) = &options.root_certificates {
            builder = builder
                .tls_certs_only(reqwest::Certificate::from_pem_bundle(pem).map_err(ConfigError::HttpClient)?);
        } else if url.scheme() == "http" {
            // The certificates of the system are not needed, and reading them takes time.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(url) {
            builder = builder.no_proxy();
        }
        Ok(Self { client: builder.build().map_err(ConfigError::HttpClient)?, options })
    }

    /// The URL of `address`, if it may be asked.
    pub(crate) fn url(&self, address: &str) -> Result<Url, HttpError> {
        let url: Url = address.parse().map_err(|_| HttpError::Address)?;
        if self.options.may_fetch(&url) { Ok(url) } else { Err(HttpError::Address) }
    }

    /// The body of a 200.
    pub(crate) async fn get(&self, address: &str) -> Result<Vec<u8>, HttpError> {
        let url = self.url(address)?;
        expect_ok(self.send(self.client.get(url)).await?)
    }

    /// The body of a 200 from a [`Http::url`], asked for with a bearer token.
    pub(crate) async fn get_with_bearer(&self, url: Url, token: &str) -> Result<Vec<u8>, HttpError> {
        expect_ok(self.send(self.client.get(url).bearer_auth(token)).await?)
    }

    /// Posts a form to a [`Http::url`]; `basic` is a user and password already encoded as RFC 6749 §2.3.1 wants.
    pub(crate) async fn post_form(
        &self,
        url: Url,
        form: &[(&str, &str)],
        basic: Option<(String, String)>,
    ) -> Result<(StatusCode, Vec<u8>), HttpError> {
        let mut request = self.client.post(url).form(form);
        if let Some((user, password)) = basic {
            request = request.basic_auth(user, Some(password));
        }
        self.send(request).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), HttpError> {
        // Without the URL: the query of an error may not end up in a log.
        let error = |error: reqwest::Error| HttpError::Request(error.without_url());
        let mut response = request.send().await.map_err(error)?;
        let limit = self.options.max_answer_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(error)? {
            if body.len() + chunk.len() > limit {
                return Err(HttpError::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status(), body))
    }
}

fn expect_ok((status, body): (StatusCode, Vec<u8>)) -> Result<Vec<u8>, HttpError> {
    if status == StatusCode::OK { Ok(body) } else { Err(HttpError::Status(status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        let mut options = HttpOptions {
            timeout: Duration::from_secs(1),
            max_answer_bytes: 1,
            root_certificates: None,
            danger_allow_plain_http: false,
        };
        let may = |options: &HttpOptions, url: &str| options.may_fetch(&url.parse().unwrap());
        for url in
            ["https://maskinporten.no/jwk", "http://localhost:1/", "http://127.0.0.9/", "http://[::1]:8080/"]
        {
            assert!(may(&options, url), "{url}");
        }
        for url in
            ["http://maskinporten.no/", "http://localhost.example/", "http://10.0.0.1/", "ftp://localhost/"]
        {
            assert!(!may(&options, url), "{url}");
        }
        options.danger_allow_plain_http = true;
        assert!(may(&options, "http://simulator:8080/"));
    }
}
