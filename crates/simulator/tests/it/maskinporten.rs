use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use knutepunkt_simulator::ca::{
    Flaw, KeyedCertificate, RsaBits, TestCa, Usage, Virksomhetssertifikat, self_signed_konto_key,
};
use knutepunkt_simulator::maskinporten::{
    ActsFor, Alg, Assertion, CertificateCheck, Fault, Klient, KlientKey, SigningKeys, Simulator,
    SimulatorConfig, SimulatorError, sign_assertion,
};
use knutepunkt_simulator::{Miljo, Now};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const START: &str = "2026-06-01T12:00:00Z";
const ORGNR: &str = "971032146";
const OTHER: &str = "974760673";
const ISSUER: &str = "http://127.0.0.1:8080/maskinporten/";

/// The authority and certificate of all tests: keys take time to make.
struct Shared {
    ca: TestCa,
    virksomhet: KeyedCertificate,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let ca = TestCa::load_or_create(folder.path(), start()).unwrap();
        let virksomhet = ca
            .virksomhetssertifikat(&Virksomhetssertifikat::new(ORGNR, "Storevik kommune"), start())
            .unwrap();
        Shared { ca, virksomhet }
    })
}

fn start() -> Timestamp {
    START.parse().unwrap()
}

/// A simulator mounted below `/maskinporten`, and its clock.
struct World {
    simulator: Simulator,
    clock: Arc<AtomicI64>,
}

impl World {
    fn new(certificates: CertificateCheck) -> Self {
        Self::configured(|config| config.certificates = certificates)
    }

    fn configured(change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        let clock = Arc::new(AtomicI64::new(start().as_second()));
        let hand = Arc::clone(&clock);
        let now: Now = Arc::new(move || Timestamp::from_second(hand.load(Ordering::SeqCst)).unwrap());
        let mut config = SimulatorConfig::new(ISSUER, Miljo::Utvikling);
        change(&mut config);
        let simulator = Simulator::new(config, SigningKeys::generate(RsaBits::B2048).unwrap(), now).unwrap();
        Self { simulator, clock }
    }

    fn lax() -> Self {
        Self::new(CertificateCheck::Lax)
    }

    fn chained() -> Self {
        Self::new(CertificateCheck::Chain(authorities()))
    }

    fn strict() -> Self {
        Self::new(CertificateCheck::Strict(authorities()))
    }

    fn router(&self) -> Router {
        Router::new().nest("/maskinporten", self.simulator.router())
    }

    async fn post(&self, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = Request::post("/maskinporten/token")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Charset", "UTF-8")
            .header("consumer_org", OTHER)
            .body(body.into())
            .unwrap();
        let response = self.router().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = Request::get(format!("/maskinporten{path}")).body(Body::empty()).unwrap();
        let response = self.router().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Sends the grant as KS's Java client writes it: the colons as they are.
    async fn ask(&self, assertion: &str) -> (StatusCode, Value) {
        self.post(format!("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={assertion}"))
            .await
    }

    async fn ask_with(&self, assertion: Assertion, key: &KeyedCertificate) -> (StatusCode, Value) {
        self.ask(&sign_assertion(&assertion, key).unwrap()).await
    }

    #[track_caller]
    fn refused(answer: &(StatusCode, Value), status: u16, error: &str, code: &str) {
        assert_eq!(answer.0.as_u16(), status, "{answer:?}");
        assert_eq!(answer.1["error"], error, "{answer:?}");
        let description = answer.1["error_description"].as_str().unwrap();
        assert!(description.starts_with(code), "{description}");
        assert!(answer.1["error_uri"].is_string());
    }

    /// The claims of the access token that was given.
    #[track_caller]
    fn claims(answer: &(StatusCode, Value)) -> Value {
        assert_eq!(answer.0, StatusCode::OK, "{answer:?}");
        let token = answer.1["access_token"].as_str().unwrap();
        let part = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }
}

fn authorities() -> Vec<Vec<u8>> {
    vec![shared().ca.root_der().to_vec(), shared().ca.issuing_der().to_vec()]
}

fn grant(jti: &str) -> Assertion {
    Assertion::new("min-klient", ISSUER, jti, start())
}

fn public_key(key: &KeyedCertificate) -> Vec<u8> {
    X509Certificate::from_der(key.certificate_der()).unwrap().1.public_key().raw.to_vec()
}

fn klient(change: impl FnOnce(&mut Klient)) -> Klient {
    let mut klient = Klient {
        client_id: "min-klient".to_owned(),
        orgnr: None,
        keys: HashMap::new(),
        scopes: vec!["ks:fiks".to_owned()],
        acts_for: ActsFor::Itself,
    };
    change(&mut klient);
    klient
}

#[test]
fn production_and_the_real_issuers_are_refused() {
    let make = |issuer: &str, miljo| {
        let now: Now = Arc::new(start);
        Simulator::new(
            SimulatorConfig::new(issuer, miljo),
            SigningKeys::generate(RsaBits::B2048).unwrap(),
            now,
        )
    };
    assert!(matches!(make(ISSUER, Miljo::Produksjon), Err(SimulatorError::Production)));
    for issuer in [
        "https://maskinporten.no/",
        "https://maskinporten.no",
        "https://MASKINPORTEN.no:443/",
        "https://maskinporten.no./",
        "https://test.maskinporten.no/",
        "https://bruker@maskinporten.no/",
    ] {
        assert!(matches!(make(issuer, Miljo::Test), Err(SimulatorError::RealIssuer(_))), "{issuer}");
    }
    for issuer in ["", "maskinporten", "ftp://localhost/", "/maskinporten/", "http://localhost/?a=b"] {
        assert!(matches!(make(issuer, Miljo::Test), Err(SimulatorError::Issuer(_))), "{issuer}");
    }
    assert_eq!(make("http://localhost:1/mp", Miljo::Test).unwrap().issuer(), "http://localhost:1/mp/");
    assert!(make("http://notmaskinporten.no/", Miljo::Test).is_ok());
}

#[tokio::test]
async fn metadata_points_below_the_issuer() {
    let (status, metadata) = World::lax().get("/.well-known/oauth-authorization-server").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["token_endpoint"], format!("{ISSUER}token"));
    assert_eq!(metadata["jwks_uri"], format!("{ISSUER}jwk"));
    assert_eq!(metadata["grant_types_supported"], json!(["urn:ietf:params:oauth:grant-type:jwt-bearer"]));
    assert_eq!(metadata["token_endpoint_auth_methods_supported"], json!(["private_key_jwt"]));
}

#[tokio::test]
async fn a_token_has_the_claims_of_maskinporten() {
    let world = World::lax();
    let answer = world.ask_with(grant("1"), &shared().virksomhet).await;
    let claims = World::claims(&answer);
    assert_eq!(answer.1["token_type"], "Bearer");
    assert_eq!(answer.1["expires_in"], 120);
    assert_eq!(answer.1["scope"], "ks:fiks");
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["client_id"], "min-klient");
    assert_eq!(claims["client_amr"], "virksomhetssertifikat");
    assert_eq!(claims["consumer"], json!({ "authority": "iso6523-actorid-upis", "ID": "0192:971032146" }));
    assert_eq!(claims["scope"], "ks:fiks");
    assert_eq!(claims["aud"], "unspecified");
    assert_eq!(claims["iat"].as_i64(), Some(start().as_second()));
    assert_eq!(claims["exp"].as_i64(), Some(start().as_second() + 120));
    assert!(claims["jti"].is_string() && claims.get("supplier").is_none());
}

#[tokio::test]
async fn keys_are_published_before_and_after_they_sign() {
    let world = World::lax();
    let kids = |jwks: &Value| -> Vec<String> {
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let signing_kid = |answer: &(StatusCode, Value)| {
        let token = answer.1["access_token"].as_str().unwrap();
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let before = kids(&world.get("/jwk").await.1);
    assert_eq!(before.len(), 2);
    assert_eq!(signing_kid(&world.ask_with(grant("1"), &shared().virksomhet).await), before[0]);
    world.simulator.rotate().unwrap();
    let after = kids(&world.get("/jwk").await.1);
    assert_eq!(after.len(), 3);
    assert!(before.iter().all(|kid| after.contains(kid)));
    assert_eq!(signing_kid(&world.ask_with(grant("2"), &shared().virksomhet).await), before[1]);
}

#[tokio::test]
async fn kept_signing_keys_outlive_a_restart_and_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maskinporten.pem");
    let open = || {
        let keys = SigningKeys::load_or_create(&path, RsaBits::B2048).unwrap();
        Simulator::new(SimulatorConfig::new(ISSUER, Miljo::Test), keys, Arc::new(start)).unwrap()
    };
    let first = open();
    assert_eq!(first.jwks(), open().jwks());
    first.rotate().unwrap();
    assert_eq!(first.jwks(), open().jwks());
    std::fs::write(&path, "noe annet").unwrap();
    assert!(SigningKeys::load_or_create(&path, RsaBits::B2048).is_err());
}

#[tokio::test]
async fn the_form_may_be_encoded_and_in_any_order() {
    let world = World::lax();
    let assertion = sign_assertion(&grant("1"), &shared().virksomhet).unwrap();
    let body = format!(
        "assertion={assertion}&noe=annet&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
    );
    assert_eq!(world.post(body).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_form_with_something_missing_twice_or_wrong_is_refused() {
    let world = World::lax();
    let grant_type = "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer";
    World::refused(&world.post("").await, 400, "invalid_request", "MP-010");
    World::refused(&world.post(grant_type).await, 400, "invalid_request", "MP-010");
    World::refused(
        &world.post("grant_type=password&assertion=a.b.c").await,
        400,
        "unsupported_grant_type",
        "MP-010",
    );
    World::refused(
        &world.post(format!("{grant_type}&{grant_type}&assertion=a")).await,
        400,
        "invalid_request",
        "MP-010",
    );
    for assertion in ["", "a", "a.b", "a.b.c", "a.b.c.d", "e30.e30"] {
        World::refused(&world.ask(assertion).await, 400, "invalid_request", "MP-010");
    }
    assert_eq!(world.post(vec![b'a'; 65 * 1024]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn all_three_algorithms_are_taken_and_no_others() {
    let world = World::lax();
    for (jti, alg) in [("256", Alg::Rs256), ("384", Alg::Rs384), ("512", Alg::Rs512)] {
        assert_eq!(
            world.ask_with(grant(jti).alg(alg), &shared().virksomhet).await.0,
            StatusCode::OK,
            "{alg:?}"
        );
    }
    for alg in ["none", "HS256", "ES256", "PS256", "rs256"] {
        let answer = world.ask_with(grant("1").header("alg", alg), &shared().virksomhet).await;
        World::refused(&answer, 400, "invalid_grant", "MP-124");
    }
}

#[tokio::test]
async fn times_may_be_floats_as_dotnet_writes_them() {
    let world = World::strict();
    #[expect(clippy::cast_precision_loss, reason = "a time of today")]
    let iat = start().as_second() as f64 + 0.25;
    let answer =
        world.ask_with(grant("1").claim("iat", iat).claim("exp", iat + 120.5), &shared().virksomhet).await;
    assert!(World::claims(&answer)["exp"].is_i64(), "the Java client needs an integer");
}

#[tokio::test]
async fn a_grant_is_judged_by_its_times() {
    let world = World::lax();
    let now = start().as_second();
    for (iat, exp) in [(now, now + 122), (now - 200, now - 11), (now + 11, now + 120), (now - 60, now + 62)] {
        let answer =
            world.ask_with(grant("1").claim("iat", iat).claim("exp", exp), &shared().virksomhet).await;
        World::refused(&answer, 400, "invalid_grant", "MP-130");
    }
    for claim in ["iat", "exp"] {
        let answer = world.ask_with(grant("1").claim(claim, Value::Null), &shared().virksomhet).await;
        World::refused(&answer, 400, "invalid_request", "MP-010");
        let answer = world.ask_with(grant("1").claim(claim, "1780000000"), &shared().virksomhet).await;
        World::refused(&answer, 400, "invalid_request", "MP-010");
    }
    let old = || grant("2").claim("iat", now - 60).claim("exp", now + 60);
    assert_eq!(world.ask_with(old(), &shared().virksomhet).await.0, StatusCode::OK);
    World::refused(
        &World::strict().ask_with(old(), &shared().virksomhet).await,
        400,
        "invalid_grant",
        "MP-130",
    );
}

#[tokio::test]
async fn the_audience_is_the_issuer_with_or_without_a_slash() {
    let world = World::lax();
    let without = grant("1").claim("aud", ISSUER.trim_end_matches('/'));
    assert_eq!(world.ask_with(without, &shared().virksomhet).await.0, StatusCode::OK);
    assert_eq!(
        world.ask_with(grant("2").claim("aud", json!([ISSUER])), &shared().virksomhet).await.0,
        StatusCode::OK
    );
    for aud in [
        json!("https://maskinporten.no/"),
        json!("http://127.0.0.1:8080/maskinporten//"),
        json!(null),
        json!(7),
        json!([]),
    ] {
        let answer = world.ask_with(grant("3").claim("aud", aud), &shared().virksomhet).await;
        World::refused(&answer, 400, "invalid_grant", "MP-110");
    }
}

#[tokio::test]
async fn a_jti_can_be_used_once_by_each_client() {
    let world = World::lax();
    assert_eq!(world.ask_with(grant("1"), &shared().virksomhet).await.0, StatusCode::OK);
    World::refused(&world.ask_with(grant("1"), &shared().virksomhet).await, 400, "invalid_grant", "MP-012");
    assert_eq!(world.ask_with(grant("2"), &shared().virksomhet).await.0, StatusCode::OK);
    assert_eq!(
        world.ask_with(grant("1").claim("iss", "en-annen"), &shared().virksomhet).await.0,
        StatusCode::OK
    );
    let later = start().as_second() + 200;
    world.clock.store(later, Ordering::SeqCst);
    let again = grant("1").claim("iat", later).claim("exp", later + 120);
    assert_eq!(world.ask_with(again, &shared().virksomhet).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_forged_signature_is_refused_and_uses_up_no_jti() {
    let world = World::lax();
    let stranger = self_signed_konto_key("x", RsaBits::B2048, start()).unwrap();
    let forged = grant("1").header("x5c", json!([STANDARD.encode(shared().virksomhet.certificate_der())]));
    World::refused(&world.ask_with(forged, &stranger).await, 400, "invalid_grant", "MP-124");
    assert_eq!(world.ask_with(grant("1"), &shared().virksomhet).await.0, StatusCode::OK);
}

#[tokio::test]
async fn x5c_must_be_an_array_of_certificates() {
    let world = World::lax();
    let url_safe = URL_SAFE_NO_PAD.encode([0xff; 7]);
    for x5c in [json!("MII"), json!([]), json!([7]), json!(["%%"]), json!([url_safe])] {
        let answer = world.ask_with(grant("1").header("x5c", x5c), &shared().virksomhet).await;
        World::refused(&answer, 400, "invalid_grant", "MP-123");
    }
    let answer = world.ask_with(grant("1").header("x5c", json!(["AAAA"])), &shared().virksomhet).await;
    World::refused(&answer, 400, "invalid_grant", "MP-120");
    let answer = world.ask_with(grant("1").header("x5c", Value::Null), &shared().virksomhet).await;
    World::refused(&answer, 400, "invalid_grant", "MP-120");
}

#[tokio::test]
async fn a_registered_key_serves_without_a_certificate() {
    let world = World::lax();
    let key = self_signed_konto_key("klient", RsaBits::B2048, start()).unwrap();
    World::refused(&world.ask_with(grant("0").kid("k1"), &key).await, 400, "invalid_grant", "MP-124");
    let registered = |expires, orgnr: Option<&str>| {
        klient(|klient| {
            klient.orgnr = orgnr.map(str::to_owned);
            klient.keys.insert("k1".to_owned(), KlientKey { public_key: public_key(&key), expires });
        })
    };
    world.simulator.register(registered(None, Some(OTHER)));
    let claims = World::claims(&world.ask_with(grant("1").kid("k1"), &key).await);
    assert_eq!(claims["consumer"]["ID"], "0192:974760673");
    assert_eq!(claims["client_amr"], "private_key_jwt");
    World::refused(&world.ask_with(grant("2").kid("k2"), &key).await, 400, "invalid_grant", "MP-124");
    World::refused(
        &world.ask_with(grant("2").kid("k1"), &shared().virksomhet).await,
        400,
        "invalid_grant",
        "MP-124",
    );
    world.simulator.register(registered(Some(start()), Some(OTHER)));
    World::refused(&world.ask_with(grant("2").kid("k1"), &key).await, 400, "invalid_grant", "MP-121");
    world.simulator.register(registered(None, None));
    World::refused(&world.ask_with(grant("2").kid("k1"), &key).await, 400, "invalid_grant", "MP-122");
}

#[tokio::test]
async fn a_certificate_counts_more_than_a_kid() {
    let world = World::lax();
    let both = grant("1").header("kid", "ukjent");
    assert_eq!(
        World::claims(&world.ask_with(both, &shared().virksomhet).await)["consumer"]["ID"],
        "0192:971032146"
    );
}

#[tokio::test]
async fn certificate_and_registration_must_name_the_same_organisation() {
    let world = World::lax();
    world.simulator.register(klient(|klient| klient.orgnr = Some(OTHER.to_owned())));
    World::refused(&world.ask_with(grant("1"), &shared().virksomhet).await, 400, "invalid_grant", "MP-122");
    world.simulator.register(klient(|klient| klient.orgnr = Some(ORGNR.to_owned())));
    assert_eq!(world.ask_with(grant("1"), &shared().virksomhet).await.0, StatusCode::OK);
}

#[tokio::test]
async fn without_auto_only_registered_clients_are_known() {
    let world = World::configured(|config| config.auto = false);
    World::refused(&world.ask_with(grant("1"), &shared().virksomhet).await, 400, "invalid_grant", "MP-100");
    world.simulator.register(klient(|_| {}));
    assert_eq!(world.ask_with(grant("1"), &shared().virksomhet).await.0, StatusCode::OK);
}

#[tokio::test]
async fn only_registered_scopes_are_given() {
    let world = World::lax();
    for scope in [json!("ks:annet"), json!("ks:fiks ks:annet"), json!("ks:fik")] {
        let answer = world.ask_with(grant("1").claim("scope", scope), &shared().virksomhet).await;
        World::refused(&answer, 403, "invalid_scope", "MP-200");
    }
    for scope in [Value::Null, json!(""), json!(["ks:fiks"])] {
        let answer = world.ask_with(grant("1").claim("scope", scope), &shared().virksomhet).await;
        World::refused(&answer, 400, "invalid_scope", "MP-200");
    }
    world.simulator.register(klient(|klient| klient.scopes.push("ks:annet".to_owned())));
    let answer = world.ask_with(grant("1").claim("scope", "ks:annet  ks:fiks"), &shared().virksomhet).await;
    assert_eq!(World::claims(&answer)["scope"], "ks:annet ks:fiks");
}

#[tokio::test]
async fn a_supplier_gets_a_token_for_the_consumer_that_delegated() {
    let world = World::lax();
    let for_other = |jti| grant(jti).claim("consumer_org", OTHER);
    let claims = World::claims(&world.ask_with(for_other("1"), &shared().virksomhet).await);
    assert_eq!(claims["consumer"]["ID"], "0192:974760673");
    assert_eq!(claims["supplier"], json!({ "authority": "iso6523-actorid-upis", "ID": "0192:971032146" }));
    assert_eq!(claims["delegation_source"], "https://www.altinn.no");

    world.simulator.register(klient(|_| {}));
    World::refused(
        &world.ask_with(for_other("2"), &shared().virksomhet).await,
        403,
        "access_denied",
        "MP-251",
    );
    let own =
        World::claims(&world.ask_with(grant("3").claim("consumer_org", ORGNR), &shared().virksomhet).await);
    assert!(own.get("supplier").is_none());
    world.simulator.register(klient(|klient| klient.acts_for = ActsFor::These(vec![OTHER.to_owned()])));
    assert_eq!(world.ask_with(for_other("4"), &shared().virksomhet).await.0, StatusCode::OK);
    for wrong in [json!("974760674"), json!("x"), json!(7)] {
        let answer = world.ask_with(grant("5").claim("consumer_org", wrong), &shared().virksomhet).await;
        World::refused(&answer, 400, "invalid_request", "MP-010");
    }
}

#[tokio::test]
async fn resource_becomes_the_audience() {
    let world = World::lax();
    for (jti, resource, aud) in [
        ("1", json!("https://a"), json!("https://a")),
        ("2", json!(["https://a"]), json!("https://a")),
        ("3", json!(["https://a", "https://b"]), json!(["https://a", "https://b"])),
    ] {
        let answer = world.ask_with(grant(jti).claim("resource", resource), &shared().virksomhet).await;
        assert_eq!(World::claims(&answer)["aud"], aud);
    }
    for wrong in [json!(7), json!([]), json!([7])] {
        let answer = world.ask_with(grant("4").claim("resource", wrong), &shared().virksomhet).await;
        World::refused(&answer, 400, "invalid_request", "MP-010");
    }
}

#[tokio::test]
async fn certificates_are_checked_as_far_as_the_mode_asks() {
    let issue = |order: Virksomhetssertifikat| shared().ca.virksomhetssertifikat(&order, start()).unwrap();
    let order = || Virksomhetssertifikat::new(ORGNR, "Storevik kommune");
    let (lax, chained, strict) = (World::lax(), World::chained(), World::strict());
    // certificate, then whether each of lax, test CA and strict takes it
    let cases = [
        ("good", issue(order()), [true, true, true]),
        ("auth", issue(order().usage(Usage::Auth)), [true, true, true]),
        ("sign", issue(order().usage(Usage::Sign)), [true, true, true]),
        ("crypt", issue(order().usage(Usage::Crypt)), [true, true, false]),
        ("other CA", issue(order().flaw(Flaw::OtherCa)), [true, false, false]),
        ("wrong policy", issue(order().flaw(Flaw::WrongPolicy)), [true, true, false]),
        ("expired", issue(order().flaw(Flaw::Expired)), [false, false, false]),
        ("not yet valid", issue(order().flaw(Flaw::NotYetValid)), [false, false, false]),
        ("no orgnr", issue(order().flaw(Flaw::NoOrgnr)), [false, false, false]),
        ("two orgnr", issue(order().flaw(Flaw::TwoOrgnr)), [false, false, false]),
        (
            "wrong control digit",
            issue(Virksomhetssertifikat::new("971032147", "Feil")),
            [false, false, false],
        ),
        (
            "orgnr in O",
            issue(Virksomhetssertifikat::new(ORGNR, "KS - 971032146").flaw(Flaw::NoOrgnr)),
            [true, true, false],
        ),
    ];
    for (name, certificate, taken) in cases {
        for (world, taken) in [&lax, &chained, &strict].into_iter().zip(taken) {
            let answer = world.ask_with(grant(name), &certificate).await;
            if taken {
                assert_eq!(World::claims(&answer)["consumer"]["ID"], "0192:971032146", "{name}");
            } else {
                World::refused(&answer, 400, "invalid_grant", "MP-120");
            }
        }
    }
}

#[tokio::test]
async fn a_fault_is_shown_until_it_is_mended() {
    let world = World::lax();
    world.simulator.set_fault(Fault::Unavailable);
    assert_eq!(world.ask_with(grant("1"), &shared().virksomhet).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.get("/jwk").await.0, StatusCode::SERVICE_UNAVAILABLE);
    world.simulator.set_fault(Fault::None);
    assert_eq!(world.ask_with(grant("1"), &shared().virksomhet).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_slow_simulator_answers_late_but_well() {
    let world = World::lax();
    world.simulator.set_fault(Fault::Slow(Duration::from_secs(9)));
    let before = tokio::time::Instant::now();
    assert_eq!(world.ask_with(grant("1"), &shared().virksomhet).await.0, StatusCode::OK);
    assert!(before.elapsed() >= Duration::from_secs(9));
}

#[tokio::test]
async fn keys_may_be_as_large_as_maskinporten_s() {
    let keys = SigningKeys::generate(RsaBits::B4096).unwrap();
    let simulator = Simulator::new(SimulatorConfig::new(ISSUER, Miljo::Test), keys, Arc::new(start)).unwrap();
    let token = simulator.mint_token(ORGNR, "ks:fiks", Duration::from_mins(2));
    assert_eq!(URL_SAFE_NO_PAD.decode(token.rsplit('.').next().unwrap()).unwrap().len(), 512);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn garbage_is_refused_and_never_panics(body in prop::collection::vec(any::<u8>(), 0..600), header in "[ -~]{0,80}", claims in "[ -~]{0,80}") {
        static WORLD: OnceLock<World> = OnceLock::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = WORLD.get_or_init(World::lax);
        let assertion = format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        runtime.block_on(async {
            assert_eq!(world.post(body).await.0, StatusCode::BAD_REQUEST);
            assert_eq!(world.ask(&assertion).await.0, StatusCode::BAD_REQUEST);
        });
    }
}
