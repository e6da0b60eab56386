use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use knutepunkt_simulator::ca::RsaBits;
use knutepunkt_simulator::idporten::{
    Idporten, IdportenConfig, IdportenError, OidcKlient, Testperson, syntetisk_pid,
};
use knutepunkt_simulator::maskinporten::{Fault, SigningKeys};
use knutepunkt_simulator::{Miljo, Now};
use serde_json::Value;
use tower::ServiceExt as _;

const ISSUER: &str = "http://127.0.0.1:8080/idporten";
const RETUR: &str = "http://127.0.0.1:8081/auth/retur";
const LOGGED_OUT: &str = "http://127.0.0.1:8081/logg-inn";
const FRONTKANAL: &str = "http://127.0.0.1:8081/auth/frontkanal";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Of RFC 7636 appendix B, as the verifier.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const START: i64 = 1_780_000_000;

fn config() -> IdportenConfig {
    let klient = OidcKlient {
        client_id: "portal".to_owned(),
        secret: Some("hemmelig".to_owned()),
        redirect_uris: vec![RETUR.to_owned()],
        post_logout_redirect_uris: vec![LOGGED_OUT.to_owned()],
        ..OidcKlient::default()
    };
    let personer = vec![
        Testperson {
            pid: syntetisk_pid(1),
            navn: "Kari <Storevik>".to_owned(),
            beskrivelse: "Administrator".to_owned(),
        },
        Testperson {
            pid: syntetisk_pid(2),
            navn: "Per Protokoll".to_owned(),
            beskrivelse: "Leser".to_owned(),
        },
    ];
    IdportenConfig { klienter: vec![klient], personer, ..IdportenConfig::new(ISSUER, Miljo::Utvikling) }
}

fn keys() -> SigningKeys {
    SigningKeys::generate(RsaBits::B2048).unwrap()
}

struct World {
    idporten: Idporten,
    clock: Arc<AtomicI64>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Where the browser is sent, and with what.
    #[track_caller]
    fn sent(&self) -> (String, HashMap<String, String>) {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        let (base, query) = self.header("location").split_once('?').unwrap();
        (base.to_owned(), form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

impl World {
    fn new() -> Self {
        Self::configured(|_| {})
    }

    fn configured(change: impl FnOnce(&mut IdportenConfig)) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let hand = Arc::clone(&clock);
        let now: Now = Arc::new(move || Timestamp::from_second(hand.load(Ordering::SeqCst)).unwrap());
        let mut config = config();
        change(&mut config);
        Self { idporten: Idporten::new(config, keys(), now).unwrap(), clock }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let router = Router::new().nest("/idporten", self.idporten.router());
        let response = router.oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        let request = Request::get(format!("/idporten{path}")).header("Cookie", cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, cookie: &str, form: &[(&str, &str)]) -> Answer {
        let request = Request::post(format!("/idporten{path}")).header("Cookie", cookie);
        self.send(request.body(encode(form).into()).unwrap()).await
    }

    /// Logs the first person in; the code and the cookie.
    async fn log_in(&self) -> (String, String) {
        let answer = self.post(&authorize(&[]), "", &[("pid", &syntetisk_pid(1))]).await;
        (answer.sent().1["code"].clone(), answer.cookie())
    }

    async fn exchange(&self, change: &[(&str, &str)]) -> Answer {
        let form = changed(
            &[
                ("grant_type", "authorization_code"),
                ("redirect_uri", RETUR),
                ("code_verifier", VERIFIER),
                ("client_id", "portal"),
                ("client_secret", "hemmelig"),
            ],
            change,
        );
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post("/token", "", &form).await
    }
}

fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// `pairs` with some of them otherwise, or gone where the value is empty.
fn changed(pairs: &[(&str, &str)], change: &[(&str, &str)]) -> Vec<(String, String)> {
    let kept = pairs.iter().filter(|(name, _)| change.iter().all(|(other, _)| other != name));
    let new = change.iter().filter(|(_, value)| !value.is_empty());
    kept.chain(new).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn authorize(change: &[(&str, &str)]) -> String {
    let pairs = changed(
        &[
            ("response_type", "code"),
            ("client_id", "portal"),
            ("redirect_uri", RETUR),
            ("scope", "openid profile"),
            ("state", "s 1"),
            ("nonce", "n1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ],
        change,
    );
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    format!("/authorize?{}", encode(&pairs))
}

#[test]
fn no_simulator_in_production_for_a_real_issuer_or_for_real_persons() {
    let make = |change: &dyn Fn(&mut IdportenConfig)| {
        let mut config = config();
        change(&mut config);
        Idporten::new(config, keys(), Arc::new(|| Timestamp::UNIX_EPOCH))
    };
    let production = make(&|config| config.miljo = Miljo::Produksjon);
    assert!(matches!(production, Err(IdportenError::Production)));
    for issuer in ["https://idporten.no", "https://test.idporten.no/", "https://IDPORTEN.no."] {
        let real = make(&|config| issuer.clone_into(&mut config.issuer));
        assert!(matches!(real, Err(IdportenError::RealIssuer(_))), "{issuer}");
    }
    for issuer in ["", "idporten", "ftp://localhost", "http://localhost/?x"] {
        let none = make(&|config| issuer.clone_into(&mut config.issuer));
        assert!(matches!(none, Err(IdportenError::Issuer(_))), "{issuer}");
    }
    let person = make(&|config| "01017012345".clone_into(&mut config.personer[0].pid));
    assert!(matches!(person, Err(IdportenError::NotSynthetic(_))));
    let slash = make(&|config| config.issuer.push('/')).unwrap();
    assert_eq!(slash.issuer(), ISSUER);
}

#[tokio::test]
async fn the_page_offers_each_person_and_has_no_script() {
    let world = World::new();
    let page = world.get(&authorize(&[]), "").await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "<html lang=\"nb\">",
        "<h1>Velg testperson</h1>",
        "Kari &lt;Storevik&gt;",
        "Per Protokoll",
        "Eller skriv et syntetisk fødselsnummer",
        "Avbryt",
    ] {
        assert!(page.body.contains(text), "{text}");
    }
    for text in ["<script", "style=", "<style", "onclick"] {
        assert!(!page.body.contains(text), "{text}");
    }
    let policy = page.header("content-security-policy");
    assert_eq!(
        policy,
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
         form-action 'self' http://127.0.0.1:8081"
    );
    for (locale, lang, h1) in [("nn", "nn", "Vel testperson"), ("en", "en", "Choose a test person")] {
        let page = world.get(&authorize(&[("ui_locales", locale)]), "").await;
        assert!(page.body.contains(&format!("<html lang=\"{lang}\">")), "{locale}");
        assert!(page.body.contains(&format!("<h1>{h1}</h1>")), "{locale}");
    }
    let style = world.get("/idporten.css", "").await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
}

#[tokio::test]
async fn a_request_of_nobody_known_stays_on_the_page() {
    let world = World::new();
    for change in [
        ("client_id", "other"),
        ("client_id", ""),
        ("redirect_uri", "https://evil.example/"),
        ("redirect_uri", "http://127.0.0.1:8081/auth/retur/"),
        ("redirect_uri", ""),
    ] {
        for answer in
            [world.get(&authorize(&[change]), "").await, world.post(&authorize(&[change]), "", &[]).await]
        {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{change:?}");
            assert_eq!(answer.header("location"), "");
        }
    }
}

#[tokio::test]
async fn a_wrong_request_is_told_to_the_client() {
    let world = World::new();
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "profile", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("prompt", "consent", "invalid_request"),
        ("max_age", "x", "invalid_request"),
        ("prompt", "none", "login_required"),
    ] {
        let (base, query) = world.get(&authorize(&[(name, value)]), "").await.sent();
        assert_eq!((base.as_str(), query["error"].as_str()), (RETUR, error), "{name}");
        assert_eq!((query["state"].as_str(), query["iss"].as_str()), ("s 1", ISSUER));
    }
}

#[tokio::test]
async fn a_chosen_person_gets_a_code_and_the_code_tokens() {
    let world = World::new();
    let (code, _) = world.log_in().await;
    world.clock.fetch_add(59, Ordering::SeqCst);
    let answer = world.exchange(&[("code", &code)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    let tokens = answer.json();
    let part = tokens["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    for (name, value) in [
        ("iss", ISSUER),
        ("aud", "portal"),
        ("pid", &syntetisk_pid(1)),
        ("name", "Kari <Storevik>"),
        ("nonce", "n1"),
        ("acr", "idporten-loa-substantial"),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert_eq!(claims["auth_time"], START);
    assert_eq!(claims["exp"], START + 59 + 120);

    let userinfo = async |token: &str| {
        let request = Request::get("/idporten/userinfo").header("Authorization", format!("Bearer {token}"));
        world.send(request.body(Body::empty()).unwrap()).await
    };
    let token = tokens["access_token"].as_str().unwrap();
    let told = userinfo(token).await.json();
    assert_eq!((&told["sub"], &told["pid"]), (&claims["sub"], &claims["pid"]));
    assert_eq!(userinfo("other").await.status, StatusCode::UNAUTHORIZED);
    world.clock.fetch_add(120, Ordering::SeqCst);
    assert_eq!(userinfo(token).await.status, StatusCode::UNAUTHORIZED, "it has expired");
}

#[tokio::test]
async fn a_code_is_bound_to_client_address_verifier_and_time() {
    let world = World::configured(|config| {
        let other = OidcKlient { client_id: "other".to_owned(), ..OidcKlient::default() };
        config.klienter.push(other);
    });
    for (change, wait, error) in [
        (("code_verifier", "another"), 0, "invalid_grant"),
        (("code_verifier", ""), 0, "invalid_grant"),
        (("redirect_uri", "http://127.0.0.1:8081/"), 0, "invalid_grant"),
        (("client_id", "other"), 0, "invalid_grant"),
        (("client_id", "nobody"), 0, "invalid_client"),
        (("client_secret", "feil"), 0, "invalid_client"),
        (("client_secret", ""), 0, "invalid_client"),
        (("grant_type", "password"), 0, "unsupported_grant_type"),
        (("code", "other"), 0, "invalid_grant"),
        (("resource", "x"), 60, "invalid_grant"),
    ] {
        let (code, _) = world.log_in().await;
        world.clock.fetch_add(wait, Ordering::SeqCst);
        let answer = world.exchange(&changes(&code, change)).await;
        assert_eq!(answer.json()["error"], error, "{change:?} {wait}");
        let status = if error == "invalid_client" { 401 } else { 400 };
        assert_eq!(answer.status.as_u16(), status, "{change:?}");
    }
    let (code, _) = world.log_in().await;
    assert_eq!(world.exchange(&[("code", &code)]).await.status, StatusCode::OK);
    assert_eq!(world.exchange(&[("code", &code)]).await.json()["error"], "invalid_grant", "used before");
}

/// The code and one change, which may be of the code.
fn changes<'a>(code: &'a str, change: (&'a str, &'a str)) -> Vec<(&'a str, &'a str)> {
    if change.0 == "code" { vec![change] } else { vec![("code", code), change] }
}

#[tokio::test]
async fn a_written_number_must_be_synthetic() {
    let world = World::new();
    for pid in ["", "123", "01017012345", "<script>"] {
        let page = world.post(&authorize(&[]), "", &[("pid", pid)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{pid}");
        assert!(page.body.contains("Skriv et gyldig syntetisk fødselsnummer"), "{pid}");
        assert!(page.body.contains("<title>Feil: Velg testperson"), "{pid}");
        assert!(!page.body.contains("<script"));
        assert_eq!(page.header("set-cookie"), "");
    }
    let pid = syntetisk_pid(77);
    let spaced = format!("{} {}", &pid[..6], &pid[6..]);
    let answer = world.post(&authorize(&[]), "", &[("pid", &spaced), ("navn", "Ny Person")]).await;
    let tokens = world.exchange(&[("code", &answer.sent().1["code"])]).await.json();
    let part = tokens["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!((claims["pid"].as_str(), claims["name"].as_str()), (Some(pid.as_str()), Some("Ny Person")));
}

#[tokio::test]
async fn cancelling_is_told_to_the_client() {
    let world = World::new();
    let (base, query) = world.post(&authorize(&[]), "", &[("avbryt", "ja")]).await.sent();
    assert_eq!((base.as_str(), query["error"].as_str()), (RETUR, "access_denied"));
    assert_eq!(query["state"], "s 1");
}

#[tokio::test]
async fn the_cookie_keeps_the_person_logged_in() {
    let world = World::new();
    let answer = world.post(&authorize(&[]), "", &[("pid", &syntetisk_pid(1))]).await;
    let cookie = answer.cookie();
    assert!(answer.header("set-cookie").ends_with("; Path=/idporten/; HttpOnly; SameSite=Lax"));
    let with_others = format!("a=b; {cookie}");
    for change in [&[][..], &[("prompt", "none")], &[("max_age", "60")]] {
        assert!(
            world.get(&authorize(change), &with_others).await.sent().1.contains_key("code"),
            "{change:?}"
        );
    }
    for change in [("prompt", "login"), ("max_age", "0")] {
        assert_eq!(world.get(&authorize(&[change]), &cookie).await.status, StatusCode::OK, "{change:?}");
    }
    assert_eq!(world.get(&authorize(&[]), "sso=other").await.status, StatusCode::OK);
    world.clock.fetch_add(2 * 3600, Ordering::SeqCst);
    assert_eq!(world.get(&authorize(&[]), &cookie).await.status, StatusCode::OK, "the session is over");
}

#[tokio::test]
async fn a_person_who_is_named_is_let_in_at_once() {
    let world = World::new();
    let (kari, per) = (syntetisk_pid(1), syntetisk_pid(2));
    let answer = world.get(&authorize(&[("login_hint", &kari)]), "").await;
    assert!(answer.sent().1.contains_key("code"));
    // Whoever was logged in before.
    let other = world.get(&authorize(&[("login_hint", &per)]), &answer.cookie()).await;
    assert!(other.sent().1.contains_key("code"));
    assert_ne!(other.cookie(), answer.cookie());
    // Somebody who is not on the page has to be written there.
    let unknown = syntetisk_pid(99);
    assert_eq!(world.get(&authorize(&[("login_hint", &unknown)]), "").await.status, StatusCode::OK);
    let silent = world.get(&authorize(&[("login_hint", &kari), ("prompt", "none")]), "").await;
    assert!(!silent.sent().1.contains_key("code"));
}

#[tokio::test]
async fn the_end_of_a_session_is_told_to_the_clients_that_were_used() {
    let world = World::configured(|config| {
        config.klienter[0].frontchannel_logout_uri = Some(FRONTKANAL.to_owned());
        config.klienter.push(OidcKlient {
            client_id: "unused".to_owned(),
            frontchannel_logout_uri: Some("http://127.0.0.1:8082/ut".to_owned()),
            ..OidcKlient::default()
        });
    });
    let (code, cookie) = world.log_in().await;
    let tokens = world.exchange(&[("code", &code)]).await.json();
    let hint = tokens["id_token"].as_str().unwrap();
    let part = hint.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let query = encode(&[
        ("id_token_hint", hint),
        ("post_logout_redirect_uri", LOGGED_OUT),
        ("state", "ut-1"),
        ("ui_locales", "nb"),
    ]);
    let page = world.get(&format!("/endsession?{query}"), &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    let told =
        format!("{FRONTKANAL}?{}", encode(&[("iss", ISSUER), ("sid", claims["sid"].as_str().unwrap())]));
    assert!(page.body.contains(&format!("src=\"{}\"", told.replace('&', "&amp;"))), "{}", page.body);
    assert!(!page.body.contains("8082"), "this one was not used");
    assert!(page.body.contains(&format!("href=\"{LOGGED_OUT}?state=ut-1\"")));
    assert_eq!(page.header("refresh"), format!("2; url={LOGGED_OUT}?state=ut-1"));
    assert!(page.header("content-security-policy").ends_with("frame-src http://127.0.0.1:8081"));
    assert!(page.header("set-cookie").ends_with("Max-Age=0"));
    assert_eq!(world.get(&authorize(&[]), &cookie).await.status, StatusCode::OK, "logged out");
}

#[tokio::test]
async fn a_logout_leads_only_to_registered_addresses() {
    let world = World::new();
    let target = [("client_id", "portal"), ("post_logout_redirect_uri", LOGGED_OUT)];
    let answer = world.post("/endsession", "", &target).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, LOGGED_OUT));
    for form in [
        [("client_id", "portal"), ("post_logout_redirect_uri", "https://evil.example/")],
        [("client_id", "other"), ("post_logout_redirect_uri", LOGGED_OUT)],
        [("id_token_hint", "a.b.c"), ("post_logout_redirect_uri", LOGGED_OUT)],
    ] {
        let page = world.get(&format!("/endsession?{}", encode(&form)), "").await;
        assert_eq!(page.status, StatusCode::OK, "{form:?}");
        assert!(page.body.contains("<h1>Du er logget ut</h1>") && !page.body.contains("href=\"http"));
        assert_eq!(page.header("refresh"), "");
    }
}

#[tokio::test]
async fn metadata_name_what_there_is() {
    let world = World::new();
    let metadata = world.get("/.well-known/openid-configuration", "").await.json();
    assert_eq!(metadata["issuer"], ISSUER);
    for name in ["jwks_uri", "userinfo_endpoint", "end_session_endpoint", "authorization_endpoint"] {
        let address = metadata[name].as_str().unwrap();
        let answer = world.get(address.strip_prefix(ISSUER).unwrap(), "").await;
        assert_ne!(answer.status, StatusCode::NOT_FOUND, "{name}");
    }
    world.idporten.set_fault(Fault::Unavailable);
    assert_eq!(world.get("/jwk", "").await.status, StatusCode::SERVICE_UNAVAILABLE);
}
