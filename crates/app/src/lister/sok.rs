//! Finding whom to give tilgang to, and whom to ask for it, as people search: by words.

use std::collections::{BTreeSet, HashSet};

use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::konto::Konto;
use domain::organisasjon::Organisasjon;
use domain::system::System;
use domain::utveksling::{self, Protokollpart};

use crate::error::Error;
use crate::konto::{KontoSti, find};
use crate::lister::{Eiere, systemer_med_eier};
use crate::paging::{Page, Side};
use crate::ports::{Tx, Utvalg};
use crate::tilgang::SystemMedEier;
use crate::{App, Caller};

/// What to look for among systemer.
#[derive(Debug, Clone, Default)]
pub struct SystemSok {
    /// Words that must all stand in a System or one of its kontoer, or a whole systemId; empty means all.
    pub term: String,
    /// Only those of this owner.
    pub eier: Option<FiksOrgId>,
    /// Only those of the own organisasjon.
    pub bare_egne: bool,
    /// Only those with a Konto that may exchange meldinger with the one that searches.
    pub bare_som_kan_utveksle: bool,
    /// Only those with a Konto that may receive this meldingstype.
    pub kan_motta: Option<String>,
    /// Which of them.
    pub page: Page,
}

/// A System that was found.
#[derive(Debug, Clone)]
pub struct SystemTreff {
    /// The System.
    pub system: System,
    /// Its owner.
    pub eier: Organisasjon,
    /// It may send to the Konto that searches.
    pub har_tilgang: bool,
    /// It has asked the Konto that searches for tilgang.
    pub har_bedt: bool,
}

/// What to look for among kontoer.
#[derive(Debug, Clone, Default)]
pub struct KontoSok {
    /// Words that must all stand in a Konto or its System, or a whole kontoId; empty means all.
    pub term: String,
    /// Only those of this owner.
    pub eier: Option<FiksOrgId>,
    /// Only those of this Protokoll.
    pub protokoll: Option<String>,
    /// Only those that may receive this meldingstype.
    pub kan_motta: Option<String>,
    /// Which of them.
    pub page: Page,
}

/// A Konto that was found.
#[derive(Debug, Clone)]
pub struct KontoTreff {
    /// The Konto.
    pub konto: Konto,
    /// Its System.
    pub system: System,
    /// The owner of its System.
    pub eier: Organisasjon,
    /// The System that searches may send to it.
    pub har_tilgang: bool,
    /// The System that searches has asked for it.
    pub har_bedt: bool,
}

/// Words that are looked for; more of them would find nothing else.
const MAX_WORDS: usize = 8;

/// The words of a search, in lower case.
fn words(term: &str) -> Vec<String> {
    term.split_whitespace().take(MAX_WORDS).map(str::to_lowercase).collect()
}

impl App {
    /// Systemer that the Konto at `sti` can give tilgang to: the own organisasjon's and the offentlige, without its own
    /// System. A whole systemId finds that System whatever else is asked for, also one that is not offentlig: its owner
    /// has given it away.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn sok_systemer(
        &self,
        caller: &Caller,
        sti: KontoSti,
        sok: &SystemSok,
    ) -> Result<Side<SystemTreff>, Error> {
        let protokoller = self.list_protokoller().await?;
        let mut tx = self.begin_read().await?;
        let (own, konto) = find(&mut *tx, sti).await?;
        caller.may_see(&own)?;
        let side = if let Ok(id) = sok.term.trim().parse::<SystemId>() {
            let found = tx.system(id).await?.filter(|system| system.id != own.id);
            Side::of_few(found.into_iter().collect(), sok.page)
        } else {
            let motparter = sok.bare_som_kan_utveksle.then(|| utveksling::motparter(&konto, &protokoller));
            let mottakere = sok.kan_motta.as_deref().map(|navn| utveksling::mottakere(navn, &protokoller));
            let utvalg = Utvalg {
                synlig_for: own.fiks_org_id,
                unntatt: own.id,
                ord: words(&sok.term),
                eier: if sok.bare_egne { Some(own.fiks_org_id) } else { sok.eier },
                protokoll: None,
                parter: both(motparter, mottakere),
                page: sok.page,
            };
            tx.sok_systemer(&utvalg).await?
        };
        let ids: Vec<_> = side.rows.iter().map(|system| system.id).collect();
        let (given, asked) = tx.tilganger_til_konto_of(konto.id, &ids).await?;
        let (given, asked): (HashSet<_>, HashSet<_>) =
            (given.into_iter().collect(), asked.into_iter().collect());
        let mut med_eier = systemer_med_eier(&mut *tx, ids.into_iter()).await?.into_iter();
        Ok(side.filter_map(|_| {
            let SystemMedEier { system, eier } = med_eier.next()?;
            let (har_tilgang, har_bedt) = (given.contains(&system.id), asked.contains(&system.id));
            Some(SystemTreff { system, eier, har_tilgang, har_bedt })
        }))
    }

    /// Kontoer that a System may ask for: the own organisasjon's and those of offentlige systemer, without its own.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn sok_kontoer(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        sok: &KontoSok,
    ) -> Result<Side<KontoTreff>, Error> {
        let protokoller = self.list_protokoller().await?;
        let mut tx = self.begin_read().await?;
        let own = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_see(&own)?;
        let side = if let Ok(id) = sok.term.trim().parse::<KontoId>() {
            Side::of_few(visible_konto(&mut *tx, &own, id).await?.into_iter().collect(), sok.page)
        } else {
            let mottakere = sok.kan_motta.as_deref().map(|navn| utveksling::mottakere(navn, &protokoller));
            let utvalg = Utvalg {
                synlig_for: owner,
                unntatt: own.id,
                ord: words(&sok.term),
                eier: sok.eier,
                protokoll: sok.protokoll.clone(),
                parter: mottakere.map(|parter| parter.into_iter().collect()),
                page: sok.page,
            };
            tx.sok_kontoer(&utvalg).await?
        };
        let ids: Vec<_> = side.rows.iter().map(|konto| konto.id).collect();
        let (given, asked) = tx.tilganger_for_system_of(own.id, &ids).await?;
        let (given, asked): (HashSet<_>, HashSet<_>) =
            (given.into_iter().collect(), asked.into_iter().collect());
        let eiere = Eiere::of(&mut *tx, side.rows.iter().map(|konto| konto.system_id)).await?;
        Ok(side.filter_map(|konto| {
            let SystemMedEier { system, eier } = eiere.system(konto.system_id)?;
            let (har_tilgang, har_bedt) = (given.contains(&konto.id), asked.contains(&konto.id));
            Some(KontoTreff { konto, system, eier, har_tilgang, har_bedt })
        }))
    }

    /// Organisasjoner by name that have systemer which a System can give tilgang to or ask, without itself.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_organisasjoner_for_valg(
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

    /// Every meldingstype that a Konto can be found by, in order. The caller has logged in; more is not asked.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list_meldingstyper_som_kan_mottas(&self) -> Result<Vec<String>, Error> {
        let protokoller = self.list_protokoller().await?;
        Ok(utveksling::meldingstyper_som_kan_mottas(&protokoller).into_iter().collect())
    }
}

/// What fits both of two demands, where they are made.
fn both(
    one: Option<BTreeSet<Protokollpart>>,
    other: Option<BTreeSet<Protokollpart>>,
) -> Option<Vec<Protokollpart>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.intersection(&other).cloned().collect()),
        (one, other) => one.or(other).map(|parter| parter.into_iter().collect()),
    }
}

/// The Konto with that id, if `own` may ask for it.
async fn visible_konto(tx: &mut dyn Tx, own: &System, id: KontoId) -> Result<Option<Konto>, Error> {
    let Some(konto) = tx.konto(id).await?.filter(|konto| konto.system_id != own.id) else {
        return Ok(None);
    };
    let system = tx.system(konto.system_id).await?;
    let visible = system.is_some_and(|system| system.info.offentlig || system.fiks_org_id == own.fiks_org_id);
    Ok(visible.then_some(konto))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn term_is_split_at_blanks_and_lower_cased() {
        assert_eq!(words("  Blå\u{a0}ARKIV\tÆØÅ "), ["blå", "arkiv", "æøå"]);
        assert!(words(" ").is_empty());
        assert_eq!(words("a b c d e f g h i j").len(), MAX_WORDS);
    }
}
