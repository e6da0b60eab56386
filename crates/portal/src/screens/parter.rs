//! Parter of a Protokoll: choosing them, one row each, and telling what each may send, receive and talk with. Shared by the
//! pages of a Konto.

use domain::konto::PartRef;
use domain::protokoll::{Part, Protokoll, Protokollstatus};

use crate::skjema::Mangler;
use crate::tekster::Tekster;
use crate::view::{Choice, Field, Select};

/// Rows of one form.
const MAX_RADER: usize = 20;
/// The name of each select; their ids are `part-0`, `part-1` ….
pub(crate) const FELT: &str = "part";

/// What a Part is for.
#[derive(Debug, Clone)]
pub(crate) struct PartInfo {
    /// Id of its block on the page.
    pub(crate) id: String,
    /// `arkiv.full`.
    pub(crate) navn: String,
    /// `v1`.
    pub(crate) versjon: String,
    pub(crate) beskrivelse: String,
    pub(crate) kan_sende: Vec<String>,
    pub(crate) kan_motta: Vec<String>,
    pub(crate) kan_kommunisere_med: Vec<String>,
    /// It is chosen, so that its block is not hidden.
    pub(crate) valgt: bool,
}

impl PartInfo {
    pub(crate) fn new(protokoll: &Protokoll, part: &Part) -> Self {
        Self {
            id: block_id(protokoll, part),
            navn: part.navn.clone(),
            versjon: protokoll.versjon.clone(),
            beskrivelse: part.beskrivelse.clone(),
            kan_sende: part.avsender_meldingstyper.clone(),
            kan_motta: part.mottaker_meldingstyper.clone(),
            kan_kommunisere_med: part.stottede_parter.clone(),
            valgt: true,
        }
    }
}

/// One row: a select, and a button that takes the row away.
#[derive(Debug, Clone)]
pub(crate) struct PartRad {
    pub(crate) select: Select,
    /// «Fjern protokollpart 2» and what `handling` is sent as; `None` on the only row.
    pub(crate) fjern: Option<(String, String)>,
    /// It was just added.
    pub(crate) fokus: bool,
}

/// All rows, and what can be read of the parter to choose from.
#[derive(Debug, Clone)]
pub(crate) struct PartValg {
    pub(crate) rader: Vec<PartRad>,
    /// «Legg til part» and what `handling` is sent as; `None` when no more fit.
    pub(crate) legg_til: Option<(String, String)>,
    pub(crate) info: Vec<PartInfo>,
}

/// How a Part is sent by a select. None of the three names can hold a slash.
pub(crate) fn value(protokoll: &str, part: &PartRef) -> String {
    format!("{protokoll}/{}/{}", part.versjon, part.navn)
}

fn parse(value: &str) -> Option<(&str, PartRef)> {
    let mut pieces = value.splitn(3, '/');
    let (protokoll, versjon, navn) = (pieces.next()?, pieces.next()?, pieces.next()?);
    Some((protokoll, PartRef { versjon: versjon.to_owned(), navn: navn.to_owned() }))
}

fn block_id(protokoll: &Protokoll, part: &Part) -> String {
    format!("om-{}-{}-{}", protokoll.navn, protokoll.versjon, part.navn)
}

/// Whether a Konto can be made for it.
pub(crate) fn in_use(protokoll: &Protokoll) -> bool {
    protokoll.status == Protokollstatus::Aktiv
}

/// The rows for `valgte`, the values chosen so far; an empty one is not chosen yet. `narrowed_by` is the id of the select
/// that the parter depend on, if there is one; `focus` the row that was just added, or takes the place of one taken away.
pub(crate) fn part_valg(
    t: Tekster,
    protokoller: &[Protokoll],
    valgte: &[String],
    narrowed_by: Option<&str>,
    mangler: &Mangler,
    focus: Option<usize>,
) -> PartValg {
    let one = [String::new()];
    let valgte = if valgte.is_empty() { &one } else { valgte };
    let several = valgte.len() > 1;
    let rader = valgte
        .iter()
        .enumerate()
        .map(|(at, valgt)| {
            let id = format!("{FELT}-{at}");
            let label = match at {
                0 => t.s("regler-felt-part"),
                _ => t.v("ny-konto-part-nummer", "n", at + 1),
            };
            let fjern = (t.v("ny-konto-fjern-part", "n", at + 1), format!("fjern-part-{at}"));
            let mut field = Field::new(FELT, label).error(mangler.of(&id)).id(id);
            if at == 0 {
                field = field.description(t.s("ny-konto-part-hjelp"));
                // Alone it is like all other fields of its form.
                field = if several { field.tag(t.s("felles-ma-fylles-ut")) } else { field };
            } else {
                field = field.optional().tag(t.s("felles-valgfritt"));
            }
            PartRad {
                select: select(t, field, protokoller, valgt, narrowed_by),
                fjern: several.then_some(fjern),
                fokus: focus == Some(at),
            }
        })
        .collect();
    let legg_til = (t.s("ny-konto-legg-til-part"), "legg-til-part".to_owned());
    let info = parter(protokoller)
        .map(|(protokoll, part)| {
            let valgt = valgte.contains(&choice_value(protokoll, part));
            PartInfo { valgt, ..PartInfo::new(protokoll, part) }
        })
        .collect();
    PartValg { rader, legg_til: (valgte.len() < MAX_RADER).then_some(legg_til), info }
}

fn select(
    t: Tekster,
    field: Field,
    protokoller: &[Protokoll],
    valgt: &str,
    narrowed_by: Option<&str>,
) -> Select {
    let none = Choice::new("", t.s("regler-velg-part"));
    let mut select = Select::new(field, vec![none]);
    for protokoll in protokoller {
        let choices = protokoll
            .parter
            .iter()
            .map(|part| {
                let value = choice_value(protokoll, part);
                let selected = value == valgt;
                Choice::new(value, &part.navn).selected(selected).block(block_id(protokoll, part))
            })
            .collect();
        let label = format!("{} {}", protokoll.navn, protokoll.versjon);
        select = match narrowed_by {
            Some(_) => select.group_of(&protokoll.navn, label, choices),
            None => select.group(label, choices),
        };
    }
    match narrowed_by {
        Some(other) => select.narrowed_by(other),
        None => select,
    }
}

fn choice_value(protokoll: &Protokoll, part: &Part) -> String {
    let part = PartRef { versjon: protokoll.versjon.clone(), navn: part.navn.clone() };
    value(&protokoll.navn, &part)
}

fn parter(protokoller: &[Protokoll]) -> impl Iterator<Item = (&Protokoll, &Part)> {
    protokoller.iter().flat_map(|protokoll| protokoll.parter.iter().map(move |part| (protokoll, part)))
}

/// Adds or removes a row, as the button pressed says, and tells which one to focus. `None` where another button was pressed.
pub(crate) fn change_rader(valgte: &mut Vec<String>, handling: &str) -> Option<usize> {
    if valgte.is_empty() {
        valgte.push(String::new());
    }
    if handling == "legg-til-part" {
        if valgte.len() < MAX_RADER {
            valgte.push(String::new());
        }
        return Some(valgte.len() - 1);
    }
    let at: usize = handling.strip_prefix("fjern-part-")?.parse().ok()?;
    if at < valgte.len() && valgte.len() > 1 {
        valgte.remove(at);
    }
    Some(at.min(valgte.len() - 1))
}

/// What a form sends of its rows.
pub(crate) fn sent(felter: &crate::skjema::Felter) -> Vec<String> {
    felter.all(FELT).into_iter().take(MAX_RADER).collect()
}

/// The parter chosen, all of `protokoll`. Tells of each broken rule at its own row.
pub(crate) fn check(
    t: Tekster,
    protokoller: &[Protokoll],
    protokoll: &str,
    valgte: &[String],
    mangler: &mut Mangler,
) -> Vec<PartRef> {
    let mut parter: Vec<PartRef> = Vec::new();
    if valgte.iter().all(String::is_empty) {
        mangler.add(format!("{FELT}-0"), t.s("regler-velg-part"));
    }
    for (at, valgt) in valgte.iter().enumerate().filter(|(_, valgt)| !valgt.is_empty()) {
        let id = format!("{FELT}-{at}");
        let known = parse(valgt).filter(|(of, part)| {
            let versjon = |p: &&Protokoll| p.navn == protokoll && p.versjon == part.versjon;
            *of == protokoll && protokoller.iter().find(versjon).is_some_and(|p| p.part(&part.navn).is_some())
        });
        match known {
            None => mangler.add(id, t.s("regler-part-horer-ikke-til")),
            Some((_, part)) if parter.contains(&part) => {
                mangler.add(id, t.v2("regler-part-to-ganger", "part", &part.navn, "versjon", &part.versjon));
            }
            Some((_, part)) => parter.push(part),
        }
    }
    parter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sprak::Sprak;

    const NB: Tekster = Tekster(Sprak::Nb);
    const ARKIV: &str = "no.ks.fiks.arkiv";

    fn protokoller() -> Vec<Protokoll> {
        domain::katalog::standard().into_iter().filter(in_use).collect()
    }

    fn told(protokoll: &str, valgte: &[&str]) -> (Vec<PartRef>, Mangler) {
        let mut mangler = Mangler::default();
        let valgte: Vec<_> = valgte.iter().map(|valgt| (*valgt).to_owned()).collect();
        (check(NB, &protokoller(), protokoll, &valgte, &mut mangler), mangler)
    }

    #[test]
    fn parter_of_the_protokoll_are_taken_and_empty_rows_passed_over() {
        let (parter, mangler) =
            told(ARKIV, &["", "no.ks.fiks.arkiv/v1/arkiv.full", "no.ks.fiks.arkiv/v1/klient.full"]);
        assert!(mangler.is_empty(), "{mangler:?}");
        assert_eq!(
            parter.iter().map(|part| part.navn.as_str()).collect::<Vec<_>>(),
            ["arkiv.full", "klient.full"]
        );
    }

    #[test]
    fn each_broken_rule_is_told_at_its_row() {
        assert_eq!(told(ARKIV, &["", ""]).1.of("part-0").as_deref(), Some("Velg protokollpart"));
        let (_, mangler) = told(
            ARKIV,
            &[
                "no.ks.fiks.arkiv/v1/arkiv.full",
                "no.ks.fiks.plan/v2/klient.full",
                "no.ks.fiks.arkiv/v1/ukjent",
                "no.ks.fiks.arkiv/v1/arkiv.full",
                "arkiv.full",
            ],
        );
        assert_eq!(mangler.of("part-0"), None);
        for row in ["part-1", "part-2", "part-4"] {
            assert_eq!(mangler.of(row).as_deref(), Some("Parten hører ikke til protokollen du har valgt"));
        }
        assert_eq!(mangler.of("part-3").as_deref(), Some("arkiv.full i versjon v1 er valgt to ganger"));
    }

    #[test]
    fn rows_are_added_and_removed_within_bounds() {
        let mut rader = Vec::new();
        assert_eq!(change_rader(&mut rader, ""), None);
        assert_eq!(change_rader(&mut rader, "fjern-part-0"), Some(0));
        assert_eq!(rader, [""]);
        assert_eq!(change_rader(&mut rader, "legg-til-part"), Some(1));
        rader[1] = "b".to_owned();
        assert_eq!(change_rader(&mut rader, "fjern-part-0"), Some(0));
        assert_eq!(rader, ["b"]);
        assert_eq!(change_rader(&mut rader, "fjern-part-7"), Some(0));
        rader = vec![String::new(); MAX_RADER];
        assert_eq!(change_rader(&mut rader, "legg-til-part"), Some(MAX_RADER - 1));
        assert_eq!(rader.len(), MAX_RADER);
    }

    #[test]
    fn only_the_blocks_of_what_is_chosen_are_shown() {
        let valgte = ["no.ks.fiks.arkiv/v1/klient.full".to_owned()];
        let valg = part_valg(NB, &protokoller(), &valgte, Some("protokoll"), &Mangler::default(), None);
        let shown: Vec<_> = valg.info.iter().filter(|info| info.valgt).map(|info| info.id.as_str()).collect();
        assert_eq!(shown, ["om-no.ks.fiks.arkiv-v1-klient.full"]);
        assert!(valg.rader[0].fjern.is_none());
        assert!(valg.rader[0].select.groups.iter().all(|group| group.label.is_some() == group.of.is_some()));
    }
}
