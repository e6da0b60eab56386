use std::sync::Arc;

use app::contract::{CountingIds, ManualClock};
use app::ports::{Clock as _, Registry};
use app::{Adapters, App, PassordKey, Settings};
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
        let ids = Arc::new(CountingIds::new(7));
        let adapters = Adapters::registry_only(registry.clone(), Arc::new(clock.clone()), ids);
        let app = App::new(adapters, PassordKey::new(&[7; 32]), Settings::default());
        Self { app, registry, clock, innhold, _folder: folder }
    }
}
