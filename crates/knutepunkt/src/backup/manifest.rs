//! What a backup says of itself.

use std::path::Path;

use anyhow::{Context as _, bail};
use broker_embedded::LogCounts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use storage::Stand;
use uuid::Uuid;
use wire::id::DokumentId;

use super::MANIFEST;
use super::sums::sha256;
use crate::files;

/// Shape of the backups that this version makes, and the only one that it reads.
const FORMAT: u32 = 1;
/// How many payloads of a kind are named to a person.
const SHOWN: usize = 100;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    /// The version of Knutepunkt that made it.
    pub(crate) version: String,
    pub(crate) installasjon: Uuid,
    /// The moment of the queue log.
    pub(crate) tidspunkt: Timestamp,
    pub(crate) register: Register,
    pub(crate) ko: LogCounts,
    pub(crate) dokumenter: Payloads,
    /// SHA-256 of the file that has the sums of all others.
    pub(crate) sha256sums: String,
}

/// The registry in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    pub(crate) form: Form,
    pub(crate) generation: u64,
    pub(crate) organisasjoner: u64,
    pub(crate) kontoer: u64,
    pub(crate) dokumenter: u64,
    /// Those that were ever added; backups of earlier versions do not say.
    #[serde(default)]
    pub(crate) lagrede_dokumenter: u64,
}

/// What the registry lay in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    Sqlite,
    Postgres,
}

/// The payloads in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payloads {
    pub(crate) antall: u64,
    pub(crate) bytes: u64,
    /// Those that were not what had been stored when the backup was made. They are in it as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) skadet: Vec<DokumentId>,
    /// Those that meldinger name and that were not there, and those that could not be read: they are not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mangler: Vec<DokumentId>,
    /// Those that meldinger name and the registry did not know, since it was older than they were. They are in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ukjent: Vec<DokumentId>,
}

impl Register {
    pub(crate) fn of(form: Form, stand: Stand) -> Self {
        let Stand { generation, organisasjoner, kontoer, dokumenter, lagrede_dokumenter } = stand;
        Self { form, generation, organisasjoner, kontoer, dokumenter, lagrede_dokumenter }
    }

    pub(crate) fn stand(self) -> Stand {
        let Self { generation, organisasjoner, kontoer, dokumenter, lagrede_dokumenter, .. } = self;
        Stand { generation, organisasjoner, kontoer, dokumenter, lagrede_dokumenter }
    }
}

impl Manifest {
    pub(crate) fn new(
        installasjon: Uuid,
        tidspunkt: Timestamp,
        register: Register,
        ko: LogCounts,
        dokumenter: Payloads,
        sha256sums: String,
    ) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, version, installasjon, tidspunkt, register, ko, dokumenter, sha256sums }
    }

    /// Whether nothing was missing or damaged in what it is a backup of.
    pub(crate) fn is_whole(&self) -> bool {
        let Payloads { skadet, mangler, ukjent, .. } = &self.dokumenter;
        let is_log_whole = self.ko.damaged == 0 && self.ko.lacking == 0;
        is_log_whole && [skadet, mangler, ukjent].iter().all(|ids| ids.is_empty())
    }

    /// Writes it into the backup, which is one from then on.
    pub(crate) fn write(&self, backup: &Path) -> anyhow::Result<()> {
        let path = backup.join(MANIFEST);
        files::replace(&path, &self.text()?).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads that of a backup.
    ///
    /// # Errors
    /// When the folder is no finished backup, or the manifest is damaged or of another version.
    pub(crate) fn read(backup: &Path) -> anyhow::Result<Self> {
        let path = backup.join(MANIFEST);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "{} is no backup, or one that was not finished: it has no {MANIFEST}, which is written last",
                backup.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let damaged = || format!("{} is damaged, or of another version; use another backup", path.display());
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        // The bytes that are there, and not those that this version would write: an earlier one did not say all of it.
        if with_sum(first.to_vec()) != text {
            bail!(damaged());
        }
        let manifest: Self = serde_json::from_slice(first).with_context(damaged)?;
        if manifest.format != FORMAT {
            bail!(
                "{} was made by version {} in a form that this version does not read",
                backup.display(),
                manifest.version
            );
        }
        Ok(manifest)
    }

    /// One line of JSON, and one with its sum: nothing in it can change unnoticed.
    fn text(&self) -> anyhow::Result<Vec<u8>> {
        Ok(with_sum(serde_json::to_vec(self)?))
    }
}

fn with_sum(mut line: Vec<u8>) -> Vec<u8> {
    let sum = sha256(&line);
    line.extend_from_slice(format!("\nsha256 {sum}\n").as_bytes());
    line
}

/// For a person.
impl std::fmt::Display for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { version, installasjon, tidspunkt, register, ko, dokumenter, .. } = self;
        write!(
            f,
            "installation {installasjon}, {tidspunkt}, version {version}\n  \
             queues: {} kontoer, {} meldinger waiting, {} dead letters, {} meldinger known\n  \
             registry: {} organisasjoner, {} kontoer\n  \
             Dokumentlager: {} payloads, {} bytes",
            ko.kontoer,
            ko.queued,
            ko.dead,
            ko.meldinger,
            register.organisasjoner,
            register.kontoer,
            dokumenter.antall,
            dokumenter.bytes
        )?;
        for (ids, what) in [
            (
                &dokumenter.skadet,
                "were not what had been stored when it was made, and are in it as they were",
            ),
            (&dokumenter.mangler, "were missing or could not be read when it was made, and are not in it"),
            (
                &dokumenter.ukjent,
                "are in it that its registry does not know, since that is older than they are: nobody can fetch them",
            ),
        ] {
            if !ids.is_empty() {
                write!(f, "\n  {} payloads {what}:", ids.len())?;
            }
            for id in ids.iter().take(SHOWN) {
                write!(f, "\n    {id}")?;
            }
            if ids.len() > SHOWN {
                write!(f, "\n    and {} more, which {MANIFEST} names", ids.len() - SHOWN)?;
            }
        }
        if ko.lacking > 0 {
            write!(
                f,
                "\n  {} of the meldinger waiting or dead lacked something already when it was made; each becomes a dead letter when \
                 its turn comes",
                ko.lacking
            )?;
        }
        if ko.damaged > 0 {
            write!(
                f,
                "\n  {} places of the queue log could not be read when it was made; what stood there is not in it",
                ko.damaged
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_of_an_earlier_version_is_read_and_any_change_in_it_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let register = Register::of(Form::Sqlite, Stand { generation: 7, ..Stand::default() });
        let manifest = Manifest::new(
            Uuid::from_u128(1),
            Timestamp::UNIX_EPOCH,
            register,
            LogCounts::default(),
            Payloads::default(),
            "0".repeat(64),
        );
        let line = serde_json::to_string(&manifest).unwrap();
        let earlier = line.replace(r#","lagrede_dokumenter":0"#, "");
        assert_ne!(earlier, line);
        for written in [line, earlier] {
            let path = folder.path().join(MANIFEST);
            std::fs::write(&path, with_sum(written.clone().into_bytes())).unwrap();
            assert_eq!(Manifest::read(folder.path()).unwrap(), manifest, "{written}");
            let changed = written.replace(r#""generation":7"#, r#""generation":8"#);
            let sum = sha256(written.as_bytes());
            std::fs::write(&path, format!("{changed}\nsha256 {sum}\n")).unwrap();
            assert!(Manifest::read(folder.path()).unwrap_err().to_string().contains("is damaged"));
        }
    }
}
