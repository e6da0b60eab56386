//! Where payloads lie in their store.

use domain::id::DokumentId;
use object_store::path::Path;

/// Folder of all payloads.
pub const FOLDER: &str = "dokument";

/// Where the payload of `dokument` lies.
pub fn object_path(dokument: DokumentId) -> Path {
    Path::from(format!("{FOLDER}/{dokument}"))
}

/// The dokument whose payload lies at `path`; `None` where something else does.
pub fn dokument_at(path: &Path) -> Option<DokumentId> {
    path.filename()?.parse().ok()
}
