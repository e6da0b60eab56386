//! Lists as files for a spreadsheet: UTF-8 with byte order mark, semicolons, one header row.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};

/// A file under way.
pub(crate) struct Csv {
    text: String,
}

impl Csv {
    /// A file with these columns.
    pub(crate) fn new<S: AsRef<str>>(columns: &[S]) -> Self {
        let mut csv = Self { text: "\u{feff}".to_owned() };
        csv.row(columns);
        csv
    }

    /// Adds a row.
    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                self.text.push(';');
            }
            self.cell(cell.as_ref());
        }
        self.text.push_str("\r\n");
    }

    fn cell(&mut self, cell: &str) {
        // A spreadsheet would take these for formulas and run them.
        let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        if cell.contains([';', '"', '\n', '\r']) {
            self.text.push('"');
            self.text.push_str(guard);
            self.text.push_str(&cell.replace('"', "\"\""));
            self.text.push('"');
        } else {
            self.text.push_str(guard);
            self.text.push_str(cell);
        }
    }

    /// The download; `name` without its ending, in ASCII.
    pub(crate) fn download(self, name: &str) -> Response {
        let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}.csv\""))
            .unwrap_or(HeaderValue::from_static("attachment"));
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
            (header::CONTENT_DISPOSITION, disposition),
        ];
        (headers, self.text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_needed_and_never_run() {
        let mut csv = Csv::new(&["Navn", "Beskrivelse"]);
        csv.row(&["=1+1", "a;b \"c\"\nd"]);
        csv.row(&["@x", "-y"]);
        assert_eq!(csv.text, "\u{feff}Navn;Beskrivelse\r\n'=1+1;\"a;b \"\"c\"\"\nd\"\r\n'@x;'-y\r\n");
    }
}
