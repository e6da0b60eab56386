//! Who may exchange meldinger with whom, asked of the catalogue and not of two kontoer: which parter fit.

use std::collections::BTreeSet;

use crate::konto::Konto;
use crate::protokoll::{Part, Protokoll, Protokollstatus};

/// A Part with the Protokoll and version that it is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protokollpart {
    /// Name of the Protokoll.
    pub protokoll_navn: String,
    /// Its version.
    pub versjon: String,
    /// Name of the Part.
    pub navn: String,
}

impl Protokollpart {
    fn of(protokoll: &Protokoll, part: &Part) -> Self {
        Self {
            protokoll_navn: protokoll.navn.clone(),
            versjon: protokoll.versjon.clone(),
            navn: part.navn.clone(),
        }
    }
}

/// The parter that some part of `konto` may exchange meldinger with: both support each other, in a version in use.
/// `protokoller` are all versions of its Protokoll, or more.
pub fn motparter(konto: &Konto, protokoller: &[Protokoll]) -> BTreeSet<Protokollpart> {
    let mut found = BTreeSet::new();
    for played in &konto.parter {
        let protokoll = in_use(protokoller)
            .find(|protokoll| protokoll.navn == konto.protokoll_navn && protokoll.versjon == played.versjon);
        let Some(protokoll) = protokoll else { continue };
        let Some(mine) = protokoll.part(&played.navn) else { continue };
        let fits = |their: &&Part| {
            mine.stottede_parter.contains(&their.navn) && their.stottede_parter.contains(&mine.navn)
        };
        found.extend(protokoll.parter.iter().filter(fits).map(|their| Protokollpart::of(protokoll, their)));
    }
    found
}

/// The parter that may receive `meldingstype` in a version in use.
pub fn mottakere(meldingstype: &str, protokoller: &[Protokoll]) -> BTreeSet<Protokollpart> {
    in_use(protokoller)
        .flat_map(|protokoll| protokoll.parter.iter().map(move |part| (protokoll, part)))
        .filter(|(_, part)| part.mottaker_meldingstyper.iter().any(|navn| navn == meldingstype))
        .map(|(protokoll, part)| Protokollpart::of(protokoll, part))
        .collect()
}

/// Every meldingstype that some part may receive in a version in use.
pub fn meldingstyper_som_kan_mottas(protokoller: &[Protokoll]) -> BTreeSet<String> {
    in_use(protokoller)
        .flat_map(|protokoll| &protokoll.parter)
        .flat_map(|part| part.mottaker_meldingstyper.iter().cloned())
        .collect()
}

fn in_use(protokoller: &[Protokoll]) -> impl Iterator<Item = &Protokoll> {
    protokoller.iter().filter(|protokoll| protokoll.status == Protokollstatus::Aktiv)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use wire::id::{KontoId, SystemId, Uuid};

    use super::*;
    use crate::konto::PartRef;

    fn part(navn: &str, receives: &[&str], supports: &[&str]) -> Part {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Part {
            navn: navn.to_owned(),
            beskrivelse: navn.to_owned(),
            avsender_meldingstyper: vec![],
            mottaker_meldingstyper: owned(receives),
            stottede_parter: owned(supports),
        }
    }

    fn protokoll(versjon: &str, status: Protokollstatus) -> Protokoll {
        Protokoll {
            navn: "p".to_owned(),
            versjon: versjon.to_owned(),
            beskrivelse: "p".to_owned(),
            status,
            meldingstyper: vec![],
            parter: vec![
                part("klient", &["svar"], &["arkiv", "lytter"]),
                part("arkiv", &["opprett"], &["klient"]),
                part("lytter", &["opprett"], &[]),
            ],
        }
    }

    fn konto(parter: &[(&str, &str)]) -> Konto {
        Konto {
            id: KontoId::from_uuid(Uuid::nil()),
            system_id: SystemId::from_uuid(Uuid::nil()),
            navn: "Saker".to_owned(),
            beskrivelse: "Saker".to_owned(),
            protokoll_navn: "p".to_owned(),
            parter: parter
                .iter()
                .map(|(versjon, navn)| PartRef { versjon: (*versjon).to_owned(), navn: (*navn).to_owned() })
                .collect(),
            send_meldinger_deaktivert: false,
            opprettet: Timestamp::UNIX_EPOCH,
            sist_endret: Timestamp::UNIX_EPOCH,
        }
    }

    fn names(found: &BTreeSet<Protokollpart>) -> Vec<String> {
        found.iter().map(|part| format!("{} {}", part.versjon, part.navn)).collect()
    }

    #[test]
    fn motpart_supports_and_is_supported_in_a_version_in_use() {
        let protokoller =
            [protokoll("v1", Protokollstatus::Aktiv), protokoll("v2", Protokollstatus::Deaktivert)];
        let found = motparter(&konto(&[("v1", "klient"), ("v2", "klient")]), &protokoller);
        // The lytter does not support the klient.
        assert_eq!(names(&found), ["v1 arkiv"]);
        assert_eq!(names(&motparter(&konto(&[("v1", "arkiv")]), &protokoller)), ["v1 klient"]);
        assert!(motparter(&konto(&[("v1", "ukjent"), ("v3", "arkiv")]), &protokoller).is_empty());
        let other = Konto { protokoll_navn: "q".to_owned(), ..konto(&[("v1", "arkiv")]) };
        assert!(motparter(&other, &protokoller).is_empty());
    }

    #[test]
    fn mottakere_are_those_of_versions_in_use() {
        let protokoller =
            [protokoll("v1", Protokollstatus::Aktiv), protokoll("v2", Protokollstatus::Deaktivert)];
        assert_eq!(names(&mottakere("opprett", &protokoller)), ["v1 arkiv", "v1 lytter"]);
        assert!(mottakere("ukjent", &protokoller).is_empty());
        assert!(mottakere("opprett", &protokoller[1..]).is_empty());
        let meldingstyper: Vec<_> = meldingstyper_som_kan_mottas(&protokoller).into_iter().collect();
        assert_eq!(meldingstyper, ["opprett", "svar"]);
    }
}
