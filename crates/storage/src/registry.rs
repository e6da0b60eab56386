use std::sync::Arc;

use app::ports::{Registry, RegistryError, Tx};
use async_trait::async_trait;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DbBackend, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use crate::error::failed;
use crate::generation::{Generation, Watch};
use crate::in_place::RegistryFiles;
use crate::tx::SqlTx;

/// Queues up behind the unit of work that writes now, on whatever node. The limits free the others from a node that hangs
/// or was cut off in mid-work; they are those of one transaction, since a connection pooler may stand in between.
const TAKE_TURN_POSTGRES: &str = "SET LOCAL lock_timeout = '10s'; \
     SET LOCAL idle_in_transaction_session_timeout = '30s'; \
     SELECT value FROM generation FOR UPDATE";

pub(crate) struct SqlRegistry {
    write: DatabaseConnection,
    read: DatabaseConnection,
    files: Option<Arc<RegistryFiles>>,
    generation: Arc<Generation>,
    _watch: Watch,
}

impl SqlRegistry {
    pub(crate) fn new(
        write: DatabaseConnection,
        read: DatabaseConnection,
        files: Option<Arc<RegistryFiles>>,
        generation: Arc<Generation>,
        watch: Watch,
    ) -> Self {
        Self { write, read, files, generation, _watch: watch }
    }
}

#[async_trait]
impl Registry for SqlRegistry {
    async fn begin(&self) -> Result<Box<dyn Tx>, RegistryError> {
        if let Some(files) = &self.files {
            files.check()?;
        }
        let is_postgres = self.write.get_database_backend() == DbBackend::Postgres;
        let options = TransactionOptions {
            // Each statement sees what is committed by then; that is nothing new, once it is this one's turn.
            isolation_level: is_postgres.then_some(IsolationLevel::ReadCommitted),
            access_mode: None,
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        };
        let tx = self.write.begin_with_options(options).await.map_err(failed("unit of work"))?;
        if is_postgres {
            tx.execute_unprepared(TAKE_TURN_POSTGRES).await.map_err(failed("unit of work"))?;
        }
        Ok(Box::new(SqlTx::new(tx, self.generation.clone())))
    }

    async fn begin_read(&self) -> Result<Box<dyn Tx>, RegistryError> {
        let is_postgres = self.read.get_database_backend() == DbBackend::Postgres;
        let options = TransactionOptions {
            isolation_level: is_postgres.then_some(IsolationLevel::RepeatableRead),
            access_mode: is_postgres.then_some(AccessMode::ReadOnly),
            sqlite_transaction_mode: None,
        };
        let tx = self.read.begin_with_options(options).await.map_err(failed("unit of work"))?;
        Ok(Box::new(SqlTx::new(tx, self.generation.clone())))
    }

    fn generation(&self) -> u64 {
        self.generation.current()
    }
}
