use domain::id::KontoId;
use domain::konto::Konto;
use domain::organisasjon::Organisasjon;
use domain::system::System;

use crate::App;
use crate::error::{Error, Missing};

/// A Konto as any logged-in integrasjon may see it.
#[derive(Debug, Clone)]
pub struct KatalogKonto {
    /// The Konto.
    pub konto: Konto,
    /// The System it belongs to.
    pub system: System,
    /// The owner.
    pub eier: Organisasjon,
    /// How it stands right now.
    pub status: KontoStatus,
}

/// How a Konto stands right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KontoStatus {
    /// It may send.
    pub gyldig_avsender: bool,
    /// It has a queue.
    pub gyldig_mottaker: bool,
    /// AMQP consumers on its queue.
    pub antall_konsumenter: u32,
    /// Meldinger on its queue that no consumer holds.
    pub antall_uavhentede_meldinger: u64,
}

impl App {
    /// A Konto with its owner and status. The caller has logged in; more is not asked.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn katalog_konto(&self, id: KontoId) -> Result<KatalogKonto, Error> {
        let mut tx = self.begin_read().await?;
        let konto = tx.konto(id).await?.ok_or(Missing::Konto(id))?;
        let system = tx.system(konto.system_id).await?.ok_or(Missing::Konto(id))?;
        let eier = tx.organisasjon(system.fiks_org_id).await?.ok_or(Missing::Konto(id))?;
        drop(tx);
        let status = self.konto_status(&konto).await?;
        Ok(KatalogKonto { konto, system, eier, status })
    }

    async fn konto_status(&self, konto: &Konto) -> Result<KontoStatus, Error> {
        let queue = match self.inner.broker.queue_status(konto.id).await {
            Ok(queue) => Some(queue),
            Err(crate::ports::BrokerError::NoQueue { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(KontoStatus {
            gyldig_avsender: !konto.send_meldinger_deaktivert,
            gyldig_mottaker: queue.is_some(),
            antall_konsumenter: queue.map_or(0, |queue| queue.consumers),
            antall_uavhentede_meldinger: queue.map_or(0, |queue| queue.ready),
        })
    }
}
