//! Feeds the parsers of forms and JSON bodies anything at all, for `tests/parsers` and the fuzz targets under `fuzz/`.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::katalog::{SettOffentligNokkel, SettOffentligNokkelKatalog};
use wire::konfigurasjon::{
    CreateProtokollKontoRequest, ProtokollKontoSokRequest, ProtokollSystemSokRequest,
    UpdateOffentligNokkelRequest, UpdateParterRequest, UpdateProtokollKontoInfoRequest,
    UpdateSystemInfoRequest,
};
use wire::send::SendMetadata;

use crate::extract::parse_json;
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

/// Reads `bytes` as each body of the APIs.
///
/// # Panics
/// When what was read is written and read again as something else; that is what is looked for.
pub fn read_json(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    body::<SendMetadata>(&bytes);
    body::<CreateProtokollKontoRequest>(&bytes);
    body::<ProtokollKontoSokRequest>(&bytes);
    body::<ProtokollSystemSokRequest>(&bytes);
    body::<UpdateOffentligNokkelRequest>(&bytes);
    body::<UpdateParterRequest>(&bytes);
    body::<UpdateProtokollKontoInfoRequest>(&bytes);
    body::<UpdateSystemInfoRequest>(&bytes);
    // What they hold is judged by the parser of certificates.
    drop(parse_json::<SettOffentligNokkel>(&bytes));
    drop(parse_json::<SettOffentligNokkelKatalog>(&bytes));
}

fn body<T: DeserializeOwned + Serialize + PartialEq>(bytes: &Bytes) {
    let Ok(read) = parse_json::<T>(bytes) else { return };
    let written = serde_json::to_vec(&read).expect("what was read from JSON can be written as JSON");
    let again = parse_json::<T>(&written.into()).ok();
    assert!(again.is_some_and(|again| again == read), "written and read again it is another body");
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
