//! A socket that knows how long its client may take.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use app::memory::Pool;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::limits::Limits;
use super::pace::Pace;
use super::slot::Slot;
use super::yielding::Yielding;
use crate::telemetry::REFUSED;

/// How long a client that still sends is listened to after the last answer, and how many bytes. To close on it at once would
/// make the answer vanish together with the connection.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 64 * 1024 * 1024;
/// The same when the server stops.
const LINGER_AT_STOP: Duration = Duration::from_secs(1);

/// A socket, below TLS if there is any. It ends a connection whose client takes too long for its handshake, for the head of a
/// request, for its next request, or to fetch an answer.
pub(super) struct Watched<S> {
    inner: S,
    slot: Arc<Slot>,
    limits: Arc<Limits>,
    reading: Timer,
    writing: Timer,
    pace: Pace,
    /// For payloads that are fetched.
    yielding: Option<Yielding>,
    linger: Linger,
    shutdown: CancellationToken,
}

/// What happens after the last answer.
enum Linger {
    NotYet,
    Until(Instant, usize),
    Over,
}

/// A timer that is set anew only when it went off too early.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready when `deadline` is over.
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

impl<S> Watched<S> {
    pub(super) fn new(
        inner: S,
        slot: Arc<Slot>,
        limits: Arc<Limits>,
        memory: Option<Arc<Pool>>,
        shutdown: CancellationToken,
    ) -> Self {
        let pace = Pace::new(limits.stall, limits.least_speed);
        let (reading, writing) = (Timer::default(), Timer::default());
        let yielding = memory.map(Yielding::new);
        Self { inner, slot, limits, reading, writing, pace, yielding, linger: Linger::NotYet, shutdown }
    }

    /// After a write: counts what was taken, or sends away whoever takes nothing.
    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let was_waiting = self.pace.is_waiting();
        match written {
            Poll::Ready(Ok(bytes)) => {
                if was_waiting {
                    let now = Instant::now();
                    self.pace.moved(now, bytes);
                    if let Some(yielding) = &mut self.yielding {
                        yielding.moved(now, bytes);
                    }
                    self.slot.is_blocked(false);
                    if self.pace.is_too_slow(now) {
                        return Poll::Ready(Err(too_slow("the client fetches the answer too slowly")));
                    }
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => {
                if !was_waiting {
                    self.slot.is_blocked(true);
                }
                loop {
                    let now = Instant::now();
                    let mut judged = self.pace.wait(now);
                    let mut yielding = self.yielding.as_mut().filter(|_| self.slot.fetches_payload());
                    if let Some(yielding) = &mut yielding {
                        judged = judged.min(yielding.wait(now));
                    }
                    ready!(self.writing.poll(cx, judged));
                    let now = Instant::now();
                    if self.pace.is_too_slow(now) {
                        return Poll::Ready(Err(too_slow("the client fetches the answer too slowly")));
                    }
                    if yielding.and_then(|yielding| yielding.must(&self.slot, now)).is_some() {
                        tracing::info!(
                            target: REFUSED,
                            { owner = ?self.slot.owner() },
                            "broke off a download that takes next to nothing while others wait for memory"
                        );
                        return Poll::Ready(Err(too_slow("others wait for the memory of the answer")));
                    }
                }
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

fn too_slow(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buffer);
        if read.is_ready() {
            if buffer.filled().len() > before {
                this.slot.received();
            }
            return read;
        }
        match this.slot.read_deadline(&this.limits) {
            Some(deadline) => {
                ready!(this.reading.poll(cx, deadline));
                Poll::Ready(Err(too_slow("the client took too long")))
            }
            None => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.written(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, pieces);
        this.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    /// Says that nothing more will be written, and then reads what the client still sends until it closes, too.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.linger, Linger::NotYet) {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.slot.is_closing();
            let time = if this.shutdown.is_cancelled() { LINGER_AT_STOP } else { LINGER };
            this.linger = Linger::Until(Instant::now() + time, 0);
        }
        let mut scratch = [0; 16 * 1024];
        while let Linger::Until(deadline, read) = this.linger {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.inner).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && read < LINGER_BYTES => {
                    this.linger = Linger::Until(deadline, read + buffer.filled().len());
                    // Whoever sends without pause must not keep others waiting, nor stay for longer.
                    if Instant::now() >= deadline {
                        this.linger = Linger::Over;
                    }
                }
                Poll::Ready(_) => this.linger = Linger::Over,
                Poll::Pending => {
                    ready!(this.reading.poll(cx, deadline));
                    this.linger = Linger::Over;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use app::memory::Owner;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;
    use crate::http::limits::tests::limits;

    fn watched(buffer: usize) -> (Watched<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(buffer);
        let slot = Slot::new(1, IpAddr::V4(Ipv4Addr::LOCALHOST), false, false);
        let shutdown = CancellationToken::new();
        (Watched::new(ours, Arc::new(slot), Arc::new(limits()), None, shutdown), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn silent_client_is_sent_away_after_the_time_for_what_it_does() {
        let (mut ours, mut theirs) = watched(64);
        let start = Instant::now();
        assert_eq!(ours.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), limits().handshake);
        ours.slot.is_ready();
        let start = Instant::now();
        assert!(ours.read_u8().await.is_err());
        assert_eq!(start.elapsed(), limits().idle);
        ours.slot.is_ready();
        let start = Instant::now();
        // One byte now and then does not make the head of a request any younger.
        let (mut reader, _writer) = tokio::io::split(ours);
        let trickle = async {
            loop {
                if theirs.write_u8(b'G').await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
        };
        let mut everything = Vec::new();
        tokio::select! {
            () = trickle => {}
            read = reader.read_to_end(&mut everything) => assert!(read.is_err()),
        }
        assert_eq!((start.elapsed(), everything.len()), (limits().head, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_does_not_fetch_its_answer_is_sent_away() {
        let (mut ours, _theirs) = watched(64);
        let start = Instant::now();
        let refused = ours.write_all(&[0; 1_000]).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), limits().stall);
        assert!(ours.slot.yields(super::super::slot::Rank::Stranger).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_fetches_slowly_is_sent_away_and_one_that_keeps_the_pace_is_not() {
        for (bytes_a_second, served) in [(499, false), (600, true)] {
            let (mut ours, mut theirs) = watched(64);
            let fetch = async {
                let mut fetched = vec![0; bytes_a_second];
                while theirs.read_exact(&mut fetched).await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            };
            let answer = vec![0; 200_000];
            let done = tokio::select! {
                done = ours.write_all(&answer) => done.is_ok(),
                () = fetch => false,
            };
            assert_eq!(done, served, "{bytes_a_second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn download_of_which_next_to_nothing_is_taken_gives_way_where_others_wait() {
        for (is_payload, is_wanted, least) in [(true, true, 3), (true, false, 60), (false, true, 60)] {
            let memory = Pool::new(1_000, 1_000);
            let share = memory.share(Owner::Strangers);
            let _held = share.try_take(1_000).unwrap();
            let (ours, _theirs) = duplex(64);
            let slot = Slot::new(1, IpAddr::V4(Ipv4Addr::LOCALHOST), false, false);
            slot.belongs_to(Owner::Strangers);
            slot.request_begins(false, is_payload);
            let mut ours = Watched::new(
                ours,
                Arc::new(slot),
                Arc::new(limits()),
                Some(memory),
                CancellationToken::new(),
            );
            let start = Instant::now();
            let waits = async {
                if is_wanted {
                    drop(share.take(1).await);
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                written = ours.write_all(&[0; 1_000]) => assert!(written.is_err()),
                () = waits => {}
            }
            assert_eq!(start.elapsed().as_secs(), least, "{is_payload} {is_wanted}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_still_sends_is_listened_to_for_a_while() {
        let (mut ours, mut theirs) = watched(64);
        let client = async {
            theirs.write_all(&vec![0; 100_000]).await.unwrap();
            theirs.shutdown().await.unwrap();
            theirs
        };
        let (closed, _theirs) = tokio::join!(ours.shutdown(), client);
        closed.unwrap();
        let (mut ours, _silent) = watched(64);
        let start = Instant::now();
        ours.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), LINGER);
        let (mut ours, _silent) = watched(64);
        ours.shutdown.cancel();
        let start = Instant::now();
        ours.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), LINGER_AT_STOP);
    }
}
