//! Removing payloads whose time is over.

use std::time::Duration;

use domain::id::DokumentId;
use futures::TryStreamExt as _;
use object_store::path::Path;

use crate::App;
use crate::error::Error;
use crate::melding::remove_object;

/// Documents removed in one unit of work.
const BATCH: u32 = 100;
/// Bytes without index entry that are younger than this may belong to a melding just being sent.
const ORPHAN_AGE: Duration = Duration::from_hours(24);

impl App {
    /// Removes the documents whose time is over, and tells how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; what was removed until then stays removed.
    pub async fn remove_expired_dokumenter(&self) -> Result<u64, Error> {
        let mut removed = 0;
        loop {
            let expired = self.begin().await?.list_expired_dokumenter(self.now(), BATCH).await?;
            for dokument in &expired {
                self.remove_dokument(dokument.id).await?;
                removed += 1;
            }
            if expired.len() < BATCH as usize {
                return Ok(removed);
            }
        }
    }

    /// Removes bytes that no index entry knows, left by a crash between storing and indexing, and tells how many objects.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn remove_orphaned_payloads(&self) -> Result<u64, Error> {
        let mut removed = 0;
        let mut objects = self.inner.payloads.list(Some(&Path::from("dokument")));
        while let Some(object) = objects.try_next().await? {
            let age = self.now().as_second() - object.last_modified.timestamp();
            let Some(id) = object.location.filename().and_then(|name| name.parse::<DokumentId>().ok()) else {
                continue;
            };
            if age > ORPHAN_AGE.as_secs().cast_signed()
                && self.begin_read().await?.dokument(id).await?.is_none()
            {
                remove_object(&*self.inner.payloads, id).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Bytes first: an index entry without bytes is found again by the next sweep, bytes without entry only by a search.
    pub(crate) async fn remove_dokument(&self, id: DokumentId) -> Result<(), Error> {
        remove_object(&*self.inner.payloads, id).await?;
        let mut tx = self.begin().await?;
        tx.remove_dokument(id).await?;
        Ok(tx.commit().await?)
    }
}
