//! The key under which passwords, and what people are known by, are hashed.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use app::PassordKey;
use app::ports::IdSource;

use crate::names;

/// Where the key lies in the folder `data`.
pub(crate) fn path(data: &Path) -> PathBuf {
    data.join(names::KEY)
}

/// The key in the folder `data`, if there is one.
///
/// # Errors
/// When it cannot be read, or is damaged.
pub(crate) fn load(data: &Path) -> anyhow::Result<Option<PassordKey>> {
    let path = path(data);
    let secret = match std::fs::read(&path) {
        Ok(secret) => secret,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| crate::files::cannot_read(&path)),
    };
    let secret: [u8; 32] = secret.try_into().map_err(|_| {
        anyhow::anyhow!("{} is damaged: it must have 32 bytes; restore it from a backup", path.display())
    })?;
    anyhow::ensure!(
        secret != [0; 32],
        "{} was wiped: it has nothing but zeros; restore it from a backup",
        path.display()
    );
    Ok(Some(PassordKey::new(&secret)))
}

/// The key in the folder `data` of an installation that may be new: made the first time it is asked for, kept beside the registry and not in it. Of several
/// processes that ask at once all get the same.
///
/// # Errors
/// When it cannot be read or kept, or is damaged.
pub(crate) fn load_or_create(data: &Path, ids: &dyn IdSource) -> anyhow::Result<PassordKey> {
    let path = path(data);
    if !path.exists() {
        create(data, &path, ids).with_context(|| format!("cannot make {}", path.display()))?;
    }
    load(data)?.with_context(|| format!("{} is gone again", path.display()))
}

fn create(data: &Path, path: &Path, ids: &dyn IdSource) -> std::io::Result<()> {
    let draft = data.join(format!("passord.key.{}", ids.uuid()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&ids.secret())?;
    file.sync_all()?;
    // A link and not a rename, which would put ours in the place of a key that another process has just made.
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => crate::files::sync_folder(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::RandomIds;

    #[test]
    fn key_is_made_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passord.key");
        load_or_create(folder.path(), &RandomIds).unwrap();
        let first = std::fs::read(&path).unwrap();
        // As if two processes had found none.
        create(folder.path(), &path, &RandomIds).unwrap();
        load_or_create(folder.path(), &RandomIds).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn damaged_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("passord.key"), [7; 31]).unwrap();
        let error = load_or_create(folder.path(), &RandomIds).err().unwrap();
        assert!(error.to_string().contains("is damaged"), "{error}");
    }
}
