//! What the screens about tilganger share: lists of them, and the question before one is taken away.

use app::lister::{TilgangListe, TilgangSortering};
use app::paging::Page;
use domain::konto::Konto;

use crate::feil::Feil;
use crate::innlogget::OrgSide;
use crate::limit::{TooOften, Who};
use crate::liste::Liste;
use crate::tekster::Tekster;
use crate::view::{Choice, Field, Select};

/// What these lists are sorted by where the address says nothing.
pub(crate) const SORTERING: &str = "navn";
/// In the address of a search that was made, which an empty form does not tell from the first visit.
pub(crate) const SOKT: &str = "sokt";

/// The part of a list of tilganger or forespørsler that the address asks for.
pub(crate) fn asked(liste: &Liste, page: Page) -> TilgangListe {
    let (by, synkende) = liste.sortering(SORTERING);
    let sortering = if by == "tidspunkt" { TilgangSortering::Tidspunkt } else { TilgangSortering::Navn };
    TilgangListe { sok: liste.sok(), sortering, synkende, page }
}

/// The same list or search at another path, at the same place.
pub(crate) fn same_place(liste: &Liste, path: &str, changes: &[(&str, &str)]) -> String {
    let side = liste.text("side");
    let mut all = changes.to_vec();
    all.push(("side", &side));
    liste.address(path, &all)
}

/// Counts one search of the person.
pub(crate) fn count_search(side: &OrgSide) -> Result<(), Feil> {
    let who = Who::Search(side.innlogget.sesjon.person.person_id);
    let counted = side.k().portal.limits().count(who, side.k().now);
    counted.map_err(|TooOften { wait_minutes }| Feil::ForOfte { wait_minutes })
}

/// `arkiv.full v1`, one for each Part.
pub(crate) fn parter(konto: &Konto) -> Vec<String> {
    konto.parter.iter().map(|part| format!("{} {}", part.navn, part.versjon)).collect()
}

/// The field to search a long list with, and what else its address says.
pub(crate) struct Listesok {
    pub(crate) felt: Field,
    /// Name and value of what is kept.
    pub(crate) skjult: Vec<(&'static str, String)>,
    /// «Vis alle», where the list is searched.
    pub(crate) nullstill: Option<String>,
}

impl Listesok {
    pub(crate) fn new(liste: &Liste, label: String) -> Self {
        let kept = ["sorter", "retning"].map(|name| (name, liste.text(name)));
        Self {
            felt: Field::new("sok", label).kind("search").optional().value(liste.sok()),
            skjult: kept.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            nullstill: (!liste.sok().is_empty()).then(|| liste.href(&[("sok", "")])),
        }
    }
}

/// A tilgang that can be taken away: what is asked first, in a dialog or on a page of its own.
pub(crate) struct Fjern {
    /// Of the dialog, unique on the page.
    pub(crate) id: String,
    /// Address of the page that asks, and of the answer.
    pub(crate) sti: String,
    pub(crate) tittel: String,
    pub(crate) tekst: String,
    /// What the button is about, for those who do not see where it stands.
    pub(crate) objekt: String,
}

/// The field for a meldingstype that has to be received; the names are offered by the browser.
pub(crate) fn meldingstype_field(t: Tekster, value: String) -> Field {
    Field::new("meldingstype", t.s("sok-meldingstype"))
        .description(t.s("sok-meldingstype-hjelp"))
        .optional()
        .value(value)
}

/// A filter with «Alle» as its first choice.
pub(crate) fn filter(
    t: Tekster,
    name: &str,
    label: String,
    chosen: &str,
    choices: Vec<(String, String)>,
) -> Select {
    let all = Choice::new("", t.s("felles-alle")).selected(chosen.is_empty());
    let choices = choices.into_iter().map(|(value, text)| {
        let selected = value == chosen;
        Choice::new(value, text).selected(selected)
    });
    Select::new(Field::new(name, label).optional(), std::iter::once(all).chain(choices).collect())
}

/// Organisasjoner to choose from, by their id.
pub(crate) fn organisasjoner(found: Vec<domain::organisasjon::Organisasjon>) -> Vec<(String, String)> {
    found.into_iter().map(|organisasjon| (organisasjon.id.to_string(), organisasjon.navn)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use app::Caller;
    use app::system::NyttSystem;
    use domain::id::{FiksOrgId, SystemId};
    use domain::system::SystemInfo;

    use crate::testing::{Answer, Browser, Part, World};

    /// Nobody has it.
    pub(crate) const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

    /// The page that an answer leads to.
    pub(crate) async fn follow(browser: &mut Browser, answer: Answer) -> Answer {
        let path = answer.location().to_owned();
        browser.get(&path).await
    }

    /// Lets the System of `from` send to the Konto of `to`.
    pub(crate) async fn give(world: &World, to: &Part, from: &Part) {
        world.app.grant_tilgang(&Caller::Operator, to.sti, from.system).await.unwrap();
    }

    /// Makes the System of `from` ask for the Konto of `to`.
    pub(crate) async fn ask(world: &World, to: &Part, from: &Part) {
        let konto = to.sti.konto_id;
        world.app.request_tilgang(&Caller::Operator, from.org, from.system, konto).await.unwrap();
    }

    pub(crate) fn info(navn: &str, offentlig: bool) -> SystemInfo {
        SystemInfo {
            navn: navn.to_owned(),
            beskrivelse: "Til test".to_owned(),
            eposter: vec!["drift@eksempel.no".to_owned()],
            offentlig,
            automatisk_godkjenning: false,
            leverandor_navn: None,
            leverandor_kontaktpunkt: None,
        }
    }

    pub(crate) async fn add_system(world: &World, org: FiksOrgId, navn: &str, offentlig: bool) -> SystemId {
        let nytt = NyttSystem {
            info: info(navn, offentlig),
            orgnummer: "964338531".to_owned(),
            konfigureres_av_integrasjon: false,
        };
        world.app.create_system(&Caller::Operator, org, nytt, None).await.unwrap().system.id
    }
}
