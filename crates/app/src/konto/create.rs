use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::konto::{Konto, PartRef};
use domain::tekst;

use crate::error::{Error, FieldError};
use crate::grense::Grense;
use crate::hendelse::Hva;
use crate::konto::read::KontoDetaljer;
use crate::konto::{check_parter, sertifikat};
use crate::rule::Rule;
use crate::sesjon::{self, Once};
use crate::{App, Caller, Change};

/// What a new Konto shall be like.
#[derive(Debug, Clone)]
pub struct NyKonto {
    /// 2–200 characters.
    pub navn: String,
    /// 1–500 characters.
    pub beskrivelse: String,
    /// Name of its Protokoll.
    pub protokoll_navn: String,
    /// The parts it shall play.
    pub parter: Vec<PartRef>,
    /// Its public key as PEM, if it is known already.
    pub offentlig_nokkel: Option<String>,
}

impl App {
    /// Makes a Konto with its queue. When this returns, a client can connect to it.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`] (`engangsnokkel`) for the repeat of a form, for which [`App::konto_of_form`]
    /// tells what was made, [`Error::NotFound`], [`Error::Forbidden`], [`Error::QuotaFull`], [`Error::Full`], [`Error::Unavailable`].
    pub async fn create_konto(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        ny: NyKonto,
        once: Option<Once>,
    ) -> Result<KontoDetaljer, Error> {
        let now = self.now();
        let id = KontoId::from_uuid(self.inner.ids.uuid());
        let mut tx = self.begin_for(caller).await?;
        let system = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_configure(&system)?;
        let grenser = &self.inner.settings.grenser;
        grenser.one_more(Grense::KontoerPerSystem, tx.count_kontoer_of_system(system.id).await?)?;
        grenser.grows_to(Grense::ParterPerKonto, 0, ny.parter.len())?;

        let mut errors: Vec<FieldError> = [
            tekst::check_navn(&ny.navn).err().map(|error| FieldError::new("navn", error)),
            tekst::check_beskrivelse(&ny.beskrivelse)
                .err()
                .map(|error| FieldError::new("beskrivelse", error)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let versjoner = tx.list_versjoner(&ny.protokoll_navn).await?;
        if versjoner.is_empty() {
            let rule = Rule::UnknownProtokoll { navn: ny.protokoll_navn.clone() };
            errors.push(FieldError::new("stottetProtokollNavn", rule));
        } else {
            errors.extend(check_parter(&versjoner, &ny.parter));
        }
        let nokkel =
            match ny.offentlig_nokkel.as_deref().map(|pem| sertifikat::read("offentligNokkel", pem, id, now))
            {
                Some(Err(error)) => {
                    errors.push(error);
                    None
                }
                Some(Ok(nokkel)) => Some(nokkel),
                None => None,
            };
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }

        sesjon::once::spend(&mut *tx, once.as_ref()).await?;
        sesjon::once::remember(&mut *tx, once.as_ref(), &id.to_string(), now).await?;
        let konto = Konto {
            id,
            system_id: system.id,
            navn: ny.navn,
            beskrivelse: ny.beskrivelse,
            protokoll_navn: ny.protokoll_navn,
            parter: ny.parter,
            send_meldinger_deaktivert: false,
            opprettet: now,
            sist_endret: now,
        };
        tx.add_konto(&konto).await?;
        if let Some(nokkel) = &nokkel {
            tx.add_nokkel(nokkel).await?;
        }
        let change = Change::new(Hva::OpprettetKonto).system(&system).konto(&konto);
        self.audit(&mut *tx, caller, change).await?;
        // The queue first: an empty queue without Konto is removed at the next start, a Konto without queue would leave
        // a client connected and deaf.
        self.inner.broker.create_queue(id).await?;
        tx.commit().await?;
        Ok(KontoDetaljer { konto, nokkel, versjoner })
    }

    /// The Konto that a form with this one-time key was made into, if it was; it may be gone since.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn konto_of_form(&self, once: &Once) -> Result<Option<KontoId>, Error> {
        let made = self.sesjon_value(once.sesjon, &once.key).await?;
        Ok(made.and_then(|id| id.parse().ok()))
    }
}
