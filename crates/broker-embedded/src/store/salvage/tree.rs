//! A keyspace of a damaged log, opened as far as it goes.
//!
//! Tables know what they hold, so the list of them is a help, and not needed. One that cannot be opened is left out, and all
//! others are read. It is opened with `lsm-tree` itself, beneath fjall, which opens all of a log or nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::{SeqNo, UserKey, UserValue};
use lsm_tree::config::PinningPolicy;
use lsm_tree::{
    AbstractTree as _, AnyTree, Cache, Checksum, Config, DescriptorTable, Guard as _, IterGuardImpl,
    KvSeparationOptions, SequenceNumberCounter, Table,
};

use super::manifest::{self, Manifest};
use crate::store::damage::guarded;
use crate::store::{MIB, StoreError};

const TABLES: &str = "tables";
const BLOBS: &str = "blobs";

/// What all trees of a log share.
pub(super) struct Shared {
    cache: Arc<Cache>,
    files: Arc<DescriptorTable>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            cache: Arc::new(Cache::with_capacity_bytes(16 * MIB)),
            files: Arc::new(DescriptorTable::new(100)),
        }
    }
}

/// One keyspace.
pub(super) struct Tree {
    inner: AnyTree,
    /// What it had to do without.
    pub(super) lost: Vec<PathBuf>,
    /// Up to where it needs no journal; `None` where it is not whole, and each batch may have something it lacks.
    pub(super) whole_to: Option<SeqNo>,
}

impl Tree {
    /// Opens what can be opened of the keyspace in `folder`, which is changed and must be a copy.
    pub(super) fn open(folder: &Path, has_blobs: bool, shared: &Shared) -> Result<Self, StoreError> {
        let is_there = folder.is_dir();
        std::fs::create_dir_all(folder.join(TABLES)).map_err(StoreError::Files)?;
        let found = manifest::read(folder).map_err(StoreError::Files)?;
        if found.as_ref().is_some_and(|manifest| manifest.is_whole)
            && let Ok(tree) = open(folder, has_blobs, shared)
        {
            let whole_to = Some(tree.get_highest_persisted_seqno().unwrap_or_default());
            return Ok(Self { inner: tree, lost: Vec::new(), whole_to });
        }
        let mut lost = Vec::new();
        if !is_there {
            lost.push(folder.to_owned());
        } else if !found.as_ref().is_some_and(|manifest| manifest.is_whole) {
            lost.push(folder.join("current"));
        }
        let tables = chosen(&folder.join(TABLES), found.as_ref(), |manifest| &manifest.tables, &mut lost)?;
        let blobs = chosen(&folder.join(BLOBS), found.as_ref(), |manifest| &manifest.blobs, &mut lost)?;
        let runs = runs_of(folder, &tables, shared, &mut lost);
        let blobs: Vec<_> = blobs
            .into_iter()
            .filter(|file| is_archive(&folder.join(BLOBS).join(file.to_string()), &mut lost))
            .collect();
        manifest::write(folder, &runs, has_blobs.then_some(&blobs)).map_err(StoreError::Files)?;
        let tree = match open(folder, has_blobs, shared) {
            Err(_) if !blobs.is_empty() => {
                lost.extend(blobs.iter().map(|file| folder.join(BLOBS).join(file.to_string())));
                manifest::write(folder, &runs, Some(&[])).map_err(StoreError::Files)?;
                open(folder, has_blobs, shared)?
            }
            tree => tree?,
        };
        Ok(Self { inner: tree, lost, whole_to: None })
    }

    /// All records from `key` on.
    pub(super) fn from(&self, key: &[u8]) -> impl Iterator<Item = Result<Record, StoreError>> + use<> {
        self.inner.range(key.to_vec().., SeqNo::MAX, None).map(record)
    }

    /// All records whose keys begin with `prefix`.
    pub(super) fn prefix(&self, prefix: &[u8]) -> impl Iterator<Item = Result<Record, StoreError>> + use<> {
        self.inner.prefix(prefix, SeqNo::MAX, None).map(record)
    }

    /// Not by its filters, which may be damaged.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<UserValue>, StoreError> {
        guarded(|| match self.from(key).next().transpose()? {
            Some((found, value)) if found.as_ref() == key => {
                value.map(Some).ok_or(StoreError::Damaged("a value"))
            }
            _ => Ok(None),
        })
    }

    pub(super) fn insert(&self, key: &[u8], value: &[u8], at: SeqNo) {
        self.inner.insert(key, value, at);
    }

    pub(super) fn remove(&self, key: &[u8], at: SeqNo) {
        self.inner.remove(key, at);
    }
}

/// A key and its value; `None` for one that lies in a file of its own kind and cannot be read.
pub(super) type Record = (UserKey, Option<UserValue>);

fn record(guard: IterGuardImpl) -> Result<Record, StoreError> {
    let key = RefCell::new(None);
    let read = guarded(|| {
        let keep = |found: &UserKey| key.replace(Some(found.clone())).is_none();
        guard.into_inner_if(keep).map_err(failed)
    });
    match (read, key.take()) {
        (Err(error), Some(key)) if error.is_damage() => Ok((key, None)),
        (read, _) => read,
    }
}

fn failed(error: fjall::LsmError) -> StoreError {
    StoreError::Backend(fjall::Error::Storage(error))
}

fn open(folder: &Path, has_blobs: bool, shared: &Shared) -> Result<AnyTree, StoreError> {
    let config = Config::new(folder, SequenceNumberCounter::default(), SequenceNumberCounter::default())
        .use_cache(shared.cache.clone())
        .use_descriptor_table(Some(shared.files.clone()))
        // What is not needed is not read, and can be damaged.
        .filter_block_pinning_policy(PinningPolicy::all(false))
        .index_block_pinning_policy(PinningPolicy::all(false))
        .with_kv_separation(has_blobs.then(KvSeparationOptions::default));
    let tree = guarded(|| config.open().map_err(failed))?;
    // A table whose index cannot be read would hide what others hold beside it.
    for table in tree.current_version().iter_tables() {
        if !can_be_used(&table.path, table.id(), shared) {
            return Err(StoreError::Damaged("a table"));
        }
    }
    Ok(tree)
}

/// The numbers of those files that belong to the keyspace, and those that are missing.
fn chosen(
    folder: &Path,
    manifest: Option<&Manifest>,
    of: impl Fn(&Manifest) -> &Vec<u64>,
    lost: &mut Vec<PathBuf>,
) -> Result<Vec<u64>, StoreError> {
    let mut there = BTreeSet::new();
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        entries => {
            for entry in entries.map_err(StoreError::Files)? {
                let entry = entry.map_err(StoreError::Files)?;
                match entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                    Some(id) => {
                        there.insert(id);
                    }
                    None => std::fs::remove_file(entry.path()).map_err(StoreError::Files)?,
                }
            }
        }
    }
    let Some(manifest) = manifest else { return Ok(there.into_iter().collect()) };
    let (found, missing): (Vec<u64>, Vec<u64>) = of(manifest).iter().partition(|id| there.contains(id));
    lost.extend(missing.iter().map(|id| folder.join(id.to_string())));
    // One that was changed may name others than were meant.
    if missing.is_empty() || manifest.is_whole { Ok(found) } else { Ok(there.into_iter().collect()) }
}

fn is_archive(path: &Path, lost: &mut Vec<PathBuf>) -> bool {
    let is_one = sfa::Reader::new(path).is_ok_and(|reader| reader.toc().section(b"meta").is_some());
    if !is_one {
        lost.push(path.to_owned());
    }
    is_one
}

fn table(path: &Path, shared: &Shared) -> Result<Table, StoreError> {
    guarded(|| {
        let cache = shared.cache.clone();
        // The whole index is read.
        Table::recover(path.to_owned(), Checksum::from_raw(0), 0, 0, cache, None, false, true).map_err(failed)
    })
}

fn can_be_used(path: &Path, id: u64, shared: &Shared) -> bool {
    table(path, shared).is_ok_and(|table| table.id() == id)
}

/// The tables that can be read, in as few runs as they fit into without overlaps.
fn runs_of(folder: &Path, tables: &[u64], shared: &Shared, lost: &mut Vec<PathBuf>) -> Vec<Vec<u64>> {
    let mut found = Vec::new();
    for id in tables {
        let path = folder.join(TABLES).join(id.to_string());
        match table(&path, shared) {
            Ok(table) if table.id() == *id => {
                let keys = &table.metadata.key_range;
                found.push((keys.min().to_vec(), keys.max().to_vec(), *id));
            }
            _ => lost.push(path),
        }
    }
    found.sort_unstable();
    let mut runs: Vec<(Vec<u8>, Vec<u64>)> = Vec::new();
    for (min, max, id) in found {
        match runs.iter_mut().find(|(end, _)| *end < min) {
            Some((end, run)) => {
                *end = max;
                run.push(id);
            }
            None => runs.push((max, vec![id])),
        }
    }
    runs.into_iter().map(|(_, run)| run).collect()
}
