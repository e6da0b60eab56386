//! A step: what is changed together, written together, and told to nobody before that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::ports::Consumer;
use bytes::Bytes;
use domain::melding::Melding;
use wire::id::KontoId;

use super::Engine;
use crate::queue::{Entry, Number, Share};
use crate::request::{ChannelKey, Handle, Ready};
use crate::store::{DeadMelding, KeptDead, Line, StoreError};

/// How many requests go into one step: as many as can be judged in the time that a sync takes, within bounds. With all that
/// wait in one step, everybody waits for the same sync and then works at the same time; with a few steps' worth under way,
/// one part is worked on while another waits for the disk. A slow disk gets large steps, since there a sync is what costs.
pub(super) const REQUESTS_AT_ONCE: std::ops::RangeInclusive<usize> = 32..=2048;
/// Time to judge one request, about.
const REQUEST_TIME: Duration = Duration::from_micros(5);
/// So many answers at a time are handed to the runtime in one go: each one given from this thread may have to wake one of
/// the runtime's, which costs more than the answer.
const FEW_ANSWERS: usize = 4;

/// What the running step has changed and must write before anybody hears of it.
#[derive(Default)]
pub(super) struct Step {
    /// Published in this step.
    pub(super) fresh: HashMap<Number, Fresh>,
    /// As they stand at its end; `None` has left its queue. A key may be written once in a step only.
    pub(super) entries: HashMap<Number, Option<(KontoId, Entry)>>,
    pub(super) lines: Vec<(Number, Line)>,
    /// Who became a dead letter, of which Konto.
    pub(super) dead: HashMap<Number, (KontoId, Share)>,
    /// Dead letters that end with their Konto.
    pub(super) dead_gone: Vec<(KontoId, Number)>,
    /// Dead letters that stand in their queue again, under a new number.
    pub(super) requeued: Vec<DeadMelding>,
    /// What is left of meldinger that cannot be read, to stand where they stood.
    pub(super) replaced: Vec<(Number, Arc<Melding>)>,
    pub(super) kontoer: Vec<(KontoId, bool)>,
    pub(super) answers: Vec<Ready>,
    pub(super) handles: Vec<(ChannelKey, Handle)>,
    pub(super) ended: Vec<(ChannelKey, Consumer)>,
    pub(super) bytes: usize,
    pub(super) sync: bool,
}

pub(super) struct Fresh {
    pub(super) melding: Arc<Melding>,
    pub(super) payload: Bytes,
    pub(super) lines: Vec<Line>,
}

impl Engine {
    /// Writes the step, and lets go of what waited for it.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        // What was done before took its own time.
        self.pulse.begin();
        let mut step = std::mem::take(&mut self.step);
        let result = self.write(&mut step);
        if result.is_err() {
            for answer in std::mem::take(&mut step.answers) {
                answer.refuse();
            }
            return result;
        }
        if step.answers.len() > FEW_ANSWERS {
            // Whoever gives them ends after us.
            self.answers.send(step.answers).ok();
        } else {
            step.answers.into_iter().for_each(Ready::send);
        }
        for (channel, handle) in step.handles {
            if let Some(open) = self.channels.get(&channel) {
                // A forwarder that is gone has asked to close the channel, or will.
                open.link.handles.send(handle).ok();
            }
        }
        for (channel, consumer) in step.ended {
            if let Some(open) = self.channels.get(&channel) {
                open.link.ended.send(consumer).ok();
            }
        }
        for (number, fresh) in step.fresh {
            if let Some(Some((_, Entry { held: false, .. }))) = step.entries.get(&number) {
                self.cache.put(number, (fresh.melding, fresh.payload));
            }
        }
        let due = self.deadlines.first().map(|(deadline, _)| *deadline);
        self.due.send_if_modified(|before| std::mem::replace(before, due) != due);
        Ok(())
    }

    fn write(&mut self, step: &mut Step) -> Result<(), StoreError> {
        if step.fresh.is_empty()
            && step.entries.is_empty()
            && step.lines.is_empty()
            && step.kontoer.is_empty()
        {
            return Ok(());
        }
        if self.is_tight {
            self.store.make_way()?;
        }
        let mut write = self.store.write();
        for (konto, exists) in &step.kontoer {
            if *exists { write.queue_created(*konto) } else { write.queue_removed(*konto) }
        }
        for (number, entry) in &step.entries {
            let fresh = step.fresh.get(number);
            match entry {
                Some((konto, entry)) => {
                    let Entry { number, deadline, tries, held, share } = *entry;
                    let share = self.ledger.cost(share);
                    write.entry(*konto, &Entry { number, deadline, tries, held, share }, self.now_ms);
                }
                None if fresh.is_none() => write.entry_gone(*number),
                None => {}
            }
            let keep = entry.is_some() || step.dead.contains_key(number);
            match fresh {
                Some(Fresh { melding, payload, .. }) if keep => write.payload(*number, melding, payload)?,
                None if !keep => write.payload_gone(*number),
                _ => {}
            }
        }
        for (number, Fresh { melding, payload, lines }) in &step.fresh {
            write.melding(*number, melding, payload.len(), lines)?;
        }
        for (number, melding) in &step.replaced {
            write.melding(*number, melding, 0, &[])?;
        }
        for (number, line) in &step.lines {
            write.line(*number, self.next, line)?;
            self.next += 1;
        }
        for dead in &step.requeued {
            write.moved(dead);
        }
        for (konto, number) in &step.dead_gone {
            write.dead_gone(*konto, *number);
        }
        for (number, (konto, share)) in &step.dead {
            write.dead(*konto, *number, &KeptDead { at: self.now, cost: self.ledger.cost(*share) });
        }
        let begun = Instant::now();
        self.faults.on_write()?;
        write.commit(step.sync)?;
        if step.sync {
            let fits = begun.elapsed().as_micros() / REQUEST_TIME.as_micros();
            self.requests_at_once = usize::try_from(fits)
                .unwrap_or(usize::MAX)
                .clamp(*REQUESTS_AT_ONCE.start(), *REQUESTS_AT_ONCE.end());
        }
        Ok(())
    }
}
