//! The meldinger published last, so that handing them out soon after needs no read.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use domain::melding::Melding;

use crate::queue::Number;

/// A melding with its payload.
pub(crate) type Loaded = (Arc<Melding>, Bytes);

/// Payloads above this are read from disk when they are handed out, by the channel that takes them, so that many of them
/// in flight do not fill the memory.
pub(crate) const SMALL: usize = 64 * 1024;

/// What a melding costs besides payload and headers, about.
const OVERHEAD: usize = 512;

/// How many numbers of what was taken may stand in the order, beside as many as there are of what was not.
const SPARE: usize = 1024;

/// Drops the oldest when it is full.
pub(crate) struct Cache {
    map: HashMap<Number, Loaded>,
    order: VecDeque<Number>,
    bytes: usize,
    limit: usize,
}

impl Cache {
    pub(crate) fn new(limit: usize) -> Self {
        Self { map: HashMap::new(), order: VecDeque::new(), bytes: 0, limit }
    }

    pub(crate) fn put(&mut self, number: Number, loaded: Loaded) {
        if loaded.1.len() > SMALL {
            return;
        }
        // What was taken leaves its number behind, for as long as an older one waits.
        if self.order.len() > 2 * self.map.len() + SPARE {
            self.order.retain(|number| self.map.contains_key(number));
        }
        self.bytes += size(&loaded);
        self.map.insert(number, loaded);
        self.order.push_back(number);
        while let Some(oldest) = self.order.front() {
            if self.bytes <= self.limit && self.map.contains_key(oldest) {
                return;
            }
            if let Some(loaded) = self.map.remove(oldest) {
                self.bytes -= size(&loaded);
            }
            self.order.pop_front();
        }
    }

    pub(crate) fn take(&mut self, number: Number) -> Option<Loaded> {
        let loaded = self.map.remove(&number)?;
        self.bytes -= size(&loaded);
        Some(loaded)
    }
}

fn size((melding, payload): &Loaded) -> usize {
    let headere: usize = melding.headere.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
    OVERHEAD + payload.len() + headere
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use jiff::Timestamp;
    use wire::id::{KontoId, MeldingId, Uuid};

    use super::*;

    fn loaded() -> Loaded {
        let konto = KontoId::from_uuid(Uuid::nil());
        let melding = Melding {
            id: MeldingId::from_uuid(Uuid::nil()),
            avsender: konto,
            mottaker: konto,
            meldingstype: String::new(),
            svar_pa_melding: None,
            svar_til_type: None,
            dokumentlager_id: None,
            headere: BTreeMap::new(),
            ttl: Duration::ZERO,
            mottatt: Timestamp::UNIX_EPOCH,
        };
        (Arc::new(melding), Bytes::new())
    }

    /// As with a consumer that is away, and others that take what comes at once.
    #[test]
    fn one_that_waits_lets_no_numbers_pile_up_behind_it() {
        let mut cache = Cache::new(1024 * 1024);
        cache.put(0, loaded());
        for number in 1..100_000 {
            cache.put(number, loaded());
            assert!(cache.take(number).is_some());
            assert!(cache.order.len() <= 2 * cache.map.len() + SPARE + 2);
        }
        assert!(cache.take(0).is_some());
        assert_eq!(cache.bytes, 0);
    }

    #[test]
    fn oldest_goes_when_it_is_full() {
        let mut cache = Cache::new(2 * OVERHEAD);
        for number in 0..3 {
            cache.put(number, loaded());
        }
        assert!(cache.take(0).is_none());
        assert!(cache.take(1).is_some() && cache.take(2).is_some());
    }
}
