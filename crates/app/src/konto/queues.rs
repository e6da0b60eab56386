use std::collections::BTreeSet;

use domain::id::KontoId;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::App;
use crate::error::Error;
use crate::ports::{QueueStatus, SattTilSide};

/// Queues made or removed at the same time: what a broker writes together costs it one wait for the disk.
const AT_ONCE: usize = 256;

/// What was done to bring the queues in line with the kontoer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// Queues that were missing.
    pub made: u64,
    /// Queues that went: with a Konto that somebody had removed, or without ever having held anything.
    pub removed: u64,
    /// Queues that hold something although the registry does not know their Konto.
    pub set_aside: Vec<SattTilSide>,
}

fn satt_til_side((konto, status): (KontoId, QueueStatus)) -> SattTilSide {
    SattTilSide { konto, meldinger: status.ready + status.unacked, uleverte: status.dead }
}

impl App {
    /// The kontoer of the registry, whosever they are.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list_konto_ids(&self) -> Result<BTreeSet<KontoId>, Error> {
        Ok(self.begin_read().await?.list_konto_ids().await?.into_iter().collect())
    }

    /// Brings the queues in line with the kontoer, before anybody connects.
    ///
    /// A Konto without queue gets one: to a client that finds none this is a matter of life, since the official Java client
    /// would stay connected and deaf. A queue without Konto goes only where somebody removed the Konto and the process
    /// ended before its queue was gone, or where it holds nothing. Any other is set aside with all that is in it: that the
    /// registry does not know a Konto may be the fault of the registry.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn reconcile_queues(&self) -> Result<Reconciled, Error> {
        let mut tx = self.begin_read().await?;
        let kontoer: BTreeSet<_> = tx.list_konto_ids().await?.into_iter().collect();
        let fjernet: BTreeSet<_> = tx.list_fjernede_koer().await?.into_iter().collect();
        let known_aside = tx.list_set_aside().await?;
        drop(tx);
        let broker = &self.inner.broker;
        let queues: BTreeSet<_> = broker.list_queues().await?.into_iter().collect();
        let missing: Vec<_> = kontoer.difference(&queues).copied().collect();
        let made = missing.len() as u64;
        // Also those that are there: one that was set aside comes back with its Konto.
        let aside: BTreeSet<_> = broker.list_set_aside().await?.into_iter().map(|(konto, _)| konto).collect();
        let back: Vec<_> = aside.intersection(&kontoer).copied().collect();
        stream::iter(missing.into_iter().chain(back))
            .map(|konto| broker.create_queue(konto))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;

        let unknown: Vec<_> = queues.difference(&kontoer).copied().collect();
        let statuses = broker.queue_statuses(&unknown).await?;
        let (mut gone, mut set_aside) = (Vec::new(), Vec::new());
        for (konto, status) in unknown.into_iter().zip(statuses) {
            let found = satt_til_side((konto, status.unwrap_or_default()));
            let is_empty = found.meldinger == 0 && found.uleverte == 0;
            if fjernet.contains(&konto) || is_empty { gone.push(konto) } else { set_aside.push(found) }
        }
        for found in &set_aside {
            broker.set_aside(found.konto).await?;
        }
        let removed = gone.len() as u64;
        stream::iter(gone)
            .map(|konto| broker.delete_queue(konto))
            .buffer_unordered(AT_ONCE)
            .try_for_each(async |_| Ok(()))
            .await?;
        set_aside.sort_unstable();
        if !fjernet.is_empty() || set_aside != known_aside {
            let mut tx = self.begin().await?;
            for konto in fjernet {
                tx.remove_fjernet_ko(konto).await?;
            }
            tx.put_set_aside(&set_aside).await?;
            tx.commit().await?;
        }
        Ok(Reconciled { made, removed, set_aside })
    }

    /// Removes the queue of a Konto that was removed. Where that cannot be done now, the note of it stays, and
    /// [`App::empty_ordered`] or the next start does it: the Konto is gone either way.
    pub(crate) async fn remove_queue_of(&self, konto: KontoId) {
        if let Err(error) = self.remove_noted_queue(konto).await {
            tracing::warn!(
                konto.id = %konto,
                error = &error as &dyn std::error::Error,
                "the queue of a removed konto could not be removed yet; it is tried again"
            );
        }
    }

    /// Removes a queue, and the note that it is to go. Returns how many meldinger were in it.
    pub(super) async fn remove_noted_queue(&self, konto: KontoId) -> Result<u64, Error> {
        let deleted = self.inner.broker.delete_queue(konto).await?;
        let mut tx = self.begin().await?;
        tx.remove_fjernet_ko(konto).await?;
        tx.commit().await?;
        Ok(deleted.meldinger)
    }
}
