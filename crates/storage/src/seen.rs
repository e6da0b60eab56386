//! How far the queue log was seen to have come: the registry remembers it, for it goes back with no copy of the log's folder.

use jiff::Timestamp;
use sea_orm::{ConnectionTrait, Statement};

use crate::database::Database;
use crate::error::StorageError;

/// How far a queue log was seen to have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenLog {
    /// When it was last decided what the log holds; 0 if nobody ever had to. Milliseconds since 1970.
    pub decided_ms: u64,
    /// The number of its last step since.
    pub step: u64,
    /// When that was noted.
    pub at: Timestamp,
}

pub(crate) async fn seen(connection: &impl ConnectionTrait) -> Result<Option<SeenLog>, StorageError> {
    let sql = "SELECT ko_avgjort, ko_steg, ko_sett FROM installasjon WHERE id = 1";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let Some(row) = connection.query_one_raw(statement).await? else { return Ok(None) };
    let number = |name: &str| row.try_get::<Option<i64>>("", name);
    let (Some(decided_ms), Some(step), Some(at)) =
        (number("ko_avgjort")?, number("ko_steg")?, number("ko_sett")?)
    else {
        return Ok(None);
    };
    Ok(Some(SeenLog {
        decided_ms: decided_ms.unsigned_abs(),
        step: step.unsigned_abs(),
        at: Timestamp::from_millisecond(at).unwrap_or_default(),
    }))
}

impl Database {
    /// How far the queue log was seen to have come; `None` where nobody has noted it.
    ///
    /// # Errors
    /// [`StorageError::Backend`].
    pub async fn seen_log(&self) -> Result<Option<SeenLog>, StorageError> {
        seen(self.reader()).await
    }

    /// Notes how far the queue log has come, unless it was seen further already. Nobody who keeps facts needs to know.
    ///
    /// # Errors
    /// [`StorageError::Backend`].
    pub async fn note_log(&self, seen: &SeenLog) -> Result<(), StorageError> {
        let sql = "UPDATE installasjon SET ko_avgjort = $1, ko_steg = $2, ko_sett = $3 WHERE id = 1 AND \
             (ko_avgjort IS NULL OR ko_avgjort < $1 OR (ko_avgjort = $1 AND ko_steg < $2))";
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let values =
            [number(seen.decided_ms).into(), number(seen.step).into(), seen.at.as_millisecond().into()];
        let write = self.writer();
        write.execute_raw(Statement::from_sql_and_values(write.get_database_backend(), sql, values)).await?;
        Ok(())
    }
}
