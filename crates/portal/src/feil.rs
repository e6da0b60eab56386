//! What goes wrong, and the page that says so. Every page of an error is drawn here.

use std::sync::Arc;

use app::BoxError;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::kontekst::{Kontekst, Tilstand};
use crate::ramme::Ramme;
use crate::render::{found, html};
use crate::skjema::{logged_out, prov_igjen};

/// Why there is no page of the kind that was asked for. As a response it is empty; the layer of the router draws the page,
/// since only that knows the language.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Feil {
    /// A use case did not do as asked.
    #[error(transparent)]
    App(#[from] app::Error),
    /// There is no such page, or the person may not know of it.
    #[error("there is no such page")]
    FinnesIkke,
    /// The person's role does not allow it.
    #[error("the role does not allow this")]
    Rolle,
    /// The request was made by another website, or by a browser that does not say who made it.
    #[error("the request comes from another origin")]
    FremmedOpprinnelse,
    /// Nobody is logged in.
    #[error("nobody is logged in")]
    IkkeInnlogget,
    /// More was sent than the page takes.
    #[error("the form is too large")]
    ForStor,
    /// What was sent came too slowly.
    #[error("the form came too slowly")]
    ForTreg,
    /// Too many tries.
    #[error("too many tries")]
    ForOfte {
        /// Whole minutes until the next one.
        wait_minutes: u64,
    },
    /// Too many wait for the login provider already.
    #[error("too many logins wait for the login provider")]
    Opptatt,
    /// The form cannot be read.
    #[error("the form cannot be read")]
    UleseligSkjema,
    /// A bug.
    #[error("internal error")]
    Intern(#[source] BoxError),
}

impl Feil {
    /// A bug.
    pub(crate) fn intern(error: impl Into<BoxError>) -> Self {
        Self::Intern(error.into())
    }

    /// Seconds until the next try, where there is something to wait for.
    fn wait_seconds(&self) -> Option<u64> {
        match self {
            // As long as the provider is given to answer.
            Self::Opptatt => Some(10),
            Self::App(app::Error::Stopping { retry_after }) => Some(retry_after.as_secs().max(1)),
            _ => self.wait_minutes().map(|minutes| minutes * 60),
        }
    }

    /// Whole minutes until the next try, where there is something to wait for.
    fn wait_minutes(&self) -> Option<u64> {
        match self {
            Self::ForOfte { wait_minutes } => Some(*wait_minutes),
            Self::App(app::Error::TooMany { retry_after, .. }) => {
                Some(retry_after.as_secs().div_ceil(60).max(1))
            }
            _ => None,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::App(error) => match error {
                app::Error::NotFound(_) => StatusCode::NOT_FOUND,
                app::Error::Forbidden(_) => StatusCode::FORBIDDEN,
                app::Error::Conflict { .. } => StatusCode::CONFLICT,
                app::Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                app::Error::Invalid(_) | app::Error::Refused(_) | app::Error::Interrupted(_) => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                app::Error::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
                app::Error::QuotaFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
                app::Error::Full | app::Error::Unavailable(_) | app::Error::Stopping { .. } => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::FinnesIkke => StatusCode::NOT_FOUND,
            Self::Rolle | Self::FremmedOpprinnelse => StatusCode::FORBIDDEN,
            Self::IkkeInnlogget => StatusCode::SEE_OTHER,
            Self::ForStor => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ForTreg => StatusCode::REQUEST_TIMEOUT,
            Self::ForOfte { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Opptatt => StatusCode::SERVICE_UNAVAILABLE,
            Self::UleseligSkjema => StatusCode::BAD_REQUEST,
            Self::Intern(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Feil {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

#[derive(Template)]
#[template(path = "feil.html")]
struct Side {
    ramme: Ramme,
    forklaring: String,
    feilkode: Option<String>,
}

/// The page that tells of `feil`.
pub(crate) fn render(kontekst: &Kontekst, feil: &Feil) -> Response {
    let status = feil.status();
    if matches!(feil, Feil::IkkeInnlogget) {
        return match kontekst.skjema.get() {
            // To log out is what has happened.
            Some(felter) if kontekst.path() != "/logg-ut" => logged_out(kontekst, felter),
            _ => log_in_first(kontekst),
        };
    }
    // Whoever has used up what there may be is no fault of ours.
    let is_fault = status.is_server_error() && status != StatusCode::INSUFFICIENT_STORAGE;
    let feilkode = is_fault.then(|| kontekst.portal.app().ids().uuid().to_string());
    if let Some(code) = &feilkode {
        tracing::error!(
            target: "refused",
            { error = feil as &dyn std::error::Error, error.id = code, path = kontekst.path() },
            "a page could not be made"
        );
        if let Some(felter) = kontekst.skjema.get() {
            return prov_igjen(kontekst, felter, status, "feil-hos-oss", Some(code));
        }
    }
    let t = kontekst.t;
    let (tittel, forklaring) = match status {
        StatusCode::NOT_FOUND => ("feil-fant-ikke", t.s("feil-fant-ikke-forklaring")),
        StatusCode::FORBIDDEN if matches!(feil, Feil::FremmedOpprinnelse) => {
            ("feil-ikke-tilgang", t.s("feil-fremmed-opprinnelse"))
        }
        StatusCode::FORBIDDEN => ("feil-ikke-tilgang", t.s("feil-ikke-tilgang-forklaring")),
        StatusCode::CONFLICT => ("feil-endret", t.s("feil-endret-forklaring")),
        StatusCode::PAYLOAD_TOO_LARGE => ("feil-for-stor", t.s("feil-for-stor-forklaring")),
        StatusCode::TOO_MANY_REQUESTS => {
            ("feil-for-ofte", t.v("feil-for-ofte-forklaring", "n", feil.wait_minutes().unwrap_or(1)))
        }
        StatusCode::REQUEST_TIMEOUT => ("feil-for-treg", t.s("feil-for-treg-forklaring")),
        StatusCode::INSUFFICIENT_STORAGE => {
            let grense =
                if let Feil::App(app::Error::QuotaFull { what, .. }) = feil { what.nokkel() } else { "" };
            ("feil-kvote", t.v("feil-kvote-forklaring", "grense", grense))
        }
        status if status.is_server_error() => ("feil-teknisk", t.s("feil-teknisk-forklaring")),
        _ => ("feil-ulesbart", t.s("feil-ulesbart-forklaring")),
    };
    let mut response = html(status, &Side { ramme: Ramme::new(kontekst, t.s(tittel)), forklaring, feilkode });
    if let Some(wait_seconds) = feil.wait_seconds()
        && let Ok(seconds) = HeaderValue::try_from(wait_seconds.to_string())
    {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// To the page for logging in, and back again afterwards.
fn log_in_first(kontekst: &Kontekst) -> Response {
    let mut address = String::from("/logg-inn?retur=");
    address.extend(form_urlencoded::byte_serialize(kontekst.sti.as_bytes()));
    if matches!(kontekst.sesjon, Tilstand::Utlopt) {
        address.push_str("&melding=utlopt");
    }
    found(&address)
}
