//! The server's end of the control socket.

use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::short::Short;
use super::{Answer, Context, REQUEST_MAX, Request, SOCKET};

/// How many commands are served at a time; the others wait.
const AT_ONCE: usize = 8;
/// How many clients may be connected at a time.
const CLIENTS: usize = 64;
/// How long a client may take to send its request. It has it ready, so that silent ones keep nobody waiting for long.
#[cfg(not(test))]
const REQUEST_PATIENCE: Duration = Duration::from_secs(2);
/// In tests they are there to stay.
#[cfg(test)]
const REQUEST_PATIENCE: Duration = Duration::from_hours(1);
/// How long a client may take to take a line of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nobody comes before it is looked whether the socket is still there.
const LOOK: Duration = Duration::from_secs(1);

/// The socket, bound and readable for its owner alone.
pub(crate) struct Socket {
    listener: UnixListener,
    data: PathBuf,
}

impl Socket {
    /// Binds it in the data folder, in place of one that an earlier server left there. Whoever calls holds the lock of the
    /// folder.
    ///
    /// # Errors
    /// What keeps it from being made.
    pub(crate) fn bind(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(SOCKET);
        let new = data.join(format!("{SOCKET}.ny"));
        for old in [&path, &new] {
            match std::fs::symlink_metadata(old) {
                Ok(found) if found.file_type().is_socket() => std::fs::remove_file(old)
                    .with_context(|| format!("cannot remove the old socket {}", old.display()))?,
                Ok(_) => anyhow::bail!(
                    "{} is there and is no socket; move it away, the server needs the name",
                    old.display()
                ),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot look at {}", old.display()));
                }
            }
        }
        // It gets its name once nobody else can connect to it any more.
        let short = Short::to(data, &format!("{SOCKET}.ny"));
        let listener = short
            .and_then(|short| UnixListener::bind(short.path()))
            .with_context(|| format!("cannot make the control socket {}", path.display()))?;
        std::fs::set_permissions(&new, Permissions::from_mode(0o600))
            .and_then(|()| std::fs::rename(&new, &path))
            .with_context(|| format!("cannot make the control socket {}", path.display()))?;
        Ok(Self { listener, data: data.to_owned() })
    }

    /// Serves commands until `shutdown`, and takes the socket away.
    pub(crate) async fn serve(mut self, context: Context, shutdown: CancellationToken) {
        let room = Arc::new(Semaphore::new(CLIENTS));
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = accept(&self.listener, &room) => accepted,
                () = tokio::time::sleep(LOOK) => {
                    self.bind_again();
                    continue;
                }
            };
            match accepted {
                Ok((stream, permit)) => {
                    let (context, turns, shutdown) = (context.clone(), Arc::clone(&turns), shutdown.clone());
                    tokio::spawn(async move {
                        tokio::select! {
                            () = shutdown.cancelled() => {}
                            () = converse(stream, &context, &turns) => {}
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "failed to take a command on the control socket; trying again in a second"
                    );
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        std::fs::remove_file(self.data.join(SOCKET)).ok();
    }

    /// Binds it anew where it is gone from a folder that is there, as after a clean-up: until then no command reaches this server.
    fn bind_again(&mut self) {
        let path = self.data.join(SOCKET);
        // Its mark is put back by others; in a folder without one, as where a disk was unmounted, nothing is made.
        let is_gone = matches!(path.try_exists(), Ok(false)) && self.data.join(crate::names::MARK).exists();
        if !is_gone {
            return;
        }
        match Self::bind(&self.data) {
            Ok(again) => {
                *self = again;
                tracing::warn!(path = %path.display(), "the control socket was removed under this server, and was made again");
            }
            Err(error) => tracing::debug!(
                error = &*error as &dyn std::error::Error,
                "the control socket cannot be made again yet"
            ),
        }
    }
}

async fn accept(
    listener: &UnixListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

/// Reads one request and writes its answer. A client that goes away ends what it asked for.
async fn converse(stream: UnixStream, context: &Context, turns: &Semaphore) {
    let (from, mut to) = stream.into_split();
    let mut line = String::new();
    let mut from = BufReader::new(from.take(REQUEST_MAX));
    let request = match timeout(REQUEST_PATIENCE, from.read_line(&mut line)).await {
        Ok(Ok(0) | Err(_)) | Err(_) => return,
        Ok(Ok(_)) => serde_json::from_str::<Request>(&line),
    };
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            let message = format!("this server does not know the request ({error}); is it another version?");
            send(&mut to, &Answer::Failed { message }).await.ok();
            return;
        }
    };
    let Ok(_turn) = turns.acquire().await else { return };
    let (lines, mut told) = mpsc::unbounded_channel();
    let progress = move |text: String| drop(lines.send(text));
    let done = async {
        let done = context.handle(request, &progress).await;
        drop(progress);
        done
    };
    let forward = async {
        while let Some(text) = told.recv().await {
            send(&mut to, &Answer::Progress { text }).await?;
        }
        Ok::<_, std::io::Error>(())
    };
    let Ok((done, ())) = tokio::try_join!(async { Ok(done.await) }, forward) else { return };
    let last = match done {
        Ok(result) => Answer::Done { result },
        Err(error) => Answer::Failed { message: format!("{error:#}") },
    };
    send(&mut to, &last).await.ok();
}

async fn send(to: &mut tokio::net::unix::OwnedWriteHalf, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    timeout(PATIENCE, to.write_all(&line)).await?
}
