//! Development only: what a Knutepunkt needs around itself when there is no Maskinporten, no ID-porten and no certificate
//! authority at hand.
//!
//! [`ca`] issues virksomhetssertifikater, konto keys and TLS certificates; [`maskinporten`] gives access tokens for
//! them, [`idporten`] logs synthetic persons in; both make forged tokens for tests. Nothing here may run in production:
//! [`maskinporten::Simulator::new`] and [`idporten::Idporten::new`] refuse.

pub mod ca;
mod files;
pub mod idporten;
mod jws;
pub mod maskinporten;
pub mod orgnr;

use std::sync::Arc;

use jiff::Timestamp;

/// Tells the time. Tests hand in a clock they can move.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where the process that wants a simulator runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miljo {
    /// A developer's machine or a test run.
    Utvikling,
    /// A shared test installation.
    Test,
    /// The real thing: no simulator here, ever.
    Produksjon,
}
