//! Work that takes a while: how far it has come, for a person, and whether to go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How far the work has come, for a person, and whether to go on.
#[derive(Clone)]
pub(crate) struct Progress {
    say: Arc<dyn Fn(String) + Send + Sync>,
    stopped: Arc<AtomicBool>,
}

/// Stops the work when it is dropped: nobody waits for it any more.
pub(crate) struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Progress {
    pub(crate) fn new(say: impl Fn(String) + Send + Sync + 'static) -> (Self, StopOnDrop) {
        let stopped = Arc::new(AtomicBool::new(false));
        (Self { say: Arc::new(say), stopped: Arc::clone(&stopped) }, StopOnDrop(stopped))
    }

    pub(crate) fn say(&self, text: String) {
        (self.say)(text);
    }

    pub(crate) fn go_on(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }

    /// # Errors
    /// When it was stopped.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.go_on(), "it was stopped");
        Ok(())
    }
}
