//! Putting a backup back into an empty place.
//!
//! Everything is built under other names first. Then the parts get their names one after the other, the registry last: cut off
//! before that, the start is refused, since the registry is missing beside parts that are in use, and since the mark of the
//! unfinished restore is there, which is the first thing that is made and the last that goes.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use app::ports::Clock as _;
use broker_embedded::{LogCounts, load_log};
use object_store::path::Path as ObjectPath;
use object_store::{MultipartUpload as _, ObjectStore, ObjectStoreExt as _, PutPayload};
use storage::RegistryLock;
use tokio::runtime::Handle;

use super::manifest::{Form, Manifest};
use super::read::Backup;
use super::sums::{SumReader, check_sum, copy_checked, entries_but, sync_folder};
use super::verify::check_key;
use super::{KEY, LOG, PAYLOADS};
use crate::adapters::SystemClock;
use crate::files;
use crate::installasjon::lock::{self, FolderLock};
use crate::installasjon::look::{OBJECT, Places};
use crate::installasjon::mark::{Mark, MarkFile};
use crate::installasjon::unfinished::{self, Made, UNFINISHED};
use crate::progress::Progress;
use crate::{names, passord_key};

/// Pieces in which a large payload is stored.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// What an SQLite registry is called until all else has its name.
const DRAFT: &str = ".gjenopprettes";

/// Puts the backup in `folder` into the place that `places` names. Blocks, and must not be called on a thread of the runtime.
///
/// # Errors
/// The place is not empty, the backup is not whole, or something could not be written. Nothing that could be started is left.
pub(crate) fn restore(
    folder: &Path,
    places: &Places,
    runtime: &Handle,
    progress: &Progress,
) -> anyhow::Result<Manifest> {
    // What the backup says of itself is enough to refuse most mistakes. Its files are compared once the place is marked, so that
    // nobody starts a new installation there when this is cut off.
    let manifest = Manifest::read(folder)?;
    let data = &places.data;
    let file = storage::sqlite_file(&places.registry_url);
    match (manifest.register.form, &file) {
        (Form::Sqlite, None) => {
            bail!("the registry of this backup is an SQLite file; name one in registry.url")
        }
        (Form::Postgres, Some(_)) => {
            bail!("the registry of this backup lay in PostgreSQL; name an empty database in registry.url")
        }
        _ => {}
    }
    check_empty(places, file.as_deref())?;
    // Before anything else, so that whatever ends it nobody starts a new installation there.
    let made = unfinished::make(data, &mut || Ok(()))
        .with_context(|| format!("cannot make or mark the data folder {}", data.display()))?;
    let claimed = FolderLock::take(data)
        .and_then(|lock| Ok((lock, claim_registry(places, file.as_deref(), runtime)?)))
        .inspect_err(|_| {
            if made != Made::Nothing {
                fs::remove_dir(data.join(UNFINISHED)).ok();
            }
        });
    let filled = claimed
        .and_then(|(lock, _registry)| Ok((fill(folder, places, file.as_deref(), runtime, progress)?, lock)));
    if filled.is_err() && made == Made::Folder {
        remove_unused(data, file.as_deref());
    }
    filled.map(|(manifest, _lock)| manifest)
}

/// The right to the registry, which must be empty.
fn claim_registry(places: &Places, file: Option<&Path>, runtime: &Handle) -> anyhow::Result<RegistryLock> {
    if let Some(parent) = file.and_then(Path::parent) {
        files::make_folder(parent)?;
    }
    let registry = runtime
        .block_on(RegistryLock::take(&places.registry_url))
        .context("cannot have the registry for itself")?;
    // Again, now that nobody else comes in between.
    check_empty(places, file)?;
    if file.is_none() {
        runtime
            .block_on(storage::require_empty(&places.registry_url))
            .context("cannot fill the registry; name an empty database in registry.url")?;
    }
    Ok(registry)
}

/// Removes the data folder if nothing is in it but locks.
fn remove_unused(data: &Path, registry: Option<&Path>) {
    let mut locks = vec![lock::FILE.to_owned()];
    locks.extend(registry.map(lock_of));
    let locks: Vec<_> = locks.iter().map(String::as_str).collect();
    if entries_but(data, &locks).is_ok_and(|others| others.is_empty()) {
        for name in locks {
            fs::remove_file(data.join(name)).ok();
        }
        fs::remove_dir(data).ok();
    }
}

/// Name of the file that keeps others from an SQLite registry.
fn lock_of(registry: &Path) -> String {
    format!("{}.lock", registry.file_name().unwrap_or_default().to_string_lossy())
}

/// Fills a data folder that this process has for itself, and that is marked as unfinished.
fn fill(
    folder: &Path,
    places: &Places,
    file: Option<&Path>,
    runtime: &Handle,
    progress: &Progress,
) -> anyhow::Result<Manifest> {
    let data = &places.data;
    let stage = data.join(UNFINISHED);
    for left in entries_but(&stage, &[])? {
        progress.say(format!("removing what an unfinished restore has left: {}", left.display()));
        let removed = if left.is_dir() { fs::remove_dir_all(&left) } else { fs::remove_file(&left) };
        removed.with_context(|| format!("cannot remove {}", left.display()))?;
    }
    let draft = file.map(draft_of);
    if let Some(draft) = draft.as_deref().filter(|draft| draft.exists()) {
        fs::remove_file(draft).with_context(|| format!("cannot remove {}", draft.display()))?;
    }
    let built = Backup::open(folder, progress).and_then(|backup| {
        build(&backup, &stage, draft.as_deref(), runtime, progress)?;
        progress.check()?;
        Ok(backup)
    });
    let backup = match built {
        Ok(backup) => backup,
        Err(error) => {
            // Ours, and of no use.
            fs::remove_dir_all(&stage).ok();
            draft.map(fs::remove_file);
            return Err(error);
        }
    };
    for name in [names::MARK, PAYLOADS, names::LOG, names::WITNESS, KEY] {
        let (from, to) = (stage.join(name), data.join(name));
        fs::rename(&from, &to)
            .with_context(|| format!("cannot move {} to {}", from.display(), to.display()))?;
        sync_folder(data)?;
    }
    match (file, &draft) {
        (Some(file), Some(draft)) => {
            fs::rename(draft, file).with_context(|| format!("cannot make {}", file.display()))?;
            file.parent().map(sync_folder).transpose()?;
        }
        _ => runtime
            .block_on(storage::restore_rows(&places.registry_url, &folder.join(backup.registry())))
            .context("cannot fill the registry")?,
    }
    fs::remove_dir(&stage).with_context(|| format!("cannot remove {}", stage.display()))?;
    sync_folder(data)?;
    Ok(backup.manifest)
}

fn draft_of(file: &Path) -> PathBuf {
    let mut draft = file.to_owned().into_os_string();
    draft.push(DRAFT);
    PathBuf::from(draft)
}

/// Whether nothing is there but what an unfinished restore and locks leave.
fn check_empty(places: &Places, file: Option<&Path>) -> anyhow::Result<()> {
    let data = &places.data;
    let in_data =
        |path: &Path| path.parent() == Some(data) || path.parent() == data.canonicalize().ok().as_deref();
    let mut allowed = vec![lock::FILE.to_owned(), UNFINISHED.to_owned(), "lost+found".to_owned()];
    if let Some(file) = file {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if in_data(file) {
            allowed.extend([lock_of(file), format!("{name}{DRAFT}")]);
        }
        for ending in ["", "-wal", "-shm"] {
            let path = file.with_file_name(format!("{name}{ending}"));
            ensure!(
                !path.exists(),
                "{} is there: a backup is put back into an empty place only. Move it away, or name another in registry.url",
                path.display()
            );
        }
    }
    let allowed: Vec<_> = allowed.iter().map(String::as_str).collect();
    let found = entries_but(data, &allowed)?;
    if found.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = found.iter().take(5).map(|path| path.display().to_string()).collect();
    if data.join(UNFINISHED).exists() {
        bail!(
            "an earlier restore into {} did not finish: remove what it has left ({}), and restore again",
            data.display(),
            names.join(", ")
        );
    }
    bail!(
        "{} is not empty ({}): a backup is put back into an empty place only. Move what is there away, or name another folder \
         in data",
        data.display(),
        names.join(", ")
    );
}

/// Builds all parts under their names in `stage`, and an SQLite registry as `draft`.
fn build(
    backup: &Backup,
    stage: &Path,
    draft: Option<&Path>,
    runtime: &Handle,
    progress: &Progress,
) -> anyhow::Result<()> {
    let Backup { folder, manifest, .. } = backup;
    check_room(backup, stage)?;
    let log = folder.join(LOG);
    let cannot = || format!("cannot put {} back", log.display());
    let mut reader = BufReader::with_capacity(1024 * 1024, SumReader::open(&log).with_context(cannot)?);
    let found = load_log(&mut reader, &stage.join(names::LOG), SystemClock.now(), || progress.go_on());
    let LogCounts { damaged, lacking, .. } = manifest.ko;
    let counts = LogCounts { damaged, lacking, ..found.with_context(cannot)? };
    check_sum(&log, &reader.into_inner().finish().with_context(cannot)?, backup.sum(LOG)?)?;
    ensure!(
        counts == manifest.ko,
        "{} has {counts:?}, but the manifest says {:?}",
        log.display(),
        manifest.ko
    );
    progress.say(format!("queue log: {} meldinger waiting, {} known", counts.queued, counts.meldinger));

    copy_checked(&folder.join(KEY), &stage.join(KEY), backup.sum(KEY)?)?;
    let key = passord_key::load(stage)?.context("there is no passord.key in the backup")?;
    let registry = folder.join(backup.registry());
    let found = if let Some(draft) = draft {
        copy_checked(&registry, draft, backup.sum(backup.registry())?)?;
        runtime.block_on(storage::check_sqlite(draft))
    } else {
        storage::check_rows(&registry)
    };
    let found = found.with_context(|| format!("cannot use {}", registry.display()))?;
    let to = found.tilhorighet.context("the registry does not say which installation it belongs to")?;
    ensure!(to.installasjon == manifest.installasjon, "the registry is that of another installation");
    check_key(&key, &to)?;
    progress.say(format!("registry: {} kontoer", found.stand.kontoer));

    let payloads = stage.join(PAYLOADS);
    files::make_folder(&payloads)?;
    files::replace(&payloads.join(OBJECT), format!("{}\n", manifest.installasjon).as_bytes())
        .with_context(|| format!("cannot write below {}", payloads.display()))?;
    let store = crate::payloads::store(&payloads)?;
    for name in backup.payloads() {
        progress.check()?;
        put_payload(&*store, backup, name, runtime)?;
    }
    progress.say(format!("Dokumentlager: {} payloads", manifest.dokumenter.antall));
    let mark = Mark { installasjon: manifest.installasjon, reached: Some(found.stand) };
    MarkFile::write(stage, mark).with_context(|| format!("cannot write below {}", stage.display()))?;
    sync_folder(&payloads)?;
    sync_folder(stage)
}

fn check_room(backup: &Backup, stage: &Path) -> anyhow::Result<()> {
    let bytes = |name: &str| std::fs::metadata(backup.folder.join(name)).map_or(0, |known| known.len());
    // Indexes, and tables that are being merged.
    let needed = bytes(LOG).saturating_mul(2) + bytes(backup.registry()) + backup.manifest.dokumenter.bytes;
    let free = fs4::available_space(stage)
        .with_context(|| format!("cannot look at the disk of {}", stage.display()))?;
    ensure!(free > needed, "{} has {free} bytes free; the backup needs about {needed}", stage.display());
    Ok(())
}

/// Stores a payload under its name, through the store itself, and compares its sum.
fn put_payload(store: &dyn ObjectStore, backup: &Backup, name: &str, runtime: &Handle) -> anyhow::Result<()> {
    let from = format!("{PAYLOADS}/{name}");
    let path = backup.folder.join(&from);
    let cannot = || format!("cannot put {} back", path.display());
    let mut reader = SumReader::open(&path).with_context(cannot)?;
    let to = ObjectPath::from(name);
    let mut upload = runtime.block_on(store.put_multipart(&to)).with_context(cannot)?;
    loop {
        let mut part = Vec::new();
        let limit = PART_BYTES as u64;
        std::io::Read::read_to_end(&mut std::io::Read::take(&mut reader, limit), &mut part)
            .with_context(cannot)?;
        if part.is_empty() {
            break;
        }
        runtime.block_on(upload.put_part(PutPayload::from(part))).with_context(cannot)?;
    }
    check_sum(&path, &reader.finish().with_context(cannot)?, backup.sum(&from)?)?;
    runtime.block_on(upload.complete()).with_context(cannot)?;
    Ok(())
}
