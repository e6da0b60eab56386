//! Which folder of a damaged log holds which keyspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::tree::{Record, Shared, Tree};
use crate::store::damage::guarded;
use crate::store::keys::{decode_dead, decode_entry, number_at};
use crate::store::line::{Line, StoredMelding, VERSION, decode};
use crate::store::names::{self, NAMES};
use crate::store::{FILLING, STEP, StoreError};

/// The folder of the list of all others.
const LIST: &str = "0";

/// The number of each keyspace by its name.
pub(super) struct Spaces {
    numbers: BTreeMap<&'static str, u64>,
    /// Whether the log's own list could be read and has them all.
    pub(super) is_listed: bool,
}

impl Spaces {
    /// Reads the list in `folder`, and does without where that cannot be read.
    pub(super) fn find(folder: &Path, shared: &Shared) -> Result<Self, StoreError> {
        let mut numbers = listed(&folder.join(LIST), shared);
        let is_listed = numbers.len() == NAMES.len();
        let mut there = BTreeSet::new();
        for entry in std::fs::read_dir(folder).map_err(StoreError::Files)? {
            let name = entry.map_err(StoreError::Files)?.file_name();
            there
                .extend(name.to_str().and_then(|name| name.parse::<u64>().ok()).filter(|number| *number > 0));
        }
        // A start that was cut off may have left a number out, but has changed no order.
        let in_order: Vec<u64> = if there.len() == NAMES.len() {
            there.into_iter().collect()
        } else {
            (1..=NAMES.len() as u64).collect()
        };
        for (name, number) in NAMES.into_iter().zip(in_order) {
            numbers.entry(name).or_insert(number);
        }
        if numbers.values().collect::<BTreeSet<_>>().len() < NAMES.len() {
            return Err(StoreError::Beyond("which of its folders holds what is not known"));
        }
        Ok(Self { numbers, is_listed })
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.numbers.get(name).copied().unwrap_or_default()
    }
}

fn listed(folder: &Path, shared: &Shared) -> BTreeMap<&'static str, u64> {
    let mut numbers = BTreeMap::new();
    if !folder.is_dir() {
        return numbers;
    }
    let Ok(list) = Tree::open(folder, false, shared) else { return numbers };
    let mut records = list.prefix(b"n");
    while let Ok(Some((key, Some(name)))) = guarded(|| records.next().transpose()) {
        let name = NAMES.iter().find(|known| known.as_bytes() == name.as_ref());
        if let (Some(name), Ok(number)) = (name, number_at(&key, 1)) {
            numbers.insert(*name, number);
        }
    }
    numbers
}

/// Whether what can be read of a keyspace looks like that of this name. An empty one does.
pub(super) fn looks_right(name: &str, tree: &Tree) -> bool {
    match guarded(|| tree.from(&[]).next().transpose()) {
        Ok(Some(record)) => is_of(name, &record),
        _ => true,
    }
}

fn is_of(name: &str, (key, value): &Record) -> bool {
    let value = value.as_deref();
    match (name, key.len(), value.map(<[u8]>::len)) {
        (names::META, 1..16, _) => key.is_ascii(),
        (names::STEPS, _, _) => [STEP, FILLING].iter().any(|known| key.as_ref() == known.as_bytes()),
        (names::PAYLOADS, 8, _) | (names::IDS, 16, Some(8)) | (names::BY_KONTO, 24, Some(0)) => true,
        (names::KONTOER, 16, _) => value == Some(&[VERSION]),
        (names::ENTRIES, 8, Some(_)) => value.is_some_and(|value| decode_entry(key, value).is_ok()),
        (names::MELDINGER, 8, Some(_)) => value.is_some_and(|value| StoredMelding::decode(value).is_ok()),
        (names::SPORING, 16, Some(_)) => value.is_some_and(|value| decode::<Line>(value, "").is_ok()),
        (names::DEAD, 24, Some(_)) => value.is_some_and(|value| decode_dead(value).is_ok()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Place, store};

    /// What is done without the list.
    #[test]
    fn keyspaces_have_the_numbers_of_the_order_in_which_they_are_made() {
        let folder = Place::new();
        drop(store(&folder, 3));
        let spaces = Spaces::find(&folder.path().join("keyspaces"), &Shared::new()).expect("it can be read");
        assert!(spaces.is_listed);
        for (place, name) in NAMES.iter().enumerate() {
            assert_eq!(spaces.number(name), place as u64 + 1, "{name}");
        }
    }
}
