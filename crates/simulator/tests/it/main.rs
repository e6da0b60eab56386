//! The test CA and the Maskinporten simulator from outside.

mod ca;
mod java;
mod maskinporten;
