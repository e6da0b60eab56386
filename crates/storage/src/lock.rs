//! Who may serve from a registry, and migrate it: one process at a time.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};

use crate::database::{open, options};
use crate::error::StorageError;
use crate::inspect::{shown, sqlite_file};

/// Any number that nobody else uses, and not that of the migrations.
const KEY: i64 = 5_469_208_173_306_725;

/// The right to serve from a registry and to migrate it. Let go of when dropped, and when the process ends.
///
/// On SQLite this is a lock on a file beside the database. On PostgreSQL it is a lock of a session, on a connection of its
/// own: a pooler in between must give each client a session for as long as it is connected.
#[derive(Debug)]
pub struct RegistryLock {
    url: String,
    held: Held,
}

#[derive(Debug)]
enum Held {
    File(#[expect(dead_code, reason = "it is the open file that holds the lock")] File),
    Session { connection: DatabaseConnection, backend: i32 },
}

/// Whether a lock is still held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// Yes.
    Held,
    /// The session had ended, and was begun anew before anybody else took the lock.
    TakenAgain,
    /// The session had ended, and another process has the lock now.
    Lost,
}

impl RegistryLock {
    /// Takes the lock of the registry at `url`.
    ///
    /// # Errors
    /// [`StorageError::InUse`] when another process has it, [`StorageError::Lock`], [`StorageError::Connect`] and
    /// [`StorageError::Backend`].
    pub async fn take(url: &str) -> Result<Self, StorageError> {
        let held = if let Some(file) = sqlite_file(url) {
            let mut path = OsString::from(file);
            path.push(".lock");
            Held::File(lock_file(Path::new(&path), url)?)
        } else {
            let mut options = options(url);
            options
                .max_connections(1)
                .min_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false);
            let connection = open(options).await?;
            let Some(backend) = try_lock(&connection).await? else {
                return Err(StorageError::InUse { registry: shown(url) });
            };
            Held::Session { connection, backend }
        };
        Ok(Self { url: url.to_owned(), held })
    }

    /// Looks whether it is still held, and takes it again where its session has ended. A database that does not answer is
    /// [`StorageError::Backend`]: nobody else can take the lock there either, so it is worth asking again.
    ///
    /// # Errors
    /// [`StorageError::Backend`].
    pub async fn check(&mut self) -> Result<LockState, StorageError> {
        let Held::Session { connection, backend } = &mut self.held else { return Ok(LockState::Held) };
        if session(connection).await? == *backend {
            return Ok(LockState::Held);
        }
        match try_lock(connection).await? {
            Some(now) => {
                *backend = now;
                Ok(LockState::TakenAgain)
            }
            None => Ok(LockState::Lost),
        }
    }

    /// The registry, as it may be shown.
    pub fn registry(&self) -> String {
        shown(&self.url)
    }
}

fn lock_file(path: &Path, url: &str) -> Result<File, StorageError> {
    let failed = |source| StorageError::Lock { path: path.display().to_string(), source };
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::InUse { registry: shown(url) }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// The process of the server that serves our session.
async fn session(connection: &DatabaseConnection) -> Result<i32, DbErr> {
    first(connection, "SELECT pg_backend_pid()").await
}

/// Takes the lock for this session; `None` if another one has it.
async fn try_lock(connection: &DatabaseConnection) -> Result<Option<i32>, DbErr> {
    let taken: bool = first(connection, &format!("SELECT pg_try_advisory_lock({KEY})")).await?;
    if taken { session(connection).await.map(Some) } else { Ok(None) }
}

async fn first<T: sea_orm::TryGetable>(connection: &DatabaseConnection, sql: &str) -> Result<T, DbErr> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    match connection.query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0),
        None => Err(DbErr::RecordNotFound("a question without an answer".to_owned())),
    }
}
