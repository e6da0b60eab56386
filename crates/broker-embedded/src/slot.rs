//! Where the open log is found by all who read it, while it may be closed and opened again.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::store::Store;

/// The open log, if it is open.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Held>);

#[derive(Default)]
struct Held {
    store: Option<Arc<Store>>,
    /// Ends once the files of the last one are closed.
    closed: Option<watch::Receiver<()>>,
}

impl Slot {
    pub(crate) fn get(&self) -> Option<Arc<Store>> {
        self.held().store.clone()
    }

    pub(crate) fn put(&self, store: Arc<Store>, closed: watch::Receiver<()>) {
        *self.held() = Held { store: Some(store), closed: Some(closed) };
    }

    /// Lets go of the log. Whoever still reads ends soon; the last of them closes its files.
    pub(crate) fn take(&self) {
        let store = self.held().store.take();
        drop(store);
    }

    /// Whether the files are closed, or never were open.
    pub(crate) fn is_closed(&self) -> bool {
        let held = self.held();
        held.store.is_none() && held.closed.as_ref().is_none_or(|closed| closed.has_changed().is_err())
    }

    /// Returns when the files are closed.
    pub(crate) async fn closed(&self) {
        let closed = self.held().closed.clone();
        if let Some(mut closed) = closed {
            while closed.changed().await.is_ok() {}
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
