use std::collections::HashMap;

use domain::id::{FiksOrgId, KontoId, PersonId, SystemId};
use jiff::Timestamp;

use crate::error::{Error, Missing};
use crate::hendelse::{Detaljer, Felt, Hvem};
use crate::paging::Side;
use crate::ports::{AuditLine, HendelseFilter, NamedAuditLine};
use crate::{App, Caller};

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HendelseRad {
    /// When.
    pub tidspunkt: Timestamp,
    /// Who.
    pub hvem: Hvem,
    /// What; one of [`Hva`](crate::hendelse::Hva), unless another version wrote it.
    pub hva: String,
    /// The System that it concerns, with the name that it has now.
    pub system: Option<(SystemId, Option<String>)>,
    /// The Konto that it concerns, with the name that it has now.
    pub konto: Option<(KontoId, Option<String>)>,
    /// The person whose rights were changed, with the name that is known now.
    pub person: Option<(PersonId, Option<String>)>,
    /// More, such as the names at that time.
    pub detaljer: Detaljer,
}

/// Lines removed in one unit of work.
const BATCH: u32 = 5_000;

impl App {
    /// What was changed in an organisasjon, newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_hendelser(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        filter: &HendelseFilter,
    ) -> Result<Side<HendelseRad>, Error> {
        caller.may_see_org(owner)?;
        let mut tx = self.begin_read().await?;
        tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        let mut side = tx.list_hendelser_side(owner, filter).await?.map(row);
        let people: Vec<_> = side.rows.iter().filter_map(|row| Some(row.person.as_ref()?.0)).collect();
        if !people.is_empty() {
            let names: HashMap<_, _> = tx.list_personnavn(&people).await?.into_iter().collect();
            for (id, navn) in side.rows.iter_mut().filter_map(|row| row.person.as_mut()) {
                *navn = names.get(id).cloned();
            }
        }
        Ok(side)
    }

    /// Removes the lines of the audit log whose time is over, and tells how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; what was removed until then stays removed.
    pub async fn remove_old_hendelser(&self) -> Result<u64, Error> {
        let kept = self.inner.settings.hendelser_beholdes;
        let before = self.now().checked_sub(kept).unwrap_or(Timestamp::MIN);
        let mut removed = 0;
        loop {
            let mut tx = self.begin().await?;
            let some = tx.remove_old_audit_lines(before, BATCH).await?;
            tx.commit().await?;
            removed += some;
            if some < u64::from(BATCH) {
                return Ok(removed);
            }
        }
    }
}

fn row(named: NamedAuditLine) -> HendelseRad {
    let NamedAuditLine { line, hvem_navn, system_navn, konto_navn } = named;
    let AuditLine { tidspunkt, hvem, hva, system_id, konto_id, detaljer, .. } = line;
    let detaljer = detaljer.as_deref().map(Detaljer::read).unwrap_or_default();
    HendelseRad {
        tidspunkt,
        hvem: Hvem::read(&hvem, hvem_navn),
        hva,
        system: system_id.map(|id| (id, system_navn)),
        konto: konto_id.map(|id| (id, konto_navn)),
        person: detaljer.get(Felt::Person).and_then(|id| id.parse().ok()).map(|id| (id, None)),
        detaljer,
    }
}
