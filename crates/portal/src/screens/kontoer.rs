//! Screen 8: the kontoer of a System, and the same list as a file.

use std::sync::Arc;

use app::Caller;
use app::lister::{KontoListe, KontoRad, KontoSortering};
use app::paging::{Page, Side};
use app::ports::QueueStatus;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::id::KontoId;
use domain::konto::Konto;
use domain::status::{Kontotilstand, konto_tilstander};
use jiff::Timestamp;

use crate::csv::{self, Csv};
use crate::feil::Feil;
use crate::format;
use crate::innlogget::SystemSide;
use crate::liste::Liste;
use crate::live;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::screens::system_faner;
use crate::tilstand::{self, Tall};
use crate::view::{Field, Paging, Sort, Tab, Tag, Time};

/// A list of more rows than this can be searched.
const SEARCHABLE: u64 = 10;

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/protokoll/systemer/{system}/kontoer", get(show))
        .route("/o/{org}/protokoll/systemer/{system}/kontoer.csv", get(download))
}

/// What the address asks for.
fn wanted(liste: &Liste, page: Page) -> KontoListe {
    let (by, synkende) = liste.sortering("navn");
    let sortering = if by == "protokoll" { KontoSortering::Protokoll } else { KontoSortering::Navn };
    KontoListe { sok: liste.sok(), sortering, synkende, page }
}

/// A Konto with its live numbers.
struct MedTall {
    konto: Konto,
    tilstander: Vec<Kontotilstand>,
    tall: Option<QueueStatus>,
}

async fn with_numbers(side: &SystemSide, rader: Vec<KontoRad>, now: Timestamp) -> Vec<MedTall> {
    let ids: Vec<KontoId> = rader.iter().map(|rad| rad.konto.id).collect();
    let statuses = side.app().live_status(&ids).await;
    rader
        .into_iter()
        .zip(statuses)
        .map(|(KontoRad { konto, nokkel }, tall)| {
            let nokkel = nokkel.map(|nokkel| (nokkel.gyldig_fra, nokkel.gyldig_til));
            let konsumenter = tall.map(|tall| tall.consumers);
            let tilstander = konto_tilstander(now, konsumenter, nokkel, konto.send_meldinger_deaktivert);
            MedTall { konto, tilstander, tall }
        })
        .collect()
}

/// `arkiv.full v1`, one for each Part.
fn parter(konto: &Konto) -> Vec<String> {
    konto.parter.iter().map(|part| format!("{} {}", part.navn, part.versjon)).collect()
}

#[derive(Template)]
#[template(path = "kontoer/kontoer.html")]
struct KontoerSide {
    ramme: Ramme,
    faner_navn: String,
    faner: Vec<Tab>,
    /// Where a Konto is made; nothing for those who may only read.
    ny: Option<String>,
    csv: String,
    /// The search, where the list is long.
    sok: Option<Field>,
    /// Order, kept by the search.
    sorter: String,
    retning: String,
    /// A search that found nothing.
    ingen_treff: bool,
    total: u64,
    navn: Sort,
    protokoll: Sort,
    rader: Vec<Rad>,
    paging: Option<Paging>,
    status_url: String,
    oppdatert: Time,
    sent: String,
}

struct Rad {
    id: KontoId,
    navn: String,
    href: String,
    protokoll: String,
    parter: Vec<String>,
    kobling: Tag,
    /// What else there is to say of its state.
    tilstander: Vec<Tag>,
    tall: Tall,
}

async fn show(side: SystemSide) -> Result<Response, Feil> {
    let (t, now) = (side.t(), side.k().now);
    let liste = Liste::new(side.k());
    let (owner, system) = (side.side.id(), side.system.id);
    let wanted = wanted(&liste, liste.page());
    let found: Side<KontoRad> = side.app().list_kontoer_side(&side.caller(), owner, system, &wanted).await?;
    let paging = liste.paging(&found, t.s("kontoer-sider"));
    let total = found.total;
    let searched = !wanted.sok.is_empty();
    let kontoer_sti = format!("{}/kontoer", side.sti());
    let rader = with_numbers(&side, found.rows, now).await;
    let unknown = !rader.is_empty() && rader.iter().all(|rad| rad.tall.is_none());
    let rader: Vec<_> = rader
        .into_iter()
        .map(|MedTall { konto, tilstander, tall }| {
            let mut tags = tilstander.into_iter().map(|tilstand| tilstand::tag(t, tilstand));
            Rad {
                id: konto.id,
                href: format!("{kontoer_sti}/{}", konto.id),
                parter: parter(&konto),
                kobling: tags.next().unwrap_or_else(|| tilstand::tag(t, Kontotilstand::Ukjent)),
                tilstander: tags.collect(),
                tall: Tall::new(t, now, tall.as_ref()),
                navn: konto.navn,
                protokoll: konto.protokoll_navn,
            }
        })
        .collect();
    let status_url = live::url(&side.sti(), rader.iter().map(|rad| rad.id));
    let siden = t.s("kontoer-tittel");
    let page = KontoerSide {
        ramme: side.ramme(&siden).here(siden),
        faner_navn: system_faner::label(&side),
        faner: system_faner::tabs(&side, "kontoer"),
        ny: side.side.may_change().then(|| format!("{kontoer_sti}/ny")),
        csv: liste.address(&format!("{kontoer_sti}.csv"), &[]),
        sok: (searched || total > SEARCHABLE)
            .then(|| Field::new("sok", t.s("kontoer-sok")).kind("search").optional().value(&wanted.sok)),
        sorter: liste.text("sorter"),
        retning: liste.text("retning"),
        ingen_treff: searched && total == 0,
        total,
        navn: liste.sort("navn", t.s("felles-navn"), "navn"),
        protokoll: liste.sort("protokoll", t.s("felles-protokoll-og-part"), "navn"),
        rader,
        paging,
        status_url,
        oppdatert: format::time_of(now, t.sprak()),
        sent: if unknown { t.s("felles-status-ikke-tilgjengelig") } else { String::new() },
    };
    Ok(ok(&page))
}

async fn download(side: SystemSide) -> Result<Response, Feil> {
    let t = side.t();
    let columns = [
        t.s("felles-navn"),
        t.s("felles-beskrivelse"),
        t.s("regler-felt-protokoll"),
        t.s("kontoer-parter"),
        t.s("kontoer-tilstand"),
        t.s("kontoer-konsumenter"),
        t.s("kontoer-pa-ko"),
        t.s("felles-konto-id"),
        t.s("felles-opprettet"),
        t.s("felles-sist-endret"),
    ];
    let (org, side) = (side.side.clone(), Arc::new(side));
    csv::download(&org, "kontoer", &columns, move |caller, page| rows(Arc::clone(&side), caller, page)).await
}

async fn rows(side: Arc<SystemSide>, caller: Caller, page: Page) -> Result<csv::Rows, Feil> {
    let (t, now) = (side.t(), side.k().now);
    let mut csv = Csv::default();
    let wanted = wanted(&Liste::new(side.k()), page);
    let found = side.app().list_kontoer_side(&caller, side.side.id(), side.system.id, &wanted).await?;
    let next = found.next();
    for MedTall { konto, tilstander, tall } in with_numbers(&side, found.rows, now).await {
        let tags: Vec<_> = tilstander.into_iter().map(|tilstand| tilstand::tag(t, tilstand).text).collect();
        let number = |of: fn(&QueueStatus) -> u64| {
            tall.as_ref().map_or_else(|| t.s("felles-ukjent"), |tall| of(tall).to_string())
        };
        csv.row(&[
            konto.navn.clone(),
            konto.beskrivelse.clone(),
            konto.protokoll_navn.clone(),
            parter(&konto).join(", "),
            tags.join(", "),
            number(|tall| tall.consumers.into()),
            number(|tall| tall.ready),
            konto.id.to_string(),
            format::machine(konto.opprettet),
            format::machine(konto.sist_endret),
        ]);
    }
    Ok((csv, next))
}

#[cfg(test)]
mod tests {
    use app::Caller;
    use app::konto::NyKonto;
    use domain::konto::PartRef;

    use crate::live;
    use crate::testing::{Hvem, READERS, World, opens};

    async fn add(world: &World, navn: &str) {
        let ny = NyKonto {
            navn: navn.to_owned(),
            beskrivelse: "=1+1".to_owned(),
            protokoll_navn: "no.ks.fiks.plan".to_owned(),
            parter: vec![PartRef { versjon: "v2".to_owned(), navn: "klient.full".to_owned() }],
            offentlig_nokkel: None,
        };
        let (owner, system) = (world.storevik.org, world.storevik.system);
        world.app.create_konto(&Caller::Operator, owner, system, ny, None).await.unwrap();
    }

    #[tokio::test]
    async fn list_is_for_every_role_and_its_buttons_are_not() {
        let world = World::new().await;
        let pages = ["kontoer", "kontoer.csv"].map(|page| format!("{}/{page}", world.storevik.s()));
        for page in &pages {
            opens(&world, page, READERS).await;
        }
        let path = format!("{}/kontoer", world.storevik.s());
        let konto = world.storevik.sti.konto_id.to_string();
        let answer = world.browser(Hvem::Admin).await.get(&path).await;
        answer
            .says("Mitt fagsystem – Kontoer")
            .says("Opprett ny konto")
            .says("Mitt fagsystem - konto")
            .says("no.ks.fiks.arkiv klient.full v1")
            .says("Mangler kobling")
            .says("0 konsumenter")
            .says(&konto);
        for key in [live::KOBLING, live::KONSUMENTER_ORD, live::KO] {
            assert!(answer.text.contains(&format!("data-live=\"{key}-{konto}\"")), "{key}");
        }
        world.browser(Hvem::Les).await.get(&path).await.says_not("Opprett ny konto");
    }

    #[tokio::test]
    async fn empty_list_says_what_a_konto_is() {
        let world = World::new().await;
        world.app.remove_konto(&Caller::Operator, world.storevik.sti).await.unwrap();
        let path = format!("{}/kontoer", world.storevik.s());
        let answer = world.browser(Hvem::Admin).await.get(&path).await;
        answer
            .says("Ingen kontoer ennå")
            .says("En konto er en kø for én protokoll.")
            .says("Opprett ny konto");
        let answer = world.browser(Hvem::Les).await.get(&path).await;
        answer.says("Ingen kontoer ennå").says_not("Opprett ny konto");
    }

    #[tokio::test]
    async fn long_list_is_searched_and_its_file_has_every_row_of_the_search() {
        let world = World::new().await;
        for n in 0..30 {
            add(&world, &format!("Plan {n}")).await;
        }
        let path = format!("{}/kontoer", world.storevik.s());
        let mut browser = world.browser(Hvem::Les).await;
        browser.get(&path).await.says("31 kontoer").says("Side 1 av 2").says("Søk etter navn");
        browser.get(&format!("{path}?side=2")).await.says("Side 2 av 2");
        let answer = browser.get(&format!("{path}?sok=Plan&side=2")).await;
        answer.says("30 kontoer");
        assert!(answer.text.contains("/kontoer.csv?sok=Plan\""));
        browser.get(&format!("{path}?sok=finnes-ikke")).await.says("Ingen kontoer passer med søket");
        let file = browser.get(&format!("{path}.csv?sok=Plan")).await;
        assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
        let lines: Vec<_> = file.text.lines().collect();
        assert_eq!(lines.len(), 31);
        assert!(lines[0].starts_with("\u{feff}Navn;Beskrivelse;Protokoll;Parter;Tilstand;Konsumenter;"));
        let told = ";'=1+1;no.ks.fiks.plan;klient.full v2;Mangler kobling, Mangler nøkkel;0;0;";
        assert!(lines[1..].iter().all(|line| line.starts_with("Plan ") && line.contains(told)), "{lines:?}");
    }

    #[tokio::test]
    async fn page_does_not_wait_for_queues_that_are_down() {
        let world = World::new().await;
        world.broker.stop();
        let path = format!("{}/kontoer", world.storevik.s());
        let answer = world.browser(Hvem::Les).await.get(&path).await;
        answer
            .is(200)
            .says("Ukjent")
            .says("Status er ikke tilgjengelig akkurat nå")
            .says_not("Mangler kobling");
    }
}
