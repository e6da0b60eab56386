//! Watches over the thread that owns all queues: a disk that hangs gives no error, and nobody else would notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use app::ports::{Availability, Clock};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::keeper::Reopening;
use crate::request::Stopped;

/// How often to look.
const LOOK: Duration = Duration::from_millis(100);
/// Whoever looks so often and comes so late was held itself.
const HELD: Duration = Duration::from_secs(1);

/// How the log is, for whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) availability: Availability,
    /// Since when a step has been waiting for the disk, where that is too long.
    pub(crate) hangs_since: Option<Timestamp>,
    /// Whoever waits for an answer waits no longer.
    pub(crate) is_deaf: bool,
    pub(crate) given_up: bool,
    /// Since when files of the log have not been in their place.
    pub(crate) displaced_since: Option<Timestamp>,
}

impl Condition {
    pub(crate) fn new(availability: Availability) -> Self {
        Self { availability, hangs_since: None, is_deaf: false, given_up: false, displaced_since: None }
    }

    pub(crate) fn availability(&self) -> Availability {
        match self.hangs_since.or(self.displaced_since) {
            Some(since) => Availability { available: false, since },
            None => self.availability,
        }
    }

    /// Why it makes no sense to ask, if it does not.
    pub(crate) fn refusal(&self) -> Option<Stopped> {
        if self.hangs_since.is_some() {
            Some(Stopped::Hangs)
        } else {
            self.given_up.then_some(Stopped::Failed)
        }
    }

    /// Why nothing more is taken, if nothing is. What is there is handed out and settled all the same: what has left is not lost.
    pub(crate) fn refusal_to_take(&self) -> Option<Stopped> {
        self.refusal().or(self.displaced_since.map(|_| Stopped::Displaced))
    }
}

/// What the thread that owns all queues is at.
pub(crate) struct Pulse {
    origin: Instant,
    /// When the piece of work began that it is at, in milliseconds behind `origin`; 0 while it waits for work.
    step: AtomicU64,
    /// Since when the log has been out of use; 0 while it is in use.
    out: AtomicU64,
    /// How long the whole process was held, in milliseconds: no time passed for it then.
    held: AtomicU64,
    ended: AtomicBool,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            step: AtomicU64::new(0),
            out: AtomicU64::new(0),
            held: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        let held = self.held.load(Ordering::Relaxed);
        millis(self.origin.elapsed()).saturating_sub(held).max(1)
    }

    /// Between two looks so much time went by: that of a process that is held, as a container or a machine that is paused, is nobody's
    /// fault.
    fn looked_after(&self, gap: Duration) {
        if gap > HELD {
            self.held.fetch_add(millis(gap), Ordering::Relaxed);
        }
    }

    /// A piece of work begins: the one before is done.
    pub(crate) fn begin(&self) {
        self.step.store(self.now(), Ordering::Relaxed);
    }

    /// It waits for work.
    pub(crate) fn rest(&self) {
        self.step.store(0, Ordering::Relaxed);
    }

    /// The log is out of use, and has been since the first of several failures.
    pub(crate) fn out_of_use(&self) {
        self.rest();
        self.out.compare_exchange(0, self.now(), Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    /// The log is in use again.
    pub(crate) fn in_use(&self) {
        self.out.store(0, Ordering::Relaxed);
    }

    /// There is nothing to watch any more.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn since(&self, mark: &AtomicU64) -> Option<Duration> {
        match mark.load(Ordering::Relaxed) {
            0 => None,
            began => Some(Duration::from_millis(self.now().saturating_sub(began))),
        }
    }
}

/// Whoever watches.
pub(crate) struct Watcher {
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) reopening: Reopening,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) condition: Arc<watch::Sender<Condition>>,
}

impl Watcher {
    /// Watches until there is nothing to watch any more.
    pub(crate) fn watch(self) {
        let mut hung = None;
        while !self.pulse.ended.load(Ordering::Relaxed) {
            self.look(&mut hung);
            let looked = Instant::now();
            std::thread::sleep(LOOK.min(self.reopening.hangs_after));
            self.pulse.looked_after(looked.elapsed());
        }
    }

    fn look(&self, hung: &mut Option<Instant>) {
        let Reopening { hangs_after, deaf_after, give_up_after, .. } = self.reopening;
        let step = self.pulse.since(&self.pulse.step).filter(|at| *at >= hangs_after);
        match (step, *hung) {
            (Some(_), None) => {
                *hung = Some(Instant::now());
                let since = self.clock.now();
                self.condition.send_modify(|condition| condition.hangs_since = Some(since));
                tracing::error!(
                    hangs_ms = millis(hangs_after),
                    "the disk of the queue log does not answer; nothing is taken or handed out until it does"
                );
            }
            (None, Some(since)) => {
                *hung = None;
                let availability =
                    Availability { since: self.clock.now(), ..self.condition.borrow().availability };
                self.condition.send_modify(|condition| {
                    let Condition { given_up, displaced_since, .. } = *condition;
                    *condition = Condition { given_up, displaced_since, ..Condition::new(availability) };
                });
                let hung_ms = millis(hangs_after + since.elapsed());
                tracing::info!(hung_ms, "the disk of the queue log answers again");
            }
            _ => {}
        }
        if step.is_some_and(|at| at >= deaf_after) {
            self.condition.send_if_modified(|condition| !std::mem::replace(&mut condition.is_deaf, true));
        }
        // One that is only being opened again is given up by whoever does that, unless that hangs, too.
        let out = self.pulse.since(&self.pulse.out).filter(|at| *at >= give_up_after + hangs_after);
        if step.filter(|at| *at >= give_up_after).or(out).is_some() {
            let is_new = self.condition.send_if_modified(|condition| {
                condition.is_deaf = true;
                !std::mem::replace(&mut condition.given_up, true)
            });
            if is_new {
                tracing::error!("the queue log has not answered for too long and is given up");
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_for_which_the_process_was_held_is_not_the_disks() {
        let origin = Instant::now().checked_sub(Duration::from_mins(10)).expect("clocks go far back");
        let pulse = Pulse { origin, ..Pulse::new() };
        pulse.step.store(millis(Duration::from_mins(1)), Ordering::Relaxed);
        assert!(pulse.since(&pulse.step).is_some_and(|at| at >= Duration::from_mins(9)), "it hangs");
        pulse.looked_after(HELD);
        assert!(
            pulse.since(&pulse.step).is_some_and(|at| at >= Duration::from_mins(9)),
            "a late look is none"
        );
        pulse.looked_after(Duration::from_mins(9));
        assert!(pulse.since(&pulse.step).is_some_and(|at| at < Duration::from_mins(1)), "it was held");
        // A piece of work that began before anybody knew that the process was held lies ahead, and is young.
        pulse.begin();
        pulse.looked_after(Duration::from_mins(2));
        assert_eq!(pulse.since(&pulse.step), Some(Duration::ZERO));
    }
}
