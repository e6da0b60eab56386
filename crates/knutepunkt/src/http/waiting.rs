//! Requests that wait for somebody else, who may not answer: few at a time, so that neither the places of this server nor those
//! of whoever is waited for are taken up.
//!
//! Whoever has few of them is let in however many others have; one of whoever has most is broken off for it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::crowd::give_way;
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct State {
    next: u64,
    /// Who waits, the oldest first.
    waiting: BTreeMap<u64, (IpAddr, CancellationToken)>,
}

/// Where they wait.
pub(super) struct WaitingRoom {
    state: Mutex<State>,
    max: usize,
    per_address: usize,
}

/// One that waits, until this is dropped.
pub(super) struct Waits {
    room: Arc<WaitingRoom>,
    number: u64,
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.room.lock().waiting.remove(&self.number);
    }
}

impl WaitingRoom {
    pub(super) fn new(max: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), max, per_address })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one more from `address` wait, whose connection ends with `gives_way`.
    pub(super) fn begin(self: &Arc<Self>, address: IpAddr, gives_way: &CancellationToken) -> Option<Waits> {
        let mut state = self.lock();
        let count = |whose: IpAddr| state.waiting.values().filter(|(other, _)| *other == whose).count();
        let own = count(address);
        if own >= self.per_address {
            return None;
        }
        if state.waiting.len() >= self.max {
            let all = state.waiting.iter().map(|(number, (whose, _))| (*whose, *number));
            let oldest_of_most = give_way(all, 1).pop()?;
            // It is no better for one of two who have as many.
            if state.waiting.get(&oldest_of_most).is_none_or(|(whose, _)| count(*whose) <= own + 1) {
                return None;
            }
            if let Some((_, connection)) = state.waiting.remove(&oldest_of_most) {
                connection.cancel();
            }
        }
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, (address, gives_way.clone()));
        Some(Waits { room: Arc::clone(self), number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn few_wait_at_a_time_and_whoever_has_few_takes_the_place_of_whoever_has_most() {
        let room = WaitingRoom::new(4, 3);
        let wait = |last| {
            let connection = CancellationToken::new();
            room.begin(ip(last), &connection).map(|waits| (waits, connection))
        };
        let mut many: Vec<_> = (0..3).map(|_| wait(1).unwrap()).collect();
        assert!(wait(1).is_none(), "an address has as many as it may");
        let other = wait(2).unwrap();
        let newcomer = wait(3).expect("it takes the place of the oldest of whoever has most");
        let gone = |all: &[(Waits, CancellationToken)]| -> Vec<bool> {
            all.iter().map(|(_, connection)| connection.is_cancelled()).collect()
        };
        assert_eq!(gone(&many), [true, false, false]);
        assert!(wait(1).is_none() && wait(2).is_none(), "none has more than they would have");
        drop(many.remove(0));
        assert_eq!(room.lock().waiting.len(), 4, "whoever gave way has left already");
        drop(many);
        assert!(wait(1).is_some());
        assert_eq!(gone(&[other, newcomer]), [false, false]);
        assert!(room.lock().waiting.is_empty());
    }
}
