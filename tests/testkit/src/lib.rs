//! A whole server in process, for tests: real listeners on free ports, the simulator, temporary data, and a clock that
//! stands still until a test moves it.

pub mod stor_verden;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
pub use app;
use app::App;
pub use app::Caller;
use app::contract::ManualClock;
use app::ports::{Clock as _, MeldingRecord};
use axum::Router;
pub use domain;
use domain::melding::{self, Status};
use fiks_io_client::FiksIoClient;
use knutepunkt::adapters::{RandomIds, SystemClock};
use knutepunkt::config::Config;
pub use knutepunkt::config::Miljo;
pub use knutepunkt::dev::world::Innlogging;
use knutepunkt::dev::world::{self, ARKIV, FAGSYSTEM, LILLEFJORD, STOREVIK};
use knutepunkt::dev::{self, Dev, DevParts, klient};
use knutepunkt::server::Listeners;
use tempfile::TempDir;
use tokio::net::TcpListener;
use wire::id::MeldingId;

/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Dropped, it ends as if killed, and its data go.
pub struct TestServer {
    /// The server with its surroundings.
    pub dev: Dev,
    /// The server's clock. Starts at the real time, since clients date their token requests by that.
    pub clock: ManualClock,
    adjust: fn(&mut Config),
    folder: TempDir,
}

/// A server that was stopped, with its data.
pub struct Stopped {
    clock: ManualClock,
    adjust: fn(&mut Config),
    folder: Option<TempDir>,
    ports: [u16; 3],
}

impl Stopped {
    /// The data folder.
    ///
    /// # Panics
    /// After it has started again.
    pub fn data(&self) -> PathBuf {
        self.folder.as_ref().expect("it has not started again").path().to_owned()
    }

    /// Starts again on the same data and ports. Where it does not start, the data stay, and it can be tried again.
    ///
    /// # Errors
    /// What keeps it from starting.
    ///
    /// # Panics
    /// After it has started again.
    pub async fn start(&mut self) -> anyhow::Result<TestServer> {
        let dev = launch(&self.data(), self.ports, &self.clock, self.adjust).await?;
        let folder = self.folder.take().expect("it has not started again");
        Ok(TestServer { dev, clock: self.clock.clone(), adjust: self.adjust, folder })
    }
}

/// Two systems of two organisasjoner, of which the first may send to the second.
pub struct Pair {
    /// The sender's log-in.
    pub fagsystem: Innlogging,
    /// The receiver's log-in.
    pub arkiv: Innlogging,
    /// The sender's client.
    pub from: FiksIoClient,
    /// The receiver's client.
    pub to: FiksIoClient,
}

impl TestServer {
    /// Starts a server with the defaults.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(|_| {}).await
    }

    /// Starts a server with some other configuration.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn start_with(adjust: fn(&mut Config)) -> anyhow::Result<Self> {
        // Another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir()?;
        let clock = ManualClock::new(SystemClock.now());
        let dev = launch(folder.path(), [0, 0, 0], &clock, adjust).await?;
        Ok(Self { dev, clock, adjust, folder })
    }

    /// Stops in good order and starts again on the same data and ports.
    ///
    /// # Errors
    /// What keeps it from stopping or starting.
    pub async fn restart(self) -> anyhow::Result<Self> {
        self.stop().await?.start().await
    }

    /// Stops in good order and keeps the data.
    ///
    /// # Errors
    /// What keeps it from stopping.
    pub async fn stop(self) -> anyhow::Result<Stopped> {
        let Self { dev, clock, adjust, folder } = self;
        let running = &dev.running;
        let ports = [running.http, running.https, running.amqps]
            .map(|address| address.map_or(0, |address| address.port()));
        let Dev { running, .. } = dev;
        running.stop().await?;
        Ok(Stopped { clock, adjust, folder: Some(folder), ports })
    }

    /// Tries to start a second server on the same data.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn start_beside(&self) -> anyhow::Result<Dev> {
        launch(self.folder.path(), [0, 0, 0], &self.clock, self.adjust).await
    }

    /// The use cases.
    pub fn app(&self) -> &App {
        &self.dev.running.app
    }

    /// Two systems, of which the first may send to the second.
    ///
    /// # Errors
    /// What the use cases answer.
    pub async fn pair(&self) -> anyhow::Result<Pair> {
        let pair = self.pair_without_tilgang().await?;
        self.app().grant_tilgang(&Caller::Operator, pair.arkiv.sti(), pair.fagsystem.system_id).await?;
        Ok(pair)
    }

    /// Two systems, neither of which may send to the other.
    ///
    /// # Errors
    /// What the use cases answer.
    pub async fn pair_without_tilgang(&self) -> anyhow::Result<Pair> {
        let (app, keys, now) = (self.app(), self.dev.keys(), self.clock.now());
        let mut innlogginger = Vec::new();
        for (eier, mal) in [(STOREVIK, FAGSYSTEM), (LILLEFJORD, ARKIV)] {
            let eier = world::organisasjon(app, eier).await?;
            world::virksomhetssertifikat(&self.dev.ca, &keys, eier.orgnummer, &eier.navn, now)?;
            innlogginger.push(world::system(app, &self.dev.ca, &keys, &eier, mal, now).await?);
        }
        let arkiv = innlogginger.pop().context("two were made")?;
        let fagsystem = innlogginger.pop().context("two were made")?;
        let (from, to) = (self.client(&fagsystem)?, self.client(&arkiv)?);
        Ok(Pair { fagsystem, arkiv, from, to })
    }

    /// The ready-made world of `dev` with its persons: the log-in of the sender, and that of the receiver.
    ///
    /// # Errors
    /// What keeps it from being made.
    pub async fn world(&self) -> anyhow::Result<[Innlogging; 2]> {
        let dev = &self.dev;
        let world = world::ensure(self.app(), &dev.ca, &dev.data, self.clock.now()).await?;
        world.try_into().map_err(|_| anyhow::anyhow!("the world has two systemer"))
    }

    /// The Rust client as `one`.
    ///
    /// # Errors
    /// When a key cannot be read.
    pub fn client(&self, one: &Innlogging) -> anyhow::Result<FiksIoClient> {
        klient::client(&self.dev, one)
    }

    /// Waits until nothing more can happen to a melding, and tells what became of it.
    ///
    /// # Panics
    /// When it takes longer than [`PATIENCE`].
    pub async fn settled(&self, id: MeldingId) -> (Status, MeldingRecord) {
        eventually("the melding is settled", async || {
            let record = self.app().spor_melding(&Caller::Operator, id).await.ok()?;
            let status = melding::status(&record.sporing);
            status.is_final().then_some((status, record))
        })
        .await
    }

    /// Where the payload of a dokument lies in the data folder.
    pub fn payload_path(&self, dokument: impl std::fmt::Display) -> PathBuf {
        self.dev.data.join(format!("dokumentlager/dokument/{dokument}"))
    }

    /// Files in the data folder that are payloads in Dokumentlager, also those just on their way.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn stored_payloads(&self) -> std::io::Result<usize> {
        fn count(folder: &Path) -> std::io::Result<usize> {
            std::fs::read_dir(folder)?.try_fold(0, |sum, entry| {
                let path = entry?.path();
                Ok(sum + if path.is_dir() { count(&path)? } else { 1 })
            })
        }
        let folder = self.dev.data.join("dokumentlager/dokument");
        if folder.exists() { count(&folder) } else { Ok(0) }
    }
}

async fn launch(
    data: &Path,
    ports: [u16; 3],
    clock: &ManualClock,
    adjust: fn(&mut Config),
) -> anyhow::Result<Dev> {
    let bind = async |port: u16| TcpListener::bind(("127.0.0.1", port)).await;
    let [http, https, amqps] = ports;
    let listeners = Listeners {
        http: Some(bind(http).await?),
        https: Some(bind(https).await?),
        amqps: Some(bind(amqps).await?),
        amqp: None,
    };
    dev::start(DevParts {
        data: data.to_owned(),
        config: Config::load_for_dev(std::iter::empty())?,
        listeners,
        clock: Arc::new(clock.clone()),
        ids: Arc::new(RandomIds),
        more: Router::new(),
        adjust,
    })
    .await
}

/// Asks until there is an answer, and panics with `what` when that takes too long.
///
/// # Panics
/// When there is no answer within [`PATIENCE`].
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| unreachable_in_time(what))
}

#[expect(clippy::panic, reason = "this is how a test fails")]
fn unreachable_in_time<T>(what: &str) -> T {
    panic!("waited {PATIENCE:?} in vain until {what}")
}
