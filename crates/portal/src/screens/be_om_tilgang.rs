//! Screen 9: «Be om tilgang»: finding kontoer of others and asking for them, and what was asked for before.

use app::lister::{EksternKontoRad, KontoSok, KontoTreff, TilgangListe, TilgangSortering};
use app::{Error, Missing};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use domain::protokoll::{Protokoll, Protokollstatus};

use crate::feil::Feil;
use crate::format;
use crate::innlogget::SystemSide;
use crate::liste::Liste;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::screens::system_tilganger::{Ekstern, ekstern, tilganger_sti};
use crate::screens::tilgangsliste::{
    SOKT, count_search, filter, meldingstype_field, organisasjoner, parter, same_place,
};
use crate::skjema::Skjema;
use crate::view::{Crumb, Field, Paging, Select, Time};

/// Where in the list of forespørsler one is; the search of the same page has a place of its own.
const FORESPURT_SIDE: &str = "forespurt-side";

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/protokoll/systemer/{system}/tilganger/be-om", get(show))
        .route("/o/{org}/protokoll/systemer/{system}/tilganger/{ekstern}/be-om", post(send))
        .route("/o/{org}/protokoll/systemer/{system}/tilganger/{ekstern}/trekk", post(withdraw))
}

#[derive(Template)]
#[template(path = "tilganger/be-om.html")]
struct BeOmSide {
    ramme: Ramme,
    /// Nothing for those who may only read.
    skjema: Option<Sokeskjema>,
    treff: Option<Treff>,
    forespurte: Vec<Forespurt>,
    forespurte_antall: u64,
    forespurte_paging: Option<Paging>,
}

struct Sokeskjema {
    sok: Field,
    eier: Select,
    protokoll: Select,
    meldingstype: Field,
    meldingstyper: Vec<String>,
}

/// What was found.
struct Treff {
    antall: u64,
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
    har_tilgang: bool,
    har_bedt: bool,
    be_om: String,
    trekk: String,
}

/// A forespørsel that has not been answered.
struct Forespurt {
    href: String,
    konto: String,
    system: String,
    organisasjon: String,
    protokoll: String,
    parter: Vec<String>,
    sendt: Time,
    /// Nothing for those who may only read.
    trekk: Option<String>,
}

async fn show(side: SystemSide) -> Result<Response, Feil> {
    let (t, liste) = (side.t(), Liste::new(side.k()));
    let may_change = side.side.may_change();
    let wanted = TilgangListe {
        sok: String::new(),
        sortering: TilgangSortering::Tidspunkt,
        synkende: true,
        page: liste.page_by(FORESPURT_SIDE),
    };
    let (app, caller, owner) = (side.app(), side.caller(), side.side.id());
    let sent =
        async { Ok(app.list_foresporsler_for_system_side(&caller, owner, side.system.id, &wanted).await?) };
    // The search takes its time, so the rest is asked for meanwhile.
    let (skjema, treff, sent) = if may_change {
        let (skjema, treff, sent) = tokio::try_join!(sokeskjema(&side, &liste), search(&side, &liste), sent)?;
        (Some(skjema), treff, sent)
    } else {
        (None, None, sent.await?)
    };
    let siden = t.s(if may_change { "tilganger-be-om" } else { "tilganger-forespurte" });
    let tilganger = Crumb::link(tilganger_sti(&side), t.s("tilganger-tittel"));
    Ok(ok(&BeOmSide {
        ramme: side.ramme(&siden).crumb(tilganger).here(siden),
        skjema,
        treff,
        forespurte_antall: sent.total,
        forespurte_paging: liste.paging_by(FORESPURT_SIDE, &sent, t.s("tilganger-sider-forespurte")),
        forespurte: sent.rows.into_iter().map(|rad| forespurt(&side, &liste, rad)).collect(),
    }))
}

async fn sokeskjema(side: &SystemSide, liste: &Liste) -> Result<Sokeskjema, Feil> {
    let (t, app) = (side.t(), side.app());
    let owners = app.list_organisasjoner_for_valg(&side.caller(), side.side.id(), side.system.id).await?;
    let protokoller = in_use(&app.list_protokoller().await?);
    Ok(Sokeskjema {
        sok: Field::new("sok", t.s("felles-sok"))
            .description(t.s("tilganger-be-om-sok-hjelp"))
            .kind("search")
            .optional()
            .value(liste.sok()),
        eier: filter(t, "eier", t.s("sok-eier"), &liste.text("eier"), organisasjoner(owners)),
        protokoll: filter(
            t,
            "protokoll",
            t.s("regler-felt-protokoll"),
            &liste.text("protokoll"),
            protokoller,
        ),
        meldingstype: meldingstype_field(t, liste.text("meldingstype")),
        meldingstyper: app.list_meldingstyper_som_kan_mottas().await?,
    })
}

/// The names of the protokoller that kontoer can be made for, each once.
fn in_use(protokoller: &[Protokoll]) -> Vec<(String, String)> {
    let mut names: Vec<_> = protokoller
        .iter()
        .filter(|protokoll| protokoll.status == Protokollstatus::Aktiv)
        .map(|protokoll| protokoll.navn.clone())
        .collect();
    names.sort();
    names.dedup();
    names.into_iter().map(|navn| (navn.clone(), navn)).collect()
}

/// What the address asks for; nothing before the first search.
async fn search(side: &SystemSide, liste: &Liste) -> Result<Option<Treff>, Feil> {
    if !liste.has(SOKT) {
        return Ok(None);
    }
    count_search(&side.side)?;
    let given = |name: &str| Some(liste.text(name)).filter(|value| !value.is_empty());
    let sok = KontoSok {
        term: liste.sok(),
        eier: given("eier").and_then(|id| id.parse().ok()),
        protokoll: given("protokoll"),
        kan_motta: given("meldingstype"),
        page: liste.page(),
    };
    let found = side.app().sok_kontoer(&side.caller(), side.side.id(), side.system.id, &sok).await?;
    Ok(Some(Treff {
        antall: found.total,
        paging: liste.paging(&found, side.t().s("tilganger-sider-treff")),
        rader: found.rows.into_iter().map(|treff| rad(side, liste, treff)).collect(),
    }))
}

fn rad(side: &SystemSide, liste: &Liste, treff: KontoTreff) -> Rad {
    let href = format!("{}/{}", tilganger_sti(side), treff.konto.id);
    Rad {
        be_om: same_place(liste, &format!("{href}/be-om"), &[]),
        trekk: same_place(liste, &format!("{href}/trekk"), &[]),
        href,
        parter: parter(&treff.konto),
        konto: treff.konto.navn,
        system: treff.system.info.navn,
        organisasjon: treff.eier.navn,
        protokoll: treff.konto.protokoll_navn,
        har_tilgang: treff.har_tilgang,
        har_bedt: treff.har_bedt,
    }
}

fn forespurt(side: &SystemSide, liste: &Liste, rad: EksternKontoRad) -> Forespurt {
    let href = format!("{}/{}", tilganger_sti(side), rad.konto.id);
    let trekk = same_place(liste, &format!("{href}/trekk"), &[(FORESPURT_SIDE, "")]);
    Forespurt {
        trekk: side.side.may_change().then_some(trekk),
        href,
        parter: parter(&rad.konto),
        konto: rad.konto.navn,
        system: rad.system.info.navn,
        organisasjon: rad.eier.navn,
        protokoll: rad.konto.protokoll_navn,
        sendt: format::time_of(rad.siden, side.t().sprak()),
    }
}

/// Back to the same search.
async fn back(side: &SystemSide, melding: Melding) -> Result<Response, Feil> {
    let sti = same_place(&Liste::new(side.k()), &format!("{}/be-om", tilganger_sti(side)), &[]);
    side.side.innlogget.to(&sti, melding).await
}

async fn send(side: SystemSide, Ekstern(id): Ekstern, _: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let before = ekstern(&side, id).await?;
    side.app().request_tilgang(&side.caller(), side.side.id(), side.system.id, id).await?;
    let given = ekstern(&side, id).await?.tilgang.is_some();
    let key = match (before.tilgang.is_some(), given) {
        (true, _) => "tilganger-har-alt",
        (false, true) => "tilganger-gitt-automatisk",
        (false, false) => "tilganger-sendt",
    };
    let melding = Melding::ok(key)
        .with("system", side.navn())
        .with("konto", before.ekstern.konto.navn)
        .with("organisasjon", before.ekstern.eier.navn);
    back(&side, melding).await
}

async fn withdraw(side: SystemSide, Ekstern(id): Ekstern, _: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let navn = ekstern(&side, id).await?.ekstern.konto.navn;
    let withdrawn = side.app().withdraw_foresporsel(&side.caller(), side.side.id(), side.system.id, id).await;
    let melding = match withdrawn {
        Ok(()) => Melding::ok("tilganger-trukket"),
        Err(Error::NotFound(Missing::Foresporsel(..))) => Melding::advarsel("tilganger-ikke-a-trekke"),
        Err(error) => return Err(error.into()),
    };
    back(&side, melding.with("konto", navn)).await
}

#[cfg(test)]
mod tests {
    use app::Caller;

    use crate::screens::tilgangsliste::tests::{UNKNOWN, ask, follow, give, info};
    use crate::testing::{Hvem, READERS, World, opens};

    fn path(world: &World) -> String {
        format!("{}/tilganger/be-om", world.storevik.s())
    }

    fn konto(world: &World) -> String {
        format!("{}/tilganger/{}", world.storevik.s(), world.lillefjord.sti.konto_id)
    }

    #[tokio::test]
    async fn who_may_only_read_sees_what_was_asked_for_and_cannot_ask() {
        let world = World::new().await;
        opens(&world, &path(&world), READERS).await;
        let mut browser = world.browser(Hvem::Les).await;
        browser.get(&path(&world)).await.says("Forespurte tilganger").says("Ingen forespurte tilganger");
        ask(&world, &world.lillefjord, &world.storevik).await;
        let answer = browser.get(&format!("{}?sokt=ja", path(&world))).await;
        answer.says("1 forespurt tilgang").says("Mitt arkiv - konto").says("Lillefjord kommune");
        answer.says_not("Trekk forespørselen").says_not("Eierorganisasjon").says_not("Send forespørsel");
        for what in ["be-om", "trekk"] {
            browser.post(&format!("{}/{what}", konto(&world)), &[]).await.is(403);
            let path = format!("{}/tilganger/{UNKNOWN}/{what}", world.storevik.s());
            world.browser(Hvem::Admin).await.post(&path, &[]).await.is(404);
        }
    }

    #[tokio::test]
    async fn kontoer_are_found_by_each_filter() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        browser.get(&path(&world)).await.says("Kan motta meldingstype").says_not("Send forespørsel");
        let id = world.lillefjord.sti.konto_id;
        let (own, their) = (world.storevik.org, world.lillefjord.org);
        for (query, found) in [
            ("sok=".to_owned(), true),
            ("sok=ARKIV".to_owned(), true),
            ("sok=finnes-ikke".to_owned(), false),
            (format!("sok={id}"), true),
            (format!("sok={UNKNOWN}"), false),
            (format!("eier={their}"), true),
            (format!("eier={own}"), false),
            ("protokoll=no.ks.fiks.arkiv".to_owned(), true),
            ("protokoll=no.ks.fiks.plan".to_owned(), false),
            ("meldingstype=no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett".to_owned(), true),
            ("meldingstype=finnes.ikke".to_owned(), false),
        ] {
            let answer = browser.get(&format!("{}?sokt=ja&{query}", path(&world))).await;
            if found {
                answer.says("1 konto").says("no.ks.fiks.arkiv arkiv.full v1").says("Send forespørsel");
            } else {
                answer.says("Ingen kontoer passer med søket").says_not("Send forespørsel");
            }
        }
    }

    #[tokio::test]
    async fn foresporsel_is_sent_seen_and_withdrawn() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let answer = browser.post(&format!("{}/be-om?sokt=ja&sok=arkiv", konto(&world)), &[]).await;
        assert!(answer.location().starts_with(&format!("{}?sokt=ja&sok=arkiv&m=", path(&world))));
        let page = follow(&mut browser, answer).await;
        page.says("Forespørselen om tilgang til Mitt arkiv - konto er sendt til Lillefjord kommune.");
        page.says("Forespurt").says("1 forespurt tilgang").says_not("Send forespørsel");
        browser.get(&konto(&world)).await.says("Forespurt").says("Trekk forespørselen");
        let theirs = format!("{}/foresporsler", world.lillefjord.k());
        world
            .browser(Hvem::Lillefjord)
            .await
            .get(&theirs)
            .await
            .says("Mitt fagsystem")
            .says("Forespørsler (1)");
        let trekk = format!("{}/trekk?sokt=ja&sok=arkiv", konto(&world));
        let answer = browser.post(&trekk, &[]).await;
        let page = follow(&mut browser, answer).await;
        page.says("Forespørselen om tilgang til Mitt arkiv - konto er trukket.").says("Send forespørsel");
        let answer = browser.post(&trekk, &[]).await;
        follow(&mut browser, answer).await.says("er allerede besvart eller trukket.");
    }

    #[tokio::test]
    async fn answer_tells_of_what_was_given_at_once_or_before() {
        let world = World::new().await;
        let (owner, system) = (world.lillefjord.org, world.lillefjord.system);
        let mut automatic = info("Mitt arkiv", true);
        automatic.automatisk_godkjenning = true;
        world.app.update_system_info(&Caller::Operator, owner, system, automatic, None).await.unwrap();
        let mut browser = world.browser(Hvem::Admin).await;
        let be_om = format!("{}/be-om?sokt=ja", konto(&world));
        let answer = browser.post(&be_om, &[]).await;
        let page = follow(&mut browser, answer).await;
        page.says("Mitt fagsystem kan nå sende meldinger til Mitt arkiv - konto.");
        page.says("Lillefjord kommune godkjenner forespørsler automatisk.").says("Har tilgang");
        let answer = browser.post(&be_om, &[]).await;
        let page = follow(&mut browser, answer).await;
        page.says("Mitt fagsystem kan allerede sende meldinger til Mitt arkiv - konto.");
    }

    #[tokio::test]
    async fn too_many_searches_within_a_minute_are_refused() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let path = format!("{}?sokt=ja", path(&world));
        for _ in 0..60 {
            browser.get(&path).await.is(200);
        }
        browser.get(&path).await.is(429).says("Du har prøvd for mange ganger.");
        // The form itself searches for nothing, and others are not held up.
        browser.get(path.split('?').next().unwrap()).await.is(200);
        world.browser(Hvem::Protokoll).await.get(&path).await.is(200);
    }

    #[tokio::test]
    async fn pages_are_there_in_the_other_languages() {
        let world = World::new().await;
        give(&world, &world.lillefjord, &world.storevik).await;
        for (sprak, text) in [("nn", "Be om tilgang"), ("en", "Request access")] {
            let mut browser = world.browser(Hvem::Admin).await;
            browser.sprak = sprak;
            browser.get(&path(&world)).await.says(text);
        }
    }
}
