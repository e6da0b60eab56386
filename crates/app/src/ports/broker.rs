use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::melding::{Hendelse, Melding, Retur, Sporing};
use jiff::Timestamp;
use tokio::sync::mpsc;
use wire::id::{DokumentId, FiksOrgId, KontoId, MeldingId, Uuid};

use crate::memory::{Held, Share};

/// How many meldinger a search looks at before it gives up; see [`MeldingTreff::avkortet`].
pub const SEARCH_MAX: usize = 10_000;
/// How many later meldinger are looked through for the svar to one; see [`Broker::list_svar`].
pub const SVAR_MAX: usize = 2_000;

/// The queues: takes meldinger, keeps them, hands them out, and says what became of each.
///
/// A melding goes through the states of `design` §6 the same way in every adapter:
/// - first in, first out per Konto, but for returns, which come back at the head in their old order;
/// - what a return counts as is said by [`Retur::counts_as`]: after [`MAX_ATTEMPTS`](domain::melding::MAX_ATTEMPTS) failed
///   attempts, which are only what a consumer did, or [`MAX_CRASHES`](domain::melding::MAX_CRASHES) crashes of the server,
///   the melding goes to the dead-letter store and a serverfeil to its sender; any melding that was handed out before is
///   handed out as such, whether or not it counted;
/// - when its TTL passes while no consumer holds it, within a second wherever it stands, it leaves the queue and a
///   tidsavbrudd goes to its sender; a melding in a consumer's hands does not expire, but does when it comes back late,
///   unless that was its last attempt;
/// - one that cannot be read any more, since what it is kept in is damaged, is set aside alone, as a dead letter and with a
///   serverfeil to its sender where it is still known, when its turn comes; the queue goes on, its consumers notice nothing,
///   and lists and searches leave out what they cannot read;
/// - a kvittering never causes another one; one for a Konto without queue is dropped;
/// - each of these steps is one transaction with its line of sporing.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Whether the queues can be used, as far as the broker knows by itself. Asks and waits for nothing: whoever watches over
    /// the process must learn of a failure at once.
    ///
    /// A broker whose storage fails answers [`BrokerError::Unavailable`] to everybody and ends all its channels; it comes
    /// back by itself, as it stood when it last promised something. Whatever was in a consumer's hands then comes back
    /// without counting ([`Retur::Avbrutt`]), and what consumers still say of it is passed over.
    fn availability(&self) -> Availability;

    /// The server begins to stop. From now on nothing is handed out any more, and nothing that comes back counts as a failed
    /// attempt, whoever ends a channel first and whatever a consumer says. Meldinger are still taken, settlements too.
    /// Does not wait; holds for all that is asked for after this call.
    fn begin_stop(&self);

    /// Makes the queue of `konto`. Nothing happens if it is there already, but that one that was set aside comes back.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn create_queue(&self, konto: KontoId) -> Result<(), BrokerError>;

    /// Removes the queue of `konto` with all that stands in it; the sender of each melding gets a serverfeil. Its dead letters end
    /// as well, of which the senders were notified before: nobody can reach them any more, so they take no room.
    /// Consumers on it end (their channel is handed no more [`Delivery`] and [`BrokerChannel::ended`] says so). Nothing happens
    /// if there is none.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn delete_queue(&self, konto: KontoId) -> Result<DeletedQueue, BrokerError>;

    /// Sets the queue of `konto` aside, since nobody knows the Konto: all that is in it stays as it is, and no life in it
    /// ends, until [`Broker::create_queue`] brings it back or [`Broker::delete_queue`] removes it. For kontoer that nobody
    /// consumes. Holds for the life of this broker. Nothing happens if there is no such queue.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn set_aside(&self, konto: KontoId) -> Result<(), BrokerError>;

    /// The queues that are set aside, and how they stand.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn list_set_aside(&self) -> Result<Vec<(KontoId, QueueStatus)>, BrokerError>;

    /// Those of `dokumenter` that a melding names which waits, is held or is a dead letter, also in a queue that is set
    /// aside. Reads all of those meldinger, so it is for the background.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn named_dokumenter(
        &self,
        dokumenter: BTreeSet<DokumentId>,
    ) -> Result<BTreeSet<DokumentId>, BrokerError>;

    /// Every Konto that has a queue, in no order; for bringing them in line with the registry at start.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn list_queues(&self) -> Result<Vec<KontoId>, BrokerError>;

    /// Puts a melding on the queue of its mottaker. Returns only when queue entry, index entry and the first line of
    /// sporing are durable together: they survive the end of the process and loss of power. May have taken the melding
    /// when it answers [`BrokerError::Unavailable`]; never loses one after `Ok`.
    ///
    /// From then on it counts against the room of its owners, by [`Melding::room_bytes`], until it has left its queue or the
    /// dead-letter store for good, whatever happens to kontoer or to the broker meanwhile. What is asked for at the same
    /// time never goes over a bound together. What the broker makes itself is never refused; a kvittering counts against
    /// whoever sent the melding that it is about, as sender and as receiver.
    ///
    /// # Errors
    /// [`BrokerError::NoQueue`], [`BrokerError::Full`], [`BrokerError::NoRoom`], [`BrokerError::NoRoomForSporing`],
    /// [`BrokerError::Unavailable`].
    async fn publish_within(&self, melding: Melding, payload: Bytes, room: KoRom) -> Result<(), BrokerError>;

    /// [`Broker::publish_within`] in the room of nobody and without a bound, for tools and tests.
    ///
    /// # Errors
    /// [`BrokerError::NoQueue`], [`BrokerError::Full`], [`BrokerError::Unavailable`].
    async fn publish(&self, melding: Melding, payload: Bytes) -> Result<(), BrokerError> {
        self.publish_within(melding, payload, KoRom::unbounded(Eiere::default())).await
    }

    /// What waits on queues, or lies in the dead-letter store, on account of an organisasjon. Waits for nothing.
    fn kobytes(&self, organisasjon: FiksOrgId) -> Kobytes;

    /// [`Broker::kobytes`] of each organisasjon that has any, in no order.
    fn list_kobytes(&self) -> Vec<(FiksOrgId, Kobytes)>;

    /// How much sporing the meldinger of an organisasjon leave behind, as [`Melding::sporing_bytes`] counts it: it rises with each that
    /// it sends, with kvitteringer for these, and sinks evenly with time. Waits for nothing.
    fn sporing_bytes(&self, organisasjon: FiksOrgId) -> u64;

    /// [`Broker::sporing_bytes`] of each organisasjon that leaves any, in no order.
    fn list_sporing_bytes(&self) -> Vec<(FiksOrgId, u64)>;

    /// Opens a channel, on which consumers are started and deliveries settled.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn open_channel(&self, options: ChannelOptions) -> Result<OpenChannel, BrokerError>;

    /// How the queue of `konto` stands right now.
    ///
    /// # Errors
    /// [`BrokerError::NoQueue`], [`BrokerError::Unavailable`].
    async fn queue_status(&self, konto: KontoId) -> Result<QueueStatus, BrokerError>;

    /// How the queues of `kontoer` stand right now, in the order asked; `None` for a Konto without queue. May still count
    /// meldinger whose TTL passed within the last second. All are asked for at once, so that thousands cost little.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn queue_statuses(&self, kontoer: &[KontoId]) -> Result<Vec<Option<QueueStatus>>, BrokerError>;

    /// Sets a melding of `konto` aside that is in a consumer's hands and whose payload, kept elsewhere, is found to be
    /// damaged: it becomes a dead letter ([`Hendelse::Skadet`](domain::melding::Hendelse::Skadet)) and its sender gets a serverfeil. Says whether a consumer
    /// held it; nothing happens otherwise. What the consumer still says of it is passed over.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn set_aside_held(&self, konto: KontoId, id: MeldingId) -> Result<bool, BrokerError>;

    /// A melding with its sporing, if it was ever taken and is still remembered.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn melding(&self, id: MeldingId) -> Result<Option<MeldingRecord>, BrokerError>;

    /// The newest meldinger that `konto` sent or received, newest first.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn list_meldinger(&self, konto: KontoId, limit: u32) -> Result<Vec<MeldingRecord>, BrokerError>;

    /// The meldinger that fit `sok`, newest first: the one that was put on its queue last
    /// ([`MeldingRecord::lagt_pa_ko`]) is the first. Each is told once, also where two of the kontoer have to do with it.
    /// No more than [`SEARCH_MAX`] meldinger of the kontoer within the period are looked at.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn search_meldinger(&self, sok: &MeldingSok) -> Result<MeldingTreff, BrokerError>;

    /// What answers the melding with that id, kvitteringer included, oldest first. It is looked for among the
    /// [`SVAR_MAX`] meldinger that its sender's Konto sent or received next; a kvittering is always found.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn list_svar(&self, id: MeldingId) -> Result<Vec<MeldingId>, BrokerError>;

    /// The dead letters of `konto`, oldest first.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn list_dead_letters(&self, konto: KontoId, limit: u32) -> Result<Vec<DeadLetter>, BrokerError>;

    /// Takes a dead letter of `konto` and puts it at the end of its queue as if it had just been sent: no attempt counts
    /// against it, and its whole TTL starts anew; its id and the time when it was first taken stay. Says whether there
    /// was such a dead letter; one that is damaged cannot be put back and is none. One durable step, with its line of sporing; when this returns it is done. Its sender was
    /// told that it could not be delivered and hears nothing of this.
    ///
    /// # Errors
    /// [`BrokerError::NoQueue`], [`BrokerError::Full`], [`BrokerError::Unavailable`].
    async fn requeue_dead_letter(&self, konto: KontoId, id: MeldingId) -> Result<bool, BrokerError>;
}

/// Whether the queues can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Availability {
    /// Whether they can.
    pub available: bool,
    /// Since when that is so.
    pub since: Timestamp,
}

/// The organisasjoner that own the two kontoer of a melding, and so answer for the room that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Eiere {
    /// Owner of the sender.
    pub avsender: FiksOrgId,
    /// Owner of the receiver.
    pub mottaker: FiksOrgId,
}

impl Default for Eiere {
    /// Nobody.
    fn default() -> Self {
        let nobody = FiksOrgId::from_uuid(Uuid::nil());
        Self { avsender: nobody, mottaker: nobody }
    }
}

/// Whose room on the queues a melding takes, and how much they may take together with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KoRom {
    /// Who answers for it.
    pub eiere: Eiere,
    /// The most that may wait of what the sender's organisasjon has sent. Bytes.
    pub avsender_max: u64,
    /// The most that may wait for the receiver's organisasjon. Bytes.
    pub mottaker_max: u64,
    /// The most that [`Broker::sporing_bytes`] may say of the sender's organisasjon with it. Bytes.
    pub sporing_max: u64,
}

impl KoRom {
    /// Counts, and is never refused.
    pub fn unbounded(eiere: Eiere) -> Self {
        Self { eiere, avsender_max: u64::MAX, mottaker_max: u64::MAX, sporing_max: u64::MAX }
    }
}

/// Bytes on queues, dead letters included, as [`Melding::room_bytes`] counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kobytes {
    /// Of meldinger that the organisasjon sent.
    pub sendt: u64,
    /// Of meldinger that were sent to it.
    pub mottatt: u64,
}

/// The two ends of a melding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ende {
    /// Who sends it.
    Avsender,
    /// Who receives it.
    Mottaker,
}

/// Why the broker did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The Konto has no queue.
    #[error("konto {konto} has no queue")]
    NoQueue {
        /// The Konto.
        konto: KontoId,
    },
    /// No room: the disk is full, or nearly. Nothing was taken and nothing is lost.
    #[error("there is no room for more meldinger")]
    Full,
    /// As much waits already as may on account of the organisasjon at this end. Nothing was taken.
    #[error("as much waits on queues as may on account of the organisasjon of the {}", match ende {
        Ende::Avsender => "sender",
        Ende::Mottaker => "receiver",
    })]
    NoRoom {
        /// Whose room there is none of; that of the sender if of neither.
        ende: Ende,
    },
    /// As much sporing is kept already as the meldinger of the sender's organisasjon may leave behind. Nothing was taken.
    #[error("as much sporing is kept as the meldinger of the sender's organisasjon may leave behind")]
    NoRoomForSporing,
    /// The consumer key is in use on this channel.
    #[error("consumer {0:?} is in use on this channel")]
    ConsumerInUse(Consumer),
    /// The broker cannot be reached or is shutting down, and was not asked: nothing was done.
    #[error("the broker is not available")]
    NotAsked(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The broker did not answer, as it failed or is shutting down: what it was asked for may have been done all the same.
    #[error("the broker is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BrokerError {
    /// Whether it is about the broker and not about what it was asked for: the same may well be done later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::NotAsked(_) | Self::Unavailable(_))
    }
}

/// How a channel is opened.
#[derive(Debug, Clone, Default)]
pub struct ChannelOptions {
    /// Where whoever consumes on it calls from. Goes into the sporing of what is handed out.
    pub adresse: Option<SocketAddr>,
    /// What is handed out on it takes its memory from here, before it is read; none is counted without.
    pub memory: Option<Share>,
}

/// An open channel: what comes in and how to answer.
pub struct OpenChannel {
    /// What the consumers of this channel are handed, never more than their prefetch says.
    pub deliveries: mpsc::Receiver<Delivery>,
    /// How to start consumers and settle.
    pub control: Box<dyn BrokerChannel>,
}

/// Who ended a channel, and so who answers for what it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The consumer: it closed its channel or connection, fell silent, or broke the protocol. Each melding that it was given
    /// ([`BrokerChannel::note_given`]) and held counts as a failed attempt ([`Retur::Frakoblet`]).
    Consumer,
    /// The server, for whatever reason of its own. Nothing counts ([`Retur::Avbrutt`], or [`Retur::Omstart`] after
    /// [`Broker::begin_stop`]).
    Server,
}

/// The control side of a channel. Dropping it, or the receiver of its deliveries, ends it as [`EndedBy::Server`]: whoever
/// knows that the consumer went away says so.
#[async_trait]
pub trait BrokerChannel: Send + Sync {
    /// Starts a consumer on the queue of `konto`. `prefetch` is how many unsettled deliveries it may hold; 0 means as many
    /// as the broker sees fit. Deliveries may start before this returns.
    ///
    /// # Errors
    /// [`BrokerError::NoQueue`], [`BrokerError::ConsumerInUse`], [`BrokerError::Unavailable`].
    async fn consume(&self, consumer: Consumer, konto: KontoId, prefetch: u16) -> Result<(), BrokerError>;

    /// Ends a consumer. What it holds stays with the channel until settled or closed.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`].
    async fn cancel(&self, consumer: Consumer) -> Result<(), BrokerError>;

    /// Settles a delivery of this channel. Does not wait: the order of calls holds, the effect is durable before the
    /// melding could be handed out again. One that was settled already is passed over.
    fn settle(&self, delivery: DeliveryId, settlement: Settlement);

    /// Settles many deliveries of this channel as [`BrokerChannel::settle`] does each. The broker may answer others between two
    /// of them.
    fn settle_all(&self, deliveries: Vec<DeliveryId>, settlement: Settlement);

    /// Completes when a consumer of this channel was ended by the broker (its queue was removed), with that consumer; and
    /// with `None` once the broker has ended the channel itself, since it closed or its log failed. Cancel-safe. Never
    /// completes otherwise.
    async fn ended(&self) -> Option<Consumer>;

    /// Says that the consumers have been given all deliveries up to `last`, in the order in which they came; with `None`, none yet. At
    /// the end of the channel those behind it count for nothing. Whoever never says so answers for all.
    fn note_given(&self, last: Option<DeliveryId>);

    /// Ends the channel: its consumers end and whatever they hold goes back. Does not wait; only the first call counts.
    fn end(&self, by: EndedBy);

    /// Ends the channel as [`BrokerChannel::end`] and returns when whatever it held has gone back.
    async fn close(self: Box<Self>, by: EndedBy);
}

/// A consumer within its channel, named by whoever opened the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consumer(pub u32);

/// A delivery within the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// A melding in a consumer's hands.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// For settling it.
    pub id: DeliveryId,
    /// Whose it is.
    pub consumer: Consumer,
    /// The melding.
    pub melding: Arc<Melding>,
    /// Its payload; empty if it has none or lies in Dokumentlager.
    pub payload: Bytes,
    /// How often it has come back before; `redelivered` when more than zero.
    pub attempts: u32,
    /// The memory that it takes, given back when the last clone of this is dropped.
    pub memory: Option<Arc<Held>>,
}

/// What a consumer says of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Done with.
    Ack,
    /// Not wanted; dropped without a word to the sender.
    Drop,
    /// Back to the head of the queue; the reason says whether as a failed attempt.
    Requeue(Retur),
}

/// How a queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStatus {
    /// Consumers on it.
    pub consumers: u32,
    /// Meldinger that no consumer holds.
    pub ready: u64,
    /// Meldinger that a consumer holds.
    pub unacked: u64,
    /// Dead letters of this Konto.
    pub dead: u64,
    /// When the oldest melding that is ready or unacked was taken.
    pub oldest: Option<Timestamp>,
}

/// What was removed with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeletedQueue {
    /// Meldinger that were in it.
    pub meldinger: u64,
}

/// A melding with all that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeldingRecord {
    /// The melding.
    pub melding: Melding,
    /// Bytes of payload on the queue; 0 when it lies in Dokumentlager or there is none.
    pub payload_bytes: u64,
    /// What happened, oldest first.
    pub sporing: Vec<Sporing>,
}

impl MeldingRecord {
    /// When it was put on its queue, the last time if more than once.
    pub fn lagt_pa_ko(&self) -> Timestamp {
        let put = |line: &&Sporing| matches!(line.hendelse, Hendelse::LagtPaKo | Hendelse::LagtTilbake);
        self.sporing.iter().rfind(put).map_or(self.melding.mottatt, |line| line.tidspunkt)
    }
}

/// What is searched for. What is `None` does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeldingSok {
    /// Sent or received by one of these.
    pub kontoer: Vec<KontoId>,
    /// This is its klientMeldingId or its klientKorrelasjonsId.
    pub klient_id: Option<String>,
    /// Its meldingstype.
    pub meldingstype: Option<String>,
    /// Put on its queue then or later.
    pub fra: Option<Timestamp>,
    /// Put on its queue then or earlier.
    pub til: Option<Timestamp>,
    /// Comes after this one in the order of the answer: its [`MeldingRecord::lagt_pa_ko`] and its id.
    pub before: Option<(Timestamp, MeldingId)>,
    /// How many are wanted at most.
    pub limit: u32,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeldingTreff {
    /// The meldinger, newest first.
    pub meldinger: Vec<MeldingRecord>,
    /// It gave up after [`SEARCH_MAX`] meldinger; there may be more in a shorter period.
    pub avkortet: bool,
}

/// A melding that was tried too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The melding.
    pub melding: Melding,
    /// When it was given up.
    pub tidspunkt: Timestamp,
    /// It was given up since it could not be read any more. Then the melding is what is left of it, with
    /// [`UKJENT_MELDINGSTYPE`](domain::melding::UKJENT_MELDINGSTYPE) where its meldingstype is lost, and it cannot be put
    /// back.
    pub skadet: bool,
}
