//! What a server keeps: registry, queue log, payloads and key, opened in the order in which it must be done.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use app::PassordKey;
use app::ports::{Broker as _, Clock, IdSource, Registry};
use broker_embedded::EmbeddedBroker;
use object_store::ObjectStore;

use crate::config::Config;
use crate::grenser::Grenser;
use crate::installasjon::judge::Refusal;
use crate::installasjon::mark::MarkFile;
use crate::installasjon::{self, Claimed};
use crate::payloads;
use crate::rom;
use crate::uferdige::Uferdige;

/// All that is kept, of one installation.
pub(super) struct Stored {
    /// The right to it, and what was found.
    pub(super) claimed: Claimed,
    /// What is said of it beside the queue log.
    pub(super) mark: MarkFile,
    pub(super) key: PassordKey,
    pub(super) database: storage::Database,
    pub(super) registry: Arc<dyn Registry>,
    pub(super) broker: Arc<EmbeddedBroker>,
    pub(super) payloads: Arc<dyn ObjectStore>,
    /// Uploads that nobody finished.
    pub(super) uferdige: Uferdige,
}

/// Opens all of it.
///
/// # Errors
/// What does not belong together, is used by another, or cannot be opened.
pub(super) async fn open(
    config: &Config,
    grenser: Grenser,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn IdSource>,
) -> anyhow::Result<Stored> {
    // Nothing is opened for writing before it is clear that all of it belongs together and is used by nobody else.
    let claimed = installasjon::claim(config, &**ids).await?;
    let key = claimed.mark_parts(&**ids)?;
    let database = storage::connect(&config.registry_url()?).await.context("cannot open the registry")?;
    database.migrate().await.context("cannot bring the registry up to date")?;
    let registry = database.registry().await.context("cannot open the registry")?;
    let kontoer = registry.begin_read().await?.list_konto_ids().await.context("cannot read the registry")?;
    let seen =
        database.seen_log().await.context("cannot read the registry")?.map(installasjon::seen::position);
    let reopening = broker_embedded::Reopening {
        give_up_after: Duration::from_secs(config.ko.gi_opp_etter_sekunder),
        failures_max: config.ko.feil_per_time,
        failures_within: Duration::from_hours(1),
        ..Default::default()
    };
    let options = broker_embedded::Options {
        min_free_bytes: config.lager.min_free_bytes,
        retention: Duration::from_hours(24 * u64::from(config.lager.sporing_dager.get())),
        sporing_bytes: rom::sporing_bytes(&config.settings().grenser, &claimed.places),
        open_tables: grenser.queue_log_files,
        reopening,
        kontoer: Some(kontoer.into_iter().collect()),
        seen,
        ..Default::default()
    };
    let broker = EmbeddedBroker::open(&claimed.places.log(), Arc::clone(clock), Arc::clone(ids), options)
        .await
        .context("cannot open the queues")?;
    if claimed.adopts() && database.stand().await?.kontoer == 0 && !broker.list_queues().await?.is_empty() {
        broker.close().await?;
        anyhow::bail!("{} ({})", Refusal::RegistryLost, claimed.places);
    }
    let mark = claimed.bind(&database, &key).await?;
    let payloads = claimed.places.payloads();
    let uferdige = Uferdige::new(&payloads);
    let payloads = payloads::store_of(&payloads, claimed.places.object())?;
    Ok(Stored { claimed, mark, key, database, registry, broker, payloads, uferdige })
}
