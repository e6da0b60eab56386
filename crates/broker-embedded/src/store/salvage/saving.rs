//! Copying from the damaged log to the new one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use wire::id::{FiksOrgId, KontoId, MeldingId};

use super::live::{Known, Live};
use super::old::Old;
use super::promised::{Fate, Promised};
use super::scan::scan;
use super::stand_in::StandIn;
use super::tree::Tree;
use super::{Missing, SavedKonto, Unsaved};
use crate::queue::Number;
use crate::store::chunks::Space;
use crate::store::keys::{KeptDead, encode_dead, encode_entry, konto_at, number_at, pair};
use crate::store::line::{Line, VERSION, decode};
use crate::store::load::{Bulk, Returned};
use crate::store::loss::LAYOUT;
use crate::store::{EPOCH_BITS, LostMelding, Store, StoreError};

pub(super) struct Saving<'a> {
    pub(super) old: &'a Old,
    pub(super) now: Timestamp,
    pub(super) promised: &'a Promised,
    /// Who owns which Konto, as far as that is known.
    pub(super) owners: &'a BTreeMap<KontoId, FiksOrgId>,
    saved: Saved,
}

/// What was saved, and what was not.
#[derive(Default)]
pub(super) struct Saved {
    pub(super) kontoer: BTreeMap<KontoId, SavedKonto>,
    /// Places in tables that could not be read.
    pub(super) places: u64,
    /// Meldinger that the log may have forgotten since they were over.
    pub(super) forgotten: u64,
}

/// Reads what can be read of a keyspace. Gives how many places could not: a record that can be read and not be understood is one,
/// and costs itself alone.
fn places_in(
    keyspace: &Tree,
    each: &mut impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let mut odd = 0;
    let places = scan(keyspace, |key, value| match each(key, value) {
        Err(StoreError::Damaged(_)) => {
            odd += 1;
            Ok(())
        }
        other => other,
    })?;
    Ok(places + odd)
}

impl<'a> Saving<'a> {
    pub(super) fn new(
        old: &'a Old,
        now: Timestamp,
        promised: &'a Promised,
        owners: &'a BTreeMap<KontoId, FiksOrgId>,
    ) -> Self {
        Self { old, now, promised, owners, saved: Saved::default() }
    }

    pub(super) fn scan(
        &mut self,
        keyspace: &Tree,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let places = places_in(keyspace, &mut each)?;
        self.saved.places += places;
        Ok(places)
    }

    pub(super) fn run(mut self, to: &Path) -> Result<Saved, StoreError> {
        let old = self.old;
        let (new, ..) = Store::open(to, &LAYOUT)?;
        let mut bulk = Bulk::begin(&new);
        let mut returned = Returned::default();
        let now = self.now;

        let ends = self.ends()?;
        let mut live = self.live(&ends)?;
        let mut kontoer = BTreeSet::new();
        self.scan(&old.kontoer, |key, _| {
            kontoer.insert(konto_at(key, 0)?);
            Ok(())
        })?;
        let sizes = self.look_at_meldinger(&mut live, &ends)?;
        let ids: BTreeSet<MeldingId> = sizes.values().map(|known| known.id).collect();
        let stand_ins = self.stand_ins(&mut live, &sizes, ids)?;
        kontoer.extend(live.waiting.values().map(|(konto, _)| *konto));
        kontoer.extend(live.dead.values().map(|(konto, _)| *konto));

        // No number is used twice, also where the log does not say any more how far it had come.
        let numbers =
            [sizes.keys().max(), live.waiting.keys().max(), live.dead.keys().max(), ends.keys().max()];
        let highest = numbers.into_iter().flatten().copied().chain(self.promised.last_number()).max();
        let mut epoch = (highest.unwrap_or_default() >> EPOCH_BITS) + 1;
        self.scan(&old.meta, |key, value| {
            if key == b"epoch" {
                epoch = epoch.max(number_at(value, 0)?);
                return Ok(());
            }
            returned.put(&mut bulk, Space::Meta, key, value, now)
        })?;
        returned.put(&mut bulk, Space::Meta, b"epoch", &epoch.to_be_bytes(), now)?;
        for konto in &kontoer {
            returned.put(&mut bulk, Space::Konto, konto.as_uuid().as_bytes(), &[VERSION], now)?;
        }

        for (number, (konto, entry)) in &live.waiting {
            if stand_ins.get(number).is_none_or(|stand_in| stand_in.is_known) {
                let value = encode_entry(*konto, entry);
                returned.put(&mut bulk, Space::Queue, &number.to_be_bytes(), &value, now)?;
            } else {
                // Whom to notify is not known, so it is a dead letter at once.
                live.dead.insert(*number, (*konto, KeptDead { at: now, cost: entry.share }));
            }
        }
        let mut dead: Vec<_> = live
            .dead
            .iter()
            .map(|(number, (konto, dead))| (pair(*konto, *number), encode_dead(dead)))
            .collect();
        dead.sort_unstable();
        for (key, value) in dead {
            returned.put(&mut bulk, Space::Dead, &key, &value, now)?;
        }

        let mut waits = stand_ins.iter().peekable();
        // Its places were counted when it was looked at.
        places_in(&old.meldinger, &mut |key, value| {
            let number = number_at(key, 0)?;
            if !sizes.contains_key(&number) {
                return Ok(()); // Cannot be understood.
            }
            while let Some((before, stand_in)) = waits.next_if(|(before, _)| **before < number) {
                bulk.put(Space::Melding, &before.to_be_bytes(), &stand_in.value)?;
            }
            bulk.put(Space::Melding, key, value)
        })?;
        for (number, stand_in) in waits {
            bulk.put(Space::Melding, &number.to_be_bytes(), &stand_in.value)?;
        }
        self.scan(&old.sporing, |key, value| {
            decode::<Line>(value, "a line of sporing")?;
            returned.put(&mut bulk, Space::Sporing, key, value, now)
        })?;
        returned.lines_before(&mut bulk, Number::MAX, now)?;
        returned.decide(&mut bulk, now)?;

        let mut payloads = BTreeSet::new();
        self.scan(&old.payloads, |key, value| {
            let number = number_at(key, 0)?;
            if sizes.get(&number).is_none_or(|known| known.payload_bytes != value.len() as u64) {
                return Err(StoreError::Damaged("a payload"));
            }
            payloads.insert(number);
            bulk.put(Space::Payload, key, value)
        })?;
        bulk.finish()?;

        for number in live.waiting.keys().chain(live.dead.keys()).collect::<BTreeSet<_>>() {
            self.count(*number, &live, sizes.get(number), stand_ins.get(number), payloads.contains(number));
        }
        self.look_for_promised(&live, &sizes)?;
        Ok(self.saved)
    }

    fn count(
        &mut self,
        number: Number,
        live: &Live,
        known: Option<&Known>,
        stand_in: Option<&StandIn>,
        has_payload: bool,
    ) {
        let Some(konto) = live.konto(number) else { return };
        let of_konto = self.saved.kontoer.entry(konto).or_default();
        if let Some(StandIn { id, avsender, .. }) = stand_in {
            of_konto.lost.push(Unsaved { id: *id, avsender: *avsender, missing: Missing::Melding });
        } else if let Some(Known { id, avsender, payload_bytes }) = known
            && *payload_bytes > 0
            && !has_payload
        {
            let (id, avsender) = (Some(*id), Some(*avsender));
            of_konto.lost.push(Unsaved { id, avsender, missing: Missing::Payload });
        } else if live.dead.contains_key(&number) {
            of_konto.dead += 1;
        } else {
            of_konto.waiting += 1;
        }
    }

    /// Looks for each melding that was promised, and lists those that are neither there nor over.
    fn look_for_promised(&mut self, live: &Live, known: &BTreeMap<Number, Known>) -> Result<(), StoreError> {
        let forgotten_before = self.old.forgotten_before();
        for promise in self.promised.not_in(known) {
            // What stands for it was counted.
            if live.konto(promise.number).is_some() {
                continue;
            }
            match self.what_became_of(&promise, live.gaps, forgotten_before)? {
                Fate::Over => {}
                Fate::OverOrLost => self.saved.forgotten += 1,
                Fate::Lost => {
                    let LostMelding { id, avsender, mottaker, .. } = promise.melding;
                    let lost = Unsaved { id: Some(id), avsender: Some(avsender), missing: Missing::All };
                    self.saved.kontoer.entry(mottaker).or_default().lost.push(lost);
                }
            }
        }
        Ok(())
    }
}
