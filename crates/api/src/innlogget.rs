//! Who calls: the log-in by headers.
//!
//! Source: Fiks' documentation, "integrasjoner".

use app::ports::TokenError;
use app::{App, Caller, Door, Error, LoginAttempt};
use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use wire::headers::{INTEGRASJON_ID, INTEGRASJON_PASSORD};

use crate::failure::Failure;

/// An integrasjon that has logged in. A handler that takes it is not reached by anybody else.
pub(crate) struct Innlogget(pub(crate) Caller);

impl FromRequestParts<App> for Innlogget {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let door = parts.extensions.get::<Door>();
        match log_in(&parts.headers, app).await {
            Ok(caller) => {
                door.map_or(Ok(()), |Door(keeper)| keeper.admit(&caller))?;
                Ok(Self(caller))
            }
            Err(error @ (Error::Login { .. } | Error::Token(TokenError::Invalid { .. }))) => {
                door.map_or(Ok(()), |Door(keeper)| keeper.log_in_refused())?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

async fn log_in(headers: &HeaderMap, app: &App) -> Result<Caller, Error> {
    let token = one(headers, AUTHORIZATION.as_str()).and_then(bearer);
    // Reported like a bad one.
    let token = token.ok_or_else(|| TokenError::Invalid { reason: "there is none".to_owned() })?;
    let attempt = LoginAttempt {
        integrasjon_id: one(headers, INTEGRASJON_ID).unwrap_or_default(),
        passord: one(headers, INTEGRASJON_PASSORD).unwrap_or_default(),
        token,
    };
    Ok(app.login_integrasjon(attempt).await?.into())
}

/// The value of a header that stands there exactly once: with two, nobody could say which one others went by.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// The token of `Bearer <token>`; the scheme in any case (RFC 9110 §11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_what_follows_the_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bEARER  abc "), Some("abc"));
        for bad in ["Bearer", "Bearer ", "Basic abc", "abc", ""] {
            assert_eq!(bearer(bad), None, "{bad}");
        }
    }

    #[test]
    fn header_that_stands_twice_does_not_count() {
        let mut headers = HeaderMap::new();
        headers.append("IntegrasjonId", "a".parse().unwrap());
        assert_eq!(one(&headers, INTEGRASJON_ID), Some("a"));
        headers.append("integrasjonid", "b".parse().unwrap());
        assert_eq!(one(&headers, INTEGRASJON_ID), None);
    }
}
