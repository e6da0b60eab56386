use domain::id::{FiksOrgId, SystemId};

use crate::error::Error;
use crate::hendelse::Hva;
use crate::system::find;
use crate::{App, Caller, Change};

impl App {
    /// Removes a System with its integrasjoner, kontoer, queues and tilganger. The sender of each melding that stands in
    /// its queues gets a serverfeil; its connections end.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn remove_system(&self, caller: &Caller, owner: FiksOrgId, id: SystemId) -> Result<(), Error> {
        caller.may_act_for(owner)?;
        let mut tx = self.begin_for(caller).await?;
        let system = find(&mut *tx, owner, id).await?;
        let kontoer = tx.list_kontoer(id).await?;
        let integrasjoner = tx.list_integrasjoner(id).await?;
        tx.remove_system(id).await?;
        for konto in &kontoer {
            tx.add_fjernet_ko(konto.id, self.now()).await?;
        }
        let change = Change::new(Hva::SlettetSystem).system(&system);
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        for integrasjon in integrasjoner {
            self.inner.logins.end(integrasjon.id);
        }
        for konto in kontoer {
            self.remove_queue_of(konto.id).await;
        }
        Ok(())
    }
}
