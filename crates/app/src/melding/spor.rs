//! Following a melding.

use domain::id::{KontoId, MeldingId};

use crate::error::{Error, Missing};
use crate::ports::{MeldingRecord, QueueStatus};
use crate::{App, Caller};

impl App {
    /// A melding with its sporing. An integrasjon sees those that its own kontoer sent or received; another's does not
    /// exist for it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn spor_melding(&self, caller: &Caller, id: MeldingId) -> Result<MeldingRecord, Error> {
        let record = self.inner.broker.melding(id).await?.ok_or(Missing::Melding(id))?;
        let Caller::Integrasjon(integrasjon) = caller else { return Ok(record) };
        for konto in [record.melding.avsender, record.melding.mottaker] {
            if self.authorize_consume(integrasjon, konto).await.is_ok() {
                return Ok(record);
            }
        }
        Err(Missing::Melding(id).into())
    }

    /// How the queue of a Konto stands right now. For those who may configure its System.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn queue_status(&self, caller: &Caller, konto: KontoId) -> Result<QueueStatus, Error> {
        let mut tx = self.begin_read().await?;
        let found = tx.konto(konto).await?.ok_or(Missing::Konto(konto))?;
        let system = tx.system(found.system_id).await?.ok_or(Missing::Konto(konto))?;
        caller.may_configure(&system)?;
        Ok(self.inner.broker.queue_status(konto).await?)
    }
}
