use app::ports::RegistryError;
use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the database could not be opened or brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Only `sqlite://path` (a file) and `postgres://…` can be used, or the address has a mistake. It may hold a password,
    /// so it does not stand here.
    #[error("the database address must be sqlite:// and a file, or a valid one that starts with postgres://")]
    UnsupportedUrl,
    /// It cannot be reached, or is no database.
    #[error("cannot open the database")]
    Connect(#[source] BoxError),
    /// PostgreSQL cannot be reached, or refuses the log-in.
    #[error(
        "cannot reach the database {address}: see that PostgreSQL runs and takes connections from here, and that the address, user and \
         password in registry.url are right. Nothing is lost by that"
    )]
    Unreachable {
        /// Where it should be, without user and password.
        address: String,
        /// Why not.
        #[source]
        source: BoxError,
    },
    /// SQLite's log of what was committed last is gone: what stood in it alone would be lost.
    #[error(
        "{path} is missing although the database was in use when its process ended; put it back beside the database, or \
         restore the database as a whole"
    )]
    LogMissing {
        /// The log.
        path: String,
    },
    /// The file of a SQLite database is missing or empty, but the log of what was committed last is not: SQLite would remove it.
    #[error(
        "{path} is missing or empty although {log} beside it is not; put it back, or restore the database as a whole"
    )]
    FileMissing {
        /// The file of the database.
        path: String,
        /// The log beside it.
        log: String,
    },
    /// SQLite's log of what was committed last is damaged: SQLite would do without what stands behind that place.
    #[error(
        "{log} is damaged: {frames} pages that were committed cannot be read from it. Restore the database as a whole from a \
         backup; or, to go on without what was changed last, remove {index}"
    )]
    LogDamaged {
        /// The log.
        log: String,
        /// How many pages are missing.
        frames: u64,
        /// The index that says so.
        index: String,
    },
    /// What lies in the place of SQLite's log was wiped, or is the log of another database, which SQLite would take for this one's.
    #[error(
        "{log} is not the log of this database, or was wiped: {frames} pages that were committed are not in it. Put the right one \
         back, or restore the database as a whole from a backup; or, to go on without what was changed last, move both it and \
         {index} away"
    )]
    LogAnothers {
        /// The log.
        log: String,
        /// How many pages are missing.
        frames: u64,
        /// The index that says so.
        index: String,
    },
    /// Another process serves from the registry.
    #[error(
        "another Knutepunkt server uses the registry {registry}; stop it first, or name another registry in registry.url"
    )]
    InUse {
        /// The registry, without its password.
        registry: String,
    },
    /// The file that keeps others from the registry cannot be locked.
    #[error("cannot lock {path}")]
    Lock {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A newer program has been here: going on could ruin what it wrote.
    #[error("the database has a migration this program does not know: {name}; use the newer program")]
    UnknownMigration {
        /// Its name.
        name: String,
    },
    /// What was once done to the database is no longer what the program says.
    #[error("the migration {name} was altered after it had been applied")]
    AlteredMigration {
        /// Its name.
        name: String,
    },
    /// The tables are older than the program.
    #[error("the database lacks migrations ({}); the server applies them when it starts", .names.join(", "))]
    PendingMigrations {
        /// Their names, in order.
        names: Vec<String>,
    },
    /// A copy of a registry is not what was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The database that was to be filled holds something already.
    #[error("the database is not empty; name an empty one in registry.url")]
    NotEmpty,
    /// A migration failed. Nothing of it, nor of those before it in the same run, was kept.
    #[error("the migration {name} failed")]
    Migration {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The database failed.
    #[error("the database failed")]
    Backend(#[source] BoxError),
}

impl From<DbErr> for StorageError {
    fn from(error: DbErr) -> Self {
        Self::Backend(Box::new(error))
    }
}

/// A row that this program cannot have written.
#[derive(Debug, thiserror::Error)]
#[error("the table {table} has a row that cannot be read: {why}")]
pub(crate) struct CorruptRow {
    pub(crate) table: &'static str,
    pub(crate) why: String,
}

pub(crate) fn corrupt(table: &'static str, why: impl std::fmt::Display) -> RegistryError {
    backend(CorruptRow { table, why: why.to_string() })
}

pub(crate) fn backend(error: impl Into<BoxError>) -> RegistryError {
    RegistryError::Backend(error.into())
}

/// A failed statement that was about `what`.
pub(crate) fn failed(what: &'static str) -> impl FnOnce(DbErr) -> RegistryError {
    move |error| {
        let is_conflict =
            matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) || lost_race(&error);
        if is_conflict { RegistryError::Conflict { what } } else { backend(error) }
    }
}

/// Whether PostgreSQL gave up this unit of work in favour of another: `serialization_failure`, `deadlock_detected`.
fn lost_race(error: &DbErr) -> bool {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    match error.as_ref() {
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("40001" | "40P01")),
        _ => false,
    }
}
