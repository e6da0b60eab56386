//! A look at a registry that changes nothing: what it is, before anybody opens it for writing.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use wire::id::Uuid;

use crate::database::{is_sqlite, open, options};
use crate::error::StorageError;
use crate::migrations;
use crate::seen::{SeenLog, seen};
use crate::wal::{self, Missing};

/// The installation that a registry belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tilhorighet {
    /// Its id.
    pub installasjon: Uuid,
    /// The keyed hash of the id that tells whether a key is the right one.
    pub nokkelprove: [u8; 32],
}

/// How far a registry has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stand {
    /// Grows by one with each change.
    pub generation: u64,
    /// Organisasjoner in it.
    pub organisasjoner: u64,
    /// Kontoer in it.
    pub kontoer: u64,
    /// Dokumenter in it.
    pub dokumenter: u64,
    /// Dokumenter that were ever added to it: grows by one with each, which `generation` does not.
    pub lagrede_dokumenter: u64,
}

impl Stand {
    /// Whether a registry that stood here had come further than one that stands at `other`, in anything.
    pub fn is_beyond(&self, other: &Self) -> bool {
        self.generation > other.generation || self.lagrede_dokumenter > other.lagrede_dokumenter
    }
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Funnet {
    /// Whose it is; `None` where nobody has said so yet.
    pub tilhorighet: Option<Tilhorighet>,
    /// How far it has come.
    pub stand: Stand,
    /// How far the queue log was seen to have come. `None` where nobody has noted it, or it was not looked for.
    pub seen_log: Option<SeenLog>,
    /// Migrations that it lacks.
    pub mangler: Vec<String>,
}

/// The file of a SQLite registry, if `url` names one.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    if !is_sqlite(url) {
        return None;
    }
    let options = SqliteConnectOptions::from_str(url).ok()?;
    Some(options.get_filename().to_owned())
}

/// `url` as it may be shown: without user and password, and without options.
pub fn shown(url: &str) -> String {
    if let Some(file) = sqlite_file(url) {
        return file.display().to_string();
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return "an address that cannot be read".to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{host}")
}

/// Looks at the registry at `url` without making, migrating or writing anything. `None` where there is none: no such file,
/// or a database without our tables.
///
/// Never in a process that has the registry open: it reads files of SQLite as files, and closing one lets go of all locks that
/// the process has on it (POSIX). The next process to open the database would then take the files for nobody's.
///
/// # Errors
/// [`StorageError::UnsupportedUrl`], [`StorageError::Connect`], [`StorageError::FileMissing`], [`StorageError::LogMissing`],
/// [`StorageError::LogDamaged`], [`StorageError::LogAnothers`], [`StorageError::UnknownMigration`], [`StorageError::AlteredMigration`] and [`StorageError::Backend`].
pub async fn inspect(url: &str) -> Result<Option<Funnet>, StorageError> {
    let connection = if let Some(file) = sqlite_file(url) {
        if !check_files(&file)? {
            return Ok(None);
        }
        if has_rollback_journal(&file) {
            return inspect_copy(&file).await;
        }
        let mut options = options(&format!("sqlite://{}?mode=ro", encoded(&file)));
        options.max_connections(1).map_sqlx_sqlite_opts(|options| options.pragma("query_only", "ON"));
        open(options).await?
    } else {
        let mut options = options(url);
        options.max_connections(1);
        open(options).await?
    };
    let found = look(&connection).await;
    connection.close_by_ref().await?;
    found
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(ending);
    PathBuf::from(path)
}

/// Whether a change was cut off that has no write-ahead log: the making of the file.
fn has_rollback_journal(file: &Path) -> bool {
    std::fs::metadata(beside(file, "-journal")).is_ok_and(|known| known.len() > 0)
}

/// Looks at a copy. SQLite has to take a change back that was cut off before it can read, and nothing is to be changed here.
async fn inspect_copy(file: &Path) -> Result<Option<Funnet>, StorageError> {
    let io = |error: std::io::Error| StorageError::Connect(error.into());
    let scratch = beside(file, "-kopi");
    let remove = || match std::fs::remove_dir_all(&scratch) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io(error)),
        _ => Ok(()),
    };
    // Left by a look that was cut off.
    remove()?;
    DirBuilder::new().mode(0o700).create(&scratch).map_err(io)?;
    let copy = scratch.join("register.sqlite");
    std::fs::copy(file, &copy).map_err(io)?;
    std::fs::copy(beside(file, "-journal"), beside(&copy, "-journal")).map_err(io)?;
    let mut options = options(&format!("sqlite://{}", encoded(&copy)));
    options.max_connections(1);
    let connection = open(options).await?;
    let found = look(&connection).await;
    connection.close_by_ref().await?;
    remove()?;
    found
}

/// Whether there is anything to open.
fn check_files(file: &Path) -> Result<bool, StorageError> {
    let beside = |ending: &str| beside(file, ending);
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |known| known.len());
    // While SQLite has a file open both are there, and both go with a close in good order, the log last.
    if beside("-shm").exists() && !beside("-wal").exists() {
        return Err(StorageError::LogMissing { path: beside("-wal").display().to_string() });
    }
    let look = || wal::missing_frames(&beside("-wal"), &beside("-shm"));
    let mut missing = look().map_err(|error| StorageError::Connect(error.into()))?;
    if missing != Missing::Frames(0) {
        // A server that runs may have written between the two.
        missing = missing.min(look().map_err(|error| StorageError::Connect(error.into()))?);
    }
    let [log, index] = ["-wal", "-shm"].map(|ending| beside(ending).display().to_string());
    match missing {
        Missing::Frames(0) => {}
        Missing::Frames(frames) => return Err(StorageError::LogDamaged { log, frames, index }),
        Missing::All(frames) => return Err(StorageError::LogAnothers { log, frames, index }),
    }
    let is_there = bytes(file) > 0;
    // SQLite takes the log beside an empty file for a leftover and removes it, even if it may only read.
    if !is_there && bytes(&beside("-wal")) > 0 {
        return Err(StorageError::FileMissing {
            path: file.display().to_string(),
            log: beside("-wal").display().to_string(),
        });
    }
    Ok(is_there)
}

/// A path within a URL.
pub(crate) fn encoded(file: &Path) -> String {
    let mut text = String::new();
    for character in file.display().to_string().chars() {
        match character {
            '%' => text.push_str("%25"),
            '?' => text.push_str("%3F"),
            '#' => text.push_str("%23"),
            other => text.push(other),
        }
    }
    text
}

pub(crate) async fn look(connection: &DatabaseConnection) -> Result<Option<Funnet>, StorageError> {
    if !has_table(connection, "migration").await? {
        return Ok(None);
    }
    let mangler = migrations::list_pending(connection).await?;
    let tilhorighet =
        if has_table(connection, "installasjon").await? { tilhorighet(connection).await? } else { None };
    let has = |migration: &str| !mangler.iter().any(|name| name == migration);
    let stand = stand(connection, has(migrations::LAGREDE_DOKUMENTER)).await?;
    let seen_log = if has(migrations::KO_SETT) { seen(connection).await? } else { None };
    Ok(Some(Funnet { tilhorighet, stand, seen_log, mangler }))
}

pub(crate) async fn tilhorighet(
    connection: &impl ConnectionTrait,
) -> Result<Option<Tilhorighet>, StorageError> {
    let sql = "SELECT installasjon_id, nokkelprove FROM installasjon WHERE id = 1";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let Some(row) = connection.query_one_raw(statement).await? else { return Ok(None) };
    let id: String = row.try_get("", "installasjon_id")?;
    let nokkelprove: Vec<u8> = row.try_get("", "nokkelprove")?;
    let damaged = || StorageError::Backend("the row of the table installasjon cannot be read".into());
    Ok(Some(Tilhorighet {
        installasjon: id.parse().map_err(|_| damaged())?,
        nokkelprove: nokkelprove.try_into().map_err(|_| damaged())?,
    }))
}

/// The numbers of a [`Stand`] that only grow.
pub(crate) async fn reached(connection: &impl ConnectionTrait) -> Result<(u64, u64), StorageError> {
    let sql = "SELECT value, COALESCE(lagrede_dokumenter, 0) AS lagrede_dokumenter FROM generation";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let Some(row) = connection.query_one_raw(statement).await? else { return Ok((0, 0)) };
    let number = |name: &str| row.try_get::<i64>("", name).map(i64::unsigned_abs);
    Ok((number("value")?, number("lagrede_dokumenter")?))
}

/// How far a registry has come; `counts` where its tables are such that documents are counted as they are added.
pub(crate) async fn stand(connection: &impl ConnectionTrait, counts: bool) -> Result<Stand, StorageError> {
    let lagrede = if counts { "(SELECT lagrede_dokumenter FROM generation)" } else { "NULL" };
    // One statement, so that all of it is of the same moment.
    let sql = format!(
        "SELECT (SELECT value FROM generation) AS generation, \
         (SELECT COUNT(*) FROM organisasjon) AS organisasjoner, \
         (SELECT COUNT(*) FROM konto) AS kontoer, \
         (SELECT COUNT(*) FROM dokument) AS dokumenter, \
         CAST({lagrede} AS BIGINT) AS lagrede_dokumenter"
    );
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let Some(row) = connection.query_one_raw(statement).await? else { return Ok(Stand::default()) };
    let number = |name: &str| -> Result<u64, DbErr> {
        Ok(row.try_get::<Option<i64>>("", name)?.unwrap_or_default().unsigned_abs())
    };
    Ok(Stand {
        generation: number("generation")?,
        organisasjoner: number("organisasjoner")?,
        kontoer: number("kontoer")?,
        dokumenter: number("dokumenter")?,
        lagrede_dokumenter: number("lagrede_dokumenter")?,
    })
}

async fn has_table(connection: &DatabaseConnection, name: &str) -> Result<bool, DbErr> {
    let backend = connection.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => format!("SELECT 1 AS found WHERE to_regclass('{name}') IS NOT NULL"),
        _ => format!("SELECT 1 AS found FROM sqlite_schema WHERE type = 'table' AND name = '{name}'"),
    };
    Ok(connection.query_one_raw(Statement::from_string(backend, sql)).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_shown_without_user_password_and_options() {
        for (url, expected) in [
            ("postgres://user:hemmelig@db.example:5432/knutepunkt", "postgres://db.example:5432/knutepunkt"),
            ("postgres://user:he%40m@db/k?password=hemmelig", "postgres://db/k"),
            ("postgres://db/k#x", "postgres://db/k"),
            ("sqlite:///var/lib/k/register.sqlite?mode=rwc", "/var/lib/k/register.sqlite"),
            ("hemmelig", "an address that cannot be read"),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
    }

    /// As a first start leaves it that was killed while SQLite made the file.
    #[tokio::test]
    async fn registry_whose_making_was_cut_off_is_looked_at_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("there is room");
        let (file, copy) = (folder.path().join("register.sqlite"), folder.path().join("killed"));
        let mut options = options(&format!("sqlite://{}?mode=rwc", file.display()));
        options.max_connections(1);
        let connection = open(options).await.expect("it can be made");
        // So much that SQLite writes it to the file before the commit, and what was there to its journal.
        for sql in ["PRAGMA cache_size = 2", "CREATE TABLE t (a TEXT)", "BEGIN"] {
            connection.execute_unprepared(sql).await.expect("it can be written");
        }
        for _ in 0..50 {
            let sql = "INSERT INTO t VALUES (hex(randomblob(4000)))";
            connection.execute_unprepared(sql).await.expect("it can be written");
        }
        std::fs::create_dir(&copy).expect("there is room");
        let copied = ["", "-journal"].map(|ending| {
            let name = format!("register.sqlite{ending}");
            std::fs::copy(folder.path().join(&name), copy.join(&name))
                .expect("it is there while it is written");
            (copy.join(&name), std::fs::read(copy.join(&name)).expect("it can be read"))
        });
        let file = copy.join("register.sqlite");
        assert_eq!(inspect(&format!("sqlite://{}", file.display())).await.expect("it can be read"), None);
        for (path, before) in copied {
            assert!(std::fs::read(&path).expect("it is there") == before, "{} was changed", path.display());
        }
        assert_eq!(std::fs::read_dir(&copy).expect("it is there").count(), 2);
        // Whoever may write goes on from it.
        let database =
            crate::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.expect("it opens");
        database.migrate().await.expect("it can be filled");
    }

    /// A registry as a killed server leaves it, with what was committed last in its log alone.
    async fn killed(folder: &Path) -> PathBuf {
        let file = folder.join("register.sqlite");
        let database =
            crate::connect(&format!("sqlite://{}?mode=rwc", file.display())).await.expect("it can be made");
        database.migrate().await.expect("it can be filled");
        let copy = folder.join("killed");
        std::fs::create_dir(&copy).expect("there is room");
        for ending in ["", "-wal", "-shm"] {
            let name = format!("register.sqlite{ending}");
            std::fs::copy(folder.join(&name), copy.join(&name)).expect("it is there while it is open");
        }
        copy.join("register.sqlite")
    }

    #[tokio::test]
    async fn log_beside_an_empty_or_missing_file_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("there is room");
        let file = killed(folder.path()).await;
        let log = beside(&file, "-wal");
        let url = format!("sqlite://{}", file.display());
        let before = std::fs::read(&log).expect("it is there");
        std::fs::write(&file, []).expect("there is room");
        for with_index in [true, false] {
            let refused = inspect(&url).await.expect_err("the file is empty");
            assert!(matches!(refused, StorageError::FileMissing { .. }), "{refused:?}");
            if with_index {
                std::fs::remove_file(beside(&file, "-shm")).expect("it is there");
            }
        }
        std::fs::remove_file(&file).expect("it is there");
        let refused = inspect(&url).await.expect_err("the file is missing");
        assert!(matches!(refused, StorageError::FileMissing { .. }), "{refused:?}");
        assert!(std::fs::read(&log).expect("it is there") == before, "nothing is changed");
    }

    /// A flipped byte, a cut and an empty log: SQLite would read what stands before it, and say nothing.
    #[tokio::test]
    async fn damaged_log_of_sqlite_is_refused() {
        let folder = tempfile::tempdir().expect("there is room");
        let file = killed(folder.path()).await;
        let url = format!("sqlite://{}", file.display());
        let log = PathBuf::from(format!("{}-wal", file.display()));
        let index = std::fs::read(file.with_extension("sqlite-shm")).expect("it is there");
        let whole = std::fs::read(&log).expect("it is there");
        assert!(check_files(&file).expect("it is whole"));
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            bytes
        };
        let frame = 24 + 4096;
        for damaged in [
            vec![],
            whole[..32].to_vec(),
            whole[..whole.len() - 1].to_vec(),
            whole[..whole.len() - frame].to_vec(),
            flipped(33),
            flipped(whole.len() / 2),
            flipped(whole.len() - 1),
            flipped(3),
        ] {
            std::fs::write(&log, &damaged).expect("there is room");
            let refused = inspect(&url).await.expect_err("it is damaged");
            assert!(matches!(refused, StorageError::LogDamaged { frames: 1.., .. }), "{refused:?}");
            assert!(std::fs::read(&log).expect("it is there") == damaged, "nothing is changed");
        }
        std::fs::write(&log, &whole).expect("there is room");
        let other = tempfile::tempdir().expect("there is room");
        let another = PathBuf::from(format!("{}-wal", killed(other.path()).await.display()));
        let mut begun_anew = whole[..32].to_vec();
        begun_anew[19] ^= 0x40;
        for damaged in [vec![0; whole.len()], std::fs::read(another).expect("it is there"), begun_anew] {
            std::fs::write(&log, &damaged).expect("there is room");
            let refused = inspect(&url).await.expect_err("it is another's");
            assert!(matches!(refused, StorageError::LogAnothers { frames: 1.., .. }), "{refused:?}");
            assert!(std::fs::read(&log).expect("it is there") == damaged, "nothing is changed");
        }
        std::fs::write(&log, &whole).expect("there is room");
        // Something behind the end was never committed.
        std::fs::write(&log, [&whole[..], &[1; 100]].concat()).expect("there is room");
        assert!(check_files(&file).expect("it is whole"));
        std::fs::write(file.with_extension("sqlite-shm"), index).expect("there is room");
        assert!(inspect(&url).await.expect("it is whole").is_some());
    }
}
