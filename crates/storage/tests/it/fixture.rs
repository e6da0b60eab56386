//! A database for each test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use app::ports::Registry;
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

/// The databases that tests run on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

pub(crate) fn kind() -> Kind {
    match std::env::var("TEST_STORAGE").as_deref() {
        Err(_) | Ok("" | "sqlite") => Kind::Sqlite,
        Ok("postgres") => Kind::Postgres,
        Ok(other) => panic!("TEST_STORAGE is sqlite or postgres, not {other}"),
    }
}

/// An empty database, without even tables. That on PostgreSQL is left behind: the server is thrown away.
pub(crate) struct Empty {
    pub(crate) url: String,
    _folder: TempDir,
}

pub(crate) async fn empty() -> Empty {
    let folder = tempfile::tempdir().unwrap();
    let url = match kind() {
        Kind::Sqlite => format!("sqlite://{}?mode=rwc", folder.path().join("registry.db").display()),
        Kind::Postgres => new_postgres_database().await,
    };
    Empty { url, _folder: folder }
}

async fn new_postgres_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var("TEST_POSTGRES_URL")
        .expect("TEST_STORAGE=postgres needs TEST_POSTGRES_URL, see .ci/postgres.sh");
    let (address, _) = server.rsplit_once('/').expect("TEST_POSTGRES_URL names a database");
    let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let connection = Database::connect(&server).await.unwrap();
    connection.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    connection.close().await.unwrap();
    format!("{address}/{name}")
}

/// An empty registry, and what must live as long as it.
pub(crate) async fn registry() -> (Arc<dyn Registry>, Empty) {
    let empty = empty().await;
    let database = knutepunkt_storage::connect(&empty.url).await.unwrap();
    database.migrate().await.unwrap();
    (database.registry().await.unwrap(), empty)
}
