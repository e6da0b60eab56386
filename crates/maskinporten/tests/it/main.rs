//! The verifier and the login of persons against the simulators over HTTP.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what fails here fails the test")]

mod fetching;
mod oidc;
mod oidc_provider;
mod oidc_world;
mod rules;
mod tls;
mod world;
