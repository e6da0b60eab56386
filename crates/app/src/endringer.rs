//! How many changes an organisasjon may make: each leaves a line in the log of hendelser, which is kept for years.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::id::FiksOrgId;
use jiff::{SignedDuration, Timestamp};

use crate::error::Error;
use crate::grense::{Grense, Grenser};
use crate::hendelse::Hva;

/// Hours' worth of changes that may be made at once after a pause: whoever moves thousands of kontoer does so in an afternoon.
const BURST_HOURS: i64 = 10;
/// Organisasjoner that are remembered before those who are at rest are forgotten.
const MANY: usize = 4_096;

/// How a change is treated where there were too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Counts, and is refused.
    Change,
    /// Counts, and is refused only after as many again: it locks somebody out who should not get in.
    LocksOut,
    /// Counts, and is never refused: what it takes away had to be made before.
    TakesAway,
    /// Is bounded elsewhere.
    Nothing,
}

fn weight(hva: Hva) -> Weight {
    match hva {
        Hva::GenererteNyttPassord | Hva::EndretOrgnummer | Hva::EndretRolle => Weight::LocksOut,
        Hva::LoggetInn => Weight::Nothing,
        hva if crate::rom::always_goes(hva) => Weight::TakesAway,
        _ => Weight::Change,
    }
}

/// Counts the changes of each organisasjon. Of each it knows the time when it will have made up for all that it did.
#[derive(Default)]
pub(crate) struct Endringer(Mutex<HashMap<FiksOrgId, Timestamp>>);

impl Endringer {
    /// Counts a change that writes so many lines.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub(crate) fn count(
        &self,
        grenser: &Grenser,
        organisasjon: FiksOrgId,
        (hva, lines): (Hva, u32),
        now: Timestamp,
    ) -> Result<(), Error> {
        let (what, weight) = (Grense::EndringerPerOrganisasjon, weight(hva));
        let an_hour = grenser.get(what);
        if an_hour == 0 || weight == Weight::Nothing {
            return Ok(());
        }
        let each = SignedDuration::from_nanos(3_600_000_000_000 / i64::try_from(an_hour).unwrap_or(i64::MAX));
        let hours = match weight {
            Weight::LocksOut | Weight::TakesAway => 2 * BURST_HOURS,
            Weight::Change | Weight::Nothing => BURST_HOURS,
        };
        let longest = SignedDuration::from_hours(hours);
        let mut organisasjoner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let even = organisasjoner.get(&organisasjon).copied().unwrap_or(now).max(now);
        let ahead = even
            .duration_since(now)
            .saturating_add(each.saturating_mul(i32::try_from(lines).unwrap_or(i32::MAX)));
        if ahead > longest && weight != Weight::TakesAway {
            let over = Duration::try_from(ahead.saturating_sub(longest)).unwrap_or_default();
            return Err(Error::TooMany { retry_after: over.max(Duration::from_secs(1)), what });
        }
        if organisasjoner.len() >= MANY {
            organisasjoner.retain(|_, even| *even > now);
        }
        organisasjoner.insert(organisasjon, now.checked_add(ahead.min(longest)).unwrap_or(Timestamp::MAX));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wire::id::Uuid;

    use super::*;

    fn org(n: u128) -> FiksOrgId {
        FiksOrgId::from_uuid(Uuid::from_u128(n))
    }

    #[test]
    fn changes_without_end_are_refused_until_the_hour_has_room_and_others_go_on() {
        let (endringer, grenser) =
            (Endringer::default(), Grenser::default().with(Grense::EndringerPerOrganisasjon, 60));
        let mut now = Timestamp::UNIX_EPOCH;
        let count = |now, n, hva| endringer.count(&grenser, org(n), (hva, 1), now);
        for _ in 0..600 {
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
    fn what_takes_away_is_never_refused_and_what_locks_out_not_with_the_rest() {
        let (endringer, grenser) =
            (Endringer::default(), Grenser::default().with(Grense::EndringerPerOrganisasjon, 60));
        let now = Timestamp::UNIX_EPOCH;
        let count = |hva| endringer.count(&grenser, org(1), (hva, 1), now);
        while count(Hva::OpprettetKonto).is_ok() {}
        for _ in 0..600 {
            count(Hva::GenererteNyttPassord).unwrap();
        }
        assert!(count(Hva::GenererteNyttPassord).is_err(), "nor is that without end");
        for _ in 0..5_000 {
            count(Hva::FjernetTilgang).unwrap();
            count(Hva::LoggetInn).unwrap();
        }
        assert!(count(Hva::OpprettetKonto).is_err());
        let later = now + SignedDuration::from_hours(2 * BURST_HOURS);
        endringer.count(&grenser, org(1), (Hva::OpprettetKonto, 1), later).expect("a day mends all");
    }

    #[test]
    fn no_limit_counts_nothing_and_whoever_is_at_rest_is_forgotten() {
        let endringer = Endringer::default();
        let now = Timestamp::UNIX_EPOCH;
        let none = Grenser::default().with(Grense::EndringerPerOrganisasjon, 0);
        for _ in 0..100_000 {
            endringer.count(&none, org(1), (Hva::EndretKontoinfo, 1), now).unwrap();
        }
        assert!(endringer.0.lock().unwrap().is_empty());
        for n in 0..10_000_u32 {
            let now = now + SignedDuration::from_mins(i64::from(n));
            endringer.count(&Grenser::default(), org(n.into()), (Hva::EndretKontoinfo, 1), now).unwrap();
        }
        assert!(endringer.0.lock().unwrap().len() <= MANY);
    }
}
