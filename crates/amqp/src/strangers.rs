//! Connections that are not logged in yet: there is room for so many, and none of it for one address alone.
//!
//! Who has not logged in may be anybody, so a newcomer never waits for those who are silent: where there is no room, the
//! oldest of whoever has most goes. A client that is about to log in is among the youngest and soon out of here.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Who shares a limit: an IPv4 address, or the /64 of an IPv6 address, which one subscriber has all of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Origin(IpAddr);

impl Origin {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 64)).into()),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Says which addresses are those of proxies, behind which anybody may be.
pub type Proxies = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

#[derive(Default)]
struct State {
    next: u64,
    count: usize,
    /// The oldest first.
    by_origin: HashMap<Origin, BTreeMap<u64, CancellationToken>>,
}

impl State {
    fn remove(&mut self, origin: Origin, number: u64) -> Option<CancellationToken> {
        let of_origin = self.by_origin.get_mut(&origin)?;
        let removed = of_origin.remove(&number)?;
        if of_origin.is_empty() {
            self.by_origin.remove(&origin);
        }
        self.count -= 1;
        Some(removed)
    }

    fn drop_oldest(&mut self, origin: Origin) {
        let oldest = self.by_origin.get(&origin).and_then(|of_origin| of_origin.keys().next().copied());
        if let Some(stranger) = oldest.and_then(|oldest| self.remove(origin, oldest)) {
            stranger.cancel();
        }
    }
}

/// The connections of one listener that are not logged in.
pub(crate) struct Strangers {
    state: Mutex<State>,
    max: usize,
    per_origin: usize,
    proxies: Proxies,
}

/// What became of the others when one more came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Nothing.
    None,
    /// The oldest of the same address went: it has too many.
    SameAddress,
    /// The oldest of the address that has most went: there are too many in all.
    Most,
}

impl Strangers {
    pub(crate) fn new(max: usize, per_origin: usize, proxies: Proxies) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), max: max.max(1), per_origin: per_origin.max(1), proxies })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for one more, which is always let in.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> (Stranger, Dropped) {
        let origin = Origin::of(address);
        let is_proxy = |origin: Origin| (self.proxies)(origin.0);
        let mut state = self.lock();
        let of_same = state.by_origin.get(&origin).map_or(0, BTreeMap::len);
        let dropped = if of_same >= self.per_origin && !(self.proxies)(address) {
            state.drop_oldest(origin);
            Dropped::SameAddress
        } else if state.count >= self.max {
            let most = state
                .by_origin
                .iter()
                .max_by_key(|(origin, of_origin)| (!is_proxy(**origin), of_origin.len()))
                .map(|(origin, _)| *origin);
            if let Some(most) = most {
                state.drop_oldest(most);
            }
            Dropped::Most
        } else {
            Dropped::None
        };
        let number = state.next;
        state.next += 1;
        state.count += 1;
        let token = CancellationToken::new();
        state.by_origin.entry(origin).or_default().insert(number, token.clone());
        (Stranger { strangers: Arc::clone(self), origin, number, dropped: token }, dropped)
    }
}

/// A connection that is not logged in. Dropped when it is, or when it ends.
pub(crate) struct Stranger {
    strangers: Arc<Strangers>,
    origin: Origin,
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
        self.strangers.lock().remove(self.origin, self.number);
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
    fn one_subscriber_of_ipv6_is_one_origin() {
        let one = Origin::of(address("2001:db8:0:1::1"));
        assert_eq!(one, Origin::of(address("2001:db8:0:1:ffff::2")));
        assert_ne!(one, Origin::of(address("2001:db8:0:2::1")));
        assert_eq!(Origin::of(address("::ffff:192.0.2.1")), Origin::of(address("192.0.2.1")));
        assert_ne!(Origin::of(address("192.0.2.1")), Origin::of(address("192.0.2.2")));
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
        assert_eq!(strangers.lock().count, 4);
    }

    #[test]
    fn who_comes_through_a_proxy_has_no_limit_of_an_address_and_goes_last() {
        let proxies: Proxies = Arc::new(|address| address == IpAddr::from([192, 0, 2, 9]));
        let strangers = Strangers::new(4, 1, proxies);
        let behind: Vec<_> = (0..3).map(|_| strangers.admit(address("192.0.2.9")).0).collect();
        let direct = strangers.admit(address("192.0.2.1")).0;
        let _newcomer = strangers.admit(address("192.0.2.9"));
        assert!(direct.dropped().is_cancelled());
        assert!(!behind.iter().any(|one| one.dropped().is_cancelled()));
    }

    #[test]
    fn who_has_logged_in_or_gone_takes_no_room() {
        let strangers = Strangers::new(2, 2, nobody());
        drop(strangers.admit(address("192.0.2.1")));
        let first = strangers.admit(address("192.0.2.1")).0;
        let (_second, dropped) = strangers.admit(address("192.0.2.1"));
        assert_eq!(dropped, Dropped::None);
        drop(first);
        assert_eq!(strangers.lock().count, 1);
    }
}
