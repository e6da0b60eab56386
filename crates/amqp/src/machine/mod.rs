//! One connection with its channels, as a machine: bytes and times go in; bytes, commands and requests come out.
//!
//! At most one [`Request`] is under way at a time. Until it is answered no further frame is looked at, so whatever a
//! client sends ahead (the official .NET client opens its channel behind `connection.open` without waiting) is handled in
//! order, and an answer always stands before what follows from it: `consume-ok` before the first delivery.

mod channel;
mod methods;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amq_protocol::protocol::{AMQPClass, connection};
use amq_protocol::types::{AMQPValue, FieldTable};
use app::Nadd;
use app::memory::Share;
use app::ports::{Consumer, Delivery, DeliveryId, EndedBy, IdSource, QueueStatus, Settlement};
use bytes::{Buf, BytesMut};
use domain::melding::Retur;
use wire::id::KontoId;

use crate::Config;
use crate::encode;
use crate::frame::{self, DecodeError, Frame, Kind};
use crate::held::HELD;
use crate::reply::{self, Reply};
use channel::Channel;
use waiting::WaitingOutput;

/// A buffer with more room than this is given back once it is empty.
const KEEP_BUFFER: usize = 32 * 1024;
/// Bytes of answers that wait for a client, after which it is heard no more until it reads.
const REPLIES_MAX: usize = 16 * 1024;

/// What the machine needs an answer to before it goes on.
pub(crate) enum Request {
    /// Whether this log-in is good. Answered with [`Answer::Done`], [`Answer::OverLimit`], [`Answer::NoRoom`],
    /// [`Answer::Refused`], [`Answer::RefusedAgain`] or [`Answer::Unavailable`].
    Login(Login),
    /// Opens a channel of the broker for this one. [`Answer::Done`], [`Answer::OverLimit`] or [`Answer::Unavailable`].
    OpenChannel { channel: u16 },
    /// Closes the broker's channel. [`Answer::Done`].
    CloseChannel { channel: u16 },
    /// Closes all channels of the broker. [`Answer::Done`].
    CloseAll,
    /// Checks the right to a queue and starts a consumer on it. [`Answer::Done`], [`Answer::Refused`],
    /// [`Answer::NotFound`], [`Answer::OverLimit`] or [`Answer::Unavailable`].
    Consume { channel: u16, consumer: Consumer, konto: KontoId, prefetch: u16 },
    /// Ends a consumer. Whatever it was handed before must be given to [`Machine::deliver`] before the answer, which is
    /// [`Answer::Done`] or [`Answer::Unavailable`].
    Cancel { channel: u16, consumer: Consumer },
    /// Checks the right to a queue and tells how it stands. [`Answer::Status`], [`Answer::Refused`],
    /// [`Answer::NotFound`] or [`Answer::Unavailable`].
    QueueStatus { konto: KontoId },
}

/// What a client logs in with. Not `Debug`, so that it cannot reach a log.
pub(crate) struct Login {
    /// The user name: the integrasjonId.
    pub(crate) user: String,
    /// The integrasjonPassord.
    pub(crate) passord: String,
    /// The access token.
    pub(crate) token: String,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was done.
    Done,
    /// There is no right to it.
    Refused,
    /// There is no right to it, and too many log-ins from the same address were refused for this one to be told at once.
    RefusedAgain,
    /// There is no such queue.
    NotFound,
    /// It cannot be told or done now.
    Unavailable,
    /// How the queue stands.
    Status(QueueStatus),
    /// The integrasjon or its organisasjon has as many of them as it may have.
    OverLimit(Nadd),
    /// As many connections are logged in as there is room for.
    NoRoom,
}

/// What the machine wants done, in this order, without an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Settles a delivery.
    Settle { channel: u16, delivery: DeliveryId, settlement: Settlement },
    /// A consumer that has ended holds no more than so many unsettled meldinger.
    EndedHolds { channel: u16, consumer: Consumer, held: u64 },
    /// Ends the broker's channel for an error of the client.
    DropChannel { channel: u16 },
    /// Ends all of the broker's channels; [`Machine::ended_by`] says who answers for it.
    DropAll,
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was closed with a word to the client, or by the client.
    Closed,
    /// The client speaks something else.
    WrongProtocol,
    /// The client took too long for its log-in.
    HandshakeTimeout,
    /// The log-in was refused, and the client could not be told.
    LoginRefused,
    /// Nothing was heard of the client for two heartbeats.
    MissedHeartbeats,
    /// The client took nothing of what was written to it for too long.
    NotReading,
    /// The client took next to nothing, and others wait for the memory that this takes.
    GaveWay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits for the protocol header.
    Header,
    /// Waits for the log-in.
    StartOk,
    /// Waits for the client's limits.
    TuneOk,
    /// Waits for the virtual host.
    Open,
    /// Open.
    Running,
    /// The client was told that the connection is closed. `readable` if its frames can still be told apart.
    Closing { readable: bool },
    /// The client is not told that its log-in was refused.
    Refused,
    /// Over.
    Done(End),
}

/// What the answer that is waited for leads to.
enum Waiting {
    Login,
    UpdateSecret,
    OpenChannel { channel: u16 },
    CloseChannel { channel: u16 },
    CloseAll,
    Consume { channel: u16, consumer: Consumer, start: channel::Start, nowait: bool },
    Cancel { channel: u16, consumer: Consumer, tag: String, nowait: bool },
    QueueStatus { channel: u16, queue: String, nowait: bool },
}

/// What is known of the client.
#[derive(Default)]
struct Client {
    user: String,
    authentication_failure_close: bool,
    consumer_cancel_notify: bool,
}

/// Class and method that an error is about.
type MethodIds = (u16, u16);

/// One connection.
pub(crate) struct Machine {
    config: Arc<Config>,
    ids: Arc<dyn IdSource>,
    state: State,
    input: BytesMut,
    output: BytesMut,
    /// The most that `output` held since it was last empty.
    output_peak: usize,
    /// Bytes of `output` that are not deliveries, at most; what the client asked for without reading the answers.
    replies: usize,
    requests: Option<Request>,
    commands: Vec<Command>,
    waiting: Option<Waiting>,
    client: Client,
    channels: BTreeMap<u16, Channel>,
    /// The largest frame that the client takes, and the largest that it may send: no method that is for clients needs as much.
    frame_max: usize,
    input_max: usize,
    /// Bytes of a frame that nobody reads, still to come.
    skipped: usize,
    channel_max: u16,
    heartbeat: Option<Duration>,
    deadline: Option<Instant>,
    /// Who answers for the end of the connection, once it was closed from our side.
    ended_by: Option<EndedBy>,
    /// When the client must have logged in.
    login_by: Instant,
    /// Why the connection is not taken although the log-in was right; the client is told at `connection.open`.
    refused: Option<Reply>,
    last_input: Instant,
    last_output: Instant,
    /// Since when the client has taken nothing of what waits for it.
    blocked_since: Option<Instant>,
    /// The memory of what is in `output`.
    waiting_output: WaitingOutput,
}

impl Machine {
    /// A connection that was accepted at `now`.
    pub(crate) fn new(config: Arc<Config>, ids: Arc<dyn IdSource>, now: Instant) -> Self {
        let login_by = now + config.login_timeout;
        Self {
            frame_max: size(config.frame_max.max(8192)),
            skipped: 0,
            input_max: size(config.input_frame_max.max(8192)),
            channel_max: config.channel_max,
            deadline: Some(now + config.handshake_timeout),
            config,
            ids,
            state: State::Header,
            input: BytesMut::new(),
            output: BytesMut::new(),
            output_peak: 0,
            replies: 0,
            requests: None,
            commands: Vec::new(),
            waiting: None,
            client: Client::default(),
            channels: BTreeMap::new(),
            heartbeat: None,
            ended_by: None,
            login_by,
            refused: None,
            blocked_since: None,
            waiting_output: WaitingOutput::new(now),
            last_input: now,
            last_output: now,
        }
    }

    /// The same, opened at `accepted`: what came before the first octet of AMQP is part of the time to log in.
    pub(crate) fn opened(mut self, accepted: Instant) -> Self {
        self.login_by = accepted + self.config.login_timeout;
        self.deadline = self.deadline.map(|deadline| deadline.min(self.login_by));
        self
    }

    /// Whether more bytes should be read from the client. What it sends stays bounded: a frame and a bit.
    pub(crate) fn wants_input(&self) -> bool {
        match self.state {
            State::Done(_) => false,
            _ => self.input.len() < self.input_max,
        }
    }

    /// Bytes that came and were not looked at yet.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn input_len(&self) -> usize {
        self.input.len()
    }

    /// Takes bytes from the client.
    pub(crate) fn receive(&mut self, now: Instant, bytes: &[u8]) {
        self.last_input = now;
        match self.state {
            State::Closing { readable: false } | State::Refused | State::Done(_) => {}
            _ => {
                self.input.extend_from_slice(bytes);
                self.process(now);
            }
        }
    }

    /// The next request, if one was made since the last call.
    pub(crate) fn take_request(&mut self) -> Option<Request> {
        self.requests.take()
    }

    /// What is to be done, in order.
    pub(crate) fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// What is to be written to the client.
    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    /// The client takes nothing of [`Machine::output`] just now.
    pub(crate) fn blocked(&mut self, now: Instant) {
        self.blocked_since.get_or_insert(now);
        self.waiting_output.blocked(now);
    }

    /// Where deliveries take their memory from, once it is known whose they are.
    pub(crate) fn set_memory(&mut self, share: Share) {
        self.waiting_output.share = Some(share);
    }

    /// The first `count` bytes of [`Machine::output`] were written.
    pub(crate) fn wrote(&mut self, now: Instant, count: usize) {
        self.last_output = now;
        self.blocked_since = None;
        self.output_peak = self.output_peak.max(self.output.len());
        self.output.advance(count);
        self.waiting_output.wrote(count, self.output.is_empty());
        if self.output.is_empty() {
            self.replies = 0;
            if std::mem::take(&mut self.output_peak) > KEEP_BUFFER {
                self.output = BytesMut::new();
            } else {
                self.output.clear();
            }
            // What was left because of unread answers.
            self.process(now);
        }
    }

    /// Why the connection is over, once it is and [`Machine::output`] should be written and the socket closed.
    pub(crate) fn end(&self) -> Option<End> {
        match self.state {
            State::Done(end) => Some(end),
            _ => None,
        }
    }

    /// Who answers for the end of the connection, and so for what the client held: the client, unless we closed it for a
    /// reason of our own. However it reacts to that, by closing its socket first for one, is ours.
    pub(crate) fn ended_by(&self) -> EndedBy {
        self.ended_by.unwrap_or(EndedBy::Consumer)
    }

    /// The connection was lost for a reason of ours, unless it was closed before.
    pub(crate) fn is_lost_for_us(&mut self) {
        self.ended_by.get_or_insert(EndedBy::Server);
    }

    /// Whether the client has begun to speak AMQP.
    pub(crate) fn has_begun(&self) -> bool {
        !matches!(self.state, State::Header)
    }

    /// Whether the client is logged in.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, State::Running)
    }

    /// When [`Machine::tick`] should be called next, if nothing happens until then.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let heartbeat = self.heartbeat.filter(|_| self.is_running());
        let beat = heartbeat.map(|interval| self.last_output + interval / 2);
        let silence = heartbeat.map(|interval| self.last_input + interval * 2);
        let stuck = self.blocked_since.map(|since| since + self.config.write_timeout);
        let gives_way = self.waiting_output.to_look_at(self.config.give_way_after);
        [self.deadline, beat, silence, stuck, gives_way].into_iter().flatten().min()
    }

    /// Does what is due at `now`.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.finish(match self.state {
                State::Closing { .. } => End::Closed,
                State::Refused => End::LoginRefused,
                _ => End::HandshakeTimeout,
            });
            return;
        }
        if self.blocked_since.is_some_and(|since| now >= since + self.config.write_timeout) {
            self.finish(End::NotReading);
            return;
        }
        if self.waiting_output.gives_way(now, self.config.give_way_after) {
            // Half a frame may be out, so there is nothing more to say.
            (self.output, self.waiting_output) = (BytesMut::new(), WaitingOutput::new(now));
            self.ended_by = Some(EndedBy::Server);
            self.finish(End::GaveWay);
            return;
        }
        let Some(interval) = self.heartbeat.filter(|_| self.is_running()) else { return };
        let silent_since = self.last_input + interval * 2;
        if now >= silent_since {
            // While an answer is awaited or the client does not read, its bytes may not have been looked at. Nor is it known what
            // it did where we come so late that we were held ourselves.
            if self.waiting.is_some() || now >= silent_since + HELD {
                self.last_input = now;
            } else {
                self.finish(End::MissedHeartbeats);
                return;
            }
        }
        if now >= self.last_output + interval / 2 {
            if self.output.is_empty() {
                // A quiet connection keeps no buffer.
                self.output = BytesMut::with_capacity(frame::OVERHEAD);
                encode::heartbeat(&mut self.output);
            }
            self.last_output = now;
        }
    }

    /// Closes the connection from our side, so that the client comes back later; `reason` tells why.
    pub(crate) fn close(&mut self, now: Instant, reason: &str) {
        match self.state {
            State::Closing { .. } | State::Done(_) => {}
            State::Running => self.fail(now, &reply::connection_forced(reason), (0, 0)),
            // Before the client is logged in, a closed socket says the same.
            _ => self.finish(End::Closed),
        }
    }

    /// Whether deliveries for this channel should be handed in now.
    pub(crate) fn wants_deliveries(&self, channel: u16) -> bool {
        self.is_running()
            && self.output.len() < self.config.write_buffer_max
            && !self.is_busy(channel)
            && self.channels.get(&channel).is_some_and(Channel::has_room)
    }

    /// How many deliveries may be handed in for this channel at most.
    pub(crate) fn delivery_room(&self, channel: u16) -> usize {
        self.channels.get(&channel).map_or(0, Channel::room)
    }

    /// Whether a request about this channel is under way.
    pub(crate) fn is_busy(&self, channel: u16) -> bool {
        match self.waiting {
            Some(
                Waiting::OpenChannel { channel: busy }
                | Waiting::CloseChannel { channel: busy }
                | Waiting::Consume { channel: busy, .. }
                | Waiting::Cancel { channel: busy, .. },
            ) => busy == channel,
            Some(Waiting::CloseAll) => true,
            _ => false,
        }
    }

    /// Hands a delivery to the client.
    pub(crate) fn deliver(&mut self, channel: u16, delivery: &Delivery) {
        let open = self.channels.get_mut(&channel).filter(|_| matches!(self.state, State::Running));
        let command = match open {
            Some(open) => open.deliver(&mut self.output, channel, self.frame_max, delivery),
            // The channel was closed meanwhile; the broker takes back whatever it held.
            None => None,
        };
        self.waiting_output.delivered(self.output.len(), delivery.memory.as_ref());
        self.commands.extend(command);
    }

    /// How many unsettled meldinger were handed to a consumer that has ended.
    pub(crate) fn held_by_ended(&self, channel: u16, consumer: Consumer) -> u64 {
        self.channels.get(&channel).map_or(0, |channel| channel.held_by_ended(consumer))
    }

    /// The queue of a consumer was removed. Clients that said so are told; the others find out by silence.
    pub(crate) fn consumer_ended(&mut self, channel: u16, consumer: Consumer) {
        let Some(ended) = self.channels.get_mut(&channel).and_then(|open| open.remove_consumer(consumer))
        else {
            return;
        };
        if self.client.consumer_cancel_notify && self.is_running() {
            let cancel = amq_protocol::protocol::basic::Cancel { consumer_tag: ended.into(), nowait: true };
            self.send(channel, AMQPClass::Basic(amq_protocol::protocol::basic::AMQPMethod::Cancel(cancel)));
        }
    }

    /// Goes on with the answer to the request under way.
    pub(crate) fn answer(&mut self, now: Instant, answer: Answer) {
        if let Some(waiting) = self.waiting.take() {
            if !matches!(self.state, State::Closing { .. } | State::Done(_)) {
                self.handle_answer(now, waiting, answer);
            }
            self.process(now);
        }
    }

    /// Handles what has arrived, until it runs out or something must be waited for.
    fn process(&mut self, now: Instant) {
        while self.waiting.is_none() {
            match self.state {
                State::Header => {
                    let Some((header, _)) = self.input.split_first_chunk() else { break };
                    if *header == frame::PROTOCOL_HEADER {
                        self.input.advance(frame::PROTOCOL_HEADER.len());
                        self.start();
                    } else {
                        self.output.extend_from_slice(&frame::PROTOCOL_HEADER);
                        self.finish(End::WrongProtocol);
                    }
                }
                State::Closing { readable: false } | State::Refused | State::Done(_) => {
                    self.input = BytesMut::new();
                    break;
                }
                _ => {
                    // A client that asks on and on without reading the answers is heard no more until it reads.
                    if self.replies > REPLIES_MAX {
                        break;
                    }
                    if self.skip() {
                        continue;
                    }
                    match frame::next(&mut self.input, self.input_max.min(self.frame_max)) {
                        Ok(Some(frame)) => self.handle_frame(now, &frame),
                        Ok(None) => break,
                        Err(explanation) => {
                            self.fail(now, &reply::frame_error(explanation), (0, 0));
                            if !matches!(self.state, State::Done(_)) {
                                self.state = State::Closing { readable: false };
                            }
                        }
                    }
                }
            }
        }
        if self.input.is_empty() {
            // Not kept: most connections are quiet most of the time.
            self.input = BytesMut::new();
        }
    }

    /// Lets go of what comes of a frame of content that nobody wants, without keeping it. Whether there was any.
    fn skip(&mut self) -> bool {
        if self.skipped == 0
            && let Some((channel, total)) = frame::content(&self.input)
            && (self.input_max + 1..=self.frame_max).contains(&total)
            && (self.is_closing_channel(channel) || matches!(self.state, State::Closing { .. }))
        {
            self.skipped = total;
        }
        let skipped = self.skipped.min(self.input.len());
        self.input.advance(skipped);
        self.skipped -= skipped;
        skipped > 0
    }

    fn handle_frame(&mut self, now: Instant, frame: &Frame) {
        let closing = matches!(self.state, State::Closing { .. });
        match frame.kind {
            Kind::Heartbeat => {}
            Kind::Header | Kind::Body if closing || self.is_closing_channel(frame.channel) => {}
            Kind::Header | Kind::Body => {
                // No method that is accepted here has content.
                self.fail(now, &reply::unexpected_frame("content without a method"), (0, 0));
            }
            // A client that gives up needs no more than this understood.
            Kind::Method if closing => match (frame.channel, frame::ids(&frame.payload)) {
                (0, (10, 50)) => {
                    self.send_connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
                    self.finish(End::Closed);
                }
                (0, (10, 51)) => self.finish(End::Closed),
                _ => {}
            },
            Kind::Method if self.is_closing_channel(frame.channel) => {
                self.handle_closing_channel(frame.channel, frame::ids(&frame.payload));
            }
            Kind::Method => {
                let ids = frame::ids(&frame.payload);
                match frame::decode(&frame.payload) {
                    Ok(method) => self.handle_method(now, frame.channel, ids, method),
                    Err(DecodeError::Unknown) => {
                        let (class, method) = ids;
                        self.fail(
                            now,
                            &reply::command_invalid(format_args!(
                                "method {class},{method} is not for clients"
                            )),
                            ids,
                        );
                    }
                    Err(DecodeError::Syntax(explanation)) => {
                        self.fail(now, &reply::syntax_error(explanation), ids);
                    }
                }
            }
        }
    }

    fn start(&mut self) {
        let text = |text: &str| AMQPValue::LongString(text.into());
        let mut capabilities = FieldTable::default();
        // Those that are there, and publisher_confirms: aiormq opens no channel without it.
        for capability in [
            "authentication_failure_close",
            "basic.nack",
            "consumer_cancel_notify",
            "per_consumer_qos",
            "publisher_confirms",
        ] {
            capabilities.insert(capability.into(), AMQPValue::Boolean(true));
        }
        let mut properties = FieldTable::default();
        properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
        properties.insert("cluster_name".into(), text(&self.config.hostname));
        properties.insert("copyright".into(), text("The Knutepunkt authors"));
        properties.insert("information".into(), text("Licensed under MIT OR Apache-2.0"));
        properties.insert("platform".into(), text("Rust"));
        properties.insert("product".into(), text("Knutepunkt"));
        properties.insert("version".into(), text(env!("CARGO_PKG_VERSION")));
        self.send_connection(connection::AMQPMethod::Start(connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: properties,
            mechanisms: "PLAIN".into(),
            locales: "en_US".into(),
        }));
        self.state = State::StartOk;
        self.deadline = Some(self.login_by);
    }

    /// Goes to the next step of the handshake.
    fn step(&mut self, now: Instant, state: State, timeout: Duration) {
        self.state = state;
        self.deadline = Some(now + timeout);
    }

    fn finish(&mut self, end: End) {
        self.state = State::Done(end);
        self.deadline = None;
        self.waiting = None;
        self.requests = None;
        self.channels.clear();
    }

    /// Closes the connection for an error.
    fn fail(&mut self, now: Instant, reply: &Reply, (class_id, method_id): MethodIds) {
        if matches!(self.state, State::Closing { .. } | State::Done(_)) {
            return;
        }
        if reply.code != 320 {
            tracing::debug!(reply.code, reply.text, "closing a connection for an error of the client");
        }
        self.send_connection(connection::AMQPMethod::Close(connection::Close {
            reply_code: reply.code,
            reply_text: reply.text.as_str().into(),
            class_id,
            method_id,
        }));
        self.ended_by = Some(reply.ended_by());
        self.channels.clear();
        self.commands.push(Command::DropAll);
        self.requests = None;
        self.waiting = None;
        self.step(now, State::Closing { readable: true }, self.config.close_grace);
    }

    fn request(&mut self, waiting: Waiting, request: Request) {
        self.waiting = Some(waiting);
        self.requests = Some(request);
    }

    fn send(&mut self, channel: u16, method: AMQPClass) {
        let before = self.output.len();
        encode::method(&mut self.output, channel, method);
        self.replies += self.output.len() - before;
    }

    fn send_connection(&mut self, method: connection::AMQPMethod) {
        self.send(0, AMQPClass::Connection(method));
    }

    fn is_closing_channel(&self, channel: u16) -> bool {
        self.channels.get(&channel).is_some_and(Channel::is_closing)
    }
}

/// What comes back when a delivery could not be handed over: its channel or consumer was gone before it came.
fn not_handed_over(channel: u16, delivery: DeliveryId) -> Command {
    Command::Settle { channel, delivery, settlement: Settlement::Requeue(Retur::Avbrutt) }
}

fn size(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
