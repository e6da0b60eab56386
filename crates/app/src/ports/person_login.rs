use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

/// Logs people in at a provider such as ID-porten, by a journey of the browser there and back.
///
/// The edge that sends the browser keeps the [`LoginStart`] of each journey where only this browser can bring it back from,
/// and compares its `state` before it calls [`PersonLogin::finish`].
#[async_trait]
pub trait PersonLogin: Send + Sync + 'static {
    /// What users call the provider, such as `ID-porten`.
    fn navn(&self) -> &str;

    /// Origin of the provider (`scheme://host[:port]`), for the pages' form-action.
    fn origin(&self) -> &str;

    /// Issuer, for front-channel logout.
    fn issuer(&self) -> &str;

    /// Address to send the browser to. `started` holds the secrets that must come back to [`PersonLogin::finish`].
    ///
    /// # Errors
    /// [`PersonLoginError::Unavailable`].
    async fn start(&self, started: &LoginStart, now: Timestamp) -> Result<String, PersonLoginError>;

    /// Who came back with `answer`. Verifies issuer, audience, nonce, times and level, all of them, before it tells; and
    /// before the code goes anywhere, that the answer is of the provider that the browser was sent to (RFC 9207).
    ///
    /// # Errors
    /// [`PersonLoginError::Refused`] for whatever is wrong with the answer or the tokens that its code buys,
    /// [`PersonLoginError::Unavailable`] when the provider does not answer.
    async fn finish(
        &self,
        answer: LoginAnswer<'_>,
        started: &LoginStart,
        now: Timestamp,
    ) -> Result<VerifiedPerson, PersonLoginError>;

    /// Address that ends the login at the provider, if it has one.
    async fn logout_url(&self, id_token: Option<&str>, state: &str) -> Option<String>;
}

/// One journey to the provider: what is sent along, and what must come back unchanged.
#[derive(Clone)]
pub struct LoginStart {
    /// Ties the answer to the browser that set out.
    pub state: String,
    /// Ties the id token to the journey.
    pub nonce: String,
    /// The PKCE verifier; the provider gets its hash first and itself with the code.
    pub verifier: String,
    /// Language of the provider's pages: `nb`, `nn` or `en`.
    pub sprak: String,
    /// The person must prove himself again, although he is logged in at the provider (`prompt=login`).
    pub force: bool,
    /// Who is going to log in, where that is known (`login_hint`). The provider need not heed it.
    pub hint: Option<String>,
}

impl fmt::Debug for LoginStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginStart")
            .field("sprak", &self.sprak)
            .field("force", &self.force)
            .finish_non_exhaustive()
    }
}

/// What the browser brings back from the provider.
#[derive(Clone, Copy)]
pub struct LoginAnswer<'a> {
    /// What the tokens are bought with.
    pub code: &'a str,
    /// The provider's own word for who answers (`iss`), where it gives one.
    pub issuer: Option<&'a str>,
}

impl fmt::Debug for LoginAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAnswer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A person whom the provider vouches for.
pub struct VerifiedPerson {
    /// What the provider knows him by.
    pub identifier: PersonIdentifier,
    /// His name, where the provider tells it.
    pub navn: Option<String>,
    /// The level at which he proved himself.
    pub acr: Option<String>,
    /// The provider's own id of the login, for front-channel logout.
    pub sid: Option<String>,
    /// The id token as it came, for logging out at the provider.
    pub id_token: String,
}

impl fmt::Debug for VerifiedPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedPerson").field("acr", &self.acr).finish_non_exhaustive()
    }
}

/// What a provider knows a person by, such as a fødselsnummer. Only a keyed hash of it is ever kept.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonIdentifier(String);

impl PersonIdentifier {
    /// Takes an identifier as the provider or an administrator wrote it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The identifier in clear, for hashing and checking. It goes nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonIdentifier(…)")
    }
}

/// Why a person was not logged in.
#[derive(Debug, thiserror::Error)]
pub enum PersonLoginError {
    /// The code or its tokens are no good. `reason` is for the log; it holds nothing of them and nothing of the person.
    #[error("login refused: {reason}")]
    Refused {
        /// What is wrong, such as `the nonce is another`.
        reason: String,
    },
    /// The provider cannot be reached now.
    #[error("the login provider is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_people_are_not_shown_by_debug() {
        let started = LoginStart {
            state: "hemmelig".to_owned(),
            nonce: "hemmelig".to_owned(),
            verifier: "hemmelig".to_owned(),
            sprak: "nb".to_owned(),
            force: false,
            hint: None,
        };
        let verified = VerifiedPerson {
            identifier: PersonIdentifier::new("hemmelig"),
            navn: Some("hemmelig".to_owned()),
            acr: Some("idporten-loa-substantial".to_owned()),
            sid: Some("hemmelig".to_owned()),
            id_token: "hemmelig".to_owned(),
        };
        let answer = LoginAnswer { code: "hemmelig", issuer: None };
        let shown = format!("{started:?} {answer:?} {verified:?} {:?}", verified.identifier);
        assert!(!shown.contains("hemmelig"), "{shown}");
        assert_eq!(verified.identifier.reveal(), "hemmelig");
    }
}
