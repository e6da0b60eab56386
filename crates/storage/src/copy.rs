//! Copies of a registry, of one moment, taken while it is in use.

use std::path::Path;

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};

use crate::database::{open, options};
use crate::error::StorageError;
use crate::inspect::{Funnet, encoded, look, sqlite_file};
use crate::rows;

/// Copies the registry at `url`, as it is at one moment, to the file `to`, which must not be there: a whole database of SQLite,
/// the rows of PostgreSQL. Nobody who uses the registry waits for it.
///
/// # Errors
/// [`StorageError`], also where there is no registry.
pub async fn copy_registry(url: &str, to: &Path) -> Result<Funnet, StorageError> {
    let Some(file) = sqlite_file(url) else { return rows::copy(url, to).await };
    let mut options = options(&format!("sqlite://{}?mode=ro", encoded(&file)));
    options.max_connections(1);
    let connection = open(options).await?;
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
