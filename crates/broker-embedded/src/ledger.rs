//! How much waits on account of which organisasjon, dead letters included.
//!
//! The engine alone counts, melding by melding as it comes and goes, so that no bound is passed by those who ask at the same
//! time; anybody may look. What is on disk says of each entry and each dead letter who answers for it, and how much it takes:
//! so the sums are made anew with the queues, whatever the registry knows by then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use app::ports::{BrokerError, Eiere, Ende, KoRom, Kobytes};
use domain::id::FiksOrgId;

use crate::queue::Share;
use crate::store::Cost;

/// The sums of one organisasjon. Written by the engine alone.
#[derive(Debug, Default)]
struct Sums {
    sendt: AtomicU64,
    mottatt: AtomicU64,
}

impl Sums {
    fn kobytes(&self) -> Kobytes {
        Kobytes { sendt: self.sendt.load(Ordering::Relaxed), mottatt: self.mottatt.load(Ordering::Relaxed) }
    }
}

/// Nobody else writes meanwhile.
fn change(sum: &AtomicU64, by: impl FnOnce(u64) -> u64) {
    sum.store(by(sum.load(Ordering::Relaxed)), Ordering::Relaxed);
}

fn less(sum: u64, bytes: u32) -> u64 {
    sum.checked_sub(u64::from(bytes)).unwrap_or_else(|| {
        out_of_balance("more room was given back than was taken");
        0
    })
}

/// A mistake of this program: said, and no reason to stop. The sums are made anew at the next start.
fn out_of_balance(what: &'static str) {
    tracing::error!(
        what,
        "what waits on queues is not counted right; the sums are made anew when the server is started"
    );
}

/// The sums of all organisasjoner, for whoever looks.
#[derive(Debug, Default)]
pub(crate) struct Totals(RwLock<HashMap<FiksOrgId, Arc<Sums>>>);

impl Totals {
    pub(crate) fn of(&self, organisasjon: FiksOrgId) -> Kobytes {
        let sums = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sums.get(&organisasjon).map(|sums| sums.kobytes()).unwrap_or_default()
    }

    pub(crate) fn list(&self) -> Vec<(FiksOrgId, Kobytes)> {
        let sums = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let all = sums.iter().map(|(organisasjon, sums)| (*organisasjon, sums.kobytes()));
        all.filter(|(_, kobytes)| *kobytes != Kobytes::default()).collect()
    }

    fn sums(&self, organisasjon: FiksOrgId) -> Arc<Sums> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&organisasjon).cloned();
        known.unwrap_or_else(|| {
            let mut sums = self.0.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(sums.entry(organisasjon).or_default())
        })
    }

    fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Two organisasjoner with meldinger between them.
#[derive(Debug)]
struct Pair {
    eiere: Eiere,
    avsender: Arc<Sums>,
    mottaker: Arc<Sums>,
    /// How many meldinger name it by its number.
    shares: u64,
}

/// The engine's books.
#[derive(Debug)]
pub(crate) struct Ledger {
    totals: Arc<Totals>,
    pairs: Vec<Pair>,
    numbers: HashMap<Eiere, u32>,
    /// Numbers that are in no use any more.
    free: Vec<u32>,
    /// How many meldinger take room.
    count: u64,
}

impl Ledger {
    /// Books with nothing in them.
    pub(crate) fn new(totals: Arc<Totals>) -> Self {
        totals.clear();
        Self { totals, pairs: Vec::new(), numbers: HashMap::new(), free: Vec::new(), count: 0 }
    }

    /// How many meldinger wait or are dead letters.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Whether `bytes` more fit.
    pub(crate) fn fits(&self, room: &KoRom, bytes: u64) -> Result<(), BrokerError> {
        let KoRom { eiere, avsender_max, mottaker_max, .. } = room;
        let (sent, received) = match self.pair(eiere) {
            Some(pair) => (pair.avsender.kobytes().sendt, pair.mottaker.kobytes().mottatt),
            None => (self.totals.of(eiere.avsender).sendt, self.totals.of(eiere.mottaker).mottatt),
        };
        if sent.saturating_add(bytes) > *avsender_max {
            Err(BrokerError::NoRoom { ende: Ende::Avsender })
        } else if received.saturating_add(bytes) > *mottaker_max {
            Err(BrokerError::NoRoom { ende: Ende::Mottaker })
        } else {
            Ok(())
        }
    }

    /// Notes a melding that takes room from now on.
    pub(crate) fn take(&mut self, cost: Cost) -> Share {
        let Cost { eiere, bytes } = cost;
        let owners = match self.numbers.get(&eiere) {
            Some(number) => *number,
            None => self.number(eiere),
        };
        if let Some(pair) = self.pairs.get_mut(owners as usize) {
            pair.shares += 1;
            self.count += 1;
            change(&pair.avsender.sendt, |sum| sum.saturating_add(u64::from(bytes)));
            change(&pair.mottaker.mottatt, |sum| sum.saturating_add(u64::from(bytes)));
        }
        Share { owners, bytes }
    }

    /// Notes that a melding takes no room any more.
    pub(crate) fn give_back(&mut self, share: Share) {
        let Share { owners, bytes } = share;
        let Some(pair) = self.pairs.get_mut(owners as usize).filter(|pair| pair.shares > 0) else {
            out_of_balance("a melding gave back room that nobody had taken");
            return;
        };
        change(&pair.avsender.sendt, |sum| less(sum, bytes));
        change(&pair.mottaker.mottatt, |sum| less(sum, bytes));
        self.count = self.count.saturating_sub(1);
        pair.shares -= 1;
        if pair.shares == 0 {
            self.numbers.remove(&pair.eiere);
            self.free.push(owners);
        }
    }

    /// Notes that something that is known by its owners alone takes no room any more.
    pub(crate) fn give_back_cost(&mut self, cost: Cost) {
        match self.numbers.get(&cost.eiere) {
            Some(owners) => self.give_back(Share { owners: *owners, bytes: cost.bytes }),
            None => out_of_balance("a dead letter gave back room that nobody had taken"),
        }
    }

    /// What is written of a share.
    pub(crate) fn cost(&self, share: Share) -> Cost {
        let Some(pair) = self.pairs.get(share.owners as usize) else {
            out_of_balance("nobody answers for a melding");
            return Cost::of_nobody(u64::from(share.bytes));
        };
        Cost { eiere: pair.eiere, bytes: share.bytes }
    }

    fn pair(&self, eiere: &Eiere) -> Option<&Pair> {
        self.pairs.get(*self.numbers.get(eiere)? as usize)
    }

    fn number(&mut self, eiere: Eiere) -> u32 {
        let pair = Pair {
            eiere,
            avsender: self.totals.sums(eiere.avsender),
            mottaker: self.totals.sums(eiere.mottaker),
            shares: 0,
        };
        let number = self.free.pop().unwrap_or_else(|| u32::try_from(self.pairs.len()).unwrap_or(u32::MAX));
        match self.pairs.get_mut(number as usize) {
            Some(unused) => *unused = pair,
            None => self.pairs.push(pair),
        }
        self.numbers.insert(eiere, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use wire::id::Uuid;

    use super::*;

    fn org(n: u128) -> FiksOrgId {
        FiksOrgId::from_uuid(Uuid::from_u128(n))
    }

    fn cost(from: u128, to: u128, bytes: u32) -> Cost {
        Cost { eiere: Eiere { avsender: org(from), mottaker: org(to) }, bytes }
    }

    #[test]
    fn what_comes_and_goes_is_counted_at_both_ends() {
        let totals = Arc::<Totals>::default();
        let mut ledger = Ledger::new(Arc::clone(&totals));
        let first = ledger.take(cost(1, 2, 100));
        let second = ledger.take(cost(3, 2, 10));
        ledger.take(cost(2, 2, 1));
        assert_eq!(totals.of(org(1)), Kobytes { sendt: 100, mottatt: 0 });
        assert_eq!(totals.of(org(2)), Kobytes { sendt: 1, mottatt: 111 });
        assert_eq!(ledger.cost(second), cost(3, 2, 10));
        ledger.give_back(first);
        ledger.give_back_cost(cost(2, 2, 1));
        assert_eq!(totals.list().len(), 2);
        assert_eq!(totals.of(org(2)), Kobytes { sendt: 0, mottatt: 10 });
        ledger.give_back(second);
        assert_eq!(totals.list(), []);
    }

    #[test]
    fn neither_end_goes_over_its_bound() {
        let mut ledger = Ledger::new(Arc::default());
        ledger.take(cost(1, 2, 100));
        let room = |from, to| KoRom {
            avsender_max: 150,
            mottaker_max: 200,
            ..KoRom::unbounded(cost(from, to, 0).eiere)
        };
        let refused = |ledger: &Ledger, from, to, bytes| match ledger.fits(&room(from, to), bytes) {
            Err(BrokerError::NoRoom { ende }) => Some(ende),
            _ => None,
        };
        assert_eq!(refused(&ledger, 1, 2, 50), None);
        assert_eq!(refused(&ledger, 1, 2, 51), Some(Ende::Avsender));
        assert_eq!(refused(&ledger, 1, 3, 51), Some(Ende::Avsender));
        assert_eq!(refused(&ledger, 3, 2, 100), None);
        assert_eq!(refused(&ledger, 3, 2, 101), Some(Ende::Mottaker));
        assert_eq!(refused(&ledger, 3, 1, 150), None);
    }

    /// A mistake elsewhere makes no sum wrong, least of all by turning it into a huge one.
    #[test]
    fn what_is_given_back_twice_is_counted_once() {
        let totals = Arc::<Totals>::default();
        let mut ledger = Ledger::new(Arc::clone(&totals));
        let share = ledger.take(cost(1, 2, 100));
        assert_eq!(ledger.count(), 1);
        ledger.give_back(share);
        ledger.give_back(share);
        ledger.give_back_cost(cost(1, 2, 100));
        assert_eq!((ledger.count(), totals.list()), (0, vec![]));
        let share = ledger.take(cost(3, 4, 7));
        assert_eq!(ledger.cost(share), cost(3, 4, 7));
        assert_eq!((ledger.count(), totals.of(org(3)).sendt), (1, 7));
    }

    /// Who has nothing waiting is forgotten, and what is new stands in its place.
    #[test]
    fn numbers_of_owners_are_used_again() {
        let mut ledger = Ledger::new(Arc::default());
        for n in 0..1_000 {
            let share = ledger.take(cost(n, n + 1, 7));
            assert_eq!(ledger.cost(share), cost(n, n + 1, 7));
            ledger.give_back(share);
        }
        assert_eq!(ledger.pairs.len(), 1);
        assert!(ledger.numbers.is_empty());
    }
}
