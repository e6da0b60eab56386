use std::io;

/// Why a container or an encrypted payload could not be written or read.
///
/// The streams of this crate report these inside a [`std::io::Error`]; [`Error::from`] takes them out again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the caller passed in could not be read or written.
    #[error("read or write the underlying stream")]
    Io(#[source] io::Error),
    /// The input stops before its format says that it ends: it was cut off on its way.
    #[error("the input ends too early")]
    Truncated,
    /// The work was given up because the other end of a stream was dropped.
    #[error("the other end of the stream was dropped")]
    Cancelled,

    /// A private key cannot be used.
    #[error("use the private key: {0}")]
    PrivateKey(&'static str),
    /// A certificate cannot be used.
    #[error("use the certificate: {0}")]
    Certificate(&'static str),
    /// A PKCS#12 file cannot be opened: damaged, wrong password, or without a private key.
    #[error("open the PKCS#12 file: {0}")]
    Pkcs12(String),
    /// None of the certificates belongs to the private key.
    #[error("the private key belongs to none of the certificates")]
    KeyMismatch,
    /// Parts of a certificate's subject name different organisations.
    #[error("the certificate names both organisation {first} and {second}")]
    AmbiguousOrgnr {
        /// The number found first, nine digits.
        first: String,
        /// The number that disagrees with it, nine digits.
        second: String,
    },
    /// A certificate's organisation number has a wrong check digit.
    #[error("the certificate names organisation {0}, which is no valid organisation number")]
    InvalidOrgnr(String),

    /// A file name cannot stand in a container.
    #[error("file name {name:?} is not allowed: {reason}")]
    FileName {
        /// The name as given or read.
        name: String,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// Two files of one container have the same name.
    #[error("file name {0:?} occurs twice")]
    DuplicateFileName(String),
    /// A container must hold at least one file.
    #[error("the container holds no files")]
    NoFiles,

    /// The encrypted payload is not CMS EnvelopedData, or is damaged.
    #[error("the encrypted payload is malformed: {0}")]
    MalformedCms(&'static str),
    /// The payload is encrypted or signed with an algorithm that this crate does not know.
    #[error("algorithm {oid} is not supported for {purpose}")]
    UnsupportedAlgorithm {
        /// What the algorithm is for.
        purpose: &'static str,
        /// Object identifier in dotted form, or the URI.
        oid: String,
    },
    /// None of the private keys opens the payload, or the encrypted content was altered.
    ///
    /// These are deliberately not told apart: an answer that differs would help whoever tries to decrypt by
    /// sending altered copies.
    #[error("no private key opens the payload, or its content was altered")]
    Decryption,

    /// The input is not a zip archive that can be read as a stream, or is damaged.
    #[error("the container is malformed: {0}")]
    MalformedContainer(&'static str),
    /// The container has grown past one of the [`Limits`](crate::Limits).
    #[error("the container exceeds the limit for {limit}")]
    LimitExceeded {
        /// The field of [`Limits`](crate::Limits).
        limit: &'static str,
    },
    /// The manifest is not the XML that it should be.
    #[error("the manifest is malformed: {0}")]
    MalformedManifest(&'static str),
    /// The container has no manifest, so nothing in it is signed.
    #[error("the container has no manifest")]
    NoManifest,
    /// The manifest names no signature.
    #[error("the container is not signed")]
    Unsigned,
    /// A file in the container is not listed in a manifest, and so not signed.
    #[error("file {0:?} is not listed in the manifest")]
    UnlistedFile(String),
    /// The manifest lists a file, or names a signature, that is not in the container.
    #[error("the manifest lists {0:?}, which is not in the container")]
    MissingFile(String),
    /// A file's content is not the one that was signed.
    #[error("the content of file {0:?} differs from the signed one")]
    DigestMismatch(String),
    /// A signature is not valid for its manifest.
    #[error("the signature is not valid: {0}")]
    InvalidSignature(&'static str),

    /// A signer's certificate does not lead to a trusted one, or one on the way is not valid at the time asked for.
    #[error("the signer's certificate does not lead to a trusted one")]
    UntrustedSigner,

    /// The crypto library refused an operation that should not fail.
    #[error("run a cryptographic operation: {0}")]
    Crypto(&'static str),
}

impl From<io::Error> for Error {
    /// Takes out the [`Error`] that a stream of this crate wrapped, else keeps the error as [`Error::Io`].
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Error>) {
            let inner = error.into_inner().expect("get_ref just showed an inner error");
            return match inner.downcast::<Error>() {
                Ok(own) => *own,
                Err(other) => Error::Io(io::Error::other(other)),
            };
        }
        if error.kind() == io::ErrorKind::UnexpectedEof { Error::Truncated } else { Error::Io(error) }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            Error::Truncated => io::Error::new(io::ErrorKind::UnexpectedEof, Error::Truncated),
            Error::Cancelled => io::Error::new(io::ErrorKind::BrokenPipe, Error::Cancelled),
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }
}
