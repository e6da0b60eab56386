//! The log: text for a person, JSON for a machine.
//!
//! An event with the target [`REFUSED`] tells of something that strangers and clients can bring about as often as they like.
//! Of each kind so many are written a minute, and then how many more there were.

mod json;
mod repeats;

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use self::json::JsonLines;
use self::repeats::Repeats;

/// The target of events that are counted when there are too many of them.
pub const REFUSED: &str = "refused";

/// Logs to standard error: text for a person, JSON for a machine. `RUST_LOG` says how much; `default` where it says nothing.
pub fn start(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let repeats = Repeats::start();
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = if std::io::stderr().is_terminal() {
        layer.with_filter(repeats).boxed()
    } else {
        layer.event_format(JsonLines).with_filter(repeats).boxed()
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
}
