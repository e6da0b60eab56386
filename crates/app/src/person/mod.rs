//! People: who may do what for which organisasjon.

mod create;
mod identifikator;
mod read;
mod rolle;

pub use identifikator::Identifikator;
pub use read::{MinOrganisasjon, PersonMedRolle};

use domain::id::PersonId;
use domain::person::Person;
use domain::tekst::TekstError;

use crate::error::{Error, FieldError};
use crate::ports::{PersonIdentifier, Tx};
use crate::{App, InnloggetPerson};

/// Shortest and longest name of a person in characters.
const NAVN: (usize, usize) = (2, 200);

impl App {
    /// Whether `identifier` is what `person` is known by: for asking somebody who is logged in to prove himself again.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn is_same_person(
        &self,
        person: &InnloggetPerson,
        identifier: &PersonIdentifier,
    ) -> Result<bool, Error> {
        let lookup = self.inner.passord_key.lookup_hash(identifier);
        let found = self.begin_read().await?.person_by_lookup(&lookup).await?;
        Ok(found.is_some_and(|found| found.id == person.person_id))
    }

    /// Somebody nobody has heard of before. Not saved.
    pub(crate) fn new_person(&self, lookup: [u8; 32], navn: String) -> Person {
        Person {
            id: PersonId::from_uuid(self.inner.ids.uuid()),
            lookup,
            navn,
            drift: false,
            sprak: None,
            opprettet: self.now(),
            sist_innlogget: None,
        }
    }
}

/// A person with his roller as they stand.
pub(crate) async fn innlogget(tx: &mut dyn Tx, person: &Person) -> Result<InnloggetPerson, Error> {
    let roller = tx.list_roller(person.id).await?;
    Ok(InnloggetPerson {
        person_id: person.id,
        navn: person.navn.clone(),
        roller: roller.into_iter().map(|(organisasjon, rolle)| (organisasjon.id, rolle)).collect(),
        drift: person.drift,
    })
}

/// The name without blanks around it.
fn check_navn(navn: &str) -> Result<String, FieldError> {
    let navn = navn.trim();
    let (min, max) = NAVN;
    let rule = match navn.chars().count() {
        0 => Some(TekstError::Empty),
        length if length < min => Some(TekstError::TooShort { min }),
        length if length > max => Some(TekstError::TooLong { max }),
        _ => navn
            .chars()
            .find(|character| character.is_control())
            .map(|character| TekstError::BadCharacter { character }),
    };
    match rule {
        Some(rule) => Err(FieldError::new("navn", rule)),
        None => Ok(navn.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Rule;

    #[test]
    fn name_of_a_person_is_trimmed_and_has_limits() {
        assert_eq!(check_navn(" Kari Nordmann ").unwrap(), "Kari Nordmann");
        let rule = |text: &str| check_navn(text).unwrap_err().rule;
        assert_eq!(rule(" "), Rule::Tekst(TekstError::Empty));
        assert_eq!(rule("K"), Rule::Tekst(TekstError::TooShort { min: 2 }));
        assert_eq!(rule(&"K".repeat(201)), Rule::Tekst(TekstError::TooLong { max: 200 }));
        assert_eq!(rule("Kari\nN"), Rule::Tekst(TekstError::BadCharacter { character: '\n' }));
    }
}
