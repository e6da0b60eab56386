//! Screen 2: for whom something is to be done. Also where everybody comes first.

use app::person::MinOrganisasjon;
use askama::Template;
use axum::Router;
use axum::extract::RawQuery;
use axum::response::Response;
use axum::routing::get;
use domain::id::FiksOrgId;

use crate::feil::Feil;
use crate::format;
use crate::innlogget::Innlogget;
use crate::kontekst::Kontekst;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::{found, ok};
use crate::skjema::{Felter, Skjema};
use crate::tekster::Tekster;
use crate::view::Field;

/// Over this many there is a search field.
const SEARCH_ABOVE: usize = 10;

pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/velg-organisasjon", get(show).post(choose))
}

#[derive(Template)]
#[template(path = "organisasjon/velg.html")]
struct Velg {
    ramme: Ramme,
    sok: Option<Field>,
    rader: Vec<Rad>,
}

struct Rad {
    id: FiksOrgId,
    navn: String,
    orgnummer: String,
    rolle: String,
}

#[derive(Template)]
#[template(path = "organisasjon/ingen.html")]
struct Ingen {
    ramme: Ramme,
}

/// Where somebody who has just logged in, or opens the front page, goes.
pub(crate) fn home(k: &Kontekst) -> String {
    match k.aktiv().map(|sesjon| &sesjon.person) {
        None => "/logg-inn".to_owned(),
        Some(person) => match person.roller.as_slice() {
            [(only, _)] => format!("/o/{only}/tjenester"),
            [] if person.drift => "/drift".to_owned(),
            _ => "/velg-organisasjon".to_owned(),
        },
    }
}

async fn show(innlogget: Innlogget, RawQuery(query): RawQuery) -> Result<Response, Feil> {
    let t = innlogget.t();
    let all = innlogget.app().organisasjoner_for(&innlogget.caller()).await?;
    if let [only] = all.as_slice() {
        return Ok(found(&format!("/o/{}/tjenester", only.id)));
    }
    if all.is_empty() && innlogget.sesjon.person.drift {
        return Ok(found("/drift"));
    }
    if all.is_empty() {
        let ramme = Ramme::new(&innlogget.k, t.s("organisasjon-ingen-tilgang-tittel"));
        return Ok(ok(&Ingen { ramme }));
    }
    let sok = Felter::from_query(&query.unwrap_or_default()).text("sok");
    let field = || Field::new("sok", t.s("organisasjon-sok")).kind("search").optional().value(&sok);
    let side = Velg {
        ramme: Ramme::new(&innlogget.k, t.s("organisasjon-tittel")),
        sok: (all.len() > SEARCH_ABOVE).then(field),
        rader: all.iter().filter(|one| matches(one, &sok)).map(|one| rad(one, t)).collect(),
    };
    Ok(ok(&side))
}

fn matches(one: &MinOrganisasjon, sok: &str) -> bool {
    let digits = format::without_blanks(sok);
    one.navn.to_lowercase().contains(&sok.to_lowercase())
        || (!digits.is_empty() && one.orgnummer.as_str().contains(&digits))
}

fn rad(one: &MinOrganisasjon, t: Tekster) -> Rad {
    Rad {
        id: one.id,
        navn: one.navn.clone(),
        orgnummer: format::orgnummer(one.orgnummer),
        rolle: format::rolle(one.rolle, t),
    }
}

async fn choose(innlogget: Innlogget, skjema: Skjema) -> Result<Response, Feil> {
    let org: FiksOrgId = skjema.felter.raw("org").parse().map_err(|_| Feil::FinnesIkke)?;
    innlogget.sesjon.person.rolle(org).ok_or(Feil::FinnesIkke)?;
    Ok(found(&format!("/o/{org}/tjenester")))
}
