//! Who has the places that there are for connections: those that are logged in, and those that are not.
//!
//! Who has not logged in may be anybody, so a newcomer never waits for those who are silent: where there is no room, one that has
//! sent nothing goes, as long as those are more than a fourth, else one that has begun its log-in, and one whose log-in is looked
//! at goes last. Of those that are as far one of whoever has most goes, and of those the one that has gone no further for longest.
//! So a client that goes on with its log-in outlives those that are silent, and is not turned away at the door by those that have
//! begun and go no further. Some places
//! are for strangers alone, so that there is always room to log in. A connection that logged in and is not taken, for a limit,
//! stays among the strangers until it ends.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::crowd::{self, Progress, batch, neighbourhood, strangers_give_way};
use domain::id::FiksOrgId;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Of so many places one is for connections that are not logged in, whoever is.
const FOR_STRANGERS: usize = 8;
/// Of so many strangers one may be a connection of the same organisasjon that was over a limit, and never more than [`MOST_OVER`].
const ONE_OVER_IN: usize = 8;
/// An honest client that is over a limit is gone at once.
const MOST_OVER: usize = 64;
/// Connections that were made to give way and are not gone yet, before the next one is accepted.
const MOST_LEAVING: usize = 16;

/// Says which addresses are those of proxies, behind which anybody may be.
pub type Proxies = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// With whose connections one that is not logged in is weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Whose {
    Stranger(crowd::Stranger),
    /// It logged in and was over a limit.
    OverLimit(FiksOrgId),
}

impl crowd::Whose for Whose {
    fn wider(self) -> [Self; 2] {
        match self {
            Self::Stranger(stranger) => stranger.wider().map(Self::Stranger),
            Self::OverLimit(_) => [self, self],
        }
    }
}

struct Stranger {
    whose: Whose,
    progress: Progress,
    /// When it came, or went on to the next step, in the order of all of them.
    moved: u64,
    token: CancellationToken,
}

#[derive(Default)]
struct State {
    next: u64,
    /// All connections, those that were made to give way and are not gone yet included.
    connections: usize,
    logged_in: usize,
    /// Who is not logged in.
    strangers: BTreeMap<u64, Stranger>,
    /// How many strangers there are of each.
    counts: HashMap<Whose, usize>,
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn insert(&mut self, number: u64, whose: Whose, progress: Progress, token: CancellationToken) {
        let moved = self.number();
        self.strangers.insert(number, Stranger { whose, progress, moved, token });
        *self.counts.entry(whose).or_default() += 1;
    }

    fn remove(&mut self, number: u64) -> Option<CancellationToken> {
        let Stranger { whose, token, .. } = self.strangers.remove(&number)?;
        if let Some(count) = self.counts.get_mut(&whose) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&whose);
            }
        }
        Some(token)
    }

    fn count(&self, whose: Whose) -> usize {
        self.counts.get(&whose).copied().unwrap_or_default()
    }

    /// Closes some of those whom `may` names.
    fn make_room(&mut self, wanted: usize, may: impl Fn(Whose) -> bool) {
        let candidates = self
            .strangers
            .iter()
            .filter(|(_, one)| may(one.whose))
            .map(|(number, one)| (one.whose, one.progress, (one.moved, *number)));
        for (_, number) in strangers_give_way(candidates, wanted) {
            if let Some(stranger) = self.remove(number) {
                stranger.cancel();
            }
        }
    }

    /// Those who will stay.
    fn taken(&self) -> usize {
        self.logged_in + self.strangers.len()
    }
}

/// The places of all listeners.
pub(crate) struct Places {
    state: Mutex<State>,
    max: usize,
    strangers_max: usize,
    per_address: usize,
    proxies: Proxies,
    /// Somebody has left.
    left: Notify,
}

/// What became of the others when one more came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Nothing.
    None,
    /// One of the same address went: it has too many.
    SameAddress,
    /// One of whoever has most went: there are too many in all.
    Most,
}

/// Whether there is a place for a connection that has logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// It is its own until it ends.
    Taken,
    /// All are taken by others who are logged in.
    Full,
    /// It was made to give way a moment ago.
    GaveWay,
}

impl Places {
    /// Room for `max` connections, of which `strangers_max` may be not logged in, and `per_address` of these come from one
    /// address.
    pub(crate) fn new(max: usize, strangers_max: usize, per_address: usize, proxies: Proxies) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            max: max.max(1),
            strangers_max: strangers_max.max(1),
            per_address: per_address.max(1),
            proxies,
            left: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().connections
    }

    /// Returns once those who were made to give way are gone but for a few, so that there are never many more sockets than
    /// there is room for.
    pub(crate) async fn settled(&self) {
        loop {
            let left = self.left.notified();
            if self.count() < self.max + MOST_LEAVING {
                return;
            }
            left.await;
        }
    }

    /// Makes room for one more, which is let in unless everybody else is logged in.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<(Place, Dropped)> {
        let is_proxied = (self.proxies)(address);
        let mut state = self.lock();
        let number = state.number();
        let whose = Whose::Stranger(if is_proxied {
            crowd::Stranger::Alone(number)
        } else {
            crowd::Stranger::At(neighbourhood(address))
        });
        let dropped = if state.count(whose) >= self.per_address {
            state.make_room(batch(self.per_address), |other| other == whose);
            Dropped::SameAddress
        } else if state.strangers.len() >= self.strangers_max || state.taken() >= self.max {
            let wanted = batch(state.strangers.len());
            state.make_room(wanted, |_| true);
            Dropped::Most
        } else {
            Dropped::None
        };
        if state.taken() >= self.max {
            return None;
        }
        let token = CancellationToken::new();
        state.insert(number, whose, Progress::Silent, token.clone());
        state.connections += 1;
        Some((Place { places: Arc::clone(self), number, is_logged_in: false, dropped: token }, dropped))
    }
}

/// The place of one connection. Dropped when that ends.
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
    is_logged_in: bool,
    dropped: CancellationToken,
}

impl Place {
    /// Cancelled when it must make room, which it must no longer once it is logged in.
    pub(crate) fn dropped(&self) -> &CancellationToken {
        &self.dropped
    }

    /// It has gone on to the next step of its log-in.
    pub(crate) fn moved(&self) {
        self.is_at(Progress::Begun);
    }

    /// Its log-in is looked at from now on.
    pub(crate) fn is_judged(&self) {
        self.is_at(Progress::Judged);
    }

    /// Its log-in was refused, so it is worth no more than one that has sent nothing.
    pub(crate) fn is_refused(&self) {
        self.is_at(Progress::Silent);
    }

    fn is_at(&self, progress: Progress) {
        let mut state = self.places.lock();
        let moved = state.number();
        if let Some(one) = state.strangers.get_mut(&self.number) {
            (one.progress, one.moved) = (progress, moved);
        }
    }

    /// It is logged in, and no stranger's any more.
    pub(crate) fn log_in(&mut self) -> Seat {
        let mut state = self.places.lock();
        if state.logged_in >= self.places.max - self.places.max / FOR_STRANGERS {
            return Seat::Full;
        }
        if state.remove(self.number).is_none() {
            return Seat::GaveWay;
        }
        state.logged_in += 1;
        self.is_logged_in = true;
        Seat::Taken
    }

    /// It belongs to `organisasjon` and is not taken, for a limit. Until it ends it stays a stranger, of which the
    /// organisasjon has few.
    pub(crate) fn is_over_limit(&self, organisasjon: FiksOrgId) {
        let whose = Whose::OverLimit(organisasjon);
        let most = (self.places.strangers_max / ONE_OVER_IN).clamp(1, MOST_OVER);
        let mut state = self.places.lock();
        let Some(token) = state.remove(self.number) else { return };
        if state.count(whose) >= most {
            state.make_room(1, |other| other == whose);
        }
        // It has yet to be told why.
        state.insert(self.number, whose, Progress::Begun, token);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        state.connections -= 1;
        if self.is_logged_in {
            state.logged_in -= 1;
        } else {
            state.remove(self.number);
        }
        drop(state);
        self.places.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use wire::id::Uuid;

    use super::*;

    fn nobody() -> Proxies {
        Arc::new(|_| false)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn org(n: u128) -> FiksOrgId {
        FiksOrgId::from_uuid(Uuid::from_u128(n))
    }

    /// Places of which strangers may have `strangers_max`.
    fn strangers(strangers_max: usize, per_address: usize, proxies: Proxies) -> Arc<Places> {
        Places::new(1_000, strangers_max, per_address, proxies)
    }

    fn admit(places: &Arc<Places>, from: &str) -> Place {
        places.admit(address(from)).expect("strangers give way").0
    }

    fn gone(places: &[Place]) -> usize {
        places.iter().filter(|place| place.dropped().is_cancelled()).count()
    }

    #[test]
    fn address_with_too_many_loses_its_oldest() {
        let strangers = strangers(100, 2, nobody());
        let first = admit(&strangers, "192.0.2.1");
        let second = admit(&strangers, "192.0.2.1");
        let other = admit(&strangers, "192.0.2.2");
        let (third, dropped) = strangers.admit(address("192.0.2.1")).unwrap();
        assert_eq!(dropped, Dropped::SameAddress);
        assert!(first.dropped().is_cancelled());
        assert_eq!(gone(&[second, third, other]), 0);
    }

    /// Strangers that come from as many addresses as there are places, and all the time.
    struct Flood {
        places: Arc<Places>,
        open: Vec<Place>,
        has_begun: bool,
    }

    impl Flood {
        fn new(places: &Arc<Places>, has_begun: bool) -> Self {
            Self { places: Arc::clone(places), open: Vec::new(), has_begun }
        }

        fn come(&mut self, count: u8) {
            for n in 0..count {
                let one = admit(&self.places, &format!("192.0.2.{}", 10 + n % 200));
                if self.has_begun {
                    one.moved();
                }
                self.open.push(one);
                self.open.retain(|one| !one.dropped().is_cancelled());
            }
        }
    }

    #[test]
    fn whoever_goes_on_with_its_log_in_outlives_those_who_are_silent() {
        let strangers = strangers(8, 100, nobody());
        let mut silent = Flood::new(&strangers, false);
        silent.come(30);
        let honest = admit(&strangers, "192.0.2.1");
        // The first bytes come at once, everything else takes as long as the way to the client and back.
        silent.come(2);
        for _step in 0..4 {
            honest.moved();
            silent.come(200);
            assert!(!honest.dropped().is_cancelled(), "it has begun and they have not");
        }
        honest.is_judged();
        silent.come(200);
        assert!(!honest.dropped().is_cancelled(), "the server works on it");
        honest.is_refused();
        silent.come(30);
        assert!(honest.dropped().is_cancelled(), "it was refused and is as silent as they are");
    }

    /// A first byte is easily sent.
    #[test]
    fn those_who_have_begun_and_go_no_further_turn_no_newcomer_away_at_the_door() {
        let strangers = strangers(16, 100, nobody());
        let mut begun = Flood::new(&strangers, true);
        begun.come(200);
        let mut silent = Flood::new(&strangers, false);
        for _ in 0..20 {
            let honest = admit(&strangers, "192.0.2.1");
            begun.come(3);
            silent.come(3);
            assert!(!honest.dropped().is_cancelled(), "one of four places is for those who come");
            honest.moved();
            begun.come(3);
            silent.come(100);
            assert!(!honest.dropped().is_cancelled());
        }
    }

    /// It has logged in, and hears at a later step that it is over a limit.
    #[test]
    fn whoever_is_over_a_limit_is_told_so_though_silent_ones_come_meanwhile() {
        let strangers = strangers(64, 100, nobody());
        let mut silent = Flood::new(&strangers, false);
        silent.come(100);
        let over: Vec<_> = (0..8)
            .map(|_| {
                let one = admit(&strangers, "192.0.2.1");
                one.moved();
                one.is_judged();
                one.is_over_limit(org(1));
                silent.come(200);
                one
            })
            .collect();
        assert_eq!(gone(&over), 0);
    }

    #[test]
    fn judged_ones_give_way_where_there_is_nobody_else() {
        let strangers = strangers(2, 2, nobody());
        let judged: Vec<_> = (1..=2).map(|n| admit(&strangers, &format!("192.0.2.{n}"))).collect();
        judged.iter().for_each(Place::is_judged);
        let newcomer = admit(&strangers, "192.0.2.3");
        assert_eq!((gone(&judged), newcomer.dropped().is_cancelled()), (1, false));
    }

    #[test]
    fn where_all_room_is_taken_whoever_has_most_makes_some() {
        let strangers = strangers(4, 100, nobody());
        let quiet = admit(&strangers, "192.0.2.1");
        let loud: Vec<_> = (0..3).map(|_| admit(&strangers, "192.0.2.2")).collect();
        let (newcomer, dropped) = strangers.admit(address("192.0.2.3")).unwrap();
        assert_eq!(dropped, Dropped::Most);
        assert!(loud[0].dropped().is_cancelled() && !loud[1].dropped().is_cancelled());
        assert!(!quiet.dropped().is_cancelled() && !newcomer.dropped().is_cancelled());
        assert_eq!(strangers.lock().strangers.len(), 4);
    }

    #[test]
    fn who_comes_through_a_proxy_has_no_limit_of_an_address_and_stands_alone() {
        let proxies: Proxies = Arc::new(|address| address == IpAddr::from([192, 0, 2, 9]));
        let strangers = strangers(5, 1, proxies);
        let behind: Vec<_> = (0..4).map(|_| admit(&strangers, "192.0.2.9")).collect();
        let direct = admit(&strangers, "192.0.2.1");
        assert_eq!(gone(&behind), 0);
        let _newcomer = admit(&strangers, "192.0.2.2");
        // All have one each, so the oldest goes.
        assert!(behind[0].dropped().is_cancelled() && !behind[1].dropped().is_cancelled());
        assert!(!direct.dropped().is_cancelled());
    }

    #[test]
    fn many_newcomers_never_add_up_to_more_than_there_is_room_for() {
        let strangers = strangers(128, 64, nobody());
        let mut open = Vec::new();
        for n in 0..5_000_u32 {
            open.push(strangers.admit(std::net::Ipv4Addr::from_bits(n % 7).into()).unwrap().0);
            open.retain(|one| !one.dropped().is_cancelled());
            assert!(open.len() <= 128);
        }
        let state = strangers.lock();
        let counted = (state.strangers.len(), state.counts.values().sum::<usize>(), state.connections);
        assert_eq!(counted, (open.len(), open.len(), open.len()));
    }

    #[test]
    fn who_has_logged_in_or_gone_takes_no_room_of_strangers() {
        let strangers = strangers(2, 2, nobody());
        drop(admit(&strangers, "192.0.2.1"));
        let mut first = admit(&strangers, "192.0.2.1");
        let (_second, dropped) = strangers.admit(address("192.0.2.1")).unwrap();
        assert_eq!(dropped, Dropped::None);
        assert_eq!(first.log_in(), Seat::Taken);
        assert_eq!(strangers.lock().strangers.len(), 1);
        drop(first);
        assert_eq!(strangers.lock().logged_in, 0);
        assert_eq!(strangers.count(), 1);
    }

    #[test]
    fn strangers_give_way_however_many_are_logged_in() {
        let places = Places::new(64, 32, 32, nobody());
        let mut known = Vec::new();
        let mut silent = Vec::new();
        for n in 0..1_000 {
            silent.push(admit(&places, "192.0.2.1"));
            silent.push(admit(&places, "192.0.2.2"));
            silent.retain(|one| !one.dropped().is_cancelled());
            let mut newcomer = admit(&places, "192.0.2.3");
            // More than half of all places, and in the end all that are not for strangers.
            match newcomer.log_in() {
                Seat::Taken => known.push(newcomer),
                seat => assert_eq!((seat, known.len()), (Seat::Full, 56), "{n}"),
            }
            assert!(places.lock().taken() <= 64);
        }
        assert_eq!((known.len(), gone(&known)), (56, 0));
        assert!(silent.len() <= 8);
    }

    #[test]
    fn who_was_made_to_give_way_while_its_log_in_was_looked_at_is_not_logged_in() {
        let places = Places::new(8, 1, 1, nobody());
        let mut first = admit(&places, "192.0.2.1");
        let _second = admit(&places, "192.0.2.1");
        assert_eq!(first.log_in(), Seat::GaveWay);
        drop(first);
        assert_eq!(places.lock().taken(), 1);
        assert_eq!(places.count(), 1);
    }

    #[test]
    fn whoever_is_over_a_limit_stays_a_stranger_and_pushes_out_its_own() {
        let places = Places::new(64, 32, 32, nobody());
        let honest = admit(&places, "192.0.2.1");
        let mut over = Vec::new();
        for _ in 0..1_000 {
            let one = admit(&places, "192.0.2.1");
            one.is_over_limit(org(1));
            over.push(one);
            over.retain(|one| !one.dropped().is_cancelled());
            assert!(over.len() <= 4 && places.lock().taken() == 1 + over.len());
        }
        let other = admit(&places, "192.0.2.1");
        other.is_over_limit(org(2));
        assert_eq!(over.len(), 4, "another organisasjon has its own");
        assert_eq!(gone(&[honest, other]), 0);
        drop(over);
        assert_eq!(places.count(), 0);
        assert!(places.lock().counts.is_empty());
    }

    #[tokio::test]
    async fn next_one_is_accepted_when_those_who_gave_way_are_gone() {
        let places = Places::new(1, 1, 1, nobody());
        let leaving: Vec<_> = (0..=MOST_LEAVING).map(|_| admit(&places, "192.0.2.1")).collect();
        let mut settled = Box::pin(places.settled());
        assert!(futures::poll!(settled.as_mut()).is_pending());
        drop(leaving);
        settled.await;
    }
}
