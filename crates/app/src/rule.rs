use domain::tekst::TekstError;
use jiff::Timestamp;

/// A rule that a field of the input breaks. The text fits after the field's name: `has more than 200 characters`. Edges
/// say it in the words of their users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// A rule of names, descriptions and addresses.
    #[error(transparent)]
    Tekst(#[from] TekstError),
    /// A rule of uploaded certificates.
    #[error(transparent)]
    Sertifikat(#[from] SertifikatRule),
    /// An organisasjonsnummer.
    #[error("must have nine digits")]
    NineDigits,
    /// A fødselsnummer or D-nummer.
    #[error("must have eleven digits")]
    ElevenDigits,
    /// A language.
    #[error("must be nb, nn or en")]
    UnknownSprak,
    /// A time that must not be over.
    #[error("is in the past")]
    InThePast,
    /// A time that is too far off.
    #[error("must be before {latest}")]
    TooFarOff {
        /// The latest there may be.
        latest: Timestamp,
    },
    /// Its length in characters.
    #[error("must have between {min} and {max} characters")]
    Length {
        /// Least.
        min: usize,
        /// Greatest.
        max: usize,
    },
    /// How many there are in a list.
    #[error("may have at most {max} entries")]
    TooMany {
        /// Greatest.
        max: usize,
    },
    /// A time in milliseconds.
    #[error("must be between {min_ms} and {max_ms} milliseconds")]
    Milliseconds {
        /// Least.
        min_ms: u128,
        /// Greatest.
        max_ms: u128,
    },
    /// The sender's own headers in all.
    #[error("may have at most {max_bytes} bytes in all, with {each} for each beside its name and its value")]
    HeadersTooLarge {
        /// Greatest number of bytes.
        max_bytes: usize,
        /// What each counts beside its name and its value. Bytes.
        each: usize,
    },
    /// The name of one of the sender's own headers.
    #[error("must have names of between 1 and {max_bytes} bytes")]
    HeaderName {
        /// Greatest number of bytes.
        max_bytes: usize,
    },
    /// No Part at all.
    #[error("must have at least one part")]
    NoPart,
    /// A Protokoll that does not exist.
    #[error("names the unknown protokoll {navn}")]
    UnknownProtokoll {
        /// Its name.
        navn: String,
    },
    /// A version that does not exist.
    #[error("names the unknown version {versjon}")]
    UnknownVersjon {
        /// The version.
        versjon: String,
    },
    /// A version that may not be used.
    #[error("names version {versjon}, which is not in use")]
    VersjonNotInUse {
        /// The version.
        versjon: String,
    },
    /// A Part that the version does not have.
    #[error("names the unknown part {navn} (version {versjon} has {})", known.join(", "))]
    UnknownPart {
        /// Its name.
        navn: String,
        /// The version.
        versjon: String,
        /// The parts that it has.
        known: Vec<String>,
    },
    /// A Part that stands twice.
    #[error("names {navn} of {versjon} twice")]
    PartTwice {
        /// Its name.
        navn: String,
        /// The version.
        versjon: String,
    },
}

/// A rule that an uploaded certificate breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SertifikatRule {
    /// The upload is larger than any certificate.
    #[error("may have at most {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// A private key came along. It was not stored.
    #[error("holds a private key, which was not stored; send the certificate alone")]
    PrivateKey,
    /// No PEM.
    #[error("is not PEM")]
    NotPem,
    /// PEM of something else, such as a bare public key.
    #[error("must be an X.509 certificate in PEM (BEGIN CERTIFICATE)")]
    NotCertificate,
    /// More than one.
    #[error("holds several certificates; send one")]
    Several,
    /// What stands in the PEM cannot be read.
    #[error("is not an X.509 certificate")]
    NotX509,
    /// Something follows the certificate in its PEM.
    #[error("has bytes after the certificate")]
    TrailingBytes,
    /// A key that meldinger cannot be encrypted to.
    #[error("must have an RSA key of at least {min_bits} bits")]
    Key {
        /// Smallest modulus.
        min_bits: usize,
    },
    /// Its time is over.
    #[error("expired {gyldig_til}")]
    Expired {
        /// When.
        gyldig_til: Timestamp,
    },
    /// Its time has not come.
    #[error("is not valid before {gyldig_fra}")]
    NotYetValid {
        /// When it comes.
        gyldig_fra: Timestamp,
    },
}
