//! Every parser of bytes from outside: a way in for fuzzers, and seeds to start from.
//!
//! A fuzz target under `fuzz/` is one line on top of [`read`]; the test of this crate replays seeds and mutations of them
//! without a fuzzer, so that each change runs them.

pub mod mutate;
mod seeds;

use std::io::{Cursor, Read as _};

use asice::{
    AsiceReader, Certificate, ContentCheck, DecryptingReader, Limits, PrivateKey, ReadOptions,
    RecipientCertificate,
};

pub use seeds::seeds;

/// A parser of bytes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One AMQP connection, from its first octet on. The first byte says in what pieces the rest arrives.
    Amqp,
    /// The form of a melding. The first byte says in what pieces the rest arrives.
    Multipart,
    /// The body of each operation that takes JSON.
    Json,
    /// An access token.
    Token,
    /// An uploaded certificate: PEM and X.509.
    Sertifikat,
    /// A container of a melding: zip, manifest and signature.
    Asice,
    /// An encrypted container: BER and CMS.
    Cms,
    /// A form of the portal.
    Skjema,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Amqp,
        Self::Multipart,
        Self::Json,
        Self::Token,
        Self::Sertifikat,
        Self::Asice,
        Self::Cms,
        Self::Skjema,
    ];

    /// Its name, as under `fuzz/fuzz_targets`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amqp => "amqp",
            Self::Multipart => "multipart",
            Self::Json => "json",
            Self::Token => "token",
            Self::Sertifikat => "sertifikat",
            Self::Asice => "asice",
            Self::Cms => "cms",
            Self::Skjema => "skjema",
        }
    }
}

/// What the containers of a fuzzer may unpack to: small enough that each takes no time.
fn limits() -> Limits {
    Limits { max_files: 100, max_file_bytes: 1 << 20, max_total_bytes: 1 << 20, ..Limits::default() }
}

/// Feeds `bytes` to a parser. What it makes of them does not matter, only that it comes back.
///
/// # Panics
/// When the parser does, or breaks a promise of its own.
pub fn read(target: Target, bytes: &[u8]) {
    match target {
        Target::Amqp => {
            if let Some((piece, bytes)) = bytes.split_first() {
                amqp::fuzzing::feed(bytes, usize::from(*piece) + 1);
            }
        }
        Target::Multipart => {
            if let Some((piece, bytes)) = bytes.split_first() {
                api::fuzzing::read_form(bytes, usize::from(*piece));
            }
        }
        Target::Json => api::fuzzing::read_json(bytes),
        Target::Token => maskinporten::fuzzing::read_token(bytes),
        Target::Sertifikat => {
            app::fuzzing::read_sertifikat(bytes);
            if let Ok(text) = std::str::from_utf8(bytes) {
                drop(Certificate::all_from_pem(text));
                drop(PrivateKey::from_pem(text));
            }
            drop(RecipientCertificate::from_der(bytes));
        }
        Target::Asice => {
            for require_signature in [true, false] {
                let options = ReadOptions { limits: limits(), require_signature };
                drop(AsiceReader::new(Cursor::new(bytes), options).read_to_memory(1 << 20));
            }
        }
        Target::Cms => {
            let keys = seeds::keys();
            if let Ok(mut reader) = DecryptingReader::new(Cursor::new(bytes), &keys, ContentCheck::Anything) {
                let mut plain = Vec::new();
                drop(reader.by_ref().take(1 << 20).read_to_end(&mut plain));
            }
        }
        Target::Skjema => portal::fuzzing::read_skjema(bytes),
    }
}
