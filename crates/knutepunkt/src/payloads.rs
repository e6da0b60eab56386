//! Where large payloads lie.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// The store in a folder that is there.
///
/// # Errors
/// When it cannot be used.
pub(crate) fn store(folder: &Path) -> Result<Arc<dyn ObjectStore>> {
    Ok(Arc::new(local(folder)?))
}

/// The same, for a server that runs on while disks come and go: it is used only for as long as the file `object` is there,
/// which says whose it is.
///
/// # Errors
/// When it cannot be used.
pub(crate) fn store_of(folder: &Path, object: PathBuf) -> Result<Arc<dyn ObjectStore>> {
    Ok(Arc::new(Marked { inner: local(folder)?, object }))
}

fn local(folder: &Path) -> Result<LocalFileSystem> {
    // Every payload is on the disk before its melding is: that is what a 202 promises.
    Ok(LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(false).with_fsync(true))
}

/// A store whose folder may be another one all of a sudden, as when its disk is unmounted. Nothing is put into that one, and
/// what is not there is not taken for lost.
#[derive(Debug)]
struct Marked {
    inner: LocalFileSystem,
    object: PathBuf,
}

#[derive(Debug, thiserror::Error)]
#[error("{} is gone: is the disk of Dokumentlager mounted? Bring it back; nothing is stored meanwhile", object.display())]
struct Gone {
    object: PathBuf,
}

impl Marked {
    async fn check(&self) -> Result<()> {
        match tokio::fs::try_exists(&self.object).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(failed(Gone { object: self.object.clone() })),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Generic { store: "Dokumentlager", source: Box::new(source) }
}

impl fmt::Display for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Marked {
    async fn put_opts(
        &self,
        location: &ObjectPath,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.check().await?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &ObjectPath,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.check().await?;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &ObjectPath, options: GetOptions) -> Result<GetResult> {
        let found = self.inner.get_opts(location, options).await;
        if let Err(Error::NotFound { .. }) = found {
            self.check().await?;
        }
        found
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<ObjectPath>>,
    ) -> BoxStream<'static, Result<ObjectPath>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &ObjectPath, to: &ObjectPath, options: CopyOptions) -> Result<()> {
        self.check().await?;
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt as _;

    use super::*;

    /// As when a disk is unmounted under a server, and mounted again.
    #[tokio::test]
    async fn folder_that_is_no_longer_ours_takes_nothing_and_nothing_in_it_counts_as_lost() {
        let folder = tempfile::tempdir().unwrap();
        let (place, aside) = (folder.path().join("dokumentlager"), folder.path().join("aside"));
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("installasjon"), "").unwrap();
        let store = store_of(&place, place.join("installasjon")).unwrap();
        let (first, second) = (ObjectPath::from("dokument/1"), ObjectPath::from("dokument/2"));
        store.put(&first, "a".into()).await.unwrap();

        std::fs::rename(&place, &aside).unwrap();
        std::fs::create_dir(&place).unwrap();
        assert!(matches!(store.put(&second, "b".into()).await, Err(Error::Generic { .. })));
        assert!(matches!(store.put_multipart(&second).await, Err(Error::Generic { .. })));
        assert!(matches!(store.get(&first).await, Err(Error::Generic { .. })));
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);

        std::fs::remove_dir(&place).unwrap();
        std::fs::rename(&aside, &place).unwrap();
        assert!(store.get(&first).await.is_ok());
        assert!(matches!(store.get(&second).await, Err(Error::NotFound { .. })));
    }
}
