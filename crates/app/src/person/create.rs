use domain::id::FiksOrgId;
use domain::person::{Person, Rolle, Rolletildeling};

use crate::error::{Error, FieldError, Missing};
use crate::hendelse::{Felt, Hva};
use crate::person::rolle::keeps_an_administrator;
use crate::person::{Identifikator, check_navn};
use crate::ports::{PersonIdentifier, Tx};
use crate::{App, Caller, Change};

impl App {
    /// Gives a person a rolle in an organisasjon before he has ever logged in. One who is known already keeps his name; one
    /// who has a rolle there gets this one instead.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`] (`siste administrator`), [`Error::NotFound`], [`Error::Forbidden`],
    /// [`Error::Unavailable`].
    pub async fn create_person_with_rolle(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        navn: &str,
        identifier: &PersonIdentifier,
        rolle: Rolle,
    ) -> Result<Person, Error> {
        caller.may_administer(owner)?;
        let checked = check(&self.inner.settings.identifikator, navn, identifier)?;
        let mut tx = self.begin().await?;
        tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        let person = self.find_or_add_person(&mut *tx, checked).await?;
        if tx.rolle(person.id, owner).await?.is_some_and(|before| before.rolle == rolle) {
            tx.commit().await?;
            return Ok(person);
        }
        keeps_an_administrator(&mut *tx, owner, person.id, Some(rolle)).await?;
        tx.put_rolle(&Rolletildeling { person_id: person.id, fiks_org_id: owner, rolle, gitt: self.now() })
            .await?;
        let change =
            Change::new(Hva::GaRolle).organisasjon(owner).person(&person).with(Felt::Rolle, rolle.as_str());
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        Ok(person)
    }

    /// Lets a person see how the installation is doing, or not any more.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Forbidden`] for all but the operator, [`Error::Unavailable`].
    pub async fn set_drift(
        &self,
        caller: &Caller,
        navn: &str,
        identifier: &PersonIdentifier,
        drift: bool,
    ) -> Result<Person, Error> {
        caller.may_operate()?;
        let checked = check(&self.inner.settings.identifikator, navn, identifier)?;
        let mut tx = self.begin().await?;
        let mut person = self.find_or_add_person(&mut *tx, checked).await?;
        person.drift = drift;
        tx.update_person(&person).await?;
        let hva = if drift { Hva::GaInnsynIDrift } else { Hva::FjernetInnsynIDrift };
        let change = Change::new(hva).person(&person);
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        Ok(person)
    }

    async fn find_or_add_person(
        &self,
        tx: &mut dyn Tx,
        (navn, identifier): (String, PersonIdentifier),
    ) -> Result<Person, Error> {
        let lookup = self.inner.passord_key.lookup_hash(&identifier);
        let Some(mut person) = tx.person_by_lookup(&lookup).await? else {
            let person = self.new_person(lookup, navn);
            tx.add_person(&person).await?;
            return Ok(person);
        };
        // Somebody who logged in on his own, at a provider that tells no names.
        if person.navn.is_empty() {
            person.navn = navn;
            tx.update_person(&person).await?;
        }
        Ok(person)
    }
}

fn check(
    kind: &Identifikator,
    navn: &str,
    identifier: &PersonIdentifier,
) -> Result<(String, PersonIdentifier), Error> {
    let identifier = kind.check(identifier).map_err(|rule| FieldError::new("identifikator", rule));
    match (check_navn(navn), identifier) {
        (Ok(navn), Ok(identifier)) => Ok((navn, identifier)),
        (navn, identifier) => {
            Err(Error::Invalid([navn.err(), identifier.err()].into_iter().flatten().collect()))
        }
    }
}
