//! A command's end of the control socket.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::short::Short;
use super::{ANSWER_MAX, Answer, Request, SOCKET};

/// A connection to a running server.
pub struct Client(UnixStream);

impl Client {
    /// Connects to the server that has the data folder `data`; `None` where no server runs.
    ///
    /// # Errors
    /// When there is a socket that this user may not use.
    pub async fn connect(data: &Path) -> anyhow::Result<Option<Self>> {
        let path = data.join(SOCKET);
        let connected = match Short::to(data, SOCKET) {
            Ok(short) => UnixStream::connect(short.path()).await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(stream) => Ok(Some(Self(stream))),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| {
                format!(
                    "cannot talk to the server at {}; run this as the user that the server runs as",
                    path.display()
                )
            }),
        }
    }

    /// Asks, and waits for the end of the answer. `progress` gets the lines for a person meanwhile.
    ///
    /// # Errors
    /// What the server says against it, or that it went away.
    pub async fn ask<T: DeserializeOwned>(
        self,
        request: &Request,
        mut progress: impl FnMut(&str),
    ) -> anyhow::Result<T> {
        let (from, mut to) = self.0.into_split();
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        to.write_all(&line).await.context("cannot send the request to the server")?;
        let mut from = BufReader::new(from);
        loop {
            let mut line = String::new();
            let read = (&mut from).take(ANSWER_MAX).read_line(&mut line).await;
            if read.context("the server did not answer")? == 0 {
                bail!("the server ended before it had answered; look in its log");
            }
            match serde_json::from_str(&line)
                .context("cannot understand the server; is it another version?")?
            {
                Answer::Progress { text } => progress(&text),
                Answer::Done { result } => {
                    return serde_json::from_value(result)
                        .context("cannot understand the server; is it another version?");
                }
                Answer::Failed { message } => bail!(message),
            }
        }
    }
}

/// Asks the server that has the data folder `data`; `None` where no server runs.
///
/// # Errors
/// As [`Client::connect`] and [`Client::ask`].
pub async fn ask<T: DeserializeOwned>(data: &Path, request: &Request) -> anyhow::Result<Option<T>> {
    match Client::connect(data).await? {
        Some(client) => client.ask(request, |_| {}).await.map(Some),
        None => Ok(None),
    }
}
