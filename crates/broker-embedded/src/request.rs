//! What is asked of the engine, and what it gives in return.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use app::memory::Held;
use app::ports::{BrokerError, Consumer, DeletedQueue, DeliveryId, EndedBy, KoRom, QueueStatus, Settlement};
use bytes::Bytes;
use domain::melding::Melding;
use tokio::sync::{mpsc, oneshot};
use wire::id::{KontoId, MeldingId};

use crate::cache::Loaded;
use crate::queue::Number;
use crate::store::{Cost, Remains};

/// A channel within the broker.
pub(crate) type ChannelKey = u64;
/// How a queue stands, and its oldest melding, of which the time is still to be read.
pub(crate) type Standing = (QueueStatus, Option<Number>);
pub(crate) type Answer<T> = oneshot::Sender<Result<T, BrokerError>>;

/// What is asked of the engine.
pub(crate) enum Request {
    CreateQueue {
        konto: KontoId,
        answer: Answer<()>,
    },
    SetAside {
        konto: KontoId,
        answer: Answer<()>,
    },
    DeleteQueue {
        konto: KontoId,
        answer: Answer<DeletedQueue>,
    },
    Publish {
        melding: Arc<Melding>,
        payload: Bytes,
        room: KoRom,
        answer: Answer<()>,
    },
    OpenChannel {
        link: ChannelLink,
        adresse: Option<SocketAddr>,
        answer: Answer<ChannelKey>,
    },
    Consume {
        channel: ChannelKey,
        consumer: Consumer,
        konto: KontoId,
        prefetch: u16,
        answer: Answer<()>,
    },
    Cancel {
        channel: ChannelKey,
        consumer: Consumer,
        answer: Answer<()>,
    },
    Settle {
        channel: ChannelKey,
        delivery: DeliveryId,
        settlement: Settlement,
    },
    SettleAll {
        channel: ChannelKey,
        deliveries: Vec<DeliveryId>,
        settlement: Settlement,
    },
    /// A delivery that cannot be made, since its melding cannot be read.
    Damaged {
        channel: ChannelKey,
        delivery: DeliveryId,
        remains: Box<Remains>,
    },
    CloseChannel {
        channel: ChannelKey,
        by: EndedBy,
        answer: Option<Answer<()>>,
    },
    Status {
        konto: KontoId,
        answer: Answer<Standing>,
    },
    Statuses {
        kontoer: Vec<KontoId>,
        answer: Answer<Vec<Option<Standing>>>,
    },
    /// A dead letter goes back to its queue.
    Requeue {
        konto: KontoId,
        id: MeldingId,
        answer: Answer<bool>,
    },
    /// A melding in a consumer's hands has a payload, kept elsewhere, that cannot be read.
    SetAsideHeld {
        konto: KontoId,
        number: Number,
        remains: Box<Remains>,
        answer: Answer<bool>,
    },
    /// Answered when all that was asked before is written.
    Barrier {
        answer: Answer<()>,
    },
    /// Something may be due.
    Tick,
    /// Dead letters were forgotten.
    Pruned {
        dead: Vec<(KontoId, Cost)>,
    },
    /// Nothing is handed out any more, and nothing that comes back counts.
    BeginStop,
    /// Stop in good order.
    Close {
        answer: Answer<()>,
    },
}

/// The engine's end of a channel.
pub(crate) struct ChannelLink {
    pub(crate) handles: mpsc::UnboundedSender<Handle>,
    pub(crate) ended: mpsc::UnboundedSender<Consumer>,
    pub(crate) shared: Arc<Shared>,
}

/// What the engine and a channel's forwarder both know.
pub(crate) struct Shared {
    /// The last delivery that its consumers were given, as far as that is said.
    pub(crate) given: AtomicU64,
    /// The channel is closed: what is still under way to it has gone back.
    pub(crate) closed: AtomicBool,
    /// Bytes under way to it.
    pub(crate) bytes: AtomicUsize,
    /// Where what is under way to it takes its memory from.
    pub(crate) memory: Option<app::memory::Share>,
}

impl Shared {
    pub(crate) fn new(memory: Option<app::memory::Share>) -> Self {
        Self {
            given: AtomicU64::new(u64::MAX),
            closed: AtomicBool::new(false),
            bytes: AtomicUsize::new(0),
            memory,
        }
    }
}

/// A delivery on its way to a channel.
pub(crate) struct Handle {
    pub(crate) id: DeliveryId,
    pub(crate) consumer: Consumer,
    /// Whose queue it comes from.
    pub(crate) konto: KontoId,
    pub(crate) number: Number,
    pub(crate) attempts: u32,
    /// The melding, where it was at hand.
    pub(crate) loaded: Option<Loaded>,
    /// How much of [`Shared::bytes`] is this one's.
    pub(crate) counted: usize,
    /// The memory that it takes.
    pub(crate) memory: Option<Held>,
}

impl Request {
    /// Answers that there is no engine just now.
    pub(crate) fn refuse(self, stopped: Stopped) {
        let why = || not_asked(stopped);
        match self {
            Self::CreateQueue { answer, .. }
            | Self::SetAside { answer, .. }
            | Self::Publish { answer, .. }
            | Self::Consume { answer, .. }
            | Self::Barrier { answer } => drop(answer.send(Err(why()))),
            Self::DeleteQueue { answer, .. } => drop(answer.send(Err(why()))),
            Self::OpenChannel { answer, .. } => drop(answer.send(Err(why()))),
            Self::Status { answer, .. } => drop(answer.send(Err(why()))),
            Self::Statuses { answer, .. } => drop(answer.send(Err(why()))),
            Self::Requeue { answer, .. } | Self::SetAsideHeld { answer, .. } => drop(answer.send(Err(why()))),
            // What they want has come about already.
            Self::Cancel { answer, .. }
            | Self::CloseChannel { answer: Some(answer), .. }
            | Self::Close { answer } => drop(answer.send(Ok(()))),
            Self::CloseChannel { answer: None, .. }
            | Self::Settle { .. }
            | Self::SettleAll { .. }
            | Self::Damaged { .. }
            | Self::BeginStop
            | Self::Tick
            | Self::Pruned { .. } => {}
        }
    }
}

/// There is no engine.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum Stopped {
    #[error("the broker has been closed")]
    Closed,
    #[error("the queue log failed and is not open again yet")]
    Failed,
    #[error("the disk of the queue log does not answer")]
    Hangs,
    #[error(
        "files of the queue log were removed, moved or replaced under this server, so it takes nothing more"
    )]
    Displaced,
}

/// For whoever was refused before anything was done.
pub(crate) fn not_asked(stopped: Stopped) -> BrokerError {
    BrokerError::NotAsked(stopped.into())
}

pub(crate) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BrokerError {
    BrokerError::Unavailable(source.into())
}

/// An answer that waits for the step to be on disk.
pub(crate) enum Ready {
    Unit(Answer<()>, Result<(), BrokerError>),
    Deleted(Answer<DeletedQueue>, DeletedQueue),
    Channel(Answer<ChannelKey>, ChannelKey),
    Status(Answer<Standing>, Standing),
    Statuses(Answer<Vec<Option<Standing>>>, Vec<Option<Standing>>),
    Done(Answer<bool>, bool),
}

impl Ready {
    /// Whoever asked may have stopped waiting; that is no fault.
    pub(crate) fn send(self) {
        match self {
            Self::Unit(answer, result) => drop(answer.send(result)),
            Self::Deleted(answer, deleted) => drop(answer.send(Ok(deleted))),
            Self::Channel(answer, key) => drop(answer.send(Ok(key))),
            Self::Status(answer, status) => drop(answer.send(Ok(status))),
            Self::Statuses(answer, statuses) => drop(answer.send(Ok(statuses))),
            Self::Done(answer, done) => drop(answer.send(Ok(done))),
        }
    }

    pub(crate) fn refuse(self) {
        match self {
            Self::Unit(answer, _) => drop(answer.send(Err(unavailable(Stopped::Failed)))),
            Self::Deleted(answer, _) => drop(answer.send(Err(unavailable(Stopped::Failed)))),
            Self::Channel(answer, _) => drop(answer.send(Err(unavailable(Stopped::Failed)))),
            Self::Status(answer, _) => drop(answer.send(Err(unavailable(Stopped::Failed)))),
            Self::Statuses(answer, _) => drop(answer.send(Err(unavailable(Stopped::Failed)))),
            Self::Done(answer, _) => drop(answer.send(Err(unavailable(Stopped::Failed)))),
        }
    }
}
