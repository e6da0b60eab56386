//! Screen 12: a Konto: how it stands right now, what is wrong with it and where that is cured, and its facts.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::nokkel::OffentligNokkel;
use domain::status::{Kontotilstand, konto_tilstander};
use jiff::Timestamp;

use crate::feil::Feil;
use crate::format;
use crate::innlogget::KontoSide;
use crate::live;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::screens::konto_faner;
use crate::screens::parter::PartInfo;
use crate::screens::utvikling::{KontoVerktoy, konto_verktoy};
use crate::tekster::Tekster;
use crate::tilstand::{self, Tall};
use crate::view::{Color, Live, Tab, Tag, Time};

pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/o/{org}/protokoll/systemer/{system}/kontoer/{konto}", get(show))
}

/// What is told of a public key.
#[derive(Debug, Clone)]
pub(crate) struct NokkelFakta {
    pub(crate) status: Tag,
    pub(crate) utstedt_til: String,
    pub(crate) utsteder: String,
    pub(crate) serienummer: String,
    pub(crate) gyldig_fra: Time,
    pub(crate) gyldig_til: Time,
    pub(crate) fingeravtrykk: String,
    pub(crate) lastet_opp: Time,
}

impl NokkelFakta {
    pub(crate) fn new(t: Tekster, now: Timestamp, nokkel: &OffentligNokkel) -> Self {
        let time = |at| format::time_of(at, t.sprak());
        Self {
            status: nokkel_status(t, now, nokkel),
            utstedt_til: nokkel.utstedt_til.clone(),
            utsteder: nokkel.utsteder.clone(),
            serienummer: nokkel.serienummer.clone(),
            gyldig_fra: time(nokkel.gyldig_fra),
            gyldig_til: time(nokkel.gyldig_til),
            fingeravtrykk: nokkel.fingeravtrykk.clone(),
            lastet_opp: time(nokkel.opprettet),
        }
    }
}

/// As the states of a Konto tell of it, and «Gyldig» where they have nothing to tell.
fn nokkel_status(t: Tekster, now: Timestamp, nokkel: &OffentligNokkel) -> Tag {
    if now < nokkel.gyldig_fra {
        return Tag::new(Color::Warning, t.s("konto-nokkel-ikke-gyldig-enna"));
    }
    let told = konto_tilstander(now, None, Some((nokkel.gyldig_fra, nokkel.gyldig_til)), false);
    match told.get(1) {
        Some(wrong) => tilstand::tag(t, *wrong),
        None => Tag::new(Color::Success, t.s("konto-nokkel-gyldig")),
    }
}

#[derive(Template)]
#[template(path = "konto/oversikt.html")]
struct OversiktSide {
    ramme: Ramme,
    faner_navn: String,
    faner: Vec<Tab>,
    /// That nobody is connected; empty where somebody is, or that is not known.
    mangler_kobling: String,
    /// Where the login of the client is seen to: address and text.
    til_palogging: (String, String),
    varsler: Vec<Varsel>,
    kobling: Tag,
    tall: Vec<Live>,
    status_url: String,
    oppdatert: Time,
    sent: String,
    sporing: String,
    konto_id: String,
    beskrivelse: String,
    protokoll: String,
    parter: Vec<PartInfo>,
    nokkel: Option<NokkelFakta>,
    opprettet: Time,
    sist_endret: Time,
    verktoy: Option<KontoVerktoy>,
}

/// Something that is wrong, and where it is cured.
struct Varsel {
    color: Color,
    tittel: String,
    tekst: String,
    /// Address and text.
    lenke: Option<(String, String)>,
}

fn varsel(side: &KontoSide, tilstand: Kontotilstand) -> Option<Varsel> {
    let t = side.t();
    let (key, del, til) = match tilstand {
        // Told beside the numbers, or in the warning that comes and goes.
        Kontotilstand::Koblet | Kontotilstand::Ukjent | Kontotilstand::ManglerKobling => return None,
        Kontotilstand::ManglerNokkel => ("konto-mangler-nokkel", "nokkel", "konto-til-nokkel"),
        Kontotilstand::NokkelUtloper { .. } => ("konto-nokkel-utloper", "nokkel", "konto-til-nokkel"),
        Kontotilstand::NokkelUtlopt => ("konto-nokkel-utlopt", "nokkel", "konto-til-nokkel"),
        Kontotilstand::SendingStoppet => ("konto-sending-stoppet", "sending", "konto-til-sending"),
    };
    let kur = || (format!("{}/konfigurasjon#{del}", side.sti()), t.s(til));
    let tag = tilstand::tag(t, tilstand);
    let lenke = side.side.side.may_change().then(kur);
    Some(Varsel { color: tag.color, tittel: tag.text, tekst: t.s(key), lenke })
}

fn til_palogging(side: &KontoSide) -> (String, String) {
    let (t, system) = (side.t(), side.side.sti());
    if side.side.side.may_change() {
        (format!("{system}/konfigurasjon"), t.s("konto-til-integrasjon"))
    } else {
        (system, t.s("konto-til-system"))
    }
}

async fn show(side: KontoSide) -> Result<Response, Feil> {
    let (t, now) = (side.t(), side.k().now);
    let konto = &side.detaljer.konto;
    let nokkel = side.detaljer.nokkel.as_ref();
    let status = side.app().live_status(&[konto.id]).await.into_iter().next().flatten();
    let tilstander = konto_tilstander(
        now,
        status.map(|status| status.consumers),
        nokkel.map(|nokkel| (nokkel.gyldig_fra, nokkel.gyldig_til)),
        konto.send_meldinger_deaktivert,
    );
    let kobling = tilstander.first().copied().unwrap_or(Kontotilstand::Ukjent);
    let tall = Tall::new(t, now, status.as_ref());
    let time = |at| format::time_of(at, t.sprak());
    let siden = t.s("konto-fane-oversikt");
    let page = OversiktSide {
        ramme: side.ramme(&siden).here(siden),
        faner_navn: konto_faner::label(&side),
        faner: konto_faner::tabs(&side, "oversikt").await?,
        mangler_kobling: live::uten_kobling(t, kobling),
        til_palogging: til_palogging(&side),
        varsler: tilstander.iter().filter_map(|tilstand| varsel(&side, *tilstand)).collect(),
        kobling: tilstand::tag(t, kobling),
        tall: vec![
            Live::new(live::KONSUMENTER, t.s("konto-konsumenter"), tall.konsumenter),
            Live::new(live::KO, t.s("konto-pa-ko"), tall.pa_ko),
            Live::new(live::UBEKREFTEDE, t.s("konto-ubekreftede"), tall.ubekreftede),
            Live::new(live::ELDSTE, t.s("konto-eldste"), tall.eldste),
            Live::new(live::ULEVERTE, t.s("konto-uleverte"), tall.uleverte),
        ],
        status_url: live::url(&side.sti(), []),
        oppdatert: time(now),
        sent: if status.is_none() { t.s("felles-status-ikke-tilgjengelig") } else { String::new() },
        sporing: format!("{}/sporing", side.sti()),
        konto_id: konto.id.to_string(),
        beskrivelse: konto.beskrivelse.clone(),
        protokoll: konto.protokoll_navn.clone(),
        parter: side.detaljer.parter().map(|(protokoll, part)| PartInfo::new(protokoll, part)).collect(),
        nokkel: nokkel.map(|nokkel| NokkelFakta::new(t, now, nokkel)),
        opprettet: time(konto.opprettet),
        sist_endret: time(konto.sist_endret),
        verktoy: konto_verktoy(&side),
    };
    Ok(ok(&page))
}

#[cfg(test)]
mod tests {
    use app::Caller;

    use crate::screens::ny_konto::tests::valid;
    use crate::testing::{Hvem, READERS, World, opens};

    #[tokio::test]
    async fn page_is_for_every_role_with_the_tabs_that_it_may_open() {
        let world = World::new().await;
        let path = world.storevik.k();
        opens(&world, &path, READERS).await;
        // A Konto of another System is not found below this one.
        let foreign = format!("{}/kontoer/{}", world.storevik.s(), world.lillefjord.sti.konto_id);
        world.browser(Hvem::Mange).await.get(&foreign).await.is(404);
        let answer = world.browser(Hvem::Admin).await.get(&path).await;
        answer.says("Søk etter systemer").says("Konfigurasjon").says("Sjekk integrasjonspåloggingen");
        let answer = world.browser(Hvem::Les).await.get(&path).await;
        answer
            .says_not("Søk etter systemer")
            .says_not("Konfigurasjon")
            .says_not("Sjekk integrasjonspåloggingen");
    }

    #[tokio::test]
    async fn facts_and_numbers_are_shown() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Les).await;
        let answer = browser.get(&world.storevik.k()).await;
        answer
            .says("Mitt fagsystem - konto – Oversikt")
            .says(&world.storevik.sti.konto_id.to_string())
            .says("no.ks.fiks.arkiv")
            .says("klient.full v1")
            .says("no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett")
            .says("arkiv.innsyn")
            .says("SHA-256-fingeravtrykk")
            .says("Gyldig");
        for key in ["kobling", "konsumenter", "ko", "ubekreftede", "eldste", "uleverte"] {
            assert!(answer.text.contains(&format!("data-live=\"{key}\"")), "{key}");
        }
        assert!(answer.text.contains(&format!("data-status-url=\"{}/status.json\"", world.storevik.k())));
        assert!(!answer.text.contains("-----BEGIN"));
    }

    #[tokio::test]
    async fn each_bad_state_is_told_with_its_cure() {
        let world = World::new().await;
        let (path, sti) = (world.storevik.k(), world.storevik.sti);
        let mut browser = world.browser(Hvem::Admin).await;
        let cure = format!("href=\"{path}/konfigurasjon#nokkel\"");
        let answer = browser.get(&path).await;
        answer.says("Ingen klient henter meldinger fra køen.");
        assert!(!answer.text.contains(&cure));
        world.app.remove_own_nokkel(&Caller::Operator, sti.konto_id).await.unwrap();
        let answer = browser.get(&path).await;
        answer.says("Mangler nøkkel").says("Kontoen har ingen offentlig nøkkel.");
        assert!(answer.text.contains(&cure));
        // Who may not cure it is told of it all the same.
        let answer = world.browser(Hvem::Les).await.get(&path).await;
        answer.says("Mangler nøkkel");
        assert!(!answer.text.contains(&cure));
        world.app.set_nokkel(&Caller::Operator, sti, &valid(2000, 2090)).await.unwrap();
        browser.get(&path).await.says_not("Mangler nøkkel");
        for (before_end_days, text, not) in [
            (29, "Nøkkelen utløper 01.01.2090", "Nøkkelen er utløpt"),
            (-1, "Nøkkelen er utløpt", "Nøkkelen utløper"),
        ] {
            let end: jiff::Timestamp = "2090-01-01T00:00:00Z".parse().unwrap();
            let at = end.checked_sub(jiff::SignedDuration::from_hours(24 * before_end_days)).unwrap();
            world.clock.set(at);
            // The session did not last that long.
            let answer = world.browser(Hvem::Admin).await.get(&path).await;
            answer.says(text).says_not(not);
            assert!(answer.text.contains(&cure));
        }
    }

    #[tokio::test]
    async fn page_does_not_wait_for_queues_that_are_down() {
        let world = World::new().await;
        world.broker.stop();
        let answer = world.browser(Hvem::Les).await.get(&world.storevik.k()).await;
        answer
            .is(200)
            .says("Ukjent")
            .says("Status er ikke tilgjengelig akkurat nå")
            .says_not("Mangler kobling");
    }
}
