//! A channel: its consumers and what the client has not settled yet.

use std::collections::{BTreeMap, VecDeque};

use app::ports::{Consumer, Delivery, DeliveryId, Settlement};
use bytes::BytesMut;
use domain::melding::Retur;

use super::{Command, not_handed_over};
use crate::REFUSED;
use crate::encode::{self, Address};

/// An open channel, or one that the client was told is closed.
#[derive(Debug)]
pub(super) struct Channel {
    closing: bool,
    /// For consumers started from now on; 0 is no limit.
    prefetch: u16,
    /// For all consumers together; 0 is no limit.
    shared_prefetch: u16,
    last_delivery_tag: u64,
    last_consumer: u32,
    consumers: BTreeMap<Consumer, Running>,
    /// In the order of their delivery tags.
    unacked: VecDeque<Unacked>,
    /// Consumers that have ended, and how many of `unacked` were handed to each.
    ended: BTreeMap<Consumer, u64>,
}

#[derive(Debug)]
struct Running {
    tag: String,
    no_ack: bool,
    address: Address,
}

#[derive(Debug, Clone, Copy)]
struct Unacked {
    tag: u64,
    delivery: DeliveryId,
    consumer: Consumer,
}

/// A consumer about to be started.
pub(super) struct Start {
    pub(super) tag: String,
    pub(super) queue: String,
    pub(super) no_ack: bool,
}

impl Channel {
    pub(super) fn new() -> Self {
        Self {
            closing: false,
            prefetch: 0,
            shared_prefetch: 0,
            last_delivery_tag: 0,
            last_consumer: 0,
            consumers: BTreeMap::new(),
            unacked: VecDeque::new(),
            ended: BTreeMap::new(),
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// From now on the client's frames are passed over until it confirms.
    pub(super) fn set_closing(&mut self) {
        *self = Self { closing: true, ..Self::new() };
    }

    pub(super) fn set_qos(&mut self, count: u16, global: bool) {
        if global {
            self.shared_prefetch = count;
        } else {
            self.prefetch = count;
        }
    }

    /// What the broker is told for a consumer started now. One that does not ack needs no limit: each delivery is settled
    /// as it is written.
    pub(super) fn prefetch(&self, no_ack: bool) -> u16 {
        match (self.prefetch, self.shared_prefetch) {
            _ if no_ack => 0,
            (0, limit) | (limit, 0) => limit,
            (own, shared) => own.min(shared),
        }
    }

    /// Whether more may be delivered.
    pub(super) fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// How many more may be delivered.
    pub(super) fn room(&self) -> usize {
        match (self.closing, self.shared_prefetch) {
            (true, _) => 0,
            (false, 0) => usize::MAX,
            (false, limit) => usize::from(limit).saturating_sub(self.unacked.len()),
        }
    }

    pub(super) fn consumer_count(&self) -> usize {
        self.consumers.len()
    }

    pub(super) fn consumer_of_tag(&self, tag: &str) -> Option<Consumer> {
        self.consumers.iter().find(|(_, running)| running.tag == tag).map(|(consumer, _)| *consumer)
    }

    pub(super) fn next_consumer(&mut self) -> Consumer {
        self.last_consumer += 1;
        Consumer(self.last_consumer)
    }

    pub(super) fn add_consumer(&mut self, consumer: Consumer, start: Start) {
        let address = Address::new(&start.tag, &start.queue);
        self.consumers.insert(consumer, Running { tag: start.tag, no_ack: start.no_ack, address });
    }

    /// Removes a consumer; its tag. What it was handed stays unsettled.
    pub(super) fn remove_consumer(&mut self, consumer: Consumer) -> Option<String> {
        let running = self.consumers.remove(&consumer)?;
        let held = self.unacked.iter().filter(|unacked| unacked.consumer == consumer).count();
        if held > 0 {
            self.ended.insert(consumer, u64::try_from(held).unwrap_or(u64::MAX));
        }
        Some(running.tag)
    }

    /// How many unsettled meldinger were handed to a consumer that has ended.
    pub(super) fn held_by_ended(&self, consumer: Consumer) -> u64 {
        self.ended.get(&consumer).copied().unwrap_or_default()
    }

    /// Writes a delivery. What comes back is to be done about it at once.
    pub(super) fn deliver(
        &mut self,
        output: &mut BytesMut,
        channel: u16,
        frame_max: usize,
        delivery: &Delivery,
    ) -> Option<Command> {
        let Some(running) = self.consumers.get(&delivery.consumer).filter(|_| !self.closing) else {
            // It crossed with the end of its consumer, whose tag the client no longer knows.
            return (!self.closing).then(|| not_handed_over(channel, delivery.id));
        };
        let tag = self.last_delivery_tag + 1;
        if !encode::delivery(output, channel, frame_max, &running.address, tag, delivery) {
            // Whoever consumes so asks for it, as often as there is such a melding.
            tracing::warn!(
                target: REFUSED,
                { melding.id = %delivery.melding.id, frame_max },
                "the headers of a melding do not fit the largest frame that its consumer takes; it counts as a failed attempt"
            );
            let settlement = Settlement::Requeue(Retur::NackMedRequeue);
            return Some(Command::Settle { channel, delivery: delivery.id, settlement });
        }
        self.last_delivery_tag = tag;
        if running.no_ack {
            return Some(Command::Settle { channel, delivery: delivery.id, settlement: Settlement::Ack });
        }
        self.unacked.push_back(Unacked {
            tag: self.last_delivery_tag,
            delivery: delivery.id,
            consumer: delivery.consumer,
        });
        None
    }

    /// Takes out what `tag` stands for; `None` if it stands for nothing. Everything, if it is 0 and `multiple`. Adds to
    /// `lighter` the consumers that had ended and now hold less.
    pub(super) fn take_unacked(
        &mut self,
        tag: u64,
        multiple: bool,
        lighter: &mut BTreeMap<Consumer, u64>,
    ) -> Option<impl Iterator<Item = DeliveryId> + use<>> {
        let taken: VecDeque<Unacked> = if multiple && tag == 0 {
            std::mem::take(&mut self.unacked)
        } else {
            // Clients settle mostly in order, so the first is mostly the one.
            let at = match self.unacked.front() {
                Some(first) if first.tag == tag => 0,
                _ => self.unacked.binary_search_by_key(&tag, |unacked| unacked.tag).ok()?,
            };
            if multiple {
                self.unacked.drain(..=at).collect()
            } else {
                self.unacked.remove(at).into_iter().collect()
            }
        };
        // Nearly always there is none.
        if !self.ended.is_empty() {
            for Unacked { consumer, .. } in &taken {
                let Some(held) = self.ended.get_mut(consumer) else { continue };
                *held = held.saturating_sub(1);
                lighter.insert(*consumer, *held);
                if *held == 0 {
                    self.ended.remove(consumer);
                }
            }
        }
        Some(taken.into_iter().map(|unacked| unacked.delivery))
    }
}
