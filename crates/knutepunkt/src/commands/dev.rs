//! `knutepunkt dev`: the whole world on a laptop, lasting.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use app::ports::Clock as _;
use axum::Router;
use clap::Args;
use domain::Orgnummer;
use simulator::ca::{RsaBits, TestCa};
use tokio::net::TcpListener;

use crate::adapters::{RandomIds, SystemClock};
use crate::commands::serve::Told;
use crate::config::Config;
use crate::dev::klient::Klient;
use crate::dev::{self, DevParts, oppsett, world};
use crate::installasjon::lock::refuse_second;
use crate::server::Listeners;

/// Where `dev` keeps its data and listens.
#[derive(Debug, Clone, Args)]
pub struct DevArgs {
    /// Folder for all data; made if it is missing.
    #[arg(long, default_value = "./.knutepunkt", global = true)]
    pub data: PathBuf,
    /// Port of the HTTP APIs without TLS, on loopback.
    #[arg(long, default_value_t = 8080)]
    pub http_port: u16,
    /// Port of the HTTP APIs with TLS, on loopback.
    #[arg(long, default_value_t = 8443)]
    pub https_port: u16,
    /// Port where meldinger are fetched (AMQP over TLS), on loopback.
    #[arg(long, default_value_t = 5671)]
    pub amqps_port: u16,
    /// Port of AMQP without TLS, on loopback; for measuring. Off unless it is given.
    #[arg(long)]
    pub danger_amqp_port: Option<u16>,
}

/// What is made by `dev sertifikat`.
#[derive(Debug, Clone, Args)]
pub struct SertifikatArgs {
    /// Organisasjonsnummer of a new test virksomhetssertifikat, nine digits.
    #[arg(long)]
    pub orgnr: Orgnummer,
    /// Name of the organisasjon.
    #[arg(long, default_value = "Testvirksomhet")]
    pub navn: String,
    /// Also make a key pair for a konto, under this name.
    #[arg(long)]
    pub konto: Option<String>,
}

/// Runs the world until it is told to stop.
///
/// # Errors
/// What keeps it from starting, and which option helps.
pub async fn run(args: DevArgs) -> anyhow::Result<()> {
    let told = Told::listen()?;
    let config = Config::load_for_dev(std::env::vars())?;
    let listeners = match listeners(&args).await {
        Ok(listeners) => listeners,
        Err(taken) => return Err(refuse_second(&args.data).err().unwrap_or(taken)),
    };
    let parts = DevParts {
        data: args.data,
        config,
        listeners,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        more: Router::new(),
        adjust: |_| {},
    };
    let dev = dev::start(parts).await?;
    let world = world::ensure(&dev.running.app, &dev.ca, &dev.data, SystemClock.now()).await?;
    let klient = Klient::new(&dev, &world);
    world::write_private(&dev.data.join("klient.json"), &serde_json::to_vec_pretty(&klient)?)?;
    println!("{}", oppsett::text(&klient, &dev.data));
    println!("Knutepunkt er klar. Avslutt med Ctrl+C.");
    dev.running
        .stop_when(async {
            told.to_stop().await;
            println!("Avslutter …");
        })
        .await
}

async fn listeners(args: &DevArgs) -> anyhow::Result<Listeners> {
    Ok(Listeners {
        http: Some(bind("--http-port", args.http_port).await?),
        https: Some(bind("--https-port", args.https_port).await?),
        amqps: Some(bind("--amqps-port", args.amqps_port).await?),
        amqp: match args.danger_amqp_port {
            Some(port) => Some(bind("--danger-amqp-port", port).await?),
            None => None,
        },
    })
}

async fn bind(option: &str, port: u16) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    TcpListener::bind(address).await.with_context(|| {
        format!("port {port} er ikke ledig; velg en annen med {option} (0 tar en ledig port)")
    })
}

/// Makes a test virksomhetssertifikat, and a key pair for a konto if asked to.
///
/// # Errors
/// When they cannot be made or kept.
pub fn sertifikat(data: &std::path::Path, args: &SertifikatArgs) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let whole = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    // A certificate of another authority would be taken by nobody, so none is made here.
    anyhow::ensure!(
        data.join("ca").is_dir(),
        "det finnes ikke noe «knutepunkt dev» i {}; start det først, eller pek på mappen dets med --data",
        whole.display()
    );
    let data = data.canonicalize()?;
    let ca = TestCa::load_or_create(data.join("ca"), now)?;
    let keys = dev::keys_folder(&data);
    if !args.orgnr.has_valid_control_digit() {
        println!(
            "Merk: kontrollsifferet i {} stemmer ikke. Et token for det nummeret blir avvist.",
            args.orgnr
        );
    }
    world::virksomhetssertifikat(&ca, &keys, args.orgnr, &args.navn, now)?;
    let told = |name: &str| {
        for ending in ["p12", "pem", "chain.pem", "key.pem"] {
            println!("  {}", keys.join(format!("{name}.{ending}")).display());
        }
    };
    println!("Virksomhetssertifikat for test, {} ({}):", args.navn, args.orgnr);
    told(&format!("virksomhet-{}", args.orgnr));
    if let Some(konto) = &args.konto {
        anyhow::ensure!(
            konto.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                && !konto.starts_with('.'),
            "navnet på nøkkelparet kan bare ha bokstavene a–z, tall, bindestrek, understrek og punktum"
        );
        let name = format!("konto-{konto}");
        anyhow::ensure!(
            !keys.join(format!("{name}.key.pem")).exists(),
            "{name} finnes fra før; velg et annet navn"
        );
        ca.konto_key(konto, RsaBits::B2048, now)?.save(
            &keys,
            &name,
            world::KEYSTORE_ALIAS,
            world::KEYSTORE_PASSWORD,
        )?;
        println!("Nøkkelpar for konto {konto}:");
        told(&name);
    }
    println!(
        "Passordet til .p12-filene er «{}», alias «{}».",
        world::KEYSTORE_PASSWORD,
        world::KEYSTORE_ALIAS
    );
    Ok(())
}
