//! Lists for people: in pages, sorted and searched in the database, with a number of queries that does not grow with the
//! rows.

mod hendelser;
mod kontoer;
mod sok;
mod systemer;
mod tilganger;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::konto::Konto;
use domain::organisasjon::Organisasjon;
use domain::protokoll::Protokoll;
use domain::system::System;

use crate::App;
use crate::error::Error;
use crate::ports::Tx;
use crate::system::EksternKonto;
use crate::tilgang::SystemMedEier;

pub use crate::ports::{
    HendelseFilter, KontoListe, KontoSortering, NokkelTilstand, OrgKontoListe, OrgKontoSortering,
    OrganisasjonTall, SystemListe, SystemSortering, TilgangListe, TilgangSortering,
};
pub use hendelser::HendelseRad;
pub use kontoer::KontoRad;
pub use sok::{KontoSok, KontoTreff, SystemSok, SystemTreff};
pub use systemer::SystemRad;
pub use tilganger::{EksternKontoDetaljer, EksternKontoRad, ForesporselRad, TilgangRad};

/// Systemer and their owners by id.
pub(crate) struct Eiere {
    systemer: HashMap<SystemId, System>,
    organisasjoner: HashMap<FiksOrgId, Organisasjon>,
}

impl Eiere {
    pub(crate) async fn of(
        tx: &mut dyn Tx,
        systemer: impl IntoIterator<Item = SystemId>,
    ) -> Result<Self, Error> {
        let mut systemer = tx.systemer_by_id(&distinct(systemer)).await?;
        // Where its owner is to be varslet is for nobody else, and may be much of it.
        for system in &mut systemer {
            system.info.eposter = Vec::new();
        }
        let owners = distinct(systemer.iter().map(|system| system.fiks_org_id));
        let organisasjoner = tx.organisasjoner_by_id(&owners).await?;
        Ok(Self {
            systemer: systemer.into_iter().map(|system| (system.id, system)).collect(),
            organisasjoner: organisasjoner.into_iter().map(|found| (found.id, found)).collect(),
        })
    }

    pub(crate) fn system(&self, id: SystemId) -> Option<SystemMedEier> {
        let system = self.systemer.get(&id)?.clone();
        let eier = self.organisasjoner.get(&system.fiks_org_id)?.clone();
        Some(SystemMedEier { system, eier })
    }
}

/// Each of `systemer` with its owner, in the same order.
pub(crate) async fn systemer_med_eier(
    tx: &mut dyn Tx,
    systemer: impl Iterator<Item = SystemId>,
) -> Result<Vec<SystemMedEier>, Error> {
    let ids: Vec<_> = systemer.collect();
    let eiere = Eiere::of(tx, ids.iter().copied()).await?;
    Ok(ids.into_iter().filter_map(|id| eiere.system(id)).collect())
}

/// Kontoer by id.
pub(crate) async fn kontoer_by_id(
    tx: &mut dyn Tx,
    ids: impl IntoIterator<Item = KontoId>,
) -> Result<HashMap<KontoId, Konto>, Error> {
    let kontoer = tx.kontoer_by_id(&distinct(ids)).await?;
    Ok(kontoer.into_iter().map(|konto| (konto.id, konto)).collect())
}

fn distinct<T: Ord>(ids: impl IntoIterator<Item = T>) -> Vec<T> {
    ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

impl App {
    /// Adds the versions of its Protokoll to each Konto. To be called outside of a unit of work: see [`App::versjoner`].
    pub(crate) async fn eksterne_kontoer(
        &self,
        kontoer: Vec<(Konto, SystemMedEier)>,
    ) -> Result<Vec<EksternKonto>, Error> {
        let mut known: HashMap<String, Arc<Vec<Protokoll>>> = HashMap::new();
        for navn in distinct(kontoer.iter().map(|(konto, _)| konto.protokoll_navn.as_str())) {
            known.insert(navn.to_owned(), self.versjoner(navn).await?);
        }
        let with_versjoner = |(konto, SystemMedEier { system, eier }): (Konto, SystemMedEier)| {
            let versjoner = known.get(&konto.protokoll_navn).cloned().unwrap_or_default();
            EksternKonto { konto, system, eier, versjoner }
        };
        Ok(kontoer.into_iter().map(with_versjoner).collect())
    }
}
