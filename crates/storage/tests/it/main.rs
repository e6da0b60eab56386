//! The Registry's contract suite and what is special to this adapter, on SQLite, or on PostgreSQL with
//! `TEST_STORAGE=postgres` and a server at `TEST_POSTGRES_URL` whose user may create databases.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by a panic, also in the functions that tests share"
)]

mod databases;
mod fixture;
mod personer;

mod contract {
    app::registry_contract!(crate::fixture::registry);
    app::lister_contract!(crate::fixture::registry);
}
