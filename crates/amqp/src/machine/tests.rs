//! The machine with raw frames, right ones and wrong ones.

use std::collections::BTreeMap;
use std::future::Future as _;

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, parse_frame};
use amq_protocol::protocol::{access, basic, channel, confirm, exchange, queue, tx};
use app::contract::CountingIds;
use app::memory::{Owner, Pool};
use bytes::Bytes;
use domain::melding::Melding;
use proptest::prelude::*;

use super::*;
use crate::fuzzing::{feed, run};

const KONTO: &str = "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1";
const USER: &str = "0d5e2c5e-0b8e-4a5c-9d3f-8a1b2c3d4e5f";

/// A client with the machine in its hands.
struct Client {
    machine: Machine,
    now: Instant,
}

impl Client {
    fn new(config: Config) -> Self {
        let now = Instant::now();
        let ids = Arc::new(CountingIds::new(7));
        Self { machine: Machine::new(Arc::new(config), ids, now), now }
    }

    /// Sent the protocol header and read `connection.start`.
    fn started(config: Config) -> Self {
        let mut client = Self::new(config);
        client.receive(&frame::PROTOCOL_HEADER);
        assert!(matches!(
            client.frames().as_slice(),
            [AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Start(_)))]
        ));
        client
    }

    /// Through the whole handshake, with all that the official clients announce.
    fn running_with(config: Config) -> Self {
        let mut client = Self::started(config);
        client.connection(start_ok(&["authentication_failure_close", "consumer_cancel_notify"], "p t"));
        let Some(Request::Login(_)) = client.machine.take_request() else { panic!("no log-in") };
        client.answer(Answer::Done);
        client.connection(tune_ok(2047, 131_072, 60));
        client.connection(open("/"));
        assert!(client.machine.is_running());
        client.frames();
        client
    }

    fn running() -> Self {
        Self::running_with(Config::default())
    }

    /// With channel 1 open.
    fn with_channel() -> Self {
        let mut client = Self::running();
        client.open_channel(1);
        client
    }

    fn open_channel(&mut self, number: u16) {
        self.on_channel(number, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})));
        assert!(matches!(self.machine.take_request(), Some(Request::OpenChannel { .. })));
        self.answer(Answer::Done);
        assert!(matches!(
            self.frames().as_slice(),
            [AMQPFrame::Method(_, AMQPClass::Channel(channel::AMQPMethod::OpenOk(_)))]
        ));
    }

    /// With a consumer on channel 1; its key.
    fn with_consumer(consume: basic::Consume) -> (Self, Consumer) {
        let mut client = Self::with_channel();
        let consumer = client.consume(consume);
        (client, consumer)
    }

    fn consume(&mut self, consume: basic::Consume) -> Consumer {
        self.basic(basic::AMQPMethod::Consume(consume));
        let Some(Request::Consume { consumer, .. }) = self.machine.take_request() else {
            panic!("not asked")
        };
        self.answer(Answer::Done);
        self.frames();
        consumer
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.machine.receive(self.now, bytes);
    }

    fn on_channel(&mut self, number: u16, method: AMQPClass) {
        self.receive(&method_frame(number, method));
    }

    fn connection(&mut self, method: connection::AMQPMethod) {
        self.on_channel(0, AMQPClass::Connection(method));
    }

    fn basic(&mut self, method: basic::AMQPMethod) {
        self.on_channel(1, AMQPClass::Basic(method));
    }

    fn answer(&mut self, answer: Answer) {
        self.machine.answer(self.now, answer);
    }

    fn deliver(&mut self, consumer: Consumer, id: u64) {
        self.machine.deliver(1, &delivery(consumer, id));
    }

    /// What the machine wants written, as frames.
    fn frames(&mut self) -> Vec<AMQPFrame> {
        let mut frames = Vec::new();
        let mut rest = self.machine.output();
        while !rest.is_empty() {
            let (after, frame) = parse_frame(rest).expect("the server writes whole frames");
            frames.push(frame);
            rest = after;
        }
        if !frames.is_empty() {
            let count = self.machine.output().len();
            self.machine.wrote(self.now, count);
        }
        frames
    }

    /// The one frame written, which must be `connection.close`: code, text, class and method.
    fn connection_close(&mut self) -> (u16, String, MethodIds) {
        match self.frames().as_slice() {
            [AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close)))] => {
                (close.reply_code, close.reply_text.to_string(), (close.class_id, close.method_id))
            }
            other => panic!("{other:?}"),
        }
    }

    /// The one frame written, which must be `channel.close`.
    fn channel_close(&mut self) -> (u16, String, MethodIds) {
        match self.frames().as_slice() {
            [AMQPFrame::Method(1, AMQPClass::Channel(channel::AMQPMethod::Close(close)))] => {
                (close.reply_code, close.reply_text.to_string(), (close.class_id, close.method_id))
            }
            other => panic!("{other:?}"),
        }
    }

    fn tick_after(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.machine.tick(self.now);
    }
}

fn method_frame(number: u16, method: AMQPClass) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode::method(&mut bytes, number, method);
    bytes.to_vec()
}

fn start_ok_with(properties: FieldTable, mechanism: &str, response: &str) -> connection::AMQPMethod {
    connection::AMQPMethod::StartOk(connection::StartOk {
        client_properties: properties,
        mechanism: mechanism.into(),
        response: response.into(),
        locale: "en_US".into(),
    })
}

fn start_ok(capabilities: &[&str], secret: &str) -> connection::AMQPMethod {
    let mut table = FieldTable::default();
    for capability in capabilities {
        table.insert((*capability).into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    properties.insert("capabilities".into(), AMQPValue::FieldTable(table));
    // As the .NET client sends it for an application without name.
    properties.insert("connection_name".into(), AMQPValue::Void);
    start_ok_with(properties, "PLAIN", &format!("\0{USER}\0{secret}"))
}

fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> connection::AMQPMethod {
    connection::AMQPMethod::TuneOk(connection::TuneOk { channel_max, frame_max, heartbeat })
}

fn open(vhost: &str) -> connection::AMQPMethod {
    connection::AMQPMethod::Open(connection::Open { virtual_host: vhost.into() })
}

fn queue_name() -> String {
    format!("fiksio.konto.{KONTO}")
}

fn consume() -> basic::Consume {
    basic::Consume { queue: queue_name().into(), ..basic::Consume::default() }
}

fn ack(delivery_tag: u64, multiple: bool) -> basic::AMQPMethod {
    basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple })
}

fn melding() -> Melding {
    Melding {
        id: "11111111-1111-4111-8111-111111111111".parse().unwrap(),
        avsender: "22222222-2222-4222-8222-222222222222".parse().unwrap(),
        mottaker: KONTO.parse().unwrap(),
        meldingstype: "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett".to_owned(),
        svar_pa_melding: None,
        svar_til_type: None,
        dokumentlager_id: None,
        headere: BTreeMap::new(),
        ttl: domain::melding::DEFAULT_TTL,
        mottatt: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn delivery(consumer: Consumer, id: u64) -> Delivery {
    Delivery {
        memory: None,
        id: DeliveryId(id),
        consumer,
        melding: Arc::new(melding()),
        payload: Bytes::from_static(b"ASiC"),
        attempts: 0,
    }
}

fn settle(id: u64, settlement: Settlement) -> Command {
    Command::Settle { channel: 1, delivery: DeliveryId(id), settlement }
}

const REQUEUE: Settlement = Settlement::Requeue(Retur::NackMedRequeue);

/// Delivery tags among `frames`.
fn delivery_tags(frames: &[AMQPFrame]) -> Vec<u64> {
    frames
        .iter()
        .filter_map(|frame| match frame {
            AMQPFrame::Method(_, AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver))) => {
                Some(deliver.delivery_tag)
            }
            _ => None,
        })
        .collect()
}

// ---- handshake ----

#[test]
fn start_fits_4096_bytes_and_offers_plain_with_capabilities() {
    let mut client = Client::new(Config::default());
    client.receive(b"AMQP\0\0");
    assert!(client.machine.output().is_empty());
    client.receive(b"\x09\x01");
    assert!(client.machine.output().len() <= 4096);
    let frames = client.frames();
    let [AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Start(start)))] =
        frames.as_slice()
    else {
        panic!("{frames:?}")
    };
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    assert_eq!((start.mechanisms.to_string(), start.locales.to_string()), ("PLAIN".into(), "en_US".into()));
    let Some(AMQPValue::FieldTable(capabilities)) = start.server_properties.inner().get("capabilities")
    else {
        panic!("no capabilities")
    };
    assert_eq!(capabilities.inner().get("publisher_confirms"), Some(&AMQPValue::Boolean(true)));
}

#[test]
fn other_protocol_header_is_answered_with_ours_and_closed() {
    for header in [&b"AMQP\0\x01\0\0"[..], b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc"] {
        let mut client = Client::new(Config::default());
        client.receive(header);
        assert_eq!(client.machine.output(), frame::PROTOCOL_HEADER);
        assert_eq!(client.machine.end(), Some(End::WrongProtocol));
    }
}

#[test]
fn password_is_split_at_its_last_blank() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&[], "pass word ey.J.x"));
    let Some(Request::Login(login)) = client.machine.take_request() else { panic!("no log-in") };
    assert_eq!(
        (login.user.as_str(), login.passord.as_str(), login.token.as_str()),
        (USER, "pass word", "ey.J.x")
    );
}

#[test]
fn login_with_a_token_of_8_kb_fits() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&[], &format!("p {}", "t".repeat(8000))));
    assert!(matches!(client.machine.take_request(), Some(Request::Login(_))));
}

#[test]
fn everything_pipelined_behind_open_is_handled_in_order() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&[], "p t"));
    client.answer(Answer::Done);
    let mut bytes = method_frame(0, AMQPClass::Connection(tune_ok(0, 0, 0)));
    bytes.extend(method_frame(0, AMQPClass::Connection(open("/"))));
    bytes.extend(method_frame(1, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))));
    let qos = basic::Qos { prefetch_count: 10, global: false };
    bytes.extend(method_frame(1, AMQPClass::Basic(basic::AMQPMethod::Qos(qos))));
    bytes.extend(method_frame(1, AMQPClass::Basic(basic::AMQPMethod::Consume(consume()))));
    client.frames();
    client.receive(&bytes);
    client.machine.take_request();
    client.answer(Answer::Done);
    let Some(Request::Consume { channel: 1, konto, prefetch: 10, .. }) = client.machine.take_request() else {
        panic!("not asked")
    };
    assert_eq!(konto.to_string(), KONTO);
    client.answer(Answer::Done);
    let frames = client.frames();
    let [
        AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::OpenOk(_))),
        AMQPFrame::Method(1, AMQPClass::Channel(channel::AMQPMethod::OpenOk(_))),
        AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::QosOk(_))),
        AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok))),
    ] = frames.as_slice()
    else {
        panic!("{frames:?}")
    };
    let tag = ok.consumer_tag.as_str().strip_prefix("amq.ctag-").expect("the form of RabbitMQ");
    assert_eq!(tag.len(), 22);
    assert!(tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
}

#[test]
fn refused_login_is_told_to_a_client_that_can_hear_it() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&["authentication_failure_close"], "p t"));
    client.answer(Answer::Refused);
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.";
    assert_eq!(client.connection_close(), (403, text.to_owned(), (0, 0)));
    client.connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
    assert_eq!(client.machine.end(), Some(End::Closed));
}

#[test]
fn refused_login_is_followed_by_silence_for_other_clients() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&[], "p t"));
    client.answer(Answer::Refused);
    assert!(client.machine.output().is_empty());
    client.tick_after(2);
    assert_eq!(client.machine.end(), None);
    client.tick_after(1);
    assert_eq!(client.machine.end(), Some(End::LoginRefused));
}

#[test]
fn one_refused_login_too_many_is_followed_by_silence_whatever_the_client_hears() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&["authentication_failure_close"], "p t"));
    client.answer(Answer::RefusedAgain);
    assert!(client.machine.output().is_empty());
    client.tick_after(3);
    assert_eq!(client.machine.end(), Some(End::LoginRefused));
}

#[test]
fn login_without_blank_or_in_other_bytes_than_utf8_is_refused_without_asking() {
    for response in [&b"\0u\0passord"[..], b"\0u", b"", b"\0u\0\xff\xfe \xff"] {
        let mut client = Client::started(Config::default());
        let mut start = start_ok(&["authentication_failure_close"], "");
        if let connection::AMQPMethod::StartOk(start) = &mut start {
            start.response = response.into();
        }
        client.connection(start);
        assert!(client.machine.take_request().is_none());
        assert_eq!(client.connection_close().0, 403);
    }
}

#[test]
fn login_that_cannot_be_judged_lets_the_client_come_back() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&["authentication_failure_close"], "p t"));
    client.answer(Answer::Unavailable);
    assert_eq!(client.connection_close().0, 320);
}

#[test]
fn other_mechanism_is_refused() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok_with(FieldTable::default(), "EXTERNAL", ""));
    let text = "COMMAND_INVALID - unknown authentication mechanism 'EXTERNAL'";
    assert_eq!(client.connection_close(), (503, text.to_owned(), (10, 11)));
}

#[test]
fn unknown_vhost_is_refused() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&[], "p t"));
    client.answer(Answer::Done);
    client.connection(tune_ok(2047, 131_072, 60));
    client.frames();
    client.connection(open("x"));
    assert_eq!(client.connection_close(), (530, "NOT_ALLOWED - vhost x not found".to_owned(), (10, 40)));
}

#[test]
fn limits_above_ours_or_too_small_a_frame_are_refused() {
    for (tune, text) in [
        (tune_ok(3000, 0, 60), "channel_max = 3000 is higher than the maximum allowed value (2047)"),
        (tune_ok(0, 131_073, 60), "frame_max = 131073 is higher than the maximum allowed value (131072)"),
        (tune_ok(0, 4095, 60), "frame_max = 4095 is lower than the minimum allowed value (4096)"),
    ] {
        let mut client = Client::started(Config::default());
        client.connection(start_ok(&[], "p t"));
        client.answer(Answer::Done);
        client.frames();
        client.connection(tune);
        assert_eq!(client.connection_close(), (530, format!("NOT_ALLOWED - negotiated {text}"), (10, 31)));
    }
}

#[test]
fn method_out_of_its_turn_is_refused() {
    let mut client = Client::started(Config::default());
    client.connection(open("/"));
    assert_eq!(client.connection_close().0, 503);
    let mut client = Client::started(Config::default());
    client.basic(basic::AMQPMethod::Consume(consume()));
    assert_eq!(client.connection_close().0, 503);
}

#[test]
fn slow_handshake_is_ended_at_each_step() {
    let mut client = Client::new(Config::default());
    client.tick_after(9);
    assert_eq!(client.machine.end(), None);
    client.tick_after(1);
    assert_eq!(client.machine.end(), Some(End::HandshakeTimeout));

    // The log-in may take its time: the client fetches a token.
    let mut client = Client::started(Config::default());
    client.tick_after(29);
    assert_eq!(client.machine.end(), None);
    // One octet at a time does not help.
    client.receive(&[1]);
    client.tick_after(1);
    assert_eq!(client.machine.end(), Some(End::HandshakeTimeout));

    // All of it together has one bound, counted from the opening of the connection.
    let mut client = Client::new(Config::default());
    client.machine = client.machine.opened(client.now.checked_sub(Duration::from_secs(25)).unwrap());
    client.receive(&frame::PROTOCOL_HEADER);
    client.tick_after(4);
    assert_eq!(client.machine.end(), None);
    client.tick_after(1);
    assert_eq!(client.machine.end(), Some(End::HandshakeTimeout));

    let mut client = Client::started(Config::default());
    client.connection(start_ok(&[], "p t"));
    // That we are slow is not the client's fault.
    client.tick_after(100);
    client.answer(Answer::Done);
    client.tick_after(9);
    assert_eq!(client.machine.end(), None);
    client.tick_after(1);
    assert_eq!(client.machine.end(), Some(End::HandshakeTimeout));
}

#[test]
fn time_alone_never_ends_an_open_connection_without_heartbeat() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&[], "p t"));
    client.answer(Answer::Done);
    client.connection(tune_ok(0, 0, 0));
    client.connection(open("/"));
    client.tick_after(1_000_000);
    assert!(client.machine.is_running());
}

// ---- frames ----

#[test]
fn frame_over_the_limit_before_login_is_refused_by_its_header() {
    let mut client = Client::started(Config::default());
    client.receive(&[1, 0, 0, 0, 0, 64, 0]);
    let (code, text, _) = client.connection_close();
    assert_eq!(
        (code, text.as_str()),
        (501, "FRAME_ERROR - a frame of 16392 bytes is larger than the maximum of 16384")
    );
    // Nothing of what follows is kept or answered.
    client.receive(&[0; 10_000]);
    assert!(client.machine.output().is_empty() && client.machine.input.is_empty());
    client.tick_after(3);
    assert_eq!(client.machine.end(), Some(End::Closed));
}

#[test]
fn frame_over_the_negotiated_limit_is_refused() {
    let mut client = Client::running();
    client.receive(&[3, 0, 1, 0, 1, 255, 249]);
    assert_eq!(client.connection_close().0, 501);
}

#[test]
fn endless_and_deep_tables_are_refused_before_they_are_read() {
    let mut deep = FieldTable::default();
    for _ in 0..20 {
        let mut outer = FieldTable::default();
        outer.insert("a".into(), AMQPValue::FieldTable(deep));
        deep = outer;
    }
    let mut endless = FieldTable::default();
    endless.insert("a".into(), AMQPValue::FieldArray(vec![AMQPValue::Void; 5000].into()));
    for (table, text) in [(deep, "a table is nested too deeply"), (endless, "tables have too many entries")] {
        let mut client = Client::started(Config::default());
        client.connection(start_ok_with(table, "PLAIN", ""));
        assert_eq!(client.connection_close(), (502, format!("SYNTAX_ERROR - {text}"), (10, 11)));
    }
}

#[test]
fn content_without_method_is_refused() {
    let mut client = Client::with_channel();
    client.receive(&[3, 0, 1, 0, 0, 0, 1, b'x', frame::END]);
    assert_eq!(client.connection_close().0, 505);
}

// ---- channels ----

#[test]
fn channel_must_be_open_once_and_within_the_limit() {
    let mut client = Client::running();
    client.basic(ack(1, false));
    assert_eq!(
        client.connection_close(),
        (504, "CHANNEL_ERROR - expected 'channel.open'".to_owned(), (60, 80))
    );

    let mut client = Client::with_channel();
    client.on_channel(1, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})));
    assert_eq!(client.connection_close().1, "CHANNEL_ERROR - second 'channel.open' seen");

    let mut client = Client::running();
    client.on_channel(2048, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})));
    assert_eq!(client.connection_close().0, 530);
}

#[test]
fn channel_closed_by_the_client_can_be_opened_again() {
    let mut client = Client::with_channel();
    client.on_channel(1, AMQPClass::Channel(channel::AMQPMethod::Close(channel::Close::default())));
    assert!(matches!(client.machine.take_request(), Some(Request::CloseChannel { channel: 1 })));
    client.answer(Answer::Done);
    assert!(matches!(
        client.frames().as_slice(),
        [AMQPFrame::Method(1, AMQPClass::Channel(channel::AMQPMethod::CloseOk(_)))]
    ));
    client.open_channel(1);
}

#[test]
fn what_a_closed_fiks_endpoint_does_not_offer_is_refused_on_the_channel() {
    let basic = AMQPClass::Basic;
    let queue = AMQPClass::Queue;
    let refused: [(AMQPClass, MethodIds); 9] = [
        (basic(basic::AMQPMethod::Publish(basic::Publish::default())), (60, 40)),
        (basic(basic::AMQPMethod::Get(basic::Get::default())), (60, 70)),
        (
            queue(queue::AMQPMethod::Declare(queue::Declare { queue: "q".into(), ..Default::default() })),
            (50, 10),
        ),
        (queue(queue::AMQPMethod::Bind(queue::Bind::default())), (50, 20)),
        (queue(queue::AMQPMethod::Unbind(queue::Unbind::default())), (50, 50)),
        (queue(queue::AMQPMethod::Purge(queue::Purge::default())), (50, 30)),
        (
            queue(queue::AMQPMethod::Delete(queue::Delete {
                queue: queue_name().into(),
                ..Default::default()
            })),
            (50, 40),
        ),
        (AMQPClass::Exchange(exchange::AMQPMethod::Declare(exchange::Declare::default())), (40, 10)),
        (AMQPClass::Exchange(exchange::AMQPMethod::Delete(exchange::Delete::default())), (40, 20)),
    ];
    for (method, ids) in refused {
        let mut client = Client::with_channel();
        client.on_channel(1, method);
        let (code, text, about) = client.channel_close();
        assert_eq!((code, about), (403, ids), "{text}");
        assert!(text.starts_with("ACCESS_REFUSED - "), "{text}");
        assert_eq!(client.machine.take_commands(), [Command::DropChannel { channel: 1 }]);
        assert!(client.machine.is_running());
    }
}

#[test]
fn refused_publish_takes_its_content_along() {
    let mut client = Client::with_channel();
    client.basic(basic::AMQPMethod::Publish(basic::Publish { exchange: "x".into(), ..Default::default() }));
    client.receive(&[2, 0, 1, 0, 0, 0, 14, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, frame::END]);
    client.receive(&[3, 0, 1, 0, 0, 0, 1, b'x', frame::END]);
    let text = format!("ACCESS_REFUSED - access to exchange 'x' in vhost '/' refused for user '{USER}'");
    assert_eq!(client.channel_close(), (403, text, (60, 40)));
    client.on_channel(1, AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})));
    client.open_channel(1);
}

#[test]
fn what_no_server_without_transactions_has_closes_the_connection() {
    for method in [
        AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {})),
        AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active: false })),
        AMQPClass::Basic(basic::AMQPMethod::Recover(basic::Recover { requeue: false })),
    ] {
        let mut client = Client::with_channel();
        client.on_channel(1, method);
        assert_eq!(client.connection_close().0, 540);
    }
}

#[test]
fn confirms_flow_and_tickets_are_granted() {
    let mut client = Client::with_channel();
    client.on_channel(1, AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select::default())));
    client.on_channel(1, AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: true })));
    client.on_channel(1, AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active: true })));
    client.on_channel(1, AMQPClass::Access(access::AMQPMethod::Request(access::Request::default())));
    assert!(matches!(
        client.frames().as_slice(),
        [
            AMQPFrame::Method(1, AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(_))),
            AMQPFrame::Method(
                1,
                AMQPClass::Channel(channel::AMQPMethod::FlowOk(channel::FlowOk { active: true }))
            ),
            AMQPFrame::Method(1, AMQPClass::Access(access::AMQPMethod::RequestOk(_))),
        ]
    ));
}

#[test]
fn passive_declare_of_an_own_queue_tells_how_it_stands() {
    let declare = |queue: &str| {
        let declare = queue::Declare { queue: queue.into(), passive: true, ..Default::default() };
        AMQPClass::Queue(queue::AMQPMethod::Declare(declare))
    };
    let mut client = Client::with_channel();
    client.on_channel(1, declare(&queue_name()));
    assert!(matches!(client.machine.take_request(), Some(Request::QueueStatus { .. })));
    client.answer(Answer::Status(QueueStatus { consumers: 2, ready: 3, ..QueueStatus::default() }));
    let frames = client.frames();
    let [AMQPFrame::Method(1, AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok)))] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    assert_eq!((ok.queue.as_str(), ok.message_count, ok.consumer_count), (queue_name().as_str(), 3, 2));

    client.on_channel(1, declare(&queue_name()));
    client.answer(Answer::NotFound);
    let text = format!("NOT_FOUND - no queue 'fiksio.konto.{KONTO}' in vhost '/'");
    assert_eq!(client.channel_close(), (404, text, (50, 10)));
}

// ---- consumers ----

#[test]
fn consume_of_a_foreign_queue_or_none_closes_the_channel_with_the_texts_of_rabbitmq() {
    for (answer, code, text) in [
        (
            Answer::Refused,
            403,
            format!(
                "ACCESS_REFUSED - access to queue 'fiksio.konto.{KONTO}' in vhost '/' refused for user '{USER}'"
            ),
        ),
        (Answer::NotFound, 404, format!("NOT_FOUND - no queue 'fiksio.konto.{KONTO}' in vhost '/'")),
    ] {
        let mut client = Client::with_channel();
        client.basic(basic::AMQPMethod::Consume(consume()));
        client.answer(answer);
        assert_eq!(client.channel_close(), (code, text, (60, 20)));
        assert!(client.machine.is_running());
    }
}

#[test]
fn consume_of_a_queue_that_is_no_kontos_is_refused_without_asking() {
    let mut client = Client::with_channel();
    client.basic(basic::AMQPMethod::Consume(basic::Consume { queue: "jobs".into(), ..Default::default() }));
    assert!(client.machine.take_request().is_none());
    let text = format!("ACCESS_REFUSED - access to queue 'jobs' in vhost '/' refused for user '{USER}'");
    assert_eq!(client.channel_close(), (403, text, (60, 20)));
}

#[test]
fn consume_that_cannot_be_judged_closes_the_connection_so_that_the_client_comes_back() {
    let mut client = Client::with_channel();
    client.basic(basic::AMQPMethod::Consume(consume()));
    client.answer(Answer::Unavailable);
    assert_eq!(client.connection_close().0, 320);
}

#[test]
fn consumer_tag_of_a_former_connection_is_taken_and_a_second_use_refused() {
    let given = || basic::Consume { consumer_tag: "amq.ctag-AAAAAAAAAAAAAAAAAAAAAA".into(), ..consume() };
    let (mut client, _) = Client::with_consumer(given());
    client.basic(basic::AMQPMethod::Consume(given()));
    let text = "NOT_ALLOWED - attempt to reuse consumer tag 'amq.ctag-AAAAAAAAAAAAAAAAAAAAAA'";
    assert_eq!(client.connection_close(), (530, text.to_owned(), (60, 20)));
    assert_eq!(client.machine.take_commands(), [Command::DropAll]);
    assert_eq!(client.machine.ended_by(), EndedBy::Consumer);
}

#[test]
fn nowait_consume_and_cancel_are_not_answered() {
    let mut client = Client::with_channel();
    client.basic(basic::AMQPMethod::Consume(basic::Consume {
        nowait: true,
        consumer_tag: "c".into(),
        ..consume()
    }));
    client.answer(Answer::Done);
    client.basic(basic::AMQPMethod::Cancel(basic::Cancel { consumer_tag: "c".into(), nowait: true }));
    assert!(matches!(client.machine.take_request(), Some(Request::Cancel { .. })));
    client.answer(Answer::Done);
    client.basic(basic::AMQPMethod::Cancel(basic::Cancel { consumer_tag: "d".into(), nowait: true }));
    assert!(client.frames().is_empty());
}

#[test]
fn more_consumers_than_allowed_close_the_connection() {
    let mut client = Client::running_with(Config { consumers_max: 2, ..Config::default() });
    client.open_channel(1);
    client.consume(consume());
    client.consume(consume());
    client.basic(basic::AMQPMethod::Consume(consume()));
    assert_eq!(client.connection_close().0, 506);
}

#[test]
fn qos_counts_for_consumers_started_after_it() {
    let mut client = Client::with_channel();
    for (prefetch_count, global, no_ack, expected) in [
        (5, false, false, 5),
        (3, true, false, 3),
        (2, false, false, 2),
        (0, false, false, 3),
        (9, false, true, 0),
    ] {
        client.basic(basic::AMQPMethod::Qos(basic::Qos { prefetch_count, global }));
        client.basic(basic::AMQPMethod::Consume(basic::Consume { no_ack, ..consume() }));
        let Some(Request::Consume { prefetch, .. }) = client.machine.take_request() else {
            panic!("not asked")
        };
        assert_eq!(prefetch, expected);
        client.answer(Answer::Done);
    }
}

#[test]
fn qos_by_bytes_is_refused() {
    let mut client = Client::with_channel();
    client.receive(&[1, 0, 1, 0, 0, 0, 11, 0, 60, 0, 10, 0, 0, 0, 9, 0, 10, 0, frame::END]);
    assert_eq!(
        client.connection_close(),
        (540, "NOT_IMPLEMENTED - prefetch_size!=0 (9)".to_owned(), (60, 10))
    );
}

#[test]
fn shared_qos_holds_deliveries_back_until_something_is_settled() {
    let (mut client, consumer) = Client::with_consumer(consume());
    client.basic(basic::AMQPMethod::Qos(basic::Qos { prefetch_count: 2, global: true }));
    assert_eq!(client.machine.delivery_room(1), 2);
    client.deliver(consumer, 1);
    client.deliver(consumer, 2);
    assert!(!client.machine.wants_deliveries(1));
    client.basic(ack(2, false));
    assert!(client.machine.wants_deliveries(1));
}

// ---- deliveries ----

#[test]
fn delivery_has_queue_as_routing_key_and_the_headers_of_a_melding() {
    let (mut client, consumer) = Client::with_consumer(consume());
    let mut melding = melding();
    melding.svar_pa_melding = Some("33333333-3333-4333-8333-333333333333".parse().unwrap());
    melding.svar_til_type = Some("no.ks.test".to_owned());
    melding.dokumentlager_id = Some("44444444-4444-4444-8444-444444444444".parse().unwrap());
    melding.headere.insert("klientMeldingId".to_owned(), "ø1".to_owned());
    let delivery = Delivery { melding: Arc::new(melding), attempts: 2, ..delivery(consumer, 1) };
    client.machine.deliver(1, &delivery);
    let frames = client.frames();
    let [
        AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver))),
        AMQPFrame::Header(1, AMQPContentHeader { class_id: 60, body_size: 4, properties }),
        AMQPFrame::Body(1, body),
    ] = frames.as_slice()
    else {
        panic!("{frames:?}")
    };
    assert_eq!((deliver.routing_key.as_str(), deliver.exchange.as_str()), (queue_name().as_str(), ""));
    assert_eq!((deliver.delivery_tag, deliver.redelivered), (1, true));
    assert!(deliver.consumer_tag.as_str().starts_with("amq.ctag-"));
    assert_eq!(body, b"ASiC");
    assert_eq!(properties.expiration().as_ref().map(ToString::to_string).as_deref(), Some("604800000"));
    assert_eq!(*properties.delivery_mode(), Some(2));
    let headers = properties.headers().clone().unwrap();
    let texts: Vec<_> = headers
        .inner()
        .iter()
        .filter_map(|(name, value)| value.as_long_string().map(|value| (name.as_str(), value.to_string())))
        .collect();
    let expected = [
        ("avsender-id", "22222222-2222-4222-8222-222222222222"),
        ("dokumentlager-id", "44444444-4444-4444-8444-444444444444"),
        ("egendefinert-header.klientMeldingId", "ø1"),
        ("melding-id", "11111111-1111-4111-8111-111111111111"),
        ("svar-til", "33333333-3333-4333-8333-333333333333"),
        ("svar-til-type", "no.ks.test"),
        ("type", "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett"),
    ];
    assert_eq!(texts, expected.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(headers.inner().get("x-delivery-count"), Some(&AMQPValue::LongLongInt(2)));
    assert_eq!(headers.inner().len(), expected.len() + 1);
}

#[test]
fn first_delivery_without_payload_is_not_redelivered_and_has_no_body_frame() {
    let (mut client, consumer) = Client::with_consumer(consume());
    client.machine.deliver(1, &Delivery { payload: Bytes::new(), ..delivery(consumer, 1) });
    let frames = client.frames();
    let [
        AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver))),
        AMQPFrame::Header(1, AMQPContentHeader { body_size: 0, properties, .. }),
    ] = frames.as_slice()
    else {
        panic!("{frames:?}")
    };
    assert!(!deliver.redelivered);
    assert!(!properties.headers().as_ref().unwrap().contains_key("x-delivery-count"));
}

#[test]
fn large_payload_is_split_into_frames_of_the_negotiated_size() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&[], "p t"));
    client.answer(Answer::Done);
    client.connection(tune_ok(0, 8192, 0));
    client.connection(open("/"));
    client.frames();
    client.open_channel(1);
    let consumer = client.consume(consume());
    let payload: Vec<u8> = (0..20_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    client.machine.deliver(1, &Delivery { payload: payload.clone().into(), ..delivery(consumer, 1) });
    let bodies: Vec<Vec<u8>> = client
        .frames()
        .into_iter()
        .filter_map(|frame| if let AMQPFrame::Body(1, body) = frame { Some(body) } else { None })
        .collect();
    assert_eq!(bodies.iter().map(Vec::len).collect::<Vec<_>>(), [8184, 8184, 3632]);
    assert_eq!(bodies.concat(), payload);
}

/// A header frame cannot be split, and clients break off at a frame that is larger than was agreed on: with all that they hold.
#[test]
fn headers_that_do_not_fit_a_frame_of_the_client_are_a_failed_attempt_and_the_next_melding_is_delivered() {
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&[], "p t"));
    client.answer(Answer::Done);
    client.connection(tune_ok(0, 8192, 0));
    client.connection(open("/"));
    client.frames();
    client.open_channel(1);
    let consumer = client.consume(consume());
    let with_headers = |count: usize, id| {
        let mut melding = melding();
        melding.headere = (0..count).map(|number| (format!("{number:03}"), String::new())).collect();
        Delivery { melding: Arc::new(melding), ..delivery(consumer, id) }
    };
    client.machine.take_commands();
    // 29 bytes each.
    client.machine.deliver(1, &with_headers(300, 11));
    assert_eq!(client.frames(), []);
    assert_eq!(client.machine.take_commands(), [settle(11, REQUEUE)]);
    client.machine.deliver(1, &with_headers(270, 12));
    assert_eq!(delivery_tags(&client.frames()), [1]);
    client.basic(ack(1, false));
    assert_eq!(client.machine.take_commands(), [settle(12, Settlement::Ack)]);
}

#[test]
fn buffer_of_a_large_payload_is_given_back_once_it_is_written() {
    let (mut client, consumer) = Client::with_consumer(consume());
    client.machine.deliver(1, &Delivery { payload: vec![0; 1_000_000].into(), ..delivery(consumer, 1) });
    let half = client.machine.output().len() / 2;
    client.machine.wrote(client.now, half);
    let rest = client.machine.output().len();
    client.machine.wrote(client.now, rest);
    assert_eq!(client.machine.output.capacity(), 0);
}

#[test]
fn header_name_that_amqp_cannot_hold_is_left_out() {
    let (mut client, consumer) = Client::with_consumer(consume());
    let mut melding = melding();
    melding.headere.insert("n".repeat(300), "x".to_owned());
    client.machine.deliver(1, &Delivery { melding: Arc::new(melding), ..delivery(consumer, 1) });
    assert_eq!(delivery_tags(&client.frames()), [1]);
}

#[test]
fn ack_nack_and_reject_settle_what_they_name() {
    let (mut client, consumer) = Client::with_consumer(consume());
    for id in 11..=17 {
        client.deliver(consumer, id);
    }
    assert_eq!(delivery_tags(&client.frames()), [1, 2, 3, 4, 5, 6, 7]);
    client.basic(ack(2, false));
    client.basic(ack(3, true));
    client.basic(basic::AMQPMethod::Nack(basic::Nack { delivery_tag: 4, multiple: false, requeue: true }));
    client.basic(basic::AMQPMethod::Nack(basic::Nack { delivery_tag: 5, multiple: false, requeue: false }));
    client.basic(basic::AMQPMethod::Reject(basic::Reject { delivery_tag: 6, requeue: true }));
    client.basic(basic::AMQPMethod::Reject(basic::Reject { delivery_tag: 7, requeue: false }));
    assert_eq!(
        client.machine.take_commands(),
        [
            settle(12, Settlement::Ack),
            settle(11, Settlement::Ack),
            settle(13, Settlement::Ack),
            settle(14, REQUEUE),
            settle(15, Settlement::Drop),
            settle(16, REQUEUE),
            settle(17, Settlement::Drop),
        ]
    );
    assert!(client.frames().is_empty());
}

#[test]
fn tag_zero_with_multiple_settles_everything_and_recover_requeues_it() {
    let (mut client, consumer) = Client::with_consumer(consume());
    client.basic(ack(0, true));
    assert!(client.machine.take_commands().is_empty() && client.machine.is_running());
    client.deliver(consumer, 1);
    client.deliver(consumer, 2);
    client.frames();
    client.basic(ack(0, true));
    assert_eq!(client.machine.take_commands(), [settle(1, Settlement::Ack), settle(2, Settlement::Ack)]);
    client.deliver(consumer, 3);
    client.frames();
    client.basic(basic::AMQPMethod::Recover(basic::Recover { requeue: true }));
    assert_eq!(client.machine.take_commands(), [settle(3, REQUEUE)]);
    assert!(matches!(
        client.frames().as_slice(),
        [AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::RecoverOk(_)))]
    ));
}

#[test]
fn unknown_delivery_tag_closes_the_channel() {
    for (method, ids) in [
        (ack(2, false), (60, 80)),
        (ack(2, true), (60, 80)),
        (ack(0, false), (60, 80)),
        (basic::AMQPMethod::Nack(basic::Nack { delivery_tag: 9, ..Default::default() }), (60, 120)),
        (basic::AMQPMethod::Reject(basic::Reject { delivery_tag: 9, requeue: false }), (60, 90)),
    ] {
        let (mut client, consumer) = Client::with_consumer(consume());
        client.deliver(consumer, 1);
        client.frames();
        client.basic(method);
        let (code, text, about) = client.channel_close();
        assert_eq!((code, about), (406, ids));
        assert!(text.starts_with("PRECONDITION_FAILED - unknown delivery tag "), "{text}");
        // The broker takes back what was out; the client's further settling says nothing.
        assert_eq!(client.machine.take_commands(), [Command::DropChannel { channel: 1 }]);
        client.basic(ack(1, false));
        assert!(client.machine.take_commands().is_empty());
    }
}

#[test]
fn same_tag_cannot_be_settled_twice() {
    let (mut client, consumer) = Client::with_consumer(consume());
    client.deliver(consumer, 1);
    client.frames();
    client.basic(ack(1, false));
    client.basic(ack(1, false));
    assert_eq!(client.channel_close().1, "PRECONDITION_FAILED - unknown delivery tag 1");
}

#[test]
fn consumer_that_does_not_ack_has_everything_acked_as_it_is_written() {
    let (mut client, consumer) = Client::with_consumer(basic::Consume { no_ack: true, ..consume() });
    client.deliver(consumer, 5);
    assert_eq!(client.machine.take_commands(), [settle(5, Settlement::Ack)]);
    client.frames();
    client.basic(ack(1, false));
    assert_eq!(client.channel_close().0, 406);
}

#[test]
fn nothing_reaches_a_consumer_after_cancel_ok() {
    let (mut client, consumer) =
        Client::with_consumer(basic::Consume { consumer_tag: "c".into(), ..consume() });
    client.basic(basic::AMQPMethod::Cancel(basic::Cancel { consumer_tag: "c".into(), nowait: false }));
    assert!(matches!(client.machine.take_request(), Some(Request::Cancel { .. })));
    // On its way already.
    client.deliver(consumer, 1);
    client.answer(Answer::Done);
    let frames = client.frames();
    assert_eq!(delivery_tags(&frames), [1]);
    assert!(matches!(
        frames.last(),
        Some(AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::CancelOk(ok)))) if ok.consumer_tag.as_str() == "c"
    ));
    client.deliver(consumer, 2);
    assert!(client.frames().is_empty());
    assert_eq!(client.machine.take_commands(), [settle(2, Settlement::Requeue(Retur::Avbrutt))]);
    // What it holds can still be settled.
    client.basic(ack(1, false));
    let holds = Command::EndedHolds { channel: 1, consumer, held: 0 };
    assert_eq!(client.machine.take_commands(), [settle(1, Settlement::Ack), holds]);
}

#[test]
fn what_a_consumer_holds_after_its_end_is_counted_until_it_is_settled() {
    let (mut client, first) = Client::with_consumer(basic::Consume { consumer_tag: "c".into(), ..consume() });
    let second = client.consume(basic::Consume { consumer_tag: "d".into(), ..consume() });
    for (id, consumer) in [(1, first), (2, second), (3, first), (4, first)] {
        client.deliver(consumer, id);
    }
    assert_eq!(client.machine.held_by_ended(1, first), 0, "it goes on");
    client.basic(basic::AMQPMethod::Cancel(basic::Cancel { consumer_tag: "c".into(), nowait: true }));
    assert!(matches!(client.machine.take_request(), Some(Request::Cancel { .. })));
    client.answer(Answer::Done);
    assert_eq!(client.machine.held_by_ended(1, first), 3);
    client.basic(ack(2, true));
    let holds = |held| Command::EndedHolds { channel: 1, consumer: first, held };
    let acked = |id| settle(id, Settlement::Ack);
    assert_eq!(client.machine.take_commands(), [acked(1), acked(2), holds(2)]);
    client.basic(ack(0, true));
    assert_eq!(client.machine.take_commands(), [acked(3), acked(4), holds(0)]);
    assert_eq!(client.machine.held_by_ended(1, first), 0);
    client.deliver(second, 5);
    client.basic(ack(5, false));
    assert_eq!(client.machine.take_commands(), [acked(5)]);
}

#[test]
fn removed_queue_is_told_to_clients_that_said_they_listen() {
    let (mut client, consumer) =
        Client::with_consumer(basic::Consume { consumer_tag: "c".into(), ..consume() });
    client.machine.consumer_ended(1, consumer);
    assert!(matches!(
        client.frames().as_slice(),
        [AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel)))] if cancel.consumer_tag.as_str() == "c"
    ));

    let (mut client, consumer) = Client::with_consumer(consume());
    client.machine.client.consumer_cancel_notify = false;
    client.machine.consumer_ended(1, consumer);
    assert!(client.frames().is_empty() && client.machine.is_running());
}

// ---- a slow or silent client ----

#[test]
fn deliveries_are_held_back_while_the_client_does_not_read() {
    let (mut client, consumer) = Client::with_consumer(consume());
    let mut count = 0;
    while client.machine.wants_deliveries(1) {
        count += 1;
        let payload = Bytes::from(vec![0; 10_000]);
        client.machine.deliver(1, &Delivery { payload, ..delivery(consumer, count) });
    }
    assert!(client.machine.output().len() < Config::default().write_buffer_max + 20_000);
    // Acks still count.
    client.basic(ack(1, false));
    assert_eq!(client.machine.take_commands(), [settle(1, Settlement::Ack)]);
    client.frames();
    assert!(client.machine.wants_deliveries(1));
}

#[test]
fn client_that_asks_without_reading_is_heard_no_more_until_it_reads() {
    let mut client = Client::with_channel();
    let qos = method_frame(1, AMQPClass::Basic(basic::AMQPMethod::Qos(basic::Qos::default())));
    let mut sent = 0;
    while client.machine.wants_input() {
        client.receive(&qos.repeat(100));
        sent += 100;
        assert!(sent < 1_000_000, "its input has no end");
    }
    assert!(client.machine.output().len() < 17_000);
    assert!(client.machine.input.len() < 20_000);
    let mut answers = 0;
    loop {
        match client.frames().len() {
            0 => break,
            count => answers += count,
        }
    }
    assert_eq!(answers, sent);
}

#[test]
fn heartbeat_is_sent_when_half_an_interval_was_quiet() {
    let mut client = Client::running();
    assert_eq!(client.machine.next_deadline(), Some(client.now + Duration::from_secs(30)));
    client.tick_after(29);
    assert!(client.frames().is_empty());
    client.now += Duration::from_secs(1);
    client.receive(&[8, 0, 0, 0, 0, 0, 0, frame::END]);
    client.machine.tick(client.now);
    assert_eq!(client.frames(), [AMQPFrame::Heartbeat]);
}

#[test]
fn silent_client_is_dropped_after_two_intervals() {
    let mut client = Client::running();
    client.tick_after(119);
    assert!(client.machine.is_running());
    client.tick_after(1);
    assert_eq!(client.machine.end(), Some(End::MissedHeartbeats));
}

/// Whoever was held itself does not know what the client did.
#[test]
fn silence_is_not_judged_by_whoever_comes_late() {
    let mut client = Client::running();
    client.tick_after(200);
    assert!(client.machine.is_running());
    client.tick_after(60);
    client.tick_after(59);
    assert!(client.machine.is_running());
    client.tick_after(1);
    assert_eq!(client.machine.end(), Some(End::MissedHeartbeats));
}

#[test]
fn any_traffic_counts_as_heartbeat() {
    let mut client = Client::with_channel();
    for _ in 0..10 {
        client.now += Duration::from_secs(100);
        client.basic(basic::AMQPMethod::Qos(basic::Qos::default()));
        client.machine.tick(client.now);
        client.frames();
    }
    assert!(client.machine.is_running());
}

// ---- the end ----

#[test]
fn client_that_closes_gets_its_answer_after_the_broker_took_everything_back() {
    let (mut client, consumer) = Client::with_consumer(consume());
    client.deliver(consumer, 1);
    client.frames();
    client.connection(connection::AMQPMethod::Close(connection::Close::default()));
    assert!(matches!(client.machine.take_request(), Some(Request::CloseAll)));
    assert!(client.machine.output().is_empty());
    client.answer(Answer::Done);
    assert_eq!(client.machine.end(), Some(End::Closed));
    assert!(matches!(
        client.frames().as_slice(),
        [AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::CloseOk(_)))]
    ));
}

#[test]
fn server_closes_with_320_and_waits_a_moment_for_the_answer() {
    let (mut client, _) = Client::with_consumer(consume());
    client.machine.close(client.now, "the server is shutting down");
    assert_eq!(
        client.connection_close(),
        (320, "CONNECTION_FORCED - the server is shutting down".to_owned(), (0, 0))
    );
    assert_eq!(client.machine.take_commands(), [Command::DropAll]);
    assert_eq!(client.machine.ended_by(), EndedBy::Server);
    client.basic(ack(1, false));
    assert!(client.machine.take_commands().is_empty() && client.machine.end().is_none());
    client.tick_after(3);
    assert_eq!(client.machine.end(), Some(End::Closed));
}

#[test]
fn new_secret_is_judged_as_a_login() {
    let update = || {
        let update = connection::UpdateSecret { new_secret: "p2 t2".into(), reason: "r".into() };
        connection::AMQPMethod::UpdateSecret(update)
    };
    let mut client = Client::running();
    client.connection(update());
    let Some(Request::Login(login)) = client.machine.take_request() else { panic!("not asked") };
    assert_eq!((login.user.as_str(), login.passord.as_str(), login.token.as_str()), (USER, "p2", "t2"));
    client.answer(Answer::Done);
    assert!(matches!(
        client.frames().as_slice(),
        [AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::UpdateSecretOk(_)))]
    ));
    client.connection(update());
    client.answer(Answer::Refused);
    let text = "NOT_ALLOWED - New secret was refused by one of the backends";
    assert_eq!(client.connection_close(), (530, text.to_owned(), (10, 70)));
    assert_eq!(client.machine.ended_by(), EndedBy::Consumer);
}

#[test]
fn new_secret_that_cannot_be_judged_now_is_not_refused_and_the_server_answers_for_that() {
    let (mut client, _) = Client::with_consumer(consume());
    let update = connection::UpdateSecret { new_secret: "p2 t2".into(), reason: "r".into() };
    client.connection(connection::AMQPMethod::UpdateSecret(update));
    client.answer(Answer::Unavailable);
    let text = "CONNECTION_FORCED - log-in cannot be checked right now, try again";
    assert_eq!(client.connection_close(), (320, text.to_owned(), (10, 70)));
    assert_eq!(client.machine.ended_by(), EndedBy::Server);
}

#[test]
fn limit_that_is_met_on_a_connection_is_what_the_server_answers_for() {
    let nadd = Nadd { grense: app::Grense::KanalerPerOrganisasjon, limit: 2 };
    let (mut client, _) = Client::with_consumer(consume());
    client.on_channel(2, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})));
    assert!(matches!(client.machine.take_request(), Some(Request::OpenChannel { .. })));
    client.answer(Answer::OverLimit(nadd));
    assert_eq!(client.connection_close().0, 530);
    assert_eq!(client.machine.take_commands(), [Command::DropAll]);
    assert_eq!(client.machine.ended_by(), EndedBy::Server);
}

// ---- anything at all ----

/// A whole session of a client that does a bit of everything.
fn session() -> Vec<u8> {
    let on_channel = |method| method_frame(1, method);
    let connection = |method| method_frame(0, AMQPClass::Connection(method));
    let basic = |method| method_frame(1, AMQPClass::Basic(method));
    let declare = queue::Declare { queue: queue_name().into(), passive: true, ..Default::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-priority".into(), AMQPValue::LongInt(1));
    [
        frame::PROTOCOL_HEADER.to_vec(),
        connection(start_ok(&["consumer_cancel_notify"], "p t")),
        connection(tune_ok(2047, 131_072, 60)),
        connection(open("/")),
        on_channel(AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))),
        basic(basic::AMQPMethod::Qos(basic::Qos { prefetch_count: 10, global: false })),
        on_channel(AMQPClass::Queue(queue::AMQPMethod::Declare(declare))),
        basic(basic::AMQPMethod::Consume(basic::Consume {
            consumer_tag: "c".into(),
            arguments,
            ..consume()
        })),
        basic(ack(1, false)),
        basic(basic::AMQPMethod::Nack(basic::Nack { delivery_tag: 2, multiple: true, requeue: true })),
        basic(basic::AMQPMethod::Reject(basic::Reject { delivery_tag: 3, requeue: false })),
        basic(basic::AMQPMethod::Cancel(basic::Cancel { consumer_tag: "c".into(), nowait: false })),
        basic(basic::AMQPMethod::Publish(basic::Publish::default())),
        vec![8, 0, 0, 0, 0, 0, 0, frame::END],
        on_channel(AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}))),
        connection(connection::AMQPMethod::Close(connection::Close::default())),
    ]
    .concat()
}

#[test]
fn whole_session_ends_well_whatever_the_pieces() {
    let bytes = session();
    for piece in [1, 2, 3, 7, 64, bytes.len()] {
        let machine = run(&bytes, piece);
        assert_eq!(machine.end(), Some(End::Closed), "{piece}");
    }
}

#[test]
fn session_cut_short_anywhere_just_waits() {
    let bytes = session();
    for cut in 0..bytes.len() {
        assert_eq!(run(&bytes[..cut], 1000).end(), None, "{cut}");
    }
}

proptest! {
    #[test]
    fn garbage_never_panics_and_nothing_grows(bytes in prop::collection::vec(any::<u8>(), 0..2000), piece in 1..500_usize) {
        feed(&bytes, piece);
    }

    #[test]
    fn garbage_after_the_header_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000), piece in 1..500_usize) {
        feed(&[&frame::PROTOCOL_HEADER[..], &bytes].concat(), piece);
    }

    #[test]
    fn garbage_in_well_formed_frames_never_panics(
        kind in prop::sample::select(vec![1_u8, 2, 3, 8]),
        channel in 0..3_u16,
        class in prop::sample::select(vec![10_u16, 20, 30, 40, 50, 60, 85, 90]),
        method in prop::sample::select(vec![10_u16, 11, 20, 21, 30, 31, 40, 41, 50, 51, 60, 70, 80, 90, 100, 110, 120]),
        arguments in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let session = session();
        // Behind the handshake with its channel and consumer.
        let mut bytes = session[..session.len() - 200].to_vec();
        let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), &arguments].concat();
        bytes.push(kind);
        bytes.extend(channel.to_be_bytes());
        bytes.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend(payload);
        bytes.push(frame::END);
        feed(&bytes, 4096);
        let _ = frame::decode(&bytes);
    }

    #[test]
    fn mutated_session_never_panics_and_nothing_grows(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        removed in any::<prop::sample::Index>(),
        removed_len in 0..16_usize,
        piece in 1..200_usize,
    ) {
        let mut bytes = session();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let from = removed.index(bytes.len());
        let to = (from + removed_len).min(bytes.len());
        bytes.drain(from..to);
        feed(&bytes, piece);
    }
}

#[test]
fn client_that_takes_nothing_is_taken_for_gone_though_it_still_sends() {
    let (mut client, consumer) = Client::with_consumer(consume());
    client.deliver(consumer, 1);
    client.machine.blocked(client.now);
    let start = client.now;
    let timeout = Config::default().write_timeout;
    while client.now + Duration::from_secs(30) < start + timeout {
        client.now += Duration::from_secs(30);
        client.receive(&[8, 0, 0, 0, 0, 0, 0, 0xce]);
        client.machine.blocked(client.now);
        client.machine.tick(client.now);
        assert_eq!(client.machine.end(), None);
    }
    assert!(client.machine.next_deadline().is_some_and(|next| next <= start + timeout));
    client.now = start + timeout;
    client.machine.tick(client.now);
    assert_eq!(client.machine.end(), Some(End::NotReading));
}

#[test]
fn client_that_takes_something_now_and_then_stays() {
    let (mut client, consumer) = Client::with_consumer(consume());
    for id in 1..20 {
        client.deliver(consumer, id);
        client.machine.blocked(client.now);
        client.now += Config::default().write_timeout / 2;
        client.machine.wrote(client.now, 1);
        client.receive(&[8, 0, 0, 0, 0, 0, 0, 0xce]);
        client.machine.tick(client.now);
        assert_eq!(client.machine.end(), None);
    }
}

#[test]
fn limit_met_at_the_log_in_is_told_at_open_with_530() {
    let nadd = Nadd { grense: app::Grense::TilkoblingerPerOrganisasjon, limit: 5 };
    let mut client = Client::started(Config::default());
    client.connection(start_ok(&["authentication_failure_close"], "p t"));
    client.machine.take_request();
    client.answer(Answer::OverLimit(nadd));
    client.connection(tune_ok(2047, 131_072, 60));
    client.frames();
    client.connection(open("/"));
    let (code, text, ids) = client.connection_close();
    assert_eq!((code, ids), (530, (10, 40)));
    assert!(text.starts_with("NOT_ALLOWED - limit grenser.tilkoblinger_per_organisasjon = 5"), "{text}");
}

/// A pool of `max` bytes, and what an organisasjon may take of it.
fn memory(max: u64) -> (Arc<Pool>, Share) {
    let pool = Pool::new(max, max);
    let share = pool.share(Owner::Organisasjon(wire::id::FiksOrgId::from_uuid(wire::id::Uuid::from_u128(1))));
    (pool, share)
}

#[test]
fn memory_of_a_delivery_is_given_back_once_the_client_has_taken_it() {
    let (mut client, consumer) = Client::with_consumer(consume());
    let (pool, share) = memory(10_000);
    client.machine.set_memory(share.clone());
    let before = client.machine.output().len();
    let mut ends = Vec::new();
    for id in 1..=3 {
        let memory = share.try_take(1_000).map(Arc::new);
        client.machine.deliver(1, &Delivery { memory, ..delivery(consumer, id) });
        ends.push(client.machine.output().len() - before);
    }
    assert_eq!(pool.held(), 3_000);
    client.machine.wrote(client.now, before + ends[0] - 1);
    assert_eq!(pool.held(), 3_000);
    client.machine.wrote(client.now, 1);
    assert_eq!(pool.held(), 2_000);
    client.machine.wrote(client.now, ends[2] - ends[0]);
    assert_eq!(pool.held(), 0);
}

#[test]
fn client_that_takes_next_to_nothing_gives_way_where_others_wait_and_that_counts_nothing() {
    let (mut client, consumer) = Client::with_consumer(consume());
    let (pool, share) = memory(1_000);
    client.machine.set_memory(share.clone());
    let memory = share.try_take(1_000).map(Arc::new);
    let payload = vec![0; 100_000].into();
    client.machine.deliver(1, &Delivery { memory, payload, ..delivery(consumer, 1) });
    client.machine.blocked(client.now);
    for _ in 0..20 {
        client.tick_after(1);
        // One byte a second is next to nothing.
        client.machine.wrote(client.now, 1);
        client.machine.blocked(client.now);
        assert_eq!(client.machine.end(), None, "nobody waits");
    }
    let mut waits = Box::pin(share.take(500));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    let next = client.machine.next_deadline().unwrap();
    assert!(next <= client.now + Duration::from_secs(1));
    client.now = next;
    client.machine.tick(client.now);
    assert_eq!(client.machine.end(), Some(End::GaveWay));
    assert_eq!(client.machine.ended_by(), EndedBy::Server);
    assert!(waits.as_mut().poll(&mut cx).is_ready());
    drop(waits);
    assert_eq!(pool.held(), 0);
}

#[test]
fn client_that_keeps_a_pace_does_not_give_way() {
    let (mut client, consumer) = Client::with_consumer(consume());
    let (_pool, share) = memory(1_000);
    client.machine.set_memory(share.clone());
    let memory = share.try_take(1_000).map(Arc::new);
    let payload = vec![0; 1_000_000].into();
    client.machine.deliver(1, &Delivery { memory, payload, ..delivery(consumer, 1) });
    let mut waits = Box::pin(share.take(500));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    for _ in 0..20 {
        client.machine.blocked(client.now);
        client.tick_after(4);
        client.machine.wrote(client.now, 20_000);
        client.receive(&[8, 0, 0, 0, 0, 0, 0, 0xce]);
        assert_eq!(client.machine.end(), None);
    }
}

#[test]
fn frame_that_no_method_needs_is_refused_before_it_is_kept() {
    let mut client = Client::running();
    let size = 16 * 1024 + 1 - u32::try_from(frame::OVERHEAD).unwrap();
    let mut head = vec![1, 0, 0];
    head.extend(size.to_be_bytes());
    client.receive(&head);
    assert_eq!(client.connection_close().0, 501);
    // One that just fits is waited for, and nothing is read beyond it.
    let mut client = Client::running();
    let mut frame = vec![1, 0, 0];
    frame.extend((size - 1).to_be_bytes());
    frame.resize(16 * 1024 - 1, 0);
    client.receive(&frame);
    assert!(client.frames().is_empty() && client.machine.wants_input());
    client.receive(&[0; 2]);
    assert_eq!(client.connection_close().0, 501, "it does not end as a frame does");
}

#[test]
fn large_content_of_a_refused_publish_is_let_go_as_it_comes() {
    let mut client = Client::with_channel();
    client.basic(basic::AMQPMethod::Publish(basic::Publish { exchange: "x".into(), ..Default::default() }));
    client.channel_close();
    let mut body = vec![3, 0, 1];
    body.extend(100_000_u32.to_be_bytes());
    body.resize(7 + 100_000, 0);
    body.push(frame::END);
    for piece in [body.clone(), body].concat().chunks(5_000) {
        client.receive(piece);
        assert!(client.machine.input_len() <= 5_000, "it is kept");
    }
    client.on_channel(1, AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})));
    client.open_channel(1);
}
