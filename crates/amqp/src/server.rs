//! Accepts connections.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::App;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Config;
use crate::held::Held;
use crate::places::{Dropped, Place, Places};
use crate::session;

/// Pause after a failed accept; it mostly means that the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A limit that is met again and again is logged once in so long.
const LOG_PAUSE: Duration = Duration::from_mins(1);

/// Logs the first time that a limit is met, and then how often since, once a minute.
#[derive(Default)]
struct Rare {
    last: Option<Instant>,
    times: u64,
}

impl Rare {
    /// Counts one; how many to log now, if it is time to.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.times += 1;
        if self.last.is_some_and(|last| now < last + LOG_PAUSE) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.times))
    }
}

/// The AMQP endpoint over one set of use cases.
pub struct Server {
    app: App,
    config: Arc<Config>,
    places: Arc<Places>,
}

impl Server {
    /// Puts the endpoint together. Its listeners share the places that the configuration has for connections.
    pub fn new(app: App, config: Config) -> Self {
        let places = Places::new(
            config.connections_max,
            config.unauthenticated_max,
            config.unauthenticated_per_address,
            Arc::clone(&config.proxies),
        );
        Self { app, config: Arc::new(config), places }
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
        let held = Arc::new(Held::new());
        let watching = tokio::spawn({
            let held = Arc::clone(&held);
            async move { held.watch().await }
        });
        let (mut full, mut crowded) = (Rare::default(), Rare::default());
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = async {
                    self.places.settled().await;
                    listener.accept().await
                } => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "failed to accept an AMQP connection"
                    );
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let accepted = Instant::now();
            let Some((place, dropped)) = self.places.admit(peer.ip()) else {
                if let Some(times) = full.count(accepted) {
                    tracing::warn!(
                        connections = self.places.count(),
                        times,
                        "turned down AMQP connections: as many are logged in as there is room for"
                    );
                }
                continue;
            };
            if dropped != Dropped::None
                && let Some(times) = crowded.count(accepted)
            {
                let of_one_address = dropped == Dropped::SameAddress;
                tracing::warn!(
                    address = %peer.ip(),
                    of_one_address,
                    times,
                    "too many AMQP connections that do not log in, the oldest are closed"
                );
            }
            let (app, config, acceptor) = (self.app.clone(), self.config.clone(), acceptor.clone());
            let (shutdown, held) = (shutdown.clone(), Arc::clone(&held));
            connections.spawn(async move {
                // Deliveries are gathered before they are written, so nothing is won by waiting.
                let _ = stream.set_nodelay(true);
                let opening = session::Opening { peer, accepted, place, held };
                match acceptor {
                    None => session::run(stream, opening, app, config, shutdown).await,
                    Some(acceptor) => {
                        let timeout = config.tls_timeout.min(config.login_timeout);
                        match handshake(&acceptor, stream, timeout, &shutdown, &opening.place).await {
                            Ok(stream) => session::run(stream, opening, app, config, shutdown).await,
                            Err(error) => {
                                tracing::debug!(
                                    error = &error as &dyn std::error::Error,
                                    "TLS handshake of an AMQP connection failed"
                                );
                            }
                        }
                    }
                }
            });
        }
        drop(listener);
        connections.close();
        connections.wait().await;
        watching.abort();
    }
}

async fn handshake(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    timeout: Duration,
    shutdown: &CancellationToken,
    place: &Place,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    tokio::select! {
        () = shutdown.cancelled() => Err(io::ErrorKind::Interrupted.into()),
        () = place.dropped().cancelled() => Err(io::ErrorKind::QuotaExceeded.into()),
        result = tokio::time::timeout(timeout, accept(acceptor, stream, place)) => {
            result.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
    }
}

/// Both the first bytes and the end of the handshake are steps on the way to a log-in.
async fn accept(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    place: &Place,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    stream.readable().await?;
    place.moved();
    let stream = acceptor.accept(stream).await?;
    place.moved();
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_that_is_met_again_and_again_is_logged_once_a_minute_with_how_often() {
        let (mut rare, start) = (Rare::default(), Instant::now());
        assert_eq!(rare.count(start), Some(1));
        for _ in 0..5 {
            assert_eq!(rare.count(start + LOG_PAUSE / 2), None);
        }
        assert_eq!(rare.count(start + LOG_PAUSE), Some(6));
    }
}
