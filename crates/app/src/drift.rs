//! How the parts of the installation are doing.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::error::Error;
use crate::ports::{Availability, Del, Deltilstand, Funn, HealthCheck, Helse};
use crate::{App, Caller};

/// How often each part is looked at.
pub const SJEKK_INTERVALL: Duration = Duration::from_secs(30);
/// How long a part may take to answer.
const SJEKK_TID: Duration = Duration::from_secs(5);

/// What an installation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installasjon {
    /// Version of the program.
    pub versjon: String,
    /// When the process started.
    pub startet: Timestamp,
    /// Version of the registry's tables: the name of the newest migration.
    pub skjemaversjon: String,
}

/// How one part is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delstatus {
    /// The part.
    pub del: Del,
    /// How it is doing, and why.
    pub helse: Helse,
    /// When it was last looked at.
    pub sist_sjekket: Option<Timestamp>,
    /// When it will be looked at next.
    pub neste_sjekk: Option<Timestamp>,
}

/// How an installation is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driftsstatus {
    /// What it is; `None` until it was told.
    pub installasjon: Option<Installasjon>,
    /// Its parts, in the order of [`Del::ALL`].
    pub deler: Vec<Delstatus>,
}

impl Driftsstatus {
    /// The parts that are down and without which nothing can be sent or received.
    pub fn nede(&self) -> impl Iterator<Item = Del> + '_ {
        self.deler
            .iter()
            .filter(|status| status.del.is_needed() && status.helse.tilstand == Deltilstand::Nede)
            .map(|status| status.del)
    }
}

/// What the last checks found.
#[derive(Default)]
pub(crate) struct Found {
    installasjon: RwLock<Option<Installasjon>>,
    helse: RwLock<BTreeMap<Del, (Helse, Timestamp)>>,
}

impl App {
    /// Tells what this installation is.
    pub fn set_installasjon(&self, installasjon: Installasjon) {
        *self.inner.found.installasjon.write().unwrap_or_else(PoisonError::into_inner) = Some(installasjon);
    }

    /// Looks at each part once, at all of them at the same time, and keeps what was found.
    pub async fn check_health(&self, checks: &[Box<dyn HealthCheck>]) {
        let now = self.now();
        let look = async |check: &dyn HealthCheck| {
            let helse = tokio::time::timeout(SJEKK_TID, check.check(now)).await.unwrap_or_else(|_| {
                tracing::warn!(del = check.del().navn(), "a part of the installation did not answer in time");
                Helse::SVARER_IKKE
            });
            (check.del(), (helse, now))
        };
        let found = join_all(checks.iter().map(|check| look(&**check))).await;
        self.inner.found.helse.write().unwrap_or_else(PoisonError::into_inner).extend(found);
    }

    /// Looks at each part every [`SJEKK_INTERVALL`], for as long as it is polled.
    pub async fn watch_health(&self, checks: &[Box<dyn HealthCheck>]) {
        loop {
            // Both begin now: the time that a check takes is no part of the pause.
            tokio::join!(biased; self.inner.clock.sleep(SJEKK_INTERVALL), self.check_health(checks));
        }
    }

    /// How the installation is doing, for its operators.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn driftsstatus(&self, caller: &Caller) -> Result<Driftsstatus, Error> {
        caller.may_see_drift()?;
        Ok(self.helse())
    }

    /// How the installation is doing, for whoever watches over its processes.
    ///
    /// It is what the last checks found, but for the queues: what the broker knows of itself is newer than any check.
    pub fn helse(&self) -> Driftsstatus {
        let installasjon =
            self.inner.found.installasjon.read().unwrap_or_else(PoisonError::into_inner).clone();
        let found = self.inner.found.helse.read().unwrap_or_else(PoisonError::into_inner);
        let deler = Del::ALL
            .into_iter()
            .map(|del| match found.get(&del) {
                Some(&found) => {
                    let (helse, at) = match del {
                        Del::Meldingsko => newest(found, self.inner.broker.availability()),
                        _ => found,
                    };
                    let watched = helse.funn != Funn::IkkeSattOpp;
                    let neste_sjekk = after(at).filter(|_| watched);
                    Delstatus { del, helse, sist_sjekket: watched.then_some(at), neste_sjekk }
                }
                None => Delstatus {
                    del,
                    helse: Helse { tilstand: Deltilstand::Ukjent, funn: Funn::IkkeSjekket },
                    sist_sjekket: None,
                    neste_sjekk: None,
                },
            })
            .collect();
        Driftsstatus { installasjon, deler }
    }
}

/// What the last check of the queues found, unless the broker says that it has failed, or come back, since.
fn newest((found, at): (Helse, Timestamp), broker: Availability) -> (Helse, Timestamp) {
    let Availability { available, since } = broker;
    match (available, found.tilstand) {
        (false, _) => (Helse::SVARER_IKKE, at.max(since)),
        (true, Deltilstand::Nede) if at < since => (Helse::SVARER, since),
        _ => (found, at),
    }
}

fn after(at: Timestamp) -> Option<Timestamp> {
    at.checked_add(SignedDuration::try_from(SJEKK_INTERVALL).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_broker_says_of_itself_is_newer_than_the_last_check() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let (up, down) = (Helse::SVARER, Helse::SVARER_IKKE);
        let (open, failed) = (true, false);
        for (found, checked, available, since, expected) in [
            (up, 30, open, 0, (up, at(30))),
            (up, 30, failed, 40, (down, at(40))),
            (up, 60, failed, 40, (down, at(60))),
            (down, 60, open, 70, (up, at(70))),
            // It was open all the time and yet did not answer.
            (down, 60, open, 0, (down, at(60))),
        ] {
            let availability = Availability { available, since: at(since) };
            assert_eq!(newest((found, at(checked)), availability), expected);
        }
    }
}
