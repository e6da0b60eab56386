//! `knutepunkt serve`: a single node.

use std::path::Path;
use std::sync::Arc;

use axum::Router;

use crate::adapters::{RandomIds, SystemClock};
use crate::config::Config;
use crate::config_check;
use crate::server::{self, Listeners, Parts};

/// Runs the server until it is told to stop.
///
/// # Errors
/// What keeps it from starting or stopping in order.
pub async fn run(file: Option<&Path>) -> anyhow::Result<()> {
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
    running.stop_when(until_told_to_stop()).await
}

/// Returns when the process is asked to end: Ctrl+C, or SIGTERM.
///
/// # Errors
/// When the operating system does not let us listen for that.
pub async fn until_told_to_stop() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
