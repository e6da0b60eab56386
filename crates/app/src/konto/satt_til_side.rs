//! Queues that are set aside: seeing them, and emptying one for good.

use domain::id::KontoId;

use crate::error::{Error, Missing};
use crate::hendelse::{Felt, Hva};
use crate::konto::queues::satt_til_side;
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

    /// Does what [`App::order_emptying`] has ordered. Returns how many queues were emptied, how many meldinger were in them,
    /// and how many queues are still set aside.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn empty_ordered(&self) -> Result<(u64, u64, usize), Error> {
        let aside = self.inner.broker.list_set_aside().await?;
        let (mut queues, mut meldinger) = (0, 0);
        let mut left = aside.len();
        if left == 0 {
            return Ok((queues, meldinger, left));
        }
        let ordered = self.begin_read().await?.list_fjernede_koer().await?;
        for found in aside.into_iter().map(satt_til_side).filter(|found| ordered.contains(&found.konto)) {
            // A Konto that was made meanwhile keeps its queue.
            if self.begin_read().await?.konto(found.konto).await?.is_none() {
                meldinger += self.inner.broker.delete_queue(found.konto).await?.meldinger;
                queues += 1;
                left -= 1;
            }
            let mut tx = self.begin().await?;
            tx.remove_fjernet_ko(found.konto).await?;
            tx.commit().await?;
        }
        Ok((queues, meldinger, left))
    }
}
