//! The tables, and how they came to be.
//!
//! Each migration is SQL that SQLite and PostgreSQL read alike. Once released, one is never changed or removed: what was
//! applied is kept word for word in the database, and a program that disagrees does not start.

use std::collections::BTreeMap;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};

use crate::error::StorageError;

/// Names are dated, so that they sort in the order they are applied in.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "2026_11_22_first_tables",
        sql: include_str!("migrations/2026_11_22_first_tables.sql"),
    },
    Migration { name: "2026_11_26_lister", sql: include_str!("migrations/2026_11_26_lister.sql") },
    Migration { name: "2026_11_26_personer", sql: include_str!("migrations/2026_11_26_personer.sql") },
    Migration { name: "2026_11_26_sok", sql: include_str!("migrations/2026_11_26_sok.sql") },
    Migration { name: "2026_11_26_soketekst", sql: include_str!("migrations/2026_11_26_soketekst.sql") },
    Migration {
        name: "2026_11_27_part_av_konto",
        sql: include_str!("migrations/2026_11_27_part_av_konto.sql"),
    },
    Migration {
        name: "2026_11_30_installasjon",
        sql: include_str!("migrations/2026_11_30_installasjon.sql"),
    },
    Migration {
        name: "2026_12_01_dokument_sum",
        sql: include_str!("migrations/2026_12_01_dokument_sum.sql"),
    },
    Migration { name: LAGREDE_DOKUMENTER, sql: include_str!("migrations/2026_12_02_lagrede_dokumenter.sql") },
    Migration { name: KO_SETT, sql: include_str!("migrations/2026_12_03_ko_sett.sql") },
    Migration {
        name: "2026_12_04_dokument_eiere",
        sql: include_str!("migrations/2026_12_04_dokument_eiere.sql"),
    },
];

/// Since this one, documents are counted as they are added.
pub(crate) const LAGREDE_DOKUMENTER: &str = "2026_12_02_lagrede_dokumenter";

/// Since this one, how far the queue log was seen to have come is noted.
pub(crate) const KO_SETT: &str = "2026_12_03_ko_sett";

/// The name of the newest migration: the version of the tables of every registry that is open.
pub fn newest() -> &'static str {
    MIGRATIONS.last().map_or("", |migration| migration.name)
}

/// What was applied: its name and its SQL, word for word.
const MIGRATION_TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (name TEXT CONSTRAINT migration_pk PRIMARY KEY, statements TEXT NOT NULL)";

/// Keeps two nodes that start at the same time from migrating at the same time. Any number that nobody else uses.
const LOCK_POSTGRES: &str = "SELECT pg_advisory_xact_lock(5469208173306724)";

/// Applies what is missing, all or nothing.
pub(crate) async fn apply(connection: &DatabaseConnection) -> Result<Vec<String>, StorageError> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let tx = connection.begin_with_options(options).await?;
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared(LOCK_POSTGRES).await?;
    }
    tx.execute_unprepared(MIGRATION_TABLE).await?;
    let applied = applied(&tx).await?;
    let mut names = Vec::new();
    for migration in pending(&applied)? {
        let name = migration.name;
        run(&tx, migration)
            .await
            .map_err(|error| StorageError::Migration { name, source: Box::new(error) })?;
        names.push(name.to_owned());
    }
    tx.commit().await?;
    Ok(names)
}

/// The names of those that are missing, in order.
pub(crate) async fn list_pending(connection: &DatabaseConnection) -> Result<Vec<String>, StorageError> {
    let applied =
        if has_migration_table(connection).await? { applied(connection).await? } else { BTreeMap::new() };
    Ok(pending(&applied)?.map(|migration| migration.name.to_owned()).collect())
}

async fn run(tx: &DatabaseTransaction, migration: &Migration) -> Result<(), DbErr> {
    tx.execute_unprepared(migration.sql).await?;
    let insert = match tx.get_database_backend() {
        DbBackend::Postgres => "INSERT INTO migration (name, statements) VALUES ($1, $2)",
        _ => "INSERT INTO migration (name, statements) VALUES (?, ?)",
    };
    let values = [migration.name.into(), migration.sql.into()];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), insert, values)).await?;
    Ok(())
}

async fn has_migration_table(connection: &DatabaseConnection) -> Result<bool, DbErr> {
    let backend = connection.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => "SELECT 1 AS found WHERE to_regclass('migration') IS NOT NULL",
        _ => "SELECT 1 AS found FROM sqlite_schema WHERE type = 'table' AND name = 'migration'",
    };
    Ok(connection.query_one_raw(Statement::from_string(backend, sql)).await?.is_some())
}

async fn applied(connection: &impl ConnectionTrait) -> Result<BTreeMap<String, String>, DbErr> {
    let statement =
        Statement::from_string(connection.get_database_backend(), "SELECT name, statements FROM migration");
    connection
        .query_all_raw(statement)
        .await?
        .into_iter()
        .map(|row| Ok((row.try_get("", "name")?, row.try_get("", "statements")?)))
        .collect()
}

/// Compares what was applied with what this program knows.
fn pending(
    applied: &BTreeMap<String, String>,
) -> Result<impl Iterator<Item = &'static Migration>, StorageError> {
    for (name, statements) in applied {
        match MIGRATIONS.iter().find(|migration| migration.name == name) {
            None => return Err(StorageError::UnknownMigration { name: name.clone() }),
            Some(known) if known.sql != statements => {
                return Err(StorageError::AlteredMigration { name: name.clone() });
            }
            Some(_) => {}
        }
    }
    Ok(MIGRATIONS.iter().filter(|migration| !applied.contains_key(migration.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_named_in_the_order_they_are_applied_in() {
        assert!(MIGRATIONS.is_sorted_by(|one, next| one.name < next.name));
    }
}
