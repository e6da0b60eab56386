//! The rules of Fiks Protokoll as plain types and functions: who may send what to whom, what a name may look like, what
//! becomes of a melding.
//!
//! This crate never waits, never reads the clock, draws no random numbers and knows no status code: whatever it needs
//! comes as an argument, and a broken rule is an error that names the rule and carries the ids.

pub mod avtale;
pub mod katalog;
pub mod konto;
pub mod melding;
pub mod niva;
pub mod nokkel;
pub mod organisasjon;
pub mod orgnummer;
pub mod person;
pub mod protokoll;
pub mod sending;
pub mod status;
pub mod system;
pub mod tekst;
pub mod tilgang;
pub mod utveksling;

pub use orgnummer::Orgnummer;
pub use wire::id;
