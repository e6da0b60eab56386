//! One line of JSON for each event, with every cause of an error.
//!
//! The formatter that comes with `tracing-subscriber` writes the outermost error alone, and that one seldom says what went
//! wrong.

use std::error::Error as StdError;
use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes `{"timestamp":…,"level":…,"fields":{"message":…,…},"target":…}`.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        // What libraries log by the crate `log` comes as an event about that event.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let (level, target) = (metadata.level().as_str(), Value::from(metadata.target()));
        let (timestamp, fields) = (Value::from(timestamp), Value::Object(fields.0));
        // In this order, which is how people read it.
        writeln!(
            writer,
            r#"{{"timestamp":{timestamp},"level":"{level}","fields":{fields},"target":{target}}}"#
        )
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        // Where an event of the crate `log` came from stands in the line itself.
        if !field.name().starts_with("log.") {
            self.0.insert(field.name().trim_start_matches("r#").to_owned(), value.into());
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        self.insert(field, chain(value));
    }
}

/// An error with all its causes. One that already says what its cause says is not repeated.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut chain = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let told = source.to_string();
        if !chain.ends_with(&told) {
            chain.push_str(": ");
            chain.push_str(&told);
        }
        next = source.source();
    }
    chain
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer().event_format(JsonLines).with_writer(lines.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = lines.0.lock().unwrap();
        let text = str::from_utf8(&bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write {what}")]
    struct Outer {
        what: &'static str,
        #[source]
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the log is broken")]
    struct Inner(#[source] io::Error);

    #[test]
    fn every_cause_of_an_error_is_written() {
        let error = Outer { what: "a melding", source: Inner(io::Error::other("no space left on device")) };
        let lines = logged(|| {
            tracing::error!(
                error = &error as &dyn StdError,
                konto.id = "k",
                count = 7,
                done = false,
                "it failed"
            );
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(line["level"], "ERROR");
        assert_eq!(
            line["fields"],
            serde_json::json!({
                "message": "it failed",
                "error": "cannot write a melding: the log is broken: no space left on device",
                "konto.id": "k",
                "count": 7,
                "done": false,
            })
        );
        assert!(line["target"].as_str().unwrap().ends_with("json::tests"));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn each_event_is_one_line_whatever_stands_in_it() {
        let lines = logged(|| {
            tracing::warn!(what = "a\nb\"c\u{0}", "two\nlines");
            tracing::info!("next");
        });
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["fields"]["what"], "a\nb\"c\u{0}");
    }

    #[test]
    fn cause_that_is_told_already_is_not_repeated() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Telling(#[source] io::Error);
        assert_eq!(chain(&Telling(io::Error::other("inner"))), "outer: inner");
    }
}
