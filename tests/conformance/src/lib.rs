//! Suites that see a whole server from outside, as its clients do. All of it is in `tests/it`.
