//! Looks after the parts of the installation: one [`HealthCheck`] for each adapter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::rom::Disk;
use crate::uferdige::Uferdige;
use app::ports::{Broker, Del, Deltilstand, Funn, HealthCheck, Helse, Registry};
use async_trait::async_trait;
use jiff::Timestamp;
use maskinporten::oidc::OidcLogin;
use maskinporten::{KeysState, MaskinportenVerifier};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use storage::RegistryFiles;

mod tls;
pub(crate) use tls::TlsCheck;

/// With less free than so many times what is kept free, somebody should look at the disk.
const PLASS_VARSEL: u64 = 4;

/// Tells whether something worked, and logs why it did not.
fn answers(del: Del, result: anyhow::Result<()>) -> Helse {
    match result {
        Ok(()) => Helse::SVARER,
        Err(error) => {
            tracing::warn!(
                del = del.navn(),
                error = &*error as &dyn std::error::Error,
                "a part of the installation is down"
            );
            Helse::SVARER_IKKE
        }
    }
}

/// The registry's database: one unit of work that could write, and does not. One that can be read alone is no registry. Nor is a
/// file of SQLite that is no longer where it was: what is written to it is gone when the last process closes it.
pub(crate) struct DatabaseCheck {
    registry: Arc<dyn Registry>,
    files: Option<Arc<RegistryFiles>>,
}

impl DatabaseCheck {
    pub(crate) fn new(registry: Arc<dyn Registry>, files: Option<Arc<RegistryFiles>>) -> Self {
        Self { registry, files }
    }

    async fn is_in_place(&self) -> bool {
        let Some(files) = self.files.clone() else { return true };
        // It reads folders.
        tokio::task::spawn_blocking(move || files.look()).await.unwrap_or(true)
    }
}

#[async_trait]
impl HealthCheck for DatabaseCheck {
    fn del(&self) -> Del {
        Del::Database
    }

    async fn check(&self, _now: Timestamp) -> Helse {
        if !self.is_in_place().await {
            return Helse::SVARER_IKKE;
        }
        let work = async {
            self.registry.begin().await?.katalog_fingerprint().await?;
            Ok(())
        };
        answers(self.del(), work.await)
    }
}

/// The queues: a question that goes through all that a melding goes through but the disk.
pub(crate) struct MeldingskoCheck(pub(crate) Arc<dyn Broker>);

#[async_trait]
impl HealthCheck for MeldingskoCheck {
    fn del(&self) -> Del {
        Del::Meldingsko
    }

    async fn check(&self, _now: Timestamp) -> Helse {
        answers(self.del(), self.0.queue_statuses(&[]).await.map(drop).map_err(Into::into))
    }
}

/// Dokumentlager: an object of its own is written and read, and what uploads have left is counted.
pub(crate) struct DokumentlagerCheck {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) uferdige: Uferdige,
}

#[async_trait]
impl HealthCheck for DokumentlagerCheck {
    fn del(&self) -> Del {
        Del::Dokumentlager
    }

    async fn check(&self, now: Timestamp) -> Helse {
        let path = ObjectPath::from("helse/sjekk");
        let written = now.to_string();
        let write_and_read = async {
            self.store.put(&path, PutPayload::from(written.clone())).await?;
            self.store.get(&path).await?.bytes().await?;
            let uferdige = self.uferdige.clone();
            Ok(tokio::task::spawn_blocking(move || uferdige.count()).await??)
        };
        match write_and_read.await {
            Ok((0, _)) => Helse::SVARER,
            Ok((antall, bytes)) => {
                Helse { tilstand: Deltilstand::IOrden, funn: Funn::Uferdige { antall, bytes } }
            }
            Err(error) => answers(self.del(), Err(error)),
        }
    }
}

/// Whether the registry knows what the queues and Dokumentlager hold.
pub(crate) struct SamsvarCheck {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) samsvar: Arc<Samsvar>,
}

/// What was found of a registry that does not fit.
#[derive(Debug, Default)]
pub(crate) struct Samsvar {
    /// The registry has been further than it is.
    pub(crate) eldre: AtomicBool,
    /// Dokumenter that meldinger name and the registry does not know.
    pub(crate) dokumenter: AtomicU64,
}

#[async_trait]
impl HealthCheck for SamsvarCheck {
    fn del(&self) -> Del {
        Del::Samsvar
    }

    async fn check(&self, _now: Timestamp) -> Helse {
        let aside = match self.broker.list_set_aside().await {
            Ok(aside) => aside,
            Err(error) => return answers(self.del(), Err(error.into())),
        };
        let eldre = self.samsvar.eldre.load(Ordering::Relaxed);
        let dokumenter = self.samsvar.dokumenter.load(Ordering::Relaxed);
        if aside.is_empty() && dokumenter == 0 && !eldre {
            return Helse { tilstand: Deltilstand::IOrden, funn: Funn::Samsvarer };
        }
        let meldinger = aside.iter().map(|(_, queue)| queue.ready + queue.unacked + queue.dead).sum();
        let kontoer = aside.len() as u64;
        let funn = Funn::UkjentForRegisteret { eldre, kontoer, meldinger, dokumenter };
        Helse { tilstand: Deltilstand::Redusert, funn }
    }
}

/// The keys that access tokens are judged by. The issuer is asked no oftener than for logins.
pub(crate) struct MaskinportenCheck(pub(crate) Arc<MaskinportenVerifier>);

#[async_trait]
impl HealthCheck for MaskinportenCheck {
    fn del(&self) -> Del {
        Del::MaskinportenNokler
    }

    async fn check(&self, now: Timestamp) -> Helse {
        match self.0.check_keys(now).await {
            KeysState::Fresh => Helse::SVARER,
            KeysState::Kept => Helse { tilstand: Deltilstand::Redusert, funn: Funn::SvarerIkke },
            KeysState::Missing => Helse::SVARER_IKKE,
        }
    }
}

/// The login provider: whether its metadata can be had, from memory where they are fresh.
pub(crate) struct InnloggingCheck(pub(crate) Arc<OidcLogin>);

#[async_trait]
impl HealthCheck for InnloggingCheck {
    fn del(&self) -> Del {
        Del::Innlogging
    }

    async fn check(&self, now: Timestamp) -> Helse {
        answers(self.del(), self.0.prepare(now).await.map_err(Into::into))
    }
}

/// Room on each disk that something of the installation lies on. Tells of the one that is nearest to being full.
pub(crate) struct PlassCheck(pub(crate) Vec<Disk>);

#[async_trait]
impl HealthCheck for PlassCheck {
    fn del(&self) -> Del {
        Del::Lagringsplass
    }

    async fn check(&self, _now: Timestamp) -> Helse {
        let disks = self.0.clone();
        let free = tokio::task::spawn_blocking(move || {
            let of =
                |disk: &Disk| std::io::Result::Ok((fs4::available_space(&disk.folder)?, disk.minst.bytes()));
            disks.iter().map(of).collect::<Result<Vec<_>, _>>()
        });
        match free.await.map_err(anyhow::Error::from).and_then(|free| Ok(free?)) {
            Ok(each) => {
                let nearest =
                    each.into_iter().min_by_key(|(free, least)| i128::from(*free) - i128::from(*least));
                nearest.map_or(Helse::IKKE_SATT_OPP, |(free, least)| room(free, least))
            }
            Err(error) => answers(self.del(), Err(error)),
        }
    }
}

fn room(ledig_bytes: u64, minst_bytes: u64) -> Helse {
    let tilstand = if ledig_bytes < minst_bytes {
        Deltilstand::Nede
    } else if ledig_bytes < minst_bytes.saturating_mul(PLASS_VARSEL) {
        Deltilstand::Redusert
    } else {
        Deltilstand::IOrden
    };
    Helse { tilstand, funn: Funn::Ledig { ledig_bytes, minst_bytes } }
}

/// A part that this installation does not have.
pub(crate) struct IkkeSattOpp(pub(crate) Del);

#[async_trait]
impl HealthCheck for IkkeSattOpp {
    fn del(&self) -> Del {
        self.0
    }

    async fn check(&self, _now: Timestamp) -> Helse {
        Helse::IKKE_SATT_OPP
    }
}

#[cfg(test)]
mod tests {
    use app::ports::{RegistryError, Tx};

    use super::*;

    #[test]
    fn little_room_is_told_before_there_is_none() {
        for (free, expected) in [
            (0, Deltilstand::Nede),
            (99, Deltilstand::Nede),
            (100, Deltilstand::Redusert),
            (399, Deltilstand::Redusert),
            (400, Deltilstand::IOrden),
        ] {
            assert_eq!(room(free, 100).tilstand, expected, "{free}");
        }
    }

    /// A registry that answers and takes nothing, as the database of a standby.
    struct ReadOnly(Arc<dyn Registry>);

    #[async_trait]
    impl Registry for ReadOnly {
        async fn begin(&self) -> Result<Box<dyn Tx>, RegistryError> {
            Err(RegistryError::Backend("read only".into()))
        }

        async fn begin_read(&self) -> Result<Box<dyn Tx>, RegistryError> {
            self.0.begin_read().await
        }

        fn generation(&self) -> u64 {
            self.0.generation()
        }
    }

    #[tokio::test]
    async fn registry_that_can_only_be_read_is_down() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("register.sqlite").display());
        let database = storage::connect(&url).await.unwrap();
        database.migrate().await.unwrap();
        let registry = database.registry().await.unwrap();
        let whole =
            DatabaseCheck::new(Arc::clone(&registry), database.files()).check(Timestamp::UNIX_EPOCH).await;
        assert_eq!(whole, Helse::SVARER);
        let read_only = DatabaseCheck::new(Arc::new(ReadOnly(registry)), database.files());
        assert_eq!(read_only.check(Timestamp::UNIX_EPOCH).await, Helse::SVARER_IKKE);
    }

    #[tokio::test]
    async fn registry_whose_file_is_gone_or_another_is_down() {
        let folder = tempfile::tempdir().unwrap();
        let (file, aside) = (folder.path().join("register.sqlite"), folder.path().join("aside"));
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let database = storage::connect(&url).await.unwrap();
        database.migrate().await.unwrap();
        let check = DatabaseCheck::new(database.registry().await.unwrap(), database.files());
        std::fs::rename(&file, &aside).unwrap();
        assert_eq!(check.check(Timestamp::UNIX_EPOCH).await, Helse::SVARER_IKKE, "it is gone");
        std::fs::copy(&aside, &file).unwrap();
        assert_eq!(check.check(Timestamp::UNIX_EPOCH).await, Helse::SVARER_IKKE, "it is another");
        std::fs::rename(&aside, &file).unwrap();
        assert_eq!(check.check(Timestamp::UNIX_EPOCH).await, Helse::SVARER, "it is back");
        std::fs::remove_file(folder.path().join("register.sqlite-wal")).unwrap();
        assert_eq!(check.check(Timestamp::UNIX_EPOCH).await, Helse::SVARER_IKKE, "its log is gone");
    }

    #[tokio::test]
    async fn object_store_that_cannot_be_written_to_is_down() {
        let memory: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
        let folder = tempfile::tempdir().unwrap();
        let uferdige = Uferdige::new(folder.path());
        let check = DokumentlagerCheck { store: memory, uferdige: uferdige.clone() };
        assert_eq!(check.check(Timestamp::UNIX_EPOCH).await, Helse::SVARER);
        let local = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        drop(folder);
        std::fs::write(local.path_to_filesystem(&ObjectPath::from("helse")).unwrap().parent().unwrap(), "")
            .unwrap();
        let check = DokumentlagerCheck { store: Arc::new(local), uferdige };
        assert_eq!(check.check(Timestamp::UNIX_EPOCH).await, Helse::SVARER_IKKE);
    }
}
