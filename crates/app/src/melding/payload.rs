//! The payload of a melding on its way in: small ones are collected, large ones go to Dokumentlager as they come.
//!
//! Whatever is collected is taken from the memory of its sender first. Where there is none a payload goes to Dokumentlager
//! though it is small, so that nobody waits for somebody who stopped in the middle of a body.

use std::pin::Pin;

use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use domain::id::DokumentId;
use futures::{Stream, StreamExt as _};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload};

use crate::dokument::object_path;
use crate::error::{BoxError, Error};
use crate::memory::Held;

/// A payload as it arrives, in pieces of whatever size.
pub type Payload = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// Pieces in which a large payload is stored, where there is memory for that; else it is stored as it comes. Files take parts of
/// any size; a store that does not (S3 wants 5 MiB at least) must not be used without gathering them.
const PART_BYTES: usize = 256 * 1024;
/// A body comes in pieces of up to this.
const PIECE_BYTES: usize = 64 * 1024;
/// What is held of any payload while it comes: what was read ahead of it, and a piece in hand.
pub(super) const READ_AHEAD_BYTES: u64 = 64 * 1024;

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
    /// It is larger than that, or than there is memory for; these are the first bytes and the stream goes on.
    Large(BytesMut),
}

/// Collects at most `inline_max` bytes, as far as there is memory for them in `held`.
pub(super) async fn collect(
    first: Bytes,
    payload: &mut Payload,
    inline_max: usize,
    held: &mut Held,
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
    drop(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        let has_memory = make_room(&mut collected, piece.len(), inline_max, held);
        collected.extend_from_slice(&piece);
        if !has_memory || collected.len() > inline_max {
            return Ok(Received::Large(collected));
        }
        drop(piece);
        next = first_bytes(payload).await?;
    }
    Ok(Received::Inline(collected.freeze()))
}

/// Makes room for `more` bytes behind what was collected, and some beyond that, up to `max`. Whether there is memory for it.
fn make_room(collected: &mut BytesMut, more: usize, max: usize, held: &mut Held) -> bool {
    let needed = collected.len() + more;
    if needed <= collected.capacity() && size(needed) + READ_AHEAD_BYTES <= held.bytes() {
        return true;
    }
    // Twice as much each time, so that what is there is not copied for every piece. While it is copied both are there; nothing
    // but a buffer of its own is exactly as large as what was taken for it.
    let wanted = needed.saturating_mul(2).min(max).max(needed);
    let before = size(collected.capacity());
    let missing = (size(wanted) + before + READ_AHEAD_BYTES).saturating_sub(held.bytes());
    let has_memory = held.try_grow_beyond_need(missing);
    if has_memory {
        let mut grown = BytesMut::with_capacity(wanted);
        grown.extend_from_slice(collected);
        *collected = grown;
        held.shrink_to(size(wanted) + READ_AHEAD_BYTES);
    }
    has_memory
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// What was stored.
pub(super) struct Stored {
    pub(super) size_bytes: u64,
    pub(super) sha256: [u8; 32],
}

/// Stores a large payload, starting with `begun`, and tells what was stored. `take_room` is asked before each part
/// is written, and what waits to be written is taken from `held`. On failure nothing is left behind.
pub(super) async fn store(
    store: &dyn ObjectStore,
    dokument: DokumentId,
    begun: BytesMut,
    payload: &mut Payload,
    max_bytes: u64,
    take_room: &mut (dyn FnMut(u64) -> Result<(), Error> + Send),
    held: &mut Held,
) -> Result<Stored, Error> {
    let upload = Upload { inner: Some(store.put_multipart(&object_path(dokument)).await?) };
    upload.fill(begun, payload, max_bytes, take_room, held).await
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
        held: &mut Held,
    ) -> Result<Stored, Error> {
        let upload = self.inner.as_mut().expect("it is taken only at the end");
        let mut size_bytes = begun.len() as u64;
        let mut sum = digest::Context::new(&digest::SHA256);
        sum.update(&begun);
        let mut part = begun;
        // What was collected is written first of all, which gives its memory back.
        let mut next_part = 1;
        loop {
            if size_bytes > max_bytes {
                return Err(Error::TooLarge { max_bytes });
            }
            if part.len() >= next_part {
                take_room(size(part.len()))?;
                upload.put_part(PutPayload::from(std::mem::take(&mut part).freeze())).await?;
                // Of a body that comes slowly nothing is held but what has just come.
                held.shrink_to(READ_AHEAD_BYTES);
                next_part = 1;
                if held.try_grow_beyond_need(size(PART_BYTES)) {
                    part.reserve(PART_BYTES);
                    next_part = PART_BYTES - PIECE_BYTES;
                }
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
