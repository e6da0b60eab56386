//! What uploads to Dokumentlager leave behind when the process ends under them.
//!
//! A store in a folder writes each upload as `<name>#<number>` and gives it its name at the end; it neither lists nor opens
//! such a file, so that nobody but this module ever sees one again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

/// An upload to which nothing was written for so long is nobody's: a connection that is silent is closed long before.
pub(crate) const ALDER: Duration = Duration::from_hours(1);

/// The unfinished uploads in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Uferdige {
    folder: PathBuf,
}

/// One of them.
struct Fil {
    path: PathBuf,
    bytes: u64,
    /// When it was last written to.
    skrevet: Option<Timestamp>,
}

impl Uferdige {
    pub(crate) fn new(dokumentlager: &Path) -> Self {
        Self { folder: dokumentlager.join(app::dokument::FOLDER) }
    }

    /// How many there are and how many bytes they take, those of uploads under way included. Blocks.
    pub(crate) fn count(&self) -> io::Result<(u64, u64)> {
        let found = self.list()?;
        Ok((found.len() as u64, found.iter().map(|fil| fil.bytes).sum()))
    }

    /// Removes those to which nothing was written for [`ALDER`]; tells how many and how many bytes they took. Blocks.
    pub(crate) fn sweep(&self, now: Timestamp) -> io::Result<(u64, u64)> {
        let (mut count, mut bytes) = (0, 0);
        for fil in self.list()? {
            let is_old = fil.skrevet.is_some_and(|at| {
                now.as_second().saturating_sub(at.as_second()) > ALDER.as_secs().cast_signed()
            });
            if is_old {
                match std::fs::remove_file(&fil.path) {
                    Ok(()) => (count, bytes) = (count + 1, bytes + fil.bytes),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok((count, bytes))
    }

    fn list(&self) -> io::Result<Vec<Fil>> {
        let mut found = Vec::new();
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if !is_staged(&entry.file_name().to_string_lossy()) {
                continue;
            }
            // It may get its name, or be removed, while we look.
            let Ok(known) = entry.metadata() else { continue };
            let skrevet = known.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
            found.push(Fil { path: entry.path(), bytes: known.len(), skrevet });
        }
        Ok(found)
    }
}

fn is_staged(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;
    use object_store::path::Path as ObjectPath;
    use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};

    use super::*;
    use crate::adapters::SystemClock;
    use app::ports::Clock as _;

    #[tokio::test]
    async fn what_an_upload_has_left_is_counted_and_goes_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let uferdige = Uferdige::new(folder.path());
        assert_eq!(uferdige.count().unwrap(), (0, 0));
        let store: Arc<dyn ObjectStore> =
            Arc::new(object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap());
        let name = |id: &str| ObjectPath::from(format!("dokument/{id}"));
        let whole = name("018f3c4e-0000-7000-8000-000000000001");
        store.put(&whole, PutPayload::from_static(b"whole")).await.unwrap();
        let left = name("018f3c4e-0000-7000-8000-000000000002");
        let mut upload = store.put_multipart(&left).await.unwrap();
        upload.put_part(PutPayload::from_static(b"half")).await.unwrap();
        // As after a kill: nobody completes or aborts it.
        std::mem::forget(upload);

        assert_eq!(uferdige.count().unwrap(), (1, 4));
        let now = SystemClock.now();
        assert_eq!(uferdige.sweep(now).unwrap(), (0, 0));
        let later = now.checked_add(SignedDuration::from_mins(61)).unwrap();
        assert_eq!(uferdige.sweep(later).unwrap(), (1, 4));
        assert_eq!(uferdige.count().unwrap(), (0, 0));
        assert_eq!(store.get(&whole).await.unwrap().bytes().await.unwrap(), "whole");
    }
}
