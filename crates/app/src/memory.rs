//! Bytes that payloads on their way take in memory: bounded for all together, and for each organisasjon.
//!
//! What is counted is what is really held, piece by piece. Whoever cannot have more waits, or puts what it has elsewhere, so
//! that a client that stops in the middle, or reads nothing, costs its own organisasjon and nobody else. Nor does it cost all of
//! its organisasjon: what has one purpose, or is one integrasjon's, leaves a part to the others ([`Part`]).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use domain::id::{FiksOrgId, IntegrasjonId, PersonId};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::grense::{Grense, Grenser};
use crate::{App, Caller};

/// How long somebody who asks for memory waits until it is refused.
const PATIENCE: Duration = Duration::from_secs(10);
/// When it is worth a retry after that.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Owners that are remembered before those who hold nothing are forgotten.
const MANY: usize = 4_096;
/// The same of the parts of one owner.
const MANY_PARTS: usize = 256;
/// What there is where nobody says: tests of an edge by itself.
const UNSET_BYTES: u64 = 1024 * 1024 * 1024;

/// Whose bytes are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// All machines of an organisasjon.
    Organisasjon(FiksOrgId),
    /// A person in the portal.
    Person(PersonId),
    /// Everybody who has not logged in.
    Strangers,
}

impl Owner {
    /// Whose the bytes are that `caller` has under way; nobody counts those of the operator.
    pub fn of(caller: &Caller) -> Option<Self> {
        match caller {
            Caller::Integrasjon(one) => Some(Self::Organisasjon(one.fiks_org_id)),
            Caller::Person(one) => Some(Self::Person(one.person_id)),
            Caller::Operator => None,
        }
    }
}

/// What an owner takes memory for. Those of one part wait behind each other, and none keeps the other parts from having any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Anything: it may have all that is its owner's.
    Whole,
    /// What is handed out over AMQP. Leaves an eighth to what is fetched over HTTP, but for a payload that is larger alone.
    Deliveries,
    /// What is fetched over HTTP. Leaves half to what is handed out over AMQP.
    Fetched,
    /// What one integrasjon sends. Holds as much as it leaves to the others, but for what is larger alone.
    SentBy(IntegrasjonId),
}

/// How much there is for one direction, in or out.
pub struct Pool {
    max: u64,
    per_owner: u64,
    owners: Mutex<HashMap<Owner, Arc<Account>>>,
    /// The first of those who wait does so for what all share.
    is_short: AtomicBool,
    state: Mutex<State>,
    /// What there is for those who belong to no organisasjon: so much less that they take nothing from any.
    others: Option<Arc<Self>>,
}

#[derive(Default)]
struct State {
    held: u64,
    /// Those who wait, each behind who came before of the same part of the same owner.
    queues: HashMap<(Owner, Part), VecDeque<Waiting>>,
    /// How many have come to wait, ever.
    numbers: u64,
}

/// What one owner has. Its numbers are changed under the lock of the pool alone.
#[derive(Default)]
struct Account {
    held: AtomicU64,
    waiting: AtomicUsize,
    /// Somebody waits for what all parts share.
    is_short: AtomicBool,
    parts: Mutex<HashMap<Part, Arc<Counts>>>,
}

/// What one part of that has. Changed under the lock of the pool alone.
#[derive(Default)]
struct Counts {
    held: AtomicU64,
    waiting: AtomicUsize,
}

struct Waiting {
    number: u64,
    account: Arc<Account>,
    counts: Arc<Counts>,
    bytes: u64,
    /// What others of the same owner that came later got since this one would have been next.
    overtaken: u64,
    granted: oneshot::Sender<()>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("max", &self.max).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool of `max` bytes, of which one owner gets at most `per_owner`.
    pub fn new(max: u64, per_owner: u64) -> Arc<Self> {
        Arc::new(Self {
            max,
            per_owner: per_owner.min(max),
            owners: Mutex::default(),
            is_short: AtomicBool::new(false),
            state: Mutex::default(),
            others: None,
        })
    }

    /// A pool for organisasjoner, with a smaller one beside it for strangers and persons. What they send is short, and anybody
    /// may be one of them, so however many there are, no organisasjon has less for it.
    fn with_others(max: u64, per_owner: u64) -> Arc<Self> {
        let others = Self::new(max / 8, max / 32);
        let mut pool = Self::new(max, per_owner);
        if let Some(pool) = Arc::get_mut(&mut pool) {
            pool.others = Some(others);
        }
        pool
    }

    /// What `owner` may take of it.
    pub fn share(self: &Arc<Self>, owner: Owner) -> Share {
        if let (Some(others), Owner::Person(_) | Owner::Strangers) = (&self.others, owner) {
            return others.share(owner);
        }
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.len() >= MANY && !owners.contains_key(&owner) {
            owners.retain(|_, account| Arc::strong_count(account) > 1);
        }
        let account = Arc::clone(owners.entry(owner).or_default());
        let counts = account.counts(Part::Whole);
        Share { pool: Arc::clone(self), owner, part: Part::Whole, account, counts }
    }

    /// Whether somebody waits for what `owner` holds, for whatever purpose.
    pub fn is_wanted(self: &Arc<Self>, owner: Owner) -> bool {
        let share = self.share(owner);
        share.account.waiting.load(Ordering::Relaxed) > 0 || share.pool.is_short.load(Ordering::Relaxed)
    }

    /// How much of it is held.
    pub fn held(&self) -> u64 {
        self.state().held
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `bytes` if that keeps to all bounds.
    fn take(
        &self,
        state: &mut State,
        account: &Account,
        (part, counts): (Part, &Counts),
        bytes: u64,
    ) -> Result<(), Bound> {
        let (own, all) = (account.held().saturating_add(bytes), state.held.saturating_add(bytes));
        let of_part = counts.held().saturating_add(bytes);
        if own > self.per_owner {
            return Err(Bound::Own);
        }
        let is_first = counts.held() == 0;
        let most = match part {
            Part::Whole => self.per_owner,
            Part::Deliveries | Part::SentBy(_) if is_first => self.per_owner,
            Part::Deliveries => self.per_owner - self.per_owner / 8,
            Part::Fetched => self.per_owner / 2,
            Part::SentBy(_) => self.per_owner - own,
        };
        if of_part > most {
            return Err(Bound::Part);
        }
        if all > self.max {
            return Err(Bound::All);
        }
        account.held.store(own, Ordering::Relaxed);
        counts.held.store(of_part, Ordering::Relaxed);
        state.held = all;
        Ok(())
    }

    /// Gives to those who wait what there is: to whoever holds least first, and of one part to the first that came. Looks at
    /// the first of each part alone, however many wait. One that waits for what all parts of its owner share lets the others have as
    /// much as it wants itself, and then they wait behind it: or many small ones would keep it waiting for ever.
    fn serve(&self, state: &mut State) {
        let mut is_short = false;
        // Of which part the first waits for what all parts of its owner share.
        let mut short: HashMap<Owner, (Owner, Part)> = HashMap::new();
        for first in state.queues.values().filter_map(VecDeque::front) {
            first.account.is_short.store(false, Ordering::Relaxed);
        }
        let firsts = state.queues.iter().filter_map(|(whose, queue)| Some(turn(*whose, queue.front()?)));
        let mut turns: BinaryHeap<_> = firsts.collect();
        while let Some(Reverse((_, _, whose))) = turns.pop() {
            let before = short.get(&whose.0).copied();
            let waits_before = before.and_then(|before| state.queues.get(&before)?.front());
            if waits_before.is_some_and(|before| before.overtaken >= before.bytes) {
                continue;
            }
            let Some(one) = state.queues.get_mut(&whose).and_then(VecDeque::pop_front) else { continue };
            match self.take(state, &one.account, (whose.1, &one.counts), one.bytes) {
                Ok(()) => {
                    one.account.waiting.fetch_sub(1, Ordering::Relaxed);
                    one.counts.waiting.fetch_sub(1, Ordering::Relaxed);
                    if one.granted.send(()).is_err() {
                        state.give_back(&one.account, &one.counts, one.bytes);
                    } else if let Some(before) =
                        before.and_then(|before| state.queues.get_mut(&before)?.front_mut())
                    {
                        before.overtaken = before.overtaken.saturating_add(one.bytes);
                    }
                    turns
                        .extend(state.queues.get(&whose).and_then(|queue| Some(turn(whose, queue.front()?))));
                }
                Err(bound) => {
                    match bound {
                        Bound::Part => {}
                        Bound::Own => {
                            one.account.is_short.store(true, Ordering::Relaxed);
                            short.entry(whose.0).or_insert(whose);
                        }
                        Bound::All => is_short = true,
                    }
                    state.queues.entry(whose).or_default().push_front(one);
                    if is_short {
                        break;
                    }
                }
            }
        }
        state.queues.retain(|_, queue| !queue.is_empty());
        self.is_short.store(is_short, Ordering::Relaxed);
    }
}

/// When it is whose turn: the least comes first.
type Turn = Reverse<(u64, u64, (Owner, Part))>;

fn turn(whose: (Owner, Part), first: &Waiting) -> Turn {
    Reverse((first.account.held(), first.number, whose))
}

impl State {
    fn give_back(&mut self, account: &Account, counts: &Counts, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
        counts.held.store(counts.held().saturating_sub(bytes), Ordering::Relaxed);
        account.held.store(account.held().saturating_sub(bytes), Ordering::Relaxed);
    }
}

impl Account {
    fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    fn counts(&self, part: Part) -> Arc<Counts> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.len() >= MANY_PARTS && !parts.contains_key(&part) {
            parts.retain(|_, counts| Arc::strong_count(counts) > 1);
        }
        Arc::clone(parts.entry(part).or_default())
    }
}

impl Counts {
    fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }
}

/// Which bound was met.
enum Bound {
    /// That of the part.
    Part,
    /// That of the owner.
    Own,
    /// That of all together.
    All,
}

/// What one owner may take of a [`Pool`].
#[derive(Clone)]
pub struct Share {
    pool: Arc<Pool>,
    owner: Owner,
    part: Part,
    account: Arc<Account>,
    counts: Arc<Counts>,
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("owner", &self.owner).field("part", &self.part).finish_non_exhaustive()
    }
}

impl Share {
    /// The same for one purpose. Whoever belongs to no organisasjon has no parts.
    #[must_use]
    pub fn part(self, part: Part) -> Self {
        match self.owner {
            Owner::Organisasjon(_) => Self { counts: self.account.counts(part), part, ..self },
            Owner::Person(_) | Owner::Strangers => self,
        }
    }

    /// Takes `bytes` at once, unless there are not so many or others wait for them.
    pub fn try_take(&self, bytes: u64) -> Option<Held> {
        let mut held = Held { share: self.clone(), bytes: 0 };
        held.try_grow(bytes).then_some(held)
    }

    /// Takes `bytes`, or all that there may ever be for this, at once, unless there are not so many or others wait for them.
    pub fn try_take_most(&self, bytes: u64) -> Option<Held> {
        self.try_take(bytes.min(self.most()))
    }

    /// Takes `bytes`, or all that there may ever be for this, as soon as they are there. Cancel-safe; whoever waits holds nothing.
    pub async fn take(&self, bytes: u64) -> Held {
        let bytes = bytes.min(self.most());
        if let Some(held) = self.try_take(bytes) {
            return held;
        }
        let (granted, grant) = oneshot::channel();
        {
            let mut state = self.pool.state();
            let account = Arc::clone(&self.account);
            let counts = Arc::clone(&self.counts);
            account.waiting.fetch_add(1, Ordering::Relaxed);
            counts.waiting.fetch_add(1, Ordering::Relaxed);
            let number = state.numbers;
            state.numbers += 1;
            let waiting = Waiting { number, account, counts, bytes, overtaken: 0, granted };
            state.queues.entry((self.owner, self.part)).or_default().push_back(waiting);
            // What was given back before this one stood in the queue was given to nobody.
            self.pool.serve(&mut state);
        }
        let mut wait = Wait { share: self, bytes, granted: grant };
        // Its other end is in the queue until it is granted.
        let bytes = (&mut wait.granted).await.map_or(0, |()| bytes);
        wait.bytes = 0;
        Held { share: self.clone(), bytes }
    }

    /// The same, but not for ever.
    ///
    /// # Errors
    /// [`Error::TooMany`] with the bound that was met.
    pub async fn take_soon(&self, bytes: u64) -> Result<Held, Error> {
        if let Some(held) = self.try_take(bytes) {
            return Ok(held);
        }
        match tokio::time::timeout(PATIENCE, self.take(bytes)).await {
            Ok(held) => Ok(held),
            Err(_elapsed) => Err(self.refusal(bytes)),
        }
    }

    /// What to answer where `bytes` cannot be had.
    pub fn refusal(&self, bytes: u64) -> Error {
        let pool_is_short = self.pool.is_short.load(Ordering::Relaxed)
            || self.pool.held().saturating_add(bytes) > self.pool.max;
        let own = self.account.held().saturating_add(bytes) > self.pool.per_owner || !pool_is_short;
        let what = if own { Grense::MinneBytesPerOrganisasjon } else { Grense::MinneBytes };
        Error::TooMany { retry_after: RETRY_AFTER, what }
    }

    /// Whether somebody waits who would have what this part of the owner's holds.
    pub fn is_wanted(&self) -> bool {
        self.counts.waiting.load(Ordering::Relaxed) > 0
            || self.account.is_short.load(Ordering::Relaxed)
            || self.pool.is_short.load(Ordering::Relaxed)
    }

    /// How much there may ever be.
    fn most(&self) -> u64 {
        match self.part {
            Part::Fetched => self.pool.per_owner / 2,
            Part::Whole | Part::Deliveries | Part::SentBy(_) => self.pool.per_owner,
        }
    }
}

/// Somebody who waits; what was granted to one who has left meanwhile goes back.
struct Wait<'a> {
    share: &'a Share,
    /// None once it came.
    bytes: u64,
    granted: oneshot::Receiver<()>,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let Share { pool, owner, part, account, counts } = self.share;
        let mut state = pool.state();
        if self.granted.try_recv().is_ok() {
            state.give_back(account, counts, self.bytes);
        } else {
            self.granted.close();
            if let Some(queue) = state.queues.get_mut(&(*owner, *part)) {
                let before = queue.len();
                queue.retain(|one| !one.granted.is_closed());
                account.waiting.fetch_sub(before - queue.len(), Ordering::Relaxed);
                counts.waiting.fetch_sub(before - queue.len(), Ordering::Relaxed);
            }
            // It may have been the one that this was about; else it is found out again at once.
            account.is_short.store(false, Ordering::Relaxed);
        }
        pool.serve(&mut state);
    }
}

/// Bytes that were taken, given back when this is dropped.
#[must_use = "the bytes are given back when this is dropped"]
pub struct Held {
    share: Share,
    bytes: u64,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Held {
    /// How many.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes `more` at once, unless there are not so many or others wait for them.
    pub fn try_grow(&mut self, more: u64) -> bool {
        let share = &self.share;
        let part = (share.part, &*share.counts);
        let grown = !share.is_wanted()
            && share.pool.take(&mut share.pool.state(), &share.account, part, more).is_ok();
        if grown {
            self.bytes += more;
        }
        grown
    }

    /// What to answer where `more` cannot be had.
    pub fn refusal(&self, more: u64) -> Error {
        self.share.refusal(more)
    }

    /// Takes `more` at once where there is plenty: half of what the owner may have stays for those who cannot do without.
    pub fn try_grow_beyond_need(&mut self, more: u64) -> bool {
        let share = &self.share;
        share.account.held().saturating_add(more) <= share.pool.per_owner / 2 && self.try_grow(more)
    }

    /// Gives back what is more than `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        if let Some(less) = self.bytes.checked_sub(bytes).filter(|less| *less > 0) {
            self.bytes = bytes;
            let pool = &self.share.pool;
            let mut state = pool.state();
            state.give_back(&self.share.account, &self.share.counts, less);
            if !state.queues.is_empty() {
                pool.serve(&mut state);
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

/// What there is for payloads on their way.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Bytes for each direction.
    pub(crate) max: u64,
    pub(crate) inn: Arc<Pool>,
    pub(crate) ut: Arc<Pool>,
}

impl Memory {
    pub(crate) fn new(grenser: &Grenser, inline_max: usize) -> Self {
        let or = |grense, unset| match grenser.get(grense) {
            0 => unset,
            set => set,
        };
        // Whatever is set, the largest payload of a queue must fit twice, or nobody would ever get it.
        let largest = 2 * u64::try_from(inline_max).unwrap_or(u64::MAX / 4).saturating_add(1024 * 1024);
        let max = or(Grense::MinneBytes, UNSET_BYTES).max(largest);
        let per_owner = or(Grense::MinneBytesPerOrganisasjon, max / 4).max(largest / 2);
        Self { max, inn: Pool::with_others(max, per_owner), ut: Pool::with_others(max, per_owner) }
    }
}

impl App {
    /// Memory for what comes in.
    pub fn memory_in(&self) -> &Arc<Pool> {
        &self.inner.memory.inn
    }

    /// Memory for what goes out.
    pub fn memory_out(&self) -> &Arc<Pool> {
        &self.inner.memory.ut
    }
}

/// Why the body of a request is read no further: there is no memory for it, or the server stops. Edges find that again with
/// [`refusal_of`].
pub fn broken_off(refusal: Error) -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, refusal)
}

/// What to answer, where a body was [`broken_off`].
pub fn refusal_of(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let refusal = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref()?.downcast_ref());
        match refusal {
            Some(&Error::TooMany { retry_after, what }) => return Some(Error::TooMany { retry_after, what }),
            Some(&Error::Stopping { retry_after }) => return Some(Error::Stopping { retry_after }),
            _ => {}
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use domain::id::Uuid;
    use futures::FutureExt as _;

    use super::*;

    fn org(n: u128) -> Owner {
        Owner::Organisasjon(FiksOrgId::from_uuid(Uuid::from_u128(n)))
    }

    #[test]
    fn one_owner_gets_its_share_and_all_together_what_there_is() {
        let pool = Pool::new(100, 40);
        let first = pool.share(org(1));
        let held = first.try_take(40).unwrap();
        assert!(first.try_take(1).is_none());
        let others: Vec<_> = [2, 3].map(|n| pool.share(org(n)).try_take(30).unwrap()).into();
        assert!(pool.share(org(4)).try_take(1).is_none(), "all is taken");
        drop(held);
        assert!(pool.share(org(4)).try_take(40).is_some());
        drop(others);
        assert_eq!(pool.held(), 0);
    }

    fn sent_by(n: u128) -> Part {
        Part::SentBy(IntegrasjonId::from_uuid(Uuid::from_u128(n)))
    }

    /// Slow ones that are not so slow that they would have to give way.
    #[tokio::test]
    async fn integrasjon_leaves_the_others_as_much_as_it_holds() {
        let pool = Pool::new(1_000, 400);
        let share = |n| pool.share(org(1)).part(sent_by(n));
        let take_all = |share: &Share| -> Vec<Held> { std::iter::from_fn(|| share.try_take(10)).collect() };
        let first = take_all(&share(1));
        assert_eq!(first.len(), 20, "half of it");
        let one_more = share(1);
        let mut waits = one_more.take(10).boxed();
        assert!((&mut waits).now_or_never().is_none());
        let second = share(2).take_soon(10).await.expect("another has its own at once");
        drop(second);
        let all: Vec<_> = (2..6).map(|n| take_all(&share(n)).len()).collect();
        assert_eq!(all, [10, 10, 10, 10], "those who came are gone again");
        let held: Vec<_> = (2..6).map(|n| take_all(&share(n))).collect();
        assert!(share(9).try_take(10).is_some(), "there is some for one more");
        drop((first, held));
        drop(waits.await);
        assert!(share(1).try_take(400).is_some(), "what is larger alone has all there is");
        assert_eq!((pool.held(), pool.state().queues.len()), (0, 0));
    }

    #[tokio::test]
    async fn what_is_fetched_over_http_leaves_half_to_deliveries_and_those_leave_some() {
        let pool = Pool::new(1_000, 400);
        let (fetched, deliveries) =
            (pool.share(org(1)).part(Part::Fetched), pool.share(org(1)).part(Part::Deliveries));
        let held: Vec<_> = std::iter::from_fn(|| fetched.try_take(10)).collect();
        assert_eq!(held.len(), 20);
        let mut waits = fetched.take(10).boxed();
        assert!((&mut waits).now_or_never().is_none());
        assert!(fetched.is_wanted() && pool.is_wanted(org(1)));
        assert!(!deliveries.is_wanted(), "nobody would have what they hold");
        let handed_out: Vec<_> = std::iter::from_fn(|| deliveries.try_take(10)).collect();
        assert_eq!(handed_out.len(), 20);
        drop(held);
        drop(waits.await);
        let more: Vec<_> = std::iter::from_fn(|| deliveries.try_take(10)).collect();
        assert_eq!(more.len(), 15, "an eighth is left");
        assert!(fetched.try_take(50).is_some());
        drop((more, handed_out));
        assert!(deliveries.try_take(400).is_some(), "a payload that is larger alone");
    }

    /// Downloads without end, of which each piece is small.
    #[tokio::test]
    async fn large_one_that_waits_for_what_all_parts_share_is_not_overtaken_for_ever() {
        let pool = Pool::new(1_000, 400);
        let (fetched, deliveries) =
            (pool.share(org(1)).part(Part::Fetched), pool.share(org(1)).part(Part::Deliveries));
        let mut pieces: VecDeque<_> = (0..3).map(|_| fetched.try_take(60).unwrap()).collect();
        let mut large = deliveries.take(300).boxed();
        assert!((&mut large).now_or_never().is_none());
        let (mut waiting, mut rounds, mut got) = (Vec::new(), 0, None);
        while got.is_none() && rounds < 100 {
            let mut next = fetched.take(60).boxed();
            assert!((&mut next).now_or_never().is_none(), "others wait");
            drop(pieces.pop_front());
            got = (&mut large).now_or_never();
            match (&mut next).now_or_never() {
                Some(piece) => pieces.push_back(piece),
                None => waiting.push(next),
            }
            rounds += 1;
        }
        assert!(got.is_some(), "{rounds} pieces came before it");
        assert!((5..10).contains(&rounds), "it lets others have as much as it wants: {rounds}");
        drop((got, large, pieces));
        for piece in waiting {
            drop(piece.await);
        }
        assert_eq!((pool.held(), pool.state().queues.len()), (0, 0));
    }

    #[tokio::test]
    async fn whoever_waits_for_what_all_parts_share_is_overtaken_by_none_of_them() {
        let pool = Pool::new(1_000, 400);
        let (fetched, deliveries) =
            (pool.share(org(1)).part(Part::Fetched), pool.share(org(1)).part(Part::Deliveries));
        let (some, rest) = (fetched.try_take(100).unwrap(), deliveries.try_take(200).unwrap());
        let whole = pool.share(org(1));
        let mut large = whole.take(300).boxed();
        assert!((&mut large).now_or_never().is_none());
        assert!(deliveries.is_wanted() && fetched.is_wanted() && deliveries.try_take(10).is_none());
        drop(large);
        assert!(!deliveries.is_wanted() && deliveries.try_take(10).is_some(), "it has left");
        drop((some, rest));
        assert_eq!((pool.held(), pool.state().queues.len()), (0, 0));
    }

    /// A form of a stranger is as large as it may be, and there is no end of them.
    #[test]
    fn those_of_no_organisasjon_take_nothing_from_any() {
        let pool = Pool::with_others(3_200, 800);
        let person = |n: u128| Owner::Person(PersonId::from_uuid(Uuid::from_u128(n)));
        let owners = [Owner::Strangers].into_iter().chain((1..100).map(person));
        let held: Vec<_> = owners.filter_map(|owner| pool.share(owner).try_take(100)).collect();
        assert_eq!((held.len(), pool.held()), (4, 0));
        assert!(pool.share(Owner::Strangers).try_take(1).is_none());
        let all: Vec<_> = (1..=4).map(|n| pool.share(org(n)).try_take(800)).collect();
        assert!(all.iter().all(Option::is_some), "each has all that is its own");
    }

    #[test]
    fn half_is_kept_for_those_who_cannot_do_without() {
        let pool = Pool::new(100, 40);
        let mut greedy = pool.share(org(1)).try_take(10).unwrap();
        assert!(greedy.try_grow_beyond_need(10) && !greedy.try_grow_beyond_need(1));
        assert!(pool.share(org(1)).try_take(20).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gets_nothing_in_time_is_told_which_bound_it_met() {
        let pool = Pool::new(100, 40);
        let first = pool.share(org(1));
        let mut held = vec![first.take_soon(40).await.unwrap()];
        let refused = first.take_soon(1).await;
        assert!(
            matches!(refused, Err(Error::TooMany { what: Grense::MinneBytesPerOrganisasjon, .. })),
            "{refused:?}"
        );
        held.extend([2, 3].map(|n| pool.share(org(n)).try_take(30).unwrap()));
        let refused = pool.share(org(4)).take_soon(1).await;
        assert!(matches!(refused, Err(Error::TooMany { what: Grense::MinneBytes, .. })), "{refused:?}");
        drop(held);
        assert!(pool.share(org(4)).take_soon(1).await.is_ok());
        assert_eq!(pool.state().queues.len(), 0);
    }

    #[tokio::test]
    async fn what_is_given_back_goes_to_whoever_holds_least_and_then_in_order() {
        let pool = Pool::new(100, 60);
        let (large, small) = (pool.share(org(1)), pool.share(org(2)));
        let held = large.try_take(50).unwrap();
        let other = pool.share(org(3)).try_take(50).unwrap();
        let mut waiting = [&large, &small, &small].map(|share| share.take(10).boxed());
        for one in &mut waiting {
            assert!(one.now_or_never().is_none());
        }
        drop(other);
        let [mine, first, second] = waiting;
        drop((first.await, second.await, mine.await));
        drop(held);
        assert_eq!(pool.held(), 0);
    }

    #[tokio::test]
    async fn nobody_overtakes_who_waits_and_others_are_not_held_up() {
        let pool = Pool::new(100, 40);
        let first = pool.share(org(1));
        let held = first.try_take(30).unwrap();
        let mut large = first.take(40).boxed();
        assert!((&mut large).now_or_never().is_none());
        assert!(first.is_wanted() && first.try_take(5).is_none(), "it would take from who waits");
        assert!(pool.share(org(2)).try_take(40).is_some(), "another has its own");
        drop(held);
        assert_eq!(large.await.bytes(), 40);
    }

    #[tokio::test]
    async fn whoever_stops_waiting_leaves_nothing_behind() {
        let pool = Pool::new(100, 40);
        let first = pool.share(org(1));
        for granted in [false, true] {
            let held = first.try_take(40).unwrap();
            let mut waits = first.take(10).boxed();
            assert!((&mut waits).now_or_never().is_none());
            if granted {
                drop(held);
                drop(waits);
            } else {
                drop(waits);
                drop(held);
            }
            assert_eq!((pool.held(), pool.state().queues.len()), (0, 0));
            assert!(!first.is_wanted());
        }
    }

    #[test]
    fn largest_payload_of_a_queue_fits_whatever_is_set() {
        let grenser =
            Grenser::default().with(Grense::MinneBytes, 1).with(Grense::MinneBytesPerOrganisasjon, 1);
        let memory = Memory::new(&grenser, 5_000_000);
        assert!(memory.inn.share(org(1)).try_take(5_000_000).is_some());
        assert!(memory.ut.share(org(1)).try_take(5_000_000).is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_at_once_never_hold_more_than_there_is_and_all_get_some() {
        let pool = Pool::new(1_000, 400);
        let tasks: Vec<_> = (0..64_u64)
            .map(|n| {
                let parts = [Part::Whole, Part::Deliveries, Part::Fetched, sent_by(n.into())];
                let share = pool.share(org(u128::from(n % 5))).part(parts[usize::try_from(n % 4).unwrap()]);
                tokio::spawn(async move {
                    for round in 0..200 {
                        let mut held = share.take((n * 37 + round) % 390 + 1).await;
                        assert!(share.pool.held() <= 1_000);
                        assert!(share.account.held() <= 400);
                        tokio::task::yield_now().await;
                        held.shrink_to(held.bytes() / 2);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((pool.held(), pool.state().queues.len()), (0, 0));
    }
}
