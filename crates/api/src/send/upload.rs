//! A request body that is read to its end even when nobody wants the rest.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::send::form::FormFault;

/// Most bytes that are read after the answer was given.
const MAX_DRAIN_BYTES: u64 = 64 * 1024 * 1024;
/// Longest time spent on it.
const MAX_DRAIN_TIME: Duration = Duration::from_secs(30);
/// Longest wait for the next bytes of a body.
const MAX_STALL: Duration = Duration::from_mins(1);

/// A body on its way in.
///
/// Most HTTP clients send all before they read the answer, and closing on them makes the answer vanish together with the
/// connection. So whatever is left when this is dropped is read and thrown away in the background, within limits.
///
/// Not so for a client that waits for leave to send (`Expect: 100-continue`) and never got it: it sends no body after a
/// refusal, and what it sends next would be taken for one. Its connection is closed.
pub(super) struct Upload {
    body: Option<Body>,
    /// The client sends without being asked, or was asked.
    invited: bool,
}

impl Upload {
    pub(super) fn new(headers: &HeaderMap, body: Body) -> Self {
        Self { body: Some(body), invited: !headers.contains_key(EXPECT) }
    }

    /// The next bytes, which may be none; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, FormFault> {
        let Some(body) = &mut self.body else { return Ok(None) };
        // To ask for a body is what makes hyper give leave.
        self.invited = true;
        let frame = timeout(MAX_STALL, body.frame()).await;
        match frame {
            Ok(Some(Ok(frame))) => Ok(Some(frame.into_data().unwrap_or_default())),
            Ok(None) => {
                self.body = None;
                Ok(None)
            }
            Ok(Some(Err(error))) => {
                self.body = None;
                Err(FormFault::Interrupted(error.into()))
            }
            Err(_elapsed) => {
                self.body = None;
                Err(FormFault::Stalled)
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && self.invited
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(timeout(MAX_DRAIN_TIME, drain(body)));
        }
    }
}

async fn drain(mut body: Body) {
    let mut drained: u64 = 0;
    while let Some(Ok(frame)) = body.frame().await {
        drained += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
        if drained > MAX_DRAIN_BYTES {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures::stream;
    use tokio::sync::oneshot;

    use super::*;

    /// A body of so many pieces of 1 MiB, with a count of those taken and a message when it is dropped.
    fn counted(pieces: u64) -> (Body, Arc<AtomicU64>, oneshot::Receiver<()>) {
        let taken = Arc::new(AtomicU64::new(0));
        let (gone, dropped) = oneshot::channel();
        let state = (0, taken.clone(), gone);
        let body = Body::from_stream(stream::unfold(state, move |(at, taken, gone)| async move {
            if at == pieces {
                return None;
            }
            taken.fetch_add(1, Ordering::SeqCst);
            Some((Ok::<_, std::io::Error>(Bytes::from(vec![0; 1024 * 1024])), (at + 1, taken, gone)))
        }));
        (body, taken, dropped)
    }

    #[tokio::test]
    async fn rest_of_a_dropped_body_is_read() {
        let (body, taken, dropped) = counted(20);
        let mut upload = Upload::new(&HeaderMap::new(), body);
        assert_eq!(upload.next().await.unwrap().unwrap().len(), 1024 * 1024);
        drop(upload);
        let _ = dropped.await;
        assert_eq!(taken.load(Ordering::SeqCst), 20);
    }

    #[tokio::test]
    async fn endless_body_is_not_read_for_ever() {
        let (body, taken, dropped) = counted(u64::MAX);
        drop(Upload::new(&HeaderMap::new(), body));
        let _ = dropped.await;
        assert_eq!(taken.load(Ordering::SeqCst), MAX_DRAIN_BYTES / (1024 * 1024) + 1);
    }

    #[tokio::test]
    async fn body_that_nobody_asked_for_is_not_waited_for() {
        let (body, taken, dropped) = counted(20);
        let headers = HeaderMap::from_iter([(EXPECT, http::HeaderValue::from_static("100-continue"))]);
        drop(Upload::new(&headers, body));
        let _ = dropped.await;
        assert_eq!(taken.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn sender_who_says_nothing_more_is_given_up() {
        let mut upload = Upload::new(
            &HeaderMap::new(),
            Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()),
        );
        assert!(matches!(upload.next().await, Err(FormFault::Stalled)));
        assert!(matches!(upload.next().await, Ok(None)));
    }
}
