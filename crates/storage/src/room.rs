//! Giving room of the registry back: SQLite keeps the pages of what was removed in its file.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};

use crate::database::Database;
use crate::error::StorageError;

/// So much may lie about in the file. Bytes.
const KEPT_BYTES: u64 = 8 * 1024 * 1024;
/// Pages that are given back at a time, and the pause in which others write.
const AT_ONCE: u64 = 500;
const BETWEEN: Duration = Duration::from_millis(20);

impl Database {
    /// Gives back what removed rows have left in the file, and returns how many bytes. PostgreSQL does that by itself; so does
    /// no SQLite file that was made before files could do it, until `VACUUM` is run on it with `auto_vacuum` set.
    ///
    /// # Errors
    /// [`StorageError::Backend`].
    pub async fn give_back_room(&self) -> Result<u64, StorageError> {
        let write = self.writer();
        if write.get_database_backend() != DbBackend::Sqlite {
            return Ok(0);
        }
        let page_bytes = number(write, "page_size").await?;
        let before = number(write, "freelist_count").await?;
        let mut left = before;
        while left * page_bytes > KEPT_BYTES {
            write.execute_unprepared(&format!("PRAGMA incremental_vacuum({AT_ONCE})")).await?;
            let now = number(write, "freelist_count").await?;
            if now >= left {
                break;
            }
            left = now;
            tokio::time::sleep(BETWEEN).await;
        }
        Ok(before.saturating_sub(left) * page_bytes)
    }
}

async fn number(connection: &DatabaseConnection, pragma: &str) -> Result<u64, StorageError> {
    let statement = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {pragma}"));
    let row = connection.query_one_raw(statement).await?;
    let number = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?.unwrap_or_default();
    Ok(u64::try_from(number).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect;

    /// The file follows what is in it, and so does its log of changes.
    #[tokio::test]
    async fn file_of_the_registry_gives_back_what_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.db");
        let database = connect(&format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
        let write = database.writer();
        for statement in [
            "CREATE TABLE stor (innhold BLOB)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000) \
             INSERT INTO stor SELECT randomblob(4000) FROM n",
            "DELETE FROM stor",
        ] {
            write.execute_unprepared(statement).await.unwrap();
        }
        assert!(path.metadata().unwrap().len() > 30 << 20);
        assert!(database.give_back_room().await.unwrap() > 20 << 20);
        write.execute_unprepared("PRAGMA wal_checkpoint(RESTART)").await.unwrap();
        write.execute_unprepared("INSERT INTO stor VALUES (1)").await.unwrap();
        let wal = path.with_extension("db-wal");
        let bytes = path.metadata().unwrap().len() + wal.metadata().unwrap().len();
        assert!(bytes < 14 << 20, "{bytes} bytes");
        assert_eq!(database.give_back_room().await.unwrap(), 0);
    }
}
