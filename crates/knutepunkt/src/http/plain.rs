//! What the reader of heads does not answer, or not as it should: HTTP/2 without asking, and a Content-Length that no body has.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::MAX_HEAD;
use super::slot::Slot;

/// How a client begins that speaks HTTP/2 without having asked.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n";
/// What it is answered, before the connection is closed.
const NO_HTTP2: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 48\r\n\r\n\
    HTTP/2 is not spoken here, send HTTP/1.1 please\n";
/// What is answered to a head that is too large, and to a Content-Length of 2^64 - 2 and more.
const TOO_LARGE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n";
/// What the latter should be answered. As long as the other.
const NO_LENGTH: &[u8] = b"HTTP/1.1 400 The Content-Length is too large\r\n";
/// Lines that a head may have.
const MAX_LINES: usize = 100;

/// The bytes of a connection, above TLS if there is any.
pub(super) struct Plain<S> {
    inner: S,
    slot: Arc<Slot>,
    /// Bytes and lines of the head that comes.
    head: (usize, usize),
    /// How much was read, up to the length of [`HTTP2`], as long as it is the same.
    begun: Option<usize>,
    /// How much of [`NO_HTTP2`] was written.
    refused: Option<usize>,
}

impl<S> Plain<S> {
    pub(super) fn new(inner: S, slot: Arc<Slot>) -> Self {
        Self { inner, slot, head: (0, 0), begun: Some(0), refused: None }
    }

    /// Bytes have come.
    fn came(&mut self, bytes: &[u8]) {
        if let Some(begun) = self.begun {
            let rest = HTTP2.get(begun..).unwrap_or_default();
            let same = rest.len().min(bytes.len());
            self.begun = (rest.get(..same) == bytes.get(..same)).then_some(begun + same);
            if self.begun == Some(HTTP2.len()) {
                (self.begun, self.refused) = (None, Some(0));
            }
        }
        if self.slot.is_in_request() {
            self.head = (0, 0);
        } else {
            let lines = bytes.split(|byte| *byte == b'\n').count().saturating_sub(1);
            self.head = (self.head.0.saturating_add(bytes.len()), self.head.1.saturating_add(lines));
        }
    }

    /// What to write instead of `answer`.
    fn instead(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let (bytes, lines) = self.head;
        let rest = answer.strip_prefix(TOO_LARGE)?;
        let fits = bytes <= MAX_HEAD && lines <= MAX_LINES && !self.slot.is_in_request();
        fits.then(|| [NO_LENGTH, rest].concat())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Plain<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refused.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
            this.came(buffer.filled().get(before..).unwrap_or_default());
        }
        if let Some(written) = &mut this.refused {
            while let Some(rest) = NO_HTTP2.get(*written..).filter(|rest| !rest.is_empty()) {
                *written += ready!(Pin::new(&mut this.inner).poll_write(cx, rest))?;
            }
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::Unsupported, "the client speaks HTTP/2")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Plain<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let instead = this.instead(bytes);
        Pin::new(&mut this.inner).poll_write(cx, instead.as_deref().unwrap_or(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match pieces.first().and_then(|first| this.instead(first)) {
            Some(instead) => Pin::new(&mut this.inner).poll_write(cx, &instead),
            None => Pin::new(&mut this.inner).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
