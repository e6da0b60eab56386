//! The connections that are open, and which of them give way to a newcomer.
//!
//! Whoever opens a thousand connections and says nothing must not keep out whoever opens one and has something to say. So a
//! newcomer is let in always, and when there is no room, others give way: strangers before whoever has logged in, as long as they
//! have their share, those on which the server only waits before those whose request it works on, of strangers those that have
//! sent nothing before those that have begun a request, as long as they are more than a fourth, of whoever has most before of
//! whoever has few, the oldest first. A request that the server works on for whoever has logged in is left alone.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::crowd::{Progress, Stranger, Whose, batch, give_way, neighbourhood, strangers_give_way};
use app::memory::Owner;
use tokio::sync::Notify;

use super::limits::Limits;
use super::slot::{Rank, Slot};
use crate::telemetry::REFUSED;

/// Of so many places one is for strangers, however many connections that somebody logged in over are idle, or wait for a client in
/// the middle of a request: a newcomer is a stranger for as long as it takes to send a request.
const FOR_STRANGERS: usize = 4;
/// Connections that are let in when there is no room at all, to be answered how the server is.
const LAST_RESORT: usize = 16;

/// The connections of all HTTP listeners.
pub(super) struct Connections {
    limits: Arc<Limits>,
    table: Mutex<Table>,
    /// Somebody has left.
    left: Notify,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Arc<Slot>>,
    /// Connections without log-in, by address; not those through proxies.
    strangers: HashMap<IpAddr, usize>,
    /// The oldest first.
    last_resort: VecDeque<Arc<Slot>>,
    /// Were made to give way and are not gone yet.
    leaving: usize,
    is_full: bool,
    gave_way: u64,
}

/// A connection's place, which is free again when this is dropped.
pub(super) struct Guest {
    connections: Arc<Connections>,
    pub(super) slot: Arc<Slot>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.connections.leave(&self.slot);
    }
}

/// Whose connections are weighed against those of others.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Group {
    Stranger(Stranger),
    Owner(Owner),
}

impl Whose for Group {
    fn wider(self) -> [Self; 2] {
        match self {
            Self::Stranger(stranger) => stranger.wider().map(Self::Stranger),
            Self::Owner(_) => [self, self],
        }
    }
}

impl Connections {
    pub(super) fn new(limits: Arc<Limits>) -> Arc<Self> {
        Arc::new(Self { limits, table: Mutex::default(), left: Notify::new() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets in a connection from `peer`.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Guest {
        let address = neighbourhood(peer);
        let is_proxied = self.limits.proxies.contains(peer);
        let mut table = self.table();
        let mut has_room = true;
        if !is_proxied && table.strangers.get(&address).is_some_and(|count| *count >= self.limits.strangers) {
            tracing::info!(
                target: REFUSED,
                { client.address = %address, connections = self.limits.strangers },
                "an address has as many connections without log-in as it may; its oldest give way"
            );
            let here = |slot: &Slot| slot.address == address && !slot.is_proxied;
            let ranks = [Rank::Stranger, Rank::Unknown];
            has_room = table.make_room(batch(self.limits.strangers), &ranks, here) > 0;
        }
        if has_room && table.open.len() >= self.limits.connections {
            table.is_full(true, self.limits.connections);
            let ranks = if table.strangers_in_all() < (self.limits.connections / FOR_STRANGERS).max(1) {
                [Rank::Idle, Rank::Slow, Rank::Stranger, Rank::Unknown]
            } else {
                [Rank::Stranger, Rank::Unknown, Rank::Idle, Rank::Slow]
            };
            has_room = table.make_room(batch(self.limits.connections), &ranks, |_| true) > 0;
        }
        let id = table.next;
        table.next += 1;
        let slot = Arc::new(Slot::new(id, address, is_proxied, !has_room));
        if has_room {
            if !is_proxied {
                *table.strangers.entry(address).or_default() += 1;
            }
            table.open.insert(id, Arc::clone(&slot));
        } else {
            if table.last_resort.len() >= LAST_RESORT
                && let Some(oldest) = table.last_resort.pop_front()
            {
                table.leaving += 1;
                oldest.gives_way.cancel();
            }
            table.last_resort.push_back(Arc::clone(&slot));
        }
        Guest { connections: Arc::clone(self), slot }
    }

    /// Notes whose connection it is.
    pub(super) fn belongs_to(&self, slot: &Slot, owner: Owner) {
        if slot.owner() == Some(owner) {
            return;
        }
        let mut table = self.table();
        if slot.belongs_to(owner) && table.open.contains_key(&slot.id) {
            table.forget_stranger(slot);
        }
    }

    /// Returns when those who were made to give way are gone but for a few, so that there are never many more sockets than
    /// there is room for.
    pub(super) async fn settled(&self) {
        loop {
            let left = self.left.notified();
            if self.table().leaving <= batch(self.limits.connections) + LAST_RESORT {
                return;
            }
            left.await;
        }
    }

    /// Makes room when the operating system has none. Returns how many give way.
    pub(super) fn make_room(&self) -> usize {
        let ranks = [Rank::Stranger, Rank::Unknown, Rank::Idle];
        self.table().make_room(batch(self.limits.connections), &ranks, |_| true)
    }

    /// Closes what a stop of the server need not wait for.
    pub(super) fn close_unused(&self) {
        for slot in self.table().open.values().filter(|slot| slot.is_unused()) {
            slot.gives_way.cancel();
        }
    }

    /// Closes everything.
    pub(super) fn close_all(&self) {
        let table = self.table();
        for slot in table.open.values().chain(&table.last_resort) {
            slot.gives_way.cancel();
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.table().open.len()
    }

    /// Of how many the server waits for more of a body.
    #[cfg(test)]
    pub(super) fn count_awaited(&self) -> usize {
        self.table().open.values().filter(|slot| slot.is_awaited()).count()
    }

    /// How many of them give way to no newcomer.
    #[cfg(test)]
    pub(super) fn count_busy(&self) -> usize {
        let ranks = [Rank::Stranger, Rank::Unknown, Rank::Idle, Rank::Slow];
        let is_busy = |slot: &&Arc<Slot>| ranks.iter().all(|rank| slot.yields(*rank).is_none());
        self.table().open.values().filter(is_busy).count()
    }

    fn leave(&self, slot: &Slot) {
        let mut table = self.table();
        if table.open.remove(&slot.id).is_some() {
            table.forget_stranger_if_unknown(slot);
            if table.open.len() < self.limits.connections * 3 / 4 {
                table.is_full(false, self.limits.connections);
            }
        } else if slot.is_last_resort && table.last_resort.iter().any(|other| other.id == slot.id) {
            table.last_resort.retain(|other| other.id != slot.id);
        } else {
            table.leaving = table.leaving.saturating_sub(1);
        }
        drop(table);
        self.left.notify_waiters();
    }
}

impl Table {
    fn is_full(&mut self, full: bool, connections: usize) {
        if self.is_full == full {
            return;
        }
        self.is_full = full;
        if full {
            tracing::warn!(
                connections,
                "all HTTP connections are taken; idle and unfinished ones give way to new ones"
            );
        } else {
            tracing::info!(gave_way = self.gave_way, "there is room for HTTP connections again");
            self.gave_way = 0;
        }
    }

    fn strangers_in_all(&self) -> usize {
        self.open.values().filter(|slot| slot.owner().is_none()).count()
    }

    fn forget_stranger(&mut self, slot: &Slot) {
        if slot.is_proxied {
            return;
        }
        if let Some(count) = self.strangers.get_mut(&slot.address) {
            *count -= 1;
            if *count == 0 {
                self.strangers.remove(&slot.address);
            }
        }
    }

    fn forget_stranger_if_unknown(&mut self, slot: &Slot) {
        if slot.owner().is_none() {
            self.forget_stranger(slot);
        }
    }

    /// Makes up to `wanted` connections give way, all of the first rank that has any.
    fn make_room(&mut self, wanted: usize, ranks: &[Rank], may: impl Fn(&Slot) -> bool) -> usize {
        for rank in ranks {
            let victims = self.victims(wanted, *rank, &may);
            for id in &victims {
                if let Some(slot) = self.open.remove(id) {
                    self.forget_stranger_if_unknown(&slot);
                    self.leaving += 1;
                    self.gave_way += 1;
                    slot.gives_way.cancel();
                }
            }
            if !victims.is_empty() {
                return victims.len();
            }
        }
        0
    }

    /// Up to `wanted` connections of `rank`: each time the oldest of whoever has most, of strangers that of those who are silent.
    fn victims(&self, wanted: usize, rank: Rank, may: impl Fn(&Slot) -> bool) -> Vec<u64> {
        let candidates = self.open.values().filter(|slot| may(slot)).filter_map(|slot| {
            let since = slot.yields(rank)?;
            let group = match slot.owner() {
                Some(owner) => Group::Owner(owner),
                None if slot.is_proxied => Group::Stranger(Stranger::Alone(slot.id)),
                None => Group::Stranger(Stranger::At(slot.address)),
            };
            let progress = if slot.has_begun() { Progress::Begun } else { Progress::Silent };
            Some((group, progress, (since, slot.id)))
        });
        let victims = match rank {
            Rank::Stranger => strangers_give_way(candidates, wanted),
            Rank::Unknown | Rank::Idle | Rank::Slow => {
                give_way(candidates.map(|(group, _, one)| (group, one)), wanted)
            }
        };
        victims.into_iter().map(|(_, id)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use domain::id::{FiksOrgId, Uuid};

    use super::*;
    use crate::http::limits::tests::limits;

    fn ip(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    fn org(n: u128) -> Owner {
        Owner::Organisasjon(FiksOrgId::from_uuid(Uuid::from_u128(n)))
    }

    fn connections(connections: usize, strangers: usize) -> Arc<Connections> {
        Connections::new(Arc::new(Limits { connections, strangers, ..limits() }))
    }

    fn gone(guests: &[Guest]) -> Vec<bool> {
        guests.iter().map(|guest| guest.slot.gives_way.is_cancelled()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn newcomer_takes_the_place_of_the_oldest_of_whoever_has_most() {
        let connections = connections(4, 4);
        let mut guests = vec![connections.admit(ip(1))];
        for _ in 0..3 {
            tokio::time::advance(std::time::Duration::from_millis(1)).await;
            guests.push(connections.admit(ip(2)));
        }
        let newcomer = connections.admit(ip(3));
        assert!(!newcomer.slot.is_last_resort);
        assert_eq!(gone(&guests), [false, true, false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn address_with_its_share_of_strangers_pushes_out_its_own() {
        let connections = connections(100, 2);
        let guests = [ip(1), ip(2), ip(2)].map(|address| connections.admit(address));
        let _newcomer = connections.admit(ip(2));
        assert_eq!(gone(&guests), [false, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_logged_in_stays_while_there_are_strangers() {
        let connections = connections(3, 3);
        let known = [connections.admit(ip(1)), connections.admit(ip(1))];
        for guest in &known {
            guest.slot.is_ready();
            connections.belongs_to(&guest.slot, org(1));
        }
        for _ in 0..100 {
            let stranger = connections.admit(ip(1));
            let next = connections.admit(ip(2));
            assert!(stranger.slot.gives_way.is_cancelled() && !next.slot.is_last_resort);
        }
        assert_eq!(gone(&known), [false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_of_the_largest_tenant_give_way_when_there_are_no_strangers() {
        let connections = connections(3, 3);
        let known = [1, 2, 2].map(|n| {
            let guest = connections.admit(ip(9));
            guest.slot.is_ready();
            connections.belongs_to(&guest.slot, org(n));
            guest
        });
        let _newcomer = connections.admit(ip(3));
        assert_eq!(gone(&known).into_iter().filter(|gone| *gone).count(), 1);
        assert!(!known[0].slot.gives_way.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_under_way_are_left_alone_and_how_the_server_is_can_still_be_asked() {
        let connections = connections(2, 2);
        let busy = [connections.admit(ip(1)), connections.admit(ip(2))];
        for guest in &busy {
            guest.slot.is_ready();
            guest.slot.request_begins(false, false);
            connections.belongs_to(&guest.slot, org(1));
        }
        let mut last: Vec<_> = (0..=LAST_RESORT).map(|_| connections.admit(ip(3))).collect();
        assert!(last.iter().all(|guest| guest.slot.is_last_resort));
        assert_eq!(gone(&busy), [false, false]);
        assert_eq!(gone(&last).iter().filter(|gone| **gone).count(), 1, "the oldest makes room for the next");
        last.clear();
        drop(busy);
        assert!(!connections.admit(ip(3)).slot.is_last_resort);
        let table = connections.table();
        assert!(table.open.is_empty() && table.strangers.is_empty() && table.last_resort.is_empty());
        assert_eq!(table.leaving, 0);
    }

    /// Silent strangers come without end and from as many addresses as there are places, and a newcomer among them.
    #[tokio::test(start_paused = true)]
    async fn newcomer_that_has_begun_outlives_those_who_are_silent() {
        let connections = connections(16, 16);
        let mut silent = Vec::new();
        let mut come = |count: u8| {
            for n in 0..count {
                let guest = connections.admit(ip(10 + n));
                guest.slot.is_ready();
                silent.push(guest);
                silent.retain(|guest| !guest.slot.gives_way.is_cancelled());
            }
        };
        come(100);
        let newcomer = connections.admit(ip(1));
        come(3);
        // The first bytes of a handshake come at once, and everything else as long later as the way there and back takes.
        newcomer.slot.received();
        come(100);
        newcomer.slot.is_ready();
        come(100);
        newcomer.slot.received();
        come(100);
        newcomer.slot.request_begins(true, false);
        newcomer.slot.awaits_body(true);
        come(100);
        newcomer.slot.awaits_body(false);
        newcomer.slot.body_ends();
        come(100);
        assert!(!newcomer.slot.gives_way.is_cancelled(), "it has gone on all the while");
        newcomer.slot.request_ends();
        come(100);
        assert!(newcomer.slot.gives_way.is_cancelled(), "it has its answer and is as silent as they are");
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_have_begun_a_request_and_go_no_further_turn_no_newcomer_away_at_the_door() {
        let connections = connections(16, 16);
        let mut begun = Vec::new();
        let mut come = |count: u8| {
            for n in 0..count {
                let guest = connections.admit(ip(10 + n));
                guest.slot.is_ready();
                guest.slot.received();
                begun.push(guest);
                begun.retain(|guest| !guest.slot.gives_way.is_cancelled());
            }
        };
        come(100);
        for _ in 0..20 {
            let newcomer = connections.admit(ip(1));
            come(8);
            assert!(!newcomer.slot.gives_way.is_cancelled(), "it has as long as they stay");
        }
    }

    /// Silent strangers come without end, and a newcomer among them.
    fn strangers_get_their_share_of(connections: &Arc<Connections>, known: &[Guest]) {
        let mut silent: Vec<_> = (0..8).map(|n| connections.admit(ip(10 + n))).collect();
        let newcomer = connections.admit(ip(2));
        for n in 0..100 {
            silent.push(connections.admit(ip(10 + n % 8)));
            silent.retain(|guest| !guest.slot.gives_way.is_cancelled());
        }
        assert!(!newcomer.slot.gives_way.is_cancelled(), "it has time to send its request");
        assert_eq!((silent.len(), gone(known).iter().filter(|gone| **gone).count()), (15, 16));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_of_a_tenant_leave_strangers_their_share() {
        let connections = connections(64, 64);
        let known: Vec<_> = (0..64)
            .map(|_| {
                let guest = connections.admit(ip(1));
                guest.slot.is_ready();
                connections.belongs_to(&guest.slot, org(1));
                guest
            })
            .collect();
        strangers_get_their_share_of(&connections, &known);
    }

    /// Several tenants may do so together, each within its limit of requests at a time.
    #[tokio::test(start_paused = true)]
    async fn slow_requests_of_tenants_leave_strangers_their_share() {
        let connections = connections(64, 64);
        let known: Vec<_> = (0..64)
            .map(|n| {
                let guest = connections.admit(ip(1));
                guest.slot.is_ready();
                guest.slot.request_begins(true, false);
                connections.belongs_to(&guest.slot, org(n % 2));
                // The server works on one in four.
                guest.slot.awaits_body(n % 4 < 2);
                guest.slot.is_blocked(n % 4 == 2);
                guest
            })
            .collect();
        strangers_get_their_share_of(&connections, &known);
        let working = known.iter().skip(3).step_by(4);
        assert!(working.into_iter().all(|guest| !guest.slot.gives_way.is_cancelled()), "it is worked on");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_strangers_that_wait_for_somebody_else_give_way_too() {
        let connections = connections(4, 4);
        let ask = |last| {
            let guest = connections.admit(ip(last));
            guest.slot.is_ready();
            guest.slot.request_begins(false, false);
            guest
        };
        let known = ask(1);
        connections.belongs_to(&known.slot, org(1));
        let mut asking = vec![ask(2), ask(3), ask(3)];
        let silent = connections.admit(ip(4));
        assert_eq!(gone(&asking), [false, true, false], "the oldest of whoever has most");
        // Nothing is waited for longer than a silent one stays.
        asking.push(ask(3));
        assert!(silent.slot.gives_way.is_cancelled());
        for _ in 0..100 {
            asking.push(ask(3));
            assert!(!ask(5).slot.is_last_resort);
        }
        assert!(!known.slot.gives_way.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn connections_through_a_proxy_are_not_held_against_each_other() {
        let proxies = super::super::address::Proxies::parse("10.0.0.1").unwrap();
        let connections =
            Connections::new(Arc::new(Limits { connections: 5, strangers: 1, proxies, ..limits() }));
        let through: Vec<_> = (0..3).map(|_| connections.admit(ip(1))).collect();
        assert_eq!(gone(&through), [false; 3]);
        let others = [connections.admit(ip(2)), connections.admit(ip(3))];
        let _newcomer = connections.admit(ip(4));
        // All have one each, so the oldest goes.
        assert_eq!(gone(&through), [true, false, false]);
        assert_eq!(gone(&others), [false; 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn many_newcomers_never_add_up_to_more_than_there_is_room_for() {
        let connections = connections(128, 64);
        let mut guests = VecDeque::new();
        for n in 0..5_000_u32 {
            let address = IpAddr::V4(Ipv4Addr::from_bits(n % 7));
            guests.push_back(connections.admit(address));
            guests.retain(|guest| !guest.slot.gives_way.is_cancelled());
            assert!(guests.len() <= 128);
        }
        let table = connections.table();
        assert_eq!((table.leaving, table.last_resort.len()), (0, 0));
        assert_eq!(table.strangers.values().sum::<usize>(), guests.len());
    }
}
