use std::collections::BTreeSet;

use crate::App;
use crate::error::Error;

impl App {
    /// Brings the queues in line with the kontoer, before anybody connects: makes those that are missing, and removes those
    /// whose Konto is gone because the process ended between the two. Tells how many were made and removed.
    ///
    /// To a client that finds no queue this is a matter of life: the official Java client would stay connected and deaf.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn reconcile_queues(&self) -> Result<(u64, u64), Error> {
        let kontoer: BTreeSet<_> = self.begin_read().await?.list_konto_ids().await?.into_iter().collect();
        let queues: BTreeSet<_> = self.inner.broker.list_queues().await?.into_iter().collect();
        let (mut made, mut removed) = (0, 0);
        for konto in kontoer.difference(&queues) {
            self.inner.broker.create_queue(*konto).await?;
            made += 1;
        }
        for konto in queues.difference(&kontoer) {
            self.inner.broker.delete_queue(*konto).await?;
            removed += 1;
        }
        Ok((made, removed))
    }
}
