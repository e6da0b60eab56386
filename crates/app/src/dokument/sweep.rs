//! Removing payloads whose time is over. None goes that a melding in the queues names, whatever the registry says.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::id::DokumentId;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::App;
use crate::dokument::{FOLDER, dokument_at};
use crate::error::Error;
use crate::melding::remove_object;

/// Documents that are looked for at a time in all that the queues hold.
const BATCH: u32 = 10_000;
/// Bytes without index entry that are younger than this may belong to a melding just being sent.
const ORPHAN_AGE: Duration = Duration::from_hours(24);

fn is_old(now: Timestamp, object: &ObjectMeta) -> bool {
    now.as_second() - object.last_modified.timestamp() > ORPHAN_AGE.as_secs().cast_signed()
}

impl App {
    /// Removes the documents whose time is over and that no melding in the queues names, and tells how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; what was removed until then stays removed.
    pub async fn remove_expired_dokumenter(&self) -> Result<u64, Error> {
        let now = self.now();
        let mut removed = 0;
        // Those that stay are read again and passed over, so each round asks for as many more.
        let mut kept = BTreeSet::new();
        loop {
            let limit = BATCH.saturating_add(u32::try_from(kept.len()).unwrap_or(u32::MAX));
            let expired = self.begin_read().await?.list_expired_dokumenter(now, limit).await?;
            let last = expired.len() < limit as usize;
            let wanted: BTreeSet<_> =
                expired.into_iter().map(|dokument| dokument.id).filter(|id| !kept.contains(id)).collect();
            let named = self.named_dokumenter(&wanted).await?;
            for id in wanted.difference(&named) {
                // Somebody copies them; there is a next time.
                let Ok(_removing) = self.inner.removal.try_read() else { return Ok(removed) };
                removed += u64::from(self.remove_expired_dokument(*id, now).await?);
            }
            kept.extend(named);
            if last {
                return Ok(removed);
            }
        }
    }

    /// Removes old bytes that neither the index knows nor a melding in the queues names, left by a crash between storing and
    /// indexing, and tells how many objects.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn remove_orphaned_payloads(&self) -> Result<u64, Error> {
        let now = self.now();
        let mut removed = 0;
        let mut unknown = BTreeSet::new();
        let mut objects = self.inner.payloads.list(Some(&Path::from(FOLDER)));
        while let Some(object) = objects.try_next().await? {
            if !is_old(now, &object) {
                continue;
            }
            if let Some(id) = dokument_at(&object.location)
                && self.begin_read().await?.dokument(id).await?.is_none()
            {
                unknown.insert(id);
            }
        }
        let named = self.named_dokumenter(&unknown).await?;
        for id in unknown.difference(&named) {
            let Ok(_removing) = self.inner.removal.try_read() else { return Ok(removed) };
            remove_object(&*self.inner.payloads, *id).await?;
            removed += 1;
        }
        Ok(removed)
    }

    /// How many payloads the index does not know although a melding in the queues names them: the registry is older.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn count_unknown_payloads(&self) -> Result<u64, Error> {
        let mut found = BTreeSet::new();
        let mut objects = self.inner.payloads.list(Some(&Path::from(FOLDER)));
        while let Some(object) = objects.try_next().await? {
            if let Some(id) = dokument_at(&object.location)
                && self.begin_read().await?.dokument(id).await?.is_none()
            {
                found.insert(id);
            }
        }
        let mut unknown = 0;
        for id in self.named_dokumenter(&found).await? {
            // One that was under way at the first look is known by now.
            if self.begin_read().await?.dokument(id).await?.is_none() {
                unknown += 1;
            }
        }
        Ok(unknown)
    }

    async fn named_dokumenter(&self, wanted: &BTreeSet<DokumentId>) -> Result<BTreeSet<DokumentId>, Error> {
        if wanted.is_empty() {
            return Ok(BTreeSet::new());
        }
        Ok(self.inner.broker.named_dokumenter(wanted.clone()).await?)
    }

    /// Unless its time was prolonged meanwhile, as for a dead letter that somebody puts back.
    async fn remove_expired_dokument(&self, id: DokumentId, now: Timestamp) -> Result<bool, Error> {
        let dokument = self.begin_read().await?.dokument(id).await?;
        if dokument.is_some_and(|dokument| dokument.utloper > now) {
            return Ok(false);
        }
        self.remove_dokument(id).await?;
        Ok(true)
    }

    /// Bytes first: an index entry without bytes is found again by the next sweep, bytes without entry only by a search.
    pub(crate) async fn remove_dokument(&self, id: DokumentId) -> Result<(), Error> {
        remove_object(&*self.inner.payloads, id).await?;
        let mut tx = self.begin().await?;
        tx.remove_dokument(id).await?;
        tx.commit().await?;
        self.inner.kvote.forget();
        Ok(())
    }
}
