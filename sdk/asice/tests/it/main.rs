//! Containers and encrypted payloads as a whole, through the public API.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod container;
mod envelope;
mod foreign;
mod stream;
mod support;
