//! How keys and queue entries are spelled.

use wire::id::{KontoId, Uuid};

use super::StoreError;
use super::line::VERSION;
use crate::queue::{CRASHES_KEPT, Entry, Number, Tries};

pub(super) fn pair(konto: KontoId, number: Number) -> [u8; 24] {
    let mut key = [0; 24];
    key[..16].copy_from_slice(konto.as_uuid().as_bytes());
    key[16..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn line_key(number: Number, step: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&step.to_be_bytes());
    key
}

pub(super) fn number_at(key: &[u8], at: usize) -> Result<Number, StoreError> {
    key.get(at..at + 8)
        .and_then(|bytes| bytes.try_into().ok())
        .map(Number::from_be_bytes)
        .ok_or(StoreError::Damaged("a key"))
}

pub(super) fn konto_at(bytes: &[u8], at: usize) -> Result<KontoId, StoreError> {
    bytes
        .get(at..at + 16)
        .and_then(|bytes| Uuid::from_slice(bytes).ok())
        .map(KontoId::from_uuid)
        .ok_or(StoreError::Damaged("a KontoId"))
}

pub(super) fn encode_entry(konto: KontoId, entry: &Entry) -> [u8; 28] {
    let mut value = [0; 28];
    value[0] = VERSION;
    value[1..17].copy_from_slice(konto.as_uuid().as_bytes());
    value[17..25].copy_from_slice(&entry.deadline.to_be_bytes());
    value[25] = entry.tries.failed;
    value[26] = entry.tries.returned;
    // What an entry of format 2 has here is 0 or 1, so those are read as they were meant.
    value[27] = u8::from(entry.held) | (entry.tries.crashes.min(CRASHES_KEPT) << 1);
    value
}

pub(super) fn decode_entry(key: &[u8], value: &[u8]) -> Result<(KontoId, Entry), StoreError> {
    let value: &[u8; 28] = value.try_into().map_err(|_| StoreError::Damaged("a queue entry"))?;
    if value[0] != VERSION {
        return Err(StoreError::Damaged("a queue entry"));
    }
    let mut deadline = [0; 8];
    deadline.copy_from_slice(&value[17..25]);
    let entry = Entry {
        number: number_at(key, 0)?,
        deadline: i64::from_be_bytes(deadline),
        tries: Tries { failed: value[25], crashes: value[27] >> 1, returned: value[26] },
        held: value[27] & 1 != 0,
    };
    Ok((konto_at(value, 1)?, entry))
}
