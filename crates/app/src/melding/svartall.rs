//! How many svar each melding has had from each konto.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::id::{KontoId, MeldingId};

use crate::error::Error;
use crate::grense::{Grense, Grenser};

/// Meldinger of which is remembered how many svar they had, twice as many at most. Of those answered long ago it is
/// forgotten, and all is when the process ends.
const REMEMBERED: usize = 50_000;

/// A melding, and whose svar to it are counted: nobody uses up those of whoever is to answer.
type Besvart = (MeldingId, KontoId);

#[derive(Default)]
struct State {
    recent: HashMap<Besvart, u64>,
    before: HashMap<Besvart, u64>,
}

/// Counts the svar to each melding, so that one melding cannot draw an endless number of them from one konto.
#[derive(Default)]
pub(crate) struct Svartall(Mutex<State>);

impl Svartall {
    /// Counts one more svar from the konto to the melding, which is given back unless it is [kept](EttSvar::keep).
    ///
    /// # Errors
    /// [`Error::QuotaFull`].
    pub(crate) fn one_more(&self, grenser: &Grenser, original: Besvart) -> Result<EttSvar<'_>, Error> {
        self.count(grenser, original).map(|()| EttSvar { svar: self, original, is_kept: false })
    }

    fn count(&self, grenser: &Grenser, original: Besvart) -> Result<(), Error> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.before.remove(&original);
        let had = state.recent.get(&original).copied().or(before).unwrap_or_default();
        let fits = grenser.one_more(Grense::SvarPerMelding, had);
        if state.recent.len() >= REMEMBERED && !state.recent.contains_key(&original) {
            state.before = std::mem::take(&mut state.recent);
        }
        state.recent.insert(original, if fits.is_ok() { had + 1 } else { had });
        fits
    }

    fn give_back(&self, original: Besvart) {
        let State { recent, before } = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(had) = recent.get_mut(&original).or_else(|| before.get_mut(&original)) {
            *had = had.saturating_sub(1);
        }
    }
}

/// A svar that was counted and is on its way. One that is not sent after all counts nothing.
pub(crate) struct EttSvar<'a> {
    svar: &'a Svartall,
    original: Besvart,
    is_kept: bool,
}

impl EttSvar<'_> {
    /// It was sent.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for EttSvar<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.svar.give_back(self.original);
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::id::Uuid;

    use super::*;

    fn melding(n: u128) -> Besvart {
        (MeldingId::from_uuid(Uuid::from_u128(n)), KontoId::from_uuid(Uuid::from_u128(1)))
    }

    #[test]
    fn as_many_svar_as_the_limit_and_not_one_more() {
        let (svar, grenser) = (Svartall::default(), Grenser::default().with(Grense::SvarPerMelding, 3));
        for _ in 0..3 {
            svar.one_more(&grenser, melding(1)).unwrap().keep();
        }
        for _ in 0..2 {
            let refused = svar.one_more(&grenser, melding(1));
            assert!(matches!(refused, Err(Error::QuotaFull { what: Grense::SvarPerMelding, limit: 3 })));
        }
        svar.one_more(&grenser, melding(2)).unwrap().keep();
        let of_another = (melding(1).0, KontoId::from_uuid(Uuid::from_u128(2)));
        svar.one_more(&grenser, of_another).expect("nobody uses up those of others").keep();
    }

    #[test]
    fn svar_that_was_not_sent_after_all_counts_nothing() {
        let (svar, grenser) = (Svartall::default(), Grenser::default().with(Grense::SvarPerMelding, 2));
        for _ in 0..10 {
            drop(svar.one_more(&grenser, melding(1)).unwrap());
        }
        let first = svar.one_more(&grenser, melding(1)).unwrap();
        let second = svar.one_more(&grenser, melding(1)).unwrap();
        assert!(svar.one_more(&grenser, melding(1)).is_err(), "what is on its way counts");
        first.keep();
        drop(second);
        svar.one_more(&grenser, melding(1)).unwrap().keep();
        assert!(svar.one_more(&grenser, melding(1)).is_err());
    }

    #[test]
    fn memory_is_bounded_and_what_is_answered_often_is_not_forgotten() {
        let (svar, grenser) = (Svartall::default(), Grenser::default().with(Grense::SvarPerMelding, 2));
        svar.one_more(&grenser, melding(0)).unwrap().keep();
        svar.one_more(&grenser, melding(0)).unwrap().keep();
        for n in 1..=3 * REMEMBERED as u128 {
            svar.one_more(&grenser, melding(n)).unwrap().keep();
            if n % 1_000 == 0 {
                assert!(svar.one_more(&grenser, melding(0)).is_err(), "{n}");
            }
        }
        let state = svar.0.lock().unwrap();
        assert!(state.recent.len() + state.before.len() <= 2 * REMEMBERED);
    }
}
