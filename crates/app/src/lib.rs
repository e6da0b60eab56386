//! Use cases of Fiks Protokoll, one file each, and the ports they need.
//!
//! Every use case is a method of [`App`]: it checks the rights of its [`Caller`], loads what it needs, lets `domain`
//! decide, and saves. Edges (HTTP, AMQP, portal) call these methods and translate; adapters (database, queues, token
//! issuer) stand behind [`ports`]. Neither knows the other.

mod bruk;
mod cache;
mod caller;
mod door;
mod endringer;
mod error;
mod grense;
mod login;
mod logins;
mod passord;
mod registry_only;
mod rom;
mod rule;
mod settings;

pub mod avtale;
#[cfg(feature = "contract")]
pub mod contract;
pub mod crowd;
pub mod dokument;
pub mod drift;
pub mod forbruk;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod heavy;
pub mod hendelse;
pub mod katalog;
pub mod konto;
pub mod lister;
pub mod melding;
pub mod memory;
pub mod organisasjon;
pub mod paging;
pub mod person;
pub mod ports;
pub mod protokoll;
pub mod sesjon;
pub mod status;
pub mod system;
pub mod tilgang;

use std::sync::{Arc, OnceLock};

pub use bruk::{Apen, Nadd, Plass};
pub use caller::{Caller, InnloggetIntegrasjon, InnloggetPerson};
pub use door::{Door, Doorkeeper, Waiting};
pub use error::{BoxError, Error, FieldError, Forbidden, Missing};
pub use grense::{Grense, Grenser};
pub use login::LoginAttempt;
pub use logins::LoginWatch;
use object_store::ObjectStore;
pub use passord::{IntegrasjonPassord, PassordKey};
pub use rule::{Rule, SertifikatRule};
pub use settings::Settings;

use crate::cache::Facts;
use crate::hendelse::{Change, TilgangChange};
use crate::ports::{Broker, Clock, IdSource, Registry, Rom, TokenVerifier, Tx};

/// The use cases, over one set of adapters. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Arc<dyn Registry>,
    broker: Arc<dyn Broker>,
    tokens: Arc<dyn TokenVerifier>,
    payloads: Arc<dyn ObjectStore>,
    /// Held to read while a payload is removed, and to write while none may be.
    removal: Arc<tokio::sync::RwLock<()>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    passord_key: PassordKey,
    settings: Settings,
    facts: Facts,
    found: drift::Found,
    bruk: Arc<bruk::Bruk>,
    memory: memory::Memory,
    heavy: heavy::Heavy,
    svar: melding::Svartall,
    endringer: endringer::Endringer,
    kvote: Arc<dokument::Kvote>,
    rom: OnceLock<Arc<dyn Rom>>,
    logins: logins::Logins,
}

/// The adapters that an [`App`] is put together from.
pub struct Adapters {
    /// Who owns what.
    pub registry: Arc<dyn Registry>,
    /// The queues.
    pub broker: Arc<dyn Broker>,
    /// Judges access tokens.
    pub tokens: Arc<dyn TokenVerifier>,
    /// Where large payloads lie.
    pub payloads: Arc<dyn ObjectStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids and secrets.
    pub ids: Arc<dyn IdSource>,
}

impl App {
    /// Puts the use cases together.
    pub fn new(adapters: Adapters, passord_key: PassordKey, settings: Settings) -> Self {
        let Adapters { registry, broker, tokens, payloads, clock, ids } = adapters;
        let facts = Facts::default();
        let memory = memory::Memory::new(&settings.grenser, settings.inline_payload_max_bytes);
        Self {
            inner: Arc::new(Inner {
                heavy: heavy::Heavy::new(memory.max),
                memory,
                registry,
                broker,
                tokens,
                payloads,
                removal: Arc::default(),
                clock,
                ids,
                passord_key,
                settings,
                facts,
                found: drift::Found::default(),
                bruk: Arc::default(),
                svar: melding::Svartall::default(),
                endringer: endringer::Endringer::default(),
                kvote: Arc::default(),
                rom: OnceLock::new(),
                logins: logins::Logins::default(),
            }),
        }
    }

    /// The queues, for the edge that hands out meldinger. Rights are checked by [`App::authorize_consume`].
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.inner.broker
    }

    /// The time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// New ids.
    pub fn ids(&self) -> &Arc<dyn IdSource> {
        &self.inner.ids
    }

    /// How this installation is set up.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Watches the log-in of an integrasjon from now on. To be asked for before the log-in is judged, so that no change falls between.
    pub fn watch_login(&self, integrasjon: domain::id::IntegrasjonId) -> LoginWatch {
        self.inner.logins.watch(integrasjon)
    }

    fn now(&self) -> jiff::Timestamp {
        self.inner.clock.now()
    }

    async fn begin(&self) -> Result<Box<dyn Tx>, Error> {
        Ok(self.inner.registry.begin().await?)
    }

    /// For use cases that write nothing: they wait for nobody.
    async fn begin_read(&self) -> Result<Box<dyn Tx>, Error> {
        Ok(self.inner.registry.begin_read().await?)
    }
}
