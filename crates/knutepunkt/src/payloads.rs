//! Where large payloads lie.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

/// The store in a folder that is there.
///
/// # Errors
/// When it cannot be used.
pub(crate) fn store(folder: &Path) -> object_store::Result<Arc<dyn ObjectStore>> {
    // Every payload is on the disk before its melding is: that is what a 202 promises.
    let store = LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(false).with_fsync(true);
    Ok(Arc::new(store))
}
