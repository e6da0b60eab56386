//! Fetching a payload.

use bytes::Bytes;
use domain::id::DokumentId;
use futures::StreamExt as _;
use futures::stream::BoxStream;

use crate::error::{BoxError, Error, Forbidden, Missing};
use crate::memory::{Owner, Part};
use crate::ports::Dokument;
use crate::{App, Caller};

/// What is held of a payload while somebody fetches it, at most: what the edge has not sent yet, and a few pieces that were
/// read. None of it is read before it is asked for.
const WAITING_BYTES: u64 = 96 * 1024;

/// A payload on its way out.
pub struct Download {
    /// Its bytes.
    pub bytes: BoxStream<'static, Result<Bytes, BoxError>>,
    /// How many there are.
    pub size_bytes: u64,
}

impl App {
    /// What is known of a document. Its sender and its receiver may ask, for as long as it is kept: beyond its time while a
    /// melding that a consumer holds, or a dead letter, still names it.
    ///
    /// # Errors
    /// [`Error::NotFound`] also once it was removed, [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn dokument(&self, caller: &Caller, id: DokumentId) -> Result<Dokument, Error> {
        let dokument = self.begin_read().await?.dokument(id).await?.ok_or(Missing::Dokument(id))?;
        match caller {
            Caller::Operator => Ok(dokument),
            // Nobody but the kontoer themselves can read it, so there is nothing for a person to look at.
            Caller::Person(_) => Err(Missing::Dokument(id).into()),
            Caller::Integrasjon(integrasjon) => {
                for konto in [dokument.mottaker, dokument.avsender] {
                    if self.authorize_consume(integrasjon, konto).await.is_ok() {
                        return Ok(dokument);
                    }
                }
                Err(Forbidden::ForeignDokument { dokument: id }.into())
            }
        }
    }

    /// Opens a document for reading. As often as wanted: clients fetch it again on each look at the payload.
    ///
    /// What is served is compared with what was stored. Where it differs, the stream ends in an error before its last bytes.
    ///
    /// # Errors
    /// As [`App::dokument`]; [`Error::TooMany`] where its organisasjon, or all together, fetch as much as there is memory for;
    /// [`Error::Damaged`] where that is known before the first byte.
    pub async fn download_dokument(&self, caller: &Caller, id: DokumentId) -> Result<Download, Error> {
        let dokument = self.dokument(caller, id).await?;
        let held = match Owner::of(caller) {
            Some(owner) => {
                let share = self.memory_out().share(owner).part(Part::Fetched);
                Some(share.take_soon(WAITING_BYTES).await?)
            }
            None => None,
        };
        let size_bytes = dokument.size_bytes;
        let bytes = self.open_whole(dokument).await?;
        // Held for as long as somebody may still fetch.
        let bytes = bytes.inspect(move |_| {
            let _ = &held;
        });
        Ok(Download { bytes: bytes.boxed(), size_bytes })
    }
}
