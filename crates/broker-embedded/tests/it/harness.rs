use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use app::contract::broker::BrokerHarness;
use app::contract::{CountingIds, ManualClock};
use app::ports::{Broker, Clock, IdSource};
use async_trait::async_trait;
use jiff::Timestamp;
use knutepunkt_broker_embedded::{EmbeddedBroker, Fault, Options, Reopening};
use tempfile::TempDir;
use wire::id::{MeldingId, Uuid};

/// A broker on a folder of its own.
pub(crate) struct Harness {
    folder: TempDir,
    /// How often it was killed; each life has a copy of the log as the last one left it.
    lives: u32,
    pub(crate) clock: ManualClock,
    pub(crate) ids: Arc<CountingIds>,
    pub(crate) options: Options,
    broker: Option<Arc<EmbeddedBroker>>,
}

impl Harness {
    pub(crate) async fn start() -> Self {
        let reopening = Reopening {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(20),
            give_up_after: Duration::from_hours(1),
            failures_max: usize::MAX,
            ..Reopening::default()
        };
        Self::with(Options { min_free_bytes: 0, reopening, ..Options::default() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let mut harness = Self {
            folder: tempfile::tempdir().unwrap(),
            lives: 0,
            clock: ManualClock::default(),
            ids: Arc::new(CountingIds::default()),
            options,
            broker: None,
        };
        harness.open().await;
        harness
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(self.lives.to_string())
    }

    pub(crate) fn embedded(&self) -> &Arc<EmbeddedBroker> {
        self.broker.as_ref().unwrap()
    }

    /// Lets go of the broker without closing it.
    pub(crate) fn abandon(&mut self) {
        self.broker = None;
    }

    /// Opens the folder again once whoever had it has let go of it.
    pub(crate) async fn open_when_free(&mut self) {
        let opened = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                let clock = Arc::new(self.clock.clone());
                let ids = self.ids.clone();
                match EmbeddedBroker::open(self.path(), clock, ids, self.options.clone()).await {
                    Ok(broker) => return broker,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        self.broker = Some(opened.await.unwrap());
    }

    /// Opens another log in the same folder in place of this one.
    pub(crate) async fn go_on_with(&mut self, name: &str) {
        self.lives += 1;
        let log = self.folder.path().join(name);
        std::fs::rename(log.with_extension("vitne"), self.path().with_extension("vitne")).unwrap();
        std::fs::rename(log, self.path()).unwrap();
        self.open().await;
    }

    async fn open(&mut self) {
        let clock = Arc::new(self.clock.clone());
        let opened = EmbeddedBroker::open(self.path(), clock, self.ids.clone(), self.options.clone()).await;
        self.broker = Some(opened.unwrap());
    }
}

#[async_trait]
impl BrokerHarness for Harness {
    fn broker(&self) -> Arc<dyn Broker> {
        self.embedded().clone()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn uuid(&self) -> Uuid {
        self.ids.uuid()
    }

    async fn restart(&mut self) {
        self.embedded().close().await.unwrap();
        self.open().await;
    }

    /// What is on disk at this moment is what `kill -9` would leave.
    async fn crash(&mut self) {
        let before = self.path();
        self.lives += 1;
        copy(&before, &self.path());
        self.open().await;
    }

    async fn break_storage(&mut self) {
        self.options.faults.set(Fault::Write);
    }

    async fn damage(&mut self, id: MeldingId) {
        self.embedded().spoil(id).await.unwrap();
        // What was published last is handed out from memory.
        self.restart().await;
    }

    async fn mend_storage(&mut self) {
        self.options.faults.set(Fault::None);
    }
}

/// Copies a log, with the witness beside it.
pub(crate) fn copy(from: &Path, to: &Path) {
    // First, since it follows the log: what it knows of is there by now.
    std::fs::copy(from.with_extension("vitne"), to.with_extension("vitne")).unwrap();
    copy_folder(from, to);
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
