//! Screen 10: how a System is set up. Each section is a form of its own; what cannot be undone asks once more, in a dialog
//! or, without script, on a page with the same text and form.

use app::sesjon::Once;
use app::{Error, FieldError, IntegrasjonPassord};
use askama::Template;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use domain::Orgnummer;
use domain::id::IntegrasjonId;
use domain::system::{Integrasjon, System, SystemInfo};
use domain::tekst::{MAX_BESKRIVELSE, MAX_LEVERANDOR, MAX_NAVN};
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};

use crate::feil::Feil;
use crate::format;
use crate::innlogget::{SystemSide, path_id};
use crate::limit::{TooOften, Who};
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::regler::{Felt, tell_all, tell_eposter};
use crate::render::{conflict, found, invalid, ok};
use crate::screens::nytt_system::{MAX_EPOSTER, change_rows, check_orgnummer, counter, eposter_rows};
use crate::screens::system::IntegrasjonRad;
use crate::screens::system_faner;
use crate::skjema::{Felter, Mangler, Skjema};
use crate::tekster::Tekster;
use crate::view::{Checkbox, Crumb, ErrorSummary, Field, Rows, Tab};

/// Name of the field with the key that lets a form be sent once.
const ENGANG: &str = "engangsnokkel";
/// Name of the field that tells when the System had last been changed as the page showed it.
const ENDRET: &str = "endret";
/// Name of the field that tells whose number an integrasjon had as the page showed it.
const FORRIGE: &str = "forrige";

pub(crate) fn routes() -> Router<Portal> {
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
        .route("/o/{org}/protokoll/systemer/{system}/konfigurasjon/slett", get(ask_slett).post(remove))
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

fn sti(side: &SystemSide) -> String {
    format!("{}/konfigurasjon", side.sti())
}

fn integrasjon_sti(side: &SystemSide, id: IntegrasjonId, handling: &str) -> String {
    format!("{}/integrasjon/{id}/{handling}", sti(side))
}

/// The frame of the page with all sections.
fn ramme(side: &SystemSide) -> Ramme {
    let tab = side.t().s("system-fane-konfigurasjon");
    side.ramme(&tab).here(&tab)
}

/// The frame of a page that asks for one thing.
fn sporsmal_ramme(side: &SystemSide, tittel: &str) -> Ramme {
    let ramme = side.side.protokoll_ramme(tittel).crumb(Crumb::link(side.sti(), side.navn()));
    ramme.crumb(Crumb::link(sti(side), side.t().s("system-fane-konfigurasjon"))).here(tittel)
}

/// A key for one form.
fn engangsnokkel(side: &SystemSide) -> String {
    side.app().ids().uuid().simple().to_string()
}

/// Spends the key of the form for `handling`.
fn once(side: &SystemSide, handling: &str, felter: &Felter) -> Once {
    let key = format!("{handling}-{}", felter.raw(ENGANG));
    Once { sesjon: side.side.innlogget.sesjon.id, key }
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

/// The question whether to remove the System.
struct Slett {
    sti: String,
    tittel: String,
    tekst: String,
    felt: Field,
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

async fn slett(side: &SystemSide, typed: &str, error: Option<String>) -> Result<Slett, Feil> {
    let t = side.t();
    let innhold = side.app().system_innhold(&side.caller(), side.side.id(), side.system.id).await?;
    let counts = [("kontoer", innhold.kontoer.into()), ("tilganger", innhold.tilganger.into())];
    let tekst = match innhold.meldinger {
        Some(meldinger) => t.with(
            "system-konfigurasjon-slett-tekst",
            &[&counts[..], &[("meldinger", meldinger.into())]].concat(),
        ),
        None => t.with("system-konfigurasjon-slett-tekst-ukjent", &counts),
    };
    Ok(Slett {
        sti: format!("{}/slett", sti(side)),
        tittel: t.v("system-konfigurasjon-slett-tittel", "navn", side.navn()),
        tekst,
        felt: Field::new("bekreft", t.s("system-konfigurasjon-bekreft")).value(typed).error(error),
    })
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

#[derive(Template)]
#[template(path = "system-konfigurasjon/slett.html")]
struct SlettSide {
    ramme: Ramme,
    summary: ErrorSummary,
    slett: Slett,
    behold: String,
}

async fn slett_side(side: &SystemSide, typed: &str, mangler: &Mangler) -> Result<SlettSide, Feil> {
    let slett = slett(side, typed, mangler.of("bekreft")).await?;
    Ok(SlettSide {
        ramme: sporsmal_ramme(side, &slett.tittel).errors(!mangler.is_empty()),
        summary: mangler.summary(side.t()),
        slett,
        behold: sti(side),
    })
}

async fn ask_slett(side: SystemSide) -> Result<Response, Feil> {
    side.side.demand_change()?;
    Ok(ok(&slett_side(&side, "", &Mangler::default()).await?))
}

async fn remove(side: SystemSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let typed = skjema.felter.text("bekreft");
    if typed != side.navn() {
        let mut mangler = Mangler::default();
        mangler.add("bekreft", side.t().v("system-konfigurasjon-bekreft-feil", "navn", side.navn()));
        return Ok(invalid(&slett_side(&side, &typed, &mangler).await?));
    }
    side.app().remove_system(&side.caller(), side.side.id(), side.system.id).await?;
    let melding = Melding::ok("system-konfigurasjon-slettet").with("navn", side.navn());
    side.side.innlogget.to(&side.side.systemer_sti(), melding).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use app::Caller;
    use domain::id::SystemId;

    use super::*;
    use crate::testing::{Answer, Browser, Hvem, World};

    fn sti(world: &World) -> String {
        format!("{}/konfigurasjon", world.storevik.s())
    }

    /// The value of the first hidden field with that name.
    fn hidden(page: &Answer, name: &str) -> String {
        let rest = page.text.split(&format!("name=\"{name}\" value=\"")).nth(1);
        rest.unwrap_or_else(|| panic!("no {name} in {}", page.text)).split('"').next().unwrap().to_owned()
    }

    async fn stored(world: &World, id: SystemId) -> (System, Vec<Integrasjon>) {
        let org = world.storevik.org;
        world.app.system_med_integrasjoner(&Caller::Operator, org, id).await.unwrap()
    }

    async fn primary(world: &World) -> Integrasjon {
        stored(world, world.storevik.system).await.1.remove(0)
    }

    /// Opens the page and sends the form of a section with what it carries.
    async fn send(browser: &mut Browser, world: &World, section: &str, fields: &[(&str, &str)]) -> Answer {
        let endret = hidden(&browser.get(&sti(world)).await, ENDRET);
        let mut fields = fields.to_vec();
        fields.push((ENDRET, &endret));
        browser.post(&format!("{}/{section}", sti(world)), &fields).await
    }

    /// The page that a form leads to.
    async fn follow(browser: &mut Browser, answer: &Answer) -> Answer {
        browser.get(answer.location()).await
    }

    #[tokio::test]
    async fn only_those_who_may_change_come_here() {
        let world = World::new().await;
        let integrasjon = primary(&world).await.id;
        let orgnummer = format!("integrasjon/{integrasjon}/orgnummer");
        let passord = format!("integrasjon/{integrasjon}/passord");
        let pages = ["integrasjon", &orgnummer, &passord, "slett"];
        let sections = ["systeminfo", "leverandor", "api", "synlighet"];
        for (hvem, status, posted) in [
            (Hvem::Admin, 200, None),
            (Hvem::Protokoll, 200, None),
            (Hvem::Les, 403, Some(403)),
            (Hvem::Lillefjord, 404, Some(404)),
            (Hvem::Drift, 404, Some(404)),
        ] {
            let mut browser = world.browser(hvem).await;
            browser.get(&sti(&world)).await.is(status);
            for page in pages {
                browser.get(&format!("{}/{page}", sti(&world))).await.is(status);
            }
            for path in pages.iter().chain(&sections) {
                if let Some(posted) = posted {
                    browser.post(&format!("{}/{path}", sti(&world)), &[]).await.is(posted);
                }
            }
        }
        let mut admin = world.browser(Hvem::Admin).await;
        for section in sections {
            let answer = admin.get(&format!("{}/{section}", sti(&world))).await;
            assert_eq!(answer.location(), sti(&world));
        }
        admin.get(&format!("{}/integrasjon/{}/passord", sti(&world), world.nyvik)).await.is(404);
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

    async fn integrasjon_path(world: &World, handling: &str) -> String {
        format!("{}/integrasjon/{}/{handling}", sti(world), primary(world).await.id)
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

    #[tokio::test]
    async fn system_is_removed_only_by_those_who_type_its_name() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let path = format!("{}/slett", sti(&world));
        let counts = "1 konto, 0 meldinger på kø og 0 tilganger slettes. Dette kan ikke angres.";
        browser.get(&sti(&world)).await.says("Slette Mitt fagsystem?").says(counts);
        browser.get(&path).await.is(200).says(counts).says("Behold systemet");
        for typed in ["", "mitt fagsystem", "Mitt"] {
            let answer = browser.post(&path, &[("bekreft", typed)]).await;
            answer.is(422).says("Navnet stemmer ikke med Mitt fagsystem");
        }
        stored(&world, world.storevik.system).await;
        let answer = browser.post(&path, &[("bekreft", "Mitt fagsystem")]).await;
        let systemer = format!("{}/protokoll/systemer", world.storevik.o());
        assert!(answer.location().starts_with(&systemer), "{}", answer.location());
        follow(&mut browser, &answer).await.says("Mitt fagsystem er slettet.").says("Ingen systemer ennå");
        browser.get(&sti(&world)).await.is(404);
    }

    #[tokio::test]
    async fn question_is_asked_without_numbers_when_the_broker_is_out() {
        let world = World::new().await;
        world.broker.stop();
        let page = world.browser(Hvem::Admin).await.get(&format!("{}/slett", sti(&world))).await;
        page.is(200).says("1 konto, alle meldinger på kø og 0 tilganger slettes.");
    }
}
