//! A look at the parts of an installation that makes and changes nothing.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use storage::Funnet;
use uuid::Uuid;

use super::judge::{Content, KeyPart, LogPart, Parts, PayloadPart, RegistryPart};
use super::mark::{self, MarkFile};
use super::unfinished;
use crate::config::Config;
use crate::{files, names, passord_key};

/// Name of the object in Dokumentlager that carries the id.
pub(crate) const OBJECT: &str = "installasjon";
/// Where `doctor` looks at a copy of the queue log, in the data folder. It shares the log's tables, which keep their room meanwhile.
pub(crate) const SCRATCH: &str = "doktor.uferdig";

/// Where the parts lie.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) data: PathBuf,
    pub(crate) registry_url: String,
}

impl Places {
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        Ok(Self { data: config.data.clone(), registry_url: config.registry_url()? })
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.data.join(names::LOG)
    }

    pub(crate) fn payloads(&self) -> PathBuf {
        self.data.join(names::PAYLOADS)
    }

    pub(crate) fn object(&self) -> PathBuf {
        self.payloads().join(OBJECT)
    }
}

impl fmt::Display for Places {
    /// For an operator: where was looked, without the password in an address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let registry = match storage::sqlite_file(&self.registry_url) {
            Some(file) => whole(file).display().to_string(),
            None => storage::shown(&self.registry_url),
        };
        write!(
            f,
            "looked at: registry {registry}; queue log {}, and whose it is in {}; payloads {}, and whose they are in {}; key {}",
            whole(self.log()).display(),
            whole(self.data.join(mark::FILE)).display(),
            whole(self.payloads()).display(),
            whole(self.object()).display(),
            whole(passord_key::path(&self.data)).display(),
        )
    }
}

/// Looks at all parts. Gives also what was found of the registry.
///
/// # Errors
/// What cannot be read, or is damaged.
pub(crate) async fn look(places: &Places) -> anyhow::Result<(Parts, Option<Funnet>)> {
    unfinished::refuse(&places.data)?;
    let found = storage::inspect(&places.registry_url)
        .await
        .with_context(|| format!("cannot look at the registry {}", storage::shown(&places.registry_url)))?;
    let key = match (passord_key::load(&places.data)?, found.as_ref().and_then(|found| found.tilhorighet)) {
        (None, _) => KeyPart::Missing,
        (Some(_), None) => KeyPart::There,
        (Some(key), Some(to)) if key.nokkelprove(to.installasjon) == to.nokkelprove => KeyPart::Fits,
        (Some(_), Some(_)) => KeyPart::Differs,
    };
    let parts = Parts {
        registry: registry(found.as_ref()),
        log: LogPart { is_there: holds_anything(&places.log())?, mark: MarkFile::read(&places.data)? },
        payloads: payloads(places)?,
        key,
    };
    Ok((parts, found))
}

fn registry(found: Option<&Funnet>) -> RegistryPart {
    let stand = found.map(|found| found.stand).unwrap_or_default();
    RegistryPart {
        content: match found {
            None => Content::Missing,
            Some(_) if stand.organisasjoner == 0 && stand.kontoer == 0 => Content::Empty,
            Some(_) => Content::Filled,
        },
        installasjon: found.and_then(|found| found.tilhorighet).map(|to| to.installasjon),
        stand,
    }
}

fn payloads(places: &Places) -> anyhow::Result<PayloadPart> {
    let folder = places.payloads();
    let content = if !folder.exists() {
        Content::Missing
    } else if holds_anything(&folder.join(app::dokument::FOLDER))? {
        Content::Filled
    } else {
        Content::Empty
    };
    Ok(PayloadPart { content, installasjon: object(&places.object())? })
}

fn object(path: &Path) -> anyhow::Result<Option<Uuid>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // Bytes that are no text are no id.
        Err(error) if error.kind() == ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(error).with_context(|| files::cannot_read(path)),
    };
    let is_wiped = text.trim_matches('\0').is_empty();
    text.trim().parse().map(Some).map_err(|_| {
        anyhow::anyhow!(
            "{} is {}: it must hold the id of the installation, which \"ko.installasjon\" has too. Restore it from a backup, or \
             write that id into it",
            path.display(),
            if is_wiped { "empty" } else { "damaged" }
        )
    })
}

/// Whether there is a folder with something in it.
fn holds_anything(folder: &Path) -> anyhow::Result<bool> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| files::cannot_read(folder)),
    }
}
