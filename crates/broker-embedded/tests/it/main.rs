//! The embedded broker against the contract of its port, and what is its own.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod contract;
mod copies;
mod damage;
mod displaced;
mod durability;
mod further;
mod harness;
mod journal;
mod lifecycle;
mod many;
mod memory;
mod opening;
mod room;
mod salvage;
mod salvage_of_files;
mod sporing;
mod witness;
