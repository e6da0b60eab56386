//! Measures the pages of the portal over a registry filled by `stor_verden`: `sidetider <database-url>`.
//!
//! Starts a whole server on it, logs persons of many organisasjoner in, and asks for each page over HTTP. Prints how long
//! the answers took in milliseconds, and how large they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use app::Caller;
use app::konto::KontoSti;
use app::ports::{PersonIdentifier, VerifiedPerson};
use domain::person::Rolle;
use knutepunkt::adapters::{RandomIds, SystemClock};
use knutepunkt::config::Config;
use knutepunkt::dev::{self, DevParts};
use knutepunkt::server::Listeners;
use knutepunkt_testkit::stor_verden::Innhold;
use tokio::net::TcpListener;

/// Organisasjoner looked at, the largest among them.
const ORGANISASJONER: usize = 50;
/// Times that each page of an organisasjon is asked for.
const ROUNDS: usize = 4;
/// Where the address of the database is passed on.
const URL: &str = "SIDETIDER_URL";

fn adjust(config: &mut Config) {
    config.registry.url = std::env::var(URL).unwrap_or_default();
}

/// A person who is logged in, and what there is to look at.
struct Innlogget {
    cookie: String,
    sti: KontoSti,
}

fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).context("usage: sidetider <database-url>")?;
    if std::env::var(URL).ok().as_deref() != Some(&url) {
        // The configuration is adjusted by a function that takes nothing along; so the address comes by the environment.
        let this = std::env::current_exe()?;
        let done = std::process::Command::new(this).arg(&url).env(URL, &url).status()?;
        ensure!(done.success(), "the measuring process failed");
        return Ok(());
    }
    tokio::runtime::Runtime::new()?.block_on(measure(&url))
}

async fn measure(url: &str) -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let database = storage::connect(url).await?;
    database.migrate().await?;
    let innhold = Innhold::read(&*database.registry().await?).await?;
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let start = Instant::now();
    let dev = dev::start(DevParts {
        data: folder.path().to_owned(),
        listeners: Listeners { http: Some(listener), https: None, amqps: None, amqp: None },
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        more: axum::Router::new(),
        adjust,
    })
    .await?;
    println!(
        "started in {:.1} s, with a queue for each of {} kontoer",
        start.elapsed().as_secs_f64(),
        innhold.kontoer.len()
    );

    let people = log_in(&dev, &innhold, port).await?;
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let base = dev.http_url();
    println!("{:<34} {:>6} {:>8} {:>8} {:>8} {:>9}", "", "count", "p50", "p95", "max", "kB");
    for (what, path) in PAGES {
        let (mut times, mut largest) = (Vec::new(), 0);
        for one in people.iter().cycle().take(people.len() * ROUNDS) {
            let address = format!("{base}{}", path(one.sti));
            let start = Instant::now();
            let answer = http.get(&address).header("cookie", &one.cookie).send().await?;
            let status = answer.status();
            let body = answer.bytes().await?;
            times.push(start.elapsed());
            ensure!(status == 200, "{address} answers {status}");
            largest = largest.max(body.len());
        }
        times.sort_unstable();
        let at = |percent: usize| {
            let place = (times.len() * percent).div_ceil(100).clamp(1, times.len()) - 1;
            times[place].as_secs_f64() * 1_000.0
        };
        println!(
            "{what:<34} {:>6} {:>8.2} {:>8.2} {:>8.2} {:>9}",
            times.len(),
            at(50),
            at(95),
            at(100),
            largest / 1_000
        );
    }
    dev.running.stop().await
}

/// What a page is called, and where it is.
type Page = (&'static str, fn(KontoSti) -> String);

fn o(sti: KontoSti) -> String {
    format!("/o/{}", sti.fiks_org_id)
}

fn s(sti: KontoSti) -> String {
    format!("{}/protokoll/systemer/{}", o(sti), sti.system_id)
}

fn k(sti: KontoSti) -> String {
    format!("{}/kontoer/{}", s(sti), sti.konto_id)
}

const PAGES: &[Page] = &[
    ("Tjenester", |sti| format!("{}/tjenester", o(sti))),
    ("Systemer", |sti| format!("{}/protokoll/systemer", o(sti))),
    ("Systemer, søk", |sti| format!("{}/protokoll/systemer?sok=sak", o(sti))),
    ("System: Oversikt", s),
    ("System: Kontoer", |sti| format!("{}/kontoer", s(sti))),
    ("System: Tilganger", |sti| format!("{}/tilganger", s(sti))),
    ("System: Konfigurasjon", |sti| format!("{}/konfigurasjon", s(sti))),
    ("Opprett nytt system", |sti| format!("{}/protokoll/systemer/ny/1", o(sti))),
    ("Opprett ny konto", |sti| format!("{}/kontoer/ny", s(sti))),
    ("Konto: Oversikt", k),
    ("Konto: Tilganger", |sti| format!("{}/tilganger", k(sti))),
    ("Konto: Søk etter systemer", |sti| format!("{}/sok", k(sti))),
    ("Konto: Søk, et ord hos alle", |sti| format!("{}/sok?sok=sak&sendt=ja", k(sti))),
    ("Konto: Konfigurasjon", |sti| format!("{}/konfigurasjon", k(sti))),
    ("Status for køer", |sti| format!("{}/status", o(sti))),
    ("Hendelser", |sti| format!("{}/hendelser", o(sti))),
    ("Sporing", |sti| format!("{}/sporing", o(sti))),
    ("Tilgangsstyring for personer", |sti| format!("{}/personer", o(sti))),
];

/// Logs an administrator of each organisasjon in.
async fn log_in(dev: &dev::Dev, innhold: &Innhold, port: u16) -> anyhow::Result<Vec<Innlogget>> {
    let app = &dev.running.app;
    let mut people = Vec::new();
    for at in 0..ORGANISASJONER {
        let org = innhold.organisasjoner[at * innhold.organisasjoner.len() / ORGANISASJONER];
        let Some(sti) = innhold.kontoer.iter().find(|sti| sti.fiks_org_id == org).copied() else { continue };
        let identifier = || PersonIdentifier::new(format!("maler-{at}"));
        app.create_person_with_rolle(
            &Caller::Operator,
            org,
            "Måle Måler",
            &identifier(),
            Rolle::Administrator,
        )
        .await?;
        let verified = VerifiedPerson {
            identifier: identifier(),
            navn: None,
            acr: None,
            sid: None,
            id_token: String::new(),
        };
        let sesjon = app.log_in_person(&verified, "https://innlogging.eksempel.no", None).await?;
        people.push(Innlogget { cookie: format!("sesjon-uten-tls-{port}={}", sesjon.token.reveal()), sti });
    }
    Ok(people)
}
