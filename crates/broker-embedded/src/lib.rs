//! The embedded Broker: queues as state machines on a durable log.
//!
//! [`queue`] holds the rules of one queue, pure and without I/O. One thread owns all queues, writes what they decide as one
//! step to the log, and lets go of answers and deliveries once the step is on disk.

mod aside;
mod cache;
mod channel;
mod displaced;
mod engine;
mod fault;
mod keeper;
mod ledger;
mod pulse;
pub mod queue;
mod request;
mod resync;
mod slot;
mod sporing;
mod store;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use app::ports::{
    Availability, Broker, BrokerError, ChannelOptions, Clock, DeadLetter, DeletedQueue, EndedBy, IdSource,
    KoRom, Kobytes, MeldingRecord, MeldingSok, MeldingTreff, OpenChannel, QueueStatus, SEARCH_MAX, SVAR_MAX,
};
use async_trait::async_trait;
use bytes::Bytes;
use domain::melding::{Melding, Retur};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use wire::id::{DokumentId, FiksOrgId, KontoId, MeldingId};

use crate::aside::{Aside, named_dokumenter};
use crate::channel::{Channel, Requests, WAITING, ask, forward};
use crate::displaced::Displaced;
pub use crate::fault::{Fault, Faults};
pub use crate::keeper::Reopening;
use crate::keeper::{Keeper, Origin};
use crate::ledger::Totals;
use crate::pulse::{Condition, Pulse, Watcher};
use crate::request::{ChannelLink, Ready, Request, Shared, Standing, Stopped, not_asked, unavailable};
use crate::slot::Slot;
use crate::sporing::Sporing;
pub use crate::store::{
    AcceptedLoss, Behind, CheckedLog, DumpError, LogCounts, LogFindings, LogMoment, LogPosition, Loss,
    LostMelding, Reserve, SeenPosition, TornJournal, accept_loss, check_log, find_earlier, find_loss,
    hold_log, hold_log_copy, load_log,
};
pub use crate::store::{Emptied, Missing, Salvaged, SavedKonto, Unsaved, finish_salvage, salvage};
use crate::store::{Layout, Store, StoreError, guarded};

const MIB: u64 = 1024 * 1024;

/// How an [`EmbeddedBroker`] is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// A publish is refused with [`BrokerError::Full`] while less than this, and what is in memory and in no table yet, is free
    /// where the log lies. Keeps room for what must still be written: settlements, kvitteringer, and the log's own tidying
    /// up; where that may need more, more is kept ([`EmbeddedBroker::reserve`]). Bytes.
    pub min_free_bytes: u64,
    /// How long a melding is remembered after the last thing that happened to it, dead letters included.
    pub retention: Duration,
    /// How much sporing the meldinger of one organisasjon may leave behind at once, and again while it is kept; by how much a melding
    /// may go over it, [`KoRom::sporing_max`] says. Bytes.
    pub sporing_bytes: u64,
    /// How often the forgetting is done.
    pub prune_every: Duration,
    /// Memory for meldinger published last, so that handing them out needs no read. Bytes.
    pub recent_bytes: usize,
    /// Memory for blocks read from disk. Bytes.
    pub block_cache_bytes: u64,
    /// Size of the journal after which it is folded into the tables; a start reads about as much. Bytes, at least 64 MiB.
    pub journal_bytes: u64,
    /// Files of the log's tables that are kept open; others are opened when they are read.
    pub open_tables: usize,
    /// How the log is opened again after a failure.
    pub reopening: Reopening,
    /// What goes wrong with the log, for tests.
    #[doc(hidden)]
    pub faults: Faults,
    /// The kontoer that the registry knows: queues of others are set aside from the opening on, so that nothing in them
    /// ends before somebody has decided. `None` sets none aside.
    pub kontoer: Option<BTreeSet<KontoId>>,
    /// How far somebody else, whom a copy of the log's folder leaves as it is, has seen the log to come: one that has come less far is
    /// refused.
    pub seen: Option<SeenPosition>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            min_free_bytes: 256 * MIB,
            retention: Duration::from_hours(30 * 24),
            sporing_bytes: u64::MAX,
            prune_every: Duration::from_mins(10),
            recent_bytes: 16 * 1024 * 1024,
            block_cache_bytes: 8 * MIB,
            journal_bytes: 64 * MIB,
            open_tables: 900,
            reopening: Reopening::default(),
            faults: Faults::default(),
            kontoer: None,
            seen: None,
        }
    }
}

/// The queue log could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to open the queue log at {path}")]
pub struct OpenError {
    path: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl OpenError {
    pub(crate) fn new(path: &Path, source: StoreError) -> Self {
        Self { path: path.display().to_string(), source: source.explained(path).into() }
    }
}

/// Queues in this process, on a log in a folder of their own.
///
/// Dropped without [`EmbeddedBroker::close`] it stops as if killed: meldinger in consumers' hands come back at the next
/// opening as from a crash.
pub struct EmbeddedBroker {
    requests: Requests,
    /// Empty once closed, and while the log is opened again after a failure.
    slot: Arc<Slot>,
    aside: Arc<Aside>,
    totals: Arc<Totals>,
    sporing: Arc<Sporing>,
    clock: Arc<dyn Clock>,
    reserve: Arc<Reserve>,
    displaced: Arc<Displaced>,
    /// How far the log had come when it was closed.
    closed_at: OnceLock<LogPosition>,
    tasks: Vec<JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Opens the log at `path`, making it if there is none. Meldinger that were in a consumer's hands when the process
    /// ended come back; unless it was closed in good order, the crash is counted against them.
    ///
    /// # Errors
    /// [`OpenError`]: the folder is in use by another process, cannot be read or written, is damaged, or was written by a
    /// newer version.
    pub async fn open(
        path: impl AsRef<Path> + Send,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        options: Options,
    ) -> Result<Arc<Self>, OpenError> {
        let path = path.as_ref().to_owned();
        let shown = path.display().to_string();
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| OpenError { path: shown, source };
        let (due, is_due) = watch::channel(None);
        let (answers, answered) = mpsc::unbounded_channel();
        let slot = Arc::new(Slot::default());
        let aside = Arc::new(Aside::all_but(options.kontoer));
        let totals = Arc::<Totals>::default();
        let sporing = Arc::new(Sporing::new(options.sporing_bytes, options.retention));
        let reserve = Arc::new(Reserve::new(options.min_free_bytes));
        let pulse = Arc::new(Pulse::new());
        let origin = Origin {
            path,
            pulse: Arc::clone(&pulse),
            layout: Layout {
                cache_bytes: options.block_cache_bytes,
                journal_bytes: options.journal_bytes,
                open_tables: options.open_tables,
                seen: options.seen,
            },
            faults: options.faults,
            clock: clock.clone(),
            ids,
            cache_bytes: options.recent_bytes,
            min_free_bytes: options.min_free_bytes,
            reserve: Arc::clone(&reserve),
            due,
            answers,
            slot: slot.clone(),
            aside: Arc::clone(&aside),
            totals: Arc::clone(&totals),
            sporing: Arc::clone(&sporing),
        };
        let opened = tokio::task::spawn_blocking(move || match guarded(|| origin.open(Retur::Krasj)) {
            Ok(engine) => Ok((engine, origin)),
            // Looking for the file may take as long as reading the log.
            Err(error) => Err(error.explained(&origin.path)),
        })
        .await;
        let (engine, origin) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Err(failed(error.into())),
            Err(error) => return Err(failed(error.into())),
        };
        let (requests, received) = std::sync::mpsc::channel();
        let availability = Availability { available: true, since: clock.now() };
        let (says, condition) = watch::channel(Condition::new(availability));
        let (says, requests) = (Arc::new(says), Requests { sender: requests, condition });
        let reopening = options.reopening;
        let watcher = Watcher {
            pulse,
            reopening: reopening.clone(),
            clock: clock.clone(),
            condition: Arc::clone(&says),
        };
        let thread = std::thread::Builder::new().name("broker-watch".to_owned());
        if let Err(error) = thread.spawn(move || watcher.watch()) {
            return Err(failed(error.into()));
        }
        let displaced = Arc::<Displaced>::default();
        let watching =
            displaced::watch(Arc::clone(&displaced), clock.clone(), slot.clone(), Arc::clone(&says));
        let keeper =
            Keeper { origin, reopening, condition: says, stopping: false, displaced: Arc::clone(&displaced) };
        let thread = std::thread::Builder::new().name("broker".to_owned());
        if let Err(error) = thread.spawn(move || keeper.keep(engine, &received)) {
            return Err(failed(error.into()));
        }
        // Ends with the engine, when all are given.
        tokio::spawn(give(answered));
        let tasks = vec![
            tokio::spawn(wake(clock.clone(), is_due, requests.clone())),
            tokio::spawn(watching),
            tokio::spawn(tidy(clock.clone(), slot.clone(), Arc::clone(&reserve), Arc::clone(&displaced))),
            tokio::spawn(keep_witness(clock.clone(), slot.clone())),
            tokio::spawn(forget(
                clock.clone(),
                slot.clone(),
                requests.clone(),
                (options.retention, options.prune_every),
                Arc::clone(&displaced),
            )),
        ];
        let closed_at = OnceLock::new();
        Ok(Arc::new(Self {
            requests,
            slot,
            aside,
            totals,
            sporing,
            clock,
            reserve,
            displaced,
            closed_at,
            tasks,
        }))
    }

    /// Stops in good order: what consumers hold goes back without counting, all is on disk and the files are closed when it
    /// returns. Whoever asks later gets [`BrokerError::Unavailable`].
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`]: the log could not be written; to the next opening it looks like a crash.
    pub async fn close(&self) -> Result<(), BrokerError> {
        for task in &self.tasks {
            task.abort();
        }
        let result = ask(&self.requests, |answer| Request::Close { answer }).await;
        if let (Ok(()), Some(store)) = (&result, self.slot.get()) {
            self.closed_at.set(store.position()).ok();
        }
        if let Some(stopped) = self.condition().refusal() {
            // Whoever waits for the disk has the files, and whoever let go of them would wait, too.
            return Err(unavailable(stopped));
        }
        self.slot.take();
        let mut condition = self.requests.condition.clone();
        tokio::select! {
            biased;
            () = self.slot.closed() => result,
            Ok(_) = condition.wait_for(|condition| condition.refusal().is_some()) => Err(unavailable(Stopped::Hangs)),
        }
    }

    /// Completes when the log was out of use for too long, or failed too often, and was given up
    /// ([`Reopening::give_up_after`]). Nothing but a new process helps then.
    pub async fn given_up(&self) {
        let mut condition = self.requests.condition.clone();
        if condition.wait_for(|condition| condition.given_up).await.is_err() {
            // Closed before that.
            std::future::pending::<()>().await;
        }
    }

    /// For tests: makes a melding unreadable where it is kept. One that was published a moment ago is in memory still.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`], also where there is no such melding.
    #[doc(hidden)]
    pub async fn spoil(&self, id: MeldingId) -> Result<(), BrokerError> {
        self.read(move |store| store.spoil(id)).await
    }

    /// For tests: brings all that is in memory into tables.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    #[doc(hidden)]
    pub async fn flush(&self) -> Result<(), BrokerError> {
        self.read(Store::flush).await
    }

    /// For tests: one look at what is gone. Returns whether something was done.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    #[doc(hidden)]
    pub async fn tidy(&self) -> Result<bool, BrokerError> {
        self.read(|store| store.tidy(0)).await
    }

    /// What must be free where the log lies before more is written for callers: [`Options::min_free_bytes`], or more where
    /// the log needs more to be emptied, stopped and started.
    pub fn reserve(&self) -> Arc<Reserve> {
        Arc::clone(&self.reserve)
    }

    /// Files of the log that were removed, moved or replaced under this process, as the last look has found; nothing is taken then.
    pub fn displaced(&self) -> Vec<PathBuf> {
        self.displaced.files()
    }

    /// Looks at all files of the log that is open, and returns those that are not in their places; none while it is not open.
    pub async fn find_displaced(&self) -> Vec<PathBuf> {
        let Some(store) = self.slot.get() else { return self.displaced() };
        let looked = tokio::task::spawn_blocking(move || store.displaced(true)).await;
        looked.map_or_else(|_| self.displaced(), |found| found.into_iter().collect())
    }

    /// What the log takes on disk: what is live, what is gone but not given back yet, and the journals. Bytes.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    pub async fn disk_bytes(&self) -> Result<u64, BrokerError> {
        self.read_now(Store::disk_bytes).await
    }

    /// How far the log has come: all of it is on stable storage. Also once it was closed in good order; `None` while it is out of use.
    pub fn position(&self) -> Option<LogPosition> {
        self.closed_at.get().copied().or_else(|| self.slot.get().map(|store| store.position()))
    }

    /// Holds what the log has once all that was asked for before is in it. Takes no time.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    pub async fn moment(&self) -> Result<LogMoment, BrokerError> {
        ask(&self.requests, |answer| Request::Barrier { answer }).await?;
        Ok(LogMoment::of(self.store()?, Some(Arc::clone(&self.slot))))
    }

    fn condition(&self) -> Condition {
        *self.requests.condition.borrow()
    }

    fn store(&self) -> Result<Arc<Store>, BrokerError> {
        self.slot.get().ok_or_else(|| {
            unavailable(if self.condition().availability.available {
                Stopped::Closed
            } else {
                Stopped::Failed
            })
        })
    }

    /// Reads from the log, after all that was asked for before is in it.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, BrokerError> {
        ask(&self.requests, |answer| Request::Barrier { answer }).await?;
        self.read_now(read).await
    }

    /// Reads from the log as it stands.
    async fn read_now<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, BrokerError> {
        let store = self.store()?;
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(result) => result.map_err(unavailable),
            Err(error) => Err(unavailable(error)),
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[async_trait]
impl Broker for EmbeddedBroker {
    fn availability(&self) -> Availability {
        self.condition().availability()
    }

    fn begin_stop(&self) {
        // An engine that is gone hands nothing out either.
        drop(self.requests.send(Request::BeginStop));
    }

    async fn create_queue(&self, konto: KontoId) -> Result<(), BrokerError> {
        ask(&self.requests, |answer| Request::CreateQueue { konto, answer }).await
    }

    async fn delete_queue(&self, konto: KontoId) -> Result<DeletedQueue, BrokerError> {
        ask(&self.requests, |answer| Request::DeleteQueue { konto, answer }).await
    }

    async fn set_aside(&self, konto: KontoId) -> Result<(), BrokerError> {
        ask(&self.requests, |answer| Request::SetAside { konto, answer }).await
    }

    async fn list_set_aside(&self) -> Result<Vec<(KontoId, QueueStatus)>, BrokerError> {
        let kontoer = self.aside.list();
        let statuses = self.queue_statuses(&kontoer).await?;
        Ok(kontoer.into_iter().zip(statuses).filter_map(|(konto, status)| Some((konto, status?))).collect())
    }

    async fn named_dokumenter(
        &self,
        dokumenter: BTreeSet<DokumentId>,
    ) -> Result<BTreeSet<DokumentId>, BrokerError> {
        self.read(move |store| named_dokumenter(store, &dokumenter)).await
    }

    async fn list_queues(&self) -> Result<Vec<KontoId>, BrokerError> {
        self.read(Store::kontoer).await
    }

    async fn publish_within(&self, melding: Melding, payload: Bytes, room: KoRom) -> Result<(), BrokerError> {
        if let Some(stopped) = self.condition().refusal_to_take() {
            return Err(not_asked(stopped));
        }
        let melding = Arc::new(melding);
        ask(&self.requests, |answer| Request::Publish { melding, payload, room, answer }).await
    }

    fn kobytes(&self, organisasjon: FiksOrgId) -> Kobytes {
        self.totals.of(organisasjon)
    }

    fn list_kobytes(&self) -> Vec<(FiksOrgId, Kobytes)> {
        self.totals.list()
    }

    fn sporing_bytes(&self, organisasjon: FiksOrgId) -> u64 {
        self.sporing.of(organisasjon, self.clock.now().as_millisecond())
    }

    fn list_sporing_bytes(&self) -> Vec<(FiksOrgId, u64)> {
        let levels = self.sporing.list(self.clock.now().as_millisecond());
        levels.into_iter().map(|(organisasjon, level)| (organisasjon, level.bytes)).collect()
    }

    async fn open_channel(&self, options: ChannelOptions) -> Result<OpenChannel, BrokerError> {
        let (out, deliveries) = mpsc::channel(WAITING);
        let (handles, handed) = mpsc::unbounded_channel();
        let (ended, has_ended) = mpsc::unbounded_channel();
        let ChannelOptions { adresse, memory } = options;
        let shared = Arc::new(Shared::new(memory));
        let store = Arc::downgrade(&self.store()?);
        let link = ChannelLink { handles, ended, shared: shared.clone() };
        let requests = self.requests.clone();
        // On a task of its own: whoever asked may be gone before the answer comes, and then somebody must close the channel.
        let opened = tokio::spawn(async move {
            let key = ask(&requests, |answer| Request::OpenChannel { link, adresse, answer }).await?;
            let control = Channel {
                key,
                requests: requests.clone(),
                shared: Arc::clone(&shared),
                ended: tokio::sync::Mutex::new(has_ended),
            };
            tokio::spawn(async move {
                forward((key, &requests), store, shared, handed, out).await;
                // Whoever held the receiver is gone, or the channel is closed already.
                drop(requests.send(Request::CloseChannel {
                    channel: key,
                    by: EndedBy::Server,
                    answer: None,
                }));
            });
            Ok(OpenChannel { deliveries, control: Box::new(control) })
        });
        opened.await.map_err(unavailable)?
    }

    async fn queue_status(&self, konto: KontoId) -> Result<QueueStatus, BrokerError> {
        let (status, oldest) = ask(&self.requests, |answer| Request::Status { konto, answer }).await?;
        let Some(number) = oldest else { return Ok(status) };
        let melding = self.read(move |store| store.melding_if_readable(number)).await?;
        Ok(QueueStatus { oldest: melding.map(|melding| melding.mottatt), ..status })
    }

    async fn queue_statuses(&self, kontoer: &[KontoId]) -> Result<Vec<Option<QueueStatus>>, BrokerError> {
        let kontoer = kontoer.to_vec();
        let standings = ask(&self.requests, |answer| Request::Statuses { kontoer, answer }).await?;
        // The answer came after all that it tells of was written.
        self.read_now(move |store| {
            let read = |(status, oldest): Standing| {
                let oldest = oldest.map(|number| store.melding_if_readable(number)).transpose()?.flatten();
                Ok(QueueStatus { oldest: oldest.map(|melding| melding.mottatt), ..status })
            };
            standings.into_iter().map(|standing| standing.map(read).transpose()).collect()
        })
        .await
    }

    async fn set_aside_held(&self, konto: KontoId, id: MeldingId) -> Result<bool, BrokerError> {
        let Some((number, remains)) = self.read(move |store| store.with_damaged_payload(konto, id)).await?
        else {
            return Ok(false);
        };
        let remains = Box::new(remains);
        ask(&self.requests, |answer| Request::SetAsideHeld { konto, number, remains, answer }).await
    }

    async fn melding(&self, id: MeldingId) -> Result<Option<MeldingRecord>, BrokerError> {
        self.read(move |store| store.record(id)).await
    }

    async fn list_meldinger(&self, konto: KontoId, limit: u32) -> Result<Vec<MeldingRecord>, BrokerError> {
        self.read(move |store| store.records_of(konto, limit as usize)).await
    }

    async fn search_meldinger(&self, sok: &MeldingSok) -> Result<MeldingTreff, BrokerError> {
        let sok = sok.clone();
        self.read(move |store| store.search(&sok, SEARCH_MAX)).await
    }

    async fn list_svar(&self, id: MeldingId) -> Result<Vec<MeldingId>, BrokerError> {
        self.read(move |store| store.svar_to(id, SVAR_MAX)).await
    }

    async fn list_dead_letters(&self, konto: KontoId, limit: u32) -> Result<Vec<DeadLetter>, BrokerError> {
        self.read(move |store| store.dead_letters_of(konto, limit as usize)).await
    }

    async fn requeue_dead_letter(&self, konto: KontoId, id: MeldingId) -> Result<bool, BrokerError> {
        ask(&self.requests, |answer| Request::Requeue { konto, id, answer }).await
    }
}

/// Gives the answers that the engine has many of.
async fn give(mut answers: mpsc::UnboundedReceiver<Vec<Ready>>) {
    while let Some(some) = answers.recv().await {
        some.into_iter().for_each(Ready::send);
    }
}

/// Wakes the engine when something is due.
async fn wake(clock: Arc<dyn Clock>, mut due: watch::Receiver<Option<queue::Millis>>, requests: Requests) {
    loop {
        let next = *due.borrow_and_update();
        let sleep = async {
            match next.map(Timestamp::from_millisecond) {
                Some(Ok(at)) => clock.sleep_until(at).await,
                // Nothing is due, or nothing that this calendar reaches.
                Some(Err(_)) | None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {
                if requests.send(Request::Tick).is_err() || due.changed().await.is_err() {
                    return;
                }
            }
            changed = due.changed() => if changed.is_err() { return },
        }
    }
}

/// How long the witness may lag behind after a loss of power.
const WITNESS_LAG: Duration = Duration::from_millis(500);

/// Has what the witness noted written to stable storage, as long as the broker lives.
async fn keep_witness(clock: Arc<dyn Clock>, slot: Arc<Slot>) {
    loop {
        clock.sleep(WITNESS_LAG).await;
        let Some(open) = slot.get() else { continue };
        let now = clock.now();
        match tokio::task::spawn_blocking(move || open.keep_witness(now)).await {
            Ok(Ok(())) => {}
            // The log itself says when the disk fails.
            Ok(Err(error)) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the witness of the queue log could not be synced"
            ),
            Err(error) if error.is_cancelled() => return,
            Err(_) => tracing::error!("a panic ended the upkeep of the queue log; it is tried again"),
        }
    }
}

/// Gives the room of what is gone back, as long as the broker lives.
async fn tidy(clock: Arc<dyn Clock>, slot: Arc<Slot>, reserve: Arc<Reserve>, displaced: Arc<Displaced>) {
    loop {
        clock.sleep(store::LOOK_EVERY).await;
        // While the log is not open, or lies elsewhere, nothing is tidied up; there is a next time.
        let Some(open) = slot.get().filter(|_| displaced.is_none()) else { continue };
        let reserve_bytes = reserve.bytes();
        match tokio::task::spawn_blocking(move || open.tidy(reserve_bytes)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the room of removed meldinger could not be given back"
            ),
            Err(error) if error.is_cancelled() => return,
            Err(_) => tracing::error!("a panic ended the upkeep of the queue log; it is tried again"),
        }
    }
}

/// Forgets meldinger that are long done with.
async fn forget(
    clock: Arc<dyn Clock>,
    slot: Arc<Slot>,
    requests: Requests,
    (retention, every): (Duration, Duration),
    displaced: Arc<Displaced>,
) {
    loop {
        let forgetting = forget_once(&*clock, &slot, &requests, retention, &displaced);
        // Both begin now: the time that the work takes is no part of the pause.
        let ((), goes_on) = tokio::join!(biased; clock.sleep(every), forgetting);
        if !goes_on {
            return;
        }
    }
}

/// Returns whether there is a next time.
async fn forget_once(
    clock: &dyn Clock,
    slot: &Slot,
    requests: &Requests,
    retention: Duration,
    displaced: &Displaced,
) -> bool {
    let Some(before) = SignedDuration::try_from(retention)
        .ok()
        .and_then(|retention| clock.now().checked_sub(retention).ok())
    else {
        return false; // Longer than the calendar: nothing is ever forgotten.
    };
    let open = slot.get().filter(|_| displaced.is_none());
    // While it is not open, or lies elsewhere, nothing is forgotten; there is a next time.
    let pruned =
        tokio::task::spawn_blocking(move || open.map_or_else(|| Ok(Vec::new()), |open| open.prune(before)));
    match pruned.await {
        Ok(Ok(dead)) => dead.is_empty() || requests.send(Request::Pruned { dead }).is_ok(),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "old meldinger could not be forgotten");
            true
        }
        Err(error) if error.is_cancelled() => false,
        Err(_) => {
            tracing::error!("a panic ended the upkeep of the queue log; it is tried again");
            true
        }
    }
}
