//! Joins one socket to one [`Machine`] and to the broker.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use app::memory::{Owner, Part, Share};
use app::ports::{
    BrokerChannel, BrokerError, ChannelOptions, Consumer, Delivery, EndedBy, OpenChannel, TokenError,
};
use app::{Apen, App, Error, InnloggetIntegrasjon, LoginAttempt, LoginWatch, Nadd, Plass};
use futures::future::join_all;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::held::Held;
use crate::machine::{Answer, Command, End, Login, Machine, Request};
use crate::places::{Place, Seat};
use crate::{Config, REFUSED};

/// Bytes read at a time. They lie on the stack, so that a quiet connection holds no buffer.
const READ_MAX: usize = 16 * 1024;
/// Deliveries taken from a channel at a time.
const DELIVERIES_MAX: usize = 64;
/// Rounds before other connections get their turn.
const ROUNDS_MAX: usize = 16;
/// Unsettled meldinger that a consumer without prefetch may hold.
const UNLIMITED: u64 = 2000;
/// How long to wait for the broker to take a closed channel.
const BROKER_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a lost connection waits before the client is made to answer for it: whatever stops the server may have stopped the
/// client in the same moment, and its socket may close before the signal reaches us. Within that time it is known, too, whether the
/// process was held.
const LOSS_GRACE: Duration = Duration::from_millis(250);

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The broker's side of a channel.
struct Channel {
    /// What the consumers are handed.
    deliveries: mpsc::Receiver<Delivery>,
    control: Arc<Box<dyn BrokerChannel>>,
    /// The next consumer that the broker ends; starts anew for each.
    ended: BoxFuture<Option<Consumer>>,
    /// Its own place.
    _plass: Plass,
    /// The places of its consumers. One that has ended keeps its own for as long as anything that it was handed is unsettled.
    konsumenter: BTreeMap<Consumer, Plass>,
}

impl Channel {
    /// A consumer has ended, of whose meldinger `held` are unsettled.
    fn ended_holds(&mut self, consumer: Consumer, held: u64) {
        if held == 0 {
            self.konsumenter.remove(&consumer);
        } else if let Some(plass) = self.konsumenter.get_mut(&consumer) {
            plass.holds_at_most(held);
        }
    }
}

/// How a request ended.
enum Outcome {
    Login(Result<(InnloggetIntegrasjon, LoginWatch), Answer>),
    Opened(u16, Plass, Result<OpenChannel, BrokerError>),
    Consuming(u16, Consumer, Plass, Answer),
    Cancelled(u16, Consumer, Answer),
    Other(Answer),
}

/// One connection, from its first AMQP octet to its last.
pub(crate) struct Session<S> {
    stream: S,
    app: App,
    /// Where the client calls from.
    peer: SocketAddr,
    config: Arc<Config>,
    machine: Machine,
    channels: BTreeMap<u16, Channel>,
    login: Option<InnloggetIntegrasjon>,
    /// Completes when the log-in is no longer what it was.
    revoked: Option<BoxFuture<()>>,
    request: Option<BoxFuture<Outcome>>,
    shutdown: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    timer: Pin<Box<Sleep>>,
    timer_at: Instant,
    needs_flush: bool,
    /// Until when the client has time to read why the connection was closed and to answer, once it was.
    grace_ends: Option<Instant>,
    place: Place,
    /// Completes when the connection must make room, as long as the client is not logged in.
    dropped: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Where deliveries take their memory from, once the client is logged in.
    memory: Option<Share>,
    /// What the connection takes of the limits of its tenant, once the client is logged in.
    plass: Option<Plass>,
    opened: Instant,
    /// When the process was held.
    held: Arc<Held>,
}

/// How a connection began.
pub(crate) struct Opening {
    /// Where the client calls from.
    pub(crate) peer: SocketAddr,
    pub(crate) accepted: Instant,
    pub(crate) place: Place,
    /// When the process was held.
    pub(crate) held: Arc<Held>,
}

/// Runs a connection to its end.
pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin + Send>(
    stream: S,
    opening: Opening,
    app: App,
    config: Arc<Config>,
    shutdown: CancellationToken,
) {
    let Opening { peer, accepted, place, held } = opening;
    let now = Instant::now();
    let machine = Machine::new(config.clone(), app.ids().clone(), now).opened(accepted);
    let timer_at = machine.next_deadline().unwrap_or(now);
    let mut session = Session {
        stream,
        app,
        peer,
        config,
        machine,
        channels: BTreeMap::new(),
        login: None,
        revoked: None,
        request: None,
        shutdown: Some(Box::pin(shutdown.cancelled_owned())),
        timer: Box::pin(tokio::time::sleep_until(timer_at.into())),
        timer_at,
        needs_flush: false,
        grace_ends: None,
        dropped: Some(Box::pin(place.dropped().clone().cancelled_owned())),
        place,
        memory: None,
        plass: None,
        opened: accepted,
        held,
    };
    let ended = poll_fn(|cx| session.poll(cx)).await;
    match &ended {
        Ok(End::GaveWay) => {
            let integrasjon = session.login.map(|login| login.integrasjon_id);
            tracing::info!(
                integrasjon.id = integrasjon.map(tracing::field::display),
                "closed an AMQP connection that takes next to nothing while meldinger wait for memory"
            );
        }
        Ok(end) => tracing::debug!(?end, "AMQP connection ended"),
        Err(error) => tracing::debug!(error = error as &dyn std::error::Error, "AMQP connection was lost"),
    }
    if ended.is_err()
        && !session.channels.is_empty()
        && let Some(shutdown) = session.shutdown.as_mut()
    {
        // Once that is there, the broker knows that nothing counts.
        let _ = tokio::time::timeout(LOSS_GRACE, shutdown).await;
    }
    if ended.is_err() && session.held.may_be_why(accepted, Instant::now()) {
        session.machine.is_lost_for_us();
    }
    session.end_channels();
    if ended.is_ok() {
        session.say_goodbye().await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Does all there is to do. Completes when the connection is over; what is left in the machine's output should still
    /// be written.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<End>> {
        for _ in 0..ROUNDS_MAX {
            let now = Instant::now();
            if self.dropped.as_mut().is_some_and(|dropped| dropped.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
            }
            let mut progress = self.poll_signals(cx, now);
            progress |= self.poll_request(cx, now);
            progress |= match self.poll_read(cx, now) {
                Poll::Ready(result) => {
                    result?;
                    true
                }
                Poll::Pending => false,
            };
            progress |= self.run_machine();
            progress |= self.poll_channels(cx, now);
            progress |= self.poll_write(cx, now)?;
            // Writing may have made room for input that waited.
            progress |= self.run_machine();
            // Not before what has come and can go: whoever was held itself finds the time of all that over.
            progress |= self.poll_timer(cx, now);
            if let Some(end) = self.machine.end() {
                return Poll::Ready(Ok(end));
            }
            self.arm_timer();
            if !progress {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Shutdown and revoked log-in.
    fn poll_signals(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        if self.shutdown.as_mut().is_some_and(|shutdown| shutdown.as_mut().poll(cx).is_ready()) {
            self.shutdown = None;
            self.machine.close(now, "the server is shutting down");
            progress = true;
        }
        if self.revoked.as_mut().is_some_and(|revoked| revoked.as_mut().poll(cx).is_ready()) {
            self.revoked = None;
            if let Some(login) = &self.login {
                tracing::info!(integrasjon.id = %login.integrasjon_id, "closing an AMQP connection: its log-in was changed");
            }
            self.machine.close(now, "the log-in was changed, log in again");
            progress = true;
        }
        progress
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.machine.tick(now);
        let next = self.machine.next_deadline().unwrap_or(now + Duration::from_hours(1));
        self.set_timer(next);
        true
    }

    /// The timer is only ever brought forward here: nearly always the next deadline moves away with each frame.
    fn arm_timer(&mut self) {
        if let Some(next) = self.machine.next_deadline().filter(|next| *next < self.timer_at) {
            self.set_timer(next);
        }
    }

    fn set_timer(&mut self, at: Instant) {
        self.timer_at = at;
        self.timer.as_mut().reset(at.into());
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<()>> {
        if !self.machine.wants_input() {
            return Poll::Pending;
        }
        let mut bytes = [const { MaybeUninit::uninit() }; READ_MAX];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut bytes))?;
        if bytes.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let had_begun = self.machine.has_begun();
        self.machine.receive(now, bytes.filled());
        if !had_begun && self.machine.has_begun() {
            self.place.moved();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> io::Result<bool> {
        let mut progress = false;
        while !self.machine.output().is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, self.machine.output()) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.machine.wrote(now, count);
                    self.needs_flush = true;
                    progress = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.machine.blocked(now);
                    break;
                }
            }
        }
        if self.needs_flush && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.needs_flush = false;
        }
        Ok(progress)
    }

    /// Does what the machine asks for.
    fn run_machine(&mut self) -> bool {
        let mut progress = false;
        let mut commands = self.machine.take_commands().into_iter().peekable();
        while let Some(command) = commands.next() {
            progress = true;
            match command {
                Command::Settle { channel, delivery, settlement } => {
                    // Many that are settled alike are one request, between whose parts the broker can answer others.
                    let mut deliveries = vec![delivery];
                    let alike = |next: &Command| matches!(next, Command::Settle { channel: c, settlement: s, .. } if (*c, *s) == (channel, settlement));
                    while let Some(Command::Settle { delivery, .. }) = commands.next_if(alike) {
                        deliveries.push(delivery);
                    }
                    let Some(channel) = self.channels.get(&channel) else { continue };
                    match deliveries.as_slice() {
                        [delivery] => channel.control.settle(*delivery, settlement),
                        _ => channel.control.settle_all(deliveries, settlement),
                    }
                }
                Command::EndedHolds { channel, consumer, held } => {
                    if let Some(channel) = self.channels.get_mut(&channel) {
                        channel.ended_holds(consumer, held);
                    }
                }
                Command::DropChannel { channel } => {
                    if let Some(channel) = self.channels.remove(&channel) {
                        channel.control.end(EndedBy::Consumer);
                    }
                }
                Command::DropAll => {
                    self.grace_ends = Some(Instant::now() + self.config.close_grace);
                    self.end_channels();
                }
            }
        }
        if let Some(request) = self.machine.take_request() {
            self.request = Some(self.start(request));
            progress = true;
        }
        progress
    }

    /// Who answers for what the client closes now: it may have given up a server that was held, and say so politely.
    fn who_leaves(&self) -> EndedBy {
        let for_us = self.held.may_be_why(self.opened, Instant::now());
        if for_us { EndedBy::Server } else { EndedBy::Consumer }
    }

    /// Lets all of the broker's channels go. Does not wait: whatever the broker is asked for later comes after it.
    fn end_channels(&mut self) {
        self.request = None;
        let by = self.machine.ended_by();
        for (_, channel) in std::mem::take(&mut self.channels) {
            channel.control.end(by);
        }
    }

    fn poll_request(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(request) = &mut self.request else { return false };
        let Poll::Ready(outcome) = request.as_mut().poll(cx) else { return false };
        self.request = None;
        let mut cancelled = None;
        let answer = match outcome {
            Outcome::Login(Ok((login, watch))) => {
                if self.login.is_none() {
                    self.logged_in(login, watch)
                } else {
                    Answer::Done
                }
            }
            Outcome::Login(Err(answer)) => {
                self.place.is_refused();
                answer
            }
            Outcome::Other(answer) => answer,
            Outcome::Opened(number, plass, Ok(OpenChannel { deliveries, control })) => {
                control.note_given(None);
                let control = Arc::new(control);
                let ended = next_ended(&control);
                let channel =
                    Channel { deliveries, control, ended, _plass: plass, konsumenter: BTreeMap::new() };
                self.channels.insert(number, channel);
                Answer::Done
            }
            Outcome::Opened(_, _, Err(error)) => broker_answer(&error),
            Outcome::Consuming(number, consumer, plass, answer) => {
                if answer == Answer::Done
                    && let Some(channel) = self.channels.get_mut(&number)
                {
                    channel.konsumenter.insert(consumer, plass);
                }
                answer
            }
            Outcome::Cancelled(number, consumer, answer) => {
                // What was on its way to the consumer still reaches the client before it hears that it has ended.
                if let Some(channel) = self.channels.get_mut(&number) {
                    while let Ok(delivery) = channel.deliveries.try_recv() {
                        self.machine.deliver(number, &delivery);
                        channel.control.note_given(Some(delivery.id));
                    }
                }
                cancelled = Some((number, consumer));
                answer
            }
        };
        self.machine.answer(now, answer);
        if let Some((number, consumer)) = cancelled
            && let Some(channel) = self.channels.get_mut(&number)
        {
            channel.ended_holds(consumer, self.machine.held_by_ended(number, consumer));
        }
        true
    }

    /// The log-in is right. Whether there is room for the connection, too.
    fn logged_in(&mut self, login: InnloggetIntegrasjon, mut watch: LoginWatch) -> Answer {
        self.login = Some(login);
        self.revoked = Some(Box::pin(async move { watch.ended().await }));
        let refusal = match self.app.open(&login, Apen::Tilkobling) {
            Ok(plass) => match self.place.log_in() {
                Seat::Taken => {
                    tracing::info!(
                        target: REFUSED,
                        { integrasjon.id = %login.integrasjon_id },
                        "integrasjon logged in over AMQP"
                    );
                    (self.plass, self.dropped) = (Some(plass), None);
                    let owner = Owner::Organisasjon(login.fiks_org_id);
                    let share = self.app.memory_out().share(owner).part(Part::Deliveries);
                    self.machine.set_memory(share.clone());
                    self.memory = Some(share);
                    return Answer::Done;
                }
                // What made it give way ends it in the next round.
                Seat::Full | Seat::GaveWay => {
                    tracing::warn!(
                        target: REFUSED,
                        { integrasjon.id = %login.integrasjon_id },
                        "sent an AMQP connection away: as many are logged in as there is room for"
                    );
                    Answer::NoRoom
                }
            },
            Err(nadd) => over_the_limit(&login, nadd),
        };
        self.place.is_over_limit(login.fiks_org_id);
        refusal
    }

    fn poll_channels(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        let mut broker_gone = false;
        for (&number, channel) in &mut self.channels {
            if self.machine.is_busy(number) {
                continue;
            }
            while self.machine.wants_deliveries(number) {
                let limit = self.machine.delivery_room(number).min(DELIVERIES_MAX);
                let mut deliveries = Vec::new();
                match channel.deliveries.poll_recv_many(cx, &mut deliveries, limit) {
                    Poll::Pending => break,
                    Poll::Ready(0) => {
                        broker_gone = true;
                        break;
                    }
                    Poll::Ready(count) => {
                        progress = true;
                        for delivery in &deliveries {
                            self.machine.deliver(number, delivery);
                        }
                        if let Some(last) = deliveries.last() {
                            channel.control.note_given(Some(last.id));
                        }
                        // Small ones go out together, large ones one buffer at a time.
                        if count < limit {
                            continue;
                        }
                        break;
                    }
                }
            }
            while let Poll::Ready(consumer) = channel.ended.as_mut().poll(cx) {
                let Some(consumer) = consumer else {
                    broker_gone = true;
                    break;
                };
                progress = true;
                self.machine.consumer_ended(number, consumer);
                channel.ended_holds(consumer, self.machine.held_by_ended(number, consumer));
                channel.ended = next_ended(&channel.control);
            }
        }
        if broker_gone {
            // A consumer without its queue would wait for ever; after a new connection it finds it again.
            self.machine.close(now, "the queues are not available right now, try again");
            progress = true;
        }
        progress
    }

    fn start(&mut self, request: Request) -> BoxFuture<Outcome> {
        match request {
            Request::Login(login) => {
                let (app, config, peer) = (self.app.clone(), Arc::clone(&self.config), self.peer.ip());
                self.place.is_judged();
                Box::pin(async move {
                    let judged = log_in(&app, &login).await;
                    // The right log-in is good however many others were refused: their address may be that of many.
                    let is_refused = matches!(judged, Err(Answer::Refused));
                    if is_refused && !(config.proxies)(peer) && !(config.refused_log_ins)(peer) {
                        return Outcome::Login(Err(Answer::RefusedAgain));
                    }
                    Outcome::Login(judged)
                })
            }
            Request::OpenChannel { channel } => {
                let broker = self.app.broker().clone();
                let options = ChannelOptions { adresse: Some(self.peer), memory: self.memory.clone() };
                let plass = match self.place(Apen::Kanal) {
                    Ok(plass) => plass,
                    Err(answer) => return Box::pin(std::future::ready(Outcome::Other(answer))),
                };
                Box::pin(async move { Outcome::Opened(channel, plass, broker.open_channel(options).await) })
            }
            Request::CloseChannel { channel } => {
                let by = self.who_leaves();
                let leaving = self.channels.remove(&channel).map(|channel| Leaving::new(channel, by));
                Box::pin(async move {
                    if let Some(leaving) = leaving {
                        leaving.close().await;
                    }
                    Outcome::Other(Answer::Done)
                })
            }
            Request::CloseAll => {
                let by = self.who_leaves();
                let channels = std::mem::take(&mut self.channels).into_values();
                let leaving: Vec<_> = channels.map(|channel| Leaving::new(channel, by)).collect();
                Box::pin(async move {
                    join_all(leaving.into_iter().map(Leaving::close)).await;
                    Outcome::Other(Answer::Done)
                })
            }
            Request::Consume { channel, consumer, konto, prefetch } => {
                let (app, login) = (self.app.clone(), self.login);
                let number = channel;
                let control = self.channels.get(&channel).map(|channel| channel.control.clone());
                Box::pin(async move {
                    let (Some(login), Some(control)) = (login, control) else {
                        return Outcome::Other(Answer::Unavailable);
                    };
                    let wanted = if prefetch == 0 { UNLIMITED } else { u64::from(prefetch) };
                    let plass = match app.open_consumer(&login, wanted) {
                        Ok(plass) => plass,
                        Err(nadd) => return Outcome::Other(over_the_limit(&login, nadd)),
                    };
                    let prefetch = u16::try_from(plass.ubekreftede()).unwrap_or(u16::MAX);
                    if let Err(error) = app.authorize_consume(&login, konto).await {
                        return Outcome::Other(app_answer(&error));
                    }
                    let answer = match control.consume(consumer, konto, prefetch).await {
                        Ok(()) => {
                            tracing::debug!(konto.id = %konto, integrasjon.id = %login.integrasjon_id, "consumer started");
                            Answer::Done
                        }
                        Err(error) => broker_answer(&error),
                    };
                    Outcome::Consuming(number, consumer, plass, answer)
                })
            }
            Request::Cancel { channel, consumer } => {
                let control = self.channels.get(&channel).map(|channel| channel.control.clone());
                Box::pin(async move {
                    let answer = match control {
                        Some(control) => match control.cancel(consumer).await {
                            Ok(()) => Answer::Done,
                            Err(error) => broker_answer(&error),
                        },
                        None => Answer::Done,
                    };
                    Outcome::Cancelled(channel, consumer, answer)
                })
            }
            Request::QueueStatus { konto } => {
                let (app, login) = (self.app.clone(), self.login);
                Box::pin(async move {
                    let Some(login) = login else { return Outcome::Other(Answer::Unavailable) };
                    if let Err(error) = app.authorize_consume(&login, konto).await {
                        return Outcome::Other(app_answer(&error));
                    }
                    Outcome::Other(match app.broker().queue_status(konto).await {
                        Ok(status) => Answer::Status(status),
                        Err(error) => broker_answer(&error),
                    })
                })
            }
        }
    }

    /// A place for something that the client opens.
    fn place(&self, apen: Apen) -> Result<Plass, Answer> {
        let Some(login) = &self.login else { return Err(Answer::Unavailable) };
        self.app.open(login, apen).map_err(|nadd| over_the_limit(login, nadd))
    }

    /// Writes what is left and closes the socket so that the client gets to read it: a socket closed over unread input
    /// would be reset, and with it the last words lost.
    async fn say_goodbye(&mut self) {
        let dropped = self.dropped.take();
        let grace_ends = self.grace_ends.unwrap_or_else(|| Instant::now() + self.config.close_grace);
        let goodbye = poll_fn(|cx| {
            let now = Instant::now();
            while !self.machine.output().is_empty() {
                let count = ready!(Pin::new(&mut self.stream).poll_write(cx, self.machine.output()))?;
                if count == 0 {
                    return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero)));
                }
                self.machine.wrote(now, count);
            }
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            loop {
                let mut bytes = [const { MaybeUninit::uninit() }; READ_MAX];
                let mut bytes = ReadBuf::uninit(&mut bytes);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut bytes))?;
                if bytes.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        });
        // Whether it worked or not, the connection is over.
        let goodbye = tokio::time::timeout_at(grace_ends.into(), goodbye);
        match dropped {
            None => drop(goodbye.await),
            // Nor does a stranger keep a newcomer out by hearing us out.
            Some(dropped) => tokio::select! {
                () = dropped => {}
                _ = goodbye => {}
            },
        }
    }
}

/// A channel that the client closes. Who answers for it does so also where the connection is lost before the broker was asked.
struct Leaving {
    channel: Option<Channel>,
    by: EndedBy,
}

impl Leaving {
    fn new(channel: Channel, by: EndedBy) -> Self {
        Self { channel: Some(channel), by }
    }

    /// Returns once all that it held has gone back, so that whoever asks behind that finds it there.
    async fn close(mut self) {
        let Some(Channel { deliveries, control, ended, .. }) = self.channel.take() else { return };
        drop(ended);
        match Arc::try_unwrap(control) {
            Ok(control) => {
                // Asks with the first step, and waits from then on.
                let closed = pin!(control.close(self.by));
                if tokio::time::timeout(BROKER_CLOSE_TIMEOUT, closed).await.is_err() {
                    tracing::warn!("the broker did not take a closed channel in time");
                }
            }
            Err(control) => control.end(self.by),
        }
        // Not before, for it would end the channel as well.
        drop(deliveries);
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(channel) = &self.channel {
            channel.control.end(self.by);
        }
    }
}

fn next_ended(control: &Arc<Box<dyn BrokerChannel>>) -> BoxFuture<Option<Consumer>> {
    let control = control.clone();
    Box::pin(async move { control.ended().await })
}

async fn log_in(app: &App, login: &Login) -> Result<(InnloggetIntegrasjon, LoginWatch), Answer> {
    // From before the check on, so that no change falls between.
    let watch = login.user.parse().ok().map(|integrasjon| app.watch_login(integrasjon));
    let attempt = LoginAttempt { integrasjon_id: &login.user, passord: &login.passord, token: &login.token };
    match app.login_integrasjon(attempt).await {
        Ok(login) => {
            let watch = watch.unwrap_or_else(|| app.watch_login(login.integrasjon_id));
            Ok((login, watch))
        }
        Err(error) => Err(match &error {
            Error::Login { integrasjon, reason } => {
                tracing::info!(
                    target: REFUSED,
                    { error.code = "AMQP_LOGIN", integrasjon.id = integrasjon, reason },
                    "refused a log-in over AMQP"
                );
                Answer::Refused
            }
            Error::Token(TokenError::Invalid { reason }) => {
                tracing::info!(
                    target: REFUSED,
                    { error.code = "AMQP_TOKEN", reason },
                    "refused a log-in over AMQP for its token"
                );
                Answer::Refused
            }
            _ => {
                tracing::error!(
                    target: REFUSED,
                    error = &error as &dyn std::error::Error,
                    "failed to check a log-in over AMQP"
                );
                Answer::Unavailable
            }
        }),
    }
}

/// The client is told which limit it met; so is the log.
fn over_the_limit(login: &InnloggetIntegrasjon, nadd: Nadd) -> Answer {
    tracing::warn!(
        target: REFUSED,
        {
            error.code = nadd.grense.nokkel(),
            integrasjon.id = %login.integrasjon_id,
            organisasjon.id = %login.fiks_org_id,
            limit.key = nadd.grense.nokkel(),
            limit.value = nadd.limit
        },
        "closing an AMQP connection: it would have gone over a limit"
    );
    Answer::OverLimit(nadd)
}

fn app_answer(error: &Error) -> Answer {
    match error {
        Error::Forbidden(_) => Answer::Refused,
        Error::NotFound(_) => Answer::NotFound,
        _ => {
            tracing::error!(
                target: REFUSED,
                error = error as &dyn std::error::Error,
                "failed to check the right to a queue"
            );
            Answer::Unavailable
        }
    }
}

fn broker_answer(error: &BrokerError) -> Answer {
    if matches!(error, BrokerError::NoQueue { .. }) {
        return Answer::NotFound;
    }
    tracing::error!(
        target: REFUSED,
        error = error as &dyn std::error::Error,
        "the broker failed to do as a client asked"
    );
    Answer::Unavailable
}
