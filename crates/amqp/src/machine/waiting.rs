//! The memory of what was written for a client and not taken by it yet, and when a client that takes next to nothing gives way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::memory::{Held, Share};

/// Whoever has not taken so many bytes meanwhile takes next to nothing.
const LEAST_BYTES: usize = 16 * 1024;
/// How often to look again whether anybody waits.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What waits for the client.
pub(super) struct WaitingOutput {
    /// Where deliveries take their memory from.
    pub(super) share: Option<Share>,
    /// Bytes written to the client, ever.
    written: u64,
    /// The memory of each delivery, and how many bytes are written once it is out.
    held: VecDeque<(u64, Arc<Held>)>,
    /// Since when the client has taken less than [`LEAST_BYTES`], of which it took `taken`.
    slow_since: Option<Instant>,
    taken: usize,
    looked_at: Instant,
}

impl WaitingOutput {
    pub(super) fn new(now: Instant) -> Self {
        let held = VecDeque::new();
        Self { share: None, written: 0, held, slow_since: None, taken: 0, looked_at: now }
    }

    /// A delivery was put behind what waits, which has so many bytes now.
    pub(super) fn delivered(&mut self, waiting: usize, memory: Option<&Arc<Held>>) {
        // Nothing waits where the delivery was not written, since its channel had closed.
        if let Some(memory) = memory.filter(|_| waiting > 0) {
            let out_at = self.written.saturating_add(u64::try_from(waiting).unwrap_or(u64::MAX));
            self.held.push_back((out_at, Arc::clone(memory)));
        }
    }

    /// The client took `count` bytes, and perhaps all there are.
    pub(super) fn wrote(&mut self, count: usize, is_all: bool) {
        self.written = self.written.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        while self.held.front().is_some_and(|(out_at, _)| *out_at <= self.written) {
            self.held.pop_front();
        }
        self.taken = self.taken.saturating_add(count);
        if is_all || self.taken >= LEAST_BYTES {
            (self.slow_since, self.taken) = (None, 0);
        }
    }

    /// The client takes nothing just now.
    pub(super) fn blocked(&mut self, now: Instant) {
        self.slow_since.get_or_insert(now);
    }

    /// When to look whether the client gives way.
    pub(super) fn to_look_at(&self, after: Duration) -> Option<Instant> {
        let since = self.slow_since.filter(|_| !self.held.is_empty() && self.share.is_some())?;
        Some((since + after).max(self.looked_at + LOOK_AGAIN))
    }

    /// Whether the client has been slow for long, and somebody waits for what it holds.
    pub(super) fn gives_way(&mut self, now: Instant, after: Duration) -> bool {
        if self.to_look_at(after).is_none_or(|at| now < at) {
            return false;
        }
        self.looked_at = now;
        self.share.as_ref().is_some_and(Share::is_wanted)
    }
}
