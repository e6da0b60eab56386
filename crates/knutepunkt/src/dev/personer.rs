//! The persons of the small world: one for each way of using the portal. All are synthetic.

use app::paging::Page;
use app::ports::PersonIdentifier;
use app::{App, Caller};
use domain::person::Rolle;
use simulator::idporten::{Testperson, syntetisk_pid};

use super::world::{self, LILLEFJORD, NYVIK, OrganisasjonMal, STOREVIK};

/// A person of the world.
#[derive(Debug, Clone, Copy)]
pub struct PersonMal {
    /// The name.
    pub navn: &'static str,
    /// What the person is for, as the login page tells it.
    pub beskrivelse: &'static str,
    /// What the fødselsnummer is made from.
    seed: u32,
    /// What the person may do, and where.
    pub roller: &'static [(OrganisasjonMal, Rolle)],
    /// Whether the person runs the installation.
    pub drift: bool,
}

impl PersonMal {
    /// The synthetic fødselsnummer, the same in every installation.
    pub fn pid(&self) -> String {
        syntetisk_pid(self.seed)
    }
}

/// Everybody.
pub const PERSONER: &[PersonMal] = &[
    PersonMal {
        navn: "Kari Storevik",
        beskrivelse: "Administrator i Storevik kommune",
        seed: 1,
        roller: &[(STOREVIK, Rolle::Administrator)],
        drift: false,
    },
    PersonMal {
        navn: "Per Protokoll",
        beskrivelse: "Protokolladministrator i Storevik kommune",
        seed: 2,
        roller: &[(STOREVIK, Rolle::Protokolladministrator)],
        drift: false,
    },
    PersonMal {
        navn: "Liv Leser",
        beskrivelse: "Lesetilgang i Storevik kommune",
        seed: 3,
        roller: &[(STOREVIK, Rolle::Lesetilgang)],
        drift: false,
    },
    PersonMal {
        navn: "Lars Lillefjord",
        beskrivelse: "Administrator i Lillefjord kommune",
        seed: 4,
        roller: &[(LILLEFJORD, Rolle::Administrator)],
        drift: false,
    },
    PersonMal {
        navn: "Nina Nykommune",
        beskrivelse: "Administrator i Nyvik kommune, som ikke har tatt i bruk Fiks Protokoll",
        seed: 5,
        roller: &[(NYVIK, Rolle::Administrator)],
        drift: false,
    },
    PersonMal {
        navn: "Mona Mange",
        beskrivelse: "Administrator i Storevik kommune og Lillefjord kommune",
        seed: 6,
        roller: &[(STOREVIK, Rolle::Administrator), (LILLEFJORD, Rolle::Administrator)],
        drift: false,
    },
    PersonMal {
        navn: "Dina Drift",
        beskrivelse: "Driftsoperatør, uten rolle i noen organisasjon",
        seed: 7,
        roller: &[],
        drift: true,
    },
    PersonMal { navn: "Uno Uten", beskrivelse: "Uten tilgang", seed: 8, roller: &[], drift: false },
];

/// Everybody, as the login page shows them.
pub fn testpersoner() -> Vec<Testperson> {
    let shown = |person: &PersonMal| Testperson {
        pid: person.pid(),
        navn: person.navn.to_owned(),
        beskrivelse: person.beskrivelse.to_owned(),
    };
    PERSONER.iter().map(shown).collect()
}

/// Lets the persons in, in each organisasjon where nobody has a rolle yet: what is changed later stays so.
///
/// # Errors
/// What the use cases answer.
pub async fn ensure(app: &App) -> anyhow::Result<()> {
    let operator = Caller::Operator;
    for mal in [STOREVIK, LILLEFJORD, NYVIK] {
        let organisasjon = world::registered(app, mal).await?;
        if app.list_personer(&operator, organisasjon.id, Page::default()).await?.total > 0 {
            continue;
        }
        for person in PERSONER {
            let identifier = PersonIdentifier::new(person.pid());
            for (_, rolle) in person.roller.iter().filter(|(sted, _)| sted.orgnummer == mal.orgnummer) {
                app.create_person_with_rolle(&operator, organisasjon.id, person.navn, &identifier, *rolle)
                    .await?;
            }
            // With the first organisasjon, and so once.
            if person.drift && mal.orgnummer == STOREVIK.orgnummer {
                app.set_drift(&operator, person.navn, &identifier, true).await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::Orgnummer;

    use super::*;

    #[test]
    fn everybody_is_somebody_else() {
        let pids: BTreeSet<String> = PERSONER.iter().map(PersonMal::pid).collect();
        assert_eq!(pids.len(), PERSONER.len());
    }

    #[test]
    fn the_orgnummer_of_nyvik_is_valid() {
        let orgnummer: Orgnummer = NYVIK.orgnummer.parse().unwrap();
        assert!(orgnummer.has_valid_control_digit());
    }
}
