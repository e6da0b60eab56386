//! Measures the pages of the portal over a registry filled by `stor_verden`: `sidetider <database-url> [<text>]`. With a text only
//! the pages whose name holds it are measured.
//!
//! Starts a whole server on it, logs persons of many organisasjoner in, and asks for each page over HTTP, one at a time.
//! Prints how long the answers took in milliseconds, and how large they are.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use app::Caller;
use app::konto::KontoSti;
use app::ports::{PersonIdentifier, VerifiedPerson};
use domain::person::Rolle;
use knutepunkt::adapters::{RandomIds, SystemClock};
use knutepunkt::config::Config;
use knutepunkt::dev::{self, Dev, DevParts};
use knutepunkt::server::Listeners;
use knutepunkt_testkit::stor_verden::Innhold;
use tokio::net::TcpListener;

/// Organisasjoner looked at, the largest among them.
const ORGANISASJONER: usize = 50;
/// Times that each page of an organisasjon is asked for. A person may search sixty times a minute, which bounds how many
/// searches there are below.
const ROUNDS: usize = 3;
/// Where the address of the database is passed on.
const URL: &str = "SIDETIDER_URL";

fn adjust(config: &mut Config) {
    config.registry.url = std::env::var(URL).unwrap_or_default();
}

/// A person who is logged in, and what there is to look at.
struct Innlogget {
    cookie: String,
    /// A Konto of the organisasjon.
    sti: KontoSti,
    /// A Konto of another one.
    annen: KontoSti,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().context("usage: sidetider <database-url> [<text>]")?;
    let only = arguments.next().unwrap_or_default();
    if std::env::var(URL).ok().as_deref() != Some(&url) {
        // The configuration is adjusted by a function that takes nothing along; so the address comes by the environment.
        let this = std::env::current_exe()?;
        let done = std::process::Command::new(this).args([&url, &only]).env(URL, &url).status()?;
        ensure!(done.success(), "the measuring process failed");
        return Ok(());
    }
    tokio::runtime::Runtime::new()?.block_on(measure(&url, &only))
}

/// Starts a server and tells how long that took.
async fn start(data: &Path, what: &str) -> anyhow::Result<(Dev, u16)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let start = Instant::now();
    let dev = dev::start(DevParts {
        data: data.to_owned(),
        config: Config::load_for_dev(std::iter::empty())?,
        listeners: Listeners { http: Some(listener), https: None, amqps: None, amqp: None },
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        more: axum::Router::new(),
        adjust,
    })
    .await?;
    println!("{what} in {:.2} s", start.elapsed().as_secs_f64());
    Ok((dev, port))
}

async fn measure(url: &str, only: &str) -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let database = storage::connect(url).await?;
    database.migrate().await?;
    let innhold = Innhold::read(&*database.registry().await?).await?;
    let folder = tempfile::tempdir()?;
    println!("{} kontoer", innhold.kontoer.len());
    let (dev, _) = start(folder.path(), "first start, which makes a queue for each of them").await?;
    dev.running.stop().await?;
    let (dev, port) = start(folder.path(), "next start").await?;

    let people = log_in(&dev, &innhold, port).await?;
    let many = log_in_everywhere(&dev, &innhold, port).await?;
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let base = dev.http_url();
    println!("{:<42} {:>6} {:>8} {:>8} {:>8} {:>6}", "", "count", "p50", "p95", "max", "kB");
    for (what, people, path) in PAGES
        .iter()
        .map(|(what, path)| (what, people.as_slice(), path))
        .chain(PAGES_OF_MANY.iter().map(|(what, path)| (what, many.as_slice(), path)))
        .filter(|(what, ..)| what.contains(only))
    {
        let count = ORGANISASJONER * ROUNDS;
        let (mut times, mut largest) = (Vec::with_capacity(count), 0);
        for one in people.iter().cycle().take(count) {
            let address = format!("{base}{}", path(one));
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
            "{what:<42} {:>6} {:>8.2} {:>8.2} {:>8.2} {:>6}",
            times.len(),
            at(50),
            at(95),
            at(100),
            largest.div_ceil(1_000)
        );
    }
    dev.running.stop().await
}

/// What a page is called, and where it is.
type Page = (&'static str, fn(&Innlogget) -> String);

fn o(one: &Innlogget) -> String {
    format!("/o/{}", one.sti.fiks_org_id)
}

fn s(one: &Innlogget) -> String {
    format!("{}/protokoll/systemer/{}", o(one), one.sti.system_id)
}

fn k(one: &Innlogget) -> String {
    format!("{}/kontoer/{}", s(one), one.sti.konto_id)
}

/// A search for systemer. `sokt` is what the form says of itself, without it only the own ones are shown.
fn sok(one: &Innlogget, what: &str) -> String {
    format!("{}/sok?sokt=ja&{what}", k(one))
}

/// A search for kontoer.
fn be_om(one: &Innlogget, what: &str) -> String {
    format!("{}/tilganger/be-om?sokt=ja&{what}", s(one))
}

const ARKIVMELDING: &str = "meldingstype=no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett";

const PAGES: &[Page] = &[
    ("Velg organisasjon", |_| "/velg-organisasjon".to_owned()),
    ("Tjenester", |one| format!("{}/tjenester", o(one))),
    ("Systemer", |one| format!("{}/protokoll/systemer", o(one))),
    ("Systemer, search", |one| format!("{}/protokoll/systemer?sok=sak", o(one))),
    ("Systemer, by kontoer", |one| format!("{}/protokoll/systemer?sorter=kontoer&retning=ned", o(one))),
    ("Systemer, page 20", |one| format!("{}/protokoll/systemer?side=20", o(one))),
    ("Systemer, CSV", |one| format!("{}/protokoll/systemer.csv", o(one))),
    ("Opprett nytt system", |one| format!("{}/protokoll/systemer/ny/1", o(one))),
    ("System: Oversikt", s),
    ("System: status.json", |one| format!("{}/status.json", s(one))),
    ("System: Kontoer", |one| format!("{}/kontoer", s(one))),
    ("System: Kontoer, CSV", |one| format!("{}/kontoer.csv", s(one))),
    ("System: Tilganger", |one| format!("{}/tilganger", s(one))),
    ("System: Tilganger, search", |one| format!("{}/tilganger?sok=sak", s(one))),
    ("System: Tilganger, CSV", |one| format!("{}/tilganger.csv", s(one))),
    ("System: Konfigurasjon", |one| format!("{}/konfigurasjon", s(one))),
    ("Be om tilgang", |one| format!("{}/tilganger/be-om", s(one))),
    ("Be om tilgang: everything", |one| be_om(one, "sok=")),
    ("Be om tilgang: a common word", |one| be_om(one, "sok=saker")),
    ("Be om tilgang: three words", |one| be_om(one, "sok=vik+sak+drift")),
    ("Be om tilgang: word and meldingstype", |one| be_om(one, &format!("sok=arkiv&{ARKIVMELDING}"))),
    ("Be om tilgang: a kontoId", |one| be_om(one, &format!("sok={}", one.annen.konto_id))),
    ("Opprett ny konto", |one| format!("{}/kontoer/ny", s(one))),
    ("Konto: Oversikt", k),
    ("Konto: status.json", |one| format!("{}/status.json", k(one))),
    ("Konto: Tilganger", |one| format!("{}/tilganger", k(one))),
    ("Konto: Tilganger, search", |one| format!("{}/tilganger?sok=sak", k(one))),
    ("Konto: Forespørsler", |one| format!("{}/foresporsler", k(one))),
    ("Konto: Konfigurasjon", |one| format!("{}/konfigurasjon", k(one))),
    ("Konto: Sporing", |one| format!("{}/sporing", k(one))),
    ("Konto: Søk, first visit", |one| format!("{}/sok", k(one))),
    ("Konto: Søk, everything", |one| sok(one, "sok=")),
    ("Konto: Søk, all that fit", |one| sok(one, "utveksle=ja")),
    ("Konto: Søk, a common word", |one| sok(one, "sok=sak")),
    ("Konto: Søk, a common word that fits", |one| sok(one, "sok=sak&utveksle=ja")),
    ("Konto: Søk, three words", |one| sok(one, "sok=vik+sak+drift")),
    ("Konto: Søk, words with æ, ø and å", |one| sok(one, "sok=%C3%B8konomi+%C3%A6rlig+f%C3%B8r")),
    ("Konto: Søk, nothing found", |one| sok(one, "sok=finnes+ikke")),
    ("Konto: Søk, word and meldingstype", |one| sok(one, &format!("sok=arkiv&{ARKIVMELDING}"))),
    ("Konto: Søk, one other owner", |one| sok(one, &format!("sok=sak&eier={}", one.annen.fiks_org_id))),
    ("Konto: Søk, a systemId", |one| sok(one, &format!("sok={}", one.annen.system_id))),
    ("Status for køer", |one| format!("{}/status", o(one))),
    ("Status for køer, search", |one| format!("{}/status?sok=sak&oppfolging=ja", o(one))),
    ("Status for køer, what needs attention", |one| {
        format!("{}/status?oppfolging=ja&sorter=ko&retning=ned", o(one))
    }),
    ("Status for køer: status.json", |one| format!("{}/status.json?konto={}", o(one), one.sti.konto_id)),
    ("Hendelser", |one| format!("{}/hendelser", o(one))),
    ("Hendelser, of one kind", |one| format!("{}/hendelser?hva=ga+tilgang", o(one))),
    ("Hendelser, of a System", |one| format!("{}/hendelser?system={}", o(one), one.sti.system_id)),
    ("Hendelser, page 20", |one| format!("{}/hendelser?side=20", o(one))),
    ("Hendelser, CSV", |one| format!("{}/hendelser.csv", o(one))),
    ("Sporing", |one| format!("{}/sporing", o(one))),
    ("Personer", |one| format!("{}/personer", o(one))),
];

/// For somebody who has a rolle in every organisasjon, and sees how the installation is doing.
const PAGES_OF_MANY: &[Page] = &[
    ("Velg organisasjon, of 400", |_| "/velg-organisasjon".to_owned()),
    ("Velg organisasjon, of 400, search", |_| "/velg-organisasjon?sok=vik".to_owned()),
    ("Systemer, of somebody in 400", |one| format!("{}/protokoll/systemer", o(one))),
    ("Drift", |_| "/drift".to_owned()),
];

/// Logs an administrator of each of some organisasjoner in, spread from the largest to the smallest.
async fn log_in(dev: &Dev, innhold: &Innhold, port: u16) -> anyhow::Result<Vec<Innlogget>> {
    let all = &innhold.organisasjoner;
    let mut people = Vec::new();
    for at in 0..ORGANISASJONER {
        let org = all[at * all.len() / ORGANISASJONER];
        let navn = format!("maler-{at}");
        give_rolle(dev, org, &navn).await?;
        let own = innhold.kontoer.iter().filter(|sti| sti.fiks_org_id == org);
        let own: Vec<_> = own.copied().collect();
        let sti = own[at % own.len()];
        let annen = innhold.kontoer[(at * 397 + 11) % innhold.kontoer.len()];
        people.push(Innlogget { cookie: cookie(dev, &navn, port).await?, sti, annen });
    }
    Ok(people)
}

/// Logs in somebody who has a rolle in every organisasjon.
async fn log_in_everywhere(dev: &Dev, innhold: &Innhold, port: u16) -> anyhow::Result<Vec<Innlogget>> {
    let navn = "maler-overalt";
    for org in &innhold.organisasjoner {
        give_rolle(dev, *org, navn).await?;
    }
    let identifier = PersonIdentifier::new(navn.to_owned());
    dev.running.app.set_drift(&Caller::Operator, "Måle Måler", &identifier, true).await?;
    let [sti, annen] = [innhold.kontoer[0], innhold.kontoer[innhold.kontoer.len() / 2]];
    Ok(vec![Innlogget { cookie: cookie(dev, navn, port).await?, sti, annen }])
}

async fn give_rolle(dev: &Dev, org: wire::id::FiksOrgId, navn: &str) -> anyhow::Result<()> {
    let identifier = PersonIdentifier::new(navn.to_owned());
    let rolle = Rolle::Administrator;
    dev.running
        .app
        .create_person_with_rolle(&Caller::Operator, org, "Måle Måler", &identifier, rolle)
        .await?;
    Ok(())
}

/// Logs somebody in as if he came from the login provider.
async fn cookie(dev: &Dev, navn: &str, port: u16) -> anyhow::Result<String> {
    let verified = VerifiedPerson {
        identifier: PersonIdentifier::new(navn.to_owned()),
        navn: None,
        acr: None,
        sid: None,
        id_token: String::new(),
    };
    let sesjon = dev.running.app.log_in_person(&verified, "https://innlogging.eksempel.no", None).await?;
    Ok(format!("sesjon-uten-tls-{port}={}", sesjon.token.reveal()))
}
