//! A melding that was received.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use asice::{ReadOptions, Unpacked};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use reqwest::{Method, Response};
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;
use uuid::Uuid;
use wire::headers::{KLIENT_KORRELASJON_ID, KLIENT_KORRELASJONS_ID, KLIENT_MELDING_ID};
use wire::id::{DokumentId, KontoId, MeldingId};
use wire::meldingstype::KVITTERING_PREFIX;
use wire::send::SendtMelding;

use crate::FiksIoClient;
use crate::error::{Error, Peer};
use crate::headers::Headers;
use crate::receive::Settlement;
use crate::request::{MeldingRequest, Payload};

/// How long a download may stand still.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// The encrypted payload of a melding, as bytes to be read.
pub type EncryptedPayload = Pin<Box<dyn AsyncRead + Send>>;

/// A melding that was received.
///
/// It must be settled with one of [`ack`](Self::ack), [`nack`](Self::nack) and
/// [`nack_with_requeue`](Self::nack_with_requeue); until then it takes one of the places of the configuration's
/// `prefetch`. Dropped without, it comes again when the connection ends, which counts as a failed try.
///
/// # Example: read, answer, ack
///
/// ```no_run
/// use fiks_io_client::{MottattMelding, Payload};
///
/// # async fn example(melding: MottattMelding) -> Result<(), Box<dyn std::error::Error>> {
/// if melding.has_payload() {
///     let payload = melding.dekrypter().await?.read_to_memory(10 << 20).await?;
///     for file in &payload.files {
///         println!("{}: {} byte", file.name, file.content.len());
///     }
/// }
/// melding.svar("no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett.mottatt", Payload::none()).await?;
/// melding.ack().await?;
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
pub struct MottattMelding {
    /// Id that the server gave it.
    pub melding_id: MeldingId,
    /// The meldingstype.
    pub melding_type: String,
    /// Who sent it. Of a kvittering of the platform: who should have received the original.
    pub avsender_konto_id: KontoId,
    /// Who receives it: the client's own konto.
    pub mottaker_konto_id: KontoId,
    /// The melding that it answers.
    pub svar_pa_melding: Option<MeldingId>,
    /// Of a kvittering of the platform: the type of the melding that it answers.
    pub svar_pa_melding_type: Option<String>,
    /// How long it was to live when it was sent; the server counts nothing off.
    pub ttl: Option<Duration>,
    /// It has been delivered before, to this client or another, and not been settled.
    pub redelivered: bool,
    /// Where its payload lies, if that was too large for the queue.
    pub dokumentlager_id: Option<DokumentId>,
    /// The sender's own headers, names without prefix.
    pub headere: BTreeMap<String, String>,
    body: Bytes,
    client: FiksIoClient,
    settlement: Settlement,
}

impl MottattMelding {
    pub(crate) fn new(
        headers: Headers,
        redelivered: bool,
        body: Bytes,
        client: FiksIoClient,
        settlement: Settlement,
    ) -> Self {
        Self {
            melding_id: headers.melding_id,
            melding_type: headers.melding_type,
            avsender_konto_id: headers.avsender_konto_id,
            mottaker_konto_id: headers.mottaker_konto_id,
            svar_pa_melding: headers.svar_pa_melding,
            svar_pa_melding_type: headers.svar_pa_melding_type,
            ttl: headers.ttl,
            redelivered,
            dokumentlager_id: headers.dokumentlager_id,
            headere: headers.headere,
            body,
            client,
            settlement,
        }
    }

    /// The sender's own id for it, if it is a UUID.
    pub fn klient_melding_id(&self) -> Option<Uuid> {
        self.headere.get(KLIENT_MELDING_ID)?.parse().ok()
    }

    /// The text that follows the conversation.
    pub fn klient_korrelasjons_id(&self) -> Option<&str> {
        self.headere
            .get(KLIENT_KORRELASJONS_ID)
            .or_else(|| self.headere.get(KLIENT_KORRELASJON_ID))
            .map(String::as_str)
    }

    /// Whether the platform itself made it: a tidsavbrudd or serverfeil. Such a melding has no payload and cannot be
    /// answered. See [`wire::meldingstype`](crate::wire::meldingstype).
    pub fn is_kvittering_of_platform(&self) -> bool {
        self.melding_type.starts_with(KVITTERING_PREFIX)
    }

    /// Whether it carries anything.
    pub fn has_payload(&self) -> bool {
        self.dokumentlager_id.is_some() || !self.body.is_empty()
    }

    /// The payload as it was sent, encrypted. May be called again: a large payload is then fetched again.
    ///
    /// # Errors
    /// [`Error::NoPayload`]; of a payload in Dokumentlager also [`Error::Refused`], [`Error::TokenRefused`] or
    /// [`Error::Connection`]. A download that breaks off is an error of the reader.
    pub async fn encrypted(&self) -> Result<EncryptedPayload, Error> {
        match self.dokumentlager_id {
            Some(dokument) => self.download(dokument).await,
            None if self.body.is_empty() => Err(Error::NoPayload(self.melding_id)),
            None => Ok(Box::pin(io::Cursor::new(self.body.clone()))),
        }
    }

    /// Decrypts the payload with whichever of the client's private keys fits, and reads the container in it.
    ///
    /// The files can be read while they arrive, but are **not verified** before
    /// [`Unpacked::finish`] or [`Unpacked::read_to_memory`] has returned; these also tell who signed.
    /// May be called again.
    ///
    /// # Errors
    /// [`Error::NoPrivateKey`], and as [`MottattMelding::encrypted`]. What is wrong with the payload itself is
    /// reported by [`Unpacked`].
    pub async fn dekrypter(&self) -> Result<Unpacked, Error> {
        self.dekrypter_with(ReadOptions::default()).await
    }

    /// As [`MottattMelding::dekrypter`], with other limits or with unsigned containers allowed.
    ///
    /// # Errors
    /// As [`MottattMelding::dekrypter`].
    pub async fn dekrypter_with(&self, options: ReadOptions) -> Result<Unpacked, Error> {
        let keys = self.client.private_keys();
        if keys.is_empty() {
            return Err(Error::NoPrivateKey);
        }
        Ok(asice::unpack_encrypted(self.encrypted().await?, keys.to_vec(), options))
    }

    async fn download(&self, dokument: DokumentId) -> Result<EncryptedPayload, Error> {
        let api = self.client.api();
        let request =
            api.request(Method::GET, &["dokumentlager", "nedlasting", &dokument.to_string()]).await?;
        let answer = tokio::time::timeout(IDLE_TIMEOUT, api.execute(request)).await;
        let response = answer.map_err(|_| Error::Timeout { peer: Peer::Api, waited: IDLE_TIMEOUT })??;
        Ok(Box::pin(StreamReader::new(Box::pin(pieces(response)))))
    }

    /// A melding that answers this one, to be sent with [`FiksIoClient::send`]. It goes to the sender and carries on
    /// the conversation's `klientKorrelasjonsId`.
    pub fn svar_request(&self, melding_type: impl Into<String>) -> MeldingRequest {
        let request = MeldingRequest::new(self.avsender_konto_id, melding_type).svar_pa(self.melding_id);
        match self.klient_korrelasjons_id() {
            Some(id) => request.klient_korrelasjons_id(id),
            None => request,
        }
    }

    /// Answers this melding. Settles nothing.
    ///
    /// # Errors
    /// As [`FiksIoClient::send`].
    pub async fn svar(
        &self,
        melding_type: impl Into<String>,
        payload: Payload,
    ) -> Result<SendtMelding, Error> {
        self.client.send(self.svar_request(melding_type).payload(payload)).await
    }

    /// Says that the melding is dealt with. It never comes again.
    ///
    /// # Errors
    /// [`Error::Stale`] if its connection is gone, so that it will come again; or [`Error::AlreadySettled`].
    pub async fn ack(&self) -> Result<(), Error> {
        self.settlement.ack(self.melding_id).await
    }

    /// Throws the melding away. The sender is told nothing: send a svar that says what is wrong, where the protocol
    /// has one.
    ///
    /// # Errors
    /// As [`MottattMelding::ack`].
    pub async fn nack(&self) -> Result<(), Error> {
        self.settlement.nack(self.melding_id, false).await
    }

    /// Gives the melding back, to come again. After the third time the sender gets a serverfeil instead.
    ///
    /// # Errors
    /// As [`MottattMelding::ack`].
    pub async fn nack_with_requeue(&self) -> Result<(), Error> {
        self.settlement.nack(self.melding_id, true).await
    }
}

impl fmt::Debug for MottattMelding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MottattMelding")
            .field("melding_id", &self.melding_id)
            .field("melding_type", &self.melding_type)
            .field("avsender_konto_id", &self.avsender_konto_id)
            .field("mottaker_konto_id", &self.mottaker_konto_id)
            .field("svar_pa_melding", &self.svar_pa_melding)
            .field("redelivered", &self.redelivered)
            .field("dokumentlager_id", &self.dokumentlager_id)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The pieces of a download; one that stands still for too long is an error.
fn pieces(response: Response) -> impl Stream<Item = io::Result<Bytes>> + Send {
    futures::stream::unfold(Some(response.bytes_stream().boxed()), |stream| async move {
        let mut stream = stream?;
        match tokio::time::timeout(IDLE_TIMEOUT, stream.next()).await {
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(stream))),
            Ok(Some(Err(error))) => Some((Err(io::Error::other(error.without_url())), None)),
            Ok(None) => None,
            Err(_) => {
                let error = io::Error::new(io::ErrorKind::TimedOut, "the download stands still");
                Some((Err(error), None))
            }
        }
    })
}
