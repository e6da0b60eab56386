//! What is not over yet: what waits, and what was given up.

use std::collections::BTreeMap;

use domain::melding::Hendelse;
use jiff::Timestamp;
use wire::id::{KontoId, MeldingId};

use super::saving::Saving;
use crate::queue::{Entry, Number, Tries};
use crate::store::damage::guarded;
use crate::store::keys::{Cost, KeptDead, KeptEntry, decode_dead, decode_entry, konto_at, number_at};
use crate::store::line::{Line, StoredMelding, decode};
use crate::store::{Store, StoreError};

/// What the log knows of what is not over yet, by number.
#[derive(Default)]
pub(super) struct Live {
    pub(super) waiting: BTreeMap<Number, (KontoId, KeptEntry)>,
    pub(super) dead: BTreeMap<Number, (KontoId, KeptDead)>,
    /// How many gaps its lists may have.
    pub(super) gaps: u64,
}

impl Live {
    pub(super) fn konto(&self, number: Number) -> Option<KontoId> {
        let waiting = self.waiting.get(&number).map(|(konto, _)| *konto);
        waiting.or_else(|| self.dead.get(&number).map(|(konto, _)| *konto))
    }
}

/// What is known of a melding that can be read.
pub(super) struct Known {
    pub(super) id: MeldingId,
    pub(super) avsender: KontoId,
    pub(super) payload_bytes: u64,
}

/// How a melding ended.
pub(super) enum End {
    Over,
    Dead(Timestamp),
}

/// How it ended by its sporing, if it did.
pub(super) fn end_of(lines: &[Line]) -> Result<Option<End>, StoreError> {
    let mut end = None;
    for line in lines {
        let sporing = line.sporing()?;
        match sporing.hendelse {
            Hendelse::Bekreftet | Hendelse::Avvist | Hendelse::Utlopt | Hendelse::KontoSlettet => {
                end = Some(End::Over);
            }
            Hendelse::Dodko | Hendelse::Skadet => end = Some(End::Dead(sporing.tidspunkt)),
            Hendelse::LagtTilbake => end = None,
            _ => {}
        }
    }
    Ok(end)
}

impl Saving<'_> {
    /// What waits and what was given up, as the log lists it.
    pub(super) fn live(&mut self) -> Result<Live, StoreError> {
        let old = self.old;
        let mut live = Live::default();
        let waiting = &mut live.waiting;
        let gaps = self.scan(&old.entries, |key, value| {
            let (konto, entry) = decode_entry(key, value)?;
            waiting.insert(entry.number, (konto, entry));
            Ok(())
        })?;
        let dead = &mut live.dead;
        live.gaps = self.unopened as u64
            + u64::from(self.journals_lack)
            + gaps
            + self.scan(&old.dead, |key, value| {
                dead.insert(number_at(key, 16)?, (konto_at(key, 0)?, decode_dead(value)?));
                Ok(())
            })?;
        Ok(live)
    }

    /// Looks at all meldinger that can be read, and completes the lists by them where those have gaps.
    pub(super) fn look_at_meldinger(
        &mut self,
        live: &mut Live,
    ) -> Result<BTreeMap<Number, Known>, StoreError> {
        let old = self.old;
        let mut known = BTreeMap::new();
        self.scan(&old.meldinger, |key, value| {
            let number = number_at(key, 0)?;
            let put = decode::<StoredMelding>(value, "a melding")?;
            let put_at = put.put();
            let (melding, payload_bytes, mut lines) = put.melding()?;
            known.insert(number, Known { id: melding.id, avsender: melding.avsender, payload_bytes });
            if live.gaps == 0 || live.konto(number).is_some() {
                return Ok(());
            }
            let later = lines_of(old, number);
            // Without its sporing it may be over; better twice, and marked, than not at all.
            lines.extend(later.or_else(|error| if error.is_damage() { Ok(Vec::new()) } else { Err(error) })?);
            // Who owned its kontoer is not known here; the next start finds that out.
            let bytes = melding.room_bytes(usize::try_from(payload_bytes).unwrap_or(usize::MAX));
            let cost = Cost::of_nobody(bytes);
            match end_of(&lines)? {
                None => {
                    let put_at = Timestamp::from_nanosecond(put_at).unwrap_or(melding.mottatt);
                    let deadline = put_at.checked_add(melding.ttl).unwrap_or(Timestamp::MAX).as_millisecond();
                    let tries = Tries { returned: 1, ..Tries::default() };
                    let entry = Entry { number, deadline, tries, held: false, share: cost };
                    live.waiting.insert(number, (melding.mottaker, entry));
                }
                Some(End::Dead(at)) => {
                    live.dead.insert(number, (melding.mottaker, KeptDead { at, cost }));
                }
                Some(End::Over) => {}
            }
            Ok(())
        })?;
        Ok(known)
    }
}

/// What happened to a melding after it was taken.
pub(super) fn lines_of(old: &Store, number: Number) -> Result<Vec<Line>, StoreError> {
    guarded(|| {
        let mut later = Vec::new();
        for guard in old.sporing.prefix(number.to_be_bytes()) {
            later.push(decode(&guard.value()?, "a line of sporing")?);
        }
        Ok(later)
    })
}
