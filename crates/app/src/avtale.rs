//! The avtale that an organisasjon signs before it takes Fiks Protokoll into use.

use domain::avtale::{AvtaleDokument, AvtaleSignatur};
use domain::id::FiksOrgId;

use crate::error::{Error, Missing};
use crate::hendelse::{Felt, Hva};
use crate::{App, Caller, Change};

impl App {
    /// Signs `dokument` for an organisasjon. The caller, a person, has proved himself anew at the level `acr`; the edge sees to that. To
    /// sign again what was signed last changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] for all but administratorer, [`Error::Unavailable`].
    pub async fn sign_avtale(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        dokument: AvtaleDokument,
        acr: Option<String>,
    ) -> Result<AvtaleSignatur, Error> {
        let person = caller.person()?;
        caller.may_administer(owner)?;
        let mut tx = self.begin().await?;
        tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        if let Some(last) = tx.avtale_signatur(owner).await?
            && last.dokument == dokument
        {
            return Ok(last);
        }
        let signatur = AvtaleSignatur {
            id: self.inner.ids.uuid(),
            fiks_org_id: owner,
            dokument,
            signert_av: person.person_id,
            signert_navn: person.navn.clone(),
            acr,
            tidspunkt: self.now(),
        };
        tx.add_avtale_signatur(&signatur).await?;
        let AvtaleDokument { versjon, sha256, navn } = &signatur.dokument;
        let change = Change::new(Hva::SignerteAvtale)
            .organisasjon(owner)
            .with(Felt::Avtale, &format!("{navn}, versjon {versjon}, SHA-256 {sha256}"));
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        Ok(signatur)
    }

    /// The newest signature of an organisasjon, if it has signed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn avtale_signatur(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
    ) -> Result<Option<AvtaleSignatur>, Error> {
        caller.may_see_org(owner)?;
        Ok(self.begin_read().await?.avtale_signatur(owner).await?)
    }
}
