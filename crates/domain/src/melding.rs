//! Melding: what is sent from Konto to Konto, and what becomes of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::id::{DokumentId, KontoId, MeldingId};
use wire::meldingstype;

/// TTL of a melding whose sender sets none, and of every kvittering.
pub const DEFAULT_TTL: Duration = Duration::from_hours(7 * 24);
/// Shortest TTL.
pub const MIN_TTL: Duration = Duration::from_secs(1);
/// Longest TTL: what a .NET `TimeSpan` holds, in milliseconds.
pub const MAX_TTL: Duration = Duration::from_millis(922_337_203_685_477);
/// So many attempts that failed in its receiver's hands, and a melding is given up.
pub const MAX_ATTEMPTS: u32 = 3;
/// So many times in a consumer's hands while the server crashed, and a melding is given up: it may be what brings the
/// server down. Far more than [`MAX_ATTEMPTS`], since mostly it has no part in it.
pub const MAX_CRASHES: u32 = 10;
/// How long after it was handed out a melding is a suspect where the server ends without a word. What brings a server down does so soon.
pub const CRASH_COUNTS_FOR: Duration = Duration::from_mins(1);
/// Stands where the meldingstype of a melding cannot be read any more.
pub const UKJENT_MELDINGSTYPE: &str = "ukjent";
/// How much longer than its melding a payload in Dokumentlager lives.
pub const DOKUMENT_GRACE: Duration = Duration::from_hours(24);

/// How long a melding waits before it is handed out again that the server took back from its consumer for the `times`th time. From the
/// tenth on twice as long each time, up to about a minute: whoever brings that about, be it by mistake, does not keep the server busy.
pub fn rest_after_breaks(times: u32) -> Duration {
    const REST_FROM: u32 = 10;
    match times.checked_sub(REST_FROM) {
        Some(more) => Duration::from_secs(1 << more.min(6)),
        None => Duration::ZERO,
    }
}

/// How long a melding that was at `crashes` crashes waits before it is handed out again. From the third on twice as long each time, so
/// that what is in somebody's hands whenever a server goes down again and again soon is so no more, and is not taken for the cause.
pub fn rest_after(crashes: u32) -> Duration {
    const REST_FROM: u32 = 3;
    const FIRST_REST: Duration = Duration::from_secs(10);
    match crashes.checked_sub(REST_FROM) {
        Some(more) => FIRST_REST * (1 << more.min(MAX_CRASHES)),
        None => Duration::ZERO,
    }
}

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

/// What stays as sporing beside meldingstype and headers, about: what was written of a melding, its index, and a few attempts. Bytes.
pub const FIXED_SPORING_BYTES: u64 = 1024;

/// Other headers than those that a melding is found by stay with its sporing if they take no more than this. Bytes.
pub const FEW_HEADERE_BYTES: usize = 512;

/// A klientKorrelasjonsId up to this length is carried back by the kvittering of the channel however full the disk is; a longer one
/// where there is room for it. Bytes.
pub const KORRELASJON_ALWAYS_BYTES: usize = 200;

/// Headers that a melding is found by.
pub const FOUND_BY: [&str; 3] = [
    wire::headers::KLIENT_MELDING_ID,
    wire::headers::KLIENT_KORRELASJONS_ID,
    wire::headers::KLIENT_KORRELASJON_ID,
];

/// Why the channel itself answers the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kvittering {
    /// Its TTL passed.
    Tidsavbrudd,
    /// It was tried in vain [`MAX_ATTEMPTS`] times, was at [`MAX_CRASHES`] crashes, or is damaged.
    Serverfeil,
}

/// What a melding takes on its queue beside its headers and its payload, about: what is written of it, its index, its sporing, and
/// what is kept free for it to leave its queue, whatever becomes of it. Bytes.
pub const FIXED_ROOM_BYTES: u64 = 3072;

/// What a header takes in memory, and less as it is written for a client, beside its name and its value. Bytes.
pub const HEADER_MEMORY_BYTES: u64 = 100;

/// What a melding takes in memory beside its headers and its payload, about. Bytes.
pub const FIXED_MEMORY_BYTES: u64 = 1024;

fn bytes_of(headere: &BTreeMap<String, String>) -> usize {
    headere.iter().map(|(name, value)| name.len() + value.len()).sum()
}

impl Melding {
    /// What it takes of the room on queues, with a payload of that size on its queue. Bytes.
    pub fn room_bytes(&self, payload_bytes: usize) -> u64 {
        FIXED_ROOM_BYTES + self.written_bytes() + payload_bytes as u64
    }

    /// What it takes in memory, with a payload of that size, about. Bytes.
    pub fn memory_bytes(&self, payload_bytes: usize) -> u64 {
        let headere = self.headere.len() as u64 * HEADER_MEMORY_BYTES;
        FIXED_MEMORY_BYTES + headere + self.written_bytes() + payload_bytes as u64
    }

    fn written_bytes(&self) -> u64 {
        (self.meldingstype.len() + bytes_of(&self.headere)) as u64
    }

    /// What stays of it as sporing when it is over, about. Bytes.
    pub fn sporing_bytes(&self) -> u64 {
        let found_by: usize = self.found_by().map(|(name, value)| name.len() + value.len()).sum();
        let others = (bytes_of(&self.headere) - found_by).min(FEW_HEADERE_BYTES);
        FIXED_SPORING_BYTES + (self.meldingstype.len() + found_by + others) as u64
    }

    /// The headers that it is found by.
    pub fn found_by(&self) -> impl Iterator<Item = (&String, &String)> {
        FOUND_BY.iter().filter_map(|name| self.headere.get_key_value(*name))
    }

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
            svar_til_type: (self.meldingstype != UKJENT_MELDINGSTYPE).then(|| self.meldingstype.clone()),
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
        /// Where the consumer called from, if known. For the receiver's eyes only.
        adresse: Option<SocketAddr>,
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
    /// It was tried in vain [`MAX_ATTEMPTS`] times, or was at [`MAX_CRASHES`] crashes, and stands in the dead-letter
    /// store.
    Dodko,
    /// The receiver's Konto was removed while it stood in the queue.
    KontoSlettet,
    /// The sender was told.
    KvitteringSendt {
        /// The kvittering.
        kvittering: MeldingId,
    },
    /// It could not be read any more from where it was kept, and stands in the dead-letter store with what is left of it.
    Skadet,
    /// Taken from the dead-letter store and put back at the end of its queue, with its attempts and its TTL counted anew.
    LagtTilbake,
}

impl Hendelse {
    /// The same for those who may not see where the consumer called from.
    #[must_use]
    pub fn without_adresse(&self) -> Self {
        match self {
            Self::Levert { forsok, .. } => Self::Levert { forsok: *forsok, adresse: None },
            other => other.clone(),
        }
    }
}

/// Why a delivery came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retur {
    /// The consumer asked for it.
    NackMedRequeue,
    /// The consumer's channel or connection ended without ack, while the server stood.
    Frakoblet,
    /// The server stopped in good order while a consumer held it, or ended without a word when it had been held for so long that
    /// it had no part in that ([`CRASH_COUNTS_FOR`]). In lines of older versions also when it crashed.
    Omstart,
    /// The server ended without a word soon after it had handed it out.
    Krasj,
    /// The server broke the delivery off for a reason of its own: it closed the connection, or the consumer was gone
    /// before the melding reached it.
    Avbrutt,
}

/// What a return counts as against its melding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// A failed attempt; there are [`MAX_ATTEMPTS`].
    Attempt,
    /// A crash that it was at; there are [`MAX_CRASHES`].
    Crash,
    /// Nothing: the receiver had no part in it, and the melding is no suspect.
    Nothing,
}

impl Retur {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::NackMedRequeue, Self::Frakoblet, Self::Omstart, Self::Krasj, Self::Avbrutt];

    /// What it counts as: an attempt is only what the consumer did.
    pub fn counts_as(self) -> Counts {
        match self {
            Self::NackMedRequeue | Self::Frakoblet => Counts::Attempt,
            Self::Krasj => Counts::Crash,
            Self::Omstart | Self::Avbrutt => Counts::Nothing,
        }
    }
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
        Hendelse::LagtPaKo | Hendelse::LagtTilbake | Hendelse::Returnert { .. } => Status::PaKo,
        Hendelse::Levert { .. } => Status::Levert,
        Hendelse::Bekreftet => Status::Bekreftet,
        Hendelse::Avvist => Status::Avvist,
        Hendelse::Utlopt => Status::Utlopt,
        Hendelse::Dodko | Hendelse::KontoSlettet | Hendelse::Skadet => Status::Uleverbar,
        Hendelse::KvitteringSendt { .. } => before,
    })
}

impl Status {
    /// Whether nothing more can happen to the melding.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::PaKo | Self::Levert)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::headers::{KLIENT_KORRELASJON_ID, KLIENT_KORRELASJONS_ID, KLIENT_MELDING_ID};
    use wire::id::Uuid;

    use super::*;

    fn melding() -> Melding {
        let headere = [
            (KLIENT_MELDING_ID, "5c5f3a0e-1111-4222-8333-444455556666"),
            (KLIENT_KORRELASJONS_ID, "sak 17"),
            ("egen", "verdi"),
        ];
        Melding {
            id: MeldingId::from_uuid(Uuid::from_u128(1)),
            avsender: KontoId::from_uuid(Uuid::from_u128(2)),
            mottaker: KontoId::from_uuid(Uuid::from_u128(3)),
            meldingstype: "no.ks.fiks.arkiv.v1.innsyn.sok".to_owned(),
            svar_pa_melding: Some(MeldingId::from_uuid(Uuid::from_u128(4))),
            svar_til_type: None,
            dokumentlager_id: Some(DokumentId::from_uuid(Uuid::from_u128(5))),
            headere: headere.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            ttl: Duration::from_mins(1),
            mottatt: Timestamp::UNIX_EPOCH,
        }
    }

    fn later() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    #[test]
    fn a_kvittering_goes_back_to_the_sender_and_names_the_melding() {
        let melding = melding();
        for (kind, meldingstype) in [
            (Kvittering::Tidsavbrudd, meldingstype::TIDSAVBRUDD),
            (Kvittering::Serverfeil, meldingstype::SERVERFEIL),
        ] {
            let id = MeldingId::from_uuid(Uuid::from_u128(6));
            let kvittering = melding.kvittering(kind, id, later()).unwrap();
            assert_eq!(
                kvittering,
                Melding {
                    id,
                    avsender: melding.mottaker,
                    mottaker: melding.avsender,
                    meldingstype: meldingstype.to_owned(),
                    svar_pa_melding: Some(melding.id),
                    svar_til_type: Some(melding.meldingstype.clone()),
                    dokumentlager_id: None,
                    headere: BTreeMap::from([(KLIENT_KORRELASJONS_ID.to_owned(), "sak 17".to_owned())]),
                    ttl: DEFAULT_TTL,
                    mottatt: later(),
                }
            );
        }
    }

    #[test]
    fn a_kvittering_copies_both_spellings_of_the_korrelasjonsid_and_no_other_header() {
        let mut melding = melding();
        melding.headere.insert(KLIENT_KORRELASJON_ID.to_owned(), "gammel skrivemåte".to_owned());
        let kvittering = melding.kvittering(Kvittering::Serverfeil, melding.id, later()).unwrap();
        let names: Vec<&str> = kvittering.headere.keys().map(String::as_str).collect();
        assert_eq!(names, [KLIENT_KORRELASJON_ID, KLIENT_KORRELASJONS_ID]);

        melding.headere.clear();
        assert!(melding.kvittering(Kvittering::Serverfeil, melding.id, later()).unwrap().headere.is_empty());
    }

    #[test]
    fn a_kvittering_never_causes_another() {
        for first in [Kvittering::Tidsavbrudd, Kvittering::Serverfeil] {
            let kvittering =
                melding().kvittering(first, MeldingId::from_uuid(Uuid::from_u128(6)), later()).unwrap();
            assert!(kvittering.is_kvittering());
            for second in [Kvittering::Tidsavbrudd, Kvittering::Serverfeil] {
                assert_eq!(
                    kvittering.kvittering(second, MeldingId::from_uuid(Uuid::from_u128(7)), later()),
                    None
                );
            }
        }
    }

    #[test]
    fn a_feilmelding_of_a_protokoll_is_no_kvittering_of_the_channel() {
        let mut melding = melding();
        melding.meldingstype = "no.ks.fiks.arkiv.v1.feilmelding.serverfeil".to_owned();
        assert!(!melding.is_kvittering());
        assert!(melding.kvittering(Kvittering::Tidsavbrudd, melding.id, later()).is_some());
    }

    #[test]
    fn a_melding_ends_when_its_ttl_has_passed_and_never_past_the_end_of_time() {
        let mut melding = melding();
        assert_eq!(melding.utloper(), "1970-01-01T00:01:00Z".parse().unwrap());
        melding.ttl = MAX_TTL;
        melding.mottatt = Timestamp::MAX;
        assert_eq!(melding.utloper(), Timestamp::MAX);
    }

    #[test]
    fn default_ttl_is_a_week() {
        assert_eq!(DEFAULT_TTL.as_millis(), 604_800_000);
    }

    fn lines(hendelser: &[Hendelse]) -> Vec<Sporing> {
        hendelser.iter().map(|hendelse| Sporing { tidspunkt: later(), hendelse: hendelse.clone() }).collect()
    }

    #[test]
    fn status_follows_the_sporing() {
        let kvittering_sendt =
            Hendelse::KvitteringSendt { kvittering: MeldingId::from_uuid(Uuid::from_u128(6)) };
        let returnert = Hendelse::Returnert { arsak: Retur::NackMedRequeue };
        for (hendelser, expected) in [
            (vec![], Status::PaKo),
            (vec![Hendelse::LagtPaKo], Status::PaKo),
            (vec![Hendelse::LagtPaKo, Hendelse::Levert { forsok: 1, adresse: None }], Status::Levert),
            (
                vec![Hendelse::LagtPaKo, Hendelse::Levert { forsok: 1, adresse: None }, returnert.clone()],
                Status::PaKo,
            ),
            (
                vec![Hendelse::LagtPaKo, Hendelse::Levert { forsok: 1, adresse: None }, Hendelse::Bekreftet],
                Status::Bekreftet,
            ),
            (
                vec![Hendelse::LagtPaKo, Hendelse::Levert { forsok: 1, adresse: None }, Hendelse::Avvist],
                Status::Avvist,
            ),
            (vec![Hendelse::LagtPaKo, Hendelse::Utlopt, kvittering_sendt.clone()], Status::Utlopt),
            (
                vec![
                    Hendelse::LagtPaKo,
                    Hendelse::Levert { forsok: 3, adresse: None },
                    returnert,
                    Hendelse::Dodko,
                    kvittering_sendt.clone(),
                ],
                Status::Uleverbar,
            ),
            (vec![Hendelse::LagtPaKo, Hendelse::KontoSlettet], Status::Uleverbar),
            (vec![Hendelse::Skadet, kvittering_sendt], Status::Uleverbar),
            (vec![Hendelse::LagtPaKo, Hendelse::Dodko, Hendelse::LagtTilbake], Status::PaKo),
        ] {
            assert_eq!(status(&lines(&hendelser)), expected, "{hendelser:?}");
        }
    }

    #[test]
    fn only_waiting_and_delivered_are_not_final() {
        for status in [Status::PaKo, Status::Levert] {
            assert!(!status.is_final(), "{status:?}");
        }
        for status in [Status::Bekreftet, Status::Avvist, Status::Utlopt, Status::Uleverbar] {
            assert!(status.is_final(), "{status:?}");
        }
    }

    fn any_hendelse() -> impl Strategy<Value = Hendelse> {
        prop_oneof![
            Just(Hendelse::LagtPaKo),
            (1..=MAX_ATTEMPTS).prop_map(|forsok| Hendelse::Levert { forsok, adresse: None }),
            proptest::sample::select(Retur::ALL.to_vec()).prop_map(|arsak| Hendelse::Returnert { arsak }),
            Just(Hendelse::Bekreftet),
            Just(Hendelse::Avvist),
            Just(Hendelse::Utlopt),
            Just(Hendelse::Dodko),
            Just(Hendelse::KontoSlettet),
            Just(Hendelse::Skadet),
            Just(Hendelse::LagtTilbake),
        ]
    }

    proptest! {
        /// That the sender was told changes nothing about where the melding stands, wherever the line falls.
        #[test]
        fn a_sent_kvittering_does_not_change_the_status(
            hendelser in proptest::collection::vec(any_hendelse(), 0..8),
            at in any::<proptest::sample::Index>(),
        ) {
            let before = status(&lines(&hendelser));
            let mut with = hendelser.clone();
            let sent = Hendelse::KvitteringSendt { kvittering: MeldingId::from_uuid(Uuid::from_u128(6)) };
            with.insert(at.index(hendelser.len() + 1), sent);
            prop_assert_eq!(status(&lines(&with)), before);
        }
    }
}
