//! Looking for what is wrong with an installation, and saying what to do about it. Nothing is made, migrated or repaired.

pub(crate) mod log;
pub(crate) mod payloads;
pub(crate) mod place;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use broker_embedded::LogMoment;
use object_store::ObjectStore;
use serde::{Deserialize, Serialize};
use storage::StoredDokument;
use tokio::runtime::Handle;
use wire::id::{DokumentId, KontoId};

use self::payloads::Payloads;
use crate::progress::Progress;
use crate::uferdige::Uferdige;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// In order.
    Ok,
    /// It works, but should be looked after.
    Warning,
    /// It does not work, or something is lost.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// What was looked at.
    pub(crate) part: String,
    /// What was found.
    pub(crate) what: String,
    /// What to do about it; empty where all is in order.
    #[serde(default)]
    pub(crate) todo: String,
}

impl Finding {
    pub(crate) fn ok(part: &str, what: impl Into<String>) -> Self {
        Self { level: Level::Ok, part: part.to_owned(), what: what.into(), todo: String::new() }
    }

    pub(crate) fn warning(part: &str, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { level: Level::Warning, part: part.to_owned(), what: what.into(), todo: todo.into() }
    }

    pub(crate) fn fault(part: &str, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { level: Level::Fault, part: part.to_owned(), what: what.into(), todo: todo.into() }
    }

    /// What kept a part from being looked at, or from being used.
    pub(crate) fn error(part: &str, error: &anyhow::Error, todo: impl Into<String>) -> Self {
        Self::fault(part, format!("{error:#}"), todo)
    }
}

/// For a person: a line, and one with what to do.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = match self.level {
            Level::Ok => "ok     ",
            Level::Warning => "warning",
            Level::Fault => "FAULT  ",
        };
        write!(f, "{level}  {}: {}", self.part, self.what)?;
        if self.todo.is_empty() { Ok(()) } else { write!(f, "\n         → {}", self.todo) }
    }
}

/// What the registry knows; `None` where it cannot be asked.
pub(crate) struct Known {
    pub(crate) kontoer: Option<BTreeSet<KontoId>>,
    pub(crate) dokumenter: Option<BTreeMap<DokumentId, StoredDokument>>,
}

/// Looks through the log, and at the payloads. Blocks.
///
/// # Errors
/// When something cannot be read at all, or the work is stopped.
pub(crate) fn look(
    moment: LogMoment,
    payloads: &dyn ObjectStore,
    uferdige: &Uferdige,
    known: &Known,
    quick: bool,
    runtime: &Handle,
    progress: &Progress,
) -> anyhow::Result<Vec<Finding>> {
    let found = moment.examine(|| progress.go_on()).context("cannot read the queue log")?;
    let mut findings = log::findings(&found, known.kontoer.as_ref());
    let payloads = Payloads {
        store: payloads,
        uferdige,
        named: &found.dokumenter,
        known: known.dokumenter.as_ref(),
        quick,
    };
    findings.extend(payloads.look(runtime, progress)?);
    Ok(findings)
}
