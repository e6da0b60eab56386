use std::sync::Arc;

use app::App;
use app::contract::ManualClock;
use app::ports::{Clock as _, Registry};
use knutepunkt_testkit::stille;
use knutepunkt_testkit::stor_verden::{Innhold, Storrelse, fill};
use tempfile::TempDir;

/// Some organisasjoner with much between them.
pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) clock: ManualClock,
    pub(crate) innhold: Innhold,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("registry.db").display());
        let database = storage::connect(&url).await.unwrap();
        database.migrate().await.unwrap();
        let registry = database.registry().await.unwrap();
        let clock = ManualClock::default();
        fill(&*registry, Storrelse::FYLKET, clock.now()).await.unwrap();
        let innhold = Innhold::read(&*registry).await.unwrap();
        let app = stille::app(registry.clone(), Arc::new(clock.clone()));
        Self { app, registry, clock, innhold, _folder: folder }
    }
}
