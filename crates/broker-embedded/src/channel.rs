//! A channel: the control side, and the forwarder that brings deliveries to its receiver.
//!
//! The engine never waits for a receiver. It hands over what was delivered, mostly without the payload of large meldinger,
//! and the forwarder reads those from disk one after the other, as fast as its own receiver takes them, and none before there
//! is memory for it.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{SendError, Sender};
use std::sync::{Arc, Weak};

use app::memory::{Held, Share};
use app::ports::{BrokerChannel, BrokerError, Consumer, Delivery, DeliveryId, EndedBy, Settlement};
use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use wire::id::KontoId;

use crate::pulse::Condition;
use crate::request::{ChannelKey, Handle, Request, Shared, Stopped, not_asked, unavailable};
use crate::store::{Remains, Store, StoreError, guarded};

/// Deliveries that may wait for the receiver.
pub(crate) const WAITING: usize = 64;
/// A payload above this waits alone.
const LARGE: usize = 256 * 1024;
/// How many deliveries are read from disk in one go.
const READ_AT_ONCE: usize = 32;
/// How many bytes are read from disk in one go, about.
const READ_BYTES: usize = 1024 * 1024;

/// The way to the engine, and how it is.
#[derive(Clone)]
pub(crate) struct Requests {
    pub(crate) sender: Sender<Request>,
    pub(crate) condition: watch::Receiver<Condition>,
}

impl Requests {
    /// Sends a request for which nobody waits.
    pub(crate) fn send(&self, request: Request) -> Result<(), SendError<Request>> {
        self.sender.send(request)
    }
}

/// Sends a request to the engine and waits for the answer. What the engine does not get to, since its disk hangs, may be done later or
/// not; while it is known to hang nothing is asked of it.
pub(crate) async fn ask<T>(
    requests: &Requests,
    request: impl FnOnce(oneshot::Sender<Result<T, BrokerError>>) -> Request,
) -> Result<T, BrokerError> {
    if let Some(stopped) = requests.condition.borrow().refusal() {
        return Err(not_asked(stopped));
    }
    let (answer, answered) = oneshot::channel();
    requests.send(request(answer)).map_err(|_| not_asked(Stopped::Closed))?;
    let mut condition = requests.condition.clone();
    tokio::select! {
        biased;
        answer = answered => answer.unwrap_or_else(|_| Err(unavailable(Stopped::Closed))),
        Ok(_) = condition.wait_for(|condition| condition.is_deaf) => Err(unavailable(Stopped::Hangs)),
    }
}

/// The control side of a channel.
pub(crate) struct Channel {
    pub(crate) key: ChannelKey,
    pub(crate) requests: Requests,
    pub(crate) shared: Arc<Shared>,
    pub(crate) ended: Mutex<mpsc::UnboundedReceiver<Consumer>>,
}

#[async_trait]
impl BrokerChannel for Channel {
    async fn consume(&self, consumer: Consumer, konto: KontoId, prefetch: u16) -> Result<(), BrokerError> {
        let channel = self.key;
        ask(&self.requests, |answer| Request::Consume { channel, consumer, konto, prefetch, answer }).await
    }

    async fn cancel(&self, consumer: Consumer) -> Result<(), BrokerError> {
        let channel = self.key;
        ask(&self.requests, |answer| Request::Cancel { channel, consumer, answer }).await
    }

    fn settle(&self, delivery: DeliveryId, settlement: Settlement) {
        // If the engine is gone, so is the channel, and the melding has gone back.
        drop(self.requests.send(Request::Settle { channel: self.key, delivery, settlement }));
    }

    fn settle_all(&self, deliveries: Vec<DeliveryId>, settlement: Settlement) {
        drop(self.requests.send(Request::SettleAll { channel: self.key, deliveries, settlement }));
    }

    async fn ended(&self) -> Option<Consumer> {
        self.ended.lock().await.recv().await
    }

    fn note_given(&self, last: Option<DeliveryId>) {
        // Whoever ends the channel behind that asks for it over the requests.
        self.shared.given.store(last.map_or(0, |last| last.0), Ordering::Relaxed);
    }

    fn end(&self, by: EndedBy) {
        drop(self.requests.send(Request::CloseChannel { channel: self.key, by, answer: None }));
    }

    async fn close(self: Box<Self>, by: EndedBy) {
        let channel = self.key;
        // The engine being gone closes the channel as well.
        drop(ask(&self.requests, |answer| Request::CloseChannel { channel, by, answer: Some(answer) }).await);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.end(EndedBy::Server);
    }
}

/// Brings what the engine hands out on channel `key` to the receiver, until either is gone.
pub(crate) async fn forward(
    (key, requests): (ChannelKey, &Requests),
    store: Weak<Store>,
    shared: Arc<Shared>,
    mut handles: mpsc::UnboundedReceiver<Handle>,
    out: mpsc::Sender<Delivery>,
) {
    let mut waiting = Vec::new();
    // Memory for the next that is read.
    let mut granted = None;
    loop {
        let count = tokio::select! {
            biased;
            () = out.closed() => return,
            count = handles.recv_many(&mut waiting, READ_AT_ONCE) => count,
        };
        if count == 0 {
            return;
        }
        let mut rest: Vec<Handle> = std::mem::take(&mut waiting);
        while !rest.is_empty() {
            let loaded = rest.iter().take_while(|handle| handle.loaded.is_some()).count();
            let after = rest.split_off(if loaded == 0 { 0 } else { loaded });
            for handle in std::mem::replace(&mut rest, after) {
                if !send(&shared, &out, handle).await {
                    return;
                }
            }
            if loaded > 0 || rest.is_empty() {
                continue;
            }
            let (store, share, granted_now) = (store.clone(), shared.memory.clone(), granted.take());
            let read =
                tokio::task::spawn_blocking(move || load(&store, rest, share.as_ref(), granted_now)).await;
            let Loaded { read, damaged, left, missing } = match read {
                Ok(Ok(loaded)) => loaded,
                Ok(Err(error)) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the queue log could not be read; a channel is closed"
                    );
                    return;
                }
                Err(_) => return,
            };
            rest = left;
            for (delivery, remains) in damaged {
                // If the engine is gone, so is the channel.
                drop(requests.send(Request::Damaged { channel: key, delivery, remains }));
            }
            for handle in read {
                if !send(&shared, &out, handle).await {
                    return;
                }
            }
            if let (Some(missing), Some(share)) = (missing, &shared.memory) {
                // Whoever waits holds nothing, or several that wait for each other would do so for ever. What comes while this
                // waits has no memory already, or gives it back.
                for handle in &mut rest {
                    unload(&shared, handle);
                }
                let taken = share.take(missing);
                tokio::pin!(taken);
                let held = loop {
                    tokio::select! {
                        biased;
                        () = out.closed() => return,
                        held = &mut taken => break held,
                        Some(mut handle) = handles.recv() => {
                            unload(&shared, &mut handle);
                            rest.push(handle);
                        }
                    }
                };
                granted = Some(held);
            }
        }
        waiting = rest;
    }
}

/// What came of loading some deliveries.
#[derive(Default)]
struct Loaded {
    /// Can be sent now.
    read: Vec<Handle>,
    /// Can never be sent.
    damaged: Vec<(DeliveryId, Box<Remains>)>,
    /// Still have to be loaded.
    left: Vec<Handle>,
    /// How much memory the first of those takes, where there is not so much now.
    missing: Option<u64>,
}

/// Loads the first of `handles` that have to be, as far as there is memory: that which was `granted` for the first of them, and
/// what there is left of `share`.
fn load(
    store: &Weak<Store>,
    handles: Vec<Handle>,
    share: Option<&Share>,
    mut granted: Option<Held>,
) -> Result<Loaded, StoreError> {
    let Some(store) = store.upgrade() else { return Ok(Loaded::default()) };
    let (mut read, mut damaged, mut left, mut missing) = (Vec::new(), Vec::new(), Vec::new(), None);
    let mut bytes: u64 = 0;
    let mut rest = handles.into_iter();
    for mut handle in rest.by_ref() {
        if handle.loaded.is_none() {
            let mut wanted = 0;
            let may_read = |memory_bytes| {
                wanted = memory_bytes;
                let Some(share) = share else { return true };
                // What was granted is all that there ever will be, also for a payload that is larger than that.
                handle.memory = granted.take().or_else(|| share.try_take(wanted));
                handle.memory.is_some()
            };
            match guarded(|| store.load(handle.number, may_read)) {
                Ok(Some((melding, payload))) => {
                    bytes += wanted;
                    handle.loaded = Some((Arc::new(melding), payload));
                }
                Ok(None) => {
                    missing = Some(wanted);
                    left.push(handle);
                    break;
                }
                // Also one that is gone with its queue; the engine knows.
                Err(error) if error.is_damage() => {
                    damaged.push((handle.id, Box::new(store.remains(handle.konto, handle.number, &error))));
                    continue;
                }
                Err(error) => return Err(error),
            }
        }
        read.push(handle);
        if bytes >= READ_BYTES as u64 {
            break;
        }
    }
    left.extend(rest);
    Ok(Loaded { read, damaged, left, missing })
}

/// Lets go of what was loaded of a delivery; it is read again when its turn comes.
fn unload(shared: &Shared, handle: &mut Handle) {
    handle.loaded = None;
    handle.memory = None;
    shared.bytes.fetch_sub(std::mem::take(&mut handle.counted), Ordering::Relaxed);
}

/// Gives one delivery to the receiver once it has room. Tells whether to go on.
async fn send(shared: &Shared, out: &mpsc::Sender<Delivery>, handle: Handle) -> bool {
    let Handle { id, consumer, konto: _, number: _, attempts, loaded, counted, memory } = handle;
    let Some((melding, payload)) = loaded else { return true };
    let size = payload.len();
    // A large payload waits until all before it are taken, so that a channel never holds two of them.
    let room = if size > LARGE { out.max_capacity() } else { 1 };
    let Ok(mut permits) = out.reserve_many(room).await else { return false };
    if counted > 0 {
        shared.bytes.fetch_sub(counted, Ordering::Relaxed);
    }
    if shared.closed.load(Ordering::Acquire) {
        return false;
    }
    if let Some(permit) = permits.next() {
        permit.send(Delivery { id, consumer, melding, payload, attempts, memory: memory.map(Arc::new) });
    }
    true
}
