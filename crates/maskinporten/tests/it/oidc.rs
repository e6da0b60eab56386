//! Logins, honest and forged.

use app::ports::{LoginAnswer, LoginStart, PersonLogin as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{StatusCode, Url};
use simulator::idporten::{Forgery, syntetisk_pid};

use crate::oidc_world::{CLIENT, LOGGED_OUT, OidcWorld, RETUR, absence, refusal, started};

#[tokio::test]
async fn a_person_logs_in() {
    let world = OidcWorld::new().await;
    let person = world.log_in(&started(false)).await.unwrap();
    assert_eq!(person.identifier.reveal(), syntetisk_pid(1));
    assert_eq!(person.navn.as_deref(), Some("Kari Storevik"));
    assert_eq!(person.acr.as_deref(), Some("idporten-loa-substantial"));
    assert!(person.sid.is_some());
    assert_eq!(world.login.navn(), "ID-porten");
    assert_eq!(format!("{}/idporten", world.login.origin()), world.login.issuer());
}

#[tokio::test]
async fn the_browser_is_sent_with_all_that_protects_the_login() {
    let world = OidcWorld::new().await;
    let query = |url: String| -> std::collections::BTreeMap<String, String> {
        url.parse::<Url>().unwrap().query_pairs().into_owned().collect()
    };
    let sent = query(world.login.start(&started(false), world.now()).await.unwrap());
    // RFC 7636 appendix B shows how the challenge is reckoned; this is that of 43 times v.
    let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, "v".repeat(43).as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    let expected = [
        ("acr_values", "idporten-loa-substantial"),
        ("client_id", CLIENT),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("nonce", "engangs-1"),
        ("redirect_uri", RETUR),
        ("response_type", "code"),
        ("scope", "openid profile"),
        ("state", "tilstand-1"),
        ("ui_locales", "nb"),
    ];
    let pairs: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, expected);
    let forced = query(world.login.start(&started(true), world.now()).await.unwrap());
    assert_eq!((forced["prompt"].as_str(), forced["max_age"].as_str()), ("login", "0"));
    let hinted = LoginStart { hint: Some("01810000000".to_owned()), ..started(false) };
    let hinted = query(world.login.start(&hinted, world.now()).await.unwrap());
    assert_eq!(hinted["login_hint"], "01810000000");
}

#[tokio::test]
async fn forged_id_tokens_are_refused() {
    let world = OidcWorld::new().await;
    for (forgery, reason) in [
        (Forgery::ForeignKey, "the signature does not fit"),
        (Forgery::Tampered, "the signature does not fit"),
        (Forgery::AlgNone, "the signature algorithm is not accepted"),
        (Forgery::Issuer, "the issuer is not the one that is configured"),
        (Forgery::Audience, "meant for another audience"),
        (Forgery::AuthorizedParty, "issued to another client"),
        (Forgery::Nonce, "the nonce is another"),
        (Forgery::Expired, "expired"),
        (Forgery::Future, "not valid yet: iat lies in the future"),
        (Forgery::LowAcr, "the level of assurance is too low"),
        (Forgery::MissingAcr, "acr is missing"),
        (Forgery::OldAuthTime, "the person did not prove himself again"),
        (Forgery::MissingPid, "the claim that identifies the person is missing"),
        (Forgery::OtherUserinfo, "userinfo speaks of another person"),
        (Forgery::Missing, "the provider gave no ID token"),
    ] {
        let started = started(true);
        let code = world.code(&started, 1).await;
        world.idporten.set_forgery(Some(forgery));
        assert_eq!(refusal(world.finish(&code, &started).await), reason, "{forgery:?}");
        world.idporten.set_forgery(None);
    }
    assert!(world.log_in(&started(true)).await.is_ok(), "all else was right");
}

#[tokio::test]
async fn who_the_person_is_may_stand_in_userinfo_alone() {
    let world = OidcWorld::new().await;
    world.idporten.set_forgery(Some(Forgery::PidInUserinfo));
    assert_eq!(world.log_in(&started(false)).await.unwrap().identifier.reveal(), syntetisk_pid(1));
}

#[tokio::test]
async fn a_login_that_is_not_forced_may_be_old() {
    let world = OidcWorld::new().await;
    world.idporten.set_forgery(Some(Forgery::OldAuthTime));
    assert!(world.log_in(&started(false)).await.is_ok());
}

#[tokio::test]
async fn a_code_of_another_login_is_refused() {
    let world = OidcWorld::new().await;
    let code = world.code(&started(false), 1).await;
    let other = LoginStart { verifier: "w".repeat(43), ..started(false) };
    assert_eq!(refusal(world.finish(&code, &other).await), "the provider does not take the code");
    let code = {
        let url = world.login.start(&started(false), world.now()).await.unwrap();
        world.browser.get(&url).await.query()["code"].clone()
    };
    let other = LoginStart { nonce: "engangs-2".to_owned(), ..started(false) };
    assert_eq!(refusal(world.finish(&code, &other).await), "the nonce is another");
}

#[tokio::test]
async fn a_code_is_good_once_and_for_a_minute() {
    let world = OidcWorld::new().await;
    let code = world.code(&started(false), 1).await;
    world.finish(&code, &started(false)).await.unwrap();
    assert_eq!(refusal(world.finish(&code, &started(false)).await), "the provider does not take the code");
    let code = world.code(&started(true), 1).await;
    world.advance(60);
    assert_eq!(refusal(world.finish(&code, &started(true)).await), "the provider does not take the code");
    for code in [String::new(), "x".repeat(5000)] {
        assert_eq!(refusal(world.finish(&code, &started(false)).await), "the code is empty or too long");
    }
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_refused_before_its_code_is_spent() {
    let world = OidcWorld::new().await;
    let started = started(false);
    let code = world.code(&started, 1).await;
    let finish =
        async |issuer| world.login.finish(LoginAnswer { code: &code, issuer }, &started, world.now()).await;
    let issuer = world.login.issuer();
    let near = [format!("{issuer}/"), issuer.to_uppercase()];
    for other in ["https://idporten.no", &near[0], &near[1], ""] {
        assert_eq!(refusal(finish(Some(other)).await), "the answer is of another issuer", "{other}");
    }
    // Its metadata promise that it says so.
    assert_eq!(refusal(finish(None).await), "the answer does not say of which issuer it is");
    finish(Some(issuer)).await.unwrap();
}

#[tokio::test]
async fn a_second_login_passes_through_and_a_forced_one_asks_again() {
    let world = OidcWorld::new().await;
    let first = world.log_in(&started(false)).await.unwrap();
    world.advance(600);

    let url = world.login.start(&started(false), world.now()).await.unwrap();
    let passed = world.browser.get(&url).await.query();
    let second = world.finish(&passed["code"], &started(false)).await.unwrap();
    assert_eq!((second.identifier, &second.sid), (first.identifier, &first.sid));

    let code = world.code(&started(true), 2).await;
    let forced = world.finish(&code, &started(true)).await.unwrap();
    assert_eq!(forced.identifier.reveal(), syntetisk_pid(2));
    assert_ne!(forced.sid, first.sid);
}

#[tokio::test]
async fn a_cancelled_login_comes_back_with_an_error() {
    let world = OidcWorld::new().await;
    let url = world.login.start(&started(false), world.now()).await.unwrap();
    let back = world.browser.post(&url, &[("avbryt", "ja")]).await.query();
    assert_eq!((back["error"].as_str(), back["state"].as_str()), ("access_denied", "tilstand-1"));
    assert!(!back.contains_key("code"));
}

#[tokio::test]
async fn a_logout_ends_the_session_at_the_provider() {
    let world = OidcWorld::new().await;
    let person = world.log_in(&started(false)).await.unwrap();
    let url = world.login.logout_url(Some(&person.id_token), "ut-1").await.unwrap();
    let back = world.browser.get(&url).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert_eq!(back.location.unwrap(), format!("{LOGGED_OUT}?state=ut-1"));
    let url = world.login.start(&started(false), world.now()).await.unwrap();
    assert_eq!(world.browser.get(&url).await.status, StatusCode::OK, "a person is to be chosen again");
}

#[tokio::test]
async fn a_logout_works_without_id_token_and_after_a_restart() {
    let world = OidcWorld::new().await;
    // Nothing is known of the provider yet, as right after a restart.
    let url = world.login.logout_url(None, "ut-1").await.unwrap();
    assert!(!url.contains("id_token_hint"), "{url}");
    let back = world.browser.get(&url).await;
    assert_eq!(back.location.unwrap(), format!("{LOGGED_OUT}?state=ut-1"));
}

#[tokio::test]
async fn a_provider_without_levels_and_pid_will_do() {
    let world = OidcWorld::configured(
        |simulator| simulator.acr = String::new(),
        |config| {
            config.acr_values.clear();
            "sub".clone_into(&mut config.identifier_claim);
            "Keycloak".clone_into(&mut config.navn);
        },
    )
    .await;
    let url = world.login.start(&started(false), world.now()).await.unwrap();
    assert!(!url.contains("acr_values"), "{url}");
    let person = world.log_in(&started(false)).await.unwrap();
    assert_eq!((person.acr, world.login.navn()), (None, "Keycloak"));
    let again = world.log_in(&started(true)).await.unwrap();
    assert_eq!(person.identifier, again.identifier);
    assert_ne!(person.identifier.reveal(), syntetisk_pid(1));
}

#[tokio::test]
async fn a_higher_level_of_id_porten_will_do() {
    let high = |simulator: &mut simulator::idporten::IdportenConfig| {
        "idporten-loa-high".clone_into(&mut simulator.acr);
    };
    let world = OidcWorld::configured(high, |_| {}).await;
    assert_eq!(world.log_in(&started(false)).await.unwrap().acr.as_deref(), Some("idporten-loa-high"));
    let demanding = |config: &mut knutepunkt_maskinporten::oidc::OidcConfig| {
        config.acr_values = vec!["idporten-loa-high".to_owned()];
    };
    let world = OidcWorld::configured(|_| {}, demanding).await;
    assert_eq!(refusal(world.log_in(&started(false)).await), "the level of assurance is too low");
}

#[tokio::test]
async fn long_id_tokens_are_refused_unread() {
    let world = OidcWorld::configured(|_| {}, |config| config.max_token_bytes = 100).await;
    assert_eq!(refusal(world.log_in(&started(false)).await), "the ID token is longer than 100 bytes");
    let world = OidcWorld::configured(|_| {}, |config| config.max_answer_bytes = 100).await;
    let text = absence(world.login.start(&started(false), world.now()).await);
    assert!(text.ends_with("the answer has more than 100 bytes"), "{text}");
}
