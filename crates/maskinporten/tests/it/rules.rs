//! What a token must look like and say.

use std::sync::OnceLock;
use std::time::Duration;

use knutepunkt_maskinporten::{Algorithm, Config, ConfigError, MaskinportenVerifier};
use proptest::prelude::*;
use serde_json::{Value, json};
use simulator::maskinporten::{Alg, Forgery, TokenOrder};

use crate::world::{ORGNR, World, install_crypto};

fn order() -> TokenOrder {
    TokenOrder::new(ORGNR)
}

#[tokio::test]
async fn a_good_token_tells_consumer_and_expiry() {
    let world = World::new().await;
    let verified = world.verify(&world.token()).await.unwrap();
    assert_eq!(verified.consumer.as_str(), ORGNR);
    assert_eq!(verified.expires.as_second(), world.now().as_second() + 120);
}

#[tokio::test]
async fn a_supplier_s_token_stands_for_the_consumer() {
    let world = World::new().await;
    let token = world.simulator.mint(&order().supplier("974760673"));
    assert_eq!(world.verify(&token).await.unwrap().consumer.as_str(), ORGNR);
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let world = World::new().await;
    for (forgery, reason) in [
        (Forgery::ForeignKey, "the signature does not fit"),
        (Forgery::Tampered, "the signature does not fit"),
        (Forgery::BrokenSignature, "the signature does not fit"),
        (Forgery::UnknownKid, "signed with a key that the issuer does not publish"),
        (Forgery::AlgNone, "the signature algorithm is not accepted"),
        (Forgery::HmacWithPublicKey, "the signature algorithm is not accepted"),
    ] {
        assert_eq!(
            world.refusal(&world.simulator.mint(&order().forged(forgery))).await,
            reason,
            "{forgery:?}"
        );
    }
}

#[tokio::test]
async fn a_stripped_or_swapped_signature_is_refused() {
    let world = World::new().await;
    let (one, other) = (world.token(), world.simulator.mint(&TokenOrder::new("974760673")));
    let (input, _) = one.rsplit_once('.').unwrap();
    assert_eq!(world.refusal(&format!("{input}.")).await, "the signature does not fit");
    let (_, signature) = other.rsplit_once('.').unwrap();
    assert_eq!(world.refusal(&format!("{input}.{signature}")).await, "the signature does not fit");
}

#[tokio::test]
async fn the_algorithm_is_judged_before_the_keys_are_fetched() {
    let world = World::new().await;
    for alg in ["none", "None", "HS256", "HS512", "ES256", "PS256", "rs256", "RS384", "RS512", ""] {
        let token = world.simulator.mint(&order().header("alg", alg));
        assert_eq!(world.refusal(&token).await, "the signature algorithm is not accepted", "{alg}");
    }
    assert_eq!(
        world.refusal(&world.simulator.mint(&order().header("alg", json!(null)))).await,
        "the header has no alg"
    );
    assert_eq!(
        world.refusal(&world.simulator.mint(&order().header("alg", json!(["RS256"])))).await,
        "the header has no alg"
    );
    assert_eq!(world.asked(), 0);
}

#[tokio::test]
async fn other_rsa_algorithms_are_an_option_but_not_under_a_key_meant_for_one() {
    let all =
        |config: &mut Config| config.algorithms = vec![Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512];
    let world = World::configured(all).await;
    assert!(world.verify(&world.token()).await.is_ok());
    for alg in [Alg::Rs384, Alg::Rs512] {
        let reason = world.refusal(&world.simulator.mint(&order().alg(alg))).await;
        assert_eq!(reason, "the key is meant for another signature algorithm");
    }
    let mut jwks = world.simulator.jwks();
    for key in jwks["keys"].as_array_mut().unwrap() {
        key.as_object_mut().unwrap().remove("alg");
    }
    let router =
        axum::Router::new().route("/jwk", axum::routing::get(move || std::future::ready(axum::Json(jwks))));
    let address = crate::world::serve(router).await;
    let mut config = Config::new(world.simulator.issuer());
    all(&mut config);
    config.jwks_uri = format!("http://{address}/jwk");
    let verifier = MaskinportenVerifier::new(config).unwrap();
    for alg in [Alg::Rs256, Alg::Rs384, Alg::Rs512] {
        let token = world.simulator.mint(&order().alg(alg));
        assert!(app::ports::TokenVerifier::verify(&verifier, &token, world.now()).await.is_ok(), "{alg:?}");
    }
}

#[tokio::test]
async fn a_token_without_kid_or_with_a_critical_extension_is_refused() {
    let world = World::new().await;
    for kid in [json!(null), json!(""), json!(7)] {
        assert_eq!(
            world.refusal(&world.simulator.mint(&order().header("kid", kid))).await,
            "the header has no kid"
        );
    }
    let reason = world.refusal(&world.simulator.mint(&order().header("crit", json!(["b64"])))).await;
    assert_eq!(reason, "the header demands an extension that is not known here");
}

#[tokio::test]
async fn a_token_has_three_parts_and_at_most_eight_kilobytes() {
    let world = World::new().await;
    for token in ["", "a", "a.b", "a.b.c.d", "...", "."] {
        let reason = world.refusal(token).await;
        assert!(
            reason.starts_with("not three parts") || reason.starts_with("the header"),
            "{token}: {reason}"
        );
    }
    let long = world.simulator.mint(&order().claim("x", "x".repeat(8192)));
    assert_eq!(world.refusal(&long).await, "longer than 8192 bytes");
    let filler = 8192 * 3 / 4 - 700;
    let fair = world.simulator.mint(&order().claim("x", "x".repeat(filler)));
    assert!(fair.len() <= 8192 && world.verify(&fair).await.is_ok(), "{}", fair.len());
}

#[tokio::test]
async fn the_issuer_must_fit_exactly() {
    let world = World::new().await;
    let issuer = world.simulator.issuer().to_owned();
    for iss in [
        json!(issuer.trim_end_matches('/')),
        json!(format!("{issuer}/")),
        json!("https://maskinporten.no/"),
        json!(null),
        json!([issuer]),
    ] {
        let reason = world.refusal(&world.simulator.mint(&order().claim("iss", iss))).await;
        assert_eq!(reason, "the issuer is not the one that is configured");
    }
}

#[tokio::test]
async fn times_have_ten_seconds_leeway() {
    let world = World::new().await;
    let now = world.now().as_second();
    let mint = |name: &str, value: i64| world.simulator.mint(&order().claim(name, value));
    for (name, value) in [("exp", now - 9), ("iat", now + 10), ("nbf", now + 10), ("nbf", now - 1000)] {
        assert!(world.verify(&mint(name, value)).await.is_ok(), "{name}");
    }
    assert_eq!(world.refusal(&mint("exp", now - 10)).await, "expired");
    assert_eq!(world.refusal(&mint("iat", now + 11)).await, "not valid yet: iat lies in the future");
    assert_eq!(world.refusal(&mint("nbf", now + 11)).await, "not valid yet: nbf lies in the future");
}

#[tokio::test]
async fn times_may_be_whole_numbers_or_not_and_nothing_else() {
    let world = World::new().await;
    #[expect(clippy::cast_precision_loss, reason = "a time of today")]
    let now = world.now().as_second() as f64;
    let token = world
        .simulator
        .mint(&order().claim("exp", now + 60.5).claim("iat", now + 0.25).claim("nbf", now - 0.25));
    assert_eq!(
        world.verify(&token).await.unwrap().expires.as_millisecond(),
        (world.now().as_second() + 60) * 1000 + 500
    );
    for name in ["exp", "iat", "nbf"] {
        for value in [json!("1780000000"), json!([1]), json!(true)] {
            let reason = world.refusal(&world.simulator.mint(&order().claim(name, value))).await;
            assert_eq!(reason, format!("{name} is not a number"));
        }
    }
    assert_eq!(
        world.refusal(&world.simulator.mint(&order().claim("exp", json!(null)))).await,
        "exp is missing"
    );
    assert_eq!(world.refusal(&world.simulator.mint(&order().claim("exp", 1e300))).await, "exp is not a time");
    assert_eq!(world.refusal(&world.simulator.mint(&order().claim("exp", -1e300))).await, "expired");
}

#[tokio::test]
async fn the_scope_must_be_among_those_given() {
    let world = World::new().await;
    for scope in ["ks:fiks", "annet ks:fiks", "ks:fiks  annet"] {
        assert!(world.verify(&world.simulator.mint(&order().scope(scope))).await.is_ok(), "{scope}");
    }
    for scope in [
        json!("ks:fik"),
        json!("ks:fiks:admin"),
        json!("xks:fiks"),
        json!("KS:FIKS"),
        json!(""),
        json!(null),
        json!(["ks:fiks"]),
    ] {
        let reason = world.refusal(&world.simulator.mint(&order().claim("scope", scope))).await;
        assert_eq!(reason, "scope ks:fiks is missing");
    }
}

#[tokio::test]
async fn the_consumer_must_be_a_norwegian_organisation() {
    let world = World::new().await;
    let mint = |consumer: Value| world.simulator.mint(&order().claim("consumer", consumer));
    let with_id = |id: &str| mint(json!({ "authority": "iso6523-actorid-upis", "ID": id }));
    for id in [
        "0192:97103214",
        "0192:9710321466",
        "971032146",
        "0192:97103214x",
        "9908:971032146",
        "0192:971032146:x",
        " 0192:971032146",
        "",
    ] {
        assert_eq!(
            world.refusal(&with_id(id)).await,
            "the ID of consumer is not 0192: and nine digits",
            "{id}"
        );
    }
    let reason = world.refusal(&with_id("0192:971032147")).await;
    assert_eq!(reason, "the organisasjonsnummer of consumer has a wrong control digit");
    assert_eq!(world.refusal(&mint(json!(null))).await, "consumer is missing");
    for consumer in [json!("0192:971032146"), json!({}), json!({ "ID": 971_032_146 })] {
        assert_eq!(world.refusal(&mint(consumer)).await, "consumer has no ID");
    }
    let reason = world.refusal(&mint(json!({ "authority": "annet", "ID": "0192:971032146" }))).await;
    assert_eq!(reason, "the authority of consumer is not iso6523-actorid-upis");
    assert!(world.verify(&mint(json!({ "ID": "0192:971032146" }))).await.is_ok());
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let (nobody, named) = (json!(null), json!("https://knutepunkt.example"));
    let several = json!(["https://annet.example", "https://knutepunkt.example"]);
    let (foreign, wrong) = (json!("https://annet.example"), json!([7]));
    let set = |config: &mut Config| config.audience = Some("https://knutepunkt.example".to_owned());
    let open = World::new().await;
    let own = World::configured(set).await;
    let required = World::configured(|config| {
        set(config);
        config.audience_required = true;
    })
    .await;
    // audience, then whether it is taken with none configured, with one configured, and with one required
    for (aud, taken) in [
        (nobody, [true, true, false]),
        (json!("unspecified"), [true, true, false]),
        (named, [false, true, true]),
        (several, [false, true, true]),
        (foreign, [false, false, false]),
        (wrong, [false, false, false]),
        (json!(7), [false, false, false]),
    ] {
        for (world, taken) in [&open, &own, &required].into_iter().zip(taken) {
            let verified = world.verify(&world.simulator.mint(&order().audience(aud.clone()))).await;
            assert_eq!(verified.is_ok(), taken, "{aud} {verified:?}");
        }
    }
}

#[tokio::test]
async fn a_verified_token_is_remembered_for_a_minute_and_not_past_its_expiry() {
    let world = World::new().await;
    let (long, short) = (world.token(), world.simulator.mint(&order().lifetime(Duration::from_secs(30))));
    for token in [&long, &short] {
        world.verify(token).await.unwrap();
    }
    world.advance(29);
    for token in [&long, &short] {
        world.verify(token).await.unwrap();
    }
    world.advance(11);
    assert_eq!(world.refusal(&short).await, "expired");
    world.advance(90);
    assert_eq!(world.refusal(&long).await, "expired");
}

#[tokio::test]
async fn a_remembered_token_needs_no_key() {
    let world = World::new().await;
    let token = world.token();
    world.verify(&token).await.unwrap();
    world.simulator.rotate().unwrap();
    world.simulator.rotate().unwrap();
    // A token of the newest key makes the verifier fetch the keys, and the first key is no longer among them.
    world.verify(&world.token()).await.unwrap();
    world.advance(59);
    world.verify(&token).await.unwrap();
    world.advance(1);
    assert_eq!(world.refusal(&token).await, "signed with a key that the issuer does not publish");
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    install_crypto();
    let make = |change: fn(&mut Config)| {
        let mut config = Config::new("https://maskinporten.no/");
        change(&mut config);
        MaskinportenVerifier::new(config)
    };
    assert!(matches!(make(|config| config.algorithms.clear()), Err(ConfigError::NoAlgorithm)));
    assert!(matches!(make(|config| config.audience_required = true), Err(ConfigError::NoAudience)));
    for address in ["http://maskinporten.no/jwk", "maskinporten", "file:///etc/passwd"] {
        let mut config = Config::new("https://maskinporten.no/");
        config.jwks_uri = address.to_owned();
        assert!(matches!(MaskinportenVerifier::new(config), Err(ConfigError::Address(_))), "{address}");
    }
    let config = Config::new("http://maskinporten.no/");
    assert!(matches!(MaskinportenVerifier::new(config), Err(ConfigError::Address(_))));
    let garbage = make(|config| {
        config.root_certificates =
            Some(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_vec());
    });
    assert!(matches!(garbage, Err(ConfigError::HttpClient(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn garbage_is_refused_and_never_panics(
        text in "\\PC{0,200}",
        header in "[ -~]{0,60}",
        claims in "\\PC{0,60}",
        number in any::<f64>(),
    ) {
        static WORLD: OnceLock<(tokio::runtime::Runtime, World)> = OnceLock::new();
        let (runtime, world) = WORLD.get_or_init(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let world = runtime.block_on(World::new());
            (runtime, world)
        });
        runtime.block_on(async {
            prop_assert!(world.verify(&text).await.is_err());
            let framed = world.simulator.mint(&order().header(&header, claims.clone()).claim("consumer", claims.clone()));
            prop_assert!(world.verify(&framed).await.is_err());
            // A signed claim that is garbage must not panic either, whatever becomes of it.
            for name in ["exp", "iat", "nbf"] {
                let _ = world.verify(&world.simulator.mint(&order().claim(name, number))).await;
            }
            Ok(())
        })?;
    }
}
