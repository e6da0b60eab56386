//! What to do about errors of the system that say nothing of it, and that may come from anywhere.

/// What the system says, in the words of its C library or of SQLite, and what to do about it.
const HINTS: [(&[&str], &str); 3] = [
    (
        &["No space left on device", "database or disk is full", "Disk quota exceeded"],
        "a disk is full: free 64 MiB or more where the data folder, its folder \"ko\" and the registry lie, or move them to a larger \
         disk, and try again. Nothing is lost by that",
    ),
    (
        &["Read-only file system", "attempt to write a readonly database"],
        "a file system can only be read: mount it so that it can be written to, or look at the disk, for a system does that by itself \
         where a disk fails. Nothing was changed",
    ),
    (&["Too many open files"], "raise the limit of open files: LimitNOFILE= of systemd, or ulimit -n"),
];

/// What to do about an error, where one of its causes says nothing of it.
pub fn hint(error: &anyhow::Error) -> Option<&'static str> {
    let text = format!("{error:#}");
    let found = HINTS.iter().find(|(said, _)| said.iter().any(|said| text.contains(said)));
    found.map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context as _;

    use super::*;

    #[test]
    fn full_and_read_only_disks_are_said_with_what_to_do() {
        for (code, words) in [(28, "free 64 MiB"), (30, "can only be read"), (24, "ulimit -n")] {
            let error =
                Err::<(), _>(io::Error::from_raw_os_error(code)).context("cannot lock the data folder");
            assert!(hint(&error.unwrap_err()).is_some_and(|hint| hint.contains(words)), "{code}");
        }
        let sqlite =
            anyhow::anyhow!("(code: 13) database or disk is full").context("cannot open the registry");
        assert!(hint(&sqlite).is_some_and(|hint| hint.contains("free 64 MiB")));
        assert_eq!(hint(&anyhow::anyhow!("permission denied")), None);
    }
}
