//! An AMQP server that does what a test tells it, frame by frame.

use std::net::SocketAddr;

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::{AMQPClass, basic, channel, connection};
use amq_protocol::types::{AMQPValue, FieldTable};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::soon;

const FRAME_MAX: u32 = 131_072;
const TAG: &str = "amq.ctag-test";

pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

pub(crate) struct Broker {
    listener: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind(("127.0.0.1", 0)).await.unwrap(), tls: None }
    }

    pub(crate) fn with_tls(mut self, acceptor: tokio_rustls::TlsAcceptor) -> Self {
        self.tls = Some(acceptor);
        self
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next client, up to its log-in.
    pub(crate) async fn accept(&self) -> Client {
        soon(async {
            let (socket, _) = self.listener.accept().await.unwrap();
            let socket: Box<dyn Socket> = match &self.tls {
                Some(acceptor) => Box::new(acceptor.accept(socket).await.unwrap()),
                None => Box::new(socket),
            };
            let mut client = Client { socket, buffer: Vec::new(), login: String::new() };
            assert!(matches!(client.frame().await, Some(AMQPFrame::ProtocolHeader(_))));
            let start = connection::Start {
                version_major: 0,
                version_minor: 9,
                server_properties: FieldTable::default(),
                mechanisms: "PLAIN".into(),
                locales: "en_US".into(),
            };
            client.connection(connection::AMQPMethod::Start(start)).await;
            match client.method().await {
                Some(AMQPClass::Connection(connection::AMQPMethod::StartOk(answer))) => {
                    assert_eq!(answer.mechanism.as_str(), "PLAIN");
                    client.login = answer.response.to_string();
                }
                other => panic!("expected StartOk, got {other:?}"),
            }
            client
        })
        .await
    }

    /// The next client, up to its consumer.
    pub(crate) async fn accept_consumer(&self) -> Client {
        let mut client = self.accept().await;
        client.welcome().await;
        client
    }

    /// The next connection's socket is dropped before a word is said.
    pub(crate) async fn hang_up(&self) {
        soon(async { drop(self.listener.accept().await.unwrap()) }).await;
    }
}

pub(crate) struct Client {
    socket: Box<dyn Socket>,
    buffer: Vec<u8>,
    /// The SASL response.
    pub(crate) login: String,
}

impl Client {
    async fn frame(&mut self) -> Option<AMQPFrame> {
        loop {
            if let Ok((rest, frame)) = parse_frame(&self.buffer[..]) {
                let used = self.buffer.len() - rest.len();
                self.buffer.drain(..used);
                if !matches!(frame, AMQPFrame::Heartbeat) {
                    return Some(frame);
                }
                continue;
            }
            if self.socket.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next method; `None` when the client has gone.
    pub(crate) async fn method(&mut self) -> Option<AMQPClass> {
        match soon(self.frame()).await {
            Some(AMQPFrame::Method(_, method)) => Some(method),
            None => None,
            other => panic!("expected a method, got {other:?}"),
        }
    }

    async fn write(&mut self, frames: &[AMQPFrame]) {
        let mut bytes = Vec::new();
        for frame in frames {
            bytes = gen_frame(frame)(WriteContext::from(bytes)).unwrap().into_inner().0;
        }
        self.socket.write_all(&bytes).await.unwrap();
        self.socket.flush().await.unwrap();
    }

    async fn connection(&mut self, method: connection::AMQPMethod) {
        self.write(&[AMQPFrame::Method(0, AMQPClass::Connection(method))]).await;
    }

    async fn channel(&mut self, method: AMQPClass) {
        self.write(&[AMQPFrame::Method(1, method)]).await;
    }

    /// From Tune to OpenOk of the channel.
    pub(crate) async fn let_in(&mut self) {
        let tune = connection::Tune { channel_max: 2047, frame_max: FRAME_MAX, heartbeat: 60 };
        self.connection(connection::AMQPMethod::Tune(tune)).await;
        assert!(matches!(
            self.method().await,
            Some(AMQPClass::Connection(connection::AMQPMethod::TuneOk(_)))
        ));
        match self.method().await {
            Some(AMQPClass::Connection(connection::AMQPMethod::Open(open))) => {
                assert_eq!(open.virtual_host.as_str(), "/");
            }
            other => panic!("expected Open, got {other:?}"),
        }
        self.connection(connection::AMQPMethod::OpenOk(connection::OpenOk {})).await;
        assert!(matches!(self.method().await, Some(AMQPClass::Channel(channel::AMQPMethod::Open(_)))));
        self.channel(AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}))).await;
    }

    /// From Tune to the request for a consumer: prefetch and queue.
    pub(crate) async fn up_to_consume(&mut self) -> (u16, String) {
        self.let_in().await;
        let prefetch = match self.method().await {
            Some(AMQPClass::Basic(basic::AMQPMethod::Qos(qos))) => {
                assert!(!qos.global);
                qos.prefetch_count
            }
            other => panic!("expected Qos, got {other:?}"),
        };
        self.channel(AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {}))).await;
        match self.method().await {
            Some(AMQPClass::Basic(basic::AMQPMethod::Consume(consume))) => {
                assert!(!consume.no_ack && !consume.exclusive && !consume.no_local);
                (prefetch, consume.queue.to_string())
            }
            other => panic!("expected Consume, got {other:?}"),
        }
    }

    /// From Tune to ConsumeOk: prefetch and queue.
    pub(crate) async fn welcome(&mut self) -> (u16, String) {
        let asked = self.up_to_consume().await;
        let answer = basic::ConsumeOk { consumer_tag: TAG.into() };
        self.channel(AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(answer))).await;
        asked
    }

    pub(crate) async fn deliver(
        &mut self,
        delivery_tag: u64,
        redelivered: bool,
        routing_key: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) {
        let deliver = basic::Deliver {
            consumer_tag: TAG.into(),
            delivery_tag,
            redelivered,
            exchange: "".into(),
            routing_key: routing_key.into(),
        };
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), AMQPValue::LongString((*value).into()));
        }
        let header = AMQPContentHeader {
            class_id: 60,
            body_size: body.len() as u64,
            properties: basic::AMQPProperties::default().with_headers(table).with_expiration("60000".into()),
        };
        let mut frames = vec![
            AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver))),
            AMQPFrame::Header(1, header),
        ];
        frames.extend(body.chunks(FRAME_MAX as usize - 8).map(|piece| AMQPFrame::Body(1, piece.to_vec())));
        self.write(&frames).await;
    }

    /// Ends the connection; the client's CloseOk is awaited.
    pub(crate) async fn close(mut self, reply_code: u16, reply_text: &str) {
        let close =
            connection::Close { reply_code, reply_text: reply_text.into(), class_id: 0, method_id: 0 };
        self.connection(connection::AMQPMethod::Close(close)).await;
        while let Some(method) = self.method().await {
            if matches!(method, AMQPClass::Connection(connection::AMQPMethod::CloseOk(_))) {
                return;
            }
        }
    }

    pub(crate) async fn close_channel(&mut self, reply_code: u16, reply_text: &str) {
        let close = channel::Close { reply_code, reply_text: reply_text.into(), class_id: 60, method_id: 20 };
        self.channel(AMQPClass::Channel(channel::AMQPMethod::Close(close))).await;
    }

    pub(crate) async fn accept_close(&mut self) {
        self.connection(connection::AMQPMethod::CloseOk(connection::CloseOk {})).await;
    }

    pub(crate) async fn accept_channel_close(&mut self) {
        self.channel(AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}))).await;
    }

    pub(crate) async fn cancel_consumer(&mut self) {
        let cancel = basic::Cancel { consumer_tag: TAG.into(), nowait: true };
        self.channel(AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel))).await;
    }

    pub(crate) async fn accept_cancel(&mut self) {
        let answer = basic::CancelOk { consumer_tag: TAG.into() };
        self.channel(AMQPClass::Basic(basic::AMQPMethod::CancelOk(answer))).await;
    }
}
