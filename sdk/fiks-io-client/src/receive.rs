//! Receiving: a consumer that comes back whatever happens to its connection.
//!
//! lapin's own recovery is not used: it would log in with the old token, and does not come back after the server has
//! cancelled the consumer. Here every loss is answered alike: new token, new connection, new channel, new consumer.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use lapin::auth::AuthProvider;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use lapin::types::{FieldTable, LongString, ShortString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Acker, Channel, Connection, ConnectionProperties, Consumer, ErrorKind};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use wire::id::MeldingId;
use wire::queue::queue_name;

use crate::FiksIoClient;
use crate::ambient::jittered;
use crate::error::{Error, Peer};
use crate::headers::Headers;
use crate::melding::MottattMelding;

/// How long a log-in may take, from TCP to the consumer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long TCP and TLS may take of that.
const TRANSPORT_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A connection that lived this long was a good one: the next wait is a short one again.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// AMQP reply codes that mean no, rather than not now.
const REFUSALS: [u16; 4] = [402, 403, 404, 530];

/// Whether meldinger can arrive now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ConnectionState {
    /// The consumer is in place.
    Connected,
    /// It is not, and the client is trying.
    Reconnecting {
        /// What happened last; `None` before the first try.
        error: Option<Error>,
    },
}

/// The meldinger of a konto, as they arrive: a [`Stream`] that never ends by itself.
///
/// An error item is about one delivery ([`Error::BadDelivery`]) and the stream goes on after it. A lost connection is
/// no item: the client connects again for as long as it takes, with pauses that grow to five seconds, and what was not
/// settled arrives again with `redelivered`.
///
/// Dropping it stops the consumer. The connection stays until the last [`MottattMelding`] from it is dropped, so that
/// these can still be settled; meldinger that had arrived but were not taken go back to the queue then, which counts
/// as a failed try for each.
#[must_use = "meldinger are only received while this is polled"]
pub struct Meldinger {
    items: mpsc::Receiver<Item>,
    state: watch::Receiver<ConnectionState>,
    client: FiksIoClient,
    task: JoinHandle<()>,
}

enum Item {
    Melding(Box<Arrived>),
    Bad(Error),
}

struct Arrived {
    headers: Headers,
    redelivered: bool,
    body: Bytes,
    settlement: Settlement,
}

impl Meldinger {
    /// Connects once, and reports why if that fails.
    pub(crate) async fn connect(client: FiksIoClient) -> Result<Self, Error> {
        let link = Link::open(&client).await?;
        Ok(Self::start(client, Some(link)))
    }

    /// Connects in the background.
    pub(crate) fn start(client: FiksIoClient, first: Option<Link>) -> Self {
        let (sender, items) = mpsc::channel(usize::from(client.prefetch()));
        let initial = match first {
            Some(_) => ConnectionState::Connected,
            None => ConnectionState::Reconnecting { error: None },
        };
        let (state_sender, state) = watch::channel(initial);
        let task = tokio::spawn(run(client.clone(), sender, state_sender, first));
        Self { items, state, client, task }
    }

    /// Whether meldinger can arrive now.
    pub fn state(&self) -> ConnectionState {
        self.state.borrow().clone()
    }

    /// Waits until the consumer is in place.
    pub async fn connected(&mut self) {
        // The sender lives as long as `items` does, so this cannot fail.
        let _ = self.state.wait_for(|state| matches!(state, ConnectionState::Connected)).await;
    }

    /// The next melding. As [`StreamExt::next`](futures::StreamExt::next) of the stream, without importing it.
    ///
    /// # Errors
    /// [`Error::BadDelivery`] for a delivery that is no melding; the next call gives the next one.
    pub async fn next(&mut self) -> Result<MottattMelding, Error> {
        std::future::poll_fn(|context| self.poll_item(context)).await
    }

    /// Stops the consumer as dropping does, and waits for the server to have said yes. Settle what is held first:
    /// then the connection is closed when this returns.
    ///
    /// # Example: stop in good order
    ///
    /// ```no_run
    /// # async fn example(client: fiks_io_client::FiksIoClient) -> Result<(), fiks_io_client::Error> {
    /// let mut meldinger = client.receive().await?;
    /// loop {
    ///     tokio::select! {
    ///         _ = tokio::signal::ctrl_c() => break,
    ///         melding = meldinger.next() => melding?.ack().await?,
    ///     }
    /// }
    /// meldinger.close().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(self) {
        drop(self.items);
        // It can only fail by the runtime shutting down.
        let _ = self.task.await;
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<MottattMelding, Error>> {
        loop {
            return match ready!(self.items.poll_recv(context)) {
                Some(Item::Melding(arrived)) => {
                    // What arrived by a connection that is gone comes again by the next one.
                    if !arrived.settlement.is_open() {
                        continue;
                    }
                    let Arrived { headers, redelivered, body, settlement } = *arrived;
                    Poll::Ready(Ok(MottattMelding::new(
                        headers,
                        redelivered,
                        body,
                        self.client.clone(),
                        settlement,
                    )))
                }
                Some(Item::Bad(error)) => Poll::Ready(Err(error)),
                // The task only ends before `self` when the runtime shuts down, and then nobody polls again.
                None => Poll::Pending,
            };
        }
    }
}

impl Stream for Meldinger {
    type Item = Result<MottattMelding, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(context).map(Some)
    }
}

impl fmt::Debug for Meldinger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meldinger").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// Keeps a consumer in place until nobody takes its meldinger any more.
async fn run(
    client: FiksIoClient,
    items: mpsc::Sender<Item>,
    state: watch::Sender<ConnectionState>,
    mut link: Option<Link>,
) {
    let mut wait = FIRST_WAIT;
    loop {
        let failure = match link.take() {
            Some(link) => {
                state.send_replace(ConnectionState::Connected);
                let since = Instant::now();
                let Some(failure) = forward(&client, link, &items).await else { return };
                if since.elapsed() >= GOOD_CONNECTION {
                    wait = FIRST_WAIT;
                }
                tracing::warn!(konto.id = %client.konto_id(), error = %Chain(&failure), "lost the AMQP connection; connecting again");
                Some(failure)
            }
            None => None,
        };
        if let Some(failure) = failure {
            state.send_replace(ConnectionState::Reconnecting { error: Some(failure) });
        }
        // The first try of all needs no pause.
        let pause = if matches!(*state.borrow(), ConnectionState::Reconnecting { error: None }) {
            Duration::ZERO
        } else {
            jittered(wait)
        };
        wait = (wait * 2).min(LONGEST_WAIT);
        tokio::select! {
            () = items.closed() => return,
            () = sleep(pause) => {}
        }
        tokio::select! {
            () = items.closed() => return,
            opened = Link::open(&client) => match opened {
                Ok(opened) => {
                    tracing::info!(konto.id = %client.konto_id(), "connected to the AMQP endpoint");
                    link = Some(opened);
                }
                Err(failure) => {
                    tracing::warn!(konto.id = %client.konto_id(), error = %Chain(&failure), "failed to connect to the AMQP endpoint; trying again");
                    state.send_replace(ConnectionState::Reconnecting { error: Some(failure) });
                }
            },
        }
    }
}

/// Passes deliveries on. `None` when nobody takes them any more, else why no more come.
async fn forward(client: &FiksIoClient, link: Link, items: &mpsc::Sender<Item>) -> Option<Error> {
    let Link { session, mut consumer } = link;
    loop {
        let delivery = tokio::select! {
            () = items.closed() => {
                session.stop(consumer).await;
                return None;
            }
            delivery = consumer.next() => delivery,
        };
        let item = match delivery {
            Some(Ok(delivery)) => read_delivery(client, &session, delivery).await,
            Some(Err(error)) => {
                session.abandon();
                return Some(amqp_error(&error));
            }
            None => {
                session.abandon();
                return Some(Error::unexpected(Peer::Amqp, "it cancelled the consumer"));
            }
        };
        if items.send(item).await.is_err() {
            session.stop(consumer).await;
            return None;
        }
    }
}

async fn read_delivery(client: &FiksIoClient, session: &Arc<Session>, delivery: Delivery) -> Item {
    match Headers::parse(&delivery.properties, delivery.routing_key.as_str(), client.konto_id()) {
        Ok(headers) => Item::Melding(Box::new(Arrived {
            headers,
            redelivered: delivery.redelivered,
            body: Bytes::from(delivery.data),
            settlement: Settlement { acker: delivery.acker, session: Arc::clone(session) },
        })),
        Err(error) => {
            tracing::warn!(konto.id = %client.konto_id(), %error, "rejected a delivery");
            // Given back it would only come again. If this fails, the connection is gone and the consumer says so.
            let _ = delivery.acker.nack(BasicNackOptions::default()).await;
            Item::Bad(error)
        }
    }
}

/// A connection with its consumer.
pub(crate) struct Link {
    session: Arc<Session>,
    consumer: Consumer,
}

impl Link {
    async fn open(client: &FiksIoClient) -> Result<Self, Error> {
        // Outside the time limit, as it has its own.
        let token = client.token().await?;
        timeout(CONNECT_TIMEOUT, Self::open_with(client, &token))
            .await
            .map_err(|_| Error::Timeout { peer: Peer::Amqp, waited: CONNECT_TIMEOUT })?
            .inspect_err(|error| {
                if matches!(error, Error::AmqpRefused(_)) {
                    client.forget_token();
                }
            })
    }

    async fn open_with(client: &FiksIoClient, token: &str) -> Result<Self, Error> {
        let failed = |error: lapin::Error| amqp_error(&error);
        let connection = connect(client, token).await.map_err(failed)?;
        let channel = connection.create_channel().await.map_err(failed)?;
        channel.basic_qos(client.prefetch(), BasicQosOptions::default()).await.map_err(failed)?;
        let consumer = channel
            .basic_consume(
                queue_name(client.konto_id()).into(),
                ShortString::default(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(failed)?;
        Ok(Self {
            session: Arc::new(Session { channel, connection, lost: AtomicBool::new(false) }),
            consumer,
        })
    }
}

/// Opens TCP and TLS, then logs in.
async fn connect(client: &FiksIoClient, token: &str) -> lapin::Result<Connection> {
    let endpoint = client.amqp();
    let uri = AMQPUri {
        scheme: if endpoint.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            // The password stays out of the URI, which libraries like to log.
            userinfo: AMQPUserInfo { username: String::new(), password: String::new() },
            host: endpoint.host.clone(),
            port: endpoint.port,
        },
        vhost: "/".to_owned(),
        query: AMQPQueryString::default(),
    };
    let properties = ConnectionProperties::default()
        .with_connection_name(client.application_name().into())
        .with_client_property("product".into(), "fiks-io-client".into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into())
        .with_client_property("platform".into(), "Rust".into())
        .with_auth_provider(Plain { response: client.sasl_response(token) });
    let tls = endpoint.tls.then(|| RustlsConnector::from(client.tls()));
    let unfinished = Unfinished::default();
    let socket = Arc::clone(&unfinished.socket);
    let connection = Connection::connector(
        uri,
        lapin::runtime::default_runtime()?,
        async move |uri, runtime| {
            let (host, port) = (uri.authority.host.as_str(), uri.authority.port);
            let open = async {
                let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
                let plain = AsyncTcpStream::connect(&runtime, addresses).await?;
                if let AsyncTcpStream::Plain(stream) = &plain {
                    *socket.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(second_handle(stream.get_ref())?);
                }
                match &tls {
                    Some(connector) => plain.into_rustls(connector, host).await,
                    None => Ok(plain),
                }
            };
            let opened = timeout(TRANSPORT_TIMEOUT, open).await;
            Ok(opened.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))?)
        },
        properties,
    )
    .await?;
    unfinished.finish();
    Ok(connection)
}

/// The socket of a log-in that is under way. Dropped unfinished, it shuts the socket down: lapin would wait for a
/// silent server for ever, with a thread of its own for each try.
#[derive(Default)]
struct Unfinished {
    socket: Arc<Mutex<Option<std::net::TcpStream>>>,
}

impl Unfinished {
    fn finish(self) {
        self.take();
    }

    fn take(&self) -> Option<std::net::TcpStream> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(socket) = self.take() {
            // It can only fail by being closed already.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }
}

#[cfg(unix)]
fn second_handle(socket: &tokio::net::TcpStream) -> io::Result<std::net::TcpStream> {
    use std::os::fd::AsFd as _;
    Ok(socket.as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn second_handle(socket: &tokio::net::TcpStream) -> io::Result<std::net::TcpStream> {
    use std::os::windows::io::AsSocket as _;
    Ok(socket.as_socket().try_clone_to_owned()?.into())
}

/// SASL PLAIN with the integrasjon's password and a token.
struct Plain {
    response: String,
}

impl AuthProvider for Plain {
    fn mechanism(&self) -> ShortString {
        "PLAIN".into()
    }

    fn auth_starter(&self) -> Result<LongString, String> {
        Ok(self.response.as_str().into())
    }
}

fn amqp_error(error: &lapin::Error) -> Error {
    match error.kind() {
        ErrorKind::ProtocolError(refusal) if REFUSALS.contains(&refusal.get_id()) => {
            Error::AmqpRefused(refusal.get_message().to_string())
        }
        _ => Error::connection(Peer::Amqp, error.clone()),
    }
}

/// A log-in that meldinger are settled by. The connection lives as long as this does.
struct Session {
    channel: Channel,
    connection: Connection,
    /// Its consumer is gone, and what came by it will come again by another connection.
    lost: AtomicBool,
}

impl Session {
    /// Stops the consumer and leaves the connection to those who hold meldinger from it.
    async fn stop(self: Arc<Self>, consumer: Consumer) {
        let cancel = self.channel.basic_cancel(consumer.tag(), lapin::options::BasicCancelOptions::default());
        // If it fails, the connection is gone, and the consumer with it.
        let _ = timeout(CLOSE_TIMEOUT, cancel).await;
        if let Some(session) = Arc::into_inner(self) {
            session.close().await;
        }
    }

    /// Gives up what the connection still holds, so that it goes back to the queue at once. Waits for no answer: the
    /// server may be silent, and the next connection is due.
    fn abandon(self: Arc<Self>) {
        self.lost.store(true, Ordering::Release);
        tokio::spawn(async move { self.close().await });
    }

    /// Ends the connection, if it has not ended yet.
    async fn close(&self) {
        let _ = timeout(CLOSE_TIMEOUT, self.connection.close(200, "OK".into())).await;
    }
}

/// The right to settle one delivery.
pub(crate) struct Settlement {
    acker: Acker,
    session: Arc<Session>,
}

impl Settlement {
    /// Whether it can still be settled.
    fn is_open(&self) -> bool {
        !self.is_stale() && self.acker.usable()
    }

    fn is_stale(&self) -> bool {
        self.session.lost.load(Ordering::Acquire) || self.acker.poisoned()
    }

    pub(crate) async fn ack(&self, melding: MeldingId) -> Result<(), Error> {
        self.settle(melding, self.acker.ack(BasicAckOptions::default())).await
    }

    pub(crate) async fn nack(&self, melding: MeldingId, requeue: bool) -> Result<(), Error> {
        let options = BasicNackOptions { multiple: false, requeue };
        self.settle(melding, self.acker.nack(options)).await
    }

    async fn settle(
        &self,
        melding: MeldingId,
        settling: impl Future<Output = lapin::Result<bool>>,
    ) -> Result<(), Error> {
        if self.is_stale() {
            return Err(Error::Stale(melding));
        }
        match settling.await {
            Ok(true) => Ok(()),
            Ok(false) if self.is_stale() => Err(Error::Stale(melding)),
            Ok(false) => Err(Error::AlreadySettled(melding)),
            Err(error) => {
                // lapin refuses only what it cannot send, and sends only what has a connection.
                tracing::debug!(melding.id = %melding, %error, "failed to settle a melding");
                Err(Error::Stale(melding))
            }
        }
    }
}

/// An error with all its causes, on one line.
struct Chain<'e>(&'e dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
