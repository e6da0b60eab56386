//! The Registry on SQLite and PostgreSQL: one code base, one set of migrations, two databases.
//!
//! - Ids are stored as text, so that an operator can read and search them in any SQL shell. Times are milliseconds since
//!   1970 in UTC. What nobody searches in (e-mail addresses, the body of a Protokoll) is JSON.
//! - Units of work that may write run one at a time: within a process because there is one connection for writing, and
//!   among processes by `BEGIN IMMEDIATE` on SQLite and a lock on the row of the table `generation` on PostgreSQL. The configuration changes seldom and
//!   every change reads first what it then writes; so no change ever fails because of another one, and no use case needs
//!   to try again.
//! - Units of work that only read take a snapshot and never wait.
//! - The generation is bumped in the same transaction as the change. The process that commits knows at once; other
//!   processes on the same database look every half second, so they know within a second. A look that fails, or is not
//!   answered in five seconds, counts as a change: nothing is believed for long that cannot be checked.
//!
//! No type of the database library leaves this crate.

mod audit;
mod avtale;
mod convert;
mod copy;
mod database;
mod dokument;
mod error;
mod fjernet_ko;
mod generation;
mod in_place;
mod inspect;
mod integrasjon;
mod konto;
mod kontostatus;
mod lister;
mod lock;
mod migrations;
mod organisasjon;
mod person;
mod protokoll;
mod registry;
mod room;
mod rows;
mod seen;
mod sesjon;
mod sok;
mod sql;
mod system;
mod tilgang;
mod tx;
mod wal;

pub use copy::{
    StoredDokument, check_sqlite, copy_registry, examine, list_dokumenter, list_kontoer, list_owners,
};
pub use database::{Database, connect};
pub use error::StorageError;
pub use in_place::RegistryFiles;
pub use inspect::{Funnet, Stand, Tilhorighet, inspect, shown, sqlite_file};
pub use lock::{LockState, RegistryLock};
pub use migrations::newest as schema_version;
pub use rows::{check_rows, require_empty, restore_rows};
pub use seen::SeenLog;
