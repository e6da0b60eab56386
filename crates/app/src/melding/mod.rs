//! Meldinger: sending them and following them.

mod dodko;
mod korom;
mod payload;
mod send;
mod spor;
mod sporing;
mod svartall;

pub use dodko::Uleverbar;
pub use payload::Payload;
pub(crate) use payload::{remove as remove_object, sha256};
pub use sporing::{Retning, SporingRad, SporingSok, Sporingsdetaljer, Sporingsside, Trinn};
pub(crate) use svartall::Svartall;
