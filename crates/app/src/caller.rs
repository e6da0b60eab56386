use std::fmt;

use domain::id::{FiksOrgId, IntegrasjonId, PersonId, SystemId};
use domain::person::Rolle;
use domain::system::System;

use crate::error::{Error, Forbidden, Missing};

/// Who calls, with the rights that come with it. Edges make one by a login and pass it on; a use case checks it.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A machine.
    Integrasjon(InnloggetIntegrasjon),
    /// A person in the portal.
    Person(InnloggetPerson),
    /// Whoever runs the installation: command line, seeding.
    Operator,
}

/// An integrasjon whose id, passord, token and orgnummer were verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InnloggetIntegrasjon {
    /// Its id.
    pub integrasjon_id: IntegrasjonId,
    /// Its System.
    pub system_id: SystemId,
    /// The owner of the System.
    pub fiks_org_id: FiksOrgId,
    /// It has FIKS.KONFIGURER on its System.
    pub konfigurer: bool,
}

/// A person with a session, as his roller stand now.
#[derive(Clone, PartialEq, Eq)]
pub struct InnloggetPerson {
    /// His id.
    pub person_id: PersonId,
    /// His name; may be empty.
    pub navn: String,
    /// What he may do for whom. An organisasjon that is not among them does not exist for him.
    pub roller: Vec<(FiksOrgId, Rolle)>,
    /// He may see how the installation is doing.
    pub drift: bool,
}

impl InnloggetPerson {
    /// What he may do for `org`.
    pub fn rolle(&self, org: FiksOrgId) -> Option<Rolle> {
        self.roller.iter().find(|(id, _)| *id == org).map(|(_, rolle)| *rolle)
    }
}

impl fmt::Debug for InnloggetPerson {
    /// Without the name: names of people are not logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InnloggetPerson")
            .field("person_id", &self.person_id)
            .field("roller", &self.roller)
            .field("drift", &self.drift)
            .finish_non_exhaustive()
    }
}

impl From<InnloggetIntegrasjon> for Caller {
    fn from(integrasjon: InnloggetIntegrasjon) -> Self {
        Self::Integrasjon(integrasjon)
    }
}

impl From<InnloggetPerson> for Caller {
    fn from(person: InnloggetPerson) -> Self {
        Self::Person(person)
    }
}

impl Caller {
    /// Whether the caller may read the configuration of `system`.
    pub(crate) fn may_see(&self, system: &System) -> Result<(), Error> {
        match self {
            Self::Operator => Ok(()),
            Self::Integrasjon(integrasjon) => configures(*integrasjon, system),
            Self::Person(person) => match person.rolle(system.fiks_org_id) {
                Some(_) => Ok(()),
                None => Err(Missing::System(system.id).into()),
            },
        }
    }

    /// Whether the caller may change the configuration of `system`.
    pub(crate) fn may_configure(&self, system: &System) -> Result<(), Error> {
        match self {
            Self::Operator => Ok(()),
            Self::Integrasjon(integrasjon) => configures(*integrasjon, system),
            Self::Person(person) => {
                let rolle = person.rolle(system.fiks_org_id).ok_or(Missing::System(system.id))?;
                allowed(rolle.may_change())
            }
        }
    }

    /// Whether the caller may read what only persons may, of `owner`.
    pub(crate) fn may_see_org(&self, owner: FiksOrgId) -> Result<(), Error> {
        self.may_as_person(owner, |_| true)
    }

    /// Whether the caller may change what only persons may, for `owner`.
    pub(crate) fn may_act_for(&self, owner: FiksOrgId) -> Result<(), Error> {
        self.may_as_person(owner, Rolle::may_change)
    }

    /// Whether the caller may sign the avtale of `owner` and manage its people.
    pub(crate) fn may_administer(&self, owner: FiksOrgId) -> Result<(), Error> {
        self.may_as_person(owner, Rolle::may_administer)
    }

    /// Whether the caller runs the installation.
    pub(crate) fn may_operate(&self) -> Result<(), Error> {
        match self {
            Self::Operator => Ok(()),
            Self::Integrasjon(_) => Err(Forbidden::PersonOnly.into()),
            Self::Person(_) => Err(Forbidden::Rolle.into()),
        }
    }

    /// Whether the caller may see how the installation is doing. That it is there is no secret.
    pub(crate) fn may_see_drift(&self) -> Result<(), Error> {
        match self {
            Self::Operator => Ok(()),
            Self::Integrasjon(_) => Err(Forbidden::PersonOnly.into()),
            Self::Person(person) => allowed(person.drift),
        }
    }

    /// The person who calls.
    pub(crate) fn person(&self) -> Result<&InnloggetPerson, Error> {
        match self {
            Self::Person(person) => Ok(person),
            Self::Integrasjon(_) | Self::Operator => Err(Forbidden::PersonOnly.into()),
        }
    }

    fn may_as_person(&self, owner: FiksOrgId, enough: impl FnOnce(Rolle) -> bool) -> Result<(), Error> {
        match self {
            Self::Operator => Ok(()),
            Self::Integrasjon(_) => Err(Forbidden::PersonOnly.into()),
            Self::Person(person) => allowed(enough(person.rolle(owner).ok_or(Missing::Organisasjon(owner))?)),
        }
    }

    /// How the audit log names the caller.
    pub(crate) fn audit_name(&self) -> String {
        match self {
            Self::Operator => "drift".to_owned(),
            Self::Integrasjon(integrasjon) => format!("integrasjon:{}", integrasjon.integrasjon_id),
            Self::Person(person) => format!("person:{}", person.person_id),
        }
    }
}

/// A machine reads what it may also change: its own System, while that is switched on.
fn configures(integrasjon: InnloggetIntegrasjon, system: &System) -> Result<(), Error> {
    if integrasjon.system_id == system.id && system.konfigureres_av_integrasjon {
        Ok(())
    } else {
        Err(Forbidden::Konfigurer { system: system.id }.into())
    }
}

fn allowed(enough: bool) -> Result<(), Error> {
    if enough { Ok(()) } else { Err(Forbidden::Rolle.into()) }
}

#[cfg(test)]
mod tests {
    use domain::system::SystemInfo;
    use jiff::Timestamp;
    use wire::id::Uuid;

    use super::*;

    fn org(n: u128) -> FiksOrgId {
        FiksOrgId::from_uuid(Uuid::from_u128(n))
    }

    fn system(owner: FiksOrgId) -> System {
        System {
            id: SystemId::from_uuid(Uuid::from_u128(7)),
            fiks_org_id: owner,
            info: SystemInfo {
                navn: "Mitt fagsystem".to_owned(),
                beskrivelse: "Til test".to_owned(),
                eposter: vec![],
                offentlig: true,
                automatisk_godkjenning: false,
                leverandor_navn: None,
                leverandor_kontaktpunkt: None,
            },
            konfigureres_av_integrasjon: false,
            opprettet: Timestamp::UNIX_EPOCH,
            sist_endret: Timestamp::UNIX_EPOCH,
        }
    }

    fn person(rolle: Rolle) -> Caller {
        let person = InnloggetPerson {
            person_id: PersonId::from_uuid(Uuid::from_u128(9)),
            navn: "Kari Nordmann".to_owned(),
            roller: vec![(org(1), rolle)],
            drift: true,
        };
        Caller::Person(person)
    }

    /// What may be done, in the order see, configure, see org, act, administer.
    fn told(caller: &Caller, owner: FiksOrgId) -> [&'static str; 5] {
        let system = system(owner);
        let tell = |answer: Result<(), Error>| match answer {
            Ok(()) => "yes",
            Err(Error::Forbidden(Forbidden::Rolle)) => "no",
            Err(Error::NotFound(Missing::System(id))) if id == system.id => "no system",
            Err(Error::NotFound(Missing::Organisasjon(id))) if id == owner => "no organisasjon",
            Err(error) => unreachable!("unexpected: {error:?}"),
        };
        [
            tell(caller.may_see(&system)),
            tell(caller.may_configure(&system)),
            tell(caller.may_see_org(owner)),
            tell(caller.may_act_for(owner)),
            tell(caller.may_administer(owner)),
        ]
    }

    #[test]
    fn person_may_what_his_rolle_says_and_no_more() {
        assert_eq!(told(&person(Rolle::Administrator), org(1)), ["yes"; 5]);
        assert_eq!(told(&person(Rolle::Protokolladministrator), org(1)), ["yes", "yes", "yes", "yes", "no"]);
        assert_eq!(told(&person(Rolle::Lesetilgang), org(1)), ["yes", "no", "yes", "no", "no"]);
    }

    #[test]
    fn organisasjon_without_rolle_does_not_exist_for_a_person_in_drift_either() {
        let [organisasjon, system] = ["no organisasjon", "no system"];
        assert_eq!(
            told(&person(Rolle::Administrator), org(2)),
            [system, system, organisasjon, organisasjon, organisasjon]
        );
    }

    #[test]
    fn only_the_operator_operates() {
        assert!(Caller::Operator.may_operate().is_ok());
        let refused = person(Rolle::Administrator).may_operate();
        assert!(matches!(refused, Err(Error::Forbidden(Forbidden::Rolle))), "{refused:?}");
    }

    #[test]
    fn person_is_named_by_id_alone() {
        let caller = person(Rolle::Lesetilgang);
        assert_eq!(caller.audit_name(), "person:00000000-0000-0000-0000-000000000009");
        assert!(!format!("{caller:?}").contains("Kari"));
    }
}
