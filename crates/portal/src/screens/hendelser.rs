//! Screen 17: what was done in an organisasjon, by whom and with what.

use std::sync::Arc;

use app::Caller;
use app::hendelse::{Felt, Hva, Hvem};
use app::lister::{HendelseFilter, HendelseRad};
use app::paging::Page;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::person::Rolle;
use domain::system::System;

use crate::csv::{self, Csv};
use crate::feil::Feil;
use crate::format;
use crate::innlogget::OrgSide;
use crate::liste::Liste;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::{invalid, ok};
use crate::skjema::Mangler;
use crate::tekster::Tekster;
use crate::view::{Choice, ErrorSummary, Field, Paging, Select, Time};

pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/o/{org}/hendelser", get(show)).route("/o/{org}/hendelser.csv", get(download))
}

/// A hendelse in the words of its readers.
pub(crate) struct Hendelse {
    pub(crate) tid: Time,
    pub(crate) hvem: String,
    pub(crate) hva: String,
    pub(crate) gjelder: Vec<Gjelder>,
    /// Names at the other end, old and new values.
    pub(crate) detaljer: Vec<String>,
}

/// What a hendelse is about.
pub(crate) struct Gjelder {
    /// «System», «Konto» or «Person».
    pub(crate) slag: String,
    pub(crate) navn: String,
    /// Where it is found, as long as it exists.
    pub(crate) href: Option<String>,
}

impl Hendelse {
    /// Who did it and what it is about, in one line.
    pub(crate) fn hvem_og_gjelder(&self) -> String {
        let mut text = self.hvem.clone();
        for Gjelder { slag, navn, .. } in &self.gjelder {
            text.push_str(" · ");
            text.push_str(slag);
            text.push_str(": ");
            text.push_str(navn);
        }
        text
    }
}

/// The key of the text for what was done.
fn key(hva: Hva) -> String {
    let word = |character| match character {
        ' ' => '-',
        'ø' => 'o',
        'å' => 'a',
        other => other.to_ascii_lowercase(),
    };
    format!("hendelser-hva-{}", hva.as_str().chars().map(word).collect::<String>())
}

/// What was done; as it is stored where a later version of the program has written it.
fn hva(t: Tekster, text: &str) -> String {
    text.parse::<Hva>().map_or_else(|_| text.to_owned(), |hva| t.s(&key(hva)))
}

fn hvem(t: Tekster, hvem: &Hvem) -> String {
    match hvem {
        Hvem::Person { navn: Some(navn), .. } if !navn.is_empty() => navn.clone(),
        Hvem::Person { .. } => t.s("hendelser-hvem-person"),
        Hvem::Integrasjon { system_navn: Some(navn), .. } => t.v("hendelser-hvem-api-for", "navn", navn),
        Hvem::Integrasjon { .. } => t.s("hendelser-hvem-api"),
        Hvem::Organisasjon { navn: Some(navn), .. } => navn.clone(),
        Hvem::Organisasjon { .. } => t.s("hendelser-hvem-organisasjon"),
        Hvem::Drift => t.s("hendelser-hvem-drift"),
        Hvem::System => t.s("hendelser-hvem-system"),
    }
}

/// Whether the Konto of the line belongs to another System than the line does.
fn is_ekstern(hva: &str) -> bool {
    matches!(
        hva.parse(),
        Ok(Hva::FikkTilgang
            | Hva::MistetTilgang
            | Hva::GaFraSegTilgang
            | Hva::FikkTilgangAutomatisk
            | Hva::BaOmTilgang
            | Hva::TrakkForesporsel
            | Hva::ForesporselAvvist)
    )
}

fn gjelder(side: &OrgSide, rad: &HendelseRad) -> Vec<Gjelder> {
    let (t, mut all) = (side.t(), Vec::new());
    let named = |now: Option<&String>, then: Felt| {
        now.map(String::as_str).or(rad.detaljer.get(then)).map_or_else(|| t.s("felles-ukjent"), str::to_owned)
    };
    let system = rad.system.as_ref();
    if let Some((id, navn)) = &rad.konto {
        // A page for the Konto is there as long as both are.
        let system = system.filter(|(_, name)| name.is_some() && navn.is_some());
        let under = if is_ekstern(&rad.hva) { "tilganger" } else { "kontoer" };
        all.push(Gjelder {
            slag: t.s("felles-konto"),
            navn: named(navn.as_ref(), Felt::Konto),
            href: system.map(|(system, _)| format!("{}/{system}/{under}/{id}", side.systemer_sti())),
        });
    }
    if let Some((id, navn)) = system {
        all.push(Gjelder {
            slag: t.s("felles-system"),
            navn: named(navn.as_ref(), Felt::System),
            href: navn.is_some().then(|| format!("{}/{id}", side.systemer_sti())),
        });
    }
    if let Some(navn) = person(t, rad) {
        all.push(Gjelder { slag: t.s("hendelser-person"), navn, href: None });
    }
    all
}

/// Whose rights it is about. The name is that of now: it is kept in one place, from where it can be removed.
fn person(t: Tekster, rad: &HendelseRad) -> Option<String> {
    let (_, navn) = rad.person.as_ref()?;
    Some(navn.clone().filter(|navn| !navn.is_empty()).unwrap_or_else(|| t.s("hendelser-hvem-person")))
}

fn detaljer(t: Tekster, rad: &HendelseRad) -> Vec<String> {
    let (detaljer, mut all) = (&rad.detaljer, Vec::new());
    let verdi = |text| match rad.hva.parse() {
        Ok(Hva::EndretRolle) => rolle(t, text),
        _ => verdi(t, text),
    };
    if let Some(motpart) = detaljer.get(Felt::Motpart) {
        all.push(match detaljer.get(Felt::MotpartOrganisasjon) {
            Some(org) => t.v2("hendelser-detalj-motpart-i", "motpart", motpart, "organisasjon", org),
            None => t.v("hendelser-detalj-motpart", "motpart", motpart),
        });
    }
    match (detaljer.get(Felt::Fra), detaljer.get(Felt::Til)) {
        (Some(fra), Some(til)) => {
            all.push(t.v2("hendelser-detalj-fra-til", "fra", verdi(fra), "til", verdi(til)));
        }
        (None, Some(til)) => all.push(t.v("hendelser-detalj-til", "til", verdi(til))),
        (_, None) => {}
    }
    if let Some(navn) = detaljer.get(Felt::Rolle) {
        all.push(t.v("hendelser-detalj-rolle", "rolle", rolle(t, navn)));
    }
    if let Some(integrasjon) = detaljer.get(Felt::Integrasjon) {
        all.push(t.v("hendelser-detalj-integrasjon", "id", integrasjon));
    }
    all.extend(detaljer.iter().filter(|(felt, _)| *felt == Felt::Tekst).map(|(_, text)| text.to_owned()));
    all
}

/// A rolle; as it is stored where a later version of the program has written it.
fn rolle(t: Tekster, text: &str) -> String {
    text.parse::<Rolle>().map_or_else(|_| text.to_owned(), |rolle| format::rolle(rolle, t))
}

/// Yes and no are stored as words; whatever else was set stands as it was typed.
fn verdi(t: Tekster, text: &str) -> String {
    match text {
        "ja" => t.s("felles-ja"),
        "nei" => t.s("felles-nei"),
        other => other.to_owned(),
    }
}

/// A row of the log as it is shown.
pub(crate) fn hendelse(side: &OrgSide, rad: &HendelseRad) -> Hendelse {
    let t = side.t();
    Hendelse {
        tid: format::time_of(rad.tidspunkt, t.sprak()),
        hvem: hvem(t, &rad.hvem),
        hva: hva(t, &rad.hva),
        gjelder: gjelder(side, rad),
        detaljer: detaljer(t, rad),
    }
}

/// What the address asks for, and what is wrong with that.
fn asked(liste: &Liste, t: Tekster) -> (HendelseFilter, Mangler) {
    let mut mangler = Mangler::default();
    let hva: Option<Hva> = liste.text("hva").parse().ok();
    let mut day = |name: &str, of: fn(&str) -> Option<jiff::Timestamp>| {
        let text = liste.text(name);
        let found = of(&text);
        if found.is_none() && !text.is_empty() {
            mangler.add(name, t.s("regler-dato"));
        }
        found
    };
    let fra = day("fra", format::start_of_day);
    let til = day("til", format::end_of_day);
    let filter = HendelseFilter {
        system: liste.text("system").parse().ok(),
        konto: liste.text("konto").parse().ok(),
        hva: hva.map(|hva| hva.as_str().to_owned()),
        fra,
        til,
        page: liste.page(),
    };
    (filter, mangler)
}

#[derive(Template)]
#[template(path = "hendelser/liste.html")]
struct HendelserSide {
    ramme: Ramme,
    summary: ErrorSummary,
    system: Select,
    hva: Select,
    fra: Field,
    til: Field,
    /// Kept by the form: a filter that it has no field for.
    konto: String,
    /// Every hendelse; there where some are left out.
    nullstill: Option<String>,
    csv: Option<String>,
    antall: u64,
    rader: Vec<Hendelse>,
    paging: Option<Paging>,
}

async fn show(side: OrgSide) -> Result<Response, Feil> {
    let (t, liste) = (side.t(), Liste::new(side.k()));
    let (filter, mangler) = asked(&liste, t);
    let found = side.app().list_hendelser(&side.caller(), side.id(), &filter).await?;
    let systemer = side.app().list_systemer(&side.caller(), side.id()).await?;
    let sti = format!("{}/hendelser", side.sti());
    let filtered = ["system", "hva", "fra", "til", "konto"].iter().any(|name| !liste.text(name).is_empty());
    let tittel = t.s("hendelser-tittel");
    let page = HendelserSide {
        ramme: side.ramme(&tittel).here(&tittel).errors(!mangler.is_empty()),
        summary: mangler.summary(t),
        system: system_select(t, &liste, &systemer),
        hva: hva_select(t, &liste),
        fra: dato(t, &liste, "fra", &mangler),
        til: dato(t, &liste, "til", &mangler),
        konto: liste.text("konto"),
        nullstill: filtered.then(|| sti.clone()),
        csv: (found.total > 0).then(|| liste.address(&format!("{sti}.csv"), &[])),
        antall: found.total,
        rader: found.rows.iter().map(|rad| hendelse(&side, rad)).collect(),
        paging: liste.paging(&found, t.s("hendelser-sider")),
    };
    Ok(if mangler.is_empty() { ok(&page) } else { invalid(&page) })
}

fn system_select(t: Tekster, liste: &Liste, systemer: &[System]) -> Select {
    let chosen = liste.text("system");
    let mut choices = vec![Choice::new("", t.s("felles-alle"))];
    choices.extend(systemer.iter().map(|system| {
        let id = system.id.to_string();
        let selected = id == chosen;
        Choice::new(id, &system.info.navn).selected(selected)
    }));
    // One that was removed is still written of.
    if !chosen.is_empty() && !choices.iter().any(|choice| choice.value == chosen) {
        choices.push(Choice::new(&chosen, t.s("hendelser-slettet-system")).selected(true));
    }
    Select::new(Field::new("system", t.s("felles-system")).optional(), choices)
}

fn hva_select(t: Tekster, liste: &Liste) -> Select {
    let chosen = liste.text("hva");
    let mut choices = vec![Choice::new("", t.s("felles-alle"))];
    choices.extend(
        Hva::ALL
            .iter()
            .map(|hva| Choice::new(hva.as_str(), t.s(&key(*hva))).selected(hva.as_str() == chosen)),
    );
    Select::new(Field::new("hva", t.s("hendelser-hva")).optional(), choices)
}

fn dato(t: Tekster, liste: &Liste, name: &str, mangler: &Mangler) -> Field {
    Field::new(name, t.s(&format!("hendelser-{name}")))
        .kind("date")
        .width(12)
        .optional()
        .value(liste.text(name))
        .error(mangler.of(name))
}

async fn download(side: OrgSide) -> Result<Response, Feil> {
    let t = side.t();
    let columns = [
        t.s("hendelser-tidspunkt"),
        t.s("hendelser-hvem"),
        t.s("hendelser-hva"),
        t.s("felles-system"),
        t.s("hendelser-system-id"),
        t.s("felles-konto"),
        t.s("felles-konto-id"),
        t.s("hendelser-person"),
        t.s("hendelser-detaljer"),
    ];
    let org = Arc::new(side.clone());
    csv::download(&side, "hendelser", &columns, move |caller, page| rows(Arc::clone(&org), caller, page))
        .await
}

async fn rows(side: Arc<OrgSide>, caller: Caller, page: Page) -> Result<csv::Rows, Feil> {
    let t = side.t();
    let (filter, _) = asked(&Liste::new(side.k()), t);
    let filter = HendelseFilter { page, ..filter };
    let found = side.app().list_hendelser(&caller, side.id(), &filter).await?;
    let mut csv = Csv::default();
    for rad in &found.rows {
        let Detaljert { system, system_id, konto, konto_id } = detaljert(rad);
        csv.row(&[
            format::machine(rad.tidspunkt),
            hvem(t, &rad.hvem),
            hva(t, &rad.hva),
            system,
            system_id,
            konto,
            konto_id,
            person(t, rad).unwrap_or_default(),
            detaljer(t, rad).join("; "),
        ]);
    }
    Ok((csv, found.next()))
}

/// What a line is about, cell by cell; empty where it is about no such thing.
struct Detaljert {
    system: String,
    system_id: String,
    konto: String,
    konto_id: String,
}

fn detaljert(rad: &HendelseRad) -> Detaljert {
    let name = |now: Option<&String>, then: Felt| {
        now.map(String::as_str).or(rad.detaljer.get(then)).unwrap_or_default().to_owned()
    };
    Detaljert {
        system: name(rad.system.as_ref().and_then(|(_, navn)| navn.as_ref()), Felt::System),
        system_id: rad.system.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default(),
        konto: name(rad.konto.as_ref().and_then(|(_, navn)| navn.as_ref()), Felt::Konto),
        konto_id: rad.konto.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use app::Caller;

    use super::*;
    use crate::sprak::Sprak;
    use crate::testing::{Hvem as Who, READERS, World, opens};

    #[test]
    fn every_kind_has_a_text_of_its_own_in_each_language() {
        for sprak in Sprak::ALL {
            let t = Tekster(sprak);
            let mut texts = std::collections::BTreeSet::new();
            for kind in Hva::ALL {
                assert!(t.has(&key(*kind)), "{} in {sprak}", key(*kind));
                assert!(texts.insert(t.s(&key(*kind))), "{} in {sprak}", key(*kind));
            }
        }
    }

    #[test]
    fn kinds_of_a_later_version_are_shown_as_they_are_stored() {
        assert_eq!(hva(Tekster(Sprak::Nb), "fant opp noe"), "fant opp noe");
    }

    #[tokio::test]
    async fn log_is_for_those_with_a_role_in_the_organisasjon() {
        let world = World::new().await;
        let sti = format!("{}/hendelser", world.storevik.o());
        for path in [sti.clone(), format!("{sti}.csv")] {
            opens(&world, &path, READERS).await;
        }
        let mut nyvik = world.browser(Who::Nyvik).await;
        nyvik.get(&format!("/o/{}/hendelser", world.nyvik)).await.is(200);
    }

    #[tokio::test]
    async fn rows_say_who_did_what_and_link_to_what_exists() {
        let world = World::new().await;
        let mut browser = world.browser(Who::Admin).await;
        let part = world.storevik;
        let konfigurasjon = format!("{}/konfigurasjon", part.s());
        let page = browser.get(&konfigurasjon).await.text;
        let endret = page.split("name=\"endret\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        browser.post(&format!("{konfigurasjon}/api"), &[("endret", endret)]).await.is(303);
        let sti = format!("{}/hendelser", part.o());
        let page = browser.get(&sti).await;
        page.is(200).says("Test Admin Endret konfigurasjon med API").says("Fra Ja til Nei");
        page.says("Drift Opprettet konto").says("Opprettet system");
        page.says("Ga rolle Person: Test Les Rolle: Lesetilgang");
        assert!(page.text.contains(&format!("href=\"{}\"", part.k())), "{}", page.text);
        world.app.remove_system(&Caller::Operator, part.org, part.system).await.unwrap();
        let page = browser.get(&sti).await;
        page.says("Slettet system").says("System: Mitt fagsystem");
        assert!(!page.text.contains(&format!("href=\"{}\"", part.s())), "{}", page.text);
    }

    #[tokio::test]
    async fn filters_by_system_kind_and_period() {
        let world = World::new().await;
        let mut browser = world.browser(Who::Les).await;
        let sti = format!("{}/hendelser", world.storevik.o());
        let here = format!("{sti}?system={}", world.storevik.system);
        browser.get(&here).await.says("Opprettet system").says("Vis alle hendelser");
        let other = format!("{sti}?system={}", world.lillefjord.system);
        browser.get(&other).await.is(200).says("Ingen hendelser i perioden").says_not("Mitt arkiv");
        let of_kind = browser.get(&format!("{sti}?hva=opprettet+konto")).await;
        of_kind.says("1 hendelse").says("Konto: Mitt fagsystem - konto");
        let today = format::day(app_now(&world));
        world.clock.advance(Duration::from_hours(48));
        let mut browser = world.browser(Who::Les).await;
        browser.get(&format!("{sti}?fra={today}&til={today}&hva=opprettet+konto")).await.says("1 hendelse");
        let later = format::day(app_now(&world));
        let empty = browser.get(&format!("{sti}?fra={later}&hva=opprettet+konto")).await;
        empty.is(200).says("Ingen hendelser i perioden").says_not("Last ned som CSV");
        let wrong = browser.get(&format!("{sti}?til=i+g%C3%A5r")).await;
        wrong.is(422).says("Du må rette 1 feil for å gå videre").says("Skriv datoen som dag, måned og år");
    }

    fn app_now(world: &World) -> jiff::Timestamp {
        world.app.clock().now()
    }

    #[tokio::test]
    async fn file_has_the_rows_of_the_filter_with_ids() {
        let world = World::new().await;
        let mut browser = world.browser(Who::Les).await;
        let sti = format!("{}/hendelser.csv?hva=opprettet+konto", world.storevik.o());
        let file = browser.get(&sti).await;
        let lines: Vec<_> = file.text.lines().collect();
        assert_eq!(lines.len(), 2, "{}", file.text);
        assert_eq!(lines[0], "\u{feff}Tidspunkt;Hvem;Hva;System;systemId;Konto;Konto-id;Person;Detaljer");
        let (system, konto) = (world.storevik.system, world.storevik.sti.konto_id);
        let rest = format!(";Drift;Opprettet konto;Mitt fagsystem;{system};Mitt fagsystem - konto;{konto};;");
        assert!(lines[1].ends_with(&rest), "{}", lines[1]);
    }
}
