//! `knutepunkt demo`: the main job, for real, step by step, in one process on free ports with temporary data.
//!
//! Everything goes the way a vendor's system goes: token from Maskinporten, HTTP, AMQP over TLS. Each step is checked, and
//! the first that is not as it should be ends the demo with an error.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use app::Caller;
use app::ports::{Clock as _, MeldingRecord};
use aws_lc_rs::digest;
use axum::Router;
use clap::Args;
use domain::Orgnummer;
use domain::id::{KontoId, MeldingId};
use domain::melding::{self, Hendelse, Retur, Status};
use fiks_io_client::asice::OrgnrRules;
use fiks_io_client::{Error, FiksIoClient, FileSource, MeldingRequest, Meldinger, MottattMelding, Payload};
use tokio::io::AsyncReadExt as _;

use crate::adapters::{RandomIds, SystemClock};
use crate::commands::serve::Told;
use crate::config::Config;
use crate::dev::klient::{self, Klient};
use crate::dev::world::{self, Innlogging};
use crate::dev::{self, Dev, DevParts, oppsett, personer};
use crate::server::Listeners;

/// Longest wait for a melding that must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Size of the large attachment.
const LARGE_BYTES: u64 = 30 * 1000 * 1000;

const OPPRETT: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett";
const MOTTATT: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett.mottatt";
const KVITTERING: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett.kvittering";

/// How to run the demo.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Keep the server running afterwards, and say how to point a client at it.
    #[arg(long)]
    pub hold: bool,
}

/// Tells the steps with the time that each took.
struct Teller {
    begun: Instant,
    step: Instant,
    number: u32,
}

impl Teller {
    fn heading(&mut self, text: &str) {
        self.number += 1;
        println!("\n{}. {text}", self.number);
        self.step = Instant::now();
    }

    fn fact(&mut self, text: impl Display) {
        let took = self.step.elapsed();
        println!("   {:>7.1} ms  {text}", took.as_secs_f64() * 1000.0);
        self.step = Instant::now();
    }
}

/// Runs the demo.
///
/// # Errors
/// The first step that is not as it should be.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let mut tell = Teller { begun: Instant::now(), step: Instant::now(), number: 0 };
    println!(
        "Knutepunkt – demo: to systemer i to kommuner utveksler en kryptert, signert og tilgangsstyrt melding."
    );
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;

    tell.heading("Starter Knutepunkt med Maskinporten-simulator og test-CA");
    let dev = start(folder.path()).await?;
    tell.fact(format_args!("HTTP på {}, AMQP over TLS på port {}", dev.http_url(), port(&dev)));

    let (fagsystem, arkiv) = set_up(&mut tell, &dev).await?;
    let from = klient::client(&dev, &fagsystem)?;
    let to = klient::client(&dev, &arkiv)?;

    tell.heading("Logger inn med Maskinporten");
    from.check_token().await?;
    to.check_token().await?;
    tell.fact("Begge systemene har hentet token (scope ks:fiks) fra simulatoren med hvert sitt virksomhetssertifikat");

    refused_without_tilgang(&mut tell, &from, &fagsystem, &arkiv).await?;

    tell.heading("Arkivet gir fagsystemet tilgang, med API-et");
    to.konfigurasjon(arkiv.fiks_org_id, arkiv.system_id)
        .grant_tilgang(arkiv.konto_id, fagsystem.system_id)
        .await?;
    tell.fact(format_args!("System {} kan nå sende til konto {}", fagsystem.system_id, arkiv.konto_id));

    tell.heading("Begge kobler seg til køen sin (AMQP over TLS)");
    let mut at_fagsystem = from.receive().await?;
    let mut at_arkiv = to.receive().await?;
    tell.fact(format_args!("fiksio.konto.{}", fagsystem.konto_id));
    tell.fact(format_args!("fiksio.konto.{}", arkiv.konto_id));

    let mut sent =
        exchange(&mut tell, &dev, &from, [&fagsystem, &arkiv], [&mut at_fagsystem, &mut at_arkiv]).await?;
    sent.push(large(&mut tell, &from, &arkiv, &mut at_arkiv).await?);

    tell.heading("Sporing: alt er bekreftet");
    for id in &sent {
        let record = settled(&dev, *id).await?;
        ensure!(
            melding::status(&record.sporing) == Status::Bekreftet,
            "melding {id} is {:?} and not acked",
            melding::status(&record.sporing)
        );
    }
    tell.fact(format_args!("{} meldinger, alle sendt, levert og bekreftet", sent.len()));
    for id in sent {
        timeline(&settled(&dev, id).await?, [&fagsystem, &arkiv]);
    }
    drop((at_fagsystem, at_arkiv, from, to));

    println!("\nAlt er kontrollert. Hele demoen tok {:.2} s.", tell.begun.elapsed().as_secs_f64());
    if args.hold {
        let world = [fagsystem, arkiv];
        let klient = Klient::new(&dev, &world);
        personer::ensure(&dev.running.app).await?;
        world::keep(&dev.data, &world)?;
        println!("\n{}", oppsett::text(&klient, &dev.data));
        world::write_private(&dev.data.join("klient.json"), &serde_json::to_vec_pretty(&klient)?)?;
        let told = Told::listen()?;
        println!("Serveren går til du trykker Ctrl+C. Dataene slettes da.");
        told.to_stop().await;
    }
    dev.running.stop().await
}

async fn start(data: &std::path::Path) -> anyhow::Result<Dev> {
    let any = async || tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listeners = Listeners {
        http: Some(any().await?),
        https: Some(any().await?),
        amqps: Some(any().await?),
        amqp: None,
    };
    dev::start(DevParts {
        data: data.to_owned(),
        config: Config::load_for_dev(std::iter::empty())?,
        listeners,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        more: Router::new(),
        adjust: |_| {},
    })
    .await
}

fn port(dev: &Dev) -> u16 {
    dev.running.amqps.map_or(0, |address| address.port())
}

/// The two municipalities and their systems, through the use cases that the portal uses.
async fn set_up(tell: &mut Teller, dev: &Dev) -> anyhow::Result<(Innlogging, Innlogging)> {
    let now = SystemClock.now();
    let (app, keys) = (&dev.running.app, dev.keys());
    tell.heading("To kommuner tar i bruk Fiks Protokoll");
    let mut eiere = Vec::new();
    for mal in [world::STOREVIK, world::LILLEFJORD] {
        let organisasjon = world::organisasjon(app, mal).await?;
        world::virksomhetssertifikat(&dev.ca, &keys, organisasjon.orgnummer, mal.navn, now)?;
        tell.fact(format_args!(
            "{} (org.nr. {}), fiksOrgId {}, test-virksomhetssertifikat utstedt",
            organisasjon.navn, organisasjon.orgnummer, organisasjon.id
        ));
        eiere.push(organisasjon);
    }
    let [storevik, lillefjord] = eiere.as_slice() else { bail!("there are two municipalities") };

    tell.heading("Oppretter systemer og kontoer (passordene vises bare denne ene gangen)");
    let fagsystem = world::system(app, &dev.ca, &keys, storevik, world::FAGSYSTEM, now).await?;
    told(tell, &fagsystem);
    let arkiv = world::system(app, &dev.ca, &keys, lillefjord, world::ARKIV, now).await?;
    told(tell, &arkiv);
    Ok((fagsystem, arkiv))
}

fn told(tell: &mut Teller, one: &Innlogging) {
    tell.fact(format_args!("systemNavn         {} ({})", one.system_navn, one.organisasjon));
    for (name, value) in [
        ("systemId", one.system_id.to_string()),
        ("integrasjonId", one.integrasjon_id.to_string()),
        ("integrasjonPassord", one.integrasjon_passord.clone()),
        ("kontoId", one.konto_id.to_string()),
        ("part", format!("{} i {} {}", one.part, world::PROTOKOLL, world::VERSJON)),
    ] {
        println!("               {name:<18} {value}");
    }
}

fn arkivmelding(mottaker: KontoId) -> MeldingRequest {
    let payload = Payload::file("arkivmelding.xml", ARKIVMELDING).and_file("søknad.txt", VEDLEGG);
    MeldingRequest::new(mottaker, OPPRETT).payload(payload).klient_korrelasjons_id("sak 2026/17")
}

const ARKIVMELDING: &str =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<arkivmelding><antallFiler>1</antallFiler></arkivmelding>\n";
const VEDLEGG: &str = "Søknad om tilbygg, Blåbærveien 3\n";

async fn refused_without_tilgang(
    tell: &mut Teller,
    from: &FiksIoClient,
    fagsystem: &Innlogging,
    arkiv: &Innlogging,
) -> anyhow::Result<()> {
    tell.heading("Prøver å sende før tilgang er gitt");
    match from.send(arkivmelding(arkiv.konto_id)).await {
        Err(Error::Refused { status: 403, error }) => {
            tell.fact("Avvist, som det skal:");
            for row in serde_json::to_string_pretty(&*error)?.lines() {
                println!("               {row}");
            }
            Ok(())
        }
        Err(other) => Err(other).context("sending without tilgang failed in another way than with 403"),
        Ok(_) => bail!("system {} could send without tilgang", fagsystem.system_id),
    }
}

/// One arkivmelding with attachment and the two answers to it.
async fn exchange(
    tell: &mut Teller,
    dev: &Dev,
    from: &FiksIoClient,
    [fagsystem, arkiv]: [&Innlogging; 2],
    [at_fagsystem, at_arkiv]: [&mut Meldinger; 2],
) -> anyhow::Result<Vec<MeldingId>> {
    tell.heading("Fagsystemet sender en arkivmelding med vedlegg");
    let sent = from.send(arkivmelding(arkiv.konto_id)).await?;
    tell.fact(format_args!("202: melding {}, pakket (ASiC-E), signert og kryptert (CMS)", sent.melding_id));

    let received = next(at_arkiv, OPPRETT).await?;
    ensure!(received.melding_id == sent.melding_id && received.avsender_konto_id == fagsystem.konto_id);
    ensure!(received.klient_korrelasjons_id() == Some("sak 2026/17"), "klientKorrelasjonsId was lost");
    tell.fact("Arkivet mottok den over AMQP med TLS");
    let opened = received.dekrypter().await?.read_to_memory(1 << 20).await?;
    ensure!(opened.file("arkivmelding.xml").is_some_and(|content| content == ARKIVMELDING.as_bytes()));
    ensure!(opened.file("søknad.txt").is_some_and(|content| content == VEDLEGG.as_bytes()));
    let signer = signer(&opened.signatures)?;
    ensure!(signer == fagsystem.orgnummer, "signed by {signer} and not by the sender");
    tell.fact(format_args!("Dekryptert, filene er uendret, signaturen er gyldig og laget av {signer}"));

    tell.heading("Arkivet svarer: mottatt og kvittering");
    let mottatt = received.svar(MOTTATT, Payload::none()).await?;
    let kvittering = received
        .svar(
            KVITTERING,
            Payload::file("arkivkvittering.xml", "<arkivkvittering>2026/17-1</arkivkvittering>\n"),
        )
        .await?;
    received.ack().await?;
    tell.fact("Svarene er sendt uten egen tilgang: de svarer på en melding som arkivet faktisk mottok");
    for (melding_type, expected) in [(MOTTATT, &mottatt), (KVITTERING, &kvittering)] {
        let svar = next(at_fagsystem, melding_type).await?;
        ensure!(svar.melding_id == expected.melding_id, "another svar came than was sent");
        ensure!(svar.svar_pa_melding == Some(sent.melding_id), "svarPaMelding does not name the melding");
        if svar.has_payload() {
            let opened = svar.dekrypter().await?.read_to_memory(1 << 20).await?;
            ensure!(
                self::signer(&opened.signatures)? == arkiv.orgnummer,
                "the svar is signed by somebody else"
            );
        }
        svar.ack().await?;
        tell.fact(format_args!("Fagsystemet mottok {melding_type}"));
    }
    let ids = vec![sent.melding_id, mottatt.melding_id, kvittering.melding_id];
    for id in &ids {
        settled(dev, *id).await?;
    }
    Ok(ids)
}

/// A payload that is too large for a queue.
async fn large(
    tell: &mut Teller,
    from: &FiksIoClient,
    arkiv: &Innlogging,
    at_arkiv: &mut Meldinger,
) -> anyhow::Result<MeldingId> {
    tell.heading("Fagsystemet sender 30 MB, som går gjennom Dokumentlager");
    let drawing = || Pattern::default().take(LARGE_BYTES);
    let payload =
        Payload::file("arkivmelding.xml", ARKIVMELDING).and(FileSource::new("tegning.bin", drawing()));
    let sent = from.send(MeldingRequest::new(arkiv.konto_id, OPPRETT).payload(payload)).await?;
    let dokument = sent.dokumentlager_id.context("30 MB did not go to Dokumentlager")?;
    tell.fact(format_args!("202: melding {}, dokument {dokument}", sent.melding_id));
    let received = next(at_arkiv, OPPRETT).await?;
    ensure!(received.melding_id == sent.melding_id && received.dokumentlager_id == Some(dokument));
    let mut opened = received.dekrypter().await?;
    let mut seen = None;
    while let Some(mut file) = opened.next_file().await? {
        if file.name() == "tegning.bin" {
            let (mut hash, mut size) = (digest::Context::new(&digest::SHA256), 0u64);
            while let Some(piece) = file.next_piece().await? {
                size += piece.len() as u64;
                hash.update(&piece);
            }
            seen = Some((size, hash.finish()));
        }
    }
    opened.finish().await?;
    let (size, hash) = seen.context("the large file is missing")?;
    ensure!(
        size == LARGE_BYTES && hash.as_ref() == sha256(drawing()).await?.as_ref(),
        "the large file was changed"
    );
    received.ack().await?;
    tell.fact(format_args!("Arkivet hentet, dekrypterte og kontrollerte {} MB", size / 1_000_000));
    Ok(sent.melding_id)
}

async fn sha256(mut source: impl tokio::io::AsyncRead + Unpin) -> anyhow::Result<digest::Digest> {
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match source.read(&mut buffer).await? {
            0 => return Ok(hash.finish()),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Bytes without end that do not compress: a file of any size without a file.
struct Pattern(u64);

impl Default for Pattern {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl tokio::io::AsyncRead for Pattern {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        while buffer.remaining() > 0 {
            // One byte a step, so that the bytes do not depend on how much is asked for at a time.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            buffer.put_slice(&self.0.to_le_bytes()[..1]);
        }
        std::task::Poll::Ready(Ok(()))
    }
}

/// The next melding, which must be of `melding_type` and come in time.
async fn next(meldinger: &mut Meldinger, melding_type: &str) -> anyhow::Result<MottattMelding> {
    let melding = tokio::time::timeout(PATIENCE, meldinger.next())
        .await
        .with_context(|| format!("no {melding_type} came"))??;
    ensure!(melding.melding_type == melding_type, "{} came in place of {melding_type}", melding.melding_type);
    Ok(melding)
}

/// The organisasjon that signed.
fn signer(signatures: &[fiks_io_client::asice::Signature]) -> anyhow::Result<Orgnummer> {
    let signature = signatures.first().context("the payload is not signed")?;
    let orgnr = signature
        .signer
        .orgnr(OrgnrRules::default())?
        .context("the signer's certificate names no orgnummer")?;
    Ok(orgnr.parse()?)
}

/// The melding once nothing more can happen to it.
async fn settled(dev: &Dev, id: MeldingId) -> anyhow::Result<MeldingRecord> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let record = dev.running.app.spor_melding(&Caller::Operator, id).await?;
        if melding::status(&record.sporing).is_final() {
            return Ok(record);
        }
        ensure!(Instant::now() < deadline, "melding {id} is not settled");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn timeline(record: &MeldingRecord, world: [&Innlogging; 2]) {
    let name = |konto: KontoId| {
        world
            .iter()
            .find(|one| one.konto_id == konto)
            .map_or_else(|| konto.to_string(), |one| one.system_navn.clone())
    };
    let melding = &record.melding;
    println!("\n   {} ({} → {})", melding.meldingstype, name(melding.avsender), name(melding.mottaker));
    println!("   {}", melding.id);
    let mut before = melding.mottatt;
    println!("     {}  mottatt", melding.mottatt);
    for line in &record.sporing {
        let step = line.tidspunkt.duration_since(before).as_millis();
        println!("     {}  {:<38} +{step} ms", line.tidspunkt, describe(&line.hendelse));
        before = line.tidspunkt;
    }
}

fn describe(hendelse: &Hendelse) -> String {
    match hendelse {
        Hendelse::LagtPaKo => "lagt på kø".to_owned(),
        Hendelse::Levert { forsok, .. } => format!("levert {forsok}. gang til konsument"),
        Hendelse::Returnert { arsak: Retur::NackMedRequeue } => "returnert av konsumenten".to_owned(),
        Hendelse::Returnert { arsak: Retur::Frakoblet } => "returnert, konsumenten ble frakoblet".to_owned(),
        Hendelse::Returnert { arsak: Retur::Omstart } => "returnert, serveren startet på nytt".to_owned(),
        Hendelse::Returnert { arsak: Retur::Krasj } => "returnert, serveren stoppet uventet".to_owned(),
        Hendelse::Returnert { arsak: Retur::Avbrutt } => "returnert, serveren avbrøt leveringen".to_owned(),
        Hendelse::Bekreftet => "bekreftet (ack)".to_owned(),
        Hendelse::Avvist => "avvist (nack)".to_owned(),
        Hendelse::Utlopt => "utløpt".to_owned(),
        Hendelse::Dodko => "uleverbar, lagt i dødkø".to_owned(),
        Hendelse::LagtTilbake => "lagt tilbake på kø fra dødkø".to_owned(),
        Hendelse::KontoSlettet => "kontoen ble slettet".to_owned(),
        Hendelse::Skadet => "skadet på lageret, lagt i dødkø".to_owned(),
        Hendelse::KvitteringSendt { kvittering } => format!("avsenderen fikk kvittering {kvittering}"),
    }
}
