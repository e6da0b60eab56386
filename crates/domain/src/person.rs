//! Person: who manages systemer in the portal, and what he may do for which organisasjon.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use wire::id::{FiksOrgId, PersonId};

/// A person who has logged in, or who was given a rolle before he did.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Our id, which says nothing of who he is.
    pub id: PersonId,
    /// Keyed hash of what the login provider knows him by, such as a fødselsnummer. The number itself is never kept.
    pub lookup: [u8; 32],
    /// His name; empty while nobody has told it.
    pub navn: String,
    /// He may see how the installation is doing. No view of any organisasjon comes with it.
    pub drift: bool,
    /// The language that he chose: `nb`, `nn` or `en`.
    pub sprak: Option<String>,
    /// When he was first heard of.
    pub opprettet: Timestamp,
    /// When he last logged in.
    pub sist_innlogget: Option<Timestamp>,
}

impl fmt::Debug for Person {
    /// Without name and hash: names of people are not logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("id", &self.id).field("drift", &self.drift).finish_non_exhaustive()
    }
}

/// What a person may do for an organisasjon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rolle {
    /// Everything, also signing the avtale and managing the people.
    Administrator,
    /// Everything about systemer, kontoer and tilganger.
    Protokolladministrator,
    /// See everything, change nothing.
    Lesetilgang,
}

/// The text names no [`Rolle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rolle is administrator, protokolladministrator or lesetilgang")]
pub struct InvalidRolle;

impl Rolle {
    /// Every one, the mightiest first.
    pub const ALL: [Self; 3] = [Self::Administrator, Self::Protokolladministrator, Self::Lesetilgang];

    /// Its name in the registry and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Protokolladministrator => "protokolladministrator",
            Self::Lesetilgang => "lesetilgang",
        }
    }

    /// Whether it lets change systemer, kontoer and tilganger.
    pub const fn may_change(self) -> bool {
        matches!(self, Self::Administrator | Self::Protokolladministrator)
    }

    /// Whether it lets sign the avtale and manage the people.
    pub const fn may_administer(self) -> bool {
        matches!(self, Self::Administrator)
    }
}

impl FromStr for Rolle {
    type Err = InvalidRolle;
    fn from_str(text: &str) -> Result<Self, InvalidRolle> {
        Self::ALL.into_iter().find(|rolle| rolle.as_str() == text).ok_or(InvalidRolle)
    }
}

impl fmt::Display for Rolle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A person has a rolle in an organisasjon; one at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rolletildeling {
    /// Who.
    pub person_id: PersonId,
    /// For whom.
    pub fiks_org_id: FiksOrgId,
    /// What he may do.
    pub rolle: Rolle,
    /// Since when.
    pub gitt: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolle_is_read_as_it_is_written() {
        for rolle in Rolle::ALL {
            assert_eq!(rolle.to_string().parse(), Ok(rolle));
        }
        assert_eq!("Administrator".parse::<Rolle>(), Err(InvalidRolle));
    }

    #[test]
    fn only_lesetilgang_changes_nothing_and_only_administrator_administers() {
        assert_eq!(Rolle::ALL.map(Rolle::may_change), [true, true, false]);
        assert_eq!(Rolle::ALL.map(Rolle::may_administer), [true, false, false]);
    }

    #[test]
    fn name_of_a_person_is_not_shown_by_debug() {
        let person = Person {
            id: PersonId::from_uuid(wire::id::Uuid::nil()),
            lookup: [7; 32],
            navn: "Kari Nordmann".to_owned(),
            drift: false,
            sprak: None,
            opprettet: Timestamp::UNIX_EPOCH,
            sist_innlogget: None,
        };
        let shown = format!("{person:?}");
        assert!(!shown.contains("Kari") && !shown.contains('7'), "{shown}");
    }
}
