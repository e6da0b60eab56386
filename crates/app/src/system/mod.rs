//! Systemer and their integrasjoner.

mod create;
mod innhold;
mod integrasjon;
mod read;
mod remove;
mod update;

pub use create::{NyttSystem, OpprettetSystem};
pub use innhold::SystemInnhold;
pub use read::{EksternKonto, KontoMedTall, SystemDetaljer};

use domain::id::{FiksOrgId, SystemId};
use domain::system::{System, SystemInfo};
use jiff::Timestamp;

use crate::error::{Error, FieldError, Missing};
use crate::ports::Tx;

/// The System, if it is one of `owner`.
pub(crate) async fn find(tx: &mut dyn Tx, owner: FiksOrgId, id: SystemId) -> Result<System, Error> {
    match tx.system(id).await? {
        Some(system) if system.fiks_org_id == owner => Ok(system),
        _ => Err(Missing::System(id).into()),
    }
}

/// Refuses to change what somebody else has changed since it was shown. `expected` is the time of its last change as it
/// was shown, to the millisecond as it is kept; `None` asks for nothing.
pub(crate) fn check_unchanged(expected: Option<Timestamp>, sist_endret: Timestamp) -> Result<(), Error> {
    match expected {
        Some(expected) if expected.as_millisecond() != sist_endret.as_millisecond() => {
            Err(Error::Conflict { what: "endring" })
        }
        _ => Ok(()),
    }
}

fn info_errors(info: &SystemInfo) -> Vec<FieldError> {
    info.errors().into_iter().map(|(field, error)| FieldError::new(field, error)).collect()
}
