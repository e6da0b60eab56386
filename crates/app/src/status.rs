//! How kontoer and their queues stand right now.

use std::collections::HashMap;
use std::time::Duration;

use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::status::{Kontotilstand, konto_tilstander, trenger_oppfolging};
use jiff::Timestamp;

use crate::error::{Error, Missing};
use crate::konto::KontoSti;
use crate::paging::{Page, Side};
use crate::ports::{KontoFakta, Kontonavn, OrgKontoListe, OrgKontoSortering, QueueStatus};
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

/// What the list of how kontoer stand is sorted by. Those alike in a number stand by name of System and Konto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusSortering {
    /// Their names.
    Navn(OrgKontoSortering),
    /// How many are connected.
    Konsumenter,
    /// How many meldinger no consumer holds.
    PaKo,
    /// How many meldinger a consumer holds.
    Ubekreftede,
    /// How long the oldest melding has waited.
    Eldste,
    /// How many dead letters there are.
    Uleverte,
}

impl StatusSortering {
    /// What is sorted by; `None` where nothing waits, or names decide.
    fn number(self, now: Timestamp, tall: &QueueStatus) -> Option<i128> {
        match self {
            Self::Navn(_) => None,
            Self::Konsumenter => Some(tall.consumers.into()),
            Self::PaKo => Some(tall.ready.into()),
            Self::Ubekreftede => Some(tall.unacked.into()),
            Self::Eldste => tall.oldest.map(|since| now.duration_since(since).as_nanos()),
            Self::Uleverte => Some(tall.dead.into()),
        }
    }
}

/// Which kontoer of an organisasjon to tell of.
#[derive(Debug, Clone)]
pub struct StatusListe {
    /// As [`OrgKontoListe::sok`].
    pub sok: String,
    /// Only those that somebody should look at.
    pub bare_oppfolging: bool,
    /// Their order.
    pub sortering: StatusSortering,
    /// The other way round.
    pub synkende: bool,
    /// Which of them.
    pub page: Page,
}

/// How several kontoer stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kontostatus {
    /// Each of them, by name of System and Konto. Who shows some asks for the names of those.
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

    /// How those of `kontoer` that exist are called.
    ///
    /// Checks no rights: for those who have found the kontoer by a use case that did.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn kontonavn(&self, kontoer: &[KontoId]) -> Result<HashMap<KontoId, Kontonavn>, Error> {
        let names = self.begin_read().await?.list_kontonavn(kontoer).await?;
        Ok(names.into_iter().map(|navn| (navn.konto_id, navn)).collect())
    }

    /// How the first `limit` kontoer of an organisasjon are called, by name of System and Konto.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn kontonavn_for_org(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        limit: u32,
    ) -> Result<Vec<Kontonavn>, Error> {
        caller.may_see_org(owner)?;
        let mut tx = self.begin_read().await?;
        tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        let kontoer = tx.list_kontostatus(owner, None, limit).await?;
        drop(tx);
        let ids: Vec<KontoId> = kontoer.iter().map(|konto| konto.konto_id).collect();
        let mut navn = self.kontonavn(&ids).await?;
        Ok(ids.iter().filter_map(|id| navn.remove(id)).collect())
    }

    /// How all kontoer of an organisasjon stand.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn status_for_org(&self, caller: &Caller, owner: FiksOrgId) -> Result<Kontostatus, Error> {
        caller.may_see_org(owner)?;
        let mut tx = self.begin_read().await?;
        tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        let kontoer = tx.list_kontostatus(owner, None, STATUS_MAX + 1).await?;
        drop(tx);
        Ok(self.with_numbers(kontoer).await)
    }

    /// One page of the kontoer of an organisasjon, with how all of them stand.
    ///
    /// The page is the registry's own where it can tell which it is. Numbers stand in the queues, so where they decide what
    /// is shown, or in which order, the ids of those found are put in order here, and names are read for the page alone.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_status(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        liste: &StatusListe,
    ) -> Result<(Side<(Kontonavn, KontoStatusRad)>, Kontostatus), Error> {
        let status = self.status_for_org(caller, owner).await?;
        let rader: HashMap<KontoId, &KontoStatusRad> =
            status.rader.iter().map(|rad| (rad.konto.konto_id, rad)).collect();
        let mut by = OrgKontoListe { sok: liste.sok.clone(), ..OrgKontoListe::default() };
        if let StatusSortering::Navn(navn) = liste.sortering {
            (by.sortering, by.synkende) = (navn, liste.synkende);
        }
        let by_name = matches!(liste.sortering, StatusSortering::Navn(_));
        let mut tx = self.begin_read().await?;
        let side = if by_name && !liste.bare_oppfolging && !status.avkortet {
            tx.list_konto_ids_side(owner, &by, liste.page).await?
        } else {
            let ids = tx.list_konto_ids_sorted(owner, &by).await?;
            let mut found: Vec<_> = ids.iter().filter_map(|id| rader.get(id).copied()).collect();
            found.retain(|rad| !liste.bare_oppfolging || rad.trenger_oppfolging);
            // One whose queue did not say stands before all others.
            let key =
                |rad: &KontoStatusRad| rad.tall.map(|tall| liste.sortering.number(status.tidspunkt, &tall));
            found.sort_by(|a, b| if liste.synkende { key(b).cmp(&key(a)) } else { key(a).cmp(&key(b)) });
            liste.page.of(found.iter().map(|rad| rad.konto.konto_id))
        };
        drop(tx);
        let mut navn = self.kontonavn(&side.rows).await?;
        // One that came or went meanwhile is missing on one side.
        let rows = side.rows.iter().filter_map(|id| Some((navn.remove(id)?, (*rader.get(id)?).clone())));
        let side = Side { rows: rows.collect(), total: side.total, page: side.page };
        Ok((side, status))
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
            system_id: system.id,
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
