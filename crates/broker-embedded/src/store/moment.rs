//! What keyspaces hold at one moment, for whoever reads for long.
//!
//! A snapshot of the log store keeps in memory all that is written while it is held: every table in memory, also long after it was
//! written to disk. So none is held for longer than it takes to begin reading. What is read here keeps what there was at that
//! moment, and nothing of what comes.

use fjall::{AbstractTree as _, Database, Keyspace, UserKey, UserValue};
use lsm_tree::{Guard as _, IterGuardImpl};

use super::StoreError;
use super::damage::guarded;
use crate::queue::Number;

/// The rows of a keyspace as they were at a moment, in the order of their keys.
pub(super) struct Rows(Box<dyn DoubleEndedIterator<Item = IterGuardImpl> + Send + 'static>);

/// The rows of all of `keyspaces` at the same moment.
pub(super) fn rows<const N: usize>(db: &Database, keyspaces: [&Keyspace; N]) -> [Rows; N] {
    let moment = db.snapshot();
    keyspaces.map(|keyspace| Rows(keyspace.tree.iter(moment.seqno(), None)))
}

/// Those from `from` on of a keyspace whose keys begin with numbers, as they are now.
pub(super) fn rows_from(db: &Database, keyspace: &Keyspace, from: Number) -> Rows {
    let moment = db.snapshot();
    Rows(keyspace.tree.range(from.to_be_bytes().., moment.seqno(), None))
}

impl Rows {
    /// The next row.
    ///
    /// # Errors
    /// Where it cannot be read; what comes behind that cannot be read from here either.
    pub(super) fn next(&mut self) -> Result<Option<(UserKey, UserValue)>, StoreError> {
        guarded(|| match self.0.next() {
            Some(row) => Ok(Some(row.into_inner().map_err(fjall::Error::from)?)),
            None => Ok(None),
        })
    }

    /// How large the value of the next row is, in bytes; one that lies in a file of its own is not read.
    ///
    /// # Errors
    /// As [`Rows::next`].
    pub(super) fn next_size(&mut self) -> Result<Option<u32>, StoreError> {
        guarded(|| match self.0.next() {
            Some(row) => Ok(Some(row.size().map_err(fjall::Error::from)?)),
            None => Ok(None),
        })
    }
}
