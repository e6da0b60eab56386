//! Who shares an address, and who gives way where there is no room for one more, whichever edge the connection comes to.
//!
//! A newcomer never waits for those who are silent: whoever has most connections loses the oldest of them, and of those that nobody
//! has logged in over the silent ones go before those that have begun, as long as nobody has more than its part. Who may be made to give way at all, and when, is for the
//! edge to say.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// Of so many connections without log-in one may be silent while others that have begun give way: each newcomer is silent for as
/// long as its first bytes take.
const FOR_SILENT: usize = 4;
/// Whoever has more than one of so many of all connections without log-in has too many, whatever has come over them.
const TOO_MANY: usize = 4;

/// With whose connections one is weighed.
pub trait Whose: Copy + Eq + Hash {
    /// Two that are wider, the wider one last: those who have as many connections are weighed by these. The same again for
    /// whoever is part of nothing wider.
    fn wider(self) -> [Self; 2] {
        [self, self]
    }
}

/// Whose connections without log-in are weighed against those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stranger {
    /// Everybody at a [`neighbourhood`].
    At(IpAddr),
    /// By itself: who is behind a proxy is not known.
    Alone(u64),
}

/// The address under which a connection is counted: a single one of IPv4, and of IPv6 the /64, of which every subscriber has
/// a whole one.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    network(address.to_canonical(), 64)
}

/// The network of IPv6 that `address` belongs to, of so many bits; one of IPv4 stands for itself.
fn network(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits))))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whoever has a /64 of IPv6 may have the whole /48, and whoever hires out machines a /32.
impl Whose for IpAddr {
    fn wider(self) -> [Self; 2] {
        [network(self, 48), network(self, 32)]
    }
}

impl Whose for Stranger {
    fn wider(self) -> [Self; 2] {
        match self {
            Self::At(address) => address.wider().map(Self::At),
            Self::Alone(_) => [self, self],
        }
    }
}

/// How many give way at once where there is room for `room`. To find them is work that grows with how many there are, so it is
/// not done for each newcomer.
pub fn batch(room: usize) -> usize {
    (room / 64).max(1)
}

/// How far a connection is that nobody has logged in over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing has come of its client, or nothing that is still worth anything.
    Silent,
    /// Its client has begun, and the server waits for more.
    Begun,
    /// The server works on what came.
    Judged,
}

impl Progress {
    const ALL: [Self; 3] = [Self::Silent, Self::Begun, Self::Judged];

    /// Who goes where so many are silent and so many have begun.
    fn first_to_go(silent: usize, begun: usize) -> Self {
        if silent * FOR_SILENT > silent + begun {
            Self::Silent
        } else if begun > 0 {
            Self::Begun
        } else {
            Self::Judged
        }
    }
}

/// The connections of one, by how far they are. The first to go stand last.
struct Group<G, A> {
    whose: G,
    ones: [Vec<A>; 3],
}

impl<G, A> Group<G, A> {
    fn count(&self, progress: Progress) -> usize {
        self.ones.get(progress as usize).map_or(0, Vec::len)
    }

    fn waited_for(&self) -> usize {
        self.count(Progress::Silent) + self.count(Progress::Begun)
    }
}

/// How heavy one is: how many connections it has by itself and within what is wider; then its oldest decides.
type Weight<A> = ([usize; 3], Reverse<A>);

/// All connections that may give way.
struct Crowd<G, A> {
    groups: Vec<Group<G, A>>,
    counts: [HashMap<G, usize>; 3],
    /// Of each [`Progress`] the heaviest first. Each only ever becomes lighter, so what stands here is never too little.
    heaviest: [BinaryHeap<(Weight<A>, usize)>; 3],
}

impl<G: Whose, A: Ord + Copy> Crowd<G, A> {
    fn new(all: impl IntoIterator<Item = (G, Progress, A)>) -> Self {
        let mut counts = [(); 3].map(|()| HashMap::new());
        let mut groups: HashMap<G, [Vec<A>; 3]> = HashMap::new();
        for (whose, progress, one) in all {
            for (level, counts) in levels(whose).into_iter().zip(&mut counts) {
                *counts.entry(level).or_default() += 1;
            }
            if let Some(ones) = groups.entry(whose).or_default().get_mut(progress as usize) {
                ones.push(one);
            }
        }
        let mut groups: Vec<_> = groups.into_iter().map(|(whose, ones)| Group { whose, ones }).collect();
        for ones in groups.iter_mut().flat_map(|group| &mut group.ones) {
            ones.sort_unstable_by_key(|one| Reverse(*one));
        }
        let mut crowd = Self { groups, counts, heaviest: [(); 3].map(|()| BinaryHeap::new()) };
        crowd.heaviest = Progress::ALL.map(|progress| {
            (0..crowd.groups.len()).filter_map(|at| Some((crowd.weight(at, progress)?, at))).collect()
        });
        crowd
    }

    fn weight(&self, at: usize, progress: Progress) -> Option<Weight<A>> {
        let group = self.groups.get(at)?;
        let oldest = group.ones.get(progress as usize)?.last()?;
        let mut counts = levels(group.whose).into_iter().zip(&self.counts);
        let count =
            |()| counts.next().and_then(|(level, counts)| counts.get(&level).copied()).unwrap_or_default();
        Some(([(); 3].map(count), Reverse(*oldest)))
    }

    fn count(&self, progress: Progress) -> usize {
        self.groups.iter().map(|group| group.count(progress)).sum()
    }

    /// Takes out the first that goes of one group.
    fn take(&mut self, at: usize, progress: Progress) -> Option<A> {
        let group = self.groups.get_mut(at)?;
        let one = group.ones.get_mut(progress as usize)?.pop()?;
        for (level, counts) in levels(group.whose).into_iter().zip(&mut self.counts) {
            if let Some(count) = counts.get_mut(&level) {
                *count = count.saturating_sub(1);
            }
        }
        Some(one)
    }

    /// Takes out the first that goes of the heaviest group that has any that are as far.
    fn take_of_heaviest(&mut self, progress: Progress) -> Option<A> {
        loop {
            let (was, at) = self.heaviest.get_mut(progress as usize)?.pop()?;
            let is = self.weight(at, progress);
            let taken = if is == Some(was) { self.take(at, progress) } else { None };
            let left = self.weight(at, progress).map(|weight| (weight, at));
            self.heaviest.get_mut(progress as usize)?.extend(left);
            if taken.is_some() {
                return taken;
            }
        }
    }

    /// The group that has more than its part of all that are waited for, if there is one.
    fn overweight(&self) -> Option<(usize, Progress)> {
        let all: usize = self.groups.iter().map(Group::waited_for).sum();
        let (at, group) = self.groups.iter().enumerate().max_by_key(|(_, group)| group.waited_for())?;
        let count = group.waited_for();
        let goes = || Progress::first_to_go(group.count(Progress::Silent), group.count(Progress::Begun));
        (count > 1 && count * TOO_MANY > all).then(|| (at, goes()))
    }
}

fn levels<G: Whose>(whose: G) -> [G; 3] {
    let [wider, widest] = whose.wider();
    [whose, wider, widest]
}

/// Up to `wanted` of `all`, of which each is given with whose it is: each time the first of whoever has most, so `A` puts the
/// oldest first.
pub fn give_way<G: Whose, A: Ord + Copy>(all: impl IntoIterator<Item = (G, A)>, wanted: usize) -> Vec<A> {
    let mut crowd = Crowd::new(all.into_iter().map(|(whose, one)| (whose, Progress::Judged, one)));
    (0..wanted).map_while(|_| crowd.take_of_heaviest(Progress::Judged)).collect()
}

/// Up to `wanted` of `all` that nobody has logged in over: of whoever has more than a fourth of them, else of whoever has most
/// among those that are as far. Those that are silent go first as long as they are more than a fourth, and those that the server
/// works on last.
pub fn strangers_give_way<G: Whose, A: Ord + Copy>(
    all: impl IntoIterator<Item = (G, Progress, A)>,
    wanted: usize,
) -> Vec<A> {
    let mut crowd = Crowd::new(all);
    let next = |_| {
        if let Some((at, progress)) = crowd.overweight() {
            return crowd.take(at, progress);
        }
        let goes = Progress::first_to_go(crowd.count(Progress::Silent), crowd.count(Progress::Begun));
        crowd.take_of_heaviest(goes)
    };
    (0..wanted).map_while(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn neighbours_share_a_64_of_ipv6_and_nothing_of_ipv4() {
        assert_eq!(neighbourhood(ip("2001:db8:1:2:3::4")), neighbourhood(ip("2001:db8:1:2:ffff::1")));
        assert_ne!(neighbourhood(ip("2001:db8:1:2::1")), neighbourhood(ip("2001:db8:1:3::1")));
        assert_ne!(neighbourhood(ip("10.0.0.1")), neighbourhood(ip("10.0.0.2")));
        assert_eq!(neighbourhood(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }

    impl Whose for char {}

    #[test]
    fn whoever_has_most_loses_its_oldest_until_it_has_as_few_as_the_next() {
        let all = [('a', 1), ('b', 2), ('b', 3), ('c', 4), ('c', 5), ('c', 6), ('c', 7)];
        assert!(give_way(all, 0).is_empty());
        assert_eq!(give_way(all, 3), [4, 5, 2]);
        assert_eq!(give_way(all, 9), [4, 5, 2, 6, 1, 3, 7]);
    }

    /// One host may have a /48, of which it takes another /64 each time.
    #[test]
    fn where_as_many_come_from_each_64_whoever_has_the_larger_network_full_goes() {
        let at = |text: &str, n: u32| (Stranger::At(neighbourhood(ip(text))), n);
        let mut all: Vec<_> = (0..6).map(|n| at(&format!("2001:db8:1:{n:x}::1"), 10 + n)).collect();
        all.extend([at("2001:db8:2::1", 1), at("2001:db9::1", 2), at("192.0.2.1", 3)]);
        assert_eq!(give_way(all.clone(), 5), [10, 11, 12, 13, 14]);
        // The /48 has one left; its /32 still has two.
        assert_eq!(give_way(all, 7)[5..], [1, 2]);
    }

    #[test]
    fn silent_ones_go_first_as_long_as_they_are_more_than_a_fourth() {
        use Progress::{Begun, Judged, Silent};
        let all = |silent: u32, begun: u32| {
            let one = |n: u32| (Stranger::Alone(n.into()), n);
            let mut all: Vec<_> = (0..begun).map(one).map(|(whose, n)| (whose, Begun, n)).collect();
            all.extend((100..100 + silent).map(one).map(|(whose, n)| (whose, Silent, n)));
            all.push((Stranger::Alone(200), Judged, 200));
            all
        };
        assert_eq!(strangers_give_way(all(8, 1), 4), [100, 101, 102, 103]);
        assert_eq!(strangers_give_way(all(4, 8), 4), [100, 101, 0, 1], "some are for those who come");
        assert_eq!(strangers_give_way(all(1, 8), 2), [0, 1]);
        assert_eq!(strangers_give_way(all(1, 1), 9), [100, 0, 200], "who is judged goes last");
    }

    #[test]
    fn whoever_has_more_than_a_fourth_goes_first_whatever_has_come_of_it() {
        use Progress::{Begun, Judged, Silent};
        let mut all: Vec<_> = (0..10).map(|n| ('a', Begun, n)).collect();
        all.extend((10..13).map(|n| ('a', Silent, n)));
        all.push(('a', Judged, 13));
        all.extend((20..24).map(|n| ('b', Silent, n)));
        all.extend(('c'..='m').map(|whose| (whose, Silent, 100 + u32::from(whose))));
        // 13, 4 and 11 by themselves.
        assert_eq!(strangers_give_way(all.clone(), 4), [0, 1, 10, 2], "it has as many silent ones as it may");
        assert_eq!(strangers_give_way(all, 10)[7..], [5, 12, 20], "then silent ones of whoever has most");
    }

    /// Or whoever comes from one address could have as many again of each kind.
    #[test]
    fn of_those_who_are_as_far_whoever_has_most_of_all_goes() {
        use Progress::{Begun, Silent};
        let mut all: Vec<_> = (0..4).map(|n| ('a', Silent, n)).collect();
        all.extend((4..8).map(|n| ('b', Begun, n)));
        all.push(('b', Silent, 8));
        all.extend(('c'..='m').map(|whose| (whose, Silent, 100 + u32::from(whose))));
        assert_eq!(strangers_give_way(all, 1), [8]);
    }
}
