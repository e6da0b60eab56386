//! Bodies of requests that have to arrive in time, and of answers that say when they are out.

use std::error::Error as StdError;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use app::memory::{Pool, broken_off};
use axum::body::{Body, Bytes};
use bytes::BytesMut;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::gate::Ticket;
use super::kept::Kept;
use super::limits::Limits;
use super::pace::Pace;
use super::slot::Slot;
use super::stopping::Stopping;
use super::yielding::Yielding;

/// Error of a body.
type BoxError = Box<dyn StdError + Send + Sync>;

/// The body of a request. It fails with [`io::ErrorKind::TimedOut`] when it comes too slowly; edges know that as such.
pub(super) struct RequestBody<B> {
    inner: B,
    slot: Arc<Slot>,
    pace: Pace,
    /// When all of it must have come.
    until: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The memory that the request takes.
    kept: Option<Arc<Kept>>,
    /// Small pieces that have come of a body that is gathered before anybody looks at it.
    gathered: Option<BytesMut>,
    /// Whether all of it was read.
    is_read: Arc<AtomicBool>,
    /// For a payload, whose memory is taken by whoever reads it.
    yielding: Option<Yielding>,
    stopping: Stopping,
}

/// Smaller pieces of a body that is gathered are put together until there are as many bytes as the second says, for each piece
/// keeps more than its bytes.
const SMALL_PIECE: usize = 4 * 1024;
const PUT_TOGETHER: usize = 16 * 1024;

impl<B> RequestBody<B> {
    /// A body that begins now. A payload may take as long as it keeps the pace, anything else must come within a time.
    /// What is gathered of the latter is taken from `memory`, if there is any. After `shutdown` it ends if it will not be here in time.
    pub(super) fn new(
        inner: B,
        slot: Arc<Slot>,
        limits: &Limits,
        is_payload: bool,
        memory: Option<&Arc<Pool>>,
        shutdown: CancellationToken,
    ) -> Self {
        let pace = Pace::new(limits.stall, limits.least_speed);
        let until = (!is_payload).then(|| Instant::now() + limits.form);
        let yielding = memory.filter(|_| is_payload).map(|memory| Yielding::new(Arc::clone(memory)));
        let gathered = (!is_payload).then(BytesMut::new);
        let kept = memory.map(|memory| Kept::new(Arc::clone(memory)));
        let (stopping, is_read) = (Stopping::new(shutdown), Arc::default());
        Self { inner, slot, pace, until, timer: None, kept, gathered, yielding, stopping, is_read }
    }

    /// The memory that the request takes, which is to outlive its body.
    pub(super) fn kept(&self) -> Option<Arc<Kept>> {
        self.kept.clone()
    }

    /// Becomes true once all of it was read.
    pub(super) fn is_read(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_read)
    }

    fn is_late(&mut self, now: Instant) -> bool {
        self.pace.is_too_slow(now) || self.until.is_some_and(|until| now >= until)
    }
}

fn late() -> BoxError {
    io::Error::new(io::ErrorKind::TimedOut, "the body of the request came too slowly").into()
}

impl<B> HttpBody for RequestBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            let frame = ready!(this.poll_piece(cx));
            let Some(gathered) = &mut this.gathered else { return Poll::Ready(frame) };
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if piece.len() < SMALL_PIECE => {
                        gathered.extend_from_slice(&piece);
                        if gathered.len() >= PUT_TOGETHER {
                            return Poll::Ready(Some(Ok(Frame::data(gathered.split().freeze()))));
                        }
                    }
                    Ok(piece) if gathered.is_empty() => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                    Ok(piece) => {
                        gathered.extend_from_slice(&piece);
                        return Poll::Ready(Some(Ok(Frame::data(gathered.split().freeze()))));
                    }
                    // Nobody looks at what comes behind a body.
                    Err(_) => {}
                },
                None if !gathered.is_empty() => {
                    return Poll::Ready(Some(Ok(Frame::data(gathered.split().freeze()))));
                }
                Some(Err(_)) | None => return Poll::Ready(frame),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.gathered.as_ref().is_none_or(BytesMut::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        let gathered = self.gathered.as_ref().map_or(0, |gathered| size(gathered.len()));
        plus(&self.inner.size_hint(), gathered)
    }
}

impl<B> RequestBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// What comes next from the client, which must be in time and have memory.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self;
        if this.inner.is_end_stream() {
            this.is_read.store(true, Ordering::Relaxed);
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                if this.pace.is_waiting() {
                    this.slot.awaits_body(false);
                }
                if frame.is_none() || this.inner.is_end_stream() {
                    this.is_read.store(true, Ordering::Relaxed);
                }
                let now = Instant::now();
                let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref().map(Bytes::len));
                this.pace.moved(now, bytes.unwrap_or(0));
                if let Some(yielding) = &mut this.yielding {
                    yielding.moved(now, bytes.unwrap_or(0));
                }
                this.stopping.moved(bytes.unwrap_or(0));
                if bytes.is_some() && this.is_late(now) {
                    return Poll::Ready(Some(Err(late())));
                }
                if bytes.is_some()
                    && !this.inner.is_end_stream()
                    && let Some(refusal) = this.stopping.must_end(now, this.inner.size_hint().exact())
                {
                    return Poll::Ready(Some(Err(broken_off(refusal).into())));
                }
                if let (Some(kept), Some(_), Some(bytes)) = (&this.kept, &this.gathered, bytes)
                    && let Err(refusal) = kept.grow(&this.slot, size(bytes))
                {
                    return Poll::Ready(Some(Err(broken_off(refusal).into())));
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => loop {
                if !this.pace.is_waiting() {
                    this.slot.awaits_body(true);
                }
                let now = Instant::now();
                let yields = this.yielding.as_mut().map(|yielding| yielding.wait(now));
                let judged = this.pace.wait(now);
                let stops = this.stopping.wait(cx, now);
                if let Some(refusal) = this.stopping.must_end(now, this.inner.size_hint().exact()) {
                    return Poll::Ready(Some(Err(broken_off(refusal).into())));
                }
                let deadline = [this.until, yields, stops].into_iter().flatten().fold(judged, Instant::min);
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(cx));
                let now = Instant::now();
                if this.is_late(now) {
                    return Poll::Ready(Some(Err(late())));
                }
                let refusal = this.yielding.as_mut().and_then(|yielding| yielding.must(&this.slot, now));
                if let Some(refusal) = refusal {
                    return Poll::Ready(Some(Err(broken_off(refusal).into())));
                }
            },
        }
    }
}

impl<B> Drop for RequestBody<B> {
    fn drop(&mut self) {
        self.slot.body_ends();
    }
}

/// What was taken out of the body of an answer already.
pub(super) type First = Option<Result<Frame<Bytes>, axum::Error>>;

/// The body of an answer. While it lives, its request is under way.
pub(super) struct AnswerBody {
    first: First,
    inner: Body,
    _ticket: Arc<Ticket>,
}

impl AnswerBody {
    pub(super) fn new(first: First, inner: Body, ticket: Arc<Ticket>) -> Self {
        Self { first, inner, _ticket: ticket }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        match this.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut this.inner).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref());
        plus(&self.inner.size_hint(), first.map_or(0, |bytes| size(bytes.len())))
    }
}

/// The size of what comes behind so many bytes, with these.
fn plus(rest: &SizeHint, bytes: u64) -> SizeHint {
    let mut sum = SizeHint::new();
    if let Some(upper) = rest.upper() {
        sum.set_upper(upper.saturating_add(bytes));
    }
    sum.set_lower(rest.lower().saturating_add(bytes));
    sum
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use app::memory::Owner;
    use futures::{StreamExt as _, stream};
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::http::limits::tests::limits;

    /// A body of so many pieces of so many bytes, one a second.
    fn trickle(pieces: usize, bytes: usize) -> Body {
        Body::from_stream(stream::unfold(0, move |at| async move {
            if at == pieces {
                return None;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, io::Error>(Bytes::from(vec![0; bytes])), at + 1))
        }))
    }

    async fn read(inner: Body, is_payload: bool) -> Result<usize, BoxError> {
        let slot = Arc::new(Slot::new(1, IpAddr::V4(Ipv4Addr::LOCALHOST), false, false));
        let body = RequestBody::new(inner, slot, &limits(), is_payload, None, CancellationToken::new());
        Ok(body.collect().await?.to_bytes().len())
    }

    fn is_timed_out(read: Result<usize, BoxError>) -> bool {
        read.is_err_and(|error| {
            error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
        })
    }

    #[tokio::test(start_paused = true)]
    async fn silent_body_is_given_up_after_the_time_of_a_standstill() {
        let start = Instant::now();
        let silent = Body::from_stream(stream::pending::<Result<Bytes, io::Error>>());
        assert!(is_timed_out(read(silent, true).await));
        assert_eq!(start.elapsed(), limits().stall);
    }

    #[tokio::test(start_paused = true)]
    async fn body_of_a_byte_a_second_is_given_up_whatever_it_is() {
        for is_payload in [false, true] {
            let start = Instant::now();
            assert!(is_timed_out(read(trickle(usize::MAX, 1), is_payload).await));
            assert_eq!(start.elapsed(), limits().stall);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gathered_is_counted_and_broken_off_where_there_is_no_memory() {
        let slot = || Arc::new(Slot::new(1, IpAddr::V4(Ipv4Addr::LOCALHOST), false, false));
        let memory = Pool::new(100_000, 50_000);
        let of = |is_payload| {
            let shutdown = CancellationToken::new();
            RequestBody::new(trickle(4, 10_000), slot(), &limits(), is_payload, Some(&memory), shutdown)
        };
        let mut first = of(false);
        for _ in 0..3 {
            first.frame().await.unwrap().unwrap();
        }
        assert_eq!(memory.held(), 30_000);
        let error = of(false).collect().await.unwrap_err();
        assert!(app::memory::refusal_of(&*error).is_some(), "{error:?}");
        // Whoever takes a payload piece by piece counts those pieces by itself.
        assert_eq!(of(true).collect().await.unwrap().to_bytes().len(), 40_000);
        drop(first);
        assert_eq!(memory.held(), 0);
        of(false).collect().await.unwrap();
    }

    /// Whoever sends its body in the smallest pieces has it kept as one.
    #[tokio::test(start_paused = true)]
    async fn pieces_of_a_body_that_is_gathered_are_put_together() {
        let slot = || Arc::new(Slot::new(1, IpAddr::V4(Ipv4Addr::LOCALHOST), false, false));
        let small =
            stream::iter((0..40_000_u32).map(|n| Ok::<_, io::Error>(Bytes::from(vec![n.to_le_bytes()[0]]))));
        let pieces =
            small.chain(stream::iter([Ok(Bytes::from(vec![7; 5_000])), Ok(Bytes::from(vec![8; 10]))]));
        let of = |is_payload, pieces| {
            let body = Body::from_stream(pieces);
            RequestBody::new(body, slot(), &limits(), is_payload, None, CancellationToken::new())
        };
        let mut body = of(false, pieces);
        let (mut sizes, mut whole) = (Vec::new(), Vec::new());
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            sizes.push(piece.len());
            whole.extend_from_slice(&piece);
        }
        assert_eq!(sizes, [16 * 1024, 16 * 1024, 40_000 - 32 * 1024 + 5_000, 10]);
        assert!(body.is_read().load(Ordering::Relaxed));
        let expected = (0..40_000_u32).map(|n| n.to_le_bytes()[0]).chain([7; 5_000]).chain([8; 10]);
        assert!(whole.into_iter().eq(expected));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_of_a_body_is_held_until_its_request_is_done() {
        let slot = Arc::new(Slot::new(1, IpAddr::V4(Ipv4Addr::LOCALHOST), false, false));
        let memory = Pool::new(200_000, 100_000);
        let body = RequestBody::new(
            trickle(4, 10_000),
            Arc::clone(&slot),
            &limits(),
            false,
            Some(&memory),
            CancellationToken::new(),
        );
        let kept = body.kept().unwrap();
        drop(body.collect().await.unwrap().to_bytes());
        assert_eq!(memory.held(), 40_000, "what was made of it is there");
        kept.grow(&slot, 50_000).unwrap();
        assert_eq!(memory.held(), 90_000);
        assert!(kept.grow(&slot, 50_000).is_err());
        drop(kept);
        assert_eq!(memory.held(), 0);
    }

    /// Of a payload, with memory that is all taken by its own owner, and so many pieces, one a second.
    async fn read_where_memory_is_short(is_wanted: bool, bytes: usize) -> Result<usize, BoxError> {
        let slot = Arc::new(Slot::new(1, IpAddr::V4(Ipv4Addr::LOCALHOST), false, false));
        slot.belongs_to(Owner::Strangers);
        let memory = Pool::new(1_000, 1_000);
        let share = memory.share(Owner::Strangers);
        let held = share.try_take(1_000).unwrap();
        let body = RequestBody::new(
            trickle(30, bytes),
            slot,
            &limits(),
            true,
            Some(&memory),
            CancellationToken::new(),
        );
        let read = tokio::spawn(async move { Ok(body.collect().await?.to_bytes().len()) });
        let waits = async {
            if is_wanted {
                drop(share.take(1).await);
            }
            std::future::pending::<()>().await;
        };
        let read = tokio::select! {
            read = read => read.unwrap(),
            () = waits => unreachable!("it waits for ever"),
        };
        drop(held);
        read
    }

    #[tokio::test(start_paused = true)]
    async fn upload_of_which_next_to_nothing_comes_gives_way_where_others_wait() {
        let start = Instant::now();
        let error = read_where_memory_is_short(true, 1_000).await.unwrap_err();
        assert!(app::memory::refusal_of(&*error).is_some(), "{error:?}");
        assert!(start.elapsed() < std::time::Duration::from_secs(7), "{:?}", start.elapsed());
        assert_eq!(read_where_memory_is_short(false, 1_000).await.unwrap(), 30_000, "nobody waits");
        assert_eq!(read_where_memory_is_short(true, 10_000).await.unwrap(), 300_000, "it is not slow");
    }

    #[tokio::test(start_paused = true)]
    async fn payload_over_a_slow_line_may_take_hours_and_a_form_may_not() {
        let hours = 4 * 60 * 60;
        assert_eq!(read(trickle(hours, 1_000), true).await.unwrap(), hours * 1_000);
        let start = Instant::now();
        assert!(is_timed_out(read(trickle(hours, 1_000), false).await));
        assert_eq!(start.elapsed(), limits().form);
    }
}
