//! The suites that every adapter of a port must pass.

pub mod lister;
pub mod registry;

pub mod broker;
mod clock;
mod fragile;
mod ids;

pub use clock::ManualClock;
pub use fragile::{FragileBroker, FragileRegistry};
pub use ids::CountingIds;
