//! What each method of a client leads to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use amq_protocol::protocol::{
    AMQPClass, access, basic, channel as channel_class, confirm, connection, queue,
};
use amq_protocol::types::{AMQPValue, FieldTable};
use app::Nadd;
use app::ports::{EndedBy, Settlement};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::melding::Retur;

use super::channel::{Channel, Start};
use super::{Answer, Command, Login, Machine, MethodIds, Request, State, Waiting, size};
use crate::frame::{Method, Verdict};
use crate::reply::{self, Reply};

/// Smallest frame that a client may ask for. Source: AMQP 0-9-1 `frame-min-size`.
const FRAME_MIN: u32 = 4096;
/// The only virtual host.
const VHOST: &str = "/";

impl Machine {
    pub(super) fn handle_method(&mut self, now: Instant, channel: u16, ids: MethodIds, method: Method) {
        if channel == 0 {
            match method {
                Method::Other(method) => match *method {
                    AMQPClass::Connection(method) => self.handle_connection(now, ids, method),
                    _ => self.fail(now, &reply::command_invalid("the method needs a channel"), ids),
                },
                _ => self.fail(now, &reply::command_invalid("the method needs a channel"), ids),
            }
        } else if self.state == State::Running {
            self.handle_on_channel(now, channel, ids, method);
        } else {
            self.fail(now, &reply::command_invalid("the connection is not open yet"), ids);
        }
    }

    fn handle_connection(&mut self, now: Instant, ids: MethodIds, method: connection::AMQPMethod) {
        use connection::AMQPMethod as M;
        match (self.state, method) {
            (State::StartOk, M::StartOk(start)) => self.handle_start_ok(now, ids, &start),
            (State::TuneOk, M::TuneOk(tune)) => self.handle_tune_ok(now, ids, &tune),
            (State::Open, M::Open(open)) => {
                let vhost = open.virtual_host.as_str();
                if let Some(refused) = self.refused.take() {
                    self.fail(now, &refused, ids);
                } else if vhost == VHOST {
                    self.send_connection(M::OpenOk(connection::OpenOk {}));
                    self.state = State::Running;
                    self.deadline = None;
                } else {
                    self.fail(now, &reply::not_allowed(format_args!("vhost {vhost} not found")), ids);
                }
            }
            (_, M::Close(_)) => self.request(Waiting::CloseAll, Request::CloseAll),
            (State::Running, M::UpdateSecret(update)) => match split_secret(update.new_secret.as_bytes()) {
                Some((passord, token)) => {
                    let user = self.client.user.clone();
                    self.request(Waiting::UpdateSecret, Request::Login(Login { user, passord, token }));
                }
                None => self.fail(now, &secret_refused(), ids),
            },
            _ => self.fail(now, &reply::command_invalid("the method cannot come now"), ids),
        }
    }

    fn handle_start_ok(&mut self, now: Instant, ids: MethodIds, start: &connection::StartOk) {
        let capability = |name| capability(&start.client_properties, name);
        self.client.authentication_failure_close = capability("authentication_failure_close");
        self.client.consumer_cancel_notify = capability("consumer_cancel_notify");
        let mechanism = start.mechanism.as_str();
        if mechanism != "PLAIN" {
            let reply =
                reply::command_invalid(format_args!("unknown authentication mechanism '{mechanism}'"));
            self.fail(now, &reply, ids);
            return;
        }
        match plain(start.response.as_bytes()) {
            Some(login) => {
                self.client.user.clone_from(&login.user);
                // The log-in is judged by us now, which is not the client's time.
                self.deadline = None;
                self.request(Waiting::Login, Request::Login(login));
            }
            None => self.refuse_login(now),
        }
    }

    fn refuse_login(&mut self, now: Instant) {
        if self.client.authentication_failure_close {
            self.fail(now, &reply::login_refused(), (0, 0));
        } else {
            self.step(now, State::Refused, self.config.refusal_delay);
        }
    }

    fn handle_tune_ok(&mut self, now: Instant, ids: MethodIds, tune: &connection::TuneOk) {
        let (channel_max, frame_max) = (self.config.channel_max, self.config.frame_max.max(8192));
        let bound = |name, value: u32, kind, limit: u32| {
            let side = if kind == "higher" { "maximum" } else { "minimum" };
            reply::not_allowed(format_args!(
                "negotiated {name} = {value} is {kind} than the {side} allowed value ({limit})"
            ))
        };
        let refusal = if tune.channel_max > channel_max {
            Some(bound("channel_max", tune.channel_max.into(), "higher", channel_max.into()))
        } else if tune.frame_max > frame_max {
            Some(bound("frame_max", tune.frame_max, "higher", frame_max))
        } else if tune.frame_max != 0 && tune.frame_max < FRAME_MIN {
            Some(bound("frame_max", tune.frame_max, "lower", FRAME_MIN))
        } else {
            None
        };
        if let Some(reply) = refusal {
            self.fail(now, &reply, ids);
            return;
        }
        // 0 is no limit of the client's own.
        self.channel_max = if tune.channel_max == 0 { channel_max } else { tune.channel_max };
        self.frame_max = size(if tune.frame_max == 0 { frame_max } else { tune.frame_max });
        self.heartbeat = (tune.heartbeat > 0).then(|| Duration::from_secs(tune.heartbeat.into()));
        self.step(now, State::Open, self.config.handshake_timeout);
    }

    fn handle_on_channel(&mut self, now: Instant, number: u16, ids: MethodIds, method: Method) {
        use channel_class::AMQPMethod as C;
        let Some(channel) = self.channels.get_mut(&number) else {
            match method {
                Method::Other(method) if matches!(*method, AMQPClass::Channel(C::Open(_))) => {
                    if number > self.channel_max {
                        let max = self.channel_max;
                        let reply = reply::not_allowed(format_args!(
                            "channel {number} is above the negotiated channel_max ({max})"
                        ));
                        self.fail(now, &reply, ids);
                    } else {
                        self.request(
                            Waiting::OpenChannel { channel: number },
                            Request::OpenChannel { channel: number },
                        );
                    }
                }
                _ => self.fail(now, &reply::channel_error("expected 'channel.open'"), ids),
            }
            return;
        };
        match method {
            Method::Settle { tag, multiple, verdict } => self.settle(number, ids, tag, multiple, verdict),
            Method::Qos { prefetch_size: 0, prefetch_count, global } => {
                channel.set_qos(prefetch_count, global);
                self.send(number, AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {})));
            }
            Method::Qos { prefetch_size, .. } => {
                let reply = reply::not_implemented(format_args!("prefetch_size!=0 ({prefetch_size})"));
                self.fail(now, &reply, ids);
            }
            Method::Other(method) => match *method {
                AMQPClass::Channel(method) => self.handle_channel(now, number, ids, &method),
                AMQPClass::Basic(method) => self.handle_basic(now, number, ids, method),
                AMQPClass::Queue(method) => self.handle_queue(number, ids, &method),
                AMQPClass::Exchange(method) => {
                    use amq_protocol::protocol::exchange::AMQPMethod as E;
                    let exchange = match &method {
                        E::Declare(declare) => declare.exchange.as_str(),
                        E::Delete(delete) => delete.exchange.as_str(),
                        E::Bind(bind) => bind.destination.as_str(),
                        E::Unbind(unbind) => unbind.destination.as_str(),
                        _ => "",
                    };
                    self.close_channel(number, ids, &reply::exchange_refused(exchange, &self.client.user));
                }
                // Confirms are granted, since some clients open no channel without; there will be nothing to confirm.
                AMQPClass::Confirm(confirm::AMQPMethod::Select(select)) => {
                    if !select.nowait {
                        self.send(
                            number,
                            AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {})),
                        );
                    }
                }
                AMQPClass::Access(access::AMQPMethod::Request(_)) => {
                    // A dummy: tickets have no meaning since AMQP 0-9-1.
                    self.send(number, AMQPClass::Access(access::AMQPMethod::RequestOk(access::RequestOk {})));
                }
                AMQPClass::Tx(_) => self.fail(now, &reply::not_implemented("transactions"), ids),
                _ => self.fail(now, &reply::command_invalid("the method cannot come now"), ids),
            },
        }
    }

    fn handle_channel(
        &mut self,
        now: Instant,
        number: u16,
        ids: MethodIds,
        method: &channel_class::AMQPMethod,
    ) {
        use channel_class::AMQPMethod as C;
        match method {
            C::Open(_) => self.fail(now, &reply::channel_error("second 'channel.open' seen"), ids),
            C::Close(_) => {
                self.request(
                    Waiting::CloseChannel { channel: number },
                    Request::CloseChannel { channel: number },
                );
            }
            C::Flow(channel_class::Flow { active: true }) => {
                self.send(number, AMQPClass::Channel(C::FlowOk(channel_class::FlowOk { active: true })));
            }
            C::Flow(_) => self.fail(now, &reply::not_implemented("active=false"), ids),
            _ => self.fail(now, &reply::command_invalid("the method cannot come now"), ids),
        }
    }

    fn handle_basic(&mut self, now: Instant, number: u16, ids: MethodIds, method: basic::AMQPMethod) {
        use basic::AMQPMethod as B;
        match method {
            B::Consume(consume) => self.handle_consume(now, number, ids, &consume),
            B::Cancel(cancel) => {
                let tag = String::from(cancel.consumer_tag);
                let consumer = self.channels.get(&number).and_then(|channel| channel.consumer_of_tag(&tag));
                match consumer {
                    Some(consumer) => self.request(
                        Waiting::Cancel { channel: number, consumer, tag, nowait: cancel.nowait },
                        Request::Cancel { channel: number, consumer },
                    ),
                    // Fine, as in RabbitMQ: it may have crossed with a cancel of ours.
                    None if cancel.nowait => {}
                    None => self.send_cancel_ok(number, tag),
                }
            }
            // The answer to a cancel of ours; nothing waits for it.
            B::CancelOk(_) => {}
            B::Publish(publish) => {
                let reply = reply::exchange_refused(publish.exchange.as_str(), &self.client.user);
                self.close_channel(number, ids, &reply);
            }
            B::Get(_) => {
                let reply = reply::access_refused("basic.get is not offered, use basic.consume");
                self.close_channel(number, ids, &reply);
            }
            B::Recover(basic::Recover { requeue: true }) => {
                self.settle(number, ids, 0, true, Verdict::Requeue);
                self.send(number, AMQPClass::Basic(B::RecoverOk(basic::RecoverOk {})));
            }
            B::RecoverAsync(basic::RecoverAsync { requeue: true }) => {
                self.settle(number, ids, 0, true, Verdict::Requeue);
            }
            B::Recover(_) | B::RecoverAsync(_) => {
                self.fail(now, &reply::not_implemented("requeue=false"), ids);
            }
            _ => self.fail(now, &reply::command_invalid("the method cannot come now"), ids),
        }
    }

    fn handle_consume(&mut self, now: Instant, number: u16, ids: MethodIds, consume: &basic::Consume) {
        let queue = consume.queue.as_str();
        let total: usize = self.channels.values().map(Channel::consumer_count).sum();
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let tag = match consume.consumer_tag.as_str() {
            "" => format!("amq.ctag-{}", URL_SAFE_NO_PAD.encode(self.ids.uuid().as_bytes())),
            given => given.to_owned(),
        };
        if channel.consumer_of_tag(&tag).is_some() {
            let reply = reply::not_allowed(format_args!("attempt to reuse consumer tag '{tag}'"));
            self.fail(now, &reply, ids);
            return;
        }
        if total >= self.config.consumers_max {
            let max = self.config.consumers_max;
            self.fail(
                now,
                &reply::resource_error(format_args!("more than {max} consumers on a connection")),
                ids,
            );
            return;
        }
        let Some(konto) = wire::queue::konto_of_queue(queue) else {
            let reply = foreign_name(queue, &self.client.user);
            self.close_channel(number, ids, &reply);
            return;
        };
        // no_local and exclusive are passed over, as quorum queues of RabbitMQ do; so are arguments.
        let (consumer, prefetch) = (channel.next_consumer(), channel.prefetch(consume.no_ack));
        let start = Start { tag, queue: queue.to_owned(), no_ack: consume.no_ack };
        self.request(
            Waiting::Consume { channel: number, consumer, start, nowait: consume.nowait },
            Request::Consume { channel: number, consumer, konto, prefetch },
        );
    }

    fn handle_queue(&mut self, number: u16, ids: MethodIds, method: &queue::AMQPMethod) {
        use queue::AMQPMethod as Q;
        let name = match method {
            Q::Declare(declare) => {
                let name = declare.queue.as_str();
                match wire::queue::konto_of_queue(name) {
                    Some(konto) if declare.passive => {
                        self.request(
                            Waiting::QueueStatus {
                                channel: number,
                                queue: name.to_owned(),
                                nowait: declare.nowait,
                            },
                            Request::QueueStatus { konto },
                        );
                        return;
                    }
                    None if declare.passive => {
                        let reply = foreign_name(name, &self.client.user);
                        self.close_channel(number, ids, &reply);
                        return;
                    }
                    _ => name,
                }
            }
            Q::Bind(bind) => bind.queue.as_str(),
            Q::Unbind(unbind) => unbind.queue.as_str(),
            Q::Purge(purge) => purge.queue.as_str(),
            Q::Delete(delete) => delete.queue.as_str(),
            _ => "",
        };
        self.close_channel(number, ids, &reply::queue_refused(name, &self.client.user));
    }

    fn settle(&mut self, number: u16, ids: MethodIds, tag: u64, multiple: bool, verdict: Verdict) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let mut lighter = BTreeMap::new();
        let Some(deliveries) = channel.take_unacked(tag, multiple, &mut lighter) else {
            let reply = reply::precondition_failed(format_args!("unknown delivery tag {tag}"));
            self.close_channel(number, ids, &reply);
            return;
        };
        let settlement = match verdict {
            Verdict::Ack => Settlement::Ack,
            Verdict::Drop => Settlement::Drop,
            Verdict::Requeue => Settlement::Requeue(Retur::NackMedRequeue),
        };
        let command = |delivery| Command::Settle { channel: number, delivery, settlement };
        self.commands.extend(deliveries.map(command));
        let holds = |(consumer, held)| Command::EndedHolds { channel: number, consumer, held };
        self.commands.extend(lighter.into_iter().map(holds));
    }

    /// Closes a channel for an error; the broker takes back what the client held.
    fn close_channel(&mut self, number: u16, (class_id, method_id): MethodIds, reply: &Reply) {
        tracing::debug!(reply.code, reply.text, "closing a channel for an error of the client");
        self.send(
            number,
            AMQPClass::Channel(channel_class::AMQPMethod::Close(channel_class::Close {
                reply_code: reply.code,
                reply_text: reply.text.as_str().into(),
                class_id,
                method_id,
            })),
        );
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.set_closing();
        }
        self.commands.push(Command::DropChannel { channel: number });
    }

    /// A method on a channel that the client was told is closed.
    pub(super) fn handle_closing_channel(&mut self, number: u16, ids: MethodIds) {
        match ids {
            // Both sides closed at once; the client's answer to ours is still to come.
            (20, 40) => self.send_channel_close_ok(number),
            (20, 41) => drop(self.channels.remove(&number)),
            _ => {}
        }
    }

    pub(super) fn handle_answer(&mut self, now: Instant, waiting: Waiting, answer: Answer) {
        match (waiting, answer) {
            (Waiting::Login, answer) => self.login_answered(now, answer),
            (Waiting::UpdateSecret, Answer::Done) => {
                self.send_connection(connection::AMQPMethod::UpdateSecretOk(connection::UpdateSecretOk {}));
            }
            // What the client holds comes back without counting: the secret may be right.
            (Waiting::UpdateSecret, Answer::Unavailable) => self.fail(now, &login_unavailable(), (10, 70)),
            (Waiting::UpdateSecret, _) => self.fail(now, &secret_refused(), (10, 70)),
            (Waiting::OpenChannel { channel }, Answer::Done) => {
                self.channels.insert(channel, Channel::new());
                let open = channel_class::AMQPMethod::OpenOk(channel_class::OpenOk {});
                self.send(channel, AMQPClass::Channel(open));
            }
            (Waiting::OpenChannel { .. }, Answer::OverLimit(nadd)) => {
                self.over_the_limit(now, nadd, (20, 10));
            }
            (Waiting::OpenChannel { .. }, _) => self.fail(now, &queues_unavailable(), (20, 10)),
            (Waiting::CloseChannel { channel }, _) => {
                self.channels.remove(&channel);
                self.send_channel_close_ok(channel);
            }
            (Waiting::CloseAll, _) => {
                self.send_connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
                self.finish(super::End::Closed);
            }
            (Waiting::Consume { channel, consumer, start, nowait }, answer) => {
                let ids = (60, 20);
                match answer {
                    Answer::Refused => {
                        self.close_channel(
                            channel,
                            ids,
                            &reply::queue_refused(&start.queue, &self.client.user),
                        );
                    }
                    Answer::NotFound => self.close_channel(channel, ids, &reply::no_queue(&start.queue)),
                    // On the connection: a closed channel would leave the official clients deaf.
                    Answer::OverLimit(nadd) => self.over_the_limit(now, nadd, ids),
                    Answer::Done => {
                        if !nowait {
                            let ok = basic::ConsumeOk { consumer_tag: start.tag.as_str().into() };
                            self.send(channel, AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok)));
                        }
                        if let Some(open) = self.channels.get_mut(&channel) {
                            open.add_consumer(consumer, start);
                        }
                    }
                    // A closed channel would leave the official clients deaf; a closed connection brings them back.
                    Answer::Unavailable | Answer::Status(_) | Answer::RefusedAgain | Answer::NoRoom => {
                        self.fail(now, &queues_unavailable(), ids);
                    }
                }
            }
            (Waiting::Cancel { channel, consumer, tag, nowait }, Answer::Done) => {
                if let Some(open) = self.channels.get_mut(&channel) {
                    open.remove_consumer(consumer);
                }
                if !nowait {
                    self.send_cancel_ok(channel, tag);
                }
            }
            (Waiting::Cancel { .. }, _) => self.fail(now, &queues_unavailable(), (60, 30)),
            (Waiting::QueueStatus { channel, queue, nowait }, answer) => {
                let ids = (50, 10);
                match answer {
                    Answer::Status(_) | Answer::Done if nowait => {}
                    Answer::Status(status) => {
                        let ok = queue::DeclareOk {
                            queue: queue.into(),
                            message_count: u32::try_from(status.ready).unwrap_or(u32::MAX),
                            consumer_count: status.consumers,
                        };
                        self.send(channel, AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok)));
                    }
                    Answer::Refused => {
                        self.close_channel(channel, ids, &reply::queue_refused(&queue, &self.client.user));
                    }
                    Answer::NotFound => self.close_channel(channel, ids, &reply::no_queue(&queue)),
                    Answer::Done
                    | Answer::Unavailable
                    | Answer::OverLimit(_)
                    | Answer::RefusedAgain
                    | Answer::NoRoom => {
                        self.fail(now, &queues_unavailable(), ids);
                    }
                }
            }
        }
    }

    fn login_answered(&mut self, now: Instant, answer: Answer) {
        match answer {
            Answer::Done | Answer::OverLimit(_) | Answer::NoRoom => {
                // Told at `connection.open`, as RabbitMQ does: until then clients take any end for a wrong password.
                self.refused = match answer {
                    Answer::OverLimit(nadd) => Some(reply::over_the_limit(&self.client.user, nadd)),
                    Answer::NoRoom => Some(reply::connection_forced(
                        "as many connections are logged in as there is room for, try again later",
                    )),
                    _ => None,
                };
                self.send_connection(connection::AMQPMethod::Tune(connection::Tune {
                    channel_max: self.config.channel_max,
                    frame_max: self.config.frame_max.max(8192),
                    heartbeat: self.config.heartbeat_seconds(),
                }));
                self.step(now, State::TuneOk, self.config.handshake_timeout);
            }
            Answer::Unavailable => self.fail(now, &login_unavailable(), (0, 0)),
            Answer::RefusedAgain => self.step(now, State::Refused, self.config.refusal_delay),
            _ => self.refuse_login(now),
        }
    }

    /// Closes the connection for a limit. It is ours, and may have been used up by others of the same organisasjon, so what the
    /// client holds comes back without counting.
    fn over_the_limit(&mut self, now: Instant, nadd: Nadd, ids: MethodIds) {
        self.fail(now, &reply::over_the_limit(&self.client.user, nadd), ids);
        self.ended_by = Some(EndedBy::Server);
    }

    fn send_channel_close_ok(&mut self, number: u16) {
        self.send(number, AMQPClass::Channel(channel_class::AMQPMethod::CloseOk(channel_class::CloseOk {})));
    }

    fn send_cancel_ok(&mut self, number: u16, tag: String) {
        let ok = basic::CancelOk { consumer_tag: tag.into() };
        self.send(number, AMQPClass::Basic(basic::AMQPMethod::CancelOk(ok)));
    }
}

/// A queue whose name is not that of any Konto: nobody has a right to it. `""` would be the queue declared last, but
/// none can be declared.
fn foreign_name(queue: &str, user: &str) -> Reply {
    if queue.is_empty() {
        reply::not_found("no previously declared queue")
    } else {
        reply::queue_refused(queue, user)
    }
}

fn queues_unavailable() -> Reply {
    reply::connection_forced("the queues are not available right now, try again")
}

fn login_unavailable() -> Reply {
    reply::connection_forced("log-in cannot be checked right now, try again")
}

fn secret_refused() -> Reply {
    reply::not_allowed("New secret was refused by one of the backends")
}

fn capability(properties: &FieldTable, name: &str) -> bool {
    let Some(AMQPValue::FieldTable(capabilities)) = properties.inner().get("capabilities") else {
        return false;
    };
    matches!(capabilities.inner().get(name), Some(AMQPValue::Boolean(true)))
}

/// Reads the response of the mechanism PLAIN: authorization id, user and password, each after a zero octet but the first.
fn plain(response: &[u8]) -> Option<Login> {
    let mut parts = response.splitn(3, |octet| *octet == 0);
    let (_, user, secret) = (parts.next()?, parts.next()?, parts.next()?);
    let (passord, token) = split_secret(secret)?;
    Some(Login { user: std::str::from_utf8(user).ok()?.to_owned(), passord, token })
}

/// Splits what AMQP calls the password at its last blank: a token has none, while an integrasjonPassord made elsewhere may.
fn split_secret(secret: &[u8]) -> Option<(String, String)> {
    let (passord, token) = std::str::from_utf8(secret).ok()?.rsplit_once(' ')?;
    Some((passord.to_owned(), token.to_owned()))
}
