//! Screen 7: a System at a glance.

use app::lister::HendelseFilter;
use app::paging::Page;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::system::Integrasjon;
use jiff::Timestamp;

use crate::feil::Feil;
use crate::format;
use crate::innlogget::SystemSide;
use crate::live;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::screens::hendelser::{Hendelse, hendelse};
use crate::screens::system_faner;
use crate::screens::utvikling::sertifikat_sti;
use crate::tekster::Tekster;
use crate::view::{Color, Live, Tab, Tag, Time};

/// Hendelser shown.
const SISTE: u32 = 5;

pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/o/{org}/protokoll/systemer/{system}", get(show))
}

/// An integrasjon as it is shown.
pub(crate) struct IntegrasjonRad {
    pub(crate) id: String,
    pub(crate) orgnummer: String,
    pub(crate) gyldig_fra: Time,
    /// When it stops working, if that is decided.
    pub(crate) utloper: Option<Time>,
    pub(crate) tilstand: Tag,
    /// The last digit of the orgnummer does not fit the others.
    pub(crate) kontrollsiffer_feil: bool,
}

impl IntegrasjonRad {
    pub(crate) fn new(t: Tekster, integrasjon: &Integrasjon, now: Timestamp) -> Self {
        let ends = integrasjon.utlops_dato;
        let tilstand = if ends.is_some_and(|ends| ends <= now) {
            Tag::new(Color::Neutral, t.s("system-integrasjon-utlopt"))
        } else if !integrasjon.aktiv(now) {
            Tag::new(Color::Neutral, t.s("system-integrasjon-ikke-begynt"))
        } else if let Some(ends) = ends {
            let dato = format::date(ends, t.sprak());
            Tag::new(Color::Warning, t.v("system-integrasjon-utloper", "dato", dato))
        } else {
            Tag::new(Color::Success, t.s("system-integrasjon-aktiv"))
        };
        Self {
            id: integrasjon.id.to_string(),
            orgnummer: format::orgnummer(integrasjon.orgnummer),
            gyldig_fra: format::time_of(integrasjon.gyldig_fra, t.sprak()),
            utloper: ends.map(|ends| format::time_of(ends, t.sprak())),
            tilstand,
            kontrollsiffer_feil: !integrasjon.orgnummer.has_valid_control_digit(),
        }
    }
}

#[derive(Template)]
#[template(path = "system/oversikt.html")]
struct OversiktSide {
    ramme: Ramme,
    faner: Vec<Tab>,
    faner_navn: String,
    /// That there are kontoer nobody fetches from; empty where there are none, or that is not known.
    mangler_kobling: String,
    kontoer_sti: String,
    status_url: String,
    oppdatert: Time,
    /// What to say when the numbers could not be had in time.
    sent: String,
    tall: Vec<Live>,
    system_id: String,
    integrasjoner: Vec<IntegrasjonRad>,
    /// The primary one's.
    orgnummer: String,
    beskrivelse: String,
    eposter: Vec<String>,
    leverandor_navn: String,
    leverandor_kontaktpunkt: String,
    /// «Ja» or «Nei», as is the next.
    api: String,
    offentlig: String,
    opprettet: Time,
    sist_endret: Time,
    hendelser: Vec<Hendelse>,
    hendelser_sti: String,
    /// Where a virksomhetssertifikat for tests is made.
    sertifikat: Option<String>,
}

async fn show(side: SystemSide) -> Result<Response, Feil> {
    let (t, org, system) = (side.t(), side.side.id(), &side.system);
    let status = side.app().status_for_system(&side.caller(), org, system.id).await?;
    let newest = HendelseFilter {
        system: Some(system.id),
        page: Page { number: 1, size: SISTE },
        ..HendelseFilter::default()
    };
    let hendelser = side.app().list_hendelser(&side.caller(), org, &newest).await?;
    let info = &system.info;
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| t.s("system-ikke-oppgitt"));
    let ja_nei = |yes: bool| t.s(if yes { "felles-ja" } else { "felles-nei" });
    let now = side.k().now;
    let tab = t.s("system-fane-oversikt");
    Ok(ok(&OversiktSide {
        ramme: side.ramme(&tab).here(&tab),
        faner: system_faner::tabs(&side, "oversikt"),
        faner_navn: system_faner::label(&side),
        mangler_kobling: live::mangler_kobling(t, status.totalt.mangler_kobling.unwrap_or_default()),
        kontoer_sti: format!("{}/kontoer", side.sti()),
        status_url: live::url(&side.sti(), []),
        oppdatert: format::time_of(status.tidspunkt, t.sprak()),
        sent: if status.totalt.mangler_kobling.is_none() {
            t.s("felles-status-ikke-tilgjengelig")
        } else {
            String::new()
        },
        tall: live::totals(t, &status.totalt),
        system_id: system.id.to_string(),
        integrasjoner: side.integrasjoner.iter().map(|one| IntegrasjonRad::new(t, one, now)).collect(),
        orgnummer: side.integrasjoner.first().map(|one| format::orgnummer(one.orgnummer)).unwrap_or_default(),
        beskrivelse: info.beskrivelse.clone(),
        eposter: info.eposter.clone(),
        leverandor_navn: or_none(&info.leverandor_navn),
        leverandor_kontaktpunkt: or_none(&info.leverandor_kontaktpunkt),
        api: ja_nei(system.konfigureres_av_integrasjon),
        offentlig: ja_nei(info.offentlig),
        opprettet: format::time_of(system.opprettet, t.sprak()),
        sist_endret: format::time_of(system.sist_endret, t.sprak()),
        hendelser: hendelser.rows.iter().map(|rad| hendelse(&side.side, rad)).collect(),
        hendelser_sti: format!("{}/hendelser?system={}", side.side.sti(), system.id),
        sertifikat: sertifikat_sti(&side),
    }))
}

#[cfg(test)]
mod tests {
    use app::Caller;

    use super::*;
    use crate::sprak::Sprak;
    use crate::testing::{Hvem, READERS, World, opens};

    #[tokio::test]
    async fn overview_is_for_those_with_a_role_and_the_tab_for_changes_for_those_who_may() {
        let world = World::new().await;
        let sti = world.storevik.s();
        opens(&world, &sti, READERS).await;
        let foreign = format!("{}/protokoll/systemer/{}", world.storevik.o(), world.lillefjord.system);
        world.browser(Hvem::Admin).await.get(&foreign).await.is(404);
        world.browser(Hvem::Protokoll).await.get(&sti).await.says("Tilganger Konfigurasjon");
        world.browser(Hvem::Les).await.get(&sti).await.says_not("Konfigurasjon");
    }

    #[tokio::test]
    async fn overview_tells_facts_numbers_and_what_is_wrong() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Les).await;
        let page = browser.get(&world.storevik.s()).await;
        page.is(200).says("Mitt fagsystem – Oversikt").says("1 konto mangler kobling");
        page.says("Ingen klient henter meldinger fra køen.").says("Se kontoene");
        page.says(&world.storevik.system.to_string()).says("971\u{a0}032\u{a0}146").says("Aktiv");
        page.says("drift@eksempel.no").says("Leverandør Ikke oppgitt");
        page.says("Synlig for andre organisasjoner Ja").says("Meldinger på kø 0").says("Opprettet konto");
        let json = format!("data-status-url=\"{}/status.json\"", world.storevik.s());
        assert!(page.text.contains(&json), "{}", page.text);
    }

    #[tokio::test]
    async fn page_is_shown_without_numbers_when_the_broker_is_out() {
        let world = World::new().await;
        world.broker.stop();
        let page = world.browser(Hvem::Les).await.get(&world.storevik.s()).await;
        page.is(200).says("Status er ikke tilgjengelig akkurat nå").says("Mangler kobling Ukjent");
        page.says_not("1 konto mangler kobling");
        world.broker.mend();
        let part = world.storevik;
        world.app.remove_konto(&Caller::Operator, part.sti).await.unwrap();
        let page = world.browser(Hvem::Les).await.get(&part.s()).await;
        page.says("Mangler kobling 0").says_not("mangler kobling Ingen klient");
    }

    #[test]
    fn integrasjon_is_told_to_be_active_ending_over_or_not_begun() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let id = domain::id::Uuid::nil();
        let of = |gyldig_fra, utlops_dato| Integrasjon {
            id: domain::id::IntegrasjonId::from_uuid(id),
            system_id: domain::id::SystemId::from_uuid(id),
            orgnummer: "971032146".parse().unwrap(),
            gyldig_fra: at(gyldig_fra),
            utlops_dato,
            primer: true,
            passord_hash: [0; 32],
        };
        for (integrasjon, text) in [
            (of(0, None), "Aktiv"),
            (of(0, Some(at(1_000_000))), "Utløper 12.01.1970"),
            (of(0, Some(at(10))), "Utløpt"),
            (of(11, None), "Ikke aktiv ennå"),
        ] {
            let rad = IntegrasjonRad::new(Tekster(Sprak::Nb), &integrasjon, at(10));
            assert_eq!(rad.tilstand.text, text);
        }
    }
}
