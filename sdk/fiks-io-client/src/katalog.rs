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
        api.get(&path(KATALOG, &konto.to_string(), &[])).await.map_err(not_found_as(Error::UnknownKonto(konto)))
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
