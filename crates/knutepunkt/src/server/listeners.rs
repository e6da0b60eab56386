//! The sockets that a server listens on, and what they are given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use app::App;
use app::ports::{Del, HealthCheck};
use axum::Router;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::grenser::Grenser;
use crate::health::{IkkeSattOpp, TlsCheck};
use crate::http::Proxies;
use crate::installasjon::lock::refuse_second;
use crate::{http, keepalive, tls};

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

/// Where a server listens.
pub(super) struct Addresses {
    pub(super) http: Option<SocketAddr>,
    pub(super) https: Option<SocketAddr>,
    pub(super) amqps: Option<SocketAddr>,
    pub(super) amqp: Option<SocketAddr>,
}

/// What is served, and how much of it at a time.
pub(super) struct Service {
    pub(super) app: App,
    pub(super) router: Router,
    pub(super) entrance: http::Entrance,
    pub(super) amqp: ::amqp::Config,
    pub(super) tls: Option<Arc<ServerConfig>>,
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

    /// Serves on all of them until `shutdown`.
    ///
    /// # Errors
    /// When a socket does not know its address.
    pub(super) fn serve(
        self,
        service: Service,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> std::io::Result<Addresses> {
        let address =
            |listener: &Option<TcpListener>| listener.as_ref().map(TcpListener::local_addr).transpose();
        let addresses = Addresses {
            http: address(&self.http)?,
            https: address(&self.https)?,
            amqps: address(&self.amqps)?,
            amqp: address(&self.amqp)?,
        };
        let Service { app, router, entrance, amqp, tls } = service;
        for (listener, gone_after) in [
            (&self.http, entrance.gone_after()),
            (&self.https, entrance.gone_after()),
            (&self.amqps, amqp.write_timeout),
            (&self.amqp, amqp.write_timeout),
        ] {
            if let Some(listener) = listener {
                keepalive::on(listener, gone_after);
            }
        }
        if let Some(listener) = self.http {
            tasks.spawn(http::serve(listener, None, router.clone(), entrance.clone(), shutdown.clone()));
        }
        if let (Some(listener), Some(tls)) = (self.https, &tls) {
            let acceptor = TlsAcceptor::from(Arc::clone(tls));
            tasks.spawn(http::serve(listener, Some(acceptor), router, entrance, shutdown.clone()));
        }
        // One for both, so that they share the places that there are.
        let amqp = Arc::new(::amqp::Server::new(app, amqp));
        for (listener, tls) in [(self.amqps, tls), (self.amqp, None)] {
            let Some(listener) = listener else { continue };
            let (server, shutdown) = (Arc::clone(&amqp), shutdown.clone());
            tasks.spawn(async move { server.run(listener, tls, shutdown).await });
        }
        Ok(addresses)
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

/// Limits of all AMQP listeners together, within what there is room for.
pub(super) fn amqp_config(
    config: &Config,
    grenser: Grenser,
    entrance: &http::Entrance,
) -> anyhow::Result<::amqp::Config> {
    let proxies = Proxies::parse(&config.http.betrodde_proxyer).context("http.betrodde_proxyer is wrong")?;
    let defaults = ::amqp::Config::default();
    let connections_max = grenser.amqp_tilkoblinger.min(defaults.connections_max);
    let entrance = entrance.clone();
    let unauthenticated_max = (connections_max / 2).min(defaults.unauthenticated_max);
    Ok(::amqp::Config {
        connections_max,
        unauthenticated_max,
        unauthenticated_per_address: unauthenticated_max / 2,
        proxies: Arc::new(move |address| proxies.contains(address)),
        write_timeout: Duration::from_secs(config.amqp.stillstand_sekunder),
        refused_log_ins: Arc::new(move |address| entrance.log_in_refused(address)),
        ..defaults
    })
}

/// TLS of the listeners, if any, and who watches over its certificate.
pub(super) type ListenerTls = (Option<Arc<ServerConfig>>, Box<dyn HealthCheck>);

/// TLS of the listeners, as handed in or from the files that the configuration names, and who watches over it.
pub(super) fn listener_tls(
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
