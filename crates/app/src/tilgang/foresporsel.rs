//! Asking for tilgang, and answering.

use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::tilgang::{Foresporsel, Tilgang};

use crate::error::{Error, Missing};
use crate::grense::Grense;
use crate::hendelse::Hva;
use crate::konto::{KontoSti, find, find_by_id};
use crate::lister::systemer_med_eier;
use crate::tilgang::SystemMedEier;
use crate::{App, Caller, TilgangChange};

impl App {
    /// Asks for tilgang to somebody's Konto. Where the owner grants automatically it is given at once; asking for what was
    /// asked for or given before changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for a Konto whose System is not visible to the caller's organisasjon,
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn request_tilgang(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        konto: KontoId,
    ) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.begin_for(caller).await?;
        let asking = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_configure(&asking)?;
        let wanted = tx.konto(konto).await?.ok_or(Missing::Konto(konto))?;
        let their = tx.system(wanted.system_id).await?.ok_or(Missing::Konto(konto))?;
        if their.fiks_org_id != owner && !their.info.offentlig {
            return Err(Missing::Konto(konto).into());
        }
        if tx.tilgang(konto, system).await?.is_some() || tx.foresporsel(konto, system).await?.is_some() {
            return Ok(());
        }
        let grenser = &self.inner.settings.grenser;
        let (for_eier, for_avsender) = if their.info.automatisk_godkjenning {
            grenser.one_more(Grense::TilgangerPerKonto, tx.count_tilganger_til_konto(konto).await?)?;
            grenser.one_more(Grense::TilgangerPerSystem, tx.count_tilganger_for_system(system).await?)?;
            tx.add_tilgang(&Tilgang { konto_id: konto, system_id: system, gitt: now }).await?;
            (Hva::GaTilgangAutomatisk, Hva::FikkTilgangAutomatisk)
        } else {
            let present = tx.count_foresporsler_for_system(system).await?;
            grenser.one_more(Grense::ForesporslerPerSystem, present)?;
            tx.add_foresporsel(&Foresporsel { konto_id: konto, system_id: system, sendt: now }).await?;
            (Hva::MottokForesporsel, Hva::BaOmTilgang)
        };
        let change = TilgangChange {
            konto: &wanted,
            eiersystem: &their,
            avsender: &asking,
            for_eier,
            for_avsender,
            av: owner,
        };
        self.audit_tilgang(&mut *tx, caller, change).await?;
        Ok(tx.commit().await?)
    }

    /// Withdraws a forespørsel.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when there is none, [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn withdraw_foresporsel(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        konto: KontoId,
    ) -> Result<(), Error> {
        let mut tx = self.begin_for(caller).await?;
        let asking = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_configure(&asking)?;
        if !tx.remove_foresporsel(konto, system).await? {
            return Err(Missing::Foresporsel(konto, system).into());
        }
        let (eiersystem, konto) = find_by_id(&mut *tx, konto).await?;
        let change = TilgangChange {
            konto: &konto,
            eiersystem: &eiersystem,
            avsender: &asking,
            for_eier: Hva::ForesporselTrukket,
            for_avsender: Hva::TrakkForesporsel,
            av: owner,
        };
        self.audit_tilgang(&mut *tx, caller, change).await?;
        Ok(tx.commit().await?)
    }

    /// Rejects a forespørsel for the Konto at `sti`.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when there is none, [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn reject_foresporsel(
        &self,
        caller: &Caller,
        sti: KontoSti,
        fra: SystemId,
    ) -> Result<(), Error> {
        let mut tx = self.begin_for(caller).await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_configure(&system)?;
        if !tx.remove_foresporsel(konto.id, fra).await? {
            return Err(Missing::Foresporsel(konto.id, fra).into());
        }
        let avsender = tx.system(fra).await?.ok_or(Missing::System(fra))?;
        let change = TilgangChange {
            konto: &konto,
            eiersystem: &system,
            avsender: &avsender,
            for_eier: Hva::AvvisteForesporsel,
            for_avsender: Hva::ForesporselAvvist,
            av: system.fiks_org_id,
        };
        self.audit_tilgang(&mut *tx, caller, change).await?;
        Ok(tx.commit().await?)
    }

    /// Who has asked for the Konto at `sti`, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_foresporsler(
        &self,
        caller: &Caller,
        sti: KontoSti,
    ) -> Result<Vec<SystemMedEier>, Error> {
        let mut tx = self.begin_read().await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_see(&system)?;
        let asking = tx.list_foresporsler_til_konto(konto.id).await?;
        systemer_med_eier(&mut *tx, asking.iter().map(|foresporsel| foresporsel.system_id)).await
    }
}
