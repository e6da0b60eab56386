use domain::id::KontoId;
use domain::konto::Konto;
use domain::nokkel::OffentligNokkel;
use domain::system::System;

use crate::error::{Error, Missing};
use crate::grense::Grense;
use crate::heavy::UnitOfWork;
use crate::hendelse::{Felt, Hva};
use crate::konto::{KontoSti, find, find_by_id, sertifikat};
use crate::{App, Caller, Change};

impl App {
    /// All public keys that the Konto at `sti` ever had, the newest first. The first one is in use, unless it was taken
    /// out of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_nokler(&self, caller: &Caller, sti: KontoSti) -> Result<Vec<OffentligNokkel>, Error> {
        let mut tx = self.begin_read().await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_see(&system)?;
        Ok(tx.list_nokler(konto.id).await?)
    }

    /// Sets the public key of the Konto at `sti`. The old one stays in the history: meldinger on the queue are encrypted
    /// to it. One that is in use already stays as it is, without another version: clients upload theirs at each start.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotFound`], [`Error::Forbidden`], [`Error::QuotaFull`] when so many were kept already,
    /// [`Error::Full`], [`Error::Unavailable`].
    pub async fn set_nokkel(
        &self,
        caller: &Caller,
        sti: KontoSti,
        pem: &str,
    ) -> Result<OffentligNokkel, Error> {
        let mut tx = self.begin_for(caller).await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        self.put_nokkel(tx, caller, &system, &konto, ("offentligNokkel", pem)).await
    }

    /// Sets the public key of a Konto known by its id alone, as clients do at start. `field` is how the body names the PEM.
    ///
    /// # Errors
    /// As [`App::set_nokkel`].
    pub async fn set_own_nokkel(
        &self,
        caller: &Caller,
        konto: KontoId,
        field: &'static str,
        pem: &str,
    ) -> Result<OffentligNokkel, Error> {
        let mut tx = self.begin_for(caller).await?;
        let (system, konto) = find_by_id(&mut *tx, konto).await?;
        self.put_nokkel(tx, caller, &system, &konto, (field, pem)).await
    }

    /// Takes the public key of a Konto out of use: nobody can then send it payload.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when there is none, [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn remove_own_nokkel(&self, caller: &Caller, konto: KontoId) -> Result<(), Error> {
        let mut tx = self.begin_for(caller).await?;
        let (system, konto) = find_by_id(&mut *tx, konto).await?;
        caller.may_configure(&system)?;
        tx.nokkel(konto.id).await?.ok_or(Missing::Nokkel(konto.id))?;
        tx.remove_nokkel(konto.id).await?;
        let change = Change::new(Hva::FjernetNokkel).system(&system).konto(&konto);
        self.audit(&mut *tx, caller, change).await?;
        Ok(tx.commit().await?)
    }

    async fn put_nokkel(
        &self,
        mut tx: UnitOfWork,
        caller: &Caller,
        system: &System,
        konto: &Konto,
        (field, pem): (&'static str, &str),
    ) -> Result<OffentligNokkel, Error> {
        caller.may_configure(system)?;
        let nokkel = sertifikat::read(field, pem, konto.id, self.now())
            .map_err(|error| Error::Invalid(vec![error]))?;
        if let Some(present) = tx.nokkel(konto.id).await?.filter(|present| present.pem == nokkel.pem) {
            return Ok(present);
        }
        let grenser = &self.inner.settings.grenser;
        grenser.one_more(Grense::NoklerPerKonto, tx.count_nokler(konto.id).await?)?;
        tx.add_nokkel(&nokkel).await?;
        let change =
            Change::new(Hva::ByttetNokkel).system(system).konto(konto).with(Felt::Til, &nokkel.fingeravtrykk);
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        Ok(nokkel)
    }
}
