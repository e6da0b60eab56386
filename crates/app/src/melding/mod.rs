//! Meldinger: sending them and following them.

mod payload;
mod send;
mod spor;

pub use payload::Payload;
pub(crate) use payload::{object_path, remove as remove_object};
