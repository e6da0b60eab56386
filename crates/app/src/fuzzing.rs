//! Feeds what people upload, to the parsers that read it: for `tests/parsers` and the fuzz targets under `fuzz/`.

use jiff::Timestamp;

use crate::konto;

/// Reads `bytes` as an uploaded certificate, in a time when those of the seeds are valid.
pub fn read_sertifikat(bytes: &[u8]) {
    drop(konto::check_sertifikat(bytes, Timestamp::from_second(1_800_000_000).unwrap_or_default()));
}
