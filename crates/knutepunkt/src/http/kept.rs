//! The memory that a request takes until it is done: what was gathered of its body, and what was made of that.

use std::sync::{Arc, Mutex, PoisonError};

use app::Error;
use app::memory::{Held, Owner, Pool};

use super::slot::Slot;

/// Bytes below this are not worth counting.
const SMALL_BYTES: u64 = 16 * 1024;

/// What one request has taken, given back when its body and its [`Ticket`](super::gate::Ticket) are gone.
pub(super) struct Kept {
    memory: Arc<Pool>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    bytes: u64,
    held: Option<Held>,
}

impl Kept {
    pub(super) fn new(memory: Arc<Pool>) -> Arc<Self> {
        Arc::new(Self { memory, taken: Mutex::default() })
    }

    /// Takes memory for `more` bytes of whoever has logged in over the connection by now.
    ///
    /// # Errors
    /// [`Error::TooMany`] with the bound that was met.
    pub(super) fn grow(&self, slot: &Slot, more: u64) -> Result<(), Error> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.bytes = taken.bytes.saturating_add(more);
        if taken.bytes <= SMALL_BYTES {
            return Ok(());
        }
        if let Some(held) = &mut taken.held {
            return if held.try_grow(more) { Ok(()) } else { Err(held.refusal(more)) };
        }
        let share = self.memory.share(slot.owner().unwrap_or(Owner::Strangers));
        taken.held = share.try_take(taken.bytes);
        if taken.held.is_some() { Ok(()) } else { Err(share.refusal(taken.bytes)) }
    }
}
