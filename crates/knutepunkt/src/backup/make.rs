//! Making a backup, from whatever holds the parts: a running server, or this command alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use app::dokument::{FOLDER, dokument_at};
use broker_embedded::{LogCounts, LogMoment, check_log};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _};
use storage::StoredDokument;
use tokio::runtime::Handle;
use wire::id::DokumentId;

use super::manifest::{Form, Manifest, Payloads, Register};
use super::room::Room;
use super::sums::{SumFile, Sums, copy, entries_but, hex, sum_of, sync_folder};
use super::{KEY, LOG, MANIFEST, PAYLOADS, ROWS, SQLITE, SUMS};
use crate::files;
use crate::installasjon::look::Places;
use crate::passord_key;
use crate::progress::Progress;
use crate::rom::Disk;

/// After how many payloads the progress is said.
const SAY_EVERY: u64 = 1_000;

/// What is copied. Whoever makes it has seen to it that no payload is removed before the backup is done, from before
/// `moment` on.
pub(crate) struct Source {
    pub(crate) places: Places,
    pub(crate) moment: LogMoment,
    pub(crate) payloads: Arc<dyn ObjectStore>,
    /// What the installation lies on, where room is kept if the backup lies there too.
    pub(crate) disks: Vec<Disk>,
    pub(crate) now: Timestamp,
}

/// Makes a backup in the folder `target`, which is absent or empty. Blocks, and must not be called on a thread of the runtime.
///
/// # Errors
/// What could not be copied. What was written is removed then.
pub(crate) fn make(
    source: Source,
    target: &Path,
    runtime: &Handle,
    progress: &Progress,
) -> anyhow::Result<Manifest> {
    make_in(source, target, Room::of, runtime, progress)
}

pub(super) fn make_in(
    source: Source,
    target: &Path,
    room: impl FnOnce(&Path, &[Disk]) -> io::Result<Room>,
    runtime: &Handle,
    progress: &Progress,
) -> anyhow::Result<Manifest> {
    let is_new = prepare(target, &source.places.data)?;
    let mut has_begun = false;
    let made = room(target, &source.disks)
        .with_context(|| format!("cannot look at the disk of {}", target.display()))
        .and_then(|room| fill(source, target, &room, &mut has_begun, runtime, progress));
    let Err(error) = made else { return made };
    let removed = if has_begun { remove_written(target) } else { Ok(()) };
    if is_new {
        std::fs::remove_dir(target).ok();
    }
    if !has_begun {
        return Err(error);
    }
    Err(error.context(match removed {
        Ok(()) => {
            format!("no backup was made, and what was written of it to {} was removed", target.display())
        }
        Err(left) => {
            format!(
                "no backup was made; remove what was written of it to {}, which failed ({left})",
                target.display()
            )
        }
    }))
}

/// Removes what a backup that failed has written to its folder, which was empty before.
fn remove_written(target: &Path) -> io::Result<()> {
    let gone = |removed: io::Result<()>| match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let drafts = [MANIFEST, SUMS].map(|name| format!("{name}.ny"));
    // SQLite's, while it writes the copy.
    let journal = format!("{SQLITE}-journal");
    let names = [MANIFEST, LOG, SQLITE, ROWS, KEY, SUMS, &journal];
    let removed = names.into_iter().chain(drafts.iter().map(String::as_str));
    let removed: Vec<_> = removed.map(|name| gone(std::fs::remove_file(target.join(name)))).collect();
    gone(std::fs::remove_dir_all(target.join(PAYLOADS)))?;
    removed.into_iter().collect()
}

fn fill(
    source: Source,
    target: &Path,
    room: &Room,
    has_begun: &mut bool,
    runtime: &Handle,
    progress: &Progress,
) -> anyhow::Result<Manifest> {
    let Source { places, moment, payloads, disks: _, now } = source;
    // Behind the moment, so that all that it names are among them; and what the registry says of them before, so that a
    // payload which is stored meanwhile is not compared, rather than taken for another.
    let known = runtime
        .block_on(storage::list_dokumenter(&places.registry_url))
        .context("cannot read what the registry knows of payloads")?;
    let objects = runtime.block_on(list(&*payloads)).context("cannot list the payloads")?;
    let payload_bytes = objects.iter().map(|object| object.size).sum::<u64>();
    let without_log = payload_bytes.saturating_add(registry_bytes(&places.registry_url));
    let log_bytes = moment.disk_bytes().context("cannot ask the queue log for its size")?;
    room.begin(without_log.saturating_add(log_bytes))?;
    // Others write to the same disk meanwhile. How much of the log is copied is not known; all else is.
    room.expect(without_log);

    let mut sums = Sums::default();
    let path = target.join(LOG);
    let log =
        SumFile::create(&path, Some(room)).with_context(|| format!("cannot make {}", path.display()))?;
    *has_begun = true;
    let (ko, named) = dump_log(moment, &path, log, &mut sums, progress)?;
    progress.say(format!("queue log: {} meldinger waiting, {} known", ko.queued, ko.meldinger));
    progress.check()?;
    let (form, name) = match storage::sqlite_file(&places.registry_url) {
        Some(_) => (Form::Sqlite, SQLITE),
        None => (Form::Postgres, ROWS),
    };
    room.look().context("cannot copy the registry")?;
    let copied = runtime
        .block_on(storage::copy_registry(&places.registry_url, &target.join(name)))
        .context("cannot copy the registry")?;
    sums.add(name, sum_of(&target.join(name))?);
    let Some(to) = copied.tilhorighet else {
        bail!("the registry does not say which installation it belongs to; start the server once");
    };
    room.expect(payload_bytes);
    let key = passord_key::path(&places.data);
    let (sum, _) = copy(&key, &target.join(KEY))?;
    sums.add(KEY, sum);
    progress.say(format!("registry: {} kontoer", copied.stand.kontoer));

    let mut dokumenter = copy_payloads(&*payloads, &objects, &known, room, runtime, &mut sums, progress)?;
    let stored: BTreeSet<_> = objects.iter().filter_map(Object::id).collect();
    dokumenter.mangler.extend(named.difference(&stored));
    dokumenter.ukjent.extend(named.iter().filter(|id| stored.contains(id) && !known.contains_key(id)));
    let sha256sums = sums.write(target)?;
    progress.check()?;
    let register = Register::of(form, copied.stand);
    let manifest = Manifest::new(to.installasjon, now, register, ko, dokumenter, sha256sums);
    manifest.write(target)?;
    Ok(manifest)
}

/// Makes the folder for the backup, or finds it empty. Tells whether it was missing.
fn prepare(target: &Path, data: &Path) -> anyhow::Result<bool> {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let above = target.parent().map(whole).unwrap_or_default();
    ensure!(
        !above.starts_with(whole(data)),
        "{} lies in the data folder; a backup belongs on another disk",
        target.display()
    );
    ensure!(
        target.is_dir() || !target.exists(),
        "{} is a file; name an absent or empty folder for the backup",
        target.display()
    );
    let found = entries_but(target, &[])?;
    if !found.is_empty() {
        let unfinished = !target.join(super::MANIFEST).exists() && target.join(LOG).exists();
        let what = if unfinished {
            "holds a backup that was not finished: remove it, or name another folder"
        } else {
            "is not empty: name an absent or empty folder for the backup"
        };
        bail!("{} {what}", target.display());
    }
    let is_new = files::make_folder(target)?;
    files::report_open_folder(target);
    Ok(is_new)
}

fn registry_bytes(url: &str) -> u64 {
    let Some(file) = storage::sqlite_file(url) else { return 0 };
    let mut wal = file.clone().into_os_string();
    wal.push("-wal");
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |known| known.len());
    bytes(&file) + bytes(&PathBuf::from(wal))
}

/// Writes the log down. Gives what it holds, and the payloads in Dokumentlager that it names.
fn dump_log(
    moment: LogMoment,
    path: &Path,
    log: SumFile<'_>,
    sums: &mut Sums,
    progress: &Progress,
) -> anyhow::Result<(LogCounts, BTreeSet<DokumentId>)> {
    let cannot = || format!("cannot write {}", path.display());
    let mut file = BufWriter::with_capacity(1024 * 1024, log);
    let counts = moment.dump(&mut file, || progress.go_on()).context("cannot copy the queue log")?;
    // The log may be closed, and may give room back, from here on.
    drop(moment);
    file.flush().with_context(cannot)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error).with_context(cannot)?;
    sums.add(LOG, file.finish().with_context(cannot)?.0);
    // Whether what was written can be read is better known now than when it is needed.
    let written = File::open(path).with_context(cannot)?;
    let checked = check_log(BufReader::with_capacity(1024 * 1024, written))
        .with_context(|| format!("cannot read {} again", path.display()))?;
    Ok((counts, checked.dokumenter))
}

/// A payload in its store.
struct Object {
    location: ObjectPath,
    size: u64,
}

impl Object {
    fn id(&self) -> Option<DokumentId> {
        dokument_at(&self.location)
    }
}

async fn list(payloads: &dyn ObjectStore) -> object_store::Result<Vec<Object>> {
    let objects = payloads.list(Some(&ObjectPath::from(FOLDER)));
    objects.map_ok(|object| Object { location: object.location, size: object.size }).try_collect().await
}

/// Copies those that were there at the log's moment: all that it names are among them, since none was removed from there on.
/// Each is compared with what is `known` of it.
fn copy_payloads(
    payloads: &dyn ObjectStore,
    objects: &[Object],
    known: &BTreeMap<DokumentId, StoredDokument>,
    room: &Room,
    runtime: &Handle,
    sums: &mut Sums,
    progress: &Progress,
) -> anyhow::Result<Payloads> {
    let target = room.target();
    let payload_root = target.join(PAYLOADS);
    let folder = payload_root.join(FOLDER);
    files::make_folder(&folder)?;
    let mut copied = Payloads::default();
    for object in objects {
        let location = &object.location;
        progress.check()?;
        let name = location.filename().context("a payload has no name")?;
        let path = folder.join(name);
        let cannot = || format!("cannot copy the payload {location} to {}", path.display());
        let mut file = SumFile::create(&path, Some(room)).with_context(cannot)?;
        let mut to_come = object.size;
        let mut read = || -> anyhow::Result<object_store::Result<()>> {
            let mut pieces = match runtime.block_on(payloads.get(location)) {
                Ok(found) => found.into_stream(),
                Err(error) => return Ok(Err(error)),
            };
            loop {
                progress.check()?;
                match runtime.block_on(pieces.try_next()) {
                    Ok(Some(piece)) => {
                        let came = to_come.min(piece.len() as u64);
                        to_come -= came;
                        room.came(came);
                        file.write_all(&piece).with_context(cannot)?;
                    }
                    Ok(None) => return Ok(Ok(())),
                    Err(error) => return Ok(Err(error)),
                }
            }
        };
        let read = read()?;
        room.came(to_come);
        // One that cannot be read keeps nobody from having a backup of all others.
        if let Err(error) = read {
            let id = object.id().with_context(cannot)?;
            progress
                .say(format!("Dokumentlager: payload {id} cannot be read: {:#}", anyhow::Error::from(error)));
            std::fs::remove_file(&path).with_context(cannot)?;
            copied.mangler.push(id);
            continue;
        }
        let (sum, bytes) = file.finish().with_context(cannot)?;
        if let Some(id) = object.id()
            && known.get(&id).is_some_and(|known| {
                known.size_bytes != bytes || known.sha256.is_some_and(|expected| hex(&expected) != sum)
            })
        {
            progress.say(format!("Dokumentlager: payload {id} is not what was stored"));
            copied.skadet.push(id);
        }
        sums.add(&format!("{PAYLOADS}/{FOLDER}/{name}"), sum);
        copied.antall += 1;
        copied.bytes += bytes;
        if copied.antall.is_multiple_of(SAY_EVERY) {
            progress.say(format!("Dokumentlager: {} payloads", copied.antall));
        }
    }
    for folder in [folder.as_path(), &payload_root, target] {
        sync_folder(folder)?;
    }
    Ok(copied)
}
