//! The endpoint over sockets: a client library of another make, and raw bytes, against a real registry and broker.

mod consume;
mod connect;
mod world;
