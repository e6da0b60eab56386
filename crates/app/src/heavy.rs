//! Requests that keep the registry busy for long, or make a long list: few at a time.
//!
//! The registry serves those who read in the order in which they ask, and has few connections for them. So that no caller has all of
//! them, each has one such request under way, and all together have half of the connections that the smallest registry has.
//! What they made is counted until it was fetched.
//!
//! The same for changes: the registry makes one at a time, in the order in which they ask for it, so each caller has few that ask.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    owner: Owner,
    lists: Arc<Pool>,
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Heavy {
    /// With `max` bytes for lists that are not fetched yet, of which one owner has half.
    pub(crate) fn new(max: u64) -> Self {
        let lists = Pool::new(max, max / 2);
        let all = Arc::new(Semaphore::new(AT_ONCE));
        Self { all, reading: Owners::new(1), changing: Owners::new(CHANGES), lists }
    }

    async fn turn(&self, owner: Owner) -> Result<Turn, Error> {
        let both = async {
            // Its own first, so that each owner stands only once among those who wait for what all share.
            let own = self.reading.of(owner).acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Counted { owner, lists: Arc::clone(&self.lists), _own: own, _of_all: of_all })
        };
        let counted = tokio::time::timeout(PATIENCE, both).await.ok().flatten().ok_or_else(refusal)?;
        Ok(Turn { counted: Some(counted) })
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

impl Turn {
    /// Gives up the turn for memory in which what was made, `bytes` about, waits to be fetched; or for all that one caller may have
    /// of that, where it is more.
    ///
    /// # Errors
    /// [`Error::TooMany`] where the caller has not fetched what it asked for before.
    pub async fn keep(self, bytes: u64) -> Result<Option<Held>, Error> {
        match self.counted {
            Some(counted) => Ok(Some(counted.lists.share(counted.owner).take_soon(bytes).await?)),
            None => Ok(None),
        }
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

    #[tokio::test(start_paused = true)]
    async fn what_was_made_counts_until_it_was_fetched() {
        let heavy = Heavy::new(1_000);
        let kept = heavy.turn(org(1)).await.unwrap().keep(400).await.unwrap();
        // More than one may have at all, as soon as it has nothing else.
        let turn = heavy.turn(org(1)).await.unwrap();
        assert!(matches!(turn.keep(5_000).await, Err(Error::TooMany { .. })));
        assert!(heavy.turn(org(2)).await.unwrap().keep(500).await.unwrap().is_some());
        drop(kept);
        let kept = heavy.turn(org(1)).await.unwrap().keep(5_000).await.unwrap();
        assert_eq!(kept.unwrap().bytes(), 500);
        assert_eq!(heavy.lists.held(), 0);
    }
}
