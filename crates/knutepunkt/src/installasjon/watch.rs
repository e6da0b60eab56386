//! What is looked after while a server runs: how far the registry has come, and that nobody else has its lock.

use std::sync::{Arc, Weak};
use std::time::Duration;

use app::ports::Registry;
use storage::{Database, LockState, RegistryLock};
use tokio::sync::{Mutex, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::mark::MarkFile;

/// How often to look whether the registry has changed.
const LOOK: Duration = Duration::from_millis(250);
/// How many looks a change may wait that makes or removes no Konto.
const PATIENCE: u32 = 4;
/// How often to look whether the lock is still held.
const LOCK: Duration = Duration::from_secs(5);

/// Keeps the mark beside the queue log up to date until `shutdown`, and writes it a last time then.
pub(crate) async fn keep_mark(
    mut file: MarkFile,
    database: Database,
    registry: Arc<dyn Registry>,
    shutdown: CancellationToken,
) {
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut noticed, mut waited, mut reported) = (registry.generation(), 0, false);
    loop {
        let last = tokio::select! {
            () = shutdown.cancelled() => true,
            _ = interval.tick() => false,
        };
        // Fetched first, so that what is committed meanwhile is looked at again.
        let generation = registry.generation();
        if generation != noticed || last {
            let done = write(&mut file, &database, waited >= PATIENCE || last).await;
            match done {
                Ok(true) => (noticed, waited, reported) = (generation, 0, false),
                Ok(false) => waited += 1,
                Err(error) if !reported => {
                    reported = true;
                    tracing::warn!(
                        error = &*error as &dyn std::error::Error,
                        "failed to note how far the registry has come; trying again"
                    );
                }
                Err(_) => {}
            }
        }
        if last {
            return;
        }
    }
}

/// Tells whether it was written; where nothing but patience asks for it, later will do.
async fn write(file: &mut MarkFile, database: &Database, now: bool) -> anyhow::Result<bool> {
    let stand = database.stand().await?;
    let kontoer = file.mark().reached.map(|reached| reached.kontoer);
    if !now && kontoer == Some(stand.kontoer) {
        return Ok(false);
    }
    file.reach(stand)?;
    Ok(true)
}

/// Looks for as long as the lock is there whether it is still ours. Tells in `failed` when another process has it: two
/// servers must not serve from one registry.
pub(crate) async fn keep_lock(lock: Weak<Mutex<RegistryLock>>, failed: watch::Sender<Option<String>>) {
    let mut interval = tokio::time::interval(LOCK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(lock) = lock.upgrade() else { return };
        let mut lock = lock.lock().await;
        match lock.check().await {
            Ok(LockState::Held) => {}
            Ok(LockState::TakenAgain) => {
                tracing::warn!(
                    "the connection that holds the registry's lock had ended; the lock was taken again"
                );
            }
            Ok(LockState::Lost) => {
                let why = format!("another Knutepunkt server has taken the registry {}", lock.registry());
                failed.send_replace(Some(why));
                return;
            }
            // The database is away; whoever looks after it says so.
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the registry's lock cannot be looked at now"
                );
            }
        }
    }
}
