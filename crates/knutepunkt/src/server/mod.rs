//! The composition: adapters, use cases and edges put together.

mod listeners;
mod login;
mod running;
mod stored;
mod upkeep;
mod whole;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::portal::{Portal, Verktoy};
use anyhow::Context as _;
use app::drift::Installasjon;
use app::ports::{Broker, Clock, Del, HealthCheck, IdSource, PersonLogin};
use app::{Adapters, App, Grense, Settings};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::get;
use maskinporten::MaskinportenVerifier;
use maskinporten::oidc::OidcLogin;
use rustls::ServerConfig;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::listeners::Listeners;
use self::listeners::{Addresses, Service, amqp_config, listener_tls};
pub use self::login::{AUTH_FRONTKANAL, AUTH_RETUR, LOGGED_OUT, person_login};
pub(crate) use self::login::{oidc_login, token_verifier};
pub use self::running::{QueuesGivenUp, Running};
use self::stored::Stored;
use crate::config::Config;
use crate::grenser::Grenser;
use crate::health::{
    DatabaseCheck, DokumentlagerCheck, IkkeSattOpp, InnloggingCheck, MaskinportenCheck, MeldingskoCheck,
    PlassCheck, Samsvar, SamsvarCheck,
};
use crate::installasjon::in_place::{self, InPlace};
use crate::installasjon::{seen, watch};
use crate::portal::portal_config;
use crate::rom::{self, Disk, Disker, Minst};
use crate::{http, memory, names, styring};

/// What a server is made of, besides its configuration.
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// The sockets.
    pub listeners: Listeners,
    /// TLS of `https` and `amqps`; `None` reads the files that the configuration names.
    pub tls: Option<Arc<ServerConfig>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids and secrets.
    pub ids: Arc<dyn IdSource>,
    /// Tools that the portal offers in development.
    pub verktoy: Option<Arc<dyn Verktoy>>,
    /// More routes on the HTTP listeners, such as the simulator.
    pub more: Router,
}

/// Puts a server together and starts it. When this returns it answers.
///
/// # Errors
/// What could not be opened or read, and what to do.
pub async fn start(parts: Parts) -> anyhow::Result<Running> {
    let Parts { config, listeners, tls, clock, ids, verktoy, more } = parts;
    let grenser = Grenser::of_process(&config)?;
    let entrance = http::Entrance::new(http::Limits::new(&config, grenser)?);
    let stored = Box::pin(stored::open(&config, grenser, &clock, &ids)).await?;
    let samsvar = Arc::new(Samsvar::default());
    let tokens = Arc::new(token_verifier(&config)?);
    let login = person_login(&config, &clock)?;
    let disks =
        rom::disks(&stored.claimed.places, Minst::Ko(stored.broker.reserve()), config.lager.min_free_bytes);
    let mut checks = checks(&disks, &stored, &samsvar, login.as_ref(), &tokens);
    let payloads_to_copy = Arc::clone(&stored.payloads);
    let Stored { claimed, mark, key, database, registry, broker, payloads, uferdige } = stored;
    let adapters = Adapters {
        registry: Arc::clone(&registry),
        broker: Arc::clone(&broker) as Arc<dyn Broker>,
        tokens,
        payloads,
        clock: Arc::clone(&clock),
        ids,
    };
    let app = App::new(adapters, key, settings(&config, grenser, &claimed.places.payloads()));
    let data = &config.data;
    app.set_rom(Arc::new(Disker(disks.clone())));
    app.load_katalog().await.context("cannot load the protocol catalogue")?;
    let reconciled =
        app.reconcile_queues().await.context("cannot bring the queues in line with the registry")?;
    upkeep::report(&reconciled);
    if claimed.is_older() {
        samsvar.eldre.store(true, Ordering::Relaxed);
        upkeep::report_older(&reconciled, &mark.mark());
    }

    let needs_tls = listeners.https.is_some() || listeners.amqps.is_some();
    let (tls, check) = listener_tls(&config, tls, needs_tls)?;
    checks.push(check);
    app.set_installasjon(Installasjon {
        versjon: env!("CARGO_PKG_VERSION").to_owned(),
        startet: clock.now(),
        skjemaversjon: storage::schema_version().to_owned(),
    });
    let shutdown = CancellationToken::new();
    let tasks = TaskTracker::new();
    let router = router(&app, &config, login, verktoy, more)?;
    let entrance = entrance.with_memory(app.memory_in(), app.memory_out());
    let amqp = amqp_config(&config, grenser, &entrance)?;
    let service = Service { app: app.clone(), router, entrance, amqp, tls };
    let Addresses { http, https, amqps, amqp } = listeners.serve(service, &tasks, &shutdown)?;
    let commands = styring::Context {
        app: app.clone(),
        broker: Arc::clone(&broker),
        payloads: payloads_to_copy,
        places: claimed.places.clone(),
        disks,
        registry: database.files(),
        backing_up: Arc::default(),
    };
    serve_commands(data, commands, &tasks, &shutdown);
    // Broken off anywhere it goes on at the next start, so no stop waits for it.
    let sweep = upkeep::sweep(app.clone(), uferdige, database.clone());
    tasks.spawn(until(shutdown.clone(), sweep));
    let files =
        InPlace::new(data, database.files()).context("cannot look after the files of the data folder")?;
    let (checks, changed) = (Arc::new(checks), Arc::new(Notify::new()));
    tasks.spawn(until(shutdown.clone(), in_place::watch(files, Arc::clone(&changed))));
    tasks.spawn(until(shutdown.clone(), upkeep::check_once(app.clone(), Arc::clone(&checks), changed)));
    let watched = app.clone();
    tasks.spawn(until(shutdown.clone(), async move { watched.watch_health(&checks).await }));
    let older = Arc::new(Notify::new());
    tasks.spawn(until(shutdown.clone(), upkeep::watch_samsvar(app.clone(), samsvar, Arc::clone(&older))));
    tasks.spawn(upkeep::empty_ordered(app.clone(), shutdown.clone()));
    tasks.spawn(watch::keep_mark(mark, database.clone(), registry, older, shutdown.clone()));
    let seen = seen::keep(Arc::clone(&broker), database.clone(), Arc::clone(&clock));
    tasks.spawn(until(shutdown.clone(), seen));
    let (fail, failed) = tokio::sync::watch::channel(None);
    let lock = Arc::new(tokio::sync::Mutex::new(claimed.registry));
    tokio::spawn(watch::keep_lock(Arc::downgrade(&lock), fail));
    let locks = (claimed.folder, lock);
    tasks.close();
    Ok(Running { app, http, https, amqps, amqp, broker, database, shutdown, tasks, failed, _locks: locks })
}

/// Whoever looks after each part, but for TLS.
fn checks(
    disks: &[Disk],
    stored: &Stored,
    samsvar: &Arc<Samsvar>,
    login: Option<&Arc<OidcLogin>>,
    tokens: &Arc<MaskinportenVerifier>,
) -> Vec<Box<dyn HealthCheck>> {
    let broker = || Arc::clone(&stored.broker) as Arc<dyn Broker>;
    vec![
        Box::new(DatabaseCheck::new(Arc::clone(&stored.registry), stored.database.files())),
        Box::new(MeldingskoCheck(broker())),
        Box::new(DokumentlagerCheck {
            store: Arc::clone(&stored.payloads),
            uferdige: stored.uferdige.clone(),
        }),
        Box::new(SamsvarCheck { broker: broker(), samsvar: Arc::clone(samsvar) }),
        match login {
            Some(login) => Box::new(InnloggingCheck(Arc::clone(login))),
            None => Box::new(IkkeSattOpp(Del::Innlogging)),
        },
        Box::new(MaskinportenCheck(Arc::clone(tokens))),
        Box::new(IkkeSattOpp(Del::Epost)),
        Box::new(PlassCheck(disks.to_vec())),
    ]
}

/// All that is served over HTTP.
fn router(
    app: &App,
    config: &Config,
    login: Option<Arc<OidcLogin>>,
    verktoy: Option<Arc<dyn Verktoy>>,
    more: Router,
) -> anyhow::Result<Router> {
    let helse = Router::new().route(http::HELSE, get(helse)).with_state(app.clone());
    let mut pages =
        Portal::new(app.clone(), login.map(|login| login as Arc<dyn PersonLogin>), portal_config(config)?);
    if let Some(verktoy) = verktoy {
        pages = pages.with_verktoy(verktoy);
    }
    let pages = more.merge(helse).fallback_service(::portal::router(pages));
    Ok(by_path(api::router(app.clone()), pages))
}

/// Does `work` until it is done, or until `shutdown`.
async fn until(shutdown: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
}

/// Answers commands of the operator on the control socket. Without it they cannot reach the server, all else works.
fn serve_commands(data: &Path, context: styring::Context, tasks: &TaskTracker, shutdown: &CancellationToken) {
    match styring::Socket::bind(data) {
        Ok(socket) => {
            tasks.spawn(socket.serve(context, shutdown.clone()));
        }
        Err(error) => tracing::warn!(
            error = &*error as &dyn std::error::Error,
            "commands cannot reach this server: it has no control socket"
        ),
    }
}

/// Whether meldinger can be sent and received. Names the parts that are down and says no more: anybody may ask.
async fn helse(State(app): State<App>) -> (StatusCode, axum::Json<serde_json::Value>) {
    let nede: Vec<_> = app.helse().nede().map(Del::navn).collect();
    if nede.is_empty() {
        (StatusCode::OK, axum::Json(serde_json::json!({ "status": "klar" })))
    } else {
        let body = serde_json::json!({ "status": "ikke klar", "nede": nede });
        (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body))
    }
}

/// What the use cases care for. No organisasjon gets more than half of the connections that there is room for.
fn settings(config: &Config, grenser: Grenser, payloads: &Path) -> Settings {
    let mut settings = config.settings();
    let half = u64::try_from(grenser.amqp_tilkoblinger / 2).unwrap_or(u64::MAX);
    for grense in [Grense::TilkoblingerPerIntegrasjon, Grense::TilkoblingerPerOrganisasjon] {
        let value = settings.grenser.get(grense).min(half);
        settings.grenser = settings.grenser.with(grense, value);
    }
    settings.grenser = rom::share_disks(settings.grenser, &config.data.join(names::LOG), payloads);
    if settings.grenser.get(Grense::MinneBytes) == 0 {
        settings.grenser = settings.grenser.with(Grense::MinneBytes, memory::for_payloads());
    }
    if settings.grenser.get(Grense::MinneBytesForKanaler) == 0 {
        settings.grenser = settings.grenser.with(Grense::MinneBytesForKanaler, memory::for_channels());
    }
    settings
}

/// The machine APIs below their prefixes, and pages everywhere else: each answers in its own form what does not exist.
fn by_path(api: Router, pages: Router) -> Router {
    Router::new().fallback_service(tower::service_fn(move |request: Request| {
        let path = request.uri().path();
        let is_api = api::PREFIXES.iter().any(|prefix| path.starts_with(prefix));
        whole::answer(if is_api { api.clone() } else { pages.clone() }, request)
    }))
}
