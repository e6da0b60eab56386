use async_trait::async_trait;
use jiff::Timestamp;

/// A part of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Del {
    /// The registry's database.
    Database,
    /// The queues.
    Meldingsko,
    /// Where large payloads lie.
    Dokumentlager,
    /// Whether the registry knows what the queues and Dokumentlager hold.
    Samsvar,
    /// Where people log in.
    Innlogging,
    /// The keys that access tokens are judged by.
    MaskinportenNokler,
    /// What sends e-mail.
    Epost,
    /// The certificate of the listeners.
    TlsSertifikat,
    /// Room on the disk.
    Lagringsplass,
}

impl Del {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Database,
        Self::Meldingsko,
        Self::Dokumentlager,
        Self::Samsvar,
        Self::Innlogging,
        Self::MaskinportenNokler,
        Self::Epost,
        Self::TlsSertifikat,
        Self::Lagringsplass,
    ];

    /// Its name in reports and in keys of texts.
    pub fn navn(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Meldingsko => "meldingsko",
            Self::Dokumentlager => "dokumentlager",
            Self::Samsvar => "samsvar",
            Self::Innlogging => "innlogging",
            Self::MaskinportenNokler => "maskinporten-nokler",
            Self::Epost => "epost",
            Self::TlsSertifikat => "tls-sertifikat",
            Self::Lagringsplass => "lagringsplass",
        }
    }

    /// Whether nothing can be sent or received without it.
    pub fn is_needed(self) -> bool {
        matches!(
            self,
            Self::Database
                | Self::Meldingsko
                | Self::Dokumentlager
                | Self::Lagringsplass
                | Self::TlsSertifikat
        )
    }
}

/// How a part is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deltilstand {
    /// «I orden».
    IOrden,
    /// «Redusert»: it works, but somebody should look at it.
    Redusert,
    /// «Nede».
    Nede,
    /// «Ukjent»: not looked at yet, or not set up.
    Ukjent,
}

/// What a check found, for the one sentence that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Funn {
    /// It was not looked at yet.
    IkkeSjekket,
    /// This installation has none.
    IkkeSattOpp,
    /// It answers.
    Svarer,
    /// It does not answer, or says that it cannot do its work; the log says why.
    SvarerIkke,
    /// A certificate ends then.
    GyldigTil(Timestamp),
    /// A certificate is not valid before then.
    GyldigFra(Timestamp),
    /// It answers, and holds what uploads have left that never ended.
    Uferdige {
        /// How many.
        antall: u64,
        /// Bytes that they take.
        bytes: u64,
    },
    /// The registry knows all that the queues and Dokumentlager hold.
    Samsvarer,
    /// The registry does not know all of it. What it does not know is set aside, and nothing of it is removed.
    UkjentForRegisteret {
        /// The registry has been further than it is now.
        eldre: bool,
        /// Kontoer with something in their queues.
        kontoer: u64,
        /// Meldinger of those, dead letters included.
        meldinger: u64,
        /// Dokumenter that meldinger name.
        dokumenter: u64,
    },
    /// So much is free.
    Ledig {
        /// Bytes that are free.
        ledig_bytes: u64,
        /// Bytes below which meldinger are refused.
        minst_bytes: u64,
    },
}

impl Funn {
    /// Its name in reports and in keys of texts.
    pub fn navn(self) -> &'static str {
        match self {
            Self::IkkeSjekket => "ikke-sjekket",
            Self::IkkeSattOpp => "ikke-satt-opp",
            Self::Svarer => "svarer",
            Self::SvarerIkke => "svarer-ikke",
            Self::Uferdige { .. } => "uferdige",
            Self::Samsvarer => "samsvarer",
            Self::UkjentForRegisteret { eldre: false, .. } => "ukjent-for-registeret",
            Self::UkjentForRegisteret { eldre: true, .. } => "eldre-register",
            Self::GyldigTil(_) => "gyldig-til",
            Self::GyldigFra(_) => "gyldig-fra",
            Self::Ledig { .. } => "ledig",
        }
    }
}

/// The state of a part, and why it is that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Helse {
    /// The state.
    pub tilstand: Deltilstand,
    /// Why.
    pub funn: Funn,
}

impl Helse {
    /// Not set up here.
    pub const IKKE_SATT_OPP: Self = Self { tilstand: Deltilstand::Ukjent, funn: Funn::IkkeSattOpp };
    /// In order.
    pub const SVARER: Self = Self { tilstand: Deltilstand::IOrden, funn: Funn::Svarer };
    /// Down.
    pub const SVARER_IKKE: Self = Self { tilstand: Deltilstand::Nede, funn: Funn::SvarerIkke };
}

/// Looks after one part. Whoever asks limits the time; a check that is broken off leaves nothing behind.
#[async_trait]
pub trait HealthCheck: Send + Sync + 'static {
    /// Which part.
    fn del(&self) -> Del;

    /// Looks at it. Logs why it is down, without secrets.
    async fn check(&self, now: Timestamp) -> Helse;
}
