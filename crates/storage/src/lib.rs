//! The Registry on SQLite and PostgreSQL.
