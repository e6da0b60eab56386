//! A line of sporing and a melding as they are written, in a form that does not change with the domain.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use app::ports::MeldingSok;
use domain::melding::{Hendelse, Melding, Retur, Sporing};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::id::{DokumentId, KontoId, MeldingId, Uuid};

use super::StoreError;

/// First byte of a melding and of a line of sporing.
pub(super) const VERSION: u8 = 1;

/// A line of sporing as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(super) at: i128,
    what: What,
}

/// [`Hendelse`] in a form of its own, so that what is on disk does not change with the domain. Only ever add at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    LagtPaKo,
    Levert(u32),
    NackMedRequeue,
    Frakoblet,
    Omstart,
    Bekreftet,
    Avvist,
    Utlopt,
    Dodko,
    KontoSlettet,
    KvitteringSendt([u8; 16]),
    LagtTilbake,
    LevertTil(u32, SocketAddr),
    Krasj,
    Avbrutt,
    Skadet,
}

impl Line {
    pub(crate) fn new(at: Timestamp, hendelse: &Hendelse) -> Self {
        let what = match hendelse {
            Hendelse::LagtPaKo => What::LagtPaKo,
            Hendelse::Levert { forsok, adresse: None } => What::Levert(*forsok),
            Hendelse::Levert { forsok, adresse: Some(adresse) } => What::LevertTil(*forsok, *adresse),
            Hendelse::Returnert { arsak: Retur::NackMedRequeue } => What::NackMedRequeue,
            Hendelse::Returnert { arsak: Retur::Frakoblet } => What::Frakoblet,
            Hendelse::Returnert { arsak: Retur::Omstart } => What::Omstart,
            Hendelse::Returnert { arsak: Retur::Krasj } => What::Krasj,
            Hendelse::Returnert { arsak: Retur::Avbrutt } => What::Avbrutt,
            Hendelse::Bekreftet => What::Bekreftet,
            Hendelse::Avvist => What::Avvist,
            Hendelse::Utlopt => What::Utlopt,
            Hendelse::Dodko => What::Dodko,
            Hendelse::KontoSlettet => What::KontoSlettet,
            Hendelse::Skadet => What::Skadet,
            Hendelse::KvitteringSendt { kvittering } => {
                What::KvitteringSendt(kvittering.as_uuid().into_bytes())
            }
            Hendelse::LagtTilbake => What::LagtTilbake,
        };
        Self { at: at.as_nanosecond(), what }
    }

    /// Whether it says that the melding is damaged.
    pub(super) fn says_damaged(&self) -> bool {
        self.what == What::Skadet
    }

    pub(super) fn sporing(self) -> Result<Sporing, StoreError> {
        let hendelse = match self.what {
            What::LagtPaKo => Hendelse::LagtPaKo,
            What::Levert(forsok) => Hendelse::Levert { forsok, adresse: None },
            What::LevertTil(forsok, adresse) => Hendelse::Levert { forsok, adresse: Some(adresse) },
            What::NackMedRequeue => Hendelse::Returnert { arsak: Retur::NackMedRequeue },
            What::Frakoblet => Hendelse::Returnert { arsak: Retur::Frakoblet },
            What::Omstart => Hendelse::Returnert { arsak: Retur::Omstart },
            What::Krasj => Hendelse::Returnert { arsak: Retur::Krasj },
            What::Avbrutt => Hendelse::Returnert { arsak: Retur::Avbrutt },
            What::Bekreftet => Hendelse::Bekreftet,
            What::Avvist => Hendelse::Avvist,
            What::Utlopt => Hendelse::Utlopt,
            What::Dodko => Hendelse::Dodko,
            What::KontoSlettet => Hendelse::KontoSlettet,
            What::Skadet => Hendelse::Skadet,
            What::KvitteringSendt(id) => {
                Hendelse::KvitteringSendt { kvittering: MeldingId::from_uuid(Uuid::from_bytes(id)) }
            }
            What::LagtTilbake => Hendelse::LagtTilbake,
        };
        Ok(Sporing { tidspunkt: timestamp(self.at)?, hendelse })
    }
}

/// A melding as written. Field by field the same as [`StoredMelding`].
#[derive(Serialize)]
pub(super) struct MeldingRef<'a> {
    pub(super) id: [u8; 16],
    pub(super) avsender: [u8; 16],
    pub(super) mottaker: [u8; 16],
    pub(super) meldingstype: &'a str,
    pub(super) svar_pa_melding: Option<[u8; 16]>,
    pub(super) svar_til_type: Option<&'a str>,
    pub(super) dokumentlager_id: Option<[u8; 16]>,
    pub(super) headere: &'a BTreeMap<String, String>,
    pub(super) ttl: Duration,
    pub(super) mottatt: i128,
    pub(super) payload_bytes: u64,
    pub(super) lines: &'a [Line],
}

/// A melding as read.
#[derive(Deserialize)]
pub(super) struct StoredMelding {
    pub(super) id: [u8; 16],
    pub(super) avsender: [u8; 16],
    pub(super) mottaker: [u8; 16],
    meldingstype: String,
    pub(super) svar_pa_melding: Option<[u8; 16]>,
    svar_til_type: Option<String>,
    dokumentlager_id: Option<[u8; 16]>,
    headere: BTreeMap<String, String>,
    ttl: Duration,
    mottatt: i128,
    payload_bytes: u64,
    lines: Vec<Line>,
}

impl StoredMelding {
    /// When it was put on its queue last: both lines that tell so are written with the melding.
    pub(super) fn put(&self) -> i128 {
        let put = |line: &&Line| matches!(line.what, What::LagtPaKo | What::LagtTilbake);
        self.lines.iter().rfind(put).map_or(self.mottatt, |line| line.at)
    }

    pub(super) fn fits(&self, sok: &MeldingSok) -> bool {
        let names = [
            wire::headers::KLIENT_MELDING_ID,
            wire::headers::KLIENT_KORRELASJONS_ID,
            wire::headers::KLIENT_KORRELASJON_ID,
        ];
        let is_named = |id: &String| names.iter().any(|name| self.headere.get(*name) == Some(id));
        sok.klient_id.as_ref().is_none_or(is_named)
            && sok.meldingstype.as_ref().is_none_or(|wanted| *wanted == self.meldingstype)
    }

    pub(super) fn melding(self) -> Result<(Melding, u64, Vec<Line>), StoreError> {
        let melding = Melding {
            id: MeldingId::from_uuid(Uuid::from_bytes(self.id)),
            avsender: KontoId::from_uuid(Uuid::from_bytes(self.avsender)),
            mottaker: KontoId::from_uuid(Uuid::from_bytes(self.mottaker)),
            meldingstype: self.meldingstype,
            svar_pa_melding: self.svar_pa_melding.map(|id| MeldingId::from_uuid(Uuid::from_bytes(id))),
            svar_til_type: self.svar_til_type,
            dokumentlager_id: self.dokumentlager_id.map(|id| DokumentId::from_uuid(Uuid::from_bytes(id))),
            headere: self.headere,
            ttl: self.ttl,
            mottatt: timestamp(self.mottatt)?,
        };
        Ok((melding, self.payload_bytes, self.lines))
    }
}

pub(super) fn timestamp(nanoseconds: i128) -> Result<Timestamp, StoreError> {
    Timestamp::from_nanosecond(nanoseconds).map_err(|_| StoreError::Damaged("a time"))
}

pub(super) fn encode<T: Serialize>(value: &T, capacity: usize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(capacity);
    bytes.push(VERSION);
    postcard::to_extend(value, bytes).map_err(|_| StoreError::Damaged("a value to write"))
}

pub(super) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &'static str) -> Result<T, StoreError> {
    match bytes {
        [VERSION, rest @ ..] => postcard::from_bytes(rest).map_err(|_| StoreError::Damaged(what)),
        _ => Err(StoreError::Damaged(what)),
    }
}

/// A melding as it is written, with the lines of sporing that are written with it.
pub(super) fn melding_value(
    melding: &Melding,
    payload_bytes: u64,
    lines: &[Line],
) -> Result<Vec<u8>, StoreError> {
    encode(
        &MeldingRef {
            id: melding.id.as_uuid().into_bytes(),
            avsender: melding.avsender.as_uuid().into_bytes(),
            mottaker: melding.mottaker.as_uuid().into_bytes(),
            meldingstype: &melding.meldingstype,
            svar_pa_melding: melding.svar_pa_melding.map(|id| id.as_uuid().into_bytes()),
            svar_til_type: melding.svar_til_type.as_deref(),
            dokumentlager_id: melding.dokumentlager_id.map(|id| id.as_uuid().into_bytes()),
            headere: &melding.headere,
            ttl: melding.ttl,
            mottatt: melding.mottatt.as_nanosecond(),
            payload_bytes,
            lines,
        },
        256,
    )
}
