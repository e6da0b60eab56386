//! Ways to a socket: the system takes none that is longer than some hundred bytes, and a data folder may lie deeper.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// A unix socket's path is no longer than this. Bytes.
const MAX: usize = 107;

/// A way to a file in a folder that is short enough for a socket, for as long as this is held.
pub(super) struct Short {
    path: PathBuf,
    _folder: Option<File>,
}

impl Short {
    /// To the file `name` in `folder`: by the open folder where its own path is too long.
    ///
    /// # Errors
    /// When there is no such folder.
    pub(super) fn to(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(name);
        if path.as_os_str().len() <= MAX {
            return Ok(Self { path, _folder: None });
        }
        let folder = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()));
        Ok(Self { path, _folder: Some(folder) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
