//! The owner's side: giving and taking away.

use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::organisasjon::Organisasjon;
use domain::system::System;
use domain::tilgang::Tilgang;

use crate::error::{Error, Missing};
use crate::grense::Grense;
use crate::hendelse::Hva;
use crate::konto::{KontoSti, find, find_by_id};
use crate::lister::systemer_med_eier;
use crate::{App, Caller, TilgangChange};

/// A System with its owner.
#[derive(Debug, Clone)]
pub struct SystemMedEier {
    /// The System.
    pub system: System,
    /// Its owner.
    pub eier: Organisasjon,
}

impl SystemMedEier {
    /// What it takes in memory, about. Bytes.
    pub fn memory_bytes(&self) -> u64 {
        (self.system.memory_bytes() + self.eier.navn.len()) as u64
    }
}

impl App {
    /// Lets the kontoer of another System send to the Konto at `sti`; answers its forespørsel if it has made one. Giving
    /// what was given before changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn grant_tilgang(&self, caller: &Caller, sti: KontoSti, til: SystemId) -> Result<(), Error> {
        let mut tx = self.begin_for(caller).await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_configure(&system)?;
        let avsender = tx.system(til).await?.ok_or(Missing::System(til))?;
        let asked = tx.remove_foresporsel(konto.id, til).await?;
        if tx.tilgang(konto.id, til).await?.is_none() {
            let present = tx.count_tilganger_til_konto(konto.id).await?;
            let grenser = &self.inner.settings.grenser;
            grenser.one_more(Grense::TilgangerPerKonto, present)?;
            // Nobody but the System itself may fill all of what it can have.
            let theirs = tx.count_tilganger_for_system(til).await?;
            let is_own = avsender.fiks_org_id == system.fiks_org_id;
            let counted = if asked || is_own { theirs } else { theirs.saturating_mul(2) };
            grenser.one_more(Grense::TilgangerPerSystem, counted)?;
            tx.add_tilgang(&Tilgang { konto_id: konto.id, system_id: til, gitt: self.now() }).await?;
            let change = TilgangChange {
                konto: &konto,
                eiersystem: &system,
                avsender: &avsender,
                for_eier: Hva::GaTilgang,
                for_avsender: Hva::FikkTilgang,
                av: system.fiks_org_id,
            };
            self.audit_tilgang(&mut *tx, caller, change).await?;
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
        let mut tx = self.begin_for(caller).await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_configure(&system)?;
        if !tx.remove_tilgang(konto.id, fra).await? {
            return Err(Missing::Tilgang(konto.id, fra).into());
        }
        let avsender = tx.system(fra).await?.ok_or(Missing::System(fra))?;
        let change = TilgangChange {
            konto: &konto,
            eiersystem: &system,
            avsender: &avsender,
            for_eier: Hva::FjernetTilgang,
            for_avsender: Hva::MistetTilgang,
            av: system.fiks_org_id,
        };
        self.audit_tilgang(&mut *tx, caller, change).await?;
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
        let mut tx = self.begin_for(caller).await?;
        let system = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_configure(&system)?;
        if !tx.remove_tilgang(konto, system.id).await? {
            return Err(Missing::Tilgang(konto, system.id).into());
        }
        let (eiersystem, konto) = find_by_id(&mut *tx, konto).await?;
        let change = TilgangChange {
            konto: &konto,
            eiersystem: &eiersystem,
            avsender: &system,
            for_eier: Hva::TilgangGittFraSeg,
            for_avsender: Hva::GaFraSegTilgang,
            av: owner,
        };
        self.audit_tilgang(&mut *tx, caller, change).await?;
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
        let given = tx.list_tilganger_til_konto(konto.id).await?;
        systemer_med_eier(&mut *tx, given.iter().map(|tilgang| tilgang.system_id)).await
    }
}
