//! System and Integrasjon.

use jiff::Timestamp;
use wire::id::{FiksOrgId, IntegrasjonId, SystemId};

use crate::Orgnummer;
use crate::tekst::{self, TekstError};

/// A System of an organisasjon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Its id.
    pub id: SystemId,
    /// Its owner.
    pub fiks_org_id: FiksOrgId,
    /// What others may set, see [`SystemInfo`].
    pub info: SystemInfo,
    /// Its integrasjoner may configure it by API.
    pub konfigureres_av_integrasjon: bool,
    /// When it was made.
    pub opprettet: Timestamp,
    /// When it was last changed.
    pub sist_endret: Timestamp,
}

impl System {
    /// What it takes in memory, about. Bytes.
    pub fn memory_bytes(&self) -> usize {
        const FIXED: usize = 512;
        let SystemInfo { navn, beskrivelse, eposter, leverandor_navn, leverandor_kontaktpunkt, .. } =
            &self.info;
        let leverandor = leverandor_navn.iter().chain(leverandor_kontaktpunkt);
        let texts = [navn, beskrivelse].into_iter().chain(leverandor).chain(eposter);
        FIXED + texts.map(String::len).sum::<usize>()
    }
}

/// The part of a System that its owner describes it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemInfo {
    /// 2–200 characters.
    pub navn: String,
    /// 1–500 characters.
    pub beskrivelse: String,
    /// Addresses for varsling, at least one.
    pub eposter: Vec<String>,
    /// Other organisasjoner can find it.
    pub offentlig: bool,
    /// Requests for tilgang to its kontoer are granted at once.
    pub automatisk_godkjenning: bool,
    /// Name of the vendor.
    pub leverandor_navn: Option<String>,
    /// How to reach the vendor.
    pub leverandor_kontaktpunkt: Option<String>,
}

impl SystemInfo {
    /// Checks every text; the answer names the JSON field and the rule broken, in the order of the form.
    pub fn errors(&self) -> Vec<(&'static str, TekstError)> {
        let leverandor = |field, text: &Option<String>| {
            text.as_deref()
                .and_then(|text| tekst::check_max(text, tekst::MAX_LEVERANDOR).err())
                .map(|error| (field, error))
        };
        [
            tekst::check_navn(&self.navn).err().map(|error| ("navn", error)),
            tekst::check_beskrivelse(&self.beskrivelse).err().map(|error| ("beskrivelse", error)),
            tekst::check_eposter(&self.eposter).err().map(|error| ("eposter", error)),
            leverandor("leverandorNavn", &self.leverandor_navn),
            leverandor("leverandorKontaktpunkt", &self.leverandor_kontaktpunkt),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// What a machine logs in as. A System has at least one; more than one only while its orgnummer or vendor changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integrasjon {
    /// Its id, the user name over HTTP and AMQP.
    pub id: IntegrasjonId,
    /// The System whose rights it has.
    pub system_id: SystemId,
    /// Whose virksomhetssertifikat, and so whose Maskinporten token, it needs.
    pub orgnummer: Orgnummer,
    /// From when it works.
    pub gyldig_fra: Timestamp,
    /// From when it no longer works; `None` means never.
    pub utlops_dato: Option<Timestamp>,
    /// It is the one shown first; exactly one of a System is.
    pub primer: bool,
    /// Keyed hash of the integrasjonPassord, 32 bytes.
    pub passord_hash: [u8; 32],
}

impl Integrasjon {
    /// Whether it works at `now`.
    pub fn aktiv(&self, now: Timestamp) -> bool {
        self.gyldig_fra <= now && self.utlops_dato.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrasjon_works_from_its_start_and_until_its_end() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let id = wire::id::Uuid::nil();
        let integrasjon = Integrasjon {
            id: IntegrasjonId::from_uuid(id),
            system_id: SystemId::from_uuid(id),
            orgnummer: "971032146".parse().unwrap(),
            gyldig_fra: at(10),
            utlops_dato: Some(at(20)),
            primer: true,
            passord_hash: [0; 32],
        };
        assert_eq!([9, 10, 19, 20].map(|second| integrasjon.aktiv(at(second))), [false, true, true, false]);
        assert!(Integrasjon { utlops_dato: None, ..integrasjon }.aktiv(at(1_000_000)));
    }

    #[test]
    fn every_broken_field_is_told_at_once() {
        let info = SystemInfo {
            navn: "x".into(),
            beskrivelse: " ".into(),
            eposter: vec![],
            offentlig: false,
            automatisk_godkjenning: false,
            leverandor_navn: Some("a".repeat(101)),
            leverandor_kontaktpunkt: None,
        };
        let fields: Vec<_> = info.errors().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["navn", "beskrivelse", "eposter", "leverandorNavn"]);
    }
}
