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

/// Owners that one search may name. A database keeps statements that it was asked, and each number of these makes another.
const MAX_OWNERS: usize = 200;
/// Protokoller that one search may name.
const MAX_PROTOKOLLER: usize = 50;
/// Parter that it may name of all of them together.
const MAX_PARTER: usize = 200;

/// What a search for kontoer or systemer is limited to.
#[derive(Debug, Clone, Copy)]
struct Sok<'a> {
    term: &'a str,
    owners: &'a [FiksOrgId],
    protokoller: &'a [ProtokollKrav],
}

impl<'a> Sok<'a> {
    /// Gives what is searched for, unless it is longer, or names more, than the database is to be asked for.
    fn checked(self) -> Result<&'a str, Error> {
        let term = self.term.trim();
        let mut errors = Vec::new();
        let is_long = |text: &str| text.chars().count() > MAX_TERM;
        let mut check = |is_broken: bool, field: &'static str, rule: Rule| {
            if is_broken {
                errors.push(FieldError::new(field, rule));
            }
        };
        let length = || Rule::Length { min: 0, max: MAX_TERM };
        check(is_long(term), "term", length());
        check(self.owners.len() > MAX_OWNERS, "fiksOrgIder", Rule::TooMany { max: MAX_OWNERS });
        let protokoller = self.protokoller;
        check(protokoller.len() > MAX_PROTOKOLLER, "protokollFilter", Rule::TooMany { max: MAX_PROTOKOLLER });
        let parter: usize = protokoller.iter().map(|krav| krav.parter.len()).sum();
        check(parter > MAX_PARTER, "parter", Rule::TooMany { max: MAX_PARTER });
        check(protokoller.iter().any(|krav| is_long(&krav.navn)), "protokollNavn", length());
        check(protokoller.iter().any(|krav| is_long(&krav.versjon)), "protokollVersjon", length());
        let navn = || protokoller.iter().flat_map(|krav| &krav.parter);
        check(navn().any(|navn| is_long(navn)), "parter", length());
        if errors.is_empty() { Ok(term) } else { Err(Error::Invalid(errors)) }
    }
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
        let term = Sok { term, owners, protokoller: &[] }.checked()?;
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
        let visible_to = own.fiks_org_id;
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
        let term = Sok { term, owners, protokoller }.checked()?;
        let mut tx = self.begin_read().await?;
        let own = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_see(&own)?;
        let krav: Vec<_> = protokoller.iter().flat_map(ProtokollKrav::parter).collect();
        let krav = (!protokoller.is_empty()).then_some(&krav[..]);
        let kontoer = tx.search_kontoer(owner, Some(system), term, owners, krav, MAX_HITS).await?;
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
