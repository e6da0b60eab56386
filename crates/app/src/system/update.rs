use domain::id::{FiksOrgId, SystemId};
use domain::system::{System, SystemInfo};
use jiff::Timestamp;

use crate::error::Error;
use crate::grense::Grense;
use crate::hendelse::Hva;
use crate::system::{check_unchanged, find, info_errors};
use crate::{App, Caller, Change};

impl App {
    /// Changes the texts and the visibility of a System; the same again changes nothing. `expected` is when it had last been changed as the caller saw it;
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
        let mut tx = self.begin_for(caller).await?;
        let mut system = find(&mut *tx, owner, id).await?;
        caller.may_configure(&system)?;
        check_unchanged(expected, system.sist_endret)?;
        let errors = info_errors(&info);
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        let (before, after) = (system.info.eposter.len(), info.eposter.len());
        self.inner.settings.grenser.grows_to(Grense::EposterPerSystem, before, after)?;
        if system.info == info {
            return Ok(system);
        }
        let previous = std::mem::replace(&mut system.info, info);
        system.sist_endret = self.now();
        tx.update_system(&system).await?;
        let change =
            Change::new(Hva::EndretSysteminfo).system(&system).fra_til(&previous.navn, &system.info.navn);
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        Ok(system)
    }

    /// Sets whether the integrasjoner of a System may configure it by API. `expected` as for [`App::update_system_info`].
    ///
    /// # Errors
    /// [`Error::Conflict`] (`endring`), [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn update_integrasjon_privilegium(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        id: SystemId,
        konfigureres_av_integrasjon: bool,
        expected: Option<Timestamp>,
    ) -> Result<System, Error> {
        caller.may_act_for(owner)?;
        let mut tx = self.begin_for(caller).await?;
        let mut system = find(&mut *tx, owner, id).await?;
        check_unchanged(expected, system.sist_endret)?;
        if system.konfigureres_av_integrasjon == konfigureres_av_integrasjon {
            return Ok(system);
        }
        let previous =
            std::mem::replace(&mut system.konfigureres_av_integrasjon, konfigureres_av_integrasjon);
        system.sist_endret = self.now();
        tx.update_system(&system).await?;
        let change = Change::new(Hva::EndretApiKonfigurasjon)
            .system(&system)
            .fra_til(ja_nei(previous), ja_nei(konfigureres_av_integrasjon));
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        Ok(system)
    }
}

fn ja_nei(value: bool) -> &'static str {
    if value { "ja" } else { "nei" }
}
