//! The page with all sections, and those that hold what is known of the System: Systeminfo, Leverandør, API and Synlighet.

use app::{Error, FieldError};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use domain::id::IntegrasjonId;
use domain::system::{Integrasjon, System, SystemInfo};
use domain::tekst::{MAX_BESKRIVELSE, MAX_LEVERANDOR, MAX_NAVN};
use jiff::Timestamp;

use super::slett::{Slett, slett};
use super::{engangsnokkel, integrasjon_sti, ramme, sti};
use crate::feil::Feil;
use crate::innlogget::SystemSide;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::regler::{Felt, tell_all, tell_eposter};
use crate::render::{conflict, found, invalid, ok};
use crate::screens::nytt_system::{MAX_EPOSTER, change_rows, counter, eposter_rows};
use crate::screens::system::IntegrasjonRad;
use crate::screens::system_faner;
use crate::skjema::{Mangler, Skjema};
use crate::tekster::Tekster;
use crate::view::{Checkbox, ErrorSummary, Field, Rows, Tab};

/// Name of the field that tells when the System had last been changed as the page showed it.
pub(super) const ENDRET: &str = "endret";

pub(super) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/protokoll/systemer/{system}/konfigurasjon", get(show))
        // A language chosen, or a reload, after a form was to be mended comes here by GET.
        .route(
            "/o/{org}/protokoll/systemer/{system}/konfigurasjon/systeminfo",
            post(take_systeminfo).get(back),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/konfigurasjon/leverandor",
            post(take_leverandor).get(back),
        )
        .route("/o/{org}/protokoll/systemer/{system}/konfigurasjon/api", post(take_api).get(back))
        .route("/o/{org}/protokoll/systemer/{system}/konfigurasjon/synlighet", post(take_synlighet).get(back))
}

/// What stands in the forms: what is stored, until one of them came back.
struct Utfylt {
    info: SystemInfo,
    /// With the inputs that are empty.
    eposter: Vec<String>,
    api: bool,
    endret: String,
}

impl Utfylt {
    fn stored(system: &System) -> Self {
        Self {
            info: system.info.clone(),
            eposter: system.info.eposter.clone(),
            api: system.konfigureres_av_integrasjon,
            endret: endret(system),
        }
    }
}

/// When the System was last changed, as a form carries it.
fn endret(system: &System) -> String {
    system.sist_endret.to_string()
}

#[derive(Template)]
#[template(path = "system-konfigurasjon/konfigurasjon.html")]
struct KonfigurasjonSide {
    ramme: Ramme,
    faner: Vec<Tab>,
    faner_navn: String,
    summary: ErrorSummary,
    konflikt: bool,
    sti: String,
    endret: String,
    navn: Field,
    beskrivelse: Field,
    eposter: Rows,
    leverandor_navn: Field,
    leverandor_kontaktpunkt: Field,
    integrasjoner: Vec<Palogging>,
    ny_integrasjon: String,
    api: Checkbox,
    /// As it is stored.
    api_er_av: bool,
    offentlig: Checkbox,
    automatisk: Checkbox,
    slett: Slett,
}

/// An integrasjon with what can be done about it.
struct Palogging {
    rad: IntegrasjonRad,
    endre_orgnummer: String,
    /// Nothing where it no longer works.
    passord: Option<NyttPassord>,
}

/// The question whether to make a new password.
struct NyttPassord {
    dialog: String,
    sti: String,
    engang: String,
}

/// Draws the page with all sections. Of several mangler, those of one form only can be told.
async fn page(
    side: &SystemSide,
    utfylt: &Utfylt,
    mangler: &Mangler,
    focus: Option<usize>,
    konflikt: bool,
) -> Result<KonfigurasjonSide, Feil> {
    let (t, info) = (side.t(), &utfylt.info);
    let leverandor = |id: &str, navn: &str, value: &Option<String>| {
        Field::new(id, t.s(&format!("regler-felt-{navn}")))
            .optional()
            .tag(t.s("felles-valgfritt"))
            .counter(counter(t, MAX_LEVERANDOR))
            .value(value.clone().unwrap_or_default())
            .error(mangler.of(id))
    };
    let api = Field::new("api", t.s("nytt-system-api")).description(t.s("nytt-system-api-hjelp")).optional();
    let offentlig = Field::new("offentlig", t.s("system-konfigurasjon-offentlig")).optional();
    let automatisk = Field::new("automatisk", t.s("system-konfigurasjon-automatisk")).optional();
    Ok(KonfigurasjonSide {
        ramme: ramme(side).errors(konflikt || !mangler.is_empty()),
        faner: system_faner::tabs(side, "konfigurasjon"),
        faner_navn: system_faner::label(side),
        summary: mangler.summary(t),
        konflikt,
        sti: sti(side),
        endret: utfylt.endret.clone(),
        navn: Field::new("navn", t.s("regler-felt-systemnavn"))
            .description(t.s("nytt-system-navn-hjelp"))
            .counter(counter(t, MAX_NAVN))
            .value(&info.navn)
            .error(mangler.of("navn")),
        beskrivelse: Field::new("beskrivelse", t.s("felles-beskrivelse"))
            .description(t.s("nytt-system-beskrivelse-hjelp"))
            .counter(counter(t, MAX_BESKRIVELSE))
            .value(&info.beskrivelse)
            .error(mangler.of("beskrivelse")),
        eposter: eposter_rows(t, &utfylt.eposter, mangler, focus),
        leverandor_navn: leverandor("leverandorNavn", "leverandornavn", &info.leverandor_navn),
        leverandor_kontaktpunkt: leverandor(
            "leverandorKontaktpunkt",
            "leverandorkontaktpunkt",
            &info.leverandor_kontaktpunkt,
        ),
        integrasjoner: palogginger(side),
        ny_integrasjon: format!("{}/integrasjon", sti(side)),
        api: Checkbox::new(api, utfylt.api),
        api_er_av: !side.system.konfigureres_av_integrasjon,
        offentlig: Checkbox::new(offentlig, info.offentlig).block("synlighet-for-andre"),
        automatisk: Checkbox::new(automatisk, info.automatisk_godkjenning)
            .block("synlighet-uten-godkjenning"),
        slett: slett(side, "", None).await?,
    })
}

fn palogginger(side: &SystemSide) -> Vec<Palogging> {
    let (t, now) = (side.t(), side.k().now);
    let each = |(at, one): (usize, &Integrasjon)| Palogging {
        rad: IntegrasjonRad::new(t, one, now),
        endre_orgnummer: integrasjon_sti(side, one.id, "orgnummer"),
        passord: one.utlops_dato.is_none_or(|ends| now < ends).then(|| nytt_passord(side, at, one.id)),
    };
    side.integrasjoner.iter().enumerate().map(each).collect()
}

fn nytt_passord(side: &SystemSide, at: usize, id: IntegrasjonId) -> NyttPassord {
    NyttPassord {
        dialog: format!("nytt-passord-{at}"),
        sti: integrasjon_sti(side, id, "passord"),
        engang: engangsnokkel(side),
    }
}

async fn show(side: SystemSide) -> Result<Response, Feil> {
    side.side.demand_change()?;
    Ok(ok(&page(&side, &Utfylt::stored(&side.system), &Mangler::default(), None, false).await?))
}

async fn back(side: SystemSide) -> Result<Response, Feil> {
    side.side.demand_change()?;
    Ok(found(&sti(&side)))
}

async fn take_systeminfo(side: SystemSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let felter = &skjema.felter;
    let mut utfylt = Utfylt::stored(&side.system);
    felter.raw(ENDRET).clone_into(&mut utfylt.endret);
    utfylt.info.navn = felter.text("navn");
    utfylt.info.beskrivelse = felter.lines("beskrivelse");
    utfylt.eposter = felter.all("epost").into_iter().take(MAX_EPOSTER).collect();
    if let Some(focus) = change_rows(&mut utfylt.eposter, felter.raw("handling")) {
        return Ok(ok(&page(&side, &utfylt, &Mangler::default(), Some(focus), false).await?));
    }
    utfylt.info.eposter = utfylt.eposter.iter().filter(|epost| !epost.is_empty()).cloned().collect();
    save(&side, utfylt, "system-konfigurasjon-lagret-systeminfo").await
}

async fn take_leverandor(side: SystemSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let felter = &skjema.felter;
    let optional = |name: &str| Some(felter.text(name)).filter(|text| !text.is_empty());
    let mut utfylt = Utfylt::stored(&side.system);
    felter.raw(ENDRET).clone_into(&mut utfylt.endret);
    utfylt.info.leverandor_navn = optional("leverandorNavn");
    utfylt.info.leverandor_kontaktpunkt = optional("leverandorKontaktpunkt");
    save(&side, utfylt, "system-konfigurasjon-lagret-leverandor").await
}

async fn take_synlighet(side: SystemSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let felter = &skjema.felter;
    let mut utfylt = Utfylt::stored(&side.system);
    felter.raw(ENDRET).clone_into(&mut utfylt.endret);
    utfylt.info.offentlig = felter.checked("offentlig");
    utfylt.info.automatisk_godkjenning = felter.checked("automatisk");
    save(&side, utfylt, "system-konfigurasjon-lagret-synlighet").await
}

/// The change of the System that a form was made from. One that does not say fits no state that a System was ever in.
fn expected(endret: &str) -> Timestamp {
    endret.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Saves what a form changed of the info; afterwards the page says `melding`.
async fn save(side: &SystemSide, mut utfylt: Utfylt, melding: &str) -> Result<Response, Feil> {
    let expected = expected(&utfylt.endret);
    let (caller, org, info) = (side.caller(), side.side.id(), utfylt.info.clone());
    match side.app().update_system_info(&caller, org, side.system.id, info, Some(expected)).await {
        Ok(_) => side.side.innlogget.to(&sti(side), Melding::ok(melding)).await,
        Err(Error::Invalid(errors)) => {
            let mangler = info_mangler(side.t(), errors, &utfylt.eposter);
            Ok(invalid(&page(side, &utfylt, &mangler, None, false).await?))
        }
        Err(Error::Conflict { what: "endring" }) => {
            // Whoever has looked over it may save.
            utfylt.endret = endret(&side.system);
            Ok(conflict(&page(side, &utfylt, &Mangler::default(), None, true).await?))
        }
        Err(error) => Err(error.into()),
    }
}

fn info_mangler(t: Tekster, errors: Vec<FieldError>, eposter: &[String]) -> Mangler {
    let felter = [
        Felt { json: "navn", id: "navn", navn: "systemnavn" },
        Felt { json: "beskrivelse", id: "beskrivelse", navn: "beskrivelse" },
        Felt { json: "leverandorNavn", id: "leverandorNavn", navn: "leverandornavn" },
        Felt { json: "leverandorKontaktpunkt", id: "leverandorKontaktpunkt", navn: "leverandorkontaktpunkt" },
    ];
    let mut mangler = Mangler::default();
    // Addresses are told one by one.
    let (of_eposter, others): (Vec<_>, Vec<_>) =
        errors.into_iter().partition(|error| error.field == "eposter");
    tell_all(t, &others, &felter, &mut mangler);
    if !of_eposter.is_empty() {
        tell_eposter(t, eposter, "epost", &mut mangler);
    }
    mangler
}

async fn take_api(side: SystemSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let on = skjema.felter.checked("api");
    let (caller, org, id) = (side.caller(), side.side.id(), side.system.id);
    let expected = expected(skjema.felter.raw(ENDRET));
    match side.app().update_integrasjon_privilegium(&caller, org, id, on, Some(expected)).await {
        Ok(_) => {
            let melding =
                if on { "system-konfigurasjon-api-slatt-pa" } else { "system-konfigurasjon-api-slatt-av" };
            side.side.innlogget.to(&sti(&side), Melding::ok(melding)).await
        }
        Err(Error::Conflict { what: "endring" }) => {
            let utfylt = Utfylt { api: on, ..Utfylt::stored(&side.system) };
            Ok(conflict(&page(&side, &utfylt, &Mangler::default(), None, true).await?))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{follow, hidden, sti, stored};
    use super::ENDRET;
    use crate::testing::{Answer, Browser, Hvem, World};

    /// Opens the page and sends the form of a section with what it carries.
    async fn send(browser: &mut Browser, world: &World, section: &str, fields: &[(&str, &str)]) -> Answer {
        let endret = hidden(&browser.get(&sti(world)).await, ENDRET);
        let mut fields = fields.to_vec();
        fields.push((ENDRET, &endret));
        browser.post(&format!("{}/{section}", sti(world)), &fields).await
    }

    #[tokio::test]
    async fn systeminfo_is_saved_and_each_broken_rule_told() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Protokoll).await;
        let fields =
            [("navn", " Nytt navn "), ("beskrivelse", "En\r\nto"), ("epost", "a@eksempel.no"), ("epost", "")];
        let answer = send(&mut browser, &world, "systeminfo", &fields).await;
        follow(&mut browser, &answer)
            .await
            .is(200)
            .says("Systeminfo er lagret")
            .says("Nytt navn – Konfigurasjon");
        let (system, _) = stored(&world, world.storevik.system).await;
        assert_eq!((system.info.navn.as_str(), system.info.beskrivelse.as_str()), ("Nytt navn", "En\nto"));
        assert_eq!(system.info.eposter, ["a@eksempel.no"]);
        assert!(system.info.offentlig, "other sections are left alone");

        let long = "x".repeat(501);
        for (navn, beskrivelse, epost, text) in [
            ("", "B", "a@eksempel.no", "Skriv inn systemnavn"),
            ("x", "B", "a@eksempel.no", "Systemnavn må ha minst 2 tegn"),
            (&long[..201], "B", "a@eksempel.no", "Systemnavn kan ha høyst 200 tegn"),
            ("a<b", "B", "a@eksempel.no", "Systemnavn kan ikke inneholde <"),
            ("Navn", "", "a@eksempel.no", "Skriv inn beskrivelse"),
            ("Navn", &long, "a@eksempel.no", "Beskrivelse kan ha høyst 500 tegn"),
            ("Navn", "B", "", "Skriv inn minst én e-postadresse"),
            ("Navn", "B", "a", "E-postadressen a er ikke gyldig. Skriv den som navn@eksempel.no"),
        ] {
            let fields = [("navn", navn), ("beskrivelse", beskrivelse), ("epost", epost)];
            let answer = send(&mut browser, &world, "systeminfo", &fields).await;
            answer.is(422).says("Du må rette 1 feil for å gå videre").says(text);
            assert!(answer.text.contains("<title>Feil: "), "{}", answer.text);
        }
        let fields = [("navn", "Navn"), ("beskrivelse", "B"), ("epost", "a@b.no"), ("epost", "A@b.no")];
        let answer = send(&mut browser, &world, "systeminfo", &fields).await;
        answer.is(422).says("A@b.no står to ganger");
    }

    #[tokio::test]
    async fn address_rows_are_added_and_removed_without_saving() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let fields = [("navn", "Uferdig"), ("epost", "a@eksempel.no"), ("handling", "legg-til-epost")];
        let answer = send(&mut browser, &world, "systeminfo", &fields).await;
        answer.is(200).says("Fjern a@eksempel.no");
        assert!(answer.text.contains("value=\"Uferdig\""), "{}", answer.text);
        assert!(answer.text.contains("id=\"epost-1\""), "{}", answer.text);
        assert_eq!(stored(&world, world.storevik.system).await.0.info.navn, "Mitt fagsystem");
    }

    #[tokio::test]
    async fn leverandor_is_optional_and_at_most_a_hundred_characters() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let fields = [("leverandorNavn", "Leverandør AS"), ("leverandorKontaktpunkt", "")];
        let answer = send(&mut browser, &world, "leverandor", &fields).await;
        follow(&mut browser, &answer).await.says("Leverandør er lagret");
        let info = stored(&world, world.storevik.system).await.0.info;
        assert_eq!(
            (info.leverandor_navn.as_deref(), info.leverandor_kontaktpunkt),
            (Some("Leverandør AS"), None)
        );
        let long = "x".repeat(101);
        let fields = [("leverandorNavn", long.as_str()), ("leverandorKontaktpunkt", &long)];
        let answer = send(&mut browser, &world, "leverandor", &fields).await;
        answer.is(422).says("Du må rette 2 feil for å gå videre");
        answer
            .says("Leverandørnavn kan ha høyst 100 tegn")
            .says("Leverandørkontaktpunkt kan ha høyst 100 tegn");
        let answer = send(&mut browser, &world, "leverandor", &[]).await;
        answer.is(303);
        assert_eq!(stored(&world, world.storevik.system).await.0.info.leverandor_navn, None);
    }

    #[tokio::test]
    async fn both_settings_of_visibility_together_bring_a_warning() {
        const WARNING: &str = "<div id=\"synlighet-uten-godkjenning\">";
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        assert!(!browser.get(&sti(&world)).await.text.contains(WARNING));
        let answer =
            send(&mut browser, &world, "synlighet", &[("offentlig", "ja"), ("automatisk", "ja")]).await;
        let page = follow(&mut browser, &answer).await;
        page.says("Synlighet er lagret");
        page.says("Alle organisasjoner kan da få tilgang uten at noen godkjenner det.");
        assert!(page.text.contains(WARNING) && page.text.contains("<div id=\"synlighet-for-andre\">"));
        send(&mut browser, &world, "synlighet", &[]).await.is(303);
        let info = stored(&world, world.storevik.system).await.0.info;
        assert!(!info.offentlig && !info.automatisk_godkjenning);
    }

    #[tokio::test]
    async fn api_is_turned_off_and_on() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        browser.get(&sti(&world)).await.says_not("vil bli avvist");
        let answer = send(&mut browser, &world, "api", &[]).await;
        let page = follow(&mut browser, &answer).await;
        page.says("API-konfigurasjon er slått av").says("API-kall som endrer systemet, vil bli avvist.");
        assert!(!stored(&world, world.storevik.system).await.0.konfigureres_av_integrasjon);
        let answer = send(&mut browser, &world, "api", &[("api", "ja")]).await;
        follow(&mut browser, &answer).await.says("API-konfigurasjon er slått på").says_not("vil bli avvist");
    }

    #[tokio::test]
    async fn api_is_not_turned_off_on_top_of_another_ones_change() {
        const TICKED: &str = "name=\"api\" value=\"ja\" checked";
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let before = browser.get(&sti(&world)).await;
        assert!(before.text.contains(TICKED), "{}", before.text);
        let before = hidden(&before, ENDRET);
        world.clock.advance(Duration::from_secs(1));
        let mut other = world.browser(Hvem::Protokoll).await;
        send(&mut other, &world, "leverandor", &[("leverandorNavn", "Andre")]).await.is(303);
        let path = format!("{}/api", sti(&world));
        let answer = browser.post(&path, &[(ENDRET, &before)]).await;
        answer.is(409).says("Noen andre har endret dette siden du åpnet siden. Se over og lagre på nytt.");
        assert!(!answer.text.contains(TICKED), "{}", answer.text);
        browser.post(&path, &[]).await.is(409);
        assert!(stored(&world, world.storevik.system).await.0.konfigureres_av_integrasjon);
        browser.post(&path, &[(ENDRET, &hidden(&answer, ENDRET))]).await.is(303);
        assert!(!stored(&world, world.storevik.system).await.0.konfigureres_av_integrasjon);
    }

    #[tokio::test]
    async fn what_somebody_else_changed_is_not_overwritten_unseen() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let before = hidden(&browser.get(&sti(&world)).await, ENDRET);
        world.clock.advance(Duration::from_secs(1));
        let mut other = world.browser(Hvem::Protokoll).await;
        send(&mut other, &world, "leverandor", &[("leverandorNavn", "Andre")]).await.is(303);
        let path = format!("{}/systeminfo", sti(&world));
        let mine = [("navn", "Mitt navn"), ("beskrivelse", "B"), ("epost", "a@eksempel.no")];
        let with = |endret| [&mine[..], &[(ENDRET, endret)]].concat();
        let answer = browser.post(&path, &with(&before)).await;
        answer.is(409).says("Noen andre har endret dette siden du åpnet siden. Se over og lagre på nytt.");
        assert!(answer.text.contains("value=\"Mitt navn\"") && answer.text.contains("value=\"Andre\""));
        browser.post(&path, &mine).await.is(409);
        browser.post(&path, &with(&hidden(&answer, ENDRET))).await.is(303);
        let info = stored(&world, world.storevik.system).await.0.info;
        assert_eq!((info.navn.as_str(), info.leverandor_navn.as_deref()), ("Mitt navn", Some("Andre")));
    }
}
