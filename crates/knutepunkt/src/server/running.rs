//! A server that runs, until it is stopped or must not go on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use app::App;
use broker_embedded::EmbeddedBroker;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http;
use crate::installasjon::lock::FolderLock;
use crate::installasjon::seen;

/// How long a stop waits for work under way: no less than requests get. What may be left then waits for a database.
const LONGEST_WAIT: Duration = http::DRAIN.saturating_add(Duration::from_secs(1));
/// How long a stop waits for the registry's connections to end.
const LONGEST_CLOSE: Duration = Duration::from_secs(2);

/// A running server.
pub struct Running {
    /// The use cases.
    pub app: App,
    /// Where HTTP without TLS is served.
    pub http: Option<SocketAddr>,
    /// Where HTTP with TLS is served.
    pub https: Option<SocketAddr>,
    /// Where AMQP with TLS is served.
    pub amqps: Option<SocketAddr>,
    /// Where AMQP without TLS is served.
    pub amqp: Option<SocketAddr>,
    pub(super) broker: Arc<EmbeddedBroker>,
    pub(super) database: storage::Database,
    pub(super) shutdown: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) failed: tokio::sync::watch::Receiver<Option<String>>,
    /// Let go of last.
    pub(super) _locks: (FolderLock, Arc<tokio::sync::Mutex<storage::RegistryLock>>),
}

/// The queue log was out of use for too long, or failed too often. Only a new process helps, and whoever supervises this one learns of
/// it by [`QueuesGivenUp::EXIT_CODE`].
#[derive(Debug, thiserror::Error)]
#[error(
    "the queue log was out of use for too long, or failed too often; the log above says why. Mend the disk, then start again"
)]
pub struct QueuesGivenUp;

impl QueuesGivenUp {
    /// What the process ends with: `EX_IOERR` of sysexits.
    pub const EXIT_CODE: u8 = 74;
}

impl Running {
    /// Completes when the queues are given up, and with them this process.
    pub async fn queues_given_up(&self) {
        self.broker.given_up().await;
    }

    /// Stops when `told` completes, or when the server must not go on.
    ///
    /// # Errors
    /// [`QueuesGivenUp`], or that another server has taken the registry; else as [`Running::stop`].
    pub async fn stop_when(self, told: impl Future<Output = ()>) -> anyhow::Result<()> {
        let failure = tokio::select! {
            () = told => None,
            () = self.queues_given_up() => Some(QueuesGivenUp.into()),
            failure = self.failed() => Some(failure),
        };
        tracing::info!("stopping");
        let stopped = self.stop().await;
        failure.map_or(stopped, Err)
    }

    /// Stops: lets requests under way finish, sends every AMQP client away with a code that lets it come back, and closes
    /// the queues without counting what consumers held as failed attempts.
    ///
    /// # Errors
    /// When the queues could not be closed in order. Nothing is lost then either; the next start takes longer.
    pub async fn stop(self) -> anyhow::Result<()> {
        // Before any client can learn of it: what it does from then on is our doing.
        app::ports::Broker::begin_stop(&*self.broker);
        self.shutdown.cancel();
        if tokio::time::timeout(LONGEST_WAIT, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                tasks = self.tasks.len(),
                "some work did not end in time, as where the registry's database does not answer; stopping without it"
            );
        }
        let closed = self.broker.close().await.context("cannot close the queues in order");
        if let Err(error) = seen::note(self.broker.position(), &self.database, &**self.app.clock()).await {
            tracing::warn!(
                error = &*error as &dyn std::error::Error,
                "failed to note in the registry how far the queue log has come; what was noted while it ran stands"
            );
        }
        let registry = tokio::time::timeout(LONGEST_CLOSE, self.database.close()).await;
        if let Err(error) = registry.map_err(anyhow::Error::from).and_then(|closed| Ok(closed?)) {
            tracing::warn!(
                error = &*error as &dyn std::error::Error,
                "failed to close the registry in order; everything committed is safe"
            );
        }
        closed
    }

    /// Completes when the server must not go on, and tells why. Never completes otherwise.
    pub async fn failed(&self) -> anyhow::Error {
        let mut failed = self.failed.clone();
        let why = match failed.wait_for(Option::is_some).await {
            Ok(why) => why.clone(),
            Err(_) => None,
        };
        match why {
            Some(why) => anyhow::Error::msg(why),
            None => std::future::pending().await,
        }
    }
}
