//! The provider: how the client proves itself to it, and what becomes of logins when it ails or lies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use app::ports::{LoginAnswer, PersonLogin as _};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use knutepunkt_maskinporten::ConfigError;
use knutepunkt_maskinporten::oidc::{ClientAuth, OidcConfig, OidcConfigError, OidcLogin};
use serde_json::{Value, json};
use simulator::maskinporten::Fault;

use crate::oidc_world::{CLIENT, OidcWorld, RETUR, absence, refusal, started};
use crate::world::{install_crypto, serve};

/// Of a provider that does not say who it is.
const CODE: LoginAnswer<'_> = LoginAnswer { code: "kode", issuer: None };

#[tokio::test]
async fn a_secret_proves_the_client() {
    // With signs that must be encoded before they go into the header.
    let secret = "p:æ %+&=";
    let with = async |sent: &str| {
        let sent = ClientAuth::Secret(sent.to_owned());
        let known = |simulator: &mut simulator::idporten::IdportenConfig| {
            simulator.klienter[0].secret = Some(secret.to_owned());
        };
        let world = OidcWorld::configured(known, |config| config.auth = sent).await;
        world.log_in(&started(false)).await
    };
    with(secret).await.unwrap();
    let text = absence(with("feil-hemmelighet").await);
    assert_eq!(text, "ask the login provider for tokens: it answered 401 Unauthorized invalid_client");
}

#[tokio::test]
async fn a_signed_assertion_proves_the_client() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let private = pair.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(private.as_ref())
    );
    let auth = |pem: &str| ClientAuth::PrivateKeyJwt { pem: pem.as_bytes().to_vec(), kid: "nr-1".to_owned() };
    let world = OidcWorld::configured(
        |simulator| simulator.klienter[0].public_key = Some(public),
        |config| config.auth = auth(&pem),
    )
    .await;
    world.log_in(&started(false)).await.unwrap();
    world.log_in(&started(true)).await.unwrap();

    let make =
        |auth| OidcLogin::new(OidcConfig { auth, ..OidcConfig::new("https://idporten.no", CLIENT, RETUR) });
    let broken = pem.replace("PRIVATE", "PUBLIC");
    for pem in ["", "tull", broken.as_str()] {
        assert!(matches!(make(auth(pem)), Err(OidcConfigError::PrivateKey)), "{pem}");
    }
}

#[tokio::test]
async fn a_secret_goes_into_the_form_where_the_provider_knows_no_other_way() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let metadata = json!({
        "issuer": base, "authorization_endpoint": format!("{base}/a"), "token_endpoint": format!("{base}/t"),
        "jwks_uri": format!("{base}/j"), "token_endpoint_auth_methods_supported": ["client_secret_post"],
    });
    let (sent, mut received) = tokio::sync::mpsc::unbounded_channel();
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(move || std::future::ready(metadata.to_string())))
        .route(
            "/t",
            post(move |body: String| {
                sent.send(body).unwrap();
                std::future::ready((axum::http::StatusCode::BAD_REQUEST, "{\"error\":\"invalid_grant\"}"))
            }),
        );
    tokio::spawn(async move { axum::serve(listener, router).await });
    install_crypto();
    let auth = ClientAuth::Secret("h".to_owned());
    let login = OidcLogin::new(OidcConfig { auth, ..OidcConfig::new(&base, CLIENT, RETUR) }).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let reason = refusal(login.finish(CODE, &started(false), now).await);
    assert_eq!(reason, "the provider does not take the code");
    let form = received.recv().await.unwrap();
    assert!(form.ends_with("&client_id=portal&client_secret=h"), "{form}");
    assert_eq!(login.logout_url(None, "s").await, None, "the provider has no such place");
}

#[tokio::test]
async fn a_provider_that_is_down_or_silent_is_told_apart_from_a_bad_login() {
    let world = OidcWorld::new().await;
    world.idporten.set_fault(Fault::Unavailable);
    let text = absence(world.login.start(&started(false), world.now()).await);
    assert!(text.ends_with("it answered 503 Service Unavailable"), "{text}");
    assert_eq!(world.login.logout_url(None, "ut").await, None);
    world.idporten.set_fault(Fault::None);
    world.advance(1);
    let code = world.code(&started(false), 1).await;
    world.idporten.set_fault(Fault::Unavailable);
    let text = absence(world.finish(&code, &started(false)).await);
    assert!(!text.contains(&code), "{text}");
    world.idporten.set_fault(Fault::None);
    world.finish(&code, &started(false)).await.unwrap();

    let world = OidcWorld::configured(|_| {}, |config| config.timeout = Duration::from_millis(50)).await;
    world.idporten.set_fault(Fault::Slow(Duration::from_hours(1)));
    let text = absence(world.login.start(&started(false), world.now()).await);
    assert!(!text.contains("http://"), "addresses may hold secrets: {text}");
}

#[tokio::test]
async fn metadata_are_kept_for_an_hour_and_serve_on_while_the_provider_is_down() {
    let world = OidcWorld::new().await;
    let start = async || world.login.start(&started(false), world.now()).await;
    for (wait, asked) in [(0, 1), (0, 1), (3599, 1), (1, 2), (0, 2)] {
        world.advance(wait);
        start().await.unwrap();
        assert_eq!(world.asked(), asked, "after {wait} s more");
    }
    world.advance(3600);
    world.idporten.set_fault(Fault::Unavailable);
    start().await.unwrap();
    world.idporten.set_fault(Fault::None);
    let asked = world.asked();
    world.advance(29);
    start().await.unwrap();
    assert_eq!(world.asked(), asked, "not asked again at once");
    world.advance(1);
    start().await.unwrap();
    assert_eq!(world.asked(), asked + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_take_one_fetch() {
    let world = Arc::new(OidcWorld::new().await);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.login.start(&started(false), world.now()).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(world.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_wait_for_a_silent_provider_once_and_whoever_goes_away_breaks_nothing_off() {
    let world = OidcWorld::configured(|_| {}, |config| config.timeout = Duration::from_millis(200)).await;
    let world = Arc::new(world);
    world.idporten.set_fault(Fault::Slow(Duration::from_hours(1)));
    let start = || {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.login.start(&started(false), world.now()).await })
    };
    let (gone, waiting): (_, Vec<_>) = (start(), (0..20).map(|_| start()).collect());
    gone.abort();
    for task in waiting {
        absence(task.await.unwrap());
    }
    // Who comes right after that is not kept waiting.
    world.idporten.set_fault(Fault::None);
    absence(start().await.unwrap());
    world.advance(1);
    start().await.unwrap().unwrap();
}

/// What becomes of a login at a provider with these metadata, where `BASE` stands for its address.
async fn with_metadata(metadata: Value) -> Result<(String, String), String> {
    install_crypto();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let body = metadata.to_string().replace("BASE", &base);
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(move || std::future::ready(body.clone())));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let login = OidcLogin::new(OidcConfig::new(&base, CLIENT, RETUR)).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let before = login.origin().to_owned();
    assert_eq!(before, base, "until the metadata tell");
    match login.prepare(now).await {
        Ok(()) => Ok((login.start(&started(false), now).await.unwrap(), login.origin().to_owned())),
        Err(error) => Err(absence::<()>(Err(error))),
    }
}

#[tokio::test]
async fn the_origin_is_that_of_the_place_where_logins_begin() {
    let (url, origin) = with_metadata(json!({
        "issuer": "BASE", "authorization_endpoint": "https://login.example.no:8443/authorize?tenant=1",
        "token_endpoint": "BASE/t", "jwks_uri": "BASE/j",
    }))
    .await
    .unwrap();
    assert_eq!(origin, "https://login.example.no:8443");
    assert!(url.starts_with("https://login.example.no:8443/authorize?tenant=1&response_type=code&"), "{url}");
}

#[tokio::test]
async fn metadata_that_lie_are_refused() {
    let good = json!({
        "issuer": "BASE", "authorization_endpoint": "BASE/a", "token_endpoint": "BASE/t",
        "userinfo_endpoint": "BASE/u", "end_session_endpoint": "BASE/e", "jwks_uri": "BASE/j",
    });
    assert!(with_metadata(good.clone()).await.is_ok());
    let other =
        "read the metadata of the login provider: it names another issuer than the one that is configured";
    for issuer in ["https://idporten.no", "BASE/", ""] {
        let mut metadata = good.clone();
        metadata["issuer"] = json!(issuer);
        assert_eq!(with_metadata(metadata).await.unwrap_err(), other, "{issuer}");
    }
    for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint"] {
        let mut metadata = good.clone();
        metadata[name] = json!("http://192.0.2.1/x");
        let text = with_metadata(metadata).await.unwrap_err();
        assert_eq!(
            text, "read the metadata of the login provider: the address of an endpoint is not https",
            "{name}"
        );
    }
    for metadata in [json!({}), json!([]), json!("x")] {
        let text = with_metadata(metadata).await.unwrap_err();
        assert!(text.starts_with("read the metadata of the login provider: "), "{text}");
    }
}

#[tokio::test]
async fn what_the_provider_says_in_an_error_is_repeated_only_if_it_is_a_code() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let router = Router::new().route(
        "/{*path}",
        axum::routing::any(move |request: Request| {
            let base = format!("http://{}", request.headers()["host"].to_str().unwrap());
            let answer = if request.uri().path() == "/t" {
                json!({ "error": "hemmelig kode 123", "error_description": "hemmelig" })
            } else {
                counter.fetch_add(1, Ordering::SeqCst);
                json!({
                    "issuer": base, "authorization_endpoint": format!("{base}/a"),
                    "token_endpoint": format!("{base}/t"), "jwks_uri": format!("{base}/j"),
                })
            };
            let status = if request.uri().path() == "/t" { 400 } else { 200 };
            std::future::ready((axum::http::StatusCode::from_u16(status).unwrap(), answer.to_string()))
        }),
    );
    install_crypto();
    let base = format!("http://{}", serve(router).await);
    let login = OidcLogin::new(OidcConfig::new(base, CLIENT, RETUR)).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    for fetches in [1, 2] {
        let text = absence(login.finish(CODE, &started(false), now).await);
        assert_eq!(text, "ask the login provider for tokens: it answered 400 Bad Request ");
        assert_eq!(asked.load(Ordering::SeqCst), fetches, "the metadata are not trusted any more");
    }
}

#[test]
fn senseless_configurations_are_refused() {
    install_crypto();
    let make = |change: &dyn Fn(&mut OidcConfig)| {
        let mut config =
            OidcConfig::new("https://idporten.no", CLIENT, "https://portal.example.no/auth/retur");
        change(&mut config);
        OidcLogin::new(config)
    };
    assert!(make(&|_| {}).is_ok());
    assert!(matches!(make(&|config| config.algorithms.clear()), Err(OidcConfigError::NoAlgorithm)));
    assert!(matches!(make(&|config| config.client_id.clear()), Err(OidcConfigError::Missing("client_id"))));
    assert!(matches!(make(&|config| config.scopes = "profile".to_owned()), Err(OidcConfigError::NoOpenid)));
    let secretless = make(&|config| config.auth = ClientAuth::Secret(String::new()));
    assert!(matches!(secretless, Err(OidcConfigError::Missing(_))));
    for address in ["http://idporten.no", "idporten", "file:///etc/passwd"] {
        assert!(matches!(
            make(&|config| address.clone_into(&mut config.issuer)),
            Err(OidcConfigError::Address(_))
        ));
        let redirect = make(&|config| address.clone_into(&mut config.redirect_uri));
        assert!(matches!(redirect, Err(OidcConfigError::Address(_))), "{address}");
    }
    let garbage = make(&|config| {
        config.root_certificates =
            Some(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_vec());
    });
    assert!(matches!(garbage, Err(OidcConfigError::Http(ConfigError::HttpClient(_)))));
}

#[test]
fn secrets_are_not_shown_by_debug() {
    install_crypto();
    let mut config = OidcConfig::new("https://idporten.no", CLIENT, RETUR);
    config.auth = ClientAuth::Secret("hemmelig".to_owned());
    let login = OidcLogin::new(config.clone()).unwrap();
    let key = ClientAuth::PrivateKeyJwt { pem: b"hemmelig".to_vec(), kid: "k".to_owned() };
    let shown = format!("{config:?} {login:?} {key:?}");
    let bytes = format!("{:?}", b"hemmelig");
    assert!(!shown.contains("hemmelig") && !shown.contains(&bytes), "{shown}");
}
