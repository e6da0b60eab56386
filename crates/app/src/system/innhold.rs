use domain::id::{FiksOrgId, SystemId};

use crate::error::Error;
use crate::system::find;
use crate::{App, Caller};

/// How much goes when a System is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemInnhold {
    /// Its kontoer.
    pub kontoer: u64,
    /// Meldinger in their queues, whether a consumer holds them or not; `None` where that is not known right now.
    pub meldinger: Option<u64>,
    /// What it may send to, and who may send to its kontoer.
    pub tilganger: u64,
}

impl App {
    /// How much goes when a System is removed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn system_innhold(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        id: SystemId,
    ) -> Result<SystemInnhold, Error> {
        let mut tx = self.begin_read().await?;
        caller.may_see(&find(&mut *tx, owner, id).await?)?;
        let found = tx.list_konto_ids_for_systemer(&[id]).await?;
        let tilganger = tx.count_tilganger_of_system(id).await?;
        drop(tx);
        let kontoer: Vec<_> = found.into_iter().map(|(_, konto)| konto).collect();
        let statuses = self.live_status(&kontoer).await;
        let in_queue = statuses.into_iter().map(|status| status.map(|status| status.ready + status.unacked));
        Ok(SystemInnhold { kontoer: kontoer.len() as u64, meldinger: in_queue.sum(), tilganger })
    }
}
