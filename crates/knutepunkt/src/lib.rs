//! Knutepunkt: puts use cases, adapters and edges together and runs them.
//!
//! This is the only place that sees both sides of a port. [`server::start`] is the whole composition; `serve`, `dev`,
//! `demo` and the tests all start from there.

pub mod adapters;
mod backup;
pub mod config;
mod config_check;
pub mod dev;
mod doctor;
pub mod files;
pub mod grenser;
mod health;
pub mod hints;
mod http;
mod installasjon;
pub mod jumps;
mod keepalive;
pub mod memory;
mod names;
mod passord_key;
mod payloads;
mod portal;
mod progress;
mod rom;
pub mod server;
pub mod styring;
pub mod telemetry;
mod tls;
mod uferdige;

pub mod commands;
