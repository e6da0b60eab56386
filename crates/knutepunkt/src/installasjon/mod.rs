//! One installation, one identity: registry, queue log, payloads and key carry the same id, and are checked against each
//! other before any of them is opened for writing.

pub(crate) mod in_place;
pub(crate) mod judge;
pub(crate) mod lock;
pub(crate) mod look;
pub(crate) mod mark;
pub(crate) mod seen;
#[cfg(test)]
mod tests;
pub(crate) mod unfinished;
pub(crate) mod watch;

use std::path::Path;

use anyhow::{Context as _, bail};
use app::PassordKey;
use app::ports::IdSource;
use storage::{Database, RegistryLock, Tilhorighet};
use uuid::Uuid;

use self::judge::{Refusal, Verdict, judge};
use self::lock::FolderLock;
use self::look::Places;
use self::mark::{Mark, MarkFile};
use crate::config::Config;
use crate::styring::{self, Client, Request, Status};
use crate::{files, passord_key};

/// An installation that may be used, with the locks that keep all others from it.
pub(crate) struct Claimed {
    /// Its id.
    pub(crate) installasjon: Uuid,
    /// What was found.
    pub(crate) verdict: Verdict,
    /// Where its parts lie.
    pub(crate) places: Places,
    /// The right to its data folder.
    pub(crate) folder: FolderLock,
    /// The right to its registry.
    pub(crate) registry: RegistryLock,
}

/// Claims the installation that `config` names for this process, and makes its data folder if it is a new one.
///
/// # Errors
/// When another process uses it, or its parts do not belong together: nothing was changed then.
pub(crate) async fn claim(config: &Config, ids: &dyn IdSource) -> anyhow::Result<Claimed> {
    let places = Places::of(config)?;
    let data = &places.data;
    // A folder that is there is locked before anybody looks at what is in it.
    let early = if data.is_dir() { Some(FolderLock::take(data)?) } else { None };
    if early.is_some() {
        clear_up(&places)?;
    }
    let (parts, _) = look::look(&places).await?;
    let verdict = judge(&parts).map_err(|refusal| anyhow::anyhow!("{refusal} ({places})"))?;
    check_expected(config, &verdict, &places)?;
    files::make_folder(data)?;
    files::report_open_folder(data);
    let folder = match early {
        Some(lock) => lock,
        None => FolderLock::take(data)?,
    };
    let registry =
        RegistryLock::take(&places.registry_url).await.context("cannot have the registry for itself")?;
    let installasjon = match verdict {
        Verdict::Same { installasjon, .. } => installasjon,
        Verdict::New(id) | Verdict::Adopt(id) => id.unwrap_or_else(|| ids.uuid()),
    };
    if let Verdict::New(_) = verdict {
        let shown = std::path::absolute(data).unwrap_or_else(|_| data.clone());
        tracing::info!(
            folder = %shown.display(),
            %installasjon,
            "this is a new installation; write its id to the key installasjon of the configuration, so that a start in another \
             place is refused"
        );
    }
    Ok(Claimed { installasjon, verdict, places, folder, registry })
}

/// Whether this is the installation that the configuration names, if it names one.
pub(crate) fn check_expected(config: &Config, verdict: &Verdict, places: &Places) -> anyhow::Result<()> {
    let found = match verdict {
        Verdict::Same { installasjon, .. } => Some(*installasjon),
        // One whose first start was cut off.
        Verdict::New(id) | Verdict::Adopt(id) => *id,
    };
    check_found(config, found, places)
}

/// The same, where nothing but the id is known.
pub(crate) fn check_found(config: &Config, found: Option<Uuid>, places: &Places) -> anyhow::Result<()> {
    let Some(expected) = config.expected_installasjon()? else { return Ok(()) };
    match found {
        Some(found) if found == expected => Ok(()),
        Some(found) => bail!(
            "the configuration names installation {expected}, but this is installation {found}. Name the data folder and the \
             registry of {expected} in data and registry.url, or the id of this one in installasjon ({places})"
        ),
        None => bail!(
            "the configuration names installation {expected}, but there is none here, and none was made. Is its disk mounted, and \
             are data and registry.url right? For a new installation set installasjon to \"\" ({places})"
        ),
    }
}

/// Finishes, or removes, what killed commands have left in the data folder. It must be locked.
fn clear_up(places: &Places) -> anyhow::Result<()> {
    broker_embedded::finish_salvage(&places.log())?;
    let scratch = places.data.join(look::SCRATCH);
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
        tracing::info!(
            path = %scratch.display(),
            "removed a copy of the queue log that an interrupted doctor had left behind"
        );
    }
    Ok(())
}

impl Claimed {
    /// Writes the id to the parts beside the registry, where it does not stand already, and gives the key. To be called
    /// before anything else is made.
    ///
    /// # Errors
    /// What could not be written.
    pub(crate) fn mark_parts(&self, ids: &dyn IdSource) -> anyhow::Result<PassordKey> {
        let Self { installasjon, verdict, places, .. } = self;
        let data = &places.data;
        if !matches!(verdict, Verdict::Same { .. }) {
            MarkFile::write(data, Mark { installasjon: *installasjon, reached: None })
                .with_context(|| format!("cannot write {}", data.join(mark::FILE).display()))?;
            files::make_folder(&places.payloads())?;
            files::replace(&places.object(), format!("{installasjon}\n").as_bytes())
                .with_context(|| format!("cannot write {}", places.object().display()))?;
        }
        passord_key::load_or_create(data, ids)
    }

    /// Writes the id to the registry, after all other parts, and notes how far it has come.
    ///
    /// # Errors
    /// When it cannot be written, or the registry carries another id by now.
    pub(crate) async fn bind(&self, database: &Database, key: &PassordKey) -> anyhow::Result<MarkFile> {
        let Self { installasjon, verdict, places, .. } = self;
        let to = Tilhorighet { installasjon: *installasjon, nokkelprove: key.nokkelprove(*installasjon) };
        database.bind(&to).await.context("cannot write the installation id to the registry")?;
        if database.tilhorighet().await? != Some(to) {
            bail!("the registry belongs to another installation by now; start again");
        }
        if matches!(verdict, Verdict::Adopt(_)) {
            tracing::info!(installasjon = %installasjon, "registry, queue log, payloads and key carry an installation id from now on");
        }
        let mark =
            MarkFile::read(&places.data)?.unwrap_or(Mark { installasjon: *installasjon, reached: None });
        let mut file = MarkFile::write(&places.data, mark).context("cannot write beside the queue log")?;
        file.reach(database.stand().await?).context("cannot write beside the queue log")?;
        Ok(file)
    }

    /// Whether the registry has been further than it is.
    pub(crate) fn is_older(&self) -> bool {
        matches!(self.verdict, Verdict::Same { older: true, .. })
    }

    /// Whether this is the first start that gives the parts an id.
    pub(crate) fn adopts(&self) -> bool {
        matches!(self.verdict, Verdict::Adopt(_))
    }
}

/// Why nobody but the server that has it open uses a registry, and what to do about it.
pub(crate) const REGISTRY_DISPLACED: &str =
    "a file of the registry was removed, moved or replaced under the server that runs";
pub(crate) const REGISTRY_FIRST: &str = "see to that first, as its log says: put back what was moved; where only its -wal or -shm was removed, stop the server in good order";

/// Checks that `config` names an installation that is in use, for a command that changes something in its registry: what is
/// not there is never made by one. Gives its key.
///
/// # Errors
/// What is missing or does not fit, where was looked, and what to do.
pub(crate) async fn require(config: &Config) -> anyhow::Result<PassordKey> {
    let places = Places::of(config)?;
    let data: &Path = &places.data;
    if !data.is_dir() {
        let shown = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        bail!(
            "there is no data folder {}; name the one of the server with --data, or its configuration file with --config",
            shown.display()
        );
    }
    // Whoever opened the registry then would write beside the server, and both would be lost.
    let status: Option<Status> = styring::ask(data, &Request::Status {}).await?;
    if status.is_some_and(|status| status.registry_displaced) {
        bail!("{REGISTRY_DISPLACED}, so nothing was changed: {REGISTRY_FIRST} ({places})");
    }
    let (parts, found) = look::look(&places).await?;
    let Some(found) = found else {
        bail!(
            "there is no registry yet; name the data folder of the server with --data or its configuration file with --config, \
             or start the server once ({places})"
        );
    };
    let verdict = judge(&parts).map_err(|refusal| anyhow::anyhow!("{refusal} ({places})"))?;
    check_expected(config, &verdict, &places)?;
    if !found.mangler.is_empty() {
        bail!(
            "the registry was made by an earlier version and only a server brings it up to date: stop the one that runs, and \
             start it with this version ({places})"
        );
    }
    match verdict {
        // A server that runs has said so at its start, and says so until the next one.
        Verdict::Same { older: true, .. } if Client::connect(data).await?.is_none() => bail!(
            "the registry is older than the queue log: changes made to it are gone, and changing it now would hide that. Start with the \
             registry as it was last; or, to go on with this one, start the server first, which says what is missing ({places})"
        ),
        Verdict::Same { .. } => {}
        Verdict::New(_) | Verdict::Adopt(_) => {
            bail!("this installation has not been started yet; start the server once ({places})")
        }
    }
    passord_key::load(data)?.with_context(|| format!("there is no {}", passord_key::path(data).display()))
}

/// Writes the id `id` to the part that a refused start has named, since an operator knows that it belongs there: to a registry
/// that carries none beside a log that does, or beside a log whose mark is gone. Returns what was done.
///
/// # Errors
/// When a server runs, or anything else is wrong with the installation.
pub(crate) async fn bind_by_hand(config: &Config, id: Uuid) -> anyhow::Result<String> {
    let places = Places::of(config)?;
    let data = &places.data;
    if !data.is_dir() {
        let shown = std::path::absolute(data).unwrap_or_else(|_| data.clone());
        bail!("there is no data folder {}; name it with --data or --config", shown.display());
    }
    let _folder = FolderLock::take(data)?;
    let _registry =
        RegistryLock::take(&places.registry_url).await.context("cannot have the registry for itself")?;
    // One that says nothing any more is as one that is gone, and is kept.
    let damaged = MarkFile::read(data).is_err_and(|error| error.is::<mark::Damaged>());
    let kept = damaged.then(|| mark::set_aside(data)).transpose()?;
    let bound = bind_what_is_missing(&places, id).await;
    if let (Err(_), Some(kept)) = (&bound, &kept) {
        let path = data.join(mark::FILE);
        std::fs::rename(kept, &path).with_context(|| format!("cannot put {} back", path.display()))?;
    }
    bound
}

async fn bind_what_is_missing(places: &Places, id: Uuid) -> anyhow::Result<String> {
    let data = &places.data;
    let (parts, _) = look::look(places).await?;
    match judge(&parts) {
        Err(Refusal::RegistryUnbound { log }) if log == id => {
            let key = passord_key::load(data)?.context(Refusal::KeyMissing)?;
            let database =
                storage::connect(&places.registry_url).await.context("cannot open the registry")?;
            database.migrate().await.context("cannot bring the registry up to date")?;
            let to = Tilhorighet { installasjon: id, nokkelprove: key.nokkelprove(id) };
            database.bind(&to).await.context("cannot write the installation id to the registry")?;
            database.close().await?;
            Ok(format!("The registry carries the id {id} now ({places})."))
        }
        Err(Refusal::MarkMissing { registry }) if registry == id => {
            MarkFile::write(data, Mark { installasjon: id, reached: None })
                .with_context(|| format!("cannot write {}", data.join(mark::FILE).display()))?;
            Ok(format!("The queue log carries the id {id} now ({places})."))
        }
        Err(refusal) => bail!("{refusal} ({places})"),
        Ok(_) => bail!("nothing is to be bound here: the start is not refused ({places})"),
    }
}
