//! What the server does when it is asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use app::App;
use app::ports::{BrokerError, Del};
use broker_embedded::{DumpError, EmbeddedBroker};
use object_store::ObjectStore;
use storage::RegistryFiles;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};

use super::{Request, Status};
use crate::backup::make::{self, Source};
use crate::backup::manifest::Manifest;
use crate::doctor::{self, Finding, Known};
use crate::installasjon::look::Places;
use crate::installasjon::{REGISTRY_DISPLACED, REGISTRY_FIRST};
use crate::progress::Progress;
use crate::rom::Disk;
use crate::uferdige::Uferdige;

/// How often whoever waits is told that the work goes on; one that is gone is noticed by it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// What requests are answered from.
#[derive(Clone)]
pub(crate) struct Context {
    /// The use cases.
    pub(crate) app: App,
    /// The queues, with their log.
    pub(crate) broker: Arc<EmbeddedBroker>,
    /// Where large payloads lie.
    pub(crate) payloads: Arc<dyn ObjectStore>,
    /// Where the parts of the installation lie.
    pub(crate) places: Places,
    /// What it lies on, with the room that is kept there.
    pub(crate) disks: Vec<Disk>,
    /// The files of the registry, on SQLite.
    pub(crate) registry: Option<Arc<RegistryFiles>>,
    /// Held by whoever makes a backup.
    pub(crate) backing_up: Arc<Mutex<()>>,
}

impl Context {
    /// Does what is asked for. `progress` takes lines for the person who waits.
    ///
    /// # Errors
    /// What is wrong and what to do; it is sent to whoever asked.
    pub(super) async fn handle(
        &self,
        request: Request,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> anyhow::Result<serde_json::Value> {
        match request {
            Request::Status {} => {
                let registry_displaced = self.is_registry_displaced().await?;
                Ok(serde_json::to_value(Status { registry_displaced, ..self.status() })?)
            }
            Request::Doctor { quick } => Ok(serde_json::to_value(self.look_through(quick, progress).await?)?),
            Request::Backup { target } => {
                let made = self.back_up(target.clone(), progress).await;
                match &made {
                    Ok(made) => tracing::info!(
                        target_folder = %target.display(),
                        meldinger = made.ko.queued,
                        "made a backup"
                    ),
                    Err(error) => tracing::warn!(
                        target_folder = %target.display(),
                        error = &**error as &dyn std::error::Error,
                        "a backup was not made"
                    ),
                }
                Ok(serde_json::to_value(made?)?)
            }
        }
    }

    async fn back_up(
        &self,
        target: PathBuf,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> anyhow::Result<Manifest> {
        ensure!(target.is_absolute(), "{} must be a path from the root on", target.display());
        let turn = Arc::clone(&self.backing_up)
            .try_lock_owned()
            .map_err(|_| anyhow!("a backup is being made already; wait until it is done"))?;
        // It is opened by its name once more, and would be made or changed where that is another's now.
        ensure!(
            !self.is_registry_displaced().await?,
            "{REGISTRY_DISPLACED}, so no backup can be made: {REGISTRY_FIRST}, and make it then"
        );
        let (log, displaced) = (self.places.log(), self.broker.find_displaced().await);
        // Its tables are read by their names.
        ensure!(
            !(displaced.contains(&log) && log.exists()),
            "{} is not the folder of the queue log that the server has open, so no backup can be made. Move it away and put back the right \
             one: the server goes on by itself then. Make the backup after that. Do not stop the server before",
            log.display()
        );
        let made = self.copy(target, turn, progress).await;
        match made {
            Err(error) if is_of_log(&error) => {
                let displaced = self.broker.find_displaced().await;
                if displaced.is_empty() {
                    return Err(error);
                }
                tracing::debug!(
                    error = &*error as &dyn std::error::Error,
                    "files of the queue log are missing"
                );
                Err(cannot_copy(&displaced))
            }
            made => made,
        }
    }

    /// Makes a backup in its turn.
    async fn copy(
        &self,
        target: PathBuf,
        turn: OwnedMutexGuard<()>,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> anyhow::Result<Manifest> {
        // In this order: what the log names at its moment is still there when the payloads are copied.
        let hold = self.app.hold_payloads().await;
        let moment = self.broker.moment().await.context("cannot copy the queue log now")?;
        let source = Source {
            places: self.places.clone(),
            moment,
            payloads: Arc::clone(&self.payloads),
            disks: self.disks.clone(),
            now: self.app.clock().now(),
        };
        let (lines, mut said) = mpsc::unbounded_channel();
        let (work, _stop) = Progress::new(move |line| drop(lines.send(line)));
        let runtime = Handle::current();
        let mut making = tokio::task::spawn_blocking(move || {
            let made = make::make(source, &target, &runtime, &work);
            drop((hold, turn));
            made
        });
        loop {
            tokio::select! {
                made = &mut making => return made.context("the backup was broken off")?,
                Some(line) = said.recv() => progress(line),
                () = tokio::time::sleep(SIGN_OF_LIFE) => progress("copying …".to_owned()),
            }
        }
    }

    async fn look_through(
        &self,
        quick: bool,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> anyhow::Result<Vec<Finding>> {
        let displaced = doctor::log::displaced(&self.broker.find_displaced().await);
        let is_registry_displaced = self.is_registry_displaced().await?;
        let mut findings = match (self.look_inside(quick, is_registry_displaced, progress).await, &displaced)
        {
            (Ok(findings), _) => findings,
            (Err(_), Some(_)) => vec![doctor::log::unread()],
            (Err(error), None) => return Err(error),
        };
        findings.extend(displaced);
        if is_registry_displaced {
            findings.push(Finding::fault("registry", REGISTRY_DISPLACED, REGISTRY_FIRST));
        }
        let down = self.status().down;
        findings.push(if down.is_empty() {
            Finding::ok("server", "it runs, and all of its parts answer")
        } else {
            let what = format!("it runs, but these parts are down: {}", down.join(", "));
            Finding::fault("server", what, "look in its log for why")
        });
        Ok(findings)
    }

    async fn look_inside(
        &self,
        quick: bool,
        is_registry_displaced: bool,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> anyhow::Result<Vec<Finding>> {
        // In this order: a Konto that is made in between has no queue in that moment.
        let moment = self.broker.moment().await.context("cannot read the queue log now")?;
        // By the registry that is open: to open and close its files once more in this process would take SQLite's locks away.
        let kontoer = Some(self.app.list_konto_ids().await?);
        let dokumenter = if is_registry_displaced {
            None
        } else {
            let found = storage::list_dokumenter(&self.places.registry_url).await;
            Some(found.context("cannot read the registry")?)
        };
        let known = Known { kontoer, dokumenter };
        let (payloads, uferdige) = (Arc::clone(&self.payloads), Uferdige::new(&self.places.payloads()));
        let (lines, mut said) = mpsc::unbounded_channel();
        let (work, _stop) = Progress::new(move |line| drop(lines.send(line)));
        let runtime = Handle::current();
        let mut looking = tokio::task::spawn_blocking(move || {
            doctor::look(moment, &*payloads, &uferdige, &known, quick, &runtime, &work)
        });
        loop {
            tokio::select! {
                found = &mut looking => return found.context("it was broken off")?,
                Some(line) = said.recv() => progress(line),
                () = tokio::time::sleep(SIGN_OF_LIFE) => progress("looking …".to_owned()),
            }
        }
    }

    async fn is_registry_displaced(&self) -> anyhow::Result<bool> {
        let files = self.registry.clone();
        // It reads folders.
        let look = move || files.is_some_and(|files| !files.look());
        Ok(tokio::task::spawn_blocking(look).await?)
    }

    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            down: self.app.helse().nede().map(Del::navn).map(str::to_owned).collect(),
            registry_displaced: false,
        }
    }
}

/// Whether it is the queue log that could not be copied.
fn is_of_log(error: &anyhow::Error) -> bool {
    error.is::<BrokerError>()
        || matches!(
            error.downcast_ref(),
            Some(DumpError::Log(_) | DumpError::LogDamaged(_) | DumpError::Stopped)
        )
}

/// What is said in place of what the log store says of files that it does not find.
fn cannot_copy(displaced: &[PathBuf]) -> anyhow::Error {
    let files: Vec<_> = displaced.iter().map(|path| path.display().to_string()).collect();
    anyhow!(
        "files of the queue log were removed or moved under the server that runs ({}), and without them no backup can be made. Do not stop \
         the server. Put back what was moved: it goes on by itself then; make the backup after that. Of what was removed only what is still \
         open can be copied, from /proc/PID/fd, as the server's log says; see \"When files are removed under a running server\" in \
         docs/operations.md",
        files.join(", ")
    )
}
