//! Feeds the parser of forms anything at all, for the fuzz target under `fuzz/`.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::send::multipart::{Event, Malformed, Parser};

/// What a form was read as: names of parts with their content.
type Parts = Vec<(String, Vec<u8>)>;

/// Reads `bytes` as a form with the boundary `XX`, whole and in pieces of `piece` bytes, and once more as a content type.
///
/// # Panics
/// When the way it is cut makes a difference; that is what is looked for.
pub fn read_form(bytes: &[u8], piece: usize) {
    let whole = parse([bytes]);
    let pieces = parse(bytes.chunks(piece.max(1)));
    assert!(whole == pieces, "cut into pieces it is another form");
    if let Ok(content_type) = HeaderValue::from_bytes(bytes) {
        let _ = Parser::new(&HeaderMap::from_iter([(CONTENT_TYPE, content_type)]));
    }
}

fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Parts, Malformed> {
    let content_type = HeaderValue::from_static("multipart/form-data; boundary=XX");
    let mut parser = Parser::new(&HeaderMap::from_iter([(CONTENT_TYPE, content_type)]))?;
    let mut pieces = pieces.into_iter();
    let mut parts = Parts::new();
    loop {
        match parser.next()? {
            Event::NeedMore => match pieces.next() {
                Some(piece) => parser.push(Bytes::copy_from_slice(piece)),
                None => parser.finish(),
            },
            Event::Part(name) => parts.push((name, Vec::new())),
            Event::Data(bytes) => {
                let (_, content) = parts.last_mut().expect("content follows the name of its part");
                content.extend_from_slice(&bytes);
            }
            Event::End => return Ok(parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn anything_at_all_is_read_alike_however_it_is_cut(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just(b"--XX".to_vec()),
                    Just(b"\r\n".to_vec()),
                    Just(b"Content-Disposition: form-data; name=".to_vec()),
                    prop::collection::vec(any::<u8>(), 0..6),
                ],
                0..20,
            ),
            piece in 1..9_usize,
        ) {
            super::read_form(&pieces.concat(), piece);
        }
    }
}
