//! The owner's side: giving and taking away.

use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::organisasjon::Organisasjon;
use domain::system::System;
use domain::tilgang::Tilgang;

use crate::error::{Error, Missing};
use crate::konto::{KontoSti, find};
use crate::ports::Tx;
use crate::{App, Caller, Change};

/// A System with its owner.
#[derive(Debug, Clone)]
pub struct SystemMedEier {
    /// The System.
    pub system: System,
    /// Its owner.
    pub eier: Organisasjon,
}

impl App {
    /// Lets the kontoer of another System send to the Konto at `sti`; answers its forespørsel if it has made one. Giving
    /// what was given before changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn grant_tilgang(&self, caller: &Caller, sti: KontoSti, til: SystemId) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_configure(&system)?;
        tx.system(til).await?.ok_or(Missing::System(til))?;
        let asked = tx.remove_foresporsel(konto.id, til).await?;
        if tx.tilgang(konto.id, til).await?.is_none() {
            tx.add_tilgang(&Tilgang { konto_id: konto.id, system_id: til, gitt: self.now() }).await?;
            self.audit(&mut *tx, caller, change("ga tilgang", sti, til)).await?;
        } else if !asked {
            return Ok(());
        }
        Ok(tx.commit().await?)
    }

    /// Takes a tilgang away. The next melding is refused; what stands in the queue is delivered.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when there is none, [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn remove_tilgang(&self, caller: &Caller, sti: KontoSti, fra: SystemId) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_configure(&system)?;
        if !tx.remove_tilgang(konto.id, fra).await? {
            return Err(Missing::Tilgang(konto.id, fra).into());
        }
        self.audit(&mut *tx, caller, change("fjernet tilgang", sti, fra)).await?;
        Ok(tx.commit().await?)
    }

    /// Gives up a tilgang that a System holds.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when there is none, [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn give_up_tilgang(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        konto: KontoId,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let system = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_configure(&system)?;
        if !tx.remove_tilgang(konto, system.id).await? {
            return Err(Missing::Tilgang(konto, system.id).into());
        }
        let sti = KontoSti { fiks_org_id: owner, system_id: system.id, konto_id: konto };
        self.audit(&mut *tx, caller, change("ga fra seg tilgang", sti, system.id)).await?;
        Ok(tx.commit().await?)
    }

    /// Who may send to the Konto at `sti`, oldest tilgang first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_tilganger(&self, caller: &Caller, sti: KontoSti) -> Result<Vec<SystemMedEier>, Error> {
        let mut tx = self.begin_read().await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_see(&system)?;
        let mut found = Vec::new();
        for tilgang in tx.list_tilganger_til_konto(konto.id).await? {
            found.extend(with_owner(&mut *tx, tilgang.system_id).await?);
        }
        Ok(found)
    }
}

/// A System with its owner; `None` if it went away meanwhile.
pub(super) async fn with_owner(tx: &mut dyn Tx, id: SystemId) -> Result<Option<SystemMedEier>, Error> {
    let Some(system) = tx.system(id).await? else { return Ok(None) };
    let Some(eier) = tx.organisasjon(system.fiks_org_id).await? else { return Ok(None) };
    Ok(Some(SystemMedEier { system, eier }))
}

pub(super) fn change(hva: &'static str, sti: KontoSti, other: SystemId) -> Change<'static> {
    Change {
        hva,
        fiks_org_id: Some(sti.fiks_org_id),
        system_id: Some(sti.system_id),
        konto_id: Some(sti.konto_id),
        detaljer: Some(format!("system {other}")),
    }
}
