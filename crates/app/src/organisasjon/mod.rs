//! Organisasjoner.

use domain::Orgnummer;
use domain::id::FiksOrgId;
use domain::organisasjon::Organisasjon;

use crate::error::{Error, Missing};
use crate::hendelse::Hva;
use crate::{App, Caller, Change};

impl App {
    /// Registers an organisasjon, which has not yet taken Fiks Protokoll into use.
    ///
    /// # Errors
    /// [`Error::Conflict`] when its orgnummer is registered, [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn create_organisasjon(
        &self,
        caller: &Caller,
        navn: String,
        orgnummer: Orgnummer,
        kommunenummer: Option<String>,
    ) -> Result<Organisasjon, Error> {
        caller.may_operate()?;
        let id = FiksOrgId::from_uuid(self.inner.ids.uuid());
        let organisasjon = Organisasjon { id, navn, orgnummer, kommunenummer, tatt_i_bruk: None };
        let mut tx = self.begin().await?;
        tx.add_organisasjon(&organisasjon).await?;
        let change = Change::new(Hva::RegistrerteOrganisasjon).organisasjon(id);
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        Ok(organisasjon)
    }

    /// The organisasjon with that orgnummer.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn organisasjon_by_orgnummer(
        &self,
        caller: &Caller,
        orgnummer: Orgnummer,
    ) -> Result<Option<Organisasjon>, Error> {
        let found = self.begin_read().await?.organisasjon_by_orgnummer(orgnummer).await?;
        match found.as_ref().map(|organisasjon| caller.may_see_org(organisasjon.id)) {
            Some(Err(Error::NotFound(_))) => Ok(None),
            Some(Err(refused)) => Err(refused),
            _ => Ok(found),
        }
    }

    /// An organisasjon that the caller has something to do with.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn organisasjon(&self, caller: &Caller, id: FiksOrgId) -> Result<Organisasjon, Error> {
        caller.may_see_org(id)?;
        let found = self.begin_read().await?.organisasjon(id).await?;
        Ok(found.ok_or(Missing::Organisasjon(id))?)
    }

    /// Takes Fiks Protokoll into use for an organisasjon. Nothing happens if it is in use already. A person must be
    /// administrator, and the avtale signed if this installation asks for it.
    ///
    /// # Errors
    /// [`Error::Conflict`] (`avtale`) while it is not signed, [`Error::NotFound`], [`Error::Forbidden`],
    /// [`Error::Unavailable`].
    pub async fn ta_i_bruk(&self, caller: &Caller, id: FiksOrgId) -> Result<Organisasjon, Error> {
        caller.may_administer(id)?;
        let mut tx = self.begin().await?;
        let mut organisasjon = tx.organisasjon(id).await?.ok_or(Missing::Organisasjon(id))?;
        if organisasjon.tatt_i_bruk.is_none() {
            let must_be_signed = self.inner.settings.avtale_kreves && matches!(caller, Caller::Person(_));
            if must_be_signed && tx.avtale_signatur(id).await?.is_none() {
                return Err(Error::Conflict { what: "avtale" });
            }
            organisasjon.tatt_i_bruk = Some(self.now());
            tx.update_organisasjon(&organisasjon).await?;
            let change = Change::new(Hva::TokIBruk).organisasjon(id);
            self.audit(&mut *tx, caller, change).await?;
            tx.commit().await?;
        }
        Ok(organisasjon)
    }
}
