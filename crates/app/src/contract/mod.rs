//! The suites that every adapter of a port must pass.

pub mod registry;

pub mod broker;
mod clock;
mod ids;

pub use clock::ManualClock;
pub use ids::CountingIds;
