//! Forms: read, bounded, and checked for where they come from.

use std::error::Error as StdError;
use std::io;

use app::Door;
use app::sesjon::AktivSesjon;
use askama::Template;
use axum::body::Body;
use axum::extract::{FromRequest as _, FromRequestParts, Multipart, Request};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::feil::Feil;
use crate::format;
use crate::kontekst::{Kontekst, Tilstand};
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::html;
use crate::view::Color;

/// Name of the field that holds the token against forged requests.
pub(crate) const CSRF: &str = "csrf";
/// Name of the field of what a person is known by, such as a fødselsnummer. No page ever shows it again.
pub(crate) const IDENTIFIKATOR: &str = "identifikator";
/// Largest form in bytes, with a file that is a little too large: that is told by its field.
const MAX_FORM_BYTES: usize = 256 * 1024;
/// Fields in one form.
const MAX_FIELDS: usize = 200;

/// What stands in the fields of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Felter {
    values: Vec<(String, String)>,
}

impl Felter {
    /// U+0000 becomes U+FFFD, as in any page: nobody can type it, and not every database can keep it.
    fn new(mut values: Vec<(String, String)>) -> Self {
        for (_, value) in &mut values {
            if value.contains('\0') {
                *value = value.replace('\0', "\u{FFFD}");
            }
        }
        Self { values }
    }

    /// The fields of a query, `a=b&c=d`.
    pub(crate) fn from_query(query: &str) -> Self {
        Self::new(form_urlencoded::parse(query.as_bytes()).into_owned().take(MAX_FIELDS).collect())
    }

    /// The first value of the field without blanks around it; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        self.raw(name).trim().to_owned()
    }

    /// The first value as it was sent.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.values.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// All values of the field, each without blanks around it.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.values
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    }

    /// Digits, however they were pasted.
    pub(crate) fn digits(&self, name: &str) -> String {
        format::without_blanks(self.raw(name))
    }

    /// Whether the field was sent at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| known == name)
    }

    /// Whether a checkbox was ticked.
    pub(crate) fn checked(&self, name: &str) -> bool {
        self.raw(name) == "ja"
    }

    /// A text over several lines as browsers send it, with the line ends that everybody else uses.
    pub(crate) fn lines(&self, name: &str) -> String {
        self.text(name).replace("\r\n", "\n")
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// An uploaded file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Opplastet {
    /// Its name, for showing alone.
    pub(crate) navn: String,
    /// What stands in it; perhaps more than may be uploaded, so that its field can tell.
    pub(crate) bytes: Vec<u8>,
}

impl std::fmt::Debug for Opplastet {
    /// It may hold a private key, by mistake.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opplastet").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// A form sent by somebody who is logged in, from a page of ours.
#[derive(Debug, Clone)]
pub(crate) struct Skjema {
    pub(crate) felter: Felter,
    filer: Vec<(String, Opplastet)>,
}

impl Skjema {
    /// The file of a field, if one was chosen.
    pub(crate) fn fil(&self, name: &str) -> Option<&Opplastet> {
        self.filer.iter().find(|(known, _)| known == name).map(|(_, fil)| fil)
    }
}

impl FromRequestParts<Portal> for Skjema {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let Ok(kontekst) = Kontekst::from_request_parts(parts, portal).await;
        let skjema = parts.extensions.remove::<Self>().ok_or_else(|| Feil::UleseligSkjema.into_response())?;
        match &kontekst.sesjon {
            Tilstand::Aktiv(sesjon) if token_fits(sesjon, &skjema.felter) => Ok(skjema),
            Tilstand::Aktiv(_) => {
                Err(prov_igjen(&kontekst, &skjema.felter, StatusCode::FORBIDDEN, "feil-for-lenge-apen", None))
            }
            Tilstand::Ingen | Tilstand::Utlopt => Err(logged_out(&kontekst, &skjema.felter)),
        }
    }
}

/// Reads the form before anything else can go wrong, so that what was typed can be given back whatever does.
pub(crate) async fn read(request: Request, portal: &Portal) -> Result<Request, Feil> {
    let (parts, body) = request.into_parts();
    let is_multipart = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"multipart/form-data"));
    let body =
        Limited::new(body, MAX_FORM_BYTES).collect().await.map_err(|error| unread(&*error))?.to_bytes();
    // Its fields are there beside the body for a while, and then alone until the request is done.
    if let Some(Door(keeper)) = parts.extensions.get() {
        keeper.takes(u64::try_from(body.len()).unwrap_or(u64::MAX)).map_err(Feil::App)?;
    }
    let skjema = if is_multipart {
        let mut form = Request::new(Body::from(body));
        form.headers_mut().clone_from(&parts.headers);
        read_multipart(form, portal).await?
    } else {
        Skjema { felter: read_urlencoded(&body)?, filer: Vec::new() }
    };
    let mut request = Request::from_parts(parts, Body::empty());
    request.extensions_mut().insert(skjema);
    Ok(request)
}

/// Why a body could not be read to its end.
fn unread(error: &(dyn StdError + 'static)) -> Feil {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<LengthLimitError>() {
            return Feil::ForStor;
        }
        if let Some(refusal) = app::memory::refusal_of(error) {
            return Feil::App(refusal);
        }
        // Whoever holds the connection reports a body that comes too slowly as a time-out.
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return Feil::ForTreg;
        }
        next = error.source();
    }
    Feil::UleseligSkjema
}

/// The page that keeps what was typed while somebody logs in again.
pub(crate) fn logged_out(kontekst: &Kontekst, felter: &Felter) -> Response {
    prov_igjen(kontekst, felter, StatusCode::UNAUTHORIZED, "feil-logget-ut", None)
}

fn token_fits(sesjon: &AktivSesjon, felter: &Felter) -> bool {
    let (sent, known) = (felter.raw(CSRF).as_bytes(), sesjon.csrf.as_bytes());
    // In constant time: looks at every byte whatever the ones before said.
    sent.len() == known.len() && sent.iter().zip(known).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}

pub(crate) fn read_urlencoded(body: &[u8]) -> Result<Felter, Feil> {
    let values: Vec<(String, String)> =
        form_urlencoded::parse(body).into_owned().take(MAX_FIELDS + 1).collect();
    if values.len() > MAX_FIELDS {
        return Err(Feil::UleseligSkjema);
    }
    Ok(Felter::new(values))
}

async fn read_multipart(request: Request, portal: &Portal) -> Result<Skjema, Feil> {
    let unreadable = |_| Feil::UleseligSkjema;
    let mut form = Multipart::from_request(request, portal).await.map_err(|_| Feil::UleseligSkjema)?;
    let (mut values, mut filer) = (Vec::new(), Vec::new());
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        if values.len() + filer.len() >= MAX_FIELDS {
            return Err(Feil::UleseligSkjema);
        }
        let name = field.name().unwrap_or_default().to_owned();
        match field.file_name().map(str::to_owned) {
            Some(navn) => {
                let bytes = field.bytes().await.map_err(unreadable)?.to_vec();
                // No file chosen is a file without name and content.
                if !navn.is_empty() || !bytes.is_empty() {
                    filer.push((name, Opplastet { navn, bytes }));
                }
            }
            None => values.push((name, field.text().await.map_err(unreadable)?)),
        }
    }
    Ok(Skjema { felter: Felter::new(values), filer })
}

#[derive(Template)]
#[template(path = "prov-igjen.html")]
struct ProvIgjen<'a> {
    ramme: Ramme,
    csrf: String,
    forklaring: String,
    farge: Color,
    felter: Vec<(&'a str, &'a str)>,
    logg_inn: Option<String>,
    feilkode: Option<&'a str>,
}

/// A page that holds what was typed, to be sent again.
pub(crate) fn prov_igjen(
    kontekst: &Kontekst,
    felter: &Felter,
    status: StatusCode,
    key: &str,
    feilkode: Option<&str>,
) -> Response {
    let t = kontekst.t;
    // After logging in the person comes to a page that can be shown by itself.
    let logg_inn = (status == StatusCode::UNAUTHORIZED).then(|| "/logg-inn".to_owned());
    let ramme = Ramme::new(kontekst, t.s(&format!("{key}-tittel")));
    // Where the session cannot be read, the token that was sent may still be the right one when it can.
    let csrf = if ramme.csrf().is_empty() { felter.raw(CSRF) } else { ramme.csrf() }.to_owned();
    let side = ProvIgjen {
        ramme,
        csrf,
        forklaring: t.s(key),
        farge: if feilkode.is_some() { Color::Danger } else { Color::Warning },
        felter: felter.pairs().filter(|(name, _)| ![CSRF, IDENTIFIKATOR].contains(name)).collect(),
        logg_inn,
        feilkode,
    };
    html(status, &side)
}

/// What is wrong with the fields of a form: id of the field and text, in the order of the form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mangler {
    list: Vec<(String, String)>,
}

impl Mangler {
    /// Tells of a field, unless something was told of it already.
    pub(crate) fn add(&mut self, field: impl Into<String>, text: impl Into<String>) {
        let field = field.into();
        if !self.list.iter().any(|(known, _)| *known == field) {
            self.list.push((field, text.into()));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The text of a field.
    pub(crate) fn of(&self, field: &str) -> Option<String> {
        self.list.iter().find(|(known, _)| known == field).map(|(_, text)| text.clone())
    }

    /// Puts them in the order of `fields`, which is that of the form.
    pub(crate) fn in_order(&mut self, fields: &[&str]) {
        let place = |name: &str| fields.iter().position(|field| *field == name).unwrap_or(fields.len());
        self.list.sort_by_key(|(name, _)| place(name));
    }

    /// For the top of the page.
    pub(crate) fn summary(&self, t: crate::tekster::Tekster) -> crate::view::ErrorSummary {
        if self.list.is_empty() {
            return crate::view::ErrorSummary::default();
        }
        let heading = t.v("felles-rett-feil", "n", self.list.len());
        crate::view::ErrorSummary::new(heading, self.list.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_trimmed_and_digits_lose_their_blanks() {
        let felter =
            read_urlencoded("navn=+Mitt+system+&org=974%C2%A0760%20673&epost=a&epost=+b&api=ja".as_bytes())
                .unwrap();
        assert_eq!(felter.text("navn"), "Mitt system");
        assert_eq!(felter.digits("org"), "974760673");
        assert_eq!(felter.all("epost"), ["a", "b"]);
        assert!(felter.checked("api") && !felter.checked("navn") && !felter.has("x"));
    }

    #[test]
    fn form_that_does_not_arrive_says_why() {
        let late = axum::Error::new(io::Error::from(io::ErrorKind::TimedOut));
        assert!(matches!(unread(&late), Feil::ForTreg));
        let retry_after = std::time::Duration::from_secs(5);
        let too_many = app::Error::TooMany { retry_after, what: app::Grense::MinneBytes };
        let crowded = axum::Error::new(app::memory::broken_off(too_many));
        assert!(matches!(unread(&crowded), Feil::App(app::Error::TooMany { .. })));
        let gone = axum::Error::new(io::Error::from(io::ErrorKind::ConnectionReset));
        assert!(matches!(unread(&gone), Feil::UleseligSkjema));
    }

    #[test]
    fn form_with_too_many_fields_is_refused() {
        let body = "a=b&".repeat(MAX_FIELDS + 1);
        assert!(matches!(read_urlencoded(body.as_bytes()), Err(Feil::UleseligSkjema)));
    }
}
