//! `knutepunkt backup`: a copy of an installation, while its server runs or without one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use app::ports::Clock as _;
use broker_embedded::hold_log;
use storage::RegistryLock;
use tokio::runtime::Handle;

use crate::adapters::SystemClock;
use crate::backup::make::{self, Source};
use crate::backup::manifest::Manifest;
use crate::config::Config;
use crate::installasjon::check_expected;
use crate::installasjon::judge::{Verdict, judge};
use crate::installasjon::lock::FolderLock;
use crate::installasjon::look::{self, Places};
use crate::installasjon::seen;
use crate::payloads;
use crate::progress::Progress;
use crate::rom::{self, Minst};
use crate::styring::{Client, Request};

/// What to copy, and where to.
#[derive(clap::Args)]
pub struct BackupArgs {
    /// Folder for the backup: absent, or empty. Best on another disk.
    target: PathBuf,
    /// Configuration file of the server.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Data folder of the server, in place of the one that the configuration names.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Makes a backup; a server that runs makes it itself, and serves on.
///
/// # Errors
/// What keeps it from being made: what was written until then is no backup. Or [`NotWhole`].
pub async fn run(args: BackupArgs) -> anyhow::Result<()> {
    let mut config = Config::load(args.config.as_deref(), std::env::vars())?;
    config.data = args.data.unwrap_or(config.data);
    let target = std::path::absolute(&args.target)
        .with_context(|| format!("cannot understand the path {}", args.target.display()))?;
    let made = match Client::connect(&config.data).await? {
        Some(client) => {
            let request = Request::Backup { target: target.clone() };
            client.ask::<Manifest>(&request, |line| eprintln!("{line}")).await?
        }
        None => offline(&config, &target).await?,
    };
    println!("{}: a backup of {made}", target.display());
    NotWhole::Made.unless(&made)
}

/// It was done, with a backup of which something was missing or damaged already when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotWhole {
    /// It was made.
    #[error(
        "the backup was made and can be restored, but what it is a copy of is damaged, as said above: look at the disk, run \
         knutepunkt doctor, and keep older backups"
    )]
    Made,
    /// It was checked.
    #[error(
        "the backup is as it was made and can be restored, but what it is a copy of was damaged, as said above: an older backup \
         may have what is missing in this one"
    )]
    Checked,
    /// It was restored.
    #[error(
        "all that is in the backup was restored, but what it is a copy of was damaged, as said above: an older backup may have \
         what is missing in this one; tell the senders"
    )]
    Restored,
}

impl NotWhole {
    /// What the process ends with.
    pub const EXIT_CODE: u8 = 3;

    /// # Errors
    /// This, unless nothing was missing.
    pub(crate) fn unless(self, manifest: &Manifest) -> anyhow::Result<()> {
        if manifest.is_whole() { Ok(()) } else { Err(self.into()) }
    }
}

/// Makes a backup of an installation that no server runs on, and keeps others from it meanwhile.
async fn offline(config: &Config, target: &Path) -> anyhow::Result<Manifest> {
    let places = Places::of(config)?;
    if !places.data.is_dir() {
        bail!("there is no data folder; name it with --data or --config ({places})");
    }
    let _folder = FolderLock::take(&places.data)?;
    let _registry =
        RegistryLock::take(&places.registry_url).await.context("cannot have the registry for itself")?;
    let (parts, found) = look::look(&places).await?;
    let verdict = judge(&parts).map_err(|refusal| anyhow::anyhow!("{refusal} ({places})"))?;
    check_expected(config, &verdict, &places)?;
    match verdict {
        Verdict::Same { .. } => {}
        Verdict::New(_) | Verdict::Adopt(_) => {
            bail!("this installation has not been started yet; start the server once ({places})")
        }
    }
    let seen = found.and_then(|found| found.seen_log).map(seen::position);
    let (progress, _stop) = Progress::new(|line| eprintln!("{line}"));
    let min_free = config.lager.min_free_bytes;
    let disks = rom::disks(&places, Minst::Bytes(min_free), min_free);
    let (runtime, target) = (Handle::current(), target.to_owned());
    let making = tokio::task::spawn_blocking(move || {
        let moment = hold_log(&places.log(), seen)?;
        let payloads = payloads::store(&places.payloads())?;
        let source = Source { places, moment, payloads, disks, now: SystemClock.now() };
        make::make(source, &target, &runtime, &progress)
    });
    making.await.context("the backup was broken off")?
}
