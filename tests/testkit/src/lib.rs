//! A whole server in process, for tests.
