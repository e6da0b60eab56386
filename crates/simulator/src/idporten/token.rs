//! From a code to tokens, and ID tokens right and forged.

use aws_lc_rs::digest;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{AccessToken, Idporten, Login, OidcKlient, TOKEN_LIFETIME, later};
use crate::jws::{self, Alg};
use crate::maskinporten::{Key, foreign_key, lock, object, random_id, set};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How an ID token is forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// Signed with a key that the simulator does not publish, under the `kid` of one that it does.
    ForeignKey,
    /// `alg` is `none` and the signature is empty.
    AlgNone,
    /// Another person is put in after signing.
    Tampered,
    /// Of another issuer.
    Issuer,
    /// For another client.
    Audience,
    /// For this client and another one, issued to the other.
    AuthorizedParty,
    /// Of another login.
    Nonce,
    /// Issued and expired an hour ago.
    Expired,
    /// Issued in an hour.
    Future,
    /// At level low.
    LowAcr,
    /// Without `acr`.
    MissingAcr,
    /// The person proved himself an hour ago.
    OldAuthTime,
    /// Without `pid`; userinfo has it.
    PidInUserinfo,
    /// Without `pid`, in userinfo too.
    MissingPid,
    /// Without `pid`; userinfo tells of another person.
    OtherUserinfo,
    /// No ID token at all.
    Missing,
}

/// A refusal of the token endpoint.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) text: &'static str,
}

fn refuse(error: &'static str, text: &'static str) -> Refusal {
    let status = if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    Refusal { status, error, text }
}

/// The form fields by name; none may stand twice.
pub(super) fn read_form(body: &[u8]) -> Option<Map<String, Value>> {
    let mut form = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        if form.insert(name.into_owned(), Value::from(value.into_owned())).is_some() {
            return None;
        }
    }
    Some(form)
}

pub(super) fn field<'a>(form: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    form.get(name).and_then(Value::as_str).filter(|value| !value.is_empty())
}

pub(super) fn exchange(
    idporten: &Idporten,
    authorization: Option<&str>,
    body: &[u8],
) -> Result<Value, Refusal> {
    let now = idporten.now();
    let form = read_form(body).ok_or_else(|| refuse("invalid_request", "a field stands twice"))?;
    let klient = authenticate(idporten, authorization, &form, now)?;
    if field(&form, "grant_type") != Some("authorization_code") {
        return Err(refuse("unsupported_grant_type", "grant_type must be authorization_code"));
    }
    let code = field(&form, "code").ok_or_else(|| refuse("invalid_request", "code is missing"))?;
    // Taken away whatever comes of it: a code is tried once.
    let code = lock(&idporten.inner.state).codes.remove(code);
    let code = code.ok_or_else(|| refuse("invalid_grant", "the code is unknown or was used before"))?;
    if code.expires <= now {
        return Err(refuse("invalid_grant", "the code has expired"));
    }
    if code.client_id != klient.client_id {
        return Err(refuse("invalid_grant", "the code was given to another client"));
    }
    if field(&form, "redirect_uri") != Some(&code.redirect_uri) {
        return Err(refuse("invalid_grant", "redirect_uri is not the one that the code was sent to"));
    }
    let verifier = field(&form, "code_verifier").unwrap_or_default();
    if jws::encode(digest::digest(&digest::SHA256, verifier.as_bytes())) != code.challenge {
        return Err(refuse("invalid_grant", "code_verifier does not fit code_challenge"));
    }
    let access_token = random_id();
    {
        let tokens = &mut lock(&idporten.inner.state).access_tokens;
        tokens.retain(|_, token| token.expires > now);
        let (login, client_id) = (code.login.clone(), code.client_id.clone());
        let token = AccessToken { login, client_id, expires: later(now, TOKEN_LIFETIME) };
        tokens.insert(access_token.clone(), token);
    }
    let mut answer = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME.as_secs(),
        "scope": code.scope,
    });
    let profile = code.scope.split_whitespace().any(|scope| scope == "profile");
    if let Some(token) = idporten.id_token(&code.login, &code.client_id, code.nonce.as_deref(), profile) {
        answer["id_token"] = Value::from(token);
    }
    Ok(answer)
}

fn authenticate<'a>(
    idporten: &'a Idporten,
    authorization: Option<&str>,
    form: &Map<String, Value>,
    now: Timestamp,
) -> Result<&'a OidcKlient, Refusal> {
    let wrong = || refuse("invalid_client", "the client is unknown, or did not prove who it is");
    if let Some(basic) = authorization.and_then(|value| value.strip_prefix("Basic ")) {
        let (id, secret) = STANDARD
            .decode(basic)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| text.split_once(':').map(|(id, secret)| (plain(id), plain(secret))))
            .ok_or_else(wrong)?;
        let klient = idporten.klient(&id).ok_or_else(wrong)?;
        return if klient.secret == Some(secret) { Ok(klient) } else { Err(wrong()) };
    }
    let klient = field(form, "client_id").and_then(|id| idporten.klient(id)).ok_or_else(wrong)?;
    let proven = match (&klient.secret, &klient.public_key) {
        (_, Some(key)) if field(form, "client_assertion").is_some() => {
            asserted(idporten, klient, key, form, now).is_some()
        }
        (Some(secret), _) => field(form, "client_secret") == Some(secret),
        (None, Some(_)) => false,
        (None, None) => true,
    };
    if proven { Ok(klient) } else { Err(wrong()) }
}

/// Undoes the form encoding of RFC 6749 §2.3.1.
fn plain(text: &str) -> String {
    form_urlencoded::parse(format!("x={text}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Whether the client's assertion is good: RS256, about itself, for us, fresh, not used before.
fn asserted(
    idporten: &Idporten,
    klient: &OidcKlient,
    key: &[u8],
    form: &Map<String, Value>,
    now: Timestamp,
) -> Option<()> {
    let jwt = jws::parse(field(form, "client_assertion")?)?;
    let text = |name: &str| jwt.claims.get(name).and_then(Value::as_str);
    let time = |name: &str| jwt.claims.get(name).and_then(Value::as_i64);
    let (issued, expires, now_s) = (time("iat")?, time("exp")?, now.as_second());
    let good = field(form, "client_assertion_type") == Some(ASSERTION_TYPE)
        && jwt.header.get("alg").and_then(Value::as_str) == Some("RS256")
        && jws::is_signed_by(key, Alg::Rs256, jwt.input.as_bytes(), &jwt.signature)
        && text("iss") == Some(&klient.client_id)
        && text("sub") == Some(&klient.client_id)
        && text("aud") == Some(idporten.issuer())
        && issued <= now_s + 10
        && (now_s..=now_s + 120).contains(&expires);
    if !good {
        return None;
    }
    let until = Timestamp::from_second(expires).ok()?;
    let used = &mut lock(&idporten.inner.state).used;
    used.retain(|_, until| *until > now);
    used.insert((klient.client_id.clone(), text("jti")?.to_owned()), until).is_none().then_some(())
}

impl Idporten {
    /// An ID token, forged if so ordered.
    fn id_token(&self, login: &Login, client_id: &str, nonce: Option<&str>, profile: bool) -> Option<String> {
        let forgery = lock(&self.inner.state).forgery;
        let now = self.now().as_second();
        let mut claims = object(json!({
            "iss": self.issuer(),
            "aud": client_id,
            "sub": subject(&login.pid, client_id),
            "pid": login.pid,
            "amr": ["TestID"],
            "auth_time": login.at.as_second(),
            "sid": login.sid,
            "iat": now,
            "exp": now + TOKEN_LIFETIME.as_secs(),
            "jti": random_id(),
        }));
        if let Some(nonce) = nonce {
            claims.insert("nonce".to_owned(), Value::from(nonce));
        }
        if profile {
            claims.insert("name".to_owned(), Value::from(login.navn.clone()));
        }
        if !self.inner.config.acr.is_empty() {
            claims.insert("acr".to_owned(), Value::from(self.inner.config.acr.clone()));
        }
        for (name, value) in changes(forgery, client_id, now) {
            set(&mut claims, name, value);
        }
        match forgery {
            Some(Forgery::Missing) => None,
            Some(Forgery::ForeignKey) => {
                let kid = self.inner.keys.with_current(|key| key.kid.clone());
                Some(sign(&foreign_key(), &kid, &claims))
            }
            Some(Forgery::AlgNone) => {
                let kid = self.inner.keys.with_current(|key| key.kid.clone());
                Some(format!("{}.", jws::signing_input(&header("none", &kid), &claims)))
            }
            Some(Forgery::Tampered) => Some(self.inner.keys.with_current(|key| {
                let honest = sign(key, &key.kid, &claims);
                set(&mut claims, "pid", Value::from(super::syntetisk_pid(999)));
                let input = jws::signing_input(&header(Alg::Rs256.name(), &key.kid), &claims);
                format!("{input}.{}", honest.rsplit('.').next().unwrap_or_default())
            })),
            _ => Some(self.inner.keys.with_current(|key| sign(key, &key.kid, &claims))),
        }
    }

    /// What userinfo tells for an access token.
    pub(super) fn userinfo(&self, access_token: &str) -> Option<Value> {
        let now = self.now();
        let state = lock(&self.inner.state);
        let AccessToken { login, client_id, expires } = state.access_tokens.get(access_token)?;
        if *expires <= now {
            return None;
        }
        let mut claims = object(json!({
            "sub": subject(&login.pid, client_id),
            "pid": login.pid,
            "name": login.navn,
        }));
        match state.forgery {
            Some(Forgery::MissingPid) => set(&mut claims, "pid", Value::Null),
            Some(Forgery::OtherUserinfo) => set(&mut claims, "sub", Value::from("another")),
            _ => {}
        }
        Some(Value::Object(claims))
    }

    /// The claims of an ID token that this simulator signed once; it may have expired since.
    pub(super) fn own_id_token(&self, token: &str) -> Option<Map<String, Value>> {
        let jwt = jws::parse(token)?;
        self.inner
            .keys
            .with_current(|key| {
                jws::is_signed_by(key.public_key(), Alg::Rs256, jwt.input.as_bytes(), &jwt.signature)
            })
            .then_some(jwt.claims)
    }
}

/// What the client knows the person by besides `pid`: another for each client, as with ID-porten.
fn subject(pid: &str, client_id: &str) -> String {
    jws::encode(digest::digest(&digest::SHA256, format!("{client_id}\n{pid}").as_bytes()))
}

/// The claims that `forgery` sets, `null` for those that it takes away.
fn changes(forgery: Option<Forgery>, client_id: &str, now: i64) -> Vec<(&'static str, Value)> {
    const HOUR_S: i64 = 3600;
    match forgery {
        Some(Forgery::Issuer) => vec![("iss", json!("https://idporten.example"))],
        Some(Forgery::Audience) => vec![("aud", json!("another"))],
        Some(Forgery::AuthorizedParty) => {
            vec![("aud", json!([client_id, "another"])), ("azp", json!("another"))]
        }
        Some(Forgery::Nonce) => vec![("nonce", json!("another"))],
        Some(Forgery::Expired) => vec![("iat", json!(now - 2 * HOUR_S)), ("exp", json!(now - HOUR_S))],
        Some(Forgery::Future) => vec![("iat", json!(now + HOUR_S)), ("exp", json!(now + 2 * HOUR_S))],
        Some(Forgery::LowAcr) => vec![("acr", json!("idporten-loa-low"))],
        Some(Forgery::MissingAcr) => vec![("acr", Value::Null)],
        Some(Forgery::OldAuthTime) => vec![("auth_time", json!(now - HOUR_S))],
        Some(Forgery::PidInUserinfo | Forgery::MissingPid | Forgery::OtherUserinfo) => {
            vec![("pid", Value::Null)]
        }
        _ => Vec::new(),
    }
}

fn header(alg: &str, kid: &str) -> Map<String, Value> {
    object(json!({ "alg": alg, "kid": kid }))
}

fn sign(key: &Key, kid: &str, claims: &Map<String, Value>) -> String {
    let input = jws::signing_input(&header(Alg::Rs256.name(), kid), claims);
    let signature = jws::sign(&key.pair, Alg::Rs256, &input)
        .expect("the keys of the simulator are RSA of 2048 bits or more");
    format!("{input}.{}", jws::encode(signature))
}
