//! Answers that were made and are not fetched yet: what they keep is taken from the memory of whoever asked.

use std::sync::Arc;

use app::memory::{Held, Owner, Part, Pool};
use axum::body::Bytes;
use axum::response::Response;
use futures::FutureExt as _;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame};

use super::body::First;
use super::slot::Slot;

/// Answers below this are not worth counting: there are only so many at a time.
const SMALL_BYTES: u64 = 16 * 1024;

/// Bytes, and the memory that they take until the last of them is out.
struct Counted {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Counts what `response` keeps until it was fetched, and returns the first of it besides, so that whoever has many of them gets less
/// for other things. Where there is no memory for it, it is answered all the same: it is there already.
pub(super) fn counted(response: Response, slot: &Slot, memory: Option<&Arc<Pool>>) -> (Response, First) {
    let (parts, mut body) = response.into_parts();
    // Of what is made as it is fetched nobody knows how much there will be; whoever makes it counts it.
    let size = body.size_hint().exact().filter(|size| *size > SMALL_BYTES);
    let (Some(size), Some(memory)) = (size, memory) else {
        return (Response::from_parts(parts, body), None);
    };
    let mut first = body.frame().now_or_never().flatten();
    let bytes = first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref());
    // What the program itself holds is there once for all.
    if let Some(bytes) = bytes.filter(|bytes| bytes.is_unique()).cloned() {
        let share = memory.share(slot.owner().unwrap_or(Owner::Strangers)).part(Part::Fetched);
        let held = share.try_take_most(size);
        if let Some(held) = held {
            first = Some(Ok(Frame::data(Bytes::from_owner(Counted { bytes, _held: held }))));
        }
    }
    (Response::from_parts(parts, body), first)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use axum::body::Body;
    use domain::id::{FiksOrgId, Uuid};
    use http::StatusCode;

    use super::*;

    static STYLE: [u8; 300_000] = [b'a'; 300_000];

    fn answer(body: impl Into<Body>) -> Response {
        Response::new(body.into())
    }

    #[test]
    fn answer_counts_until_it_was_fetched_where_there_is_memory_for_it() {
        let pool = Pool::new(1_000_000, 400_000);
        let slot = Slot::new(1, IpAddr::V4(Ipv4Addr::LOCALHOST), false, false);
        let owner = Owner::Organisasjon(FiksOrgId::from_uuid(Uuid::from_u128(1)));
        slot.belongs_to(owner);
        let ask = |size: usize| counted(answer(vec![b'a'; size]), &slot, Some(&pool));
        let (response, first) = ask(150_000);
        assert_eq!((response.status(), pool.held()), (StatusCode::OK, 150_000));
        let bytes = first.unwrap().unwrap().into_data().unwrap();
        drop(response);
        assert_eq!((bytes.len(), pool.held()), (150_000, 150_000), "it is not out yet");

        let (more, first) = ask(60_000);
        assert_eq!((more.status(), first.is_some(), pool.held()), (StatusCode::OK, true, 150_000));
        assert_eq!(ask(1_000).0.status(), StatusCode::OK, "it is small");
        let style = counted(answer(&STYLE[..]), &slot, Some(&pool));
        assert_eq!((style.0.status(), pool.held()), (StatusCode::OK, 150_000), "it is there once for all");
        let other = pool.share(owner).part(Part::Deliveries);
        assert!(other.try_take(200_000).is_some(), "deliveries have their part");
        drop(bytes);
        let (large, first) = ask(900_000);
        assert_eq!((large.status(), pool.held()), (StatusCode::OK, 200_000), "more than there ever is");
        drop(first);
        assert_eq!(pool.held(), 0);
    }
}
