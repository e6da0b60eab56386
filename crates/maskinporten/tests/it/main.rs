//! The verifier against the simulator over HTTP.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what fails here fails the test")]

mod fetching;
mod rules;
mod tls;
mod world;
