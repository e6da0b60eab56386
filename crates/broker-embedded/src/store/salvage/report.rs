//! The list of what could not be saved.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use wire::id::KontoId;

use super::SavedKonto;
use crate::store::folder::sync_folder_of;

/// Writes a line of JSON for each melding of which something is missing.
pub(super) fn write_report(path: &Path, kontoer: &BTreeMap<KontoId, SavedKonto>) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut lines = BufWriter::new(file);
    let quoted = |id: Option<String>| id.map_or_else(|| "null".to_owned(), |id| format!("\"{id}\""));
    for (konto, saved) in kontoer {
        for lost in &saved.lost {
            writeln!(
                lines,
                r#"{{"meldingId":{},"avsenderKontoId":{},"mottakerKontoId":"{konto}","mangler":"{}"}}"#,
                quoted(lost.id.map(|id| id.to_string())),
                quoted(lost.avsender.map(|id| id.to_string())),
                lost.missing.name()
            )?;
        }
    }
    lines.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    sync_folder_of(path)
}
