//! Pages of text that everybody may read: help, privacy, cookies, accessibility. And what the operator brings: theme and
//! logo.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header;

use crate::config::Fil;
use crate::feil::Feil;
use crate::kontekst::Kontekst;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::tekster::Tekster;

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/hjelp", get(async |k: Kontekst| page(&k, "hjelp", help(k.t, contact(&k)))))
        .route("/personvern", get(async |k: Kontekst| page(&k, "personvern", privacy(k.t, contact(&k)))))
        .route("/informasjonskapsler", get(async |k: Kontekst| page(&k, "informasjonskapsler", cookies(&k))))
        .route("/tilgjengelighet", get(async |k: Kontekst| page(&k, "tilgjengelighet", accessibility(&k))))
        .route("/tema.css", get(theme))
        .route("/logo", get(logo))
}

#[derive(Template)]
#[template(path = "sider/tekst.html")]
struct Tekstside {
    ramme: Ramme,
    avsnitt: Vec<Avsnitt>,
}

/// A section of a page of text.
#[derive(Default)]
struct Avsnitt {
    overskrift: Option<String>,
    tekster: Vec<String>,
    punkter: Vec<String>,
    lenker: Vec<(String, String)>,
}

fn page(k: &Kontekst, name: &str, avsnitt: Vec<Avsnitt>) -> Response {
    let tittel = k.t.s(&format!("sider-{name}-tittel"));
    ok(&Tekstside { ramme: Ramme::new(k, tittel), avsnitt })
}

/// Sections that a page may have.
const MAX_SECTIONS: usize = 20;

/// The sections of a page whose texts are numbered from one: heading `-h`, text `-t`.
fn numbered(t: Tekster, name: &str) -> Vec<Avsnitt> {
    (1..=MAX_SECTIONS)
        .map(|n| format!("sider-{name}-{n}"))
        .take_while(|key| t.has(&format!("{key}-h")))
        .map(|key| Avsnitt {
            overskrift: Some(t.s(&format!("{key}-h"))),
            tekster: vec![t.s(&format!("{key}-t"))],
            ..Avsnitt::default()
        })
        .collect()
}

fn contact(k: &Kontekst) -> Option<Avsnitt> {
    let address = k.portal.config().kontakt_epost.as_ref()?;
    Some(Avsnitt {
        overskrift: Some(k.t.s("sider-kontakt")),
        lenker: vec![(format!("mailto:{address}"), address.clone())],
        ..Avsnitt::default()
    })
}

fn help(t: Tekster, contact: Option<Avsnitt>) -> Vec<Avsnitt> {
    let mut all = numbered(t, "hjelp");
    all.extend(contact);
    all
}

fn privacy(t: Tekster, contact: Option<Avsnitt>) -> Vec<Avsnitt> {
    let mut all = numbered(t, "personvern");
    all.extend(contact);
    all
}

fn cookies(k: &Kontekst) -> Vec<Avsnitt> {
    let (sesjon, innlogging) = k.portal.cookies().names();
    vec![Avsnitt {
        tekster: vec![k.t.s("sider-informasjonskapsler-t")],
        punkter: vec![
            k.t.v("sider-informasjonskapsler-sesjon", "navn", sesjon),
            k.t.v("sider-informasjonskapsler-innlogging", "navn", innlogging),
        ],
        ..Avsnitt::default()
    }]
}

fn accessibility(k: &Kontekst) -> Vec<Avsnitt> {
    let statement = k.portal.config().tilgjengelighetserklaering_url.as_ref();
    let mut all = vec![Avsnitt {
        tekster: vec![k.t.s("sider-tilgjengelighet-t")],
        lenker: statement
            .map(|url| (url.clone(), k.t.s("sider-tilgjengelighet-erklaering")))
            .into_iter()
            .collect(),
        ..Avsnitt::default()
    }];
    all.extend(contact(k));
    all
}

async fn theme(State(portal): State<Portal>) -> Result<Response, Feil> {
    file(portal.config().tema_css.as_ref())
}

async fn logo(State(portal): State<Portal>) -> Result<Response, Feil> {
    file(portal.config().logo.as_ref())
}

fn file(fil: Option<&Fil>) -> Result<Response, Feil> {
    let fil = fil.ok_or(Feil::FinnesIkke)?;
    // Its address stays the same when the operator changes it.
    let headers = [(header::CONTENT_TYPE, fil.content_type), (header::CACHE_CONTROL, "public, max-age=300")];
    Ok((headers, fil.bytes.to_vec()).into_response())
}
