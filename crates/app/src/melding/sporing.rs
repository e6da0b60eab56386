//! Following the meldinger of an organisasjon.

use std::collections::{BTreeSet, HashMap};

use domain::id::{DokumentId, FiksOrgId, KontoId, MeldingId};
use domain::melding::{Hendelse, Status, status};
use jiff::Timestamp;
use std::time::Duration;

use crate::error::{Error, Missing};
use crate::ports::{Kontonavn, MeldingRecord, MeldingSok};
use crate::{App, Caller};

/// How many kontoer of an organisasjon are searched at a time.
const KONTOER_MAX: u32 = 5_000;
/// How many svar to one melding are told of.
const SVAR_SHOWN: usize = 20;

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SporingSok {
    /// A melding-id, klientMeldingId or klientKorrelasjonsId as pasted; empty for any. A melding-id finds its melding
    /// whatever the period.
    pub term: String,
    /// Sent or received by this Konto only.
    pub konto: Option<KontoId>,
    /// Put on its queue then or later.
    pub fra: Option<Timestamp>,
    /// Put on its queue then or earlier.
    pub til: Option<Timestamp>,
    /// [`Sporingsside::neste`] of the page before.
    pub before: Option<(Timestamp, MeldingId)>,
    /// How many rows a page has.
    pub limit: u32,
}

/// Which way a melding went, seen from the organisasjon, or from the Konto where only one was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retning {
    /// It sent it.
    Sendt,
    /// It received it.
    Mottatt,
    /// From one of its kontoer to another, or from the Konto to itself.
    Begge,
}

/// A melding in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SporingRad {
    /// Its id.
    pub melding_id: MeldingId,
    /// When it was put on its queue, the last time if more than once.
    pub tidspunkt: Timestamp,
    /// Its meldingstype.
    pub meldingstype: String,
    /// Which way it went.
    pub retning: Retning,
    /// The own Konto; the sender where both are.
    pub konto_id: KontoId,
    /// The other Konto.
    pub motpart_id: KontoId,
    /// How the other Konto is called, if it still exists.
    pub motpart: Option<Kontonavn>,
    /// The sender's id of it.
    pub klient_melding_id: Option<String>,
    /// The sender's id of the conversation.
    pub klient_korrelasjons_id: Option<String>,
    /// Where it stands.
    pub status: Status,
}

/// A page of a search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sporingsside {
    /// The meldinger, newest first.
    pub rader: Vec<SporingRad>,
    /// The search gave up before it had looked at all; a shorter period finds more.
    pub avkortet: bool,
    /// Where the next page starts; `None` when this is the last.
    pub neste: Option<(Timestamp, MeldingId)>,
}

/// One step of a melding's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trinn {
    /// When.
    pub tidspunkt: Timestamp,
    /// Milliseconds since the step before.
    pub ms_siden_forrige: Option<i64>,
    /// What. The consumer's address is there for the receiver only.
    pub hendelse: Hendelse,
}

/// A melding with its way. Never what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sporingsdetaljer {
    /// The melding in short.
    pub rad: SporingRad,
    /// Who sent it, if the Konto still exists.
    pub avsender: Option<Kontonavn>,
    /// Who was to receive it, if the Konto still exists.
    pub mottaker: Option<Kontonavn>,
    /// When the server took it.
    pub mottatt: Timestamp,
    /// How long it lives.
    pub ttl: Duration,
    /// Bytes of payload on the queue.
    pub payload_bytes: u64,
    /// Where its payload lies, if not on the queue.
    pub dokumentlager_id: Option<DokumentId>,
    /// How often it was handed out.
    pub leveringer: u32,
    /// The melding that it answers, if the organisasjon has to do with that one too.
    pub svar_pa_melding: Option<MeldingId>,
    /// What answers it, likewise.
    pub svar: Vec<MeldingId>,
    /// Its way, oldest first.
    pub trinn: Vec<Trinn>,
}

impl App {
    /// Searches the meldinger that the kontoer of an organisasjon sent or received.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn sporing_sok(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        sok: SporingSok,
    ) -> Result<Sporingsside, Error> {
        let own = self.own_kontoer(caller, owner).await?;
        let own = match sok.konto {
            Some(konto) if own.contains(&konto) => BTreeSet::from([konto]),
            Some(konto) => return Err(Missing::Konto(konto).into()),
            None => own,
        };
        let term = sok.term.trim();
        if let Ok(id) = term.parse::<MeldingId>()
            && let Some(record) = self.inner.broker.melding(id).await?
            && (own.contains(&record.melding.avsender) || own.contains(&record.melding.mottaker))
        {
            let rader = self.rader(&own, &[record]).await?;
            return Ok(Sporingsside { rader, ..Sporingsside::default() });
        }
        let found = MeldingSok {
            kontoer: own.iter().copied().collect(),
            klient_id: (!term.is_empty()).then(|| term.to_owned()),
            meldingstype: None,
            fra: sok.fra,
            til: sok.til,
            before: sok.before,
            limit: sok.limit.saturating_add(1),
        };
        let mut found = self.inner.broker.search_meldinger(&found).await?;
        let more = found.meldinger.len() > sok.limit as usize;
        found.meldinger.truncate(sok.limit as usize);
        let last = found.meldinger.last().map(|record| (record.lagt_pa_ko(), record.melding.id));
        let rader = self.rader(&own, &found.meldinger).await?;
        Ok(Sporingsside { rader, avkortet: found.avkortet, neste: last.filter(|_| more) })
    }

    /// A melding that a Konto of the organisasjon sent or received, with its way.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for another's, [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn sporing_melding(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        id: MeldingId,
    ) -> Result<Sporingsdetaljer, Error> {
        let own = self.own_kontoer(caller, owner).await?;
        let record = self.own_melding(&own, id).await?.ok_or(Missing::Melding(id))?;
        let mut svar = Vec::new();
        for id in self.inner.broker.list_svar(id).await?.into_iter().take(SVAR_SHOWN) {
            if self.own_melding(&own, id).await?.is_some() {
                svar.push(id);
            }
        }
        let svar_pa_melding = match record.melding.svar_pa_melding {
            Some(id) => self.own_melding(&own, id).await?.map(|record| record.melding.id),
            None => None,
        };
        let names = self.names(std::slice::from_ref(&record)).await?;
        let trinn = timeline(&record, own.contains(&record.melding.mottaker));
        let rad = rad(&own, &names, &record);
        let leveringer =
            trinn.iter().filter(|trinn| matches!(trinn.hendelse, Hendelse::Levert { .. })).count();
        let MeldingRecord { melding, payload_bytes, .. } = record;
        Ok(Sporingsdetaljer {
            rad,
            avsender: names.get(&melding.avsender).cloned(),
            mottaker: names.get(&melding.mottaker).cloned(),
            mottatt: melding.mottatt,
            ttl: melding.ttl,
            payload_bytes,
            dokumentlager_id: melding.dokumentlager_id,
            leveringer: u32::try_from(leveringer).unwrap_or(u32::MAX),
            svar_pa_melding,
            svar,
            trinn,
        })
    }

    async fn own_kontoer(&self, caller: &Caller, owner: FiksOrgId) -> Result<BTreeSet<KontoId>, Error> {
        caller.may_see_org(owner)?;
        let mut tx = self.begin_read().await?;
        tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        let kontoer = tx.list_kontostatus(owner, None, KONTOER_MAX).await?;
        Ok(kontoer.into_iter().map(|konto| konto.konto_id).collect())
    }

    async fn own_melding(
        &self,
        own: &BTreeSet<KontoId>,
        id: MeldingId,
    ) -> Result<Option<MeldingRecord>, Error> {
        let record = self.inner.broker.melding(id).await?;
        Ok(record.filter(|record| {
            own.contains(&record.melding.avsender) || own.contains(&record.melding.mottaker)
        }))
    }

    /// How the kontoer of `records` are called.
    pub(super) async fn names(
        &self,
        records: &[MeldingRecord],
    ) -> Result<HashMap<KontoId, Kontonavn>, Error> {
        let kontoer: BTreeSet<KontoId> =
            records.iter().flat_map(|record| [record.melding.avsender, record.melding.mottaker]).collect();
        self.kontonavn(&kontoer.into_iter().collect::<Vec<_>>()).await
    }

    async fn rader(
        &self,
        own: &BTreeSet<KontoId>,
        records: &[MeldingRecord],
    ) -> Result<Vec<SporingRad>, Error> {
        let names = self.names(records).await?;
        Ok(records.iter().map(|record| rad(own, &names, record)).collect())
    }
}

fn rad(own: &BTreeSet<KontoId>, names: &HashMap<KontoId, Kontonavn>, record: &MeldingRecord) -> SporingRad {
    let melding = &record.melding;
    let (retning, konto_id, motpart_id) =
        match (own.contains(&melding.avsender), own.contains(&melding.mottaker)) {
            (true, true) => (Retning::Begge, melding.avsender, melding.mottaker),
            (_, false) => (Retning::Sendt, melding.avsender, melding.mottaker),
            (false, true) => (Retning::Mottatt, melding.mottaker, melding.avsender),
        };
    let header = |names: &[&str]| names.iter().find_map(|name| melding.headere.get(*name).cloned());
    SporingRad {
        melding_id: melding.id,
        tidspunkt: record.lagt_pa_ko(),
        meldingstype: melding.meldingstype.clone(),
        retning,
        konto_id,
        motpart_id,
        motpart: names.get(&motpart_id).cloned(),
        klient_melding_id: header(&[wire::headers::KLIENT_MELDING_ID]),
        klient_korrelasjons_id: header(&[
            wire::headers::KLIENT_KORRELASJONS_ID,
            wire::headers::KLIENT_KORRELASJON_ID,
        ]),
        status: status(&record.sporing),
    }
}

fn timeline(record: &MeldingRecord, is_receiver: bool) -> Vec<Trinn> {
    let mut before: Option<Timestamp> = None;
    record
        .sporing
        .iter()
        .map(|line| {
            let since = before.replace(line.tidspunkt);
            let ms = since.map(|before| line.tidspunkt.as_millisecond() - before.as_millisecond());
            let hendelse = if is_receiver { line.hendelse.clone() } else { line.hendelse.without_adresse() };
            Trinn { tidspunkt: line.tidspunkt, ms_siden_forrige: ms, hendelse }
        })
        .collect()
}
