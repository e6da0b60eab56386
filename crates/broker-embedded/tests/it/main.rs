//! The embedded broker against the contract of its port, and what is its own.

mod contract;
mod durability;
mod harness;
mod lifecycle;
