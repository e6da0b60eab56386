use domain::konto::PartRef;
use domain::tekst;
use jiff::Timestamp;

use crate::error::{Error, FieldError};
use crate::grense::Grense;
use crate::hendelse::Hva;
use crate::konto::{KontoDetaljer, KontoSti, check_parter, find};
use crate::system::check_unchanged;
use crate::{App, Caller, Change};

impl App {
    /// Changes navn and beskrivelse of a Konto; what is so already stays so, without a word in the log. `expected` as for [`App::update_system_info`].
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`] (`endring`), [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn update_konto_info(
        &self,
        caller: &Caller,
        sti: KontoSti,
        navn: String,
        beskrivelse: String,
        expected: Option<Timestamp>,
    ) -> Result<(), Error> {
        let mut tx = self.begin_for(caller).await?;
        let (system, mut konto) = find(&mut *tx, sti).await?;
        caller.may_configure(&system)?;
        check_unchanged(expected, konto.sist_endret)?;
        let errors: Vec<_> = [
            tekst::check_navn(&navn).err().map(|error| FieldError::new("navn", error)),
            tekst::check_beskrivelse(&beskrivelse).err().map(|error| FieldError::new("beskrivelse", error)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        if (&konto.navn, &konto.beskrivelse) == (&navn, &beskrivelse) {
            return Ok(());
        }
        let previous = std::mem::replace(&mut konto.navn, navn);
        (konto.beskrivelse, konto.sist_endret) = (beskrivelse, self.now());
        tx.update_konto(&konto).await?;
        let change =
            Change::new(Hva::EndretKontoinfo).system(&system).konto(&konto).fra_til(&previous, &konto.navn);
        self.audit(&mut *tx, caller, change).await?;
        Ok(tx.commit().await?)
    }

    /// Sets whether a Konto may send, or only receive. What is so already stays so, without a word in the log. A person's
    /// decision, which no machine lifts. `expected` as for [`App::update_system_info`].
    ///
    /// # Errors
    /// [`Error::Conflict`] (`endring`), [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn update_sending(
        &self,
        caller: &Caller,
        sti: KontoSti,
        may_send: bool,
        expected: Option<Timestamp>,
    ) -> Result<(), Error> {
        caller.may_act_for(sti.fiks_org_id)?;
        let mut tx = self.begin_for(caller).await?;
        let (system, mut konto) = find(&mut *tx, sti).await?;
        if konto.send_meldinger_deaktivert != may_send {
            return Ok(());
        }
        check_unchanged(expected, konto.sist_endret)?;
        (konto.send_meldinger_deaktivert, konto.sist_endret) = (!may_send, self.now());
        tx.update_konto(&konto).await?;
        let hva = if may_send { Hva::StartetSending } else { Hva::StoppetSending };
        self.audit(&mut *tx, caller, Change::new(hva).system(&system).konto(&konto)).await?;
        Ok(tx.commit().await?)
    }

    /// Replaces the parts that a Konto plays; the same again changes nothing. `expected` as for [`App::update_system_info`].
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`] (`endring`), [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn update_parter(
        &self,
        caller: &Caller,
        sti: KontoSti,
        parter: Vec<PartRef>,
        expected: Option<Timestamp>,
    ) -> Result<KontoDetaljer, Error> {
        let mut tx = self.begin_for(caller).await?;
        let (system, mut konto) = find(&mut *tx, sti).await?;
        caller.may_configure(&system)?;
        check_unchanged(expected, konto.sist_endret)?;
        let grenser = &self.inner.settings.grenser;
        grenser.grows_to(Grense::ParterPerKonto, konto.parter.len(), parter.len())?;
        let versjoner = tx.list_versjoner(&konto.protokoll_navn).await?;
        let errors = check_parter(&versjoner, &parter);
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        let nokkel = tx.nokkel(konto.id).await?;
        if konto.parter == parter {
            return Ok(KontoDetaljer { konto, nokkel, versjoner });
        }
        let previous = std::mem::replace(&mut konto.parter, parter);
        konto.sist_endret = self.now();
        tx.update_konto(&konto).await?;
        let change = Change::new(Hva::EndretParter)
            .system(&system)
            .konto(&konto)
            .fra_til(&told(&previous), &told(&konto.parter));
        self.audit(&mut *tx, caller, change).await?;
        tx.commit().await?;
        Ok(KontoDetaljer { konto, nokkel, versjoner })
    }
}

fn told(parter: &[PartRef]) -> String {
    parter.iter().map(|part| format!("{} {}", part.navn, part.versjon)).collect::<Vec<_>>().join(", ")
}
