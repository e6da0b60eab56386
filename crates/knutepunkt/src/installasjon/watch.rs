//! What is looked after while a server runs: how far the registry has come, and that nobody else has its lock.

use std::sync::{Arc, Weak};
use std::time::Duration;

use app::ports::Registry;
use storage::{Database, LockState, RegistryLock, Stand};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::mark::{Mark, MarkFile};

/// How often to look whether a Konto was made or removed.
const LOOK: Duration = Duration::from_millis(250);
/// How many looks a change may wait that makes or removes no Konto, such as a new dokument.
const PATIENCE: u32 = 4;
/// How often to look whether the lock is still held.
const LOCK: Duration = Duration::from_secs(1);
/// How long the database may take to answer. A stop must not wait for one that hangs.
const ANSWER: Duration = Duration::from_secs(2);

/// Keeps the mark beside the queue log up to date until `shutdown`, and writes it a last time then. Notifies `older` once it
/// finds that the registry has been put back to an earlier state meanwhile.
pub(crate) async fn keep_mark(
    mut file: MarkFile,
    database: Database,
    registry: Arc<dyn Registry>,
    older: Arc<Notify>,
    shutdown: CancellationToken,
) {
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut noticed, mut looks, mut failing) = (registry.generation(), 0, false);
    loop {
        let last = tokio::select! {
            () = shutdown.cancelled() => true,
            _ = interval.tick() => false,
        };
        looks += 1;
        // Fetched first, so that what is committed meanwhile is looked at again.
        let generation = registry.generation();
        let all = last || looks >= PATIENCE;
        if all || generation != noticed {
            let looked = tokio::time::timeout(ANSWER, look(&database, &file.mark(), all)).await;
            let kept = looked.map_err(anyhow::Error::from).flatten().and_then(|found| {
                match found {
                    Found::Nothing => {}
                    Found::Further(stand) => file.reach(stand)?,
                    Found::Behind => older.notify_one(),
                }
                Ok(())
            });
            noticed = generation;
            if all {
                looks = 0;
            }
            match kept {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
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

/// How far the registry has come, beside what the mark says.
enum Found {
    /// No further, or not so that it has to be noted at once.
    Nothing,
    /// Further, to here.
    Further(Stand),
    /// Less far: it was put back to an earlier state.
    Behind,
}

/// Where not `all` has to be noted, only a change of kontoer is.
async fn look(database: &Database, mark: &Mark, all: bool) -> anyhow::Result<Found> {
    let reached = mark.reached.unwrap_or_default();
    let (generation, lagrede_dokumenter) = database.reached().await?;
    if reached.is_beyond(&Stand { generation, lagrede_dokumenter, ..reached }) {
        return Ok(Found::Behind);
    }
    if (generation, lagrede_dokumenter) == (reached.generation, reached.lagrede_dokumenter) {
        return Ok(Found::Nothing);
    }
    let stand = database.stand().await?;
    let is_now = all || stand.kontoer != reached.kontoer;
    Ok(if is_now { Found::Further(stand) } else { Found::Nothing })
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// As when PostgreSQL is put back from a dump beside a server that runs.
    #[tokio::test]
    async fn registry_that_is_put_back_in_use_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("register.sqlite").display());
        let database = storage::connect(&url).await.unwrap();
        database.migrate().await.unwrap();
        let registry = database.registry().await.unwrap();
        let stand = database.stand().await.unwrap();
        for reached in [
            Stand { generation: stand.generation + 1, ..stand },
            Stand { lagrede_dokumenter: stand.lagrede_dokumenter + 1, ..stand },
        ] {
            let mark = Mark { installasjon: Uuid::from_u128(1), reached: Some(reached) };
            let file = MarkFile::write(folder.path(), mark).unwrap();
            let (older, shutdown) = (Arc::new(Notify::new()), CancellationToken::new());
            let keeping = keep_mark(
                file,
                database.clone(),
                Arc::clone(&registry),
                Arc::clone(&older),
                shutdown.clone(),
            );
            let keeping = tokio::spawn(keeping);
            older.notified().await;
            shutdown.cancel();
            keeping.await.unwrap();
            assert_eq!(MarkFile::read(folder.path()).unwrap(), Some(mark));
        }
    }
}
