//! How much each organisasjon has in Dokumentlager, what is on its way there included.
//!
//! The sender pays, since it fills; and the receiver has a bound of its own, so that no number of senders can fill everything
//! through one receiver. What lies there is what the index says; what is under way is counted here, before it is written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::FiksOrgId;

use crate::App;
use crate::error::Error;
use crate::grense::{Grense, Grenser};
use crate::ports::Dokumentbytes;

#[derive(Default)]
struct State {
    /// Grows with each change of the index, so that what was read before is not kept.
    changes: u64,
    /// As the index has it; read when it is first asked for.
    stored: HashMap<FiksOrgId, Read>,
    under_way: HashMap<FiksOrgId, Dokumentbytes>,
    /// Uploads that are being written to the index: whoever reads it now may see them already.
    indexing: u64,
}

/// What was read of the index, and what was added to it since.
struct Read {
    bytes: Dokumentbytes,
    /// To be read again by the next who begins. Until then it counts on: it is rather too much than nothing.
    is_stale: bool,
}

impl State {
    fn sum(&self, organisasjon: FiksOrgId) -> Dokumentbytes {
        let stored = self.stored.get(&organisasjon).map(|read| read.bytes).unwrap_or_default();
        let under_way = self.under_way.get(&organisasjon).copied().unwrap_or_default();
        Dokumentbytes {
            sendt: stored.sendt.saturating_add(under_way.sendt),
            mottatt: stored.mottatt.saturating_add(under_way.mottatt),
        }
    }
}

#[derive(Default)]
pub(crate) struct Kvote(Mutex<State>);

impl Kvote {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The organisasjoner that have uploads under way.
    pub(crate) fn organisasjoner(&self) -> Vec<FiksOrgId> {
        self.lock().under_way.keys().copied().collect()
    }

    /// Bytes of an organisasjon that are under way.
    pub(crate) fn under_way(&self, organisasjon: FiksOrgId) -> Dokumentbytes {
        self.lock().under_way.get(&organisasjon).copied().unwrap_or_default()
    }

    /// A document was removed: what was read of the index holds no longer.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        state.changes += 1;
        for read in state.stored.values_mut() {
            read.is_stale = true;
        }
    }
}

/// Room for a payload on its way in, given back when this is dropped.
pub(crate) struct Reservasjon {
    kvote: Arc<Kvote>,
    avsender: FiksOrgId,
    mottaker: FiksOrgId,
    bytes: u64,
    is_indexing: bool,
}

impl Reservasjon {
    fn new(kvote: Arc<Kvote>, avsender: FiksOrgId, mottaker: FiksOrgId) -> Self {
        Self { kvote, avsender, mottaker, bytes: 0, is_indexing: false }
    }

    /// Takes room for `more` bytes, before they are written.
    pub(crate) fn grow(&mut self, grenser: &Grenser, more: u64) -> Result<(), Error> {
        let mut state = self.kvote.lock();
        let sendt = state.sum(self.avsender).sendt.saturating_add(more);
        let fits =
            |grense, bytes| if grenser.get(grense) == 0 { Ok(()) } else { grenser.fits(grense, bytes) };
        fits(Grense::SendteBytesPerOrganisasjon, sendt)?;
        let mottatt = state.sum(self.mottaker).mottatt.saturating_add(more);
        fits(Grense::MottatteBytesPerOrganisasjon, mottatt)?;
        state.under_way.entry(self.avsender).or_default().sendt += more;
        state.under_way.entry(self.mottaker).or_default().mottatt += more;
        self.bytes += more;
        Ok(())
    }

    /// The payload is about to be written to the index.
    pub(crate) fn begin_indexing(&mut self) {
        self.kvote.lock().indexing += 1;
        self.is_indexing = true;
    }

    /// The payload stands in the index now.
    pub(crate) fn keep(self) {
        let mut state = self.kvote.lock();
        state.changes += 1;
        // Where the index was not read yet, it is read with this.
        if let Some(stored) = state.stored.get_mut(&self.avsender) {
            stored.bytes.sendt += self.bytes;
        }
        if let Some(stored) = state.stored.get_mut(&self.mottaker) {
            stored.bytes.mottatt += self.bytes;
        }
    }
}

impl Drop for Reservasjon {
    fn drop(&mut self) {
        let mut state = self.kvote.lock();
        state.indexing -= u64::from(self.is_indexing);
        if let Some(under_way) = state.under_way.get_mut(&self.avsender) {
            under_way.sendt = under_way.sendt.saturating_sub(self.bytes);
        }
        if let Some(under_way) = state.under_way.get_mut(&self.mottaker) {
            under_way.mottatt = under_way.mottatt.saturating_sub(self.bytes);
        }
        for organisasjon in [self.avsender, self.mottaker] {
            if state.under_way.get(&organisasjon) == Some(&Dokumentbytes::default()) {
                state.under_way.remove(&organisasjon);
            }
        }
    }
}

impl App {
    /// Begins to take room in Dokumentlager for a payload from one organisasjon to another.
    pub(crate) async fn reserve_dokument(
        &self,
        avsender: FiksOrgId,
        mottaker: FiksOrgId,
    ) -> Result<Reservasjon, Error> {
        for organisasjon in [avsender, mottaker] {
            self.read_dokumentbytes(organisasjon).await?;
        }
        Ok(Reservasjon::new(Arc::clone(&self.inner.kvote), avsender, mottaker))
    }

    async fn read_dokumentbytes(&self, organisasjon: FiksOrgId) -> Result<(), Error> {
        loop {
            let before = {
                let state = self.inner.kvote.lock();
                if state.stored.get(&organisasjon).is_some_and(|read| !read.is_stale) {
                    return Ok(());
                }
                state.changes
            };
            let read = self.begin_read().await?.dokumentbytes(organisasjon).await?;
            let mut state = self.inner.kvote.lock();
            if state.changes == before {
                // What is being written now may have been read, and is added once it is known to be written.
                let is_stale = state.indexing > 0;
                state.stored.insert(organisasjon, Read { bytes: read, is_stale });
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::id::Uuid;

    use super::*;

    fn org(n: u128) -> FiksOrgId {
        FiksOrgId::from_uuid(Uuid::from_u128(n))
    }

    fn grenser(sendt: u64, mottatt: u64) -> Grenser {
        Grenser::default()
            .with(Grense::SendteBytesPerOrganisasjon, sendt)
            .with(Grense::MottatteBytesPerOrganisasjon, mottatt)
    }

    #[test]
    fn uploads_under_way_count_before_they_are_written_and_come_back_when_they_fail() {
        let (kvote, grenser) = (Arc::<Kvote>::default(), grenser(100, 1_000));
        let begin = |from, to| Reservasjon::new(Arc::clone(&kvote), org(from), org(to));
        let mut first = begin(1, 2);
        first.grow(&grenser, 60).unwrap();
        let mut second = begin(1, 3);
        let refused = second.grow(&grenser, 41);
        let limit = Error::QuotaFull { what: Grense::SendteBytesPerOrganisasjon, limit: 100 };
        assert_eq!(refused.unwrap_err().to_string(), limit.to_string());
        second.grow(&grenser, 40).expect("as much as the limit fits");
        begin(4, 2).grow(&grenser, 100).expect("another organisasjon goes on meanwhile");
        drop(first);
        second.grow(&grenser, 60).expect("what failed is given back");
    }

    #[test]
    fn receiver_has_a_bound_of_its_own_whoever_sends() {
        let (kvote, grenser) = (Arc::<Kvote>::default(), grenser(100, 150));
        let mut first = Reservasjon::new(Arc::clone(&kvote), org(1), org(9));
        first.grow(&grenser, 100).unwrap();
        let mut second = Reservasjon::new(Arc::clone(&kvote), org(2), org(9));
        second.grow(&grenser, 50).unwrap();
        let refused = second.grow(&grenser, 1);
        assert!(
            matches!(
                refused,
                Err(Error::QuotaFull { what: Grense::MottatteBytesPerOrganisasjon, limit: 150 })
            ),
            "{refused:?}"
        );
    }

    fn know(kvote: &Kvote, n: u128, bytes: Dokumentbytes) {
        kvote.lock().stored.insert(org(n), Read { bytes, is_stale: false });
    }

    #[test]
    fn what_is_stored_counts_on_while_it_is_to_be_read_again() {
        let (kvote, grenser) = (Arc::<Kvote>::default(), grenser(100, 100));
        know(&kvote, 1, Dokumentbytes { sendt: 90, mottatt: 0 });
        let mut upload = Reservasjon::new(Arc::clone(&kvote), org(1), org(2));
        upload.grow(&grenser, 5).unwrap();
        // Somebody else's document was removed meanwhile.
        kvote.forget();
        assert!(upload.grow(&grenser, 6).is_err());
        upload.grow(&grenser, 5).unwrap();
        assert!(kvote.lock().stored[&org(1)].is_stale);
    }

    #[test]
    fn what_is_kept_counts_on_and_nothing_under_way_is_left() {
        let (kvote, grenser) = (Arc::<Kvote>::default(), grenser(100, 100));
        know(&kvote, 1, Dokumentbytes::default());
        know(&kvote, 2, Dokumentbytes { sendt: 0, mottatt: 10 });
        let mut upload = Reservasjon::new(Arc::clone(&kvote), org(1), org(2));
        upload.grow(&grenser, 70).unwrap();
        upload.keep();
        assert!(kvote.lock().under_way.is_empty());
        assert_eq!(kvote.lock().sum(org(1)), Dokumentbytes { sendt: 70, mottatt: 0 });
        assert_eq!(kvote.lock().sum(org(2)), Dokumentbytes { sendt: 0, mottatt: 80 });
        assert!(Reservasjon::new(Arc::clone(&kvote), org(3), org(2)).grow(&grenser, 21).is_err());
    }
}
