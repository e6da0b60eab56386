//! Screen 13: the systemer that have asked for a Konto, and the answers.

use app::{Error, Missing};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};

use crate::feil::Feil;
use crate::format;
use crate::innlogget::KontoSide;
use crate::liste::Liste;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::screens::konto_faner;
use crate::screens::konto_tilganger::{Avsender, motpart};
use crate::screens::systemer::SOK_FRA;
use crate::screens::tilgangsliste::{Listesok, SORTERING, asked};
use crate::skjema::Skjema;
use crate::view::{Paging, Sort, Tab, Time};

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/foresporsler", get(show))
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/foresporsler/{avsender}/godkjenn",
            post(grant),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/foresporsler/{avsender}/avvis",
            post(reject),
        )
}

#[derive(Template)]
#[template(path = "tilganger/foresporsler.html")]
struct ForesporslerSide {
    ramme: Ramme,
    faner_navn: String,
    faner: Vec<Tab>,
    may_change: bool,
    sok: Option<Listesok>,
    antall: u64,
    soker: bool,
    system: Sort,
    sendt: Sort,
    rader: Vec<Rad>,
    paging: Option<Paging>,
}

struct Rad {
    system: String,
    organisasjon: String,
    beskrivelse: String,
    sendt: Time,
    godkjenn: String,
    avvis: String,
}

async fn show(side: KontoSide) -> Result<Response, Feil> {
    let (t, liste) = (side.t(), Liste::new(side.k()));
    let (caller, sti) = (side.caller(), side.konto_sti());
    let found = side.app().list_foresporsler_side(&caller, sti, &asked(&liste, liste.page())).await?;
    let soker = !liste.sok().is_empty();
    let antall = found.total;
    // All of them, whatever the list is searched for.
    let faner = if soker {
        konto_faner::tabs(&side, "foresporsler").await?
    } else {
        konto_faner::counted(&side, "foresporsler", antall)
    };
    let paging = liste.paging(&found, t.s("tilganger-sider-foresporsler"));
    let rader = found.rows.into_iter().map(|rad| {
        let at = format!("{}/foresporsler/{}", side.sti(), rad.avsender.system.id);
        Rad {
            godkjenn: liste.address(&format!("{at}/godkjenn"), &[]),
            avvis: liste.address(&format!("{at}/avvis"), &[]),
            system: rad.avsender.system.info.navn,
            organisasjon: rad.avsender.eier.navn,
            beskrivelse: rad.avsender.system.info.beskrivelse,
            sendt: format::time_of(rad.sendt, t.sprak()),
        }
    });
    let siden = t.s("tilganger-foresporsler");
    Ok(ok(&ForesporslerSide {
        ramme: side.ramme(&siden).here(siden),
        faner_navn: konto_faner::label(&side),
        faner,
        may_change: side.side.side.may_change(),
        sok: (soker || antall >= SOK_FRA).then(|| Listesok::new(&liste, t.s("tilganger-sok-systemer"))),
        antall,
        soker,
        system: liste.sort("navn", t.s("felles-system"), SORTERING),
        sendt: liste.sort("tidspunkt", t.s("tilganger-sendt-tid"), SORTERING),
        rader: rader.collect(),
        paging,
    }))
}

async fn back(side: &KontoSide, melding: Melding) -> Result<Response, Feil> {
    let sti = Liste::new(side.k()).address(&format!("{}/foresporsler", side.sti()), &[]);
    side.side.side.innlogget.to(&sti, melding).await
}

async fn grant(side: KontoSide, Avsender(id): Avsender, _: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let motpart = motpart(&side, id).await?;
    if !motpart.har_bedt && !motpart.har_tilgang {
        // Who has changed their mind is not given what they no longer ask for.
        let melding = Melding::advarsel("tilganger-ikke-a-besvare").with("system", motpart.navn);
        return back(&side, melding).await;
    }
    side.app().grant_tilgang(&side.caller(), side.konto_sti(), id).await?;
    let melding =
        Melding::ok("tilganger-kan-na-sende").with("system", motpart.navn).with("konto", side.navn());
    back(&side, melding).await
}

async fn reject(side: KontoSide, Avsender(id): Avsender, _: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let navn = motpart(&side, id).await?.navn;
    let melding = match side.app().reject_foresporsel(&side.caller(), side.konto_sti(), id).await {
        Ok(()) => Melding::ok("tilganger-avvist"),
        Err(Error::NotFound(Missing::Foresporsel(..))) => Melding::advarsel("tilganger-ikke-a-besvare"),
        Err(error) => return Err(error.into()),
    };
    back(&side, melding.with("system", navn)).await
}

#[cfg(test)]
mod tests {
    use app::Caller;

    use crate::screens::tilgangsliste::tests::{UNKNOWN, ask, follow};
    use crate::testing::{Hvem, READERS, World, opens};

    #[tokio::test]
    async fn pages_are_for_their_roles() {
        let world = World::new().await;
        let path = format!("{}/foresporsler", world.storevik.k());
        opens(&world, &path, READERS).await;
        world.browser(Hvem::Admin).await.get(&path).await.says("Ingen forespørsler");
        ask(&world, &world.storevik, &world.lillefjord).await;
        let answer = world.browser(Hvem::Les).await.get(&path).await;
        answer.says("Mitt arkiv").says("Forespørsler (1)").says_not("Godkjenn").says_not("Avvis");
        for what in ["godkjenn", "avvis"] {
            let at = format!("{path}/{}/{what}", world.lillefjord.system);
            for (hvem, status) in [(Hvem::Les, 403), (Hvem::Lillefjord, 404), (Hvem::Uten, 404)] {
                world.browser(hvem).await.post(&at, &[]).await.is(status);
            }
            let at = format!("{path}/{UNKNOWN}/{what}");
            world.browser(Hvem::Admin).await.post(&at, &[]).await.is(404);
        }
    }

    #[tokio::test]
    async fn every_page_of_a_konto_tells_how_many_wait() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let pages =
            ["", "/tilganger", "/sok", "/foresporsler", "/foresporsler?sok=x", "/konfigurasjon", "/sporing"];
        let pages = pages.into_iter().map(|page| world.storevik.k() + page);
        for page in pages.clone() {
            browser.get(&page).await.is(200).says("Forespørsler").says_not("Forespørsler (");
        }
        ask(&world, &world.storevik, &world.lillefjord).await;
        for page in pages {
            browser.get(&page).await.is(200).says("Forespørsler (1)");
        }
    }

    #[tokio::test]
    async fn foresporsel_is_granted_once() {
        let world = World::new().await;
        ask(&world, &world.storevik, &world.lillefjord).await;
        let path = format!("{}/foresporsler", world.storevik.k());
        let mut browser = world.browser(Hvem::Protokoll).await;
        let page = browser.get(&path).await;
        page.says("1 forespørsel")
            .says("Mitt arkiv")
            .says("Lillefjord kommune")
            .says("Godkjenn")
            .says("Avvis");
        let grant = format!("{path}/{}/godkjenn", world.lillefjord.system);
        for _ in 0..2 {
            let answer = browser.post(&grant, &[]).await;
            let page = follow(&mut browser, answer).await;
            page.says("Mitt arkiv kan nå sende meldinger til Mitt fagsystem - konto.")
                .says("Ingen forespørsler");
        }
        browser.get(&format!("{}/tilganger", world.storevik.k())).await.says("1 system").says("Mitt arkiv");
        let reject = format!("{path}/{}/avvis", world.lillefjord.system);
        let answer = browser.post(&reject, &[]).await;
        let page = follow(&mut browser, answer).await;
        page.says("Forespørselen fra Mitt arkiv er allerede besvart eller trukket.");
    }

    #[tokio::test]
    async fn foresporsel_is_rejected() {
        let world = World::new().await;
        ask(&world, &world.storevik, &world.lillefjord).await;
        let path = format!("{}/foresporsler", world.storevik.k());
        let mut browser = world.browser(Hvem::Admin).await;
        let answer = browser.post(&format!("{path}/{}/avvis", world.lillefjord.system), &[]).await;
        let page = follow(&mut browser, answer).await;
        page.says("Forespørselen fra Mitt arkiv er avvist.").says("Ingen forespørsler");
        let tilganger = format!("{}/tilganger", world.storevik.k());
        browser.get(&tilganger).await.says("Ingen systemer har tilgang ennå");
    }

    #[tokio::test]
    async fn withdrawn_foresporsel_is_not_granted() {
        let world = World::new().await;
        ask(&world, &world.storevik, &world.lillefjord).await;
        let (owner, system) = (world.lillefjord.org, world.lillefjord.system);
        let konto = world.storevik.sti.konto_id;
        world.app.withdraw_foresporsel(&Caller::Operator, owner, system, konto).await.unwrap();
        let mut browser = world.browser(Hvem::Admin).await;
        let grant = format!("{}/foresporsler/{system}/godkjenn", world.storevik.k());
        let answer = browser.post(&grant, &[]).await;
        follow(&mut browser, answer)
            .await
            .says("Forespørselen fra Mitt arkiv er allerede besvart eller trukket.");
        let tilganger = format!("{}/tilganger", world.storevik.k());
        browser.get(&tilganger).await.says("Ingen systemer har tilgang ennå");
    }

    #[tokio::test]
    async fn own_system_may_ask_too() {
        let world = World::new().await;
        ask(&world, &world.storevik, &world.storevik).await;
        let mut browser = world.browser(Hvem::Admin).await;
        let grant = format!("{}/foresporsler/{}/godkjenn", world.storevik.k(), world.storevik.system);
        let answer = browser.post(&grant, &[]).await;
        let page = follow(&mut browser, answer).await;
        page.says("Mitt fagsystem kan nå sende meldinger til Mitt fagsystem - konto.");
    }
}
