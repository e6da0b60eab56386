//! The client itself: ties the parts together.

use std::fmt;
use std::sync::Arc;

use asice::{Certificate, PrivateKey, Signer};
use bytes::Bytes;
use wire::id::{FiksOrgId, KontoId, SystemId};
use wire::katalog::{KatalogKonto, KontoStatus, OffentligNokkel};
use wire::send::{SendMetadata, SendtMelding};

use crate::Secret;
use crate::ambient::Clock;
use crate::config::{AmqpEndpoint, Config, ConfigError, private_keys_of};
use crate::error::Error;
use crate::http::{self, Api};
use crate::katalog::Katalog;
use crate::konfigurasjon::Konfigurasjon;
use crate::maskinporten::{Token, Tokens};
use crate::receive::Meldinger;
use crate::request::{Content, MeldingRequest};
use crate::send::{self, Packing};
use crate::tls;

/// A client of Fiks IO and Fiks Protokoll, for one konto.
///
/// Cheap to clone; clones share connections, token and keys. Needs a Tokio runtime.
///
/// # Example: send a melding
///
/// ```no_run
/// use fiks_io_client::{FiksIoClient, MeldingRequest, Payload, Settings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = FiksIoClient::new(Settings::from_env()?.into_config()?)?;
/// let mottaker = "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1".parse()?;
/// let melding = MeldingRequest::new(mottaker, "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett")
///     .payload(Payload::file("arkivmelding.xml", "<arkivmelding/>"));
/// let sendt = client.send(melding).await?;
/// println!("sendte melding {}", sendt.melding_id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FiksIoClient {
    shared: Arc<Shared>,
    konto: Arc<Konto>,
}

/// What all kontoer of a system have in common.
struct Shared {
    api: Api,
    tokens: Arc<Tokens>,
    katalog: Katalog,
    signer: Option<Signer>,
    integrasjon_id: String,
    integrasjon_passord: Secret,
    amqp: AmqpEndpoint,
    tls: Arc<rustls::ClientConfig>,
    prefetch: u16,
    application_name: String,
}

struct Konto {
    id: KontoId,
    private_keys: Vec<PrivateKey>,
}

impl FiksIoClient {
    /// Sets the client up. Talks with nobody yet.
    ///
    /// # Errors
    /// [`ConfigError::Setup`] if TLS cannot be set up, as when a root certificate is unusable.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let tls = tls::client_config(config.extra_roots.clone())
            .map_err(|source| ConfigError::Setup { what: "TLS", source: Box::new(source) })?;
        let http = http::client(tls.clone())?;
        let clock = Clock::system();
        let tokens = Arc::new(Tokens::new(http.clone(), config.maskinporten.clone(), clock.clone()));
        let api = Api::new(http, &config, Arc::clone(&tokens))?;
        let shared = Shared {
            api,
            tokens,
            katalog: Katalog::new(clock),
            signer: config.signer,
            integrasjon_id: config.integrasjon_id.to_string(),
            integrasjon_passord: config.integrasjon_passord,
            amqp: config.amqp,
            tls: Arc::new(tls),
            prefetch: config.prefetch,
            application_name: config.application_name,
        };
        let konto = Konto { id: config.konto_id, private_keys: config.private_keys };
        Ok(Self { shared: Arc::new(shared), konto: Arc::new(konto) })
    }

    /// A client for another konto of the same system, sharing connections and token with this one. `private_keys` is
    /// PEM with all its private keys, or empty for a konto that only sends.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] or [`ConfigError::Key`] if a private key cannot be used.
    pub fn for_konto(&self, konto_id: KontoId, private_keys: &str) -> Result<Self, ConfigError> {
        let private_keys = if private_keys.trim().is_empty() {
            Vec::new()
        } else {
            private_keys_of("privateKeys", private_keys)?
        };
        Ok(Self { shared: Arc::clone(&self.shared), konto: Arc::new(Konto { id: konto_id, private_keys }) })
    }

    /// The konto that the client receives for and sends from.
    pub fn konto_id(&self) -> KontoId {
        self.konto.id
    }

    // ---- send ----

    /// Sends a melding. When this returns, the server has it on safe ground.
    ///
    /// Files are packed, signed and encrypted while they go out, so a payload of gigabytes needs no more memory than a
    /// small one.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason; [`Error::NoKey`], [`Error::UnusableKey`] or [`Error::NoSigner`] before
    /// anything is sent; [`Error::Payload`] if a file cannot be read or named; [`Error::TokenRefused`];
    /// [`Error::Connection`] or [`Error::Timeout`], after which it is unknown whether the server took the melding.
    pub async fn send(&self, melding: MeldingRequest) -> Result<SendtMelding, Error> {
        let metadata = melding.metadata(self.konto.id)?;
        let content = melding.payload.content;
        let packing = match &content {
            Content::Files(_) => Some(Packing {
                signer: self.shared.signer.clone().ok_or(Error::NoSigner)?,
                recipient: self
                    .shared
                    .katalog
                    .recipient(&self.shared.api, metadata.mottaker_konto_id)
                    .await?,
            }),
            Content::None | Content::Encrypted(_) => None,
        };
        send::send(&self.shared.api, &metadata, content, packing).await
    }

    /// Sends metadata as they are, with bytes that are packed and encrypted already, or with none.
    ///
    /// # Errors
    /// As [`FiksIoClient::send`], but for those about keys and files.
    ///
    /// # Example: the same payload to many, encrypted elsewhere
    ///
    /// ```no_run
    /// use fiks_io_client::wire::send::SendMetadata;
    ///
    /// # async fn example(client: fiks_io_client::FiksIoClient, data: bytes::Bytes) -> Result<(), Box<dyn std::error::Error>> {
    /// let metadata = SendMetadata {
    ///     avsender_konto_id: client.konto_id(),
    ///     mottaker_konto_id: "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1".parse()?,
    ///     melding_type: "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett".to_owned(),
    ///     svar_pa_melding: None,
    ///     ttl: None,
    ///     headere: None,
    /// };
    /// client.send_raw(&metadata, Some(data)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_raw(
        &self,
        metadata: &SendMetadata,
        data: Option<Bytes>,
    ) -> Result<SendtMelding, Error> {
        send::send_raw(&self.shared.api, metadata, data).await
    }

    // ---- receive ----

    /// Starts to receive, and says so at once if it cannot.
    ///
    /// Once started, it goes on for ever: see [`Meldinger`].
    ///
    /// # Errors
    /// [`Error::AmqpRefused`] or [`Error::TokenRefused`] if the credentials are wrong or the konto is not the
    /// system's; [`Error::Connection`] or [`Error::Timeout`] if there is no server.
    ///
    /// # Example: receive for ever
    ///
    /// ```no_run
    /// # async fn example(client: fiks_io_client::FiksIoClient) -> Result<(), fiks_io_client::Error> {
    /// let mut meldinger = client.receive().await?;
    /// loop {
    ///     match meldinger.next().await {
    ///         Ok(melding) => {
    ///             println!("{} fra {}", melding.melding_type, melding.avsender_konto_id);
    ///             if let Err(error) = melding.ack().await {
    ///                 // Its connection was lost: it will come again, with `redelivered`.
    ///                 eprintln!("{error}");
    ///             }
    ///         }
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn receive(&self) -> Result<Meldinger, Error> {
        Meldinger::connect(self.clone()).await
    }

    /// Starts to receive as soon as it can, trying for ever. Watch [`Meldinger::state`] for why it cannot.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn receive_when_possible(&self) -> Meldinger {
        Meldinger::start(self.clone(), None)
    }

    // ---- katalog ----

    /// Who is behind a konto.
    ///
    /// # Errors
    /// [`Error::UnknownKonto`]; else as any call: [`Error::Refused`], [`Error::TokenRefused`],
    /// [`Error::Connection`], [`Error::Timeout`] or [`Error::UnexpectedAnswer`].
    pub async fn konto(&self, konto: KontoId) -> Result<KatalogKonto, Error> {
        Katalog::konto(&self.shared.api, konto).await
    }

    /// How a konto stands right now: whether it can be sent to, and whether anyone receives.
    ///
    /// # Errors
    /// As [`FiksIoClient::konto`].
    pub async fn konto_status(&self, konto: KontoId) -> Result<KontoStatus, Error> {
        Katalog::status(&self.shared.api, konto).await
    }

    /// The public key of a konto. The last hundred are kept for ten minutes.
    ///
    /// # Errors
    /// [`Error::NoKey`] if it has none, or there is no such konto; [`Error::UnusableKey`]; else as
    /// [`FiksIoClient::konto`].
    pub async fn offentlig_nokkel(&self, konto: KontoId) -> Result<OffentligNokkel, Error> {
        self.shared.katalog.offentlig_nokkel(&self.shared.api, konto).await
    }

    /// Sets the public key of the client's own konto: an X.509 certificate, PEM. The system must have
    /// `konfigureresAvIntegrasjon` switched on.
    ///
    /// # Errors
    /// [`Error::Config`] if it belongs to none of the client's private keys, so that nothing encrypted to it could be
    /// read; [`Error::Payload`] if it is no certificate; else as [`FiksIoClient::konto`].
    pub async fn set_offentlig_nokkel(&self, pem: &str) -> Result<OffentligNokkel, Error> {
        let certificate = Certificate::from_pem(pem)?;
        if !self.konto.private_keys.iter().any(|key| key.matches(&certificate)) {
            let source = asice::Error::KeyMismatch;
            return Err(ConfigError::Key { key: "privateKeys", source }.into());
        }
        self.shared.katalog.set_offentlig_nokkel(&self.shared.api, self.konto.id, pem).await
    }

    /// As [`FiksIoClient::set_offentlig_nokkel`], unless the katalog shows this very certificate already. Whether it
    /// was set now. Meant to be called at every start.
    ///
    /// # Errors
    /// As [`FiksIoClient::set_offentlig_nokkel`].
    pub async fn ensure_offentlig_nokkel(&self, pem: &str) -> Result<bool, Error> {
        let certificate = Certificate::from_pem(pem)?;
        if Katalog::shows(&self.shared.api, self.konto.id, &certificate).await? {
            return Ok(false);
        }
        self.set_offentlig_nokkel(pem).await.map(|_| true)
    }

    /// The konfigurasjon API for the integrasjon's own system.
    pub fn konfigurasjon(&self, fiks_org: FiksOrgId, system: SystemId) -> Konfigurasjon {
        Konfigurasjon::new(self.shared.api.clone(), fiks_org, system)
    }

    /// Asks Maskinporten for a token unless one is at hand, to see early whether that works.
    ///
    /// # Errors
    /// [`Error::TokenRefused`], [`Error::TokenRequest`], [`Error::Connection`], [`Error::Timeout`] or
    /// [`Error::UnexpectedAnswer`].
    pub async fn check_token(&self) -> Result<(), Error> {
        self.token().await.map(drop)
    }

    /// An access token, for calls to the APIs that this client has no method for. Good for at least ten seconds.
    ///
    /// # Errors
    /// As [`FiksIoClient::check_token`].
    pub async fn access_token(&self) -> Result<crate::Secret, Error> {
        self.token().await.map(|token| crate::Secret::from(token.to_string()))
    }

    // ---- for the other parts ----

    pub(crate) async fn token(&self) -> Result<Token, Error> {
        self.shared.tokens.token().await
    }

    pub(crate) fn forget_token(&self) {
        self.shared.tokens.forget();
    }

    pub(crate) fn api(&self) -> &Api {
        &self.shared.api
    }

    pub(crate) fn private_keys(&self) -> &[PrivateKey] {
        &self.konto.private_keys
    }

    pub(crate) fn amqp(&self) -> &AmqpEndpoint {
        &self.shared.amqp
    }

    pub(crate) fn tls(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.shared.tls)
    }

    pub(crate) fn prefetch(&self) -> u16 {
        self.shared.prefetch
    }

    pub(crate) fn application_name(&self) -> &str {
        &self.shared.application_name
    }

    /// User and password of the AMQP log-in as SASL PLAIN has them: the password is the integrasjon's, a space, and a
    /// token.
    pub(crate) fn sasl_response(&self, token: &str) -> String {
        format!("\0{}\0{} {token}", self.shared.integrasjon_id, self.shared.integrasjon_passord.expose())
    }
}

impl fmt::Debug for FiksIoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiksIoClient")
            .field("konto_id", &self.konto.id)
            .field("private_keys", &self.konto.private_keys.len())
            .field("integrasjon_id", &self.shared.integrasjon_id)
            .field("amqp", &self.shared.amqp)
            .finish_non_exhaustive()
    }
}
