//! What cannot be read any more: how it is told from a disk that fails, and what is still known of it.
//!
//! A block of a table has a checksum, and holds many meldinger; whatever stands in a block that does not match it is
//! damaged, and stays so. That is one melding's fate after the other, found when each is needed, and no reason to stop: all
//! others are well. An error of the file system itself is another matter, and is not judged here.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use domain::melding::{Melding, UKJENT_MELDINGSTYPE};
use fjall::{Keyspace, LsmError, Readable as _, Snapshot};
use jiff::Timestamp;
use wire::id::{KontoId, MeldingId};

use super::keys::{number_at, pair};
use super::line::{Line, StoredMelding, decode, timestamp};
use super::{Store, StoreError, names};
use crate::queue::Number;

/// How many earlier meldinger are asked for the time when a damaged one was put on its queue.
const NEIGHBOURS: usize = 64;

/// What is left of a melding that cannot be read.
#[derive(Debug)]
pub(crate) struct Remains {
    /// What of it cannot be read, for the log.
    pub(crate) what: String,
    /// The melding, if only its payload cannot be read.
    pub(crate) melding: Option<Melding>,
    /// Its id, by the index of ids.
    pub(crate) id: Option<MeldingId>,
    /// Who sent it, by the index of kontoer.
    pub(crate) avsender: Option<KontoId>,
    /// When it was taken, about.
    pub(crate) mottatt: Option<Timestamp>,
}

impl Remains {
    /// Stands for the melding from now on, where that itself cannot be read. What is not known of it is left open, but for
    /// an id, by which it can be found.
    pub(crate) fn stand_in(&self, mottaker: KontoId, fresh: MeldingId, now: Timestamp) -> Melding {
        Melding {
            id: self.id.unwrap_or(fresh),
            avsender: self.avsender.unwrap_or(mottaker),
            mottaker,
            meldingstype: UKJENT_MELDINGSTYPE.to_owned(),
            svar_pa_melding: None,
            svar_til_type: None,
            dokumentlager_id: None,
            headere: std::collections::BTreeMap::new(),
            ttl: domain::melding::DEFAULT_TTL,
            mottatt: self.mottatt.unwrap_or(now),
        }
    }
}

/// The first number behind `last` from where on a keyspace whose keys begin with numbers can be read again, as nearly as it can
/// be told; the last of all numbers if there is none.
pub(super) fn readable_behind(snapshot: &Snapshot, keyspace: &Keyspace, last: Number) -> Number {
    let can_be_read = |from: Number| {
        let next = guarded(|| match snapshot.range(keyspace, from.to_be_bytes()..).next() {
            Some(guard) => Ok(guard.key().map(drop)?),
            None => Ok(()),
        });
        next.is_ok()
    };
    let mut step: Number = 1;
    while !can_be_read(last.saturating_add(step)) {
        match step.checked_mul(2) {
            Some(next) if last.checked_add(next).is_some() => step = next,
            _ => return Number::MAX,
        }
    }
    let (mut damaged, mut readable) = (last.saturating_add(step / 2), last.saturating_add(step));
    while readable - damaged > 1 {
        let middle = damaged + (readable - damaged) / 2;
        if can_be_read(middle) { readable = middle } else { damaged = middle }
    }
    readable
}

impl StoreError {
    /// Whether what was read is damaged, and will be the next time; not so when the disk or the system fails.
    pub(crate) fn is_damage(&self) -> bool {
        let error = match self {
            Self::Damaged(_) => return true,
            Self::Backend(error) => error,
            _ => return false,
        };
        match error {
            fjall::Error::Storage(LsmError::Io(error)) | fjall::Error::Io(error) => {
                matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
            }
            fjall::Error::Storage(
                LsmError::Decompress(_)
                | LsmError::InvalidVersion(_)
                | LsmError::ChecksumMismatch { .. }
                | LsmError::InvalidTag(_)
                | LsmError::InvalidTrailer
                | LsmError::InvalidHeader(_)
                | LsmError::Utf8(_),
            )
            | fjall::Error::Decompress(_)
            | fjall::Error::InvalidTrailer
            | fjall::Error::InvalidTag(_) => true,
            _ => false,
        }
    }
}

/// Reads with a reader that may panic over what is damaged.
pub(crate) fn guarded<T>(read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or(Err(StoreError::Damaged("something that the reader panicked over")))
}

impl Store {
    /// What was read, or nothing if it is damaged; the log says so once.
    pub(super) fn readable<T>(
        &self,
        number: Number,
        read: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.is_damage() => {
                self.note_damage(number, &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What was read from an index, or nothing if it is damaged; the log says so once. What stands behind that place in the
    /// index is not found by it.
    pub(super) fn indexed<T>(&self, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.is_damage() => {
                let mut noted = self.damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                // No melding has this number.
                if noted.insert(0) {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "an index of the queue log is damaged; lists and searches do not find everything"
                    );
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The number of a melding, if there is one and the index can be read.
    pub(super) fn number_of(&self, snapshot: &Snapshot, id: MeldingId) -> Result<Option<Number>, StoreError> {
        let read = guarded(|| match snapshot.get(&self.ids, id.as_uuid().as_bytes())? {
            Some(number) => Ok(Some(number_at(&number, 0)?)),
            None => Ok(None),
        });
        Ok(self.indexed(read)?.flatten())
    }

    /// Logs that something about a melding cannot be read, the first time.
    pub(super) fn note_damage(&self, number: Number, error: &StoreError) {
        let mut noted = self.damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if noted.insert(number) {
            tracing::error!(
                melding.number = number,
                error = error as &dyn std::error::Error,
                "a melding in the queue log is damaged and is left out where it would be listed"
            );
        }
    }

    /// What is left of the melding `number` of `mottaker`, of which something could not be read for the reason of `error`.
    pub(crate) fn remains(&self, mottaker: KontoId, number: Number, error: &StoreError) -> Remains {
        let melding = guarded(|| self.melding(number)).ok().flatten();
        let mut what = error.to_string();
        if let Some(source) = std::error::Error::source(error) {
            what = format!("{what}: {source}");
        }
        if let Some(melding) = melding {
            let (id, avsender) = (Some(melding.id), Some(melding.avsender));
            let mottatt = Some(melding.mottatt);
            return Remains { what, melding: Some(melding), id, avsender, mottatt };
        }
        Remains {
            what,
            melding: None,
            id: guarded(|| self.id_of(number)).ok().flatten(),
            avsender: guarded(|| self.sender_of(mottaker, number)).ok().flatten(),
            mottatt: guarded(|| self.taken_before(mottaker, number)).ok().flatten(),
        }
    }

    /// What is left of a melding of `mottaker` whose payload is kept elsewhere and damaged.
    pub(crate) fn with_damaged_payload(
        &self,
        mottaker: KontoId,
        id: MeldingId,
    ) -> Result<Option<(Number, Remains)>, StoreError> {
        let Some(number) = self.number_of(&self.db.snapshot(), id)? else { return Ok(None) };
        let melding = guarded(|| self.melding(number)).ok().flatten();
        if melding.as_ref().is_some_and(|melding| melding.mottaker != mottaker) {
            return Ok(None);
        }
        let error = StoreError::Damaged("its payload in Dokumentlager");
        Ok(Some((number, self.remains(mottaker, number, &error))))
    }

    /// The id of a melding by its number, the wrong way through the index: it takes a while.
    fn id_of(&self, number: Number) -> Result<Option<MeldingId>, StoreError> {
        for guard in self.ids.iter() {
            let (id, of) = guard.into_inner()?;
            if number_at(&of, 0)? == number {
                let id = wire::id::Uuid::from_slice(&id).map_err(|_| StoreError::Damaged("an id"))?;
                return Ok(Some(MeldingId::from_uuid(id)));
            }
        }
        Ok(None)
    }

    /// Who of those that have a queue sent the melding.
    fn sender_of(&self, mottaker: KontoId, number: Number) -> Result<Option<KontoId>, StoreError> {
        for konto in self.kontoer()? {
            if konto != mottaker && self.by_konto.contains_key(pair(konto, number))? {
                return Ok(Some(konto));
            }
        }
        Ok(None)
    }

    /// When the melding before it was put on its queue, or else when it was first heard of: numbers grow with time.
    fn taken_before(&self, mottaker: KontoId, number: Number) -> Result<Option<Timestamp>, StoreError> {
        let earlier = self.by_konto.range(pair(mottaker, 0)..pair(mottaker, number)).rev().take(NEIGHBOURS);
        for guard in earlier {
            let before = number_at(&guard.key()?, 16)?;
            let read = guarded(|| {
                let Some(value) = self.meldinger.get(before.to_be_bytes())? else { return Ok(None) };
                Ok(Some(timestamp(StoredMelding::decode(&value)?.put())?))
            });
            if let Ok(Some(put)) = read {
                return Ok(Some(put));
            }
        }
        let Some(first) = self.sporing.prefix(number.to_be_bytes()).next() else { return Ok(None) };
        let (_, value) = first.into_inner()?;
        Ok(Some(timestamp(decode::<Line>(&value, "a line of sporing")?.at)?))
    }

    /// The first number behind `last` from where on meldinger can be read again, as nearly as it can be told; the last of
    /// all numbers if there is none.
    pub(super) fn after_damage(&self, snapshot: &Snapshot, last: Number) -> Number {
        readable_behind(snapshot, &self.meldinger, last)
    }

    /// For tests: makes a melding unreadable where it is kept.
    pub(crate) fn spoil(&self, id: MeldingId) -> Result<(), StoreError> {
        let number = self.ids.get(id.as_uuid().as_bytes())?.ok_or(StoreError::Damaged("an id"))?;
        self.meldinger.insert(number, [0xff])?;
        Ok(self.db.persist(fjall::PersistMode::Buffer)?)
    }

    /// For tests: brings all that is in memory into tables.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        for keyspace in self.keyspaces() {
            // What a start reads first stands in the journal, as in a log that was used a moment ago.
            if ![names::META, names::STEPS].contains(&&**keyspace.name()) {
                keyspace.rotate_memtable_and_wait()?;
            }
        }
        Ok(())
    }
}
