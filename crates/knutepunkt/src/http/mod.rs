//! The HTTP listeners: plain or TLS, HTTP/1.1, drained at shutdown, and closed to nobody however many strangers come.

mod address;
mod answers;
mod body;
mod connections;
mod gate;
mod head;
mod kept;
mod limits;
mod pace;
mod plain;
mod slot;
mod stopping;
mod stream;
#[cfg(test)]
mod tests;
mod waiting;
mod yielding;

use std::convert::Infallible;
use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use app::Door;
use app::crowd::neighbourhood;
use app::memory::Pool;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONNECTION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

pub(crate) use self::address::Proxies;
use self::body::{AnswerBody, RequestBody};
use self::connections::{Connections, Guest};
use self::gate::{Gate, Ticket};
pub(crate) use self::limits::Limits;
use self::plain::Plain;
use self::stream::Watched;

/// Bytes that the head of a request may have.
const MAX_HEAD: usize = 16 * 1024;
/// Bytes of a request that are read ahead, and of an answer that wait to be fetched, at most.
const MAX_BUFFER: usize = 64 * 1024;
/// Time that requests under way get at shutdown.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// What tells how the server is. Answered even to those for whom there is no room.
pub(crate) const HELSE: &str = "/helse";

/// The memory of payloads on their way.
#[derive(Clone)]
struct Memory {
    incoming: Arc<Pool>,
    outgoing: Arc<Pool>,
}

/// What all HTTP listeners share: the room for connections, and who makes how many requests.
#[derive(Clone)]
pub(crate) struct Entrance {
    limits: Arc<Limits>,
    connections: Arc<Connections>,
    gate: Arc<Gate>,
    /// For what comes in and what goes out.
    memory: Option<Memory>,
}

impl Entrance {
    pub(crate) fn new(limits: Limits) -> Self {
        let limits = Arc::new(limits);
        Self {
            connections: Connections::new(Arc::clone(&limits)),
            gate: Gate::new(Arc::clone(&limits)),
            limits,
            memory: None,
        }
    }

    /// The same, with memory from which bodies are taken that are gathered before anybody looks at them, and for which those
    /// give way who move next to nothing of a payload.
    pub(crate) fn with_memory(self, incoming: &Arc<Pool>, outgoing: &Arc<Pool>) -> Self {
        Self {
            memory: Some(Memory { incoming: Arc::clone(incoming), outgoing: Arc::clone(outgoing) }),
            ..self
        }
    }

    /// After how long a client is taken for gone of whose machine nothing is heard.
    pub(crate) fn gone_after(&self) -> Duration {
        self.limits.stall
    }

    /// Counts a log-in over another protocol that was refused, together with those over HTTP. Says whether there are not too
    /// many of them from `peer`.
    pub(crate) fn log_in_refused(&self, peer: IpAddr) -> bool {
        self.gate.log_in_refused(neighbourhood(peer), Instant::now()).is_ok()
    }
}

/// Serves `router` until `shutdown`, then lets requests under way finish.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    entrance: Entrance,
    shutdown: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let mut failures = Failures::default();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = async {
                entrance.connections.settled().await;
                listener.accept().await
            } => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // No file is left, most likely, so somebody has to go.
                let gave_way = entrance.connections.make_room();
                let pause = failures.failed(&error, gave_way);
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = tokio::time::sleep(pause) => {}
                }
                continue;
            }
        };
        failures.succeeded();
        let guest = entrance.connections.admit(peer.ip());
        let (tls, router, entrance) = (tls.clone(), router.clone(), entrance.clone());
        let shutdown = shutdown.clone();
        tasks.spawn(async move {
            let gives_way = guest.slot.gives_way.clone();
            tokio::select! {
                biased;
                () = gives_way.cancelled() => tracing::debug!("a connection gave way"),
                () = receive(stream, peer, tls, router, entrance, &guest, shutdown) => {}
            }
        });
    }
    tasks.close();
    entrance.connections.close_unused();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "requests under way were cut off");
        entrance.connections.close_all();
        tasks.wait().await;
    }
}

/// Connections that could not be accepted: logged when that begins and when it ends.
#[derive(Default)]
struct Failures {
    count: u32,
}

impl Failures {
    /// Returns how long to wait before the next try.
    fn failed(&mut self, error: &std::io::Error, gave_way: usize) -> Duration {
        if self.count == 0 {
            tracing::warn!(
                error = error as &dyn StdError,
                gave_way,
                "failed to accept a connection; trying again until it works"
            );
        }
        let (first, longest) = PAUSE;
        let pause = first.saturating_mul(2_u32.saturating_pow(self.count.min(10))).min(longest);
        self.count = self.count.saturating_add(1);
        pause
    }

    fn succeeded(&mut self) {
        if self.count > 0 {
            tracing::info!(failures = self.count, "connections are accepted again");
            self.count = 0;
        }
    }
}

async fn receive(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    entrance: Entrance,
    guest: &Guest,
    shutdown: CancellationToken,
) {
    // Answers are small and must not wait for more.
    let _ = stream.set_nodelay(true);
    let memory = entrance.memory.as_ref().map(|memory| Arc::clone(&memory.outgoing));
    let stream =
        Watched::new(stream, Arc::clone(&guest.slot), Arc::clone(&entrance.limits), memory, shutdown.clone());
    match tls {
        None => connection(stream, peer, router, entrance, guest, shutdown).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => connection(stream, peer, router, entrance, guest, shutdown).await,
            Err(error) => tracing::debug!(error = &error as &dyn StdError, "TLS handshake failed"),
        },
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    entrance: Entrance,
    guest: &Guest,
    shutdown: CancellationToken,
) {
    guest.slot.is_ready();
    let (slot, stop) = (Arc::clone(&guest.slot), shutdown.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (slot, entrance, mut router) = (Arc::clone(&slot), entrance.clone(), router.clone());
        let stop = stop.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            let is_payload = parts.uri.path() == wire::send::PATH;
            let has_body = !body.is_end_stream();
            slot.request_begins(has_body, parts.uri.path().starts_with(wire::dokumentlager::PREFIX));
            let body = RequestBody::new(
                body,
                Arc::clone(&slot),
                &entrance.limits,
                is_payload,
                entrance.memory.as_ref().map(|memory| &memory.incoming),
                stop.clone(),
            );
            let is_read = body.is_read();
            let ticket = Ticket::new(Arc::clone(&slot), entrance.connections, entrance.gate, body.kept());
            let mut response = if slot.is_last_resort && parts.uri.path() != HELSE {
                no_room()
            } else if let Some(refusal) = head::refusal(&parts) {
                refusal
            } else {
                parts.extensions.insert(ConnectInfo(peer));
                parts.extensions.insert(Door(Arc::clone(&ticket) as Arc<dyn app::Doorkeeper>));
                let Ok(response) = router.call(Request::from_parts(parts, Body::new(body))).await;
                response
            };
            // No further request can be read behind what is left of a body, and a client that does not know would lose its next.
            if has_body && !is_read.load(Ordering::Relaxed) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let memory = entrance.memory.as_ref().map(|memory| &memory.outgoing);
            let (response, first) = answers::counted(response, &slot, memory);
            Ok::<_, Infallible>(response.map(|body| AnswerBody::new(first, body, ticket)))
        }
    });
    let connection = http1::Builder::new()
        // The stream watches over the times.
        .header_read_timeout(None)
        .max_header_size(MAX_HEAD)
        // Never `pipeline_flush`: it lets all of an answer that nobody fetches into memory, and swallows the answer to a head
        // that cannot be read.
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(Plain::new(stream, Arc::clone(&guest.slot))), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn StdError, "connection ended");
    }
}

/// What is answered to those for whom there is no room.
fn no_room() -> Response {
    let headers =
        [(CONNECTION, HeaderValue::from_static("close")), (RETRY_AFTER, HeaderValue::from_static("5"))];
    let why = "all connections of this server are busy, try again in a few seconds\n";
    (StatusCode::SERVICE_UNAVAILABLE, headers, why).into_response()
}
