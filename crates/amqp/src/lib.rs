//! The AMQP 0-9-1 endpoint: how receivers fetch their meldinger.
//!
//! What a client may do here is to log in, consume from the queues of its own kontoer and settle; everything else is
//! refused with the reply code a client of RabbitMQ expects. Publishing is done over HTTP.
//!
//! The connection and its channels are a machine without sockets or clock (bytes and times in; bytes, commands and
//! requests out), which is where the protocol is tested. Around it, a session joins one socket to one machine and to the
//! broker, and [`Server`] accepts sockets.
//!
//! Source of what clients need: observed in fiks-io-klient-java 3.5.0 and fiks-io-client-dotnet 7.0.3; reply codes and
//! texts: observed on RabbitMQ 3.10.

mod config;
mod encode;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod held;
mod machine;
mod places;
mod reply;
mod server;
mod session;
mod table;

pub use config::{Config, RefusedLogIns};
pub use places::Proxies;
pub use server::Server;

/// Target of log events for what anybody can bring about, so that whoever reads the log sees some and then a count.
const REFUSED: &str = "refused";
