//! `knutepunkt admin`: registers organisasjoner and lets people in. It has the registry alone, so a server may be running.

use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use app::paging::Page;
use app::person::Identifikator;
use app::ports::{Clock, IdSource, PersonIdentifier, SattTilSide};
use app::{Adapters, App, Caller};
use clap::{Args, Subcommand};
use domain::Orgnummer;
use domain::id::KontoId;
use domain::organisasjon::Organisasjon;
use domain::person::Rolle;
use uuid::Uuid;

use crate::adapters::{RandomIds, SystemClock};
use crate::config::Config;
use crate::installasjon;

/// What the command is given.
#[derive(Debug, Args)]
pub struct AdminArgs {
    /// Configuration file of the server.
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,
    /// Data folder of the server, if it is another one than its configuration says; that of `knutepunkt dev` is
    /// ./.knutepunkt.
    #[arg(long, global = true)]
    pub data: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: AdminCommand,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Register an organisasjon.
    Organisasjon {
        /// Its organisasjonsnummer, nine digits.
        #[arg(long)]
        orgnr: Orgnummer,
        /// Its name.
        #[arg(long)]
        navn: String,
        /// Its kommunenummer, four digits, if it is a municipality.
        #[arg(long)]
        kommunenummer: Option<String>,
    },
    /// Give a person a rolle in an organisasjon. His fødselsnummer, or what else the login provider knows him by, is asked
    /// for without being shown, or read from standard input.
    Person {
        /// Organisasjonsnummer of the organisasjon.
        #[arg(long)]
        orgnr: Orgnummer,
        /// His name.
        #[arg(long)]
        navn: String,
        /// administrator, protokolladministrator or lesetilgang.
        #[arg(long)]
        rolle: Rolle,
    },
    /// Let a person see how the installation is doing. He is named as for `person`.
    Drift {
        /// His name.
        #[arg(long)]
        navn: String,
        /// Take it away instead.
        #[arg(long)]
        fjern: bool,
    },
    /// List the queues that the server has set aside since the registry does not know their Konto, or empty one of them.
    Ko {
        /// Empty the queue of this kontoId. The sender of each melding in it gets a serverfeil; that cannot be taken back.
        #[arg(long, value_name = "KONTO_ID")]
        tom: Option<KontoId>,
        /// How many meldinger are lost to their receiver by that, as the list shows it.
        #[arg(long, value_name = "ANTALL", requires = "tom")]
        bekreft: Option<u64>,
    },
    /// See to what carries the id of the installation.
    Installasjon {
        /// What to do.
        #[command(subcommand)]
        command: InstallasjonCommand,
    },
    /// List those who have a rolle in an organisasjon.
    Personer {
        /// Organisasjonsnummer of the organisasjon.
        #[arg(long)]
        orgnr: Orgnummer,
    },
}

/// What there is to do with the id of an installation.
#[derive(Debug, Subcommand)]
pub enum InstallasjonCommand {
    /// Write the id to the part that a refused start has named. The server must not run.
    Bind {
        /// The id that the refused start has shown.
        #[arg(long)]
        id: Uuid,
    },
}

/// Does it.
///
/// # Errors
/// What keeps it from being done.
pub async fn run(args: AdminArgs) -> anyhow::Result<()> {
    let mut config = Config::load(args.config.as_deref(), std::env::vars())?;
    if let Some(data) = args.data {
        config.data = data;
    }
    if let AdminCommand::Installasjon { command: InstallasjonCommand::Bind { id } } = args.command {
        println!("{}", installasjon::bind_by_hand(&config, id).await?);
        return Ok(());
    }
    let app = open(&config, Arc::new(SystemClock), Arc::new(RandomIds)).await?;
    let question = question(&app.settings().identifikator);
    let ask = || {
        let stdin = io::stdin();
        line(
            stdin.is_terminal(),
            &question,
            |question| rpassword::prompt_password(question),
            &mut stdin.lock(),
        )
    };
    perform(&app, args.command, ask, &mut io::stdout()).await
}

/// What a person is asked for who sits at the terminal.
fn question(identifikator: &Identifikator) -> String {
    match identifikator {
        Identifikator::Fodselsnummer => "Skriv fødselsnummeret (det vises ikke) og trykk Enter: ".to_owned(),
        Identifikator::Claim(claim) => {
            format!("Skriv verdien av «{claim}» (den vises ikke) og trykk Enter: ")
        }
    }
}

/// One line from whoever runs the command. A person is asked at the terminal, without what he types being shown there; a
/// script writes the line to standard input.
fn line(
    is_terminal: bool,
    question: &str,
    ask: impl FnOnce(&str) -> io::Result<String>,
    piped: &mut impl BufRead,
) -> io::Result<String> {
    if is_terminal {
        return ask(question);
    }
    let mut line = String::new();
    piped.read_line(&mut line)?;
    Ok(line)
}

/// The use cases over the registry of a server that may be running.
async fn open(config: &Config, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> anyhow::Result<App> {
    let key = installasjon::require(config).await?;
    let database = storage::connect(&config.registry_url()?).await.context("cannot open the registry")?;
    let registry = database.registry().await.context("cannot open the registry")?;
    Ok(App::new(Adapters::registry_only(registry, clock, ids), key, config.settings()))
}

async fn perform(
    app: &App,
    command: AdminCommand,
    ask: impl FnOnce() -> io::Result<String>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let operator = &Caller::Operator;
    match command {
        AdminCommand::Organisasjon { orgnr, navn, kommunenummer } => {
            let navn = navn.trim().to_owned();
            ensure!(!navn.is_empty(), "--navn er tomt");
            let four_digits =
                |text: &String| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
            ensure!(kommunenummer.as_ref().is_none_or(four_digits), "--kommunenummer må ha fire siffer");
            let made = app
                .create_organisasjon(operator, navn, orgnr, kommunenummer)
                .await
                .with_context(|| format!("organisasjon {orgnr} ble ikke registrert"))?;
            writeln!(out, "Registrerte {} ({orgnr}), fiksOrgId {}.", made.navn, made.id)?;
        }
        AdminCommand::Person { orgnr, navn, rolle } => {
            let organisasjon = find(app, orgnr).await?;
            let identifier = read_identifier(ask)?;
            let person = app
                .create_person_with_rolle(operator, organisasjon.id, &navn, &identifier, rolle)
                .await
                .context("personen fikk ingen rolle")?;
            writeln!(
                out,
                "{} har rollen {rolle} i {}, person {}.",
                person.navn, organisasjon.navn, person.id
            )?;
        }
        AdminCommand::Drift { navn, fjern } => {
            let identifier = read_identifier(ask)?;
            let person = app
                .set_drift(operator, &navn, &identifier, !fjern)
                .await
                .context("innsynet ble ikke endret")?;
            let told = if fjern { "ser ikke lenger" } else { "ser" };
            writeln!(out, "{} {told} driftsstatus, person {}.", person.navn, person.id)?;
        }
        AdminCommand::Ko { tom: None, .. } => {
            let aside = app.list_set_aside(operator).await?;
            if aside.is_empty() {
                writeln!(out, "Ingen køer er satt til side.")?;
            }
            for SattTilSide { konto, meldinger, uleverte } in aside {
                writeln!(out, "{konto}  {meldinger} meldinger  {uleverte} uleverte")?;
            }
        }
        AdminCommand::Ko { tom: Some(konto), bekreft } => {
            let aside = app.list_set_aside(operator).await?;
            let found = aside.iter().find(|queue| queue.konto == konto).with_context(|| {
                format!("køen til {konto} er ikke satt til side; se listen med «knutepunkt admin ko»")
            })?;
            let antall = found.meldinger;
            ensure!(
                bekreft == Some(antall),
                "det er {antall} meldinger i køen, og avsenderne får serverfeil; gjenta kommandoen med --bekreft {antall}"
            );
            app.order_emptying(operator, konto).await.context("køen blir ikke tømt")?;
            writeln!(
                out,
                "Køen til {konto} blir tømt, og avsenderne får serverfeil: innen noen sekunder hvis serveren kjører, ellers \
                 ved neste start."
            )?;
        }
        AdminCommand::Installasjon { .. } => bail!("this needs no registry and is done before one is opened"),
        AdminCommand::Personer { orgnr } => {
            let organisasjon = find(app, orgnr).await?;
            let mut page = Some(Page::all());
            while let Some(wanted) = page {
                let side = app.list_personer(operator, organisasjon.id, wanted).await?;
                for row in &side.rows {
                    let navn = if row.person.navn.is_empty() { "(uten navn)" } else { &row.person.navn };
                    writeln!(out, "{}  {:<22}  {navn}", row.person.id, row.tildeling.rolle.as_str())?;
                }
                page = side.next();
            }
        }
    }
    Ok(())
}

async fn find(app: &App, orgnr: Orgnummer) -> anyhow::Result<Organisasjon> {
    app.organisasjon_by_orgnummer(&Caller::Operator, orgnr).await?.with_context(|| {
        format!("organisasjon {orgnr} er ikke registrert; bruk «knutepunkt admin organisasjon» først")
    })
}

/// What a person is known by. Never an argument: everybody on the machine can see those.
fn read_identifier(ask: impl FnOnce() -> io::Result<String>) -> anyhow::Result<PersonIdentifier> {
    let line = ask().context("kan ikke lese hvem personen er")?;
    Ok(PersonIdentifier::new(line.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{self, Listeners, Parts, Running};

    const NUMBER: &str = "01019012345";

    fn orgnr() -> Orgnummer {
        "310000108".parse().unwrap()
    }

    fn person(rolle: Rolle) -> AdminCommand {
        AdminCommand::Person { orgnr: orgnr(), navn: "Kari Nordmann".to_owned(), rolle }
    }

    async fn perform_in(config: &Config, command: AdminCommand, input: &str) -> anyhow::Result<String> {
        // Opened anew each time, as each command is a process of its own.
        let app = open(config, Arc::new(SystemClock), Arc::new(RandomIds)).await?;
        let mut out = Vec::new();
        let ask = || line(false, "", |_| panic!("there is no terminal"), &mut input.as_bytes());
        perform(&app, command, ask, &mut out).await?;
        Ok(String::from_utf8(out)?)
    }

    fn config(folder: &tempfile::TempDir) -> Config {
        Config { data: folder.path().join("data"), ..Config::defaults() }
    }

    /// A server that nobody can connect to.
    async fn server(config: &Config) -> Running {
        // Another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let parts = Parts {
            config: config.clone(),
            listeners: Listeners { http: None, https: None, amqps: None, amqp: None },
            tls: None,
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            verktoy: None,
            more: axum::Router::new(),
        };
        server::start(parts).await.unwrap()
    }

    async fn refusal(config: &Config) -> String {
        let organisasjon = AdminCommand::Organisasjon {
            orgnr: orgnr(),
            navn: "Storevik kommune".to_owned(),
            kommunenummer: None,
        };
        format!("{:#}", perform_in(config, organisasjon, "").await.unwrap_err())
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        let told = refusal(&config).await;
        assert!(told.contains("there is no data folder") && told.contains("--data"), "{told}");
        assert!(told.contains(&config.data.display().to_string()), "{told}");
        assert!(!config.data.exists());

        std::fs::create_dir(&config.data).unwrap();
        let told = refusal(&config).await;
        assert!(told.contains("there is no registry yet") && told.contains("register.sqlite"), "{told}");
        assert_eq!(std::fs::read_dir(&config.data).unwrap().count(), 0);

        server(&config).await.stop().await.unwrap();
        let key = config.data.join("passord.key");
        let kept = std::fs::read(&key).unwrap();
        std::fs::remove_file(&key).unwrap();
        assert!(refusal(&config).await.contains("passord.key is missing"));
        assert!(!key.exists());
        std::fs::write(&key, [7; 32]).unwrap();
        assert!(refusal(&config).await.contains("passord.key is not the key"));
        std::fs::write(&key, kept).unwrap();
        perform_in(&config, AdminCommand::Personer { orgnr: orgnr() }, "").await.unwrap_err();
    }

    #[tokio::test]
    async fn first_administrator_of_an_organisasjon_is_let_in_beside_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        let server = server(&config).await;
        let running = &server.app;

        let organisasjon = || AdminCommand::Organisasjon {
            orgnr: orgnr(),
            navn: "Storevik kommune".to_owned(),
            kommunenummer: Some("9901".to_owned()),
        };
        let told = perform_in(&config, organisasjon(), "").await.unwrap();
        assert!(told.starts_with("Registrerte Storevik kommune (310000108), fiksOrgId "), "{told}");
        assert!(perform_in(&config, organisasjon(), "").await.is_err());

        let told = perform_in(&config, person(Rolle::Administrator), &format!("{NUMBER}\n")).await.unwrap();
        assert!(told.starts_with("Kari Nordmann har rollen administrator i Storevik kommune"), "{told}");
        assert!(!told.contains(NUMBER));

        let drift = |fjern| AdminCommand::Drift { navn: "Kari Nordmann".to_owned(), fjern };
        assert!(perform_in(&config, drift(false), NUMBER).await.unwrap().contains(" ser driftsstatus"));
        let listed = perform_in(&config, AdminCommand::Personer { orgnr: orgnr() }, "").await.unwrap();
        assert!(listed.contains("administrator") && listed.contains("Kari Nordmann"), "{listed}");
        assert_eq!(listed.lines().count(), 1);

        // The one that was running all along sees the same person.
        let org = running.organisasjon_by_orgnummer(&Caller::Operator, orgnr()).await.unwrap().unwrap();
        let seen = running.list_personer(&Caller::Operator, org.id, Page::all()).await.unwrap();
        assert!(seen.rows.iter().all(|row| row.person.drift));
        assert!(perform_in(&config, drift(true), NUMBER).await.unwrap().contains(" ser ikke lenger"));
        server.stop().await.unwrap();
    }

    #[test]
    fn terminal_is_asked_and_a_pipe_is_read_one_line_of() {
        let unread = b"02029012345\n";
        let mut piped = &unread[..];
        let asked = line(
            true,
            "Hvem?",
            |question| {
                assert_eq!(question, "Hvem?");
                Ok(NUMBER.to_owned())
            },
            &mut piped,
        );
        assert_eq!((asked.unwrap().as_str(), piped), (NUMBER, &unread[..]));

        assert!(question(&Identifikator::Fodselsnummer).contains("fødselsnummeret (det vises ikke)"));
        assert!(question(&Identifikator::of_claim("oid")).contains("«oid» (den vises ikke)"));

        let no_terminal = |_: &str| -> io::Result<String> { panic!("there is no terminal") };
        for text in ["01019012345", "01019012345\n", "01019012345\r\n", " 01019012345 \n02029012345\n"] {
            let read = read_identifier(|| line(false, "", no_terminal, &mut text.as_bytes())).unwrap();
            assert_eq!(read.reveal(), NUMBER, "{text:?}");
        }
        let not_text = read_identifier(|| line(false, "", no_terminal, &mut &[0xff, 0xfe][..])).unwrap_err();
        assert_eq!(not_text.to_string(), "kan ikke lese hvem personen er");
    }

    #[tokio::test]
    async fn nothing_to_read_makes_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        server(&config).await.stop().await.unwrap();
        for input in ["", "\n"] {
            let drift = AdminCommand::Drift { navn: "Kari Nordmann".to_owned(), fjern: false };
            let refused = perform_in(&config, drift, input).await.unwrap_err();
            assert!(format!("{refused:#}").contains("identifikator"), "{refused:#}");
        }
    }

    #[tokio::test]
    async fn number_with_a_slip_and_unknown_organisasjon_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder);
        server(&config).await.stop().await.unwrap();
        let refused = perform_in(&config, person(Rolle::Lesetilgang), NUMBER).await.unwrap_err();
        assert!(refused.to_string().contains("310000108 er ikke registrert"), "{refused}");
        let organisasjon = |navn: &str, kommunenummer: &str| AdminCommand::Organisasjon {
            orgnr: orgnr(),
            navn: navn.to_owned(),
            kommunenummer: Some(kommunenummer.to_owned()),
        };
        assert!(perform_in(&config, organisasjon(" ", "9901"), "").await.is_err());
        assert!(perform_in(&config, organisasjon("Storevik kommune", "99"), "").await.is_err());
        perform_in(&config, organisasjon("Storevik kommune", "9901"), "").await.unwrap();
        let refused = perform_in(&config, person(Rolle::Lesetilgang), "0101901234").await.unwrap_err();
        let told = format!("{refused:#}");
        assert!(told.contains("eleven digits") && !told.contains("0101901234"), "{told}");
    }
}
