//! Changing what machines log in with.

use std::time::Duration;

use domain::Orgnummer;
use domain::id::{FiksOrgId, IntegrasjonId, SystemId};
use domain::system::{Integrasjon, System};
use jiff::Timestamp;

use crate::error::{Error, FieldError, Missing};
use crate::grense::Grense;
use crate::hendelse::{Felt, Hva};
use crate::passord::IntegrasjonPassord;
use crate::ports::Tx;
use crate::rule::Rule;
use crate::sesjon::{self, Once};
use crate::{App, Caller, Change};

impl App {
    /// Gives an integrasjon a new password. The old one stops working at once, and connections that it opened end.
    ///
    /// # Errors
    /// [`Error::Conflict`] (`engangsnokkel`) for the repeat of a form, [`Error::NotFound`], [`Error::Forbidden`],
    /// [`Error::Unavailable`].
    pub async fn new_passord(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        integrasjon: IntegrasjonId,
        once: Option<Once>,
    ) -> Result<IntegrasjonPassord, Error> {
        caller.may_act_for(owner)?;
        let mut tx = self.begin_for(caller).await?;
        let (system, mut integrasjon) = find(&mut *tx, owner, system, integrasjon).await?;
        sesjon::once::spend(&mut *tx, once.as_ref()).await?;
        let passord = IntegrasjonPassord::from_secret(&self.inner.ids.secret());
        integrasjon.passord_hash = self.inner.passord_key.hash(passord.reveal());
        tx.update_integrasjon(&integrasjon).await?;
        self.audit(&mut *tx, caller, change(Hva::GenererteNyttPassord, &system, &integrasjon)).await?;
        tx.commit().await?;
        self.inner.logins.end(integrasjon.id);
        Ok(passord)
    }

    /// Sets whose virksomhetssertifikat an integrasjon needs. Connections opened with the old one end. `expected` is whose it
    /// was as the caller saw it; whoever did not look passes none.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`] (`endring`) if it was changed since, [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn update_orgnummer(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        integrasjon: IntegrasjonId,
        orgnummer: &str,
        expected: Option<Orgnummer>,
    ) -> Result<Integrasjon, Error> {
        caller.may_act_for(owner)?;
        let orgnummer = parse_orgnummer(orgnummer).map_err(|error| Error::Invalid(vec![error]))?;
        let mut tx = self.begin_for(caller).await?;
        let (system, mut integrasjon) = find(&mut *tx, owner, system, integrasjon).await?;
        if integrasjon.orgnummer == orgnummer {
            return Ok(integrasjon);
        }
        if expected.is_some_and(|expected| expected != integrasjon.orgnummer) {
            return Err(Error::Conflict { what: "endring" });
        }
        let previous = std::mem::replace(&mut integrasjon.orgnummer, orgnummer);
        tx.update_integrasjon(&integrasjon).await?;
        let change = change(Hva::EndretOrgnummer, &system, &integrasjon)
            .fra_til(previous.as_str(), integrasjon.orgnummer.as_str());
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        self.inner.logins.end(integrasjon.id);
        Ok(integrasjon)
    }

    /// Adds an integrasjon for another organisasjon, which becomes the primary one, and sets when the one before ends: a
    /// change of vendor without downtime.
    ///
    /// # Errors
    /// [`Error::Invalid`] also for an end that is over already or more than two years off, [`Error::Conflict`]
    /// (`engangsnokkel`) for the repeat of a form, [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn add_integrasjon(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        orgnummer: &str,
        previous_ends: Timestamp,
        once: Option<Once>,
    ) -> Result<(Integrasjon, IntegrasjonPassord), Error> {
        caller.may_act_for(owner)?;
        let now = self.now();
        let orgnummer = match (parse_orgnummer(orgnummer), check_end(previous_ends, now)) {
            (Ok(orgnummer), Ok(())) => orgnummer,
            (orgnummer, end) => {
                return Err(Error::Invalid([orgnummer.err(), end.err()].into_iter().flatten().collect()));
            }
        };
        let mut tx = self.begin_for(caller).await?;
        let system = super::find(&mut *tx, owner, system).await?;
        let present = tx.list_integrasjoner(system.id).await?;
        self.inner.settings.grenser.one_more(Grense::IntegrasjonerPerSystem, present.len() as u64)?;
        sesjon::once::spend(&mut *tx, once.as_ref()).await?;
        for mut previous in present.into_iter().filter(|one| one.primer) {
            previous.primer = false;
            previous.utlops_dato = Some(previous_ends);
            tx.update_integrasjon(&previous).await?;
        }
        let (integrasjon, passord) = self.primary_integrasjon(system.id, orgnummer, now);
        tx.add_integrasjon(&integrasjon).await?;
        let change = change(Hva::LaTilIntegrasjon, &system, &integrasjon)
            .with(Felt::Til, integrasjon.orgnummer.as_str());
        self.audit(&mut *tx, caller, change).await?;
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

fn parse_orgnummer(text: &str) -> Result<Orgnummer, FieldError> {
    text.parse().map_err(|_| FieldError::new("organisasjonsnummer", Rule::NineDigits))
}

/// A change of vendor takes months, not minutes and not decades: anything else is a slip of the finger.
fn check_end(ends: Timestamp, now: Timestamp) -> Result<(), FieldError> {
    const LONGEST: Duration = Duration::from_hours(2 * 366 * 24);
    let latest = now.checked_add(LONGEST).unwrap_or(Timestamp::MAX);
    let rule = if ends < now {
        Rule::InThePast
    } else if ends > latest {
        Rule::TooFarOff { latest }
    } else {
        return Ok(());
    };
    Err(FieldError::new("utlopsDato", rule))
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

fn change(hva: Hva, system: &System, integrasjon: &Integrasjon) -> Change {
    Change::new(hva).system(system).with(Felt::Integrasjon, &integrasjon.id.to_string())
}
