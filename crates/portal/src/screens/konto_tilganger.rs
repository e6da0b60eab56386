//! Screen 13: the systemer that may send to a Konto, and taking that away.

use app::lister::SystemSok;
use app::{Error, Missing};
use askama::Template;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::Response;
use axum::routing::get;
use domain::id::SystemId;
use http::request::Parts;

use crate::feil::Feil;
use crate::innlogget::{KontoSide, path_id};
use crate::liste::Liste;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::screens::konto_faner;
use crate::screens::systemer::SOK_FRA;
use crate::screens::tilgangsliste::{Fjern, Listesok, SORTERING, asked, same_place};
use crate::skjema::Skjema;
use crate::view::{Crumb, Paging, Sort, Tab};

/// In the address of the question before a tilgang is taken away: it was asked from the search.
const RETUR: &str = "retur";
const TIL_SOK: &str = "sok";

pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/tilganger", get(show)).route(
        "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/tilganger/{avsender}/fjern",
        get(ask).post(remove),
    )
}

/// A System that sends or wants to. Path: that of the Konto and `…/{avsender}/…`.
pub(crate) struct Avsender(pub(crate) SystemId);

impl FromRequestParts<Portal> for Avsender {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        Ok(Self(path_id(parts, portal, "avsender").await?))
    }
}

/// How a System stands to the Konto.
pub(crate) struct Motpart {
    pub(crate) navn: String,
    pub(crate) har_tilgang: bool,
    pub(crate) har_bedt: bool,
}

/// The System with that id, whoever may see it: it was given tilgang, has asked for it, or its owner has told its id.
pub(crate) async fn motpart(side: &KontoSide, id: SystemId) -> Result<Motpart, Feil> {
    // A search never finds the System of the Konto itself, which may have asked all the same.
    if id == side.side.system.id {
        return Ok(Motpart { navn: side.side.navn().to_owned(), har_tilgang: false, har_bedt: true });
    }
    let sok = SystemSok { term: id.to_string(), ..SystemSok::default() };
    let found = side.app().sok_systemer(&side.caller(), side.konto_sti(), &sok).await?;
    let treff = found.rows.into_iter().next().ok_or(Feil::FinnesIkke)?;
    Ok(Motpart { navn: treff.system.info.navn, har_tilgang: treff.har_tilgang, har_bedt: treff.har_bedt })
}

/// The question before a tilgang to the Konto is taken away, at `sti`.
fn fjern(side: &KontoSide, sti: String, id: SystemId, navn: &str) -> Fjern {
    let t = side.t();
    Fjern {
        id: format!("fjern-{id}"),
        sti,
        tittel: t.v("tilganger-fjerne-tittel", "navn", navn),
        tekst: t.v("tilganger-fjerne-til-konto", "konto", side.navn()),
        objekt: t.v("tilganger-for", "navn", navn),
    }
}

/// The same question from the search, which is shown again afterwards.
pub(crate) fn fjern_from_sok(side: &KontoSide, liste: &Liste, id: SystemId, navn: &str) -> Fjern {
    let sti = same_place(liste, &format!("{}/tilganger/{id}/fjern", side.sti()), &[(RETUR, TIL_SOK)]);
    fjern(side, sti, id, navn)
}

/// Where the question was asked.
fn back(side: &KontoSide, liste: &Liste) -> String {
    if liste.text(RETUR) == TIL_SOK {
        same_place(liste, &format!("{}/sok", side.sti()), &[(RETUR, "")])
    } else {
        liste.address(&format!("{}/tilganger", side.sti()), &[(RETUR, "")])
    }
}

#[derive(Template)]
#[template(path = "tilganger/konto.html")]
struct TilgangerSide {
    ramme: Ramme,
    faner_navn: String,
    faner: Vec<Tab>,
    /// Address of the search, for those who may open it.
    til_sok: Option<String>,
    sok: Option<Listesok>,
    antall: u64,
    soker: bool,
    system: Sort,
    rader: Vec<Rad>,
    paging: Option<Paging>,
}

struct Rad {
    system: String,
    organisasjon: String,
    beskrivelse: String,
    fjern: Option<Fjern>,
}

async fn show(side: KontoSide) -> Result<Response, Feil> {
    let (t, liste) = (side.t(), Liste::new(side.k()));
    let (caller, sti) = (side.caller(), side.konto_sti());
    let found = side.app().list_tilganger_side(&caller, sti, &asked(&liste, liste.page())).await?;
    let (may_change, antall) = (side.side.side.may_change(), found.total);
    let soker = !liste.sok().is_empty();
    let paging = liste.paging(&found, t.s("tilganger-sider"));
    let rader = found.rows.into_iter().map(|rad| {
        let (system, navn) = (rad.avsender.system.id, &rad.avsender.system.info.navn);
        let at = liste.address(&format!("{}/tilganger/{system}/fjern", side.sti()), &[]);
        Rad {
            fjern: may_change.then(|| fjern(&side, at, system, navn)),
            system: rad.avsender.system.info.navn.clone(),
            organisasjon: rad.avsender.eier.navn,
            beskrivelse: rad.avsender.system.info.beskrivelse,
        }
    });
    let siden = t.s("tilganger-tittel");
    Ok(ok(&TilgangerSide {
        ramme: side.ramme(&siden).here(siden),
        faner_navn: konto_faner::label(&side),
        faner: konto_faner::tabs(&side, "tilganger").await?,
        til_sok: may_change.then(|| format!("{}/sok", side.sti())),
        sok: (soker || antall >= SOK_FRA).then(|| Listesok::new(&liste, t.s("tilganger-sok-systemer"))),
        antall,
        soker,
        system: liste.sort("navn", t.s("felles-system"), SORTERING),
        rader: rader.collect(),
        paging,
    }))
}

#[derive(Template)]
#[template(path = "tilganger/fjern.html")]
struct FjernSide {
    ramme: Ramme,
    fjern: Fjern,
    behold: String,
}

/// The page that the dialog is without script.
async fn ask(side: KontoSide, Avsender(id): Avsender) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let navn = motpart(&side, id).await?.navn;
    let liste = Liste::new(side.k());
    let fjern = fjern(&side, same_place(&liste, side.k().path(), &[]), id, &navn);
    let ramme = side
        .side
        .side
        .protokoll_ramme(&fjern.tittel)
        .crumb(Crumb::link(side.side.sti(), side.side.navn()))
        .crumb(Crumb::link(side.sti(), side.navn()))
        .crumb(Crumb::link(format!("{}/tilganger", side.sti()), side.t().s("tilganger-tittel")))
        .here(&fjern.tittel);
    Ok(ok(&FjernSide { ramme, behold: back(&side, &liste), fjern }))
}

async fn remove(side: KontoSide, Avsender(id): Avsender, _: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let navn = motpart(&side, id).await?.navn;
    match side.app().remove_tilgang(&side.caller(), side.konto_sti(), id).await {
        // It was taken away before, by a second click or by somebody else.
        Ok(()) | Err(Error::NotFound(Missing::Tilgang(..))) => {}
        Err(error) => return Err(error.into()),
    }
    let melding = Melding::ok("tilganger-fjernet").with("system", navn).with("konto", side.navn());
    let sti = back(&side, &Liste::new(side.k()));
    side.side.side.innlogget.to(&sti, melding).await
}

#[cfg(test)]
mod tests {
    use crate::screens::tilgangsliste::tests::{UNKNOWN, add_system, ask, follow, give};
    use crate::testing::{CHANGERS, Hvem, READERS, World, opens};

    #[tokio::test]
    async fn pages_are_for_their_roles() {
        let world = World::new().await;
        give(&world, &world.storevik, &world.lillefjord).await;
        let path = format!("{}/tilganger", world.storevik.k());
        let fjern = format!("{path}/{}/fjern", world.lillefjord.system);
        opens(&world, &path, READERS).await;
        opens(&world, &fjern, CHANGERS).await;
        for (hvem, status) in [(Hvem::Les, 403), (Hvem::Lillefjord, 404), (Hvem::Uten, 404)] {
            world.browser(hvem).await.post(&fjern, &[]).await.is(status);
        }
        let answer = world.browser(Hvem::Les).await.get(&path).await;
        answer.says("Mitt arkiv").says("Lillefjord kommune").says_not("Fjern tilgang");
        let mut browser = world.browser(Hvem::Admin).await;
        browser.get(&format!("{path}/{UNKNOWN}/fjern")).await.is(404);
        browser.post(&format!("{path}/{UNKNOWN}/fjern"), &[]).await.is(404);
    }

    #[tokio::test]
    async fn empty_list_leads_to_the_search_for_those_who_may_search() {
        let world = World::new().await;
        let path = format!("{}/tilganger", world.storevik.k());
        let answer = world.browser(Hvem::Admin).await.get(&path).await;
        answer.says("Ingen systemer har tilgang ennå").says("Søk etter systemer");
        let answer = world.browser(Hvem::Les).await.get(&path).await;
        answer.says("Ingen systemer har tilgang ennå").says_not("Søk etter systemer");
    }

    #[tokio::test]
    async fn tilgang_is_taken_away_and_a_second_click_says_the_same() {
        let world = World::new().await;
        give(&world, &world.storevik, &world.lillefjord).await;
        ask(&world, &world.storevik, &world.storevik).await;
        let path = format!("{}/tilganger", world.storevik.k());
        let mut browser = world.browser(Hvem::Admin).await;
        browser
            .get(&path)
            .await
            .says("Mitt fagsystem - konto – Tilganger")
            .says("Forespørsler (1)")
            .says("1 system")
            .says("Fjerne tilgangen til Mitt arkiv?")
            .says("Systemet kan ikke lenger sende meldinger til Mitt fagsystem - konto.");
        let fjern = format!("{path}/{}/fjern", world.lillefjord.system);
        browser.get(&fjern).await.says("Fjerne tilgangen til Mitt arkiv?").says("Behold tilgangen");
        for _ in 0..2 {
            let answer = browser.post(&fjern, &[]).await;
            assert!(answer.location().starts_with(&format!("{path}?m=")));
            let page = follow(&mut browser, answer).await;
            page.says("Mitt arkiv kan ikke lenger sende meldinger til Mitt fagsystem - konto.");
            page.says("Ingen systemer har tilgang ennå");
        }
    }

    #[tokio::test]
    async fn from_the_search_one_comes_back_to_it() {
        let world = World::new().await;
        give(&world, &world.storevik, &world.lillefjord).await;
        let (k, system) = (world.storevik.k(), world.lillefjord.system);
        let mut browser = world.browser(Hvem::Admin).await;
        let page = browser.get(&format!("{k}/sok?sokt=ja&sok=arkiv&utveksle=ja&side=1")).await;
        page.says("Har tilgang");
        let asked = "sokt=ja&sok=arkiv&utveksle=ja&retur=sok&side=1";
        let fjern = format!("{k}/tilganger/{system}/fjern?{asked}");
        assert!(page.text.replace("&#38;", "&").contains(&format!("href=\"{fjern}\"")), "{}", page.text);
        let back = format!("{k}/sok?sokt=ja&sok=arkiv&utveksle=ja&side=1");
        let question = browser.get(&fjern).await.text.replace("&#38;", "&");
        assert!(question.contains(&format!("href=\"{back}\"")), "{question}");
        assert!(question.contains(&format!("action=\"{fjern}\"")), "{question}");
        let answer = browser.post(&fjern, &[]).await;
        assert!(answer.location().starts_with(&format!("{back}&m=")), "{}", answer.location());
        follow(&mut browser, answer).await.says("Gi tilgang").says_not("Har tilgang");
    }

    #[tokio::test]
    async fn long_list_is_searched() {
        let world = World::new().await;
        for n in 0..30 {
            let id = add_system(&world, world.lillefjord.org, &format!("Avsender {n}"), false).await;
            world.app.grant_tilgang(&app::Caller::Operator, world.storevik.sti, id).await.unwrap();
        }
        let path = format!("{}/tilganger", world.storevik.k());
        let mut browser = world.browser(Hvem::Les).await;
        browser
            .get(&path)
            .await
            .says("30 systemer")
            .says("Side 1 av 2")
            .says("Søk etter system eller organisasjon");
        browser.get(&format!("{path}?sok=29")).await.says("1 system").says("Avsender 29");
        browser.get(&format!("{path}?sok=finnes-ikke")).await.says("Ingen systemer passer med søket");
    }
}
