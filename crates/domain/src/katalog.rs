//! The protocol catalogue that every installation starts with.
//!
//! One file a Protokoll and version under `katalog/`, in the form of [`Protokoll`] plus two keys that no rule reads:
//! `kanSvareMed` on a meldingstype that asks (what may answer it) and `aliaser` (spellings found in other published
//! sources, never accepted). The names are those of the published specifications; the production catalogue is not
//! published, so partnavn other than Arkiv's are this project's own.

use crate::protokoll::Protokoll;

/// Name and text of each file.
macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../katalog/", $name)))),+]
    };
}

const FILES: &[(&str, &str)] = files![
    "no.dibk.arkivlett.byggesak.v1.json",
    "no.ks.fiks.arkiv.v1.json",
    "no.ks.fiks.arkiv.v2.json",
    "no.ks.fiks.bekymringsmelding.v1.json",
    "no.ks.fiks.bekymringsmelding.v2.json",
    "no.ks.fiks.innsynsforespoersel.journalpost.v1.json",
    "no.ks.fiks.link.v1.json",
    "no.ks.fiks.matrikkelfoering.v2.json",
    "no.ks.fiks.plan.v2.json",
    "no.ks.fiks.politisk.behandling.v1.json",
    "no.ks.fiks.saksfaser.v1.json",
    "no.nav.digisos.fagsystem.v1.json",
    "no.ssb.barnevern.fagsystem.v1.json",
];

/// Every Protokoll and version, ordered by name and version.
pub fn standard() -> Vec<Protokoll> {
    FILES
        .iter()
        .map(|(_, text)| {
            serde_json::from_str(text).expect("the files are part of the program and each is read by a test")
        })
        .collect()
}

/// Tells one catalogue from another, so that a registry that holds this one already need not load it again: 16 hex digits.
///
/// FNV-1a, 64 bits, over names and texts; it guards against nothing but forgetting.
pub fn fingerprint() -> String {
    format!("{:016x}", fnv_1a(FILES.iter().flat_map(|(name, text)| name.bytes().chain(text.bytes()))))
}

fn fnv_1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde::Deserialize;

    use super::*;
    use crate::protokoll::{Part, PayloadKriterie, Protokollstatus};
    use crate::tekst;

    /// The two keys that [`Protokoll`] does not have.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Extra {
        navn: String,
        #[serde(default)]
        kan_svare_med: Vec<String>,
        #[serde(default)]
        aliaser: Vec<String>,
    }

    #[derive(Deserialize)]
    struct ExtraFile {
        meldingstyper: Vec<Extra>,
    }

    /// Each Protokoll with what its file says beyond it.
    fn with_extra() -> Vec<(Protokoll, Vec<Extra>)> {
        let extra =
            FILES.iter().map(|(_, text)| serde_json::from_str::<ExtraFile>(text).unwrap().meldingstyper);
        standard().into_iter().zip(extra).collect()
    }

    fn sends(part: &Part, meldingstype: &str) -> bool {
        part.avsender_meldingstyper.iter().any(|name| name == meldingstype)
    }

    fn receives(part: &Part, meldingstype: &str) -> bool {
        part.mottaker_meldingstyper.iter().any(|name| name == meldingstype)
    }

    /// The parts that `part` may talk with.
    fn supported<'a>(protokoll: &'a Protokoll, part: &'a Part) -> impl Iterator<Item = &'a Part> {
        part.stottede_parter.iter().map(|navn| protokoll.part(navn).unwrap())
    }

    fn assert_distinct<'a>(names: impl IntoIterator<Item = &'a String>, what: &str) {
        let mut seen = BTreeSet::new();
        for name in names {
            assert!(seen.insert(name), "{what}: {name} stands twice");
        }
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_program_and_named_by_its_content() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/katalog");
        let on_disk: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let named: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(on_disk.iter().map(String::as_str).collect::<Vec<_>>(), named, "in order, too");
        for ((name, _), protokoll) in FILES.iter().zip(standard()) {
            assert_eq!(*name, format!("{}.{}.json", protokoll.navn, protokoll.versjon));
        }
    }

    #[test]
    fn totals_are_those_of_the_published_specifications() {
        let all = standard();
        assert_eq!(all.len(), 13);
        assert_eq!(all.iter().map(|protokoll| protokoll.meldingstyper.len()).sum::<usize>(), 207);
        assert_eq!(all.iter().map(|protokoll| protokoll.parter.len()).sum::<usize>(), 39);
        let deaktivert: Vec<String> = all
            .iter()
            .filter(|protokoll| protokoll.status == Protokollstatus::Deaktivert)
            .map(|protokoll| format!("{} {}", protokoll.navn, protokoll.versjon))
            .collect();
        assert_eq!(
            deaktivert,
            ["no.dibk.arkivlett.byggesak v1", "no.ks.fiks.arkiv v2", "no.ks.fiks.politisk.behandling v1"]
        );
    }

    #[test]
    fn names_are_well_formed_and_texts_are_there() {
        for protokoll in standard() {
            let names = [&protokoll.navn, &protokoll.versjon]
                .into_iter()
                .chain(protokoll.meldingstyper.iter().map(|meldingstype| &meldingstype.navn))
                .chain(protokoll.parter.iter().map(|part| &part.navn));
            for name in names {
                assert!(tekst::is_protokollnavn(name), "{name}");
            }
            assert!(!protokoll.beskrivelse.trim().is_empty(), "{}", protokoll.navn);
            for part in &protokoll.parter {
                assert!(!part.beskrivelse.trim().is_empty(), "{} {}", protokoll.navn, part.navn);
            }
        }
    }

    #[test]
    fn nothing_stands_twice() {
        for (protokoll, extra) in with_extra() {
            let what = format!("{} {}", protokoll.navn, protokoll.versjon);
            assert_distinct(protokoll.meldingstyper.iter().map(|meldingstype| &meldingstype.navn), &what);
            assert_distinct(protokoll.parter.iter().map(|part| &part.navn), &what);
            for part in &protokoll.parter {
                let what = format!("{what} {}", part.navn);
                assert_distinct(&part.avsender_meldingstyper, &what);
                assert_distinct(&part.mottaker_meldingstyper, &what);
                assert_distinct(&part.stottede_parter, &what);
            }
            for meldingstype in &extra {
                assert_distinct(&meldingstype.kan_svare_med, &format!("{what} {}", meldingstype.navn));
            }
            // An alias must not be a meldingstype either: it would be accepted after all.
            let names =
                extra.iter().flat_map(|meldingstype| meldingstype.aliaser.iter().chain([&meldingstype.navn]));
            assert_distinct(names, &what);
        }
        let all = standard();
        let ids: BTreeSet<(&str, &str)> =
            all.iter().map(|protokoll| (protokoll.navn.as_str(), protokoll.versjon.as_str())).collect();
        assert_eq!(ids.len(), all.len());
    }

    #[test]
    fn every_name_used_is_known() {
        for (protokoll, extra) in with_extra() {
            let used = protokoll
                .parter
                .iter()
                .flat_map(|part| part.avsender_meldingstyper.iter().chain(&part.mottaker_meldingstyper))
                .chain(extra.iter().flat_map(|meldingstype| &meldingstype.kan_svare_med));
            for name in used {
                assert!(protokoll.meldingstype(name).is_some(), "{} knows no {name}", protokoll.navn);
            }
            for part in &protokoll.parter {
                assert!(!part.avsender_meldingstyper.is_empty(), "{} sends nothing", part.navn);
                assert!(!part.mottaker_meldingstyper.is_empty(), "{} receives nothing", part.navn);
                for navn in &part.stottede_parter {
                    assert!(protokoll.part(navn).is_some(), "{} knows no part {navn}", protokoll.navn);
                }
            }
        }
    }

    #[test]
    fn support_between_parter_is_mutual() {
        for protokoll in standard() {
            for part in &protokoll.parter {
                assert!(!part.stottede_parter.is_empty(), "{} talks with nobody", part.navn);
                for other in supported(&protokoll, part) {
                    assert!(
                        other.stottede_parter.contains(&part.navn),
                        "{} does not support {}",
                        other.navn,
                        part.navn
                    );
                }
            }
        }
    }

    #[test]
    fn what_a_part_sends_somebody_receives_and_the_reverse() {
        for protokoll in standard() {
            for part in &protokoll.parter {
                for name in &part.avsender_meldingstyper {
                    assert!(
                        supported(&protokoll, part).any(|other| receives(other, name)),
                        "{}: nobody receives {name} from {}",
                        protokoll.navn,
                        part.navn
                    );
                }
                for name in &part.mottaker_meldingstyper {
                    assert!(
                        supported(&protokoll, part).any(|other| sends(other, name)),
                        "{}: nobody sends {name} to {}",
                        protokoll.navn,
                        part.navn
                    );
                }
            }
            for meldingstype in &protokoll.meldingstyper {
                assert!(
                    protokoll.parter.iter().any(|part| sends(part, &meldingstype.navn)),
                    "{}",
                    meldingstype.navn
                );
                assert!(
                    protokoll.parter.iter().any(|part| receives(part, &meldingstype.navn)),
                    "{}",
                    meldingstype.navn
                );
            }
        }
    }

    #[test]
    fn every_meldingstype_asks_or_answers() {
        for (protokoll, extra) in with_extra() {
            let answers: BTreeSet<&String> =
                extra.iter().flat_map(|meldingstype| &meldingstype.kan_svare_med).collect();
            for meldingstype in &extra {
                assert!(
                    !meldingstype.kan_svare_med.is_empty() || answers.contains(&meldingstype.navn),
                    "{} {}",
                    protokoll.navn,
                    meldingstype.navn
                );
            }
            for meldingstype in
                protokoll.meldingstyper.iter().filter(|meldingstype| meldingstype.er_feilmelding)
            {
                assert!(answers.contains(&meldingstype.navn), "{} answers nothing", meldingstype.navn);
            }
        }
    }

    #[test]
    fn who_receives_a_question_may_send_every_answer_and_the_asker_receives_it() {
        for (protokoll, extra) in with_extra() {
            let answers: BTreeMap<&str, &[String]> = extra
                .iter()
                .map(|meldingstype| (meldingstype.navn.as_str(), meldingstype.kan_svare_med.as_slice()))
                .collect();
            for part in &protokoll.parter {
                for question in &part.mottaker_meldingstyper {
                    for answer in answers[question.as_str()] {
                        assert!(
                            sends(part, answer),
                            "{} receives {question} but sends no {answer}",
                            part.navn
                        );
                        for asker in supported(&protokoll, part).filter(|asker| sends(asker, question)) {
                            assert!(
                                receives(asker, answer),
                                "{} asks {question} but receives no {answer}",
                                asker.navn
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_the_first_systems_speak_is_there() {
        let all = standard();
        let arkiv = all
            .iter()
            .find(|protokoll| protokoll.navn == "no.ks.fiks.arkiv" && protokoll.versjon == "v1")
            .unwrap();
        assert_eq!(arkiv.status, Protokollstatus::Aktiv);
        let opprett = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett";
        assert_eq!(arkiv.meldingstype(opprett).unwrap().payload_kriterie, PayloadKriterie::Required);
        assert!(sends(arkiv.part("klient.full").unwrap(), opprett));
        assert!(receives(arkiv.part("arkiv.full").unwrap(), opprett));
    }

    #[test]
    fn the_fingerprint_is_fnv_1a() {
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv_1a(text.bytes()), hash, "{text}");
        }
        assert_eq!(fingerprint().len(), 16);
    }
}
