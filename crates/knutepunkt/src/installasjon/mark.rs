//! The file beside the queue log that tells which installation it belongs to, and how far its registry had come.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use storage::Stand;
use uuid::Uuid;

use crate::files;

/// Name of the file in the data folder.
pub(crate) const FILE: &str = crate::names::MARK;
const HEADER: &str = "\
# Which installation the queue log in \"ko\" belongs to, and how far its registry had come. Knutepunkt writes it. Back it up\n\
# and restore it together with the folder.\n";

/// What stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The installation.
    pub(crate) installasjon: Uuid,
    /// How far its registry had come; `None` until it carries the id, too. Never more than what was committed.
    pub(crate) reached: Option<Stand>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    installasjon: Uuid,
    register: Option<Register>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Register {
    generation: u64,
    organisasjoner: u64,
    kontoer: u64,
    dokumenter: u64,
    /// Earlier versions did not say.
    #[serde(default)]
    lagrede_dokumenter: u64,
}

/// The file does not say any more what it should.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is damaged or empty: it must say which installation the queue log belongs to. Restore it from a backup together with the \
     folder \"ko\"; or, if you know that the queue log is that of the installation whose registry this is, run: knutepunkt admin \
     installasjon bind --id ID, with the id that stands in \"dokumentlager/installasjon\"",
    path.display()
)]
pub(crate) struct Damaged {
    path: PathBuf,
}

/// The file, and what was last written to it.
#[derive(Debug)]
pub(crate) struct MarkFile {
    path: PathBuf,
    mark: Mark,
}

impl MarkFile {
    /// Reads the mark in the data folder, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub(crate) fn read(data: &Path) -> anyhow::Result<Option<Mark>> {
        let path = data.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            // Bytes that are no text.
            Err(error) if error.kind() == ErrorKind::InvalidData => return Err(Damaged { path }.into()),
            Err(error) => return Err(error).with_context(|| files::cannot_read(&path)),
        };
        // What the parser says of it helps nobody.
        let Text { installasjon, register } = toml::from_str(&text).map_err(|_| Damaged { path })?;
        let reached = register.map(|register| Stand {
            generation: register.generation,
            organisasjoner: register.organisasjoner,
            kontoer: register.kontoer,
            dokumenter: register.dokumenter,
            lagrede_dokumenter: register.lagrede_dokumenter,
        });
        Ok(Some(Mark { installasjon, reached }))
    }

    /// Writes a mark, in the place of the one that is there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(data: &Path, mark: Mark) -> io::Result<Self> {
        let path = data.join(FILE);
        put(&path, mark)?;
        Ok(Self { path, mark })
    }

    /// Notes that the registry has come as far as `stand`, which is committed. What has been further stays noted.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn reach(&mut self, stand: Stand) -> io::Result<()> {
        let reached = self.mark.reached.unwrap_or_default();
        let newer = if stand.generation < reached.generation { reached } else { stand };
        let stand =
            Stand { lagrede_dokumenter: stand.lagrede_dokumenter.max(reached.lagrede_dokumenter), ..newer };
        if self.mark.reached != Some(stand) {
            let mark = Mark { reached: Some(stand), ..self.mark };
            put(&self.path, mark)?;
            self.mark = mark;
        }
        Ok(())
    }

    /// What was last written.
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }
}

/// Gives a damaged file another name, which is returned.
pub(super) fn set_aside(data: &Path) -> anyhow::Result<PathBuf> {
    let path = data.join(FILE);
    let free = (1..u32::MAX).map(|n| data.join(format!("{FILE}-skadet-{n}"))).find(|path| !path.exists());
    let kept = free.context("there is no name left for a damaged file")?;
    std::fs::rename(&path, &kept).with_context(|| format!("cannot move {} away", path.display()))?;
    Ok(kept)
}

fn put(path: &Path, mark: Mark) -> io::Result<()> {
    let register = mark.reached.map_or_else(String::new, |stand| {
        let Stand { generation, organisasjoner, kontoer, dokumenter, lagrede_dokumenter } = stand;
        format!(
            "\n[register]\ngeneration = {generation}\norganisasjoner = {organisasjoner}\nkontoer = {kontoer}\n\
             dokumenter = {dokumenter}\nlagrede_dokumenter = {lagrede_dokumenter}\n"
        )
    });
    let text = format!("{HEADER}installasjon = \"{}\"\n{register}", mark.installasjon);
    files::replace(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn mark_is_read_back_and_never_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(MarkFile::read(folder.path()).unwrap(), None);
        let mark = Mark { installasjon: Uuid::from_u128(7), reached: None };
        let mut file = MarkFile::write(folder.path(), mark).unwrap();
        assert_eq!(MarkFile::read(folder.path()).unwrap(), Some(mark));
        let stand = |generation| Stand {
            generation,
            organisasjoner: 2,
            kontoer: 3,
            dokumenter: 4,
            lagrede_dokumenter: generation,
        };
        file.reach(stand(10)).unwrap();
        file.reach(stand(9)).unwrap();
        file.reach(Stand { lagrede_dokumenter: 9, ..stand(10) }).unwrap();
        let reached = Mark { reached: Some(stand(10)), ..mark };
        assert_eq!(file.mark(), reached);
        assert_eq!(MarkFile::read(folder.path()).unwrap(), Some(reached));
        // Either may come further alone.
        file.reach(Stand { lagrede_dokumenter: 12, ..stand(9) }).unwrap();
        let reached = Mark { reached: Some(Stand { lagrede_dokumenter: 12, ..stand(10) }), ..mark };
        assert_eq!(MarkFile::read(folder.path()).unwrap(), Some(reached));
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn damaged_mark_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "installasjon = \"x\"", "generation = 1"] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let refused = MarkFile::read(folder.path()).unwrap_err().to_string();
            assert!(refused.contains(FILE) && refused.contains("is damaged or empty"), "{refused}");
        }
    }
}
