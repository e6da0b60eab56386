//! Screen 14: finding systemer and letting them send to a Konto.

use app::lister::{SystemSok, SystemTreff};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use domain::id::SystemId;

use crate::feil::Feil;
use crate::innlogget::KontoSide;
use crate::liste::Liste;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::screens::konto_faner;
use crate::screens::konto_tilganger::{fjern_from_sok, motpart};
use crate::screens::tilgangsliste::{
    Fjern, SOKT, count_search, filter, meldingstype_field, organisasjoner, same_place,
};
use crate::skjema::Skjema;
use crate::view::{Checkbox, Field, Paging, Select, Tab};

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/sok", get(show))
        .route("/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/sok/gi-tilgang", post(grant))
}

#[derive(Template)]
#[template(path = "sok/sok.html")]
struct SokSide {
    ramme: Ramme,
    faner_navn: String,
    faner: Vec<Tab>,
    sok: Field,
    eier: Select,
    utveksle: Checkbox,
    meldingstype: Field,
    meldingstyper: Vec<String>,
    /// The first visit: name of the own organisasjon, whose systemer are shown.
    egen: Option<String>,
    antall: u64,
    rader: Vec<Rad>,
    gi_tilgang: String,
    paging: Option<Paging>,
}

struct Rad {
    id: SystemId,
    navn: String,
    organisasjon: String,
    beskrivelse: String,
    har_bedt: bool,
    /// It has tilgang, which can be taken away.
    fjern: Option<Fjern>,
}

/// What the address asks for; the own systemer where it asks for nothing.
fn asked(liste: &Liste) -> SystemSok {
    let searched = liste.has(SOKT);
    let given = |name: &str| Some(liste.text(name)).filter(|value| !value.is_empty());
    SystemSok {
        term: liste.sok(),
        eier: given("eier").and_then(|id| id.parse().ok()),
        bare_egne: !searched,
        bare_som_kan_utveksle: !searched || liste.checked("utveksle"),
        kan_motta: given("meldingstype"),
        page: liste.page(),
    }
}

async fn show(side: KontoSide) -> Result<Response, Feil> {
    let org = &side.side.side;
    org.demand_change()?;
    count_search(org)?;
    let (t, app, caller, sti) = (side.t(), side.app(), side.caller(), side.konto_sti());
    let liste = Liste::new(side.k());
    let wanted = asked(&liste);
    let found = app.sok_systemer(&caller, sti, &wanted).await?;
    let owners = app.list_organisasjoner_for_valg(&caller, org.id(), side.side.system.id).await?;
    let foresporsler = app.count_foresporsler(&caller, sti).await?;
    let utveksle = Field::new("utveksle", t.s("sok-utveksle")).optional();
    let siden = t.s("sok-tittel");
    Ok(ok(&SokSide {
        ramme: side.ramme(&siden).here(siden),
        faner_navn: konto_faner::label(&side),
        faner: konto_faner::tabs(&side, "sok", Some(foresporsler)),
        sok: Field::new("sok", t.s("felles-sok"))
            .description(t.s("sok-hjelp"))
            .kind("search")
            .optional()
            .value(&wanted.term),
        eier: filter(t, "eier", t.s("sok-eier"), &liste.text("eier"), organisasjoner(owners)),
        utveksle: Checkbox::new(utveksle, wanted.bare_som_kan_utveksle),
        meldingstype: meldingstype_field(t, liste.text("meldingstype")),
        meldingstyper: app.list_meldingstyper_som_kan_mottas().await?,
        egen: wanted.bare_egne.then(|| org.org.navn.clone()),
        antall: found.total,
        paging: liste.paging(&found, t.s("sok-sider")),
        rader: found.rows.into_iter().map(|treff| rad(&side, &liste, treff)).collect(),
        gi_tilgang: same_place(&liste, &format!("{}/sok/gi-tilgang", side.sti()), &[]),
    }))
}

fn rad(side: &KontoSide, liste: &Liste, treff: SystemTreff) -> Rad {
    let SystemTreff { system, eier, har_tilgang, har_bedt } = treff;
    Rad {
        id: system.id,
        fjern: har_tilgang.then(|| fjern_from_sok(side, liste, system.id, &system.info.navn)),
        navn: system.info.navn,
        organisasjon: eier.navn,
        beskrivelse: system.info.beskrivelse,
        har_bedt,
    }
}

async fn grant(side: KontoSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let id: SystemId = skjema.felter.raw("system").parse().map_err(|_| Feil::FinnesIkke)?;
    let navn = motpart(&side, id).await?.navn;
    side.app().grant_tilgang(&side.caller(), side.konto_sti(), id).await?;
    let melding = Melding::ok("tilganger-kan-na-sende").with("system", navn).with("konto", side.navn());
    let sti = same_place(&Liste::new(side.k()), &format!("{}/sok", side.sti()), &[]);
    side.side.side.innlogget.to(&sti, melding).await
}
