//! Kontoer: making, reading, changing and removing them.

mod create;
mod nokkel;
mod read;
mod remove;
mod sertifikat;
mod update;

pub use create::NyKonto;
pub use read::{KontoDetaljer, parter};

use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::konto::{Konto, PartRef};
use domain::protokoll::{Protokoll, Protokollstatus};
use domain::system::System;

use crate::error::{Error, FieldError, Missing};
use crate::ports::Tx;

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

/// Checks that `parter` are parts of versions of one Protokoll that may be used, each named once.
fn check_parter(versjoner: &[Protokoll], parter: &[PartRef]) -> Vec<FieldError> {
    if parter.is_empty() {
        return vec![FieldError::new("parts", "must have at least one part")];
    }
    let mut errors = Vec::new();
    for (at, part) in parter.iter().enumerate() {
        match versjoner.iter().find(|protokoll| protokoll.versjon == part.versjon) {
            None => errors.push(FieldError::new("parts", format_args!("names the unknown version {}", part.versjon))),
            Some(protokoll) if protokoll.status == Protokollstatus::Deaktivert => {
                errors.push(FieldError::new("parts", format_args!("names version {}, which is not in use", part.versjon)));
            }
            Some(protokoll) if protokoll.part(&part.navn).is_none() => {
                let known: Vec<_> = protokoll.parter.iter().map(|part| part.navn.as_str()).collect();
                errors.push(FieldError::new(
                    "parts",
                    format_args!("names the unknown part {} (version {} has {})", part.navn, part.versjon, known.join(", ")),
                ));
            }
            Some(_) if parter[..at].contains(part) => {
                errors.push(FieldError::new("parts", format_args!("names {} of {} twice", part.navn, part.versjon)));
            }
            Some(_) => {}
        }
    }
    errors
}
