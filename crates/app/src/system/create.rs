use domain::Orgnummer;
use domain::id::{FiksOrgId, SystemId};
use domain::system::{Integrasjon, System, SystemInfo};

use crate::error::{Error, FieldError, Missing};
use crate::grense::Grense;
use crate::hendelse::Hva;
use crate::passord::IntegrasjonPassord;
use crate::rule::Rule;
use crate::sesjon::{self, Once};
use crate::system::info_errors;
use crate::{App, Caller, Change};

/// What a new System shall be like.
#[derive(Debug, Clone)]
pub struct NyttSystem {
    /// Its texts and visibility.
    pub info: SystemInfo,
    /// Organisasjonsnummer of the virksomhetssertifikat, nine digits, as text from outside.
    pub orgnummer: String,
    /// Its integrasjon may configure it by API.
    pub konfigureres_av_integrasjon: bool,
}

/// A System just made, with the only chance to see its password.
#[derive(Debug)]
pub struct OpprettetSystem {
    /// The System.
    pub system: System,
    /// Its first, primary integrasjon.
    pub integrasjon: Integrasjon,
    /// The password of the integrasjon.
    pub passord: IntegrasjonPassord,
}

impl App {
    /// Makes a System with its first integrasjon: the end of the guide «Opprette system».
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`] (`avtale`) while the organisasjon has not taken Fiks Protokoll into use and
    /// (`engangsnokkel`) for the repeat of a form, [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn create_system(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        ny: NyttSystem,
        once: Option<Once>,
    ) -> Result<OpprettetSystem, Error> {
        caller.may_act_for(owner)?;
        let now = self.now();
        let mut errors = info_errors(&ny.info);
        let orgnummer = ny.orgnummer.parse::<Orgnummer>();
        if orgnummer.is_err() {
            errors.insert(0, FieldError::new("orgnummer", Rule::NineDigits));
        }
        let (Ok(orgnummer), true) = (orgnummer, errors.is_empty()) else {
            return Err(Error::Invalid(errors));
        };

        let mut tx = self.begin_for(caller).await?;
        let organisasjon = tx.organisasjon(owner).await?.ok_or(Missing::Organisasjon(owner))?;
        if organisasjon.tatt_i_bruk.is_none() {
            return Err(Error::Conflict { what: "avtale" });
        }
        let grenser = &self.inner.settings.grenser;
        let present = tx.list_systemer(owner).await?.len();
        grenser.one_more(Grense::SystemerPerOrganisasjon, present as u64)?;
        grenser.grows_to(Grense::EposterPerSystem, 0, ny.info.eposter.len())?;
        sesjon::once::spend(&mut *tx, once.as_ref()).await?;
        let system = System {
            id: SystemId::from_uuid(self.inner.ids.uuid()),
            fiks_org_id: owner,
            info: ny.info,
            konfigureres_av_integrasjon: ny.konfigureres_av_integrasjon,
            opprettet: now,
            sist_endret: now,
        };
        let (integrasjon, passord) = self.primary_integrasjon(system.id, orgnummer, now);
        tx.add_system(&system).await?;
        tx.add_integrasjon(&integrasjon).await?;
        let change = Change::new(Hva::OpprettetSystem).system(&system);
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        Ok(OpprettetSystem { system, integrasjon, passord })
    }
}
