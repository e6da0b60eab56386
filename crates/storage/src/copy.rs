//! Copies of a registry, of one moment, taken while it is in use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};

use wire::id::{DokumentId, FiksOrgId, KontoId};

use crate::database::{open, options};
use crate::error::StorageError;
use crate::inspect::{Funnet, encoded, inspect, look, sqlite_file};
use crate::rows;

/// How many rows of dokumenter are read at a time.
const DOKUMENTER_AT_ONCE: u32 = 10_000;

/// Copies the registry at `url`, as it is at one moment, to the file `to`, which must not be there: a whole database of SQLite,
/// the rows of PostgreSQL. Nobody who uses the registry waits for it.
///
/// # Errors
/// [`StorageError`], also where there is no registry.
pub async fn copy_registry(url: &str, to: &Path) -> Result<Funnet, StorageError> {
    if sqlite_file(url).is_none() {
        return rows::copy(url, to).await;
    }
    let connection = open_to_read(url).await?;
    let copied = vacuum_into(&connection, to).await;
    connection.close_by_ref().await?;
    copied?;
    let failed = |error: std::io::Error| StorageError::Backend(Box::new(error));
    std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(failed)?;
    check_sqlite(to).await
}

async fn vacuum_into(connection: &DatabaseConnection, to: &Path) -> Result<(), StorageError> {
    let name =
        to.to_str().ok_or_else(|| StorageError::Backend("the path of the copy is not UTF-8".into()))?;
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [name.into()]);
    connection.execute_raw(statement).await?;
    Ok(())
}

/// Checks that an SQLite file is sound through and through, and looks at what it holds. Writes nothing.
///
/// # Errors
/// [`StorageError::Damaged`], and whatever else keeps it from being used.
pub async fn check_sqlite(file: &Path) -> Result<Funnet, StorageError> {
    let damaged = |what: String| StorageError::Damaged { path: file.display().to_string(), what };
    if !file.is_file() {
        return Err(damaged("it is not there".to_owned()));
    }
    // Nobody writes to it, so nothing beside it needs to be looked at or made.
    let mut options = options(&format!("sqlite://{}?mode=ro&immutable=true", encoded(file)));
    options.max_connections(1);
    let connection = open(options).await?;
    let checked = check_connection(&connection).await;
    let found = match checked {
        Ok(None) => look(&connection).await,
        Ok(Some(what)) => Err(damaged(what)),
        Err(error) => Err(damaged(error.to_string())),
    };
    connection.close_by_ref().await?;
    found?.ok_or_else(|| damaged("it is no registry".to_owned()))
}

/// What SQLite finds wrong, if anything.
pub(crate) async fn check_connection(
    connection: &DatabaseConnection,
) -> Result<Option<String>, sea_orm::DbErr> {
    for pragma in ["PRAGMA integrity_check", "PRAGMA foreign_key_check"] {
        let rows = connection.query_all_raw(Statement::from_string(DbBackend::Sqlite, pragma)).await?;
        for row in rows {
            let said: String = row.try_get_by_index(0)?;
            if said != "ok" {
                return Ok(Some(format!("{pragma}: {said}")));
            }
        }
    }
    Ok(None)
}

/// Looks at the registry at `url` as [`inspect`] does, and through all of its file where it is one of SQLite.
///
/// # Errors
/// As [`inspect`], and [`StorageError::Damaged`].
pub async fn examine(url: &str) -> Result<Option<Funnet>, StorageError> {
    let Some(found) = inspect(url).await? else { return Ok(None) };
    if let Some(file) = sqlite_file(url) {
        let connection = open_to_read(url).await?;
        let checked = check_connection(&connection).await;
        connection.close_by_ref().await?;
        let damaged = |what| StorageError::Damaged { path: file.display().to_string(), what };
        match checked {
            Ok(None) => {}
            Ok(Some(what)) => return Err(damaged(what)),
            Err(error) => return Err(damaged(error.to_string())),
        }
    }
    Ok(Some(found))
}

/// The kontoer of the registry at `url`; `None` where there is none. Changes nothing. As [`inspect`], never in a process that
/// has the registry open.
///
/// # Errors
/// As [`inspect`].
pub async fn list_kontoer(url: &str) -> Result<Option<BTreeSet<KontoId>>, StorageError> {
    if inspect(url).await?.is_none() {
        return Ok(None);
    }
    let connection = open_to_read(url).await?;
    let statement = Statement::from_string(connection.get_database_backend(), "SELECT id FROM konto");
    let rows = connection.query_all_raw(statement).await;
    connection.close_by_ref().await?;
    let mut kontoer = BTreeSet::new();
    for row in rows? {
        let id: String = row.try_get_by_index(0)?;
        let damaged = || StorageError::Backend("a row of the table konto cannot be read".into());
        kontoer.insert(id.parse().map_err(|_| damaged())?);
    }
    Ok(Some(kontoer))
}

/// Who owns the kontoer of the registry at `url`; `None` where there is none. Changes nothing. As [`inspect`], never in a process that
/// has the registry open.
///
/// # Errors
/// As [`inspect`].
pub async fn list_owners(url: &str) -> Result<Option<BTreeMap<KontoId, FiksOrgId>>, StorageError> {
    if inspect(url).await?.is_none() {
        return Ok(None);
    }
    let connection = open_to_read(url).await?;
    let sql = "SELECT konto.id, system.fiks_org_id FROM konto JOIN system ON system.id = konto.system_id";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await;
    connection.close_by_ref().await?;
    let mut owners = BTreeMap::new();
    for row in rows? {
        let (konto, owner): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let damaged = || StorageError::Backend("a row of the table konto or system cannot be read".into());
        owners.insert(konto.parse().map_err(|_| damaged())?, owner.parse().map_err(|_| damaged())?);
    }
    Ok(Some(owners))
}

/// What the registry knows of a payload in Dokumentlager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredDokument {
    /// How long it is.
    pub size_bytes: u64,
    /// Its SHA-256; `None` for one that was stored by an early version.
    pub sha256: Option<[u8; 32]>,
}

/// The payloads that the registry at `url`, which is there, knows of. Changes nothing, and reads no file of SQLite past SQLite, so
/// that a process may ask for them that has the registry open.
///
/// # Errors
/// [`StorageError::Connect`], [`StorageError::Backend`].
pub async fn list_dokumenter(url: &str) -> Result<BTreeMap<DokumentId, StoredDokument>, StorageError> {
    let connection = open_to_read(url).await?;
    let dokumenter = read_dokumenter(&connection).await;
    connection.close_by_ref().await?;
    dokumenter
}

async fn read_dokumenter(
    connection: &DatabaseConnection,
) -> Result<BTreeMap<DokumentId, StoredDokument>, StorageError> {
    let damaged = || StorageError::Backend("a row of the table dokument cannot be read".into());
    let backend = connection.get_database_backend();
    let place = if backend == DbBackend::Postgres { "$1" } else { "?" };
    let sql = format!(
        "SELECT id, size_bytes, sha256 FROM dokument WHERE id > {place} ORDER BY id LIMIT {DOKUMENTER_AT_ONCE}"
    );
    let (mut dokumenter, mut last) = (BTreeMap::new(), String::new());
    loop {
        let page = Statement::from_sql_and_values(backend, &sql, [last.as_str().into()]);
        let rows = connection.query_all_raw(page).await?;
        if rows.is_empty() {
            return Ok(dokumenter);
        }
        for row in rows {
            last = row.try_get_by_index(0)?;
            let size_bytes: i64 = row.try_get_by_index(1)?;
            let sha256: Option<Vec<u8>> = row.try_get_by_index(2)?;
            let dokument = StoredDokument {
                size_bytes: size_bytes.try_into().map_err(|_| damaged())?,
                sha256: sha256.map(TryInto::try_into).transpose().map_err(|_| damaged())?,
            };
            dokumenter.insert(last.parse().map_err(|_| damaged())?, dokument);
        }
    }
}

async fn open_to_read(url: &str) -> Result<DatabaseConnection, StorageError> {
    let mut options = match sqlite_file(url) {
        Some(file) => options(&format!("sqlite://{}?mode=ro", encoded(&file))),
        None => options(url),
    };
    options.max_connections(1);
    open(options).await
}
