//! How much of the installation each organisasjon uses, against its limits.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use domain::id::FiksOrgId;
use domain::organisasjon::Organisasjon;

use crate::error::Error;
use crate::grense::Grense;
use crate::ports::Dokumentbytes;
use crate::{Apen, App, Caller};

/// How many organisasjoner the operator is shown at most: those nearest to a limit.
pub const FORBRUK_MAX: usize = 25;

/// What is bounded for a whole organisasjon and can be seen to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ressurs {
    /// AMQP connections.
    Tilkoblinger,
    /// AMQP channels.
    Kanaler,
    /// Consumers.
    Konsumenter,
    /// Bytes that wait on queues, sent by it.
    SendteBytesIKo,
    /// Bytes that wait on queues for it.
    MottatteBytesIKo,
    /// Bytes of sporing that its meldinger leave behind.
    SporingBytes,
    /// Bytes in Dokumentlager, sent by it.
    SendteBytes,
    /// Bytes in Dokumentlager for it to fetch.
    MottatteBytes,
    /// Systemer.
    Systemer,
}

impl Ressurs {
    /// What bounds it.
    pub const fn grense(self) -> Grense {
        match self {
            Self::Tilkoblinger => Grense::TilkoblingerPerOrganisasjon,
            Self::Kanaler => Grense::KanalerPerOrganisasjon,
            Self::Konsumenter => Grense::KonsumenterPerOrganisasjon,
            Self::SendteBytesIKo => Grense::SendteBytesIKoPerOrganisasjon,
            Self::MottatteBytesIKo => Grense::MottatteBytesIKoPerOrganisasjon,
            Self::SporingBytes => Grense::SporingBytesPerOrganisasjon,
            Self::SendteBytes => Grense::SendteBytesPerOrganisasjon,
            Self::MottatteBytes => Grense::MottatteBytesPerOrganisasjon,
            Self::Systemer => Grense::SystemerPerOrganisasjon,
        }
    }

    /// Whether bytes are counted.
    pub const fn is_bytes(self) -> bool {
        match self {
            Self::SendteBytesIKo
            | Self::MottatteBytesIKo
            | Self::SporingBytes
            | Self::SendteBytes
            | Self::MottatteBytes => true,
            Self::Tilkoblinger | Self::Kanaler | Self::Konsumenter | Self::Systemer => false,
        }
    }
}

/// How much of one thing is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forbruk {
    /// Of what.
    pub ressurs: Ressurs,
    /// How much of it is used now.
    pub brukt: u64,
    /// How much may be.
    pub maks: u64,
}

impl Forbruk {
    /// How much of what may be used is, in percent.
    pub fn prosent(&self) -> u64 {
        u64::try_from(u128::from(self.brukt) * 100 / u128::from(self.maks.max(1))).unwrap_or(u64::MAX)
    }
}

/// How much one organisasjon uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgForbruk {
    /// Which.
    pub organisasjon: Organisasjon,
    /// What of; in the order of [`Ressurs`].
    pub forbruk: Vec<Forbruk>,
}

impl OrgForbruk {
    fn nearest(&self) -> (u64, u64) {
        let most = self.forbruk.iter().map(|one| (one.prosent(), one.brukt)).max();
        most.unwrap_or_default()
    }
}

impl App {
    /// How much `owner` uses of each thing that is bounded for a whole organisasjon.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn forbruk_for_org(&self, caller: &Caller, owner: FiksOrgId) -> Result<Vec<Forbruk>, Error> {
        caller.may_see_org(owner)?;
        let mut tx = self.begin_read().await?;
        let stored = tx.dokumentbytes(owner).await?;
        let systemer = tx.list_systemer(owner).await?.len();
        drop(tx);
        let mut forbruk = self.forbruk(owner, stored);
        forbruk.push(self.of(Ressurs::Systemer, systemer as u64));
        Ok(forbruk)
    }

    /// How much each organisasjon uses, at most [`FORBRUK_MAX`] of them, those nearest to a limit first.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn forbruk_for_drift(&self, caller: &Caller) -> Result<Vec<OrgForbruk>, Error> {
        caller.may_see_drift()?;
        let mut tx = self.begin_read().await?;
        let stored: HashMap<_, _> = tx.list_dokumentbytes().await?.into_iter().collect();
        let organisasjoner = tx.list_organisasjoner().await?;
        drop(tx);
        let active: BTreeSet<_> = self
            .inner
            .kvote
            .organisasjoner()
            .into_iter()
            .chain(self.inner.bruk.organisasjoner())
            .chain(stored.keys().copied())
            .chain(self.inner.broker.list_kobytes().into_iter().map(|(organisasjon, _)| organisasjon))
            .chain(self.inner.broker.list_sporing_bytes().into_iter().map(|(organisasjon, _)| organisasjon))
            .collect();
        let mut all: Vec<_> = organisasjoner
            .into_iter()
            .filter(|organisasjon| active.contains(&organisasjon.id))
            .map(|organisasjon| {
                let stored = stored.get(&organisasjon.id).copied().unwrap_or_default();
                OrgForbruk { forbruk: self.forbruk(organisasjon.id, stored), organisasjon }
            })
            .collect();
        all.sort_by_key(|one| Reverse(one.nearest()));
        all.truncate(FORBRUK_MAX);
        Ok(all)
    }

    fn of(&self, ressurs: Ressurs, brukt: u64) -> Forbruk {
        let grenser = &self.inner.settings.grenser;
        let grense = ressurs.grense();
        let maks = match ressurs {
            Ressurs::SendteBytesIKo | Ressurs::MottatteBytesIKo | Ressurs::SporingBytes => {
                grenser.bound(grense)
            }
            _ => grenser.get(grense),
        };
        Forbruk { ressurs, brukt, maks }
    }

    fn forbruk(&self, owner: FiksOrgId, stored: Dokumentbytes) -> Vec<Forbruk> {
        let under_way = self.inner.kvote.under_way(owner);
        let waiting = self.inner.broker.kobytes(owner);
        let open = |apen| self.inner.bruk.count(owner, apen);
        vec![
            self.of(Ressurs::Tilkoblinger, open(Apen::Tilkobling)),
            self.of(Ressurs::Kanaler, open(Apen::Kanal)),
            self.of(Ressurs::Konsumenter, open(Apen::Konsument)),
            self.of(Ressurs::SendteBytesIKo, waiting.sendt),
            self.of(Ressurs::MottatteBytesIKo, waiting.mottatt),
            self.of(Ressurs::SporingBytes, self.inner.broker.sporing_bytes(owner)),
            self.of(Ressurs::SendteBytes, stored.sendt.saturating_add(under_way.sendt)),
            self.of(Ressurs::MottatteBytes, stored.mottatt.saturating_add(under_way.mottatt)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_is_whole_percent_and_never_divides_by_nothing() {
        let of = |brukt, maks| Forbruk { ressurs: Ressurs::SendteBytes, brukt, maks }.prosent();
        assert_eq!((of(0, 100), of(99, 1_000), of(3, 2), of(5, 0)), (0, 9, 150, 500));
        assert_eq!(of(u64::MAX, u64::MAX), 100);
    }
}
