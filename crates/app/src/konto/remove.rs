use crate::error::Error;
use crate::hendelse::Hva;
use crate::konto::{KontoSti, find};
use crate::{App, Caller, Change};

impl App {
    /// Removes a Konto with its queue. The sender of each melding in it gets a serverfeil.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn remove_konto(&self, caller: &Caller, sti: KontoSti) -> Result<(), Error> {
        let mut tx = self.begin_for(caller).await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_configure(&system)?;
        tx.remove_konto(sti.konto_id).await?;
        tx.add_fjernet_ko(sti.konto_id, self.now()).await?;
        let change = Change::new(Hva::SlettetKonto).system(&system).konto(&konto);
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        // Nobody can send to it any more, so nothing comes after this.
        self.remove_queue_of(sti.konto_id).await;
        Ok(())
    }
}
