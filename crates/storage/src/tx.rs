use std::sync::Arc;

use app::ports::{RegistryError, Tx};
use async_trait::async_trait;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryTrait};

use crate::error::{backend, failed};
use crate::generation::{self, Generation};
use crate::sql::Sql;

/// One unit of work on either database. Dropping the transaction rolls it back.
pub(crate) struct SqlTx {
    tx: DatabaseTransaction,
    generation: Arc<Generation>,
    /// Facts that somebody may keep were written.
    changed: bool,
}

impl SqlTx {
    pub(crate) fn new(tx: DatabaseTransaction, generation: Arc<Generation>) -> Self {
        Self { tx, generation, changed: false }
    }

    /// For reading, and for writing what does not count as a change.
    pub(crate) fn connection(&self) -> &DatabaseTransaction {
        &self.tx
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.tx.get_database_backend()
    }

    /// The beginning of a statement.
    pub(crate) fn sql(&self, text: &str) -> Sql {
        Sql::new(self.backend(), text)
    }

    /// For writing.
    pub(crate) fn writer(&mut self) -> &DatabaseTransaction {
        self.changed = true;
        &self.tx
    }
}

/// Adds a row. Where a unique rule forbids it, that is a conflict about `what`.
///
/// The database is asked to do nothing in that case rather than to fail: PostgreSQL would end the whole unit of work.
pub(crate) async fn insert<A: ActiveModelTrait>(
    connection: &DatabaseTransaction,
    row: A,
    what: &'static str,
) -> Result<(), RegistryError> {
    let mut insert = A::Entity::insert(row);
    insert.query().on_conflict(OnConflict::new().do_nothing().to_owned());
    let done = connection.execute(insert.query()).await.map_err(failed(what))?;
    if done.rows_affected() == 0 { Err(RegistryError::Conflict { what }) } else { Ok(()) }
}

#[async_trait]
impl Tx for SqlTx {
    async fn commit(self: Box<Self>) -> Result<(), RegistryError> {
        let Self { tx, generation, changed } = *self;
        if !changed {
            return tx.commit().await.map_err(failed("unit of work"));
        }
        let stored = generation::store(&tx).await.map_err(failed("unit of work"))?;
        // On a task of its own, because a caller who gives up waiting cannot take the commit back, and the change must be
        // noticed all the same.
        let commit = tokio::spawn(async move {
            match tx.commit().await {
                Ok(()) => {
                    generation.committed(stored);
                    Ok(())
                }
                Err(error) => {
                    // It may have been committed before the answer was lost.
                    generation.bump();
                    Err(failed("unit of work")(error))
                }
            }
        });
        commit.await.map_err(backend)?
    }
}
