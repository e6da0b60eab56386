//! An ID-porten simulator on a loopback port, a login that trusts it, and a browser.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app::ports::{LoginAnswer, LoginStart, PersonLogin as _, PersonLoginError, VerifiedPerson};
use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use jiff::Timestamp;
use knutepunkt_maskinporten::oidc::{OidcConfig, OidcLogin};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use simulator::ca::RsaBits;
use simulator::idporten::{Idporten, IdportenConfig, OidcKlient, Testperson, syntetisk_pid};
use simulator::maskinporten::SigningKeys;
use simulator::{Miljo, Now};

use crate::world::install_crypto;

pub(crate) const CLIENT: &str = "portal";
pub(crate) const RETUR: &str = "http://127.0.0.1:1/auth/retur";
pub(crate) const LOGGED_OUT: &str = "http://127.0.0.1:1/logg-inn";
const START: i64 = 1_780_000_000;

pub(crate) struct OidcWorld {
    pub(crate) idporten: Idporten,
    pub(crate) login: OidcLogin,
    pub(crate) browser: Browser,
    clock: Arc<AtomicI64>,
    asked: Arc<AtomicUsize>,
}

impl OidcWorld {
    pub(crate) async fn new() -> Self {
        Self::configured(|_| {}, |_| {}).await
    }

    pub(crate) async fn configured(
        simulator: impl FnOnce(&mut IdportenConfig),
        change: impl FnOnce(&mut OidcConfig),
    ) -> Self {
        install_crypto();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let issuer = format!("http://{}/idporten", listener.local_addr().unwrap());
        let clock = Arc::new(AtomicI64::new(START));
        let hand = Arc::clone(&clock);
        let now: Now = Arc::new(move || Timestamp::from_second(hand.load(Ordering::SeqCst)).unwrap());
        let mut config = IdportenConfig::new(&issuer, Miljo::Utvikling);
        config.klienter = vec![OidcKlient {
            client_id: CLIENT.to_owned(),
            redirect_uris: vec![RETUR.to_owned()],
            post_logout_redirect_uris: vec![LOGGED_OUT.to_owned()],
            ..OidcKlient::default()
        }];
        config.personer = vec![Testperson {
            pid: syntetisk_pid(1),
            navn: "Kari Storevik".to_owned(),
            beskrivelse: "Administrator".to_owned(),
        }];
        simulator(&mut config);
        let idporten = Idporten::new(config, SigningKeys::generate(RsaBits::B2048).unwrap(), now).unwrap();

        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let router = Router::new().nest("/idporten", idporten.router()).layer(axum::middleware::from_fn(
            move |request: Request, next: Next| {
                // The keys are looked up by the metadata, too.
                if request.uri().path().ends_with("/openid-configuration") {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                next.run(request)
            },
        ));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut config = OidcConfig::new(&issuer, CLIENT, RETUR);
        LOGGED_OUT.clone_into(&mut config.post_logout_redirect_uri);
        change(&mut config);
        let login = OidcLogin::new(config).unwrap();
        Self { idporten, login, browser: Browser::new(), clock, asked }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock.load(Ordering::SeqCst)).unwrap()
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    /// How often the metadata were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Goes to the provider, chooses the person of `seed` there, and comes back with a code.
    pub(crate) async fn code(&self, started: &LoginStart, seed: u32) -> String {
        let url = self.login.start(started, self.now()).await.unwrap();
        let page = self.browser.get(&url).await;
        assert_eq!(page.status, StatusCode::OK, "the page where a person is chosen");
        let back = self.browser.post(&url, &[("pid", &syntetisk_pid(seed))]).await.query();
        assert_eq!(back["state"], started.state);
        assert_eq!(back["iss"], self.login.issuer());
        back["code"].clone()
    }

    pub(crate) async fn finish(
        &self,
        code: &str,
        started: &LoginStart,
    ) -> Result<VerifiedPerson, PersonLoginError> {
        let answer = LoginAnswer { code, issuer: Some(self.login.issuer()) };
        self.login.finish(answer, started, self.now()).await
    }

    pub(crate) async fn log_in(&self, started: &LoginStart) -> Result<VerifiedPerson, PersonLoginError> {
        let code = self.code(started, 1).await;
        self.finish(&code, started).await
    }
}

pub(crate) fn started(force: bool) -> LoginStart {
    LoginStart {
        state: "tilstand-1".to_owned(),
        nonce: "engangs-1".to_owned(),
        verifier: "v".repeat(43),
        sprak: "nb".to_owned(),
        force,
        hint: None,
    }
}

/// Why a login was refused. The reason may not tell of the person.
#[track_caller]
pub(crate) fn refusal(outcome: Result<VerifiedPerson, PersonLoginError>) -> String {
    match outcome {
        Err(PersonLoginError::Refused { reason }) => {
            assert!(!reason.contains(&syntetisk_pid(1)), "the reason tells of the person");
            reason
        }
        other => panic!("{other:?}"),
    }
}

/// Why the provider was not available, with the sources.
#[track_caller]
pub(crate) fn absence<T: std::fmt::Debug>(outcome: Result<T, PersonLoginError>) -> String {
    match outcome {
        Err(PersonLoginError::Unavailable(source)) => {
            let mut text = source.to_string();
            let mut next = source.source();
            while let Some(error) = next {
                text = format!("{text}: {error}");
                next = error.source();
            }
            text
        }
        other => panic!("{other:?}"),
    }
}

/// A browser that follows no redirect by itself and keeps cookies.
pub(crate) struct Browser {
    http: reqwest::Client,
    cookies: Mutex<HashMap<String, String>>,
}

pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Page {
    /// The query of the address that the browser is sent to.
    #[track_caller]
    pub(crate) fn query(&self) -> HashMap<String, String> {
        let location: Url = self.location.as_ref().expect(&self.body).parse().unwrap();
        location.query_pairs().into_owned().collect()
    }
}

impl Browser {
    fn new() -> Self {
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(20))
            .tls_certs_only([])
            .no_proxy();
        Self { http: http.build().unwrap(), cookies: Mutex::default() }
    }

    pub(crate) async fn get(&self, url: &str) -> Page {
        self.send(self.http.get(url)).await
    }

    pub(crate) async fn post(&self, url: &str, form: &[(&str, &str)]) -> Page {
        self.send(self.http.post(url).form(form)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Page {
        let cookies: Vec<String> = {
            let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        let response = request.header("Cookie", cookies.join("; ")).send().await.unwrap();
        let header =
            |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        if let Some(cookie) = header("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
            if cookie.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Page { status: response.status(), location: header("location"), body: response.text().await.unwrap() }
    }
}
