//! One queue as a state machine: [`Queue::apply`] takes the time and a [`Command`] and answers with [`Effect`]s.
//!
//! It reads no clock, draws no random numbers and does no I/O, so the same commands at the same times always give the same
//! effects. It knows meldinger by their [`Number`] alone, which grows with the order in which they were taken; what they say
//! lies in the store. A melding that waits costs two dozen bytes here, plus its line in the index of deadlines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use domain::melding::{MAX_ATTEMPTS, Retur};

/// A melding within the broker; a later one has the larger number.
pub type Number = u64;
/// Milliseconds since 1970-01-01T00:00Z.
pub type Millis = i64;
/// A consumer within the broker.
pub type ConsumerKey = u64;

/// How many meldinger one [`Queue::apply`] lets expire at most. The rest is due at once, so [`Queue::next_deadline`] says
/// so, and other queues get their turn in between.
pub const EXPIRED_AT_ONCE: usize = 256;

/// How often a melding was handed out in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Tries {
    /// Came back and counts as a failed attempt. At [`MAX_ATTEMPTS`] the melding is given up.
    pub failed: u8,
    /// Came back at all, also where the consumer had no part in it; saturates.
    pub returned: u8,
}

/// What a melding is to its queue, as it is kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which melding.
    pub number: Number,
    /// When its life ends.
    pub deadline: Millis,
    /// How often it was handed out in vain.
    pub tries: Tries,
    /// Whether a consumer holds it.
    pub held: bool,
}

/// What may happen to a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A new melding. Its number is larger than all before.
    Publish {
        /// The melding.
        number: Number,
        /// When its life ends.
        deadline: Millis,
    },
    /// A new consumer that may hold up to `prefetch` meldinger.
    Subscribe {
        /// The consumer; never used before.
        consumer: ConsumerKey,
        /// How many it may hold; at least one.
        prefetch: u32,
    },
    /// The consumer takes no more; what it holds it keeps.
    Cancel {
        /// The consumer.
        consumer: ConsumerKey,
    },
    /// A held melding is done with.
    Ack {
        /// The melding.
        number: Number,
    },
    /// A held melding is not wanted.
    Drop {
        /// The melding.
        number: Number,
    },
    /// Held meldinger come back.
    Return {
        /// The meldinger.
        numbers: Vec<Number>,
        /// Why.
        arsak: Retur,
        /// Whether this is a failed attempt.
        counts: bool,
    },
    /// Nothing but the passing of time.
    Tick,
    /// The queue ends with all that is in it.
    Delete,
}

/// What follows from a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Hand `number` to `consumer`.
    Deliver {
        /// To whom.
        consumer: ConsumerKey,
        /// The melding.
        number: Number,
        /// When its life ends.
        deadline: Millis,
        /// How often it was handed out in vain before.
        tries: Tries,
    },
    /// It was acked and has left the queue.
    Acked {
        /// The melding.
        number: Number,
    },
    /// It was dropped and has left the queue.
    Dropped {
        /// The melding.
        number: Number,
    },
    /// It came back. Unless followed by [`Effect::GivenUp`] or [`Effect::Expired`], it waits again.
    Returned {
        /// The melding.
        number: Number,
        /// When its life ends.
        deadline: Millis,
        /// Why.
        arsak: Retur,
        /// How often it was handed out in vain, this time included.
        tries: Tries,
    },
    /// It was tried too often and has left the queue.
    GivenUp {
        /// The melding.
        number: Number,
    },
    /// Its life ended and it has left the queue.
    Expired {
        /// The melding.
        number: Number,
    },
    /// The queue ended with it.
    Removed {
        /// The melding.
        number: Number,
    },
    /// The queue ended under this consumer.
    Ended {
        /// The consumer.
        consumer: ConsumerKey,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    number: Number,
    deadline: Millis,
    tries: Tries,
    /// Left from the middle; is skipped when it comes to the front.
    gone: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    consumer: Option<ConsumerKey>,
    deadline: Millis,
    tries: Tries,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Consumer {
    key: ConsumerKey,
    prefetch: u32,
    held: u32,
}

/// A queue: who waits, who holds what, and whose turn it is.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    /// Never handed out yet, by number.
    ready: VecDeque<Waiting>,
    /// How many of `ready` are gone.
    gone: usize,
    /// Came back; stand before all of `ready`.
    returned: BTreeMap<Number, Waiting>,
    /// Of all that wait.
    deadlines: BTreeSet<(Millis, Number)>,
    held: BTreeMap<Number, Held>,
    consumers: Vec<Consumer>,
    /// Whose turn it is, as an index into `consumers`.
    turn: usize,
}

impl Queue {
    /// A queue as it stood when `entries` were written, in order of their numbers. Nobody consumes it. What was held is
    /// held by nobody until it is returned; see [`Queue::held`].
    pub fn restore(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut queue = Self::default();
        for entry in entries {
            queue.restore_entry(entry);
        }
        queue
    }

    /// Adds an entry read from disk; its number is larger than all before.
    pub fn restore_entry(&mut self, entry: Entry) {
        let Entry { number, deadline, tries, held } = entry;
        if held {
            self.held.insert(number, Held { consumer: None, deadline, tries });
            return;
        }
        let waiting = Waiting { number, deadline, tries, gone: false };
        self.deadlines.insert((deadline, number));
        if tries.returned > 0 {
            self.returned.insert(number, waiting);
        } else {
            self.ready.push_back(waiting);
        }
    }

    /// Does what `command` asks at `now` and tells what follows, in order.
    ///
    /// Asking something of a melding that is not held, or of a consumer that is not there, does nothing.
    pub fn apply(&mut self, now: Millis, command: Command, effects: &mut Vec<Effect>) {
        match command {
            Command::Publish { number, deadline } => {
                debug_assert!(self.ready.back().is_none_or(|last| last.number < number), "numbers grow");
                self.ready.push_back(Waiting { number, deadline, tries: Tries::default(), gone: false });
                self.deadlines.insert((deadline, number));
            }
            Command::Subscribe { consumer, prefetch } => {
                self.consumers.push(Consumer { key: consumer, prefetch: prefetch.max(1), held: 0 });
            }
            Command::Cancel { consumer } => self.remove_consumer(consumer),
            Command::Ack { number } => {
                if self.release(number).is_some() {
                    effects.push(Effect::Acked { number });
                }
            }
            Command::Drop { number } => {
                if self.release(number).is_some() {
                    effects.push(Effect::Dropped { number });
                }
            }
            Command::Return { numbers, arsak, counts } => {
                for number in numbers {
                    self.take_back(now, number, arsak, counts, effects);
                }
            }
            Command::Tick => {}
            Command::Delete => {
                self.delete(effects);
                return;
            }
        }
        self.expire(now, effects);
        self.hand_out(now, effects);
    }

    /// When the next melding that waits will expire.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// How many wait.
    pub fn ready_len(&self) -> usize {
        self.ready.len() - self.gone + self.returned.len()
    }

    /// How many are held.
    pub fn held_len(&self) -> usize {
        self.held.len()
    }

    /// How many consumers there are.
    pub fn consumer_len(&self) -> usize {
        self.consumers.len()
    }

    /// Who is held, by number.
    pub fn held(&self) -> impl Iterator<Item = Number> + '_ {
        self.held.keys().copied()
    }

    /// The one taken first of all that wait or are held.
    pub fn oldest(&self) -> Option<Number> {
        let ready = self.ready.iter().find(|waiting| !waiting.gone).map(|waiting| waiting.number);
        let returned = self.returned.keys().next().copied();
        let held = self.held.keys().next().copied();
        [ready, returned, held].into_iter().flatten().min()
    }

    /// All of it as it would be written to disk, by number.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self
            .ready
            .iter()
            .filter(|waiting| !waiting.gone)
            .chain(self.returned.values())
            .map(|w| Entry { number: w.number, deadline: w.deadline, tries: w.tries, held: false })
            .chain(self.held.iter().map(|(number, h)| Entry {
                number: *number,
                deadline: h.deadline,
                tries: h.tries,
                held: true,
            }))
            .collect();
        entries.sort_unstable_by_key(|entry| entry.number);
        entries
    }

    fn remove_consumer(&mut self, key: ConsumerKey) {
        let Some(index) = self.consumers.iter().position(|c| c.key == key) else { return };
        self.consumers.remove(index);
        if self.turn > index {
            self.turn -= 1;
        }
    }

    fn release(&mut self, number: Number) -> Option<Held> {
        let held = self.held.remove(&number)?;
        if let Some(key) = held.consumer
            && let Some(consumer) = self.consumers.iter_mut().find(|c| c.key == key)
        {
            consumer.held -= 1;
        }
        Some(held)
    }

    fn take_back(
        &mut self,
        now: Millis,
        number: Number,
        arsak: Retur,
        counts: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(Held { deadline, mut tries, .. }) = self.release(number) else { return };
        tries.returned = tries.returned.saturating_add(1);
        if counts {
            tries.failed = tries.failed.saturating_add(1);
        }
        effects.push(Effect::Returned { number, deadline, arsak, tries });
        // The count is looked at before the clock, as RabbitMQ does: it is looked at on return, the TTL at the head.
        if u32::from(tries.failed) >= MAX_ATTEMPTS {
            effects.push(Effect::GivenUp { number });
        } else if deadline <= now {
            effects.push(Effect::Expired { number });
        } else {
            self.returned.insert(number, Waiting { number, deadline, tries, gone: false });
            self.deadlines.insert((deadline, number));
        }
    }

    fn expire(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        for _ in 0..EXPIRED_AT_ONCE {
            let Some(&(deadline, number)) = self.deadlines.first() else { return };
            if deadline > now {
                return;
            }
            self.deadlines.pop_first();
            if self.returned.remove(&number).is_none()
                && let Ok(index) = self.ready.binary_search_by_key(&number, |waiting| waiting.number)
                && let Some(waiting) = self.ready.get_mut(index)
            {
                waiting.gone = true;
                self.gone += 1;
            }
            effects.push(Effect::Expired { number });
        }
        self.sweep();
    }

    /// Keeps what is gone from outnumbering what is there.
    fn sweep(&mut self) {
        if self.gone > 64 && self.gone > self.ready.len() / 2 {
            self.ready.retain(|waiting| !waiting.gone);
            self.gone = 0;
        }
    }

    fn hand_out(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        while let Some(index) = self.next_consumer() {
            let Some(Waiting { number, deadline, tries, .. }) = self.pop() else { return };
            self.deadlines.remove(&(deadline, number));
            if deadline <= now {
                effects.push(Effect::Expired { number });
                continue;
            }
            let Some(consumer) = self.consumers.get_mut(index) else { return };
            consumer.held += 1;
            self.turn = index + 1;
            self.held.insert(number, Held { consumer: Some(consumer.key), deadline, tries });
            effects.push(Effect::Deliver { consumer: consumer.key, number, deadline, tries });
        }
    }

    /// The next in turn that may hold one more.
    fn next_consumer(&self) -> Option<usize> {
        let n = self.consumers.len();
        (0..n)
            .map(|step| (self.turn + step) % n)
            .find(|index| self.consumers.get(*index).is_some_and(|c| c.held < c.prefetch))
    }

    fn pop(&mut self) -> Option<Waiting> {
        if let Some((_, waiting)) = self.returned.pop_first() {
            return Some(waiting);
        }
        while let Some(waiting) = self.ready.pop_front() {
            if !waiting.gone {
                if self.ready.is_empty() && self.ready.capacity() > 1024 {
                    self.ready.shrink_to_fit();
                }
                return Some(waiting);
            }
            self.gone -= 1;
        }
        None
    }

    fn delete(&mut self, effects: &mut Vec<Effect>) {
        effects.extend(self.consumers.iter().map(|c| Effect::Ended { consumer: c.key }));
        effects.extend(self.entries().into_iter().map(|entry| Effect::Removed { number: entry.number }));
        *self = Self::default();
    }
}
