//! What stands for meldinger that are listed and cannot be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::melding::Hendelse;
use wire::id::{KontoId, MeldingId, Uuid};

use super::live::{Known, Live};
use super::saving::Saving;
use crate::queue::Number;
use crate::store::keys::{konto_at, number_at};
use crate::store::line::{Line, melding_value};
use crate::store::{Remains, StoreError};

/// What stands for a melding that cannot be read.
pub(super) struct StandIn {
    pub(super) id: Option<MeldingId>,
    pub(super) avsender: Option<KontoId>,
    /// Whether both are known.
    pub(super) is_known: bool,
    pub(super) value: Vec<u8>,
}

impl Saving<'_> {
    /// What stands for meldinger that are listed and not among the `known` ones, since they cannot be read.
    pub(super) fn stand_ins(
        &mut self,
        live: &mut Live,
        known: &BTreeMap<Number, Known>,
        mut has_place: BTreeSet<MeldingId>,
    ) -> Result<BTreeMap<Number, StandIn>, StoreError> {
        let listed = live.waiting.keys().chain(live.dead.keys());
        let missing: BTreeSet<Number> =
            listed.filter(|number| !known.contains_key(number)).copied().collect();
        if missing.is_empty() {
            return Ok(BTreeMap::new());
        }
        let old = self.old;
        let (mut ids, mut senders) = (HashMap::new(), HashMap::new());
        self.scan(&old.ids, |id, number| {
            let number = number_at(number, 0)?;
            if missing.contains(&number) {
                ids.insert(number, Uuid::from_slice(id).map_err(|_| StoreError::Damaged("an id"))?);
            }
            Ok(())
        })?;
        self.scan(&old.by_konto, |key, _| {
            let (konto, number) = (konto_at(key, 0)?, number_at(key, 16)?);
            if missing.contains(&number) && live.konto(number) != Some(konto) {
                senders.insert(number, konto);
            }
            Ok(())
        })?;
        let mut stand_ins = BTreeMap::new();
        for number in &missing {
            let Some(mottaker) = live.konto(*number) else { continue };
            let noted = self.promised.of_number(*number);
            let id = ids.get(number).copied().map(MeldingId::from_uuid).or(noted.map(|noted| noted.id));
            let avsender = senders.get(number).copied().or(noted.map(|noted| noted.avsender));
            // It has another place since, and what took this one away is missing.
            if id.is_some_and(|id| !has_place.insert(id)) {
                live.waiting.remove(number);
                live.dead.remove(number);
                continue;
            }
            let is_known = id.is_some() && avsender.is_some();
            // Of one that has no id nobody knows any: no two of them have the same number.
            let fresh = MeldingId::from_uuid(Uuid::from_u64_pair(*number, u64::MAX));
            let remains = Remains { what: String::new(), melding: None, id, avsender, mottatt: None };
            let melding = remains.stand_in(mottaker, fresh, self.now);
            let mut lines = vec![Line::new(self.now, &Hendelse::LagtPaKo)];
            if !is_known {
                lines.push(Line::new(self.now, &Hendelse::Skadet));
            }
            // A payload that is not there is what makes it damaged when its turn comes.
            let value = melding_value(&melding, 1, 0, &lines)?;
            stand_ins.insert(*number, StandIn { id, avsender, is_known, value });
        }
        Ok(stand_ins)
    }
}
