//! Dead letters: seeing them, and giving them another try.

use domain::id::DokumentId;
use domain::id::{KontoId, MeldingId};
use domain::melding::{DOKUMENT_GRACE, Status, status};
use jiff::Timestamp;
use object_store::ObjectStoreExt as _;

use crate::dokument::object_path;
use crate::error::{Error, Missing};
use crate::hendelse::{Felt, Hva};
use crate::konto::{KontoSti, find};
use crate::ports::Kontonavn;
use crate::{App, Caller, Change};

/// How many dead letters are listed.
const LISTED: u32 = 200;

/// A melding that was tried too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uleverbar {
    /// Its id.
    pub melding_id: MeldingId,
    /// Its meldingstype.
    pub meldingstype: String,
    /// Who sent it.
    pub avsender_id: KontoId,
    /// How the sender is called, if the Konto still exists.
    pub avsender: Option<Kontonavn>,
    /// When the server took it.
    pub mottatt: Timestamp,
    /// When it was given up.
    pub tidspunkt: Timestamp,
    /// It was given up since it is damaged, and cannot be put back.
    pub skadet: bool,
}

impl App {
    /// The dead letters of a Konto, oldest first, the first two hundred.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_dead_letters(&self, caller: &Caller, sti: KontoSti) -> Result<Vec<Uleverbar>, Error> {
        let mut tx = self.begin_read().await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_see(&system)?;
        drop(tx);
        let letters = self.inner.broker.list_dead_letters(konto.id, LISTED).await?;
        let senders: Vec<KontoId> = letters.iter().map(|letter| letter.melding.avsender).collect();
        let names = self.kontonavn(&senders).await?;
        Ok(letters
            .into_iter()
            .map(|letter| Uleverbar {
                melding_id: letter.melding.id,
                avsender_id: letter.melding.avsender,
                avsender: names.get(&letter.melding.avsender).cloned(),
                meldingstype: letter.melding.meldingstype,
                mottatt: letter.melding.mottatt,
                tidspunkt: letter.tidspunkt,
                skadet: letter.skadet,
            })
            .collect())
    }

    /// Puts a dead letter back at the end of its queue, as if it had just been sent; tells whether it was one. Its payload
    /// in Dokumentlager lives on for as long as it may now take.
    ///
    /// # Errors
    /// [`Error::NotFound`] (`Missing::Dokument` when its payload in Dokumentlager is gone, so that nobody could read it),
    /// [`Error::Forbidden`], [`Error::Full`], [`Error::Unavailable`].
    pub async fn requeue_dead_letter(
        &self,
        caller: &Caller,
        sti: KontoSti,
        melding: MeldingId,
    ) -> Result<bool, Error> {
        let mut tx = self.begin_read().await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_configure(&system)?;
        drop(tx);
        let record = self.inner.broker.melding(melding).await?;
        let record = record.filter(|record| record.melding.mottaker == konto.id);
        let record = record.ok_or(Missing::Melding(melding))?;
        if status(&record.sporing) != Status::Uleverbar {
            return Ok(false);
        }
        let mut tx = self.begin_for(caller).await?;
        if let Some(id) = record.melding.dokumentlager_id {
            // Its time may be over; it is kept for as long as the dead letter names it.
            let is_there = tx.dokument(id).await?.is_some() && self.has_payload(id).await?;
            if !is_there {
                return Err(Missing::Dokument(id).into());
            }
            let life = record.melding.ttl.saturating_add(DOKUMENT_GRACE);
            tx.extend_dokument(id, self.now().checked_add(life).unwrap_or(Timestamp::MAX)).await?;
        }
        let change = Change::new(Hva::LaTilbakePaKo)
            .system(&system)
            .konto(&konto)
            .with(Felt::Melding, &melding.to_string());
        self.audit(&mut *tx, caller, change).await?;
        // Before the melding moves: what was done must not be without its line, should we stop in between.
        tx.commit().await?;
        Ok(self.inner.broker.requeue_dead_letter(konto.id, melding).await?)
    }

    async fn has_payload(&self, id: DokumentId) -> Result<bool, Error> {
        match self.inner.payloads.head(&object_path(id)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
