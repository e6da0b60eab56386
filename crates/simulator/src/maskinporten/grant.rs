//! The token endpoint: from a JWT grant to an access token.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};
use wire::maskinporten::TokenResponse;

use super::certificate::{self, Certificate};
use super::{ActsFor, CertificateCheck, Klient, Simulator, TokenOrder};
use crate::jws::{self, Alg, Unverified};
use crate::orgnr;

pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The longest life of a grant, in seconds, and one more for the rounding of .NET's floats.
const MAX_LIFETIME_S: f64 = 120.0 + 1.0;
/// How far the clocks may differ, in seconds.
const LEEWAY_S: f64 = 10.0;

/// A refusal with Maskinporten's own code.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) code: &'static str,
    pub(super) text: String,
}

fn refuse(error: &'static str, code: &'static str, text: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, error, code, text: text.into() }
}

fn invalid_grant(code: &'static str, text: impl Into<String>) -> Refusal {
    refuse("invalid_grant", code, text)
}

pub(super) fn token(simulator: &Simulator, body: &[u8]) -> Result<TokenResponse, Refusal> {
    let now = simulator.now();
    let assertion = read_form(body)?;
    let jwt = jws::parse(&assertion).ok_or_else(|| {
        refuse("invalid_request", "MP-010", "assertion is not a JWT of three base64url parts")
    })?;
    let alg = jwt.header.get("alg").and_then(Value::as_str).and_then(Alg::from_name);
    let alg = alg.ok_or_else(|| invalid_grant("MP-124", "alg must be RS256, RS384 or RS512"))?;

    let client_id = text_claim(&jwt.claims, "iss")?;
    let klient = simulator
        .klient(client_id)
        .ok_or_else(|| invalid_grant("MP-100", "iss is not the id of a registered client"))?;
    let own = authenticate(simulator, &klient, &jwt, alg, now)?;
    check_audience(simulator, &jwt.claims)?;
    let expires = check_times(simulator, &jwt.claims, now)?;
    let scope = granted_scopes(&klient, &jwt.claims)?;
    let consumer = consumer(&klient, &own.orgnr, &jwt.claims)?;
    let audience = audience(&jwt.claims)?;
    if let Some(jti) = jwt.claims.get("jti") {
        let jti = jti.as_str().ok_or_else(|| refuse("invalid_request", "MP-010", "jti must be a string"))?;
        // Past `exp` the grant is refused for its age, so nothing needs to be remembered longer than the leeway.
        let until = expires + jiff::SignedDuration::from_secs(20);
        if !simulator.use_jti(client_id, jti, until, now) {
            return Err(invalid_grant("MP-012", "jti has been used before"));
        }
    }

    let mut order = TokenOrder::new(&consumer).scope(&scope).audience(audience);
    client_id.clone_into(&mut order.client_id);
    order.client_amr = own.method;
    if consumer != own.orgnr {
        order.supplier = Some(own.orgnr);
    }
    if let Some(pid) = jwt.claims.get("pid").filter(|pid| pid.is_string()) {
        order = order.claim("pid", pid.clone());
    }
    Ok(TokenResponse {
        access_token: simulator.mint(&order),
        token_type: "Bearer".to_owned(),
        expires_in: simulator.inner.config.lifetime.as_secs(),
        scope,
    })
}

/// Takes the assertion out of the form. Colons need not be percent-encoded: KS's Java client sends them as they are.
fn read_form(body: &[u8]) -> Result<String, Refusal> {
    let (mut grant_type, mut assertion) = (None, None);
    for (name, value) in form_urlencoded::parse(body) {
        let slot = match &*name {
            "grant_type" => &mut grant_type,
            "assertion" => &mut assertion,
            _ => continue,
        };
        if slot.replace(value.into_owned()).is_some() {
            return Err(refuse("invalid_request", "MP-010", format!("{name} is there more than once")));
        }
    }
    match grant_type.as_deref() {
        Some(GRANT_TYPE) => {}
        Some(_) => {
            return Err(refuse(
                "unsupported_grant_type",
                "MP-010",
                format!("grant_type must be {GRANT_TYPE}"),
            ));
        }
        None => return Err(refuse("invalid_request", "MP-010", "grant_type is missing")),
    }
    assertion.ok_or_else(|| refuse("invalid_request", "MP-010", "assertion is missing"))
}

fn text_claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    let claim = claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    claim.ok_or_else(|| {
        refuse("invalid_request", "MP-010", format!("the claim {name} is missing or not a string"))
    })
}

/// Who signed the grant.
struct Authenticated {
    orgnr: String,
    method: &'static str,
}

/// Finds the key of the grant and checks the signature. With both `x5c` and `kid` in the header `x5c` counts: KS's .NET
/// client sends both.
fn authenticate(
    simulator: &Simulator,
    klient: &Klient,
    jwt: &Unverified<'_>,
    alg: Alg,
    now: Timestamp,
) -> Result<Authenticated, Refusal> {
    let authenticated = if let Some(x5c) = jwt.header.get("x5c").filter(|x5c| !x5c.is_null()) {
        let der = first_certificate(x5c)?;
        let checks = &simulator.inner.config.certificates;
        let certificate = Certificate::parse(&der).ok_or_else(|| bad_certificate("it is not X.509"))?;
        certificate::check(&certificate, checks, now).map_err(bad_certificate)?;
        check_signature(certificate.public_key(), alg, jwt)?;
        let strict = matches!(checks, CertificateCheck::Strict(_));
        let orgnr = certificate.orgnr(strict).map_err(bad_certificate)?;
        if klient.orgnr.as_ref().is_some_and(|registered| *registered != orgnr) {
            return Err(invalid_grant(
                "MP-122",
                "the organisasjonsnummer of the certificate is not that of the client",
            ));
        }
        Authenticated { orgnr, method: "virksomhetssertifikat" }
    } else {
        let kid = jwt.header.get("kid").and_then(Value::as_str);
        let kid = kid.ok_or_else(|| invalid_grant("MP-120", "the header has neither x5c nor kid"))?;
        let key = klient
            .keys
            .get(kid)
            .ok_or_else(|| invalid_grant("MP-124", "kid is not registered to the client"))?;
        if key.expires.is_some_and(|expires| expires <= now) {
            return Err(invalid_grant("MP-121", "the registered key has expired"));
        }
        check_signature(&key.public_key, alg, jwt)?;
        let orgnr = klient.orgnr.clone();
        let orgnr = orgnr
            .ok_or_else(|| invalid_grant("MP-122", "no organisasjonsnummer is registered to the client"))?;
        Authenticated { orgnr, method: "private_key_jwt" }
    };
    if orgnr::is_valid(&authenticated.orgnr) {
        Ok(authenticated)
    } else {
        Err(bad_certificate("its organisasjonsnummer has a wrong control digit"))
    }
}

fn first_certificate(x5c: &Value) -> Result<Vec<u8>, Refusal> {
    let wrong = || invalid_grant("MP-123", "x5c must be an array of base64 strings");
    let chain = x5c
        .as_array()
        .filter(|chain| !chain.is_empty() && chain.iter().all(Value::is_string))
        .ok_or_else(wrong)?;
    let leaf = chain.first().and_then(Value::as_str).ok_or_else(wrong)?;
    STANDARD.decode(leaf).map_err(|_| wrong())
}

fn bad_certificate(text: impl AsRef<str>) -> Refusal {
    invalid_grant("MP-120", format!("the certificate was refused: {}", text.as_ref()))
}

fn check_signature(public_key: &[u8], alg: Alg, jwt: &Unverified<'_>) -> Result<(), Refusal> {
    if jws::is_signed_by(public_key, alg, jwt.input.as_bytes(), &jwt.signature) {
        Ok(())
    } else {
        Err(invalid_grant("MP-124", "the signature does not fit the key"))
    }
}

/// The audience is the issuer; the slash at its end may be missing.
fn check_audience(simulator: &Simulator, claims: &Map<String, Value>) -> Result<(), Refusal> {
    let issuer = simulator.issuer().trim_end_matches('/');
    let is_issuer =
        |value: &Value| value.as_str().is_some_and(|aud| aud.strip_suffix('/').unwrap_or(aud) == issuer);
    let fits = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(is_issuer),
        Some(one) => is_issuer(one),
        None => false,
    };
    if fits { Ok(()) } else { Err(invalid_grant("MP-110", format!("aud must be {}", simulator.issuer()))) }
}

/// Checks `iat` and `exp`, which may be floats as .NET writes them, and tells when the grant expires.
#[expect(clippy::cast_precision_loss, reason = "times of today in seconds are far below 2^52")]
#[expect(clippy::cast_possible_truncation, reason = "the value is known to lie near the present")]
fn check_times(
    simulator: &Simulator,
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let seconds = |name: &str| {
        let value = claims.get(name).and_then(Value::as_f64);
        value.ok_or_else(|| {
            refuse("invalid_request", "MP-010", format!("the claim {name} is missing or not a number"))
        })
    };
    let (issued, expires) = (seconds("iat")?, seconds("exp")?);
    let now = now.as_millisecond() as f64 / 1000.0;
    if expires + LEEWAY_S <= now {
        return Err(invalid_grant("MP-130", "exp has passed"));
    }
    if expires - issued > MAX_LIFETIME_S {
        return Err(invalid_grant("MP-130", "exp may be at most 120 seconds after iat"));
    }
    if issued > now + LEEWAY_S {
        return Err(invalid_grant("MP-130", "iat lies in the future; check the clock"));
    }
    if matches!(simulator.inner.config.certificates, CertificateCheck::Strict(_)) && issued < now - LEEWAY_S {
        return Err(invalid_grant("MP-130", "iat must be within 10 seconds of the present; check the clock"));
    }
    Timestamp::from_second(expires.ceil() as i64).map_err(|_| invalid_grant("MP-130", "exp is not a time"))
}

fn granted_scopes(klient: &Klient, claims: &Map<String, Value>) -> Result<String, Refusal> {
    let scopes: Vec<&str> = match claims.get("scope") {
        None => Vec::new(),
        Some(Value::String(text)) => text.split_whitespace().collect(),
        Some(_) => return Err(refuse("invalid_scope", "MP-200", "scope must be a string")),
    };
    if scopes.is_empty() {
        return Err(refuse("invalid_scope", "MP-200", "scope is missing"));
    }
    for scope in &scopes {
        if !klient.scopes.iter().any(|registered| registered == scope) {
            let text = format!("the scope {scope:?} is not registered to the client");
            return Err(Refusal { status: StatusCode::FORBIDDEN, ..refuse("invalid_scope", "MP-200", text) });
        }
    }
    Ok(scopes.join(" "))
}

/// The organisation that the token is for: that of `consumer_org` when the client may act for it.
fn consumer(klient: &Klient, own: &str, claims: &Map<String, Value>) -> Result<String, Refusal> {
    let Some(consumer) = claims.get("consumer_org").filter(|consumer| !consumer.is_null()) else {
        return Ok(own.to_owned());
    };
    let consumer = consumer.as_str().filter(|text| orgnr::is_valid(text));
    let consumer = consumer.ok_or_else(|| {
        refuse("invalid_request", "MP-010", "consumer_org is not a valid organisasjonsnummer")
    })?;
    let may = consumer == own
        || match &klient.acts_for {
            ActsFor::Itself => false,
            ActsFor::Anyone => true,
            ActsFor::These(all) => all.iter().any(|orgnr| orgnr == consumer),
        };
    if may {
        return Ok(consumer.to_owned());
    }
    let text = "consumer_org has not delegated to the organisation of the client";
    Err(Refusal { status: StatusCode::FORBIDDEN, ..refuse("access_denied", "MP-251", text) })
}

fn audience(claims: &Map<String, Value>) -> Result<Value, Refusal> {
    match claims.get("resource") {
        None | Some(Value::Null) => Ok(Value::from("unspecified")),
        Some(one @ Value::String(_)) => Ok(one.clone()),
        Some(Value::Array(all)) if !all.is_empty() && all.iter().all(Value::is_string) => {
            match all.as_slice() {
                [one] => Ok(one.clone()),
                _ => Ok(Value::Array(all.clone())),
            }
        }
        Some(_) => {
            Err(refuse("invalid_request", "MP-010", "resource must be a string or an array of strings"))
        }
    }
}
