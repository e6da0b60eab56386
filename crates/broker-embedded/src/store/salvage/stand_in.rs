//! What stands for meldinger that are listed and cannot be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::melding::{Hendelse, Melding, UKJENT_MELDINGSTYPE};
use wire::id::{KontoId, MeldingId, Uuid};

use super::live::Live;
use super::saving::Saving;
use crate::queue::Number;
use crate::store::StoreError;
use crate::store::keys::{konto_at, number_at};
use crate::store::line::{Line, melding_value};

/// What stands for a melding that cannot be read.
pub(super) struct StandIn {
    pub(super) id: Option<MeldingId>,
    pub(super) avsender: Option<KontoId>,
    /// Whether both are known.
    pub(super) is_known: bool,
    pub(super) value: Vec<u8>,
}

impl Saving<'_> {
    /// What stands for meldinger that are listed and cannot be read.
    pub(super) fn stand_ins(
        &mut self,
        live: &Live,
        missing: &BTreeSet<Number>,
    ) -> Result<BTreeMap<Number, StandIn>, StoreError> {
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
        for number in missing {
            let Some(mottaker) = live.konto(*number) else { continue };
            let noted = self.promised.of_number(*number);
            let id = ids.get(number).copied().map(MeldingId::from_uuid).or(noted.map(|noted| noted.id));
            let avsender = senders.get(number).copied().or(noted.map(|noted| noted.avsender));
            let is_known = id.is_some() && avsender.is_some();
            let melding = Melding {
                // One that nobody knows: no two of them have the same number.
                id: id.unwrap_or_else(|| MeldingId::from_uuid(Uuid::from_u64_pair(*number, u64::MAX))),
                avsender: avsender.unwrap_or(mottaker),
                mottaker,
                meldingstype: UKJENT_MELDINGSTYPE.to_owned(),
                svar_pa_melding: None,
                svar_til_type: None,
                dokumentlager_id: None,
                headere: BTreeMap::new(),
                ttl: domain::melding::DEFAULT_TTL,
                mottatt: self.now,
            };
            let mut lines = vec![Line::new(self.now, &Hendelse::LagtPaKo)];
            if !is_known {
                lines.push(Line::new(self.now, &Hendelse::Skadet));
            }
            // A payload that is not there is what makes it damaged when its turn comes.
            let value = melding_value(&melding, 1, &lines)?;
            stand_ins.insert(*number, StandIn { id, avsender, is_known, value });
        }
        Ok(stand_ins)
    }
}
