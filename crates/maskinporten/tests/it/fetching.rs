//! When the issuer is asked for its keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use app::ports::{TokenError, TokenVerifier as _};
use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use knutepunkt_maskinporten::{Config, MaskinportenVerifier};
use serde_json::json;
use simulator::maskinporten::{Fault, Forgery, TokenOrder};

use crate::world::{ORGNR, World, serve, until};

fn unknown_kid(world: &World) -> String {
    world.simulator.mint(&TokenOrder::new(ORGNR).forged(Forgery::UnknownKid))
}

#[tokio::test]
async fn many_tokens_take_one_fetch() {
    let world = World::new().await;
    for _ in 0..5 {
        world.verify(&world.token()).await.unwrap();
    }
    assert_eq!(world.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_without_keys_take_one_fetch() {
    let world = Arc::new(World::new().await);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (world, token) = (Arc::clone(&world), world.token());
            tokio::spawn(async move { world.verify(&token).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(world.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_unknown_keys_at_once_take_one_fetch() {
    let world = Arc::new(World::new().await);
    world.verify(&world.token()).await.unwrap();
    let tokens: Vec<String> = (0..10).map(|_| unknown_kid(&world)).collect();
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let (world, token) = (Arc::clone(&world), tokens[number % tokens.len()].clone());
            tokio::spawn(async move { world.refusal(&token).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), "signed with a key that the issuer does not publish");
    }
    assert_eq!(world.asked(), 2, "one at first, one for the unknown keys");
}

#[tokio::test]
async fn unknown_keys_lead_to_a_fetch_at_most_every_30_seconds() {
    let world = World::new().await;
    world.verify(&world.token()).await.unwrap();
    let unknown = unknown_kid(&world);
    for (wait, asked) in [(0, 2), (0, 2), (29, 2), (1, 3), (0, 3), (30, 4)] {
        world.advance(wait);
        world.refusal(&unknown).await;
        assert_eq!(world.asked(), asked, "after {wait} s more");
    }
}

#[tokio::test]
async fn a_key_published_beforehand_needs_no_fetch_and_a_new_one_needs_one() {
    let world = World::new().await;
    world.verify(&world.token()).await.unwrap();
    world.simulator.rotate().unwrap();
    world.verify(&world.token()).await.unwrap();
    assert_eq!(world.asked(), 1, "the next key was published already");
    world.simulator.rotate().unwrap();
    world.verify(&world.token()).await.unwrap();
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn a_token_of_the_former_key_is_good_after_a_rotation() {
    let world = World::new().await;
    let before = world.token();
    world.simulator.rotate().unwrap();
    world.verify(&before).await.unwrap();
    world.verify(&world.token()).await.unwrap();
}

#[tokio::test]
async fn old_keys_are_replaced_in_the_background() {
    let world = World::new().await;
    world.verify(&world.token()).await.unwrap();
    world.advance(300);
    world.verify(&world.token()).await.unwrap();
    assert_eq!(world.asked(), 1);
    world.advance(1);
    world.verify(&world.token()).await.unwrap();
    until("the keys were fetched again", || world.asked() == 2).await;
}

#[tokio::test]
async fn very_old_keys_are_not_used_before_they_are_fetched_again() {
    let world = World::new().await;
    let withdrawn = world.simulator.mint(&TokenOrder::new(ORGNR).lifetime(Duration::from_hours(1)));
    world.verify(&withdrawn).await.unwrap();
    world.simulator.rotate().unwrap();
    world.simulator.rotate().unwrap();
    world.advance(901);
    assert_eq!(world.refusal(&withdrawn).await, "signed with a key that the issuer does not publish");
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn a_clock_set_back_makes_keys_old() {
    let world = World::new().await;
    world.verify(&world.token()).await.unwrap();
    world.advance(-3600);
    world.verify(&world.token()).await.unwrap();
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn the_last_good_keys_serve_while_the_issuer_is_down() {
    let world = World::new().await;
    world.verify(&world.token()).await.unwrap();
    world.simulator.set_fault(Fault::Unavailable);
    world.advance(3600);
    world.verify(&world.token()).await.unwrap();
    assert_eq!(world.asked(), 1, "the fault strikes before the keys, at the metadata too");
    for _ in 0..2 {
        let judged = world.verify(&unknown_kid(&world)).await;
        assert!(matches!(judged, Err(TokenError::Unavailable(_))), "it may have been published meanwhile");
    }
    world.simulator.set_fault(Fault::None);
    world.advance(31);
    world.verify(&world.token()).await.unwrap();
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn with_no_keys_at_all_tokens_are_neither_good_nor_bad() {
    let world = World::new().await;
    world.simulator.set_fault(Fault::Unavailable);
    let source = match world.verify(&world.token()).await {
        Err(TokenError::Unavailable(source)) => source.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(source, "fetch the keys of the token issuer: it answered 503 Service Unavailable");
    world.simulator.set_fault(Fault::None);
    assert!(
        matches!(world.verify(&world.token()).await, Err(TokenError::Unavailable(_))),
        "not asked again at once"
    );
    world.advance(1);
    world.verify(&world.token()).await.unwrap();
}

#[tokio::test]
async fn a_silent_issuer_is_given_up() {
    let world = World::configured(|config| config.timeout = Duration::from_millis(50)).await;
    world.simulator.set_fault(Fault::Slow(Duration::from_hours(1)));
    assert!(matches!(world.verify(&world.token()).await, Err(TokenError::Unavailable(_))));
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_break_off_the_fetch() {
    let world = World::configured(|config| config.timeout = Duration::from_secs(20)).await;
    world.simulator.set_fault(Fault::Slow(Duration::from_millis(200)));
    let token = world.token();
    let gone = tokio::time::timeout(Duration::from_millis(20), world.verify(&token)).await;
    assert!(gone.is_err());
    world.verify(&token).await.unwrap();
    assert_eq!(world.asked(), 1);
}

/// What comes of an issuer that serves this as its metadata and keys.
async fn outcome(world: &World, router: Router, change: impl FnOnce(&mut Config, String)) -> String {
    let address = serve(router).await;
    let mut config = Config::new(world.simulator.issuer());
    change(&mut config, format!("http://{address}"));
    let verifier = MaskinportenVerifier::new(config).unwrap();
    match verifier.verify(&world.token(), world.now()).await {
        Err(TokenError::Unavailable(source)) => source.to_string(),
        other => format!("{other:?}"),
    }
}

fn answering(body: impl Into<String>) -> Router {
    let body = body.into();
    Router::new().route("/{*path}", get(move || std::future::ready(body.clone())))
}

#[tokio::test]
async fn keys_can_be_fetched_from_a_configured_address() {
    let world = World::new().await;
    let address = format!("{}jwk", world.simulator.issuer());
    let config = Config { jwks_uri: address, ..Config::new(world.simulator.issuer()) };
    let verifier = MaskinportenVerifier::new(config).unwrap();
    assert!(verifier.verify(&world.token(), world.now()).await.is_ok());
}

#[tokio::test]
async fn bad_answers_of_the_issuer_are_told_apart() {
    let world = World::new().await;
    let keys = |config: &mut Config, base: String| config.jwks_uri = format!("{base}/jwk");
    let issuer = |config: &mut Config, base: String| config.issuer = format!("{base}/");
    let big = format!("{{\"keys\":[{}]}}", " ".repeat(256 * 1024));
    for (answer, reason) in [
        (big.as_str(), "fetch the keys of the token issuer: the answer has more than 262144 bytes"),
        ("nothing", "read the keys of the token issuer"),
        ("{\"keys\":[]}", "read the keys of the token issuer: none of them can be used"),
    ] {
        assert_eq!(outcome(&world, answering(answer), keys).await, reason);
    }
    let other = json!({ "issuer": "https://maskinporten.no/", "jwks_uri": "https://maskinporten.no/jwk" })
        .to_string();
    let reason =
        "read the metadata of the token issuer: it names another issuer than the one that is configured";
    assert_eq!(outcome(&world, answering(other), issuer).await, reason);
    assert_eq!(outcome(&world, answering("{}"), issuer).await, "read the metadata of the token issuer");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let world = World::new().await;
    let target = format!("{}jwk", world.simulator.issuer());
    let router = Router::new().route("/jwk", get(move || std::future::ready(Redirect::temporary(&target))));
    let reason = outcome(&world, router, |config, base| config.jwks_uri = format!("{base}/jwk")).await;
    assert_eq!(reason, "fetch the keys of the token issuer: it answered 307 Temporary Redirect");
    assert_eq!(world.asked(), 0);
}

#[tokio::test]
async fn metadata_may_not_lead_to_plain_http_elsewhere() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let issuer = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let (counter, metadata) =
        (Arc::clone(&asked), json!({ "issuer": issuer, "jwks_uri": "http://192.0.2.1/jwk" }).to_string());
    let router = Router::new().route(
        "/.well-known/oauth-authorization-server",
        get(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            std::future::ready(metadata.clone())
        }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    let world = World::new().await;
    let verifier = MaskinportenVerifier::new(Config::new(&issuer)).unwrap();
    match verifier.verify(&world.token(), world.now()).await {
        Err(TokenError::Unavailable(source)) => {
            assert_eq!(source.to_string(), "fetch the keys of the token issuer: their address is not https");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
