//! Accepts connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Config;
use crate::session;

/// Pause after a failed accept; it mostly means that the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The AMQP endpoint over one set of use cases.
pub struct Server {
    app: App,
    config: Arc<Config>,
}

impl Server {
    /// Puts the endpoint together.
    pub fn new(app: App, config: Config) -> Self {
        Self { app, config: Arc::new(config) }
    }

    /// Serves `listener` until `shutdown`, then tells every client that the connection is closed
    /// (320 `CONNECTION_FORCED`, after which all of them come back by themselves) and returns when the last one is gone.
    /// That takes no longer than the closing grace of the configuration, whatever a client does or does not do.
    ///
    /// Without `tls` everything, passwords and tokens too, is sent in clear: for tests and for loopback.
    pub async fn run(
        &self,
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        shutdown: CancellationToken,
    ) {
        let acceptor = tls.map(TlsAcceptor::from);
        let connections = TaskTracker::new();
        let unauthenticated = Arc::new(Semaphore::new(self.config.unauthenticated_max));
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "failed to accept an AMQP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if connections.len() >= self.config.connections_max {
                tracing::warn!(
                    connections = connections.len(),
                    "turned down an AMQP connection: too many are open"
                );
                continue;
            }
            let Ok(permit) = unauthenticated.clone().try_acquire_owned() else {
                tracing::warn!("turned down an AMQP connection: too many are open without log-in");
                continue;
            };
            let (app, config, acceptor) = (self.app.clone(), self.config.clone(), acceptor.clone());
            let shutdown = shutdown.clone();
            connections.spawn(async move {
                // Deliveries are gathered before they are written, so nothing is won by waiting.
                let _ = stream.set_nodelay(true);
                match acceptor {
                    None => session::run(stream, peer, app, config, shutdown, permit).await,
                    Some(acceptor) => match handshake(&acceptor, stream, config.tls_timeout, &shutdown).await
                    {
                        Ok(stream) => session::run(stream, peer, app, config, shutdown, permit).await,
                        Err(error) => tracing::debug!(%error, "TLS handshake of an AMQP connection failed"),
                    },
                }
            });
        }
        drop(listener);
        connections.close();
        connections.wait().await;
    }
}

async fn handshake(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    timeout: Duration,
    shutdown: &CancellationToken,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    tokio::select! {
        () = shutdown.cancelled() => Err(io::ErrorKind::Interrupted.into()),
        result = tokio::time::timeout(timeout, acceptor.accept(stream)) => {
            result.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
    }
}
