//! Following a melding.

use domain::id::{FiksOrgId, KontoId, MeldingId};

use crate::error::{Error, Missing};
use crate::ports::{MeldingRecord, QueueStatus};
use crate::{App, Caller};

impl App {
    /// A melding with its sporing. An integrasjon sees those that its own kontoer sent or received, a person those of his
    /// organisasjoner; another's does not exist for them. Where its consumer called from is told to its receiver only.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn spor_melding(&self, caller: &Caller, id: MeldingId) -> Result<MeldingRecord, Error> {
        let mut record = self.inner.broker.melding(id).await?.ok_or(Missing::Melding(id))?;
        for konto in [record.melding.mottaker, record.melding.avsender] {
            let sees = match caller {
                Caller::Operator => true,
                Caller::Integrasjon(integrasjon) => self.authorize_consume(integrasjon, konto).await.is_ok(),
                Caller::Person(person) => {
                    self.konto_eier(konto).await?.is_some_and(|eier| person.rolle(eier).is_some())
                }
            };
            if sees {
                if konto != record.melding.mottaker {
                    for line in &mut record.sporing {
                        line.hendelse = line.hendelse.without_adresse();
                    }
                }
                return Ok(record);
            }
        }
        Err(Missing::Melding(id).into())
    }

    /// The organisasjon that a Konto belongs to, if it still exists.
    async fn konto_eier(&self, id: KontoId) -> Result<Option<FiksOrgId>, Error> {
        let mut tx = self.begin_read().await?;
        let Some(konto) = tx.konto(id).await? else { return Ok(None) };
        Ok(tx.system(konto.system_id).await?.map(|system| system.fiks_org_id))
    }

    /// How the queue of a Konto stands right now. For those who may see its System.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn queue_status(&self, caller: &Caller, konto: KontoId) -> Result<QueueStatus, Error> {
        let mut tx = self.begin_read().await?;
        let found = tx.konto(konto).await?.ok_or(Missing::Konto(konto))?;
        let system = tx.system(found.system_id).await?.ok_or(Missing::Konto(konto))?;
        caller.may_see(&system)?;
        Ok(self.inner.broker.queue_status(konto).await?)
    }
}
