//! The endpoint over sockets: a client library of another make, and raw bytes, against a real registry and broker.

#![cfg(test)]

mod connect;
mod consume;
mod held;
mod world;
