//! Who shares an address, and who gives way where there is no room for one more, whichever edge the connection comes to.
//!
//! A newcomer never waits for those who are silent: whoever has most connections loses the oldest of them. Who may be made to
//! give way at all, and when, is for the edge to say.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

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
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// How many give way at once where there is room for `room`. To find them is work that grows with how many there are, so it is
/// not done for each newcomer.
pub fn batch(room: usize) -> usize {
    (room / 64).max(1)
}

/// Up to `wanted` of `all`, of which each is given with whose it is: each time the first of whoever has most, so `A` puts the
/// oldest first.
pub fn give_way<G: Eq + Hash, A: Ord + Copy>(all: impl IntoIterator<Item = (G, A)>, wanted: usize) -> Vec<A> {
    let mut groups: HashMap<G, Vec<A>> = HashMap::new();
    for (group, one) in all {
        groups.entry(group).or_default().push(one);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_unstable_by_key(|one| Reverse(*one));
    }
    let key = |group: &Vec<A>, at: usize| group.last().map(|oldest| (group.len(), Reverse(*oldest), at));
    let mut largest: BinaryHeap<_> =
        groups.iter().enumerate().filter_map(|(at, group)| key(group, at)).collect();
    let mut victims = Vec::with_capacity(wanted);
    while victims.len() < wanted
        && let Some((_, _, at)) = largest.pop()
    {
        let Some(group) = groups.get_mut(at) else { break };
        victims.extend(group.pop());
        largest.extend(key(group, at));
    }
    victims
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

    #[test]
    fn whoever_has_most_loses_its_oldest_until_it_has_as_few_as_the_next() {
        let all = [('a', 1), ('b', 2), ('b', 3), ('c', 4), ('c', 5), ('c', 6), ('c', 7)];
        assert!(give_way(all, 0).is_empty());
        assert_eq!(give_way(all, 3), [4, 5, 2]);
        assert_eq!(give_way(all, 9), [4, 5, 2, 6, 1, 3, 7]);
    }
}
