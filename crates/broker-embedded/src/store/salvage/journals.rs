//! All that can be read of the journals, also behind damage.
//!
//! A damaged batch is passed over by the lengths of its items, so that what a tenant put into a payload is not taken for a
//! batch. Where its lengths make no sense, the next batch is looked for byte by byte, and payloads are among those bytes. What
//! is found so counts only if its sequence numbers fit between those of its whole neighbours, with at least one left for what
//! is damaged in between; and, where nothing whole stands behind it, if it ends where the journal does.

use std::io;
use std::ops::Range;
use std::path::Path;

use fjall::SeqNo;
use xxhash_rust::xxh3::xxh3_64;

use crate::store::StoreError;
use crate::store::folder::content_end;
use crate::store::journal::list;

/// How each batch ends.
const MAGIC: &[u8] = b"FJL\x03";
const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
/// Tag, count of items, sequence number.
const START_BYTES: usize = 13;
/// Tag, checksum, magic.
const END_BYTES: usize = 13;
/// Tag, kind, compression, keyspace, lengths of key and of value, the latter also as it is stored.
const ITEM_BYTES: usize = 21;
/// No batch is shorter.
const LEAST_BATCH: u64 = (START_BYTES + ITEM_BYTES + END_BYTES) as u64;
/// So many sequence numbers at most are used between two batches for what stands in no journal, such as tables that are written.
const UNWRITTEN: u64 = 1_000;
/// How many bytes the log's keys have.
const KEYS: [usize; 6] = [4, 5, 6, 8, 16, 24];
const MOST_KEY: usize = 64;
const MOST_KEYSPACES: u64 = 64;

/// One change in a journal.
pub(super) struct Change<'a> {
    pub(super) keyspace: u64,
    pub(super) key: &'a [u8],
    /// `None` for a removal.
    pub(super) value: Option<&'a [u8]>,
    pub(super) sequence: SeqNo,
}

/// Gives all changes in the journals of the log at `path`, oldest first. Returns how many bytes could not be read.
pub(super) fn replay(path: &Path, mut each: impl FnMut(&Change<'_>)) -> Result<u64, StoreError> {
    let journals = list(path).map_err(StoreError::Files)?;
    let mut lost_bytes = 0;
    let mut first_of = Vec::new();
    for journal in &journals {
        let bytes = std::fs::read(journal).map_err(StoreError::Files)?;
        first_of.push(batch(&bytes).map(|batch| batch.sequence));
    }
    let mut next = None;
    for (place, journal) in journals.iter().enumerate() {
        let bytes = std::fs::read(journal).map_err(StoreError::Files)?;
        let below = first_of.iter().skip(place + 1).flatten().next().copied();
        let (kept, lost) = kept(&bytes, next, below);
        lost_bytes += lost as u64;
        for Batch { range, sequence } in kept {
            next = Some(sequence.saturating_add(1));
            changes(bytes.get(range).unwrap_or_default(), sequence, &mut each);
        }
    }
    Ok(lost_bytes)
}

/// How many whole batches stand behind the byte `at` of a journal.
pub(in crate::store) fn whole_behind(journal: &Path, at: u64) -> io::Result<u64> {
    let bytes = std::fs::read(journal)?;
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    let (kept, _) = kept(&bytes, None, None);
    Ok(kept.iter().filter(|batch| batch.range.start >= at).count() as u64)
}

/// A whole batch.
#[derive(Debug, PartialEq, Eq)]
struct Batch {
    range: Range<usize>,
    sequence: SeqNo,
}

/// A run of whole batches, one right behind the other.
struct Chain {
    batches: Vec<Batch>,
    /// Whether it begins where the one before it ends, by the lengths of what is damaged in between.
    is_linked: bool,
}

impl Chain {
    fn first(&self) -> SeqNo {
        self.batches.first().map_or(0, |batch| batch.sequence)
    }

    fn last(&self) -> SeqNo {
        self.batches.last().map_or(0, |batch| batch.sequence)
    }

    fn start(&self) -> usize {
        self.batches.first().map_or(0, |batch| batch.range.start)
    }

    fn end(&self) -> usize {
        self.batches.last().map_or(0, |batch| batch.range.end)
    }

    /// Sequence numbers have no checksum, and only grow.
    fn mend_sequence(&mut self) {
        let numbers: Vec<_> = self.batches.iter().map(|batch| batch.sequence).collect();
        let mut before: Option<SeqNo> = None;
        for (place, batch) in self.batches.iter_mut().enumerate() {
            let behind = numbers.get(place + 1).copied();
            if behind.is_some_and(|behind| {
                batch.sequence >= behind && before.is_none_or(|before| before < behind.saturating_sub(1))
            }) {
                batch.sequence =
                    before.map_or(behind.unwrap_or_default().saturating_sub(1), |before| before + 1);
            } else if let Some(before) = before.filter(|before| batch.sequence <= *before) {
                batch.sequence = before.saturating_add(1);
            }
            before = Some(batch.sequence);
        }
    }
}

/// The batches of a journal that count, and how many bytes do not. `next` is the sequence number that follows the last one of the
/// journal before it, `below` the first one of the journal behind it.
fn kept(bytes: &[u8], next: Option<SeqNo>, below: Option<SeqNo>) -> (Vec<Batch>, usize) {
    let end = content_end(bytes);
    let bytes = bytes.get(..end).unwrap_or_default();
    let mut next = next;
    let mut chains = chains(bytes).into_iter().peekable();
    let mut kept: Vec<Batch> = Vec::new();
    // What stands in its place from the start on is not in doubt.
    while let Some(chain) = chains.next_if(|chain| {
        let is_behind = next.is_none_or(|next| chain.first() > next);
        chain.is_linked && (chain.start() == 0 || is_behind)
    }) {
        next = Some(chain.last().saturating_add(1));
        kept.extend(chain.batches);
    }
    let from = kept.last().map_or(0, |batch| batch.range.end);
    kept.extend(fitting(chains.collect(), from, end, next, below.unwrap_or(SeqNo::MAX)));
    let whole: usize = kept.iter().map(|batch| batch.range.len()).sum();
    (kept, end - whole)
}

/// Those of the chains found behind `from` that fit.
fn fitting(mut found: Vec<Chain>, from: usize, end: usize, next: Option<SeqNo>, below: SeqNo) -> Vec<Batch> {
    let mut lowest = next.map_or(0, |next| next.saturating_add(1));
    let last = found.pop_if(|last| {
        // Not so far above that what is damaged could not hold all that lies between.
        let room = (last.start() - from) as u64 / LEAST_BATCH + UNWRITTEN;
        let highest = next.map_or(SeqNo::MAX, |next| next.saturating_add(room));
        last.end() == end && (lowest..=highest).contains(&last.first()) && last.last() < below
    });
    let upper = last.as_ref().map_or(below, Chain::first);
    // Where nothing whole stands behind them, or some contradict each other, nobody knows which of them are right.
    let mut fit = upper < SeqNo::MAX;
    for chain in &found {
        fit &= chain.first() >= lowest && chain.last().saturating_add(1) < upper;
        lowest = chain.last().saturating_add(2);
    }
    let found = if fit { found } else { Vec::new() };
    found.into_iter().chain(last).flat_map(|chain| chain.batches).collect()
}

fn chains(bytes: &[u8]) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let (mut at, mut is_linked, mut is_broken) = (0, true, true);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(batch) = batch(rest) {
            let batch = Batch { range: at..at + batch.range.end, ..batch };
            at = batch.range.end;
            match chains.last_mut() {
                Some(chain) if !is_broken => chain.batches.push(batch),
                _ => chains.push(Chain { batches: vec![batch], is_linked }),
            }
            (is_linked, is_broken) = (true, false);
            continue;
        }
        is_broken = true;
        match passed_over(rest) {
            Ok(length) => at += length,
            Err(stuck) => {
                is_linked = false;
                let behind = rest.get(stuck..).unwrap_or_default();
                let next = memchr::memchr_iter(START, behind)
                    .find(|start| batch(behind.get(*start..).unwrap_or_default()).is_some());
                at += stuck + next.unwrap_or(behind.len());
            }
        }
    }
    for chain in &mut chains {
        chain.mend_sequence();
    }
    chains
}

/// How long the damaged batch is with which `bytes` begin, by the lengths of its items; or from where on these make no sense.
fn passed_over(bytes: &[u8]) -> Result<usize, usize> {
    let mut at = START_BYTES;
    loop {
        let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else {
            return Ok(bytes.len());
        };
        let behind = at + END_BYTES;
        // Either its first byte or its last ones may be what is damaged.
        if bytes.get(behind - MAGIC.len()..behind) == Some(MAGIC) {
            return Ok(behind);
        }
        if rest.first() == Some(&END) {
            let ends_it = bytes.len() <= behind || bytes.get(behind) == Some(&START);
            return if ends_it { Ok(behind.min(bytes.len())) } else { Err(at) };
        }
        at += damaged_item(rest).ok_or(at)?;
    }
}

/// How long the item is with which `bytes` begin and of which something may be wrong; `None` where that makes no sense. No payload
/// has a say in it: what stands behind it is asked only at the places that its own lengths lead to.
fn damaged_item(bytes: &[u8]) -> Option<usize> {
    let can_follow = |at: usize| {
        let Some(rest) = bytes.get(at..) else { return false };
        match rest.first() {
            Some(&END) => rest.get(END_BYTES - MAGIC.len()..END_BYTES) == Some(MAGIC),
            Some(_) => head(rest).is_some(),
            None => false,
        }
    };
    // One that is cut off has all that is left. Behind it may follow one that is damaged too.
    if let Some(head) = head(bytes) {
        return Some(head.length().min(bytes.len()));
    }
    let lengths = bytes.get(..ITEM_BYTES)?.get(ITEM_BYTES - 10..)?;
    let key = usize::from(u16::from_le_bytes(*lengths.first_chunk()?));
    let value = usize::try_from(u32::from_le_bytes(*lengths.get(2..)?.first_chunk()?)).ok()?;
    let stored = usize::try_from(u32::from_le_bytes(*lengths.get(6..)?.first_chunk()?)).ok()?;
    // A value's length is there twice. Where both, or none, lead to something, nobody knows which of them is right.
    if value != stored {
        let mut fit =
            [value, stored].into_iter().map(|value| ITEM_BYTES + key + value).filter(|at| can_follow(*at));
        return fit.next().filter(|_| fit.next().is_none());
    }
    // Nothing but zeros may stand where its lengths stood.
    let keys = std::iter::once(key).chain(KEYS).filter(|_| value > 0);
    keys.map(|key| ITEM_BYTES + key + value).find(|at| can_follow(*at))
}

/// The batch with which `bytes` begin, if it is whole. Its count of items has no checksum and is not needed.
fn batch(bytes: &[u8]) -> Option<Batch> {
    let (start, rest) = bytes.split_at_checked(START_BYTES)?;
    if start.first() != Some(&START) {
        return None;
    }
    let sequence = u64::from_le_bytes(*start.get(5..)?.first_chunk()?);
    let mut at = 0;
    while rest.get(at)? != &END {
        at += head(rest.get(at..)?)?.length();
    }
    let (items, end) = rest.split_at_checked(at)?;
    let (checksum, end) = end.get(1..)?.split_first_chunk()?;
    let is_whole = end.starts_with(MAGIC) && u64::from_le_bytes(*checksum) == xxh3_64(items);
    is_whole.then_some(Batch { range: 0..START_BYTES + at + END_BYTES, sequence })
}

/// How an item begins.
struct Head {
    keyspace: u64,
    is_removal: bool,
    bytes: usize,
    key: usize,
    value: usize,
}

impl Head {
    fn length(&self) -> usize {
        self.bytes + self.key + self.value
    }
}

/// The head of the item with which `bytes` begin, if it can be one. Keyspaces are never cleared.
fn head(bytes: &[u8]) -> Option<Head> {
    let [ITEM, kind @ 0..=2, 0, rest @ ..] = bytes else { return None };
    let keyspace = u64::from_le_bytes(*rest.first_chunk()?);
    let key = usize::from(u16::from_le_bytes(*rest.get(8..)?.first_chunk()?));
    let value = u32::from_le_bytes(*rest.get(10..)?.first_chunk()?);
    let stored = u32::from_le_bytes(*rest.get(14..)?.first_chunk()?);
    let can_be = keyspace <= MOST_KEYSPACES && key <= MOST_KEY && value == stored;
    let value = usize::try_from(value).ok()?;
    can_be.then_some(Head { keyspace, is_removal: *kind != 0, bytes: ITEM_BYTES, key, value })
}

/// The changes of the whole batch with which `bytes` begin.
fn changes(bytes: &[u8], sequence: SeqNo, each: &mut impl FnMut(&Change<'_>)) {
    let mut rest = bytes.get(START_BYTES..).unwrap_or_default();
    while let Some(head) = head(rest) {
        let Some((item, behind)) = rest.split_at_checked(head.length()) else { return };
        let (key, value) = item.get(head.bytes..).unwrap_or_default().split_at(head.key);
        let value = (!head.is_removal).then_some(value);
        each(&Change { keyspace: head.keyspace, key, value, sequence });
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Place, store};

    fn made(sequence: u64, items: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut bytes = vec![];
        for (key, value) in items {
            let lengths =
                (u16::try_from(key.len()).expect("short"), u32::try_from(value.len()).expect("short"));
            bytes.extend_from_slice(&[ITEM, 0, 0]);
            bytes.extend_from_slice(&3_u64.to_le_bytes());
            bytes.extend_from_slice(&lengths.0.to_le_bytes());
            bytes.extend_from_slice(&lengths.1.to_le_bytes());
            bytes.extend_from_slice(&lengths.1.to_le_bytes());
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(value);
        }
        let count = u32::try_from(items.len()).expect("few");
        let start = [&[START][..], &count.to_le_bytes(), &sequence.to_le_bytes()].concat();
        let end = [&[END][..], &xxh3_64(&bytes).to_le_bytes(), MAGIC].concat();
        [start, bytes, end].concat()
    }

    /// The sequence numbers of what counts in a journal.
    fn sequences(bytes: &[u8], next: Option<u64>, below: Option<u64>) -> Vec<u64> {
        kept(bytes, next, below).0.iter().map(|batch| batch.sequence).collect()
    }

    /// Whichever byte of it is wrong, one batch is lost and all others are kept.
    #[test]
    fn all_but_the_damaged_batch_is_kept() {
        let folder = Place::new();
        let log = store(&folder, 3);
        let journal = folder.path().join("0.jnl");
        let mut ends = vec![];
        for _ in 0..3 {
            log.write().commit(true).expect("it can be written");
            let bytes = std::fs::read(&journal).expect("it is there");
            ends.push(bytes.iter().rposition(|byte| *byte != 0).expect("it is filled") + 1);
        }
        drop(log);
        let bytes = std::fs::read(&journal).expect("it is there")[..ends[2]].to_vec();
        let ranges = |bytes: &[u8]| -> (Vec<Range<usize>>, usize) {
            let (batches, lost) = kept(bytes, None, None);
            (
                batches.into_iter().skip_while(|batch| batch.range.end <= ends[0]).map(|b| b.range).collect(),
                lost,
            )
        };
        for at in ends[0]..ends[1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            // The count of items and the sequence number of a batch have no checksum, and are not needed.
            let expected = if (ends[0] + 1..ends[0] + START_BYTES).contains(&at) {
                (vec![ends[0]..ends[1], ends[1]..ends[2]], 0)
            } else {
                (std::iter::once(ends[1]..ends[2]).collect(), ends[1] - ends[0])
            };
            assert_eq!(ranges(&damaged), expected, "{at}");
        }
        assert_eq!(ranges(&bytes), (vec![ends[0]..ends[1], ends[1]..ends[2]], 0));
    }

    /// A payload that was made to look like a batch is none, wherever in the batch that it came with the damage is.
    #[test]
    fn batch_that_was_forged_inside_a_payload_is_not_taken_for_one() {
        let forged = |sequence| made(sequence, &[(b"konto", b"of somebody else")]);
        let mut wrong = vec![];
        for sequence in 5..9 {
            for filling in [&b""[..], b"x", &[0; 40]] {
                let payload =
                    [forged(sequence), filling.to_vec(), forged(sequence + 1), vec![0; 60]].concat();
                let before = made(5, &[(b"a", b"before")]);
                let with_it = made(6, &[(b"key", b"melding"), (b"payload", &payload), (b"c", b"d")]);
                let behind = [made(7, &[(b"b", b"behind")]), made(8, &[(b"b", b"behind")])].concat();
                let bytes = [before.clone(), with_it.clone(), behind].concat();
                for at in 0..with_it.len() {
                    let mut damaged = bytes.clone();
                    damaged[before.len() + at] ^= 0x51;
                    let found = sequences(&damaged, Some(5), None);
                    let expected =
                        if (1..START_BYTES).contains(&at) { vec![5, 6, 7, 8] } else { vec![5, 7, 8] };
                    if found != expected {
                        wrong.push((sequence, filling.len(), at, found));
                    }
                }
                // Cut off inside the payload.
                for cut in before.len() + 1..before.len() + with_it.len() {
                    let found = sequences(&bytes[..cut], Some(5), None);
                    if found != [5] {
                        wrong.push((sequence, filling.len(), cut, found));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} of them, {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    }

    /// Two places are damaged, and what stands between them is known by its numbers.
    #[test]
    fn what_stands_between_two_damaged_batches_is_kept_if_its_numbers_fit() {
        let one = |sequence| made(sequence, &[(b"a", b"some"), (b"b", b"more")]);
        let batches: Vec<_> = (5..12).map(one).collect();
        let length = batches[0].len();
        let bytes = batches.concat();
        let mut damaged = bytes.clone();
        for batch in [1, 4] {
            damaged[batch * length + START_BYTES..][..ITEM_BYTES].fill(0);
        }
        assert_eq!(sequences(&damaged, None, None), [5, 7, 8, 10, 11]);
        // The second one is the last of all.
        assert_eq!(sequences(&damaged[..5 * length], None, None), [5]);
        assert_eq!(sequences(&damaged[..5 * length], None, Some(10)), [5, 7, 8]);
        assert_eq!(sequences(&bytes, Some(5), None), (5..12).collect::<Vec<_>>());
    }
}
