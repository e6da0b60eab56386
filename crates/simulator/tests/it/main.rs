//! The test CA and the Maskinporten simulator from outside.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod ca;
mod java;
mod maskinporten;
