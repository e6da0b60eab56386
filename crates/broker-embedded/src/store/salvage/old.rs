//! The damaged log, opened as far as it goes. Neither its lists of files nor its journals have to be whole, nor there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::journals::replay;
use super::spaces::{Spaces, looks_right};
use super::tree::{Shared, Tree};
use crate::queue::Number;
use crate::store::damage::guarded;
use crate::store::journal::{first_step, list};
use crate::store::keys::number_at;
use crate::store::line::{Line, decode};
use crate::store::{FORGOTTEN, FORMAT, OLDEST_FORMAT, STEP, StoreError, forgotten_before, names};

const BEYOND: StoreError = StoreError::Beyond("a keyspace cannot be opened, with none of its files");

pub(super) struct Old {
    pub(super) meta: Tree,
    pub(super) kontoer: Tree,
    pub(super) entries: Tree,
    pub(super) meldinger: Tree,
    pub(super) sporing: Tree,
    pub(super) payloads: Tree,
    pub(super) ids: Tree,
    pub(super) by_konto: Tree,
    pub(super) dead: Tree,
    /// The last step that it has.
    pub(super) step: u64,
    /// What it had to do without, as it is called within the log.
    pub(super) lost_files: Vec<PathBuf>,
    /// Bytes of journals that could not be read.
    pub(super) journal_bytes: u64,
    /// Whether batches are missing that stood in journals.
    pub(super) journals_lack: bool,
    /// No step before this one stands in a journal; `None` where that is not known.
    pub(super) journal_from: Option<u64>,
}

impl Old {
    /// Opens `copy`, which is changed, of the log at `path`.
    pub(super) fn open(path: &Path, copy: &Path) -> Result<Self, StoreError> {
        let folder = copy.join("keyspaces");
        std::fs::create_dir_all(&folder).map_err(StoreError::Files)?;
        let shared = Shared::new();
        let spaces = Spaces::find(&folder, &shared)?;
        let mut trees: BTreeMap<u64, Tree> = BTreeMap::new();
        let mut open = |name: &str| {
            let number = spaces.number(name);
            let tree = Tree::open(&folder.join(number.to_string()), name == names::PAYLOADS, &shared);
            let tree = tree.map_err(|error| if error.is_damage() { BEYOND } else { error })?;
            trees.insert(number, tree);
            Ok::<_, StoreError>(number)
        };
        let [meta, steps, kontoer, entries, meldinger, sporing, payloads, ids, by_konto, dead] = [
            names::META,
            names::STEPS,
            names::KONTOER,
            names::ENTRIES,
            names::MELDINGER,
            names::SPORING,
            names::PAYLOADS,
            names::IDS,
            names::BY_KONTO,
            names::DEAD,
        ]
        .map(|name| open(name).map(|number| (name, number)));
        let steps_number = spaces.number(names::STEPS);
        let step_of = |value: &[u8]| number_at(value, 0).ok();
        let mut step = match trees.get(&steps_number) {
            Some(steps) => {
                readable(steps.get(STEP.as_bytes()))?.and_then(|value| step_of(&value)).unwrap_or_default()
            }
            None => 0,
        };
        let mut is_gap = list(copy).map_err(StoreError::Files)?.is_empty();
        let journal_bytes = replay(copy, |change| {
            if change.keyspace == steps_number
                && let Some(next) = change.value.and_then(step_of)
            {
                // Each synced batch has the number that follows, so one that is missing is known by it.
                is_gap |= next > step + 1;
                step = step.max(next);
            }
            let Some(tree) = trees.get(&change.keyspace) else { return };
            if tree.whole_to.is_some_and(|whole_to| whole_to > 0 && change.sequence <= whole_to) {
                return; // It has that in a table.
            }
            match change.value {
                Some(value) => tree.insert(change.key, value, change.sequence),
                None => tree.remove(change.key, change.sequence),
            }
        })?;
        let mut lost_files = Vec::new();
        if !spaces.is_listed {
            lost_files.push(PathBuf::from("keyspaces/0"));
        }
        let mut take = |found: Result<(&str, u64), StoreError>| {
            let (name, number) = found?;
            let tree = trees.remove(&number).ok_or(StoreError::Beyond("two keyspaces have one folder"))?;
            if !spaces.is_listed && !looks_right(name, &tree) {
                return Err(StoreError::Beyond("which of its folders holds what is not known"));
            }
            lost_files
                .extend(tree.lost.iter().map(|file| file.strip_prefix(copy).unwrap_or(file).to_owned()));
            Ok(tree)
        };
        let meta = take(meta)?;
        take(steps)?;
        check_format(&meta)?;
        let journal_from = match list(path).map_err(StoreError::Files)?.first() {
            Some(oldest) => first_step(oldest).map_err(StoreError::Journals)?,
            None => None,
        };
        Ok(Self {
            step,
            meta,
            kontoer: take(kontoer)?,
            entries: take(entries)?,
            meldinger: take(meldinger)?,
            sporing: take(sporing)?,
            payloads: take(payloads)?,
            ids: take(ids)?,
            by_konto: take(by_konto)?,
            dead: take(dead)?,
            lost_files,
            journal_bytes,
            journals_lack: journal_bytes > 0 || is_gap,
            journal_from: journal_from.filter(|_| !is_gap),
        })
    }

    /// What happened to a melding after it was taken.
    pub(super) fn lines_of(&self, number: Number) -> Result<Vec<Line>, StoreError> {
        guarded(|| {
            let mut later = Vec::new();
            for record in self.sporing.prefix(&number.to_be_bytes()) {
                let value = record?.1.ok_or(StoreError::Damaged("a line of sporing"))?;
                later.push(decode(&value, "a line of sporing")?);
            }
            Ok(later)
        })
    }

    /// Up to when meldinger that were over have been forgotten; `None` if none ever were, or it cannot be read.
    pub(super) fn forgotten_before(&self) -> Option<Timestamp> {
        forgotten_before(&readable(self.meta.get(FORGOTTEN.as_bytes())).ok().flatten()?)
    }
}

/// Nothing where it is damaged.
fn readable<T>(read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(error) if error.is_damage() => Ok(None),
        read => read,
    }
}

fn check_format(meta: &Tree) -> Result<(), StoreError> {
    match readable(meta.get(b"format"))? {
        Some(value) => match number_at(&value, 0)? {
            OLDEST_FORMAT..=FORMAT => Ok(()),
            other => Err(StoreError::Format(other)),
        },
        None => Ok(()),
    }
}
