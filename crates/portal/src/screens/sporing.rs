//! Screen 20: what became of meldinger, and the dead letters of a Konto. Nobody sees what a melding says.

use app::melding::{Retning, SporingRad, SporingSok, Sporingsdetaljer, Sporingsside, Trinn, Uleverbar};
use app::ports::{BrokerError, Kontonavn};
use app::{Error, Missing};
use askama::Template;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::Response;
use axum::routing::get;
use domain::id::{FiksOrgId, KontoId, MeldingId};
use domain::melding::{Hendelse, Retur, Status};
use http::request::Parts;
use jiff::Timestamp;

use crate::feil::Feil;
use crate::format;
use crate::innlogget::{KontoSide, OrgSide, path_id};
use crate::liste::Liste;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::{invalid, ok};
use crate::screens::konto_faner;
use crate::screens::tilgangsliste::{count_search, filter};
use crate::skjema::{Mangler, Skjema};
use crate::tekster::Tekster;
use crate::view::{Color, Crumb, ErrorSummary, Field, Paging, Select, Tab, Tag, Time};

/// Rows of a page.
const RADER: u32 = 25;
/// With more kontoer than this, one is pasted rather than chosen: a select would be most of the page.
const KONTOER_I_VALG: u32 = 200;
/// In the address: where the page starts.
const ETTER: &str = "etter";
/// In the address: which page of the dead letters.
const DODKO_SIDE: &str = "dodko";

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/sporing", get(show))
        .route("/o/{org}/sporing/{melding}", get(show_melding))
        .route("/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/sporing", get(show_konto))
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/sporing/{melding}/legg-tilbake",
            get(ask).post(requeue),
        )
}

/// A melding. Path: `…/{melding}…`.
struct MeldingSti(MeldingId);

impl FromRequestParts<Portal> for MeldingSti {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        Ok(Self(path_id(parts, portal, "melding").await?))
    }
}

/// How a status is shown.
pub(crate) fn status_tag(t: Tekster, status: Status) -> Tag {
    let (color, key) = match status {
        Status::PaKo => (Color::Info, "sporing-status-pa-ko"),
        Status::Levert => (Color::Info, "sporing-status-levert"),
        Status::Bekreftet => (Color::Success, "sporing-status-bekreftet"),
        Status::Avvist => (Color::Danger, "sporing-status-avvist"),
        Status::Utlopt => (Color::Warning, "sporing-status-utlopt"),
        Status::Uleverbar => (Color::Danger, "sporing-status-uleverbar"),
    };
    Tag::new(color, t.s(key))
}

fn retning(t: Tekster, retning: Retning) -> String {
    t.s(match retning {
        Retning::Sendt => "sporing-sendt",
        Retning::Mottatt => "sporing-mottatt",
        Retning::Begge => "sporing-begge",
    })
}

/// What a Konto is called, and where it is found if it is one of the organisasjon's own.
struct Part {
    navn: String,
    /// Its System and owner; nothing of one that is gone.
    under: String,
    href: Option<String>,
}

fn part(side: &OrgSide, navn: Option<&Kontonavn>) -> Part {
    match navn {
        Some(konto) => Part {
            navn: konto.navn.clone(),
            under: format!("{}, {}", konto.system_navn, konto.organisasjon_navn),
            href: (konto.fiks_org_id == side.id()).then(|| konto_sti(side, konto)),
        },
        None => Part { navn: side.t().s("sporing-slettet-konto"), under: String::new(), href: None },
    }
}

fn konto_sti(side: &OrgSide, konto: &Kontonavn) -> String {
    format!("{}/{}/kontoer/{}", side.systemer_sti(), konto.system_id, konto.konto_id)
}

struct Rad {
    tid: Time,
    retning: String,
    meldingstype: String,
    href: String,
    motpart: Part,
    status: Tag,
}

fn row(side: &OrgSide, rad: &SporingRad) -> Rad {
    let t = side.t();
    Rad {
        tid: format::exact_time_of(rad.tidspunkt, t.sprak()),
        retning: retning(t, rad.retning),
        meldingstype: rad.meldingstype.clone(),
        href: format!("{}/sporing/{}", side.sti(), rad.melding_id),
        motpart: part(side, rad.motpart.as_ref()),
        status: status_tag(t, rad.status),
    }
}

/// Where the Konto to search in is told.
enum KontoFelt {
    /// One of a list.
    Valg(Select),
    /// Its id.
    Id(Field),
}

/// The dead letters of a Konto.
struct Dodko {
    antall: u64,
    rader: Vec<UlevertRad>,
    paging: Option<Paging>,
}

struct UlevertRad {
    tid: Time,
    meldingstype: String,
    href: String,
    avsender: Part,
    /// For those who may put it back.
    tilbake: Option<Tilbake>,
}

/// The question before a dead letter is put back, in a dialog or on a page of its own.
struct Tilbake {
    /// Of the dialog, unique on the page.
    id: String,
    /// Address of the page that asks, and of the answer.
    sti: String,
    tekst: String,
    /// What the button is about, for those who do not see where it stands.
    objekt: String,
}

#[derive(Template)]
#[template(path = "sporing/liste.html")]
struct ListeSide {
    ramme: Ramme,
    /// Name and tabs of the Konto, on its own page.
    faner: Option<(String, Vec<Tab>)>,
    summary: ErrorSummary,
    sok: Field,
    konto: Option<KontoFelt>,
    fra: Field,
    til: Field,
    nullstill: Option<String>,
    /// The queues do not answer.
    sent: bool,
    avkortet: bool,
    rader: Vec<Rad>,
    paging: Option<Paging>,
    dodko: Option<Dodko>,
}

/// Where a page starts, as it stands in the address.
fn cursor((tidspunkt, id): (Timestamp, MeldingId)) -> String {
    format!("{tidspunkt}_{id}")
}

fn parse_cursor(text: &str) -> Option<(Timestamp, MeldingId)> {
    let (tidspunkt, id) = text.split_once('_')?;
    Some((tidspunkt.parse().ok()?, id.parse().ok()?))
}

/// What the address asks for, and what is wrong with that.
fn asked(liste: &Liste, t: Tekster) -> (SporingSok, Mangler) {
    let mut mangler = Mangler::default();
    let mut day = |name: &str, of: fn(&str) -> Option<Timestamp>| {
        let text = liste.text(name);
        let found = of(&text);
        if found.is_none() && !text.is_empty() {
            mangler.add(name, t.s("regler-dato"));
        }
        found
    };
    let fra = day("fra", format::start_of_day);
    // The last moment of the day, as the search takes meldinger of its end along.
    let til =
        day("til", |text| format::end_of_day(text)?.checked_sub(jiff::SignedDuration::from_nanos(1)).ok());
    let sok = SporingSok {
        term: liste.sok(),
        konto: None,
        fra,
        til,
        before: parse_cursor(&liste.text(ETTER)),
        limit: RADER,
    };
    (sok, mangler)
}

/// Whether it is the queues that do not answer: then the page is there without what they know.
fn is_of_queues(error: &Error) -> bool {
    matches!(error, Error::Unavailable(source) if source.is::<BrokerError>())
}

/// What the queues answered; nothing when they do not.
fn unless_late<T>(answer: Result<T, Error>) -> Result<Option<T>, Feil> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_of_queues(&error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the queues do not tell of meldinger");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The links to the newest and to older meldinger. How many pages there are is not known.
fn paging(t: Tekster, liste: &Liste, found: &Sporingsside) -> Option<Paging> {
    let newest = liste.has(ETTER).then(|| liste.href(&[(ETTER, "")]));
    let older = found.neste.map(|neste| liste.href(&[(ETTER, &cursor(neste))]));
    (newest.is_some() || older.is_some()).then(|| Paging {
        label: t.s("sporing-sider"),
        position: t.v("sporing-antall-pa-siden", "n", found.rader.len()),
        previous: (t.s("sporing-nyeste"), newest),
        next: (t.s("sporing-eldre"), older),
    })
}

/// The page of a search; `sok` says in which Konto, where that is given by the page itself.
async fn search(
    side: &OrgSide,
    ramme: Ramme,
    liste: &Liste,
    sok: SporingSok,
    mut mangler: Mangler,
) -> Result<ListeSide, Feil> {
    let t = side.t();
    if !sok.term.is_empty() {
        count_search(side)?;
    }
    let found = if mangler.is_empty() {
        match side.app().sporing_sok(&side.caller(), side.id(), sok).await {
            Err(Error::NotFound(Missing::Konto(_))) => {
                mangler.add("konto", t.s("sporing-ukjent-konto"));
                Some(Sporingsside::default())
            }
            answer => unless_late(answer)?,
        }
    } else {
        Some(Sporingsside::default())
    };
    let sent = found.is_none();
    let found = found.unwrap_or_default();
    let searched = ["sok", "konto", "fra", "til", ETTER].iter().any(|name| !liste.text(name).is_empty());
    let date = |name: &str| {
        Field::new(name, t.s(&format!("hendelser-{name}")))
            .kind("date")
            .width(12)
            .optional()
            .value(liste.text(name))
            .error(mangler.of(name))
    };
    Ok(ListeSide {
        ramme: ramme.errors(!mangler.is_empty()),
        faner: None,
        summary: mangler.summary(t),
        sok: Field::new("sok", t.s("sporing-sok"))
            .description(t.s("sporing-sok-hjelp"))
            .kind("search")
            .optional()
            .value(liste.sok()),
        konto: None,
        fra: date("fra"),
        til: date("til"),
        nullstill: searched.then(|| side.k().path().to_owned()),
        sent,
        avkortet: found.avkortet,
        rader: found.rader.iter().map(|rad| row(side, rad)).collect(),
        paging: paging(t, liste, &found),
        dodko: None,
    })
}

fn answer(page: &ListeSide) -> Response {
    if page.ramme.has_errors { invalid(page) } else { ok(page) }
}

async fn show(side: OrgSide) -> Result<Response, Feil> {
    let (t, liste) = (side.t(), Liste::new(side.k()));
    let (mut sok, mut mangler) = asked(&liste, t);
    let chosen = liste.text("konto");
    sok.konto = chosen.parse().ok();
    if sok.konto.is_none() && !chosen.is_empty() {
        mangler.add("konto", t.s("sporing-ukjent-konto"));
    }
    let ramme = side.ramme(t.s("sporing-tittel")).here(t.s("sporing-tittel"));
    let mut page = search(&side, ramme, &liste, sok, mangler).await?;
    let wrong = page.summary.errors.iter().find(|(id, _)| id == "konto").map(|(_, text)| text.clone());
    page.konto = Some(konto_felt(&side, &chosen, wrong).await?);
    Ok(answer(&page))
}

async fn konto_felt(side: &OrgSide, chosen: &str, wrong: Option<String>) -> Result<KontoFelt, Feil> {
    let t = side.t();
    let all = side.app().kontonavn_for_org(&side.caller(), side.id(), KONTOER_I_VALG + 1).await?;
    if all.len() > KONTOER_I_VALG as usize {
        let field = Field::new("konto", t.s("felles-konto-id")).width(40).optional();
        return Ok(KontoFelt::Id(field.value(chosen).error(wrong)));
    }
    let choices = all.into_iter().map(|konto| {
        let text = t.v2("sporing-konto-i", "konto", &konto.navn, "system", &konto.system_navn);
        (konto.konto_id.to_string(), text)
    });
    let mut valg = filter(t, "konto", t.s("felles-konto"), chosen, choices.collect());
    valg.field = valg.field.error(wrong);
    Ok(KontoFelt::Valg(valg))
}

async fn show_konto(side: KontoSide) -> Result<Response, Feil> {
    let (t, liste) = (side.t(), Liste::new(side.k()));
    let (mut sok, mangler) = asked(&liste, t);
    sok.konto = Some(side.detaljer.konto.id);
    let tittel = t.s("sporing-tittel");
    let ramme = side.ramme(&tittel).here(&tittel);
    let mut page = search(&side.side.side, ramme, &liste, sok, mangler).await?;
    page.faner = Some((konto_faner::label(&side), konto_faner::tabs(&side, "sporing").await?));
    match unless_late(side.app().list_dead_letters(&side.caller(), side.konto_sti()).await)? {
        Some(letters) => page.dodko = Some(dodko(&side, &liste, letters)),
        None => page.sent = true,
    }
    Ok(answer(&page))
}

fn dodko(side: &KontoSide, liste: &Liste, letters: Vec<Uleverbar>) -> Dodko {
    let (t, org) = (side.t(), &side.side.side);
    let found = liste.page_by(DODKO_SIDE).of(letters.into_iter());
    Dodko {
        antall: found.total,
        paging: liste.paging_by(DODKO_SIDE, &found, t.s("sporing-dodko-sider")),
        rader: found
            .rows
            .iter()
            .map(|letter| UlevertRad {
                tid: format::time_of(letter.tidspunkt, t.sprak()),
                meldingstype: if letter.skadet {
                    t.v("sporing-dodko-skadet", "type", letter.meldingstype.as_str())
                } else {
                    letter.meldingstype.clone()
                },
                href: format!("{}/sporing/{}", org.sti(), letter.melding_id),
                avsender: part(org, letter.avsender.as_ref()),
                tilbake: (org.may_change() && !letter.skadet)
                    .then(|| tilbake(side, letter.melding_id, &letter.meldingstype)),
            })
            .collect(),
    }
}

fn tilbake(side: &KontoSide, id: MeldingId, meldingstype: &str) -> Tilbake {
    let t = side.t();
    Tilbake {
        id: format!("tilbake-{id}"),
        sti: format!("{}/sporing/{id}/legg-tilbake", side.sti()),
        tekst: t.v2("sporing-tilbake-tekst", "type", meldingstype, "konto", side.navn()),
        objekt: t.v2("sporing-melding-objekt", "type", meldingstype, "id", id.to_string()),
    }
}

#[derive(Template)]
#[template(path = "sporing/legg-tilbake.html")]
struct TilbakeSide {
    ramme: Ramme,
    tilbake: Tilbake,
    la_ligge: String,
}

/// The dialog as a page of its own, for browsers without script.
async fn ask(side: KontoSide, MeldingSti(id): MeldingSti) -> Result<Response, Feil> {
    let org = &side.side.side;
    org.demand_change()?;
    let funnet = side.app().sporing_melding(&side.caller(), org.id(), id).await?;
    if !is_receiver(&funnet, side.detaljer.konto.id) {
        return Err(Feil::FinnesIkke);
    }
    let (t, la_ligge) = (side.t(), format!("{}/sporing", side.sti()));
    if funnet.rad.status != Status::Uleverbar {
        return org.innlogget.to(&la_ligge, Melding::advarsel("sporing-ikke-i-dodko")).await;
    }
    let tittel = t.s("sporing-tilbake-tittel");
    let ramme = org
        .protokoll_ramme(&tittel)
        .crumb(Crumb::link(side.side.sti(), side.side.navn()))
        .crumb(Crumb::link(side.sti(), side.navn()))
        .here(&tittel);
    Ok(ok(&TilbakeSide { ramme, tilbake: tilbake(&side, id, &funnet.rad.meldingstype), la_ligge }))
}

fn is_receiver(funnet: &Sporingsdetaljer, konto: KontoId) -> bool {
    funnet.mottaker.as_ref().is_some_and(|mottaker| mottaker.konto_id == konto)
}

async fn requeue(side: KontoSide, MeldingSti(id): MeldingSti, _: Skjema) -> Result<Response, Feil> {
    let org = &side.side.side;
    org.demand_change()?;
    let melding = match side.app().requeue_dead_letter(&side.caller(), side.konto_sti(), id).await {
        Ok(true) => Melding::ok("sporing-lagt-tilbake"),
        Ok(false) => Melding::advarsel("sporing-ikke-i-dodko"),
        Err(Error::NotFound(Missing::Dokument(_))) => Melding::advarsel("sporing-innhold-borte"),
        Err(error) => return Err(error.into()),
    };
    org.innlogget.to(&format!("{}/sporing", side.sti()), melding).await
}

#[derive(Template)]
#[template(path = "sporing/melding.html")]
struct MeldingSide {
    ramme: Ramme,
    melding_id: String,
    meldingstype: String,
    status: Tag,
    retning: String,
    avsender: Part,
    mottaker: Part,
    klient_melding_id: Option<String>,
    klient_korrelasjons_id: Option<String>,
    mottatt: Time,
    levetid: String,
    /// How large its payload is, or that it lies in Dokumentlager.
    innhold: String,
    leveringer: String,
    /// Address and id.
    svar_pa: Option<(String, String)>,
    svar: Vec<(String, String)>,
    /// Where a dead letter of the own Konto is put back.
    dodko: Option<String>,
    trinn: Vec<Steg>,
}

/// A step as it is shown.
struct Steg {
    tid: Time,
    hva: String,
    detalj: String,
    color: Color,
}

fn steg(t: Tekster, trinn: &Trinn) -> Steg {
    let mut detalj = Vec::new();
    if let Some(ms) = trinn.ms_siden_forrige {
        // Two nodes may tell the time a little differently.
        detalj.push(t.v("sporing-ms-siden", "n", u64::try_from(ms).unwrap_or_default()));
    }
    let (color, hva) = match &trinn.hendelse {
        Hendelse::LagtPaKo => (Color::Neutral, t.s("sporing-steg-lagt-pa-ko")),
        Hendelse::Levert { forsok, adresse } => {
            if let Some(adresse) = adresse {
                detalj.push(t.v("sporing-konsument", "adresse", adresse.to_string()));
            }
            (Color::Info, t.v("sporing-steg-levert", "n", *forsok))
        }
        Hendelse::Returnert { arsak } => {
            let key = match arsak {
                Retur::NackMedRequeue => "sporing-steg-returnert",
                Retur::Frakoblet => "sporing-steg-frakoblet",
                Retur::Omstart => "sporing-steg-omstart",
                Retur::Krasj => "sporing-steg-krasj",
                Retur::Avbrutt => "sporing-steg-avbrutt",
            };
            (Color::Warning, t.s(key))
        }
        Hendelse::Bekreftet => (Color::Success, t.s("sporing-steg-bekreftet")),
        Hendelse::Avvist => (Color::Danger, t.s("sporing-steg-avvist")),
        Hendelse::Utlopt => (Color::Warning, t.s("sporing-steg-utlopt")),
        Hendelse::Dodko => (Color::Danger, t.s("sporing-steg-dodko")),
        Hendelse::KontoSlettet => (Color::Danger, t.s("sporing-steg-konto-slettet")),
        Hendelse::Skadet => (Color::Danger, t.s("sporing-steg-skadet")),
        Hendelse::KvitteringSendt { kvittering } => {
            detalj.push(t.v("sporing-kvittering", "id", kvittering.to_string()));
            (Color::Neutral, t.s("sporing-steg-kvittering"))
        }
        Hendelse::LagtTilbake => (Color::Info, t.s("sporing-steg-lagt-tilbake")),
    };
    Steg { tid: format::exact_time_of(trinn.tidspunkt, t.sprak()), hva, detalj: detalj.join(" · "), color }
}

async fn show_melding(side: OrgSide, MeldingSti(id): MeldingSti) -> Result<Response, Feil> {
    let t = side.t();
    let funnet = side.app().sporing_melding(&side.caller(), side.id(), id).await?;
    let sti = format!("{}/sporing", side.sti());
    let link = |id: MeldingId| (format!("{sti}/{id}"), id.to_string());
    let tittel = t.s("sporing-melding-tittel");
    Ok(ok(&MeldingSide {
        ramme: side.ramme(&tittel).crumb(Crumb::link(&sti, t.s("sporing-tittel"))).here(&tittel),
        melding_id: id.to_string(),
        status: status_tag(t, funnet.rad.status),
        retning: retning(t, funnet.rad.retning),
        avsender: part(&side, funnet.avsender.as_ref()),
        mottaker: part(&side, funnet.mottaker.as_ref()),
        mottatt: format::exact_time_of(funnet.mottatt, t.sprak()),
        levetid: format::duration(funnet.ttl, t),
        innhold: match funnet.dokumentlager_id {
            Some(_) => t.s("sporing-i-dokumentlager"),
            None => format::bytes(funnet.payload_bytes),
        },
        leveringer: format::number(funnet.leveringer.into()),
        svar_pa: funnet.svar_pa_melding.map(link),
        svar: funnet.svar.iter().copied().map(link).collect(),
        dodko: dodko_sti(&side, &funnet, side.id()),
        trinn: funnet.trinn.iter().map(|trinn| steg(t, trinn)).collect(),
        meldingstype: funnet.rad.meldingstype,
        klient_melding_id: funnet.rad.klient_melding_id,
        klient_korrelasjons_id: funnet.rad.klient_korrelasjons_id,
    }))
}

/// Where the dead letters are among which this melding is, if they are the organisasjon's.
fn dodko_sti(side: &OrgSide, funnet: &Sporingsdetaljer, org: FiksOrgId) -> Option<String> {
    let mottaker = funnet.mottaker.as_ref().filter(|mottaker| mottaker.fiks_org_id == org)?;
    (funnet.rad.status == Status::Uleverbar).then(|| format!("{}/sporing#dodko", konto_sti(side, mottaker)))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use app::ports::{Broker as _, ChannelOptions, Consumer, EndedBy, OpenChannel, Settlement};
    use bytes::Bytes;
    use domain::melding::{DEFAULT_TTL, MAX_ATTEMPTS};

    use super::*;
    use crate::testing::{Hvem, World};

    const TYPE: &str = "no.ks.fiks.arkiv.v1.innsyn.sok";
    const INNHOLD: &[u8] = b"ingen skal lese dette";
    /// How long the broker may take.
    const DEADLINE: Duration = Duration::from_secs(20);

    /// Puts a melding on the queue of `til`.
    pub(crate) async fn send(
        world: &World,
        fra: KontoId,
        til: KontoId,
        headere: &[(&str, &str)],
    ) -> MeldingId {
        let headere: BTreeMap<_, _> =
            headere.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        answering(world, fra, til, None, headere).await
    }

    async fn answering(
        world: &World,
        fra: KontoId,
        til: KontoId,
        svar_pa_melding: Option<MeldingId>,
        headere: BTreeMap<String, String>,
    ) -> MeldingId {
        let melding = domain::melding::Melding {
            id: MeldingId::from_uuid(world.app.ids().uuid()),
            avsender: fra,
            mottaker: til,
            meldingstype: TYPE.to_owned(),
            svar_pa_melding,
            svar_til_type: None,
            dokumentlager_id: None,
            headere,
            ttl: DEFAULT_TTL,
            mottatt: world.app.clock().now(),
        };
        let id = melding.id;
        world.broker.publish(melding, Bytes::from_static(INNHOLD)).await.unwrap();
        id
    }

    /// Takes what is handed out on the queue of a Konto, `count` times, and says the same of each.
    async fn settle(world: &World, konto: KontoId, count: u32, settlement: Settlement) {
        let adresse = Some("192.0.2.7:5671".parse().unwrap());
        let OpenChannel { mut deliveries, control } =
            world.broker.open_channel(ChannelOptions { adresse, ..ChannelOptions::default() }).await.unwrap();
        control.consume(Consumer(1), konto, 1).await.unwrap();
        for _ in 0..count {
            let delivery = tokio::time::timeout(DEADLINE, deliveries.recv()).await.unwrap().unwrap();
            world.clock.advance(Duration::from_millis(42));
            control.settle(delivery.id, settlement);
        }
        control.close(EndedBy::Consumer).await;
    }

    async fn until(world: &World, org: FiksOrgId, id: MeldingId, wanted: Status) {
        let look = async || loop {
            let found = world.app.sporing_melding(&app::Caller::Operator, org, id).await.unwrap();
            if found.rad.status == wanted {
                return;
            }
            tokio::task::yield_now().await;
        };
        tokio::time::timeout(DEADLINE, look()).await.expect("the melding comes that far");
    }

    /// A melding of Lillefjord's that Storevik gave up.
    async fn dead_letter(world: &World) -> MeldingId {
        let part = world.storevik;
        let id = send(world, world.lillefjord.sti.konto_id, part.sti.konto_id, &[]).await;
        let retur = Settlement::Requeue(Retur::NackMedRequeue);
        settle(world, part.sti.konto_id, MAX_ATTEMPTS, retur).await;
        until(world, part.org, id, Status::Uleverbar).await;
        id
    }

    #[tokio::test]
    async fn pages_are_for_every_role_and_the_button_for_those_who_may_change() {
        let world = World::new().await;
        let part = world.storevik;
        let id = dead_letter(&world).await;
        let tilbake = format!("{}/sporing/{id}/legg-tilbake", part.k());
        let paths = [
            format!("{}/sporing", part.o()),
            format!("{}/sporing", part.k()),
            format!("{}/sporing/{id}", part.o()),
            tilbake.clone(),
        ];
        for (hvem, statuses) in [
            (Hvem::Admin, [200; 4]),
            (Hvem::Protokoll, [200; 4]),
            (Hvem::Les, [200, 200, 200, 403]),
            (Hvem::Lillefjord, [404; 4]),
            (Hvem::Drift, [404; 4]),
            (Hvem::Uten, [404; 4]),
        ] {
            let mut browser = world.browser(hvem).await;
            for (path, status) in paths.iter().zip(statuses) {
                browser.get(path).await.is(status);
            }
        }
        for path in &paths {
            assert!(world.anonymous().get(path).await.location().starts_with("/logg-inn?retur="));
        }
        let path = format!("{}/sporing", part.k());
        let mut reader = world.browser(Hvem::Les).await;
        reader.get(&path).await.says("1 ulevert melding").says_not("Legg tilbake på kø");
        reader.post(&tilbake, &[]).await.is(403);
        world.browser(Hvem::Lillefjord).await.post(&tilbake, &[]).await.is(404);
        for page in [part.k(), format!("{}/tjenester", part.o())] {
            let text = reader.get(&page).await.text;
            assert!(text.contains("/sporing\""), "{page} leads there");
        }
    }

    #[tokio::test]
    async fn melding_is_found_by_its_ids_konto_and_period_by_both_sides() {
        let world = World::new().await;
        let (storevik, lillefjord) = (world.storevik, world.lillefjord);
        let mut browser = world.browser(Hvem::Les).await;
        let path = format!("{}/sporing", storevik.o());
        browser.get(&path).await.is(200).says("Ingen meldinger i perioden");
        let ids = [
            (wire::headers::KLIENT_MELDING_ID, "min-melding-1"),
            (wire::headers::KLIENT_KORRELASJONS_ID, "sak-17"),
        ];
        let id = send(&world, storevik.sti.konto_id, lillefjord.sti.konto_id, &ids).await;
        let today = format::day(world.app.clock().now());
        let konto = storevik.sti.konto_id;
        for query in [
            String::new(),
            format!("?sok={id}"),
            "?sok=min-melding-1".to_owned(),
            "?sok=+sak-17+".to_owned(),
            format!("?konto={konto}"),
            format!("?fra={today}&til={today}"),
            format!("?sok={id}&fra=2001-01-01&til=2001-01-01"),
        ] {
            let page = browser.get(&format!("{path}{query}")).await;
            page.is(200)
                .says(&format!("Sendt {TYPE} Mitt arkiv - konto Mitt arkiv, Lillefjord kommune På kø"));
        }
        for query in ["?sok=min-melding-2", "?fra=2001-01-01&til=2001-01-01"] {
            browser.get(&format!("{path}{query}")).await.is(200).says("Ingen meldinger i perioden");
        }
        let mut other = world.browser(Hvem::Lillefjord).await;
        for path in [format!("{}/sporing", lillefjord.o()), format!("{}/sporing", lillefjord.k())] {
            other.get(&path).await.is(200).says(&format!("Mottatt {TYPE} Mitt fagsystem - konto"));
        }
        let wrong = browser.get(&format!("{path}?konto={}&fra=i+dag", lillefjord.sti.konto_id)).await;
        wrong.is(422).says("Skriv datoen som dag, måned og år");
        let wrong = browser.get(&format!("{path}?konto={}", lillefjord.sti.konto_id)).await;
        wrong.is(422).says("Kontoen finnes ikke i organisasjonen").says("Du må rette 1 feil");
        browser.get(&format!("{path}?konto=tull")).await.is(422);
    }

    #[tokio::test]
    async fn older_meldinger_are_on_the_next_page() {
        let world = World::new().await;
        let (fra, til) = (world.storevik.sti.konto_id, world.lillefjord.sti.konto_id);
        for _ in 0..30 {
            send(&world, fra, til, &[]).await;
        }
        let mut browser = world.browser(Hvem::Les).await;
        let path = format!("{}/sporing", world.storevik.k());
        let first = browser.get(&path).await;
        first.says("25 meldinger på siden").says("Eldre meldinger");
        let link = |text: &str, rel: &str| {
            let before = text.split(&format!("\" rel=\"{rel}\"")).next().unwrap();
            before.rsplit("href=\"").next().unwrap().replace("&#38;", "&")
        };
        let second = browser.get(&link(&first.text, "next")).await;
        second.is(200).says("5 meldinger på siden").says("Nyeste meldinger");
        let seen = |text: &str| -> Vec<String> {
            let sti = format!("{}/sporing/", world.storevik.o());
            text.split(&sti).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
        };
        let mut all = seen(&first.text);
        all.extend(seen(&second.text));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 30);
        assert_eq!(link(&second.text, "prev"), path);
    }

    #[tokio::test]
    async fn way_of_a_melding_is_told_to_both_sides_and_where_it_was_fetched_from_to_one() {
        let world = World::new().await;
        let (storevik, lillefjord) = (world.storevik, world.lillefjord);
        let id = send(&world, storevik.sti.konto_id, lillefjord.sti.konto_id, &[("egen", "hemmelig")]).await;
        settle(&world, lillefjord.sti.konto_id, 1, Settlement::Ack).await;
        until(&world, storevik.org, id, Status::Bekreftet).await;
        let (fra, til) = (lillefjord.sti.konto_id, storevik.sti.konto_id);
        let svar = answering(&world, fra, til, Some(id), BTreeMap::new()).await;
        let mut sender = world.browser(Hvem::Les).await;
        let page = sender.get(&format!("{}/sporing/{id}", storevik.o())).await;
        page.is(200).says("Sporing av melding").says(&id.to_string()).says("Bekreftet").says("7 døgn");
        page.says("Tatt imot og lagt på kø").says("Levert til mottakeren, forsøk 1");
        page.says("42 ms siden forrige steg").says("Bekreftet av mottakeren");
        page.says_not("192.0.2.7").says_not("hemmelig").says_not("ingen skal lese");
        assert!(page.text.contains(&format!("href=\"{}/sporing/{svar}\"", storevik.o())));
        assert!(page.text.contains(&format!("href=\"{}\"", storevik.k())));
        assert!(!page.text.contains(&lillefjord.k()), "the other's pages are its own");
        let page = sender.get(&format!("{}/sporing/{svar}", storevik.o())).await;
        page.is(200).says("Mottatt");
        assert!(page.text.contains(&format!("href=\"{}/sporing/{id}\"", storevik.o())));
        let mut receiver = world.browser(Hvem::Lillefjord).await;
        let page = receiver.get(&format!("{}/sporing/{id}", lillefjord.o())).await;
        page.is(200).says("mottakeren hentet fra 192.0.2.7:5671").says_not("hemmelig");
        for unknown in ["tull".to_owned(), storevik.org.to_string()] {
            receiver.get(&format!("{}/sporing/{unknown}", lillefjord.o())).await.is(404);
        }
    }

    #[tokio::test]
    async fn dead_letter_is_put_back_once_and_the_log_tells_of_it() {
        let world = World::new().await;
        let part = world.storevik;
        let id = dead_letter(&world).await;
        let mut browser = world.browser(Hvem::Protokoll).await;
        let page = browser.get(&format!("{}/sporing/{id}", part.o())).await;
        page.says("Uleverbar").says("Gitt opp og lagt i dødkøen").says("Levert til mottakeren, forsøk 3");
        assert!(page.text.contains(&format!("href=\"{}/sporing#dodko\"", part.k())));
        // Its sender is told of the kvittering, and has no way to the queue.
        let mut sender = world.browser(Hvem::Lillefjord).await;
        let sent = sender.get(&format!("{}/sporing/{id}", world.lillefjord.o())).await;
        sent.says("Kvittering sendt til avsenderen").says_not("Gå til dødkøen");
        let path = format!("{}/sporing", part.k());
        let page = browser.get(&path).await;
        page.says("1 ulevert melding, eldste først").says("Legge meldingen tilbake på kø?");
        let tilbake = format!("{path}/{id}/legg-tilbake");
        let page = browser.get(&tilbake).await;
        page.is(200).says("blir lagt bakerst i køen til Mitt fagsystem - konto").says("La meldingen ligge");
        let answer = browser.post(&tilbake, &[]).await;
        let shown = browser.get(answer.location()).await;
        shown.says("Meldingen er lagt tilbake på kø.").says("Ingen uleverte meldinger").says("På kø");
        let again = browser.post(&tilbake, &[]).await;
        browser.get(again.location()).await.says("Meldingen ligger ikke i dødkøen lenger.");
        let late = browser.get(&tilbake).await;
        assert!(late.location().starts_with(&path), "{}", late.location());
        let log = browser.get(&format!("{}/hendelser?konto={}", part.o(), part.sti.konto_id)).await;
        assert_eq!(log.plain().matches("Test Protokoll La tilbake på kø").count(), 1, "{}", log.plain());
        // A melding of another Konto is none of this one's.
        let foreign = send(&world, part.sti.konto_id, world.lillefjord.sti.konto_id, &[]).await;
        let foreign = format!("{path}/{foreign}/legg-tilbake");
        browser.get(&foreign).await.is(404);
        browser.post(&foreign, &[]).await.is(404);
    }

    #[tokio::test]
    async fn pages_do_without_the_queues_and_not_without_the_registry() {
        let world = World::new().await;
        let part = world.storevik;
        let mut browser = world.browser(Hvem::Les).await;
        let paths = [part.o(), part.k()].map(|sti| format!("{sti}/sporing"));
        world.broker.stop();
        for path in &paths {
            let page = browser.get(path).await;
            page.is(200)
                .says("Status er ikke tilgjengelig akkurat nå")
                .says_not("Ingen meldinger i perioden");
        }
        world.registry.stop();
        for path in &paths {
            browser.get(path).await.is(503).says("Vi har tekniske problemer");
        }
    }

    #[test]
    fn place_in_the_list_is_read_back_from_the_address() {
        let at: Timestamp = "2026-11-22T13:30:05.123456789Z".parse().unwrap();
        let id = MeldingId::from_uuid(domain::id::Uuid::from_u128(7));
        assert_eq!(parse_cursor(&cursor((at, id))), Some((at, id)));
        for bad in ["", "_", "x_y", "2026-11-22T13:30:05Z"] {
            assert_eq!(parse_cursor(bad), None, "{bad}");
        }
    }
}
