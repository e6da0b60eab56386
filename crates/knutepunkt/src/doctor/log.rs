//! Queues and payloads: what is in the log, and whether what it names is there.

use std::collections::BTreeSet;

use anyhow::Context as _;
use broker_embedded::{LogFindings, LogMoment};
use futures::TryStreamExt as _;
use object_store::ObjectStore;
use object_store::path::Path as ObjectPath;
use tokio::runtime::Handle;
use wire::id::{DokumentId, KontoId};

use super::Finding;
use crate::uferdige::Uferdige;

const LOG: &str = "queue log";
const PAYLOADS: &str = "Dokumentlager";

/// How many ids are named.
const SHOWN: usize = 5;

/// Looks through the log, and at the payloads that it names. `known` are the kontoer of the registry. Blocks.
///
/// # Errors
/// When something cannot be read at all.
pub(crate) fn look(
    moment: &LogMoment,
    payloads: &dyn ObjectStore,
    uferdige: &Uferdige,
    known: Option<&BTreeSet<KontoId>>,
    runtime: &Handle,
    go_on: impl FnMut() -> bool,
) -> anyhow::Result<Vec<Finding>> {
    let found = moment.examine(go_on).context("cannot read the queue log")?;
    let mut findings = log_findings(&found, known);
    let stored = runtime.block_on(list(payloads)).context("cannot list the payloads")?;
    let missing: Vec<_> = found.dokumenter.difference(&stored).collect();
    findings.push(match missing.first() {
        None => Finding::ok(PAYLOADS, format!("all {} payloads that meldinger name are there", found.dokumenter.len())),
        Some(first) => Finding::fault(
            PAYLOADS,
            format!("{} payloads that meldinger name are missing, such as {first}", missing.len()),
            "whoever fetches such a melding cannot have its payload: put the files back below dokumentlager/dokument from a \
             backup",
        ),
    });
    let (count, bytes) = uferdige.count().context("cannot look for unfinished uploads")?;
    if count > 0 {
        findings.push(Finding::ok(
            PAYLOADS,
            format!("{count} uploads are unfinished, {bytes} bytes; the server removes them an hour after their end"),
        ));
    }
    Ok(findings)
}

fn log_findings(found: &LogFindings, known: Option<&BTreeSet<KontoId>>) -> Vec<Finding> {
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

async fn list(payloads: &dyn ObjectStore) -> object_store::Result<BTreeSet<DokumentId>> {
    let objects = payloads.list(Some(&ObjectPath::from("dokument")));
    objects
        .try_filter_map(async |object| {
            Ok(object.location.filename().and_then(|name| name.parse::<DokumentId>().ok()))
        })
        .try_collect()
        .await
}
