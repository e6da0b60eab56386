//! The server's end of the control socket.

use std::fs::{File, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
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
    /// The data folder, held open, so that no other is taken for it.
    folder: File,
    /// What has the name as long as it is this one.
    bound: Metadata,
    /// It is known, and said, that no command reaches this server.
    is_cut_off: bool,
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
        let look = || Ok::<_, std::io::Error>((File::open(data)?, std::fs::symlink_metadata(&path)?));
        let (folder, bound) = look().with_context(|| format!("cannot look at {}", path.display()))?;
        Ok(Self { listener, data: data.to_owned(), folder, bound, is_cut_off: false })
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
                    self.bind_again().await;
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
        // Another may have come to its name.
        if self.has_its_name() {
            std::fs::remove_file(self.data.join(SOCKET)).ok();
        }
    }

    fn has_its_name(&self) -> bool {
        std::fs::symlink_metadata(self.data.join(SOCKET)).is_ok_and(|found| is_same(&found, &self.bound))
    }

    /// Binds it anew where its name is gone, or has come to a dead socket, as after a clean-up or a copy: until then no command
    /// reaches this server. Never in another folder than the one that it was started with, and never in place of a server that lives.
    pub(super) async fn bind_again(&mut self) {
        if self.has_its_name() {
            self.is_cut_off = false;
            return;
        }
        let path = self.data.join(SOCKET);
        let folder = self.folder.metadata().and_then(|ours| Ok((ours, self.data.metadata()?)));
        if !folder.is_ok_and(|(ours, found)| is_same(&ours, &found)) {
            self.say_once(
                "another folder, or none, is where the data folder of this server was; put it back",
            );
            return;
        }
        match std::fs::symlink_metadata(&path) {
            Ok(found) if !found.file_type().is_socket() => {
                self.say_once("what is there is no socket; move it away, and the server makes its own again");
                return;
            }
            Ok(_) if is_alive(&self.data).await => {
                self.say_once("another process answers there; look which one uses this data folder");
                return;
            }
            _ => {}
        }
        match Self::bind(&self.data) {
            Ok(again) => {
                *self = again;
                tracing::warn!(
                    path = %path.display(),
                    "the control socket was removed or replaced under this server, and was made again"
                );
            }
            Err(error) => self.say_once(&format!("it cannot be made again: {error:#}")),
        }
    }

    fn say_once(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_cut_off, true) {
            tracing::warn!(
                path = %self.data.join(SOCKET).display(),
                why,
                "the control socket was removed or replaced under this server: backup and doctor do not reach it"
            );
        }
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether somebody takes commands on the socket in `data`. Whoever does not answer in time may.
async fn is_alive(data: &Path) -> bool {
    let Ok(short) = Short::to(data, SOCKET) else { return true };
    match timeout(LOOK, UnixStream::connect(short.path())).await {
        Ok(Err(error)) => !matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound),
        Ok(Ok(_)) | Err(_) => true,
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
