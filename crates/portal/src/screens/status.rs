//! Screen 16: how the queues of all kontoer of an organisasjon stand.

use app::lister::OrgKontoSortering;
use app::ports::Kontonavn;
use app::status::{KontoStatusRad, STATUS_MAX, StatusListe, StatusSortering};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::id::KontoId;
use jiff::Timestamp;

use crate::feil::Feil;
use crate::format;
use crate::innlogget::OrgSide;
use crate::liste::Liste;
use crate::live;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::screens::systemer::SOK_FRA;
use crate::tilstand::{self, Tall};
use crate::view::{Checkbox, Field, Live, Paging, Sort, Tag, Time};

/// What the list is sorted by where the address says nothing.
const SORTERING: &str = "system";

pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/o/{org}/status", get(show))
}

#[derive(Template)]
#[template(path = "status/status.html")]
struct StatusSide {
    ramme: Ramme,
    /// Whether there is any Konto at all.
    ingen: bool,
    /// What to say where there are more kontoer than are looked at.
    avkortet: Option<String>,
    samlet: Tag,
    totalt: Vec<Live>,
    status_url: String,
    oppdatert: Time,
    sent: String,
    oppfolging: Checkbox,
    sok: Option<Field>,
    /// Order, kept by the form.
    skjult: Vec<(&'static str, String)>,
    /// What stands in place of a table without rows.
    tom: Tom,
    antall: u64,
    kolonner: Vec<Sort>,
    kobling: String,
    rader: Vec<Rad>,
    paging: Option<Paging>,
}

/// Why no Konto is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tom {
    /// Some are.
    Nei,
    /// None is called that.
    IngenTreff,
    /// None needs attention.
    AltIOrden,
}

struct Rad {
    id: KontoId,
    system: String,
    system_href: String,
    konto: String,
    konto_href: String,
    kobling: Tag,
    /// What else there is to say of its state.
    tilstander: Vec<Tag>,
    tall: Tall,
}

/// What the address asks to sort by.
fn sortering(by: &str) -> StatusSortering {
    match by {
        "konto" => StatusSortering::Navn(OrgKontoSortering::Navn),
        live::KONSUMENTER => StatusSortering::Konsumenter,
        live::KO => StatusSortering::PaKo,
        live::UBEKREFTEDE => StatusSortering::Ubekreftede,
        live::ELDSTE => StatusSortering::Eldste,
        live::ULEVERTE => StatusSortering::Uleverte,
        _ => StatusSortering::Navn(OrgKontoSortering::System),
    }
}

async fn show(side: OrgSide) -> Result<Response, Feil> {
    let (t, liste) = (side.t(), Liste::new(side.k()));
    let (only, sok) = (liste.checked("oppfolging"), liste.sok());
    let (by, synkende) = liste.sortering(SORTERING);
    let asked = StatusListe {
        sok: sok.clone(),
        bare_oppfolging: only,
        sortering: sortering(&by),
        synkende,
        page: liste.page(),
    };
    let (found, status) = side.app().list_status(&side.caller(), side.id(), &asked).await?;
    let (samlet, mut totalt) = (live::samlet(t, &status), live::totals(t, &status.totalt));
    let uleverte = status.totalt.uleverte.map_or_else(|| t.s("felles-ukjent"), format::number);
    totalt.push(Live::new(live::ULEVERTE, t.s("status-uleverte"), uleverte));
    let (all, total, now) = (status.totalt.kontoer, found.total, status.tidspunkt);
    let unknown = status.rader.iter().any(|rad| rad.tall.is_none());
    let kolonne = |by: &str, text: &str| liste.sort_number(by, t.s(text), SORTERING);
    let tittel = t.s("tjenester-status");
    Ok(ok(&StatusSide {
        ramme: side.ramme(&tittel).here(&tittel),
        ingen: all == 0,
        avkortet: status.avkortet.then(|| t.v("status-avkortet", "n", STATUS_MAX)),
        samlet,
        totalt,
        status_url: live::url(&side.sti(), found.rows.iter().map(|(navn, _)| navn.konto_id)),
        oppdatert: format::time_of(now, t.sprak()),
        sent: if unknown { t.s("felles-status-ikke-tilgjengelig") } else { String::new() },
        oppfolging: Checkbox::new(Field::new("oppfolging", t.s("status-bare-oppfolging")).optional(), only),
        sok: (!sok.is_empty() || all >= SOK_FRA)
            .then(|| Field::new("sok", t.s("status-sok")).kind("search").optional().value(&sok)),
        skjult: ["sorter", "retning"]
            .map(|name| (name, liste.text(name)))
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect(),
        tom: match (total, sok.is_empty()) {
            (0, true) => Tom::AltIOrden,
            (0, false) => Tom::IngenTreff,
            _ => Tom::Nei,
        },
        antall: total,
        kolonner: vec![
            liste.sort(SORTERING, t.s("felles-system"), SORTERING),
            liste.sort("konto", t.s("felles-konto"), SORTERING),
            kolonne(live::KONSUMENTER, "konto-konsumenter"),
            kolonne(live::KO, "konto-pa-ko"),
            kolonne(live::UBEKREFTEDE, "konto-ubekreftede"),
            kolonne(live::ELDSTE, "konto-eldste"),
            kolonne(live::ULEVERTE, "status-uleverte"),
        ],
        kobling: t.s("konto-kobling"),
        paging: liste.paging(&found, t.s("kontoer-sider")),
        rader: found.rows.into_iter().map(|(navn, rad)| row(&side, now, navn, &rad)).collect(),
    }))
}

fn row(side: &OrgSide, now: Timestamp, navn: Kontonavn, rad: &KontoStatusRad) -> Rad {
    let t = side.t();
    let system_href = format!("{}/{}", side.systemer_sti(), navn.system_id);
    Rad {
        id: navn.konto_id,
        konto_href: format!("{system_href}/kontoer/{}", navn.konto_id),
        system_href,
        kobling: tilstand::tag(t, live::kobling(rad)),
        tilstander: rad.tilstander.iter().skip(1).map(|one| tilstand::tag(t, *one)).collect(),
        tall: Tall::new(t, now, rad.tall.as_ref()),
        system: navn.system_navn,
        konto: navn.navn,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use app::Caller;
    use app::konto::NyKonto;
    use app::ports::{Broker as _, ChannelOptions, Consumer};
    use domain::konto::PartRef;

    use crate::live;
    use crate::screens::sporing::tests::send;
    use crate::testing::{Hvem, READERS, World, opens};

    async fn add(world: &World, navn: &str) {
        let ny = NyKonto {
            navn: navn.to_owned(),
            beskrivelse: "Til test".to_owned(),
            protokoll_navn: "no.ks.fiks.plan".to_owned(),
            parter: vec![PartRef { versjon: "v2".to_owned(), navn: "klient.full".to_owned() }],
            offentlig_nokkel: None,
        };
        let (owner, system) = (world.storevik.org, world.storevik.system);
        world.app.create_konto(&Caller::Operator, owner, system, ny, None).await.unwrap();
    }

    #[tokio::test]
    async fn page_is_for_every_role_in_the_organisasjon_and_nobody_else() {
        let world = World::new().await;
        let path = format!("{}/status", world.storevik.o());
        opens(&world, &path, READERS).await;
    }

    #[tokio::test]
    async fn kontoer_are_shown_with_their_numbers_and_those_all_well_can_be_left_out() {
        let world = World::new().await;
        let path = format!("{}/status", world.storevik.o());
        let konto = world.storevik.sti.konto_id;
        let mut browser = world.browser(Hvem::Les).await;
        let page = browser.get(&path).await;
        page.is(200).says("Status for køer").says("Mangler kobling 1").says("1 konto trenger oppfølging");
        page.says("Mitt fagsystem Mitt fagsystem - konto Mangler kobling 0 0 0 Ingen 0");
        page.says_not("Alle kontoer er koblet til.").says_not("Søk etter system");
        for name in
            [live::KOBLING, live::KONSUMENTER, live::KO, live::UBEKREFTEDE, live::ELDSTE, live::ULEVERTE]
        {
            let marked = format!("data-live=\"{}\"", live::of(name, &konto));
            assert!(page.text.contains(&marked), "{marked}");
        }
        let channel = world.broker.open_channel(ChannelOptions::default()).await.unwrap();
        channel.control.consume(Consumer(1), konto, 1).await.unwrap();
        browser.get(&path).await.says("Alle kontoer er koblet til.").says("Koblet til 1 0 0 Ingen 0");
        let only = format!("{path}?oppfolging=ja");
        let page = browser.get(&only).await;
        page.is(200).says("Alle kontoer er koblet til.").says_not("Mitt fagsystem - konto");
        // A melding that waits for long needs attention, though somebody is connected.
        send(&world, world.lillefjord.sti.konto_id, konto, &[]).await;
        world.clock.advance(Duration::from_mins(25));
        browser.get(&only).await.says_not("Mitt fagsystem - konto");
        for _ in 0..2 {
            world.clock.advance(Duration::from_mins(25));
            browser.get(&path).await.is(200);
        }
        browser.get(&only).await.says("Mitt fagsystem - konto").says("1 time");
    }

    #[tokio::test]
    async fn long_list_is_searched_sorted_and_paged_and_asks_for_the_rows_that_it_shows() {
        let world = World::new().await;
        for n in 0..30 {
            add(&world, &format!("Plan {n:02}")).await;
        }
        let path = format!("{}/status", world.storevik.o());
        let mut browser = world.browser(Hvem::Les).await;
        let page = browser.get(&path).await;
        page.says("31 kontoer").says("Side 1 av 2").says("Søk etter system, konto eller konto-id");
        assert_eq!(page.text.matches("konto=").count(), 25);
        browser.get(&format!("{path}?side=2&sorter=konto")).await.says("Plan 29").says_not("Plan 23");
        let page = browser.get(&format!("{path}?sorter=konto&retning=ned&sok=PLAN")).await;
        page.says("30 kontoer").says("Plan 29").says_not("Plan 04").says_not("Mitt fagsystem - konto");
        browser.get(&format!("{path}?sok=finnes-ikke")).await.says("Ingen kontoer passer med søket");
        let id = world.storevik.sti.konto_id;
        let page = browser.get(&format!("{path}?sok={id}")).await;
        page.says("1 konto").says("Mitt fagsystem - konto").says_not("Plan 00");
        send(&world, world.lillefjord.sti.konto_id, id, &[]).await;
        for by in ["ko", "eldste"] {
            for only in ["", "&oppfolging=ja"] {
                let page = browser.get(&format!("{path}?sorter={by}&retning=ned&side=1{only}")).await;
                let rows = page.plain();
                assert!(rows.find("Mitt fagsystem - konto") < rows.find("Plan "), "{by}: {rows}");
                page.says("Plan 23").says_not("Plan 24");
            }
            let last = browser.get(&format!("{path}?sorter={by}&side=2")).await;
            last.says("Mitt fagsystem - konto").says("Plan 29").says_not("Plan 24");
        }
        // Those of one number stay in the order of their names, and a page is cut from all that were found.
        let channel = world.broker.open_channel(ChannelOptions::default()).await.unwrap();
        channel.control.consume(Consumer(1), id, 1).await.unwrap();
        let page = browser.get(&format!("{path}?sorter=konsumenter&oppfolging=ja&sok=plan&side=2")).await;
        page.says("30 kontoer").says("Plan 25").says("Plan 29").says_not("Plan 24");
        let page = browser.get(&format!("{path}?oppfolging=ja&sok={id}")).await;
        page.says_not("Mitt fagsystem - konto");
    }

    #[tokio::test]
    async fn organisasjon_without_kontoer_is_told_what_a_konto_is() {
        let world = World::new().await;
        world.app.remove_konto(&Caller::Operator, world.storevik.sti).await.unwrap();
        let page = world.browser(Hvem::Les).await.get(&format!("{}/status", world.storevik.o())).await;
        page.is(200).says("Ingen kontoer ennå").says_not("Alle kontoer er koblet til.");
    }

    #[tokio::test]
    async fn page_does_without_the_queues_and_not_without_the_registry() {
        let world = World::new().await;
        let path = format!("{}/status", world.storevik.o());
        let mut browser = world.browser(Hvem::Les).await;
        world.broker.stop();
        let page = browser.get(&path).await;
        page.is(200).says("Status er ikke tilgjengelig akkurat nå").says("Mangler kobling Ukjent");
        page.says("Mitt fagsystem - konto Ukjent Ukjent").says_not("1 konto trenger oppfølging");
        world.registry.stop();
        browser.get(&path).await.is(503).says("Vi har tekniske problemer");
    }
}
