//! The `knutepunkt` binary.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use knutepunkt::commands::{
    admin, backup, bench, demo, dev, doctor, klient, repair, restore, serve, settings,
};
use knutepunkt::server::QueuesGivenUp;
use knutepunkt::telemetry;
use knutepunkt::{hints, memory};

/// How long the end of the process waits for threads that may wait for a disk.
const LONGEST_END: Duration = Duration::from_secs(5);

/// Many small, short-lived pieces of memory on many threads are what a melding on its way is made of.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An open, self-hostable Fiks Protokoll.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the main job: two systems exchange a melding, for real, step by step.
    Demo(demo::DemoArgs),
    /// Run a server.
    Serve {
        /// Configuration file; see `knutepunkt config` for what may stand in it.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Run a server for development, with Maskinporten simulator, test certificates and a small world in it.
    Dev {
        #[command(flatten)]
        args: dev::DevArgs,
        #[command(subcommand)]
        command: Option<DevCommand>,
    },
    /// Register organisasjoner and let people in. Works while a server runs.
    Admin(admin::AdminArgs),
    /// Copy an installation: registry, queues, payloads and key. Works while its server runs, and stops nothing.
    Backup(backup::BackupArgs),
    /// Put a backup back into an empty place, or check it.
    Restore(restore::RestoreArgs),
    /// Look for what is wrong with an installation, and say what to do. Changes nothing.
    Doctor(doctor::DoctorArgs),
    /// Say what the queue log lacks of what was promised, and accept it where that is asked for.
    Repair(repair::RepairArgs),
    /// Measure speed and size, beside a reference in the same run.
    Bench(bench::BenchArgs),
    /// Print every configuration key with its default, or check a configuration.
    Config {
        /// Check this configuration file, with the environment, instead of printing the defaults.
        #[arg(long)]
        check: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum DevCommand {
    /// Make a test virksomhetssertifikat and key pairs, as PEM and PKCS#12.
    Sertifikat(dev::SertifikatArgs),
    /// Run a client that fetches, opens and acks what comes to a konto, and answers pings.
    Klient(klient::KlientArgs),
}

fn main() -> ExitCode {
    knutepunkt::files::keep_to_owner();
    let arguments = Arguments::parse();
    let quiet = matches!(
        arguments.command,
        Command::Admin(_)
            | Command::Backup(_)
            | Command::Doctor(_)
            | Command::Restore(_)
            | Command::Repair(_)
            | Command::Dev { .. }
            | Command::Demo(_)
            | Command::Bench(_)
    );
    let serves = matches!(arguments.command, Command::Serve { .. } | Command::Dev { command: None, .. });
    telemetry::start(if quiet { "warn,lapin=off" } else { "info" });
    if serves {
        memory::spare();
    }
    let done = memory::runtime().map_err(anyhow::Error::from).and_then(|runtime| {
        let done = runtime.block_on(run(arguments.command));
        // What waits for a disk that does not answer keeps nothing from ending.
        runtime.shutdown_timeout(LONGEST_END);
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match hints::hint(&error) {
                Some(hint) => eprintln!("knutepunkt: {error:#}; {hint}"),
                None => eprintln!("knutepunkt: {error:#}"),
            }
            if let Some(found) = error.downcast_ref::<doctor::NotInOrder>() {
                ExitCode::from(found.exit_code())
            } else if error.is::<backup::NotWhole>() {
                ExitCode::from(backup::NotWhole::EXIT_CODE)
            } else if error.is::<QueuesGivenUp>() {
                ExitCode::from(QueuesGivenUp::EXIT_CODE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    // Every library that makes TLS of its own uses the same cryptography. A second call would be a bug of ours.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match command {
        Command::Bench(args) => bench::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Admin(args) => admin::run(args).await,
        Command::Backup(args) => backup::run(args).await,
        Command::Restore(args) => restore::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Repair(args) => repair::run(args).await,
        Command::Serve { config } => serve::run(config.as_deref()).await,
        Command::Dev { args, command: None } => dev::run(args).await,
        Command::Dev { args, command: Some(DevCommand::Sertifikat(order)) } => {
            dev::sertifikat(&args.data, &order)
        }
        Command::Dev { command: Some(DevCommand::Klient(args)), .. } => klient::run(args).await,
        Command::Config { check: None } => {
            settings::print_defaults();
            Ok(())
        }
        Command::Config { check: Some(file) } => settings::check(Some(&file)),
    }
}
