use domain::konto::PartRef;
use domain::tekst;
use jiff::Timestamp;

use crate::error::{Error, FieldError};
use crate::konto::{KontoDetaljer, KontoSti, check_parter, find};
use crate::system::check_unchanged;
use crate::{App, Caller, Change};

impl App {
    /// Changes navn and beskrivelse of a Konto. `expected` as for [`App::update_system_info`].
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
        let mut tx = self.begin().await?;
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
        (konto.navn, konto.beskrivelse, konto.sist_endret) = (navn, beskrivelse, self.now());
        tx.update_konto(&konto).await?;
        self.audit(&mut *tx, caller, change("endret kontoinfo", sti)).await?;
        Ok(tx.commit().await?)
    }

    /// Replaces the parts that a Konto plays. `expected` as for [`App::update_system_info`].
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
        let mut tx = self.begin().await?;
        let (system, mut konto) = find(&mut *tx, sti).await?;
        caller.may_configure(&system)?;
        check_unchanged(expected, konto.sist_endret)?;
        let versjoner = tx.list_versjoner(&konto.protokoll_navn).await?;
        let errors = check_parter(&versjoner, &parter);
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        (konto.parter, konto.sist_endret) = (parter, self.now());
        tx.update_konto(&konto).await?;
        let nokkel = tx.nokkel(konto.id).await?;
        self.audit(&mut *tx, caller, change("endret parter", sti)).await?;
        tx.commit().await?;
        Ok(KontoDetaljer { konto, nokkel, versjoner })
    }
}

pub(super) fn change(hva: &'static str, sti: KontoSti) -> Change<'static> {
    Change {
        hva,
        fiks_org_id: Some(sti.fiks_org_id),
        system_id: Some(sti.system_id),
        konto_id: Some(sti.konto_id),
        detaljer: None,
    }
}
