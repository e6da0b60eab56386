//! The one thread that owns all queues.
//!
//! It takes as many requests as are waiting, lets the queues judge them, writes what follows as one step, waits until that is
//! on disk, and only then lets go of answers and deliveries. So nobody hears of anything that a crash could take back, and
//! all who wait at the same time share one fsync. That a melding was handed out is written in the same step as what
//! caused it.

mod effects;
mod step;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use app::ports::{
    BrokerError, Clock, Consumer, DeletedQueue, DeliveryId, Eiere, EndedBy, IdSource, KoRom, QueueStatus,
    Settlement,
};
use bytes::Bytes;
use domain::melding::{Hendelse, Kvittering, Melding, Retur};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use wire::id::{KontoId, MeldingId};

use self::step::{Fresh, REQUESTS_AT_ONCE, Step};
use crate::aside::Aside;
use crate::cache::Cache;
use crate::fault::Faults;
use crate::ledger::{Ledger, Totals};
use crate::pulse::Pulse;
use crate::queue::{Command, ConsumerKey, Effect, Ending, Entry, Millis, Number, Queue, Share, Tries};
use crate::request::{Answer, ChannelKey, ChannelLink, Ready, Request, Standing, Stopped, unavailable};
use crate::sporing::Sporing;
use crate::store::{Cost, Line, Remains, Reserve, Store, StoreError, guarded};

/// How many bytes of payload go into one step, after which it takes no more.
const BYTES_AT_ONCE: usize = 8 * 1024 * 1024;
/// How many meldinger of a removed queue are seen to in one step.
const REMOVED_AT_ONCE: usize = 256;
/// How many queues with something due are looked at in one step, and as many with something else to go on with.
const QUEUES_AT_ONCE: usize = 16;
/// How many meldinger may change in a step before what can wait is left for the next one.
const CHANGED_AT_ONCE: usize = 1024;
/// How often the log is asked whether it is well, though there is nothing to write.
const LOOK_AFTER: Duration = Duration::from_millis(500);
/// How long levels of sporing are known in memory alone at most.
const NOTE_SPORING_AFTER: Duration = Duration::from_secs(2);
/// How much more than the reserve must be free before meldinger are taken again. Bytes.
const ROOM_AGAIN: u64 = 4 * 1024 * 1024;
/// Room beyond the reserve is short when it is less than this. Bytes.
const NEARLY: u64 = 16 * 1024 * 1024;
/// How many meldinger a consumer without limit may hold.
const NO_PREFETCH: u32 = 2000;

struct Slot {
    queue: Queue,
    dead: u64,
    /// Stands among those with something to go on with.
    is_behind: bool,
}

impl Slot {
    fn new(dead: u64) -> Self {
        Self { queue: Queue::default(), dead, is_behind: false }
    }
}

struct Channel {
    link: ChannelLink,
    adresse: Option<SocketAddr>,
    consumers: HashMap<Consumer, (ConsumerKey, KontoId)>,
    /// By age.
    held: BTreeMap<DeliveryId, (KontoId, Number)>,
}

/// A removed queue whose meldinger and dead letters are still to be seen to.
struct Removed {
    konto: KontoId,
    numbers: VecDeque<(Number, Share, Option<Ending>)>,
    /// From which number on dead letters are still to be seen to, once no more meldinger are; `None` when none are left.
    dead_from: Option<Number>,
    meldinger: u64,
    answer: Option<Answer<DeletedQueue>>,
}

/// A closed channel of which not all has gone back yet.
struct Closing {
    /// Of which queues it held something.
    kontoer: Vec<KontoId>,
    answer: Answer<()>,
}

/// What the engine is given.
pub(crate) struct Parts {
    pub(crate) store: Arc<Store>,
    pub(crate) faults: Faults,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) first_number: Number,
    pub(crate) cache_bytes: usize,
    pub(crate) min_free_bytes: u64,
    /// What must be free, for whoever looks.
    pub(crate) reserve: Arc<Reserve>,
    /// When something is due next.
    pub(crate) due: watch::Sender<Option<Millis>>,
    /// Who gives many answers at a time.
    pub(crate) answers: mpsc::UnboundedSender<Vec<Ready>>,
    /// Why what was in consumers' hands has come back.
    pub(crate) arsak: Retur,
    /// Queues that stand still.
    pub(crate) aside: Arc<Aside>,
    /// What waits on whose account, for whoever looks.
    pub(crate) totals: Arc<Totals>,
    /// How much sporing whose meldinger leave behind.
    pub(crate) sporing: Arc<Sporing>,
}

pub(crate) struct Engine {
    store: Arc<Store>,
    faults: Faults,
    pulse: Arc<Pulse>,
    /// When the log was last asked whether it is well.
    looked_after: Instant,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    min_free_bytes: u64,
    reserve: Arc<Reserve>,
    due: watch::Sender<Option<Millis>>,
    answers: mpsc::UnboundedSender<Vec<Ready>>,
    queues: HashMap<KontoId, Slot>,
    /// The first deadline of each queue.
    deadlines: BTreeSet<(Millis, KontoId)>,
    aside: Arc<Aside>,
    pub(crate) ledger: Ledger,
    sporing: Arc<Sporing>,
    /// Since when levels of sporing have changed that are not written down.
    sporing_noted: Option<Instant>,
    removed: VecDeque<Removed>,
    /// Queues with something to go on with, each in its turn.
    behind: VecDeque<KontoId>,
    closing: Vec<Closing>,
    /// What can only be answered once something else is worked off.
    later: Vec<Request>,
    channels: HashMap<ChannelKey, Channel>,
    consumers: HashMap<ConsumerKey, (ChannelKey, Consumer)>,
    cache: Cache,
    /// For meldinger, steps, deliveries, channels and consumers alike.
    next: u64,
    now: Timestamp,
    now_ms: Millis,
    /// Whether there is room, once looked at in this step.
    room: Option<bool>,
    /// Whether there was, the last time.
    had_room: bool,
    /// Whether room is so short that writing waits for the log store.
    is_tight: bool,
    /// The server is about to stop: nothing is handed out, and nothing counts.
    pub(crate) stopping: bool,
    step: Step,
    /// What is left of the melding that is being set aside.
    remains: HashMap<Number, Remains>,
    effects: Vec<Effect>,
    /// How many requests go into the next step at most.
    requests_at_once: usize,
}

impl Engine {
    /// Rebuilds the queues as they stand on disk. Meldinger that were in a consumer's hands have come back.
    pub(crate) fn recover(parts: Parts) -> Result<Self, StoreError> {
        let Parts {
            store,
            faults,
            clock,
            ids,
            first_number,
            cache_bytes,
            min_free_bytes,
            reserve,
            due,
            answers,
            arsak,
            aside,
            totals,
            pulse,
            sporing,
        } = parts;
        sporing.restore(store.sporing_levels()?);
        let now = clock.now();
        let now_ms = now.as_millisecond();
        let mut engine = Self {
            store,
            faults,
            pulse,
            looked_after: Instant::now(),
            clock,
            ids,
            min_free_bytes,
            reserve,
            due,
            answers,
            queues: HashMap::new(),
            deadlines: BTreeSet::new(),
            aside,
            ledger: Ledger::new(totals),
            sporing,
            sporing_noted: None,
            removed: VecDeque::new(),
            behind: VecDeque::new(),
            closing: Vec::new(),
            later: Vec::new(),
            channels: HashMap::new(),
            consumers: HashMap::new(),
            cache: Cache::new(cache_bytes),
            next: first_number,
            now,
            now_ms,
            room: None,
            had_room: true,
            is_tight: false,
            stopping: false,
            step: Step::default(),
            remains: HashMap::new(),
            effects: Vec::new(),
            requests_at_once: *REQUESTS_AT_ONCE.start(),
        };
        let ledger = &mut engine.ledger;
        let mut dead: HashMap<KontoId, u64> = HashMap::new();
        engine.store.scan_dead(|konto, _, cost| {
            ledger.take(cost);
            *dead.entry(konto).or_default() += 1;
        })?;
        for konto in engine.store.kontoer()? {
            engine.queues.insert(konto, Slot::new(dead.remove(&konto).unwrap_or_default()));
        }
        // A queue that was being removed has no Konto any more, but may still have meldinger, and dead letters.
        let mut removed: BTreeMap<KontoId, VecDeque<(Number, Share, Option<Ending>)>> = BTreeMap::new();
        let (queues, ledger) = (&mut engine.queues, &mut engine.ledger);
        engine.store.scan_entries(|konto, entry| {
            let Entry { number, deadline, tries, held, share } = entry;
            let share = ledger.take(share);
            match queues.get_mut(&konto) {
                Some(slot) => {
                    slot.queue.restore_entry(now_ms, Entry { number, deadline, tries, held, share });
                }
                None => removed.entry(konto).or_default().push_back((number, share, None)),
            }
        })?;
        for konto in dead.into_keys() {
            removed.entry(konto).or_default();
        }
        engine.removed.extend(removed.into_iter().map(|(konto, numbers)| Removed {
            konto,
            meldinger: numbers.len() as u64,
            numbers,
            dead_from: Some(Number::MIN),
            answer: None,
        }));
        engine.deadlines = engine
            .queues
            .iter()
            .filter(|(konto, _)| !engine.aside.contains(**konto))
            .filter_map(|(konto, slot)| Some((slot.queue.next_deadline()?, *konto)))
            .collect();
        engine.take_back_held(arsak)?;
        engine.step.sync = true;
        engine.commit()?;
        engine.note_reserve();
        Ok(engine)
    }

    /// What was in consumers' hands when the process ended has come back for the reason of `arsak`. The first few of each queue come
    /// back before anybody asks, all others in between.
    fn take_back_held(&mut self, arsak: Retur) -> Result<(), StoreError> {
        for (konto, numbers) in self.held() {
            let is_suspect = |number: &Number| arsak != Retur::Krasj || !self.store.is_unsuspected(*number);
            let (suspects, others) = numbers.into_iter().partition(is_suspect);
            self.run(konto, Command::Return { numbers: suspects, arsak })?;
            self.run(konto, Command::Return { numbers: others, arsak: Retur::Omstart })?;
            if self.has_enough() {
                self.commit()?;
            }
        }
        Ok(())
    }

    /// Serves requests until it is closed, all who could ask are gone, or the log fails.
    pub(crate) fn serve(mut self, requests: &Receiver<Request>) -> Served {
        loop {
            match self.turn(requests) {
                Ok(Turn::Go) => {}
                Ok(Turn::Closed(answer)) => {
                    let closed = self.close();
                    let failed = closed.is_err();
                    drop(self);
                    drop(answer.send(closed.map_err(unavailable)));
                    if failed {
                        tracing::error!("the queue log could not be closed in good order");
                    }
                    return Served::Closed;
                }
                Ok(Turn::Abandoned) => return Served::Abandoned,
                Err(error) => {
                    for answer in std::mem::take(&mut self.step.answers) {
                        answer.refuse();
                    }
                    for request in std::mem::take(&mut self.later) {
                        request.refuse(Stopped::Failed);
                    }
                    return Served::Failed { error, stopping: self.stopping };
                }
            }
        }
    }

    fn turn(&mut self, requests: &Receiver<Request>) -> Result<Turn, StoreError> {
        let busy = !self.removed.is_empty()
            || !self.behind.is_empty()
            || self.deadlines.first().is_some_and(|(deadline, _)| *deadline <= self.now_ms);
        self.pulse.rest();
        let first = if busy {
            match requests.try_recv() {
                Ok(request) => Some(request),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return Ok(Turn::Abandoned),
            }
        } else {
            match requests.recv_timeout(LOOK_AFTER) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(Turn::Abandoned),
            }
        };
        self.pulse.begin();
        // A log that failed in the background says so to whoever writes next, and there may be nobody for hours.
        if self.looked_after.elapsed() >= LOOK_AFTER {
            self.faults.on_write()?;
            self.store.check()?;
            self.store.look_at_tables();
            let reserve_bytes = self.note_reserve();
            if self.sporing_noted.is_some_and(|noted| noted.elapsed() >= NOTE_SPORING_AFTER) {
                self.note_sporing()?;
            }
            self.is_tight = !self.has_free(reserve_bytes.saturating_add(NEARLY));
            self.looked_after = Instant::now();
        }
        self.now = self.clock.now();
        self.now_ms = self.now.as_millisecond();
        self.room = None;
        let mut taken = 0;
        let mut next = first;
        while let Some(request) = next {
            if let Request::Close { answer } = request {
                self.commit()?;
                return Ok(Turn::Closed(answer));
            }
            self.handle(request)?;
            taken += 1;
            if taken >= self.requests_at_once || self.step.bytes >= BYTES_AT_ONCE || self.has_too_much() {
                break;
            }
            next = requests.try_recv().ok();
        }
        self.pass_time()?;
        self.go_on()?;
        self.see_to_removed(REMOVED_AT_ONCE)?;
        for request in std::mem::take(&mut self.later) {
            self.handle(request)?;
        }
        self.commit()?;
        Ok(Turn::Go)
    }

    fn handle(&mut self, request: Request) -> Result<(), StoreError> {
        match request {
            Request::Publish { melding, payload, room, answer } => {
                self.publish(melding, payload, &room, answer)?;
            }
            Request::Settle { channel, delivery, settlement } => {
                self.settle(channel, delivery, settlement)?;
            }
            Request::Consume { channel, consumer, konto, prefetch, answer } => {
                let result = self.consume(channel, consumer, konto, prefetch)?;
                self.step.answers.push(Ready::Unit(answer, result));
            }
            Request::Cancel { channel, consumer, answer } => {
                let found = self.channels.get_mut(&channel).and_then(|open| open.consumers.remove(&consumer));
                if let Some((key, konto)) = found {
                    self.consumers.remove(&key);
                    self.run(konto, Command::Cancel { consumer: key })?;
                }
                self.step.answers.push(Ready::Unit(answer, Ok(())));
            }
            Request::OpenChannel { link, adresse, answer } => {
                let key = self.number();
                let channel = Channel { link, adresse, consumers: HashMap::new(), held: BTreeMap::new() };
                self.channels.insert(key, channel);
                self.step.answers.push(Ready::Channel(answer, key));
            }
            Request::SettleAll { channel, deliveries, settlement } => {
                self.settle_all(channel, &deliveries, settlement)?;
            }
            Request::CloseChannel { channel, by, answer } => {
                let kontoer = self.close_channel(channel, by)?;
                if let Some(answer) = answer {
                    self.closing.push(Closing { kontoer, answer });
                    self.answer_closing();
                }
            }
            Request::CreateQueue { konto, answer } => {
                // What was left of an earlier queue of this Konto must not turn up in the new one after a crash.
                if self.removed.iter().any(|removed| removed.konto == konto) {
                    self.later.push(Request::CreateQueue { konto, answer });
                } else {
                    self.create_queue(konto)?;
                    self.step.answers.push(Ready::Unit(answer, Ok(())));
                }
            }
            Request::SetAside { konto, answer } => {
                self.set_queue_aside(konto);
                self.step.answers.push(Ready::Unit(answer, Ok(())));
            }
            Request::DeleteQueue { konto, answer } => self.delete_queue(konto, answer),
            Request::Status { konto, answer } => self.status(konto, answer),
            Request::Statuses { kontoer, answer } => {
                let statuses = kontoer.into_iter().map(|konto| self.standing(konto)).collect();
                self.step.answers.push(Ready::Statuses(answer, statuses));
            }
            Request::Requeue { konto, id, answer } => self.requeue(konto, id, answer)?,
            Request::Barrier { answer } => self.step.answers.push(Ready::Unit(answer, Ok(()))),
            Request::Tick | Request::Close { .. } => {}
            Request::Damaged { channel, delivery, remains } => {
                let held = self.channels.get_mut(&channel).and_then(|open| open.held.remove(&delivery));
                if let Some((konto, number)) = held {
                    self.remains.insert(number, *remains);
                    self.run(konto, Command::SetAside { number })?;
                    self.remains.clear();
                }
            }
            Request::SetAsideHeld { konto, number, remains, answer } => {
                self.remains.insert(number, *remains);
                self.run(konto, Command::SetAside { number })?;
                // What is left of it was taken where it was set aside.
                let done = self.remains.remove(&number).is_none();
                self.step.answers.push(Ready::Done(answer, done));
            }
            Request::BeginStop => self.begin_stop()?,
            Request::Pruned { dead } => {
                for (konto, cost) in dead {
                    self.ledger.give_back_cost(cost);
                    if let Some(slot) = self.queues.get_mut(&konto) {
                        slot.dead = slot.dead.saturating_sub(1);
                    }
                }
            }
        }
        Ok(())
    }

    fn publish(
        &mut self,
        melding: Arc<Melding>,
        payload: Bytes,
        room: &KoRom,
        answer: Answer<()>,
    ) -> Result<(), StoreError> {
        let konto = melding.mottaker;
        let result = if !self.queues.contains_key(&konto) {
            Err(BrokerError::NoQueue { konto })
        } else if !self.has_room() {
            Err(BrokerError::Full)
        } else if !self.has_room_for_sporing(&melding, room) {
            Err(BrokerError::NoRoomForSporing)
        } else if let Err(no_room) = self.ledger.fits(room, melding.room_bytes(payload.len())) {
            Err(no_room)
        } else {
            self.step.bytes += payload.len();
            let command = self.take_in(melding, payload, room.eiere);
            self.run(konto, command)?;
            Ok(())
        };
        self.step.answers.push(Ready::Unit(answer, result));
        Ok(())
    }

    /// Whether what will be left of a melding is within the bound of its sender.
    fn has_room_for_sporing(&self, melding: &Melding, room: &KoRom) -> bool {
        let bytes =
            || self.sporing.of(room.eiere.avsender, self.now_ms).saturating_add(melding.sporing_bytes());
        room.sporing_max == u64::MAX || bytes() <= room.sporing_max
    }

    /// Writes down how much sporing whose meldinger leave behind. What comes until then is forgotten if the process is killed.
    fn note_sporing(&mut self) -> Result<(), StoreError> {
        self.sporing_noted = None;
        self.store.note_sporing_levels(&self.sporing.list(self.now_ms))
    }

    /// Notes a new melding in the step and gives the command for its queue.
    fn take_in(&mut self, melding: Arc<Melding>, payload: Bytes, eiere: Eiere) -> Command {
        let cost = Cost::new(eiere, melding.room_bytes(payload.len()));
        if self.sporing.is_bounded() {
            self.sporing.add(eiere.avsender, melding.sporing_bytes(), self.now_ms);
            self.sporing_noted.get_or_insert_with(Instant::now);
        }
        let deadline = deadline(melding.utloper());
        let lines = vec![Line::new(self.now, &Hendelse::LagtPaKo)];
        self.put_last(Fresh { melding, payload, lines }, deadline, cost)
    }

    fn put_last(&mut self, fresh: Fresh, deadline: Millis, cost: Cost) -> Command {
        let share = self.ledger.take(cost);
        let number = self.number();
        let konto = fresh.melding.mottaker;
        self.step.fresh.insert(number, fresh);
        let entry = Entry { number, deadline, tries: Tries::default(), held: false, share };
        self.step.entries.insert(number, Some((konto, entry)));
        self.step.sync = true;
        Command::Publish { number, deadline, share }
    }

    fn settle(
        &mut self,
        channel: ChannelKey,
        delivery: DeliveryId,
        settlement: Settlement,
    ) -> Result<(), StoreError> {
        let held = self.channels.get_mut(&channel).and_then(|open| open.held.remove(&delivery));
        let Some((konto, number)) = held else { return Ok(()) };
        let command = match settlement {
            Settlement::Ack => Command::Ack { number },
            Settlement::Drop => Command::Drop { number },
            Settlement::Requeue(arsak) => {
                let arsak = if self.stopping { Retur::Omstart } else { arsak };
                Command::Return { numbers: vec![number], arsak }
            }
        };
        self.run(konto, command)
    }

    /// Lets go of many at once; their queues see to them a few at a time.
    fn settle_all(
        &mut self,
        channel: ChannelKey,
        deliveries: &[DeliveryId],
        settlement: Settlement,
    ) -> Result<(), StoreError> {
        let Some(open) = self.channels.get_mut(&channel) else { return Ok(()) };
        let held = deliveries.iter().filter_map(|delivery| open.held.remove(delivery));
        for (konto, numbers) in by_konto(held) {
            let command = match settlement {
                Settlement::Ack => Command::End { numbers, ending: Ending::Acked },
                Settlement::Drop => Command::End { numbers, ending: Ending::Dropped },
                Settlement::Requeue(_) if self.stopping => Command::Return { numbers, arsak: Retur::Omstart },
                Settlement::Requeue(arsak) => Command::Return { numbers, arsak },
            };
            self.run(konto, command)?;
        }
        Ok(())
    }

    fn consume(
        &mut self,
        channel: ChannelKey,
        consumer: Consumer,
        konto: KontoId,
        prefetch: u16,
    ) -> Result<Result<(), BrokerError>, StoreError> {
        let key = self.number();
        if self.stopping {
            return Ok(Err(unavailable(Stopped::Closed)));
        }
        let Some(open) = self.channels.get_mut(&channel) else {
            return Ok(Err(unavailable("the channel is closed")));
        };
        if open.consumers.contains_key(&consumer) {
            return Ok(Err(BrokerError::ConsumerInUse(consumer)));
        }
        if !self.queues.contains_key(&konto) {
            return Ok(Err(BrokerError::NoQueue { konto }));
        }
        open.consumers.insert(consumer, (key, konto));
        self.consumers.insert(key, (channel, consumer));
        let prefetch = if prefetch == 0 { NO_PREFETCH } else { u32::from(prefetch) };
        self.run(konto, Command::Subscribe { consumer: key, prefetch })?;
        Ok(Ok(()))
    }

    /// Returns of which queues it held something, which their queues see to a few at a time.
    fn close_channel(&mut self, channel: ChannelKey, by: EndedBy) -> Result<Vec<KontoId>, StoreError> {
        let Some(open) = self.channels.remove(&channel) else { return Ok(Vec::new()) };
        open.link.shared.closed.store(true, Ordering::Release);
        for (key, konto) in open.consumers.into_values() {
            self.consumers.remove(&key);
            self.run(konto, Command::Cancel { consumer: key })?;
        }
        let kontoer = by_konto(open.held.values().copied()).into_keys().collect();
        let mut given = open.held;
        // Nobody has seen those, be it that they waited for room or for memory.
        let given_to = open.link.shared.given.load(Ordering::Relaxed);
        let others = given.split_off(&DeliveryId(given_to.saturating_add(1)));
        let unseen = if self.stopping { Retur::Omstart } else { Retur::Avbrutt };
        let seen = match by {
            EndedBy::Consumer if !self.stopping => Retur::Frakoblet,
            EndedBy::Consumer | EndedBy::Server => unseen,
        };
        for (held, arsak) in [(given, seen), (others, unseen)] {
            for (konto, numbers) in by_konto(held.into_values()) {
                self.run(konto, Command::Return { numbers, arsak })?;
            }
        }
        Ok(kontoer)
    }

    /// Answers those who closed a channel of which everything has gone back.
    fn answer_closing(&mut self) {
        let queues = &self.queues;
        let is_settling = |konto: &KontoId| queues.get(konto).is_some_and(|slot| slot.queue.is_settling());
        let done = self.closing.extract_if(.., |closing| !closing.kontoer.iter().any(is_settling));
        self.step.answers.extend(done.map(|closing| Ready::Unit(closing.answer, Ok(()))));
    }

    /// Goes on with what queues have not done yet.
    fn go_on(&mut self) -> Result<(), StoreError> {
        for _ in 0..self.behind.len().min(QUEUES_AT_ONCE) {
            let Some(konto) = self.behind.pop_front() else { break };
            let Some(slot) = self.queues.get_mut(&konto) else { continue };
            slot.is_behind = false;
            self.run(konto, Command::Tick)?;
            // Behind the first, or many requests would keep it from going on at all.
            if self.has_enough() {
                break;
            }
        }
        self.answer_closing();
        Ok(())
    }

    /// Whether so much changes in this step that what can wait does.
    fn has_enough(&self) -> bool {
        self.step.entries.len() >= CHANGED_AT_ONCE
    }

    /// Whether so much changes in this step that requests wait as well: each may change many.
    fn has_too_much(&self) -> bool {
        self.step.entries.len() >= 4 * CHANGED_AT_ONCE
    }

    fn create_queue(&mut self, konto: KontoId) -> Result<(), StoreError> {
        if let Some(slot) = self.queues.get(&konto) {
            if self.aside.remove(konto)
                && let Some(deadline) = slot.queue.next_deadline()
            {
                self.deadlines.insert((deadline, konto));
            }
            return Ok(());
        }
        let dead = self.store.dead_of(konto)?;
        self.queues.insert(konto, Slot::new(dead));
        self.step.kontoer.retain(|(changed, _)| *changed != konto);
        self.step.kontoer.push((konto, true));
        self.step.sync = true;
        Ok(())
    }

    /// From now on nothing in the queue of `konto` ends.
    fn set_queue_aside(&mut self, konto: KontoId) {
        let Some(slot) = self.queues.get(&konto) else { return };
        if let Some(deadline) = slot.queue.next_deadline() {
            self.deadlines.remove(&(deadline, konto));
        }
        self.aside.insert(konto);
    }

    fn delete_queue(&mut self, konto: KontoId, answer: Answer<DeletedQueue>) {
        let Some(mut slot) = self.queues.remove(&konto) else {
            if let Some(removed) = self.removed.iter_mut().find(|removed| removed.konto == konto) {
                removed.answer.get_or_insert(answer);
            } else {
                self.step.answers.push(Ready::Deleted(answer, DeletedQueue::default()));
            }
            return;
        };
        if let Some(deadline) = slot.queue.next_deadline() {
            self.deadlines.remove(&(deadline, konto));
        }
        self.aside.remove(konto);
        self.step.kontoer.retain(|(changed, _)| *changed != konto);
        self.step.kontoer.push((konto, false));
        self.step.sync = true;
        let mut effects = Vec::new();
        slot.queue.apply(self.now_ms, Command::Delete, &mut effects);
        let mut numbers = VecDeque::new();
        for effect in effects {
            match effect {
                Effect::Removed { number, share, ending } => numbers.push_back((number, share, ending)),
                Effect::Ended { consumer } => {
                    let Some((channel, name)) = self.consumers.remove(&consumer) else { continue };
                    if let Some(open) = self.channels.get_mut(&channel) {
                        open.consumers.remove(&name);
                        self.step.ended.push((channel, name));
                    }
                }
                _ => {}
            }
        }
        self.removed.push_back(Removed {
            konto,
            meldinger: numbers.iter().filter(|(_, _, ending)| ending.is_none()).count() as u64,
            numbers,
            dead_from: Some(Number::MIN),
            answer: Some(answer),
        });
    }

    /// Notifies the senders of what stood in a removed queue, up to `limit` of them, and then ends its dead letters.
    fn see_to_removed(&mut self, limit: usize) -> Result<(), StoreError> {
        let Some(mut removed) = self.removed.pop_front() else { return Ok(()) };
        for _ in 0..limit {
            let Some((number, share, ending)) = removed.numbers.pop_front() else { break };
            let eiere = self.ledger.cost(share).eiere;
            match ending {
                Some(Ending::Acked) => self.leave(number, share, &Hendelse::Bekreftet),
                Some(Ending::Dropped) => self.leave(number, share, &Hendelse::Avvist),
                None => {
                    self.leave(number, share, &Hendelse::KontoSlettet);
                    self.notify_sender(removed.konto, number, eiere, Kvittering::Serverfeil)?;
                }
            }
        }
        if removed.numbers.is_empty() {
            self.end_dead(&mut removed, limit)?;
        }
        if removed.dead_from.is_some() {
            self.removed.push_back(removed);
        } else if let Some(answer) = removed.answer {
            let deleted = DeletedQueue { meldinger: removed.meldinger };
            self.step.answers.push(Ready::Deleted(answer, deleted));
        }
        Ok(())
    }

    /// Ends dead letters of a removed queue, up to `limit` of them: nobody can reach them any more, so they take no room either.
    /// Their senders were notified when they became dead letters.
    fn end_dead(&mut self, removed: &mut Removed, limit: usize) -> Result<(), StoreError> {
        let Some(from) = removed.dead_from.take() else { return Ok(()) };
        // What was given up in this step is not on disk yet.
        self.commit()?;
        let store = self.store.clone();
        // From the look at the disk until the step is there: it must not be forgotten in between, which gives room back as well.
        let _turn = store.no_forgetting();
        let dead = store.dead_from(removed.konto, from, limit)?;
        if dead.len() == limit {
            removed.dead_from = dead.last().map(|(last, _)| last + 1);
        }
        for (number, cost) in dead {
            self.ledger.give_back_cost(cost);
            self.step.dead_gone.push((removed.konto, number));
            self.line(number, &Hendelse::KontoSlettet);
        }
        self.commit()
    }

    fn status(&mut self, konto: KontoId, answer: Answer<Standing>) {
        // What is due has expired first, whether or not the timer came to it.
        if self.first_deadline(konto) <= self.now_ms {
            self.later.push(Request::Status { konto, answer });
            return;
        }
        match self.standing(konto) {
            Some(standing) => self.step.answers.push(Ready::Status(answer, standing)),
            None => drop(answer.send(Err(BrokerError::NoQueue { konto }))),
        }
    }

    fn standing(&self, konto: KontoId) -> Option<Standing> {
        let slot = self.queues.get(&konto)?;
        let status = QueueStatus {
            consumers: u32::try_from(slot.queue.consumer_len()).unwrap_or(u32::MAX),
            ready: slot.queue.ready_len() as u64,
            unacked: slot.queue.held_len() as u64,
            dead: slot.dead,
            oldest: None,
        };
        Some((status, slot.queue.oldest()))
    }

    /// Puts a dead letter back at the end of its queue. It gets a new number, since that is what a queue is ordered by, and
    /// moves with its payload and its sporing.
    fn requeue(&mut self, konto: KontoId, id: MeldingId, answer: Answer<bool>) -> Result<(), StoreError> {
        let refused = if !self.queues.contains_key(&konto) {
            Some(BrokerError::NoQueue { konto })
        } else if !self.has_room() {
            Some(BrokerError::Full)
        } else {
            None
        };
        if let Some(refused) = refused {
            drop(answer.send(Err(refused)));
            return Ok(());
        }
        // What was given up in this step is not on disk yet.
        self.commit()?;
        let store = self.store.clone();
        // From the look at the disk until the step is there: it must not be forgotten in between.
        let _turn = store.no_forgetting();
        let dead = match guarded(|| store.dead_letter(konto, id)) {
            Ok(Some(dead)) => dead,
            Ok(None) => {
                self.step.answers.push(Ready::Done(answer, false));
                return Ok(());
            }
            // One damaged melding must not stop all others.
            Err(error) if error.is_damage() => {
                tracing::warn!(
                    melding.id = %id,
                    konto.id = %konto,
                    error = &error as &dyn std::error::Error,
                    "a damaged dead letter cannot be put back"
                );
                self.step.answers.push(Ready::Done(answer, false));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut lines = dead.lines.clone();
        lines.push(Line::new(self.now, &Hendelse::LagtTilbake));
        let end = self.now.checked_add(dead.melding.ttl).unwrap_or(Timestamp::MAX);
        let fresh = Fresh { melding: dead.melding.clone(), payload: dead.payload.clone(), lines };
        // It took the same room before.
        self.ledger.give_back_cost(dead.cost);
        let command = self.put_last(fresh, deadline(end), dead.cost);
        self.step.requeued.push(dead);
        if let Some(slot) = self.queues.get_mut(&konto) {
            slot.dead = slot.dead.saturating_sub(1);
        }
        self.run(konto, command)?;
        self.step.answers.push(Ready::Done(answer, true));
        self.commit()
    }

    fn first_deadline(&self, konto: KontoId) -> Millis {
        if self.aside.contains(konto) {
            return Millis::MAX;
        }
        self.queues.get(&konto).and_then(|slot| slot.queue.next_deadline()).unwrap_or(Millis::MAX)
    }

    /// Lets expire what is due.
    fn pass_time(&mut self) -> Result<(), StoreError> {
        for _ in 0..QUEUES_AT_ONCE {
            match self.deadlines.first() {
                Some(&(deadline, konto)) if deadline <= self.now_ms => self.run(konto, Command::Tick)?,
                _ => break,
            }
            if self.has_enough() {
                break;
            }
        }
        Ok(())
    }

    /// Ends every consumer, so that what the first channel gives back is not handed to the next one that is about to close;
    /// what they hold they keep until they settle it or their channel closes.
    fn begin_stop(&mut self) -> Result<(), StoreError> {
        self.stopping = true;
        let consumers: Vec<_> = self
            .channels
            .values_mut()
            .flat_map(|open| std::mem::take(&mut open.consumers).into_values())
            .collect();
        self.consumers.clear();
        for (key, konto) in consumers {
            self.run(konto, Command::Cancel { consumer: key })?;
        }
        Ok(())
    }

    /// Gives back what consumers hold, without counting it: the server stops, not they.
    fn close(&mut self) -> Result<(), StoreError> {
        self.begin_stop()?;
        for channel in self.channels.values() {
            channel.link.shared.closed.store(true, Ordering::Release);
        }
        self.channels.clear();
        for (konto, numbers) in self.held() {
            self.run(konto, Command::Return { numbers, arsak: Retur::Omstart })?;
            if self.has_enough() {
                self.commit()?;
            }
        }
        // What was let go of before counts as was said then.
        while !self.behind.is_empty() {
            self.go_on()?;
            self.commit()?;
        }
        if self.sporing_noted.is_some() {
            self.note_sporing()?;
        }
        self.step.sync = true;
        self.commit()
    }

    /// What consumers hold of each queue.
    fn held(&self) -> Vec<(KontoId, Vec<Number>)> {
        let held = self.queues.iter().filter(|(_, slot)| slot.queue.held_len() > 0);
        held.map(|(konto, slot)| (*konto, slot.queue.held().collect())).collect()
    }

    fn has_room(&mut self) -> bool {
        if let Some(room) = self.room {
            return room;
        }
        let reserve_bytes = self.note_reserve();
        // Once refused, some more is waited for, so that it does not change with every melding.
        let needed_bytes =
            if self.had_room { reserve_bytes } else { reserve_bytes.saturating_add(ROOM_AGAIN) };
        let room = self.has_free(needed_bytes);
        self.room = Some(room);
        self.is_tight |= !room;
        if std::mem::replace(&mut self.had_room, room) != room {
            let min_free_bytes = self.min_free_bytes;
            if room {
                tracing::info!(
                    min_free_bytes,
                    reserve_bytes,
                    "there is room on the disk again, meldinger are taken"
                );
            } else {
                tracing::warn!(
                    min_free_bytes,
                    reserve_bytes,
                    "the disk is nearly full, publish is refused while less than reserve_bytes are free"
                );
            }
        }
        room
    }

    fn has_free(&self, bytes: u64) -> bool {
        !self.faults.is_full() && self.store.free_bytes().is_none_or(|free| free >= bytes)
    }

    /// What must be free before more is taken.
    fn note_reserve(&self) -> u64 {
        let bytes = self.store.reserve_bytes(self.min_free_bytes, self.ledger.count());
        self.reserve.note(bytes);
        bytes
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

/// Meldinger by the queue that they come from.
fn by_konto(held: impl IntoIterator<Item = (KontoId, Number)>) -> BTreeMap<KontoId, Vec<Number>> {
    let mut kontoer: BTreeMap<KontoId, Vec<Number>> = BTreeMap::new();
    for (konto, number) in held {
        kontoer.entry(konto).or_default().push(number);
    }
    kontoer
}

/// Why an engine serves no more.
pub(crate) enum Served {
    /// It was closed.
    Closed,
    /// Nobody is left who could ask.
    Abandoned,
    /// The log failed, and nothing in memory can be trusted any more.
    Failed { error: StoreError, stopping: bool },
}

enum Turn {
    Go,
    Closed(Answer<()>),
    /// Nobody is left who could ask.
    Abandoned,
}

/// The deadline in whole milliseconds, never before the life of the melding really ends.
fn deadline(end: Timestamp) -> Millis {
    let millis = end.as_millisecond();
    if end.subsec_nanosecond() % 1_000_000 == 0 { millis } else { millis.saturating_add(1) }
}
