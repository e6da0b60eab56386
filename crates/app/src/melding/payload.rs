//! The payload of a melding on its way in: small ones are collected, large ones go to Dokumentlager as they come.

use std::pin::Pin;

use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use domain::id::DokumentId;
use futures::{Stream, StreamExt as _};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload};

use crate::dokument::object_path;
use crate::error::{BoxError, Error};

/// A payload as it arrives, in pieces of whatever size.
pub type Payload = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// Pieces in which a large payload is stored. S3 wants at least 5 MiB and at most 10 000 of them; this fits 5 GiB.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Waits for the first byte and gives the stream back from there; `None` when there is no byte at all.
pub(super) async fn first_bytes(payload: &mut Payload) -> Result<Option<Bytes>, Error> {
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(Error::Interrupted)?;
        if !piece.is_empty() {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

/// What became of a payload.
pub(super) enum Received {
    /// It is small enough to go with the melding.
    Inline(Bytes),
    /// More than that has come; these are the first bytes and the stream goes on.
    Large(BytesMut),
}

/// Collects at most `inline_max` bytes.
pub(super) async fn collect(
    first: Bytes,
    payload: &mut Payload,
    inline_max: usize,
) -> Result<Received, Error> {
    let Some(second) = first_bytes(payload).await? else {
        // The usual case: one piece, no copy.
        return Ok(if first.len() > inline_max {
            Received::Large(BytesMut::from(first.as_ref()))
        } else {
            Received::Inline(first)
        });
    };
    let mut collected = BytesMut::from(first.as_ref());
    collected.extend_from_slice(&second);
    while collected.len() <= inline_max {
        match first_bytes(payload).await? {
            Some(piece) => collected.extend_from_slice(&piece),
            None => return Ok(Received::Inline(collected.freeze())),
        }
    }
    Ok(Received::Large(collected))
}

/// What was stored.
pub(super) struct Stored {
    pub(super) size_bytes: u64,
    pub(super) sha256: [u8; 32],
}

/// Stores a large payload, starting with `begun`, and tells what was stored. `take_room` is asked before each part
/// is written. On failure nothing is left behind.
pub(super) async fn store(
    store: &dyn ObjectStore,
    dokument: DokumentId,
    begun: BytesMut,
    payload: &mut Payload,
    max_bytes: u64,
    take_room: &mut (dyn FnMut(u64) -> Result<(), Error> + Send),
) -> Result<Stored, Error> {
    let upload = Upload { inner: Some(store.put_multipart(&object_path(dokument)).await?) };
    upload.fill(begun, payload, max_bytes, take_room).await
}

/// The sum of what a context has seen.
pub(crate) fn sha256(sum: digest::Context) -> [u8; 32] {
    sum.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// An upload that is aborted unless it was completed, also when the sender goes away and nobody waits for us any more.
struct Upload {
    inner: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    async fn fill(
        mut self,
        begun: BytesMut,
        payload: &mut Payload,
        max_bytes: u64,
        take_room: &mut (dyn FnMut(u64) -> Result<(), Error> + Send),
    ) -> Result<Stored, Error> {
        let upload = self.inner.as_mut().expect("it is taken only at the end");
        let mut size_bytes = begun.len() as u64;
        let mut sum = digest::Context::new(&digest::SHA256);
        sum.update(&begun);
        let mut part = begun;
        loop {
            if size_bytes > max_bytes {
                return Err(Error::TooLarge { max_bytes });
            }
            while part.len() >= PART_BYTES {
                take_room(PART_BYTES as u64)?;
                upload.put_part(PutPayload::from(part.split_to(PART_BYTES).freeze())).await?;
            }
            let Some(piece) = first_bytes(payload).await? else { break };
            size_bytes += piece.len() as u64;
            sum.update(&piece);
            part.extend_from_slice(&piece);
        }
        if !part.is_empty() {
            take_room(part.len() as u64)?;
            upload.put_part(PutPayload::from(part.freeze())).await?;
        }
        upload.complete().await?;
        self.inner = None;
        Ok(Stored { size_bytes, sha256: sha256(sum) })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut upload) = self.inner.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "failed to remove an unfinished upload"
                    );
                }
            });
        }
    }
}

/// Removes a document's bytes; one that is gone already is fine.
pub(crate) async fn remove(store: &dyn ObjectStore, dokument: DokumentId) -> Result<(), Error> {
    match store.delete(&object_path(dokument)).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
