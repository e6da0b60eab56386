//! Checking a backup without a place to put it back into.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, ensure};
use app::PassordKey;
use broker_embedded::check_log;
use tokio::runtime::Handle;
use wire::id::DokumentId;

use super::LOG;
use super::manifest::{Form, Manifest};
use super::read::Backup;
use crate::passord_key;
use crate::progress::Progress;

/// Checks that a backup is whole: each file has its sum, each record of the queue log can be understood, the registry is sound,
/// the key fits, and all is there that meldinger name. Blocks.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn verify(folder: &Path, runtime: &Handle, progress: &Progress) -> anyhow::Result<Manifest> {
    let backup = Backup::open(folder, progress)?;
    let Manifest { ko, register, .. } = &backup.manifest;
    let log = folder.join(LOG);
    let cannot = || format!("cannot read {}", log.display());
    let file = BufReader::with_capacity(1024 * 1024, File::open(&log).with_context(cannot)?);
    let found = check_log(file).with_context(cannot)?;
    let lacking = found.counts.lacking;
    // Before it was counted, damage was a reason for any to be missing.
    let may_lack = lacking == ko.lacking || ko.damaged > 0 && ko.lacking == 0;
    ensure!(
        may_lack,
        "{} lacks {lacking} meldinger that wait, or their payloads, and not {} as when it was made",
        log.display(),
        ko.lacking
    );
    let counts = broker_embedded::LogCounts { damaged: ko.damaged, lacking: ko.lacking, ..found.counts };
    ensure!(counts == *ko, "{} has {counts:?}, but the manifest says {ko:?}", log.display());
    let stored: BTreeSet<DokumentId> =
        backup.payloads().filter_map(|name| name.rsplit('/').next()?.parse().ok()).collect();
    let said: BTreeSet<_> = backup.manifest.dokumenter.mangler.iter().collect();
    let missing: Vec<_> = found.dokumenter.difference(&stored).filter(|id| !said.contains(id)).collect();
    if let Some(first) = missing.first() {
        anyhow::bail!(
            "{} payloads that meldinger name are not in the backup, such as {first}",
            missing.len()
        );
    }
    progress.say(match lacking {
        0 => {
            "queue log: every record can be read, and all payloads that were there are in the backup".to_owned()
        },
        _ => format!(
            "queue log: every record can be read; {lacking} meldinger lack something, as they did in the log that was copied"
        ),
    });

    let registry = folder.join(backup.registry());
    let found = match register.form {
        Form::Sqlite => runtime.block_on(storage::check_sqlite(&registry)),
        Form::Postgres => storage::check_rows(&registry),
    };
    let found = found.with_context(|| format!("cannot use {}", registry.display()))?;
    ensure!(
        found.stand == register.stand(),
        "{} has {:?}, but the manifest says {:?}",
        registry.display(),
        found.stand,
        register.stand()
    );
    let to = found.tilhorighet.context("the registry does not say which installation it belongs to")?;
    ensure!(to.installasjon == backup.manifest.installasjon, "the registry is that of another installation");
    let key = passord_key::load(folder)?.context("there is no passord.key")?;
    check_key(&key, &to)?;
    progress.say("registry and key: in order".to_owned());
    Ok(backup.manifest)
}

/// # Errors
/// When it is not the key of the registry.
pub(crate) fn check_key(key: &PassordKey, to: &storage::Tilhorighet) -> anyhow::Result<()> {
    let fits = key.nokkelprove(to.installasjon) == to.nokkelprove;
    ensure!(fits, "passord.key is not the key of the registry: nobody could log in");
    Ok(())
}
