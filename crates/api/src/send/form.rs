//! The form of a melding: `metadata`, then perhaps `data`, read as it comes.

use app::BoxError;
use app::melding::Payload;
use app::memory::Held;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::stream;
use http::HeaderMap;
use wire::send::{PART_DATA, PART_METADATA, SendMetadata};

use crate::extract::{JsonFault, parse_json};
use crate::send::multipart::{Event, Malformed, Parser};
use crate::send::upload::Upload;

/// Largest `metadata` in bytes. The sender's own headers are most of it.
const MAX_METADATA_BYTES: usize = 256 * 1024;

/// A payload that begins with a piece of at most this many bytes has that piece copied. It is nearly always the whole
/// payload, which then lives for as long as the queue keeps it in memory, and would keep the connection's read buffer
/// alive with it, many times its size.
const COPIED_BYTES: usize = 64 * 1024;

/// Why a form could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormFault {
    /// It is no form.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It has no part at all.
    #[error("the form has no metadata")]
    MetadataMissing,
    /// It starts with another part.
    #[error("the first part is not metadata")]
    NotMetadataFirst {
        /// The other part.
        name: String,
    },
    /// A part stands twice.
    #[error("a part stands twice")]
    Duplicate {
        /// The part.
        name: String,
    },
    /// It has a part that nobody asked for.
    #[error("the form has an unknown part")]
    Unknown {
        /// The part.
        name: String,
    },
    /// The metadata are larger than any need to be.
    #[error("the metadata have more than {max_bytes} bytes")]
    MetadataTooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// The metadata are not what was asked for.
    #[error("the metadata cannot be read")]
    Metadata(#[source] JsonFault),
    /// The client went away.
    #[error("the form did not arrive whole")]
    Interrupted(#[source] BoxError),
    /// There is no memory for its metadata.
    #[error(transparent)]
    NoMemory(Box<app::Error>),
    /// The client fell silent.
    #[error("the form stopped arriving")]
    Stalled,
}

/// A form on its way in.
pub(super) struct Form {
    parser: Parser,
    upload: Upload,
}

impl Form {
    /// Starts on a body with these headers.
    pub(super) fn new(headers: &HeaderMap, body: Body) -> Result<Self, FormFault> {
        // First of all, so that the body is read to its end whatever is wrong.
        let upload = Upload::new(headers, body);
        Ok(Self { parser: Parser::new(headers)?, upload })
    }

    /// Reads the metadata, and up to the first byte of the payload if one follows.
    ///
    /// The payload ends well only when the whole form did: a duplicate part or a missing last boundary is an error of the
    /// stream, so that nothing is sent.
    /// Metadata take what they need beyond the usual from `held`.
    pub(super) async fn open(
        mut self,
        held: &mut Held,
    ) -> Result<(SendMetadata, Option<Payload>), FormFault> {
        match self.next().await? {
            Event::Part(name) if name == PART_METADATA => {}
            Event::Part(name) => return Err(FormFault::NotMetadataFirst { name }),
            _ => return Err(FormFault::MetadataMissing),
        }
        let mut metadata = Bytes::new();
        let has_data = loop {
            match self.next().await? {
                Event::Data(bytes) => {
                    if metadata.len() + bytes.len() > MAX_METADATA_BYTES {
                        return Err(FormFault::MetadataTooLarge { max_bytes: MAX_METADATA_BYTES });
                    }
                    let more = bytes.len() as u64;
                    if !metadata.is_empty() && !held.try_grow(more) {
                        return Err(FormFault::NoMemory(Box::new(held.refusal(more))));
                    }
                    metadata = join(metadata, bytes);
                }
                Event::Part(name) if name == PART_DATA => break true,
                Event::Part(name) => return Err(wrong(name)),
                Event::End | Event::NeedMore => break false,
            }
        };
        let metadata = parse_json(&metadata).map_err(FormFault::Metadata)?;
        Ok((metadata, has_data.then(|| self.into_payload())))
    }

    fn into_payload(self) -> Payload {
        Box::pin(stream::try_unfold((self, true), |(mut form, is_first)| async move {
            match form.next().await {
                Ok(Event::Data(bytes)) if is_first && bytes.len() <= COPIED_BYTES => {
                    Ok(Some((Bytes::copy_from_slice(&bytes), (form, false))))
                }
                Ok(Event::Data(bytes)) => Ok(Some((bytes, (form, false)))),
                Ok(Event::Part(name)) => Err(wrong(name).into()),
                Ok(Event::End | Event::NeedMore) => Ok(None),
                Err(fault) => Err(fault.into()),
            }
        }))
    }

    /// What comes next in the form, never [`Event::NeedMore`].
    async fn next(&mut self) -> Result<Event, FormFault> {
        loop {
            let event = self.parser.next()?;
            if event != Event::NeedMore {
                return Ok(event);
            }
            match self.upload.next().await? {
                Some(bytes) => self.parser.push(bytes),
                None => self.parser.finish(),
            }
        }
    }
}

fn wrong(name: String) -> FormFault {
    if name == PART_METADATA || name == PART_DATA {
        FormFault::Duplicate { name }
    } else {
        FormFault::Unknown { name }
    }
}

/// Metadata nearly always come in one piece, which is then not copied.
fn join(begun: Bytes, more: Bytes) -> Bytes {
    if begun.is_empty() {
        return more;
    }
    let mut joined = begun.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
    joined.extend_from_slice(&more);
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;
    use serde_json::json;

    use super::*;
    use crate::testing::{BOUNDARY, form};

    #[tokio::test]
    async fn small_payload_does_not_keep_the_buffer_that_it_came_in() {
        let mut headers = HeaderMap::new();
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(&content_type).unwrap());
        let id = "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1";
        let metadata = json!({ "avsenderKontoId": id, "mottakerKontoId": id, "meldingType": "m" });
        let body = Bytes::from(form(&metadata, Some(b"payload")));
        let owner = app::memory::Owner::Strangers;
        let mut held = app::memory::Pool::new(1, 1).share(owner).try_take(1).unwrap();
        let (_, payload) =
            Form::new(&headers, Body::from(body.clone())).unwrap().open(&mut held).await.unwrap();
        let pieces: Vec<_> = payload.unwrap().collect().await;
        assert_eq!(pieces.len(), 1);
        assert_eq!(pieces[0].as_ref().unwrap(), "payload");
        assert!(body.is_unique(), "something still holds the buffer");
    }
}
