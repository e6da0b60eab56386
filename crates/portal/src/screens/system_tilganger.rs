//! Screen 9: the kontoer that a System may send to, each with a page of its own, and giving up a tilgang.

use std::sync::Arc;

use app::Caller;
use app::lister::{EksternKontoDetaljer, EksternKontoRad};
use app::paging::{Page, Side};
use app::{Error, Missing};
use askama::Template;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::Response;
use axum::routing::get;
use domain::id::KontoId;
use http::request::Parts;

use crate::csv::{self, Csv};
use crate::feil::Feil;
use crate::format;
use crate::innlogget::{SystemSide, path_id};
use crate::liste::Liste;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::screens::parter::PartInfo;
use crate::screens::system_faner;
use crate::screens::systemer::SOK_FRA;
use crate::screens::tilgangsliste::{Fjern, Listesok, SORTERING, asked, parter};
use crate::skjema::Skjema;
use crate::view::{Crumb, Paging, Sort, Tab, Time};

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/protokoll/systemer/{system}/tilganger", get(show))
        .route("/o/{org}/protokoll/systemer/{system}/tilganger.csv", get(download))
        .route("/o/{org}/protokoll/systemer/{system}/tilganger/{ekstern}", get(show_konto))
        .route("/o/{org}/protokoll/systemer/{system}/tilganger/{ekstern}/fjern", get(ask).post(give_up))
}

/// A Konto of somebody else. Path: that of the System and `/tilganger/{ekstern}/…`.
pub(crate) struct Ekstern(pub(crate) KontoId);

impl FromRequestParts<Portal> for Ekstern {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        Ok(Self(path_id(parts, portal, "ekstern").await?))
    }
}

/// `…/tilganger` of the System.
pub(crate) fn tilganger_sti(side: &SystemSide) -> String {
    format!("{}/tilganger", side.sti())
}

/// The Konto and how the System stands to it.
pub(crate) async fn ekstern(side: &SystemSide, konto: KontoId) -> Result<EksternKontoDetaljer, Feil> {
    let (caller, owner) = (side.caller(), side.side.id());
    Ok(side.app().ekstern_konto_for_system(&caller, owner, side.system.id, konto).await?)
}

/// The question before the tilgang to a Konto is given up; `liste` is where one comes back to.
fn fjern(side: &SystemSide, liste: &Liste, konto: KontoId, navn: &str) -> Fjern {
    let t = side.t();
    Fjern {
        id: format!("fjern-{konto}"),
        sti: liste.address(&format!("{}/{konto}/fjern", tilganger_sti(side)), &[]),
        tittel: t.v("tilganger-fjerne-tittel", "navn", navn),
        tekst: t.v2("tilganger-fjerne-fra-system", "system", side.navn(), "konto", navn),
        objekt: t.v("tilganger-til", "navn", navn),
    }
}

#[derive(Template)]
#[template(path = "tilganger/system.html")]
struct TilgangerSide {
    ramme: Ramme,
    faner_navn: String,
    faner: Vec<Tab>,
    be_om: String,
    may_change: bool,
    csv: String,
    sok: Option<Listesok>,
    antall: u64,
    soker: bool,
    system_id: String,
    konto: Sort,
    rader: Vec<Rad>,
    paging: Option<Paging>,
}

struct Rad {
    href: String,
    konto: String,
    system: String,
    organisasjon: String,
    protokoll: String,
    parter: Vec<String>,
    fjern: Option<Fjern>,
}

async fn list(
    side: &SystemSide,
    caller: &Caller,
    liste: &Liste,
    page: Page,
) -> Result<Side<EksternKontoRad>, Feil> {
    let owner = side.side.id();
    let wanted = asked(liste, page);
    Ok(side.app().list_tilganger_for_system_side(caller, owner, side.system.id, &wanted).await?)
}

async fn show(side: SystemSide) -> Result<Response, Feil> {
    let (t, liste) = (side.t(), Liste::new(side.k()));
    let found = list(&side, &side.caller(), &liste, liste.page()).await?;
    let (sti, may_change) = (tilganger_sti(&side), side.side.may_change());
    let soker = !liste.sok().is_empty();
    let paging = liste.paging(&found, t.s("tilganger-sider"));
    let antall = found.total;
    let rader = found.rows.into_iter().map(|rad| Rad {
        href: format!("{sti}/{}", rad.konto.id),
        fjern: may_change.then(|| fjern(&side, &liste, rad.konto.id, &rad.konto.navn)),
        parter: parter(&rad.konto),
        konto: rad.konto.navn,
        system: rad.system.info.navn,
        organisasjon: rad.eier.navn,
        protokoll: rad.konto.protokoll_navn,
    });
    let siden = t.s("tilganger-tittel");
    Ok(ok(&TilgangerSide {
        ramme: side.ramme(&siden).here(siden),
        faner_navn: system_faner::label(&side),
        faner: system_faner::tabs(&side, "tilganger"),
        be_om: format!("{sti}/be-om"),
        may_change,
        csv: liste.address(&format!("{sti}.csv"), &[]),
        sok: (soker || antall >= SOK_FRA).then(|| Listesok::new(&liste, t.s("tilganger-sok-kontoer"))),
        antall,
        soker,
        system_id: side.system.id.to_string(),
        konto: liste.sort("navn", t.s("felles-konto"), SORTERING),
        rader: rader.collect(),
        paging,
    }))
}

async fn download(side: SystemSide) -> Result<Response, Feil> {
    let t = side.t();
    let columns = [
        t.s("felles-konto"),
        t.s("felles-konto-id"),
        t.s("felles-system"),
        t.s("felles-organisasjon"),
        t.s("felles-organisasjonsnummer"),
        t.s("regler-felt-protokoll"),
        t.s("tilganger-parter"),
        t.s("tilganger-gitt"),
    ];
    let (org, side) = (side.side.clone(), Arc::new(side));
    csv::download(&org, "tilganger", &columns, move |caller, page| rows(Arc::clone(&side), caller, page))
        .await
}

async fn rows(side: Arc<SystemSide>, caller: Caller, page: Page) -> Result<csv::Rows, Feil> {
    let found = list(&side, &caller, &Liste::new(side.k()), page).await?;
    let mut csv = Csv::default();
    for rad in &found.rows {
        csv.row(&[
            rad.konto.navn.clone(),
            rad.konto.id.to_string(),
            rad.system.info.navn.clone(),
            rad.eier.navn.clone(),
            rad.eier.orgnummer.to_string(),
            rad.konto.protokoll_navn.clone(),
            parter(&rad.konto).join(", "),
            format::machine(rad.siden),
        ]);
    }
    Ok((csv, found.next()))
}

#[derive(Template)]
#[template(path = "tilganger/ekstern.html")]
struct EksternSide {
    ramme: Ramme,
    konto_id: String,
    beskrivelse: String,
    organisasjon: String,
    orgnummer: String,
    system: String,
    protokoll: String,
    parter: Vec<PartInfo>,
    har_tilgang: Option<Time>,
    forespurt: Option<Time>,
    fjern: Option<Fjern>,
    /// Address to send a forespørsel to.
    be_om: Option<String>,
    /// Address to withdraw it at.
    trekk: Option<String>,
}

async fn show_konto(side: SystemSide, Ekstern(id): Ekstern) -> Result<Response, Feil> {
    let EksternKontoDetaljer { ekstern, tilgang, foresporsel } = ekstern(&side, id).await?;
    let (t, liste, sti) = (side.t(), Liste::new(side.k()), tilganger_sti(&side));
    let konto = &ekstern.konto;
    let parter = konto.parter.iter().filter_map(|played| {
        let protokoll = ekstern.versjoner.iter().find(|protokoll| protokoll.versjon == played.versjon)?;
        Some(PartInfo::new(protokoll, protokoll.part(&played.navn)?))
    });
    let may_change = side.side.may_change();
    let unknown = tilgang.is_none() && foresporsel.is_none();
    Ok(ok(&EksternSide {
        ramme: ramme_below(&side, &konto.navn),
        konto_id: konto.id.to_string(),
        beskrivelse: konto.beskrivelse.clone(),
        organisasjon: ekstern.eier.navn.clone(),
        orgnummer: format::orgnummer(ekstern.eier.orgnummer),
        system: ekstern.system.info.navn.clone(),
        protokoll: konto.protokoll_navn.clone(),
        parter: parter.collect(),
        fjern: (may_change && tilgang.is_some()).then(|| fjern(&side, &liste, id, &konto.navn)),
        be_om: (may_change && unknown).then(|| format!("{sti}/{id}/be-om")),
        trekk: (may_change && foresporsel.is_some()).then(|| format!("{sti}/{id}/trekk")),
        har_tilgang: tilgang.map(|tilgang| format::time_of(tilgang.gitt, t.sprak())),
        forespurt: foresporsel.map(|foresporsel| format::time_of(foresporsel.sendt, t.sprak())),
    }))
}

/// The frame of a page below the tab.
fn ramme_below(side: &SystemSide, h1: &str) -> Ramme {
    side.side
        .protokoll_ramme(h1)
        .crumb(Crumb::link(side.sti(), side.navn()))
        .crumb(Crumb::link(tilganger_sti(side), side.t().s("tilganger-tittel")))
        .here(h1)
}

#[derive(Template)]
#[template(path = "tilganger/fjern.html")]
struct FjernSide {
    ramme: Ramme,
    fjern: Fjern,
    behold: String,
}

/// The page that the dialog is without script.
async fn ask(side: SystemSide, Ekstern(id): Ekstern) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let detaljer = ekstern(&side, id).await?;
    detaljer.tilgang.ok_or(Feil::FinnesIkke)?;
    let liste = Liste::new(side.k());
    let fjern = fjern(&side, &liste, id, &detaljer.ekstern.konto.navn);
    let behold = liste.address(&tilganger_sti(&side), &[]);
    Ok(ok(&FjernSide { ramme: ramme_below(&side, &fjern.tittel), fjern, behold }))
}

async fn give_up(side: SystemSide, Ekstern(id): Ekstern, _: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let navn = ekstern(&side, id).await?.ekstern.konto.navn;
    match side.app().give_up_tilgang(&side.caller(), side.side.id(), side.system.id, id).await {
        // It was given up before, by a second click or by somebody else.
        Ok(()) | Err(Error::NotFound(Missing::Tilgang(..))) => {}
        Err(error) => return Err(error.into()),
    }
    let melding = Melding::ok("tilganger-fjernet").with("system", side.navn()).with("konto", navn);
    let sti = Liste::new(side.k()).address(&tilganger_sti(&side), &[]);
    side.side.innlogget.to(&sti, melding).await
}

#[cfg(test)]
mod tests {
    use app::Caller;

    use crate::screens::tilgangsliste::tests::{UNKNOWN, follow, give, info};
    use crate::testing::{CHANGERS, Hvem, READERS, World, opens};

    #[tokio::test]
    async fn pages_are_for_their_roles() {
        let world = World::new().await;
        give(&world, &world.lillefjord, &world.storevik).await;
        let path = format!("{}/tilganger", world.storevik.s());
        let konto = format!("{path}/{}", world.lillefjord.sti.konto_id);
        opens(&world, &path, READERS).await;
        opens(&world, &format!("{path}.csv"), READERS).await;
        opens(&world, &konto, READERS).await;
        opens(&world, &format!("{konto}/fjern"), CHANGERS).await;
        for (hvem, status) in [(Hvem::Les, 403), (Hvem::Lillefjord, 404), (Hvem::Uten, 404)] {
            world.browser(hvem).await.post(&format!("{konto}/fjern"), &[]).await.is(status);
        }
        let mut browser = world.browser(Hvem::Les).await;
        browser
            .get(&path)
            .await
            .says("Mitt arkiv - konto")
            .says_not("Fjern tilgang")
            .says_not("Be om tilgang");
        browser.get(&konto).await.says("Har tilgang").says_not("Fjern tilgang");
        let mut browser = world.browser(Hvem::Admin).await;
        for unknown in [UNKNOWN, "tull"] {
            browser.get(&format!("{path}/{unknown}")).await.is(404);
            browser.post(&format!("{path}/{unknown}/fjern"), &[]).await.is(404);
        }
        browser.csrf = "feil".to_owned();
        browser.post(&format!("{konto}/fjern"), &[]).await.is(403).says("Siden har stått åpen for lenge.");
    }

    #[tokio::test]
    async fn empty_list_tells_what_the_other_owner_needs() {
        let world = World::new().await;
        let path = format!("{}/tilganger", world.storevik.s());
        let answer = world.browser(Hvem::Admin).await.get(&path).await;
        answer
            .says("Mitt fagsystem – Tilganger")
            .says("Systemet har ikke fått tilgang til noen kontoer ennå")
            .says(&format!("Oppgi systemId {}.", world.storevik.system))
            .says("Be om tilgang");
    }

    #[tokio::test]
    async fn konto_of_another_is_told_of_with_what_its_part_may_do() {
        let world = World::new().await;
        give(&world, &world.lillefjord, &world.storevik).await;
        let path = format!("{}/tilganger", world.storevik.s());
        let mut browser = world.browser(Hvem::Admin).await;
        let list = browser.get(&path).await;
        list.says("1 konto")
            .says("Mitt arkiv - konto")
            .says("Lillefjord kommune")
            .says("no.ks.fiks.arkiv arkiv.full v1")
            .says("Fjerne tilgangen til Mitt arkiv - konto?");
        let konto = world.lillefjord.sti.konto_id;
        assert!(list.text.contains(&format!("href=\"{path}/{konto}\"")));
        browser
            .get(&format!("{path}/{konto}"))
            .await
            .says(&konto.to_string())
            .says("Lillefjord kommune · 964\u{a0}338\u{a0}531 Mitt arkiv")
            .says("arkiv.full v1")
            .says("Kan sende")
            .says("Kan motta")
            .says("no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett")
            .says("Kan kommunisere med")
            .says("klient.full");
    }

    #[tokio::test]
    async fn konto_that_is_hidden_is_known_to_those_with_tilgang() {
        let world = World::new().await;
        let (owner, system) = (world.lillefjord.org, world.lillefjord.system);
        let hidden = info("Mitt arkiv", false);
        world.app.update_system_info(&Caller::Operator, owner, system, hidden, None).await.unwrap();
        let path = format!("{}/tilganger/{}", world.storevik.s(), world.lillefjord.sti.konto_id);
        let mut browser = world.browser(Hvem::Admin).await;
        browser.get(&path).await.is(404);
        give(&world, &world.lillefjord, &world.storevik).await;
        browser.get(&path).await.is(200);
    }

    #[tokio::test]
    async fn tilgang_is_given_up_and_a_second_click_says_the_same() {
        let world = World::new().await;
        give(&world, &world.lillefjord, &world.storevik).await;
        let path = format!("{}/tilganger", world.storevik.s());
        let fjern = format!("{path}/{}/fjern", world.lillefjord.sti.konto_id);
        let mut browser = world.browser(Hvem::Protokoll).await;
        let question = browser.get(&format!("{fjern}?sok=arkiv")).await;
        question
            .says("Fjerne tilgangen til Mitt arkiv - konto?")
            .says("Mitt fagsystem kan ikke lenger sende meldinger til Mitt arkiv - konto.")
            .says("Behold tilgangen");
        assert!(question.text.contains(&format!("href=\"{path}?sok=arkiv\"")));
        assert!(question.text.contains(&format!("action=\"{fjern}?sok=arkiv\"")));
        for _ in 0..2 {
            let answer = browser.post(&fjern, &[]).await;
            assert!(answer.location().starts_with(&format!("{path}?m=")));
            let page = follow(&mut browser, answer).await;
            page.says("Mitt fagsystem kan ikke lenger sende meldinger til Mitt arkiv - konto.");
            page.says("Systemet har ikke fått tilgang til noen kontoer ennå");
        }
        browser.get(&fjern).await.is(404);
    }

    #[tokio::test]
    async fn file_has_the_rows_of_the_search() {
        let world = World::new().await;
        give(&world, &world.lillefjord, &world.storevik).await;
        let path = format!("{}/tilganger.csv", world.storevik.s());
        let mut browser = world.browser(Hvem::Les).await;
        let file = browser.get(&format!("{path}?sok=lillefjord")).await;
        assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
        let lines: Vec<_> = file.text.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with("\u{feff}Konto;Konto-id;System;Organisasjon;Organisasjonsnummer;Protokoll;")
        );
        let konto = world.lillefjord.sti.konto_id;
        let row =
            format!("Mitt arkiv - konto;{konto};Mitt arkiv;Lillefjord kommune;964338531;no.ks.fiks.arkiv;");
        assert!(lines[1].starts_with(&row), "{}", lines[1]);
        assert_eq!(browser.get(&format!("{path}?sok=finnes-ikke")).await.text.lines().count(), 1);
        let path = format!("{}/tilganger?sok=finnes-ikke", world.storevik.s());
        browser.get(&path).await.says("Ingen kontoer passer med søket").says("Vis alle");
    }
}
