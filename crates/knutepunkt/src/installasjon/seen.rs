//! How far the queue log has come, as the registry remembers it: a data folder that was put back to an earlier state beside it is known
//! by that. The other way round, see [`mark`](super::mark).
//!
//! What is noted stood on the disk of the log before, so no crash and no loss of power makes a log less than that: it can be behind
//! only where its files were changed from outside.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use app::ports::Clock;
use broker_embedded::{EmbeddedBroker, LogPosition, SeenPosition};
use storage::{Database, SeenLog};
use tokio::time::MissedTickBehavior;

/// How often it is noted while the log goes on.
const EVERY: Duration = Duration::from_secs(5);
/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// What the registry says, as the queue log understands it.
pub(crate) fn position(seen: SeenLog) -> SeenPosition {
    let SeenLog { decided_ms, step, at } = seen;
    SeenPosition { position: LogPosition { decided_ms, step }, at }
}

/// Notes how far the queue log has come, now and then, for as long as it goes on.
pub(crate) async fn keep(broker: Arc<EmbeddedBroker>, database: Database, clock: Arc<dyn Clock>) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut noted, mut failing) = (None, false);
    loop {
        interval.tick().await;
        let position = broker.position();
        if position.is_none() || position == noted {
            continue;
        }
        match note(position, &database, &*clock).await {
            Ok(()) => (noted, failing) = (position, false),
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    "failed to note in the registry how far the queue log has come; trying again"
                );
            }
            Err(_) => {}
        }
    }
}

/// Notes how far the queue log has come.
///
/// # Errors
/// When it cannot be noted, or not in time.
pub(crate) async fn note(
    position: Option<LogPosition>,
    database: &Database,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    let Some(LogPosition { decided_ms, step }) = position else { return Ok(()) };
    let seen = SeenLog { decided_ms, step, at: clock.now() };
    let noted = tokio::time::timeout(ANSWER, database.note_log(&seen)).await;
    Ok(noted.context("the registry's database does not answer")??)
}
