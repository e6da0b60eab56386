//! Screen 5: the systemer of an organisasjon.

use std::collections::HashMap;
use std::sync::Arc;

use app::Caller;
use app::lister::{SystemListe, SystemRad, SystemSortering};
use app::paging::{Page, Side};
use app::ports::QueueStatus;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::id::SystemId;

use crate::csv::{self, Csv};
use crate::feil::Feil;
use crate::format;
use crate::innlogget::{OrgSide, ProtokollSide};
use crate::liste::Liste;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::view::{Field, Paging, Sort, Time};

/// Lists shorter than this are seen at a glance, and have no field to search in.
pub(crate) const SOK_FRA: u64 = 11;
/// What the list is sorted by where the address says nothing.
const SORTERING: &str = "navn";

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/protokoll/systemer", get(show))
        .route("/o/{org}/protokoll/systemer.csv", get(download))
}

/// How the queues of a System stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tall {
    mangler_kobling: u64,
    pa_ko: u64,
}

impl Tall {
    /// With those of one more Konto; nothing is known of the System where nothing is known of one of its kontoer.
    fn and(self, of_konto: Option<QueueStatus>) -> Option<Self> {
        let status = of_konto?;
        Some(Self {
            mangler_kobling: self.mangler_kobling + u64::from(status.consumers == 0),
            pa_ko: self.pa_ko + status.ready,
        })
    }
}

/// How the queues of each of some systemer stand, as far as that is known.
async fn live(
    side: &OrgSide,
    caller: &Caller,
    rader: &[SystemRad],
) -> Result<HashMap<SystemId, Option<Tall>>, Feil> {
    let systemer: Vec<_> = rader.iter().map(|rad| rad.system.id).collect();
    let kontoer = side.app().konto_ids_for_systemer(caller, side.id(), &systemer).await?;
    let ids: Vec<_> = kontoer.iter().map(|(_, konto)| *konto).collect();
    let mut found: HashMap<_, _> = systemer.into_iter().map(|id| (id, Some(Tall::default()))).collect();
    for ((system, _), status) in kontoer.into_iter().zip(side.app().live_status(&ids).await) {
        if let Some(tall) = found.get_mut(&system) {
            *tall = tall.and_then(|tall| tall.and(status));
        }
    }
    Ok(found)
}

/// The part of the list that the address asks for.
fn asked(liste: &Liste, page: Page) -> SystemListe {
    let (by, synkende) = liste.sortering(SORTERING);
    let sortering = match by.as_str() {
        "kontoer" => SystemSortering::Kontoer,
        "sist-endret" => SystemSortering::SistEndret,
        _ => SystemSortering::Navn,
    };
    SystemListe { sok: liste.sok(), sortering, synkende, page }
}

#[derive(Template)]
#[template(path = "systemer/liste.html")]
struct SystemerSide {
    ramme: Ramme,
    /// Address of the wizard, for those who may open it.
    opprett: Option<String>,
    /// Address of the file; there is none of an empty list.
    csv: Option<String>,
    sok: Option<Sokefelt>,
    antall: u64,
    soker: bool,
    /// The numbers of a System could not be had in time.
    sent: bool,
    navn: Sort,
    kontoer: Sort,
    sist_endret: Sort,
    rader: Vec<Rad>,
    paging: Option<Paging>,
}

/// A field to search a list with, and what else its address says.
struct Sokefelt {
    felt: Field,
    skjult: Vec<(&'static str, String)>,
    /// The whole list.
    nullstill: Option<String>,
}

struct Rad {
    href: String,
    navn: String,
    beskrivelse: String,
    kontoer: String,
    mangler_kobling: String,
    pa_ko: String,
    sist_endret: Time,
}

async fn show(ProtokollSide { side }: ProtokollSide) -> Result<Response, Feil> {
    let (t, liste) = (side.t(), Liste::new(side.k()));
    let systemer = asked(&liste, liste.page());
    let found = side.app().list_systemer_side(&side.caller(), side.id(), &systemer).await?;
    let tall = live(&side, &side.caller(), &found.rows).await?;
    let unknown = || t.s("felles-ukjent");
    let rad = |rad: &SystemRad| {
        let (system, tall) = (&rad.system, tall.get(&rad.system.id).copied().flatten());
        Rad {
            href: format!("{}/{}", side.systemer_sti(), system.id),
            navn: system.info.navn.clone(),
            beskrivelse: system.info.beskrivelse.clone(),
            kontoer: format::number(rad.kontoer),
            mangler_kobling: tall.map_or_else(unknown, |tall| format::number(tall.mangler_kobling)),
            pa_ko: tall.map_or_else(unknown, |tall| format::number(tall.pa_ko)),
            sist_endret: format::time_of(system.sist_endret, t.sprak()),
        }
    };
    let soker = !systemer.sok.is_empty();
    let sti = side.systemer_sti();
    let tittel = t.s("systemer-tittel");
    Ok(ok(&SystemerSide {
        ramme: side.ramme(&tittel).here(t.s("felles-fiks-protokoll")),
        opprett: side.may_change().then(|| format!("{sti}/ny/1")),
        csv: (found.total > 0).then(|| liste.address(&format!("{sti}.csv"), &[])),
        sok: (soker || found.total >= SOK_FRA).then(|| sokefelt(&side, &liste, &sti)),
        antall: found.total,
        soker,
        sent: tall.values().any(Option::is_none),
        navn: liste.sort(SORTERING, t.s("felles-navn"), SORTERING),
        kontoer: liste.sort_number("kontoer", t.s("systemer-kontoer"), SORTERING),
        sist_endret: liste.sort("sist-endret", t.s("felles-sist-endret"), SORTERING),
        rader: found.rows.iter().map(rad).collect(),
        paging: liste.paging(&found, t.s("systemer-sider")),
    }))
}

fn sokefelt(side: &OrgSide, liste: &Liste, sti: &str) -> Sokefelt {
    let t = side.t();
    let kept = ["sorter", "retning"].map(|name| (name, liste.text(name)));
    Sokefelt {
        felt: Field::new("sok", t.s("systemer-sok")).kind("search").optional().value(liste.sok()),
        skjult: kept.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        nullstill: (!liste.sok().is_empty()).then(|| sti.to_owned()),
    }
}

async fn download(ProtokollSide { side }: ProtokollSide) -> Result<Response, Feil> {
    let t = side.t();
    let columns = [
        t.s("felles-navn"),
        t.s("felles-beskrivelse"),
        t.s("systemer-system-id"),
        t.s("systemer-kontoer"),
        t.s("systemer-mangler-kobling"),
        t.s("systemer-pa-ko"),
        t.s("felles-sist-endret"),
    ];
    let org = Arc::new(side.clone());
    csv::download(&side, "systemer", &columns, move |caller, page| rows(Arc::clone(&org), caller, page)).await
}

async fn rows(side: Arc<OrgSide>, caller: Caller, page: Page) -> Result<csv::Rows, Feil> {
    let wanted = asked(&Liste::new(side.k()), page);
    let found: Side<SystemRad> = side.app().list_systemer_side(&caller, side.id(), &wanted).await?;
    let tall = live(&side, &caller, &found.rows).await?;
    let mut csv = Csv::default();
    for rad in &found.rows {
        let tall = tall.get(&rad.system.id).copied().flatten();
        // A cell without a number says that it is not known, and adds up to the rest.
        let known = |number: fn(Tall) -> u64| tall.map(|tall| number(tall).to_string()).unwrap_or_default();
        csv.row(&[
            rad.system.info.navn.clone(),
            rad.system.info.beskrivelse.clone(),
            rad.system.id.to_string(),
            rad.kontoer.to_string(),
            known(|tall| tall.mangler_kobling),
            known(|tall| tall.pa_ko),
            format::machine(rad.system.sist_endret),
        ]);
    }
    Ok((csv, found.next()))
}

#[cfg(test)]
mod tests {
    use app::Caller;
    use app::system::NyttSystem;
    use domain::system::SystemInfo;

    use crate::testing::{Hvem, READERS, World, opens};

    async fn add_system(world: &World, navn: &str, beskrivelse: &str) {
        let ny = NyttSystem {
            info: SystemInfo {
                navn: navn.to_owned(),
                beskrivelse: beskrivelse.to_owned(),
                eposter: vec!["drift@eksempel.no".to_owned()],
                offentlig: false,
                automatisk_godkjenning: false,
                leverandor_navn: None,
                leverandor_kontaktpunkt: None,
            },
            orgnummer: "971032146".to_owned(),
            konfigureres_av_integrasjon: true,
        };
        world.app.create_system(&Caller::Operator, world.storevik.org, ny, None).await.unwrap();
    }

    #[tokio::test]
    async fn list_is_for_those_with_a_role_and_the_button_for_those_who_may_change() {
        let world = World::new().await;
        let sti = format!("{}/protokoll/systemer", world.storevik.o());
        for path in [sti.clone(), format!("{sti}.csv")] {
            opens(&world, &path, READERS).await;
        }
        let nyvik = format!("/o/{}/protokoll", world.nyvik);
        let answer = world.browser(Hvem::Nyvik).await.get(&format!("{nyvik}/systemer")).await;
        assert_eq!(answer.location(), format!("{nyvik}/avtale"));
        world.browser(Hvem::Admin).await.get(&sti).await.says("Opprett nytt system");
        world.browser(Hvem::Les).await.get(&sti).await.says_not("Opprett nytt system");
    }

    #[tokio::test]
    async fn row_tells_of_kontoer_and_queues_and_of_numbers_that_are_late() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let sti = format!("{}/protokoll/systemer", world.storevik.o());
        browser.get(&sti).await.is(200).says("1 system").says("Mitt fagsystem Til test 1 1 0 ");
        world.broker.stop();
        let answer = browser.get(&sti).await;
        answer
            .is(200)
            .says("Status er ikke tilgjengelig akkurat nå")
            .says("Mitt fagsystem Til test 1 Ukjent Ukjent");
    }

    #[tokio::test]
    async fn long_list_is_searched_sorted_and_paged() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let sti = format!("{}/protokoll/systemer", world.storevik.o());
        browser.get(&sti).await.says_not("Søk etter navn eller beskrivelse");
        for at in 0..26 {
            add_system(&world, &format!("System {at:02}"), "Ett av mange").await;
        }
        let first = browser.get(&sti).await;
        first
            .says("Søk etter navn eller beskrivelse")
            .says("27 systemer")
            .says("Side 1 av 2")
            .says("System 23");
        first.says_not("System 24");
        browser.get(&format!("{sti}?side=2")).await.says("System 25").says_not("System 23");
        let turned = browser.get(&format!("{sti}?sorter=navn&retning=ned")).await;
        turned.says("System 25").says_not("Mitt fagsystem");
        browser
            .get(&format!("{sti}?sok=MANGE+07"))
            .await
            .says("1 system")
            .says("System 07")
            .says_not("System 08");
        browser.get(&format!("{sti}?sok=finnes+ikke")).await.says("Ingen systemer passer med søket");
    }

    #[tokio::test]
    async fn file_has_all_rows_of_the_search_in_the_language_of_the_reader() {
        let world = World::new().await;
        add_system(&world, "=1+1", "En; to").await;
        let mut browser = world.browser(Hvem::Les).await;
        browser.sprak = "en";
        let sti = format!("{}/protokoll/systemer.csv", world.storevik.o());
        let file = browser.get(&sti).await;
        let head =
            "\u{feff}Name;Description;systemId;Accounts;Not connected;Messages in queue;Last changed\r\n";
        assert!(file.text.starts_with(head), "{}", file.text);
        assert!(file.text.contains("\r\n'=1+1;\"En; to\";"), "{}", file.text);
        assert!(file.text.contains(&format!("Mitt fagsystem;Til test;{};1;1;0;", world.storevik.system)));
        assert_eq!(browser.get(&format!("{sti}?sok=fagsystem")).await.text.lines().count(), 2);
    }

    #[tokio::test]
    async fn empty_list_says_what_to_do() {
        let world = World::new().await;
        let part = world.storevik;
        world.app.remove_system(&Caller::Operator, part.org, part.system).await.unwrap();
        let sti = format!("{}/protokoll/systemer", part.o());
        let admin = world.browser(Hvem::Admin).await.get(&sti).await;
        admin.says("Ingen systemer ennå").says("Opprett nytt system").says_not("Last ned som CSV");
        world.browser(Hvem::Les).await.get(&sti).await.says_not("Opprett nytt system");
    }
}
