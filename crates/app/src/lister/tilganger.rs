use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::konto::Konto;
use domain::organisasjon::Organisasjon;
use domain::system::System;
use domain::tilgang::{Foresporsel, Tilgang};
use jiff::Timestamp;

use crate::error::{Error, Missing};
use crate::konto::{KontoSti, find};
use crate::lister::{Eiere, kontoer_by_id};
use crate::paging::Side;
use crate::ports::{TilgangListe, Tx};
use crate::system::EksternKonto;
use crate::tilgang::SystemMedEier;
use crate::{App, Caller};

/// A System that may send to a Konto.
#[derive(Debug, Clone)]
pub struct TilgangRad {
    /// The System with its owner.
    pub avsender: SystemMedEier,
    /// Since when.
    pub gitt: Timestamp,
}

/// A System that has asked for a Konto.
#[derive(Debug, Clone)]
pub struct ForesporselRad {
    /// The System with its owner.
    pub avsender: SystemMedEier,
    /// Since when.
    pub sendt: Timestamp,
}

/// A Konto that a System may send to, or has asked for.
#[derive(Debug, Clone)]
pub struct EksternKontoRad {
    /// The Konto, with its parter.
    pub konto: Konto,
    /// Its System.
    pub system: System,
    /// The owner of its System.
    pub eier: Organisasjon,
    /// When the tilgang was given, or the forespørsel sent.
    pub siden: Timestamp,
}

/// A Konto of somebody else, and how a System stands to it.
#[derive(Debug, Clone)]
pub struct EksternKontoDetaljer {
    /// The Konto.
    pub ekstern: EksternKonto,
    /// The tilgang of the System, if it has one.
    pub tilgang: Option<Tilgang>,
    /// Its forespørsel, if it has sent one.
    pub foresporsel: Option<Foresporsel>,
}

impl App {
    /// Who may send to the Konto at `sti`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_tilganger_side(
        &self,
        caller: &Caller,
        sti: KontoSti,
        liste: &TilgangListe,
    ) -> Result<Side<TilgangRad>, Error> {
        let mut tx = self.begin_read().await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_see(&system)?;
        let side = tx.list_tilganger_til_konto_side(konto.id, liste).await?;
        let eiere = Eiere::of(&mut *tx, side.rows.iter().map(|tilgang| tilgang.system_id)).await?;
        Ok(side.filter_map(|Tilgang { system_id, gitt, .. }| {
            Some(TilgangRad { avsender: eiere.system(system_id)?, gitt })
        }))
    }

    /// Who has asked for the Konto at `sti`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_foresporsler_side(
        &self,
        caller: &Caller,
        sti: KontoSti,
        liste: &TilgangListe,
    ) -> Result<Side<ForesporselRad>, Error> {
        let mut tx = self.begin_read().await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_see(&system)?;
        let side = tx.list_foresporsler_til_konto_side(konto.id, liste).await?;
        let eiere = Eiere::of(&mut *tx, side.rows.iter().map(|foresporsel| foresporsel.system_id)).await?;
        Ok(side.filter_map(|Foresporsel { system_id, sendt, .. }| {
            Some(ForesporselRad { avsender: eiere.system(system_id)?, sendt })
        }))
    }

    /// How many have asked for the Konto at `sti`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn count_foresporsler(&self, caller: &Caller, sti: KontoSti) -> Result<u64, Error> {
        let mut tx = self.begin_read().await?;
        let (system, konto) = find(&mut *tx, sti).await?;
        caller.may_see(&system)?;
        Ok(tx.count_foresporsler_til_konto(konto.id).await?)
    }

    /// The kontoer that a System may send to.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_tilganger_for_system_side(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        liste: &TilgangListe,
    ) -> Result<Side<EksternKontoRad>, Error> {
        let mut tx = self.begin_read().await?;
        let system = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_see(&system)?;
        let side = tx.list_tilganger_for_system_side(system.id, liste).await?;
        eksterne(&mut *tx, side.map(|tilgang| (tilgang.konto_id, tilgang.gitt))).await
    }

    /// The kontoer that a System has asked for.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_foresporsler_for_system_side(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        liste: &TilgangListe,
    ) -> Result<Side<EksternKontoRad>, Error> {
        let mut tx = self.begin_read().await?;
        let system = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_see(&system)?;
        let side = tx.list_foresporsler_for_system_side(system.id, liste).await?;
        eksterne(&mut *tx, side.map(|foresporsel| (foresporsel.konto_id, foresporsel.sendt))).await
    }

    /// A Konto of somebody else, and how a System stands to it.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for a Konto whose System is not visible to the organisasjon, unless the System has
    /// tilgang or has asked for it; [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn ekstern_konto_for_system(
        &self,
        caller: &Caller,
        owner: FiksOrgId,
        system: SystemId,
        konto: KontoId,
    ) -> Result<EksternKontoDetaljer, Error> {
        let mut tx = self.begin_read().await?;
        let own = crate::system::find(&mut *tx, owner, system).await?;
        caller.may_see(&own)?;
        let (their, found) = crate::konto::find_by_id(&mut *tx, konto).await?;
        let tilgang = tx.tilgang(konto, own.id).await?;
        let foresporsel = tx.foresporsel(konto, own.id).await?;
        let visible = their.fiks_org_id == owner || their.info.offentlig;
        if !visible && tilgang.is_none() && foresporsel.is_none() {
            return Err(Missing::Konto(konto).into());
        }
        let eier = tx.organisasjon(their.fiks_org_id).await?.ok_or(Missing::Konto(konto))?;
        drop(tx);
        let versjoner = self.versjoner(&found.protokoll_navn).await?;
        let ekstern = EksternKonto { konto: found, system: their, eier, versjoner };
        Ok(EksternKontoDetaljer { ekstern, tilgang, foresporsel })
    }
}

async fn eksterne(tx: &mut dyn Tx, side: Side<(KontoId, Timestamp)>) -> Result<Side<EksternKontoRad>, Error> {
    let mut kontoer = kontoer_by_id(tx, side.rows.iter().map(|(konto, _)| *konto)).await?;
    let eiere = Eiere::of(tx, kontoer.values().map(|konto| konto.system_id)).await?;
    Ok(side.filter_map(|(konto, siden)| {
        let konto = kontoer.remove(&konto)?;
        let SystemMedEier { system, eier } = eiere.system(konto.system_id)?;
        Some(EksternKontoRad { konto, system, eier, siden })
    }))
}
