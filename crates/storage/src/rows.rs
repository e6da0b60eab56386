//! The rows of a registry in PostgreSQL, as a file: one line of JSON each, and before them one that says what they are.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Lines, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, IsolationLevel,
    Statement, TransactionTrait as _,
};
use serde_json::{Value, json};

use crate::database::{open, options};
use crate::error::StorageError;
use crate::inspect::{Funnet, Stand, Tilhorighet, inspect, stand, tilhorighet};
use crate::migrations;

/// Rows that are read, or written, at a time.
const AT_ONCE: usize = 500;
/// The last line of a whole file begins so.
const END: &str = "end";

fn io(error: std::io::Error) -> StorageError {
    StorageError::Backend(Box::new(error))
}

/// Writes the rows of all tables, of one moment, to the new file `to`.
pub(crate) async fn copy(url: &str, to: &Path) -> Result<Funnet, StorageError> {
    let mut options = options(url);
    options.max_connections(1);
    let connection = open(options).await?;
    let copied = copy_all(&connection, to).await;
    connection.close_by_ref().await?;
    copied
}

async fn copy_all(connection: &DatabaseConnection, to: &Path) -> Result<Funnet, StorageError> {
    let tx = connection
        .begin_with_config(Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly))
        .await?;
    let names = tables(&tx).await?;
    let (tilhorighet, stand) = (tilhorighet(&tx).await?, stand(&tx, true).await?);
    let found = Funnet { tilhorighet, stand, seen_log: None, mangler: Vec::new() };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(io)?;
    let mut file = BufWriter::new(file);
    writeln!(file, "{}", json!({ "knutepunkt": "registry", "migration": migrations::newest() }))
        .map_err(io)?;
    let mut count = 0_u64;
    for table in &names {
        tx.execute_unprepared(&format!(
            "DECLARE kopi NO SCROLL CURSOR FOR SELECT row_to_json(t)::text FROM \"{table}\" t"
        ))
        .await?;
        loop {
            let sql = format!("FETCH {AT_ONCE} FROM kopi");
            let rows = tx.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
            for row in &rows {
                let text: String = row.try_get_by_index(0)?;
                writeln!(file, "{{\"table\":\"{table}\",\"row\":{text}}}").map_err(io)?;
                count += 1;
            }
            if rows.len() < AT_ONCE {
                break;
            }
        }
        tx.execute_unprepared("CLOSE kopi").await?;
    }
    tx.rollback().await?;
    let Stand { generation, organisasjoner, kontoer, dokumenter, lagrede_dokumenter } = found.stand;
    let to = found.tilhorighet.map(|to| (to.installasjon.to_string(), to.nokkelprove.to_vec()));
    let stand = [generation, organisasjoner, kontoer, dokumenter, lagrede_dokumenter];
    let end = json!({ END: count, "stand": stand, "tilhorighet": to });
    writeln!(file, "{end}").map_err(io)?;
    file.into_inner().map_err(|error| io(error.into_error()))?.sync_all().map_err(io)?;
    Ok(found)
}

/// Our tables, each behind those that it refers to.
async fn tables(connection: &impl ConnectionTrait) -> Result<Vec<String>, StorageError> {
    let list = |sql: &str| Statement::from_string(DbBackend::Postgres, sql);
    let names = connection
        .query_all_raw(list(
            "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = \
             (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('migration')) ORDER BY relname",
        ))
        .await?;
    let mut left =
        names.iter().map(|row| row.try_get::<String>("", "name")).collect::<Result<Vec<_>, _>>()?;
    let references = connection
        .query_all_raw(list(
            "SELECT a.relname AS refers, b.relname AS to_table FROM pg_constraint k \
             JOIN pg_class a ON a.oid = k.conrelid JOIN pg_class b ON b.oid = k.confrelid WHERE k.contype = 'f'",
        ))
        .await?;
    let references = references
        .iter()
        .map(|row| Ok((row.try_get::<String>("", "refers")?, row.try_get::<String>("", "to_table")?)))
        .collect::<Result<Vec<_>, sea_orm::DbErr>>()?;
    let mut ordered: Vec<String> = Vec::new();
    while !left.is_empty() {
        let waits = |name: &String| {
            references.iter().any(|(from, to)| from == name && to != name && left.contains(to))
        };
        let (waiting, ready): (Vec<_>, Vec<_>) = left.clone().into_iter().partition(waits);
        if ready.is_empty() {
            return Err(StorageError::Backend("tables refer to each other in a circle".into()));
        }
        ordered.extend(ready);
        left = waiting;
    }
    Ok(ordered)
}

/// Checks that a file of rows is whole, and says what it holds.
///
/// # Errors
/// [`StorageError::Damaged`].
pub fn check_rows(file: &Path) -> Result<Funnet, StorageError> {
    let mut rows = Rows::open(file)?;
    while rows.next()?.is_some() {}
    rows.found()
}

/// A file of rows that is read.
struct Rows<'a> {
    file: &'a Path,
    lines: Lines<BufReader<File>>,
    count: u64,
    found: Option<Funnet>,
}

impl<'a> Rows<'a> {
    fn open(file: &'a Path) -> Result<Self, StorageError> {
        let lines = BufReader::new(File::open(file).map_err(io)?).lines();
        let mut rows = Self { file, lines, count: 0, found: None };
        let first = rows.line()?.ok_or_else(|| rows.damaged("it is empty"))?;
        if first.get("knutepunkt").and_then(Value::as_str) != Some("registry") {
            return Err(rows.damaged("it does not begin as the rows of a registry"));
        }
        if first.get("migration").and_then(Value::as_str) != Some(migrations::newest()) {
            return Err(rows.damaged("its tables are those of another version; use the version that made it"));
        }
        Ok(rows)
    }

    fn damaged(&self, what: &str) -> StorageError {
        StorageError::Damaged { path: self.file.display().to_string(), what: what.to_owned() }
    }

    fn line(&mut self) -> Result<Option<Value>, StorageError> {
        let Some(line) = self.lines.next() else { return Ok(None) };
        serde_json::from_str(&line.map_err(io)?).map(Some).map_err(|_| self.damaged("a line is no JSON"))
    }

    /// The next row, with its table.
    fn next(&mut self) -> Result<Option<(String, Value)>, StorageError> {
        let Some(mut line) = self.line()? else { return Err(self.damaged("it has no end")) };
        if let Some(end) = line.get(END) {
            if end.as_u64() != Some(self.count) || self.line()?.is_some() {
                return Err(self.damaged("it has another number of rows than its end says"));
            }
            let found = found_of(&line).ok_or_else(|| self.damaged("its end cannot be understood"))?;
            self.found = Some(found);
            return Ok(None);
        }
        self.count += 1;
        let row = line.get_mut("row").map(Value::take);
        match (line.get("table").and_then(Value::as_str), row) {
            (Some(table), Some(row)) => Ok(Some((table.to_owned(), row))),
            _ => Err(self.damaged("a line is no row")),
        }
    }

    /// What it holds, once all of it was read.
    fn found(self) -> Result<Funnet, StorageError> {
        match self.found {
            Some(found) => Ok(found),
            None => Err(self.damaged("it has no end")),
        }
    }
}

/// How many numbers said how far a registry had come before documents were counted as they are added.
const BEFORE_LAGREDE: usize = 4;

fn found_of(end: &Value) -> Option<Funnet> {
    let mut stand: Vec<u64> = serde_json::from_value(end.get("stand")?.clone()).ok()?;
    if stand.len() == BEFORE_LAGREDE {
        stand.push(0);
    }
    let [generation, organisasjoner, kontoer, dokumenter, lagrede_dokumenter] = stand.try_into().ok()?;
    let to: Option<(String, Vec<u8>)> = serde_json::from_value(end.get("tilhorighet")?.clone()).ok()?;
    let tilhorighet = match to {
        Some((id, nokkelprove)) => {
            Some(Tilhorighet { installasjon: id.parse().ok()?, nokkelprove: nokkelprove.try_into().ok()? })
        }
        None => None,
    };
    let stand = Stand { generation, organisasjoner, kontoer, dokumenter, lagrede_dokumenter };
    Some(Funnet { tilhorighet, stand, seen_log: None, mangler: Vec::new() })
}

/// Looks whether nobody has registered anything in the database at `url`.
///
/// # Errors
/// [`StorageError::NotEmpty`], and as [`inspect`].
pub async fn require_empty(url: &str) -> Result<(), StorageError> {
    let Some(found) = inspect(url).await? else { return Ok(()) };
    let stand = found.stand;
    if found.tilhorighet.is_some() || stand.organisasjoner + stand.kontoer + stand.dokumenter > 0 {
        return Err(StorageError::NotEmpty);
    }
    Ok(())
}

/// Fills the database at `url`, in which nobody has registered anything, with the rows of a file: all of them, or none.
///
/// # Errors
/// [`StorageError::NotEmpty`], [`StorageError::Damaged`], and whatever the database says.
pub async fn restore_rows(url: &str, file: &Path) -> Result<(), StorageError> {
    require_empty(url).await?;
    let mut options = options(url);
    options.max_connections(1);
    let connection = open(options).await?;
    let filled = fill(&connection, file).await;
    connection.close_by_ref().await?;
    filled
}

async fn fill(connection: &DatabaseConnection, file: &Path) -> Result<(), StorageError> {
    migrations::apply(connection).await?;
    let tx = connection.begin().await?;
    let mut names = tables(&tx).await?;
    let known = names.clone();
    // What migrations put in stands in the rows, too.
    names.reverse();
    for table in &names {
        tx.execute_unprepared(&format!("DELETE FROM \"{table}\"")).await?;
    }
    let mut rows = Rows::open(file)?;
    let (mut table, mut some) = (String::new(), Vec::new());
    loop {
        let next = rows.next()?;
        let goes_on = next.as_ref().is_some_and(|(next, _)| *next == table) && some.len() < AT_ONCE;
        if !goes_on && !some.is_empty() {
            if !known.contains(&table) {
                return Err(rows.damaged("it has rows of a table that is not there"));
            }
            insert(&tx, &table, std::mem::take(&mut some)).await?;
        }
        let Some((of, row)) = next else { break };
        table = of;
        some.push(row);
    }
    Ok(tx.commit().await?)
}

async fn insert(tx: &DatabaseTransaction, table: &str, rows: Vec<Value>) -> Result<(), StorageError> {
    let sql = format!(
        "INSERT INTO \"{table}\" SELECT * FROM json_populate_recordset(NULL::\"{table}\", $1::text::json)"
    );
    let values = [Value::Array(rows).to_string().into()];
    tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, &sql, values)).await?;
    Ok(())
}
