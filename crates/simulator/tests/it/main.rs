//! The test CA and the simulators of Maskinporten and ID-porten from outside.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod ca;
mod idporten;
mod java;
mod maskinporten;
