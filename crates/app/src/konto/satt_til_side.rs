//! Queues that are set aside: seeing them, and emptying one for good.

use std::collections::BTreeSet;

use domain::id::KontoId;

use crate::error::{Error, Missing};
use crate::hendelse::{Felt, Hva};
use crate::ports::SattTilSide;
use crate::{App, Caller, Change};

impl App {
    /// The queues that hold something and whose Konto the registry does not know, as the last start of the server found them.
    /// Asks the registry alone.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_set_aside(&self, caller: &Caller) -> Result<Vec<SattTilSide>, Error> {
        caller.may_see_drift()?;
        Ok(self.begin_read().await?.list_set_aside().await?)
    }

    /// Orders that a queue which is set aside is emptied and removed: a server that runs does so within seconds, the next
    /// start otherwise. The sender of each melding in it gets a serverfeil. Returns what the last start found in it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not set aside, [`Error::Conflict`] (`konto`) when the registry knows its Konto,
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn order_emptying(&self, caller: &Caller, konto: KontoId) -> Result<SattTilSide, Error> {
        caller.may_operate()?;
        let mut tx = self.begin().await?;
        if tx.konto(konto).await?.is_some() {
            return Err(Error::Conflict { what: "konto" });
        }
        let mut aside = tx.list_set_aside().await?;
        let at = aside.iter().position(|queue| queue.konto == konto).ok_or(Missing::Konto(konto))?;
        let found = aside.remove(at);
        tx.add_fjernet_ko(konto, self.now()).await?;
        tx.put_set_aside(&aside).await?;
        let change = Change::new(Hva::TomteKo)
            .konto_id(konto)
            .with(Felt::Tekst, &format!("{} meldinger, {} uleverte", found.meldinger, found.uleverte));
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        Ok(found)
    }

    /// Empties the queues that are noted to go and are set aside, as [`App::order_emptying`] has ordered, and those of kontoer
    /// that were removed, where that was not done at once: those that were in `noted` already, which then holds what is noted
    /// now. So nothing is done twice that somebody is about to do.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn empty_ordered(&self, noted: &mut BTreeSet<KontoId>) -> Result<Emptied, Error> {
        let mut emptied = Emptied::default();
        let mut tx = self.begin_read().await?;
        let ordered: BTreeSet<_> = tx.list_fjernede_koer().await?.into_iter().collect();
        drop(tx);
        let before = std::mem::replace(noted, ordered);
        if noted.is_empty() {
            return Ok(emptied);
        }
        let aside: BTreeSet<_> =
            self.inner.broker.list_set_aside().await?.into_iter().map(|(konto, _)| konto).collect();
        for konto in noted.clone() {
            if !(aside.contains(&konto) || before.contains(&konto)) {
                continue;
            }
            // A Konto that was made meanwhile keeps its queue.
            if self.begin_read().await?.konto(konto).await?.is_some() {
                let mut tx = self.begin().await?;
                tx.remove_fjernet_ko(konto).await?;
                tx.commit().await?;
            } else {
                emptied.meldinger += self.remove_noted_queue(konto).await?;
                emptied.koer += 1;
            }
            noted.remove(&konto);
        }
        Ok(emptied)
    }
}

/// What [`App::empty_ordered`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Emptied {
    /// Queues that went.
    pub koer: u64,
    /// Meldinger that were in them.
    pub meldinger: u64,
}
