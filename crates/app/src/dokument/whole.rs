//! Whether a payload is what was stored. None is served as whole that is not.

use std::fmt;

use aws_lc_rs::digest;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::GetResult;

use crate::App;
use crate::dokument::object_path;
use crate::error::{BoxError, Error};
use crate::melding::sha256;
use crate::ports::Dokument;

/// Payloads of up to this size are read and compared before their first byte is served, so that whoever asks for a damaged
/// one gets an answer that says so. That they are read twice costs little, for the second time they come from memory.
const COMPARED_FIRST_BYTES: u64 = 8 * 1024 * 1024;

/// A payload that is not what was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedDokument {
    /// What was stored.
    pub dokument: Dokument,
    /// What is there instead.
    pub damage: Damage,
}

/// What is there instead of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Nothing.
    #[error("it is not where it was stored")]
    Missing,
    /// Another number of bytes.
    #[error("it has {size_bytes} bytes and not as many as were stored")]
    Size {
        /// How many.
        size_bytes: u64,
    },
    /// As many, but others.
    #[error("its bytes are not those that were stored")]
    Bytes,
}

impl fmt::Display for DamagedDokument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Dokument { id, avsender, mottaker, size_bytes, melding, .. } = &self.dokument;
        write!(f, "document {id} of {size_bytes} bytes")?;
        if let Some(melding) = melding {
            write!(f, ", the payload of melding {melding}")?;
        }
        write!(f, " from konto {avsender} to konto {mottaker}, is damaged")
    }
}

impl std::error::Error for DamagedDokument {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.damage)
    }
}

impl App {
    /// Opens what was stored as `dokument`. What it gives ends in an error rather than in the last bytes of a payload that
    /// is damaged.
    pub(super) async fn open_whole(
        &self,
        dokument: Dokument,
    ) -> Result<BoxStream<'static, Result<Bytes, BoxError>>, Error> {
        if dokument.sha256.is_some() && dokument.size_bytes <= COMPARED_FIRST_BYTES {
            let mut bytes = compared(self.open_payload(&dokument).await?, &dokument);
            while let Some(read) = bytes.next().await {
                match read {
                    Ok(_) => {}
                    Err(Read::Failed(error)) => return Err(error.into()),
                    Err(Read::Damaged(damage)) => return Err(self.damaged(dokument, damage).await),
                }
            }
        }
        let bytes = compared(self.open_payload(&dokument).await?, &dokument);
        let app = self.clone();
        let bytes = bytes.or_else(move |read| {
            let (app, dokument) = (app.clone(), dokument.clone());
            async move {
                let damage = match read {
                    Read::Failed(error) => return Err(error.into()),
                    Read::Damaged(damage) => damage,
                };
                let error = app.damaged(dokument, damage).await;
                // The answer has begun, so nobody else will log it.
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a payload in Dokumentlager is damaged; its transfer was broken off"
                );
                Err(error.into())
            }
        });
        Ok(bytes.boxed())
    }

    async fn open_payload(&self, dokument: &Dokument) -> Result<GetResult, Error> {
        let found = match object_store::ObjectStoreExt::get(&*self.inner.payloads, &object_path(dokument.id))
            .await
        {
            // It may be put back, or its folder may not be mounted, so nothing is done about its melding.
            Err(object_store::Error::NotFound { .. }) => {
                return Err(DamagedDokument { dokument: dokument.clone(), damage: Damage::Missing }.into());
            }
            found => found?,
        };
        if found.meta.size != dokument.size_bytes {
            let damage = Damage::Size { size_bytes: found.meta.size };
            return Err(self.damaged(dokument.clone(), damage).await);
        }
        Ok(found)
    }

    /// Has the melding that names the payload set aside, if a consumer holds it, for nobody can read it any more. Returns
    /// what to answer.
    async fn damaged(&self, dokument: Dokument, damage: Damage) -> Error {
        if let Some(melding) = dokument.melding
            && let Err(error) = self.inner.broker.set_aside_held(dokument.mottaker, melding).await
        {
            tracing::warn!(
                melding.id = %melding,
                konto.id = %dokument.mottaker,
                error = &error as &dyn std::error::Error,
                "a melding whose payload is damaged could not be set aside"
            );
        }
        DamagedDokument { dokument, damage }.into()
    }
}

/// Why reading ended early.
enum Read {
    /// The store failed.
    Failed(object_store::Error),
    /// What was read is not what was stored.
    Damaged(Damage),
}

/// What is read, compared with what was stored. The last piece is held back until all is known to be right.
fn compared(found: GetResult, dokument: &Dokument) -> impl Stream<Item = Result<Bytes, Read>> + Send + use<> {
    struct State {
        bytes: BoxStream<'static, object_store::Result<Bytes>>,
        sum: digest::Context,
        held: Option<Bytes>,
        left_bytes: u64,
    }
    let (size_bytes, stored) = (dokument.size_bytes, dokument.sha256);
    let state = State {
        bytes: found.into_stream(),
        sum: digest::Context::new(&digest::SHA256),
        held: None,
        left_bytes: size_bytes,
    };
    let pieces = stream::try_unfold(Some(state), move |state| async move {
        let Some(mut state) = state else { return Ok(None) };
        loop {
            let Some(piece) = state.bytes.try_next().await.map_err(Read::Failed)? else { break };
            if piece.is_empty() {
                continue;
            }
            if stored.is_some() {
                state.sum.update(&piece);
            }
            let read = piece.len() as u64;
            state.left_bytes = state
                .left_bytes
                .checked_sub(read)
                .ok_or(Read::Damaged(Damage::Size { size_bytes: size_bytes.saturating_add(read) }))?;
            if let Some(before) = state.held.replace(piece) {
                return Ok(Some((before, Some(state))));
            }
        }
        if state.left_bytes > 0 {
            return Err(Read::Damaged(Damage::Size { size_bytes: size_bytes - state.left_bytes }));
        }
        if stored.is_some_and(|stored| stored != sha256(state.sum)) {
            return Err(Read::Damaged(Damage::Bytes));
        }
        Ok(state.held.map(|last| (last, None)))
    });
    // Whoever reads on after an error would find a stream that is not there any more.
    pieces.fuse().boxed()
}
