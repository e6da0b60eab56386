//! What a token must look like and say. Pure: the keys and the time come from outside.

use app::ports::{TokenError, VerifiedToken};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Orgnummer;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::config::{Algorithm, Config};

pub(crate) fn invalid(reason: &str) -> TokenError {
    TokenError::Invalid { reason: reason.to_owned() }
}

/// A token taken apart; nothing of it may be believed yet.
pub(crate) struct Unverified<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: String,
    /// What is signed.
    pub(crate) input: &'a str,
    claims: &'a str,
    pub(crate) signature: Vec<u8>,
}

/// Takes a token of bounded length apart; the signature algorithm is judged before anything else is read.
pub(crate) fn parse<'a>(token: &'a str, accepted: &[Algorithm]) -> Result<Unverified<'a>, TokenError> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(invalid("not three parts divided by full stops"));
    };
    let header = object(header).ok_or_else(|| invalid("the header is not base64url of a JSON object"))?;
    let name = header.get("alg").and_then(Value::as_str).ok_or_else(|| invalid("the header has no alg"))?;
    let algorithm = accepted.iter().copied().find(|algorithm| algorithm.name() == name);
    let algorithm = algorithm.ok_or_else(|| invalid("the signature algorithm is not accepted"))?;
    if header.contains_key("crit") {
        // RFC 7515 §4.1.11: what is critical must be understood, and nothing is.
        return Err(invalid("the header demands an extension that is not known here"));
    }
    let kid = header.get("kid").and_then(Value::as_str).filter(|kid| !kid.is_empty());
    let kid = kid.ok_or_else(|| invalid("the header has no kid"))?.to_owned();
    let signature =
        URL_SAFE_NO_PAD.decode(signature).map_err(|_| invalid("the signature is not base64url"))?;
    let input = &token[..token.rfind('.').unwrap_or_default()];
    Ok(Unverified { algorithm, kid, input, claims, signature })
}

impl Unverified<'_> {
    /// The claims; worth something once the signature was found good.
    pub(crate) fn claims(&self) -> Result<Map<String, Value>, TokenError> {
        object(self.claims).ok_or_else(|| invalid("the claims are not base64url of a JSON object"))
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Judges the claims of a token whose signature is good.
pub(crate) fn check(
    token: &Unverified<'_>,
    config: &Config,
    now: Timestamp,
) -> Result<VerifiedToken, TokenError> {
    let claims = token.claims()?;
    if claims.get("iss").and_then(Value::as_str) != Some(&config.issuer) {
        return Err(invalid("the issuer is not the one that is configured"));
    }
    let expires = check_times(&claims, config.leeway, now)?;
    let scopes = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
    if !scopes.split_whitespace().any(|scope| scope == config.scope) {
        return Err(TokenError::Invalid { reason: format!("scope {} is missing", config.scope) });
    }
    check_audience(claims.get("aud"), config)?;
    let consumer = consumer(&claims)?;
    if let Some(supplier) =
        claims.get("supplier").and_then(|supplier| supplier.get("ID")).and_then(Value::as_str)
    {
        tracing::info!(consumer = %consumer, supplier = ?supplier, "a supplier uses a token on behalf of the consumer");
    }
    Ok(VerifiedToken { consumer, expires })
}

/// Checks `exp`, `iat` and `nbf`, whole numbers or not, and tells when the token expires.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of any Timestamp are below 2^53")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from float saturates, and what is no time is refused"
)]
pub(crate) fn check_times(
    claims: &Map<String, Value>,
    leeway: SignedDuration,
    now: Timestamp,
) -> Result<Timestamp, TokenError> {
    let now = now.as_millisecond() as f64 / 1000.0;
    let leeway = leeway.as_secs_f64();
    let time = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let seconds = value
                .as_f64()
                .ok_or_else(|| TokenError::Invalid { reason: format!("{name} is not a number") })?;
            Ok(Some(seconds))
        }
    };
    let expires = time("exp")?.ok_or_else(|| invalid("exp is missing"))?;
    if now >= expires + leeway {
        return Err(invalid("expired"));
    }
    for name in ["iat", "nbf"] {
        if time(name)?.is_some_and(|from| from > now + leeway) {
            return Err(TokenError::Invalid { reason: format!("not valid yet: {name} lies in the future") });
        }
    }
    Timestamp::from_millisecond((expires * 1000.0) as i64).map_err(|_| invalid("exp is not a time"))
}

/// Whom a token is meant for.
pub(crate) fn audiences(claim: Option<&Value>) -> Result<Vec<&str>, TokenError> {
    let named = match claim {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(one)) => Some(vec![one.as_str()]),
        Some(Value::Array(all)) => all.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    named.ok_or_else(|| invalid("aud is neither a string nor an array of strings"))
}

fn check_audience(claim: Option<&Value>, config: &Config) -> Result<(), TokenError> {
    let named = audiences(claim)?;
    let ours = config.audience.as_deref().is_some_and(|audience| named.contains(&audience));
    // Maskinporten writes `unspecified` when no resource was asked for.
    let anybody = !config.audience_required && (named.is_empty() || named.contains(&"unspecified"));
    if ours || anybody { Ok(()) } else { Err(invalid("meant for another audience")) }
}

/// The consumer, as ISO 6523 with the Norwegian register: `0192:` and the organisasjonsnummer.
fn consumer(claims: &Map<String, Value>) -> Result<Orgnummer, TokenError> {
    let consumer = claims.get("consumer").ok_or_else(|| invalid("consumer is missing"))?;
    let authority = consumer.get("authority");
    if authority.is_some_and(|authority| authority.as_str() != Some("iso6523-actorid-upis")) {
        return Err(invalid("the authority of consumer is not iso6523-actorid-upis"));
    }
    let id = consumer.get("ID").and_then(Value::as_str).ok_or_else(|| invalid("consumer has no ID"))?;
    let orgnummer: Option<Orgnummer> = id.strip_prefix("0192:").and_then(|digits| digits.parse().ok());
    let orgnummer = orgnummer.ok_or_else(|| invalid("the ID of consumer is not 0192: and nine digits"))?;
    if orgnummer.has_valid_control_digit() {
        Ok(orgnummer)
    } else {
        Err(invalid("the organisasjonsnummer of consumer has a wrong control digit"))
    }
}
