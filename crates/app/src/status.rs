//! How kontoer and their queues stand right now.

use std::time::Duration;

use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::status::{Kontotilstand, konto_tilstander, trenger_oppfolging};
use jiff::Timestamp;

use crate::error::{Error, Missing};
use crate::konto::KontoSti;
use crate::ports::{KontoFakta, QueueStatus};
use crate::{App, Caller};

/// How long live numbers may take before a page goes on without them.
const LIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How many kontoer one page tells of at most.
pub const STATUS_MAX: u32 = 5_000;

/// How one Konto stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KontoStatusRad {
    /// What the registry knows of it.
    pub konto: KontoFakta,
    /// Its queue; `None` where the broker did not say.
    pub tall: Option<QueueStatus>,
    /// Its states, the one about its connection first.
    pub tilstander: Vec<Kontotilstand>,
    /// Somebody should look at it.
    pub trenger_oppfolging: bool,
}

/// How many of what. Numbers from the queues are `None` where one of them is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statustall {
    /// Kontoer.
    pub kontoer: u64,
    /// Kontoer without consumer.
    pub mangler_kobling: Option<u64>,
    /// Meldinger that no consumer holds.
    pub pa_ko: Option<u64>,
    /// Dead letters.
    pub uleverte: Option<u64>,
}

/// How several kontoer stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kontostatus {
    /// Each of them, by name of System and Konto.
    pub rader: Vec<KontoStatusRad>,
    /// All of them together.
    pub totalt: Statustall,
    /// When it was so.
    pub tidspunkt: Timestamp,
    /// There are more than [`STATUS_MAX`], and those are left out.
    pub avkortet: bool,
}

impl App {
    /// How the queues of `kontoer` stand, in the order asked. `None` where there is no queue, and everywhere if the broker
    /// does not say within two seconds: a page must not wait for it.
    ///
    /// Checks no rights: for those who have found the kontoer by a use case that did.
    pub async fn live_status(&self, kontoer: &[KontoId]) -> Vec<Option<QueueStatus>> {
        if kontoer.is_empty() {
            return Vec::new();
        }
        match tokio::time::timeout(LIVE_TIMEOUT, self.inner.broker.queue_statuses(kontoer)).await {
            Ok(Ok(statuses)) => return statuses,
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the queues do not tell how they stand"
                );
            }
            Err(_) => {
                tracing::warn!(kontoer = kontoer.len(), "the queues took too long to tell how they stand");
            }
        }
        vec![None; kontoer.len()]
    }

    /// What the registry knows of the kontoer of an organisasjon, by name of System and Konto, the first `limit`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn kontofakta_for_org(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        limit: u32,
    ) -> Result<Vec<KontoFakta>, Error> {
        caller.may_see_org(owner)?;
        let mut tx = self.begin_read().await?;
        tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        Ok(tx.list_kontostatus(owner, None, limit).await?)
    }

    /// How all kontoer of an organisasjon stand.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn status_for_org(&self, caller: &Caller, owner: FiksOrgId) -> Result<Kontostatus, Error> {
        let kontoer = self.kontofakta_for_org(caller, owner, STATUS_MAX + 1).await?;
        Ok(self.with_numbers(kontoer).await)
    }

    /// How all kontoer of a System stand.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn status_for_system(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
    ) -> Result<Kontostatus, Error> {
        let mut tx = self.begin_read().await?;
        caller.may_see(&crate::system::find(&mut *tx, owner, system).await?)?;
        let kontoer = tx.list_kontostatus(owner, Some(system), STATUS_MAX + 1).await?;
        drop(tx);
        Ok(self.with_numbers(kontoer).await)
    }

    /// How a Konto stands.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn status_for_konto(&self, caller: &Caller, sti: KontoSti) -> Result<KontoStatusRad, Error> {
        let mut tx = self.begin_read().await?;
        let (system, konto) = crate::konto::find(&mut *tx, sti).await?;
        caller.may_see(&system)?;
        let nokkel = tx.nokkel(konto.id).await?;
        drop(tx);
        let fakta = KontoFakta {
            konto_id: konto.id,
            navn: konto.navn,
            system_id: system.id,
            system_navn: system.info.navn,
            nokkel: nokkel.map(|nokkel| (nokkel.gyldig_fra, nokkel.gyldig_til)),
            send_meldinger_deaktivert: konto.send_meldinger_deaktivert,
        };
        let tall = self.live_status(&[konto.id]).await.into_iter().next().flatten();
        Ok(judged(self.now(), fakta, tall))
    }

    async fn with_numbers(&self, mut kontoer: Vec<KontoFakta>) -> Kontostatus {
        let avkortet = kontoer.len() > STATUS_MAX as usize;
        kontoer.truncate(STATUS_MAX as usize);
        let ids: Vec<KontoId> = kontoer.iter().map(|konto| konto.konto_id).collect();
        let statuses = self.live_status(&ids).await;
        let tidspunkt = self.now();
        let rader: Vec<KontoStatusRad> =
            kontoer.into_iter().zip(statuses).map(|(konto, tall)| judged(tidspunkt, konto, tall)).collect();
        let sum =
            |number: fn(&QueueStatus) -> u64| rader.iter().map(|rad| rad.tall.as_ref().map(number)).sum();
        let totalt = Statustall {
            kontoer: rader.len() as u64,
            mangler_kobling: sum(|tall| u64::from(tall.consumers == 0)),
            pa_ko: sum(|tall| tall.ready),
            uleverte: sum(|tall| tall.dead),
        };
        Kontostatus { rader, totalt, tidspunkt, avkortet }
    }
}

fn judged(now: Timestamp, konto: KontoFakta, tall: Option<QueueStatus>) -> KontoStatusRad {
    let konsumenter = tall.map(|tall| tall.consumers);
    let tilstander = konto_tilstander(now, konsumenter, konto.nokkel, konto.send_meldinger_deaktivert);
    let (eldste, uleverte) = tall.map_or((None, 0), |tall| (tall.oldest, tall.dead));
    let trenger_oppfolging = trenger_oppfolging(now, &tilstander, eldste, uleverte);
    KontoStatusRad { konto, tall, tilstander, trenger_oppfolging }
}
