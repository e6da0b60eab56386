//! The katalog: who is behind a konto, and the keys to encrypt to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use asice::{Certificate, RecipientCertificate};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use wire::id::KontoId;
use wire::katalog::{KatalogKonto, KontoStatus, OffentligNokkel, SettOffentligNokkel};

use crate::ambient::Clock;
use crate::error::Error;
use crate::http::Api;

/// How long a key is kept. The official Java client does the same.
const KEPT: SignedDuration = SignedDuration::from_mins(10);
const MAX_KEYS: usize = 100;

const KATALOG: [&str; 5] = ["fiks-io", "katalog", "api", "v1", "kontoer"];
const KONTO_API: [&str; 5] = ["fiks-io", "konto", "api", "v1", "kontoer"];

/// Look-ups in the katalog, with the last hundred keys kept for ten minutes.
#[derive(Debug)]
pub(crate) struct Katalog {
    clock: Clock,
    keys: Mutex<HashMap<KontoId, Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    nokkel: OffentligNokkel,
    recipient: RecipientCertificate,
    until: Timestamp,
}

fn path<'a>(base: [&'a str; 5], konto: &'a str, rest: &'a [&'a str]) -> Vec<&'a str> {
    base.iter().copied().chain([konto]).chain(rest.iter().copied()).collect()
}

/// A 404 means that what was asked for is not there; any other error stays.
fn not_found_as(absent: Error) -> impl FnOnce(Error) -> Error {
    move |error| if error.status() == Some(404) { absent } else { error }
}

impl Katalog {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, keys: Mutex::default() }
    }

    pub(crate) async fn konto(api: &Api, konto: KontoId) -> Result<KatalogKonto, Error> {
        api.get(&path(KATALOG, &konto.to_string(), &[]))
            .await
            .map_err(not_found_as(Error::UnknownKonto(konto)))
    }

    pub(crate) async fn status(api: &Api, konto: KontoId) -> Result<KontoStatus, Error> {
        api.get(&path(KATALOG, &konto.to_string(), &["status"]))
            .await
            .map_err(not_found_as(Error::UnknownKonto(konto)))
    }

    pub(crate) async fn offentlig_nokkel(&self, api: &Api, konto: KontoId) -> Result<OffentligNokkel, Error> {
        self.key(api, konto).await.map(|kept| kept.nokkel)
    }

    pub(crate) async fn recipient(&self, api: &Api, konto: KontoId) -> Result<RecipientCertificate, Error> {
        self.key(api, konto).await.map(|kept| kept.recipient)
    }

    async fn key(&self, api: &Api, konto: KontoId) -> Result<Kept, Error> {
        if let Some(kept) = self.kept(konto) {
            return Ok(kept);
        }
        let nokkel = fetch_key(api, konto).await?;
        let recipient = RecipientCertificate::from_pem(&nokkel.nokkel)
            .map_err(|source| Error::UnusableKey { konto, source: source.into() })?;
        let until = self.clock.now().saturating_add(KEPT).unwrap_or(Timestamp::MAX);
        let kept = Kept { nokkel, recipient, until };
        self.keep(konto, kept.clone());
        Ok(kept)
    }

    fn kept(&self, konto: KontoId) -> Option<Kept> {
        let now = self.clock.now();
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(&konto).filter(|kept| now < kept.until).cloned()
    }

    fn keep(&self, konto: KontoId, kept: Kept) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_KEYS && !keys.contains_key(&konto) {
            let oldest = keys.iter().min_by_key(|(_, kept)| kept.until).map(|(konto, _)| *konto);
            if let Some(oldest) = oldest {
                keys.remove(&oldest);
            }
        }
        keys.insert(konto, kept);
    }

    pub(crate) async fn set_offentlig_nokkel(
        &self,
        api: &Api,
        konto: KontoId,
        pem: &str,
    ) -> Result<OffentligNokkel, Error> {
        let body = SettOffentligNokkel { pem: pem.to_owned() };
        let nokkel = api
            .exchange(Method::PUT, &path(KONTO_API, &konto.to_string(), &["offentligNokkel"]), &body)
            .await
            .map_err(not_found_as(Error::UnknownKonto(konto)))?;
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&konto);
        Ok(nokkel)
    }

    /// Whether the katalog shows `certificate` for `konto` now, whatever is kept here.
    pub(crate) async fn shows(api: &Api, konto: KontoId, certificate: &Certificate) -> Result<bool, Error> {
        match fetch_key(api, konto).await {
            Ok(nokkel) => Ok(Certificate::from_pem(&nokkel.nokkel).is_ok_and(|shown| shown == *certificate)),
            Err(Error::NoKey(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Asks without credentials, as the official clients do: the key is public.
async fn fetch_key(api: &Api, konto: KontoId) -> Result<OffentligNokkel, Error> {
    api.json(api.open(Method::GET, &path(KATALOG, &konto.to_string(), &["offentligNokkel"])))
        .await
        .map_err(not_found_as(Error::NoKey(konto)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use axum::Router;
    use axum::extract::Path;
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::{IntoResponse, Json};
    use axum::routing::get;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::config::HttpScheme;
    use crate::config::tests::complete;
    use crate::maskinporten::Tokens;
    use crate::testing::{self, identity};

    struct Setup {
        api: Api,
        katalog: Katalog,
        seconds: Arc<AtomicI64>,
        asked: Arc<AtomicUsize>,
    }

    fn konto(number: u128) -> KontoId {
        KontoId::from_uuid(Uuid::from_u128(number))
    }

    /// A katalog where konto 0 has no key and konto 1 an unusable one.
    async fn setup() -> Setup {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let answer = async move |Path(konto): Path<Uuid>, headers: HeaderMap| {
            counter.fetch_add(1, Ordering::SeqCst);
            assert!(!headers.contains_key("authorization"), "the key is public and needs no credentials");
            match konto.as_u128() {
                0 => (StatusCode::NOT_FOUND, Json(json!({"status": 404, "message": "Fant ikke"})))
                    .into_response(),
                1 => Json(json!({"nokkel": "no certificate", "valid": false})).into_response(),
                _ => Json(json!({"nokkel": identity().certificate, "valid": true})).into_response(),
            }
        };
        let router =
            Router::new().route("/fiks-io/katalog/api/v1/kontoer/{konto}/offentligNokkel", get(answer));
        let address = testing::serve(router).await;
        let config = complete().api(HttpScheme::Http, "127.0.0.1", address.port()).build().unwrap();
        let seconds = Arc::new(AtomicI64::new(0));
        let clock = Clock::from_fn({
            let seconds = Arc::clone(&seconds);
            move || Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap()
        });
        let http = testing::http_client();
        let tokens = Tokens::new(http.clone(), config.maskinporten.clone(), clock.clone());
        let api = Api::new(http, &config, Arc::new(tokens)).unwrap();
        Setup { api, katalog: Katalog::new(clock), seconds, asked }
    }

    #[tokio::test]
    async fn a_key_is_kept_for_ten_minutes() {
        let Setup { api, katalog, seconds, asked } = setup().await;
        katalog.recipient(&api, konto(2)).await.unwrap();
        seconds.store(599, Ordering::SeqCst);
        assert_eq!(katalog.offentlig_nokkel(&api, konto(2)).await.unwrap().nokkel, identity().certificate);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        seconds.store(600, Ordering::SeqCst);
        katalog.recipient(&api, konto(2)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn the_oldest_of_more_than_a_hundred_keys_goes() {
        let Setup { api, katalog, seconds, asked } = setup().await;
        for number in 0..101 {
            seconds.store(number, Ordering::SeqCst);
            katalog.recipient(&api, konto(u128::try_from(number).unwrap() + 2)).await.unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), 101);
        katalog.recipient(&api, konto(3)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 101, "the second oldest is still there");
        katalog.recipient(&api, konto(2)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 102, "the oldest is not");
    }

    #[tokio::test]
    async fn a_missing_or_unusable_key_is_told_and_not_kept() {
        let Setup { api, katalog, asked, .. } = setup().await;
        for _ in 0..2 {
            assert!(
                matches!(katalog.recipient(&api, konto(0)).await, Err(Error::NoKey(id)) if id == konto(0))
            );
            let unusable = katalog.recipient(&api, konto(1)).await;
            assert!(matches!(unusable, Err(Error::UnusableKey { konto: id, .. }) if id == konto(1)));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn the_shown_certificate_is_compared_whatever_is_kept() {
        let Setup { api, .. } = setup().await;
        let own = Certificate::from_pem(&identity().certificate).unwrap();
        let other = Certificate::from_pem(&testing::other_identity().certificate).unwrap();
        assert!(Katalog::shows(&api, konto(2), &own).await.unwrap());
        assert!(!Katalog::shows(&api, konto(2), &other).await.unwrap());
        assert!(!Katalog::shows(&api, konto(0), &own).await.unwrap());
    }
}
