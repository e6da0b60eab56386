//! Feeds the reader of tokens anything at all, for `tests/parsers` and the fuzz targets under `fuzz/`.

use jiff::Timestamp;

use crate::{Config, token};

/// Reads `bytes` as an access token, and judges its claims as if its signature were good.
pub fn read_token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let config = Config::new("https://test.maskinporten.no/");
    if let Ok(unverified) = token::parse(text, &config.algorithms) {
        let now = Timestamp::from_second(1_800_000_000).unwrap_or_default();
        drop(token::check(&unverified, &config, now));
    }
}
