//! Bare for utvikling: key pairs, virksomhetssertifikater, configuration of clients and testmeldinger, beside the Konto or
//! the System that they are for. None of it exists where there are no tools, which is everywhere but in development.

use std::sync::Arc;

use app::Missing;
use app::konto::parter;
use askama::Template;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Orgnummer;
use domain::id::{FiksOrgId, MeldingId};
use domain::konto::Konto;
use domain::melding::{Status, status};
use domain::protokoll::{PayloadKriterie, Protokoll};
use domain::sending::SendRefusal;
use http::HeaderMap;
use http::request::Parts;

use crate::feil::Feil;
use crate::format;
use crate::innlogget::{KontoSide, SystemSide, path_id};
use crate::live::Statussvar;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::{found, invalid, ok};
use crate::screens::sporing::status_tag;
use crate::skjema::{Mangler, Skjema};
use crate::tekster::Tekster;
use crate::utvikling::{Klient, KlientFakta, Nokkelpar, Testmelding, Verktoy};
use crate::view::{Choice, Crumb, ErrorSummary, Field, Select, Tag, Time};

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route(
            "/o/{org}/protokoll/systemer/{system}/virksomhetssertifikat",
            get(ask_sertifikat).post(make_sertifikat),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/nokkelpar",
            get(ask_nokkelpar).post(make_nokkelpar),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/klientkonfigurasjon",
            get(show_konfigurasjon),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/testmelding",
            get(ask_testmelding).post(send_testmelding),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/testmelding/{melding}",
            get(show_testmelding),
        )
        .route(
            "/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/testmelding/{melding}/status.json",
            get(testmelding_status),
        )
}

/// The tools. Taken before anything else, so that nobody is even asked to log in where there are none.
pub(crate) struct Kasse(pub(crate) Arc<dyn Verktoy>);

impl FromRequestParts<Portal> for Kasse {
    type Rejection = Response;

    async fn from_request_parts(_: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        portal.verktoy().cloned().map(Self).ok_or_else(|| Feil::FinnesIkke.into_response())
    }
}

/// What the pages of a Konto offer.
pub(crate) struct KontoVerktoy {
    /// Address of the Konto.
    pub(crate) sti: String,
    /// It has a nøkkel, which a new one would take the place of.
    pub(crate) har_nokkel: bool,
}

/// The tools of a Konto, for those who may change it, where there are any.
pub(crate) fn konto_verktoy(side: &KontoSide) -> Option<KontoVerktoy> {
    let there = side.k().portal.verktoy().is_some() && side.side.side.may_change();
    there.then(|| KontoVerktoy { sti: side.sti(), har_nokkel: side.detaljer.nokkel.is_some() })
}

/// Address of the page that makes a virksomhetssertifikat, for those who may change the System, where there is one.
pub(crate) fn sertifikat_sti(side: &SystemSide) -> Option<String> {
    let there = side.k().portal.verktoy().is_some() && side.side.may_change();
    there.then(|| format!("{}/virksomhetssertifikat", side.sti()))
}

/// The frame of a page below the Konto.
fn konto_ramme(side: &KontoSide, tittel: &str) -> Ramme {
    let ramme = side.side.under_ramme(tittel);
    ramme.crumb(Crumb::link(side.sti(), side.navn())).here(tittel)
}

/// A private key with its certificate, as the page shows them: to copy, and to download.
struct NokkelparVist {
    privat_pem: String,
    sertifikat_pem: String,
    filer: Vec<Nedlasting>,
    passord: String,
}

/// A file that the page carries in itself, so that the server need not keep it.
struct Nedlasting {
    navn: String,
    href: String,
}

impl NokkelparVist {
    fn new(navn: &str, nokkelpar: Nokkelpar) -> Self {
        let file = |ending: &str, media: &str, bytes: &[u8]| Nedlasting {
            navn: format!("{navn}.{ending}"),
            href: format!("data:{media};base64,{}", STANDARD.encode(bytes)),
        };
        let pem = "application/x-pem-file";
        Self {
            filer: vec![
                file("key.pem", pem, nokkelpar.privat_pem.as_bytes()),
                file("chain.pem", pem, nokkelpar.kjede_pem.as_bytes()),
                file("p12", "application/x-pkcs12", &nokkelpar.p12),
            ],
            privat_pem: nokkelpar.privat_pem,
            sertifikat_pem: nokkelpar.sertifikat_pem,
            passord: nokkelpar.p12_passord,
        }
    }
}

#[derive(Template)]
#[template(path = "utvikling/sporsmal.html")]
struct SporsmalSide {
    ramme: Ramme,
    forklaring: String,
    advarsel: Option<String>,
    sti: String,
    knapp: String,
    avbryt: String,
}

#[derive(Template)]
#[template(path = "utvikling/nokkelpar.html")]
struct NokkelparSide {
    ramme: Ramme,
    gjort: String,
    mappe: Option<String>,
    par: NokkelparVist,
    videre: String,
    videre_tekst: String,
}

async fn ask_nokkelpar(_: Kasse, side: KontoSide) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let t = side.t();
    Ok(ok(&SporsmalSide {
        ramme: konto_ramme(&side, &t.s("utvikling-nokkelpar-tittel")),
        forklaring: t.s("utvikling-nokkelpar-forklaring"),
        advarsel: side.detaljer.nokkel.is_some().then(|| t.s("utvikling-nokkelpar-bytter")),
        sti: format!("{}/nokkelpar", side.sti()),
        knapp: t.s("utvikling-nokkelpar"),
        avbryt: side.sti(),
    }))
}

async fn make_nokkelpar(Kasse(verktoy): Kasse, side: KontoSide, _: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let t = side.t();
    let par = verktoy.lag_nokkelpar(side.navn()).await.map_err(Feil::Intern)?;
    side.app().set_nokkel(&side.caller(), side.konto_sti(), &par.sertifikat_pem).await?;
    let id = side.detaljer.konto.id;
    // The key is in use by now: the page must show it, whether it could be kept elsewhere or not.
    let mappe = match verktoy.behold_nokkelpar(id, &par).await {
        Ok(mappe) => Some(mappe),
        Err(error) => {
            tracing::warn!(error = &*error as &dyn std::error::Error, "failed to keep the key pair");
            None
        }
    };
    Ok(ok(&NokkelparSide {
        ramme: konto_ramme(&side, &t.s("utvikling-nokkelpar-tittel")),
        gjort: t.s("utvikling-nokkelpar-laget"),
        mappe: mappe.map(|mappe| t.v("utvikling-nokkelpar-mappe", "mappe", mappe)),
        par: NokkelparVist::new(&format!("konto-{id}"), par),
        videre: format!("{}/klientkonfigurasjon", side.sti()),
        videre_tekst: t.s("utvikling-konfigurasjon"),
    }))
}

/// Whose virksomhetssertifikat the clients of a System have.
fn orgnummer(side: &SystemSide) -> Orgnummer {
    side.integrasjoner.first().map_or(side.side.org.orgnummer, |primary| primary.orgnummer)
}

/// What that organisasjon is called.
fn organisasjon(side: &SystemSide) -> String {
    // Of another than the owner, nothing is known but the leverandør's name.
    let owner = orgnummer(side) == side.side.org.orgnummer;
    let leverandor = side.system.info.leverandor_navn.clone().filter(|_| !owner);
    leverandor.unwrap_or_else(|| side.side.org.navn.clone())
}

fn kontrollsiffer(side: &SystemSide) -> Option<String> {
    let wrong = !orgnummer(side).has_valid_control_digit();
    wrong.then(|| side.t().s("utvikling-sertifikat-kontrollsiffer"))
}

async fn ask_sertifikat(_: Kasse, side: SystemSide) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let (t, tittel) = (side.t(), side.t().s("utvikling-sertifikat-tittel"));
    let number = format::orgnummer(orgnummer(&side));
    Ok(ok(&SporsmalSide {
        ramme: side.under_ramme(&tittel).here(tittel),
        forklaring: t.v("utvikling-sertifikat-forklaring", "orgnummer", number),
        advarsel: kontrollsiffer(&side),
        sti: format!("{}/virksomhetssertifikat", side.sti()),
        knapp: t.s("utvikling-sertifikat"),
        avbryt: side.sti(),
    }))
}

async fn make_sertifikat(Kasse(verktoy): Kasse, side: SystemSide, _: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let (t, tittel) = (side.t(), side.t().s("utvikling-sertifikat-tittel"));
    let number = orgnummer(&side);
    let par = verktoy.virksomhetssertifikat(number, &organisasjon(&side)).await.map_err(Feil::Intern)?;
    Ok(ok(&NokkelparSide {
        ramme: side.under_ramme(&tittel).here(tittel),
        gjort: t.v("utvikling-sertifikat-laget", "orgnummer", format::orgnummer(number)),
        mappe: None,
        par: NokkelparVist::new(&format!("virksomhet-{number}"), par),
        videre: side.sti(),
        videre_tekst: t.s("utvikling-til-systemet"),
    }))
}

#[derive(Template)]
#[template(path = "utvikling/konfigurasjon.html")]
struct KonfigurasjonSide {
    ramme: Ramme,
    passord: String,
    klienter: Vec<KlientVist>,
    nokkelpar: Option<String>,
}

/// The configuration of one client.
struct KlientVist {
    navn: String,
    tekst: String,
}

async fn show_konfigurasjon(Kasse(verktoy): Kasse, side: KontoSide) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let t = side.t();
    let integrasjon = side.side.integrasjoner.first().ok_or(Feil::FinnesIkke)?;
    let fakta = KlientFakta {
        konto: side.detaljer.konto.id,
        integrasjon: integrasjon.id,
        orgnummer: integrasjon.orgnummer,
        organisasjon: organisasjon(&side.side),
    };
    let mut klienter = Vec::new();
    let mut passord_kjent = true;
    for klient in Klient::ALL {
        let konfigurasjon = verktoy.konfigurasjon(&fakta, klient).await.map_err(Feil::Intern)?;
        passord_kjent &= konfigurasjon.passord_kjent;
        let navn = match klient {
            Klient::Test => t.s("utvikling-klient-test"),
            Klient::Java => t.s("utvikling-klient-java"),
            Klient::DotNet => t.s("utvikling-klient-dotnet"),
            Klient::Rust => t.s("utvikling-klient-rust"),
        };
        klienter.push(KlientVist { navn, tekst: konfigurasjon.tekst });
    }
    let passord = if passord_kjent {
        "utvikling-konfigurasjon-passord-kjent"
    } else {
        "utvikling-konfigurasjon-passord-ukjent"
    };
    Ok(ok(&KonfigurasjonSide {
        ramme: konto_ramme(&side, &t.s("utvikling-konfigurasjon-tittel")),
        passord: t.s(passord),
        klienter,
        nokkelpar: side.detaljer.nokkel.is_none().then(|| format!("{}/nokkelpar", side.sti())),
    }))
}

/// A Konto that may get the testmelding.
struct Mottaker {
    org: FiksOrgId,
    org_navn: String,
    konto: Konto,
}

/// The other kontoer of the person's own organisasjoner that the Konto has something to send to.
async fn mottakere(side: &KontoSide) -> Result<Vec<Mottaker>, Feil> {
    let mut found = Vec::new();
    for mine in side.app().organisasjoner_for(&side.caller()).await? {
        if !mine.rolle.may_change() {
            continue;
        }
        for konto in side.app().list_kontoer_for_org(&side.caller(), mine.id).await? {
            if konto.id != side.detaljer.konto.id && meldingstype(side, &konto).is_some() {
                found.push(Mottaker { org: mine.id, org_navn: mine.navn.clone(), konto });
            }
        }
    }
    Ok(found)
}

/// A meldingstype that the Konto may send to `mottaker`, and whether it has a payload: one with payload where there is one.
fn meldingstype(side: &KontoSide, mottaker: &Konto) -> Option<(String, bool)> {
    if mottaker.protokoll_navn != side.detaljer.konto.protokoll_navn {
        return None;
    }
    let versjoner = &side.detaljer.versjoner;
    let mut candidates = Vec::new();
    for (protokoll, part) in side.detaljer.parter() {
        for (other, motpart) in parter(mottaker, versjoner) {
            let fits = other.versjon == protokoll.versjon && part.stottede_parter.contains(&motpart.navn);
            if fits {
                let types = part.avsender_meldingstyper.iter();
                let both = types.filter(|navn| motpart.mottaker_meldingstyper.contains(navn));
                candidates.extend(both.filter_map(|navn| candidate(protokoll, navn)));
            }
        }
    }
    candidates.iter().find(|(_, har_payload)| *har_payload).or(candidates.first()).cloned()
}

/// A meldingstype with whether it has a payload, unless it tells of a failure.
fn candidate(protokoll: &Protokoll, navn: &str) -> Option<(String, bool)> {
    let found = protokoll.meldingstype(navn).filter(|found| !found.er_feilmelding)?;
    Some((navn.to_owned(), found.payload_kriterie != PayloadKriterie::Never))
}

#[derive(Template)]
#[template(path = "utvikling/testmelding.html")]
struct TestmeldingSide {
    ramme: Ramme,
    summary: ErrorSummary,
    /// Where what is in the way can be cured: address and text.
    lenke: Option<(String, String)>,
    mottaker: Option<Select>,
    sti: String,
    avbryt: String,
}

fn testmelding_side(
    side: &KontoSide,
    mottakere: &[Mottaker],
    valgt: &str,
    mangler: &Mangler,
    lenke: Option<(String, String)>,
) -> TestmeldingSide {
    let t = side.t();
    let choices = mottakere.iter().map(|mottaker| {
        let id = mottaker.konto.id.to_string();
        let selected = id == valgt;
        Choice::new(id, format!("{} ({})", mottaker.konto.navn, mottaker.org_navn)).selected(selected)
    });
    let field = Field::new("mottaker", t.s("utvikling-testmelding-mottaker")).error(mangler.of("mottaker"));
    let tittel = t.v("utvikling-testmelding-tittel", "navn", side.navn());
    TestmeldingSide {
        ramme: konto_ramme(side, &tittel).errors(!mangler.is_empty()),
        summary: mangler.summary(t),
        lenke,
        mottaker: (!mottakere.is_empty()).then(|| Select::new(field, choices.collect())),
        sti: format!("{}/testmelding", side.sti()),
        avbryt: side.sti(),
    }
}

async fn ask_testmelding(_: Kasse, side: KontoSide) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let mottakere = mottakere(&side).await?;
    Ok(ok(&testmelding_side(&side, &mottakere, "", &Mangler::default(), None)))
}

async fn send_testmelding(Kasse(verktoy): Kasse, side: KontoSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.side.demand_change()?;
    let t = side.t();
    let mottakere = mottakere(&side).await?;
    let valgt = skjema.felter.text("mottaker");
    let mut mangler = Mangler::default();
    let chosen = mottakere.iter().find(|mottaker| mottaker.konto.id.to_string() == valgt);
    let Some((mottaker, (meldingstype, har_payload))) =
        chosen.and_then(|mottaker| Some((mottaker, meldingstype(&side, &mottaker.konto)?)))
    else {
        mangler.add("mottaker", t.s("utvikling-testmelding-velg"));
        return Ok(invalid(&testmelding_side(&side, &mottakere, &valgt, &mangler, None)));
    };
    let testmelding = Testmelding {
        fra: side.detaljer.konto.id,
        til: mottaker.konto.id,
        meldingstype,
        har_payload,
        orgnummer: orgnummer(&side.side),
        organisasjon: organisasjon(&side.side),
    };
    match verktoy.send_testmelding(side.app(), &testmelding).await {
        Ok(id) => Ok(found(&format!("{}/testmelding/{id}", side.sti()))),
        Err(error) => {
            let (key, page) = refusal(&error).ok_or(Feil::App(error))?;
            mangler.add("mottaker", t.v(key, "navn", mottaker.konto.navn.as_str()));
            let (org, konto) = (mottaker.org, &mottaker.konto);
            let sti = format!("/o/{org}/protokoll/systemer/{}/kontoer/{}", konto.system_id, konto.id);
            let lenke = page.map(|(page, text)| (format!("{sti}{page}"), t.s(text)));
            Ok(invalid(&testmelding_side(&side, &mottakere, &valgt, &mangler, lenke)))
        }
    }
}

/// What the page says of a testmelding that was not sent, and which page of the receiver cures it. `None` where that is
/// nothing that the person could mend.
fn refusal(error: &app::Error) -> Option<(&'static str, Option<(&'static str, &'static str)>)> {
    match error {
        app::Error::Refused(SendRefusal::ManglerTilgang { .. }) => {
            let cure = ("/sok", "utvikling-testmelding-gi-tilgang");
            Some(("utvikling-testmelding-mangler-tilgang", Some(cure)))
        }
        app::Error::NotFound(Missing::Nokkel(_)) => {
            let cure = ("/nokkelpar", "utvikling-testmelding-lag-nokkel");
            Some(("utvikling-testmelding-mangler-nokkel", Some(cure)))
        }
        app::Error::Refused(_) => Some(("utvikling-testmelding-avvist", None)),
        _ => None,
    }
}

/// A melding of the Konto, followed.
struct MeldingSide {
    side: KontoSide,
    id: MeldingId,
    status: Status,
}

impl FromRequestParts<Portal> for MeldingSide {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let side = KontoSide::from_request_parts(parts, portal).await?;
        let id: MeldingId = path_id(parts, portal, "melding").await?;
        let record = side.app().spor_melding(&side.caller(), id).await;
        let record = record.map_err(|error| Feil::from(error).into_response())?;
        if record.melding.avsender != side.detaljer.konto.id {
            return Err(Feil::FinnesIkke.into_response());
        }
        Ok(Self { side, id, status: status(&record.sporing) })
    }
}

/// What a state of a melding means.
fn forklaring(t: Tekster, status: Status) -> String {
    t.s(match status {
        Status::PaKo => "utvikling-status-pa-ko",
        Status::Levert => "utvikling-status-levert",
        Status::Bekreftet => "utvikling-status-bekreftet",
        Status::Avvist => "utvikling-status-avvist",
        Status::Utlopt => "utvikling-status-utlopt",
        Status::Uleverbar => "utvikling-status-uleverbar",
    })
}

#[derive(Template)]
#[template(path = "utvikling/sendt.html")]
struct SendtSide {
    ramme: Ramme,
    id: String,
    meldingstype: String,
    mottaker: String,
    tilstand: Tag,
    forklaring: String,
    status_url: String,
    oppdatert: Time,
    sti: String,
    sporing: String,
    konto: String,
}

async fn show_testmelding(_: Kasse, found: MeldingSide) -> Result<Response, Feil> {
    let MeldingSide { side, id, status } = found;
    let t = side.t();
    let detaljer = side.app().sporing_melding(&side.caller(), side.side.side.id(), id).await?;
    let mottaker = match detaljer.mottaker {
        Some(konto) => format!("{} ({})", konto.navn, konto.organisasjon_navn),
        None => t.s("sporing-slettet-konto"),
    };
    let sti = format!("{}/testmelding/{id}", side.sti());
    Ok(ok(&SendtSide {
        ramme: konto_ramme(&side, &t.s("utvikling-sendt-tittel")),
        id: id.to_string(),
        meldingstype: detaljer.rad.meldingstype,
        mottaker,
        tilstand: status_tag(t, status),
        forklaring: forklaring(t, status),
        status_url: format!("{sti}/status.json"),
        oppdatert: format::time_of(side.k().now, t.sprak()),
        sporing: format!("{}/sporing/{id}", side.side.side.sti()),
        konto: side.sti(),
        sti,
    }))
}

async fn testmelding_status(_: Kasse, found: MeldingSide, headers: HeaderMap) -> Result<Response, Feil> {
    let (t, now) = (found.side.t(), found.side.k().now);
    let tag = status_tag(t, found.status);
    let mut svar = Statussvar::new(t, now);
    let melding = tag.text.clone();
    svar.tag("tilstand", tag, melding);
    svar.text("forklaring", forklaring(t, found.status));
    svar.answer(&headers)
}

#[cfg(test)]
pub(crate) mod tests {
    use app::{App, BoxError, Caller};
    use async_trait::async_trait;
    use bytes::Bytes;
    use domain::id::{KontoId, SystemId};
    use wire::send::SendMetadata;

    use super::*;
    use crate::config::Miljo;
    use crate::screens::ny_konto::tests::valid;
    use crate::testing::{Browser, Hvem, World};
    use crate::utvikling::{Konfigurasjon, Start, Testperson};

    /// Tools that make nothing but what the pages show.
    #[derive(Default)]
    pub(crate) struct StubVerktoy {
        pub(crate) ferdige: Vec<SystemId>,
    }

    fn par(navn: &str) -> Nokkelpar {
        Nokkelpar {
            sertifikat_pem: valid(2000, 2090),
            kjede_pem: format!("kjeden til {navn}"),
            privat_pem: format!("-----BEGIN PRIVATE KEY-----\nnøkkelen til {navn}\n"),
            p12: vec![1, 2, 3],
            p12_passord: "changeit".to_owned(),
        }
    }

    #[async_trait]
    impl Verktoy for StubVerktoy {
        async fn lag_nokkelpar(&self, navn: &str) -> Result<Nokkelpar, BoxError> {
            Ok(par(navn))
        }

        async fn behold_nokkelpar(&self, _: KontoId, _: &Nokkelpar) -> Result<String, BoxError> {
            Ok("/data/sertifikater".to_owned())
        }

        async fn virksomhetssertifikat(&self, orgnummer: Orgnummer, _: &str) -> Result<Nokkelpar, BoxError> {
            Ok(par(orgnummer.as_str()))
        }

        async fn konfigurasjon(
            &self,
            fakta: &KlientFakta,
            klient: Klient,
        ) -> Result<Konfigurasjon, BoxError> {
            let tekst = format!("{klient:?} {} {} <passord>", fakta.konto, fakta.integrasjon);
            Ok(Konfigurasjon { tekst, passord_kjent: false })
        }

        async fn send_testmelding(
            &self,
            app: &App,
            testmelding: &Testmelding,
        ) -> Result<MeldingId, app::Error> {
            app.offentlig_nokkel(testmelding.til).await?;
            let metadata = SendMetadata {
                avsender_konto_id: testmelding.fra,
                mottaker_konto_id: testmelding.til,
                melding_type: testmelding.meldingstype.clone(),
                svar_pa_melding: None,
                ttl: None,
                headere: None,
            };
            let piece = async { Ok(Bytes::from_static(b"kryptert")) };
            let payload: app::melding::Payload = Box::pin(futures::stream::once(piece));
            let payload = testmelding.har_payload.then_some(payload);
            Ok(app.send_melding(&Caller::Operator, metadata, payload).await?.melding_id)
        }

        async fn start(&self) -> Result<Start, BoxError> {
            let person = Testperson {
                navn: "Mona Mange".to_owned(),
                beskrivelse: "Administrator to steder".to_owned(),
                hint: "10810012345".to_owned(),
            };
            Ok(Start {
                http: "http://127.0.0.1:8080".to_owned(),
                amqps: "localhost:5671".to_owned(),
                personer: vec![person],
                ferdige_systemer: self.ferdige.clone(),
                ..Start::default()
            })
        }

        async fn klient_json(&self) -> Result<Option<String>, BoxError> {
            Ok(Some("{\"kontoer\":[]}".to_owned()))
        }
    }

    /// A browser of somebody who is logged in to a portal with tools.
    pub(crate) async fn browser(world: &World, hvem: Hvem, verktoy: StubVerktoy) -> Browser {
        let mut browser = world.browser(hvem).await;
        browser.router = world.with_verktoy(Miljo::Utvikling, Arc::new(verktoy));
        browser
    }

    /// Every page of the tools, and whether it takes a form.
    fn pages(world: &World) -> Vec<(String, bool)> {
        let konto = world.storevik.k();
        vec![
            (format!("{}/virksomhetssertifikat", world.storevik.s()), true),
            (format!("{konto}/nokkelpar"), true),
            (format!("{konto}/klientkonfigurasjon"), false),
            (format!("{konto}/testmelding"), true),
        ]
    }

    async fn give_tilgang(world: &World) {
        let (til, fra) = (world.lillefjord.sti, world.storevik.system);
        world.app.grant_tilgang(&Caller::Operator, til, fra).await.unwrap();
    }

    #[tokio::test]
    async fn nothing_of_it_exists_outside_of_development() {
        let world = World::new().await;
        let id = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
        for miljo in [Miljo::Test, Miljo::Produksjon] {
            let mut browser = world.browser(Hvem::Mange).await;
            browser.router = world.with_verktoy(miljo, Arc::new(StubVerktoy::default()));
            for (page, takes_form) in pages(&world) {
                browser.get(&page).await.is(404);
                if takes_form {
                    browser.post(&page, &[]).await.is(404);
                }
            }
            let followed = format!("{}/testmelding/{id}", world.storevik.k());
            for page in [&followed, &format!("{followed}/status.json")] {
                browser.get(page).await.is(404);
            }
            for page in ["/utvikling/status.json", "/utvikling/klient.json"] {
                browser.get(page).await.is(404);
            }
            browser.get(&world.storevik.k()).await.says_not("Bare for utvikling");
            browser.get(&world.storevik.s()).await.says_not("Bare for utvikling");
            assert_eq!(browser.get("/").await.location(), "/velg-organisasjon");
            let mut stranger = world.anonymous();
            stranger.router = browser.router.clone();
            let started = stranger.get("/auth/start?hint=10810012345").await;
            assert!(!started.location().contains("hint"), "{}", started.location());
        }
    }

    #[tokio::test]
    async fn tools_are_for_those_who_may_change_something() {
        let world = World::new().await;
        for (hvem, status) in [(Hvem::Les, 403), (Hvem::Lillefjord, 404), (Hvem::Uten, 404)] {
            let mut browser = browser(&world, hvem, StubVerktoy::default()).await;
            for (page, takes_form) in pages(&world) {
                browser.get(&page).await.is(status);
                if takes_form {
                    browser.post(&page, &[]).await.is(status);
                }
            }
        }
        let mut browser = browser(&world, Hvem::Les, StubVerktoy::default()).await;
        browser.get(&world.storevik.k()).await.says_not("Bare for utvikling");
        browser.get(&world.storevik.s()).await.says_not("Bare for utvikling");
    }

    #[tokio::test]
    async fn key_pair_becomes_that_of_the_konto_and_is_shown_once() {
        let world = World::new().await;
        let mut browser = browser(&world, Hvem::Protokoll, StubVerktoy::default()).await;
        let page = format!("{}/nokkelpar", world.storevik.k());
        for shown in [world.storevik.k(), format!("{}/konfigurasjon", world.storevik.k())] {
            browser.get(&shown).await.says("Bare for utvikling").says("Lag nøkkelpar for test");
        }
        browser.get(&page).await.says("Kontoen har en nøkkel.").says("Bare for utvikling");
        let before = world.app.list_nokler(&Caller::Operator, world.storevik.sti).await.unwrap().len();
        let answer = browser.post(&page, &[]).await;
        answer.is(200).says("nøkkelen til Mitt fagsystem").says("/data/sertifikater").says("changeit");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(answer.text.contains("href=\"data:application/x-pkcs12;base64,AQID\""), "{}", answer.text);
        let nokler = world.app.list_nokler(&Caller::Operator, world.storevik.sti).await.unwrap();
        assert_eq!(nokler.len(), before + 1);
        browser.get(&page).await.says_not("BEGIN PRIVATE KEY");
    }

    #[tokio::test]
    async fn virksomhetssertifikat_is_that_of_the_integrasjon() {
        let world = World::new().await;
        let mut browser = browser(&world, Hvem::Admin, StubVerktoy::default()).await;
        browser.get(&world.storevik.s()).await.says("Lag test-virksomhetssertifikat");
        let page = format!("{}/virksomhetssertifikat", world.storevik.s());
        browser.get(&page).await.says("971\u{a0}032\u{a0}146").says_not("Kontrollsifferet");
        browser
            .post(&page, &[])
            .await
            .is(200)
            .says("nøkkelen til 971032146")
            .says("virksomhet-971032146.p12");
    }

    #[tokio::test]
    async fn each_client_gets_its_configuration() {
        let world = World::new().await;
        let mut browser = browser(&world, Hvem::Admin, StubVerktoy::default()).await;
        let answer = browser.get(&format!("{}/klientkonfigurasjon", world.storevik.k())).await;
        let konto = world.storevik.sti.konto_id;
        for klient in ["Test", "Java", "DotNet", "Rust"] {
            answer.says(&format!("{klient} {konto}"));
        }
        answer.says("bytt ut <integrasjonPassord>");
    }

    #[tokio::test]
    async fn testmelding_is_sent_between_own_kontoer_and_followed() {
        let world = World::new().await;
        give_tilgang(&world).await;
        let mut browser = browser(&world, Hvem::Mange, StubVerktoy::default()).await;
        let page = format!("{}/testmelding", world.storevik.k());
        browser.get(&page).await.says("Mitt arkiv - konto (Lillefjord kommune)");
        browser.post(&page, &[("mottaker", "")]).await.is(422).says("Velg en mottaker");
        let own = world.storevik.sti.konto_id.to_string();
        browser.post(&page, &[("mottaker", &own)]).await.is(422);
        let til = world.lillefjord.sti.konto_id.to_string();
        let answer = browser.post(&page, &[("mottaker", &til)]).await;
        let followed = answer.location().to_owned();
        let id = followed.rsplit('/').next().unwrap();
        let answer = browser.get(&followed).await;
        answer
            .says("På kø")
            .says("Oppdater")
            .says("arkivmelding")
            .says("Mitt arkiv - konto (Lillefjord kommune)");
        assert!(answer.text.contains(&format!("href=\"{}/sporing/{id}\"", world.storevik.o())));
        let status = browser.get(&format!("{followed}/status.json")).await;
        let status: serde_json::Value = serde_json::from_str(&status.text).unwrap();
        assert_eq!(status["verdier"]["tilstand"]["tekst"], "På kø");
        // The page is that of the sender.
        let other = followed.replace(&world.storevik.k(), &world.lillefjord.k());
        browser.get(&other).await.is(404);
    }

    #[tokio::test]
    async fn what_keeps_a_testmelding_back_is_told_with_its_cure() {
        let world = World::new().await;
        let mut browser = browser(&world, Hvem::Mange, StubVerktoy::default()).await;
        let page = format!("{}/testmelding", world.storevik.k());
        let til = world.lillefjord.sti.konto_id.to_string();
        let fields = [("mottaker", til.as_str())];
        let answer = browser.post(&page, &fields).await;
        answer.is(422).says("Systemet har ikke tilgang til Mitt arkiv - konto");
        assert!(answer.text.contains(&format!("href=\"{}/sok\"", world.lillefjord.k())));
        give_tilgang(&world).await;
        world.app.remove_own_nokkel(&Caller::Operator, world.lillefjord.sti.konto_id).await.unwrap();
        let answer = browser.post(&page, &fields).await;
        answer.is(422).says("Mitt arkiv - konto har ingen offentlig nøkkel");
        assert!(answer.text.contains(&format!("href=\"{}/nokkelpar\"", world.lillefjord.k())));
        // Who is in one organisasjon only has nobody to send to here.
        let mut alone = super::tests::browser(&world, Hvem::Admin, StubVerktoy::default()).await;
        alone.get(&page).await.is(200).says("Ingen å sende til");
    }
}
