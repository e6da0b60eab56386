use domain::konto::Konto;
use domain::nokkel::OffentligNokkel;
use domain::protokoll::{Part, Protokoll};

use crate::error::Error;
use crate::konto::{KontoSti, find};
use crate::{App, Caller};

/// A Konto with all that belongs to it.
#[derive(Debug, Clone)]
pub struct KontoDetaljer {
    /// The Konto.
    pub konto: Konto,
    /// Its public key, if one is set.
    pub nokkel: Option<OffentligNokkel>,
    /// All versions of its Protokoll.
    pub versjoner: Vec<Protokoll>,
}

impl KontoDetaljer {
    /// The parts that the Konto plays, each with the version it is of.
    pub fn parter(&self) -> impl Iterator<Item = (&Protokoll, &Part)> {
        parter(&self.konto, &self.versjoner)
    }
}

/// The parts that `konto` plays, each with the version it is of.
pub fn parter<'a>(
    konto: &'a Konto,
    versjoner: &'a [Protokoll],
) -> impl Iterator<Item = (&'a Protokoll, &'a Part)> {
    konto.parter.iter().filter_map(move |played| {
        let protokoll = versjoner.iter().find(|protokoll| {
            protokoll.navn == konto.protokoll_navn && protokoll.versjon == played.versjon
        })?;
        Some((protokoll, protokoll.part(&played.navn)?))
    })
}

impl App {
    /// A Konto with all that belongs to it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn konto(&self, caller: &Caller, sti: KontoSti) -> Result<KontoDetaljer, Error> {
        let mut tx = self.begin_read().await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_see(&system)?;
        let nokkel = tx.nokkel(konto.id).await?;
        let versjoner = tx.list_versjoner(&konto.protokoll_navn).await?;
        Ok(KontoDetaljer { konto, nokkel, versjoner })
    }
}
