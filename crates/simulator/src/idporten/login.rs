//! The browser's side: a login begins, a person is chosen, a session ends.

use std::collections::BTreeSet;

use form_urlencoded::Serializer;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::token::field;
use super::{
    CODE_LIFETIME, Code, Idporten, Login, OidcKlient, SESSION_LIFETIME, Session, Testperson,
    is_syntetisk_pid, later,
};
use crate::maskinporten::{lock, random_id};

/// A request to log somebody in, found good.
pub(super) struct Asked<'a> {
    pub(super) klient: &'a OidcKlient,
    pub(super) redirect_uri: String,
    state: Option<String>,
    nonce: Option<String>,
    scope: String,
    challenge: String,
    prompt: Prompt,
    max_age_s: Option<i64>,
    hint: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Prompt {
    Any,
    Login,
    None,
}

/// Why a request is not answered with the page.
#[derive(Debug)]
pub(super) enum Wrong {
    /// Nobody knows where the browser may be sent.
    Page(&'static str),
    /// The client is told.
    Redirect(String),
}

/// What the page sends back.
pub(super) enum Choice {
    Person { pid: String, navn: String },
    Cancel,
    Invalid,
}

/// Where the browser goes with its code, and what its cookie says from now on.
pub(super) struct Granted {
    pub(super) location: String,
    pub(super) cookie: String,
}

impl Idporten {
    /// Reads the query of an authorization request.
    pub(super) fn asked(&self, query: &Map<String, Value>) -> Result<Asked<'_>, Wrong> {
        let text = |name: &str| field(query, name);
        let klient = text("client_id")
            .and_then(|id| self.klient(id))
            .ok_or(Wrong::Page("client_id is not the id of a registered client"))?;
        let redirect_uri = text("redirect_uri")
            .filter(|uri| klient.redirect_uris.iter().any(|known| known == uri))
            .ok_or(Wrong::Page("redirect_uri is not registered for this client"))?
            .to_owned();
        let state = text("state").map(str::to_owned);
        let wrong = |error: &str, description: &str| {
            Err(Wrong::Redirect(self.failure(&redirect_uri, state.as_deref(), error, description)))
        };
        if text("response_type") != Some("code") {
            return wrong("unsupported_response_type", "response_type must be code");
        }
        let scope = text("scope").unwrap_or_default();
        if !scope.split_whitespace().any(|scope| scope == "openid") {
            return wrong("invalid_scope", "scope must hold openid");
        }
        let challenge = text("code_challenge").unwrap_or_default();
        if challenge.len() != 43 || text("code_challenge_method") != Some("S256") {
            return wrong("invalid_request", "code_challenge must be there, with method S256");
        }
        let prompt = match text("prompt") {
            None => Prompt::Any,
            Some("login") => Prompt::Login,
            Some("none") => Prompt::None,
            Some(_) => return wrong("invalid_request", "prompt must be login or none"),
        };
        let max_age_s = match text("max_age").map(str::parse) {
            None => None,
            Some(Ok(seconds)) => Some(seconds),
            Some(Err(_)) => return wrong("invalid_request", "max_age must be a number of seconds"),
        };
        Ok(Asked {
            klient,
            state: state.clone(),
            nonce: text("nonce").map(str::to_owned),
            scope: scope.to_owned(),
            challenge: challenge.to_owned(),
            prompt,
            max_age_s,
            hint: text("login_hint").map(str::to_owned),
            redirect_uri,
        })
    }

    /// Where the browser goes without seeing the page: with a code where the person is logged in already, with an error
    /// where nobody is and nobody may be asked.
    pub(super) fn pass(&self, asked: &Asked<'_>, cookie: Option<&str>) -> Option<String> {
        let now = self.now();
        let known = cookie.filter(|_| asked.prompt != Prompt::Login).and_then(|cookie| {
            let mut state = lock(&self.inner.state);
            let session = state.sessions.get_mut(cookie).filter(|session| session.expires > now)?;
            let age_s = now.duration_since(session.login.at).as_secs();
            if asked.max_age_s.is_some_and(|max| age_s >= max) {
                return None;
            }
            session.klienter.insert(asked.klient.client_id.clone());
            Some(session.login.clone())
        });
        match known {
            Some(login) => Some(self.grant(asked, login, now)),
            None if asked.prompt == Prompt::None => Some(self.failure(
                &asked.redirect_uri,
                asked.state.as_deref(),
                "login_required",
                "nobody is logged in",
            )),
            None => None,
        }
    }

    /// The person of the page whom the client names: chosen already, so that nobody need ask.
    pub(super) fn hinted(&self, asked: &Asked<'_>) -> Option<&Testperson> {
        let hint = asked.hint.as_deref().filter(|_| asked.prompt != Prompt::None)?;
        self.personer().iter().find(|person| person.pid == hint)
    }

    /// Reads what the page sends back.
    pub(super) fn choice(&self, form: &Map<String, Value>) -> Choice {
        if form.contains_key("avbryt") {
            return Choice::Cancel;
        }
        let pid: String = field(form, "pid").unwrap_or_default().split_whitespace().collect();
        if !is_syntetisk_pid(&pid) {
            return Choice::Invalid;
        }
        let known = self.personer().iter().find(|person| person.pid == pid).map(|person| &person.navn);
        let written = field(form, "navn").map(str::trim).filter(|navn| !navn.is_empty());
        let navn = known.map(String::as_str).or(written).unwrap_or("Testperson").to_owned();
        Choice::Person { pid, navn }
    }

    /// Logs the person in, in place of whoever was logged in under `cookie`.
    pub(super) fn log_in(
        &self,
        asked: &Asked<'_>,
        pid: String,
        navn: String,
        cookie: Option<&str>,
    ) -> Granted {
        let now = self.now();
        let login = Login { pid, navn, sid: random_id(), at: now };
        let fresh = random_id();
        {
            let mut state = lock(&self.inner.state);
            let mut klienter: BTreeSet<String> = cookie
                .and_then(|cookie| state.sessions.remove(cookie))
                .map(|session| session.klienter)
                .unwrap_or_default();
            klienter.insert(asked.klient.client_id.clone());
            let session = Session { login: login.clone(), expires: later(now, SESSION_LIFETIME), klienter };
            state.sessions.retain(|_, session| session.expires > now);
            state.sessions.insert(fresh.clone(), session);
        }
        Granted { location: self.grant(asked, login, now), cookie: fresh }
    }

    /// The browser goes back without anybody logged in.
    pub(super) fn cancelled(&self, asked: &Asked<'_>) -> String {
        let state = asked.state.as_deref();
        self.failure(&asked.redirect_uri, state, "access_denied", "the login was cancelled")
    }

    fn grant(&self, asked: &Asked<'_>, login: Login, now: Timestamp) -> String {
        let code = random_id();
        let held = Code {
            client_id: asked.klient.client_id.clone(),
            redirect_uri: asked.redirect_uri.clone(),
            challenge: asked.challenge.clone(),
            nonce: asked.nonce.clone(),
            scope: asked.scope.clone(),
            login,
            expires: later(now, CODE_LIFETIME),
        };
        let codes = &mut lock(&self.inner.state).codes;
        codes.retain(|_, code| code.expires > now);
        codes.insert(code.clone(), held);
        let mut parts = vec![("code", code.as_str())];
        parts.extend(asked.state.as_deref().map(|state| ("state", state)));
        parts.push(("iss", self.issuer()));
        with_query(&asked.redirect_uri, &parts)
    }

    fn failure(&self, redirect_uri: &str, state: Option<&str>, error: &str, description: &str) -> String {
        let mut parts = vec![("error", error), ("error_description", description)];
        parts.extend(state.map(|state| ("state", state)));
        parts.push(("iss", self.issuer()));
        with_query(redirect_uri, &parts)
    }

    /// Ends the session under `cookie`. What the browser must load to tell the clients, and where it may go then.
    pub(super) fn end_session(&self, query: &Map<String, Value>, cookie: Option<&str>) -> Ended {
        let hint = field(query, "id_token_hint").and_then(|token| self.own_id_token(token));
        let client_id = hint
            .as_ref()
            .and_then(|claims| claims.get("aud").and_then(Value::as_str))
            .or_else(|| field(query, "client_id"));
        let klient = client_id.and_then(|id| self.klient(id));
        let target = field(query, "post_logout_redirect_uri").filter(|uri| {
            klient.is_some_and(|klient| klient.post_logout_redirect_uris.iter().any(|known| known == uri))
        });
        let location = target.map(|uri| {
            let state = field(query, "state").map(|state| ("state", state));
            with_query(uri, &state.into_iter().collect::<Vec<_>>())
        });
        let session = cookie.and_then(|cookie| lock(&self.inner.state).sessions.remove(cookie));
        let told = session.map(|session| {
            let sid = session.login.sid.as_str();
            let uris = session.klienter.iter().filter_map(|id| {
                let uri = self.klient(id)?.frontchannel_logout_uri.as_ref()?;
                Some(with_query(uri, &[("iss", self.issuer()), ("sid", sid)]))
            });
            uris.collect()
        });
        Ended { told: told.unwrap_or_default(), location }
    }
}

/// What is left to do when a session has ended.
pub(super) struct Ended {
    /// Addresses of the clients that must hear of it.
    pub(super) told: Vec<String>,
    /// Where the browser goes then.
    pub(super) location: Option<String>,
}

fn with_query(uri: &str, parts: &[(&str, &str)]) -> String {
    if parts.is_empty() {
        return uri.to_owned();
    }
    let query = Serializer::new(String::new()).extend_pairs(parts).finish();
    let divider = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{divider}{query}")
}
