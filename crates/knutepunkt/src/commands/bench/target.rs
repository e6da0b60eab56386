//! What is loaded: the server by HTTP in and AMQP out, or the reference by AMQP in and out.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use wire::id::KontoId;

use crate::commands::bench::server::{Party, Server, resident};
use crate::dev::world::{PROTOKOLL, VERSJON};

/// How often the token is renewed; it lives two minutes.
const RENEW: Duration = Duration::from_secs(30);
const BOUNDARY: &str = "knutepunkt-bench";

/// One of the things that are compared.
#[async_trait]
pub(super) trait Target: Send {
    /// A way in that carries one melding at a time.
    async fn publisher(&self) -> anyhow::Result<Box<dyn Publisher>>;
    /// A way out.
    async fn consumer(&self, prefetch: u16) -> anyhow::Result<Out>;
    /// Resident memory in bytes, if it can be told.
    fn memory(&self) -> anyhow::Result<Option<u64>>;
}

/// Sends one melding at a time.
#[async_trait]
pub(super) trait Publisher: Send {
    /// Returns when the melding is safe.
    async fn publish(&mut self, payload: &Bytes) -> anyhow::Result<()>;
}

/// A consumer with what keeps it alive.
pub(super) struct Out {
    pub(super) consumer: Consumer,
    _channel: Channel,
    _connection: Connection,
}

// ---- the server ----

/// The server, with one sender and one receiver.
pub(super) struct Ours {
    http: String,
    port: u16,
    tls: Option<Arc<rustls::ClientConfig>>,
    sender: Party,
    receiver: Party,
    to: KontoId,
    token: watch::Receiver<String>,
    memory: u64,
    _renewal: tokio::task::JoinHandle<()>,
}

impl Ours {
    /// Load on `to`, or on the receiver's own Konto, with consumers over TLS or not.
    pub(super) async fn new(server: &Server, to: Option<KontoId>, tls: bool) -> anyhow::Result<Self> {
        let [sender, receiver] = server.parties()?;
        let tls = if tls { Some(Arc::new(trusting(server)?)) } else { None };
        let (renewed, token) = watch::channel(sender.client.access_token().await?.expose().to_owned());
        let client = sender.client.clone();
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(RENEW).await;
                if let Ok(token) = client.access_token().await
                    && renewed.send(token.expose().to_owned()).is_err()
                {
                    return;
                }
            }
        });
        Ok(Self {
            http: server.http()?,
            port: if tls.is_some() { server.amqps()? } else { server.amqp()? },
            tls,
            to: to.unwrap_or(receiver.konto),
            memory: server.memory()?,
            sender,
            receiver,
            token,
            _renewal: renewal,
        })
    }

    /// A consumer on any Konto of the receiver.
    pub(super) async fn consumer_on(&self, konto: KontoId, prefetch: u16) -> anyhow::Result<Out> {
        let token = self.receiver.client.access_token().await?;
        let password = format!("{} {}", self.receiver.integrasjon_passord, token.expose());
        let login = AMQPUserInfo { username: self.receiver.integrasjon_id.clone(), password };
        let scheme = if self.tls.is_some() { AMQPScheme::AMQPS } else { AMQPScheme::AMQP };
        let uri = uri(scheme, login, "localhost", self.port, "/");
        let connection = connect(uri, self.tls.clone().map(RustlsConnector::from)).await?;
        consume(connection, &wire::queue::queue_name(konto), prefetch).await
    }
}

/// TLS that trusts the server's own authority.
fn trusting(server: &Server) -> anyhow::Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(server.ca_pem()?)? {
        roots.add(root?)?;
    }
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[async_trait]
impl Target for Ours {
    async fn publisher(&self) -> anyhow::Result<Box<dyn Publisher>> {
        let stream = TcpStream::connect(&self.http).await?;
        stream.set_nodelay(true)?;
        let metadata = serde_json::json!({
            "avsenderKontoId": self.sender.konto,
            "mottakerKontoId": self.to,
            "meldingType": format!("{PROTOKOLL}.{VERSJON}.arkivering.arkivmelding.opprett"),
            "svarPaMelding": null,
            "ttl": 604_800_000,
            "headere": {},
        });
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"metadata\"\r\nContent-Type: application/json\r\n\r\n\
             {metadata}\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"data\"; filename=\"data\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        Ok(Box::new(HttpPublisher {
            stream,
            host: self.http.clone(),
            head: head.into_bytes(),
            tail: format!("\r\n--{BOUNDARY}--\r\n").into_bytes(),
            token: self.token.clone(),
            integrasjon_id: self.sender.integrasjon_id.clone(),
            integrasjon_passord: self.sender.integrasjon_passord.clone(),
            buffer: Vec::new(),
        }))
    }

    async fn consumer(&self, prefetch: u16) -> anyhow::Result<Out> {
        self.consumer_on(self.to, prefetch).await
    }

    fn memory(&self) -> anyhow::Result<Option<u64>> {
        Ok(Some(self.memory))
    }
}

/// HTTP/1.1 by hand: the load shares the machine with what it loads, so it must cost next to nothing.
struct HttpPublisher {
    stream: TcpStream,
    host: String,
    head: Vec<u8>,
    tail: Vec<u8>,
    token: watch::Receiver<String>,
    integrasjon_id: String,
    integrasjon_passord: String,
    buffer: Vec<u8>,
}

#[async_trait]
impl Publisher for HttpPublisher {
    async fn publish(&mut self, payload: &Bytes) -> anyhow::Result<()> {
        let length = self.head.len() + payload.len() + self.tail.len();
        self.buffer.clear();
        write!(
            self.buffer,
            "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n{}: {}\r\n{}: {}\r\n\
             content-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {length}\r\n\r\n",
            wire::send::PATH,
            self.host,
            *self.token.borrow(),
            wire::headers::INTEGRASJON_ID,
            self.integrasjon_id,
            wire::headers::INTEGRASJON_PASSORD,
            self.integrasjon_passord,
        )?;
        self.buffer.extend_from_slice(&self.head);
        self.buffer.extend_from_slice(payload);
        self.buffer.extend_from_slice(&self.tail);
        self.stream.write_all(&self.buffer).await?;
        self.buffer.clear();
        while !is_whole(&self.buffer)? {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server hung up");
        }
        ensure!(self.buffer.starts_with(b"HTTP/1.1 202 "), "{}", String::from_utf8_lossy(&self.buffer));
        Ok(())
    }
}

/// Whether an answer has come to its end, which its content-length tells.
fn is_whole(answer: &[u8]) -> anyhow::Result<bool> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let text = std::str::from_utf8(&answer[..head])?;
    let length: usize = text
        .lines()
        .find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")))
        .context("an answer without content-length")?
        .1
        .trim()
        .parse()?;
    Ok(answer.len() >= head + 4 + length)
}

// ---- the reference ----

/// A queue of the reference that is ours while the bench runs.
const QUEUE: &str = "knutepunkt.bench";

/// The reference: a durable quorum queue, publisher confirms, persistent.
pub(super) struct Reference {
    uri: AMQPUri,
    pid: Option<u32>,
    publishing: Channel,
    _connection: Connection,
}

impl Reference {
    pub(super) async fn new(text: &str, pid: Option<u32>) -> anyhow::Result<Self> {
        let uri: AMQPUri = text.parse().map_err(|error: String| anyhow::anyhow!("--reference: {error}"))?;
        let connection = connect(uri.clone(), None).await.context("cannot reach the reference")?;
        let publishing = connection.create_channel().await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(2));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        publishing.queue_declare(QUEUE.into(), durable, arguments).await?;
        publishing.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await?;
        publishing.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { uri, pid, publishing, _connection: connection })
    }

    pub(super) async fn purge(&self) -> anyhow::Result<()> {
        self.publishing.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await?;
        Ok(())
    }

    /// Removes what was made at the reference.
    pub(super) async fn clean_up(self) -> anyhow::Result<()> {
        self.publishing.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await?;
        Ok(())
    }
}

#[async_trait]
impl Target for Reference {
    async fn publisher(&self) -> anyhow::Result<Box<dyn Publisher>> {
        Ok(Box::new(AmqpPublisher(self.publishing.clone())))
    }

    async fn consumer(&self, prefetch: u16) -> anyhow::Result<Out> {
        consume(connect(self.uri.clone(), None).await?, QUEUE, prefetch).await
    }

    fn memory(&self) -> anyhow::Result<Option<u64>> {
        self.pid.map(resident).transpose()
    }
}

struct AmqpPublisher(Channel);

#[async_trait]
impl Publisher for AmqpPublisher {
    async fn publish(&mut self, payload: &Bytes) -> anyhow::Result<()> {
        let persistent = BasicProperties::default().with_delivery_mode(2);
        let confirm = self
            .0
            .basic_publish(
                ShortString::default(),
                QUEUE.into(),
                BasicPublishOptions::default(),
                payload,
                persistent,
            )
            .await?;
        ensure!(matches!(confirm.await?, Confirmation::Ack(_)), "the reference refused a publish");
        Ok(())
    }
}

// ---- AMQP, the same for both ----

fn uri(scheme: AMQPScheme, userinfo: AMQPUserInfo, host: &str, port: u16, vhost: &str) -> AMQPUri {
    let authority = AMQPAuthority { userinfo, host: host.to_owned(), port };
    AMQPUri { scheme, authority, vhost: vhost.to_owned(), query: AMQPQueryString::default() }
}

async fn connect(uri: AMQPUri, tls: Option<RustlsConnector>) -> anyhow::Result<Connection> {
    let transport = async move |uri: AMQPUri, runtime| {
        let (host, port) = (uri.authority.host.as_str(), uri.authority.port);
        let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
        let plain = AsyncTcpStream::connect(&runtime, addresses).await?;
        Ok(match &tls {
            Some(connector) => plain.into_rustls(connector, host).await?,
            None => plain,
        })
    };
    let runtime = lapin::runtime::default_runtime()?;
    Ok(Connection::connector(uri, runtime, transport, ConnectionProperties::default()).await?)
}

async fn consume(connection: Connection, queue: &str, prefetch: u16) -> anyhow::Result<Out> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let consumer = channel
        .basic_consume(
            queue.into(),
            ShortString::default(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    Ok(Out { consumer, _channel: channel, _connection: connection })
}
