//! The composition: adapters, use cases and edges put together.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::portal::{Portal, Verktoy};
use anyhow::Context as _;
use app::drift::Installasjon;
use app::konto::Reconciled;
use app::ports::{Broker as _, Clock, Del, HealthCheck, IdSource, PersonLogin};
use app::{Adapters, App, Grense, Settings};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::get;
use broker_embedded::EmbeddedBroker;
use maskinporten::oidc::{ClientAuth, OidcConfig, OidcLogin};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::config::{Config, Miljo};
use crate::grenser::Grenser;
use crate::health::{
    DatabaseCheck, DokumentlagerCheck, IkkeSattOpp, InnloggingCheck, MaskinportenCheck, MeldingskoCheck,
    PlassCheck, Samsvar, SamsvarCheck, TlsCheck,
};
use crate::http::Proxies;
use crate::installasjon::judge::Refusal;
use crate::installasjon::lock::{FolderLock, refuse_second};
use crate::installasjon::mark::Mark;
use crate::installasjon::{self, watch};
use crate::portal::portal_config;
use crate::rom::Mappe;
use crate::uferdige::Uferdige;
use crate::{http, payloads, styring, tls};

/// How often payloads and sessions whose time is over are removed.
const SWEEP: Duration = Duration::from_hours(1);
/// How often to look whether a queue that is set aside shall be emptied.
const ORDERS: Duration = Duration::from_secs(2);
/// Where the browser comes back from a login, below the portal's address.
pub const AUTH_RETUR: &str = "/auth/retur";
/// What the login provider loads when a person logs out elsewhere, below the portal's address.
pub const AUTH_FRONTKANAL: &str = "/auth/frontkanal";
/// Where the browser comes back from a logout, below the portal's address.
pub const LOGGED_OUT: &str = "/logg-inn";

/// The sockets, bound by whoever starts the server: a test on port 0, an operator on known ones.
pub struct Listeners {
    /// HTTP without TLS.
    pub http: Option<TcpListener>,
    /// HTTP with TLS.
    pub https: Option<TcpListener>,
    /// AMQP with TLS.
    pub amqps: Option<TcpListener>,
    /// AMQP without TLS.
    pub amqp: Option<TcpListener>,
}

impl Listeners {
    /// Binds what the configuration asks for.
    ///
    /// # Errors
    /// Which address is taken or not ours, and which key changes it; or that another server uses the data folder.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        match Self::bind_all(config).await {
            Ok(listeners) => Ok(listeners),
            Err(taken) => Err(refuse_second(&config.data).err().unwrap_or(taken)),
        }
    }

    async fn bind_all(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            http: bind("http", &config.http.listen).await?,
            https: bind("https", &config.https.listen).await?,
            amqps: bind("amqps", &config.amqps.listen).await?,
            amqp: bind("amqp", &config.amqp.danger_listen).await?,
        })
    }
}

async fn bind(name: &str, address: &str) -> anyhow::Result<Option<TcpListener>> {
    if address.is_empty() {
        return Ok(None);
    }
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address} for {name}; choose another address or port ({name}.listen, or --{name}-port)")
    })?;
    Ok(Some(listener))
}

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

/// A running server.
pub struct Running {
    /// The use cases.
    pub app: App,
    /// Where HTTP without TLS is served.
    pub http: Option<SocketAddr>,
    /// Where HTTP with TLS is served.
    pub https: Option<SocketAddr>,
    /// Where AMQP with TLS is served.
    pub amqps: Option<SocketAddr>,
    /// Where AMQP without TLS is served.
    pub amqp: Option<SocketAddr>,
    broker: Arc<EmbeddedBroker>,
    database: storage::Database,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    failed: tokio::sync::watch::Receiver<Option<String>>,
    /// Let go of last.
    _locks: (FolderLock, Arc<tokio::sync::Mutex<storage::RegistryLock>>),
}

/// Puts a server together and starts it. When this returns it answers.
///
/// # Errors
/// What could not be opened or read, and what to do.
#[expect(clippy::too_many_lines, reason = "the whole composition, in the order in which it must be done")]
pub async fn start(parts: Parts) -> anyhow::Result<Running> {
    let Parts { config, listeners, tls, clock, ids, verktoy, more } = parts;
    let grenser = Grenser::of_process(&config)?;
    let entrance = http::Entrance::new(http::Limits::new(&config, grenser)?);
    let data = &config.data;
    // Nothing is opened for writing before it is clear that all of it belongs together and is used by nobody else.
    let claimed = installasjon::claim(&config, &*ids).await?;
    let key = claimed.mark_parts(&*ids)?;
    let database = storage::connect(&config.registry_url()?).await.context("cannot open the registry")?;
    database.migrate().await.context("cannot bring the registry up to date")?;
    let registry = database.registry().await.context("cannot open the registry")?;
    let kontoer = registry.begin_read().await?.list_konto_ids().await.context("cannot read the registry")?;
    let reopening = broker_embedded::Reopening {
        give_up_after: Duration::from_secs(config.ko.gi_opp_etter_sekunder),
        ..Default::default()
    };
    let options = broker_embedded::Options {
        min_free_bytes: config.lager.min_free_bytes,
        open_tables: grenser.queue_log_files,
        reopening,
        kontoer: Some(kontoer.into_iter().collect()),
        ..Default::default()
    };
    let broker = EmbeddedBroker::open(&claimed.places.log(), Arc::clone(&clock), Arc::clone(&ids), options)
        .await
        .context("cannot open the queues")?;
    if claimed.adopts() && database.stand().await?.kontoer == 0 && !broker.list_queues().await?.is_empty() {
        broker.close().await?;
        anyhow::bail!("{} ({})", Refusal::RegistryLost, claimed.places);
    }
    let mark = claimed.bind(&database, &key).await?;
    let payloads = claimed.places.payloads();
    let uferdige = Uferdige::new(&payloads);
    let samsvar = Arc::new(Samsvar::default());
    let payloads = payloads::store(&payloads)?;
    let payloads_to_copy = Arc::clone(&payloads);
    let tokens = Arc::new(token_verifier(&config)?);
    let login = person_login(&config, &clock)?;
    let mut checks: Vec<Box<dyn HealthCheck>> = vec![
        Box::new(DatabaseCheck(Arc::clone(&registry))),
        Box::new(MeldingskoCheck(Arc::clone(&broker) as Arc<dyn app::ports::Broker>)),
        Box::new(DokumentlagerCheck { store: Arc::clone(&payloads), uferdige: uferdige.clone() }),
        Box::new(SamsvarCheck {
            broker: Arc::clone(&broker) as Arc<dyn app::ports::Broker>,
            samsvar: Arc::clone(&samsvar),
        }),
        match &login {
            Some(login) => Box::new(InnloggingCheck(Arc::clone(login))),
            None => Box::new(IkkeSattOpp(Del::Innlogging)),
        },
        Box::new(MaskinportenCheck(Arc::clone(&tokens))),
        Box::new(IkkeSattOpp(Del::Epost)),
        Box::new(PlassCheck { folder: data.clone(), minst_bytes: config.lager.min_free_bytes }),
    ];
    let adapters = Adapters {
        registry: Arc::clone(&registry),
        broker: Arc::clone(&broker) as Arc<dyn app::ports::Broker>,
        tokens,
        payloads,
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    };
    let settings = settings(&config, grenser);
    let app = App::new(adapters, key, settings);
    app.set_rom(Arc::new(Mappe { folder: data.clone(), min_free_bytes: config.lager.min_free_bytes }));
    app.load_katalog().await.context("cannot load the protocol catalogue")?;
    let reconciled =
        app.reconcile_queues().await.context("cannot bring the queues in line with the registry")?;
    report(&reconciled);
    if claimed.is_older() {
        samsvar.eldre.store(true, Ordering::Relaxed);
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
    let helse = Router::new().route(http::HELSE, get(helse)).with_state(app.clone());
    let mut pages =
        Portal::new(app.clone(), login.map(|login| login as Arc<dyn PersonLogin>), portal_config(&config)?);
    if let Some(verktoy) = verktoy {
        pages = pages.with_verktoy(verktoy);
    }
    let pages = ::portal::router(pages);
    let router = by_path(api::router(app.clone()), more.merge(helse).fallback_service(pages));
    let address = |listener: &Option<TcpListener>| listener.as_ref().map(TcpListener::local_addr).transpose();
    let (http, https) = (address(&listeners.http)?, address(&listeners.https)?);
    let (amqps, amqp) = (address(&listeners.amqps)?, address(&listeners.amqp)?);
    if let Some(listener) = listeners.http {
        tasks.spawn(http::serve(listener, None, router.clone(), entrance.clone(), shutdown.clone()));
    }
    if let (Some(listener), Some(tls)) = (listeners.https, &tls) {
        let acceptor = TlsAcceptor::from(Arc::clone(tls));
        tasks.spawn(http::serve(listener, Some(acceptor), router, entrance, shutdown.clone()));
    }
    let amqp_listeners = [&listeners.amqps, &listeners.amqp].into_iter().flatten().count();
    let amqp_config = amqp_config(&config, grenser, amqp_listeners)?;
    for (listener, tls) in [(listeners.amqps, tls), (listeners.amqp, None)] {
        let Some(listener) = listener else { continue };
        let server = ::amqp::Server::new(app.clone(), amqp_config.clone());
        let shutdown = shutdown.clone();
        tasks.spawn(async move { server.run(listener, tls, shutdown).await });
    }
    tasks.spawn(sweep(app.clone(), uferdige, shutdown.clone()));
    let commands = styring::Context {
        app: app.clone(),
        broker: Arc::clone(&broker),
        payloads: payloads_to_copy,
        places: claimed.places.clone(),
        min_free_bytes: config.lager.min_free_bytes,
        backing_up: Arc::default(),
    };
    serve_commands(data, commands, &tasks, &shutdown);
    let (watched, stop) = (app.clone(), shutdown.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = watched.watch_health(&checks) => {}
        }
    });
    if claimed.is_older() || !reconciled.set_aside.is_empty() {
        if claimed.is_older() {
            report_older(&reconciled, &mark.mark());
        }
        let (counted, stop) = (app.clone(), shutdown.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = count_unknown(counted, samsvar) => {}
            }
        });
    }
    tasks.spawn(empty_ordered(app.clone(), shutdown.clone()));
    tasks.spawn(watch::keep_mark(mark, database.clone(), registry, shutdown.clone()));
    let (fail, failed) = tokio::sync::watch::channel(None);
    let lock = Arc::new(tokio::sync::Mutex::new(claimed.registry));
    tokio::spawn(watch::keep_lock(Arc::downgrade(&lock), fail));
    let locks = (claimed.folder, lock);
    tasks.close();
    Ok(Running { app, http, https, amqps, amqp, broker, database, shutdown, tasks, failed, _locks: locks })
}

/// The queue log could not be opened again for too long. Only a new process helps, and whoever supervises this one learns of
/// it by [`QueuesGivenUp::EXIT_CODE`].
#[derive(Debug, thiserror::Error)]
#[error(
    "the queue log could not be opened again for too long; the log above says why. Mend the disk, then start again"
)]
pub struct QueuesGivenUp;

impl QueuesGivenUp {
    /// What the process ends with: `EX_IOERR` of sysexits.
    pub const EXIT_CODE: u8 = 74;
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

impl Running {
    /// Completes when the queues are given up, and with them this process.
    pub async fn queues_given_up(&self) {
        self.broker.given_up().await;
    }

    /// Stops when `told` completes, or when the server must not go on.
    ///
    /// # Errors
    /// [`QueuesGivenUp`], or that another server has taken the registry; else as [`Running::stop`].
    pub async fn stop_when(self, told: impl Future<Output = std::io::Result<()>>) -> anyhow::Result<()> {
        let failure = tokio::select! {
            told = told => {
                told?;
                None
            }
            () = self.queues_given_up() => Some(QueuesGivenUp.into()),
            failure = self.failed() => Some(failure),
        };
        tracing::info!("stopping");
        let stopped = self.stop().await;
        failure.map_or(stopped, Err)
    }

    /// Stops: lets requests under way finish, sends every AMQP client away with a code that lets it come back, and closes
    /// the queues without counting what consumers held as failed attempts.
    ///
    /// # Errors
    /// When the queues could not be closed in order. Nothing is lost then either; the next start takes longer.
    pub async fn stop(self) -> anyhow::Result<()> {
        // Before any client can learn of it: what it does from then on is our doing.
        app::ports::Broker::begin_stop(&*self.broker);
        self.shutdown.cancel();
        self.tasks.wait().await;
        let closed = self.broker.close().await.context("cannot close the queues in order");
        if let Err(error) = self.database.close().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to close the registry in order; everything committed is safe"
            );
        }
        closed
    }

    /// Completes when the server must not go on, and tells why. Never completes otherwise.
    pub async fn failed(&self) -> anyhow::Error {
        let mut failed = self.failed.clone();
        let why = match failed.wait_for(Option::is_some).await {
            Ok(why) => why.clone(),
            Err(_) => None,
        };
        match why {
            Some(why) => anyhow::Error::msg(why),
            None => std::future::pending().await,
        }
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
fn settings(config: &Config, grenser: Grenser) -> Settings {
    let mut settings = config.settings();
    let half = u64::try_from(grenser.amqp_tilkoblinger / 2).unwrap_or(u64::MAX);
    for grense in [Grense::TilkoblingerPerIntegrasjon, Grense::TilkoblingerPerOrganisasjon] {
        let value = settings.grenser.get(grense).min(half);
        settings.grenser = settings.grenser.with(grense, value);
    }
    settings
}

/// Limits of each of so many AMQP listeners, within what there is room for.
fn amqp_config(config: &Config, grenser: Grenser, listeners: usize) -> anyhow::Result<::amqp::Config> {
    let proxies = Proxies::parse(&config.http.betrodde_proxyer).context("http.betrodde_proxyer is wrong")?;
    let defaults = ::amqp::Config::default();
    let connections_max = grenser.amqp_tilkoblinger / listeners.max(1);
    let unauthenticated_max = (connections_max / 2).min(defaults.unauthenticated_max);
    Ok(::amqp::Config {
        connections_max: connections_max.min(defaults.connections_max),
        unauthenticated_max,
        unauthenticated_per_address: unauthenticated_max / 2,
        proxies: Arc::new(move |address| proxies.contains(address)),
        ..defaults
    })
}

/// TLS of the listeners, if any, and who watches over its certificate.
type ListenerTls = (Option<Arc<ServerConfig>>, Box<dyn HealthCheck>);

/// TLS of the listeners, as handed in or from the files that the configuration names, and who watches over it.
fn listener_tls(
    config: &Config,
    given: Option<Arc<ServerConfig>>,
    needed: bool,
) -> anyhow::Result<ListenerTls> {
    let keys = &config.tls;
    if given.is_none() && needed {
        let check = TlsCheck::from_file(&keys.certificate_file)?;
        return Ok((Some(tls::from_files(&keys.certificate_file, &keys.private_key_file)?), Box::new(check)));
    }
    Ok((given, Box::new(IkkeSattOpp(Del::TlsSertifikat))))
}

/// The machine APIs below their prefixes, and pages everywhere else: each answers in its own form what does not exist.
fn by_path(api: Router, pages: Router) -> Router {
    Router::new().fallback_service(tower::service_fn(move |request: Request| {
        let path = request.uri().path();
        let is_api = api::PREFIXES.iter().any(|prefix| path.starts_with(prefix));
        let mut router = if is_api { api.clone() } else { pages.clone() };
        router.call(request)
    }))
}

fn token_verifier(config: &Config) -> anyhow::Result<maskinporten::MaskinportenVerifier> {
    let mut verifier = maskinporten::Config::new(&config.maskinporten.issuer);
    if !config.maskinporten.jwks_uri.is_empty() {
        verifier.jwks_uri.clone_from(&config.maskinporten.jwks_uri);
    }
    if !config.maskinporten.audience.is_empty() {
        verifier.audience = Some(config.maskinporten.audience.clone());
    }
    // The simulator is served on plain loopback; anywhere else keys over plain HTTP could be anybody's.
    verifier.danger_allow_plain_http = config.miljo == Miljo::Utvikling;
    maskinporten::MaskinportenVerifier::new(verifier)
        .context("cannot set up the verification of access tokens")
}

/// Login of persons at the provider that the configuration names; `None` where it names none.
///
/// # Errors
/// What is wrong with which key or file.
pub fn person_login(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Option<Arc<OidcLogin>>> {
    let innlogging = &config.innlogging;
    if innlogging.issuer.is_empty() {
        return Ok(None);
    }
    let portal = config.portal_url();
    let mut login =
        OidcConfig::new(&innlogging.issuer, &innlogging.client_id, format!("{portal}{AUTH_RETUR}"));
    login.post_logout_redirect_uri = format!("{portal}{LOGGED_OUT}");
    login.navn.clone_from(&innlogging.navn);
    login.acr_values = innlogging.acr_values.split_whitespace().map(str::to_owned).collect();
    login.identifier_claim.clone_from(&innlogging.identifikator_claim);
    login.name_claim.clone_from(&innlogging.navn_claim);
    login.scopes.clone_from(&innlogging.scopes);
    let key = &innlogging.private_key_file;
    login.auth = match config.innlogging_secret()? {
        Some(secret) => ClientAuth::Secret(secret),
        None if key.as_os_str().is_empty() => ClientAuth::None,
        None => ClientAuth::PrivateKeyJwt {
            pem: std::fs::read(key).with_context(|| format!("cannot read {}", key.display()))?,
            kid: innlogging.kid.clone(),
        },
    };
    login.danger_allow_plain_http = config.miljo == Miljo::Utvikling;
    let login = Arc::new(OidcLogin::new(login).context("cannot set up the login of persons")?);
    // The pages that a login starts from must name the provider's origin, which its metadata tell. It may be down just
    // now, and in development it is this very server, which does not answer yet: nothing waits for it.
    let (early, now) = (Arc::clone(&login), clock.now());
    tokio::spawn(async move {
        if let Err(error) = early.prepare(now).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to reach the login provider; the first login tries again"
            );
        }
    });
    Ok(Some(login))
}

/// One line for what the start did to the queues, and one for what it left alone.
fn report(reconciled: &Reconciled) {
    let Reconciled { made, removed, set_aside } = reconciled;
    if made + removed > 0 {
        tracing::info!(made, removed, "brought the queues in line with the registry");
    }
    if !set_aside.is_empty() {
        tracing::warn!(
            kontoer = set_aside.len(),
            meldinger = set_aside.iter().map(|aside| aside.meldinger).sum::<u64>(),
            dead_letters = set_aside.iter().map(|aside| aside.uleverte).sum::<u64>(),
            "the registry does not know these kontoer; their queues are set aside and nothing in them ends: start with the \
             registry that knows them, or empty them with knutepunkt admin ko"
        );
    }
}

/// Empties queues that are set aside when an operator has ordered it, for as long as there are any.
async fn empty_ordered(app: App, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(ORDERS);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => {}
        }
        match app.empty_ordered().await {
            Ok((queues, meldinger, left)) => {
                if queues > 0 {
                    tracing::info!(queues, meldinger, left, "emptied queues that were set aside, as ordered");
                }
                if left == 0 {
                    return;
                }
            }
            // The parts that this needs are looked after by others, who say so.
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "cannot look for queues to empty now"
                );
            }
        }
    }
}

/// Says that the registry is older than the queue log, before anything else goes on: an operator must see it.
fn report_older(reconciled: &Reconciled, mark: &Mark) {
    let unknown_meldinger: u64 =
        reconciled.set_aside.iter().map(|aside| aside.meldinger + aside.uleverte).sum();
    tracing::warn!(
        reached = mark.reached.map(|reached| reached.generation),
        kontoer_then = mark.reached.map(|reached| reached.kontoer),
        unknown_kontoer = reconciled.set_aside.len(),
        unknown_meldinger,
        "the registry is older than the queue log: changes made to it are gone. Nothing was removed; stop, and start with the \
         registry as it was last, or go on with this one"
    );
}

/// Counts the dokumenter that meldinger name and the registry does not know. That reads the whole log, so nobody waits for it.
async fn count_unknown(app: App, samsvar: Arc<Samsvar>) {
    match app.count_unknown_payloads().await {
        Ok(0) => {}
        Ok(unknown_dokumenter) => {
            samsvar.dokumenter.store(unknown_dokumenter, Ordering::Relaxed);
            tracing::warn!(
                unknown_dokumenter,
                "meldinger name dokumenter that the registry does not know; they stay"
            );
        }
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to count the dokumenter that the registry does not know"
            );
        }
    }
}

/// Removes payloads, sessions and lines of the audit log whose time is over, until `shutdown`.
async fn sweep(app: App, uferdige: Uferdige, shutdown: CancellationToken) {
    loop {
        let (now, of_uploads) = (app.clock().now(), uferdige.clone());
        match tokio::task::spawn_blocking(move || of_uploads.sweep(now)).await {
            Ok(Ok((0, _))) | Err(_) => {}
            Ok(Ok((count, bytes))) => {
                tracing::info!(count, bytes, "removed what unfinished uploads had left");
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to remove what unfinished uploads have left"
                );
            }
        }
        for swept in [app.remove_expired_dokumenter().await, app.remove_orphaned_payloads().await] {
            match swept {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "removed payloads whose time is over"),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "failed to remove old payloads");
                }
            }
        }
        match app.remove_expired_sesjoner().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed sessions whose time is over"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to remove old sessions");
            }
        }
        match app.remove_old_hendelser().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed lines of the audit log whose time is over"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to remove old audit lines");
            }
        }
        let next = app.clock().now().checked_add(SWEEP).unwrap_or(jiff::Timestamp::MAX);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = app.clock().sleep_until(next) => {}
        }
    }
}
