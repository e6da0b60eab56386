//! What is not over yet: what waits, and what was given up.

use std::collections::{BTreeMap, HashMap};

use app::ports::Eiere;
use domain::melding::{Hendelse, Sporing};
use jiff::Timestamp;
use wire::id::{FiksOrgId, KontoId, MeldingId};

use super::saving::Saving;
use super::scan::scan;
use crate::queue::{Entry, Number, Tries};
use crate::store::StoreError;
use crate::store::keys::{Cost, KeptDead, KeptEntry, decode_dead, decode_entry, konto_at, number_at};
use crate::store::line::{Line, StoredMelding, decode};

/// What the log knows of what is not over yet, by number.
#[derive(Default)]
pub(super) struct Live {
    pub(super) waiting: BTreeMap<Number, (KontoId, KeptEntry)>,
    pub(super) dead: BTreeMap<Number, (KontoId, KeptDead)>,
    /// How many gaps its lists may have.
    pub(super) gaps: u64,
}

impl Live {
    /// What one takes of the room that is listed.
    fn cost(&self, number: Number) -> Option<Cost> {
        let waiting = self.waiting.get(&number).map(|(_, entry)| entry.share);
        waiting.or_else(|| self.dead.get(&number).map(|(_, dead)| dead.cost))
    }

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Over,
    Dead(Timestamp),
    /// It had ended, and was put back.
    PutBack,
}

/// How meldinger ended, by number. One that is not in it has no line that says so.
pub(super) type Ends = HashMap<Number, End>;

/// What a line says of the end, if it says something.
fn end_by(sporing: &Sporing) -> Option<End> {
    match sporing.hendelse {
        Hendelse::Bekreftet | Hendelse::Avvist | Hendelse::Utlopt | Hendelse::KontoSlettet => Some(End::Over),
        Hendelse::Dodko | Hendelse::Skadet => Some(End::Dead(sporing.tidspunkt)),
        Hendelse::LagtTilbake => Some(End::PutBack),
        _ => None,
    }
}

/// How it ended by its sporing, if it did.
pub(super) fn end_of(lines: &[Line]) -> Result<Option<End>, StoreError> {
    let mut end = None;
    for line in lines {
        end = end_by(&line.sporing()?).or(end);
    }
    Ok(end)
}

impl Saving<'_> {
    /// What waits and what was given up, as the log lists it.
    pub(super) fn live(&mut self, ends: &Ends) -> Result<Live, StoreError> {
        let old = self.old;
        let mut live = Live::default();
        let waiting = &mut live.waiting;
        let gaps = self.scan(&old.entries, |key, value| {
            let (konto, entry) = decode_entry(key, value)?;
            waiting.insert(entry.number, (konto, entry));
            Ok(())
        })?;
        let dead = &mut live.dead;
        live.gaps = old.lost_files.len() as u64
            + u64::from(old.journals_lack)
            + gaps
            + self.scan(&old.dead, |key, value| {
                dead.insert(number_at(key, 16)?, (konto_at(key, 0)?, decode_dead(value)?));
                Ok(())
            })?;
        // Where something is missing it may be what took an entry away.
        let is_over = |number: &Number| matches!(ends.get(number), Some(End::Over));
        live.waiting.retain(|number, _| !is_over(number) && !live.dead.contains_key(number));
        Ok(live)
    }

    /// How meldinger ended by the lines of sporing that were written after them.
    pub(super) fn ends(&self) -> Result<Ends, StoreError> {
        let mut ends = Ends::new();
        scan(&self.old.sporing, |key, value| {
            // What cannot be understood is counted when it is copied.
            let (Ok(number), Ok(line)) = (number_at(key, 0), decode::<Line>(value, "a line of sporing"))
            else {
                return Ok(());
            };
            if let Some(end) = line.sporing().ok().and_then(|sporing| end_by(&sporing)) {
                ends.insert(number, end);
            }
            Ok(())
        })?;
        Ok(ends)
    }

    /// Looks at all meldinger that can be read, and completes the lists by them: what has no end waits, and comes as redelivered.
    ///
    /// That is done in any case, since a list that lacks something does not always say so.
    pub(super) fn look_at_meldinger(
        &mut self,
        live: &mut Live,
        ends: &Ends,
    ) -> Result<BTreeMap<Number, Known>, StoreError> {
        let old = self.old;
        let mut known = BTreeMap::new();
        let mut numbers: HashMap<MeldingId, Number> = HashMap::new();
        let mut owners = self.owners.clone();
        let mut anew = BTreeMap::new();
        self.scan(&old.meldinger, |key, value| {
            let number = number_at(key, 0)?;
            let put = StoredMelding::decode(value)?;
            let put_at = put.put();
            let (melding, payload_bytes, lines) = put.melding()?;
            // A dead letter that was put back has a new number, and what took the old one away may be missing.
            if let Some(before) = numbers.insert(melding.id, number) {
                known.remove(&before);
                live.waiting.remove(&before);
                live.dead.remove(&before);
            }
            known.insert(number, Known { id: melding.id, avsender: melding.avsender, payload_bytes });
            if let Some(cost) = live.cost(number) {
                // Who owned its kontoer stood in its entry alone: others of the same kontoer may have lost theirs.
                learn(&mut owners, melding.avsender, cost.eiere.avsender);
                learn(&mut owners, melding.mottaker, cost.eiere.mottaker);
                return Ok(());
            }
            anew.insert(number, (melding.avsender, melding.mottaker));
            // Without its sporing it may be over; better twice, and marked, than not at all.
            let bytes = melding.room_bytes(usize::try_from(payload_bytes).unwrap_or(usize::MAX));
            let cost = Cost::of_nobody(bytes);
            let end = match ends.get(&number) {
                Some(end) => Some(*end),
                None => end_of(&lines)?,
            };
            match end {
                None | Some(End::PutBack) => {
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
        let of = |konto: KontoId| owners.get(&konto).copied();
        for (number, (avsender, mottaker)) in anew {
            let waiting = live.waiting.get_mut(&number).map(|(_, entry)| &mut entry.share);
            let dead = live.dead.get_mut(&number).map(|(_, dead)| &mut dead.cost);
            // One of which one owner is not known counts for nobody there, until it has left.
            if let Some(cost) = waiting.or(dead) {
                let nobody = cost.eiere;
                cost.eiere.avsender = of(avsender).unwrap_or(nobody.avsender);
                cost.eiere.mottaker = of(mottaker).unwrap_or(nobody.mottaker);
            }
        }
        Ok(known)
    }
}

/// Notes who owns a Konto, where that is known and was not already.
fn learn(owners: &mut BTreeMap<KontoId, FiksOrgId>, konto: KontoId, owner: FiksOrgId) {
    if owner != Eiere::default().avsender {
        owners.entry(konto).or_insert(owner);
    }
}
