//! Requests that keep the registry busy for long, or make a long list: few at a time.
//!
//! The registry serves those who read in the order in which they ask, and has few connections for them. So that no caller has all of
//! them, each has one such request under way, and all together have half of the connections that the smallest registry has.
//! What they made is counted until it was fetched. Whoever waits for memory, which others of the same caller have, waits with nothing
//! that all share, nor with what it made: it is made again once the memory is there.
//!
//! The same for changes: the registry makes one at a time, in the order in which they ask for it, so each caller has few that ask.

use std::collections::HashMap;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::grense::Grense;
use crate::memory::{Held, Owner, Pool};
use crate::ports::{RegistryError, Tx};
use crate::{App, Caller};

/// Under way at a time.
const AT_ONCE: usize = 2;
/// Changes of one caller that wait for the registry.
const CHANGES: usize = 4;
/// How long to wait for a turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// When to come back.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// From so many owners on, those with nothing under way are forgotten.
const MANY: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Heavy {
    all: Arc<Semaphore>,
    reading: Owners,
    changing: Owners,
    lists: Arc<Pool>,
    /// The same for persons, so that however many they are, no organisasjon has less.
    lists_of_persons: Arc<Pool>,
}

/// Turns of each owner, of which it has so many at a time.
#[derive(Debug)]
struct Owners {
    at_once: usize,
    each: Mutex<HashMap<Owner, Arc<Semaphore>>>,
}

/// The right to have one such request under way.
#[derive(Debug)]
pub struct Turn {
    /// Nobody counts what the operator does.
    counted: Option<Counted>,
}

#[derive(Debug)]
struct Counted {
    own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Heavy {
    /// With `max` bytes for lists that are not fetched yet, of which one organisasjon has half; persons have a fourth as much, and one
    /// of them an eighth of that.
    pub(crate) fn new(max: u64) -> Self {
        let lists = Pool::new(max, max / 2);
        let all = Arc::new(Semaphore::new(AT_ONCE));
        let lists_of_persons = Pool::new(max / 4, max / 32);
        Self { all, reading: Owners::new(1), changing: Owners::new(CHANGES), lists, lists_of_persons }
    }

    async fn turn(&self, owner: Owner) -> Result<Turn, Error> {
        self.turn_until(owner, Instant::now() + PATIENCE).await
    }

    async fn turn_until(&self, owner: Owner, deadline: Instant) -> Result<Turn, Error> {
        // Its own first, so that each owner stands only once among those who wait for what all share.
        let own = timeout_at(deadline, self.reading.of(owner).acquire_owned()).await;
        let own = own.ok().and_then(Result::ok).ok_or_else(refusal)?;
        Ok(Turn { counted: Some(self.with_own(own, deadline).await?) })
    }

    async fn with_own(&self, own: OwnedSemaphorePermit, deadline: Instant) -> Result<Counted, Error> {
        let of_all = timeout_at(deadline, Arc::clone(&self.all).acquire_owned()).await;
        let of_all = of_all.ok().and_then(Result::ok).ok_or_else(refusal)?;
        Ok(Counted { own, _of_all: of_all })
    }

    /// Makes what `owner` asks for in its turn, and takes the memory for it.
    async fn list<T, E: From<Error>, F>(
        &self,
        owner: Owner,
        make: impl Fn() -> F,
        bytes: impl Fn(&T) -> u64,
    ) -> Result<(T, Held), E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let deadline = Instant::now() + PATIENCE;
        let lists = match owner {
            Owner::Organisasjon(_) => &self.lists,
            Owner::Person(_) | Owner::Strangers => &self.lists_of_persons,
        };
        let share = lists.share(owner);
        let Turn { counted } = self.turn_until(owner, deadline).await?;
        let list = make().await?;
        let needs = bytes(&list);
        if let Some(held) = share.try_take_most(needs) {
            return Ok((list, held));
        }
        // What it waits for is what it holds itself, so nobody else waits with it, and what was made takes no memory meanwhile.
        drop(list);
        let own = counted.map(|counted| counted.own);
        let refused = || share.refusal(needs);
        let mut held = timeout_at(deadline, share.take(needs)).await.map_err(|_elapsed| refused())?;
        let _counted = match own {
            Some(own) => Some(self.with_own(own, deadline).await?),
            None => None,
        };
        let list = make().await?;
        // It may have grown.
        let more = bytes(&list).saturating_sub(needs);
        if held.bytes() == needs && !held.try_grow(more) {
            return Err(refused().into());
        }
        Ok((list, held))
    }

    async fn change(&self, owner: Owner) -> Result<OwnedSemaphorePermit, Error> {
        let turn = self.changing.of(owner).acquire_owned();
        tokio::time::timeout(PATIENCE, turn).await.ok().and_then(Result::ok).ok_or_else(refusal)
    }
}

fn refusal() -> Error {
    Error::TooMany { retry_after: RETRY_AFTER, what: Grense::SamtidigeKallPerOrganisasjon }
}

impl Owners {
    fn new(at_once: usize) -> Self {
        Self { at_once, each: Mutex::default() }
    }

    fn of(&self, owner: Owner) -> Arc<Semaphore> {
        let mut owners = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.len() >= MANY && !owners.contains_key(&owner) {
            owners.retain(|_, own| Arc::strong_count(own) > 1);
        }
        Arc::clone(owners.entry(owner).or_insert_with(|| Arc::new(Semaphore::new(self.at_once))))
    }
}

/// A unit of work that changes something, in the turn of whoever asked for it.
pub(crate) struct UnitOfWork {
    tx: Box<dyn Tx>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl UnitOfWork {
    /// As [`Tx::commit`].
    pub(crate) async fn commit(self) -> Result<(), RegistryError> {
        self.tx.commit().await
    }
}

impl Deref for UnitOfWork {
    type Target = dyn Tx;

    fn deref(&self) -> &Self::Target {
        &*self.tx
    }
}

impl DerefMut for UnitOfWork {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.tx
    }
}

impl App {
    /// A unit of work that changes something for `caller`.
    ///
    /// # Errors
    /// [`Error::TooMany`] where the caller's turn does not come soon, [`Error::Unavailable`].
    pub(crate) async fn begin_for(&self, caller: &Caller) -> Result<UnitOfWork, Error> {
        let turn = match Owner::of(caller) {
            Some(owner) => Some(self.inner.heavy.change(owner).await?),
            None => None,
        };
        Ok(UnitOfWork { tx: self.inner.registry.begin().await?, _turn: turn })
    }

    /// Waits for the caller's turn to ask for much.
    ///
    /// # Errors
    /// [`Error::TooMany`] where it does not come soon.
    pub async fn turn(&self, caller: &Caller) -> Result<Turn, Error> {
        match Owner::of(caller) {
            Some(owner) => self.inner.heavy.turn(owner).await,
            None => Ok(Turn { counted: None }),
        }
    }

    /// Makes a long list in the caller's turn, and takes memory in which it waits to be fetched: `bytes` of it about, or all that one
    /// caller may have of that, where it is more. Where the caller has too much that it has not fetched, the list is made again once it
    /// has.
    ///
    /// # Errors
    /// Those of `make`; [`Error::TooMany`] where the turn does not come soon, or the caller does not fetch what it asked for before.
    pub async fn long_list<T, E: From<Error>, F>(
        &self,
        caller: &Caller,
        make: impl Fn() -> F,
        bytes: impl Fn(&T) -> u64,
    ) -> Result<(T, Option<Held>), E>
    where
        F: Future<Output = Result<T, E>>,
    {
        match Owner::of(caller) {
            Some(owner) => {
                let (list, held) = self.inner.heavy.list(owner, make, bytes).await?;
                Ok((list, Some(held)))
            }
            None => Ok((make().await?, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::id::FiksOrgId;
    use futures::FutureExt as _;
    use wire::id::Uuid;

    use super::*;

    fn org(n: u128) -> Owner {
        Owner::Organisasjon(FiksOrgId::from_uuid(Uuid::from_u128(n)))
    }

    #[tokio::test(start_paused = true)]
    async fn each_caller_has_one_under_way_and_no_number_of_them_keeps_others_waiting() {
        let heavy = Heavy::new(1_000);
        let first = heavy.turn(org(1)).await.unwrap();
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(heavy.turn(org(1)))).collect();
        for next in &mut waiting {
            assert!(next.now_or_never().is_none());
        }
        let other = heavy.turn(org(2)).now_or_never().unwrap().unwrap();
        // Both places are taken, and whoever came first of each owner is next.
        let mut third = Box::pin(heavy.turn(org(3)));
        assert!((&mut third).now_or_never().is_none());
        drop(first);
        assert!(third.now_or_never().is_some());
        drop(other);
        let refused = heavy.turn(org(1)).await;
        assert!(matches!(refused, Err(Error::TooMany { .. })), "{refused:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn each_caller_has_few_changes_that_wait_for_the_registry() {
        let heavy = Heavy::new(1_000);
        let mut under_way = Vec::new();
        for _ in 0..CHANGES {
            under_way.push(heavy.change(org(1)).now_or_never().unwrap().unwrap());
        }
        let mut next = Box::pin(heavy.change(org(1)));
        assert!((&mut next).now_or_never().is_none());
        assert!(heavy.change(org(2)).now_or_never().is_some());
        under_way.pop();
        assert!(next.now_or_never().is_some());
        assert!(heavy.change(org(1)).await.is_ok());
        drop(under_way);
    }

    async fn list(heavy: &Heavy, n: u128, bytes: u64) -> Result<Held, Error> {
        heavy.list(org(n), || async { Ok(()) }, |()| bytes).await.map(|((), held)| held)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_made_counts_until_it_was_fetched() {
        let heavy = Heavy::new(1_000);
        let kept = list(&heavy, 1, 400).await.unwrap();
        // More than one may have at all, as soon as it has nothing else.
        let refused = list(&heavy, 1, 5_000).await;
        assert!(matches!(refused, Err(Error::TooMany { .. })), "{refused:?}");
        assert_eq!(list(&heavy, 2, 500).await.unwrap().bytes(), 500);
        drop(kept);
        assert_eq!(list(&heavy, 1, 5_000).await.unwrap().bytes(), 500);
        assert_eq!(heavy.lists.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_do_not_fetch_their_lists_keep_nobody_else_waiting() {
        let heavy = Heavy::new(1_000);
        let kept = [list(&heavy, 1, 400).await.unwrap(), list(&heavy, 2, 400).await.unwrap()];
        let times = std::cell::Cell::new(0);
        let make = || {
            times.set(times.get() + 1);
            async { Ok::<_, Error>(()) }
        };
        let mut waiting: Vec<_> = [1, 2, 1, 2].map(|n| Box::pin(heavy.list(org(n), make, |()| 400))).into();
        for next in &mut waiting {
            assert!(next.now_or_never().is_none());
        }
        assert_eq!(times.get(), 2, "each is made once before it waits");
        let other = list(&heavy, 3, 100).now_or_never().expect("others do not wait").unwrap();
        drop((other, kept));
        for next in &mut waiting[..2] {
            assert!(next.await.is_ok(), "it is made again once there is memory");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn list_that_has_grown_while_it_waited_for_memory_is_counted_with_all_that_it_takes() {
        let heavy = Heavy::new(1_000);
        let kept = list(&heavy, 1, 400).await.unwrap();
        let times = std::cell::Cell::new(100);
        let make = || {
            times.set(times.get() + 100);
            let bytes = times.get();
            async move { Ok::<_, Error>(bytes) }
        };
        let mut next = Box::pin(heavy.list(org(1), make, |bytes| *bytes));
        assert!((&mut next).now_or_never().is_none());
        drop(kept);
        let (bytes, held) = next.await.unwrap();
        assert_eq!((bytes, held.bytes()), (300, 300));
    }
}
