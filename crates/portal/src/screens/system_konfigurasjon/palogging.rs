//! How a System logs in: whose certificate its integrasjoner use, their passwords, and further integrasjoner.

use app::{Error, IntegrasjonPassord};
use askama::Template;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use domain::Orgnummer;
use domain::id::IntegrasjonId;
use domain::system::Integrasjon;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};

use super::{ENGANG, engangsnokkel, once, ramme, sporsmal_ramme, sti};
use crate::feil::Feil;
use crate::format;
use crate::innlogget::{SystemSide, path_id};
use crate::limit::{TooOften, Who};
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::regler::{Felt, tell_all};
use crate::render::{conflict, invalid, ok};
use crate::screens::nytt_system::check_orgnummer;
use crate::screens::system_faner;
use crate::skjema::{Felter, Mangler, Skjema};
use crate::tekster::Tekster;
use crate::view::{ErrorSummary, Field, Tab};

/// Name of the field that tells whose number an integrasjon had as the page showed it.
const FORRIGE: &str = "forrige";

pub(super) fn routes() -> Router<Portal> {
    Router::new()
        .route(
            "/o/{org}/protokoll/systemer/{system}/konfigurasjon/integrasjon",
            get(show_ny_integrasjon).post(add_integrasjon),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/konfigurasjon/integrasjon/{integrasjon}/orgnummer",
            get(show_orgnummer).post(take_orgnummer),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/konfigurasjon/integrasjon/{integrasjon}/passord",
            get(ask_passord).post(new_passord),
        )
}

/// One integrasjon of a System, for those who may change it.
struct IntegrasjonSide {
    side: SystemSide,
    integrasjon: Integrasjon,
}

impl FromRequestParts<Portal> for IntegrasjonSide {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let side = SystemSide::from_request_parts(parts, portal).await?;
        side.side.demand_change().map_err(Feil::into_response)?;
        let id: IntegrasjonId = path_id(parts, portal, "integrasjon").await?;
        let integrasjon = side.integrasjoner.iter().find(|one| one.id == id).cloned();
        let integrasjon = integrasjon.ok_or_else(|| Feil::FinnesIkke.into_response())?;
        Ok(Self { side, integrasjon })
    }
}

#[derive(Template)]
#[template(path = "system-konfigurasjon/orgnummer.html")]
struct OrgnummerSide {
    ramme: Ramme,
    summary: ErrorSummary,
    /// What somebody else has changed it to meanwhile.
    konflikt: Option<String>,
    integrasjon_id: String,
    forrige: String,
    orgnummer: Field,
    avbryt: String,
}

fn orgnummer_side(
    side: &SystemSide,
    integrasjon: &Integrasjon,
    forrige: &str,
    typed: &str,
    mangler: &Mangler,
) -> OrgnummerSide {
    let t = side.t();
    OrgnummerSide {
        ramme: sporsmal_ramme(side, &t.s("system-konfigurasjon-endre-orgnummer")).errors(!mangler.is_empty()),
        summary: mangler.summary(t),
        konflikt: None,
        integrasjon_id: integrasjon.id.to_string(),
        forrige: forrige.to_owned(),
        orgnummer: orgnummer_felt(t, typed, mangler),
        avbryt: sti(side),
    }
}

fn orgnummer_felt(t: Tekster, typed: &str, mangler: &Mangler) -> Field {
    Field::new("orgnummer", t.s("felles-organisasjonsnummer"))
        .description(t.s("nytt-system-orgnummer-hjelp"))
        .digits(12)
        .value(typed)
        .error(mangler.of("orgnummer"))
}

async fn show_orgnummer(IntegrasjonSide { side, integrasjon }: IntegrasjonSide) -> Result<Response, Feil> {
    let stored = integrasjon.orgnummer;
    let shown = format::orgnummer(stored);
    Ok(ok(&orgnummer_side(&side, &integrasjon, stored.as_str(), &shown, &Mangler::default())))
}

async fn take_orgnummer(
    IntegrasjonSide { side, integrasjon }: IntegrasjonSide,
    skjema: Skjema,
) -> Result<Response, Feil> {
    let (t, typed, forrige) = (side.t(), skjema.felter.digits("orgnummer"), skjema.felter.raw(FORRIGE));
    let mut mangler = Mangler::default();
    check_orgnummer(t, &typed, "orgnummer", &mut mangler);
    if !mangler.is_empty() {
        return Ok(invalid(&orgnummer_side(&side, &integrasjon, forrige, &typed, &mangler)));
    }
    let (caller, org, id) = (side.caller(), side.side.id(), side.system.id);
    let changed = match forrige.parse::<Orgnummer>() {
        Ok(expected) => {
            side.app().update_orgnummer(&caller, org, id, integrasjon.id, &typed, Some(expected)).await
        }
        // A form that does not say what it was made from may be older than anything.
        Err(_) => Err(Error::Conflict { what: "endring" }),
    };
    match changed {
        Ok(_) => {
            let melding = Melding::ok("system-konfigurasjon-orgnummer-endret");
            side.side.innlogget.to(&sti(&side), melding).await
        }
        Err(Error::Conflict { what: "endring" }) => {
            let stored = integrasjon.orgnummer;
            let page = orgnummer_side(&side, &integrasjon, stored.as_str(), &typed, &mangler);
            let page = OrgnummerSide {
                ramme: page.ramme.errors(true),
                konflikt: Some(format::orgnummer(stored)),
                ..page
            };
            Ok(conflict(&page))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "system-konfigurasjon/sporsmal-passord.html")]
struct SporsmalPassordSide {
    ramme: Ramme,
    engang: String,
    behold: String,
}

async fn ask_passord(IntegrasjonSide { side, .. }: IntegrasjonSide) -> Result<Response, Feil> {
    Ok(ok(&SporsmalPassordSide {
        ramme: sporsmal_ramme(&side, &side.t().s("system-konfigurasjon-passord-tittel")),
        engang: engangsnokkel(&side),
        behold: sti(&side),
    }))
}

#[derive(Template)]
#[template(path = "system-konfigurasjon/passord.html")]
struct PassordSide {
    ramme: Ramme,
    faner: Vec<Tab>,
    faner_navn: String,
    gjort: String,
    integrasjon_id: String,
    integrasjon_passord: String,
    videre: String,
}

/// The one page that shows the password: the answer to the form that made it.
fn show_passord(side: &SystemSide, id: IntegrasjonId, passord: &IntegrasjonPassord, gjort: &str) -> Response {
    ok(&PassordSide {
        ramme: ramme(side),
        faner: system_faner::tabs(side, "konfigurasjon"),
        faner_navn: system_faner::label(side),
        gjort: side.t().s(gjort),
        integrasjon_id: id.to_string(),
        integrasjon_passord: passord.reveal().to_owned(),
        videre: sti(side),
    })
}

#[derive(Template)]
#[template(path = "system-konfigurasjon/allerede.html")]
struct AlleredeSide {
    ramme: Ramme,
    videre: String,
}

/// A repeat: what was asked for is done, and the password is gone.
fn already(side: &SystemSide) -> Response {
    let tittel = side.t().s("system-konfigurasjon-allerede-tittel");
    ok(&AlleredeSide { ramme: sporsmal_ramme(side, &tittel), videre: sti(side) })
}

/// Counts a password of the System.
fn count_passord(side: &SystemSide) -> Result<(), Feil> {
    let counted = side.k().portal.limits().count(Who::Passord(side.system.id), side.k().now);
    counted.map_err(|TooOften { wait_minutes }| Feil::ForOfte { wait_minutes })
}

async fn new_passord(
    IntegrasjonSide { side, integrasjon }: IntegrasjonSide,
    skjema: Skjema,
) -> Result<Response, Feil> {
    count_passord(&side)?;
    let once = once(&side, "nytt-passord", &skjema.felter);
    let (caller, org) = (side.caller(), side.side.id());
    match side.app().new_passord(&caller, org, side.system.id, integrasjon.id, Some(once)).await {
        Ok(passord) => {
            Ok(show_passord(&side, integrasjon.id, &passord, "system-konfigurasjon-passord-laget"))
        }
        Err(Error::Conflict { what: "engangsnokkel" }) => Ok(already(&side)),
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "system-konfigurasjon/ny-integrasjon.html")]
struct NyIntegrasjonSide {
    ramme: Ramme,
    summary: ErrorSummary,
    engang: String,
    orgnummer: Field,
    utlopsdato: Field,
    avbryt: String,
}

fn ny_integrasjon_side(side: &SystemSide, felter: &Felter, mangler: &Mangler) -> NyIntegrasjonSide {
    let t = side.t();
    let sent = felter.text(ENGANG);
    NyIntegrasjonSide {
        ramme: sporsmal_ramme(side, &t.s("system-konfigurasjon-legg-til")).errors(!mangler.is_empty()),
        summary: mangler.summary(t),
        engang: if sent.is_empty() { engangsnokkel(side) } else { sent },
        orgnummer: orgnummer_felt(t, &felter.text("orgnummer"), mangler),
        utlopsdato: Field::new("utlopsdato", t.s("regler-felt-utlopsdato"))
            .description(t.s("system-konfigurasjon-utlopsdato-hjelp"))
            .kind("date")
            .width(12)
            .value(felter.text("utlopsdato"))
            .error(mangler.of("utlopsdato")),
        avbryt: sti(side),
    }
}

async fn show_ny_integrasjon(side: SystemSide) -> Result<Response, Feil> {
    side.side.demand_change()?;
    Ok(ok(&ny_integrasjon_side(&side, &Felter::default(), &Mangler::default())))
}

async fn add_integrasjon(side: SystemSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let (t, felter) = (side.t(), &skjema.felter);
    let mut mangler = Mangler::default();
    let orgnummer = felter.digits("orgnummer");
    check_orgnummer(t, &orgnummer, "orgnummer", &mut mangler);
    let ends = last_second(&felter.text("utlopsdato"));
    let ends = match ends {
        Some(ends) if mangler.is_empty() => ends,
        Some(_) => return Ok(invalid(&ny_integrasjon_side(&side, felter, &mangler))),
        None => {
            mangler.add("utlopsdato", t.s("regler-dato"));
            return Ok(invalid(&ny_integrasjon_side(&side, felter, &mangler)));
        }
    };
    count_passord(&side)?;
    let once = once(&side, "ny-integrasjon", felter);
    let (caller, org) = (side.caller(), side.side.id());
    match side.app().add_integrasjon(&caller, org, side.system.id, &orgnummer, ends, Some(once)).await {
        Ok((added, passord)) => {
            Ok(show_passord(&side, added.id, &passord, "system-konfigurasjon-integrasjon-lagt-til"))
        }
        Err(Error::Invalid(errors)) => {
            let felter = [
                Felt { json: "organisasjonsnummer", id: "orgnummer", navn: "orgnummer" },
                Felt { json: "utlopsDato", id: "utlopsdato", navn: "utlopsdato" },
            ];
            tell_all(t, &errors, &felter, &mut mangler);
            Ok(invalid(&ny_integrasjon_side(&side, &skjema.felter, &mangler)))
        }
        Err(Error::Conflict { what: "engangsnokkel" }) => Ok(already(&side)),
        Err(error) => Err(error.into()),
    }
}

/// The last second of a day, so that what ends then is told to end on that day.
fn last_second(day: &str) -> Option<Timestamp> {
    format::end_of_day(day)?.checked_sub(SignedDuration::from_secs(1)).ok()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::ENGANG;
    use super::super::testing::{follow, hidden, primary, sti, stored};
    use super::FORRIGE;
    use crate::format;
    use crate::testing::{Hvem, World};

    async fn integrasjon_path(world: &World, handling: &str) -> String {
        format!("{}/integrasjon/{}/{handling}", sti(world), primary(world).await.id)
    }

    #[tokio::test]
    async fn orgnummer_is_changed_and_checked() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let path = integrasjon_path(&world, "orgnummer").await;
        let page = browser.get(&path).await;
        page.is(200).says("Klienten må bruke et Maskinporten-token for det nye nummeret.");
        assert!(page.text.contains("value=\"971\u{a0}032\u{a0}146\""), "{}", page.text);
        let forrige = hidden(&page, FORRIGE);
        for (typed, text) in
            [(" ", "Skriv inn organisasjonsnummer"), ("12345678", "Organisasjonsnummer må ha 9 siffer")]
        {
            let answer = browser.post(&path, &[("orgnummer", typed), (FORRIGE, &forrige)]).await;
            answer.is(422).says(text);
            assert_eq!(hidden(&answer, FORRIGE), forrige);
        }
        let fields = [("orgnummer", "964 338\u{a0}532"), (FORRIGE, forrige.as_str())];
        let answer = browser.post(&path, &fields).await;
        let page = follow(&mut browser, &answer).await;
        page.says("Organisasjonsnummer er endret").says("964\u{a0}338\u{a0}532");
        page.says("Kontrollsifferet i organisasjonsnummeret stemmer ikke. Sjekk nummeret.");
        assert_eq!(primary(&world).await.orgnummer.as_str(), "964338532");
    }

    #[tokio::test]
    async fn orgnummer_that_somebody_else_changed_is_not_overwritten_unseen() {
        fn mine(forrige: &str) -> [(&str, &str); 2] {
            [("orgnummer", "964338531"), (FORRIGE, forrige)]
        }

        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let path = integrasjon_path(&world, "orgnummer").await;
        let before = hidden(&browser.get(&path).await, FORRIGE);
        let mut other = world.browser(Hvem::Protokoll).await;
        other.post(&path, &[("orgnummer", "974760673"), (FORRIGE, &before)]).await.is(303);
        let answer = browser.post(&path, &mine(&before)).await;
        answer
            .is(409)
            .says("Noen andre har endret dette siden du åpnet siden. Se over og lagre på nytt.")
            .says("974\u{a0}760\u{a0}673");
        assert!(answer.text.contains("value=\"964338531\""), "{}", answer.text);
        assert!(answer.text.contains("<title>Feil: "), "{}", answer.text);
        browser.post(&path, &[("orgnummer", "964338531")]).await.is(409);
        assert_eq!(primary(&world).await.orgnummer.as_str(), "974760673");
        browser.post(&path, &mine(&hidden(&answer, FORRIGE))).await.is(303);
        assert_eq!(primary(&world).await.orgnummer.as_str(), "964338531");
        // What he would have overwritten is what he wanted.
        browser.post(&path, &mine(&before)).await.is(303);
    }

    #[tokio::test]
    async fn new_password_is_shown_once_and_a_repeat_makes_none() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let before = primary(&world).await.passord_hash;
        let page = browser.get(&sti(&world)).await;
        page.says("Generere nytt passord?").says("Det gamle passordet slutter å virke med en gang.");
        let (path, key) = (integrasjon_path(&world, "passord").await, hidden(&page, ENGANG));
        let page = browser.post(&path, &[(ENGANG, &key)]).await;
        page.is(200)
            .says("Nytt passord er laget")
            .says("Passordet vises bare nå.")
            .says("Integrasjonspålogging");
        assert_eq!(page.headers[http::header::CACHE_CONTROL], "no-store");
        let secret = page.text.split("data-hemmelig").nth(1).unwrap().split("kopi__verdi\">").nth(1).unwrap();
        let secret = secret.split('<').next().unwrap();
        assert!(secret.len() >= 43, "{secret}");
        let after = primary(&world).await.passord_hash;
        assert_ne!(before, after);
        let repeat = browser.post(&path, &[(ENGANG, &key)]).await;
        repeat
            .is(200)
            .says("Passordet er allerede laget")
            .says("Passordet kan ikke vises på nytt.")
            .says_not(secret);
        assert_eq!(primary(&world).await.passord_hash, after);
        browser.get(&path).await.is(200).says("Behold passordet").says_not(secret);
    }

    #[tokio::test]
    async fn eleventh_password_within_an_hour_is_refused() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let path = integrasjon_path(&world, "passord").await;
        for _ in 0..10 {
            let key = hidden(&browser.get(&path).await, ENGANG);
            browser.post(&path, &[(ENGANG, &key)]).await.is(200).says("Nytt passord er laget");
        }
        let key = hidden(&browser.get(&path).await, ENGANG);
        let answer = browser.post(&path, &[(ENGANG, &key)]).await;
        answer.is(429).says("Du har prøvd for mange ganger. Vent 60 minutter.");
    }

    #[tokio::test]
    async fn integrasjon_is_added_and_the_one_before_ends_on_the_day_chosen() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let path = format!("{}/integrasjon", sti(&world));
        let key = hidden(&browser.get(&path).await, ENGANG);
        let now = world.app.clock().now();
        let day = |hours| format::day(now.checked_add(SignedDuration::from_hours(hours)).unwrap());
        let (past, later, far) = (day(-48), day(30 * 24), day(4 * 365 * 24));
        for (orgnummer, dato, text) in [
            ("", later.as_str(), "Skriv inn organisasjonsnummer"),
            ("1234", &later, "Organisasjonsnummer må ha 9 siffer"),
            ("964338531", "", "Skriv datoen som dag, måned og år"),
            ("964338531", &past, "Datoen må være i dag eller senere"),
            ("964338531", &far, "Datoen kan ikke være senere enn"),
        ] {
            let fields = [(ENGANG, key.as_str()), ("orgnummer", orgnummer), ("utlopsdato", dato)];
            let answer = browser.post(&path, &fields).await;
            answer.is(422).says("Du må rette 1 feil for å gå videre").says(text);
            assert_eq!(hidden(&answer, ENGANG), key);
        }
        let fields = [(ENGANG, key.as_str()), ("orgnummer", "964338531"), ("utlopsdato", &later)];
        let page = browser.post(&path, &fields).await;
        page.is(200).says("Integrasjonen er lagt til").says("Passordet vises bare nå.");
        let (_, integrasjoner) = stored(&world, world.storevik.system).await;
        assert_eq!(integrasjoner.len(), 2);
        page.says(&integrasjoner[0].id.to_string());
        assert_eq!(integrasjoner[0].orgnummer.as_str(), "964338531");
        assert_eq!(format::day(integrasjoner[1].utlops_dato.unwrap()), later);
        browser.post(&path, &fields).await.is(200).says("Passordet er allerede laget");
        assert_eq!(stored(&world, world.storevik.system).await.1.len(), 2);
    }
}
