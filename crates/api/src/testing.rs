//! A world for tests: two organisasjoner that talk, a third that has no business with them, on the adapters that a single
//! node runs on, behind the real router.

use std::sync::{Arc, LazyLock};

use app::contract::{CountingIds, FragileBroker, ManualClock};
use app::konto::{KontoSti, NyKonto};
use app::ports::{Broker as _, TokenError, TokenVerifier, VerifiedToken};
use app::system::NyttSystem;
use app::{Adapters, App, Caller, PassordKey, Settings};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use domain::konto::PartRef;
use domain::system::SystemInfo;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use wire::id::{FiksOrgId, IntegrasjonId, KontoId, SystemId};

pub(crate) const OPPRETT: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett";
pub(crate) const MOTTATT: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett.mottatt";
pub(crate) const BOUNDARY: &str = "xxTESTxx";

/// A payload of more bytes than this goes to Dokumentlager in tests.
pub(crate) const INLINE_MAX: usize = 1024;
/// A payload of more bytes than this is refused in tests.
pub(crate) const PAYLOAD_MAX: u64 = 64 * 1024;

pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) clock: ManualClock,
    pub(crate) broker: Arc<FragileBroker>,
    pub(crate) payloads: Arc<object_store::memory::InMemory>,
    /// Has tilgang to the Konto of `arkiv`.
    pub(crate) fag: Party,
    pub(crate) arkiv: Party,
    /// Has nothing to do with the others.
    pub(crate) fremmed: Party,
    _folder: TempDir,
}

/// A System with one integrasjon and one Konto.
#[derive(Clone)]
pub(crate) struct Party {
    pub(crate) org: FiksOrgId,
    pub(crate) system: SystemId,
    pub(crate) integrasjon: IntegrasjonId,
    pub(crate) passord: String,
    pub(crate) orgnummer: &'static str,
    pub(crate) konto: KontoId,
}

impl Party {
    pub(crate) fn sti(&self) -> KontoSti {
        KontoSti { fiks_org_id: self.org, system_id: self.system, konto_id: self.konto }
    }

    /// `/fiks-protokoll/api/v1/konfigurasjon/…` of its System.
    pub(crate) fn system_path(&self) -> String {
        format!("/fiks-protokoll/api/v1/konfigurasjon/{}/systemer/{}", self.org, self.system)
    }

    /// The same of its Konto.
    pub(crate) fn konto_path(&self) -> String {
        format!("{}/kontoer/{}", self.system_path(), self.konto)
    }

    /// A request with its log-in.
    pub(crate) fn request(&self, method: Method, path: impl AsRef<str>) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path.as_ref())
            .header("Authorization", format!("Bearer {}", self.orgnummer))
            .header("IntegrasjonId", self.integrasjon.to_string())
            .header("IntegrasjonPassord", &self.passord)
    }

    /// A form to be sent with its log-in.
    pub(crate) fn send_request(&self, form: impl Into<Body>) -> Request<Body> {
        self.request(Method::POST, wire::send::PATH)
            .header("Content-Type", format!("multipart/form-data; boundary=\"{BOUNDARY}\""))
            .body(form.into())
            .unwrap()
    }
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// Checks that it has this status and returns its JSON.
    #[track_caller]
    pub(crate) fn ok(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{:?}", self.body);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Checks that it is a whole `ErrorMessage` with this code and returns its message.
    #[track_caller]
    pub(crate) fn error(&self, status: StatusCode, code: &str) -> String {
        assert_eq!(self.status, status, "{:?}", self.body);
        assert_eq!(self.headers["content-type"], "application/json");
        let body = self.json();
        assert_eq!(body["status"], status.as_u16());
        assert_eq!(body["errorCode"], code, "{body}");
        assert_eq!(body["error"], status.canonical_reason().unwrap());
        assert!(body["timestamp"].is_i64(), "{body}");
        assert!(body["path"].as_str().unwrap().starts_with('/'), "{body}");
        assert!(body["errorId"].as_str().unwrap().parse::<uuid::Uuid>().is_ok(), "{body}");
        assert!(body.as_object().unwrap().values().all(|value| !value.is_null()), "{body}");
        body["message"].as_str().unwrap().to_owned()
    }
}

pub(crate) async fn call(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::limited(app::Grenser::default()).await
    }

    pub(crate) async fn limited(grenser: app::Grenser) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, ids) = (ManualClock::default(), Arc::new(CountingIds::default()));
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("registry.sqlite").display());
        let database = storage::connect(&url).await.unwrap();
        database.migrate().await.unwrap();
        let sporing_bytes = match grenser.get(app::Grense::SporingBytesPerOrganisasjon) {
            0 => u64::MAX,
            bound => bound,
        };
        let inner = broker_embedded::EmbeddedBroker::open(
            folder.path().join("broker"),
            Arc::new(clock.clone()),
            ids.clone(),
            broker_embedded::Options { min_free_bytes: 0, sporing_bytes, ..Default::default() },
        )
        .await
        .unwrap();
        let broker = Arc::new(FragileBroker::new(inner));
        let payloads = Arc::new(object_store::memory::InMemory::new());
        let adapters = Adapters {
            registry: database.registry().await.unwrap(),
            broker: broker.clone(),
            tokens: Arc::new(Tokens),
            payloads: payloads.clone(),
            clock: Arc::new(clock.clone()),
            ids,
        };
        let settings = Settings {
            inline_payload_max_bytes: INLINE_MAX,
            payload_max_bytes: PAYLOAD_MAX,
            grenser,
            ..Settings::default()
        };
        let app = App::new(adapters, PassordKey::new(&[7; 32]), settings);
        app.load_katalog().await.unwrap();
        let fag = party(&app, "Storevik kommune", "971032146", "klient.full").await;
        let arkiv = party(&app, "Lillefjord kommune", "964338531", "arkiv.full").await;
        let fremmed = party(&app, "Fjerndal kommune", "910075918", "klient.full").await;
        app.grant_tilgang(&Caller::Operator, arkiv.sti(), fag.system).await.unwrap();
        let router = crate::router(app.clone());
        Self { router, app, clock, broker, payloads, fag, arkiv, fremmed, _folder: folder }
    }

    /// Calls as `party`, with a body if there is one.
    pub(crate) async fn call(
        &self,
        party: &Party,
        method: Method,
        path: impl AsRef<str>,
        body: Option<Value>,
    ) -> Answer {
        let request = party.request(method, path);
        let request = match body {
            Some(body) => {
                request.header("Content-Type", "application/json").body(Body::from(body.to_string()))
            }
            None => request.body(Body::empty()),
        };
        call(&self.router, request.unwrap()).await
    }

    /// Sends a form as `party`.
    pub(crate) async fn send(&self, party: &Party, form: impl Into<Body>) -> Answer {
        call(&self.router, party.send_request(form)).await
    }

    /// Metadata of a melding from `fag` to `arkiv`.
    pub(crate) fn metadata(&self, meldingstype: &str) -> Value {
        json!({
            "avsenderKontoId": self.fag.konto,
            "mottakerKontoId": self.arkiv.konto,
            "meldingType": meldingstype,
        })
    }

    /// Meldinger on the queue of `party`.
    pub(crate) async fn queued(&self, party: &Party) -> u64 {
        self.broker.queue_status(party.konto).await.unwrap().ready
    }
}

/// A form with these metadata and perhaps a payload.
pub(crate) fn form(metadata: &Value, data: Option<&[u8]>) -> Vec<u8> {
    let mut form = part("metadata", metadata.to_string().as_bytes());
    form.extend(data.map(|data| part("data", data)).unwrap_or_default());
    form.extend(format!("--{BOUNDARY}--\r\n").bytes());
    form
}

/// One part of a form.
pub(crate) fn part(name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

/// A certificate as PEM, the same for all tests: making an RSA key takes time.
pub(crate) fn certificate() -> &'static str {
    static PEM: LazyLock<String> = LazyLock::new(|| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem()
    });
    &PEM
}

async fn party(app: &App, navn: &str, orgnummer: &'static str, part: &str) -> Party {
    let operator = Caller::Operator;
    let org = app
        .create_organisasjon(&operator, navn.to_owned(), orgnummer.parse().unwrap(), Some("4640".to_owned()))
        .await
        .unwrap();
    app.ta_i_bruk(&operator, org.id).await.unwrap();
    let ny = NyttSystem {
        info: SystemInfo {
            navn: format!("System i {navn}"),
            beskrivelse: "Til test".to_owned(),
            eposter: vec!["drift@example.no".to_owned()],
            offentlig: true,
            automatisk_godkjenning: false,
            leverandor_navn: None,
            leverandor_kontaktpunkt: None,
        },
        orgnummer: orgnummer.to_owned(),
        konfigureres_av_integrasjon: true,
    };
    let made = app.create_system(&operator, org.id, ny, None).await.unwrap();
    let ny = NyKonto {
        navn: format!("Konto i {navn}"),
        beskrivelse: "Til test".to_owned(),
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
        orgnummer,
        konto: konto.konto.id,
    }
}

/// A token is the orgnummer it stands for.
struct Tokens;

#[async_trait]
impl TokenVerifier for Tokens {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        if token == "unavailable" {
            return Err(TokenError::Unavailable("no keys".into()));
        }
        match token.parse() {
            Ok(consumer) => Ok(VerifiedToken { consumer, expires: now }),
            Err(_) => Err(TokenError::Invalid { reason: "not an orgnummer".to_owned() }),
        }
    }
}
