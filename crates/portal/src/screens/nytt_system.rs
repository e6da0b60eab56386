//! Screen 6: «Opprett nytt system», four steps. What was typed is kept in the session under an id of its own, so that two
//! tabs do not mix; nothing is created before the last step.

use app::Error;
use app::sesjon::Once;
use app::system::NyttSystem;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use domain::Orgnummer;
use domain::id::{IntegrasjonId, SystemId};
use domain::system::SystemInfo;
use domain::tekst::{MAX_BESKRIVELSE, MAX_NAVN};
use serde::{Deserialize, Serialize};

use crate::feil::Feil;
use crate::format;
use crate::innlogget::ProtokollSide;
use crate::liste::Liste;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::regler::{Felt, tell_all, tell_eposter};
use crate::render::{found, invalid, ok};
use crate::skjema::{Mangler, Skjema};
use crate::tekster::Tekster;
use crate::view::{Checkbox, Counter, ErrorSummary, Field, Row, Rows, Step, Steps};

/// Addresses for varsling in the form.
pub(crate) const MAX_EPOSTER: usize = 10;

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/protokoll/systemer/ny/1", get(show_info).post(take_info))
        .route("/o/{org}/protokoll/systemer/ny/2", get(show_integrasjon).post(take_integrasjon))
        .route("/o/{org}/protokoll/systemer/ny/3", get(show_kontroll))
        .route("/o/{org}/protokoll/systemer/ny/opprett", post(create))
}

/// What was typed so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Utkast {
    navn: String,
    beskrivelse: String,
    eposter: Vec<String>,
    orgnummer: String,
    api: bool,
    /// How many steps are filled in.
    ferdig: usize,
    /// What it became.
    opprettet: Option<SystemId>,
}

impl Utkast {
    fn info(&self) -> SystemInfo {
        SystemInfo {
            navn: self.navn.clone(),
            beskrivelse: self.beskrivelse.clone(),
            eposter: self.eposter.iter().filter(|epost| !epost.is_empty()).cloned().collect(),
            offentlig: false,
            automatisk_godkjenning: false,
            leverandor_navn: None,
            leverandor_kontaktpunkt: None,
        }
    }
}

/// The draft of one tab.
struct Fane {
    id: String,
    utkast: Utkast,
}

impl Fane {
    fn key(&self) -> String {
        format!("nytt-system-{}", self.id)
    }

    /// The draft that the address or the form names; a new one where it names none that is known.
    async fn load(side: &ProtokollSide, id: &str) -> Result<Self, Feil> {
        let app = side.side.app();
        let known = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = if known { id.to_owned() } else { app.ids().uuid().simple().to_string() };
        let fane = Self { id, utkast: Utkast { api: true, ..Utkast::default() } };
        let kept = app.sesjon_value(side.side.innlogget.sesjon.id, &fane.key()).await?;
        let utkast = kept.and_then(|text| serde_json::from_str(&text).ok());
        Ok(Self { utkast: utkast.unwrap_or(fane.utkast), ..fane })
    }

    async fn save(&self, side: &ProtokollSide) -> Result<(), Feil> {
        let text = serde_json::to_string(&self.utkast).map_err(Feil::intern)?;
        let sesjon = side.side.innlogget.sesjon.id;
        Ok(side.side.app().put_sesjon_value(sesjon, &self.key(), &text).await?)
    }

    fn step(&self, side: &ProtokollSide, step: usize) -> String {
        format!("{}/ny/{step}?u={}", side.side.systemer_sti(), self.id)
    }

    /// Where to go instead of `step`: to the first one that is not filled in, or to what the draft became.
    fn elsewhere(&self, side: &ProtokollSide, step: usize) -> Option<Response> {
        if let Some(system) = self.utkast.opprettet {
            return Some(found(&format!("{}/{system}", side.side.systemer_sti())));
        }
        (self.utkast.ferdig + 1 < step).then(|| found(&self.step(side, self.utkast.ferdig + 1)))
    }
}

/// The frame and the list of steps.
fn ramme(side: &ProtokollSide, fane: &Fane, step: usize) -> (Ramme, Steps) {
    let t = side.side.t();
    let names =
        ["systeminfo", "integrasjon", "kontroll", "opprettet"].map(|n| t.s(&format!("nytt-system-steg-{n}")));
    let tittel = t.v2("nytt-system-tittel", "n", step, "steg", &names[step - 1]);
    let ramme = side.side.protokoll_ramme(tittel).here(t.s("nytt-system-kort-tittel"));
    let steps = names
        .into_iter()
        .enumerate()
        .map(|(at, text)| {
            let done = at + 1 < step;
            // What was created is not gone back to.
            let href = (done && step < 4).then(|| fane.step(side, at + 1));
            Step { text, href, done }
        })
        .collect();
    let steps =
        Steps { label: t.s("nytt-system-steg"), done: t.s("felles-ferdig"), all: steps, current: step };
    (ramme, steps)
}

pub(crate) fn counter(t: Tekster, max: usize) -> Counter {
    Counter {
        max: u16::try_from(max).unwrap_or(u16::MAX),
        limit: t.v("felles-tegn-hoyst", "n", max),
        under: t.s("felles-tegn-igjen"),
        over: t.s("felles-tegn-for-mye"),
    }
}

/// The inputs for addresses, with ids `epost-0`, `epost-1` ….
pub(crate) fn eposter_rows(t: Tekster, eposter: &[String], mangler: &Mangler, focus: Option<usize>) -> Rows {
    let one = [String::new()];
    let eposter = if eposter.is_empty() { &one } else { eposter };
    let rows = eposter
        .iter()
        .enumerate()
        .map(|(at, epost)| {
            let name = t.v("nytt-system-epost", "n", at + 1);
            let shown = if epost.is_empty() { &name } else { epost };
            let remove = (t.v("nytt-system-fjern-epost", "adresse", shown), format!("fjern-epost-{at}"));
            Row {
                field: Field::new("epost", &name)
                    .id(format!("epost-{at}"))
                    .kind("email")
                    .value(epost)
                    .error(mangler.of(&format!("epost-{at}"))),
                remove: (eposter.len() > 1).then_some(remove),
            }
        })
        .collect();
    let add = (t.s("nytt-system-legg-til-epost"), "legg-til-epost".to_owned());
    Rows {
        field: Field::new("eposter", t.s("regler-felt-eposter"))
            .description(t.s("nytt-system-eposter-hjelp")),
        inputs: rows,
        add: (eposter.len() < MAX_EPOSTER).then_some(add),
        focus: focus.map(|at| format!("epost-{at}")),
    }
}

/// Adds or removes an input, as the button pressed says, and answers which one gets the focus. `None` where another button
/// was pressed.
pub(crate) fn change_rows(eposter: &mut Vec<String>, handling: &str) -> Option<usize> {
    if handling == "legg-til-epost" {
        if eposter.len() < MAX_EPOSTER {
            eposter.push(String::new());
        }
        return Some(eposter.len() - 1);
    }
    let at: usize = handling.strip_prefix("fjern-epost-")?.parse().ok()?;
    if at < eposter.len() && eposter.len() > 1 {
        eposter.remove(at);
    }
    Some(at.min(eposter.len() - 1))
}

#[derive(Template)]
#[template(path = "nytt-system/info.html")]
struct InfoSide {
    ramme: Ramme,
    steps: Steps,
    u: String,
    avbryt: String,
    summary: ErrorSummary,
    navn: Field,
    beskrivelse: Field,
    eposter: Rows,
}

fn info_side(side: &ProtokollSide, fane: &Fane, mangler: &Mangler, focus: Option<usize>) -> InfoSide {
    let t = side.side.t();
    let (ramme, steps) = ramme(side, fane, 1);
    InfoSide {
        ramme: ramme.errors(!mangler.is_empty()),
        steps,
        u: fane.id.clone(),
        avbryt: side.side.systemer_sti(),
        summary: mangler.summary(t),
        navn: Field::new("navn", t.s("regler-felt-systemnavn"))
            .description(t.s("nytt-system-navn-hjelp"))
            .counter(counter(t, MAX_NAVN))
            .value(&fane.utkast.navn)
            .error(mangler.of("navn")),
        beskrivelse: Field::new("beskrivelse", t.s("felles-beskrivelse"))
            .description(t.s("nytt-system-beskrivelse-hjelp"))
            .counter(counter(t, MAX_BESKRIVELSE))
            .value(&fane.utkast.beskrivelse)
            .error(mangler.of("beskrivelse")),
        eposter: eposter_rows(t, &fane.utkast.eposter, mangler, focus),
    }
}

async fn show_info(side: ProtokollSide) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let fane = Fane::load(&side, &Liste::new(side.side.k()).text("u")).await?;
    if let Some(elsewhere) = fane.elsewhere(&side, 1) {
        return Ok(elsewhere);
    }
    Ok(ok(&info_side(&side, &fane, &Mangler::default(), None)))
}

async fn take_info(side: ProtokollSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let felter = &skjema.felter;
    let mut fane = Fane::load(&side, felter.raw("u")).await?;
    if let Some(elsewhere) = fane.elsewhere(&side, 1) {
        return Ok(elsewhere);
    }
    fane.utkast.navn = felter.text("navn");
    fane.utkast.beskrivelse = felter.lines("beskrivelse");
    fane.utkast.eposter = felter.all("epost").into_iter().take(MAX_EPOSTER).collect();
    if let Some(focus) = change_rows(&mut fane.utkast.eposter, felter.raw("handling")) {
        return Ok(ok(&info_side(&side, &fane, &Mangler::default(), Some(focus))));
    }
    let mangler = info_mangler(side.side.t(), &fane.utkast);
    if !mangler.is_empty() {
        return Ok(invalid(&info_side(&side, &fane, &mangler, None)));
    }
    fane.utkast.eposter.retain(|epost| !epost.is_empty());
    fane.utkast.ferdig = fane.utkast.ferdig.max(1);
    fane.save(&side).await?;
    Ok(found(&fane.step(&side, 2)))
}

fn info_mangler(t: Tekster, utkast: &Utkast) -> Mangler {
    let mut mangler = Mangler::default();
    let errors: Vec<_> = utkast
        .info()
        .errors()
        .into_iter()
        // Told one by one below.
        .filter(|(field, _)| *field != "eposter")
        .map(|(field, rule)| app::FieldError { field, rule: rule.into() })
        .collect();
    let felter = [
        Felt { json: "navn", id: "navn", navn: "systemnavn" },
        Felt { json: "beskrivelse", id: "beskrivelse", navn: "beskrivelse" },
    ];
    tell_all(t, &errors, &felter, &mut mangler);
    tell_eposter(t, &utkast.eposter, "epost", &mut mangler);
    mangler
}

#[derive(Template)]
#[template(path = "nytt-system/integrasjon.html")]
struct IntegrasjonSide {
    ramme: Ramme,
    steps: Steps,
    u: String,
    avbryt: String,
    forrige: String,
    summary: ErrorSummary,
    orgnummer: Field,
    api: Checkbox,
}

fn integrasjon_side(side: &ProtokollSide, fane: &Fane, mangler: &Mangler) -> IntegrasjonSide {
    let t = side.side.t();
    let (ramme, steps) = ramme(side, fane, 2);
    let api = Field::new("api", t.s("nytt-system-api")).description(t.s("nytt-system-api-hjelp")).optional();
    IntegrasjonSide {
        ramme: ramme.errors(!mangler.is_empty()),
        steps,
        u: fane.id.clone(),
        avbryt: side.side.systemer_sti(),
        forrige: fane.step(side, 1),
        summary: mangler.summary(t),
        orgnummer: Field::new("orgnummer", t.s("felles-organisasjonsnummer"))
            .description(t.s("nytt-system-orgnummer-hjelp"))
            .digits(12)
            .value(&fane.utkast.orgnummer)
            .error(mangler.of("orgnummer")),
        api: Checkbox::new(api, fane.utkast.api),
    }
}

async fn show_integrasjon(side: ProtokollSide) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let fane = Fane::load(&side, &Liste::new(side.side.k()).text("u")).await?;
    if let Some(elsewhere) = fane.elsewhere(&side, 2) {
        return Ok(elsewhere);
    }
    Ok(ok(&integrasjon_side(&side, &fane, &Mangler::default())))
}

async fn take_integrasjon(side: ProtokollSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let mut fane = Fane::load(&side, skjema.felter.raw("u")).await?;
    if let Some(elsewhere) = fane.elsewhere(&side, 2) {
        return Ok(elsewhere);
    }
    fane.utkast.orgnummer = skjema.felter.digits("orgnummer");
    fane.utkast.api = skjema.felter.checked("api");
    let mut mangler = Mangler::default();
    check_orgnummer(side.side.t(), &fane.utkast.orgnummer, "orgnummer", &mut mangler);
    if !mangler.is_empty() {
        return Ok(invalid(&integrasjon_side(&side, &fane, &mangler)));
    }
    fane.utkast.ferdig = 2;
    fane.save(&side).await?;
    Ok(found(&fane.step(&side, 3)))
}

/// Tells of what is wrong with an organisasjonsnummer, all but its control digit: test numbers exist.
pub(crate) fn check_orgnummer(t: Tekster, text: &str, id: &str, mangler: &mut Mangler) {
    if text.is_empty() {
        mangler.add(id, t.s("regler-orgnummer-mangler"));
    } else if text.parse::<Orgnummer>().is_err() {
        mangler.add(id, t.s("regler-orgnummer"));
    }
}

#[derive(Template)]
#[template(path = "nytt-system/kontroll.html")]
struct KontrollSide {
    ramme: Ramme,
    steps: Steps,
    u: String,
    opprett: String,
    avbryt: String,
    steg1: String,
    steg2: String,
    navn: String,
    beskrivelse: String,
    eposter: Vec<String>,
    orgnummer: String,
    kontrollsiffer_feil: bool,
    api: String,
}

async fn show_kontroll(side: ProtokollSide) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let fane = Fane::load(&side, &Liste::new(side.side.k()).text("u")).await?;
    if let Some(elsewhere) = fane.elsewhere(&side, 3) {
        return Ok(elsewhere);
    }
    let (ramme, steps) = ramme(&side, &fane, 3);
    let orgnummer: Option<Orgnummer> = fane.utkast.orgnummer.parse().ok();
    let side = KontrollSide {
        ramme,
        steps,
        opprett: format!("{}/ny/opprett", side.side.systemer_sti()),
        avbryt: side.side.systemer_sti(),
        steg1: fane.step(&side, 1),
        steg2: fane.step(&side, 2),
        navn: fane.utkast.navn.clone(),
        beskrivelse: fane.utkast.beskrivelse.clone(),
        eposter: fane.utkast.eposter.clone(),
        orgnummer: orgnummer.map(format::orgnummer).unwrap_or_default(),
        kontrollsiffer_feil: orgnummer.is_some_and(|orgnummer| !orgnummer.has_valid_control_digit()),
        api: side.side.t().s(if fane.utkast.api { "felles-ja" } else { "felles-nei" }),
        u: fane.id,
    };
    Ok(ok(&side))
}

/// What «Kopier alle» copies, in the order of the page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alle<'a> {
    system_id: SystemId,
    integrasjon_id: IntegrasjonId,
    integrasjon_passord: &'a str,
    system_navn: &'a str,
}

#[derive(Template)]
#[template(path = "nytt-system/opprettet.html")]
struct OpprettetSide {
    ramme: Ramme,
    steps: Steps,
    system_id: String,
    integrasjon_id: String,
    integrasjon_passord: String,
    system_navn: String,
    json: String,
    videre: String,
}

#[derive(Template)]
#[template(path = "nytt-system/allerede.html")]
struct AlleredeSide {
    ramme: Ramme,
    videre: String,
}

async fn create(side: ProtokollSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let mut fane = Fane::load(&side, skjema.felter.raw("u")).await?;
    if fane.utkast.opprettet.is_some() {
        return Ok(already(&side, &fane));
    }
    if let Some(elsewhere) = fane.elsewhere(&side, 3) {
        return Ok(elsewhere);
    }
    let nytt = NyttSystem {
        info: fane.utkast.info(),
        orgnummer: fane.utkast.orgnummer.clone(),
        konfigureres_av_integrasjon: fane.utkast.api,
    };
    // The draft can become one system only, whatever happens to this answer.
    let once = Once { sesjon: side.side.innlogget.sesjon.id, key: fane.key() };
    let created = side.side.app().create_system(&side.side.caller(), side.side.id(), nytt, Some(once)).await;
    let created = match created {
        Ok(created) => created,
        Err(Error::Conflict { what: "engangsnokkel" }) => return Ok(already(&side, &fane)),
        // The rules were other ones when the steps were filled in.
        Err(Error::Invalid(_)) => return Ok(found(&fane.step(&side, 1))),
        Err(error) => return Err(error.into()),
    };
    fane.utkast.opprettet = Some(created.system.id);
    fane.save(&side).await?;
    let sti = format!("{}/{}", side.side.systemer_sti(), created.system.id);
    let videre = Melding::info("system-bare-synlig").address(side.side.k(), &sti).await?;
    let (ramme, steps) = ramme(&side, &fane, 4);
    let passord = created.passord.reveal();
    let json = Alle {
        system_id: created.system.id,
        integrasjon_id: created.integrasjon.id,
        integrasjon_passord: passord,
        system_navn: &created.system.info.navn,
    };
    Ok(ok(&OpprettetSide {
        ramme,
        steps,
        system_id: created.system.id.to_string(),
        integrasjon_id: created.integrasjon.id.to_string(),
        integrasjon_passord: passord.to_owned(),
        system_navn: created.system.info.navn.clone(),
        json: serde_json::to_string_pretty(&json).map_err(Feil::intern)?,
        videre,
    }))
}

/// A repeat: the system is there, its password is gone.
fn already(side: &ProtokollSide, fane: &Fane) -> Response {
    let systemer = side.side.systemer_sti();
    let videre = fane.utkast.opprettet.map_or_else(|| systemer.clone(), |id| format!("{systemer}/{id}"));
    let tittel = side.side.t().s("nytt-system-allerede-tittel");
    ok(&AlleredeSide { ramme: side.side.protokoll_ramme(&tittel).here(&tittel), videre })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_added_and_removed_within_bounds() {
        let mut rows = vec!["a".to_owned()];
        assert_eq!(change_rows(&mut rows, "neste"), None);
        assert_eq!(change_rows(&mut rows, "fjern-epost-0"), Some(0));
        assert_eq!(rows.len(), 1);
        assert_eq!(change_rows(&mut rows, "legg-til-epost"), Some(1));
        assert_eq!(change_rows(&mut rows, "fjern-epost-0"), Some(0));
        assert_eq!(rows, [""]);
        rows = vec![String::new(); MAX_EPOSTER];
        change_rows(&mut rows, "legg-til-epost");
        assert_eq!(rows.len(), MAX_EPOSTER);
    }
}
