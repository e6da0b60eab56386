//! Tilganger: who may send to a Konto; and forespørsler: asking for that.

mod foresporsel;
mod grant;
mod sok;

pub use grant::SystemMedEier;
pub use sok::ProtokollKrav;
