//! Finding whom to give tilgang to, and whom to ask for it.

use domain::id::{FiksOrgId, SystemId};
use domain::konto::Konto;
use domain::organisasjon::Organisasjon;
use domain::protokoll::{Protokoll, Protokollstatus};
use domain::system::System;

use crate::error::Error;
use crate::konto::{KontoSti, find, parter};
use crate::system::{EksternKonto, ekstern_konto};
use crate::tilgang::SystemMedEier;
use crate::tilgang::grant::with_owner;
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

impl App {
    /// Systemer that the Konto at `sti` can give tilgang to. `stotter_konto`: only those with a Konto that may exchange
    /// meldinger with it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
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
        let versjoner = tx.list_versjoner(&konto.protokoll_navn).await?;
        let mut found = Vec::new();
        for system in tx.search_systemer(own.fiks_org_id, term.trim(), owners, MAX_HITS).await? {
            if system.id == own.id {
                continue;
            }
            let fits = !stotter_konto
                || tx.list_kontoer(system.id).await?.iter().any(|other| can_talk(&konto, other, &versjoner));
            if fits {
                found.extend(with_owner(&mut *tx, system.id).await?);
            }
        }
        Ok(found)
    }

    /// Kontoer of others that a System may ask for: owned by one of `owners` and fitting one of `protokoller`, where these
    /// are not empty.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
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
        let mut found = Vec::new();
        for konto in tx.search_kontoer(owner, Some(system), term.trim(), owners, MAX_HITS).await? {
            if protokoller.is_empty() || protokoller.iter().any(|wanted| wanted.fits(&konto)) {
                found.extend(ekstern_konto(&mut *tx, konto.id).await?);
            }
        }
        Ok(found)
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
        let mut found = Vec::new();
        for organisasjon in tx.list_organisasjoner().await? {
            let systemer = tx.list_systemer(organisasjon.id).await?;
            let visible =
                |other: &System| other.id != own.id && (other.info.offentlig || other.fiks_org_id == owner);
            if systemer.iter().any(visible) {
                found.push(organisasjon);
            }
        }
        Ok(found)
    }
}

/// Whether some part of `one` and some part of `other` support each other in a version in use.
fn can_talk(one: &Konto, other: &Konto, versjoner: &[Protokoll]) -> bool {
    parter(one, versjoner).any(|(protokoll, mine)| {
        protokoll.status == Protokollstatus::Aktiv
            && parter(other, versjoner).any(|(theirs, their)| {
                theirs.versjon == protokoll.versjon
                    && mine.stottede_parter.contains(&their.navn)
                    && their.stottede_parter.contains(&mine.navn)
            })
    })
}
