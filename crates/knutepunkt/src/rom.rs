//! Room on the disk of the data folder.

use std::path::PathBuf;

use app::Rom;

/// Looks at the file system that a folder lies on.
pub(crate) struct Mappe {
    pub(crate) folder: PathBuf,
    /// Kept free.
    pub(crate) min_free_bytes: u64,
}

impl Rom for Mappe {
    fn has_room(&self) -> bool {
        // Where the system does not say, the write itself does.
        fs4::available_space(&self.folder).map_or(true, |free| free >= self.min_free_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_down_to_what_is_kept_free() {
        let folder = tempfile::tempdir().unwrap();
        let has_room = |min_free_bytes| Mappe { folder: folder.path().to_owned(), min_free_bytes }.has_room();
        assert!(has_room(1));
        assert!(!has_room(u64::MAX));
    }
}
