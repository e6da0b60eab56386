//! What an ID token must say. Pure: the keys and the time come from outside.
//!
//! Source: OpenID Connect Core 1.0 §3.1.3.7, and Digdir's documentation of ID-porten ("ID-token").

use app::ports::{LoginStart, TokenError};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::OidcConfig;
use crate::token::{audiences, check_times, invalid};

/// ID-porten's levels of assurance, the lowest first.
const LEVELS: [&str; 3] = ["idporten-loa-low", "idporten-loa-substantial", "idporten-loa-high"];

/// Longer identifiers and names are somebody's mistake.
const MAX_TEXT: usize = 255;

/// Judges the claims of an ID token whose signature is good.
pub(super) fn check(
    claims: &Map<String, Value>,
    config: &OidcConfig,
    started: &LoginStart,
    now: Timestamp,
) -> Result<(), TokenError> {
    if claims.get("iss").and_then(Value::as_str) != Some(&config.issuer) {
        return Err(invalid("the issuer is not the one that is configured"));
    }
    check_audience(claims, &config.client_id)?;
    check_times(claims, config.leeway, now)?;
    if claims.get("iat").and_then(Value::as_f64).is_none() {
        return Err(invalid("iat is missing"));
    }
    let nonce = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
    if started.nonce.is_empty()
        || verify_slices_are_equal(nonce.as_bytes(), started.nonce.as_bytes()).is_err()
    {
        return Err(invalid("the nonce is another"));
    }
    if claims.get("sub").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(invalid("sub is missing"));
    }
    check_level(claims.get("acr").and_then(Value::as_str), &config.acr_values)?;
    if started.force { check_freshness(claims, config, now) } else { Ok(()) }
}

fn check_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), TokenError> {
    let named = audiences(claims.get("aud"))?;
    if !named.contains(&client_id) {
        return Err(invalid("meant for another audience"));
    }
    match claims.get("azp").map(Value::as_str) {
        Some(azp) if azp != Some(client_id) => Err(invalid("issued to another client")),
        None if named.len() > 1 => Err(invalid("meant for several audiences without saying issued to whom")),
        _ => Ok(()),
    }
}

/// One of the levels that will do, or one of ID-porten's above one of them.
fn check_level(acr: Option<&str>, sufficient: &[String]) -> Result<(), TokenError> {
    if sufficient.is_empty() {
        return Ok(());
    }
    let acr = acr.ok_or_else(|| invalid("acr is missing"))?;
    let rank = |level: &str| LEVELS.iter().position(|known| *known == level);
    let lowest = sufficient.iter().filter_map(|level| rank(level)).min();
    let is_above = rank(acr).zip(lowest).is_some_and(|(rank, lowest)| rank >= lowest);
    if is_above || sufficient.iter().any(|level| level == acr) {
        Ok(())
    } else {
        Err(invalid("the level of assurance is too low"))
    }
}

/// Whether the person proved himself just now; `prompt=login` alone could be stripped on the way.
#[expect(clippy::cast_precision_loss, reason = "seconds of any Timestamp are below 2^53")]
fn check_freshness(
    claims: &Map<String, Value>,
    config: &OidcConfig,
    now: Timestamp,
) -> Result<(), TokenError> {
    let at =
        claims.get("auth_time").and_then(Value::as_f64).ok_or_else(|| invalid("auth_time is missing"))?;
    let now = now.as_second() as f64;
    if at > now + config.leeway.as_secs_f64() {
        return Err(invalid("not valid yet: auth_time lies in the future"));
    }
    if now - at > config.max_auth_age.as_secs_f64() {
        return Err(invalid("the person did not prove himself again"));
    }
    Ok(())
}

/// A text claim that can be somebody's identifier or name.
pub(super) fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let text = claims.get(name)?.as_str()?.trim();
    let is_good = !text.is_empty() && text.len() <= MAX_TEXT && !text.contains(char::is_control);
    is_good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_780_000_000;

    fn judge(force: bool, change: impl FnOnce(&mut OidcConfig, &mut Map<String, Value>)) -> String {
        let mut config = OidcConfig::new("https://idporten.no", "portal", "https://portal.example/inn");
        let claims = json!({
            "iss": "https://idporten.no", "aud": "portal", "sub": "s", "nonce": "n", "acr": "idporten-loa-substantial",
            "iat": NOW, "exp": NOW + 120, "auth_time": NOW - 300,
        });
        let Value::Object(mut claims) = claims else { unreachable!() };
        change(&mut config, &mut claims);
        let started = LoginStart {
            state: "s".to_owned(),
            nonce: "n".to_owned(),
            verifier: "v".to_owned(),
            sprak: "nb".to_owned(),
            force,
            hint: None,
        };
        match check(&claims, &config, &started, Timestamp::from_second(NOW).unwrap()) {
            Ok(()) => "good".to_owned(),
            Err(TokenError::Invalid { reason }) => reason,
            Err(other) => other.to_string(),
        }
    }

    fn with(name: &str, value: Value) -> String {
        judge(false, |_, claims| {
            claims.insert(name.to_owned(), value);
        })
    }

    #[test]
    fn each_claim_is_judged() {
        assert_eq!(judge(false, |_, _| {}), "good");
        for (name, value, reason) in [
            ("iss", json!("https://idporten.no/"), "the issuer is not the one that is configured"),
            ("aud", json!("other"), "meant for another audience"),
            ("aud", json!(["portal", "other"]), "meant for several audiences without saying issued to whom"),
            ("aud", json!(["portal"]), "good"),
            ("azp", json!("other"), "issued to another client"),
            ("azp", json!(7), "issued to another client"),
            ("azp", json!("portal"), "good"),
            ("exp", json!(NOW - 10), "expired"),
            ("exp", json!(NOW - 9), "good"),
            ("exp", json!(null), "exp is missing"),
            ("iat", json!(NOW + 11), "not valid yet: iat lies in the future"),
            ("iat", json!(null), "iat is missing"),
            ("nonce", json!("other"), "the nonce is another"),
            ("nonce", json!(null), "the nonce is another"),
            ("sub", json!(""), "sub is missing"),
            ("acr", json!("idporten-loa-low"), "the level of assurance is too low"),
            ("acr", json!("idporten-loa-high"), "good"),
            ("acr", json!("Level4"), "the level of assurance is too low"),
            ("acr", json!(null), "acr is missing"),
        ] {
            assert_eq!(with(name, value.clone()), reason, "{name} {value}");
        }
    }

    #[test]
    fn several_audiences_need_our_own_azp() {
        let reason = judge(false, |_, claims| {
            claims.insert("aud".to_owned(), json!(["portal", "other"]));
            claims.insert("azp".to_owned(), json!("portal"));
        });
        assert_eq!(reason, "good");
    }

    #[test]
    fn an_empty_nonce_is_never_right() {
        let config = OidcConfig::new("https://idporten.no", "portal", "https://portal.example/inn");
        let claims = json!({ "iss": "https://idporten.no", "aud": "portal", "iat": NOW, "exp": NOW + 1 });
        let Value::Object(claims) = claims else { unreachable!() };
        let started = LoginStart {
            state: String::new(),
            nonce: String::new(),
            verifier: String::new(),
            sprak: String::new(),
            force: false,
            hint: None,
        };
        assert!(check(&claims, &config, &started, Timestamp::from_second(NOW).unwrap()).is_err());
    }

    #[test]
    fn levels_of_others_are_matched_by_name_and_may_be_left_unchecked() {
        let level = |acr: &str, sufficient: &[&str]| {
            judge(false, |config, claims| {
                config.acr_values = sufficient.iter().map(|&level| level.to_owned()).collect();
                claims.insert("acr".to_owned(), json!(acr));
            })
        };
        assert_eq!(level("gold", &["silver", "gold"]), "good");
        assert_eq!(level("gold", &["silver"]), "the level of assurance is too low");
        assert_eq!(level("idporten-loa-high", &["silver"]), "the level of assurance is too low");
        assert_eq!(level("0", &[]), "good");
    }

    #[test]
    fn a_forced_login_must_be_fresh() {
        let at = |auth_time: Value| {
            judge(true, |_, claims| {
                claims.insert("auth_time".to_owned(), auth_time);
            })
        };
        assert_eq!(at(json!(NOW - 300)), "good");
        assert_eq!(at(json!(NOW - 301)), "the person did not prove himself again");
        assert_eq!(at(json!(NOW + 11)), "not valid yet: auth_time lies in the future");
        assert_eq!(at(json!(null)), "auth_time is missing");
        assert_eq!(at(json!("soon")), "auth_time is missing");
    }

    #[test]
    fn texts_are_bounded_and_clean() {
        let one = |value: Value| text(&[("n".to_owned(), value)].into_iter().collect(), "n");
        assert_eq!(one(json!(" Kari ")).as_deref(), Some("Kari"));
        for bad in [json!(""), json!("  "), json!(7), json!(null), json!("a\nb"), json!("x".repeat(256))] {
            assert_eq!(one(bad.clone()), None, "{bad}");
        }
    }
}
