//! Counts what is logged too often, so that nobody fills the log from outside.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

use super::REFUSED;

/// Events of a kind that are written in each period.
const WRITTEN: u64 = 20;
/// The period.
const PERIOD: Duration = Duration::from_mins(1);

/// Lets through so many events of a kind in each period, and tells how many there were beyond.
#[derive(Clone, Default)]
pub(super) struct Repeats {
    kinds: Arc<Mutex<HashMap<Kind, Seen>>>,
}

/// Where it was logged, and with which `error.code`.
type Kind = (Identifier, Option<String>);

#[derive(Default)]
struct Seen {
    count: u64,
    message: String,
}

impl Repeats {
    /// With a thread that starts a new period now and then.
    pub(super) fn start() -> Self {
        let repeats = Self::default();
        let counting = repeats.clone();
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                std::thread::sleep(PERIOD);
                counting.next_period();
            }
        });
        if thread.is_err() {
            // Without it the first ones are written and the rest is lost; nothing else depends on it.
            eprintln!("knutepunkt: no thread to count repeated log lines could be started");
        }
        repeats
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<Kind, Seen>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how many were not written in the period that ends.
    fn next_period(&self) {
        let ended = std::mem::take(&mut *self.kinds());
        for ((_, code), seen) in ended {
            let more = seen.count.saturating_sub(WRITTEN);
            if more > 0 {
                let (seconds, what) = (PERIOD.as_secs(), seen.message);
                tracing::info!(error.code = code, what, more, seconds, "there were more of the same");
            }
        }
    }

    fn lets_through(&self, event: &Event<'_>) -> bool {
        if event.metadata().target() != REFUSED {
            return true;
        }
        let mut about = About::default();
        event.record(&mut about);
        let mut kinds = self.kinds();
        let seen = kinds.entry((event.metadata().callsite(), about.code)).or_default();
        if seen.count == 0 {
            seen.message = about.message;
        }
        seen.count += 1;
        seen.count <= WRITTEN
    }
}

impl<S: Subscriber> Filter<S> for Repeats {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.lets_through(event)
    }
}

/// What tells one kind of event from another.
#[derive(Default)]
struct About {
    code: Option<String>,
    message: String,
}

impl Visit for About {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "error.code" {
            self.code = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Keeps the messages.
    #[derive(Clone, Default)]
    struct Messages(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Messages {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            struct All(String);
            impl Visit for All {
                fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                    let _ = fmt::Write::write_fmt(&mut self.0, format_args!("{}={value:?} ", field.name()));
                }
            }
            let mut all = All(String::new());
            event.record(&mut all);
            self.0.lock().unwrap().push(all.0);
        }
    }

    #[test]
    fn what_is_refused_without_end_is_written_some_times_and_then_counted() {
        let (repeats, messages) = (Repeats::default(), Messages::default());
        let layer = messages.clone().with_filter(repeats.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for _ in 0..1_254 {
                tracing::info!(target: REFUSED, { error.code = "A" }, "request refused");
            }
            for code in ["B", "A"] {
                tracing::info!(target: REFUSED, { error.code = code }, "connection refused");
            }
            for _ in 0..100 {
                tracing::info!("a melding was set aside");
            }
            repeats.next_period();
            tracing::info!(target: REFUSED, { error.code = "A" }, "request refused");
            repeats.next_period();
        });
        let messages = messages.0.lock().unwrap();
        let count = |text: &str| messages.iter().filter(|message| message.contains(text)).count();
        assert_eq!(count("connection refused"), 2);
        assert_eq!(count("a melding was set aside"), 100, "only refusals are counted");
        let more: Vec<_> = messages.iter().filter(|message| message.contains("more of the same")).collect();
        assert_eq!(more.len(), 1, "{more:?}");
        assert!(more[0].contains("more=1234") && more[0].contains("request refused"), "{more:?}");
        assert_eq!(count("message=request refused"), usize::try_from(WRITTEN).unwrap() + 1);
    }
}
