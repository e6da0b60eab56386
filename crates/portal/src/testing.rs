//! A world for tests: organisasjoner and people on the adapters that a single node runs on, behind the real router, and a
//! browser that keeps cookies and fills in forms.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use app::contract::{CountingIds, FragileBroker, FragileRegistry, ManualClock};
use app::konto::{KontoSti, NyKonto};
use app::person::Identifikator;
use app::ports::{
    LoginAnswer, LoginStart, PersonIdentifier, PersonLogin, PersonLoginError, TokenError, TokenVerifier,
    VerifiedPerson, VerifiedToken,
};
use app::system::NyttSystem;
use app::{Adapters, App, Caller, Grense, Grenser, PassordKey, Settings};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use domain::id::{FiksOrgId, SystemId};
use domain::konto::PartRef;
use domain::person::Rolle;
use domain::system::SystemInfo;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::avtale::Avtale;
use crate::config::{Config, Miljo, PortalUrl};
use crate::portal::Portal;
use crate::utvikling::Verktoy;

/// Where the portal of the tests is.
pub(crate) const ORIGIN: &str = "https://portal.test";
/// Where the login provider of the tests is.
pub(crate) const PROVIDER: &str = "https://login.test";

/// Where the proxy of the tests tells the address of a browser.
const ADRESSE: http::HeaderName = http::HeaderName::from_static("x-forwarded-for");

/// Somebody who can log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hvem {
    /// Administrator of Storevik.
    Admin,
    /// Protokolladministrator of Storevik.
    Protokoll,
    /// Lesetilgang to Storevik.
    Les,
    /// Administrator of Lillefjord.
    Lillefjord,
    /// Administrator of Nyvik, which has not taken the service into use.
    Nyvik,
    /// Administrator of Storevik and of Lillefjord.
    Mange,
    /// Driftsoperatør.
    Drift,
    /// Has no role anywhere.
    Uten,
}

impl Hvem {
    pub(crate) const ALL: [Self; 8] = [
        Self::Admin,
        Self::Protokoll,
        Self::Les,
        Self::Lillefjord,
        Self::Nyvik,
        Self::Mange,
        Self::Drift,
        Self::Uten,
    ];

    /// What the login provider knows them by: synthetic.
    pub(crate) fn identifier(self) -> String {
        format!("syntetisk-{self:?}")
    }

    fn navn(self) -> String {
        format!("Test {self:?}")
    }
}

/// An organisasjon with one System and one Konto in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) org: FiksOrgId,
    pub(crate) system: SystemId,
    pub(crate) sti: KontoSti,
}

impl Part {
    /// `/o/{org}`.
    pub(crate) fn o(&self) -> String {
        format!("/o/{}", self.org)
    }

    /// The path of its System.
    pub(crate) fn s(&self) -> String {
        format!("/o/{}/protokoll/systemer/{}", self.org, self.system)
    }

    /// The path of its Konto.
    pub(crate) fn k(&self) -> String {
        format!("{}/kontoer/{}", self.s(), self.sti.konto_id)
    }
}

pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) clock: ManualClock,
    pub(crate) broker: Arc<FragileBroker>,
    pub(crate) registry: Arc<FragileRegistry>,
    pub(crate) login: Arc<StubLogin>,
    /// Its System is «Mitt fagsystem», its Konto plays `klient.full`.
    pub(crate) storevik: Part,
    /// Its System is «Mitt arkiv», its Konto plays `arkiv.full`; nobody has tilgang to it.
    pub(crate) lillefjord: Part,
    /// Has not taken the service into use.
    pub(crate) nyvik: FiksOrgId,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::build(Avtale::standard(), Identifikator::default()).await
    }

    /// An installation whose login provider knows people by this claim.
    pub(crate) async fn with_claim(claim: &str) -> Self {
        Self::build(Avtale::standard(), Identifikator::of_claim(claim)).await
    }

    /// An installation that asks for no avtale.
    pub(crate) async fn without_avtale() -> Self {
        Self::build(Avtale::Av, Identifikator::default()).await
    }

    async fn build(avtale: Avtale, identifikator: Identifikator) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, ids) = (ManualClock::default(), Arc::new(CountingIds::default()));
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("registry.sqlite").display());
        let database = storage::connect(&url).await.unwrap();
        database.migrate().await.unwrap();
        let inner = broker_embedded::EmbeddedBroker::open(
            folder.path().join("broker"),
            Arc::new(clock.clone()),
            ids.clone(),
            broker_embedded::Options { min_free_bytes: 0, ..Default::default() },
        )
        .await
        .unwrap();
        let broker = Arc::new(FragileBroker::new(inner));
        let registry = Arc::new(FragileRegistry::new(database.registry().await.unwrap()));
        let adapters = Adapters {
            registry: registry.clone(),
            broker: broker.clone(),
            tokens: Arc::new(NoTokens),
            payloads: Arc::new(object_store::memory::InMemory::new()),
            clock: Arc::new(clock.clone()),
            ids,
        };
        let avtale_kreves = matches!(avtale, Avtale::Innebygd(_));
        // What a server gets from the size of its disk.
        let grenser = Grenser::default()
            .with(Grense::SendteBytesIKoPerOrganisasjon, 50_000_000_000)
            .with(Grense::MottatteBytesIKoPerOrganisasjon, 100_000_000_000)
            .with(Grense::SporingBytesPerOrganisasjon, 12_500_000_000)
            .with(Grense::SendteBytesPerOrganisasjon, 25_000_000_000)
            .with(Grense::MottatteBytesPerOrganisasjon, 50_000_000_000);
        let settings = Settings { avtale_kreves, identifikator, grenser, ..Settings::default() };
        let app = App::new(adapters, PassordKey::new(&[7; 32]), settings);
        app.load_katalog().await.unwrap();
        let storevik = part(&app, "Storevik kommune", "971032146", "Mitt fagsystem", "klient.full").await;
        let lillefjord = part(&app, "Lillefjord kommune", "964338531", "Mitt arkiv", "arkiv.full").await;
        let nyvik = organisasjon(&app, "Nyvik kommune", "910075918").await;
        people(&app, storevik.org, lillefjord.org, nyvik).await;
        let login = Arc::new(StubLogin::default());
        Self {
            router: router(app.clone(), login.clone(), avtale),
            app,
            clock,
            broker,
            registry,
            login,
            storevik,
            lillefjord,
            nyvik,
            _folder: folder,
        }
    }

    /// The same world, seen through a portal with another avtale.
    pub(crate) fn with_avtale(&self, avtale: Avtale) -> Router {
        router(self.app.clone(), self.login.clone(), avtale)
    }

    /// The same world, seen through a portal with tools for development.
    pub(crate) fn with_verktoy(&self, miljo: Miljo, verktoy: Arc<dyn Verktoy>) -> Router {
        let config = config(miljo, Avtale::Av);
        let portal = Portal::new(self.app.clone(), Some(self.login.clone()), config);
        crate::router(portal.with_verktoy(verktoy))
    }

    /// A browser in which nobody is logged in.
    pub(crate) fn anonymous(&self) -> Browser {
        // Each has an address of its own: logins are counted by it.
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Browser {
            router: self.router.clone(),
            cookies: BTreeMap::new(),
            csrf: String::new(),
            sprak: "nb",
            adresse: Ipv4Addr::from_bits(0x0a00_0000 + NEXT.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// A browser in which somebody is logged in who has that rolle in `org`, and no other.
    pub(crate) async fn member(&self, org: FiksOrgId, rolle: Rolle) -> Browser {
        let identifier = format!("syntetisk-{org}-{rolle}");
        let person = PersonIdentifier::new(&identifier);
        let navn = format!("Test {rolle}");
        self.app.create_person_with_rolle(&Caller::Operator, org, &navn, &person, rolle).await.unwrap();
        let mut browser = self.anonymous();
        browser.log_in(&identifier).await;
        browser
    }

    /// A browser in which somebody is logged in.
    pub(crate) async fn browser(&self, hvem: Hvem) -> Browser {
        let mut browser = self.anonymous();
        browser.log_in(&hvem.identifier()).await;
        browser
    }
}

fn router(app: App, login: Arc<StubLogin>, avtale: Avtale) -> Router {
    crate::router(Portal::new(app, Some(login), config(Miljo::Test, avtale)))
}

fn config(miljo: Miljo, avtale: Avtale) -> Config {
    Config {
        url: PortalUrl::parse(ORIGIN).unwrap(),
        navn: "Knutepunkt forvaltning".to_owned(),
        miljo,
        avtale,
        tema_css: None,
        logo: None,
        tilgjengelighetserklaering_url: None,
        kontakt_epost: Some("hjelp@eksempel.no".to_owned()),
        klientadresse_header: Some(ADRESSE),
    }
}

async fn organisasjon(app: &App, navn: &str, orgnummer: &str) -> FiksOrgId {
    let operator = Caller::Operator;
    let orgnummer = orgnummer.parse().unwrap();
    app.create_organisasjon(&operator, navn.to_owned(), orgnummer, Some("4640".to_owned())).await.unwrap().id
}

async fn part(app: &App, navn: &str, orgnummer: &str, system: &str, part: &str) -> Part {
    let operator = Caller::Operator;
    let org = organisasjon(app, navn, orgnummer).await;
    app.ta_i_bruk(&operator, org).await.unwrap();
    let ny = NyttSystem {
        info: SystemInfo {
            navn: system.to_owned(),
            beskrivelse: "Til test".to_owned(),
            eposter: vec!["drift@eksempel.no".to_owned()],
            offentlig: true,
            automatisk_godkjenning: false,
            leverandor_navn: None,
            leverandor_kontaktpunkt: None,
        },
        orgnummer: orgnummer.to_owned(),
        konfigureres_av_integrasjon: true,
    };
    let made = app.create_system(&operator, org, ny, None).await.unwrap();
    let ny = NyKonto {
        navn: format!("{system} – konto").replace('–', "-"),
        beskrivelse: "Til test".to_owned(),
        protokoll_navn: "no.ks.fiks.arkiv".to_owned(),
        parter: vec![PartRef { versjon: "v1".to_owned(), navn: part.to_owned() }],
        offentlig_nokkel: Some(certificate().to_owned()),
    };
    let konto = app.create_konto(&operator, org, made.system.id, ny, None).await.unwrap().konto;
    let sti = KontoSti { fiks_org_id: org, system_id: made.system.id, konto_id: konto.id };
    Part { org, system: made.system.id, sti }
}

async fn people(app: &App, storevik: FiksOrgId, lillefjord: FiksOrgId, nyvik: FiksOrgId) {
    let operator = Caller::Operator;
    for (hvem, org, rolle) in [
        (Hvem::Admin, storevik, Rolle::Administrator),
        (Hvem::Protokoll, storevik, Rolle::Protokolladministrator),
        (Hvem::Les, storevik, Rolle::Lesetilgang),
        (Hvem::Lillefjord, lillefjord, Rolle::Administrator),
        (Hvem::Nyvik, nyvik, Rolle::Administrator),
        (Hvem::Mange, storevik, Rolle::Administrator),
        (Hvem::Mange, lillefjord, Rolle::Administrator),
    ] {
        let identifier = PersonIdentifier::new(hvem.identifier());
        app.create_person_with_rolle(&operator, org, &hvem.navn(), &identifier, rolle).await.unwrap();
    }
    let drift = PersonIdentifier::new(Hvem::Drift.identifier());
    app.set_drift(&operator, &Hvem::Drift.navn(), &drift, true).await.unwrap();
}

/// A certificate as PEM, the same for all tests: making an RSA key takes time.
pub(crate) fn certificate() -> &'static str {
    static PEM: LazyLock<String> = LazyLock::new(|| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem()
    });
    &PEM
}

/// No machine logs in through the portal.
struct NoTokens;

#[async_trait]
impl TokenVerifier for NoTokens {
    async fn verify(&self, _: &str, _: Timestamp) -> Result<VerifiedToken, TokenError> {
        Err(TokenError::Invalid { reason: "no token is good here".to_owned() })
    }
}

/// A login provider that believes everybody: the code is the identifier.
#[derive(Default)]
pub(crate) struct StubLogin {
    fault: Mutex<Option<&'static str>>,
    acr: Mutex<Option<&'static str>>,
}

impl StubLogin {
    /// From now on every login is refused, or works again.
    pub(crate) fn refuse(&self, reason: Option<&'static str>) {
        *self.fault.lock().unwrap() = reason;
    }

    /// From now on everybody proves himself at this level.
    pub(crate) fn set_acr(&self, acr: &'static str) {
        *self.acr.lock().unwrap() = Some(acr);
    }
}

#[async_trait]
impl PersonLogin for StubLogin {
    fn navn(&self) -> &'static str {
        "ID-porten"
    }

    fn origin(&self) -> &'static str {
        PROVIDER
    }

    fn issuer(&self) -> &'static str {
        PROVIDER
    }

    async fn start(&self, started: &LoginStart, _: Timestamp) -> Result<String, PersonLoginError> {
        let hint = started.hint.as_ref().map(|hint| format!("&hint={hint}")).unwrap_or_default();
        Ok(format!("{PROVIDER}/authorize?state={}&force={}{hint}", started.state, started.force))
    }

    async fn finish(
        &self,
        LoginAnswer { code, issuer }: LoginAnswer<'_>,
        _: &LoginStart,
        _: Timestamp,
    ) -> Result<VerifiedPerson, PersonLoginError> {
        if let Some(reason) = *self.fault.lock().unwrap() {
            return Err(PersonLoginError::Refused { reason: reason.to_owned() });
        }
        if issuer.is_some_and(|issuer| issuer != PROVIDER) {
            return Err(PersonLoginError::Refused { reason: "another issuer".to_owned() });
        }
        Ok(VerifiedPerson {
            identifier: PersonIdentifier::new(code),
            navn: None,
            acr: Some(self.acr.lock().unwrap().unwrap_or("idporten-loa-substantial").to_owned()),
            sid: Some(format!("sid-{code}")),
            id_token: "token".to_owned(),
        })
    }

    async fn logout_url(&self, _: Option<&str>, state: &str) -> Option<String> {
        Some(format!("{PROVIDER}/endsession?state={state}"))
    }
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// Where it sends the browser.
    #[track_caller]
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        self.headers[header::LOCATION].to_str().unwrap()
    }

    /// Checks the status.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// Checks that the page says so; as text, not as markup.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.plain().contains(text), "«{text}» is not in: {}", self.plain());
        self
    }

    /// Checks that the page does not say so.
    #[track_caller]
    pub(crate) fn says_not(&self, text: &str) -> &Self {
        assert!(!self.plain().contains(text), "«{text}» is in: {}", self.plain());
        self
    }

    /// The text of the page: tags gone, entities resolved, blanks folded.
    pub(crate) fn plain(&self) -> String {
        let mut plain = String::new();
        let mut in_tag = false;
        for character in self.text.chars() {
            match character {
                '<' => {
                    in_tag = true;
                    plain.push(' ');
                }
                '>' => in_tag = false,
                _ if in_tag => {}
                other => plain.push(other),
            }
        }
        let plain = plain
            .replace("&#38;", "&")
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#34;", "\"")
            .replace("&#39;", "'");
        // A blank that does not break stays one.
        plain.split([' ', '\n', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// A browser: keeps cookies, and the token of the page seen last. A clone is another tab of it.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) router: Router,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) csrf: String,
    /// What it asks for in `Accept-Language`.
    pub(crate) sprak: &'static str,
    adresse: Ipv4Addr,
}

impl Browser {
    /// Goes through the login.
    pub(crate) async fn log_in(&mut self, identifier: &str) {
        let answer = self.get("/auth/start").await;
        let state = answer.location().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let answer = self.get(&format!("/auth/retur?code={identifier}&state={state}")).await;
        answer.is(303);
        // Any page has the token of the session.
        self.get("/hjelp").await.is(200);
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = self.request(Method::GET, path).body(Body::empty()).unwrap();
        self.send(request).await
    }

    /// Sends a form as a page of ours would.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", &self.csrf);
        form.extend_pairs(fields);
        let request = self
            .request(Method::POST, path)
            .header(header::ORIGIN, ORIGIN)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form.finish())).unwrap()).await
    }

    /// Sends a form with a file.
    pub(crate) async fn post_file(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        (name, filename, bytes): (&str, &str, &[u8]),
    ) -> Answer {
        const BOUNDARY: &str = "xxGRENSExx";
        let mut body = Vec::new();
        for (name, value) in [("csrf", self.csrf.as_str())].iter().chain(fields) {
            body.extend(
                format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .bytes(),
            );
        }
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend(head.bytes());
        body.extend(bytes);
        body.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
        let request = self
            .request(Method::POST, path)
            .header(header::ORIGIN, ORIGIN)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"));
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// A request with the cookies.
    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, cookies.join("; "))
            .header(header::ACCEPT_LANGUAGE, self.sprak)
            .header(ADRESSE, self.adresse.to_string())
    }

    pub(crate) async fn send(&mut self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(rest) = text.split("name=\"csrf\" value=\"").nth(1) {
            self.csrf = rest.split('"').next().unwrap().to_owned();
        }
        if parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
        {
            ids_are_sound(&text);
        }
        Answer { status: parts.status, headers: parts.headers, text }
    }
}

/// Who may open a page of Storevik that everybody with a rolle there sees, with the status for them.
pub(crate) const READERS: [(Hvem, u16); 6] = [
    (Hvem::Admin, 200),
    (Hvem::Protokoll, 200),
    (Hvem::Les, 200),
    (Hvem::Lillefjord, 404),
    (Hvem::Drift, 404),
    (Hvem::Uten, 404),
];

/// The same for a page of those who may change something.
pub(crate) const CHANGERS: [(Hvem, u16); 6] = [
    (Hvem::Admin, 200),
    (Hvem::Protokoll, 200),
    (Hvem::Les, 403),
    (Hvem::Lillefjord, 404),
    (Hvem::Drift, 404),
    (Hvem::Uten, 404),
];

/// Opens a page as each of them, and as somebody who is not logged in: they are asked to log in.
pub(crate) async fn opens(world: &World, path: &str, expected: [(Hvem, u16); 6]) {
    for (hvem, status) in expected {
        world.browser(hvem).await.get(path).await.is(status);
    }
    assert!(world.anonymous().get(path).await.location().starts_with("/logg-inn?retur="));
}

/// Script and labels find elements by their ids: each stands once, and what is named is there.
#[track_caller]
fn ids_are_sound(html: &str) {
    let values = |attribute: &str| {
        let start = format!(" {attribute}=\"");
        html.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut ids = BTreeSet::new();
    for id in values("id") {
        assert!(ids.insert(id.clone()), "two elements have the id «{id}»: {html}");
    }
    for attribute in ["for", "aria-labelledby", "aria-describedby", "commandfor", "data-dialog"] {
        for id in values(attribute).iter().flat_map(|value| value.split(' ')) {
            assert!(ids.contains(id), "{attribute} names «{id}», which is not there: {html}");
        }
    }
}
