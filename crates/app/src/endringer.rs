//! How many changes an organisasjon may make: each leaves a line in the log of hendelser, which is kept for years.
//!
//! All of its people and machines share one bound, of which whoever never stops gets most and not all: the last part is for those
//! who change little. What locks somebody out has a bound of its own, and what takes away has none, since that had to be made before.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::id::{FiksOrgId, IntegrasjonId, PersonId};
use jiff::{SignedDuration, Timestamp};

use crate::Caller;
use crate::error::Error;
use crate::grense::{Grense, Grenser};
use crate::hendelse::Hva;

/// Hours' worth of changes that may be made at once after a pause: whoever moves thousands of kontoer does so in an afternoon.
const BURST: SignedDuration = SignedDuration::from_hours(10);
/// What is left of those for whoever changes little.
const RESERVE: SignedDuration = SignedDuration::from_mins(150);
/// Whoever makes less than this part of what the organisasjon may, changes little.
const LITTLE: i32 = 32;
/// Counts that are kept before those of whoever is at rest are forgotten.
const MANY: usize = 4_096;

/// What a change counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// It adds or alters something.
    Change,
    /// It locks somebody out who should not get in, and so must not wait for other changes.
    LocksOut,
}

/// What a change counts as; `None` for what takes away what had to be made before, or is bounded elsewhere.
fn kind(hva: Hva) -> Option<Kind> {
    match hva {
        Hva::GenererteNyttPassord | Hva::EndretOrgnummer | Hva::EndretRolle => Some(Kind::LocksOut),
        hva if crate::rom::always_goes(hva) => None,
        _ => Some(Kind::Change),
    }
}

/// Who changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Hvem {
    Integrasjon(IntegrasjonId),
    Person(PersonId),
}

/// Whose changes are summed up; without a name those of all in the organisasjon.
type Sum = (FiksOrgId, Kind, Option<Hvem>);

/// Counts the changes of each organisasjon, and of each of its people and machines. Of each it knows the time when it will have
/// made up for all that it did.
pub(crate) struct Endringer(Mutex<Sums>);

struct Sums {
    even: HashMap<Sum, Timestamp>,
    /// How many there may be before those at rest are forgotten.
    many: usize,
}

impl Default for Endringer {
    fn default() -> Self {
        Self(Mutex::new(Sums { even: HashMap::new(), many: MANY }))
    }
}

impl Endringer {
    /// Counts a change that writes so many lines.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub(crate) fn count(
        &self,
        grenser: &Grenser,
        caller: &Caller,
        organisasjon: FiksOrgId,
        (hva, lines): (Hva, u32),
        now: Timestamp,
    ) -> Result<(), Error> {
        let what = Grense::EndringerPerOrganisasjon;
        let an_hour = grenser.get(what);
        let hvem = match caller {
            Caller::Operator => return Ok(()),
            Caller::Integrasjon(one) => Hvem::Integrasjon(one.integrasjon_id),
            Caller::Person(one) => Hvem::Person(one.person_id),
        };
        let Some(kind) = kind(hva).filter(|_| an_hour > 0) else { return Ok(()) };
        let each = SignedDuration::from_nanos(3_600_000_000_000 / i64::try_from(an_hour).unwrap_or(i64::MAX));
        let all = each.saturating_mul(i32::try_from(lines).unwrap_or(i32::MAX));
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (together, alone) = ((organisasjon, kind, None), (organisasjon, kind, Some(hvem)));
        let ahead = sums.ahead(&together, now).saturating_add(all);
        let own = sums.ahead(&alone, now).saturating_add(all.saturating_mul(LITTLE));
        let longest = if own > BURST { BURST.saturating_sub(RESERVE) } else { BURST };
        if ahead > longest {
            let over = Duration::try_from(ahead.saturating_sub(longest)).unwrap_or_default();
            return Err(Error::TooMany { retry_after: over.max(Duration::from_secs(1)), what });
        }
        sums.forget(now);
        for (sum, ahead) in [(together, ahead), (alone, own.min(BURST))] {
            sums.even.insert(sum, now.checked_add(ahead).unwrap_or(Timestamp::MAX));
        }
        Ok(())
    }
}

impl Sums {
    /// How long it takes to make up for what was done.
    fn ahead(&self, sum: &Sum, now: Timestamp) -> SignedDuration {
        self.even.get(sum).copied().unwrap_or(now).max(now).duration_since(now)
    }

    fn forget(&mut self, now: Timestamp) {
        if self.even.len() >= self.many {
            self.even.retain(|_, even| *even > now);
            self.many = (2 * self.even.len()).max(MANY);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::id::SystemId;
    use wire::id::Uuid;

    use super::*;
    use crate::caller::{InnloggetIntegrasjon, InnloggetPerson};

    fn org(n: u128) -> FiksOrgId {
        FiksOrgId::from_uuid(Uuid::from_u128(n))
    }

    fn script(n: u128) -> Caller {
        let id = Uuid::from_u128(n);
        let integrasjon = InnloggetIntegrasjon {
            integrasjon_id: IntegrasjonId::from_uuid(id),
            system_id: SystemId::from_uuid(id),
            fiks_org_id: org(1),
            konfigurer: true,
        };
        integrasjon.into()
    }

    fn person(n: u128) -> Caller {
        let person_id = PersonId::from_uuid(Uuid::from_u128(n));
        InnloggetPerson { person_id, navn: String::new(), roller: Vec::new(), drift: false }.into()
    }

    /// One a minute.
    fn grenser() -> Grenser {
        Grenser::default().with(Grense::EndringerPerOrganisasjon, 60)
    }

    #[test]
    fn changes_without_end_are_refused_until_the_hour_has_room_and_others_go_on() {
        let (endringer, grenser) = (Endringer::default(), grenser());
        let mut now = Timestamp::UNIX_EPOCH;
        let count = |now, n, hva| endringer.count(&grenser, &script(1), org(n), (hva, 1), now);
        for _ in 0..450 {
            count(now, 1, Hva::EndretKontoinfo).unwrap();
        }
        let refused = count(now, 1, Hva::EndretKontoinfo).unwrap_err();
        assert!(
            matches!(refused, Error::TooMany { what: Grense::EndringerPerOrganisasjon, retry_after }
                if retry_after == Duration::from_mins(1)),
            "{refused:?}"
        );
        count(now, 2, Hva::EndretKontoinfo).expect("another organisasjon goes on");
        now += SignedDuration::from_mins(1);
        count(now, 1, Hva::EndretKontoinfo).expect("a minute later there is room for one");
        assert!(count(now, 1, Hva::EndretKontoinfo).is_err());
    }

    #[test]
    fn scripts_that_never_stop_do_not_keep_their_colleagues_from_changing_things() {
        let (endringer, grenser) = (Endringer::default(), grenser());
        let mut now = Timestamp::UNIX_EPOCH;
        let count = |caller: &Caller, now| {
            endringer.count(&grenser, caller, org(1), (Hva::EndretKontoinfo, 1), now).is_ok()
        };
        let mut made = 0;
        for _ in 0..100 {
            for script in (1..5).map(script) {
                while count(&script, now) {
                    made += 1;
                }
            }
            for colleague in [person(7), person(8), script(9)] {
                assert!(count(&colleague, now), "{colleague:?} changes one thing a day, and cannot at {now}");
            }
            made += 3;
            now += SignedDuration::from_hours(24);
        }
        assert!(made <= 100 * 24 * 60 + 600, "{made}: all of them together keep to the bound");
    }

    #[test]
    fn what_takes_away_is_never_refused_and_keeps_nobody_from_locking_out() {
        let (endringer, grenser) = (Endringer::default(), grenser());
        let now = Timestamp::UNIX_EPOCH;
        let count = |hva| endringer.count(&grenser, &script(1), org(1), (hva, 1), now);
        while count(Hva::OpprettetKonto).is_ok() {}
        for _ in 0..5_000 {
            count(Hva::FjernetTilgang).unwrap();
            count(Hva::LoggetInn).unwrap();
        }
        for _ in 0..450 {
            count(Hva::GenererteNyttPassord).unwrap();
        }
        assert!(count(Hva::GenererteNyttPassord).is_err(), "nor is that without end");
        let other = endringer.count(&grenser, &person(2), org(1), (Hva::GenererteNyttPassord, 1), now);
        other.expect("a colleague locks out whoever must go");
        let later = now + SignedDuration::from_hours(1);
        endringer
            .count(&grenser, &script(1), org(1), (Hva::OpprettetKonto, 1), later)
            .expect("time mends all");
    }

    #[test]
    fn no_limit_counts_nothing_and_whoever_is_at_rest_is_forgotten() {
        let endringer = Endringer::default();
        let now = Timestamp::UNIX_EPOCH;
        let none = Grenser::default().with(Grense::EndringerPerOrganisasjon, 0);
        for _ in 0..100_000 {
            endringer.count(&none, &person(1), org(1), (Hva::EndretKontoinfo, 1), now).unwrap();
        }
        assert!(endringer.0.lock().unwrap().even.is_empty());
        for n in 0..20_000_u32 {
            let now = now + SignedDuration::from_mins(i64::from(n));
            let one = (Hva::EndretKontoinfo, 1);
            endringer.count(&Grenser::default(), &person(1), org(n.into()), one, now).unwrap();
        }
        assert!(endringer.0.lock().unwrap().even.len() <= 2 * MANY);
    }
}
