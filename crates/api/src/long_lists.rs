//! Answers with lists that may be long: each element is made as it is fetched, so that an answer takes no more memory than what
//! it is made of.

use std::io;

use app::memory::Held;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde::Serialize;

use crate::failure::Failure;

/// An answer that is not longer than this is made at once, and says how long it is. Bytes.
const SHORT_BYTES: usize = 64 * 1024;
/// So much is made at a time of a longer one. Bytes.
const PIECE_BYTES: usize = 32 * 1024;

/// The elements of a list, each as JSON.
type Elements = Box<dyn Iterator<Item = serde_json::Result<Vec<u8>>> + Send>;

/// A list and the name of its field.
pub(crate) struct List {
    field: &'static str,
    elements: Elements,
}

impl List {
    /// Of `items`, each in the form that `body` gives it.
    pub(crate) fn new<T: Send + 'static, B: Serialize>(
        field: &'static str,
        items: Vec<T>,
        body: impl Fn(T) -> B + Send + 'static,
    ) -> Self {
        let elements = items.into_iter().map(move |item| serde_json::to_vec(&body(item)));
        Self { field, elements: Box::new(elements) }
    }
}

/// What goes into the answer one after the other.
enum Part {
    Text(Vec<u8>),
    List(Elements),
}

/// The answer `whole`, in which each of `lists` stands as an empty list. `held` is given back once all was fetched.
pub(crate) fn answer(
    whole: &impl Serialize,
    lists: impl IntoIterator<Item = List>,
    held: Option<Held>,
) -> Result<Response, Failure> {
    let internal = |error: serde_json::Error| Failure::from(app::Error::Internal(Box::new(error)));
    let mut parts = vec![Part::Text(serde_json::to_vec(whole).map_err(internal)?)];
    for List { field, elements } in lists {
        // Quotes within a text are escaped, so this can be nothing but a field.
        let place = format!("\"{field}\":[]");
        let found = parts.iter().enumerate().find_map(|(at, part)| match part {
            Part::Text(text) => {
                memchr::memmem::find(text, place.as_bytes()).map(|start| (at, start + place.len() - 1))
            }
            Part::List(_) => None,
        });
        let Some((at, start)) = found else {
            return Err(Failure::from(app::Error::Internal(
                format!("an answer has no empty {field}").into(),
            )));
        };
        if let Some(Part::Text(text)) = parts.get_mut(at) {
            let rest = text.split_off(start);
            let behind = at + 1;
            parts.splice(behind..behind, [Part::List(elements), Part::Text(rest)]);
        }
    }
    let mut pieces = Pieces { parts: parts.into_iter(), list: None, _held: held };
    let mut first = Vec::new();
    while first.len() <= SHORT_BYTES {
        match pieces.next() {
            Some(piece) => first.extend(piece.map_err(internal)?),
            None => return Ok(([(header::CONTENT_TYPE, "application/json")], first).into_response()),
        }
    }
    let rest =
        std::iter::once(Ok(first)).chain(pieces).map(|piece| piece.map(Bytes::from).map_err(io::Error::from));
    let body = Body::from_stream(futures::stream::iter(rest));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The bytes of an answer, some at a time.
struct Pieces {
    parts: std::vec::IntoIter<Part>,
    /// The list that is gone through, and whether anything of it was given.
    list: Option<(Elements, bool)>,
    _held: Option<Held>,
}

impl Iterator for Pieces {
    type Item = serde_json::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = Vec::new();
        while piece.len() < PIECE_BYTES {
            if let Some((elements, has_begun)) = &mut self.list {
                match elements.next() {
                    Some(Ok(element)) => {
                        if std::mem::replace(has_begun, true) {
                            piece.push(b',');
                        }
                        piece.extend(element);
                    }
                    Some(Err(error)) => return Some(Err(error)),
                    None => self.list = None,
                }
                continue;
            }
            match self.parts.next() {
                Some(Part::Text(text)) => piece.extend(text),
                Some(Part::List(elements)) => self.list = Some((elements, false)),
                None => break,
            }
        }
        (!piece.is_empty()).then_some(Ok(piece))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::*;

    async fn read(response: Response) -> Value {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn lists_of_any_length_stand_where_they_belong() {
        let whole = json!({ "a": "\"b\":[]", "b": [], "c": 1, "d": [] });
        for (b, d) in [(0, 0), (1, 0), (0, 2), (3, 40_000), (40_000, 40_000)] {
            let lists = [
                List::new("d", (0..d).collect(), |n: u64| json!({ "n": n, "b": [] })),
                List::new("b", (0..b).collect(), |n: u64| format!("text {n}")),
            ];
            let response = answer(&whole, lists, None).unwrap();
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            let texts: Vec<_> = (0..b).map(|n| format!("text {n}")).collect();
            let objects: Vec<_> = (0..d).map(|n| json!({ "n": n, "b": [] })).collect();
            assert_eq!(
                read(response).await,
                json!({ "a": "\"b\":[]", "b": texts, "c": 1, "d": objects }),
                "{b} and {d}"
            );
        }
    }

    #[tokio::test]
    async fn no_more_is_made_than_is_fetched_and_what_it_is_made_of_counts_until_then() {
        let pool = app::memory::Pool::new(1_000, 1_000);
        let held = pool.share(app::memory::Owner::Strangers).try_take(700);
        let made = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = std::sync::Arc::clone(&made);
        let each = move |_: u64| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            "x".repeat(10_000)
        };
        let list = List::new("a", (0..1_000).collect(), each);
        let mut body = answer(&json!({ "a": [] }), [list], held).unwrap().into_body();
        let made = || made.load(std::sync::atomic::Ordering::Relaxed);
        assert!(made() < 20, "{}", made());
        body.frame().await.unwrap().unwrap();
        body.frame().await.unwrap().unwrap();
        assert!(made() < 30, "{}", made());
        assert_eq!(pool.held(), 700);
        assert!(body.collect().await.unwrap().to_bytes().len() > 9_000_000);
        assert_eq!((made(), pool.held()), (1_000, 0));
    }
}
