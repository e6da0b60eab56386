//! What may change something is worked off to its end, also where its client goes away meanwhile.
//!
//! A client that closes its connection takes the future of its request with it. What must follow a commit — that connections with
//! an old passord are ended, that a removed queue notifies its senders, that what was stored is counted — stands behind further
//! awaits, and must not depend on a client that stays.

use std::convert::Infallible;

use app::Door;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tower::Service as _;
use tracing::Instrument as _;

/// Lets `router` answer. A body that is not whole ends with its connection, so nothing waits for the rest of one.
pub(super) async fn answer(mut router: Router, request: Request) -> Result<Response, Infallible> {
    if request.method().is_safe() {
        return router.call(request).await;
    }
    // It counts as a request under way for as long as it is one, and not only while its client stays.
    let door = request.extensions().get::<Door>().cloned();
    let work = async move {
        let answered = router.call(request).await;
        drop(door);
        answered
    };
    let work = tokio::spawn(work.in_current_span());
    match work.await {
        Ok(answered) => answered,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process ends.
            Err(_) => Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use app::{Caller, Doorkeeper};
    use axum::body::Body;
    use axum::routing::any;
    use http::Method;
    use tokio::sync::Notify;

    use super::*;

    struct Counts;

    impl Doorkeeper for Counts {
        fn admit(&self, _: &Caller) -> Result<(), app::Error> {
            Ok(())
        }

        fn log_in_refused(&self) -> Result<(), app::Error> {
            Ok(())
        }
    }

    /// Or whoever goes away at once could have any number of them.
    #[tokio::test(start_paused = true)]
    async fn what_is_worked_off_without_its_client_counts_as_under_way() {
        let go_on = Arc::new(Notify::new());
        let waits = Arc::clone(&go_on);
        let handler = move |_: String| {
            let go_on = Arc::clone(&waits);
            async move { go_on.notified().await }
        };
        let router = Router::new().route("/", any(handler));
        let door: Arc<dyn Doorkeeper> = Arc::new(Counts);
        let request = Request::builder()
            .method(Method::POST)
            .extension(Door(Arc::clone(&door)))
            .body(Body::empty())
            .unwrap();
        let mut answered = Box::pin(answer(router, request));
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut answered).await.is_err(), "it waits");
        drop(answered);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(Arc::strong_count(&door) > 1, "it is under way");
        go_on.notify_waiters();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(Arc::strong_count(&door), 1, "it is done");
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_change_something_is_worked_off_though_its_client_goes_away() {
        let (begun, go_on, done) =
            (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let handler = {
            let (begun, go_on, done) = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&done));
            move || {
                let (begun, go_on, done) = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&done));
                async move {
                    begun.notify_one();
                    go_on.notified().await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let router = Router::new().route("/", any(handler));
        let mut expected = 0;
        for (method, is_done) in [
            (Method::POST, true),
            (Method::PUT, true),
            (Method::PATCH, true),
            (Method::DELETE, true),
            // Nobody needs an answer that nobody fetches.
            (Method::GET, false),
        ] {
            let request = Request::builder().method(method.clone()).body(Body::empty()).unwrap();
            let mut answered = Box::pin(answer(router.clone(), request));
            tokio::select! {
                _ = &mut answered => panic!("{method}: it waits"),
                () = begun.notified() => {}
            }
            drop(answered);
            go_on.notify_waiters();
            // Time passes once nobody has anything to do.
            tokio::time::sleep(Duration::from_secs(1)).await;
            expected += usize::from(is_done);
            assert_eq!(done.load(Ordering::Relaxed), expected, "{method}");
        }
    }
}
