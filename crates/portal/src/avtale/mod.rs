//! The avtale that an organisasjon signs: its text, and the same text as a PDF.

mod pdf;

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest;
use domain::avtale::AvtaleDokument;
use jiff::civil::Date;

/// What an organisasjon has to sign before it takes Fiks Protokoll into use.
#[derive(Debug, Clone)]
pub enum Avtale {
    /// Nothing: an administrator takes it into use at once.
    Av,
    /// A document, signed in the portal by logging in once more.
    Innebygd(Arc<Avtaledokument>),
}

impl Avtale {
    /// The agreement that comes with the portal.
    pub fn standard() -> Self {
        Self::from_text(include_str!("../../avtale/avtale.md")).expect("a test reads it")
    }

    /// An agreement of the operator's own, in the form of `avtale/avtale.md`: a line `# {name}`, lines `Versjon: {version}`
    /// and `Dato: {year}-{month}-{day}`, then paragraphs with blank lines between them, headings `## {text}`, and items of
    /// lists `- {text}`.
    ///
    /// # Errors
    /// [`InvalidAvtale`].
    pub fn from_text(text: &str) -> Result<Self, InvalidAvtale> {
        Ok(Self::Innebygd(Arc::new(Avtaledokument::read(text)?)))
    }

    /// The document, where one has to be signed.
    pub(crate) fn dokument(&self) -> Option<&Avtaledokument> {
        match self {
            Self::Av => None,
            Self::Innebygd(dokument) => Some(dokument),
        }
    }
}

/// Why a text is no agreement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAvtale {
    /// Something that must stand there does not.
    #[error("the avtale has no line that begins with `{0}`")]
    Missing(&'static str),
    /// The date cannot be read.
    #[error("the avtale has the date `{0}`: write it as 2026-11-22")]
    Date(String),
    /// There is nothing to sign.
    #[error("the avtale has no text")]
    Empty,
    /// The PDF cannot show it: it has the letters of western Europe alone.
    #[error("the avtale has the character `{0}`, which its PDF cannot show")]
    Character(char),
}

/// An agreement.
#[derive(Debug)]
pub struct Avtaledokument {
    navn: String,
    versjon: String,
    dato: Date,
    blokker: Vec<Blokk>,
    sha256: String,
    pdf: Arc<[u8]>,
}

/// A piece of an agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Blokk {
    /// A heading.
    Overskrift(String),
    /// A paragraph.
    Avsnitt(String),
    /// A list.
    Liste(Vec<String>),
}

impl Avtaledokument {
    fn read(text: &str) -> Result<Self, InvalidAvtale> {
        let (mut navn, mut versjon, mut dato) = (None, None, None);
        let mut blokker: Vec<Blokk> = Vec::new();
        // Whether the line before belongs to the same paragraph or item.
        let mut goes_on = false;
        for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
            if line.is_empty() {
                goes_on = false;
            } else if let Some(text) = line.strip_prefix("# ").filter(|_| navn.is_none()) {
                navn = Some(text.trim().to_owned());
            } else if let Some(text) = line.strip_prefix("Versjon:").filter(|_| versjon.is_none()) {
                versjon = Some(text.trim().to_owned());
            } else if let Some(text) = line.strip_prefix("Dato:").filter(|_| dato.is_none()) {
                let text = text.trim();
                dato = Some(text.parse().map_err(|_| InvalidAvtale::Date(text.to_owned()))?);
            } else if let Some(text) = line.strip_prefix("## ") {
                blokker.push(Blokk::Overskrift(text.trim().to_owned()));
                goes_on = false;
            } else if let Some(text) = line.strip_prefix("- ") {
                let text = text.trim().to_owned();
                match blokker.last_mut() {
                    Some(Blokk::Liste(items)) if goes_on => items.push(text),
                    _ => blokker.push(Blokk::Liste(vec![text])),
                }
                goes_on = true;
            } else {
                match blokker.last_mut() {
                    Some(Blokk::Avsnitt(before)) if goes_on => join(before, line),
                    Some(Blokk::Liste(items)) if goes_on && !items.is_empty() => {
                        items.last_mut().into_iter().for_each(|before| join(before, line));
                    }
                    _ => blokker.push(Blokk::Avsnitt(line.to_owned())),
                }
                goes_on = true;
            }
        }
        let filled = |value: Option<String>, name| {
            value.filter(|text| !text.is_empty()).ok_or(InvalidAvtale::Missing(name))
        };
        let (navn, versjon) = (filled(navn, "# ")?, filled(versjon, "Versjon:")?);
        let dato = dato.ok_or(InvalidAvtale::Missing("Dato:"))?;
        if blokker.iter().all(|blokk| matches!(blokk, Blokk::Overskrift(_))) {
            return Err(InvalidAvtale::Empty);
        }
        let pdf = pdf::write(&navn, &versjon, dato, &blokker)?.into();
        Ok(Self { navn, versjon, dato, blokker, sha256: sha256(text), pdf })
    }

    /// The date it was made.
    pub(crate) fn dato(&self) -> Date {
        self.dato
    }

    pub(crate) fn navn(&self) -> &str {
        &self.navn
    }

    pub(crate) fn versjon(&self) -> &str {
        &self.versjon
    }

    pub(crate) fn blokker(&self) -> &[Blokk] {
        &self.blokker
    }

    /// SHA-256 of its text as it was read, hexadecimal.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    pub(crate) fn pdf(&self) -> &Arc<[u8]> {
        &self.pdf
    }

    /// What is signed.
    pub(crate) fn to_domain(&self) -> AvtaleDokument {
        AvtaleDokument { navn: self.navn.clone(), versjon: self.versjon.clone(), sha256: self.sha256.clone() }
    }
}

fn join(before: &mut String, line: &str) {
    before.push(' ');
    before.push_str(line);
}

fn sha256(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in digest::digest(&digest::SHA256, text.as_bytes()).as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "# Avtale\n\nVersjon: 2.1\nDato: 2026-11-22\n\nFørste\nlinje.\n\n## 1. Del\n\n- én\n- to\n  og mer\n\nSiste.\n";

    fn read(text: &str) -> Avtaledokument {
        Avtaledokument::read(text).unwrap()
    }

    fn failure(text: &str) -> InvalidAvtale {
        Avtaledokument::read(text).unwrap_err()
    }

    #[test]
    fn text_becomes_headings_paragraphs_and_lists() {
        let dokument = read(SMALL);
        assert_eq!((dokument.navn(), dokument.versjon()), ("Avtale", "2.1"));
        assert_eq!(dokument.dato().to_string(), "2026-11-22");
        assert_eq!(
            dokument.blokker(),
            [
                Blokk::Avsnitt("Første linje.".to_owned()),
                Blokk::Overskrift("1. Del".to_owned()),
                Blokk::Liste(vec!["én".to_owned(), "to og mer".to_owned()]),
                Blokk::Avsnitt("Siste.".to_owned()),
            ]
        );
    }

    #[test]
    fn line_ends_of_windows_make_the_same_blocks_and_another_hash() {
        let (unix, windows) = (read(SMALL), read(&SMALL.replace('\n', "\r\n")));
        assert_eq!(unix.blokker(), windows.blokker());
        assert_ne!(unix.sha256(), windows.sha256());
    }

    #[test]
    fn hash_is_that_of_the_text() {
        // printf … | sha256sum
        let text = "# A\nVersjon: 1\nDato: 2026-01-01\nTekst\n";
        assert_eq!(read(text).sha256(), "5fcbb43c2adeb040bf719196035bc65fde3fa3c60b8c859119ecf6061730cacd");
    }

    #[test]
    fn what_must_stand_in_an_avtale_is_missed() {
        assert_eq!(failure(""), InvalidAvtale::Missing("# "));
        assert_eq!(failure("# A\nDato: 2026-01-01\nTekst"), InvalidAvtale::Missing("Versjon:"));
        assert_eq!(failure("# A\nVersjon:\nDato: 2026-01-01\nTekst"), InvalidAvtale::Missing("Versjon:"));
        assert_eq!(failure("# A\nVersjon: 1\nTekst"), InvalidAvtale::Missing("Dato:"));
        assert_eq!(failure("# A\nVersjon: 1\nDato: i dag\nTekst"), InvalidAvtale::Date("i dag".to_owned()));
        assert_eq!(failure("# A\nVersjon: 1\nDato: 2026-01-01\n## Tom"), InvalidAvtale::Empty);
        assert_eq!(failure("# A\nVersjon: 1\nDato: 2026-01-01\nŋ"), InvalidAvtale::Character('ŋ'));
    }

    #[test]
    fn avtale_of_our_own_can_be_read() {
        let Avtale::Innebygd(dokument) = Avtale::standard() else { panic!("there is one") };
        assert_eq!((dokument.navn(), dokument.versjon()), ("Avtale om bruk av Fiks Protokoll", "1.0"));
        assert!(dokument.blokker().len() > 30);
    }
}
