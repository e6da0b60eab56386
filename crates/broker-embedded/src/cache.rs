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
