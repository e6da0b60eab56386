//! Screen 15: changing a Konto, one form for each section, and removing it.

use app::Error;
use app::ports::QueueStatus;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::konto::Konto;
use domain::nokkel::OffentligNokkel;
use domain::protokoll::Protokoll;
use domain::tekst::{MAX_BESKRIVELSE, MAX_NAVN};
use jiff::Timestamp;

use crate::feil::Feil;
use crate::format;
use crate::innlogget::KontoSide;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::regler::{Felt, of_sertifikat, tell_all};
use crate::render::{conflict, found, invalid, ok};
use crate::screens::konto::NokkelFakta;
use crate::screens::konto_faner;
use crate::screens::ny_konto::fil_felt;
use crate::screens::nytt_system::counter;
use crate::screens::parter::{self, PartValg};
use crate::screens::utvikling::{KontoVerktoy, konto_verktoy};
use crate::skjema::{Felter, Mangler, Skjema};
use crate::view::{ErrorSummary, Field, FileField, Tab, Time};

pub(crate) fn routes() -> Router<Portal> {
    // A page with something to mend stands at the address of its form; loading it anew shows the whole.
    Router::new()
        .route("/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/konfigurasjon", get(show))
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/konfigurasjon/kontoinfo",
            get(to_page).post(save_info),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/konfigurasjon/parter",
            get(to_page).post(save_parter),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/konfigurasjon/nokkel",
            get(to_page).post(save_nokkel),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/konfigurasjon/sending",
            get(ask_stop).post(save_sending),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/konfigurasjon/slett",
            get(ask_remove).post(remove),
        )
}

fn sti(side: &KontoSide) -> String {
    format!("{}/konfigurasjon", side.sti())
}

/// What stands in the fields: what is stored, but for the section that was sent.
struct Skrevet {
    navn: String,
    beskrivelse: String,
    parter: Vec<String>,
    /// The Part to focus.
    fokus: Option<usize>,
    mangler: Mangler,
    /// Somebody else has changed the Konto meanwhile.
    konflikt: bool,
}

impl Skrevet {
    fn stored(konto: &Konto) -> Self {
        Self {
            navn: konto.navn.clone(),
            beskrivelse: konto.beskrivelse.clone(),
            parter: konto.parter.iter().map(|part| parter::value(&konto.protokoll_navn, part)).collect(),
            fokus: None,
            mangler: Mangler::default(),
            konflikt: false,
        }
    }
}

#[derive(Template)]
#[template(path = "konto-konfigurasjon/side.html")]
struct KonfigurasjonSide {
    ramme: Ramme,
    faner_navn: String,
    faner: Vec<Tab>,
    summary: ErrorSummary,
    konflikt: bool,
    /// What the forms are sent below.
    sti: String,
    /// Which change of the Konto the page shows.
    versjon: String,
    navn: Field,
    beskrivelse: Field,
    parter: PartValg,
    nokkel: Option<NokkelFakta>,
    /// That meldinger wait which only the key before the present one opens.
    gammel_nokkel: Option<String>,
    /// That meldinger wait which only the present one opens, for whoever is about to change it.
    paa_ko: Option<String>,
    fil: FileField,
    fil_feil: bool,
    tidligere: Vec<TidligereNokkel>,
    sending: Sending,
    slett: Slett,
    verktoy: Option<KontoVerktoy>,
}

/// A key that was used before.
struct TidligereNokkel {
    fingeravtrykk: String,
    utstedt_til: String,
    gyldig_til: Time,
    lastet_opp: Time,
}

/// Whether the Konto may send, and what is asked before it may not any more.
struct Sending {
    er_stoppet: bool,
    sti: String,
    avbryt: String,
    tittel: String,
    versjon: String,
}

fn sending(side: &KontoSide) -> Sending {
    Sending {
        er_stoppet: side.detaljer.konto.send_meldinger_deaktivert,
        sti: format!("{}/sending", sti(side)),
        avbryt: sti(side),
        tittel: side.t().v("konto-konfigurasjon-sending-tittel", "navn", side.navn()),
        versjon: versjon(&side.detaljer.konto),
    }
}

/// Which change of the Konto a page shows, as its forms carry it.
fn versjon(konto: &Konto) -> String {
    konto.sist_endret.as_millisecond().to_string()
}

/// What is said and asked before a Konto is removed.
struct Slett {
    sti: String,
    avbryt: String,
    tittel: String,
    tekst: String,
    bekreft: Field,
}

fn slett(side: &KontoSide, status: Option<&QueueStatus>, typed: &str, mangler: &Mangler) -> Slett {
    let t = side.t();
    let tekst = match status {
        Some(status) => t.v("konto-konfigurasjon-slett-tekst", "m", waiting(status)),
        None => t.s("konto-konfigurasjon-slett-tekst-ukjent"),
    };
    Slett {
        sti: format!("{}/slett", sti(side)),
        avbryt: sti(side),
        tittel: t.v("konto-konfigurasjon-slett-tittel", "navn", side.navn()),
        tekst,
        bekreft: Field::new("bekreft", t.s("konto-konfigurasjon-bekreft"))
            .value(typed)
            .error(mangler.of("bekreft")),
    }
}

/// Meldinger that somebody has yet to take.
fn waiting(status: &QueueStatus) -> u64 {
    status.ready + status.unacked
}

async fn live(side: &KontoSide) -> Option<QueueStatus> {
    side.app().live_status(&[side.detaljer.konto.id]).await.into_iter().next().flatten()
}

/// The versions whose parter can be chosen, and those that are chosen already.
fn versjoner(side: &KontoSide) -> Vec<Protokoll> {
    let konto = &side.detaljer.konto;
    let played = |protokoll: &Protokoll| konto.parter.iter().any(|part| part.versjon == protokoll.versjon);
    side.detaljer
        .versjoner
        .iter()
        .filter(|protokoll| parter::in_use(protokoll) || played(protokoll))
        .cloned()
        .collect()
}

async fn page(side: &KontoSide, skrevet: Skrevet) -> Result<KonfigurasjonSide, Feil> {
    let (t, now) = (side.t(), side.k().now);
    let konto = &side.detaljer.konto;
    let mangler = &skrevet.mangler;
    let status = live(side).await;
    let nokkel = side.detaljer.nokkel.as_ref();
    let nokler = side.app().list_nokler(&side.caller(), side.konto_sti()).await?;
    let gammel = gammel_nokkel(nokkel, &nokler, status.as_ref());
    let behold = |m: u64| t.v("konto-konfigurasjon-gammel-nokkel", "m", m);
    let siden = t.s("konto-fane-konfigurasjon");
    Ok(KonfigurasjonSide {
        ramme: side.ramme(&siden).here(siden).errors(!mangler.is_empty() || skrevet.konflikt),
        faner_navn: konto_faner::label(side),
        faner: konto_faner::tabs(side, "konfigurasjon").await?,
        summary: mangler.summary(t),
        konflikt: skrevet.konflikt,
        sti: sti(side),
        versjon: versjon(konto),
        navn: Field::new("navn", t.s("felles-navn"))
            .description(t.s("ny-konto-hjelp"))
            .counter(counter(t, MAX_NAVN))
            .value(&skrevet.navn)
            .error(mangler.of("navn")),
        beskrivelse: Field::new("beskrivelse", t.s("felles-beskrivelse"))
            .description(t.s("ny-konto-hjelp"))
            .counter(counter(t, MAX_BESKRIVELSE))
            .value(&skrevet.beskrivelse)
            .error(mangler.of("beskrivelse")),
        parter: parter::part_valg(t, &versjoner(side), &skrevet.parter, None, mangler, skrevet.fokus),
        // Said once where both are so.
        paa_ko: status
            .as_ref()
            .filter(|_| nokkel.is_some() && gammel.is_none())
            .map(waiting)
            .filter(|m| *m > 0)
            .map(behold),
        gammel_nokkel: gammel.map(behold),
        fil: fil_felt(t, mangler, None),
        fil_feil: mangler.of("fil").is_some(),
        tidligere: tidligere(nokkel, &nokler)
            .map(|nokkel| TidligereNokkel {
                fingeravtrykk: nokkel.fingeravtrykk.clone(),
                utstedt_til: nokkel.utstedt_til.clone(),
                gyldig_til: format::time_of(nokkel.gyldig_til, t.sprak()),
                lastet_opp: format::time_of(nokkel.opprettet, t.sprak()),
            })
            .collect(),
        nokkel: nokkel.map(|nokkel| NokkelFakta::new(t, now, nokkel)),
        sending: sending(side),
        slett: slett(side, status.as_ref(), "", mangler),
        verktoy: konto_verktoy(side),
    })
}

/// All keys but the one in use, the newest first.
fn tidligere<'a>(
    nokkel: Option<&'a OffentligNokkel>,
    nokler: &'a [OffentligNokkel],
) -> impl Iterator<Item = &'a OffentligNokkel> {
    nokler.iter().skip(usize::from(nokkel.is_some()))
}

/// How many meldinger may be encrypted to the key before the present one: some on the queue were taken before that came.
fn gammel_nokkel(
    nokkel: Option<&OffentligNokkel>,
    nokler: &[OffentligNokkel],
    status: Option<&QueueStatus>,
) -> Option<u64> {
    let (nokkel, status) = (nokkel?, status?);
    let older = tidligere(Some(nokkel), nokler).next().is_some() && status.oldest? < nokkel.opprettet;
    older.then(|| waiting(status)).filter(|m| *m > 0)
}

async fn show(side: KontoSide) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let skrevet = Skrevet::stored(&side.detaljer.konto);
    Ok(ok(&page(&side, skrevet).await?))
}

async fn to_page(side: KontoSide) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    Ok(found(&sti(&side)))
}

/// The change of the Konto that the form was made from.
fn expected(felter: &Felter) -> Option<Timestamp> {
    Timestamp::from_millisecond(felter.raw("versjon").parse().ok()?).ok()
}

async fn saved(side: &KontoSide, key: &str) -> Result<Response, Feil> {
    side.side.side.innlogget.to(&sti(side), Melding::ok(key)).await
}

/// The page once more, with what was typed and what was wrong with it.
async fn refused(
    side: &KontoSide,
    mut skrevet: Skrevet,
    error: Error,
    felter: &[Felt<'_>],
) -> Result<Response, Feil> {
    match error {
        Error::Invalid(errors) => {
            tell_all(side.t(), &errors, felter, &mut skrevet.mangler);
            Ok(invalid(&page(side, skrevet).await?))
        }
        Error::Conflict { what: "endring" } => {
            skrevet.konflikt = true;
            Ok(conflict(&page(side, skrevet).await?))
        }
        error => Err(error.into()),
    }
}

async fn save_info(side: KontoSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let mut skrevet = Skrevet::stored(&side.detaljer.konto);
    skrevet.navn = skjema.felter.text("navn");
    skrevet.beskrivelse = skjema.felter.lines("beskrivelse");
    let (navn, beskrivelse) = (skrevet.navn.clone(), skrevet.beskrivelse.clone());
    let expected = expected(&skjema.felter);
    match side.app().update_konto_info(&side.caller(), side.konto_sti(), navn, beskrivelse, expected).await {
        Ok(()) => saved(&side, "konto-konfigurasjon-info-lagret").await,
        Err(error) => {
            let felter = [
                Felt { json: "navn", id: "navn", navn: "navn" },
                Felt { json: "beskrivelse", id: "beskrivelse", navn: "beskrivelse" },
            ];
            refused(&side, skrevet, error, &felter).await
        }
    }
}

async fn save_parter(side: KontoSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let mut skrevet = Skrevet::stored(&side.detaljer.konto);
    skrevet.parter = parter::sent(&skjema.felter);
    skrevet.fokus = parter::change_rader(&mut skrevet.parter, skjema.felter.raw("handling"));
    if skrevet.fokus.is_some() {
        return Ok(ok(&page(&side, skrevet).await?));
    }
    let protokoll = &side.detaljer.konto.protokoll_navn;
    let parter = parter::check(side.t(), &versjoner(&side), protokoll, &skrevet.parter, &mut skrevet.mangler);
    if !skrevet.mangler.is_empty() {
        return Ok(invalid(&page(&side, skrevet).await?));
    }
    let expected = expected(&skjema.felter);
    match side.app().update_parter(&side.caller(), side.konto_sti(), parter, expected).await {
        Ok(_) => saved(&side, "konto-konfigurasjon-parter-lagret").await,
        Err(error) => {
            refused(&side, skrevet, error, &[Felt { json: "parts", id: "part-0", navn: "part" }]).await
        }
    }
}

async fn save_nokkel(side: KontoSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let t = side.t();
    let mut skrevet = Skrevet::stored(&side.detaljer.konto);
    let checked = skjema.fil("fil").map(|fil| side.app().check_sertifikat(&fil.bytes));
    let pem = match checked {
        Some(Ok(pem)) => pem,
        Some(Err(rule)) => {
            skrevet.mangler.add("fil", of_sertifikat(t, &rule));
            return Ok(invalid(&page(&side, skrevet).await?));
        }
        None => {
            skrevet.mangler.add("fil", t.s("regler-nokkel-mangler"));
            return Ok(invalid(&page(&side, skrevet).await?));
        }
    };
    match side.app().set_nokkel(&side.caller(), side.konto_sti(), &pem).await {
        Ok(_) => saved(&side, "konto-konfigurasjon-nokkel-lagret").await,
        Err(error) => {
            refused(&side, skrevet, error, &[Felt { json: "offentligNokkel", id: "fil", navn: "nokkel" }])
                .await
        }
    }
}

#[derive(Template)]
#[template(path = "konto-konfigurasjon/sending.html")]
struct SendingSide {
    ramme: Ramme,
    sending: Sending,
}

/// The page that the dialog is without script.
async fn ask_stop(side: KontoSide) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let sending = sending(&side);
    if sending.er_stoppet {
        return Ok(found(&sending.avbryt));
    }
    let ramme = side.side.under_ramme(&sending.tittel).here(side.t().s("konto-konfigurasjon-sending-stopp"));
    Ok(ok(&SendingSide { ramme, sending }))
}

async fn save_sending(side: KontoSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let (may_send, melding) = match skjema.felter.raw("sending") {
        "start" => (true, "konto-konfigurasjon-sending-startet"),
        "stopp" => (false, "konto-konfigurasjon-sending-stoppet"),
        // No page of ours asks for anything else.
        _ => return Ok(found(&sti(&side))),
    };
    let expected = expected(&skjema.felter);
    match side.app().update_sending(&side.caller(), side.konto_sti(), may_send, expected).await {
        Ok(()) => saved(&side, melding).await,
        Err(error) => refused(&side, Skrevet::stored(&side.detaljer.konto), error, &[]).await,
    }
}

#[derive(Template)]
#[template(path = "konto-konfigurasjon/slett.html")]
struct SlettSide {
    ramme: Ramme,
    summary: ErrorSummary,
    slett: Slett,
}

async fn slett_side(side: &KontoSide, typed: &str, mangler: &Mangler) -> SlettSide {
    let status = live(side).await;
    let slett = slett(side, status.as_ref(), typed, mangler);
    let t = side.t();
    let ramme = side.side.under_ramme(&slett.tittel).here(t.s("konto-konfigurasjon-slett"));
    SlettSide { ramme: ramme.errors(!mangler.is_empty()), summary: mangler.summary(t), slett }
}

async fn ask_remove(side: KontoSide) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    Ok(ok(&slett_side(&side, "", &Mangler::default()).await))
}

async fn remove(side: KontoSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let typed = skjema.felter.text("bekreft");
    if typed != side.navn() {
        let mut mangler = Mangler::default();
        mangler.add("bekreft", side.t().v("konto-konfigurasjon-feil-navn", "navn", side.navn()));
        return Ok(invalid(&slett_side(&side, &typed, &mangler).await));
    }
    side.app().remove_konto(&side.caller(), side.konto_sti()).await?;
    let melding = Melding::ok("konto-konfigurasjon-slettet").with("navn", side.navn());
    side.side.side.innlogget.to(&format!("{}/kontoer", side.side.sti()), melding).await
}

#[cfg(test)]
mod tests {
    use app::Caller;
    use app::konto::KontoDetaljer;

    use super::*;
    use crate::screens::ny_konto::tests::{bad_files, valid};
    use crate::testing::{Answer, Hvem, World, certificate};

    const NAVN: &str = "Mitt fagsystem - konto";

    fn path(world: &World, page: &str) -> String {
        format!("{}/konfigurasjon{page}", world.storevik.k())
    }

    fn versjon(answer: &Answer) -> String {
        answer.text.split("name=\"versjon\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    async fn konto(world: &World) -> KontoDetaljer {
        world.app.konto(&Caller::Operator, world.storevik.sti).await.unwrap()
    }

    #[tokio::test]
    async fn every_page_and_form_is_for_those_who_may_change_something() {
        let world = World::new().await;
        for (hvem, status) in
            [(Hvem::Les, 403), (Hvem::Lillefjord, 404), (Hvem::Drift, 404), (Hvem::Uten, 404)]
        {
            let mut browser = world.browser(hvem).await;
            for page in ["", "/kontoinfo", "/parter", "/nokkel", "/sending", "/slett"] {
                browser.get(&path(&world, page)).await.is(status);
            }
            for form in ["/kontoinfo", "/parter", "/nokkel", "/sending", "/slett"] {
                let fields =
                    [("navn", "Nytt navn"), ("beskrivelse", "Ny"), ("sending", "stopp"), ("bekreft", NAVN)];
                browser.post(&path(&world, form), &fields).await.is(status);
            }
        }
        let untouched = konto(&world).await.konto;
        assert!(untouched.navn == NAVN && !untouched.send_meldinger_deaktivert);
        let mut browser = world.browser(Hvem::Protokoll).await;
        browser.get(&path(&world, "")).await.is(200).says("Kontoinfo").says("Slett konto");
        // A form with errors stands at its own address; there is a page behind that too.
        for form in ["/kontoinfo", "/parter", "/nokkel"] {
            assert_eq!(browser.get(&path(&world, form)).await.location(), path(&world, ""));
        }
    }

    #[tokio::test]
    async fn kontoinfo_is_saved_and_its_rules_are_told() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let shown = versjon(&browser.get(&path(&world, "")).await);
        let form = path(&world, "/kontoinfo");
        for (navn, beskrivelse, text) in [
            ("", "Ny", "Skriv inn navn"),
            ("a", "Ny", "Navn må ha minst 2 tegn"),
            ("a_b", "Ny", "Navn kan ikke inneholde _"),
            ("Nytt navn", "", "Skriv inn beskrivelse"),
        ] {
            let fields = [("versjon", shown.as_str()), ("navn", navn), ("beskrivelse", beskrivelse)];
            let answer = browser.post(&form, &fields).await;
            answer.is(422).says("Du må rette 1 feil for å gå videre").says(text);
            assert!(answer.text.contains(&format!("value=\"{navn}\"")));
        }
        world.clock.advance(std::time::Duration::from_secs(1));
        let fields = [("versjon", shown.as_str()), ("navn", "Nytt navn"), ("beskrivelse", "Ny\r\nlinje")];
        let location = browser.post(&form, &fields).await.location().to_owned();
        browser.get(&location).await.says("Kontoinfo er lagret").says("Nytt navn – Konfigurasjon");
        assert_eq!(konto(&world).await.konto.beskrivelse, "Ny\nlinje");
    }

    #[tokio::test]
    async fn change_by_somebody_else_is_not_overwritten_unseen() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let shown = versjon(&browser.get(&path(&world, "")).await);
        world.clock.advance(std::time::Duration::from_secs(1));
        let (navn, beskrivelse) = ("Deres navn".to_owned(), "Deres".to_owned());
        world
            .app
            .update_konto_info(&Caller::Operator, world.storevik.sti, navn, beskrivelse, None)
            .await
            .unwrap();
        let form = path(&world, "/kontoinfo");
        let fields = [("versjon", shown.as_str()), ("navn", "Vårt navn"), ("beskrivelse", "Vår")];
        let answer = browser.post(&form, &fields).await;
        answer.is(409).says("Noen andre har endret dette siden du åpnet siden. Se over og lagre på nytt.");
        assert!(answer.text.contains("value=\"Vårt navn\""));
        let fields = [("versjon", shown.as_str()), ("part", "no.ks.fiks.arkiv/v1/klient.innsyn")];
        browser.post(&path(&world, "/parter"), &fields).await.is(409);
        assert_eq!(konto(&world).await.konto.navn, "Deres navn");
        let seen = versjon(&answer);
        let fields = [("versjon", seen.as_str()), ("navn", "Vårt navn"), ("beskrivelse", "Vår")];
        browser.post(&form, &fields).await.is(303);
    }

    #[tokio::test]
    async fn parter_are_changed_row_by_row() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let answer = browser.get(&path(&world, "")).await;
        assert!(answer.text.contains("value=\"no.ks.fiks.arkiv/v1/klient.full\" selected"));
        let shown = versjon(&answer);
        let form = path(&world, "/parter");
        let (full, innsyn) = ("no.ks.fiks.arkiv/v1/klient.full", "no.ks.fiks.arkiv/v1/klient.innsyn");
        let answer = browser.post(&form, &[("part", full), ("handling", "legg-til-part")]).await;
        answer.is(200).says("Protokollpart 2");
        browser.post(&form, &[("part", "")]).await.is(422).says("Velg protokollpart");
        let answer = browser.post(&form, &[("part", "no.ks.fiks.plan/v2/klient.full")]).await;
        answer.is(422).says("Parten hører ikke til protokollen du har valgt");
        let fields = [("versjon", shown.as_str()), ("part", full), ("part", innsyn)];
        let location = browser.post(&form, &fields).await.location().to_owned();
        browser.get(&location).await.says("Parter er lagret");
        assert_eq!(konto(&world).await.konto.parter.len(), 2);
    }

    #[tokio::test]
    async fn new_key_is_taken_and_the_old_one_remembered() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let form = path(&world, "/nokkel");
        browser.post(&form, &[]).await.is(422).says("Velg en .pem-fil med offentlig nøkkel");
        for (bytes, text) in bad_files() {
            let answer = browser.post_file(&form, &[], ("fil", "min.pem", &bytes)).await;
            answer.is(422).says(text).says_not("Tidligere nøkler");
            assert!(!answer.text.contains("-----BEGIN"), "{text}");
        }
        let old = konto(&world).await.nokkel.unwrap();
        assert_eq!(old.pem, certificate());
        world.clock.advance(std::time::Duration::from_secs(1));
        let new = valid(2000, 2090);
        let answer = browser.post_file(&form, &[], ("fil", "min.pem", new.as_bytes())).await;
        let location = answer.location().to_owned();
        browser
            .get(&location)
            .await
            .says("Ny nøkkel er lagret. Legg den private nøkkelen inn i klienten før du tar imot flere meldinger.")
            .says("Tidligere nøkler")
            .says(&old.fingeravtrykk);
        assert_eq!(konto(&world).await.nokkel.unwrap().pem, new);
    }

    #[test]
    fn only_what_came_before_the_key_may_need_the_old_one() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let nokkel = |opprettet| OffentligNokkel {
            konto_id: domain::id::KontoId::from_uuid(wire::id::Uuid::nil()),
            pem: String::new(),
            gyldig_fra: at(0),
            gyldig_til: at(100),
            serienummer: String::new(),
            utstedt_til: String::new(),
            utsteder: String::new(),
            fingeravtrykk: String::new(),
            opprettet: at(opprettet),
        };
        let queue =
            |oldest| QueueStatus { ready: 2, unacked: 1, oldest: Some(at(oldest)), ..Default::default() };
        let (new, old) = (nokkel(50), nokkel(10));
        let history = [new.clone(), old.clone()];
        assert_eq!(gammel_nokkel(Some(&new), &history, Some(&queue(49))), Some(3));
        assert_eq!(gammel_nokkel(Some(&new), &history, Some(&queue(50))), None);
        assert_eq!(gammel_nokkel(Some(&new), &history[..1], Some(&queue(49))), None);
        assert_eq!(gammel_nokkel(Some(&new), &history, Some(&QueueStatus::default())), None);
        assert_eq!(gammel_nokkel(None, &history, Some(&queue(49))), None);
        assert_eq!(gammel_nokkel(Some(&new), &history, None), None);
    }

    /// What the log of Storevik tells of sending, newest first.
    async fn hendelser(world: &World) -> Vec<String> {
        let filter = app::lister::HendelseFilter::default();
        let side = world.app.list_hendelser(&Caller::Operator, world.storevik.org, &filter).await.unwrap();
        side.rows.into_iter().map(|rad| rad.hva).filter(|hva| hva.ends_with("sending")).collect()
    }

    #[tokio::test]
    async fn sending_is_stopped_after_a_question_and_started_without() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Protokoll).await;
        let form = path(&world, "/sending");
        let tekst = "Klienten får avvist alt den sender fra kontoen, til sendingen startes igjen. Meldinger til kontoen \
                     kommer fram som før.";
        let page = browser.get(&path(&world, "")).await;
        page.says("Kontoen kan sende meldinger.").says(&format!("Stoppe sendingen fra {NAVN}?")).says(tekst);
        page.says("Stopp sending").says("Behold sendingen").says_not("Start sending");
        browser.get(&world.storevik.k()).await.says_not("Sending er stoppet");
        // Without script it is a page.
        let question = browser.get(&form).await;
        question.is(200).says(&format!("Stoppe sendingen fra {NAVN}?")).says(tekst).says("Behold sendingen");
        assert!(question.text.contains(&format!("href=\"{}\"", path(&world, ""))));
        world.clock.advance(std::time::Duration::from_secs(1));
        let shown = versjon(&question);
        let stop = [("versjon", shown.as_str()), ("sending", "stopp")];
        let location = browser.post(&form, &stop).await.location().to_owned();
        let page = browser.get(&location).await;
        page.says("Sendingen er stoppet.").says("Start sending").says_not("Stopp sending");
        assert!(konto(&world).await.konto.send_meldinger_deaktivert);
        // Pressed twice: what was wanted is so, and the log tells of it once.
        browser.post(&form, &stop).await.is(303);
        assert_eq!(browser.get(&form).await.location(), path(&world, ""));
        assert_eq!(hendelser(&world).await, ["stoppet sending"]);

        let oversikt = browser.get(&world.storevik.k()).await;
        oversikt.says("Sending er stoppet").says("Klienten får avvist alt den sender fra kontoen.");
        let cure = format!("href=\"{}#sending\"", path(&world, ""));
        assert!(oversikt.text.contains(&cure), "{}", oversikt.text);
        let oversikt = world.browser(Hvem::Les).await.get(&world.storevik.k()).await;
        oversikt.says("Sending er stoppet");
        assert!(!oversikt.text.contains("#sending"), "{}", oversikt.text);

        world.clock.advance(std::time::Duration::from_secs(1));
        let shown = versjon(&page);
        let start = [("versjon", shown.as_str()), ("sending", "start")];
        let location = browser.post(&form, &start).await.location().to_owned();
        browser.get(&location).await.says("Sendingen er startet.").says("Kontoen kan sende meldinger.");
        assert!(!konto(&world).await.konto.send_meldinger_deaktivert);
        assert_eq!(hendelser(&world).await, ["startet sending", "stoppet sending"]);
        let log = browser.get(&format!("{}/hendelser", world.storevik.o())).await;
        log.says("Stoppet sending").says("Startet sending");
        for (sprak, texts) in [
            ("nn", ["Sending", "Kontoen kan sende meldingar.", "Stopp sending", "Hald fram med sendinga"]),
            ("en", ["Sending", "The account can send messages.", "Stop sending", "Keep sending"]),
        ] {
            browser.sprak = sprak;
            let page = browser.get(&path(&world, "")).await;
            for text in texts {
                page.says(text);
            }
        }
    }

    #[tokio::test]
    async fn sending_is_not_stopped_on_top_of_another_ones_change() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let form = path(&world, "/sending");
        let shown = versjon(&browser.get(&path(&world, "")).await);
        world.clock.advance(std::time::Duration::from_secs(1));
        let (navn, beskrivelse) = ("Deres navn".to_owned(), "Deres".to_owned());
        let sti = world.storevik.sti;
        world.app.update_konto_info(&Caller::Operator, sti, navn, beskrivelse, None).await.unwrap();
        let answer = browser.post(&form, &[("versjon", shown.as_str()), ("sending", "stopp")]).await;
        answer.is(409).says("Noen andre har endret dette siden du åpnet siden. Se over og lagre på nytt.");
        answer.says("Deres navn").says("Kontoen kan sende meldinger.");
        assert!(!konto(&world).await.konto.send_meldinger_deaktivert);
        let seen = versjon(&answer);
        browser.post(&form, &[("versjon", seen.as_str()), ("sending", "stopp")]).await.is(303);
        assert!(konto(&world).await.konto.send_meldinger_deaktivert);
        for nonsense in ["", "av"] {
            let answer = browser.post(&form, &[("sending", nonsense)]).await;
            assert_eq!(answer.location(), path(&world, ""));
        }
        assert_eq!(hendelser(&world).await, ["stoppet sending"]);
    }

    #[tokio::test]
    async fn konto_is_removed_only_under_its_name() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let form = path(&world, "/slett");
        let answer = browser.get(&form).await;
        answer.says(&format!("Slette {NAVN}?")).says("0 meldinger på kø slettes.").says("Behold kontoen");
        let answer = browser.post(&form, &[("bekreft", "noe annet")]).await;
        answer.is(422).says(&format!("Navnet stemmer ikke med {NAVN}"));
        assert!(answer.text.contains("value=\"noe annet\""));
        world.broker.stop();
        browser.get(&form).await.is(200).says("Alle meldinger på kø slettes.");
        world.broker.mend();
        let location = browser.post(&form, &[("bekreft", NAVN)]).await.location().to_owned();
        browser.get(&location).await.says(&format!("{NAVN} er slettet.")).says("Ingen kontoer ennå");
        browser.get(&form).await.is(404);
    }
}
