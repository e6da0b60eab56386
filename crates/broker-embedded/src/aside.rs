//! Queues that are set aside: nobody knows their Konto, so they stand still until somebody does, or decides.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wire::id::{DokumentId, KontoId};

use crate::store::{Store, StoreError};

/// The kontoer whose queues are set aside. Shared by all lives of the engine on one log.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    kontoer: Mutex<BTreeSet<KontoId>>,
    /// Those that were known when the broker was opened, until the log was. Later nobody tells of those that are new.
    known: Mutex<Option<BTreeSet<KontoId>>>,
}

impl Aside {
    /// Sets aside the queues of all but `known`, once the log is open.
    pub(crate) fn all_but(known: Option<BTreeSet<KontoId>>) -> Self {
        Self { kontoer: Mutex::default(), known: Mutex::new(known) }
    }

    /// The log is open, for the first time or again.
    pub(crate) fn opened(&self, store: &Store) -> Result<(), StoreError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(known) = known {
            self.lock().extend(store.kontoer()?.into_iter().filter(|konto| !known.contains(konto)));
        }
        Ok(())
    }

    pub(crate) fn contains(&self, konto: KontoId) -> bool {
        self.lock().contains(&konto)
    }

    pub(crate) fn insert(&self, konto: KontoId) {
        self.lock().insert(konto);
    }

    /// Whether it was set aside.
    pub(crate) fn remove(&self, konto: KontoId) -> bool {
        self.lock().remove(&konto)
    }

    pub(crate) fn list(&self) -> Vec<KontoId> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<KontoId>> {
        self.kontoer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of `wanted` that a melding names which is in a queue or is a dead letter.
///
/// A melding that cannot be read is passed over: it can be handed to nobody, so nobody can ask for its dokument.
pub(crate) fn named_dokumenter(
    store: &Store,
    wanted: &BTreeSet<DokumentId>,
) -> Result<BTreeSet<DokumentId>, StoreError> {
    let mut named = BTreeSet::new();
    store.each_kept(|melding| {
        named.extend(melding.dokumentlager_id.filter(|dokument| wanted.contains(dokument)));
    })?;
    Ok(named)
}
