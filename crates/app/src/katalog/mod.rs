//! Fiks IO katalog: who is behind a Konto, how it stands, and its public key.

mod konto;
mod nokkel;

pub use konto::{KatalogKonto, KontoStatus};
