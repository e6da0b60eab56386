//! `knutepunkt doctor`: what is wrong with an installation, and what to do.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use broker_embedded::{SeenPosition, hold_log_copy};
use tokio::runtime::Handle;

use crate::config::Config;
use crate::config_check;
use crate::doctor::{self, Finding, Known, Level, place};
use crate::files;
use crate::hints;
use crate::installasjon::lock::FolderLock;
use crate::installasjon::look::{Places, SCRATCH};
use crate::installasjon::{seen, unfinished};
use crate::payloads;
use crate::progress::Progress;
use crate::styring::{self, Client, Request, Status};
use crate::uferdige::Uferdige;

/// What to look at.
#[derive(clap::Args)]
pub struct DoctorArgs {
    /// Configuration file of the server.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Data folder of the server, in place of the one that the configuration names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Compare the lengths of payloads alone, and do not read them. To read all of them takes as long as copying them.
    #[arg(long)]
    quick: bool,
    /// One line of JSON for each finding.
    #[arg(long)]
    json: bool,
}

/// Something is not in order; all of it was printed.
#[derive(Debug, thiserror::Error)]
#[error("{faults} faults, {warnings} warnings")]
pub struct NotInOrder {
    faults: usize,
    warnings: usize,
}

impl NotInOrder {
    /// What the process ends with.
    pub fn exit_code(&self) -> u8 {
        if self.faults > 0 { 2 } else { 1 }
    }
}

/// Looks, and prints what was found.
///
/// # Errors
/// [`NotInOrder`], or what keeps it from looking at all.
pub async fn run(args: DoctorArgs) -> anyhow::Result<()> {
    let findings = findings(args.config.as_deref(), args.data, args.quick).await;
    for finding in &findings {
        if args.json {
            println!("{}", serde_json::to_string(finding)?);
        } else {
            println!("{finding}");
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (faults, warnings) = (count(Level::Fault), count(Level::Warning));
    if faults + warnings > 0 {
        return Err(NotInOrder { faults, warnings }.into());
    }
    Ok(())
}

pub(crate) async fn findings(file: Option<&Path>, data: Option<PathBuf>, quick: bool) -> Vec<Finding> {
    const PART: &str = "configuration";
    let mut config = match Config::load(file, std::env::vars()) {
        Ok(config) => config,
        Err(error) => {
            let todo = "mend the file; `knutepunkt config` prints every key, and `knutepunkt config --check FILE` checks one";
            return vec![Finding::error(PART, &error, todo)];
        }
    };
    config.data = data.unwrap_or(config.data);
    let places = match Places::of(&config) {
        Ok(places) => places,
        Err(error) => {
            return vec![Finding::error(PART, &error, "name a file that can be read in registry.url_file")];
        }
    };
    // What is wrong with the rest keeps nobody from looking at the parts.
    let checked = match config_check::check(&config) {
        Ok(()) => Finding::ok(PART, "in order"),
        Err(error) => Finding::error(PART, &error, "mend it: no server starts with it"),
    };
    if let Err(error) = unfinished::refuse(&config.data) {
        return vec![Finding::error(PART, &error, "run knutepunkt restore again")];
    }
    if !config.data.is_dir() {
        let what = format!("there is no data folder {}", config.data.display());
        return vec![Finding::fault(
            PART,
            what,
            "name that of the server with --data, or its configuration with --config",
        )];
    }
    let mut findings = vec![checked];
    let inside = inside(&config, &places, quick).await;
    // Whoever opened it by its name would make what was moved away.
    let is_displaced = match styring::ask::<Status>(&config.data, &Request::Status {}).await {
        Ok(status) => status.is_some_and(|status| status.registry_displaced),
        Err(_) => false,
    };
    findings.extend(place::look(&config, &places, is_displaced).await);
    findings.extend(inside.unwrap_or_else(|error| {
        let chapter = "see \"When the queue log lacks what was promised\" in docs/operations.md";
        vec![Finding::error("queue log", &error, hints::hint(&error).unwrap_or(chapter))]
    }));
    findings
}

/// Queue log and payloads, through the server where one runs.
async fn inside(config: &Config, places: &Places, quick: bool) -> anyhow::Result<Vec<Finding>> {
    if let Some(client) = Client::connect(&config.data).await? {
        return client.ask(&Request::Doctor { quick }, |line| eprintln!("{line}")).await;
    }
    if !places.log().is_dir() {
        // Whether it should be there is judged with the other parts.
        return Ok(Vec::new());
    }
    let _folder = FolderLock::take(&config.data)?;
    let kontoer = storage::list_kontoer(&places.registry_url).await.ok().flatten();
    let dokumenter = match kontoer {
        Some(_) => storage::list_dokumenter(&places.registry_url).await.ok(),
        None => None,
    };
    let found = storage::inspect(&places.registry_url).await.ok().flatten();
    let seen = found.and_then(|found| found.seen_log).map(seen::position);
    let known = Known { kontoer, dokumenter };
    let (places, runtime) = (places.clone(), Handle::current());
    let looked = tokio::task::spawn_blocking(move || {
        let scratch = places.data.join(SCRATCH);
        if scratch.exists() {
            std::fs::remove_dir_all(&scratch)
                .with_context(|| format!("cannot remove {}", scratch.display()))?;
        }
        files::make_folder(&scratch)?;
        let looked = look_through(&places, &scratch, seen, &known, quick, &runtime);
        std::fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
        looked
    });
    looked.await.context("it was broken off")?
}

fn look_through(
    places: &Places,
    scratch: &Path,
    seen: Option<SeenPosition>,
    known: &Known,
    quick: bool,
    runtime: &Handle,
) -> anyhow::Result<Vec<Finding>> {
    let moment = hold_log_copy(&places.log(), scratch, seen)?;
    let folder = places.payloads();
    let payloads = payloads::store(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let (progress, _stop) = Progress::new(|line| eprintln!("{line}"));
    doctor::look(moment, &*payloads, &Uferdige::new(&folder), known, quick, runtime, &progress)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::backup::tests::{COUNT, config, fill, payload, start};

    async fn look(config: &Config) -> Vec<Finding> {
        // As without a file, but for the folder.
        findings_of(config, false).await
    }

    async fn findings_of(config: &Config, quick: bool) -> Vec<Finding> {
        findings(None, Some(config.data.clone()), quick).await
    }

    /// Whatever is wrong, it is said what to do.
    fn leads_on(findings: &[Finding]) -> bool {
        findings.iter().all(|finding| finding.level == Level::Ok || !finding.todo.is_empty())
    }

    fn said(findings: &[Finding], level: Level, words: &str) -> bool {
        findings.iter().any(|finding| finding.level == level && finding.to_string().contains(words))
    }

    /// All files but those that SQLite makes to read its own.
    fn names(folder: &Path) -> BTreeSet<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let all = entries.flat_map(|path| if path.is_dir() { names(&path) } else { BTreeSet::from([path]) });
        let of_sqlite =
            |path: &Path| ["-wal", "-shm"].iter().any(|end| path.to_string_lossy().ends_with(end));
        all.filter(|path| !of_sqlite(path)).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn doctor_finds_what_is_wrong_with_and_without_a_server_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path().join("data"));
        let running = start(&config).await.unwrap();
        fill(&running, &config).await;
        let online = look(&config).await;
        running.stop().await.unwrap();
        let before = names(&config.data);
        let offline = look(&config).await;
        for findings in [&online, &offline] {
            let waiting = format!("1 queues, {COUNT} meldinger waiting");
            assert!(said(findings, Level::Ok, &waiting), "{findings:#?}");
            assert!(
                said(findings, Level::Ok, "all 1 payloads that meldinger name are there"),
                "{findings:#?}"
            );
            assert!(said(findings, Level::Ok, "registry, queue log, payloads and passord.key belong to"));
            assert!(said(findings, Level::Ok, "registry: sound"), "{findings:#?}");
            assert!(said(findings, Level::Warning, "belong to kontoer that the registry does not know"));
        }
        assert_eq!(names(&config.data), before);

        fs::remove_dir_all(config.data.join("dokumentlager/dokument")).unwrap();
        fs::write(config.data.join("passord.key"), [7; 32]).unwrap();
        let register = config.data.join("register.sqlite");
        let mut bytes = fs::read(&register).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..].fill(0xff);
        fs::write(&register, bytes).unwrap();
        let findings = look(&config).await;
        assert!(said(&findings, Level::Fault, "1 payloads that meldinger name are missing"), "{findings:#?}");
        assert!(findings.iter().any(|finding| finding.part == "registry" && finding.level == Level::Fault));
        assert!(leads_on(&findings), "{findings:#?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn doctor_compares_payloads_with_what_was_stored() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path().join("data"));
        let running = start(&config).await.unwrap();
        fill(&running, &config).await;
        assert!(said(&look(&config).await, Level::Ok, "1 payloads are what was stored, 100000 bytes"));
        let file = payload(&config);
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        flipped[70_000] ^= 1;
        for (bytes, seen_quickly) in [(&flipped[..], false), (&whole[..99_999], true)] {
            fs::write(&file, bytes).unwrap();
            let findings = look(&config).await;
            let words =
                format!("1 payloads are not what was stored: {}", file.file_name().unwrap().display());
            assert!(said(&findings, Level::Fault, &words) && leads_on(&findings), "{findings:#?}");
            let quick = findings_of(&config, true).await;
            assert_eq!(said(&quick, Level::Fault, &words), seen_quickly, "{quick:#?}");
        }
        running.stop().await.unwrap();
        let offline = look(&config).await;
        assert!(said(&offline, Level::Fault, "1 payloads are not what was stored"), "{offline:#?}");
    }

    /// Locks that processes have on a file.
    fn locks(file: &Path) -> usize {
        let inode = format!(":{}", fs::metadata(file).unwrap().ino());
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().filter(|line| line.split(' ').any(|word| word.ends_with(&inode))).count()
    }

    /// To close one of SQLite's files once more in the server's process lets go of its locks, and the next process to open the
    /// database then cuts the memory that the server reads it through.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn server_keeps_the_locks_of_its_registry_while_it_looks_and_copies() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path().join("data"));
        let running = start(&config).await.unwrap();
        fill(&running, &config).await;
        let shm = config.data.join("register.sqlite-shm");
        let held = locks(&shm);
        assert!(held > 0, "SQLite holds a lock on its index");
        let found: Option<Vec<Finding>> =
            styring::ask(&config.data, &Request::Doctor { quick: false }).await.unwrap();
        assert!(found.is_some());
        assert_eq!(locks(&shm), held, "after the doctor");
        let target = folder.path().join("backup");
        let made: Option<serde_json::Value> =
            styring::ask(&config.data, &Request::Backup { target }).await.unwrap();
        assert!(made.is_some());
        assert_eq!(locks(&shm), held, "after a backup");
        running.stop().await.unwrap();
    }

    #[tokio::test]
    async fn doctor_names_a_key_that_does_not_fit_and_a_place_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path().join("data"));
        assert!(said(&look(&config).await, Level::Fault, "there is no data folder"));
        assert!(!config.data.exists());
        start(&config).await.unwrap().stop().await.unwrap();
        fs::write(config.data.join("passord.key"), [7; 32]).unwrap();
        assert!(said(&look(&config).await, Level::Fault, "passord.key is not the key"));
        fs::write(config.data.join("passord.key"), [7; 3]).unwrap();
        let findings = look(&config).await;
        assert!(said(&findings, Level::Fault, "must have 32 bytes") && leads_on(&findings), "{findings:#?}");
        fs::write(folder.path().join("wrong.toml"), "data = ").unwrap();
        let findings = super::findings(Some(&folder.path().join("wrong.toml")), None, false).await;
        assert!(said(&findings, Level::Fault, "is not TOML") && leads_on(&findings), "{findings:#?}");
    }
}
