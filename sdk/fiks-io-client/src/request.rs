//! What is to be sent.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use asice::FileSource;
use bytes::Bytes;
use uuid::Uuid;
use wire::headers::{KLIENT_KORRELASJON_ID, KLIENT_KORRELASJONS_ID, KLIENT_MELDING_ID};
use wire::id::{KontoId, MeldingId};
use wire::send::SendMetadata;

use crate::error::Error;

/// What a melding carries: files, which are packed, signed and encrypted while they are sent; or nothing.
///
/// # Example: a text, a file of any size, and what is in memory
///
/// ```no_run
/// use fiks_io_client::{FileSource, Payload};
///
/// # async fn example() -> std::io::Result<()> {
/// let drawing = tokio::fs::File::open("tegning.pdf").await?;
/// let payload = Payload::file("arkivmelding.xml", "<arkivmelding/>")
///     .and_file("bilde.png", vec![0x89, 0x50, 0x4e, 0x47])
///     .and(FileSource::new("tegning.pdf", drawing));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Payload {
    pub(crate) content: Content,
}

#[derive(Default)]
pub(crate) enum Content {
    #[default]
    None,
    Files(Vec<FileSource>),
    Encrypted(Bytes),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Files(files) => f.debug_list().entries(files.iter().map(FileSource::name)).finish(),
            Self::Encrypted(bytes) => write!(f, "Encrypted({} bytes)", bytes.len()),
        }
    }
}

impl Payload {
    /// Nothing: the melding is its headers only.
    pub fn none() -> Self {
        Self::default()
    }

    /// One file that is in memory.
    pub fn file(name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        Self::none().and_file(name, content)
    }

    /// Files of any size, read while they are sent.
    pub fn files(files: Vec<FileSource>) -> Self {
        let content = if files.is_empty() { Content::None } else { Content::Files(files) };
        Self { content }
    }

    /// Bytes that are packed and encrypted to the receiver already.
    pub fn encrypted(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { content: if bytes.is_empty() { Content::None } else { Content::Encrypted(bytes) } }
    }

    /// With one more file that is in memory.
    #[must_use]
    pub fn and_file(self, name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        self.and(FileSource::from_bytes(name, content))
    }

    /// With one more file of any size, read while it is sent. Replaces bytes of [`Payload::encrypted`].
    #[must_use]
    pub fn and(mut self, file: FileSource) -> Self {
        match &mut self.content {
            Content::Files(files) => files.push(file),
            other => *other = Content::Files(vec![file]),
        }
        self
    }

    /// Whether it carries nothing.
    pub fn is_none(&self) -> bool {
        matches!(self.content, Content::None)
    }
}

/// A melding to be sent with [`FiksIoClient::send`](crate::FiksIoClient::send).
///
/// # Example: a melding with all that can be said of it
///
/// ```
/// use std::time::Duration;
/// use fiks_io_client::{MeldingRequest, Payload};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mottaker = "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1".parse()?;
/// let melding = MeldingRequest::new(mottaker, "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett")
///     .payload(Payload::file("arkivmelding.xml", "<arkivmelding/>"))
///     .ttl(Duration::from_secs(3600))
///     .klient_melding_id("0f6d0ac9-6f0e-4b0c-a1c1-7f7f3e1f9a55".parse()?)
///     .klient_korrelasjons_id("sak 2026/17")
///     .header("system", "Mitt fagsystem");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a melding is only sent by the client"]
pub struct MeldingRequest {
    pub(crate) mottaker_konto_id: KontoId,
    pub(crate) melding_type: String,
    pub(crate) svar_pa_melding: Option<MeldingId>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) headere: BTreeMap<String, String>,
    pub(crate) payload: Payload,
}

impl MeldingRequest {
    /// A melding without payload.
    pub fn new(mottaker: KontoId, melding_type: impl Into<String>) -> Self {
        Self {
            mottaker_konto_id: mottaker,
            melding_type: melding_type.into(),
            svar_pa_melding: None,
            ttl: None,
            headere: BTreeMap::new(),
            payload: Payload::none(),
        }
    }

    /// What it carries.
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// The melding that it answers.
    pub fn svar_pa(mut self, melding: MeldingId) -> Self {
        self.svar_pa_melding = Some(melding);
        self
    }

    /// How long it lives, at least a second, counted in milliseconds. Default: what the server says, seven days.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The sender's own id for it. The same id on a second try lets the receiver see that it is one.
    pub fn klient_melding_id(self, id: Uuid) -> Self {
        self.header(KLIENT_MELDING_ID, id.hyphenated().to_string())
    }

    /// Free text that follows a conversation; the platform copies it to its kvitteringer.
    ///
    /// It goes out under both its names, since the official Java client reads only the old one up to version 3.5.0
    /// (observed in its `MottattMelding`).
    pub fn klient_korrelasjons_id(self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.header(KLIENT_KORRELASJONS_ID, id.clone()).header(KLIENT_KORRELASJON_ID, id)
    }

    /// A header of the sender's own. The receiver gets it by the same name.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headere.insert(name.into(), value.into());
        self
    }

    /// The metadata as the wire has it.
    pub(crate) fn metadata(&self, avsender: KontoId) -> Result<SendMetadata, Error> {
        let ttl = self
            .ttl
            .map(|ttl| i64::try_from(ttl.as_millis()))
            .transpose()
            .map_err(|_| Error::InvalidMelding("its ttl is too long"))?;
        Ok(SendMetadata {
            avsender_konto_id: avsender,
            mottaker_konto_id: self.mottaker_konto_id,
            melding_type: self.melding_type.clone(),
            svar_pa_melding: self.svar_pa_melding,
            ttl,
            headere: Some(self.headere.clone()),
        })
    }
}
