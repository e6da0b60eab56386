//! What each integrasjon and each organisasjon has open right now.
//!
//! Counted in one place, so that a limit holds across all edges.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::{FiksOrgId, IntegrasjonId};

use crate::grense::{Grense, Grenser};
use crate::{App, InnloggetIntegrasjon};

/// Memory that a channel takes, and a consumer, each as measured with much that clients may choose, such as long names.
const KANAL_BYTES: u64 = 14 * 1024;
const KONSUMENT_BYTES: u64 = 2 * 1024;
/// So much of it each organisasjon gets, whatever others have.
const FOR_EACH_BYTES: u64 = 8 * (KANAL_BYTES + KONSUMENT_BYTES);
/// Memory that a melding takes while a consumer holds it, besides its payload.
const UBEKREFTET_BYTES: u64 = 256;

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

    /// What it takes of the memory for channels and consumers. Connections have their own, by their number.
    fn bytes(self) -> u64 {
        match self {
            Self::Tilkobling => 0,
            Self::Kanal => KANAL_BYTES,
            Self::Konsument => KONSUMENT_BYTES,
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
    /// What it takes of the memory for channels and consumers.
    fn bytes(&self) -> u64 {
        let of = |count: u64, each: u64| count.saturating_mul(each);
        of(self.kanaler, KANAL_BYTES).saturating_add(of(self.konsumenter, KONSUMENT_BYTES))
    }

    fn of(&mut self, apen: Apen) -> &mut u64 {
        match apen {
            Apen::Tilkobling => &mut self.tilkoblinger,
            Apen::Kanal => &mut self.kanaler,
            Apen::Konsument => &mut self.konsumenter,
        }
    }

    fn take_off(&mut self, apen: Apen, ubekreftede: u64) {
        let count = self.of(apen);
        *count = count.saturating_sub(1);
        self.ubekreftede = self.ubekreftede.saturating_sub(ubekreftede);
    }
}

#[derive(Default)]
struct Tellere {
    integrasjoner: HashMap<IntegrasjonId, Antall>,
    organisasjoner: HashMap<FiksOrgId, Antall>,
    alle: Antall,
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

    /// For a consumer that is handed nothing more: it holds at most so many unsettled ones now. The rest is given back.
    pub fn holds_at_most(&mut self, ubekreftede: u64) {
        let less = self.ubekreftede.saturating_sub(ubekreftede);
        self.ubekreftede -= less;
        let mut tellere = self.bruk.lock();
        let Tellere { integrasjoner, organisasjoner, alle } = &mut *tellere;
        let counts = [
            integrasjoner.get_mut(&self.integrasjon),
            organisasjoner.get_mut(&self.organisasjon),
            Some(alle),
        ];
        for antall in counts.into_iter().flatten() {
            antall.ubekreftede = antall.ubekreftede.saturating_sub(less);
        }
    }
}

impl Drop for Plass {
    fn drop(&mut self) {
        let mut tellere = self.bruk.lock();
        give_back(&mut tellere.integrasjoner, &self.integrasjon, self.apen, self.ubekreftede);
        give_back(&mut tellere.organisasjoner, &self.organisasjon, self.apen, self.ubekreftede);
        tellere.alle.take_off(self.apen, self.ubekreftede);
    }
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, Antall>, key: &K, apen: Apen, ubekreftede: u64) {
    let Some(antall) = counts.get_mut(key) else { return };
    antall.take_off(apen, ubekreftede);
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
    let Tellere { integrasjoner, organisasjoner, alle } = &mut *tellere;
    let mut own = integrasjoner.get(&hvem.integrasjon_id).copied().unwrap_or_default();
    let mut all = organisasjoner.get(&hvem.fiks_org_id).copied().unwrap_or_default();
    for (grense, antall) in [(per_integrasjon, &mut own), (per_organisasjon, &mut all)] {
        let limit = grenser.get(grense);
        if *antall.of(apen) >= limit {
            return Err(Nadd { grense, limit });
        }
    }
    // Nobody may have more than half of what is left then, so that it does not matter who comes first; and some in any case.
    let memory = grenser.bound(Grense::MinneBytesForKanaler);
    let (own_bytes, all_bytes) = (all.bytes() + apen.bytes(), alle.bytes() + apen.bytes());
    if apen.bytes() > 0 && own_bytes > FOR_EACH_BYTES && own_bytes > memory.saturating_sub(all_bytes) / 2 {
        return Err(Nadd { grense: Grense::MinneBytesForKanaler, limit: memory });
    }
    // Never refused: whoever wants much gets less where little is left, and never so much that the next one gets none.
    let left = grenser.get(Grense::UbekreftedePerOrganisasjon).saturating_sub(all.ubekreftede);
    let left_of_all = (memory / UBEKREFTET_BYTES).saturating_sub(alle.ubekreftede);
    let left = left.min(left_of_all.saturating_sub(all.ubekreftede) / 2);
    let ubekreftede = wanted.min((left / 4).max(1));
    for antall in [&mut own, &mut all, alle] {
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
        assert_eq!(bruk.lock().alle, Antall::default());
    }

    /// However many organisasjoner take all that they can get, the next one gets some.
    #[test]
    fn channels_and_consumers_take_no_more_than_their_memory_and_leave_some_for_the_next() {
        let memory = 16 * 1024 * 1024;
        let grenser = Grenser::default().with(Grense::MinneBytesForKanaler, memory);
        let bruk = Arc::<Bruk>::default();
        let mut places = Vec::new();
        for organisasjon in 1..=20 {
            let before = bruk.lock().alle.bytes();
            let mut refused = [false; 2];
            while refused != [true; 2] {
                for (apen, refused) in [Apen::Kanal, Apen::Konsument].into_iter().zip(&mut refused) {
                    match take(&bruk, &grenser, &machine(organisasjon, organisasjon), apen, 65_535) {
                        Ok(place) => places.push(place),
                        Err(nadd) => {
                            assert_eq!(nadd, Nadd { grense: Grense::MinneBytesForKanaler, limit: memory });
                            *refused = true;
                        }
                    }
                }
            }
            let got = bruk.lock().alle.bytes() - before;
            assert!((FOR_EACH_BYTES - KANAL_BYTES..=memory / 3).contains(&got), "{organisasjon}: {got}");
        }
        let all = bruk.lock().alle.bytes();
        assert!((memory / 2..memory + 20 * FOR_EACH_BYTES).contains(&all), "{all}");
        let held: u64 = places.iter().map(Plass::ubekreftede).sum();
        let most = memory / UBEKREFTET_BYTES + u64::try_from(places.len()).unwrap();
        assert!(held <= most, "{held} of {most}");
        drop(places);
        assert_eq!(bruk.lock().alle, Antall::default());
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
        let mut first = places.remove(0);
        drop(places);
        first.holds_at_most(10);
        let next = take(&bruk, &grenser, &machine(1, 1), Apen::Konsument, 65_535).unwrap();
        assert_eq!((first.ubekreftede(), next.ubekreftede()), (10, 247));
        drop((first, next));
        assert!(bruk.lock().organisasjoner.is_empty());
        let modest = take(&bruk, &grenser, &machine(2, 2), Apen::Konsument, 10).unwrap();
        assert_eq!(modest.ubekreftede(), 10);
    }
}
