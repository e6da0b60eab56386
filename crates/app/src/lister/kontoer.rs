use std::collections::HashMap;

use domain::id::{FiksOrgId, SystemId};
use domain::konto::Konto;

use crate::error::Error;
use crate::paging::Side;
use crate::ports::{KontoListe, NokkelTilstand};
use crate::{App, Caller};

/// A row of the list of kontoer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KontoRad {
    /// The Konto.
    pub konto: Konto,
    /// How long its nøkkel is good for, if it has one.
    pub nokkel: Option<NokkelTilstand>,
}

impl App {
    /// The kontoer of a System.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_kontoer_side(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        liste: &KontoListe,
    ) -> Result<Side<KontoRad>, Error> {
        let mut tx = self.begin_read().await?;
        let system = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_see(&system)?;
        let side = tx.list_kontoer_side(system.id, liste).await?;
        let ids: Vec<_> = side.rows.iter().map(|konto| konto.id).collect();
        let nokler: HashMap<_, _> = tx.list_nokkeltilstander(&ids).await?.into_iter().collect();
        Ok(side.map(|konto| {
            let nokkel = nokler.get(&konto.id).copied();
            KontoRad { konto, nokkel }
        }))
    }

    /// The kontoer of an organisasjon, by name: all of them at once, for a choice among few.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_kontoer_for_org(&self, caller: &Caller, owner: FiksOrgId) -> Result<Vec<Konto>, Error> {
        caller.may_see_org(owner)?;
        let mut tx = self.begin_read().await?;
        let ids: Vec<_> = tx.list_konto_ids_for_org(owner).await?.into_iter().map(|(_, id)| id).collect();
        let mut kontoer = tx.kontoer_by_id(&ids).await?;
        kontoer.sort_by(|a, b| (&a.navn, a.id).cmp(&(&b.navn, b.id)));
        Ok(kontoer)
    }
}
