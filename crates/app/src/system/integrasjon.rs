//! Changing what machines log in with.

use domain::Orgnummer;
use domain::id::{FiksOrgId, IntegrasjonId, SystemId};
use domain::system::{Integrasjon, System};
use jiff::Timestamp;

use crate::error::{Error, FieldError, Missing};
use crate::events::Event;
use crate::passord::IntegrasjonPassord;
use crate::ports::Tx;
use crate::rule::Rule;
use crate::{App, Caller, Change};

impl App {
    /// Gives an integrasjon a new password. The old one stops working at once, and connections that it opened end.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn new_passord(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        integrasjon: IntegrasjonId,
    ) -> Result<IntegrasjonPassord, Error> {
        caller.may_act_for(owner)?;
        let mut tx = self.begin().await?;
        let (system, mut integrasjon) = find(&mut *tx, owner, system, integrasjon).await?;
        let passord = IntegrasjonPassord::from_secret(&self.inner.ids.secret());
        integrasjon.passord_hash = self.inner.passord_key.hash(passord.reveal());
        tx.update_integrasjon(&integrasjon).await?;
        self.audit(&mut *tx, caller, change("genererte nytt passord", &system, &integrasjon)).await?;
        tx.commit().await?;
        self.tell(Event::IntegrasjonChanged(integrasjon.id));
        Ok(passord)
    }

    /// Sets whose virksomhetssertifikat an integrasjon needs. Connections opened with the old one end.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn update_orgnummer(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        integrasjon: IntegrasjonId,
        orgnummer: &str,
    ) -> Result<Integrasjon, Error> {
        caller.may_act_for(owner)?;
        let orgnummer = parse_orgnummer(orgnummer)?;
        let mut tx = self.begin().await?;
        let (system, mut integrasjon) = find(&mut *tx, owner, system, integrasjon).await?;
        if integrasjon.orgnummer == orgnummer {
            return Ok(integrasjon);
        }
        integrasjon.orgnummer = orgnummer;
        tx.update_integrasjon(&integrasjon).await?;
        self.audit(&mut *tx, caller, change("endret organisasjonsnummer", &system, &integrasjon)).await?;
        tx.commit().await?;
        self.tell(Event::IntegrasjonChanged(integrasjon.id));
        Ok(integrasjon)
    }

    /// Adds an integrasjon for another organisasjon, which becomes the primary one, and sets when the one before ends: a
    /// change of vendor without downtime.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn add_integrasjon(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        orgnummer: &str,
        previous_ends: Timestamp,
    ) -> Result<(Integrasjon, IntegrasjonPassord), Error> {
        caller.may_act_for(owner)?;
        let orgnummer = parse_orgnummer(orgnummer)?;
        let now = self.now();
        let mut tx = self.begin().await?;
        let system = super::find(&mut *tx, owner, system).await?;
        for mut previous in tx.list_integrasjoner(system.id).await?.into_iter().filter(|one| one.primer) {
            previous.primer = false;
            previous.utlops_dato = Some(previous_ends);
            tx.update_integrasjon(&previous).await?;
        }
        let (integrasjon, passord) = self.primary_integrasjon(system.id, orgnummer, now);
        tx.add_integrasjon(&integrasjon).await?;
        self.audit(&mut *tx, caller, change("la til integrasjon", &system, &integrasjon)).await?;
        tx.commit().await?;
        Ok((integrasjon, passord))
    }
}

impl App {
    /// A primary integrasjon that works from `now` on, with the only copy of its password. Not saved.
    pub(super) fn primary_integrasjon(
        &self,
        system_id: SystemId,
        orgnummer: Orgnummer,
        now: Timestamp,
    ) -> (Integrasjon, IntegrasjonPassord) {
        let passord = IntegrasjonPassord::from_secret(&self.inner.ids.secret());
        let integrasjon = Integrasjon {
            id: IntegrasjonId::from_uuid(self.inner.ids.uuid()),
            system_id,
            orgnummer,
            gyldig_fra: now,
            utlops_dato: None,
            primer: true,
            passord_hash: self.inner.passord_key.hash(passord.reveal()),
        };
        (integrasjon, passord)
    }
}

fn parse_orgnummer(text: &str) -> Result<Orgnummer, Error> {
    text.parse().map_err(|_| Error::Invalid(vec![FieldError::new("organisasjonsnummer", Rule::NineDigits)]))
}

async fn find(
    tx: &mut dyn Tx,
    owner: FiksOrgId,
    system: SystemId,
    integrasjon: IntegrasjonId,
) -> Result<(System, Integrasjon), Error> {
    let system = super::find(tx, owner, system).await?;
    match tx.integrasjon(integrasjon).await? {
        Some(found) if found.system_id == system.id => Ok((system, found)),
        _ => Err(Missing::Integrasjon(integrasjon).into()),
    }
}

fn change(hva: &'static str, system: &System, integrasjon: &Integrasjon) -> Change<'static> {
    Change {
        hva,
        fiks_org_id: Some(system.fiks_org_id),
        system_id: Some(system.id),
        konto_id: None,
        detaljer: Some(format!("integrasjon {}", integrasjon.id)),
    }
}
