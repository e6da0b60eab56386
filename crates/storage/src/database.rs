use std::sync::Arc;
use std::time::Duration;

use app::ports::Registry;
use sea_orm::sqlx::{Connection as _, PgConnection, SqliteConnection};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector,
    Statement,
};

use crate::error::StorageError;
use crate::generation::{Generation, Watch};
use crate::in_place::RegistryFiles;
use crate::inspect::{self, Stand, Tilhorighet};
use crate::migrations;
use crate::registry::SqlRegistry;

/// How long a unit of work waits for its turn, or for a free connection, before it fails.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How long to wait for the answer to why there is no connection.
const ONE_TRY: Duration = Duration::from_secs(2);

/// Connections for reading. Readers never wait for each other, only for a connection.
pub(crate) const SQLITE_READERS: u32 = 4;
const POSTGRES_READERS: u32 = 15;
/// How many statements a reader keeps.
const SQLITE_READER_STATEMENTS: usize = 50;
/// How much of the file a reader keeps, in KiB. What a search goes through and does not fit is read anew each time.
const SQLITE_READER_CACHE_KIB: u32 = 8_192;
/// What the log of changes may keep on the disk when it is begun anew.
const SQLITE_LOG_BYTES: u64 = 4 * 1024 * 1024;

/// A PostgreSQL connection idle for longer is tried before it is used again.
const IDLE_BEFORE_PING: Duration = Duration::from_secs(5);

/// An open database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    /// A pool of one connection: whoever holds it is the only writer of this process, and those who wait for it come in
    /// the order they asked, without taking connections from those who read.
    write: DatabaseConnection,
    read: DatabaseConnection,
    /// Of SQLite.
    files: Option<Arc<RegistryFiles>>,
}

/// Opens the database at `url`: `sqlite://path?mode=rwc` for a file, which is made if it is not there, or
/// `postgres://user:password@host/database`. The connection to PostgreSQL is not encrypted (TLS is not built in), so it
/// must be on the same host or a private network. It takes up to 16 connections.
///
/// SQLite is run with a write-ahead log that is synced at each commit, so a commit survives a power failure.
///
/// # Errors
/// [`StorageError::UnsupportedUrl`], [`StorageError::Connect`] and [`StorageError::Unreachable`].
pub async fn connect(url: &str) -> Result<Database, StorageError> {
    if is_sqlite(url) {
        // In memory, each connection would have a database of its own.
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(StorageError::UnsupportedUrl);
        }
        connect_sqlite(url).await
    } else if SqlxPostgresConnector::accepts(url) {
        connect_postgres(url).await
    } else {
        // An address that cannot be read ends here too: the library's error would quote it, password and all.
        Err(StorageError::UnsupportedUrl)
    }
}

pub(crate) fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite://") && SqlxSqliteConnector::accepts(url)
}

pub(crate) fn options(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    // Statements are logged by nobody: they hold names of people and hashes of passwords.
    options
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .acquire_timeout(MAX_WAIT)
        .connect_timeout(MAX_WAIT)
        .map_sqlx_sqlite_pool_opts(|pool| {
            pool.before_acquire(|connection, _| Box::pin(std::future::ready(Ok(is_at_rest(connection)))))
        });
    options
}

/// Whether nobody's unit of work is open on a connection that is handed out; one that is not at rest is closed, and another
/// takes its place.
///
/// A full disk or one that fails makes SQLite roll back by itself. The library, whose own rollback fails then, still believes
/// in a unit of work, and makes the next ones parts of it, of which none is ever committed.
fn is_at_rest(connection: &SqliteConnection) -> bool {
    let is_at_rest = !connection.is_in_transaction();
    if !is_at_rest {
        tracing::info!(
            "a connection to the registry was replaced, since its last unit of work ended with an error"
        );
    }
    is_at_rest
}

async fn connect_sqlite(url: &str) -> Result<Database, StorageError> {
    let mut write = options(url);
    write.test_before_acquire(false).map_sqlx_sqlite_opts(|options| {
        options
            .foreign_keys(true)
            // For other processes with the same file; within this one nobody ever waits here.
            .busy_timeout(MAX_WAIT)
            // Of a file that is made now. What was removed can be given back then.
            .pragma("auto_vacuum", "INCREMENTAL")
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL")
            // To which the log of changes is cut once all of it stands in the file.
            .pragma("journal_size_limit", SQLITE_LOG_BYTES.to_string())
    });
    stay_open(&mut write, 1);
    let write = open(write).await?;
    // From here on nothing is made where the file may have been moved away.
    let pool = write.get_sqlite_connection_pool();
    pool.set_connect_options((*pool.connect_options()).clone().create_if_missing(false));
    let mut read = options(url);
    stay_open(&mut read, SQLITE_READERS);
    read.test_before_acquire(false).map_sqlx_sqlite_opts(|options| {
        options
            .create_if_missing(false)
            .busy_timeout(MAX_WAIT)
            .pragma("query_only", "ON")
            // Searches make statements of many lengths, and each that is kept takes memory.
            .statement_cache_capacity(SQLITE_READER_STATEMENTS)
            // Negative, it counts not pages but KiB.
            .pragma("cache_size", format!("-{SQLITE_READER_CACHE_KIB}"))
    });
    let files = inspect::sqlite_file(url).and_then(RegistryFiles::of).map(Arc::new);
    Ok(Database { write, read: open(read).await?, files })
}

/// Opens all `connections` to a file at once and keeps them: one that is opened later would find what stands at the path by then. Beside
/// a file without content, SQLite removes the log of changes of the one that was moved away.
fn stay_open(options: &mut ConnectOptions, connections: u32) {
    options.max_connections(connections).min_connections(connections).idle_timeout(None).max_lifetime(None);
}

async fn connect_postgres(url: &str) -> Result<Database, StorageError> {
    let pool = |connections| {
        let mut options = options(url);
        options.max_connections(connections).test_before_acquire_if_idle_for(IDLE_BEFORE_PING);
        open(options)
    };
    Ok(Database { write: pool(1).await?, read: pool(POSTGRES_READERS).await?, files: None })
}

pub(crate) async fn open(options: ConnectOptions) -> Result<DatabaseConnection, StorageError> {
    let url = options.get_url().to_owned();
    match sea_orm::Database::connect(options).await {
        Ok(connection) => Ok(connection),
        Err(error) if is_sqlite(&url) => Err(StorageError::Connect(Box::new(error))),
        Err(error) => {
            // The pool tries again and again, and then says no more than that it has no connection.
            let source = match tokio::time::timeout(ONE_TRY, PgConnection::connect(&url)).await {
                Ok(Err(error)) => error.into(),
                Ok(Ok(_)) | Err(_) => error.into(),
            };
            Err(StorageError::Unreachable { address: inspect::shown(&url), source })
        }
    }
}

impl Database {
    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.read
    }

    pub(crate) fn writer(&self) -> &DatabaseConnection {
        &self.write
    }

    /// Brings the tables up to date, all or nothing, and returns the names of the migrations that were applied. Safe to call
    /// from several nodes at once.
    ///
    /// # Errors
    /// [`StorageError::UnknownMigration`] and [`StorageError::AlteredMigration`] before anything is done,
    /// [`StorageError::Migration`], and [`StorageError::Backend`].
    pub async fn migrate(&self) -> Result<Vec<String>, StorageError> {
        let names = migrations::apply(&self.write).await?;
        for name in &names {
            tracing::info!(name, "applied a migration of the registry");
        }
        Ok(names)
    }

    /// The names of the migrations that [`Database::migrate`] would apply. Changes nothing.
    ///
    /// # Errors
    /// [`StorageError::UnknownMigration`], [`StorageError::AlteredMigration`] and [`StorageError::Backend`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StorageError> {
        migrations::list_pending(&self.read).await
    }

    /// The registry on this database, for the rest of the program's life. Must be called within a Tokio runtime, since it
    /// watches for changes that other processes make.
    ///
    /// # Errors
    /// [`StorageError::PendingMigrations`] unless [`Database::migrate`] has run, [`StorageError::UnknownMigration`],
    /// [`StorageError::AlteredMigration`] and [`StorageError::Backend`].
    pub async fn registry(&self) -> Result<Arc<dyn Registry>, StorageError> {
        let names = self.pending_migrations().await?;
        if !names.is_empty() {
            return Err(StorageError::PendingMigrations { names });
        }
        let generation = Arc::new(Generation::load(&self.read).await?);
        let watch = Watch::start(generation.clone(), self.read.clone());
        let (write, read, files) = (self.write.clone(), self.read.clone(), self.files.clone());
        Ok(Arc::new(SqlRegistry::new(write, read, files, generation, watch)))
    }

    /// The files of a registry on SQLite, for whoever looks after them: once they are found not to be in place, units of work that may
    /// write are refused.
    pub fn files(&self) -> Option<Arc<RegistryFiles>> {
        self.files.clone()
    }

    /// The installation that the registry belongs to, if somebody has said so. For a database that is up to date.
    ///
    /// # Errors
    /// [`StorageError::Backend`].
    pub async fn tilhorighet(&self) -> Result<Option<Tilhorighet>, StorageError> {
        inspect::tilhorighet(&self.read).await
    }

    /// Says for good which installation the registry belongs to. Where that stands already nothing is changed.
    ///
    /// # Errors
    /// [`StorageError::Backend`].
    pub async fn bind(&self, to: &Tilhorighet) -> Result<(), StorageError> {
        let sql = "INSERT INTO installasjon (id, installasjon_id, nokkelprove) VALUES (1, $1, $2) \
             ON CONFLICT DO NOTHING";
        let values = [to.installasjon.to_string().into(), to.nokkelprove.to_vec().into()];
        let backend = self.write.get_database_backend();
        self.write.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
        Ok(())
    }

    /// How far the registry has come: what is committed, and no more.
    ///
    /// # Errors
    /// [`StorageError::Backend`].
    pub async fn stand(&self) -> Result<Stand, StorageError> {
        inspect::stand(&self.read, true).await
    }

    /// The numbers of [`Database::stand`] that only grow: `generation` and `lagrede_dokumenter`. Costs next to nothing.
    ///
    /// # Errors
    /// [`StorageError::Backend`].
    pub async fn reached(&self) -> Result<(u64, u64), StorageError> {
        inspect::reached(&self.read).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StorageError::Backend`].
    pub async fn ping(&self) -> Result<(), StorageError> {
        Ok(self.read.ping().await?)
    }

    /// Closes all connections once the units of work under way are done; for an orderly end. SQLite then needs no recovery
    /// at the next start. Everything committed is safe without it.
    ///
    /// # Errors
    /// [`StorageError::Backend`].
    pub async fn close(self) -> Result<(), StorageError> {
        self.read.close_by_ref().await?;
        self.write.close_by_ref().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use app::ports::RegistryError;
    use domain::organisasjon::Organisasjon;
    use sea_orm::DbBackend;
    use wire::id::{FiksOrgId, Uuid};

    use super::*;

    async fn pragma<T: sea_orm::TryGetable>(connection: &DatabaseConnection, name: &str) -> T {
        let statement = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {name}"));
        connection.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
    }

    /// As on a full disk. What comes after it is kept, and what was counted in vain is not.
    #[tokio::test]
    async fn unit_of_work_that_the_database_rolled_back_takes_none_of_the_next_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("registry.db").display());
        let database = connect(&url).await.unwrap();
        database.migrate().await.unwrap();
        let registry = database.registry().await.unwrap();
        let before = database.stand().await.unwrap().generation;
        let pages: i32 = pragma(&database.write, "page_count").await;
        let limit: i32 = pragma(&database.write, &format!("max_page_count = {pages}")).await;
        assert_eq!(limit, pages);

        let organisasjon = |number: usize| Organisasjon {
            id: FiksOrgId::from_uuid(Uuid::from_u64_pair(0, number as u64)),
            navn: "Storevik ".repeat(2_000),
            orgnummer: ["999000001", "999000028", "999000036"][number].parse().unwrap(),
            kommunenummer: None,
            tatt_i_bruk: None,
        };
        let mut tx = registry.begin().await.unwrap();
        assert!(matches!(tx.add_organisasjon(&organisasjon(0)).await, Err(RegistryError::Backend(_))));
        drop(tx);
        // There is room again, and then comes an ordinary refusal.
        pragma::<i32>(&database.write, "max_page_count = 100000").await;
        drop(registry.begin().await.unwrap());
        for number in 1..3 {
            let mut tx = registry.begin().await.unwrap();
            tx.add_organisasjon(&organisasjon(number)).await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut tx = registry.begin_read().await.unwrap();
        let kept = tx.list_organisasjoner().await.unwrap();
        assert_eq!(kept.len(), 2);
        drop(tx);
        assert_eq!(database.stand().await.unwrap().generation, before + 2);
    }

    #[tokio::test]
    async fn sqlite_syncs_each_commit_and_holds_references() {
        const FULL: i32 = 2;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("registry.db").display());
        let database = connect(&url).await.unwrap();
        assert_eq!(pragma::<String>(&database.write, "journal_mode").await, "wal");
        assert_eq!(pragma::<i32>(&database.write, "synchronous").await, FULL);
        assert_eq!(pragma::<i32>(&database.write, "foreign_keys").await, 1);
        assert_eq!(pragma::<i32>(&database.read, "query_only").await, 1);
    }
}
