//! Use cases that need a registry with much in it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by a panic, also in the functions that tests share"
)]

mod hendelser;
mod sok;
mod world;
