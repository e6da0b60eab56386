use std::collections::HashMap;

use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::system::System;

use crate::error::{Error, Missing};
use crate::paging::Side;
use crate::ports::{OrganisasjonTall, SystemListe};
use crate::{App, Caller};

/// A row of the list of systemer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemRad {
    /// The System.
    pub system: System,
    /// How many kontoer it has.
    pub kontoer: u64,
}

impl App {
    /// The systemer of an organisasjon.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_systemer_side(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        liste: &SystemListe,
    ) -> Result<Side<SystemRad>, Error> {
        caller.may_see_org(owner)?;
        let mut tx = self.begin_read().await?;
        tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        let side = tx.list_systemer_side(owner, liste).await?;
        let ids: Vec<_> = side.rows.iter().map(|system| system.id).collect();
        let kontoer: HashMap<_, _> = tx.count_kontoer(&ids).await?.into_iter().collect();
        Ok(side.map(|system| {
            let kontoer = kontoer.get(&system.id).copied().unwrap_or(0);
            SystemRad { system, kontoer }
        }))
    }

    /// How many systemer and kontoer an organisasjon has.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn count_organisasjon(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
    ) -> Result<OrganisasjonTall, Error> {
        caller.may_see_org(owner)?;
        let mut tx = self.begin_read().await?;
        tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        Ok(tx.count_organisasjon(owner).await?)
    }

    /// The ids of the kontoer of an organisasjon, each with its System, in no order.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn konto_ids_for_org(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
    ) -> Result<Vec<(SystemId, KontoId)>, Error> {
        caller.may_see_org(owner)?;
        Ok(self.begin_read().await?.list_konto_ids_for_org(owner).await?)
    }

    /// The ids of the kontoer of some systemer of an organisasjon, each with its System, in no order. Those of another's
    /// systemer are left out.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn konto_ids_for_systemer(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        systemer: &[SystemId],
    ) -> Result<Vec<(SystemId, KontoId)>, Error> {
        caller.may_see_org(owner)?;
        let mut tx = self.begin_read().await?;
        let own: Vec<_> = tx
            .systemer_by_id(systemer)
            .await?
            .into_iter()
            .filter(|system| system.fiks_org_id == owner)
            .map(|system| system.id)
            .collect();
        Ok(tx.list_konto_ids_for_systemer(&own).await?)
    }

    /// The ids of the kontoer of a System, in no order.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn konto_ids_for_system(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
    ) -> Result<Vec<KontoId>, Error> {
        let mut tx = self.begin_read().await?;
        let system = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_see(&system)?;
        let found = tx.list_konto_ids_for_systemer(&[system.id]).await?;
        Ok(found.into_iter().map(|(_, konto)| konto).collect())
    }
}
