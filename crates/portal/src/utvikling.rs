//! What the portal offers in development alone: keys, certificates and meldinger for trying things out. Who runs the
//! portal brings them; without them, and in any other environment, there is not a trace of them.

use app::{App, BoxError};
use async_trait::async_trait;
use domain::Orgnummer;
use domain::id::{IntegrasjonId, KontoId, MeldingId, SystemId};

/// A private key with its certificate, in every form that clients want. For development only.
#[derive(Clone)]
pub struct Nokkelpar {
    /// The certificate alone: what a Konto has as its public key.
    pub sertifikat_pem: String,
    /// The certificate and those above it.
    pub kjede_pem: String,
    /// The private key, PKCS#8.
    pub privat_pem: String,
    /// All of it as PKCS#12.
    pub p12: Vec<u8>,
    /// Password of that.
    pub p12_passord: String,
}

impl std::fmt::Debug for Nokkelpar {
    /// Without the private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nokkelpar").field("sertifikat_pem", &self.sertifikat_pem).finish_non_exhaustive()
    }
}

/// A client that can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Klient {
    /// The one that comes along, started from a terminal.
    Test,
    /// `fiks-io-klient-java`.
    Java,
    /// `KS.Fiks.IO.Client`.
    DotNet,
    /// `fiks-io-client`.
    Rust,
}

impl Klient {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Test, Self::Java, Self::DotNet, Self::Rust];
}

/// Who a client is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KlientFakta {
    /// Its Konto.
    pub konto: KontoId,
    /// The integrasjon that it logs in with.
    pub integrasjon: IntegrasjonId,
    /// Organisasjonsnummer of its virksomhetssertifikat.
    pub orgnummer: Orgnummer,
    /// Name of the organisasjon.
    pub organisasjon: String,
}

/// The configuration of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Konfigurasjon {
    /// Ready to paste.
    pub tekst: String,
    /// The integrasjonPassord stands in it. Otherwise there is a place for it.
    pub passord_kjent: bool,
}

/// A melding to try things out with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testmelding {
    /// Who sends it.
    pub fra: KontoId,
    /// Who receives it.
    pub til: KontoId,
    /// Its meldingstype.
    pub meldingstype: String,
    /// Whether it has a payload.
    pub har_payload: bool,
    /// Organisasjonsnummer of whoever signs the payload.
    pub orgnummer: Orgnummer,
    /// Name of that.
    pub organisasjon: String,
}

/// A person to log in as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testperson {
    /// The name.
    pub navn: String,
    /// What the person is for, in bokmål.
    pub beskrivelse: String,
    /// What tells the login provider who it is.
    pub hint: String,
}

/// What is there when `dev` has started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// The HTTP APIs without TLS.
    pub http: String,
    /// The HTTP APIs with TLS.
    pub https: Option<String>,
    /// Where meldinger are fetched.
    pub amqps: String,
    /// Where access tokens come from.
    pub token_endpoint: String,
    /// File with the root of the server's certificate.
    pub ca_pem: String,
    /// The same for Java.
    pub truststore: String,
    /// Password of that.
    pub truststore_passord: String,
    /// Folder of all data.
    pub mappe: String,
    /// Who can log in.
    pub personer: Vec<Testperson>,
    /// Systemer that were there from the start.
    pub ferdige_systemer: Vec<SystemId>,
}

/// The tools. Rights are checked by whoever calls.
#[async_trait]
pub trait Verktoy: Send + Sync {
    /// A new key pair for a Konto called `navn`.
    async fn lag_nokkelpar(&self, navn: &str) -> Result<Nokkelpar, BoxError>;

    /// Keeps the key pair that is now that of `konto`, where [`Verktoy::konfigurasjon`] says that it is. Answers the folder.
    async fn behold_nokkelpar(&self, konto: KontoId, nokkelpar: &Nokkelpar) -> Result<String, BoxError>;

    /// The virksomhetssertifikat of an organisasjonsnummer: made once, and kept.
    async fn virksomhetssertifikat(&self, orgnummer: Orgnummer, navn: &str) -> Result<Nokkelpar, BoxError>;

    /// How `klient` is told to be `fakta`.
    async fn konfigurasjon(&self, fakta: &KlientFakta, klient: Klient) -> Result<Konfigurasjon, BoxError>;

    /// Sends a melding as a client does: with a payload that is signed, and encrypted to the key of the receiver.
    ///
    /// # Errors
    /// What [`App::offentlig_nokkel`] and [`App::send_melding`] answer.
    async fn send_testmelding(&self, app: &App, testmelding: &Testmelding) -> Result<MeldingId, app::Error>;

    /// What is there.
    async fn start(&self) -> Result<Start, BoxError>;

    /// All that clients of the ready-made world must know, as JSON; `None` where there is no such world.
    async fn klient_json(&self) -> Result<Option<String>, BoxError>;
}
