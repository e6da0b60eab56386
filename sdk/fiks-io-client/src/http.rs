//! The HTTP APIs: one client with the integrasjon's headers, and one place that reads error answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::error::ErrorMessage;
use wire::headers::{INTEGRASJON_ID, INTEGRASJON_PASSORD};

use crate::config::{Config, ConfigError};
use crate::error::{Error, Peer};
use crate::maskinporten::Tokens;

/// How long to wait for the answer to a request that carries no payload.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The largest JSON answer that is read.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// The most of an error answer that is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The HTTP client under everything. Follows no redirects: credentials go where the configuration says and nowhere else.
pub(crate) fn client(tls: rustls::ClientConfig) -> Result<Client, ConfigError> {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(KEEP_ALIVE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("fiks-io-client-rust/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|source| ConfigError::Setup { what: "the HTTP client", source: Box::new(source) })
}

/// The HTTP APIs of Fiks Protokoll.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: Client,
    base: Url,
    integrasjon_id: HeaderValue,
    integrasjon_passord: HeaderValue,
    tokens: Arc<Tokens>,
}

impl Api {
    pub(crate) fn new(client: Client, config: &Config, tokens: Arc<Tokens>) -> Result<Self, ConfigError> {
        let header = |key, value: &str| {
            HeaderValue::from_str(value)
                .map_err(|_| ConfigError::Invalid { key, reason: "it cannot stand in a header".to_owned() })
        };
        let mut integrasjon_passord = header("integrasjonPassord", config.integrasjon_passord.expose())?;
        integrasjon_passord.set_sensitive(true);
        Ok(Self {
            client,
            base: config.api.clone(),
            integrasjon_id: header("integrasjonId", &config.integrasjon_id.to_string())?,
            integrasjon_passord,
            tokens,
        })
    }

    /// A request without credentials. `segments` of the path are percent-encoded each.
    pub(crate) fn open(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        self.client.request(method, url)
    }

    /// A request with the credentials of the integrasjon.
    pub(crate) async fn request(&self, method: Method, segments: &[&str]) -> Result<RequestBuilder, Error> {
        let token = self.tokens.token().await?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Error::unexpected(Peer::Maskinporten, "the token cannot stand in a header"))?;
        bearer.set_sensitive(true);
        Ok(self
            .open(method, segments)
            .header(AUTHORIZATION, bearer)
            .header(INTEGRASJON_ID, self.integrasjon_id.clone())
            .header(INTEGRASJON_PASSORD, self.integrasjon_passord.clone()))
    }

    /// Sends a request and takes any answer below 400.
    pub(crate) async fn execute(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(|error| http_error(Peer::Api, error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::UNAUTHORIZED {
            // The token may have been withdrawn, or this machine's clock be slow.
            self.tokens.forget();
        }
        if status.is_redirection() {
            return Err(Error::unexpected(Peer::Api, format!("a redirect with status {status}")));
        }
        let body = read_body(response, Peer::Api, MAX_ERROR_BYTES).await.unwrap_or_default();
        Err(Error::Refused { status: status.as_u16(), error: Box::new(error_message(status, &body)) })
    }

    /// Sends a request and reads a JSON answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let response = self.execute(request.timeout(ANSWER_TIMEOUT)).await?;
        parse_json(response).await
    }

    /// Sends a request and passes over what is answered.
    pub(crate) async fn empty(&self, request: RequestBuilder) -> Result<(), Error> {
        self.execute(request.timeout(ANSWER_TIMEOUT)).await.map(drop)
    }

    /// `GET` with credentials.
    pub(crate) async fn get<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, Error> {
        self.json(self.request(Method::GET, segments).await?).await
    }

    /// `method` with credentials and a JSON body, answered with JSON.
    pub(crate) async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        segments: &[&str],
        body: &(impl Serialize + Sync),
    ) -> Result<T, Error> {
        self.json(self.request(method, segments).await?.json(body)).await
    }
}

/// Reads a JSON answer.
pub(crate) async fn parse_json<T: DeserializeOwned>(response: Response) -> Result<T, Error> {
    let body = read_body(response, Peer::Api, MAX_ANSWER_BYTES).await?;
    serde_json::from_slice(&body).map_err(|error| Error::unexpected(Peer::Api, error.to_string()))
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(mut response: Response, peer: Peer, limit: usize) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| http_error(peer, error))? {
        if body.len() + chunk.len() > limit {
            return Err(Error::unexpected(peer, format!("it is longer than {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

pub(crate) fn http_error(peer: Peer, error: reqwest::Error) -> Error {
    if error.is_timeout() && !error.is_connect() {
        Error::Timeout { peer, waited: ANSWER_TIMEOUT }
    } else {
        // The URL can hold names; the peer says enough.
        Error::connection(peer, error.without_url())
    }
}

/// The `ErrorMessage` of an answer, or one made up where a proxy answered in its own words.
fn error_message(status: StatusCode, body: &[u8]) -> ErrorMessage {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        let reason = status.canonical_reason().map(str::to_owned);
        let text: String = String::from_utf8_lossy(body).chars().take(500).collect();
        ErrorMessage {
            timestamp: None,
            status: status.as_u16(),
            message: if text.trim().is_empty() { reason.clone().unwrap_or_default() } else { text },
            error: reason,
            error_id: None,
            path: None,
            error_code: None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_no_error_message_is_still_shown() {
        let error = error_message(StatusCode::BAD_GATEWAY, b"<html>nginx</html>");
        assert_eq!((error.status, error.message.as_str()), (502, "<html>nginx</html>"));
        let error = error_message(StatusCode::BAD_GATEWAY, b"");
        assert_eq!(error.message, "Bad Gateway");
        let error = error_message(
            StatusCode::FORBIDDEN,
            br#"{"status":403,"message":"Ingen tilgang","errorCode":"x"}"#,
        );
        assert_eq!((error.message.as_str(), error.error_code.as_deref()), ("Ingen tilgang", Some("x")));
    }
}
