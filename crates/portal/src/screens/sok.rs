//! Screen 14: finding systemer and letting them send to a Konto.

use app::lister::{SystemSok, SystemTreff};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use domain::id::SystemId;

use crate::feil::Feil;
use crate::innlogget::KontoSide;
use crate::liste::Liste;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::screens::konto_faner;
use crate::screens::konto_tilganger::{fjern_from_sok, motpart};
use crate::screens::tilgangsliste::{
    Fjern, SOKT, count_search, filter, meldingstype_field, organisasjoner, same_place,
};
use crate::skjema::Skjema;
use crate::view::{Checkbox, Field, Paging, Select, Tab};

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/sok", get(show))
        .route("/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/sok/gi-tilgang", post(grant))
}

#[derive(Template)]
#[template(path = "sok/sok.html")]
struct SokSide {
    ramme: Ramme,
    faner_navn: String,
    faner: Vec<Tab>,
    sok: Field,
    eier: Select,
    utveksle: Checkbox,
    meldingstype: Field,
    meldingstyper: Vec<String>,
    /// The first visit: name of the own organisasjon, whose systemer are shown.
    egen: Option<String>,
    antall: u64,
    rader: Vec<Rad>,
    gi_tilgang: String,
    paging: Option<Paging>,
}

struct Rad {
    id: SystemId,
    navn: String,
    organisasjon: String,
    beskrivelse: String,
    har_bedt: bool,
    /// It has tilgang, which can be taken away.
    fjern: Option<Fjern>,
}

/// What the address asks for; the own systemer where it asks for nothing.
fn asked(liste: &Liste) -> SystemSok {
    let searched = liste.has(SOKT);
    let given = |name: &str| Some(liste.text(name)).filter(|value| !value.is_empty());
    SystemSok {
        term: liste.sok(),
        eier: given("eier").and_then(|id| id.parse().ok()),
        bare_egne: !searched,
        bare_som_kan_utveksle: !searched || liste.checked("utveksle"),
        kan_motta: given("meldingstype"),
        page: liste.page(),
    }
}

async fn show(side: KontoSide) -> Result<Response, Feil> {
    let org = &side.side.side;
    org.demand_change()?;
    count_search(org)?;
    let (t, app, caller, sti) = (side.t(), side.app(), side.caller(), side.konto_sti());
    let liste = Liste::new(side.k());
    let wanted = asked(&liste);
    // The search takes its time, so the rest is asked for meanwhile.
    let (found, owners, meldingstyper, faner) = tokio::try_join!(
        async { Ok(app.sok_systemer(&caller, sti, &wanted).await?) },
        async { Ok(app.list_organisasjoner_for_valg(&caller, org.id(), side.side.system.id).await?) },
        async { Ok(app.list_meldingstyper_som_kan_mottas().await?) },
        konto_faner::tabs(&side, "sok"),
    )?;
    let utveksle = Field::new("utveksle", t.s("sok-utveksle")).optional();
    let siden = t.s("sok-tittel");
    Ok(ok(&SokSide {
        ramme: side.ramme(&siden).here(siden),
        faner_navn: konto_faner::label(&side),
        faner,
        sok: Field::new("sok", t.s("felles-sok"))
            .description(t.s("sok-hjelp"))
            .kind("search")
            .optional()
            .value(&wanted.term),
        eier: filter(t, "eier", t.s("sok-eier"), &liste.text("eier"), organisasjoner(owners)),
        utveksle: Checkbox::new(utveksle, wanted.bare_som_kan_utveksle),
        meldingstype: meldingstype_field(t, liste.text("meldingstype")),
        meldingstyper,
        egen: wanted.bare_egne.then(|| org.org.navn.clone()),
        antall: found.total,
        paging: liste.paging(&found, t.s("sok-sider")),
        rader: found.rows.into_iter().map(|treff| rad(&side, &liste, treff)).collect(),
        gi_tilgang: same_place(&liste, &format!("{}/sok/gi-tilgang", side.sti()), &[]),
    }))
}

fn rad(side: &KontoSide, liste: &Liste, treff: SystemTreff) -> Rad {
    let SystemTreff { system, eier, har_tilgang, har_bedt } = treff;
    Rad {
        id: system.id,
        fjern: har_tilgang.then(|| fjern_from_sok(side, liste, system.id, &system.info.navn)),
        navn: system.info.navn,
        organisasjon: eier.navn,
        beskrivelse: system.info.beskrivelse,
        har_bedt,
    }
}

async fn grant(side: KontoSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let id: SystemId = skjema.felter.raw("system").parse().map_err(|_| Feil::FinnesIkke)?;
    let navn = motpart(&side, id).await?.navn;
    side.app().grant_tilgang(&side.caller(), side.konto_sti(), id).await?;
    let melding = Melding::ok("tilganger-kan-na-sende").with("system", navn).with("konto", side.navn());
    let sti = same_place(&Liste::new(side.k()), &format!("{}/sok", side.sti()), &[]);
    side.side.side.innlogget.to(&sti, melding).await
}

#[cfg(test)]
mod tests {
    use app::Caller;

    use crate::screens::tilgangsliste::tests::{UNKNOWN, add_system, ask, follow, info};
    use crate::testing::{CHANGERS, Hvem, World, opens};

    #[tokio::test]
    async fn pages_are_for_those_who_may_change_something() {
        let world = World::new().await;
        let path = format!("{}/sok", world.storevik.k());
        opens(&world, &path, CHANGERS).await;
        let system = world.lillefjord.system.to_string();
        for (hvem, status) in [(Hvem::Les, 403), (Hvem::Lillefjord, 404), (Hvem::Uten, 404)] {
            let fields = [("system", system.as_str())];
            world.browser(hvem).await.post(&format!("{path}/gi-tilgang"), &fields).await.is(status);
        }
        let mut browser = world.browser(Hvem::Admin).await;
        for unknown in [UNKNOWN, "tull"] {
            browser.post(&format!("{path}/gi-tilgang"), &[("system", unknown)]).await.is(404);
        }
    }

    #[tokio::test]
    async fn first_visit_shows_the_own_systemer_that_fit() {
        let world = World::new().await;
        let path = format!("{}/sok", world.storevik.k());
        let mut browser = world.browser(Hvem::Admin).await;
        let page = browser.get(&path).await;
        page.says("Ingen andre systemer i Storevik kommune kan utveksle meldinger med kontoen");
        page.says("Vis bare systemer som kan utveksle meldinger med kontoen").says_not("Gi tilgang");
        assert!(page.text.contains("value=\"ja\" checked"), "{}", page.text);
        // The own System is not among the own ones, and one without a Konto cannot exchange meldinger.
        add_system(&world, world.storevik.org, "Annet system", false).await;
        browser.get(&path).await.says_not("Annet system");
        browser
            .get(&format!("{path}?sokt=ja&sok="))
            .await
            .says("2 systemer")
            .says("Annet system")
            .says("Mitt arkiv");
        browser.get(&format!("{path}?sokt=ja&utveksle=ja")).await.says("1 system").says("Mitt arkiv");
    }

    #[tokio::test]
    async fn systemer_are_found_by_each_filter() {
        let world = World::new().await;
        let path = format!("{}/sok", world.storevik.k());
        let mut browser = world.browser(Hvem::Admin).await;
        let (own, their) = (world.storevik.org, world.lillefjord.org);
        for (query, found) in [
            ("sok=ARKIV".to_owned(), true),
            ("sok=finnes-ikke".to_owned(), false),
            (format!("eier={their}"), true),
            (format!("eier={own}"), false),
            ("meldingstype=no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett".to_owned(), true),
            ("meldingstype=finnes.ikke".to_owned(), false),
        ] {
            let page = browser.get(&format!("{path}?sokt=ja&utveksle=ja&{query}")).await;
            if found {
                page.says("1 system").says("Mitt arkiv").says("Lillefjord kommune").says("Gi tilgang");
            } else {
                page.says("Ingen systemer passer med søket").says("Be eieren om systemId, og søk på den.");
            }
        }
    }

    #[tokio::test]
    async fn tilgang_is_given_and_the_same_search_shown() {
        let world = World::new().await;
        ask(&world, &world.storevik, &world.lillefjord).await;
        let k = world.storevik.k();
        let mut browser = world.browser(Hvem::Admin).await;
        let page = browser.get(&format!("{k}/sok?sokt=ja&sok=arkiv&utveksle=ja")).await;
        page.says("Har bedt om tilgang").says("Gi tilgang til Mitt arkiv").says("Forespørsler (1)");
        let action = format!("{k}/sok/gi-tilgang?sokt=ja&sok=arkiv&utveksle=ja");
        assert!(page.text.replace("&#38;", "&").contains(&format!("action=\"{action}\"")), "{}", page.text);
        let system = world.lillefjord.system.to_string();
        for _ in 0..2 {
            let answer = browser.post(&action, &[("system", &system)]).await;
            assert!(answer.location().starts_with(&format!("{k}/sok?sokt=ja&sok=arkiv&utveksle=ja&m=")));
            let page = follow(&mut browser, answer).await;
            page.says("Mitt arkiv kan nå sende meldinger til Mitt fagsystem - konto.");
            page.says("Har tilgang")
                .says("Fjern tilgang")
                .says_not("Gi tilgang")
                .says_not("Har bedt om tilgang");
        }
        let theirs = format!("{}/tilganger", world.lillefjord.s());
        world.browser(Hvem::Lillefjord).await.get(&theirs).await.says("Mitt fagsystem - konto");
    }

    #[tokio::test]
    async fn hidden_system_is_found_by_its_whole_id_alone() {
        let world = World::new().await;
        let (owner, system) = (world.lillefjord.org, world.lillefjord.system);
        let hidden = info("Mitt arkiv", false);
        world.app.update_system_info(&Caller::Operator, owner, system, hidden, None).await.unwrap();
        let path = format!("{}/sok", world.storevik.k());
        let mut browser = world.browser(Hvem::Admin).await;
        browser.get(&format!("{path}?sokt=ja&sok=arkiv")).await.says("Ingen systemer passer med søket");
        browser.get(&format!("{path}?sokt=ja&sok={system}")).await.says("Mitt arkiv").says("Gi tilgang");
    }

    #[tokio::test]
    async fn too_many_searches_within_a_minute_are_refused() {
        let world = World::new().await;
        let path = format!("{}/sok", world.storevik.k());
        let mut browser = world.browser(Hvem::Admin).await;
        for _ in 0..60 {
            browser.get(&path).await.is(200);
        }
        browser.get(&path).await.is(429).says("Du har prøvd for mange ganger.");
    }
}
