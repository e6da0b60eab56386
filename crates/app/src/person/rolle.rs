use domain::id::{FiksOrgId, PersonId};
use domain::person::{Rolle, Rolletildeling};

use crate::error::{Error, Missing};
use crate::hendelse::{Felt, Hva};
use crate::ports::Tx;
use crate::{App, Caller, Change};

impl App {
    /// Gives a person who has a rolle in the organisasjon another one.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for one who has none, [`Error::Conflict`] (`siste administrator`), [`Error::Forbidden`],
    /// [`Error::Unavailable`].
    pub async fn update_rolle(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        person: PersonId,
        rolle: Rolle,
    ) -> Result<(), Error> {
        caller.may_administer(owner)?;
        let mut tx = self.begin().await?;
        let before = tx.rolle(person, owner).await?.ok_or(Missing::Person(person))?;
        if before.rolle == rolle {
            return Ok(());
        }
        keeps_an_administrator(&mut *tx, owner, person, Some(rolle)).await?;
        tx.put_rolle(&Rolletildeling { rolle, gitt: self.now(), ..before }).await?;
        let person = tx.person(person).await?.ok_or(Missing::Person(person))?;
        let change = Change::new(Hva::EndretRolle)
            .organisasjon(owner)
            .person(&person)
            .fra_til(before.rolle.as_str(), rolle.as_str());
        self.audit(&mut *tx, caller, change).await?;
        Ok(tx.commit().await?)
    }

    /// Takes a person's rolle in the organisasjon away. It no longer exists for him from his next click on.
    ///
    /// # Errors
    /// As [`App::update_rolle`].
    pub async fn remove_rolle(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        person: PersonId,
    ) -> Result<(), Error> {
        caller.may_administer(owner)?;
        let mut tx = self.begin().await?;
        let before = tx.rolle(person, owner).await?.ok_or(Missing::Person(person))?;
        keeps_an_administrator(&mut *tx, owner, person, None).await?;
        tx.remove_rolle(person, owner).await?;
        let person = tx.person(person).await?.ok_or(Missing::Person(person))?;
        let change = Change::new(Hva::FjernetRolle)
            .organisasjon(owner)
            .person(&person)
            .with(Felt::Rolle, before.rolle.as_str());
        self.audit(&mut *tx, caller, change).await?;
        Ok(tx.commit().await?)
    }
}

/// Refuses to leave an organisasjon without administrator: nobody in it could then make another one.
pub(super) async fn keeps_an_administrator(
    tx: &mut dyn Tx,
    owner: FiksOrgId,
    person: PersonId,
    becomes: Option<Rolle>,
) -> Result<(), Error> {
    let is = tx.rolle(person, owner).await?.is_some_and(|before| before.rolle.may_administer());
    let stays = becomes.is_some_and(Rolle::may_administer);
    if is && !stays && tx.count_administratorer(owner).await? <= 1 {
        return Err(Error::Conflict { what: "siste administrator" });
    }
    Ok(())
}
