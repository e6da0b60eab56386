//! Faults of the log that a test may ask for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::store::StoreError;

/// What goes wrong with a log, for tests of what follows. In a server nothing ever does through this.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<AtomicU8>);

/// A way in which a log may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Nothing is wrong.
    None,
    /// Every write fails, and so does opening.
    Write,
    /// The next step of the queues panics, once.
    Panic,
    /// Every write hangs until something else is asked for.
    Hang,
    /// The disk is as full as it may be: nothing fails, and nothing more is taken.
    Full,
}

impl Faults {
    /// From now on.
    pub fn set(&self, fault: Fault) {
        self.0.store(fault as u8, Ordering::SeqCst);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Fault::Full as u8
    }

    pub(crate) fn on_open(&self) -> Result<(), StoreError> {
        match self.0.load(Ordering::Relaxed) {
            1 => Err(full()),
            _ => Ok(()),
        }
    }

    pub(crate) fn on_write(&self) -> Result<(), StoreError> {
        match self.0.load(Ordering::Relaxed) {
            0 | 4 => Ok(()),
            1 => Err(full()),
            3 => {
                while self.0.load(Ordering::Relaxed) == Fault::Hang as u8 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(())
            }
            _ => {
                self.set(Fault::None);
                std::panic::resume_unwind(Box::new("asked for by a test"))
            }
        }
    }
}

fn full() -> StoreError {
    StoreError::Backend(fjall::Error::Io(io::ErrorKind::StorageFull.into()))
}
