//! The number that tells whoever keeps facts that they may have changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::error::ConnAcquireErr;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How often to look whether another process has changed something.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long to wait for an answer. A busy machine must not pass for a dead database: each failure empties all caches.
const MAX_WAIT: Duration = Duration::from_secs(5);

const READ: &str = "SELECT value FROM generation";

/// What this process knows of the generation.
pub(crate) struct Generation {
    /// Handed out. Counts what this process has noticed, so it is another number in each process.
    noticed: AtomicU64,
    /// The value last seen in the database.
    stored: AtomicI64,
}

impl Generation {
    pub(crate) async fn load(connection: &DatabaseConnection) -> Result<Self, DbErr> {
        let stored = read(connection).await?;
        Ok(Self { noticed: AtomicU64::new(1), stored: AtomicI64::new(stored) })
    }

    pub(crate) fn current(&self) -> u64 {
        self.noticed.load(Ordering::Acquire)
    }

    /// Something may have changed. To be called after the change can be read, never before: facts read in between would
    /// be kept although they are old.
    pub(crate) fn bump(&self) {
        self.noticed.fetch_add(1, Ordering::AcqRel);
    }

    /// This process has committed the change that brought the stored value to `stored`.
    pub(crate) fn committed(&self, stored: i64) {
        self.stored.fetch_max(stored, Ordering::AcqRel);
        self.bump();
    }

    /// Another value than was seen before: a greater one is a change, a smaller one a database that was put back.
    fn seen(&self, stored: i64) {
        if self.stored.swap(stored, Ordering::AcqRel) != stored {
            self.bump();
        }
    }
}

/// Counts one change in the transaction that makes it. Returns the new value.
pub(crate) async fn store(tx: &impl ConnectionTrait) -> Result<i64, DbErr> {
    tx.execute_unprepared("UPDATE generation SET value = value + 1").await?;
    read(tx).await
}

/// Counts one document in the transaction that adds it. Nobody who keeps facts needs to know.
pub(crate) async fn count_dokument(tx: &impl ConnectionTrait) -> Result<(), DbErr> {
    tx.execute_unprepared("UPDATE generation SET lagrede_dokumenter = COALESCE(lagrede_dokumenter, 0) + 1")
        .await?;
    Ok(())
}

async fn read(connection: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let statement = Statement::from_string(connection.get_database_backend(), READ);
    match connection.query_one_raw(statement).await? {
        Some(row) => row.try_get("", "value"),
        None => Err(DbErr::RecordNotFound("the table generation has no row".to_owned())),
    }
}

/// Notices the changes of other processes for as long as it lives.
pub(crate) struct Watch(JoinHandle<()>);

impl Watch {
    pub(crate) fn start(generation: Arc<Generation>, connection: DatabaseConnection) -> Self {
        Self(tokio::spawn(async move {
            let mut interval = tokio::time::interval(INTERVAL);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut reachable = true;
            loop {
                interval.tick().await;
                // Bounded, since a database that does not answer must count as one that cannot be asked.
                let answer = match tokio::time::timeout(MAX_WAIT, read(&connection)).await {
                    // The program is about to end.
                    Ok(Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))) => return,
                    Ok(answer) => answer.map_err(|error| error.to_string()),
                    Err(late) => Err(late.to_string()),
                };
                match answer {
                    Ok(stored) => {
                        if !reachable {
                            tracing::info!("the registry's database answers again");
                        }
                        reachable = true;
                        generation.seen(stored);
                    }
                    Err(error) => {
                        if reachable {
                            tracing::warn!(
                                error,
                                "the registry's database cannot be asked for changes; keeping no facts"
                            );
                        }
                        reachable = false;
                        generation.bump();
                    }
                }
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
