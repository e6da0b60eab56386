//! Connections that are not logged in yet: there is room for so many, and none of it for one address alone.
//!
//! Who has not logged in may be anybody, so a newcomer never waits for those who are silent: where there is no room, the
//! oldest of whoever has most goes. A client that is about to log in is among the youngest and soon out of here.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::crowd::{self, batch, give_way, neighbourhood};
use tokio_util::sync::CancellationToken;

/// Says which addresses are those of proxies, behind which anybody may be.
pub type Proxies = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

#[derive(Default)]
struct State {
    next: u64,
    /// The oldest first.
    open: BTreeMap<u64, (crowd::Stranger, CancellationToken)>,
    /// How many there are of each.
    counts: HashMap<crowd::Stranger, usize>,
}

impl State {
    fn remove(&mut self, number: u64) -> Option<CancellationToken> {
        let (whose, token) = self.open.remove(&number)?;
        if let Some(count) = self.counts.get_mut(&whose) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&whose);
            }
        }
        Some(token)
    }

    /// Closes some of those whom `may` names.
    fn make_room(&mut self, wanted: usize, may: impl Fn(crowd::Stranger) -> bool) {
        let candidates = self.open.iter().map(|(number, (whose, _))| (*whose, *number));
        for number in give_way(candidates.filter(|(whose, _)| may(*whose)), wanted) {
            if let Some(stranger) = self.remove(number) {
                stranger.cancel();
            }
        }
    }
}

/// The connections of one listener that are not logged in.
pub(crate) struct Strangers {
    state: Mutex<State>,
    max: usize,
    per_address: usize,
    proxies: Proxies,
}

/// What became of the others when one more came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Nothing.
    None,
    /// The oldest of the same address went: it has too many.
    SameAddress,
    /// The oldest of whoever has most went: there are too many in all.
    Most,
}

impl Strangers {
    pub(crate) fn new(max: usize, per_address: usize, proxies: Proxies) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), max: max.max(1), per_address: per_address.max(1), proxies })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for one more, which is always let in.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> (Stranger, Dropped) {
        let is_proxied = (self.proxies)(address);
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let whose = if is_proxied {
            crowd::Stranger::Alone(number)
        } else {
            crowd::Stranger::At(neighbourhood(address))
        };
        let dropped = if state.counts.get(&whose).is_some_and(|count| *count >= self.per_address) {
            state.make_room(batch(self.per_address), |other| other == whose);
            Dropped::SameAddress
        } else if state.open.len() >= self.max {
            state.make_room(batch(self.max), |_| true);
            Dropped::Most
        } else {
            Dropped::None
        };
        let token = CancellationToken::new();
        state.open.insert(number, (whose, token.clone()));
        *state.counts.entry(whose).or_default() += 1;
        (Stranger { strangers: Arc::clone(self), number, dropped: token }, dropped)
    }
}

/// A connection that is not logged in. Dropped when it is, or when it ends.
pub(crate) struct Stranger {
    strangers: Arc<Strangers>,
    number: u64,
    dropped: CancellationToken,
}

impl Stranger {
    /// Cancelled when it must make room.
    pub(crate) fn dropped(&self) -> &CancellationToken {
        &self.dropped
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.strangers.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Proxies {
        Arc::new(|_| false)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn address_with_too_many_loses_its_oldest() {
        let strangers = Strangers::new(100, 2, nobody());
        let (first, _) = strangers.admit(address("192.0.2.1"));
        let (second, _) = strangers.admit(address("192.0.2.1"));
        let (other, _) = strangers.admit(address("192.0.2.2"));
        let (third, dropped) = strangers.admit(address("192.0.2.1"));
        assert_eq!(dropped, Dropped::SameAddress);
        assert!(first.dropped().is_cancelled());
        assert!(![&second, &third, &other].iter().any(|one| one.dropped().is_cancelled()));
    }

    #[test]
    fn where_all_room_is_taken_whoever_has_most_makes_some() {
        let strangers = Strangers::new(4, 100, nobody());
        let quiet = strangers.admit(address("192.0.2.1")).0;
        let loud: Vec<_> = (0..3).map(|_| strangers.admit(address("192.0.2.2")).0).collect();
        let (newcomer, dropped) = strangers.admit(address("192.0.2.3"));
        assert_eq!(dropped, Dropped::Most);
        assert!(loud[0].dropped().is_cancelled() && !loud[1].dropped().is_cancelled());
        assert!(!quiet.dropped().is_cancelled() && !newcomer.dropped().is_cancelled());
        assert_eq!(strangers.lock().open.len(), 4);
    }

    #[test]
    fn who_comes_through_a_proxy_has_no_limit_of_an_address_and_stands_alone() {
        let proxies: Proxies = Arc::new(|address| address == IpAddr::from([192, 0, 2, 9]));
        let strangers = Strangers::new(5, 1, proxies);
        let behind: Vec<_> = (0..4).map(|_| strangers.admit(address("192.0.2.9")).0).collect();
        let direct = strangers.admit(address("192.0.2.1")).0;
        assert!(!behind.iter().any(|one| one.dropped().is_cancelled()));
        let _newcomer = strangers.admit(address("192.0.2.2"));
        // All have one each, so the oldest goes.
        assert!(behind[0].dropped().is_cancelled() && !behind[1].dropped().is_cancelled());
        assert!(!direct.dropped().is_cancelled());
    }

    #[test]
    fn many_newcomers_never_add_up_to_more_than_there_is_room_for() {
        let strangers = Strangers::new(128, 64, nobody());
        let mut open = Vec::new();
        for n in 0..5_000_u32 {
            open.push(strangers.admit(std::net::Ipv4Addr::from_bits(n % 7).into()).0);
            open.retain(|one| !one.dropped().is_cancelled());
            assert!(open.len() <= 128);
        }
        let state = strangers.lock();
        assert_eq!((state.open.len(), state.counts.values().sum::<usize>()), (open.len(), open.len()));
    }

    #[test]
    fn who_has_logged_in_or_gone_takes_no_room() {
        let strangers = Strangers::new(2, 2, nobody());
        drop(strangers.admit(address("192.0.2.1")));
        let first = strangers.admit(address("192.0.2.1")).0;
        let (_second, dropped) = strangers.admit(address("192.0.2.1"));
        assert_eq!(dropped, Dropped::None);
        drop(first);
        assert_eq!(strangers.lock().open.len(), 1);
    }
}
