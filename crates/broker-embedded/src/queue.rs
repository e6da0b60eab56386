//! One queue as a state machine: [`Queue::apply`] takes the time and a [`Command`] and answers with [`Effect`]s.
//!
//! It reads no clock, draws no random numbers and does no I/O, so the same commands at the same times always give the same
//! effects. It knows meldinger by their [`Number`] alone, which grows with the order in which they were taken; what they say
//! lies in the store. A melding that waits costs 32 bytes here, plus its line in the index of deadlines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use domain::melding::{Counts, MAX_ATTEMPTS, MAX_CRASHES, Retur, rest_after, rest_after_breaks};

/// A melding within the broker; a later one has the larger number.
pub type Number = u64;
/// Milliseconds since 1970-01-01T00:00Z.
pub type Millis = i64;
/// A consumer within the broker.
pub type ConsumerKey = u64;

/// How many meldinger one [`Queue::apply`] at most settles, lets expire, and hands out. For the rest [`Queue::is_behind`] and
/// [`Queue::next_deadline`] ask for another [`Command::Tick`], and other queues get their turn in between.
pub const AT_ONCE: usize = 256;

/// No melding rests for longer than this before it is handed out again. A quarter of an hour.
const LONGEST_REST_MS: Millis = 15 * 60 * 1_000;

/// The most crashes that an entry on disk can tell of.
pub(crate) const CRASHES_KEPT: u8 = 127;

/// How often a melding was handed out in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Tries {
    /// Came back and counts as a failed attempt. At [`MAX_ATTEMPTS`] the melding is given up.
    pub failed: u8,
    /// Was in a consumer's hands when the server crashed. At [`MAX_CRASHES`] the melding is given up; saturates at 127.
    pub crashes: u8,
    /// Came back at all, also where the consumer had no part in it; saturates.
    pub returned: u8,
}

impl Tries {
    /// How often it came back without that counting for anything; saturates.
    pub(crate) fn uncounted(self) -> u32 {
        u32::from(self.returned.saturating_sub(self.failed).saturating_sub(self.crashes))
    }

    /// How long it waits after it came back for that reason.
    fn rest_ms(self, arsak: Retur) -> Millis {
        let rest = match arsak {
            Retur::Krasj => rest_after(u32::from(self.crashes)),
            Retur::Avbrutt => rest_after_breaks(self.uncounted()),
            Retur::NackMedRequeue | Retur::Frakoblet | Retur::Omstart => Duration::ZERO,
        };
        Millis::try_from(rest.as_millis()).unwrap_or(Millis::MAX).min(LONGEST_REST_MS)
    }
}

/// What a melding takes of the room of those who answer for it. A queue carries it along and does not look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Share {
    /// Who answers for it, as the ledger numbers them.
    pub owners: u32,
    /// How much it takes. Bytes.
    pub bytes: u32,
}

/// What a melding is to its queue; on disk, where nobody has numbered the owners, with another `S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<S = Share> {
    /// Which melding.
    pub number: Number,
    /// When its life ends.
    pub deadline: Millis,
    /// How often it was handed out in vain.
    pub tries: Tries,
    /// Whether a consumer holds it.
    pub held: bool,
    /// What it takes of the room.
    pub share: S,
}

/// How a melding ends in a consumer's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is done with.
    Acked,
    /// It is not wanted.
    Dropped,
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
        /// What it takes of the room.
        share: Share,
    },
    /// A new consumer that may hold up to `prefetch` meldinger.
    Subscribe {
        /// The consumer; never used before.
        consumer: ConsumerKey,
        /// How many it may hold; at least one.
        prefetch: u32,
    },
    /// The consumer takes no more; what it holds it keeps. Nothing else happens: whoever ends several consumers at a time must
    /// not have one of them handed what another could have had.
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
    /// A held melding cannot be read.
    SetAside {
        /// The melding.
        number: Number,
    },
    /// Held meldinger come back, [`AT_ONCE`] at a time.
    Return {
        /// The meldinger.
        numbers: Vec<Number>,
        /// Why, which says also what it counts as.
        arsak: Retur,
    },
    /// Held meldinger are done with or not wanted, [`AT_ONCE`] at a time.
    End {
        /// The meldinger.
        numbers: Vec<Number>,
        /// How they end.
        ending: Ending,
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
        /// What it takes of the room.
        share: Share,
    },
    /// It was acked and has left the queue.
    Acked {
        /// The melding.
        number: Number,
        /// What it took of the room.
        share: Share,
    },
    /// It was dropped and has left the queue.
    Dropped {
        /// The melding.
        number: Number,
        /// What it took of the room.
        share: Share,
    },
    /// It cannot be read and has left the queue.
    SetAside {
        /// The melding.
        number: Number,
        /// What it took of the room.
        share: Share,
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
        /// What it takes of the room.
        share: Share,
    },
    /// It was tried too often and has left the queue.
    GivenUp {
        /// The melding.
        number: Number,
        /// What it took of the room.
        share: Share,
    },
    /// Its life ended and it has left the queue.
    Expired {
        /// The melding.
        number: Number,
        /// What it took of the room.
        share: Share,
    },
    /// The queue ended with it.
    Removed {
        /// The melding.
        number: Number,
        /// What it took of the room.
        share: Share,
        /// How a consumer had ended it before.
        ending: Option<Ending>,
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
    share: Share,
    tries: Tries,
    /// Left from the middle; is skipped when it comes to the front.
    gone: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    consumer: Option<ConsumerKey>,
    deadline: Millis,
    share: Share,
    tries: Tries,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Consumer {
    key: ConsumerKey,
    prefetch: u32,
    held: u32,
}

/// What is still to happen to a held melding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settling {
    Ends(Ending),
    Returns(Retur),
}

/// A queue: who waits, who holds what, and whose turn it is.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Never handed out yet, by number.
    ready: VecDeque<Waiting>,
    /// How many of `ready` are gone.
    gone: usize,
    /// Came back; stand before all of `ready`.
    returned: BTreeMap<Number, Waiting>,
    /// Came back in such a way, or so often, that they are not handed out before a time; then they are among `returned`.
    resting: BTreeMap<Number, (Millis, Waiting)>,
    /// When those of `resting` are.
    rests: BTreeSet<(Millis, Number)>,
    /// Of all that wait.
    deadlines: BTreeSet<(Millis, Number)>,
    held: BTreeMap<Number, Held>,
    /// Those of `held` that were let go of, and whose turn has not come yet. Nothing behind the first of them is handed out,
    /// so that all come in the order in which they would if it were done at once.
    settling: BTreeMap<Number, Settling>,
    consumers: Vec<Consumer>,
    /// Whose turn it is, as an index into `consumers`.
    turn: usize,
    /// Whether some could be handed out that were not, since it was enough for once.
    has_more: bool,
    at_once: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self::by_pieces(AT_ONCE)
    }
}

impl Queue {
    /// An empty queue that does no more than `at_once` of a kind in one [`Queue::apply`]; at least one.
    pub fn by_pieces(at_once: usize) -> Self {
        Self {
            ready: VecDeque::new(),
            gone: 0,
            returned: BTreeMap::new(),
            resting: BTreeMap::new(),
            rests: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            held: BTreeMap::new(),
            settling: BTreeMap::new(),
            consumers: Vec::new(),
            turn: 0,
            has_more: false,
            at_once: at_once.max(1),
        }
    }

    /// A queue as it stood when `entries` were written, in order of their numbers, and begins again at `now`. Nobody consumes it.
    /// What was held is held by nobody until it is returned; see [`Queue::held`].
    pub fn restore(now: Millis, entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut queue = Self::default();
        for entry in entries {
            queue.restore_entry(now, entry);
        }
        queue
    }

    /// Adds an entry read from disk; its number is larger than all before.
    pub fn restore_entry(&mut self, now: Millis, entry: Entry) {
        let Entry { number, deadline, tries, held, share } = entry;
        if held {
            self.held.insert(number, Held { consumer: None, deadline, share, tries });
            return;
        }
        let waiting = Waiting { number, deadline, share, tries, gone: false };
        self.deadlines.insert((deadline, number));
        if tries.returned > 0 {
            // Begun again, the server looks out for what may bring it down.
            self.come_back(now, tries.rest_ms(Retur::Krasj), waiting);
        } else {
            self.ready.push_back(waiting);
        }
    }

    /// Does what `command` asks at `now` and tells what follows, in order.
    ///
    /// Asking something of a melding that is not held, or of a consumer that is not there, does nothing.
    pub fn apply(&mut self, now: Millis, command: Command, effects: &mut Vec<Effect>) {
        match command {
            Command::Publish { number, deadline, share } => {
                debug_assert!(self.ready.back().is_none_or(|last| last.number < number), "numbers grow");
                let tries = Tries::default();
                self.ready.push_back(Waiting { number, deadline, share, tries, gone: false });
                self.deadlines.insert((deadline, number));
            }
            Command::Subscribe { consumer, prefetch } => {
                self.consumers.push(Consumer { key: consumer, prefetch: prefetch.max(1), held: 0 });
            }
            Command::Cancel { consumer } => {
                self.remove_consumer(consumer);
                return;
            }
            Command::Ack { number } => {
                if let Some(Held { share, .. }) = self.release(number) {
                    effects.push(Effect::Acked { number, share });
                }
            }
            Command::Drop { number } => {
                if let Some(Held { share, .. }) = self.release(number) {
                    effects.push(Effect::Dropped { number, share });
                }
            }
            Command::SetAside { number } => {
                if let Some(Held { share, .. }) = self.release(number) {
                    effects.push(Effect::SetAside { number, share });
                }
            }
            Command::Return { numbers, arsak } => {
                self.settle(now, numbers, Settling::Returns(arsak), effects);
            }
            Command::End { numbers, ending } => self.settle(now, numbers, Settling::Ends(ending), effects),
            Command::Tick => self.settle_some(now, effects),
            Command::Delete => {
                self.delete(effects);
                return;
            }
        }
        self.expire(now, effects);
        self.end_rests(now);
        self.hand_out(now, effects);
    }

    /// Whether there is more to do at once, which a [`Command::Tick`] does.
    pub fn is_behind(&self) -> bool {
        self.has_more || !self.settling.is_empty()
    }

    /// Whether some that were let go of are still to be settled.
    pub fn is_settling(&self) -> bool {
        !self.settling.is_empty()
    }

    /// When the next melding that waits will expire, or may be handed out again.
    pub fn next_deadline(&self) -> Option<Millis> {
        let [deadline, rested] = [&self.deadlines, &self.rests].map(|times| times.first().map(|(at, _)| *at));
        deadline.into_iter().chain(rested).min()
    }

    /// How many wait.
    pub fn ready_len(&self) -> usize {
        self.at_hand() + self.resting.len()
    }

    /// How many of them may be handed out.
    fn at_hand(&self) -> usize {
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
        let resting = self.resting.keys().next().copied();
        let held = self.held.keys().next().copied();
        [ready, returned, resting, held].into_iter().flatten().min()
    }

    /// All of it as it would be written to disk, by number.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self
            .ready
            .iter()
            .filter(|waiting| !waiting.gone)
            .chain(self.returned.values())
            .chain(self.resting.values().map(|(_, waiting)| waiting))
            .map(|w| Entry {
                number: w.number,
                deadline: w.deadline,
                tries: w.tries,
                held: false,
                share: w.share,
            })
            .chain(self.held.iter().map(|(number, h)| Entry {
                number: *number,
                deadline: h.deadline,
                tries: h.tries,
                held: true,
                share: h.share,
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
        self.has_more &= self.next_consumer().is_some();
    }

    /// Those of `numbers` that are held: the first few now, the others when their turn comes. What was let go of before stays
    /// as it was said first.
    fn settle(&mut self, now: Millis, numbers: Vec<Number>, settling: Settling, effects: &mut Vec<Effect>) {
        let is_first = self.settling.is_empty();
        for number in numbers {
            if self.held.contains_key(&number) {
                self.settling.entry(number).or_insert(settling);
            }
        }
        if is_first {
            self.settle_some(now, effects);
        }
    }

    fn settle_some(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        for _ in 0..self.at_once {
            let Some((number, settling)) = self.settling.pop_first() else { return };
            match settling {
                Settling::Returns(arsak) => self.take_back(now, number, arsak, effects),
                Settling::Ends(ending) => {
                    let Some(Held { share, .. }) = self.release(number) else { continue };
                    effects.push(match ending {
                        Ending::Acked => Effect::Acked { number, share },
                        Ending::Dropped => Effect::Dropped { number, share },
                    });
                }
            }
        }
    }

    fn release(&mut self, number: Number) -> Option<Held> {
        let held = self.held.remove(&number)?;
        if !self.settling.is_empty() {
            self.settling.remove(&number);
        }
        if let Some(key) = held.consumer
            && let Some(consumer) = self.consumers.iter_mut().find(|c| c.key == key)
        {
            consumer.held -= 1;
        }
        Some(held)
    }

    fn take_back(&mut self, now: Millis, number: Number, arsak: Retur, effects: &mut Vec<Effect>) {
        let Some(Held { deadline, share, mut tries, .. }) = self.release(number) else { return };
        tries.returned = tries.returned.saturating_add(1);
        match arsak.counts_as() {
            Counts::Attempt => tries.failed = tries.failed.saturating_add(1),
            Counts::Crash => tries.crashes = tries.crashes.saturating_add(1).min(CRASHES_KEPT),
            Counts::Nothing => {}
        }
        effects.push(Effect::Returned { number, deadline, arsak, tries, share });
        // The count is looked at before the clock, as RabbitMQ does: it is looked at on return, the TTL at the head.
        if u32::from(tries.failed) >= MAX_ATTEMPTS || u32::from(tries.crashes) >= MAX_CRASHES {
            effects.push(Effect::GivenUp { number, share });
        } else if deadline <= now {
            effects.push(Effect::Expired { number, share });
        } else {
            let waiting = Waiting { number, deadline, share, tries, gone: false };
            self.come_back(now, tries.rest_ms(arsak), waiting);
            self.deadlines.insert((deadline, number));
        }
    }

    /// Among those that go first, once it has rested.
    fn come_back(&mut self, now: Millis, rest_ms: Millis, waiting: Waiting) {
        let number = waiting.number;
        if rest_ms == 0 {
            self.returned.insert(number, waiting);
            return;
        }
        let until = now.saturating_add(rest_ms);
        self.resting.insert(number, (until, waiting));
        self.rests.insert((until, number));
    }

    fn end_rests(&mut self, now: Millis) {
        if self.rests.last().is_some_and(|(until, _)| until.saturating_sub(now) > LONGEST_REST_MS) {
            // The clock was ahead when they came back.
            for (until, _) in self.resting.values_mut() {
                *until = (*until).min(now.saturating_add(LONGEST_REST_MS));
            }
            self.rests = self.resting.iter().map(|(number, (until, _))| (*until, *number)).collect();
        }
        while self.rests.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, number)) = self.rests.pop_first() else { break };
            if let Some((_, waiting)) = self.resting.remove(&number) {
                self.returned.insert(number, waiting);
            }
        }
    }

    fn leave_rest(&mut self, number: Number) -> Option<Waiting> {
        let (until, waiting) = self.resting.remove(&number)?;
        self.rests.remove(&(until, number));
        Some(waiting)
    }

    fn expire(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        for _ in 0..self.at_once {
            match self.deadlines.first() {
                Some(&(deadline, _)) if deadline <= now => {}
                _ => break,
            }
            let Some((_, number)) = self.deadlines.pop_first() else { break };
            let waiting = self.returned.remove(&number);
            let waiting = waiting.or_else(|| self.leave_rest(number)).or_else(|| self.leave_middle(number));
            let share = waiting.map(|waiting| waiting.share).unwrap_or_default();
            effects.push(Effect::Expired { number, share });
        }
        self.sweep();
    }

    /// Marks one of `ready` as gone.
    fn leave_middle(&mut self, number: Number) -> Option<Waiting> {
        let index = self.ready.binary_search_by_key(&number, |waiting| waiting.number).ok()?;
        let waiting = self.ready.get_mut(index)?;
        waiting.gone = true;
        self.gone += 1;
        Some(*waiting)
    }

    /// Keeps what is gone from outnumbering what is there.
    fn sweep(&mut self) {
        if self.gone > 64 && self.gone > self.ready.len() / 2 {
            self.ready.retain(|waiting| !waiting.gone);
            self.gone = 0;
        }
    }

    fn hand_out(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        self.has_more = false;
        for done in 0.. {
            let Some(index) = self.next_consumer() else { return };
            if self.waits_for_settling() {
                return;
            }
            if done == self.at_once {
                self.has_more = self.at_hand() > 0;
                return;
            }
            let Some(Waiting { number, deadline, share, tries, .. }) = self.pop() else { return };
            self.deadlines.remove(&(deadline, number));
            if deadline <= now {
                effects.push(Effect::Expired { number, share });
                continue;
            }
            let Some(consumer) = self.consumers.get_mut(index) else { return };
            consumer.held += 1;
            self.turn = index + 1;
            self.held.insert(number, Held { consumer: Some(consumer.key), deadline, share, tries });
            effects.push(Effect::Deliver { consumer: consumer.key, number, deadline, tries, share });
        }
    }

    /// The next in turn that may hold one more.
    fn next_consumer(&self) -> Option<usize> {
        let n = self.consumers.len();
        (0..n)
            .map(|step| (self.turn + step) % n)
            .find(|index| self.consumers.get(*index).is_some_and(|c| c.held < c.prefetch))
    }

    /// Whether one that is still to come back stands before all that wait. Whatever was never handed out stands behind it.
    fn waits_for_settling(&self) -> bool {
        let Some((settling, _)) = self.settling.first_key_value() else { return false };
        self.returned.first_key_value().is_none_or(|(returned, _)| returned > settling)
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
        let settling = std::mem::take(&mut self.settling);
        effects.extend(self.entries().into_iter().map(|Entry { number, share, .. }| {
            let ending = match settling.get(&number) {
                Some(Settling::Ends(ending)) => Some(*ending),
                Some(Settling::Returns(_)) | None => None,
            };
            Effect::Removed { number, share, ending }
        }));
        *self = Self::by_pieces(self.at_once);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const LATER: Millis = 10_000_000;

    /// Of each another one, so that no two can be mixed up.
    fn share(number: Number) -> Share {
        let number = u32::try_from(number).unwrap();
        Share { owners: number % 7, bytes: number + 1 }
    }

    fn publish(number: Number, deadline: Millis) -> Command {
        Command::Publish { number, deadline, share: share(number) }
    }

    fn apply(queue: &mut Queue, now: Millis, command: Command) -> Vec<Effect> {
        let mut effects = Vec::new();
        queue.apply(now, command, &mut effects);
        effects
    }

    fn with(numbers: impl IntoIterator<Item = Number>) -> Queue {
        let mut queue = Queue::default();
        for number in numbers {
            assert_eq!(apply(&mut queue, 0, publish(number, LATER)), []);
        }
        queue
    }

    fn delivered(effects: &[Effect]) -> Vec<(ConsumerKey, Number)> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Deliver { consumer, number, .. } => Some((*consumer, *number)),
                _ => None,
            })
            .collect()
    }

    fn nack(numbers: &[Number]) -> Command {
        Command::Return { numbers: numbers.to_vec(), arsak: Retur::NackMedRequeue }
    }

    #[test]
    fn consumers_with_credit_take_turns() {
        let mut queue = with([]);
        apply(&mut queue, 0, Command::Subscribe { consumer: 1, prefetch: 2 });
        apply(&mut queue, 0, Command::Subscribe { consumer: 2, prefetch: 9 });
        let turns: Vec<_> =
            (1..=6).flat_map(|number| delivered(&apply(&mut queue, 0, publish(number, LATER)))).collect();
        assert_eq!(turns, [(1, 1), (2, 2), (1, 3), (2, 4), (2, 5), (2, 6)]);
    }

    #[test]
    fn a_cancelled_consumer_leaves_the_turn_to_the_next() {
        let mut queue = with([]);
        for consumer in 1..=3 {
            apply(&mut queue, 0, Command::Subscribe { consumer, prefetch: 9 });
        }
        apply(&mut queue, 0, publish(1, LATER));
        apply(&mut queue, 0, Command::Cancel { consumer: 1 });
        let next = apply(&mut queue, 0, publish(2, LATER));
        assert_eq!(delivered(&next), [(2, 2)]);
        assert_eq!(
            apply(&mut queue, 0, Command::Ack { number: 1 }),
            [Effect::Acked { number: 1, share: share(1) }]
        );
    }

    #[test]
    fn the_third_failed_try_is_the_last() {
        let mut queue = with([1]);
        apply(&mut queue, 0, Command::Subscribe { consumer: 1, prefetch: 1 });
        assert_eq!(delivered(&apply(&mut queue, 0, nack(&[1]))), [(1, 1)]);
        assert_eq!(delivered(&apply(&mut queue, 0, nack(&[1]))), [(1, 1)]);
        let tries = Tries { failed: 3, crashes: 0, returned: 3 };
        assert_eq!(
            apply(&mut queue, LATER, nack(&[1])),
            [
                Effect::Returned {
                    number: 1,
                    deadline: LATER,
                    arsak: Retur::NackMedRequeue,
                    tries,
                    share: share(1)
                },
                Effect::GivenUp { number: 1, share: share(1) },
            ]
        );
        assert_eq!(queue.entries(), []);
    }

    #[test]
    fn a_return_that_does_not_count_is_no_failed_try() {
        let mut queue = with([1]);
        apply(&mut queue, 0, Command::Subscribe { consumer: 1, prefetch: 1 });
        let mut now = 0;
        for returned in 1..100 {
            let arsak = if returned % 2 == 0 { Retur::Omstart } else { Retur::Avbrutt };
            let mut effects = apply(&mut queue, now, Command::Return { numbers: vec![1], arsak });
            let tries = Tries { returned, ..Tries::default() };
            assert_eq!(effects.len(), if arsak == Retur::Omstart || returned < 10 { 2 } else { 1 });
            // What the server breaks off again and again waits for a while.
            now += 64_000;
            effects.extend(apply(&mut queue, now, Command::Tick));
            assert_eq!(
                effects[1],
                Effect::Deliver { consumer: 1, number: 1, deadline: LATER, tries, share: share(1) }
            );
        }
    }

    /// Attempts and crashes are counted apart: neither brings the other nearer to its end.
    #[test]
    fn the_tenth_crash_is_the_last() {
        let mut queue = with([1]);
        apply(&mut queue, 0, Command::Subscribe { consumer: 1, prefetch: 1 });
        apply(&mut queue, 0, nack(&[1]));
        apply(&mut queue, 0, nack(&[1]));
        let crash = Command::Return { numbers: vec![1], arsak: Retur::Krasj };
        let mut now = 0;
        for crashes in 1..10 {
            let mut effects = apply(&mut queue, now, crash.clone());
            now += [0, 0, 10, 20, 40, 80, 160, 320, 640][usize::from(crashes) - 1] * 1_000;
            effects.extend(apply(&mut queue, now, Command::Tick));
            let tries = Tries { failed: 2, crashes, returned: 2 + crashes };
            assert_eq!(
                effects[1],
                Effect::Deliver { consumer: 1, number: 1, deadline: LATER, tries, share: share(1) }
            );
        }
        assert_eq!(apply(&mut queue, now, crash)[1..], [Effect::GivenUp { number: 1, share: share(1) }]);
        assert_eq!(queue.entries(), []);
    }

    /// What the third crash found in somebody's hands goes first again, but not at once; others do not wait for it, neither does its
    /// deadline, and a restart does not end its rest.
    #[test]
    fn what_was_at_three_crashes_rests_before_it_is_handed_out_again() {
        let mut queue = Queue::default();
        for (number, deadline) in [(1, LATER), (2, 5_000), (3, LATER)] {
            apply(&mut queue, 0, publish(number, deadline));
        }
        let crash = |numbers: &[Number]| Command::Return { numbers: numbers.to_vec(), arsak: Retur::Krasj };
        for _ in 0..2 {
            apply(&mut queue, 0, Command::Subscribe { consumer: 1, prefetch: 2 });
            let effects = apply(&mut queue, 0, Command::Cancel { consumer: 1 });
            assert_eq!(effects, []);
            apply(&mut queue, 0, crash(&[1, 2]));
        }
        let effects = apply(&mut queue, 0, Command::Subscribe { consumer: 2, prefetch: 2 });
        assert_eq!(delivered(&effects), [(2, 1), (2, 2)]);
        let effects = apply(&mut queue, 0, crash(&[1, 2]));
        assert_eq!(delivered(&effects), [(2, 3)]);
        assert_eq!((queue.ready_len(), queue.oldest(), queue.next_deadline()), (2, Some(1), Some(5_000)));
        assert!(!queue.is_behind());
        assert_eq!(apply(&mut queue, 5_000, Command::Tick), [Effect::Expired { number: 2, share: share(2) }]);
        assert_eq!(queue.next_deadline(), Some(10_000));

        let mut again = Queue::restore(7_000, queue.entries());
        assert_eq!(again.next_deadline(), Some(17_000));
        apply(&mut again, 7_000, Command::Return { numbers: vec![3], arsak: Retur::Omstart });
        let effects = apply(&mut again, 16_999, Command::Subscribe { consumer: 3, prefetch: 2 });
        assert_eq!(delivered(&effects), [(3, 3)]);
        assert_eq!(delivered(&apply(&mut again, 17_000, Command::Tick)), [(3, 1)]);
        assert_eq!(delivered(&apply(&mut queue, 10_000, Command::Tick)), [(2, 1)]);
        assert_eq!(queue.next_deadline(), None);
    }

    /// What came back while the clock was ahead does not wait for the wrong date.
    #[test]
    fn rests_end_though_the_clock_was_set_back() {
        let ahead = 300 * 24 * 60 * 60 * 1_000;
        let mut queue = Queue::default();
        apply(&mut queue, ahead, publish(1, 2 * ahead));
        for crash in 1..=3 {
            apply(&mut queue, ahead, Command::Subscribe { consumer: crash, prefetch: 1 });
            apply(&mut queue, ahead, Command::Cancel { consumer: crash });
            apply(&mut queue, ahead, Command::Return { numbers: vec![1], arsak: Retur::Krasj });
        }
        assert_eq!(apply(&mut queue, 0, Command::Subscribe { consumer: 4, prefetch: 1 }), []);
        assert_eq!(queue.next_deadline(), Some(LONGEST_REST_MS));
        assert_eq!(delivered(&apply(&mut queue, LONGEST_REST_MS, Command::Tick)), [(4, 1)]);
    }

    #[test]
    fn nothing_expires_before_its_deadline_or_while_held() {
        let mut queue = Queue::default();
        apply(&mut queue, 0, publish(1, 10));
        apply(&mut queue, 0, publish(2, 10));
        apply(&mut queue, 0, Command::Subscribe { consumer: 1, prefetch: 1 });
        assert_eq!(queue.next_deadline(), Some(10));
        assert_eq!(apply(&mut queue, 9, Command::Tick), []);
        assert_eq!(apply(&mut queue, 10, Command::Tick), [Effect::Expired { number: 2, share: share(2) }]);
        assert_eq!(queue.next_deadline(), None);
        assert_eq!((queue.ready_len(), queue.held_len()), (0, 1));
    }

    /// Does all that is left to do, and says what followed and in how many pieces.
    fn catch_up(queue: &mut Queue, now: Millis) -> (Vec<Effect>, usize) {
        let (mut effects, mut pieces) = (Vec::new(), 0);
        while queue.is_behind() || queue.next_deadline().is_some_and(|deadline| deadline <= now) {
            let before = effects.len();
            queue.apply(now, Command::Tick, &mut effects);
            assert!(effects.len() > before, "each piece does something");
            pieces += 1;
        }
        (effects, pieces)
    }

    #[test]
    fn many_expire_a_few_at_a_time_and_none_is_handed_out_meanwhile() {
        let mut queue = Queue::default();
        let many = AT_ONCE as u64 * 4 + 1;
        for number in 1..=many {
            apply(&mut queue, 0, publish(number, 10));
        }
        apply(&mut queue, 0, publish(many + 1, LATER));
        assert_eq!(apply(&mut queue, 10, Command::Tick).len(), AT_ONCE);
        assert_eq!(queue.next_deadline(), Some(10));
        let effects = apply(&mut queue, 10, Command::Subscribe { consumer: 1, prefetch: 1 });
        assert_eq!(effects.len(), 2 * AT_ONCE);
        assert_eq!(delivered(&effects), []);
        let (effects, _) = catch_up(&mut queue, 10);
        assert_eq!(delivered(&effects), [(1, many + 1)]);
        assert_eq!((queue.ready_len(), queue.held_len()), (0, 1));
    }

    /// A consumer that may hold very many is handed them a few at a time, in order.
    #[test]
    fn many_are_handed_out_a_few_at_a_time() {
        let many = AT_ONCE as u64 * 3 + 1;
        let mut queue = with(1..=many);
        let first = apply(&mut queue, 0, Command::Subscribe { consumer: 1, prefetch: u32::MAX });
        assert_eq!(first.len(), AT_ONCE);
        let (rest, pieces) = catch_up(&mut queue, 0);
        let numbers: Vec<_> = delivered(&first).into_iter().chain(delivered(&rest)).collect();
        assert_eq!(numbers, (1..=many).map(|number| (1, number)).collect::<Vec<_>>());
        assert_eq!(pieces, 3);
    }

    /// What comes back a few at a time goes to the next consumer in its order, before all that was never handed out.
    #[test]
    fn many_come_back_a_few_at_a_time_and_keep_their_order() {
        let many = AT_ONCE as u64 * 4;
        let mut queue = with(1..=many + 10);
        apply(&mut queue, 0, Command::Subscribe { consumer: 1, prefetch: u32::try_from(many).unwrap() });
        catch_up(&mut queue, 0);
        apply(&mut queue, 0, Command::Cancel { consumer: 1 });
        // It holds one before the others come back.
        let mut order = delivered(&apply(&mut queue, 0, Command::Subscribe { consumer: 2, prefetch: 1 }));
        let back = Command::Return { numbers: (1..=many).rev().collect(), arsak: Retur::Frakoblet };
        let effects = apply(&mut queue, 0, back);
        assert!(effects.len() <= 2 * AT_ONCE, "{} followed at once", effects.len());
        assert!(queue.is_settling());
        order.extend(delivered(&effects));
        while let Some((_, number)) = order.last().copied().filter(|(_, number)| *number < many + 9) {
            order.extend(delivered(&apply(&mut queue, 0, Command::Ack { number })));
            let (effects, _) = catch_up(&mut queue, 0);
            order.extend(delivered(&effects));
        }
        let numbers = std::iter::once(many + 1).chain(1..=many).chain(many + 2..many + 10);
        let expected: Vec<_> = numbers.map(|number| (2, number)).collect();
        assert_eq!(order, expected);
    }

    /// Acked is acked, also where the queue is removed before its turn came; what was said first holds.
    #[test]
    fn what_was_acked_and_not_settled_yet_is_not_given_back() {
        let mut queue = Queue::by_pieces(1);
        for number in 1..=5 {
            apply(&mut queue, 0, publish(number, LATER));
        }
        apply(&mut queue, 0, Command::Subscribe { consumer: 1, prefetch: 9 });
        catch_up(&mut queue, 0);
        apply(&mut queue, 0, Command::Cancel { consumer: 1 });
        let ended = apply(&mut queue, 0, Command::End { numbers: vec![1, 2], ending: Ending::Acked });
        assert_eq!(ended, [Effect::Acked { number: 1, share: share(1) }]);
        apply(&mut queue, 0, Command::End { numbers: vec![3], ending: Ending::Dropped });
        let all = queue.held().collect();
        assert_eq!(apply(&mut queue, 0, Command::Return { numbers: all, arsak: Retur::Omstart }), []);
        let ends = |number, ending| Effect::Removed { number, share: share(number), ending };
        assert_eq!(
            apply(&mut queue, 0, Command::Delete),
            [ends(2, Some(Ending::Acked)), ends(3, Some(Ending::Dropped)), ends(4, None), ends(5, None)]
        );
        assert!(!queue.is_behind());
    }

    #[test]
    fn what_is_gone_from_the_middle_takes_no_room_for_long() {
        let mut queue = Queue::default();
        apply(&mut queue, 0, publish(0, LATER));
        for number in 1..10_000 {
            let now = Millis::try_from(number).unwrap();
            apply(&mut queue, now, publish(number, now));
        }
        assert_eq!(queue.ready_len(), 1);
        assert!(queue.ready.len() < 200, "{} are kept", queue.ready.len());
    }

    /// What may be asked; numbers are picked among those that make sense when it is run.
    #[derive(Debug, Clone)]
    enum Step {
        Publish { ttl: Millis },
        Subscribe { prefetch: u32 },
        Cancel { pick: usize },
        Ack { pick: usize },
        Drop { pick: usize },
        SetAside { pick: usize },
        Nack { pick: usize },
        Lose { pick: usize },
        Stop { arsak: Retur },
        EndAll { ending: Ending },
        ReturnAll,
        Go,
        Wait { by: Millis },
        Nonsense { number: Number },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (1_i64..60).prop_map(|ttl| Step::Publish { ttl }),
            2 => (10_000_i64..200_000).prop_map(|ttl| Step::Publish { ttl }),
            2 => (1_u32..5).prop_map(|prefetch| Step::Subscribe { prefetch }),
            1 => any::<usize>().prop_map(|pick| Step::Cancel { pick }),
            4 => any::<usize>().prop_map(|pick| Step::Ack { pick }),
            1 => any::<usize>().prop_map(|pick| Step::Drop { pick }),
            1 => any::<usize>().prop_map(|pick| Step::SetAside { pick }),
            3 => any::<usize>().prop_map(|pick| Step::Nack { pick }),
            1 => any::<usize>().prop_map(|pick| Step::Lose { pick }),
            1 => proptest::sample::select(vec![Retur::Omstart, Retur::Avbrutt, Retur::Krasj])
                .prop_map(|arsak| Step::Stop { arsak }),
            1 => proptest::sample::select(vec![Ending::Acked, Ending::Dropped])
                .prop_map(|ending| Step::EndAll { ending }),
            1 => Just(Step::ReturnAll),
            2 => Just(Step::Go),
            3 => (1_i64..20).prop_map(|by| Step::Wait { by }),
            1 => (4_000_i64..40_000).prop_map(|by| Step::Wait { by }),
            1 => (0_u64..200).prop_map(|number| Step::Nonsense { number }),
        ]
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fate {
        Waiting { returned: bool },
        Held(ConsumerKey),
        Left,
    }

    /// Keeps its own books of what the effects say, and checks each against the rules.
    #[derive(Debug, Clone, Default)]
    struct Books {
        now: Millis,
        next: Number,
        next_consumer: ConsumerKey,
        fates: BTreeMap<Number, Fate>,
        deadlines: HashMap<Number, Millis>,
        /// Before which time they are not handed out.
        rests: HashMap<Number, Millis>,
        deliveries: HashMap<Number, u32>,
        attempts: HashMap<Number, u32>,
        crashes: HashMap<Number, u32>,
        prefetch: BTreeMap<ConsumerKey, u32>,
        left: u64,
        /// Were let go of, and are not settled yet.
        settling: BTreeSet<Number>,
        /// Does not do all that is left to do after each step.
        in_pieces: bool,
    }

    impl Books {
        fn held(&self) -> Vec<(Number, ConsumerKey)> {
            self.fates
                .iter()
                .filter_map(|(number, fate)| match fate {
                    Fate::Held(consumer) => Some((*number, *consumer)),
                    _ => None,
                })
                .collect()
        }

        /// Turns a step into commands that make sense now.
        fn commands(&mut self, step: &Step) -> Vec<Command> {
            let held: Vec<_> =
                self.held().into_iter().filter(|(number, _)| !self.settling.contains(number)).collect();
            let held_at = |pick: usize| (!held.is_empty()).then(|| held[pick % held.len()]);
            let returned = |numbers, arsak| Command::Return { numbers, arsak };
            match *step {
                Step::Publish { ttl } => {
                    self.next += 1;
                    let (number, deadline) = (self.next, self.now + ttl);
                    self.fates.insert(number, Fate::Waiting { returned: false });
                    self.deadlines.insert(number, deadline);
                    vec![publish(number, deadline)]
                }
                Step::Subscribe { prefetch } => {
                    self.next_consumer += 1;
                    self.prefetch.insert(self.next_consumer, prefetch);
                    vec![Command::Subscribe { consumer: self.next_consumer, prefetch }]
                }
                Step::Cancel { pick } => self.cancel(pick).into_iter().collect(),
                Step::Ack { pick } => {
                    held_at(pick).into_iter().map(|(number, _)| Command::Ack { number }).collect()
                }
                Step::Drop { pick } => {
                    held_at(pick).into_iter().map(|(number, _)| Command::Drop { number }).collect()
                }
                Step::SetAside { pick } => {
                    held_at(pick).into_iter().map(|(number, _)| Command::SetAside { number }).collect()
                }
                Step::Nack { pick } => held_at(pick)
                    .into_iter()
                    .map(|(number, _)| returned(vec![number], Retur::NackMedRequeue))
                    .collect(),
                Step::Lose { pick } => {
                    let Some(command) = self.cancel(pick) else { return Vec::new() };
                    let Command::Cancel { consumer } = command else { return Vec::new() };
                    let numbers = held.iter().filter(|(_, by)| *by == consumer).map(|(n, _)| *n).collect();
                    vec![command, returned(numbers, Retur::Frakoblet)]
                }
                Step::Stop { arsak } => {
                    let mut commands: Vec<_> = self
                        .prefetch
                        .keys()
                        .map(|consumer| Command::Cancel { consumer: *consumer })
                        .collect();
                    let numbers = held.iter().map(|(number, _)| *number).collect();
                    commands.push(returned(numbers, arsak));
                    commands
                }
                Step::EndAll { ending } => {
                    vec![Command::End { numbers: held.iter().map(|(number, _)| *number).collect(), ending }]
                }
                Step::ReturnAll => {
                    let numbers = held.iter().map(|(number, _)| *number).collect();
                    vec![returned(numbers, Retur::NackMedRequeue)]
                }
                Step::Go => vec![Command::Tick],
                Step::Wait { by } => {
                    self.now += by;
                    vec![Command::Tick]
                }
                Step::Nonsense { number } => {
                    if matches!(self.fates.get(&number), Some(Fate::Held(_))) {
                        return Vec::new();
                    }
                    vec![
                        Command::Ack { number },
                        Command::Drop { number },
                        Command::SetAside { number },
                        nack(&[number]),
                        Command::Cancel { consumer: number + 1_000_000 },
                    ]
                }
            }
        }

        fn cancel(&self, pick: usize) -> Option<Command> {
            let consumers: Vec<_> = self.prefetch.keys().copied().collect();
            let consumer = *consumers.get(pick % consumers.len().max(1))?;
            Some(Command::Cancel { consumer })
        }

        fn note(&mut self, effects: &[Effect]) {
            for effect in effects {
                match *effect {
                    Effect::Deliver { consumer, number, deadline, tries, share: of } => {
                        assert_eq!(of, share(number));
                        self.note_delivery(consumer, number, deadline, tries);
                    }
                    Effect::Acked { number, share: of }
                    | Effect::Dropped { number, share: of }
                    | Effect::SetAside { number, share: of } => {
                        assert_eq!(of, share(number));
                        self.settling.remove(&number);
                        assert!(matches!(self.fates[&number], Fate::Held(_)), "{number} is settled in hand");
                        self.leave(number);
                    }
                    Effect::Returned { number, deadline, arsak, tries, share: of } => {
                        assert_eq!(of, share(number));
                        self.settling.remove(&number);
                        assert!(
                            matches!(self.fates[&number], Fate::Held(_)),
                            "{number} comes back from a hand"
                        );
                        assert_eq!(deadline, self.deadlines[&number]);
                        assert_eq!(u32::from(tries.returned), self.deliveries[&number]);
                        let attempts = self.attempts.entry(number).or_default();
                        *attempts += u32::from(matches!(arsak, Retur::NackMedRequeue | Retur::Frakoblet));
                        let crashes = self.crashes.entry(number).or_default();
                        *crashes += u32::from(arsak == Retur::Krasj);
                        self.rests.insert(number, self.now + tries.rest_ms(arsak));
                        assert_eq!(
                            (u32::from(tries.failed), u32::from(tries.crashes)),
                            (*attempts, *crashes)
                        );
                        self.fates.insert(number, Fate::Waiting { returned: true });
                    }
                    Effect::GivenUp { number, share: of } => {
                        assert_eq!(of, share(number));
                        assert!(matches!(self.fates[&number], Fate::Waiting { returned: true }));
                        let (attempts, crashes) = (self.attempts[&number], self.crashes[&number]);
                        assert!(
                            attempts == MAX_ATTEMPTS || crashes == MAX_CRASHES,
                            "{number} has tries left"
                        );
                        self.leave(number);
                    }
                    Effect::Expired { number, share: of } => {
                        assert_eq!(of, share(number));
                        assert!(
                            matches!(self.fates[&number], Fate::Waiting { .. }),
                            "{number} is in no hand"
                        );
                        assert!(self.deadlines[&number] <= self.now, "{number} expires at its time");
                        self.leave(number);
                    }
                    Effect::Removed { .. } | Effect::Ended { .. } => unreachable!("nothing is deleted"),
                }
            }
        }

        fn note_delivery(&mut self, consumer: ConsumerKey, number: Number, deadline: Millis, tries: Tries) {
            let Fate::Waiting { returned } = self.fates[&number] else { panic!("{number} waits") };
            assert!(!self.rests(number), "{number} does not rest");
            let at_hand = |(other, fate): &(&Number, &Fate)| {
                matches!(fate, Fate::Waiting { .. }) && !self.rests(**other)
            };
            let came_back =
                |entry: &(&Number, &Fate)| at_hand(entry) && *entry.1 == Fate::Waiting { returned: true };
            if returned {
                let earlier = self.fates.range(..number).find(came_back);
                assert_eq!(earlier, None, "what came back keeps its order");
            } else {
                let before = self.fates.range(..number).find(at_hand);
                assert_eq!(before, None, "first in, first out");
                assert_eq!(self.fates.iter().find(came_back), None, "what came back goes first");
            }
            let earlier = self.settling.range(..number).next();
            assert_eq!(earlier, None, "what is still to come back keeps its place before {number}");
            assert_eq!(deadline, self.deadlines[&number]);
            assert!(deadline > self.now, "{number} is still alive");
            let deliveries = self.deliveries.entry(number).or_default();
            assert_eq!(u32::from(tries.returned), *deliveries);
            *deliveries += 1;
            let attempts = self.attempts.get(&number).copied().unwrap_or_default();
            let crashes = self.crashes.get(&number).copied().unwrap_or_default();
            assert!(attempts < MAX_ATTEMPTS && crashes < MAX_CRASHES, "{number} is tried too often");
            self.fates.insert(number, Fate::Held(consumer));
            let held = self.held().iter().filter(|(_, by)| *by == consumer).count();
            let prefetch = self.prefetch.get(&consumer).copied().unwrap_or_default() as usize;
            assert!(held <= prefetch, "consumer {consumer} holds {held} of {prefetch}");
        }

        fn rests(&self, number: Number) -> bool {
            self.rests.get(&number).is_some_and(|until| *until > self.now)
        }

        fn leave(&mut self, number: Number) {
            self.fates.insert(number, Fate::Left);
            self.left += 1;
        }

        /// Holds at the end of a step.
        fn check(&self, queue: &Queue) {
            let waiting = self.fates.values().filter(|fate| matches!(fate, Fate::Waiting { .. })).count();
            assert_eq!(queue.ready_len(), waiting);
            assert_eq!(queue.held_len(), self.held().len());
            assert_eq!(queue.consumer_len(), self.prefetch.len());
            assert_eq!(self.next, waiting as u64 + self.held().len() as u64 + self.left, "none is lost");
            let all_waiting = || self.fates.iter().filter(|(_, fate)| matches!(fate, Fate::Waiting { .. }));
            let expiring = all_waiting().map(|(number, _)| self.deadlines[number]);
            let resting = all_waiting().filter(|(number, _)| self.rests(**number));
            let due = expiring.chain(resting.map(|(number, _)| self.rests[number])).min();
            let at_hand = all_waiting().filter(|(number, _)| !self.rests(**number)).count();
            assert_eq!(queue.next_deadline(), due);
            assert_eq!(queue.is_settling(), !self.settling.is_empty());
            assert!(self.in_pieces || !queue.is_behind());
            assert!(self.in_pieces || due.is_none_or(|due| due > self.now), "nothing is overdue");
            let oldest = self.fates.iter().find(|(_, fate)| **fate != Fate::Left).map(|(number, _)| *number);
            assert_eq!(queue.oldest(), oldest);
            let idle = self.prefetch.iter().any(|(consumer, prefetch)| {
                self.held().iter().filter(|(_, by)| by == consumer).count() < *prefetch as usize
            });
            assert!(
                at_hand == 0 || !idle || queue.is_behind(),
                "nobody is idle while something waits and nothing is left to do"
            );
            let numbers: Vec<_> = queue.entries().iter().map(|entry| entry.number).collect();
            let expected: Vec<_> = self
                .fates
                .iter()
                .filter(|(_, fate)| **fate != Fate::Left)
                .map(|(number, _)| *number)
                .collect();
            assert_eq!(numbers, expected);
        }

        fn run(&mut self, queue: &mut Queue, step: &Step) -> Vec<Effect> {
            let mut all = Vec::new();
            for command in self.commands(step) {
                if let Command::Return { numbers, .. } | Command::End { numbers, .. } = &command {
                    let held =
                        numbers.iter().filter(|number| matches!(self.fates.get(number), Some(Fate::Held(_))));
                    self.settling.extend(held.copied().collect::<Vec<_>>());
                }
                if let Command::Cancel { consumer } = &command {
                    self.prefetch.remove(consumer);
                }
                let effects = apply(queue, self.now, command);
                self.note(&effects);
                all.extend(effects);
                if !self.in_pieces {
                    all.extend(self.catch_up(queue));
                }
            }
            self.check(queue);
            all
        }

        fn catch_up(&mut self, queue: &mut Queue) -> Vec<Effect> {
            let (effects, _) = catch_up(queue, self.now);
            self.note(&effects);
            effects
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Totals add up, nothing is lost or doubled, order, tries and prefetch hold, for any run.
        #[test]
        fn rules_hold_for_any_run(steps in proptest::collection::vec(step(), 1..200)) {
            let (mut books, mut queue) = (Books::default(), Queue::default());
            for step in &steps {
                books.run(&mut queue, step);
            }
        }

        /// They hold as well where all is done in pieces, and other commands come in between.
        #[test]
        fn rules_hold_in_pieces(
            at_once in 1_usize..4,
            steps in proptest::collection::vec(step(), 1..200),
        ) {
            let (mut books, mut queue) = (Books { in_pieces: true, ..Books::default() }, Queue::by_pieces(at_once));
            for step in &steps {
                books.run(&mut queue, step);
            }
            books.catch_up(&mut queue);
            books.in_pieces = false;
            books.check(&queue);
        }

        /// What is done in pieces leads to the same as if it were done at once: who is handed out in which order, how often
        /// each was tried, and how each ends.
        #[test]
        fn pieces_equal_the_whole(
            at_once in 1_usize..4,
            steps in proptest::collection::vec(step(), 1..100),
        ) {
            // Which consumer is handed what depends on when room in its hands comes back, if that is done in pieces.
            let same = |step: &&Step| !matches!(step, Step::EndAll { .. } | Step::ReturnAll);
            let (mut books, mut whole) = (Books::default(), Queue::by_pieces(usize::MAX));
            let (mut same_books, mut pieces) = (Books::default(), Queue::by_pieces(at_once));
            for step in steps.iter().filter(same) {
                let effects = books.run(&mut whole, step);
                let in_pieces = same_books.run(&mut pieces, step);
                prop_assert_eq!(delivered(&effects), delivered(&in_pieces));
                let sorted = |mut effects: Vec<Effect>| {
                    effects.sort_by_key(|effect| format!("{effect:?}"));
                    effects
                };
                prop_assert_eq!(sorted(effects), sorted(in_pieces));
                prop_assert_eq!(whole.entries(), pieces.entries());
            }
        }

        /// The same commands at the same times give the same effects.
        #[test]
        fn runs_are_deterministic(steps in proptest::collection::vec(step(), 1..100)) {
            let run = || {
                let (mut books, mut queue) = (Books::default(), Queue::default());
                steps.iter().flat_map(|step| books.run(&mut queue, step)).collect::<Vec<_>>()
            };
            prop_assert_eq!(run(), run());
        }

        /// What was written to disk and read again, its consumers gone, goes on as the queue itself would.
        #[test]
        fn a_snapshot_and_the_rest_equal_the_whole(
            first in proptest::collection::vec(step(), 1..100),
            rest in proptest::collection::vec(step(), 1..100),
        ) {
            let (mut books, mut queue) = (Books::default(), Queue::default());
            for step in &first {
                books.run(&mut queue, step);
            }
            // Whoever was at many crashes rests anew.
            let mut restored = Queue::restore(books.now, queue.entries());
            let waiting: Vec<_> = queue.resting.keys().chain(queue.returned.keys()).copied().collect();
            for number in waiting {
                let waiting = queue.leave_rest(number).or_else(|| queue.returned.remove(&number)).unwrap();
                let rest_ms = waiting.tries.rest_ms(Retur::Krasj);
                books.rests.insert(number, books.now + rest_ms);
                queue.come_back(books.now, rest_ms, waiting);
            }
            for consumer in std::mem::take(&mut books.prefetch).into_keys() {
                queue.apply(books.now, Command::Cancel { consumer }, &mut Vec::new());
            }
            let numbers: Vec<_> = queue.held().collect();
            prop_assert_eq!(&numbers, &restored.held().collect::<Vec<_>>());
            let back = Command::Return { numbers, arsak: Retur::Krasj };
            let effects = apply(&mut queue, books.now, back.clone());
            prop_assert_eq!(&effects, &apply(&mut restored, books.now, back));
            books.note(&effects);
            let mut same_books = books.clone();
            for step in &rest {
                let effects = books.run(&mut queue, step);
                prop_assert_eq!(effects, same_books.run(&mut restored, step));
                prop_assert_eq!(queue.entries(), restored.entries());
            }
        }

        /// A removed queue accounts for each that was in it, once.
        #[test]
        fn delete_accounts_for_all(steps in proptest::collection::vec(step(), 1..100)) {
            let (mut books, mut queue) = (Books::default(), Queue::default());
            for step in &steps {
                books.run(&mut queue, step);
            }
            let expected: Vec<_> =
                books.prefetch.keys().map(|consumer| Effect::Ended { consumer: *consumer })
                .chain(queue.entries().iter().map(|entry| Effect::Removed {
                    number: entry.number,
                    share: share(entry.number),
                    ending: None,
                }))
                .collect();
            prop_assert_eq!(apply(&mut queue, books.now, Command::Delete), expected);
            prop_assert_eq!(queue.entries(), []);
        }
    }
}
