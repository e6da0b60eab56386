//! What each integrasjon and each organisasjon has open right now.
//!
//! Counted in one place, so that a limit holds across all edges.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::{FiksOrgId, IntegrasjonId};

use crate::grense::{Grense, Grenser};
use crate::{App, InnloggetIntegrasjon};

/// Something that a machine has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apen {
    /// An AMQP connection.
    Tilkobling,
    /// An AMQP channel.
    Kanal,
    /// A consumer.
    Konsument,
}

impl Apen {
    fn grenser(self) -> (Grense, Grense) {
        match self {
            Self::Tilkobling => (Grense::TilkoblingerPerIntegrasjon, Grense::TilkoblingerPerOrganisasjon),
            Self::Kanal => (Grense::KanalerPerIntegrasjon, Grense::KanalerPerOrganisasjon),
            Self::Konsument => (Grense::KonsumenterPerIntegrasjon, Grense::KonsumenterPerOrganisasjon),
        }
    }
}

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit {grense} of {limit} was reached")]
pub struct Nadd {
    /// Which.
    pub grense: Grense,
    /// What it is.
    pub limit: u64,
}

/// How much of each thing is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Antall {
    /// AMQP connections.
    tilkoblinger: u64,
    /// AMQP channels.
    kanaler: u64,
    /// Consumers.
    konsumenter: u64,
    /// Meldinger that the consumers may hold without having settled them.
    ubekreftede: u64,
}

impl Antall {
    fn of(&mut self, apen: Apen) -> &mut u64 {
        match apen {
            Apen::Tilkobling => &mut self.tilkoblinger,
            Apen::Kanal => &mut self.kanaler,
            Apen::Konsument => &mut self.konsumenter,
        }
    }
}

#[derive(Default)]
struct Tellere {
    integrasjoner: HashMap<IntegrasjonId, Antall>,
    organisasjoner: HashMap<FiksOrgId, Antall>,
}

/// The counts of a whole installation.
#[derive(Default)]
pub(crate) struct Bruk(Mutex<Tellere>);

impl Bruk {
    /// The organisasjoner that have anything open.
    pub(crate) fn organisasjoner(&self) -> Vec<FiksOrgId> {
        self.lock().organisasjoner.keys().copied().collect()
    }

    /// How many an organisasjon has open.
    pub(crate) fn count(&self, organisasjon: FiksOrgId, apen: Apen) -> u64 {
        self.lock().organisasjoner.get_mut(&organisasjon).map_or(0, |antall| *antall.of(apen))
    }

    fn lock(&self) -> MutexGuard<'_, Tellere> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken until this is dropped.
#[must_use = "the place is given back when this is dropped"]
pub struct Plass {
    bruk: Arc<Bruk>,
    integrasjon: IntegrasjonId,
    organisasjon: FiksOrgId,
    apen: Apen,
    ubekreftede: u64,
}

impl Plass {
    /// For a consumer: how many meldinger it may hold without having settled them.
    pub fn ubekreftede(&self) -> u64 {
        self.ubekreftede
    }
}

impl Drop for Plass {
    fn drop(&mut self) {
        let mut tellere = self.bruk.lock();
        give_back(&mut tellere.integrasjoner, &self.integrasjon, self.apen, self.ubekreftede);
        give_back(&mut tellere.organisasjoner, &self.organisasjon, self.apen, self.ubekreftede);
    }
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, Antall>, key: &K, apen: Apen, ubekreftede: u64) {
    let Some(antall) = counts.get_mut(key) else { return };
    let count = antall.of(apen);
    *count = count.saturating_sub(1);
    antall.ubekreftede = antall.ubekreftede.saturating_sub(ubekreftede);
    if *antall == Antall::default() {
        counts.remove(key);
    }
}

fn take(
    bruk: &Arc<Bruk>,
    grenser: &Grenser,
    hvem: &InnloggetIntegrasjon,
    apen: Apen,
    wanted: u64,
) -> Result<Plass, Nadd> {
    let (per_integrasjon, per_organisasjon) = apen.grenser();
    let mut tellere = bruk.lock();
    let Tellere { integrasjoner, organisasjoner } = &mut *tellere;
    let mut own = integrasjoner.get(&hvem.integrasjon_id).copied().unwrap_or_default();
    let mut all = organisasjoner.get(&hvem.fiks_org_id).copied().unwrap_or_default();
    for (grense, antall) in [(per_integrasjon, &mut own), (per_organisasjon, &mut all)] {
        let limit = grenser.get(grense);
        if *antall.of(apen) >= limit {
            return Err(Nadd { grense, limit });
        }
    }
    // Never refused: whoever wants much gets less where little is left, and never so much that the next one gets none.
    let left = grenser.get(Grense::UbekreftedePerOrganisasjon).saturating_sub(all.ubekreftede);
    let ubekreftede = wanted.min((left / 4).max(1));
    for antall in [&mut own, &mut all] {
        *antall.of(apen) += 1;
        antall.ubekreftede += ubekreftede;
    }
    integrasjoner.insert(hvem.integrasjon_id, own);
    organisasjoner.insert(hvem.fiks_org_id, all);
    let (integrasjon, organisasjon) = (hvem.integrasjon_id, hvem.fiks_org_id);
    Ok(Plass { bruk: Arc::clone(bruk), integrasjon, organisasjon, apen, ubekreftede })
}

impl App {
    /// Takes a place for something that a machine opens.
    ///
    /// # Errors
    /// [`Nadd`]: its integrasjon or its organisasjon has as many as it may have.
    pub fn open(&self, hvem: &InnloggetIntegrasjon, apen: Apen) -> Result<Plass, Nadd> {
        take(&self.inner.bruk, &self.inner.settings.grenser, hvem, apen, 0)
    }

    /// Takes a place for a consumer that would hold up to `wanted` unsettled meldinger; [`Plass::ubekreftede`] says how many it
    /// may, at least one.
    ///
    /// # Errors
    /// [`Nadd`].
    pub fn open_consumer(&self, hvem: &InnloggetIntegrasjon, wanted: u64) -> Result<Plass, Nadd> {
        take(&self.inner.bruk, &self.inner.settings.grenser, hvem, Apen::Konsument, wanted.max(1))
    }
}

#[cfg(test)]
mod tests {
    use domain::id::SystemId;
    use wire::id::Uuid;

    use super::*;

    fn machine(integrasjon: u128, organisasjon: u128) -> InnloggetIntegrasjon {
        InnloggetIntegrasjon {
            integrasjon_id: IntegrasjonId::from_uuid(Uuid::from_u128(integrasjon)),
            system_id: SystemId::from_uuid(Uuid::from_u128(1)),
            fiks_org_id: FiksOrgId::from_uuid(Uuid::from_u128(organisasjon)),
            konfigurer: false,
        }
    }

    #[test]
    fn places_run_out_per_integrasjon_and_per_organisasjon_and_come_back() {
        for apen in [Apen::Tilkobling, Apen::Kanal, Apen::Konsument] {
            let (per_integrasjon, per_organisasjon) = apen.grenser();
            let grenser = Grenser::default().with(per_integrasjon, 2).with(per_organisasjon, 3);
            let bruk = Arc::<Bruk>::default();
            let open = |hvem: InnloggetIntegrasjon| take(&bruk, &grenser, &hvem, apen, 0);
            let first = open(machine(1, 1)).unwrap();
            let _second = open(machine(1, 1)).unwrap();
            assert_eq!(open(machine(1, 1)).err(), Some(Nadd { grense: per_integrasjon, limit: 2 }));
            let _third = open(machine(2, 1)).unwrap();
            assert_eq!(open(machine(2, 1)).err(), Some(Nadd { grense: per_organisasjon, limit: 3 }));
            let _other = open(machine(3, 2)).expect("another organisasjon has its own");
            drop(first);
            let _again = open(machine(1, 1)).expect("what was given back can be taken");
        }
    }

    #[test]
    fn nothing_is_remembered_of_who_has_nothing_open() {
        let bruk = Arc::<Bruk>::default();
        let place = take(&bruk, &Grenser::default(), &machine(1, 1), Apen::Konsument, 10).unwrap();
        assert_eq!(bruk.lock().organisasjoner.len(), 1);
        drop(place);
        assert!(bruk.lock().organisasjoner.is_empty() && bruk.lock().integrasjoner.is_empty());
    }

    #[test]
    fn consumers_share_what_may_be_unsettled_and_each_gets_at_least_one() {
        let grenser = Grenser::default().with(Grense::UbekreftedePerOrganisasjon, 1_000);
        let bruk = Arc::<Bruk>::default();
        let mut places = Vec::new();
        for _ in 0..200 {
            places.push(take(&bruk, &grenser, &machine(1, 1), Apen::Konsument, 65_535).unwrap());
        }
        assert_eq!(places[0].ubekreftede(), 250);
        assert!(places.iter().all(|place| place.ubekreftede() >= 1));
        let total: u64 = places.iter().map(Plass::ubekreftede).sum();
        assert!(total <= 1_000 + 200, "{total}");
        let modest = take(&bruk, &grenser, &machine(2, 2), Apen::Konsument, 10).unwrap();
        assert_eq!(modest.ubekreftede(), 10);
    }
}
