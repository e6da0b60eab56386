use domain::Orgnummer;
use domain::id::{FiksOrgId, PersonId};
use domain::person::{Person, Rolle, Rolletildeling};
use jiff::Timestamp;

use crate::error::{Error, FieldError, Missing};
use crate::paging::{Page, Side};
use crate::rule::Rule;
use crate::{App, Caller};

/// A person with his rolle in an organisasjon.
#[derive(Debug, Clone)]
pub struct PersonMedRolle {
    /// The person.
    pub person: Person,
    /// His rolle.
    pub tildeling: Rolletildeling,
}

/// An organisasjon as one of its people sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinOrganisasjon {
    /// Its id.
    pub id: FiksOrgId,
    /// Its name.
    pub navn: String,
    /// Its organisasjonsnummer.
    pub orgnummer: Orgnummer,
    /// When it took Fiks Protokoll into use; `None` while it has not.
    pub tatt_i_bruk: Option<Timestamp>,
    /// What he may do for it.
    pub rolle: Rolle,
}

/// Languages that a person can choose.
const SPRAK: [&str; 3] = ["nb", "nn", "en"];

impl App {
    /// Those who have a rolle in an organisasjon, by name. For its administratorer.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_personer(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        page: Page,
    ) -> Result<Side<PersonMedRolle>, Error> {
        caller.may_administer(owner)?;
        let mut tx = self.begin_read().await?;
        tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        let side = tx.list_personer(owner, page).await?;
        Ok(side.map(|(person, tildeling)| PersonMedRolle { person, tildeling }))
    }

    /// A person with his rolle in an organisasjon. For its administratorer.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for one who has none there, [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn person_med_rolle(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        id: PersonId,
    ) -> Result<PersonMedRolle, Error> {
        caller.may_administer(owner)?;
        let mut tx = self.begin_read().await?;
        let tildeling = tx.rolle(id, owner).await?.ok_or(Missing::Person(id))?;
        let person = tx.person(id).await?.ok_or(Missing::Person(id))?;
        Ok(PersonMedRolle { person, tildeling })
    }

    /// The organisasjoner in which the caller, a person, has a rolle, by name as in Norwegian.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn organisasjoner_for(&self, caller: &Caller) -> Result<Vec<MinOrganisasjon>, Error> {
        let id = caller.person()?.person_id;
        let found = self.begin_read().await?.list_roller(id).await?;
        let mine = found.into_iter().map(|(organisasjon, rolle)| MinOrganisasjon {
            id: organisasjon.id,
            navn: organisasjon.navn,
            orgnummer: organisasjon.orgnummer,
            tatt_i_bruk: organisasjon.tatt_i_bruk,
            rolle,
        });
        Ok(mine.collect())
    }

    /// Keeps the language that the caller, a person, has chosen: `nb`, `nn` or `en`; `None` forgets it.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn set_sprak(&self, caller: &Caller, sprak: Option<&str>) -> Result<(), Error> {
        let id = caller.person()?.person_id;
        if sprak.is_some_and(|sprak| !SPRAK.contains(&sprak)) {
            return Err(Error::Invalid(vec![FieldError::new("sprak", Rule::UnknownSprak)]));
        }
        let mut tx = self.begin().await?;
        let mut person = tx.person(id).await?.ok_or(Missing::Person(id))?;
        person.sprak = sprak.map(str::to_owned);
        tx.update_person(&person).await?;
        Ok(tx.commit().await?)
    }
}
