//! Queues: what is in the log, and whether it can be read.

use std::collections::BTreeSet;
use std::path::PathBuf;

use broker_embedded::LogFindings;
use wire::id::KontoId;

use super::Finding;

const LOG: &str = "queue log";

/// How many ids are named.
const SHOWN: usize = 5;

/// What was found in the log. `known` are the kontoer of the registry.
pub(crate) fn findings(found: &LogFindings, known: Option<&BTreeSet<KontoId>>) -> Vec<Finding> {
    let waiting: u64 = found.waiting.values().sum();
    let mut findings = vec![Finding::ok(
        LOG,
        format!("{} queues, {waiting} meldinger waiting, {} dead letters", found.waiting.len(), found.dead),
    )];
    for (konto, count) in &found.damaged {
        findings.push(Finding::fault(
            LOG,
            format!("{count} meldinger of konto {konto} cannot be read"),
            "the disk has lied: look at its health and make a backup. Each is set aside when its turn comes, and its sender \
             gets a serverfeil; a backup from before may have them",
        ));
    }
    if let Some(known) = known {
        let aside: Vec<_> = found.waiting.iter().filter(|(konto, _)| !known.contains(*konto)).collect();
        let count: u64 = aside.iter().map(|(_, count)| **count).sum();
        if !aside.is_empty() {
            let names: Vec<_> = aside.iter().take(SHOWN).map(|(konto, _)| konto.to_string()).collect();
            findings.push(Finding::warning(
                LOG,
                format!(
                    "{} queues with {count} meldinger belong to kontoer that the registry does not know: {}",
                    aside.len(),
                    names.join(", ")
                ),
                "start with the registry that knows them, or empty them with knutepunkt admin ko",
            ));
        }
    }
    findings
}

/// The log cannot be looked through as long as `displaced`.
pub(crate) fn unread() -> Finding {
    Finding::fault(
        LOG,
        "it cannot be looked through as long as files are not in their places",
        "see to those first, and look again",
    )
}

/// Files that were removed, moved or replaced under the server that runs.
pub(crate) fn displaced(files: &[PathBuf]) -> Option<Finding> {
    if files.is_empty() {
        return None;
    }
    let files: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
    Some(Finding::fault(
        LOG,
        format!(
            "files of it were removed, moved or replaced under the server that runs: {}. It takes nothing more, and what waits is gone \
             when it stops",
            files.join(", ")
        ),
        "do not stop the server: put back what was moved, it goes on by itself then. For what was removed make a backup with knutepunkt \
         backup, if it can be made, and copy what is still open; see \"When files are removed under a running server\" in \
         docs/operations.md",
    ))
}
