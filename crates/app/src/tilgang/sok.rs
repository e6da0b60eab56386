//! Finding whom to give tilgang to, and whom to ask for it.

use std::collections::HashSet;

use domain::id::{FiksOrgId, SystemId};
use domain::konto::Konto;
use domain::organisasjon::Organisasjon;
use domain::utveksling;

use crate::error::{Error, FieldError};
use crate::konto::{KontoSti, find};
use crate::lister::{Eiere, systemer_med_eier};
use crate::rule::Rule;
use crate::system::EksternKonto;
use crate::tilgang::SystemMedEier;
use crate::{App, Caller};

/// What a Konto must speak to be found.
#[derive(Debug, Clone)]
pub struct ProtokollKrav {
    /// Name of the Protokoll.
    pub navn: String,
    /// Its version.
    pub versjon: String,
    /// Any of these parts; empty means whichever.
    pub parter: Vec<String>,
}

impl ProtokollKrav {
    fn fits(&self, konto: &Konto) -> bool {
        konto.protokoll_navn == self.navn
            && konto.parter.iter().any(|played| {
                played.versjon == self.versjon
                    && (self.parter.is_empty() || self.parter.contains(&played.navn))
            })
    }
}

/// Hits in one answer.
const MAX_HITS: u32 = 500;
/// No name that is searched for is longer, and a database takes none that is much longer.
const MAX_TERM: usize = 255;

/// What is searched for.
fn checked(term: &str) -> Result<&str, Error> {
    let term = term.trim();
    if term.chars().count() > MAX_TERM {
        let rule = Rule::Length { min: 0, max: MAX_TERM };
        return Err(Error::Invalid(vec![FieldError::new("term", rule)]));
    }
    Ok(term)
}

impl App {
    /// Systemer that the Konto at `sti` can give tilgang to. `stotter_konto`: only those with a Konto that may exchange
    /// meldinger with it.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn search_systemer(
        &self,
        caller: &Caller,
        sti: KontoSti,
        term: &str,
        owners: &[FiksOrgId],
        stotter_konto: bool,
    ) -> Result<Vec<SystemMedEier>, Error> {
        let mut tx = self.begin_read().await?;
        let (own, konto) = find(&mut *tx, sti).await?;
        caller.may_see(&own)?;
        let hits = tx.search_systemer(own.fiks_org_id, checked(term)?, owners, MAX_HITS).await?;
        let mut ids: Vec<_> = hits.iter().map(|system| system.id).filter(|id| *id != own.id).collect();
        if stotter_konto {
            let versjoner = tx.list_versjoner(&konto.protokoll_navn).await?;
            let parter: Vec<_> = utveksling::motparter(&konto, &versjoner).into_iter().collect();
            let fitting: HashSet<_> = tx.systemer_with_parter(&ids, &parter).await?.into_iter().collect();
            ids.retain(|id| fitting.contains(id));
        }
        systemer_med_eier(&mut *tx, ids.into_iter()).await
    }

    /// Kontoer of others that a System may ask for: owned by one of `owners` and fitting one of `protokoller`, where these
    /// are not empty.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn search_kontoer(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        term: &str,
        owners: &[FiksOrgId],
        protokoller: &[ProtokollKrav],
    ) -> Result<Vec<EksternKonto>, Error> {
        let mut tx = self.begin_read().await?;
        let own = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_see(&own)?;
        let mut kontoer = tx.search_kontoer(owner, Some(system), checked(term)?, owners, MAX_HITS).await?;
        if !protokoller.is_empty() {
            kontoer.retain(|konto| protokoller.iter().any(|wanted| wanted.fits(konto)));
        }
        let eiere = Eiere::of(&mut *tx, kontoer.iter().map(|konto| konto.system_id)).await?;
        drop(tx);
        let with_eier = |konto: Konto| {
            let med_eier = eiere.system(konto.system_id)?;
            Some((konto, med_eier))
        };
        self.eksterne_kontoer(kontoer.into_iter().filter_map(with_eier).collect()).await
    }

    /// Organisasjoner by name that have systemer which a System can give tilgang to, without itself.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_organisasjoner_med_systemer(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
    ) -> Result<Vec<Organisasjon>, Error> {
        let mut tx = self.begin_read().await?;
        let own = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_see(&own)?;
        Ok(tx.list_organisasjoner_with_synlige(owner, own.id).await?)
    }
}
