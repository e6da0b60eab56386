//! `knutepunkt repair`: what to do when the queue log lacks what was promised.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use app::ports::Clock as _;
use broker_embedded::{
    AcceptedLoss, Emptied, Loss, Salvaged, SeenPosition, accept_loss, find_earlier, find_loss,
    finish_salvage, salvage,
};
use wire::id::{FiksOrgId, KontoId};

use crate::adapters::SystemClock;
use crate::config::Config;
use crate::installasjon::check_found;
use crate::installasjon::lock::FolderLock;
use crate::installasjon::look::Places;
use crate::installasjon::mark::MarkFile;
use crate::installasjon::{seen, unfinished};

/// What to repair, and whether to.
#[derive(clap::Args)]
pub struct RepairArgs {
    /// Configuration file of the server whose queue log it is.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Data folder of that server, in place of the one that the configuration names.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Save all that can be read of a damaged queue log into a new one, which takes its place. The damaged one is kept beside
    /// it. What could not be saved is listed by konto; what waits is handed out as redelivered from then on.
    #[arg(long)]
    pub(crate) berg: bool,
    /// Accept that the meldinger listed are lost, and let the server start without them. What is lost is written to a file
    /// first; what waits is handed out as redelivered from then on. A damaged journal is cut at the first damaged byte, also
    /// where whole meldinger stand behind it: `--berg` saves those. With `--berg`: also where nothing at all can be saved. A queue log
    /// that has been further than it is, as the registry knows, is taken as it is.
    #[arg(long)]
    pub(crate) godta_tap: bool,
}

/// Says what is lost, and accepts it where that is asked for. The server must not be running.
///
/// # Errors
/// There is no queue log, a server uses it, or it cannot be read; or something is lost and was not accepted.
pub async fn run(args: RepairArgs) -> anyhow::Result<()> {
    let mut config = Config::load(args.config.as_deref(), std::env::vars())?;
    config.data = args.data.unwrap_or(config.data);
    if let Some(mark) = MarkFile::read(&config.data).ok().flatten() {
        check_found(&config, Some(mark.installasjon), &Places::of(&config)?)?;
    }
    let places = Places::of(&config)?;
    let data = config.data;
    unfinished::refuse(&data)?;
    // A supervisor may start the server meanwhile. Where there is no folder, none is made.
    let _lock = if data.is_dir() { Some(FolderLock::take(&data)?) } else { None };
    let log = data.join(crate::names::LOG);
    let (seen, unknown) = seen_log(&places).await;
    let said = unknown.clone();
    // Where the registry cannot be asked, what the log itself says of them will do.
    let owners =
        if args.berg { storage::list_owners(&places.registry_url).await.ok().flatten() } else { None };
    let owners = owners.unwrap_or_default();
    if args.berg {
        // The library that reads tables panics over what is damaged. That is caught, and what could not be read is in the answer.
        std::panic::set_hook(Box::new(|_| {}));
    }
    let done = tokio::task::spawn_blocking(move || {
        if let Some(old_log) = finish_salvage(&log)? {
            return Ok(finished(&log, &old_log));
        }
        if args.berg {
            let earlier = find_earlier(&log, seen)?;
            if !args.godta_tap {
                refuse_earlier(&log, earlier.as_ref())?;
            }
            let saved = save(&log, args.godta_tap, &owners)?;
            Ok(format!("{saved}{}{unknown}", earlier.as_ref().map_or("", not_listed)))
        } else {
            repair(&log, args.godta_tap, seen, &unknown)
        }
    });
    let done = done.await.context("the repair was broken off")?;
    if let (Err(error), false) = (&done, said.is_empty())
        && !error.to_string().contains(said.trim())
    {
        eprintln!("{}", said.trim());
    }
    println!("{}", done?);
    Ok(())
}

/// Whoever saves what is left of a log that was put back to an earlier state must know that nobody can list what came after.
fn refuse_earlier(log: &Path, earlier: Option<&Loss>) -> anyhow::Result<()> {
    let Some(loss) = earlier else { return Ok(()) };
    anyhow::bail!(
        "{}: {loss}; nothing was changed.\n{}",
        log.display(),
        what_to_do(loss, "--berg --godta-tap")
    )
}

/// What to do about a log that was put back to an earlier state. Where nothing else is wrong with it there is nothing to save.
fn what_to_do(loss: &Loss, salvage: &str) -> String {
    let accept = if loss.only_behind().is_some() { "--godta-tap" } else { salvage };
    format!(
        "Put back the right folder together with ko.vitne and ko.installasjon; or restore a backup; or, to go on with this one, accept \
         that: knutepunkt repair {accept}\nWhat waits in it is then handed out as redelivered."
    )
}

/// What is said, beside what can be listed, of a log that was put back to an earlier state.
fn not_listed(loss: &Loss) -> &'static str {
    if loss.behind.is_some() {
        "\nIt is an earlier state of the queue log: what was accepted after that state is in no list, and nobody can say what it was."
    } else {
        ""
    }
}

/// How far the registry has seen the queue log to come. Where it cannot be asked, the log can still be repaired.
/// Gives also what is then to be said beside every answer.
async fn seen_log(places: &Places) -> (Option<SeenPosition>, String) {
    match storage::inspect(&places.registry_url).await {
        Ok(found) => (found.and_then(|found| found.seen_log).map(seen::position), String::new()),
        Err(error) => {
            let why = format!(
                "\nThe registry {} cannot be asked now ({:#}), so nobody can tell whether the queue log has been further than it is, nor whose \
                 kontoer these are. See that it runs and that registry.url leads to it, and run this again: a start may be refused otherwise.",
                storage::shown(&places.registry_url),
                anyhow::Error::from(error)
            );
            (None, why)
        }
    }
}

/// The answer for the operator. `seen` is how far the registry has seen the log to come.
fn repair(log: &Path, accept: bool, seen: Option<SeenPosition>, unknown: &str) -> anyhow::Result<String> {
    let nothing = || {
        anyhow::ensure!(
            unknown.is_empty(),
            "{}: the queue log agrees with its witness; nothing was changed.{unknown}",
            log.display()
        );
        Ok(format!("{}: nothing that was promised is missing; nothing was changed", log.display()))
    };
    if !accept {
        let Some(loss) = find_loss(log, seen)? else { return nothing() };
        anyhow::ensure!(
            loss.only_behind().is_none(),
            "{}: {loss}; nothing was changed.\n{}",
            log.display(),
            what_to_do(&loss, "--godta-tap")
        );
        anyhow::ensure!(
            !loss.is_unknown(),
            "{}: {loss}; nothing was changed.\nPut the file back where it was; or restore a backup; or take the log as it is: \
             knutepunkt repair --godta-tap",
            log.display()
        );
        anyhow::bail!(
            "{}: {loss}; nothing was changed.\n{}{}\n{}Restore a backup that has them. Or save all that can be read, which loses no \
             more than has to be: knutepunkt repair --berg\nOr accept the loss and go on with what stands before it: knutepunkt \
             repair --godta-tap",
            log.display(),
            list(&loss),
            not_listed(&loss),
            cut_more(&loss)
        );
    }
    let Some(done) = accept_loss(log, SystemClock.now(), seen)? else { return nothing() };
    Ok(format!("{}{unknown}", accepted(log, &done)))
}

/// What is said of a loss that was accepted.
fn accepted(log: &Path, done: &AcceptedLoss) -> String {
    let old_witness =
        done.old_witness.iter().map(|file| format!("\nThe old witness is kept in {}.", file.display()));
    let old_witness: String = old_witness.collect();
    if let Some(behind) = done.loss.only_behind() {
        return format!(
            "{}: {behind}.\nThat is accepted: the log is taken as it is, and the server can be started. What waits in it is handed out as \
             redelivered.",
            log.display()
        );
    }
    if done.loss.is_unknown() {
        return format!(
            "{}: {}\nThe log is taken as it is, with a new witness, and the server can be started. What waits is handed out as \
             redelivered.{old_witness}",
            log.display(),
            done.loss
        );
    }
    if done.loss == Loss::default() {
        return format!(
            "{}: the acceptance of a loss that was interrupted is finished now, and the server can be started. What is lost is listed \
             in {}; tell their senders.{}{}",
            log.display(),
            files(&done.reports),
            old_witness,
            kept(&done.rests)
        );
    }
    format!(
        "{}: {}\nThe loss is accepted and the server can be started. All of them are listed in {}; tell their senders.{}{}{}",
        log.display(),
        done.loss,
        files(&done.reports),
        not_listed(&done.loss),
        old_witness,
        kept(&done.rests)
    )
}

/// How much of what stands behind the damage is whole, and would go with it.
fn cut_more(loss: &Loss) -> String {
    let whole = loss.whole_behind;
    if whole == 0 {
        return String::new();
    }
    format!(
        "Behind the damage {whole} writes are whole: --godta-tap cuts them off with it, and meldinger in them are lost; --berg \
         keeps them.\n"
    )
}

/// Names of files.
fn files(files: &[PathBuf]) -> String {
    let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    names.join(" and ")
}

/// Where what could not be read is kept.
fn kept(rests: &[PathBuf]) -> String {
    let lines = rests.iter().map(|rest| format!("\nWhat could not be read is kept in {}.", rest.display()));
    lines.collect()
}

/// What is said of a salvage that was interrupted.
fn finished(log: &Path, old_log: &Path) -> String {
    format!(
        "{}: a salvage that was interrupted is finished now. The new queue log is in its place, and the server can be started.\n\
         What was not saved or not whole is listed in the newest {}.berging-TIME.jsonl; tell the senders.\n\
         The damaged queue log is kept in {}.",
        log.display(),
        log.display(),
        old_log.display()
    )
}

/// Saves what can be read of a damaged log.
fn save(log: &Path, accept_nothing: bool, owners: &BTreeMap<KontoId, FiksOrgId>) -> anyhow::Result<String> {
    let emptied = if accept_nothing { Emptied::Accept } else { Emptied::Refuse };
    let done = salvage(log, SystemClock.now(), emptied, owners)?;
    let Salvaged { kontoer, places, journal_bytes, lost_files, report, old_log, .. } = &done;
    let at_least = if done.is_complete { "" } else { "at least " };
    let mut lines = vec![format!(
        "{}: a new queue log was made of what could be read, and the server can be started.",
        log.display()
    )];
    lines.push(format!(
        "Not readable were {places} places in its tables and {journal_bytes} bytes of its journals."
    ));
    if !lost_files.is_empty() {
        lines.push(format!("Missing, or not usable, were {}", some_of(lost_files)));
    }
    for (konto, saved) in kontoer {
        lines.push(format!(
            "  konto {konto}: {} meldinger wait, {} dead letters, {at_least}{} not saved or not whole",
            saved.waiting,
            saved.dead,
            saved.lost.len()
        ));
    }
    if !done.is_complete {
        lines.push(match done.known_since {
            Some(since) => format!(
                "More may be missing of what was taken before {since}, or while the witness could not be written: it does \
                 not know of that."
            ),
            None => "The witness knows nothing, so more may be missing.".to_owned(),
        });
    }
    if done.forgotten > 0 {
        lines.push(format!(
            "{} older meldinger have left no trace. They are not listed: the log forgets those that have been over for long.",
            done.forgotten
        ));
    }
    lines
        .push(format!("What is not saved or not whole is listed in {}; tell the senders.", report.display()));
    lines.push(format!("The damaged queue log is kept in {}.", old_log.display()));
    Ok(lines.join("\n"))
}

fn some_of(files: &[PathBuf]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<_> = files.iter().take(SHOWN).map(|file| file.display().to_string()).collect();
    let more = files.len().saturating_sub(SHOWN);
    if more == 0 {
        format!("{}.", shown.join(", "))
    } else {
        format!("{} and {more} more.", shown.join(", "))
    }
}

/// The first of the lost meldinger, a line each.
fn list(loss: &Loss) -> String {
    const SHOWN: usize = 20;
    let mut lines: Vec<_> = loss
        .meldinger
        .iter()
        .take(SHOWN)
        .map(|lost| {
            format!(
                "  melding {} from konto {} to konto {}, {}",
                lost.id, lost.avsender, lost.mottaker, lost.mottatt
            )
        })
        .collect();
    if loss.meldinger.len() > SHOWN {
        lines.push(format!(
            "  … and {} more, which --godta-tap writes to a file",
            loss.meldinger.len() - SHOWN
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn folder_that_a_server_uses_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let _server = FolderLock::take(folder.path()).unwrap();
        for (godta_tap, berg) in [(false, false), (true, false), (false, true)] {
            let args = RepairArgs { config: None, data: Some(folder.path().to_owned()), godta_tap, berg };
            let refused = run(args).await.unwrap_err().to_string();
            assert!(refused.contains("another Knutepunkt uses the data folder"), "{refused}");
        }
    }

    /// As while PostgreSQL is away: what only the registry knows is not taken for good.
    #[tokio::test(flavor = "multi_thread")]
    async fn whole_log_is_not_called_whole_while_the_registry_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("ko");
        let (clock, ids) =
            (std::sync::Arc::new(SystemClock), std::sync::Arc::new(crate::adapters::RandomIds));
        let options = broker_embedded::Options::default();
        let broker = broker_embedded::EmbeddedBroker::open(&log, clock, ids, options).await.unwrap();
        app::ports::Broker::create_queue(&*broker, KontoId::from_uuid(uuid::Uuid::from_u128(1)))
            .await
            .unwrap();
        broker.close().await.unwrap();
        drop(broker);
        let said = tokio::task::spawn_blocking(move || {
            [false, true]
                .map(|accept| (repair(&log, accept, None, ""), repair(&log, accept, None, "\nIt is away.")))
        });
        for (whole, unknown) in said.await.unwrap() {
            assert!(whole.unwrap().contains("nothing that was promised is missing"));
            let refused = unknown.unwrap_err().to_string();
            assert!(refused.ends_with("It is away.") && !refused.contains("is missing"), "{refused}");
        }
    }

    #[test]
    fn where_there_is_no_log_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("ko");
        for accept in [false, true] {
            let refused = format!("{:#}", repair(&log, accept, None, "").unwrap_err());
            assert!(refused.contains("there is no queue log"), "{refused}");
        }
        let refused = format!("{:#}", save(&log, false, &BTreeMap::new()).unwrap_err());
        assert!(refused.contains("there is no queue log"), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
