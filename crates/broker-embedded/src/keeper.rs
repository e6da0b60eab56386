//! Keeps an engine running: opens the log again after a failure, as often as it takes.
//!
//! The thread that owns all queues is this one. When the log fails, or the engine panics, nothing that is in memory can be
//! trusted: the engine goes, its channels end, the files are closed, and the queues are read anew from the disk. Until that
//! works everybody is answered that the queues are not available, and whatever was in a consumer's hands comes back without
//! counting. A log that cannot be opened for too long, or fails too often, is given up, for whoever started the process to start it
//! again.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use app::ports::{Availability, Clock, IdSource};
use domain::melding::Retur;
use tokio::sync::{mpsc, watch};

use crate::aside::Aside;
use crate::displaced::Displaced;
use crate::engine::{Engine, Parts, Served};
use crate::fault::Faults;
use crate::ledger::Totals;
use crate::pulse::{Condition, Pulse};
use crate::queue::Millis;
use crate::request::{Answer, Ready, Request, Stopped, unavailable};
use crate::resync;
use crate::slot::Slot;
use crate::sporing::Sporing;
use crate::store::{Layout, Reserve, Store, StoreError};

/// How often a log that is being opened, or whose files are being closed, is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How often the files of a log that failed are looked at while they are not in their place.
const LOOK_AT_FILES: Duration = Duration::from_secs(1);

/// How a log is opened again after a failure.
#[derive(Debug, Clone)]
pub struct Reopening {
    /// Pause before the first attempt; each one after it waits twice as long.
    pub first_pause: Duration,
    /// The longest pause. A log that stood for longer than this is thought to be well again.
    pub longest_pause: Duration,
    /// How long the log may be out of use, or the disk not answer, before it is given up.
    pub give_up_after: Duration,
    /// How often the log may fail within [`Self::failures_within`] before it is given up, though it can be opened again each time.
    pub failures_max: usize,
    /// See [`Self::failures_max`].
    pub failures_within: Duration,
    /// How long the disk may take for a step before it is said to hang.
    pub hangs_after: Duration,
    /// How long the disk may take for a step before those who wait for it are answered that the queues are not available.
    pub deaf_after: Duration,
}

impl Default for Reopening {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            give_up_after: Duration::from_mins(2),
            failures_max: 20,
            failures_within: Duration::from_hours(1),
            hangs_after: Duration::from_secs(5),
            deaf_after: Duration::from_secs(15),
        }
    }
}

/// What an engine is made from, the first time and each time after.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) path: PathBuf,
    pub(crate) layout: Layout,
    pub(crate) faults: Faults,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) cache_bytes: usize,
    pub(crate) min_free_bytes: u64,
    pub(crate) reserve: Arc<Reserve>,
    pub(crate) due: watch::Sender<Option<Millis>>,
    pub(crate) answers: mpsc::UnboundedSender<Vec<Ready>>,
    pub(crate) slot: Arc<Slot>,
    pub(crate) aside: Arc<Aside>,
    pub(crate) totals: Arc<Totals>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) sporing: Arc<Sporing>,
}

impl Origin {
    /// Opens the log and rebuilds the queues. What was in consumers' hands comes back for the reason of `arsak`.
    pub(crate) fn open(&self, arsak: Retur) -> Result<Engine, StoreError> {
        self.faults.on_open()?;
        let (store, first_number, closed) = Store::open(&self.path, &self.layout)?;
        let store = Arc::new(store);
        self.aside.opened(&store)?;
        let engine = Engine::recover(Parts {
            store: store.clone(),
            faults: self.faults.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            first_number,
            cache_bytes: self.cache_bytes,
            min_free_bytes: self.min_free_bytes,
            reserve: Arc::clone(&self.reserve),
            due: self.due.clone(),
            answers: self.answers.clone(),
            arsak,
            aside: Arc::clone(&self.aside),
            totals: Arc::clone(&self.totals),
            pulse: Arc::clone(&self.pulse),
            sporing: Arc::clone(&self.sporing),
        })?;
        self.slot.put(store, closed);
        Ok(engine)
    }

    fn open_again(&self, arsak: Retur) -> Result<Engine, StoreError> {
        self.faults.on_open()?;
        // Or an empty one is made in its place.
        Store::require(&self.path)?;
        resync::journals(&self.path).map_err(fjall::Error::Io)?;
        self.open(arsak)
    }
}

pub(crate) struct Keeper {
    pub(crate) origin: Origin,
    pub(crate) reopening: Reopening,
    pub(crate) condition: Arc<watch::Sender<Condition>>,
    /// The server is about to stop.
    pub(crate) stopping: bool,
    pub(crate) displaced: Arc<Displaced>,
}

/// Why no engine is needed any more.
enum Over {
    /// The broker is closed.
    Closed(Answer<()>),
    /// Nobody is left who could ask.
    Abandoned,
    /// The log is given up.
    GivenUp,
}

impl Keeper {
    /// Serves requests until the broker is closed or nobody is left who could ask.
    pub(crate) fn keep(self, engine: Engine, requests: &Receiver<Request>) {
        let pulse = Arc::clone(&self.origin.pulse);
        self.keep_on(engine, requests);
        pulse.end();
    }

    fn keep_on(mut self, engine: Engine, requests: &Receiver<Request>) {
        let mut failures = VecDeque::new();
        let mut engine = Box::new(engine);
        let mut pause = self.reopening.first_pause;
        let mut failing_since: Option<Instant> = None;
        loop {
            let opened = Instant::now();
            let served = catch_unwind(AssertUnwindSafe(move || engine.serve(requests)));
            let arsak = match served {
                Ok(Served::Closed) => {
                    refuse_all(requests, Stopped::Closed);
                    return;
                }
                Ok(Served::Abandoned) => return,
                Ok(Served::Failed { error, stopping }) => {
                    self.stopping |= stopping;
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the queue log failed; it is opened again as soon as that can be done"
                    );
                    Retur::Avbrutt
                }
                Err(_) => {
                    tracing::error!("the queues panicked; the queue log is opened again");
                    Retur::Krasj
                }
            };
            // One that fails again at once never was well.
            if opened.elapsed() > self.reopening.longest_pause {
                failing_since = None;
                pause = self.reopening.first_pause;
            }
            self.origin.pulse.out_of_use();
            self.say(false, false);
            let kept = self.keep_open_while_displaced(requests);
            if let Ok(true) = kept {
                // Nothing could be tried before.
                failing_since = None;
            }
            let since = *failing_since.get_or_insert_with(Instant::now);
            failures.push_back(Instant::now());
            failures.retain(|at| at.elapsed() <= self.reopening.failures_within);
            // Its drop flushes what it can, and may panic where a lock was held by what panicked.
            let slot = self.origin.slot.clone();
            drop(catch_unwind(AssertUnwindSafe(move || slot.take())));
            let reopened = if let Err(over) = kept {
                Err(over)
            } else if failures.len() > self.reopening.failures_max {
                tracing::error!(failures = failures.len(), "the queue log fails again and again");
                Err(Over::GivenUp)
            } else {
                self.reopen(requests, arsak, since, &mut pause)
            };
            match reopened {
                Ok(again) => engine = again,
                Err(Over::Closed(answer)) => {
                    answer.send(Err(unavailable(Stopped::Failed))).ok();
                    refuse_all(requests, Stopped::Closed);
                    return;
                }
                Err(Over::Abandoned) => return,
                Err(Over::GivenUp) => {
                    tracing::error!(
                        "the queue log has been out of use for too long, or too often, and is given up"
                    );
                    self.say(false, true);
                    refuse_all(requests, Stopped::Failed);
                    return;
                }
            }
            self.origin.pulse.in_use();
            self.say(true, false);
            let down_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(down_ms, "the queue log is open again; all queues were read from the disk");
        }
    }

    /// Keeps the files of a log that has failed open for as long as some are not in their place: what was removed can be copied only
    /// until they are closed, and what was put in their place is another log. Returns whether that was so.
    fn keep_open_while_displaced(&mut self, requests: &Receiver<Request>) -> Result<bool, Over> {
        let mut was_displaced = false;
        while let Some(store) = self.origin.slot.get() {
            let (displaced, condition) = (Arc::clone(&self.displaced), Arc::clone(&self.condition));
            let clock = Arc::clone(&self.origin.clock);
            let look = move || displaced.look(&store, true, &condition, &*clock);
            let is_in_place = self.beside(requests, "broker-look", look)?.unwrap_or(true);
            if is_in_place {
                break;
            }
            was_displaced = true;
            // Nobody mends that by starting another process.
            self.origin.pulse.in_use();
            let until = Instant::now() + LOOK_AT_FILES;
            self.refuse_while(requests, || {
                until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            })?;
        }
        if was_displaced {
            self.origin.pulse.out_of_use();
        }
        Ok(was_displaced)
    }

    fn say(&self, available: bool, given_up: bool) {
        let since = self.origin.clock.now();
        self.condition.send_modify(|condition| {
            condition.availability = Availability { available, since };
            condition.given_up |= given_up;
        });
    }

    fn reopen(
        &mut self,
        requests: &Receiver<Request>,
        arsak: Retur,
        since: Instant,
        pause: &mut Duration,
    ) -> Result<Box<Engine>, Over> {
        let mut last = String::new();
        loop {
            let until = Instant::now() + *pause;
            *pause = (*pause * 2).min(self.reopening.longest_pause);
            let slot = self.origin.slot.clone();
            self.refuse_while(requests, || {
                let now = Instant::now();
                (now < until).then(|| until - now).or_else(|| (!slot.is_closed()).then_some(LOOK))
            })?;
            match self.attempt(requests, arsak)? {
                Ok(mut engine) => {
                    engine.stopping = self.stopping;
                    return Ok(engine);
                }
                // The same trouble is logged once.
                Err(error) if last != error => {
                    tracing::warn!(error, "the queue log cannot be opened yet");
                    last = error;
                }
                Err(_) => {}
            }
            if since.elapsed() >= self.reopening.give_up_after {
                return Err(Over::GivenUp);
            }
        }
    }

    /// Opens the log on a thread of its own, so that nobody who asks meanwhile waits for it.
    fn attempt(
        &mut self,
        requests: &Receiver<Request>,
        arsak: Retur,
    ) -> Result<Result<Box<Engine>, String>, Over> {
        let origin = self.origin.clone();
        // Whoever waits for it may be gone; then the engine goes too.
        match self.beside(requests, "broker-open", move || origin.open_again(arsak)) {
            Ok(Ok(Ok(engine))) => Ok(Ok(Box::new(engine))),
            Ok(Ok(Err(error))) => Ok(Err(chain(&error))),
            Ok(Err(error)) => Ok(Err(error)),
            Err(over) => {
                self.origin.slot.take();
                Err(over)
            }
        }
    }

    /// Does `work` on a thread of its own while all who ask are refused. Fails where it could not be done.
    fn beside<T: Send + 'static>(
        &mut self,
        requests: &Receiver<Request>,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Result<T, String>, Over> {
        let (done, is_done) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || drop(done.send(work())));
        if let Err(error) = thread {
            return Ok(Err(error.to_string()));
        }
        let mut result = None;
        let waited = self.refuse_while(requests, || match is_done.try_recv() {
            Ok(found) => {
                result = Some(found);
                None
            }
            Err(TryRecvError::Empty) => Some(LOOK),
            Err(TryRecvError::Disconnected) => None,
        });
        if let Err(over) = waited {
            // Whoever closes waits for the files, which are open until that is over.
            drop(is_done.recv());
            return Err(over);
        }
        Ok(result.ok_or_else(|| format!("{name} panicked")))
    }

    /// Refuses all who ask, for as long as `wait` says how long to wait for the next.
    fn refuse_while(
        &mut self,
        requests: &Receiver<Request>,
        mut wait: impl FnMut() -> Option<Duration>,
    ) -> Result<(), Over> {
        while let Some(time) = wait() {
            match requests.recv_timeout(time) {
                Ok(Request::Close { answer }) => return Err(Over::Closed(answer)),
                Ok(Request::BeginStop) => self.stopping = true,
                Ok(request) => request.refuse(Stopped::Failed),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Over::Abandoned),
            }
        }
        Ok(())
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Answers all who still ask that the engine has stopped.
fn refuse_all(requests: &Receiver<Request>, stopped: Stopped) {
    while let Ok(request) = requests.recv() {
        request.refuse(stopped);
    }
}
