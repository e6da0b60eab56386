//! Opening, migrating, and several processes on one database.

use std::time::Duration;

use app::ports::{Registry, RegistryError};
use jiff::Timestamp;
use knutepunkt_storage::{LockState, RegistryLock, SeenLog, StorageError, Tilhorighet};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use wire::id::Uuid;

use crate::fixture::{Kind, empty, kind, registry};

const FIRST: &str = "2026_11_22_first_tables";

async fn sql(url: &str, statement: &str) {
    let connection = Database::connect(url).await.unwrap();
    connection.execute_unprepared(statement).await.unwrap();
    connection.close().await.unwrap();
}

async fn query(url: &str, statement: &str) -> Vec<String> {
    let connection: DatabaseConnection = Database::connect(url).await.unwrap();
    let statement = Statement::from_string(connection.get_database_backend(), statement);
    let rows = connection.query_all_raw(statement).await.unwrap();
    let texts = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    connection.close().await.unwrap();
    texts
}

async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "waited in vain until {what}");
}

async fn change(registry: &dyn Registry, fingerprint: &str) {
    let mut tx = registry.begin().await.unwrap();
    tx.set_katalog_fingerprint(fingerprint).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn only_files_and_postgres_are_accepted() {
    for url in [
        "mysql://localhost/x",
        "registry.db",
        "",
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite://x?mode=memory",
    ] {
        let refused = knutepunkt_storage::connect(url).await;
        assert!(matches!(refused, Err(StorageError::UnsupportedUrl)), "{url}");
    }
}

#[tokio::test]
async fn password_in_the_address_does_not_show_in_errors() {
    for url in [
        "mysql://user:hemmelig@localhost/x",
        "postgres://user:hemmelig@127.0.0.1:1/x",
        "postgres://user:hemmelig@[/x",
    ] {
        let error = knutepunkt_storage::connect(url).await.unwrap_err();
        assert!(!format!("{error:?}").contains("hemmelig"), "{error:?}");
    }
}

#[tokio::test]
async fn postgres_that_cannot_be_reached_is_named_with_why_and_what_to_do() {
    let url = "postgres://user:hemmelig@127.0.0.1:1/register";
    let inspected = knutepunkt_storage::inspect(url).await.err();
    for error in [knutepunkt_storage::connect(url).await.err(), inspected] {
        let error = error.unwrap();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        let said = format!("{error}: {cause}");
        assert!(said.contains("127.0.0.1:1/register") && said.contains("registry.url"), "{said}");
        assert!(said.contains("refused") && !said.contains("hemmelig"), "{said}");
    }
}

#[tokio::test]
async fn sqlite_file_is_not_made_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let refused = knutepunkt_storage::connect(&format!("sqlite://{}", path.display())).await;
    assert!(matches!(refused, Err(StorageError::Connect(_))));
    assert!(!path.exists());
}

#[tokio::test]
async fn registry_is_refused_until_migrations_have_run() {
    let empty = empty().await;
    let database = knutepunkt_storage::connect(&empty.url).await.unwrap();
    let Err(StorageError::PendingMigrations { names }) = database.registry().await else {
        panic!("the registry was handed out without tables");
    };
    assert_eq!(names.first().map(String::as_str), Some(FIRST));
    assert_eq!(database.pending_migrations().await.unwrap(), names);
    assert_eq!(database.migrate().await.unwrap(), names);
    assert_eq!(database.pending_migrations().await.unwrap(), [""; 0]);
    assert!(database.registry().await.is_ok());
    database.ping().await.unwrap();
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let (registry, empty) = registry().await;
    change(&*registry, "aa").await;
    let database = knutepunkt_storage::connect(&empty.url).await.unwrap();
    assert_eq!(database.migrate().await.unwrap(), [""; 0]);
    assert_eq!(
        registry.begin_read().await.unwrap().katalog_fingerprint().await.unwrap().as_deref(),
        Some("aa")
    );
}

#[tokio::test]
async fn how_far_the_queue_log_was_seen_never_goes_back() {
    let empty = empty().await;
    let database = knutepunkt_storage::connect(&empty.url).await.unwrap();
    database.migrate().await.unwrap();
    let seen = |decided_ms, step| SeenLog {
        decided_ms,
        step,
        at: Timestamp::from_millisecond(1_790_000_000_123).unwrap(),
    };
    database.note_log(&seen(0, 5)).await.unwrap();
    assert_eq!(database.seen_log().await.unwrap(), None, "no installation to note it of");
    let to = Tilhorighet { installasjon: Uuid::from_u128(7), nokkelprove: [7; 32] };
    database.bind(&to).await.unwrap();
    assert_eq!(database.seen_log().await.unwrap(), None);
    let generation = database.stand().await.unwrap().generation;
    for (noted, known) in [
        (seen(0, 5), seen(0, 5)),
        (seen(0, 4), seen(0, 5)),
        (seen(0, 6), seen(0, 6)),
        (seen(9, 1), seen(9, 1)),
        (seen(8, 700), seen(9, 1)),
        (seen(9, u64::MAX), seen(9, i64::MAX.unsigned_abs())),
    ] {
        database.note_log(&noted).await.unwrap();
        assert_eq!(database.seen_log().await.unwrap(), Some(known));
    }
    assert_eq!(database.stand().await.unwrap().generation, generation, "nobody reads anything anew for it");
    assert_eq!(database.tilhorighet().await.unwrap(), Some(to));
}

#[tokio::test]
async fn nodes_that_start_together_migrate_once() {
    let empty = empty().await;
    let start = || async {
        let database = knutepunkt_storage::connect(&empty.url).await.unwrap();
        database.migrate().await.unwrap().len()
    };
    let (a, b, c) = tokio::join!(start(), start(), start());
    assert_eq!(a + b + c, query(&empty.url, "SELECT name FROM migration").await.len());
}

#[tokio::test]
async fn database_with_an_unknown_migration_is_refused() {
    let (_, empty) = registry().await;
    sql(&empty.url, "INSERT INTO migration (name, statements) VALUES ('2999_01_01_future', 'SELECT 1')")
        .await;
    let database = knutepunkt_storage::connect(&empty.url).await.unwrap();
    for refused in [database.registry().await.err(), database.migrate().await.err()] {
        assert!(
            matches!(&refused, Some(StorageError::UnknownMigration { name }) if name == "2999_01_01_future"),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn database_with_an_altered_migration_is_refused() {
    let (_, empty) = registry().await;
    sql(&empty.url, "UPDATE migration SET statements = statements || ' '").await;
    let database = knutepunkt_storage::connect(&empty.url).await.unwrap();
    for refused in [database.registry().await.err(), database.migrate().await.err()] {
        assert!(
            matches!(&refused, Some(StorageError::AlteredMigration { name }) if name == FIRST),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn migration_that_fails_leaves_nothing() {
    let empty = empty().await;
    // In the way of one of the later tables.
    sql(&empty.url, "CREATE TABLE audit_line (x INTEGER)").await;
    let database = knutepunkt_storage::connect(&empty.url).await.unwrap();
    assert!(matches!(database.migrate().await, Err(StorageError::Migration { name: FIRST, .. })));
    sql(&empty.url, "DROP TABLE audit_line").await;
    assert_eq!(database.migrate().await.unwrap().first().map(String::as_str), Some(FIRST));
    assert!(database.registry().await.is_ok());
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let (registry, empty) = registry().await;
    change(&*registry, "aa").await;
    drop(registry);
    let database = knutepunkt_storage::connect(&empty.url).await.unwrap();
    let again = database.registry().await.unwrap();
    assert_eq!(again.begin_read().await.unwrap().katalog_fingerprint().await.unwrap().as_deref(), Some("aa"));
    drop(again);
    database.close().await.unwrap();
}

#[tokio::test]
async fn change_of_another_process_is_noticed() {
    let (registry, empty) = registry().await;
    let other = knutepunkt_storage::connect(&empty.url).await.unwrap().registry().await.unwrap();
    let before = other.generation();
    change(&*registry, "aa").await;
    wait_until("the other one notices", || other.generation() > before).await;
    assert_eq!(other.begin_read().await.unwrap().katalog_fingerprint().await.unwrap().as_deref(), Some("aa"));
}

#[tokio::test]
async fn processes_on_one_database_take_turns() {
    let (registry, empty) = registry().await;
    let other = knutepunkt_storage::connect(&empty.url).await.unwrap().registry().await.unwrap();
    change(&*registry, "0").await;
    let count = |registry: std::sync::Arc<dyn Registry>| async move {
        for _ in 0..10 {
            let mut tx = registry.begin().await?;
            let found = tx.katalog_fingerprint().await?;
            let number: u32 = found.and_then(|text| text.parse().ok()).expect("a number was written");
            tokio::task::yield_now().await;
            tx.set_katalog_fingerprint(&(number + 1).to_string()).await?;
            tx.commit().await?;
        }
        Ok::<_, RegistryError>(())
    };
    let (one, two) = tokio::join!(tokio::spawn(count(registry.clone())), tokio::spawn(count(other)));
    one.unwrap().unwrap();
    two.unwrap().unwrap();
    assert_eq!(
        registry.begin_read().await.unwrap().katalog_fingerprint().await.unwrap().as_deref(),
        Some("20")
    );
}

#[tokio::test]
async fn facts_are_not_kept_while_the_database_cannot_be_asked() {
    let (registry, empty) = registry().await;
    sql(&empty.url, "ALTER TABLE generation RENAME TO gone").await;
    let before = registry.generation();
    wait_until("the failure counts as a change", || registry.generation() > before).await;
    let later = registry.generation();
    wait_until("the next failure does too", || registry.generation() > later).await;
}

/// The lock, once whoever had it has let go: on PostgreSQL that takes until its session is over.
async fn taken_when_free(url: &str) -> RegistryLock {
    let wait = async {
        loop {
            match RegistryLock::take(url).await {
                Ok(lock) => return lock,
                Err(StorageError::InUse { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it is let go of")
}

#[tokio::test]
async fn one_server_has_a_registry_until_it_lets_go() {
    let empty = empty().await;
    // Nothing is made by asking for the lock but what it needs itself.
    let mut first = RegistryLock::take(&empty.url).await.unwrap();
    for _ in 0..2 {
        let refused = RegistryLock::take(&empty.url).await.unwrap_err();
        assert!(matches!(refused, StorageError::InUse { .. }), "{refused}");
        assert_eq!(first.check().await.unwrap(), LockState::Held);
    }
    drop(first);
    taken_when_free(&empty.url).await;
}

/// A database that was started again has forgotten who had the lock: it is taken again, unless another was quicker.
#[tokio::test]
async fn lock_whose_session_ended_is_taken_again_or_known_to_be_lost() {
    if kind() == Kind::Sqlite {
        return; // Its lock is held by this very process, for as long as it lives.
    }
    let empty = empty().await;
    let end_all = "SELECT pg_terminate_backend(pid)::text FROM pg_locks WHERE locktype = 'advisory' \
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let mut first = RegistryLock::take(&empty.url).await.unwrap();
    assert_eq!(query(&empty.url, end_all).await, ["true"]);
    // The first answer may be that the connection is gone.
    let mut states = Vec::new();
    while !matches!(states.last(), Some(LockState::Held | LockState::Lost)) {
        states.extend(first.check().await.ok());
    }
    assert_eq!(states, [LockState::TakenAgain, LockState::Held]);

    assert_eq!(query(&empty.url, end_all).await, ["true"]);
    let _second = taken_when_free(&empty.url).await;
    let state = loop {
        if let Ok(state) = first.check().await {
            break state;
        }
    };
    assert_eq!(state, LockState::Lost);
}
