//! Reading a keyspace of which some blocks are damaged.

use super::tree::{Record, Tree};
use crate::store::StoreError;
use crate::store::damage::guarded;

/// Reads all records of a keyspace that can be read, in the order of their keys. Returns at how many places some could not
/// be; how many stood there is not known.
pub(super) fn scan(
    keyspace: &Tree,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let mut places = 0;
    let mut from = Vec::new();
    loop {
        let mut records = keyspace.from(&from);
        let damaged = loop {
            let read = guarded(|| records.next().transpose());
            match read {
                Ok(Some((key, value))) => {
                    from.clear();
                    from.extend_from_slice(&key);
                    // The least key behind it.
                    from.push(0);
                    match value {
                        Some(value) => each(&key, &value)?,
                        None => places += 1,
                    }
                }
                Ok(None) => break false,
                Err(error) if error.is_damage() => break true,
                Err(error) => return Err(error),
            }
        };
        if !damaged {
            return Ok(places);
        }
        places += 1;
        match next_readable(keyspace, place_of(&from))? {
            Some(next) => from = next.to_be_bytes().to_vec(),
            None => return Ok(places),
        }
    }
}

/// A key as a number: its first sixteen bytes. Longer ones that begin alike are passed over together.
fn place_of(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(key) {
        *to = *from;
    }
    u128::from_be_bytes(bytes)
}

fn first_from(keyspace: &Tree, place: u128) -> Result<Option<Record>, StoreError> {
    guarded(|| keyspace.from(&place.to_be_bytes()).next().transpose())
}

fn is_readable(keyspace: &Tree, place: u128) -> Result<bool, StoreError> {
    match first_from(keyspace, place) {
        Ok(_) => Ok(true),
        Err(error) if error.is_damage() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The first place behind `from` from where on can be read again, as nearly as it can be told.
fn next_readable(keyspace: &Tree, from: u128) -> Result<Option<u128>, StoreError> {
    let mut step: u128 = 1;
    let (mut damaged, mut readable) = loop {
        let Some(place) = from.checked_add(step) else {
            if is_readable(keyspace, u128::MAX)? {
                break (from, u128::MAX);
            }
            return Ok(None);
        };
        if is_readable(keyspace, place)? {
            break (from + step / 2, place);
        }
        match step.checked_mul(2) {
            Some(next) => step = next,
            None => return Ok(None),
        }
    };
    while readable - damaged > 1 {
        let middle = damaged + (readable - damaged) / 2;
        if is_readable(keyspace, middle)? { readable = middle } else { damaged = middle }
    }
    Ok(Some(readable))
}
