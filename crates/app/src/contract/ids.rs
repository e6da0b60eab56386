use std::sync::atomic::{AtomicU64, Ordering};

use wire::id::Uuid;

use crate::ports::IdSource;

/// Ids that count upwards, so that a test run can be told from its log. Two sources with different seeds never meet.
#[derive(Debug)]
pub struct CountingIds {
    seed: u64,
    next: AtomicU64,
}

impl CountingIds {
    /// A source of its own for `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(1) }
    }

    fn step(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl Default for CountingIds {
    fn default() -> Self {
        Self::new(0)
    }
}

impl IdSource for CountingIds {
    fn uuid(&self) -> Uuid {
        Uuid::from_u64_pair(self.seed, self.step())
    }

    fn secret(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.seed.to_be_bytes());
        bytes[24..].copy_from_slice(&self.step().to_be_bytes());
        bytes
    }
}
