use std::fmt;
use std::time::Duration;

use domain::id::{DokumentId, FiksOrgId, IntegrasjonId, KontoId, MeldingId, PersonId, SystemId};
use domain::sending::SendRefusal;

use crate::dokument::DamagedDokument;
use crate::grense::Grense;
use crate::ports::{BrokerError, RegistryError, TokenError};
use crate::rule::Rule;

/// A source of whatever type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a use case did not do as asked. Each edge turns it into its own form in one place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The access token is no good, or cannot be judged now.
    #[error("failed to verify the access token")]
    Token(#[from] TokenError),
    /// Unknown integrasjon, wrong passord or other orgnummer; on purpose not told apart.
    #[error("login of the integrasjon was refused")]
    Login {
        /// The id that was given, whatever it was.
        integrasjon: String,
        /// The real reason, for the log alone.
        reason: &'static str,
    },
    /// The caller is known and may know of the thing, but not do this.
    #[error("{0}")]
    Forbidden(Forbidden),
    /// It does not exist, or the caller may not know that it does.
    #[error("{0} does not exist")]
    NotFound(Missing),
    /// The input breaks rules; every broken one is told.
    #[error("the input is not valid: {}", list(.0))]
    Invalid(Vec<FieldError>),
    /// It is there already, or somebody else changed it meanwhile.
    #[error("{what} already exists or was changed by somebody else")]
    Conflict {
        /// What it is about.
        what: &'static str,
    },
    /// The melding may not be sent.
    #[error("the melding was refused")]
    Refused(#[from] SendRefusal),
    /// The payload is larger than this installation takes.
    #[error("the payload has more than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// The payload did not arrive whole. Nothing was sent.
    #[error("the payload did not arrive whole")]
    Interrupted(#[source] BoxError),
    /// No room; worth a retry when there is.
    #[error("there is no room for more meldinger")]
    Full,
    /// The caller does too much at a time; worth a retry after a while.
    #[error("the limit {what} was reached; try again in {} s", retry_after.as_secs())]
    TooMany {
        /// When it is worth a retry.
        retry_after: Duration,
        /// The limit.
        what: Grense,
    },
    /// The server stops before what was sent would be here. Nothing was done; worth a retry at once it is back.
    #[error("the server stops; try again in {} s", retry_after.as_secs())]
    Stopping {
        /// When it is worth a retry.
        retry_after: Duration,
    },
    /// The caller has used up what it may keep here. Something of it must go, or the limit be raised, before a retry.
    #[error("the limit {what} of {limit} was reached")]
    QuotaFull {
        /// The limit.
        what: Grense,
        /// How much there may be.
        limit: u64,
    },
    /// The payload is not what was stored, and nobody can have it any more.
    #[error("the payload is damaged")]
    Damaged(#[source] Box<DamagedDokument>),
    /// A part of the installation is out; worth a retry.
    #[error("a part of the installation is not available")]
    Unavailable(#[source] BoxError),
    /// A bug or a broken installation.
    #[error("internal error")]
    Internal(#[source] BoxError),
}

fn list(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A field of the input that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// JSON name of the field.
    pub field: &'static str,
    /// The rule.
    pub rule: Rule,
}

impl FieldError {
    pub(crate) fn new(field: &'static str, rule: impl Into<Rule>) -> Self {
        Self { field, rule: rule.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.rule)
    }
}

/// What the caller may not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// It lacks FIKS.KONFIGURER: the System is another's, or konfigureresAvIntegrasjon is off.
    #[error("the integrasjon lacks the privilege FIKS.KONFIGURER on system {system}")]
    Konfigurer {
        /// The System.
        system: SystemId,
    },
    /// The Konto belongs to another System.
    #[error("konto {konto} belongs to another system")]
    ForeignKonto {
        /// The Konto.
        konto: KontoId,
    },
    /// It is neither sender nor receiver of the document.
    #[error("document {dokument} is for others")]
    ForeignDokument {
        /// The document.
        dokument: DokumentId,
    },
    /// Only a person with rights in the organisasjon, or the operator, may.
    #[error("only a person may do this")]
    PersonOnly,
    /// The person's rolle does not reach that far.
    #[error("the rolle of the person does not allow this")]
    Rolle,
}

/// What does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// An organisasjon.
    Organisasjon(FiksOrgId),
    /// A System.
    System(SystemId),
    /// An Integrasjon.
    Integrasjon(IntegrasjonId),
    /// A Konto.
    Konto(KontoId),
    /// The nøkkel of a Konto.
    Nokkel(KontoId),
    /// A tilgang.
    Tilgang(KontoId, SystemId),
    /// A forespørsel.
    Foresporsel(KontoId, SystemId),
    /// A Protokoll, or a version of it.
    Protokoll(String),
    /// A document.
    Dokument(DokumentId),
    /// A melding.
    Melding(MeldingId),
    /// A person with a rolle in the organisasjon.
    Person(PersonId),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organisasjon(id) => write!(f, "organisasjon {id}"),
            Self::System(id) => write!(f, "system {id}"),
            Self::Integrasjon(id) => write!(f, "integrasjon {id}"),
            Self::Konto(id) => write!(f, "konto {id}"),
            Self::Nokkel(id) => write!(f, "a public key for konto {id}"),
            Self::Tilgang(konto, system) => write!(f, "a tilgang of system {system} to konto {konto}"),
            Self::Foresporsel(konto, system) => {
                write!(f, "a forespørsel of system {system} for konto {konto}")
            }
            Self::Protokoll(navn) => write!(f, "protokoll {navn}"),
            Self::Dokument(id) => write!(f, "document {id}"),
            Self::Melding(id) => write!(f, "melding {id}"),
            Self::Person(id) => write!(f, "person {id}"),
        }
    }
}

impl From<Forbidden> for Error {
    fn from(forbidden: Forbidden) -> Self {
        Self::Forbidden(forbidden)
    }
}

impl From<Missing> for Error {
    fn from(missing: Missing) -> Self {
        Self::NotFound(missing)
    }
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Conflict { what } => Self::Conflict { what },
            RegistryError::Backend(_) => Self::Unavailable(Box::new(error)),
        }
    }
}

impl From<BrokerError> for Error {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::NoQueue { konto } => Missing::Konto(konto).into(),
            BrokerError::Full => Self::Full,
            // Whoever gave the bound knows it; see `App::send_melding`.
            BrokerError::NoRoom { .. } | BrokerError::NoRoomForSporing | BrokerError::ConsumerInUse(_) => {
                Self::Internal(Box::new(error))
            }
            BrokerError::NotAsked(_) | BrokerError::Unavailable(_) => Self::Unavailable(Box::new(error)),
        }
    }
}

impl From<DamagedDokument> for Error {
    fn from(damaged: DamagedDokument) -> Self {
        Self::Damaged(Box::new(damaged))
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}
