//! `knutepunkt restore`: an installation from a backup, in an empty place; or a check of the backup alone.

use std::path::PathBuf;

use anyhow::Context as _;
use tokio::runtime::Handle;

use crate::backup::manifest::Manifest;
use crate::backup::{restore, verify};
use crate::commands::backup::NotWhole;
use crate::config::Config;
use crate::installasjon::check_found;
use crate::installasjon::look::Places;
use crate::progress::Progress;

/// What to put back, and where.
#[derive(clap::Args)]
pub struct RestoreArgs {
    /// Folder of the backup.
    pub(crate) backup: PathBuf,
    /// Check the backup, and put nothing back.
    #[arg(long, conflicts_with_all = ["config", "data"])]
    pub(crate) verify: bool,
    /// Configuration file of the server to be. Its data folder must be absent or empty, and its registry not there.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Data folder of that server, in place of the one that the configuration names.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

/// Puts a backup back, or checks it.
///
/// # Errors
/// What is wrong with the backup or the place: nothing that could be started is left then. Or [`NotWhole`].
pub async fn run(args: RestoreArgs) -> anyhow::Result<()> {
    let RestoreArgs { backup, verify: only_verify, config, data } = args;
    let (progress, _stop) = Progress::new(|line| eprintln!("{line}"));
    let runtime = Handle::current();
    if only_verify {
        let checked = tokio::task::spawn_blocking(move || {
            verify::verify(&backup, &runtime, &progress).map(|manifest| (backup, manifest))
        });
        let (backup, manifest) = checked.await.context("the check was broken off")??;
        let whole = if manifest.is_whole() { "whole" } else { "as it was made, but not whole" };
        println!("{}: {whole}, and can be restored: {manifest}", backup.display());
        return NotWhole::Checked.unless(&manifest);
    }
    let mut config = Config::load(config.as_deref(), std::env::vars())?;
    config.data = data.unwrap_or(config.data);
    let places = Places::of(&config)?;
    check_found(&config, Some(Manifest::read(&backup)?.installasjon), &places)?;
    let restored = tokio::task::spawn_blocking(move || {
        restore::restore(&backup, &places, &runtime, &progress).map(|manifest| (places, manifest))
    });
    let (places, manifest) = restored.await.context("the restore was broken off")??;
    println!(
        "restored {manifest}\ninto {}. All that waits is handed out again, marked as redelivered. Start the server; the \
         installation that the backup was made of must not run any more.",
        places.data.display()
    );
    NotWhole::Restored.unless(&manifest)
}
