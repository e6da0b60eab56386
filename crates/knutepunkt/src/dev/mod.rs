//! A Knutepunkt with everything around it that a developer lacks: Maskinporten, ID-porten, a certificate authority, and a
//! small world of organisasjoner, persons, systemer and kontoer. `dev`, `demo` and the tests start from here.

pub mod klient;
pub mod oppsett;
pub mod personer;
pub mod verktoy;
pub mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use app::ports::{Clock, IdSource};
use axum::Router;
use portal::Verktoy;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use simulator::Miljo;
use simulator::ca::{RsaBits, TestCa};
use simulator::idporten::{Idporten, IdportenConfig, OidcKlient};
use simulator::maskinporten::{SigningKeys, Simulator, SimulatorConfig};

use crate::config::{self, Config};
use crate::dev::klient::Omgivelser;
use crate::dev::verktoy::DevVerktoy;
use crate::server::{self, Listeners, Parts, Running};
use crate::{files, tls};

/// Path under which the Maskinporten simulator is served.
const MASKINPORTEN: &str = "/maskinporten";
/// Path under which the ID-porten simulator is served.
const IDPORTEN: &str = "/idporten";
/// The portal's id there.
const CLIENT_ID: &str = "knutepunkt";

/// A running server with its surroundings.
pub struct Dev {
    /// The server.
    pub running: Running,
    /// The certificate authority.
    pub ca: Arc<TestCa>,
    /// Maskinporten.
    pub simulator: Simulator,
    /// ID-porten.
    pub idporten: Idporten,
    /// The data folder, an absolute path.
    pub data: PathBuf,
    /// What its clients need to know.
    pub omgivelser: Omgivelser,
}

/// What a [`Dev`] is started with.
pub struct DevParts {
    /// Where all data lies; made if it is missing.
    pub data: PathBuf,
    /// The configuration, of which folder, addresses, token issuer and login provider are those of the surroundings.
    pub config: Config,
    /// The sockets. The one for plain HTTP must be there: the simulator is served on it.
    pub listeners: Listeners,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids and secrets.
    pub ids: Arc<dyn IdSource>,
    /// More routes than the server has by itself.
    pub more: Router,
    /// Changes to the configuration before it is used.
    pub adjust: fn(&mut Config),
}

/// Starts a server with its surroundings.
///
/// # Errors
/// What could not be opened, made or bound.
pub async fn start(parts: DevParts) -> anyhow::Result<Dev> {
    let DevParts { data, config, listeners, clock, ids, more, adjust } = parts;
    crate::installasjon::unfinished::refuse(&data)?;
    files::make_folder(&data)?;
    let data = data.canonicalize()?;
    let http =
        listeners.http.as_ref().context("the simulator needs the plain HTTP listener")?.local_addr()?;
    let base = format!("http://{http}");

    let now = clock.now();
    let ca = TestCa::load_or_create(data.join("ca"), now)
        .context("cannot set up the test certificate authority")?;
    let ca = Arc::new(ca);
    let server = ca.localhost(now).context("cannot issue the server's certificate")?;
    let chain = server.tls_chain_der().map(|der| CertificateDer::from(der.to_vec())).collect();
    let key = PrivateKeyDer::try_from(server.private_key_der().to_vec()).map_err(anyhow::Error::msg)?;
    let tls = tls::config(chain, key)?;

    let keys = SigningKeys::load_or_create(data.join("maskinporten.keys.pem"), RsaBits::B2048)?;
    let time = Arc::clone(&clock);
    let simulator = SimulatorConfig::new(format!("{base}{MASKINPORTEN}/"), Miljo::Utvikling);
    let simulator = Simulator::new(simulator, keys, Arc::new(move || time.now()))?;

    let keys = SigningKeys::load_or_create(data.join("idporten.keys.pem"), RsaBits::B2048)?;
    let time = Arc::clone(&clock);
    let idporten = IdportenConfig {
        klienter: vec![OidcKlient {
            client_id: CLIENT_ID.to_owned(),
            redirect_uris: vec![format!("{base}{}", server::AUTH_RETUR)],
            post_logout_redirect_uris: vec![format!("{base}{}", server::LOGGED_OUT)],
            frontchannel_logout_uri: Some(format!("{base}{}", server::AUTH_FRONTKANAL)),
            ..OidcKlient::default()
        }],
        personer: personer::testpersoner(),
        ..IdportenConfig::new(format!("{base}{IDPORTEN}"), Miljo::Utvikling)
    };
    let idporten = Idporten::new(idporten, keys, Arc::new(move || time.now()))?;

    let mut config = config;
    config.miljo = config::Miljo::Utvikling;
    config.data.clone_from(&data);
    simulator.issuer().clone_into(&mut config.maskinporten.issuer);
    config.portal.url = base;
    idporten.issuer().clone_into(&mut config.innlogging.issuer);
    CLIENT_ID.clone_into(&mut config.innlogging.client_id);
    adjust(&mut config);
    let omgivelser = Omgivelser::new(&listeners, &ca, &simulator)?;
    let verktoy = DevVerktoy::new(omgivelser.clone(), Arc::clone(&ca), data.clone(), Arc::clone(&clock));
    let verktoy: Option<Arc<dyn Verktoy>> = Some(Arc::new(verktoy));
    let more = more.nest(MASKINPORTEN, simulator.router()).nest(IDPORTEN, idporten.router());
    let parts = Parts { config, listeners, tls: Some(tls), clock, ids, verktoy, more };
    let running = server::start(parts).await?;
    Ok(Dev { running, ca, simulator, idporten, data, omgivelser })
}

impl Dev {
    /// Base URL of the HTTP APIs without TLS.
    pub fn http_url(&self) -> String {
        let address = self.running.http.expect("started with a plain HTTP listener");
        format!("http://{address}")
    }

    /// The certificate authority's root, for clients.
    pub fn ca_pem(&self) -> PathBuf {
        self.data.join("ca").join("root.pem")
    }

    /// Where keys and certificates of the world lie.
    pub fn keys(&self) -> PathBuf {
        keys_folder(&self.data)
    }
}

/// Where keys and certificates lie in a data folder.
pub fn keys_folder(data: &Path) -> PathBuf {
    data.join("sertifikater")
}
