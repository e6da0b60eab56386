use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::App;
use crate::error::Error;

/// Queues made or removed at the same time: what a broker writes together costs it one wait for the disk.
const AT_ONCE: usize = 256;

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
        let broker = &self.inner.broker;
        let missing: Vec<_> = kontoer.difference(&queues).copied().collect();
        let gone: Vec<_> = queues.difference(&kontoer).copied().collect();
        let (made, removed) = (missing.len() as u64, gone.len() as u64);
        stream::iter(missing)
            .map(|konto| broker.create_queue(konto))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        stream::iter(gone)
            .map(|konto| broker.delete_queue(konto))
            .buffer_unordered(AT_ONCE)
            .try_for_each(async |_| Ok(()))
            .await?;
        Ok((made, removed))
    }
}
