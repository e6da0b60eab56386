//! Who is logged in, so that whatever was opened with a log-in ends when that is no longer what it was.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::id::IntegrasjonId;
use tokio::sync::watch;

/// Ends when the log-in of an integrasjon is no longer what it was: a new passord, another orgnummer, or it is gone.
#[derive(Debug)]
pub struct LoginWatch(watch::Receiver<()>);

impl LoginWatch {
    /// Completes then. Cancel-safe.
    pub async fn ended(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// The log-ins that somebody watches. Each is told of its own end alone, so that no number of changes elsewhere concerns it.
#[derive(Debug, Default)]
pub(crate) struct Logins(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    by_integrasjon: HashMap<IntegrasjonId, watch::Sender<()>>,
    /// At this size those that nobody watches any more are left out.
    sweep_at: usize,
}

/// How many may be left over before it is looked for them.
const FEW: usize = 64;

impl Logins {
    /// From now on, until the first change.
    pub(crate) fn watch(&self, integrasjon: IntegrasjonId) -> LoginWatch {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.by_integrasjon.len() >= watched.sweep_at.max(FEW) {
            watched.by_integrasjon.retain(|_, one| !one.is_closed());
            watched.sweep_at = 2 * watched.by_integrasjon.len();
        }
        let one = watched.by_integrasjon.entry(integrasjon).or_insert_with(|| watch::Sender::new(()));
        LoginWatch(one.subscribe())
    }

    /// The log-in is no longer what it was.
    pub(crate) fn end(&self, integrasjon: IntegrasjonId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_integrasjon.remove(&integrasjon);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use wire::id::Uuid;

    use super::*;

    fn integrasjon(number: u128) -> IntegrasjonId {
        IntegrasjonId::from_uuid(Uuid::from_u128(number))
    }

    fn has_ended(watch: &mut LoginWatch) -> bool {
        watch.ended().now_or_never().is_some()
    }

    #[test]
    fn whoever_watches_a_login_is_told_of_its_end_and_of_no_other() {
        let logins = Logins::default();
        let mut before = [logins.watch(integrasjon(1)), logins.watch(integrasjon(1))];
        let mut other = logins.watch(integrasjon(2));
        for number in 3..10_000 {
            logins.end(integrasjon(number));
        }
        assert!(!before.iter_mut().any(has_ended));
        logins.end(integrasjon(1));
        let mut behind = logins.watch(integrasjon(1));
        assert!(before.iter_mut().all(has_ended));
        assert!(!has_ended(&mut other) && !has_ended(&mut behind), "it logged in again");
        logins.end(integrasjon(1));
        assert!(has_ended(&mut behind));
    }

    #[test]
    fn memory_follows_those_who_watch() {
        let logins = Logins::default();
        let watches: Vec<_> = (0..500).map(|number| logins.watch(integrasjon(number))).collect();
        for number in 0..10_000 {
            drop(logins.watch(integrasjon(1_000 + number)));
        }
        let len = logins.0.lock().unwrap().by_integrasjon.len();
        assert!((500..=1_000).contains(&len), "{len}");
        drop(watches);
    }
}
