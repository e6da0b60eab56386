//! Screen 18: how the parts of the installation are doing, for its operators. For everybody else there is no such page.

use app::Error;
use app::drift::{Delstatus, Driftsstatus};
use app::forbruk::OrgForbruk;
use app::ports::{Deltilstand, Funn};
use askama::Template;
use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderValue, header};
use jiff::Timestamp;
use serde::Serialize;

use crate::feil::Feil;
use crate::format;
use crate::innlogget::Innlogget;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::ok;
use crate::screens::bruk;
use crate::tekster::Tekster;
use crate::view::{Color, Tag, Time};

pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/drift", get(show)).route("/drift/rapport.json", get(download))
}

#[derive(Template)]
#[template(path = "drift/drift.html")]
struct DriftSide {
    ramme: Ramme,
    /// Names of the parts that are down and without which nothing can be sent or received.
    nede: Vec<String>,
    kort: Vec<Kort>,
    /// Version, start time and version of the tables.
    installasjon: Option<(String, Time, String)>,
    /// What is counted of each organisasjon.
    kolonner: Vec<String>,
    /// The organisasjoner nearest to a limit; `None` where the registry does not answer.
    forbruk: Option<Vec<(String, Vec<String>)>>,
}

struct Kort {
    navn: String,
    tilstand: Tag,
    setning: String,
    sist_sjekket: Option<Time>,
    neste_sjekk: Option<Time>,
}

fn driftsstatus(innlogget: &Innlogget) -> Result<Driftsstatus, Feil> {
    if !innlogget.sesjon.person.drift {
        return Err(Feil::FinnesIkke);
    }
    Ok(innlogget.app().driftsstatus(&innlogget.caller())?)
}

fn tilstand_navn(tilstand: Deltilstand) -> &'static str {
    match tilstand {
        Deltilstand::IOrden => "i-orden",
        Deltilstand::Redusert => "redusert",
        Deltilstand::Nede => "nede",
        Deltilstand::Ukjent => "ukjent",
    }
}

fn tilstand_tag(t: Tekster, tilstand: Deltilstand) -> Tag {
    let color = match tilstand {
        Deltilstand::IOrden => Color::Success,
        Deltilstand::Redusert => Color::Warning,
        Deltilstand::Nede => Color::Danger,
        Deltilstand::Ukjent => Color::Neutral,
    };
    Tag::new(color, t.s(&format!("drift-tilstand-{}", tilstand_navn(tilstand))))
}

/// What was found, as a sentence.
fn setning(t: Tekster, funn: Funn) -> String {
    let key = format!("drift-funn-{}", funn.navn());
    match funn {
        Funn::GyldigTil(at) | Funn::GyldigFra(at) => t.v(&key, "dato", format::date(at, t.sprak())),
        Funn::Ledig { ledig_bytes, minst_bytes } => {
            t.v2(&key, "ledig", format::bytes(ledig_bytes), "minst", format::bytes(minst_bytes))
        }
        Funn::Uferdige { antall, bytes } => {
            t.v2(&key, "antall", format::number(antall), "plass", format::bytes(bytes))
        }
        Funn::UkjentForRegisteret { eldre: _, kontoer, meldinger, dokumenter } => {
            let numbers = [("kontoer", kontoer), ("meldinger", meldinger), ("dokumenter", dokumenter)];
            t.with(&key, &numbers.map(|(name, number)| (name, format::number(number).into())))
        }
        Funn::IkkeSjekket | Funn::IkkeSattOpp | Funn::Svarer | Funn::SvarerIkke | Funn::Samsvarer => {
            t.s(&key)
        }
    }
}

fn kort(t: Tekster, status: &Delstatus) -> Kort {
    let time = |at: Timestamp| {
        // A check is half a minute old at most: what tells it from the one before is the second.
        Time { iso: format::machine(at), text: format::time(at, t.sprak()) }
    };
    Kort {
        navn: t.s(&format!("drift-del-{}", status.del.navn())),
        tilstand: tilstand_tag(t, status.helse.tilstand),
        setning: setning(t, status.helse.funn),
        sist_sjekket: status.sist_sjekket.map(time),
        neste_sjekk: status.neste_sjekk.map(time),
    }
}

/// The name of an organisasjon and what it uses of each limit.
fn forbruk_rad(t: Tekster, org: &OrgForbruk) -> (String, Vec<String>) {
    let celler = org.forbruk.iter().map(|one| {
        let rad = bruk::Rad::new(t, one);
        t.v2("bruk-av", "brukt", rad.brukt, "maks", rad.maks)
    });
    (org.organisasjon.navn.clone(), celler.collect())
}

async fn show(innlogget: Innlogget) -> Result<Response, Feil> {
    let t = innlogget.t();
    let status = driftsstatus(&innlogget)?;
    let nede = status.nede().map(|del| t.s(&format!("drift-del-{}", del.navn()))).collect();
    let installasjon = status
        .installasjon
        .as_ref()
        .map(|one| (one.versjon.clone(), format::time_of(one.startet, t.sprak()), one.skjemaversjon.clone()));
    // The page is there to say what is down, so it does not fail with the registry.
    let forbruk = match innlogget.app().forbruk_for_drift(&innlogget.caller()).await {
        Ok(forbruk) => Some(forbruk),
        Err(Error::Unavailable(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let kolonner = forbruk.iter().flatten().take(1).flat_map(|one| &one.forbruk);
    let kolonner = kolonner.map(|one| bruk::Rad::new(t, one).navn).collect();
    Ok(ok(&DriftSide {
        kolonner,
        forbruk: forbruk.map(|all| all.iter().map(|one| forbruk_rad(t, one)).collect()),
        ramme: Ramme::new(&innlogget.k, t.s("drift-tittel")),
        nede,
        kort: status.deler.iter().map(|del| kort(t, del)).collect(),
        installasjon,
    }))
}

/// The report: made of what the page shows and nothing else, so that it can be handed on. It names no person, no
/// organisasjon, no address and no secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rapport<'a> {
    tidspunkt: String,
    versjon: Option<&'a str>,
    startet: Option<String>,
    skjemaversjon: Option<&'a str>,
    deler: Vec<RapportDel>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RapportDel {
    del: &'static str,
    tilstand: &'static str,
    funn: &'static str,
    sist_sjekket: Option<String>,
    neste_sjekk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gyldig_til: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gyldig_fra: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledig_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minst_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uferdige_opplastinger: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uferdige_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ukjente_kontoer: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ukjente_meldinger: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ukjente_dokumenter: Option<u64>,
}

fn rapport_del(status: &Delstatus) -> RapportDel {
    let mut del = RapportDel {
        del: status.del.navn(),
        tilstand: tilstand_navn(status.helse.tilstand),
        funn: status.helse.funn.navn(),
        sist_sjekket: status.sist_sjekket.map(format::machine),
        neste_sjekk: status.neste_sjekk.map(format::machine),
        gyldig_til: None,
        gyldig_fra: None,
        ledig_bytes: None,
        minst_bytes: None,
        uferdige_opplastinger: None,
        uferdige_bytes: None,
        ukjente_kontoer: None,
        ukjente_meldinger: None,
        ukjente_dokumenter: None,
    };
    match status.helse.funn {
        Funn::GyldigTil(at) => del.gyldig_til = Some(format::machine(at)),
        Funn::GyldigFra(at) => del.gyldig_fra = Some(format::machine(at)),
        Funn::Ledig { ledig_bytes, minst_bytes } => {
            (del.ledig_bytes, del.minst_bytes) = (Some(ledig_bytes), Some(minst_bytes));
        }
        Funn::Uferdige { antall, bytes } => {
            (del.uferdige_opplastinger, del.uferdige_bytes) = (Some(antall), Some(bytes));
        }
        Funn::UkjentForRegisteret { eldre: _, kontoer, meldinger, dokumenter } => {
            (del.ukjente_kontoer, del.ukjente_meldinger) = (Some(kontoer), Some(meldinger));
            del.ukjente_dokumenter = Some(dokumenter);
        }
        Funn::IkkeSjekket | Funn::IkkeSattOpp | Funn::Svarer | Funn::SvarerIkke | Funn::Samsvarer => {}
    }
    del
}

async fn download(innlogget: Innlogget) -> Result<Response, Feil> {
    let status = driftsstatus(&innlogget)?;
    let installasjon = status.installasjon.as_ref();
    let rapport = Rapport {
        tidspunkt: format::machine(innlogget.k.now),
        versjon: installasjon.map(|one| one.versjon.as_str()),
        startet: installasjon.map(|one| format::machine(one.startet)),
        skjemaversjon: installasjon.map(|one| one.skjemaversjon.as_str()),
        deler: status.deler.iter().map(rapport_del).collect(),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"driftsrapport.json\""),
        ),
    ];
    Ok((headers, serde_json::to_string_pretty(&rapport).map_err(Feil::intern)?).into_response())
}

#[cfg(test)]
mod tests {
    use app::drift::Installasjon;
    use app::ports::{Del, HealthCheck, Helse};
    use async_trait::async_trait;
    use serde_json::Value;

    use super::*;
    use crate::testing::{Hvem, World};

    struct Found(Del, Helse);

    #[async_trait]
    impl HealthCheck for Found {
        fn del(&self) -> Del {
            self.0
        }

        async fn check(&self, _: Timestamp) -> Helse {
            self.1
        }
    }

    async fn look(world: &World) {
        let ends = "2026-12-01T11:00:00Z".parse().unwrap();
        let room = Funn::Ledig { ledig_bytes: 12_000_000_000, minst_bytes: 1_000_000_000 };
        let checks: Vec<Box<dyn HealthCheck>> = vec![
            Box::new(Found(Del::Database, Helse::SVARER)),
            Box::new(Found(Del::Meldingsko, Helse::SVARER_IKKE)),
            Box::new(Found(
                Del::Dokumentlager,
                Helse {
                    tilstand: Deltilstand::IOrden,
                    funn: Funn::Uferdige { antall: 3, bytes: 24_000_000 },
                },
            )),
            Box::new(Found(
                Del::Samsvar,
                Helse {
                    tilstand: Deltilstand::Redusert,
                    funn: Funn::UkjentForRegisteret {
                        eldre: true,
                        kontoer: 2,
                        meldinger: 1_002,
                        dokumenter: 4,
                    },
                },
            )),
            Box::new(Found(Del::Epost, Helse::IKKE_SATT_OPP)),
            Box::new(Found(
                Del::TlsSertifikat,
                Helse { tilstand: Deltilstand::Redusert, funn: Funn::GyldigTil(ends) },
            )),
            Box::new(Found(Del::Lagringsplass, Helse { tilstand: Deltilstand::IOrden, funn: room })),
        ];
        world.app.check_health(&checks).await;
        world.app.set_installasjon(Installasjon {
            versjon: "1.2.3".to_owned(),
            startet: "2026-11-22T13:30:00Z".parse().unwrap(),
            skjemaversjon: "m0042".to_owned(),
        });
    }

    #[tokio::test]
    async fn page_is_for_operators_and_does_not_exist_for_others() {
        let world = World::new().await;
        let paths = ["/drift", "/drift/rapport.json"];
        for hvem in Hvem::ALL {
            let status = if hvem == Hvem::Drift { 200 } else { 404 };
            let mut browser = world.browser(hvem).await;
            for path in paths {
                browser.get(path).await.is(status);
            }
        }
        for path in paths {
            assert!(world.anonymous().get(path).await.location().starts_with("/logg-inn?retur="));
        }
    }

    #[tokio::test]
    async fn each_part_tells_how_it_is_and_when_it_was_looked_at() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Drift).await;
        let page = browser.get("/drift").await;
        page.says("Driftsstatus").says("Er ikke sjekket ennå.").says("Installasjonen Ukjent");
        page.says_not("Meldinger kan ikke sendes og mottas");
        look(&world).await;
        let page = browser.get("/drift").await;
        page.says("Meldinger kan ikke sendes og mottas Meldingskø");
        page.says("Database Svarte ved siste sjekk. I orden Sist sjekket");
        page.says("Meldingskø Svarte ikke ved siste sjekk. Loggen sier hvorfor. Nede");
        page.says("Svarte ved siste sjekk. Uferdige opplastinger: 3, som tar 24\u{a0}MB.");
        page.says("Registeret er eldre enn køene.").says("Kontoer: 2. Meldinger: 1\u{a0}002. Dokumenter: 4.");
        page.says("E-post Er ikke satt opp i denne installasjonen. Ukjent Sist sjekket Ikke sjekket TLS-");
        page.says("TLS-sertifikat Gyldig til 01.12.2026. Redusert").says("Neste sjekk");
        page.says("12\u{a0}GB er ledig. Under 1\u{a0}GB blir meldinger avvist.");
        page.says("Versjon 1.2.3 Startet 22.11.2026 kl. 14.30 Skjemaversjon m0042");
    }

    #[tokio::test]
    async fn report_holds_the_parts_and_nothing_that_belongs_to_anybody() {
        let world = World::new().await;
        look(&world).await;
        let answer = world.browser(Hvem::Drift).await.get("/drift/rapport.json").await;
        assert_eq!(
            answer.headers[header::CONTENT_DISPOSITION],
            "attachment; filename=\"driftsrapport.json\""
        );
        let json: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!((&json["versjon"], &json["skjemaversjon"]), (&"1.2.3".into(), &"m0042".into()));
        let deler = json["deler"].as_array().unwrap();
        assert_eq!(deler.len(), Del::ALL.len());
        assert_eq!((&deler[1]["del"], &deler[1]["tilstand"]), (&"meldingsko".into(), &"nede".into()));
        assert_eq!(deler[2]["uferdigeBytes"], 24_000_000);
        assert_eq!(
            (&deler[3]["funn"], &deler[3]["ukjenteMeldinger"]),
            (&"eldre-register".into(), &1_002.into())
        );
        assert_eq!(deler[7]["gyldigTil"], "2026-12-01T11:00:00Z");
        assert_eq!(deler[8]["ledigBytes"], 12_000_000_000_u64);
        for secret in ["Storevik", "Test Drift", "971032146", "http", "syntetisk", "sqlite"] {
            assert!(!answer.text.contains(secret), "{secret} is in {}", answer.text);
        }
    }

    #[tokio::test]
    async fn operator_with_a_role_is_led_here_from_the_services() {
        let world = World::new().await;
        let path = format!("{}/tjenester", world.storevik.o());
        world.browser(Hvem::Admin).await.get(&path).await.says_not("Driftsstatus");
        let person = app::ports::PersonIdentifier::new(Hvem::Admin.identifier());
        world.app.set_drift(&app::Caller::Operator, "Test Admin", &person, true).await.unwrap();
        world.browser(Hvem::Admin).await.get(&path).await.says("Driftsstatus");
    }
}
