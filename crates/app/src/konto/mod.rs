//! Kontoer: making, reading, changing and removing them.

mod create;
mod nokkel;
mod queues;
mod read;
mod remove;
mod satt_til_side;
mod sertifikat;
mod update;

pub use create::NyKonto;
pub use queues::Reconciled;
pub use read::{KontoDetaljer, parter};
pub use satt_til_side::Emptied;
#[cfg(feature = "fuzzing")]
pub(crate) use sertifikat::check as check_sertifikat;
pub use sertifikat::tidspunkt as sertifikat_tidspunkt;

use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::konto::{Konto, PartRef};
use domain::protokoll::{Protokoll, Protokollstatus};
use domain::system::System;

use crate::error::{Error, FieldError, Missing};
use crate::ports::Tx;
use crate::rule::Rule;

/// Where a Konto stands in the paths of the API; each id must fit the one before.
#[derive(Debug, Clone, Copy)]
pub struct KontoSti {
    /// The owner.
    pub fiks_org_id: FiksOrgId,
    /// The System.
    pub system_id: SystemId,
    /// The Konto.
    pub konto_id: KontoId,
}

/// The Konto at `sti` with its System.
pub(crate) async fn find(tx: &mut dyn Tx, sti: KontoSti) -> Result<(System, Konto), Error> {
    let system = crate::system::find(tx, sti.fiks_org_id, sti.system_id).await?;
    match tx.konto(sti.konto_id).await? {
        Some(konto) if konto.system_id == system.id => Ok((system, konto)),
        _ => Err(Missing::Konto(sti.konto_id).into()),
    }
}

/// The Konto with that id, whoever owns it, with its System.
pub(crate) async fn find_by_id(tx: &mut dyn Tx, id: KontoId) -> Result<(System, Konto), Error> {
    let konto = tx.konto(id).await?.ok_or(Missing::Konto(id))?;
    let system = tx.system(konto.system_id).await?.ok_or(Missing::Konto(id))?;
    Ok((system, konto))
}

/// Checks that `parter` are parts of versions of one Protokoll that may be used, each named once.
fn check_parter(versjoner: &[Protokoll], parter: &[PartRef]) -> Vec<FieldError> {
    if parter.is_empty() {
        return vec![FieldError::new("parts", Rule::NoPart)];
    }
    let broken = |part: &PartRef, protokoll: Option<&Protokoll>, before: &[PartRef]| {
        let (navn, versjon) = (part.navn.clone(), part.versjon.clone());
        match protokoll {
            None => Some(Rule::UnknownVersjon { versjon }),
            Some(protokoll) if protokoll.status == Protokollstatus::Deaktivert => {
                Some(Rule::VersjonNotInUse { versjon })
            }
            Some(protokoll) if protokoll.part(&navn).is_none() => {
                let known = protokoll.parter.iter().map(|part| part.navn.clone()).collect();
                Some(Rule::UnknownPart { navn, versjon, known })
            }
            Some(_) if before.contains(part) => Some(Rule::PartTwice { navn, versjon }),
            Some(_) => None,
        }
    };
    let mut errors = Vec::new();
    for (at, part) in parter.iter().enumerate() {
        let protokoll = versjoner.iter().find(|protokoll| protokoll.versjon == part.versjon);
        errors.extend(broken(part, protokoll, &parter[..at]).map(|rule| FieldError::new("parts", rule)));
    }
    errors
}
