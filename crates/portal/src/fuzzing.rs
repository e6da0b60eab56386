//! Feeds the readers of forms and queries anything at all, for `tests/parsers` and the fuzz targets under `fuzz/`.

use crate::skjema::{Felter, read_urlencoded};

/// Reads `bytes` as a form and as a query.
pub fn read_skjema(bytes: &[u8]) {
    for felter in [read_urlencoded(bytes).ok(), std::str::from_utf8(bytes).ok().map(Felter::from_query)]
        .into_iter()
        .flatten()
    {
        drop(felter.text("navn"));
        drop(felter.all("part"));
    }
}
