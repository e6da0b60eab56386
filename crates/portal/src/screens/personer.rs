//! «Tilgangsstyring for personer»: who may do what for an organisasjon. For its administratorer.

use app::person::{Identifikator, PersonMedRolle};
use app::ports::PersonIdentifier;
use app::{Error, Rule};
use askama::Template;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::Response;
use axum::routing::get;
use domain::id::PersonId;
use domain::person::Rolle;
use domain::tekst::TekstError;
use http::HeaderMap;
use http::request::Parts;

use crate::feil::Feil;
use crate::format;
use crate::innlogget::{OrgSide, path_id};
use crate::liste::Liste;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::regler::{Felt, tell, tell_all};
use crate::render::{html, invalid, ok};
use crate::screens::logg_inn::new_token;
use crate::skjema::{Felter, IDENTIFIKATOR, Mangler, Skjema};
use crate::tekster::Tekster;
use crate::view::{Choice, ErrorSummary, Field, Paging, Radios, Time};

/// Digits of a fødselsnummer or d-nummer.
const DIGITS: usize = 11;

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/personer", get(list))
        .route("/o/{org}/personer/ny", get(show_new).post(add))
        .route("/o/{org}/personer/{person}/rolle", get(show_rolle).post(change_rolle))
        .route("/o/{org}/personer/{person}/fjern", get(show_remove).post(remove))
}

fn personer_sti(side: &OrgSide) -> String {
    format!("{}/personer", side.sti())
}

/// An administrator of the organisasjon; others get no page.
struct AdministratorSide {
    side: OrgSide,
}

impl FromRequestParts<Portal> for AdministratorSide {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let side = OrgSide::from_request_parts(parts, portal).await?;
        side.demand_administrator().map_err(axum::response::IntoResponse::into_response)?;
        Ok(Self { side })
    }
}

/// A person with a rolle in the organisasjon, as an administrator sees him. Path: `/o/{org}/personer/{person}/…`.
struct PersonSide {
    side: OrgSide,
    rad: PersonMedRolle,
}

impl PersonSide {
    fn id(&self) -> PersonId {
        self.rad.person.id
    }

    fn navn(&self) -> String {
        navn(&self.rad, self.side.t())
    }

    fn is_self(&self) -> bool {
        self.id() == self.side.innlogget.sesjon.person.person_id
    }

    /// The frame of a page about him.
    fn ramme(&self, h1: String) -> Ramme {
        ramme(&self.side, h1)
    }
}

impl FromRequestParts<Portal> for PersonSide {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let AdministratorSide { side } = AdministratorSide::from_request_parts(parts, portal).await?;
        let id: PersonId = path_id(parts, portal, "person").await?;
        let found = portal.app().person_med_rolle(&side.caller(), side.id(), id).await;
        let rad = found.map_err(|error| axum::response::IntoResponse::into_response(Feil::from(error)))?;
        Ok(Self { side, rad })
    }
}

fn navn(rad: &PersonMedRolle, t: Tekster) -> String {
    if rad.person.navn.is_empty() { t.s("personer-uten-navn") } else { rad.person.navn.clone() }
}

/// The frame of a page below the list.
fn ramme(side: &OrgSide, h1: String) -> Ramme {
    let crumb = crate::view::Crumb::link(personer_sti(side), side.t().s("personer-tittel"));
    side.ramme(&h1).crumb(crumb).here(h1)
}

#[derive(Template)]
#[template(path = "personer/personer.html")]
struct Personer {
    ramme: Ramme,
    ny: String,
    rader: Vec<Rad>,
    paging: Option<Paging>,
}

struct Rad {
    navn: String,
    is_self: bool,
    rolle: String,
    sist_innlogget: Option<Time>,
    endre: String,
    fjern: Fjern,
}

/// The question before somebody is removed.
struct Fjern {
    dialog: String,
    tittel: String,
    forklaring: String,
    handling: String,
    tilbake: String,
}

fn fjern(side: &OrgSide, rad: &PersonMedRolle) -> Fjern {
    let (t, id, navn) = (side.t(), rad.person.id, navn(rad, side.t()));
    let forklaring = if id == side.innlogget.sesjon.person.person_id {
        t.v("personer-fjern-deg-selv", "organisasjon", &side.org.navn)
    } else {
        t.v2("personer-fjern-forklaring", "navn", &navn, "organisasjon", &side.org.navn)
    };
    Fjern {
        dialog: format!("fjern-{id}"),
        tittel: t.v("personer-fjern-tittel", "navn", &navn),
        forklaring,
        handling: format!("{}/{id}/fjern", personer_sti(side)),
        tilbake: personer_sti(side),
    }
}

async fn list(AdministratorSide { side }: AdministratorSide) -> Result<Response, Feil> {
    let (t, liste, sti) = (side.t(), Liste::new(side.k()), personer_sti(&side));
    let found = side.app().list_personer(&side.caller(), side.id(), liste.page()).await?;
    let paging = liste.paging(&found, t.s("felles-sider"));
    let own = side.innlogget.sesjon.person.person_id;
    let rader = found.rows.iter().map(|rad| Rad {
        navn: navn(rad, t),
        is_self: rad.person.id == own,
        rolle: format::rolle(rad.tildeling.rolle, t),
        sist_innlogget: rad.person.sist_innlogget.map(|at| format::time_of(at, t.sprak())),
        endre: format!("{sti}/{}/rolle", rad.person.id),
        fjern: fjern(&side, rad),
    });
    let tittel = t.s("personer-tittel");
    Ok(ok(&Personer {
        ramme: side.ramme(&tittel).here(tittel),
        ny: format!("{sti}/ny"),
        rader: rader.collect(),
        paging,
    }))
}

/// The choice of a rolle.
fn rolle_field(t: Tekster, chosen: Option<Rolle>, error: Option<String>) -> Radios {
    let choices = Rolle::ALL.map(|rolle| {
        Choice::new(rolle.as_str(), format::rolle(rolle, t))
            .description(t.s(&format!("personer-om-{rolle}")))
            .selected(chosen == Some(rolle))
    });
    Radios::new(Field::new("rolle", t.s("regler-felt-rolle")).error(error), choices.into())
}

#[derive(Template)]
#[template(path = "personer/ny.html")]
struct NySide {
    ramme: Ramme,
    summary: ErrorSummary,
    navn: Field,
    identifikator: Field,
    rolle: Radios,
    tilbake: String,
}

fn new_page(side: &OrgSide, navn: &str, rolle: Option<Rolle>, mangler: &Mangler) -> NySide {
    let t = side.t();
    NySide {
        ramme: ramme(side, t.s("personer-ny-tittel")).errors(!mangler.is_empty()),
        summary: mangler.summary(t),
        navn: Field::new("navn", t.s("regler-felt-navn")).value(navn).error(mangler.of("navn")),
        identifikator: identifikator_felt(side, mangler),
        rolle: rolle_field(t, rolle, mangler.of("rolle")),
        tilbake: personer_sti(side),
    }
}

/// The field for what the login provider knows the person by: without what was typed, always.
fn identifikator_felt(side: &OrgSide, mangler: &Mangler) -> Field {
    let t = side.t();
    let field = match (&side.app().settings().identifikator, mangler.is_empty()) {
        (Identifikator::Fodselsnummer, first) => {
            let help = if first { "personer-fodselsnummer-hjelp" } else { "personer-fodselsnummer-pa-nytt" };
            Field::new(IDENTIFIKATOR, t.s("regler-felt-fodselsnummer")).description(t.s(help)).digits(13)
        }
        (Identifikator::Claim(claim), first) => {
            let tjeneste = side.k().portal.login().map_or("", |login| login.navn());
            let field = Field::new(IDENTIFIKATOR, t.v("personer-identifikator", "claim", claim));
            field.description(if first {
                t.v2("personer-identifikator-hjelp", "claim", claim, "tjeneste", tjeneste)
            } else {
                t.s("personer-identifikator-pa-nytt")
            })
        }
    };
    field.error(mangler.of(IDENTIFIKATOR))
}

/// What the login provider knows the person by, or what is wrong with what was typed.
fn check_identifikator(side: &OrgSide, felter: &Felter) -> Result<PersonIdentifier, String> {
    let t = side.t();
    match &side.app().settings().identifikator {
        Identifikator::Fodselsnummer => {
            let number = felter.digits(IDENTIFIKATOR);
            if number.is_empty() {
                Err(t.s("personer-fodselsnummer-mangler"))
            } else if number.len() != DIGITS || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                Err(t.s("personer-fodselsnummer-feil"))
            } else {
                Ok(PersonIdentifier::new(number))
            }
        }
        other @ Identifikator::Claim(_) => {
            let checked = other.check(&PersonIdentifier::new(felter.raw(IDENTIFIKATOR)));
            checked.map_err(|rule| match rule {
                Rule::Tekst(TekstError::BadCharacter { character: ' ' }) => {
                    t.s("personer-identifikator-mellomrom")
                }
                // To show a character that cannot be seen tells nobody anything.
                Rule::Tekst(TekstError::BadCharacter { .. }) => t.s("personer-identifikator-tegn"),
                rule => tell(t, &rule, "identifikator"),
            })
        }
    }
}

async fn show_new(AdministratorSide { side }: AdministratorSide) -> Response {
    ok(&new_page(&side, "", None, &Mangler::default()))
}

async fn add(AdministratorSide { side }: AdministratorSide, skjema: Skjema) -> Result<Response, Feil> {
    let (t, felter) = (side.t(), &skjema.felter);
    let navn = felter.text("navn");
    let rolle: Option<Rolle> = felter.raw("rolle").parse().ok();
    let mut mangler = Mangler::default();
    let identifier = check_identifikator(&side, felter).unwrap_or_else(|wrong| {
        mangler.add(IDENTIFIKATOR, wrong);
        PersonIdentifier::new("")
    });
    if rolle.is_none() {
        mangler.add("rolle", t.s("personer-velg-rolle"));
    }
    // What is wrong with the name is for the use case to say. Where the rest is wrong already, it must not do more than that.
    let complete = mangler.is_empty();
    let identifier = if complete { identifier } else { PersonIdentifier::new("") };
    let given = rolle.unwrap_or(Rolle::Lesetilgang);
    let answer =
        side.app().create_person_with_rolle(&side.caller(), side.id(), &navn, &identifier, given).await;
    match answer {
        Ok(person) => {
            let shown = if person.navn.is_empty() { navn } else { person.navn };
            let melding =
                Melding::ok("personer-lagt-til").with("navn", shown).with("rolle", format::rolle(given, t));
            return side.innlogget.to(&personer_sti(&side), melding).await;
        }
        Err(Error::Invalid(mut errors)) => {
            errors.retain(|error| complete || error.field == "navn");
            let felter = [
                Felt { json: "navn", id: "navn", navn: "navn" },
                Felt { json: "identifikator", id: IDENTIFIKATOR, navn: "identifikator" },
            ];
            tell_all(t, &errors, &felter, &mut mangler);
        }
        Err(Error::Conflict { what: "siste administrator" }) => {
            mangler.add("rolle", t.s("personer-siste-administrator"));
        }
        Err(error) => return Err(error.into()),
    }
    mangler.in_order(&["navn", IDENTIFIKATOR, "rolle"]);
    Ok(invalid(&new_page(&side, &navn, rolle, &mangler)))
}

#[derive(Template)]
#[template(path = "personer/rolle.html")]
struct RolleSide {
    ramme: Ramme,
    summary: ErrorSummary,
    rolle: Radios,
    tilbake: String,
}

fn rolle_page(person: &PersonSide, rolle: Option<Rolle>, mangler: &Mangler) -> RolleSide {
    let t = person.side.t();
    RolleSide {
        ramme: person.ramme(t.v("personer-endre-tittel", "navn", person.navn())).errors(!mangler.is_empty()),
        summary: mangler.summary(t),
        rolle: rolle_field(t, rolle, mangler.of("rolle")),
        tilbake: personer_sti(&person.side),
    }
}

async fn show_rolle(person: PersonSide) -> Response {
    ok(&rolle_page(&person, Some(person.rad.tildeling.rolle), &Mangler::default()))
}

async fn change_rolle(person: PersonSide, headers: HeaderMap, skjema: Skjema) -> Result<Response, Feil> {
    let (side, t) = (&person.side, person.side.t());
    let mut mangler = Mangler::default();
    let Ok(rolle) = skjema.felter.raw("rolle").parse::<Rolle>() else {
        mangler.add("rolle", t.s("personer-velg-rolle"));
        return Ok(invalid(&rolle_page(&person, None, &mangler)));
    };
    match side.app().update_rolle(&side.caller(), side.id(), person.id(), rolle).await {
        Ok(()) => {}
        Err(Error::Conflict { what: "siste administrator" }) => {
            mangler.add("rolle", t.s("personer-siste-administrator"));
            return Ok(invalid(&rolle_page(&person, Some(rolle), &mangler)));
        }
        Err(error) => return Err(error.into()),
    }
    let melding =
        Melding::ok("personer-endret").with("navn", person.navn()).with("rolle", format::rolle(rolle, t));
    // Who is no administrator any more cannot see the list.
    let lost = person.is_self() && !rolle.may_administer();
    let to = if lost { format!("{}/tjenester", side.sti()) } else { personer_sti(side) };
    let mut response = side.innlogget.to(&to, melding).await?;
    if person.is_self() {
        new_token(side.k(), &headers, &mut response).await?;
    }
    Ok(response)
}

#[derive(Template)]
#[template(path = "personer/fjern.html")]
struct FjernSide {
    ramme: Ramme,
    fjern: Fjern,
    /// Why it cannot be done.
    feil: Option<String>,
}

fn remove_page(person: &PersonSide, feil: Option<String>) -> FjernSide {
    let fjern = fjern(&person.side, &person.rad);
    FjernSide { ramme: person.ramme(fjern.tittel.clone()), fjern, feil }
}

async fn show_remove(person: PersonSide) -> Response {
    ok(&remove_page(&person, None))
}

async fn remove(person: PersonSide, headers: HeaderMap, _: Skjema) -> Result<Response, Feil> {
    let side = &person.side;
    match side.app().remove_rolle(&side.caller(), side.id(), person.id()).await {
        Ok(()) => {}
        Err(Error::Conflict { what: "siste administrator" }) => {
            let feil = side.t().s("personer-siste-administrator");
            return Ok(html(http::StatusCode::CONFLICT, &remove_page(&person, Some(feil))));
        }
        Err(error) => return Err(error.into()),
    }
    let melding = Melding::ok("personer-fjernet").with("navn", person.navn());
    // For who has removed himself there is no organisasjon any more.
    let to = if person.is_self() { "/velg-organisasjon".to_owned() } else { personer_sti(side) };
    let mut response = side.innlogget.to(&to, melding).await?;
    if person.is_self() {
        new_token(side.k(), &headers, &mut response).await?;
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use app::paging::Page;
    use app::{Caller, person::PersonMedRolle};
    use domain::person::Rolle;

    use crate::testing::{Hvem, World};

    /// Eleven digits, and nobody's.
    const NUMBER: &str = "00000000191";

    async fn people(world: &World) -> Vec<PersonMedRolle> {
        world.app.list_personer(&Caller::Operator, world.storevik.org, Page::all()).await.unwrap().rows
    }

    async fn path(world: &World, hvem: Hvem, end: &str) -> String {
        let people = people(world).await;
        let person = people.iter().find(|rad| rad.person.navn == format!("Test {hvem:?}")).unwrap();
        format!("{}/personer/{}/{end}", world.storevik.o(), person.person.id)
    }

    #[tokio::test]
    async fn people_are_for_administrators_of_the_same_organisasjon() {
        let world = World::new().await;
        let list = format!("{}/personer", world.storevik.o());
        let (rolle, fjern) = (path(&world, Hvem::Les, "rolle").await, path(&world, Hvem::Les, "fjern").await);
        let pages = [list.clone(), format!("{list}/ny"), rolle, fjern];
        for (hvem, status) in [
            (Hvem::Admin, 200),
            (Hvem::Protokoll, 403),
            (Hvem::Les, 403),
            (Hvem::Lillefjord, 404),
            (Hvem::Drift, 404),
            (Hvem::Uten, 404),
        ] {
            let mut browser = world.browser(hvem).await;
            for page in &pages {
                browser.get(page).await.is(status);
            }
            if status != 200 {
                for page in &pages[1..] {
                    browser.post(page, &[("rolle", "administrator")]).await.is(status);
                }
            }
        }
        assert!(world.anonymous().get(&list).await.location().starts_with("/logg-inn?retur="));
        assert_eq!(people(&world).await.len(), 4);
    }

    #[tokio::test]
    async fn person_without_a_rolle_here_is_not_found() {
        let world = World::new().await;
        let mut admin = world.browser(Hvem::Admin).await;
        let elsewhere =
            world.app.list_personer(&Caller::Operator, world.nyvik, Page::all()).await.unwrap().rows[0]
                .person
                .id;
        for id in [elsewhere.to_string(), "9".to_owned()] {
            for end in ["rolle", "fjern"] {
                admin.get(&format!("{}/personer/{id}/{end}", world.storevik.o())).await.is(404);
            }
        }
    }

    #[tokio::test]
    async fn person_who_was_added_can_log_in_and_the_number_is_never_shown() {
        let world = World::new().await;
        let mut admin = world.browser(Hvem::Admin).await;
        let list = format!("{}/personer", world.storevik.o());
        admin.get(&format!("{list}/ny")).await.is(200).says("Legg til person").says("Fødselsnummer");
        let spaced = format!("{}\u{a0}{}", &NUMBER[..6], &NUMBER[6..]);
        let fields = [("navn", "Ola Nordmann"), ("identifikator", &spaced), ("rolle", "lesetilgang")];
        let answer = admin.post(&format!("{list}/ny"), &fields).await;
        let to = answer.location().to_owned();
        assert!(to.starts_with(&format!("{list}?m=")) && !to.contains(NUMBER), "{to}");
        let page = admin.get(&to).await;
        page.is(200).says("Ola Nordmann har fått rollen Lesetilgang.").says("Ikke logget inn ennå");
        assert!(!page.text.contains(NUMBER));
        let mut ola = world.anonymous();
        ola.log_in(NUMBER).await;
        ola.get(&format!("{}/tjenester", world.storevik.o())).await.is(200);
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_new_person_is_told_and_the_number_is_cleared() {
        let world = World::new().await;
        let mut admin = world.browser(Hvem::Admin).await;
        let path = format!("{}/personer/ny", world.storevik.o());
        let page = admin.post(&path, &[]).await;
        page.is(422).says("Skriv inn navn").says("Skriv inn fødselsnummer").says("Velg rolle");
        page.says("Du må rette 3 feil for å gå videre");
        let page =
            admin.post(&path, &[("navn", "K"), ("identifikator", NUMBER), ("rolle", "lesetilgang")]).await;
        page.is(422)
            .says("Navn må ha minst 2 tegn")
            .says("Skriv inn nummeret på nytt")
            .says("Du må rette 1 feil");
        assert!(!page.text.contains(NUMBER) && page.text.contains("value=\"K\""), "{}", page.text);
        let page = admin.post(&path, &[("navn", "Kari"), ("identifikator", NUMBER)]).await;
        page.is(422).says("Velg rolle").says("Du må rette 1 feil").says_not("Skriv inn fødselsnummer");
        let page = admin.post(&path, &[("navn", "Kari"), ("identifikator", "1234a"), ("rolle", "x")]).await;
        page.is(422).says("Fødselsnummer må ha 11 siffer").says("Velg rolle");
        assert!(!page.text.contains("1234a"));
        admin.sprak = "en";
        admin.post(&path, &[]).await.is(422).says("Enter the national identity number").says("Choose a role");
        admin.sprak = "nn";
        admin.post(&path, &[]).await.is(422).says("Skriv inn fødselsnummer").says("Vel rolle");
        assert_eq!(people(&world).await.len(), 4);
    }

    #[tokio::test]
    async fn with_another_claim_its_value_is_asked_for() {
        let world = World::with_claim("oid").await;
        let mut admin = world.browser(Hvem::Admin).await;
        let path = format!("{}/personer/ny", world.storevik.o());
        let longest = "x".repeat(255);
        let longer = format!("{longest}x");
        for (sprak, label, again, empty, blank, long) in [
            (
                "nb",
                "Identifikator (oid)",
                "Skriv inn identifikatoren på nytt",
                "Skriv inn identifikator",
                "Identifikator kan ikke inneholde mellomrom",
                "Identifikator kan ha høyst 255 tegn",
            ),
            (
                "nn",
                "Identifikator (oid)",
                "Skriv inn identifikatoren på nytt",
                "Skriv inn identifikator",
                "Identifikator kan ikkje innehalde mellomrom",
                "Identifikator kan ha høgst 255 teikn",
            ),
            (
                "en",
                "Identifier (oid)",
                "Enter the identifier again",
                "Enter identifier",
                "Identifier cannot contain spaces",
                "Identifier can have at most 255 characters",
            ),
        ] {
            admin.sprak = sprak;
            let page = admin.get(&path).await;
            page.is(200).says(label).says("ID-porten").says_not("11 si").says_not("11 digits");
            for (typed, text) in [("", empty), ("kari nordmann", blank), (&longer, long)] {
                // All that is wrong is told at once.
                let page = admin.post(&path, &[("navn", "Kari"), ("identifikator", typed)]).await;
                page.is(422).says(text).says(again);
                assert!(typed.is_empty() || !page.text.contains(typed), "{typed}");
                let fields = [("navn", "Kari"), ("rolle", "lesetilgang"), ("identifikator", typed)];
                admin.post(&path, &fields).await.is(422).says(text);
            }
        }
        admin.sprak = "nb";
        // Digits alone are no fødselsnummer here.
        for identifier in ["4711", "Kari@Eksempel.no", &longest] {
            let fields = [("navn", "Kari"), ("rolle", "lesetilgang"), ("identifikator", identifier)];
            let answer = admin.post(&path, &fields).await;
            let to = answer.location().to_owned();
            admin.get(&to).await.says("Kari har fått rollen Lesetilgang.").says_not(identifier);
            let mut kari = world.anonymous();
            kari.log_in(identifier).await;
            kari.get(&format!("{}/tjenester", world.storevik.o())).await.is(200);
        }
    }

    #[tokio::test]
    async fn page_to_send_a_form_again_does_not_hold_the_number() {
        let world = World::new().await;
        let mut admin = world.browser(Hvem::Admin).await;
        admin.csrf = "stale".to_owned();
        let path = format!("{}/personer/ny", world.storevik.o());
        let page = admin.post(&path, &[("navn", "Ola Nordmann"), ("identifikator", NUMBER)]).await;
        page.is(403);
        assert!(page.text.contains("Ola Nordmann") && !page.text.contains(NUMBER), "{}", page.text);
    }

    #[tokio::test]
    async fn rolle_is_changed_and_taken_away_at_once() {
        let world = World::new().await;
        let mut admin = world.browser(Hvem::Admin).await;
        let mut les = world.browser(Hvem::Les).await;
        let (rolle, fjern) = (path(&world, Hvem::Les, "rolle").await, path(&world, Hvem::Les, "fjern").await);
        admin.get(&rolle).await.is(200).says("Endre rolle for Test Les");
        admin.post(&rolle, &[]).await.is(422).says("Velg rolle");
        let answer = admin.post(&rolle, &[("rolle", "administrator")]).await;
        let to = answer.location().to_owned();
        admin.get(&to).await.says("Test Les har nå rollen Administrator.");
        les.get(&format!("{}/personer", world.storevik.o())).await.is(200);

        let page = admin.get(&fjern).await;
        page.is(200).says("Fjerne tilgangen til Test Les?").says("Fjern personen").says("Behold personen");
        let answer = admin.post(&fjern, &[]).await;
        let to = answer.location().to_owned();
        admin.get(&to).await.says("Test Les har ikke lenger tilgang.");
        les.get(&format!("{}/tjenester", world.storevik.o())).await.is(404);
    }

    #[tokio::test]
    async fn last_administrator_stays() {
        let world = World::new().await;
        let text =
            "Organisasjonen må ha minst én administrator. Gjør en annen person til administrator først.";
        let own = world.app.list_personer(&Caller::Operator, world.nyvik, Page::all()).await.unwrap().rows[0]
            .person
            .id;
        let mut admin = world.browser(Hvem::Nyvik).await;
        let base = format!("/o/{}/personer", world.nyvik);
        admin.post(&format!("{base}/{own}/rolle"), &[("rolle", "lesetilgang")]).await.is(422).says(text);
        admin.post(&format!("{base}/{own}/fjern"), &[]).await.is(409).says(text);
        admin.get(&base).await.is(200).says("(deg)");
    }

    #[tokio::test]
    async fn who_gives_up_his_own_rolle_gets_another_token_and_a_page_that_he_may_see() {
        let world = World::new().await;
        world.member(world.nyvik, Rolle::Administrator).await;
        let own = world.app.list_personer(&Caller::Operator, world.nyvik, Page::all()).await.unwrap();
        let own = own.rows.iter().find(|rad| rad.person.navn == "Test Nyvik").unwrap().person.id;
        let mut admin = world.browser(Hvem::Nyvik).await;
        let base = format!("/o/{}/personer/{own}", world.nyvik);
        let before = admin.cookies.clone();
        let answer = admin.post(&format!("{base}/rolle"), &[("rolle", "protokolladministrator")]).await;
        let to = answer.location().to_owned();
        assert!(to.starts_with(&format!("/o/{}/tjenester?m=", world.nyvik)), "{to}");
        assert_ne!(before, admin.cookies);
        admin.get(&to).await.is(200).says("Test Nyvik har nå rollen Protokolladministrator.");
        admin.get(&format!("{base}/rolle")).await.is(403);
    }

    #[tokio::test]
    async fn long_list_is_shown_in_pages() {
        let world = World::new().await;
        for n in 10..40 {
            let identifier = app::ports::PersonIdentifier::new(format!("000000000{n}"));
            let navn = format!("Person {n}");
            let given = world.app.create_person_with_rolle(
                &Caller::Operator,
                world.storevik.org,
                &navn,
                &identifier,
                Rolle::Lesetilgang,
            );
            given.await.unwrap();
        }
        let mut admin = world.browser(Hvem::Admin).await;
        let list = format!("{}/personer", world.storevik.o());
        admin.get(&list).await.is(200).says("Side 1 av 2").says("Person 10").says_not("Test Les");
        admin
            .get(&format!("{list}?side=2"))
            .await
            .is(200)
            .says("Side 2 av 2")
            .says("Test Les")
            .says_not("Person 10");
    }
}
