//! Finding whom to give tilgang to, and whom to ask for it.

use domain::id::{FiksOrgId, SystemId};
use domain::konto::Konto;
use domain::organisasjon::Organisasjon;
use domain::utveksling;

use crate::error::{Error, FieldError};
use crate::konto::{KontoSti, find};
use crate::lister::{Eiere, systemer_med_eier};
use crate::ports::Partkrav;
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
    fn parter(&self) -> impl Iterator<Item = Partkrav> {
        let each = |navn: Option<&String>| Partkrav {
            protokoll_navn: self.navn.clone(),
            versjon: self.versjon.clone(),
            navn: navn.cloned(),
        };
        let whichever = self.parter.is_empty().then(|| each(None));
        self.parter.iter().map(move |navn| each(Some(navn))).chain(whichever)
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
        let krav: Option<Vec<_>> = if stotter_konto {
            let versjoner = tx.list_versjoner(&konto.protokoll_navn).await?;
            let parter = utveksling::motparter(&konto, &versjoner).into_iter();
            Some(parter.map(Partkrav::from).collect())
        } else {
            None
        };
        let (term, visible_to) = (checked(term)?, own.fiks_org_id);
        let hits =
            tx.search_systemer(visible_to, Some(own.id), term, owners, krav.as_deref(), MAX_HITS).await?;
        systemer_med_eier(&mut *tx, hits.iter().map(|system| system.id)).await
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
        let krav: Vec<_> = protokoller.iter().flat_map(ProtokollKrav::parter).collect();
        let krav = (!protokoller.is_empty()).then_some(&krav[..]);
        let kontoer = tx.search_kontoer(owner, Some(system), checked(term)?, owners, krav, MAX_HITS).await?;
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
