//! Requests that wait for somebody else, who may not answer: few at a time, so that neither the places of this server nor those
//! of whoever is waited for are taken up.
//!
//! Whoever has few of them is let in however many others have; one of whoever has most is broken off for it. Where all have as
//! few, one stands in a queue for a moment, and whoever was let in least lately is the next: so nobody who asks again and again
//! keeps out who asks once.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app::crowd::give_way;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How long one stands in the queue before it is told to come back later.
const IN_QUEUE: Duration = Duration::from_secs(5);
/// For each that may wait, so many may stand in the queue.
const QUEUE_FACTOR: usize = 4;
/// Addresses of which it is remembered when they were let in.
const MANY: usize = 4_096;

#[derive(Default)]
struct State {
    next: u64,
    /// Who waits, the oldest first.
    waiting: BTreeMap<u64, (IpAddr, CancellationToken)>,
    /// Who would, the oldest first.
    queue: Vec<Queued>,
    /// When each address was let in last, in the order in which all were.
    let_in: HashMap<IpAddr, u64>,
}

struct Queued {
    address: IpAddr,
    number: u64,
    connection: CancellationToken,
    go: oneshot::Sender<Waits>,
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
        self.room.serve();
    }
}

impl State {
    fn count(&self, whose: IpAddr) -> usize {
        self.waiting.values().filter(|(other, _)| *other == whose).count()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn let_in(&mut self, address: IpAddr, connection: CancellationToken) -> u64 {
        let number = self.number();
        self.waiting.insert(number, (address, connection));
        if self.let_in.len() >= MANY {
            let recently = number.saturating_sub(u64::try_from(MANY / 2).unwrap_or(u64::MAX));
            self.let_in.retain(|_, at| *at > recently);
        }
        self.let_in.insert(address, number);
        number
    }

    /// When the turn of one in the queue is: the least comes first.
    fn turn(&self, one: &Queued) -> (u64, u64) {
        (self.let_in.get(&one.address).copied().unwrap_or_default(), one.number)
    }
}

impl WaitingRoom {
    pub(super) fn new(max: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), max, per_address })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one more from `address` wait, whose connection ends with `connection`; in its turn where there is no room.
    pub(super) async fn begin(
        self: Arc<Self>,
        address: IpAddr,
        connection: CancellationToken,
    ) -> Option<Waits> {
        let turn = match self.enter(address, connection) {
            Entered::Waits(number) => return Some(Waits { room: self, number }),
            Entered::Queued(turn) => turn,
            Entered::No => return None,
        };
        tokio::time::timeout(IN_QUEUE, turn).await.ok()?.ok()
    }

    fn enter(&self, address: IpAddr, connection: CancellationToken) -> Entered {
        let mut state = self.lock();
        let own = state.count(address);
        if own >= self.per_address {
            return Entered::No;
        }
        if state.waiting.len() >= self.max {
            let all = state.waiting.iter().map(|(number, (whose, _))| (*whose, *number));
            let Some(oldest_of_most) = give_way(all, 1).pop() else { return Entered::No };
            // It is no better for one of two who have as many.
            if state.waiting.get(&oldest_of_most).is_none_or(|(whose, _)| state.count(*whose) <= own + 1) {
                return self.queue(&mut state, address, connection);
            }
            if let Some((_, connection)) = state.waiting.remove(&oldest_of_most) {
                connection.cancel();
            }
        }
        Entered::Waits(state.let_in(address, connection))
    }

    /// Puts one in the queue, one of each address. Where that is full, whoever would be the last to be let in goes.
    fn queue(&self, state: &mut State, address: IpAddr, connection: CancellationToken) -> Entered {
        state.queue.retain(|one| !one.go.is_closed());
        if state.queue.iter().any(|one| one.address == address) {
            return Entered::No;
        }
        let (go, turn) = oneshot::channel();
        let number = state.number();
        state.queue.push(Queued { address, number, connection, go });
        if state.queue.len() > self.max * QUEUE_FACTOR {
            let last =
                (0..state.queue.len()).max_by_key(|at| state.queue.get(*at).map(|one| state.turn(one)));
            if let Some(last) = last {
                state.queue.swap_remove(last);
            }
        }
        Entered::Queued(turn)
    }

    /// Lets in who stands in the queue, as far as there is room.
    fn serve(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            state.queue.retain(|one| !one.go.is_closed());
            if state.waiting.len() >= self.max {
                return;
            }
            let next =
                (0..state.queue.len()).min_by_key(|at| state.queue.get(*at).map(|one| state.turn(one)));
            let Some(next) = next else { return };
            let Queued { address, connection, go, .. } = state.queue.swap_remove(next);
            let number = state.let_in(address, connection);
            drop(state);
            // Whoever has left meanwhile gives its place back by that.
            drop(go.send(Waits { room: Arc::clone(self), number }));
        }
    }
}

/// What became of one that would wait.
enum Entered {
    Waits(u64),
    Queued(oneshot::Receiver<Waits>),
    No,
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn ask(room: &Arc<WaitingRoom>, last: u8) -> BoxFuture<'static, Option<Waits>> {
        Arc::clone(room).begin(ip(last), CancellationToken::new()).boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_at_a_time_and_whoever_has_few_takes_the_place_of_whoever_has_most() {
        let room = WaitingRoom::new(4, 3);
        let wait = async |last| {
            let connection = CancellationToken::new();
            Arc::clone(&room).begin(ip(last), connection.clone()).await.map(|waits| (waits, connection))
        };
        let mut many = Vec::new();
        for _ in 0..3 {
            many.push(wait(1).await.unwrap());
        }
        assert!(wait(1).await.is_none(), "an address has as many as it may");
        let other = wait(2).await.unwrap();
        let newcomer = wait(3).await.expect("it takes the place of the oldest of whoever has most");
        let gone = |all: &[(Waits, CancellationToken)]| -> Vec<bool> {
            all.iter().map(|(_, connection)| connection.is_cancelled()).collect()
        };
        assert_eq!(gone(&many), [true, false, false]);
        assert!(wait(1).await.is_none() && wait(2).await.is_none(), "none has more than they would have");
        drop(many.remove(0));
        assert_eq!(room.lock().waiting.len(), 4, "whoever gave way has left already");
        drop(many);
        assert!(wait(1).await.is_some());
        assert_eq!(gone(&[other, newcomer]), [false, false]);
        assert!(room.lock().waiting.is_empty());
    }

    /// As many addresses as may wait, each of which asks again as soon as it was answered.
    #[tokio::test(start_paused = true)]
    async fn those_who_ask_again_and_again_keep_out_nobody_who_asks_once() {
        let room = WaitingRoom::new(4, 2);
        let mut held: Vec<Option<Waits>> = Vec::new();
        for last in 1..=4 {
            held.push(ask(&room, last).await);
        }
        let mut again: Vec<_> = (1..=4).map(|last| ask(&room, last)).collect();
        for one in &mut again {
            assert!(one.now_or_never().is_none(), "there is no room");
        }
        let mut honest = ask(&room, 9);
        assert!((&mut honest).now_or_never().is_none());
        assert!(ask(&room, 9).await.is_none(), "one of each address stands in the queue");
        held.remove(0);
        let honest = honest.await.expect("it was never let in before");
        drop(honest);
        drop(held);
        for one in again {
            assert!(one.await.is_some());
        }
        assert!(room.lock().waiting.is_empty() && room.lock().queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_leaves_the_queue_or_stays_too_long_keeps_no_place() {
        let room = WaitingRoom::new(1, 1);
        let held = ask(&room, 1).await.unwrap();
        let mut left = ask(&room, 2);
        assert!((&mut left).now_or_never().is_none());
        assert!(ask(&room, 3).await.is_none(), "it is told to come back");
        let mut next = ask(&room, 4);
        assert!((&mut next).now_or_never().is_none());
        drop(left);
        drop(held);
        let granted = next;
        // Its turn has come, and it leaves before it knows.
        drop(granted);
        assert!(room.lock().waiting.is_empty() && room.lock().queue.is_empty());
        assert!(ask(&room, 5).await.is_some());
        let held = ask(&room, 1).await.unwrap();
        let mut queued: Vec<_> = (10..200).map(|last| ask(&room, last)).collect();
        for one in &mut queued {
            let _ = one.now_or_never();
        }
        assert_eq!(room.lock().queue.len(), QUEUE_FACTOR);
        drop((queued, held));
        assert!(room.lock().waiting.is_empty());
    }
}
