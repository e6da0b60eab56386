//! Fills a database with a registry as large as a whole country's, or measures the lists over it.
//!
//! `stor_verden <database-url>` brings the tables up to date and fills them; `stor_verden <database-url> --mal` asks each
//! list and search for many organisasjoner and prints how long they took in milliseconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use app::hendelse::Hva;
use app::lister::{
    HendelseFilter, KontoListe, KontoSok, SystemListe, SystemSok, SystemSortering, TilgangListe,
};
use app::paging::Page;
use app::ports::{Clock as _, Registry};
use app::{Adapters, App, Caller, PassordKey, Settings};
use knutepunkt::adapters::{RandomIds, SystemClock};
use knutepunkt_testkit::stor_verden::{Innhold, Storrelse, fill};

/// Times that each is asked.
const ROUNDS: usize = 200;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (url, measures) = match arguments.as_slice() {
        [url] => (url, false),
        [url, mal] if mal == "--mal" => (url, true),
        _ => bail!("usage: stor_verden <database-url> [--mal]"),
    };
    let database = storage::connect(url).await?;
    database.migrate().await?;
    let registry = database.registry().await?;
    if measures {
        measure(registry).await?;
    } else {
        let start = Instant::now();
        fill(&*registry, Storrelse::LANDET, SystemClock.now()).await?;
        println!("filled in {:.1} s", start.elapsed().as_secs_f64());
    }
    Ok(database.close().await?)
}

/// What was asked for how long.
struct Table(Vec<(&'static str, Vec<Duration>)>);

impl Table {
    /// Asks for each of `subjects` and notes the time.
    async fn row<S, T>(
        &mut self,
        what: &'static str,
        subjects: &[S],
        ask: impl AsyncFn(&S) -> Result<T, app::Error>,
    ) -> anyhow::Result<()> {
        let mut times = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let start = Instant::now();
            ask(subject).await.with_context(|| what.to_owned())?;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        self.0.push((what, times));
        Ok(())
    }

    fn print(&self) {
        println!("{:<44} {:>6} {:>8} {:>8} {:>8}", "", "count", "p50", "p95", "max");
        for (what, times) in &self.0 {
            let at = |percent: usize| {
                let place = (times.len() * percent).div_ceil(100).clamp(1, times.len()) - 1;
                times[place].as_secs_f64() * 1_000.0
            };
            println!("{what:<44} {:>6} {:>8.2} {:>8.2} {:>8.2}", times.len(), at(50), at(95), at(100));
        }
    }
}

/// Evenly over all, the first one too, which is the largest.
fn spread<T: Clone>(all: &[T]) -> Vec<T> {
    (0..ROUNDS).map(|at| all[at * all.len() / ROUNDS].clone()).collect()
}

#[expect(clippy::too_many_lines, reason = "a table of what is asked, a row each")]
async fn measure(registry: Arc<dyn Registry>) -> anyhow::Result<()> {
    let innhold = Innhold::read(&*registry).await?;
    let adapters = Adapters::registry_only(registry, Arc::new(SystemClock), Arc::new(RandomIds));
    let app = App::new(adapters, PassordKey::new(&[7; 32]), Settings::default());
    let drift = &Caller::Operator;
    let (organisasjoner, kontoer) = (spread(&innhold.organisasjoner), spread(&innhold.kontoer));
    let page = |number| Page { number, ..Page::default() };
    let mut table = Table(Vec::new());

    for (what, liste) in [
        ("systemer", SystemListe::default()),
        ("systemer by kontoer", SystemListe { sortering: SystemSortering::Kontoer, ..Default::default() }),
        ("systemer, search", SystemListe { sok: "sak drift".to_owned(), ..Default::default() }),
    ] {
        table
            .row(what, &organisasjoner, async |org| app.list_systemer_side(drift, *org, &liste).await)
            .await?;
    }
    let largest = vec![organisasjoner[0]; 50];
    let liste = SystemListe { sortering: SystemSortering::Kontoer, page: page(10), ..Default::default() };
    table
        .row("systemer of the largest by kontoer, page 10", &largest, async |org| {
            app.list_systemer_side(drift, *org, &liste).await
        })
        .await?;
    table
        .row("status of kontoer", &organisasjoner, async |org| app.status_for_org(drift, *org).await)
        .await?;
    table
        .row("status of kontoer of the largest", &largest, async |org| app.status_for_org(drift, *org).await)
        .await?;
    table.row("konto ids", &organisasjoner, async |org| app.konto_ids_for_org(drift, *org).await).await?;
    table.row("counts", &organisasjoner, async |org| app.count_organisasjon(drift, *org).await).await?;
    table
        .row("kontoer", &kontoer, async |sti| {
            app.list_kontoer_side(drift, sti.fiks_org_id, sti.system_id, &KontoListe::default()).await
        })
        .await?;
    let liste = TilgangListe::default();
    let searched = TilgangListe { sok: "vik sak".to_owned(), ..Default::default() };
    let popular: Vec<_> = innhold.kontoer.iter().take(50).copied().collect();
    for (what, stier, liste) in [
        ("tilganger til konto", &kontoer, &liste),
        ("tilganger til konto of the largest", &popular, &liste),
        ("tilganger til konto, search", &kontoer, &searched),
    ] {
        table.row(what, stier, async |sti| app.list_tilganger_side(drift, *sti, liste).await).await?;
        table
            .row("foresporsler til konto", stier, async |sti| {
                app.list_foresporsler_side(drift, *sti, liste).await
            })
            .await?;
    }
    for (what, stier, liste) in [
        ("tilganger for system", &kontoer, &liste),
        ("tilganger for system of the largest", &popular, &liste),
        ("tilganger for system, search", &kontoer, &searched),
    ] {
        table
            .row(what, stier, async |sti| {
                app.list_tilganger_for_system_side(drift, sti.fiks_org_id, sti.system_id, liste).await
            })
            .await?;
    }
    table
        .row("foresporsler for system", &kontoer, async |sti| {
            app.list_foresporsler_for_system_side(drift, sti.fiks_org_id, sti.system_id, &liste).await
        })
        .await?;

    let arkivmelding = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett".to_owned();
    let fits = SystemSok { bare_som_kan_utveksle: true, ..Default::default() };
    let of = |term: &str| SystemSok { term: term.to_owned(), ..Default::default() };
    for (what, sok) in [
        ("search systemer: own", SystemSok { bare_egne: true, ..fits.clone() }),
        ("search systemer: all", SystemSok::default()),
        ("search systemer: all that fit", fits.clone()),
        ("search systemer: all that fit, page 20", SystemSok { page: page(20), ..fits.clone() }),
        ("search systemer: one word", of("sak")),
        ("search systemer: one word that fits", SystemSok { term: "sak".to_owned(), ..fits }),
        ("search systemer: three words", of("vik sak drift")),
        ("search systemer: nothing", of("finnes ikke")),
        ("search systemer: receives", SystemSok { kan_motta: Some(arkivmelding.clone()), ..of("arkiv") }),
    ] {
        table.row(what, &kontoer, async |sti| app.sok_systemer(drift, *sti, &sok).await).await?;
    }
    let of = |term: &str| KontoSok { term: term.to_owned(), ..Default::default() };
    let arkiv = Some("no.ks.fiks.arkiv".to_owned());
    for (what, sok) in [
        ("search kontoer: all", KontoSok::default()),
        ("search kontoer: one word", of("saker")),
        ("search kontoer: three words", of("vik sak drift")),
        ("search kontoer: nothing", of("finnes ikke")),
        ("search kontoer: protokoll", KontoSok { protokoll: arkiv, ..Default::default() }),
        ("search kontoer: receives", KontoSok { kan_motta: Some(arkivmelding), ..of("arkiv") }),
    ] {
        table
            .row(what, &kontoer, async |sti| {
                app.sok_kontoer(drift, sti.fiks_org_id, sti.system_id, &sok).await
            })
            .await?;
    }
    table
        .row("organisasjoner to choose from", &kontoer, async |sti| {
            app.list_organisasjoner_for_valg(drift, sti.fiks_org_id, sti.system_id).await
        })
        .await?;
    let hva = Some(Hva::GaTilgang.as_str().to_owned());
    for (what, filter) in [
        ("hendelser", HendelseFilter::default()),
        ("hendelser, page 20", HendelseFilter { page: page(20), ..Default::default() }),
        ("hendelser of one kind", HendelseFilter { hva, ..Default::default() }),
    ] {
        table.row(what, &organisasjoner, async |org| app.list_hendelser(drift, *org, &filter).await).await?;
    }
    table
        .row("hendelser of a system", &kontoer, async |sti| {
            let filter = HendelseFilter { system: Some(sti.system_id), ..Default::default() };
            app.list_hendelser(drift, sti.fiks_org_id, &filter).await
        })
        .await?;
    table
        .row("API: system", &kontoer, async |sti| app.system(drift, sti.fiks_org_id, sti.system_id).await)
        .await?;
    table
        .row("API: system-sok", &kontoer, async |sti| {
            app.search_systemer(drift, *sti, "arkiv", &[], true).await
        })
        .await?;
    table
        .row("API: konto-sok", &kontoer, async |sti| {
            app.search_kontoer(drift, sti.fiks_org_id, sti.system_id, "arkiv", &[], &[]).await
        })
        .await?;
    table.print();
    Ok(())
}
