//! `knutepunkt serve`: a single node.

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::adapters::{RandomIds, SystemClock};
use crate::config::Config;
use crate::config_check;
use crate::server::{self, Listeners, Parts};

/// Runs the server until it is told to stop.
///
/// # Errors
/// What keeps it from starting or stopping in order.
pub async fn run(file: Option<&Path>) -> anyhow::Result<()> {
    // Before anybody can know that there is something to stop: a start that is told to stop is finished, and then stopped in order.
    let told = Told::listen()?;
    let config = Config::load(file, std::env::vars())?;
    config_check::check(&config)?;
    let listeners = Listeners::bind(&config).await?;
    let parts = Parts {
        config,
        listeners,
        tls: None,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        verktoy: None,
        more: Router::new(),
    };
    let running = server::start(parts).await?;
    tracing::info!(http = ?running.http, https = ?running.https, amqps = ?running.amqps, "ready");
    running.stop_when(told.to_stop()).await
}

/// That the process is asked to end: Ctrl+C, or SIGTERM. Heard from the moment at which this is made.
pub struct Told {
    terminate: Signal,
    interrupt: Signal,
}

impl Told {
    /// Begins to listen. From then on a signal no longer kills the process, so whoever makes one must wait for it.
    ///
    /// # Errors
    /// When the operating system does not let us listen for that.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns when the process is asked to end, or at once where it was already.
    pub async fn to_stop(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
