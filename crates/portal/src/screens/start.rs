//! The front page: the way in. In development it is a guide to the first melding, which marks what has been done.

use std::sync::Arc;

use app::melding::SporingSok;
use app::paging::Page;
use app::person::MinOrganisasjon;
use app::ports::SystemListe;
use askama::Template;
use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::melding::Status;
use http::{HeaderMap, header};

use crate::feil::Feil;
use crate::format;
use crate::innlogget::Innlogget;
use crate::kontekst::Kontekst;
use crate::live::Statussvar;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::{found, ok};
use crate::screens::utvikling::Kasse;
use crate::screens::velg_organisasjon::home;
use crate::tekster::Tekster;
use crate::utvikling::{Start, Testperson, Verktoy};
use crate::view::{Color, Tag, Time};

/// Of so many organisasjoner, and newly made systemer, it is looked up what has been done: a person in development has few.
const LOOK_AT: usize = 10;
/// So many of the newest meldinger are looked at.
const MELDINGER: u32 = 50;

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/", get(front))
        .route("/utvikling/status.json", get(fremdrift_status))
        .route("/utvikling/klient.json", get(klient_json))
}

async fn front(k: Kontekst) -> Result<Response, Feil> {
    match k.portal.verktoy().cloned() {
        Some(verktoy) => start_side(k, verktoy).await,
        None => Ok(found(&home(&k))),
    }
}

/// What the person has come to, and where the next thing is done.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a step that is done or not, whatever the others are"
)]
struct Fremdrift {
    /// The organisasjon that the links lead into.
    org: Option<MinOrganisasjon>,
    /// A System that was made since.
    system: Option<(FiksOrgId, SystemId)>,
    /// A Konto of a System that was made since.
    konto: Option<(FiksOrgId, SystemId, KontoId)>,
    /// A Konto that was there from the start.
    ferdig_konto: Option<(FiksOrgId, SystemId, KontoId)>,
    nokkel: bool,
    tilgang: bool,
    klient: bool,
    sendt: bool,
    bekreftet: bool,
}

/// Finds out what has been done in the organisasjoner of the person. What the ready-made world brings does not count as
/// made by him; its kontoer may be used all the same.
async fn fremdrift(innlogget: &Innlogget, start: &Start) -> Result<Fremdrift, Feil> {
    let (app, caller) = (innlogget.app(), innlogget.caller());
    let mut all = app.organisasjoner_for(&caller).await?;
    all.retain(|mine| mine.rolle.may_change());
    let mut done = Fremdrift { org: all.first().cloned(), ..Fremdrift::default() };
    for mine in all.iter().filter(|mine| mine.tatt_i_bruk.is_some()).take(LOOK_AT) {
        let org = mine.id;
        let liste = SystemListe { page: Page::all(), ..SystemListe::default() };
        let systemer = app.list_systemer_side(&caller, org, &liste).await?.rows;
        let nye: Vec<SystemId> = systemer
            .iter()
            .map(|rad| rad.system.id)
            .filter(|id| !start.ferdige_systemer.contains(id))
            .take(LOOK_AT)
            .collect();
        done.system = done.system.or(nye.first().map(|system| (org, *system)));
        for system in &nye {
            done.tilgang |= app.system_innhold(&caller, org, *system).await?.tilganger > 0;
        }
        for rad in app.status_for_org(&caller, org).await?.rader {
            let (konto, tall) = (&rad.konto, rad.tall.as_ref());
            done.klient |= tall.is_some_and(|tall| tall.consumers > 0);
            let found = Some((org, konto.system_id, konto.konto_id));
            if nye.contains(&konto.system_id) {
                done.nokkel |= konto.nokkel.is_some();
                done.konto = done.konto.or(found);
            } else {
                done.ferdig_konto = done.ferdig_konto.or(found);
            }
        }
        let sok = SporingSok { limit: MELDINGER, ..SporingSok::default() };
        let meldinger = app.sporing_sok(&caller, org, sok).await?.rader;
        done.sendt |= !meldinger.is_empty();
        done.bekreftet |= meldinger.iter().any(|rad| rad.status == Status::Bekreftet);
    }
    Ok(done)
}

/// The steps of the guide, in order, as keys of their texts.
const STEG: [&str; 7] = ["system", "konto", "nokkel", "tilgang", "klient", "sendt", "bekreftet"];

impl Fremdrift {
    fn is_done(&self, steg: &str) -> bool {
        match steg {
            "system" => self.system.is_some(),
            "konto" => self.konto.is_some(),
            "nokkel" => self.nokkel,
            "tilgang" => self.tilgang,
            "klient" => self.klient,
            "sendt" => self.sendt,
            _ => self.bekreftet,
        }
    }

    /// Where the step is taken, as soon as what it builds on is there.
    fn href(&self, steg: &str) -> Option<String> {
        let org = self.org.as_ref()?;
        if org.tatt_i_bruk.is_none() {
            return (steg == "system").then(|| format!("/o/{}/tjenester", org.id));
        }
        let systemer = |org: FiksOrgId| format!("/o/{org}/protokoll/systemer");
        let konto = |(org, system, konto)| format!("{}/{system}/kontoer/{konto}", systemer(org));
        match steg {
            "system" => Some(format!("{}/ny/1", systemer(org.id))),
            "konto" => self.system.map(|(org, system)| format!("{}/{system}/kontoer/ny", systemer(org))),
            "nokkel" => self.konto.map(|found| format!("{}#utvikling", konto(found))),
            "tilgang" => self.konto.map(|found| format!("{}/sok", konto(found))),
            "klient" => {
                self.konto.or(self.ferdig_konto).map(|found| format!("{}/klientkonfigurasjon", konto(found)))
            }
            "sendt" => self.konto.or(self.ferdig_konto).map(|found| format!("{}/testmelding", konto(found))),
            _ => Some(format!("/o/{}/sporing", org.id)),
        }
    }
}

/// A step as the page shows it.
struct Steg {
    key: String,
    tittel: String,
    tekst: String,
    /// Where it is taken.
    href: Option<String>,
    lenke: String,
    /// Whether it is done; nothing where nobody is logged in.
    gjort: Option<Tag>,
}

fn gjort(t: Tekster, done: bool) -> Tag {
    if done {
        Tag::new(Color::Success, t.s("utvikling-gjort"))
    } else {
        Tag::new(Color::Neutral, t.s("utvikling-ikke-gjort"))
    }
}

fn steg(t: Tekster, fremdrift: Option<&Fremdrift>) -> Vec<Steg> {
    STEG.map(|steg| Steg {
        key: format!("steg-{steg}"),
        tittel: t.s(&format!("utvikling-steg-{steg}")),
        tekst: t.s(&format!("utvikling-steg-{steg}-tekst")),
        href: fremdrift.and_then(|fremdrift| fremdrift.href(steg)),
        lenke: t.s(&format!("utvikling-steg-{steg}-lenke")),
        gjort: fremdrift.map(|fremdrift| gjort(t, fremdrift.is_done(steg))),
    })
    .into()
}

#[derive(Template)]
#[template(path = "utvikling/start.html")]
struct StartSide {
    ramme: Ramme,
    /// Where the portal goes on for whoever is logged in.
    videre: Option<String>,
    pa_logget: Option<String>,
    personer: Vec<PersonKort>,
    steg: Vec<Steg>,
    oppdatert: Time,
    adresser: Vec<(String, String)>,
    truststore_passord: String,
    logget_inn: bool,
}

/// A person to log in as.
struct PersonKort {
    navn: String,
    beskrivelse: String,
    href: String,
}

fn kort(person: &Testperson) -> PersonKort {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("hint", &person.hint).append_pair("retur", "/");
    PersonKort {
        navn: person.navn.clone(),
        beskrivelse: person.beskrivelse.clone(),
        href: format!("/auth/start?{}", query.finish()),
    }
}

fn adresser(t: Tekster, start: &Start) -> Vec<(String, String)> {
    let mut adresser = vec![(t.s("utvikling-adresse-http"), start.http.clone())];
    adresser.extend(start.https.clone().map(|https| (t.s("utvikling-adresse-https"), https)));
    adresser.extend([
        (t.s("utvikling-adresse-amqps"), start.amqps.clone()),
        (t.s("utvikling-adresse-maskinporten"), start.token_endpoint.clone()),
        (t.s("utvikling-adresse-ca"), start.ca_pem.clone()),
        (t.s("utvikling-adresse-truststore"), start.truststore.clone()),
        (t.s("utvikling-adresse-mappe"), start.mappe.clone()),
    ]);
    adresser
}

async fn start_side(k: Kontekst, verktoy: Arc<dyn Verktoy>) -> Result<Response, Feil> {
    let t = k.t;
    let start = verktoy.start().await.map_err(Feil::Intern)?;
    let innlogget = k.aktiv().cloned().map(|sesjon| Innlogget { k: k.clone(), sesjon });
    let fremdrift = match &innlogget {
        Some(innlogget) => Some(fremdrift(innlogget, &start).await?),
        None => None,
    };
    let navn = innlogget.as_ref().map(|innlogget| innlogget.sesjon.person.navn.clone());
    Ok(ok(&StartSide {
        ramme: Ramme::new(&k, t.s("utvikling-start-tittel")),
        videre: innlogget.is_some().then(|| home(&k)),
        pa_logget: navn.map(|navn| t.v("utvikling-palogget", "navn", navn)),
        personer: start.personer.iter().map(kort).collect(),
        steg: steg(t, fremdrift.as_ref()),
        oppdatert: format::time_of(k.now, t.sprak()),
        adresser: adresser(t, &start),
        truststore_passord: t.v("utvikling-truststore-passord", "passord", &start.truststore_passord),
        logget_inn: innlogget.is_some(),
    }))
}

async fn fremdrift_status(
    Kasse(verktoy): Kasse,
    innlogget: Innlogget,
    headers: HeaderMap,
) -> Result<Response, Feil> {
    let t = innlogget.t();
    let start = verktoy.start().await.map_err(Feil::Intern)?;
    let done = fremdrift(&innlogget, &start).await?;
    let mut svar = Statussvar::new(t, innlogget.k.now);
    for steg in STEG {
        let tag = gjort(t, done.is_done(steg));
        let tittel = t.s(&format!("utvikling-steg-{steg}"));
        let melding = t.v2("utvikling-steg-endret", "steg", tittel, "hva", &tag.text);
        svar.tag(format!("steg-{steg}"), tag, melding);
    }
    svar.answer(&headers)
}

/// Holds passwords: for those who are logged in.
async fn klient_json(Kasse(verktoy): Kasse, _: Innlogget) -> Result<Response, Feil> {
    let json = verktoy.klient_json().await.map_err(Feil::Intern)?.ok_or(Feil::FinnesIkke)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

#[cfg(test)]
mod tests {
    use app::Caller;

    use crate::config::Miljo;
    use crate::screens::utvikling::tests::{StubVerktoy, browser};
    use crate::testing::{Browser, Hvem, ORIGIN, World};

    use super::*;

    /// Which steps `status.json` says are done.
    async fn done(browser: &mut Browser) -> Vec<&'static str> {
        let answer = browser.get("/utvikling/status.json").await;
        let status: serde_json::Value = serde_json::from_str(&answer.is(200).text).unwrap();
        let is_done = |steg: &&str| status["verdier"][format!("steg-{steg}")]["tekst"] == "Gjort";
        STEG.into_iter().filter(is_done).collect()
    }

    #[tokio::test]
    async fn front_page_of_development_takes_the_stranger_by_the_hand() {
        let world = World::new().await;
        let mut browser = world.anonymous();
        browser.router = world.with_verktoy(Miljo::Utvikling, Arc::new(StubVerktoy::default()));
        let answer = browser.get("/").await;
        answer.is(200).says("Kom i gang med Knutepunkt").says("Logg inn som Mona Mange");
        answer.says("localhost:5671").says("Send en testmelding").says_not("Ikke gjort");
        assert!(
            answer.text.contains("href=\"/auth/start?hint=10810012345&#38;retur=%2F\""),
            "{}",
            answer.text
        );
        let started = browser.get("/auth/start?hint=10810012345&retur=%2F").await;
        assert!(started.location().ends_with("&hint=10810012345"), "{}", started.location());
        for page in ["/utvikling/status.json", "/utvikling/klient.json"] {
            assert!(browser.get(page).await.location().starts_with("/logg-inn"), "{page}");
        }
    }

    #[tokio::test]
    async fn person_comes_back_to_the_guide_after_the_login() {
        let world = World::new().await;
        let mut browser = world.anonymous();
        browser.router = world.with_verktoy(Miljo::Utvikling, Arc::new(StubVerktoy::default()));
        let started = browser.get("/auth/start?hint=x&retur=%2F").await;
        let state = started.location().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let retur = format!("/auth/retur?code={}&state={state}", Hvem::Mange.identifier());
        assert_eq!(browser.get(&retur).await.location(), "/");
        browser.get("/").await.says("Du er logget inn som").says("Gå til portalen");
    }

    #[tokio::test]
    async fn steps_are_marked_as_they_are_taken() {
        let world = World::new().await;
        let ferdige = vec![world.storevik.system, world.lillefjord.system];
        let mut browser = browser(&world, Hvem::Mange, StubVerktoy { ferdige }).await;
        browser.get("/").await.is(200).says("Ikke gjort").says_not("Gjort Systemet");
        assert_eq!(done(&mut browser).await, Vec::<&str>::new());
        // What is not from the ready-made world was made by somebody.
        browser.router = world.with_verktoy(Miljo::Utvikling, Arc::new(StubVerktoy::default()));
        assert_eq!(done(&mut browser).await, ["system", "konto", "nokkel"]);
        let (til, fra) = (world.lillefjord.sti, world.storevik.system);
        world.app.grant_tilgang(&Caller::Operator, til, fra).await.unwrap();
        let page = format!("{}/testmelding", world.storevik.k());
        browser.get(&page).await.is(200);
        browser.post(&page, &[("mottaker", &til.konto_id.to_string())]).await.is(303);
        assert_eq!(done(&mut browser).await, ["system", "konto", "nokkel", "tilgang", "sendt"]);
        let answer = browser.get("/").await;
        answer.says("Gjort");
        assert!(answer.text.contains("/testmelding\""), "{}", answer.text);
        browser.get("/utvikling/klient.json").await.is(200).says("kontoer");
    }

    #[tokio::test]
    async fn other_names_of_the_machine_lead_to_the_address_of_the_portal() {
        let world = World::new().await;
        for (miljo, host, status) in [
            (Miljo::Utvikling, "localhost:8080", 308),
            (Miljo::Utvikling, "portal.test", 200),
            (Miljo::Test, "localhost:8080", 200),
        ] {
            let mut browser = world.anonymous();
            browser.router = world.with_verktoy(miljo, Arc::new(StubVerktoy::default()));
            let request = browser.request(http::Method::GET, "/hjelp?sprak=en").header(header::HOST, host);
            let answer = browser.send(request.body(axum::body::Body::empty()).unwrap()).await;
            assert_eq!(answer.status.as_u16(), status, "{host}");
            if status == 308 {
                assert_eq!(answer.headers[header::LOCATION], format!("{ORIGIN}/hjelp?sprak=en"));
            }
        }
    }
}
