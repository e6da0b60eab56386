//! Containers and encrypted payloads as a whole, through the public API.

mod container;
mod envelope;
mod stream;
mod support;
