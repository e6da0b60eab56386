//! Sending: `POST /fiks-io/api/v1/send`, the payload encrypted while it goes out.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use asice::{RecipientCertificate, Signer};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method};
use wire::send::{PART_DATA, PART_METADATA, SendMetadata, SendtMelding};

use crate::ambient::random_uuid;
use crate::error::{Error, Peer};
use crate::http::{ANSWER_TIMEOUT, Api, parse_json};
use crate::request::Content;

const PATH: [&str; 4] = ["fiks-io", "api", "v1", "send"];

/// What the payload is signed with and encrypted to.
pub(crate) struct Packing {
    pub(crate) signer: Signer,
    pub(crate) recipient: RecipientCertificate,
}

/// The `data` part: bytes that are there, or made while they are sent.
enum Data {
    None,
    Bytes(Bytes),
    Stream(Body),
}

/// Sends `content`; `packing` is needed for files only.
pub(crate) async fn send(
    api: &Api,
    metadata: &SendMetadata,
    content: Content,
    packing: Option<Packing>,
) -> Result<SendtMelding, Error> {
    match (content, packing) {
        (Content::None, _) => post(api, metadata, Data::None).await,
        (Content::Encrypted(bytes), _) => post(api, metadata, Data::Bytes(bytes)).await,
        (Content::Files(_), None) => Err(Error::NoSigner),
        (Content::Files(files), Some(packing)) => {
            let payload = asice::pack_encrypted(files, packing.signer, packing.recipient)?;
            let (body, failure) = watched(payload);
            post(api, metadata, Data::Stream(body)).await.map_err(|error| failure.take().unwrap_or(error))
        }
    }
}

/// Sends bytes that are encrypted already, or none.
pub(crate) async fn send_raw(
    api: &Api,
    metadata: &SendMetadata,
    data: Option<Bytes>,
) -> Result<SendtMelding, Error> {
    post(api, metadata, data.filter(|data| !data.is_empty()).map_or(Data::None, Data::Bytes)).await
}

async fn post(api: &Api, metadata: &SendMetadata, data: Data) -> Result<SendtMelding, Error> {
    let metadata = serde_json::to_vec(metadata)
        .map_err(|error| Error::unexpected(Peer::Api, format!("metadata is no JSON: {error}")))?;
    // The server reads the parts in order and must know the metadata before the first byte of payload.
    let mut form = Form::new().part(PART_METADATA, typed(Part::bytes(metadata), "application/json")?);
    let mut timeout = Some(ANSWER_TIMEOUT);
    let part = match data {
        Data::None => None,
        Data::Bytes(bytes) => Some(Part::stream_with_length(bytes.clone(), bytes.len() as u64)),
        Data::Stream(body) => {
            // It takes as long as it takes; a dead peer is found by TCP's keep-alive.
            timeout = None;
            Some(Part::stream(body))
        }
    };
    if let Some(part) = part {
        let part = part.file_name(random_uuid().to_string());
        form = form.part(PART_DATA, typed(part, "application/octet-stream")?);
    }
    let mut request = api.request(Method::POST, &PATH).await?.multipart(form);
    if let Some(timeout) = timeout {
        request = request.timeout(timeout);
    }
    let response = api.execute(request).await?;
    parse_json(response).await
}

fn typed(part: Part, media_type: &'static str) -> Result<Part, Error> {
    part.mime_str(media_type).map_err(|error| Error::connection(Peer::Api, error))
}

/// What went wrong in a payload while it was read by the HTTP client, which would only say that its body failed.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn watched(payload: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> (Body, Failure) {
    let failure = Failure::default();
    let slot = failure.clone();
    let pieces = payload.map(move |piece| {
        piece.map_err(|error| {
            let message = error.to_string();
            let error = Error::from(asice::Error::from(error));
            *slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            io::Error::other(message)
        })
    });
    (Body::wrap_stream(pieces), failure)
}
