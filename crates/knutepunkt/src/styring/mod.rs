//! The control socket: how a command on the same machine asks a running server for something.
//!
//! It is a unix socket in the data folder, for the owner of the folder alone. A client sends one [`Request`], as JSON on one
//! line, and gets one [`Answer`] a line back, the last of which is [`Answer::Done`] or [`Answer::Failed`].

mod client;
mod handle;
mod server;
mod short;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::client::{Client, ask};
pub(crate) use self::handle::Context;
pub(crate) use self::server::Socket;

/// Name of the socket in the data folder.
pub const SOCKET: &str = "styring.sock";
/// A request is no longer than this. Bytes.
const REQUEST_MAX: u64 = 64 * 1024;
/// An answer is no longer than this. Bytes.
const ANSWER_MAX: u64 = 1024 * 1024;

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Which server this is.
    Status {},
    /// Look through queues and payloads.
    Doctor {
        /// Whether to leave the bytes of payloads unread.
        #[serde(default)]
        quick: bool,
    },
    /// Make a backup.
    Backup {
        /// The folder for it, from the root on.
        target: PathBuf,
    },
}

/// A line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It is being done; for a person to read.
    Progress {
        /// How far it has come.
        text: String,
    },
    /// It is done. Nothing follows.
    Done {
        /// What came of it; its shape depends on the request.
        result: serde_json::Value,
    },
    /// It was not done. Nothing follows.
    Failed {
        /// What is wrong and what to do.
        message: String,
    },
}

/// Answer to [`Request::Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the server.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Parts that are down.
    pub down: Vec<String>,
    /// Files of its registry are not in their places, so that nobody else may change it.
    #[serde(default)]
    pub registry_displaced: bool,
}
