//! The Registry's contract suite and what is special to this adapter, on SQLite, or on PostgreSQL with
//! `TEST_STORAGE=postgres` and a server at `TEST_POSTGRES_URL` whose user may create databases.

mod databases;
mod fixture;

mod contract {
    app::registry_contract!(crate::fixture::registry);
}
