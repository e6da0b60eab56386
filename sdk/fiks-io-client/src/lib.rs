//! Client for Fiks IO and Fiks Protokoll: token, katalog, send, receive.
//!
//! A melding is sent over HTTP with its payload packed (ASiC-E), signed and encrypted to the receiving konto, and
//! received over AMQP. The client does all of it: it gets tokens from Maskinporten, looks keys up, streams payloads of
//! any size, and keeps its consumer in place through lost connections.
//!
//! | to | use |
//! |---|---|
//! | configure | [`Config::builder`], or [`Settings`] from JSON or environment variables |
//! | send | [`FiksIoClient::send`] with a [`MeldingRequest`] |
//! | receive | [`FiksIoClient::receive`], which gives a stream of [`MottattMelding`] |
//! | answer | [`MottattMelding::svar`] |
//! | look up | [`FiksIoClient::konto`], [`FiksIoClient::konto_status`], [`FiksIoClient::offentlig_nokkel`] |
//! | set up kontoer and tilganger | [`FiksIoClient::konfigurasjon`] |
//!
//! Words of the domain are Norwegian, as on the wire.
//!
//! # Example: receive, answer and ack
//!
//! ```no_run
//! use fiks_io_client::{Error, FiksIoClient, MottattMelding, Payload, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::from_json(&std::fs::read_to_string("fiks-io.json")?)?;
//! let client = FiksIoClient::new(settings.into_config()?)?;
//! let mut meldinger = client.receive().await?;
//! loop {
//!     let outcome = match meldinger.next().await {
//!         Ok(melding) => deal_with(&melding).await,
//!         Err(error) => Err(error),
//!     };
//!     if let Err(error) = outcome {
//!         // Whatever was not settled comes again, at most three times in all.
//!         eprintln!("{error}");
//!     }
//! }
//! # }
//!
//! async fn deal_with(melding: &MottattMelding) -> Result<(), Error> {
//!     if melding.has_payload() {
//!         // Nothing is to be trusted before the signature is verified, which `read_to_memory` does.
//!         match melding.dekrypter().await?.read_to_memory(50 << 20).await {
//!             Ok(payload) => println!("{} filer, signert av {:?}", payload.files.len(), payload.signatures),
//!             Err(error) => {
//!                 eprintln!("{error}");
//!                 return melding.nack().await;
//!             }
//!         }
//!         melding.svar("no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett.mottatt", Payload::none()).await?;
//!     }
//!     melding.ack().await
//! }
//! ```
//!
//! # Logs
//!
//! The client logs with `tracing`, never a password, token or payload. The AMQP library below it logs every frame at
//! level `trace`, the log-in among them: keep the target `lapin` at `debug` or above.
//!
//! # Features of the wire that it does not use
//!
//! It never declares or publishes over AMQP, and never refreshes a token on a live connection: the server judges the
//! token at log-in only.

mod ambient;
mod client;
mod config;
mod error;
mod headers;
mod http;
mod katalog;
mod konfigurasjon;
mod maskinporten;
mod melding;
mod receive;
mod request;
mod secret;
mod send;
#[cfg(test)]
mod testing;
mod tls;

pub use asice::{self, FileSource, ReadOptions, Unpacked};
pub use client::FiksIoClient;
pub use config::{AmqpScheme, Config, ConfigBuilder, ConfigError, ENV_PREFIX, HttpScheme, Miljo, Settings};
pub use error::{Cause, Error, Peer};
pub use konfigurasjon::Konfigurasjon;
pub use melding::{EncryptedPayload, MottattMelding};
pub use receive::{ConnectionState, Meldinger};
pub use request::{MeldingRequest, Payload};
pub use secret::Secret;
pub use wire;
