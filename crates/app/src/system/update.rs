use domain::id::{FiksOrgId, SystemId};
use domain::system::{System, SystemInfo};
use jiff::Timestamp;

use crate::error::Error;
use crate::system::{check_unchanged, find, info_errors};
use crate::{App, Caller, Change};

impl App {
    /// Changes the texts and the visibility of a System. `expected` is when it had last been changed as the caller saw it;
    /// whoever did not look passes none.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`] (`endring`) if it was changed since, [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn update_system_info(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        id: SystemId,
        info: SystemInfo,
        expected: Option<Timestamp>,
    ) -> Result<System, Error> {
        let mut tx = self.begin().await?;
        let mut system = find(&mut *tx, owner, id).await?;
        caller.may_configure(&system)?;
        check_unchanged(expected, system.sist_endret)?;
        let errors = info_errors(&info);
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        (system.info, system.sist_endret) = (info, self.now());
        tx.update_system(&system).await?;
        self.audit(&mut *tx, caller, change("endret systeminfo", &system)).await?;
        tx.commit().await?;
        Ok(system)
    }

    /// Sets whether the integrasjoner of a System may configure it by API.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn update_integrasjon_privilegium(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        id: SystemId,
        konfigureres_av_integrasjon: bool,
    ) -> Result<System, Error> {
        caller.may_act_for(owner)?;
        let mut tx = self.begin().await?;
        let mut system = find(&mut *tx, owner, id).await?;
        (system.konfigureres_av_integrasjon, system.sist_endret) = (konfigureres_av_integrasjon, self.now());
        tx.update_system(&system).await?;
        self.audit(&mut *tx, caller, change("endret konfigurasjon med API", &system)).await?;
        tx.commit().await?;
        Ok(system)
    }
}

fn change(hva: &'static str, system: &System) -> Change<'static> {
    Change { hva, fiks_org_id: Some(system.fiks_org_id), system_id: Some(system.id), ..Change::default() }
}
