//! How keys and queue entries are spelled.

use app::ports::Eiere;
use jiff::Timestamp;
use wire::id::{FiksOrgId, KontoId, Uuid};

use super::StoreError;
use super::line::{VERSION, timestamp};
use crate::queue::{CRASHES_KEPT, Entry, Millis, Number, Tries};
use crate::sporing::Level;

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

/// First byte of a queue entry that says what it takes of the room. One of [`VERSION`] does not, and takes none.
const COSTED: u8 = 2;

/// What a melding takes of the room on queues, and who answers for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cost {
    pub(crate) eiere: Eiere,
    pub(crate) bytes: u32,
}

impl Cost {
    const LENGTH: usize = 36;

    /// Of a melding that takes so many bytes.
    pub(crate) fn new(eiere: Eiere, bytes: u64) -> Self {
        Self { eiere, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) }
    }

    /// Of a melding of which nobody knows who answers for it.
    pub(crate) fn of_nobody(bytes: u64) -> Self {
        Self::new(Eiere::default(), bytes)
    }

    fn bytes(&self) -> [u8; Self::LENGTH] {
        let mut value = [0; Self::LENGTH];
        value[..16].copy_from_slice(self.eiere.avsender.as_uuid().as_bytes());
        value[16..32].copy_from_slice(self.eiere.mottaker.as_uuid().as_bytes());
        value[32..].copy_from_slice(&self.bytes.to_be_bytes());
        value
    }

    fn of(value: &[u8; Self::LENGTH]) -> Self {
        let (owners, [a, b, c, d]) = (value, [value[32], value[33], value[34], value[35]]);
        let org = |at: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&owners[at..at + 16]);
            FiksOrgId::from_uuid(Uuid::from_bytes(bytes))
        };
        Self { eiere: Eiere { avsender: org(0), mottaker: org(16) }, bytes: u32::from_be_bytes([a, b, c, d]) }
    }
}

/// A queue entry as it is kept.
pub(crate) type KeptEntry = Entry<Cost>;

/// How long a queue entry is, and one of [`VERSION`].
const ENTRY: usize = 28 + Cost::LENGTH;

pub(super) fn encode_entry(konto: KontoId, entry: &KeptEntry) -> [u8; ENTRY] {
    let mut value = [0; ENTRY];
    value[0] = COSTED;
    value[1..17].copy_from_slice(konto.as_uuid().as_bytes());
    value[17..25].copy_from_slice(&entry.deadline.to_be_bytes());
    value[25] = entry.tries.failed;
    value[26] = entry.tries.returned;
    // What an entry of format 2 has here is 0 or 1, so those are read as they were meant.
    value[27] = u8::from(entry.held) | (entry.tries.crashes.min(CRASHES_KEPT) << 1);
    value[28..].copy_from_slice(&entry.share.bytes());
    value
}

/// How long the time is at which a melding was handed out: behind all else of its entry, where it is held.
const HANDED_OUT: usize = 8;
const HELD_ENTRY: usize = ENTRY + HANDED_OUT;

/// An entry of a melding that is handed out at `now`.
pub(super) fn encode_held(konto: KontoId, entry: &KeptEntry, now: Millis) -> [u8; HELD_ENTRY] {
    let mut value = [0; HELD_ENTRY];
    value[..ENTRY].copy_from_slice(&encode_entry(konto, entry));
    value[ENTRY..].copy_from_slice(&now.to_be_bytes());
    value
}

/// When the melding of an entry was handed out, where it says so.
pub(super) fn handed_out(value: &[u8]) -> Option<Millis> {
    let (_, at) = value.split_at_checked(ENTRY)?;
    Some(Millis::from_be_bytes(at.try_into().ok()?))
}

pub(super) fn decode_entry(key: &[u8], value: &[u8]) -> Result<(KontoId, KeptEntry), StoreError> {
    let damaged = || StoreError::Damaged("a queue entry");
    let (value, rest) = value.split_first_chunk::<28>().ok_or_else(damaged)?;
    let share = match (value[0], rest) {
        (VERSION, []) => Cost::default(),
        (COSTED, rest) if [Cost::LENGTH, Cost::LENGTH + HANDED_OUT].contains(&rest.len()) => {
            Cost::of(rest.first_chunk().ok_or_else(damaged)?)
        }
        _ => return Err(damaged()),
    };
    let mut deadline = [0; 8];
    deadline.copy_from_slice(&value[17..25]);
    let entry = Entry {
        number: number_at(key, 0)?,
        deadline: i64::from_be_bytes(deadline),
        tries: Tries { failed: value[25], crashes: value[27] >> 1, returned: value[26] },
        held: value[27] & 1 != 0,
        share,
    };
    Ok((konto_at(value, 1)?, entry))
}

/// A dead letter as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeptDead {
    /// When it was given up.
    pub(crate) at: Timestamp,
    /// What it takes of the room. One from before that was counted takes none.
    pub(crate) cost: Cost,
}

/// How long the value of a dead letter is; one from before its cost was counted has the first 16 bytes.
const DEAD: usize = 16 + Cost::LENGTH;

pub(super) fn encode_dead(dead: &KeptDead) -> [u8; DEAD] {
    let mut value = [0; DEAD];
    value[..16].copy_from_slice(&dead.at.as_nanosecond().to_be_bytes());
    value[16..].copy_from_slice(&dead.cost.bytes());
    value
}

pub(super) fn decode_dead(value: &[u8]) -> Result<KeptDead, StoreError> {
    let damaged = || StoreError::Damaged("a dead letter");
    let (at, rest) = value.split_first_chunk::<16>().ok_or_else(damaged)?;
    let cost = match rest {
        [] => Cost::default(),
        rest => Cost::of(rest.try_into().map_err(|_| damaged())?),
    };
    Ok(KeptDead { at: timestamp(i128::from_be_bytes(*at))?, cost })
}

/// How long a level of sporing is, with whose it is.
pub(super) const LEVEL: usize = 32;

pub(super) fn encode_level((organisasjon, level): &(FiksOrgId, Level)) -> [u8; LEVEL] {
    let mut value = [0; LEVEL];
    value[..16].copy_from_slice(organisasjon.as_uuid().as_bytes());
    value[16..24].copy_from_slice(&level.bytes.to_be_bytes());
    value[24..].copy_from_slice(&level.at.to_be_bytes());
    value
}

pub(super) fn decode_level(value: &[u8; LEVEL]) -> (FiksOrgId, Level) {
    let (mut organisasjon, mut bytes, mut at) = ([0; 16], [0; 8], [0; 8]);
    organisasjon.copy_from_slice(&value[..16]);
    bytes.copy_from_slice(&value[16..24]);
    at.copy_from_slice(&value[24..]);
    let level = Level { bytes: u64::from_be_bytes(bytes), at: i64::from_be_bytes(at) };
    (FiksOrgId::from_uuid(Uuid::from_bytes(organisasjon)), level)
}
