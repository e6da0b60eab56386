use std::sync::Arc;

use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::konto::Konto;
use domain::organisasjon::Organisasjon;
use domain::protokoll::Protokoll;
use domain::system::{Integrasjon, System};

use crate::error::{Error, Missing};
use crate::lister::{Eiere, kontoer_by_id};
use crate::ports::QueueStatus;
use crate::{App, Caller};

/// A System with all that belongs to it.
#[derive(Debug, Clone)]
pub struct SystemDetaljer {
    /// The System.
    pub system: System,
    /// Its owner.
    pub eier: Organisasjon,
    /// Its integrasjoner, the primary one first.
    pub integrasjoner: Vec<Integrasjon>,
    /// Its kontoer by name.
    pub kontoer: Vec<KontoMedTall>,
    /// Kontoer that it has tilgang to.
    pub tilganger: Vec<EksternKonto>,
    /// Kontoer that it has asked for.
    pub foresporsler: Vec<EksternKonto>,
}

/// A Konto with live numbers, which are missing when the broker did not answer.
#[derive(Debug, Clone)]
pub struct KontoMedTall {
    /// The Konto.
    pub konto: Konto,
    /// How its queue stands.
    pub tall: Option<QueueStatus>,
}

/// A Konto of somebody else.
#[derive(Debug, Clone)]
pub struct EksternKonto {
    /// The Konto.
    pub konto: Konto,
    /// Its System.
    pub system: System,
    /// The owner of its System.
    pub eier: Organisasjon,
    /// All versions of its Protokoll.
    pub versjoner: Arc<Vec<Protokoll>>,
}

impl SystemDetaljer {
    /// What it takes in memory, about. Bytes.
    pub fn memory_bytes(&self) -> u64 {
        let own: usize = self.kontoer.iter().map(|konto| bytes_of(&konto.konto)).sum();
        let others = self.tilganger.iter().chain(&self.foresporsler).map(EksternKonto::memory_bytes);
        own as u64 + others.sum::<u64>()
    }
}

impl EksternKonto {
    /// What it takes in memory, about. Bytes.
    pub fn memory_bytes(&self) -> u64 {
        (bytes_of(&self.konto) + self.system.memory_bytes() + self.eier.navn.len()) as u64
    }
}

fn bytes_of(konto: &Konto) -> usize {
    const FIXED: usize = 512;
    const PART: usize = 128;
    FIXED + konto.navn.len() + konto.beskrivelse.len() + konto.parter.len() * PART
}

impl App {
    /// A System with all that belongs to it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn system(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        id: SystemId,
    ) -> Result<SystemDetaljer, Error> {
        let mut tx = self.begin_read().await?;
        let system = super::find(&mut *tx, owner, id).await?;
        caller.may_see(&system)?;
        let eier = tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        let integrasjoner = tx.list_integrasjoner(id).await?;
        let own = tx.list_kontoer(id).await?;
        let given: Vec<_> =
            tx.list_tilganger_for_system(id).await?.iter().map(|tilgang| tilgang.konto_id).collect();
        let asked: Vec<_> =
            tx.list_foresporsler_for_system(id).await?.iter().map(|sent| sent.konto_id).collect();
        let known = kontoer_by_id(&mut *tx, given.iter().chain(&asked).copied()).await?;
        let eiere = Eiere::of(&mut *tx, known.values().map(|konto| konto.system_id)).await?;
        drop(tx);
        let with_eier = |ids: Vec<KontoId>| {
            let found = ids.into_iter().filter_map(|id| {
                let konto = known.get(&id)?.clone();
                let med_eier = eiere.system(konto.system_id)?;
                Some((konto, med_eier))
            });
            found.collect()
        };
        let tilganger = self.eksterne_kontoer(with_eier(given)).await?;
        let foresporsler = self.eksterne_kontoer(with_eier(asked)).await?;
        let mut kontoer = Vec::with_capacity(own.len());
        for konto in own {
            let tall = self.inner.broker.queue_status(konto.id).await.ok();
            kontoer.push(KontoMedTall { konto, tall });
        }
        Ok(SystemDetaljer { system, eier, integrasjoner, kontoer, tilganger, foresporsler })
    }

    /// A System with its integrasjoner, the primary one first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn system_med_integrasjoner(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        id: SystemId,
    ) -> Result<(System, Vec<Integrasjon>), Error> {
        let mut tx = self.begin_read().await?;
        let system = super::find(&mut *tx, owner, id).await?;
        caller.may_see(&system)?;
        let integrasjoner = tx.list_integrasjoner(id).await?;
        Ok((system, integrasjoner))
    }

    /// The systemer of an organisasjon by name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_systemer(&self, caller: &Caller, owner: FiksOrgId) -> Result<Vec<System>, Error> {
        caller.may_see_org(owner)?;
        let mut tx = self.begin_read().await?;
        tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        Ok(tx.list_systemer(owner).await?)
    }
}
