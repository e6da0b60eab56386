//! An endpoint with two organisasjoner behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app::contract::{CountingIds, ManualClock};
use app::konto::NyKonto;
use app::ports::{Clock, QueueStatus, TokenError, TokenVerifier, VerifiedToken};
use app::system::NyttSystem;
use app::{Adapters, App, Caller, PassordKey, Settings};
use async_trait::async_trait;
use broker_embedded::{EmbeddedBroker, Faults, Options};
use domain::id::{FiksOrgId, IntegrasjonId, KontoId, MeldingId, SystemId};
use domain::konto::PartRef;
use domain::melding::{Hendelse, Melding, Retur};
use domain::system::SystemInfo;
use jiff::Timestamp;
use knutepunkt_amqp::{Config, Server};
use lapin::tcp::OwnedTLSConfig;
use lapin::{Connection, ConnectionProperties};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long to wait for what must happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A System with one Konto.
pub(crate) struct Party {
    pub(crate) org: FiksOrgId,
    pub(crate) system: SystemId,
    pub(crate) integrasjon: IntegrasjonId,
    pub(crate) passord: String,
    pub(crate) token: String,
    pub(crate) konto: KontoId,
}

impl Party {
    pub(crate) fn queue(&self) -> String {
        wire::queue::queue_name(self.konto)
    }
}

pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) address: SocketAddr,
    pub(crate) storevik: Party,
    pub(crate) lillefjord: Party,
    pub(crate) shutdown: CancellationToken,
    pub(crate) server: JoinHandle<()>,
    ca_pem: String,
    /// What goes wrong with the queue log.
    pub(crate) faults: Faults,
    broker: Arc<EmbeddedBroker>,
    _folder: tempfile::TempDir,
}

/// Takes `token-<orgnummer>`.
struct Tokens;

#[async_trait]
impl TokenVerifier for Tokens {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        match token.strip_prefix("token-").and_then(|orgnummer| orgnummer.parse().ok()) {
            Some(consumer) => Ok(VerifiedToken { consumer, expires: now }),
            None => Err(TokenError::Invalid { reason: "not one of ours".to_owned() }),
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::limited(config, app::Grenser::default()).await
    }

    pub(crate) async fn limited(config: Config, grenser: app::Grenser) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let ids = Arc::new(CountingIds::new(1));
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("registry.db").display());
        let database = storage::connect(&url).await.unwrap();
        database.migrate().await.unwrap();
        let faults = Faults::default();
        let broker = EmbeddedBroker::open(
            folder.path().join("queues"),
            clock.clone(),
            ids.clone(),
            Options { faults: faults.clone(), ..Options::default() },
        )
        .await
        .unwrap();
        let adapters = Adapters {
            registry: database.registry().await.unwrap(),
            broker: broker.clone(),
            tokens: Arc::new(Tokens),
            payloads: Arc::new(object_store::memory::InMemory::new()),
            clock,
            ids,
        };
        let settings = Settings { grenser, ..Settings::default() };
        let app = App::new(adapters, PassordKey::new(&[7; 32]), settings);
        app.load_katalog().await.unwrap();
        let storevik = party(&app, "Storevik kommune", "971032146", "arkiv.full").await;
        let lillefjord = party(&app, "Lillefjord kommune", "910075918", "klient.full").await;

        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(certificate.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = Server::new(app.clone(), config);
        let stop = shutdown.clone();
        let server = tokio::spawn(async move { server.run(listener, Some(Arc::new(tls)), stop).await });
        Self {
            app,
            address,
            storevik,
            lillefjord,
            shutdown,
            server,
            ca_pem: certificate.cert.pem(),
            faults,
            broker,
            _folder: folder,
        }
    }

    /// Connects as `party`.
    pub(crate) async fn connect(&self, party: &Party) -> lapin::Result<Connection> {
        self.connect_as(&party.integrasjon.to_string(), &format!("{} {}", party.passord, party.token)).await
    }

    pub(crate) async fn connect_as(&self, user: &str, secret: &str) -> lapin::Result<Connection> {
        let secret = secret.replace(' ', "%20");
        let uri = format!("amqps://{user}:{secret}@localhost:{}/%2f", self.address.port());
        let tls = OwnedTLSConfig { identity: None, cert_chain: Some(self.ca_pem.clone()) };
        let runtime = lapin::runtime::default_runtime().unwrap();
        let connecting = Connection::connect_with_config(&uri, ConnectionProperties::default(), tls, runtime);
        within(connecting).await
    }

    /// Puts `count` meldinger on the queue of Storevik, from Lillefjord; the payload of each is its number.
    pub(crate) async fn send(&self, count: u64) {
        for number in 0..count {
            self.send_one(number.to_string().into_bytes()).await;
        }
    }

    pub(crate) async fn send_one(&self, payload: Vec<u8>) -> MeldingId {
        let melding = Melding {
            id: MeldingId::from_uuid(self.app.ids().uuid()),
            avsender: self.lillefjord.konto,
            mottaker: self.storevik.konto,
            meldingstype: "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett".to_owned(),
            svar_pa_melding: None,
            svar_til_type: None,
            dokumentlager_id: None,
            headere: BTreeMap::from([("klientKorrelasjonsId".to_owned(), "sak 1".to_owned())]),
            ttl: domain::melding::DEFAULT_TTL,
            mottatt: self.app.clock().now(),
        };
        let id = melding.id;
        self.broker().publish(melding, payload.into()).await.unwrap();
        id
    }

    pub(crate) fn broker(&self) -> &Arc<dyn app::ports::Broker> {
        self.app.broker()
    }

    /// Waits until the queue of Storevik stands like that.
    pub(crate) async fn until_queue(&self, wanted: impl Fn(&QueueStatus) -> bool) {
        let queue = self.storevik.konto;
        within(async {
            while !wanted(&self.broker().queue_status(queue).await.unwrap()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Waits until `returned` is why the melding came back last, and meanwhile until the queues can be asked.
    pub(crate) async fn until_returned(&self, id: MeldingId, returned: Retur) {
        let wanted = Hendelse::Returnert { arsak: returned };
        within(async {
            loop {
                // A client may learn that the queues failed before whoever asks how they are.
                if let Ok(record) = self.broker().melding(id).await
                    && record.unwrap().sporing.last().is_some_and(|line| line.hendelse == wanted)
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Ends everything in good order.
    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        within(self.server).await.unwrap();
        self.broker.close().await.unwrap();
    }
}

async fn party(app: &App, navn: &str, orgnummer: &str, part: &str) -> Party {
    let operator = Caller::Operator;
    let org =
        app.create_organisasjon(&operator, navn.to_owned(), orgnummer.parse().unwrap(), None).await.unwrap();
    app.ta_i_bruk(&operator, org.id).await.unwrap();
    let info = SystemInfo {
        navn: "Fagsystem".to_owned(),
        beskrivelse: "For test".to_owned(),
        eposter: vec!["drift@example.invalid".to_owned()],
        offentlig: true,
        automatisk_godkjenning: false,
        leverandor_navn: None,
        leverandor_kontaktpunkt: None,
    };
    let nytt = NyttSystem { info, orgnummer: orgnummer.to_owned(), konfigureres_av_integrasjon: false };
    let made = app.create_system(&operator, org.id, nytt, None).await.unwrap();
    let ny = NyKonto {
        navn: "Konto".to_owned(),
        beskrivelse: "For test".to_owned(),
        protokoll_navn: "no.ks.fiks.arkiv".to_owned(),
        parter: vec![PartRef { versjon: "v1".to_owned(), navn: part.to_owned() }],
        offentlig_nokkel: None,
    };
    let konto = app.create_konto(&operator, org.id, made.system.id, ny, None).await.unwrap();
    Party {
        org: org.id,
        system: made.system.id,
        integrasjon: made.integrasjon.id,
        passord: made.passord.reveal().to_owned(),
        token: format!("token-{orgnummer}"),
        konto: konto.konto.id,
    }
}

/// Waits for what must happen.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it happens before the deadline")
}
