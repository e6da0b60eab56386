//! Melding: what is sent from Konto to Konto, and what becomes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::id::{DokumentId, KontoId, MeldingId};
use wire::meldingstype;

/// TTL of a melding whose sender sets none, and of every kvittering.
pub const DEFAULT_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Shortest TTL.
pub const MIN_TTL: Duration = Duration::from_secs(1);
/// Longest TTL: what a .NET `TimeSpan` holds, in milliseconds.
pub const MAX_TTL: Duration = Duration::from_millis(922_337_203_685_477);
/// A melding is tried at most this many times.
pub const MAX_ATTEMPTS: u32 = 3;
/// How much longer than its melding a payload in Dokumentlager lives.
pub const DOKUMENT_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// All of a melding but its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Melding {
    /// Its id, made by the server.
    pub id: MeldingId,
    /// Who sent it. For a kvittering of the channel: the Konto that the original was sent to.
    pub avsender: KontoId,
    /// Whose queue it stands in.
    pub mottaker: KontoId,
    /// Its meldingstype.
    pub meldingstype: String,
    /// The melding that it answers.
    pub svar_pa_melding: Option<MeldingId>,
    /// Type of the melding that it answers; set on kvitteringer of the channel only.
    pub svar_til_type: Option<String>,
    /// Where its payload lies, if not with it.
    pub dokumentlager_id: Option<DokumentId>,
    /// The sender's own headers, names without prefix.
    pub headere: BTreeMap<String, String>,
    /// How long it lives, whole milliseconds.
    pub ttl: Duration,
    /// When the server took it; its life starts here.
    pub mottatt: Timestamp,
}

/// Why the channel itself answers the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kvittering {
    /// Its TTL passed.
    Tidsavbrudd,
    /// It was tried [`MAX_ATTEMPTS`] times.
    Serverfeil,
}

impl Melding {
    /// When its life ends.
    pub fn utloper(&self) -> Timestamp {
        self.mottatt.checked_add(self.ttl).unwrap_or(Timestamp::MAX)
    }

    /// Whether the channel itself made it.
    pub fn is_kvittering(&self) -> bool {
        self.meldingstype.starts_with(meldingstype::KVITTERING_PREFIX)
    }

    /// The kvittering that tells the sender what became of this melding, or `None` if this is one itself.
    ///
    /// It carries the klientKorrelasjonsId, so that the sender can follow his conversation, and not the klientMeldingId,
    /// which would make it look like a resend.
    pub fn kvittering(&self, kind: Kvittering, id: MeldingId, now: Timestamp) -> Option<Self> {
        if self.is_kvittering() {
            return None;
        }
        let headere = [wire::headers::KLIENT_KORRELASJONS_ID, wire::headers::KLIENT_KORRELASJON_ID]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), self.headere.get(name)?.clone())))
            .collect();
        Some(Self {
            id,
            avsender: self.mottaker,
            mottaker: self.avsender,
            meldingstype: match kind {
                Kvittering::Tidsavbrudd => meldingstype::TIDSAVBRUDD,
                Kvittering::Serverfeil => meldingstype::SERVERFEIL,
            }
            .to_owned(),
            svar_pa_melding: Some(self.id),
            svar_til_type: Some(self.meldingstype.clone()),
            dokumentlager_id: None,
            headere,
            ttl: DEFAULT_TTL,
            mottatt: now,
        })
    }
}

/// One line of a melding's sporing: metadata only, never content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sporing {
    /// When.
    pub tidspunkt: Timestamp,
    /// What.
    pub hendelse: Hendelse,
}

/// What can happen to a melding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hendelse {
    /// The server took it and put it on the receiver's queue, durably.
    LagtPaKo,
    /// Handed to a consumer, for the `forsok`th time, counted from one.
    Levert {
        /// Which attempt.
        forsok: u32,
    },
    /// Came back without ack.
    Returnert {
        /// Why.
        arsak: Retur,
    },
    /// The receiver acked it.
    Bekreftet,
    /// The receiver nacked it for good.
    Avvist,
    /// Its TTL passed.
    Utlopt,
    /// It was tried [`MAX_ATTEMPTS`] times and stands in the dead-letter store.
    Dodko,
    /// The receiver's Konto was removed while it stood in the queue.
    KontoSlettet,
    /// The sender was told.
    KvitteringSendt {
        /// The kvittering.
        kvittering: MeldingId,
    },
}

/// Why a delivery came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retur {
    /// The consumer asked for it.
    NackMedRequeue,
    /// The consumer's channel or connection ended without ack.
    Frakoblet,
    /// The server stopped while a consumer held it.
    Omstart,
}

/// Where a melding stands, read from its sporing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// «På kø».
    PaKo,
    /// «Levert, ikke bekreftet».
    Levert,
    /// «Bekreftet».
    Bekreftet,
    /// «Avvist».
    Avvist,
    /// «Utløpt».
    Utlopt,
    /// «Uleverbar».
    Uleverbar,
}

/// Reads a melding's state from its sporing, oldest line first.
pub fn status(sporing: &[Sporing]) -> Status {
    sporing.iter().fold(Status::PaKo, |before, line| match line.hendelse {
        Hendelse::LagtPaKo | Hendelse::Returnert { .. } => Status::PaKo,
        Hendelse::Levert { .. } => Status::Levert,
        Hendelse::Bekreftet => Status::Bekreftet,
        Hendelse::Avvist => Status::Avvist,
        Hendelse::Utlopt => Status::Utlopt,
        Hendelse::Dodko | Hendelse::KontoSlettet => Status::Uleverbar,
        Hendelse::KvitteringSendt { .. } => before,
    })
}

impl Status {
    /// Whether nothing more can happen to the melding.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::PaKo | Self::Levert)
    }
}
