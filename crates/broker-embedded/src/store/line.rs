//! A line of sporing and a melding as they are written, in a form that does not change with the domain.
//!
//! What is written of a melding stays as its sporing when it has left its queue, and its sender's headers may be a hundred times as
//! large as all else of it. So where they are more than a little they stand with the payload, before it, and go with it; but for
//! those that a melding is found by.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use app::ports::MeldingSok;
use bytes::Bytes;
use domain::melding::{
    FEW_HEADERE_BYTES, FIXED_MEMORY_BYTES, FOUND_BY, HEADER_MEMORY_BYTES, Hendelse, Melding, Retur, Sporing,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::id::{DokumentId, KontoId, MeldingId, Uuid};

use super::StoreError;

/// First byte of a melding and of a line of sporing.
pub(super) const VERSION: u8 = 1;
/// First byte of a melding with headers that stand before its payload; how many bytes these take follows in four, and how
/// many they are in two.
const BESIDE: u8 = 2;
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
    pub(super) headere: Cow<'a, BTreeMap<String, String>>,
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
    /// With the headers before it.
    payload_bytes: u64,
    lines: Vec<Line>,
    /// How many of `payload_bytes` are headers.
    #[serde(skip)]
    beside_bytes: u32,
    /// How many headers those are.
    #[serde(skip)]
    beside: u16,
}

impl StoredMelding {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        const WHAT: &str = "a melding";
        let Some((&BESIDE, rest)) = bytes.split_first() else {
            return decode(bytes, WHAT);
        };
        let read = || -> Option<Self> {
            let (beside_bytes, rest) = rest.split_first_chunk()?;
            let (beside, rest) = rest.split_first_chunk()?;
            let stored: Self = postcard::from_bytes(rest).ok()?;
            let (beside_bytes, beside) = (u32::from_be_bytes(*beside_bytes), u16::from_be_bytes(*beside));
            Some(Self { beside_bytes, beside, ..stored })
        };
        read().ok_or(StoreError::Damaged(WHAT))
    }

    /// How many bytes its payload has, with the headers that stand before it.
    pub(super) fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// What it takes in memory, with its payload and all headers. Bytes.
    pub(super) fn memory_bytes(&self) -> u64 {
        let headere: usize = self.headere.iter().map(|(name, value)| name.len() + value.len()).sum();
        let count = self.headere.len() as u64 + u64::from(self.beside);
        let fixed = FIXED_MEMORY_BYTES + count * HEADER_MEMORY_BYTES;
        self.payload_bytes.saturating_add(fixed + (self.meldingstype.len() + headere) as u64)
    }

    /// How many of the bytes of its payload, as [`Self::melding`] gives them, are headers that stand before it.
    pub(super) fn beside_bytes(&self) -> u64 {
        self.beside_bytes.into()
    }

    /// When it was put on its queue last: both lines that tell so are written with the melding.
    pub(super) fn put(&self) -> i128 {
        let put = |line: &&Line| matches!(line.what, What::LagtPaKo | What::LagtTilbake);
        self.lines.iter().rfind(put).map_or(self.mottatt, |line| line.at)
    }

    pub(super) fn fits(&self, sok: &MeldingSok) -> bool {
        let is_named = |id: &String| FOUND_BY.iter().any(|name| self.headere.get(*name) == Some(id));
        sok.klient_id.as_ref().is_none_or(is_named)
            && sok.meldingstype.as_ref().is_none_or(|wanted| *wanted == self.meldingstype)
    }

    /// With what stands in `kept`: its headers, if those are there, and its payload.
    pub(super) fn whole(self, kept: &Bytes) -> Result<(Melding, Bytes, Vec<Line>), StoreError> {
        let beside_bytes = self.beside_bytes as usize;
        let (mut melding, payload_bytes, lines) = self.melding()?;
        if kept.len() as u64 != payload_bytes || kept.len() < beside_bytes {
            return Err(StoreError::Damaged("a payload of another size"));
        }
        if beside_bytes > 0 {
            let beside: BTreeMap<String, String> = postcard::from_bytes(&kept[..beside_bytes])
                .map_err(|_| StoreError::Damaged("the headers of a melding"))?;
            melding.headere.extend(beside);
        }
        Ok((melding, kept.slice(beside_bytes..), lines))
    }

    /// All but its payload, and the headers that stand before that; how many bytes those two have; and the lines that were written
    /// with it.
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

fn is_found_by(name: &str) -> bool {
    FOUND_BY.contains(&name)
}

/// The headers of a melding that stand before its payload, as they stand there, if these are many.
pub(super) fn beside(melding: &Melding) -> Result<Option<Vec<u8>>, StoreError> {
    let others = melding.headere.iter().filter(|(name, _)| !is_found_by(name));
    let bytes: usize = others.clone().map(|(name, value)| name.len() + value.len()).sum();
    if bytes <= FEW_HEADERE_BYTES {
        return Ok(None);
    }
    let others: BTreeMap<_, _> = others.collect();
    let written = postcard::to_extend(&others, Vec::with_capacity(bytes + 64));
    written.map(Some).map_err(|_| StoreError::Damaged("headers to write"))
}

/// A melding as it is written, with the lines of sporing that are written with it. Before its payload of `payload_bytes` stand
/// `beside_bytes` of headers.
pub(super) fn melding_value(
    melding: &Melding,
    payload_bytes: u64,
    beside_bytes: u32,
    lines: &[Line],
) -> Result<Vec<u8>, StoreError> {
    let headere = if beside_bytes == 0 {
        Cow::Borrowed(&melding.headere)
    } else {
        Cow::Owned(melding.found_by().map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    let mut bytes = Vec::with_capacity(256);
    if beside_bytes == 0 {
        bytes.push(VERSION);
    } else {
        bytes.push(BESIDE);
        bytes.extend(beside_bytes.to_be_bytes());
        let beside = melding.headere.len() - melding.found_by().count();
        bytes.extend(u16::try_from(beside).unwrap_or(u16::MAX).to_be_bytes());
    }
    let melding = MeldingRef {
        id: melding.id.as_uuid().into_bytes(),
        avsender: melding.avsender.as_uuid().into_bytes(),
        mottaker: melding.mottaker.as_uuid().into_bytes(),
        meldingstype: &melding.meldingstype,
        svar_pa_melding: melding.svar_pa_melding.map(|id| id.as_uuid().into_bytes()),
        svar_til_type: melding.svar_til_type.as_deref(),
        dokumentlager_id: melding.dokumentlager_id.map(|id| id.as_uuid().into_bytes()),
        headere,
        ttl: melding.ttl,
        mottatt: melding.mottatt.as_nanosecond(),
        payload_bytes: payload_bytes + u64::from(beside_bytes),
        lines,
    };
    postcard::to_extend(&melding, bytes).map_err(|_| StoreError::Damaged("a melding to write"))
}
