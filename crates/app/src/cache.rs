//! Facts on the hot path of every send, kept for as long as the registry's generation stays the same.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, RwLock};

use domain::id::{FiksOrgId, IntegrasjonId, KontoId, SystemId};
use domain::konto::Konto;
use domain::protokoll::Protokoll;
use domain::system::{Integrasjon, System};

use crate::ports::Registry;

/// An integrasjon with the System whose rights it has.
pub(crate) struct LoginFacts {
    pub(crate) integrasjon: Integrasjon,
    pub(crate) system: System,
}

/// A Konto with the organisasjon that it belongs to.
pub(crate) struct KontoFacts {
    pub(crate) konto: Konto,
    pub(crate) eier: FiksOrgId,
}

/// Who sends to whom, as far as the registry knows.
pub(crate) struct SendFacts {
    pub(crate) avsender: Arc<KontoFacts>,
    pub(crate) mottaker: Arc<KontoFacts>,
    pub(crate) har_tilgang: bool,
    pub(crate) protokoller: Arc<Vec<Protokoll>>,
}

pub(crate) struct Facts {
    pub(crate) logins: Generational<IntegrasjonId, Option<Arc<LoginFacts>>>,
    /// Kept one by one, and not with each other: there are many more pairs of them.
    pub(crate) kontoer: Generational<KontoId, Arc<KontoFacts>>,
    /// Whether the first has tilgang to the second.
    pub(crate) tilganger: Generational<(KontoId, KontoId), bool>,
    pub(crate) protokoller: Generational<String, Arc<Vec<Protokoll>>>,
    pub(crate) alle_protokoller: Generational<(), Arc<Vec<Protokoll>>>,
    pub(crate) konto_owners: Generational<KontoId, Option<SystemId>>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            logins: Generational::default(),
            kontoer: Generational::of_at_most(MAX_KONTOER),
            tilganger: Generational::default(),
            protokoller: Generational::default(),
            alle_protokoller: Generational::default(),
            konto_owners: Generational::default(),
        }
    }
}

/// A map that forgets everything when the registry's generation changes.
pub(crate) struct Generational<K, V> {
    state: RwLock<(u64, HashMap<K, V>)>,
    max_entries: usize,
}

impl<K, V> Default for Generational<K, V> {
    fn default() -> Self {
        Self::of_at_most(MAX_ENTRIES)
    }
}

/// Entries a map may hold: an attacker who guesses ids must not fill the memory. Some dozen bytes each.
const MAX_ENTRIES: usize = 100_000;
/// Of kontoer, which take some KiB each.
const MAX_KONTOER: usize = 4_096;

impl<K, V> Generational<K, V> {
    /// A map that begins anew when it has so many entries.
    pub(crate) fn of_at_most(max_entries: usize) -> Self {
        Self { state: RwLock::new((0, HashMap::new())), max_entries }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Generational<K, V> {
    /// The value of `key`, loaded by `load` unless it is known from the registry's present generation.
    pub(crate) async fn get<E>(
        &self,
        registry: &dyn Registry,
        key: &K,
        load: impl AsyncFnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        // Fetched before the facts are read: should they change meanwhile, they are kept under a generation already gone.
        let generation = registry.generation();
        {
            let state = self.state.read().expect("nothing panics while the lock is held");
            if state.0 == generation
                && let Some(value) = state.1.get(key)
            {
                return Ok(value.clone());
            }
        }
        let value = load().await?;
        let mut state = self.state.write().expect("nothing panics while the lock is held");
        if state.0 < generation || state.1.len() >= self.max_entries {
            *state = (generation, HashMap::new());
        }
        if state.0 == generation {
            state.1.insert(key.clone(), value.clone());
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::ports::{RegistryError, Tx};

    struct Generations(AtomicU64);

    #[async_trait]
    impl Registry for Generations {
        async fn begin(&self) -> Result<Box<dyn Tx>, RegistryError> {
            Err(RegistryError::Conflict { what: "this registry only counts" })
        }

        fn generation(&self) -> u64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    async fn load(map: &Generational<u8, u32>, registry: &Generations, value: u32) -> u32 {
        map.get::<()>(registry, &1, async || Ok(value)).await.unwrap()
    }

    #[tokio::test]
    async fn value_is_kept_until_the_generation_changes() {
        let registry = Generations(AtomicU64::new(1));
        let map = Generational::default();
        assert_eq!(load(&map, &registry, 10).await, 10);
        assert_eq!(load(&map, &registry, 20).await, 10);
        registry.0.store(2, Ordering::SeqCst);
        assert_eq!(load(&map, &registry, 30).await, 30);
    }

    #[tokio::test]
    async fn a_map_never_holds_more_than_it_may() {
        let registry = Generations(AtomicU64::new(1));
        let map = Generational::of_at_most(10);
        for key in 0..100 {
            map.get::<()>(&registry, &key, async || Ok(key)).await.unwrap();
            assert!(map.state.read().unwrap().1.len() <= 10, "{key}");
        }
    }

    #[tokio::test]
    async fn value_read_while_the_generation_changed_is_not_kept() {
        let registry = Generations(AtomicU64::new(1));
        let map: Generational<u8, u32> = Generational::default();
        let stale = map
            .get::<()>(&registry, &1, async || {
                registry.0.store(2, Ordering::SeqCst);
                Ok(10)
            })
            .await;
        assert_eq!(stale, Ok(10));
        assert_eq!(load(&map, &registry, 20).await, 20);
    }
}
