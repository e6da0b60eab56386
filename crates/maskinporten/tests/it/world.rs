//! A simulator on a loopback port, a verifier that trusts it, and a count of what was asked for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use app::ports::{TokenError, TokenVerifier as _, VerifiedToken};
use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use jiff::Timestamp;
use knutepunkt_maskinporten::{Config, MaskinportenVerifier};
use simulator::ca::RsaBits;
use simulator::maskinporten::{SigningKeys, Simulator, SimulatorConfig};
use simulator::{Miljo, Now};

pub(crate) const ORGNR: &str = "971032146";
const START: i64 = 1_780_000_000;

pub(crate) struct World {
    pub(crate) simulator: Simulator,
    pub(crate) verifier: Arc<MaskinportenVerifier>,
    clock: Arc<AtomicI64>,
    asked: Arc<AtomicUsize>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::configured(|_| {}).await
    }

    pub(crate) async fn configured(change: impl FnOnce(&mut Config)) -> Self {
        install_crypto();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let issuer = format!("http://{}/maskinporten/", listener.local_addr().unwrap());
        let clock = Arc::new(AtomicI64::new(START));
        let hand = Arc::clone(&clock);
        let now: Now = Arc::new(move || Timestamp::from_second(hand.load(Ordering::SeqCst)).unwrap());
        let keys = SigningKeys::generate(RsaBits::B2048).unwrap();
        let simulator = Simulator::new(SimulatorConfig::new(&issuer, Miljo::Utvikling), keys, now).unwrap();

        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let router = Router::new().nest("/maskinporten", simulator.router()).layer(
            axum::middleware::from_fn(move |request: Request, next: Next| {
                if request.uri().path().ends_with("/jwk") {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                next.run(request)
            }),
        );
        tokio::spawn(async move { axum::serve(listener, router).await });

        let mut config = Config::new(&issuer);
        change(&mut config);
        let verifier = Arc::new(MaskinportenVerifier::new(config).unwrap());
        Self { simulator, verifier, clock, asked }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock.load(Ordering::SeqCst)).unwrap()
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    /// How often the keys were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn token(&self) -> String {
        self.simulator.mint_token(ORGNR, "ks:fiks", Duration::from_mins(2))
    }

    pub(crate) async fn verify(&self, token: &str) -> Result<VerifiedToken, TokenError> {
        self.verifier.verify(token, self.now()).await
    }

    /// Why `token` is refused.
    pub(crate) async fn refusal(&self, token: &str) -> String {
        match self.verify(token).await {
            Err(TokenError::Invalid { reason }) => {
                for part in token.split('.').filter(|part| part.len() > 8) {
                    assert!(!reason.contains(part), "the reason tells of the token");
                }
                reason
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn install_crypto() {
    // Another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Serves `router` on a loopback port.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain until {what}");
}
