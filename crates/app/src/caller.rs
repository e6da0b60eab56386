use domain::id::{FiksOrgId, IntegrasjonId, SystemId};
use domain::system::System;

use crate::error::{Error, Forbidden};

/// Who calls, with the rights that come with it. Edges make one by a login and pass it on; a use case checks it.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A machine.
    Integrasjon(InnloggetIntegrasjon),
    /// Whoever runs the installation: command line, seeding.
    Operator,
}

/// An integrasjon whose id, passord, token and orgnummer were verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InnloggetIntegrasjon {
    /// Its id.
    pub integrasjon_id: IntegrasjonId,
    /// Its System.
    pub system_id: SystemId,
    /// The owner of the System.
    pub fiks_org_id: FiksOrgId,
    /// It has FIKS.KONFIGURER on its System.
    pub konfigurer: bool,
}

impl From<InnloggetIntegrasjon> for Caller {
    fn from(integrasjon: InnloggetIntegrasjon) -> Self {
        Self::Integrasjon(integrasjon)
    }
}

impl Caller {
    /// Whether the caller may read and change the configuration of `system`.
    pub(crate) fn may_configure(&self, system: &System) -> Result<(), Error> {
        match self {
            Self::Operator => Ok(()),
            Self::Integrasjon(integrasjon)
                if integrasjon.system_id == system.id && system.konfigureres_av_integrasjon =>
            {
                Ok(())
            }
            Self::Integrasjon(_) => Err(Forbidden::Konfigurer { system: system.id }.into()),
        }
    }

    /// Whether the caller may do what only persons may.
    pub(crate) fn may_act_for(&self, _owner: FiksOrgId) -> Result<(), Error> {
        match self {
            Self::Operator => Ok(()),
            Self::Integrasjon(_) => Err(Forbidden::PersonOnly.into()),
        }
    }

    /// How the audit log names the caller.
    pub(crate) fn audit_name(&self) -> String {
        match self {
            Self::Operator => "drift".to_owned(),
            Self::Integrasjon(integrasjon) => format!("integrasjon:{}", integrasjon.integrasjon_id),
        }
    }
}
