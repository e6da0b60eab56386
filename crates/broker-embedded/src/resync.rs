//! Makes sure that what is read from a journal after a failure is what lies on the disk.
//!
//! When `fsync` fails, the operating system may drop what it could not write and yet show it to whoever reads, until it
//! needs the memory; the next `fsync` succeeds all the same. A journal that goes on behind such a gap would be cut there by
//! the next loss of power, with all that was promised later. So before a log is opened again, its journals are written once
//! more, in place and byte for byte as they are read, and synced. That needs no room, and may stop anywhere without harm.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes at a time.
const CHUNK: usize = 1024 * 1024;

/// Writes the journals in `folder` once more.
///
/// # Errors
/// The disk still fails; nothing is worse than before.
pub(crate) fn journals(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            rewrite(&path)?;
        }
    }
    Ok(())
}

fn rewrite(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut chunk = vec![0; CHUNK];
    let mut at = 0;
    loop {
        let count = file.read_at(&mut chunk, at)?;
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else { break };
        file.write_all_at(read, at)?;
        at += count as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journals_are_the_same_afterwards() {
        let folder = tempfile::tempdir().expect("there is room");
        let bytes: Vec<u8> =
            (0..3 * CHUNK + 17).map(|n| u8::try_from(n % 251).expect("it is small")).collect();
        for (name, bytes) in [("0.jnl", &bytes[..]), ("1.jnl", &[]), ("other", b"not ours")] {
            std::fs::write(folder.path().join(name), bytes).expect("it can be written");
        }
        journals(folder.path()).expect("they can be written");
        assert!(std::fs::read(folder.path().join("0.jnl")).expect("it is there") == bytes);
        assert_eq!(std::fs::read(folder.path().join("1.jnl")).expect("it is there"), b"");
    }
}
