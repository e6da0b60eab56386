//! Screen 4: the avtale, signed by logging in once more, and the way into use.

use app::Error;
use app::ports::PersonLogin;
use askama::Template;
use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use domain::avtale::AvtaleSignatur;
use domain::id::FiksOrgId;
use domain::niva;
use http::header;

use crate::avtale::{Avtaledokument, Blokk};
use crate::feil::Feil;
use crate::format;
use crate::innlogget::{Innlogget, OrgSide};
use crate::kontekst::Kontekst;
use crate::limit::{TooOften, Who};
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::{conflict, found, invalid, ok};
use crate::screens::logg_inn::{REFUSED, Signering, UnderVeis, verify};
use crate::skjema::{Felter, Mangler, Skjema};
use crate::view::{Checkbox, ErrorSummary, Field, Time};

/// Where the session keeps which login is to sign.
const SIGNERING: &str = "signering";

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/protokoll/avtale", get(show))
        .route("/o/{org}/protokoll/avtale.pdf", get(download))
        .route("/o/{org}/protokoll/avtale/kvittering", get(show_kvittering))
        .route("/o/{org}/protokoll/avtale/signer", post(sign))
        .route("/o/{org}/protokoll/avtale/ta-i-bruk", post(take_into_use))
}

fn avtale_sti(org: FiksOrgId) -> String {
    format!("/o/{org}/protokoll/avtale")
}

#[derive(Template)]
#[template(path = "avtale/avtale.html")]
struct AvtaleSide<'a> {
    ramme: Ramme,
    summary: ErrorSummary,
    /// The document has changed since the page was opened.
    endret: bool,
    navn: &'a str,
    om: String,
    pdf: (String, String),
    blokker: &'a [Blokk],
    signatur: Option<Signatur>,
    /// The signature is that of another version.
    eldre_signatur: Option<String>,
    kvittering: String,
    ta_i_bruk: Option<String>,
    skjema: Option<SignerSkjema>,
}

struct SignerSkjema {
    handling: String,
    sha256: String,
    lest: Checkbox,
    forklaring: String,
}

/// The facts of a signature.
struct Signatur {
    dokument: String,
    versjon: String,
    sha256: String,
    signert_av: String,
    tidspunkt: Time,
}

fn facts(signatur: &AvtaleSignatur, k: &Kontekst) -> Signatur {
    Signatur {
        dokument: signatur.dokument.navn.clone(),
        versjon: signatur.dokument.versjon.clone(),
        sha256: signatur.dokument.sha256.clone(),
        signert_av: signatur.signert_navn.clone(),
        tidspunkt: format::time_of(signatur.tidspunkt, k.t.sprak()),
    }
}

/// The document to be signed by those who may; nothing where this installation asks for none.
fn dokument(side: &OrgSide) -> Result<Option<&Avtaledokument>, Feil> {
    side.demand_administrator()?;
    Ok(side.k().portal.config().avtale.dokument())
}

/// Where to go when there is nothing to sign.
fn nothing_to_sign(side: &OrgSide) -> Response {
    found(&format!("{}/tjenester", side.sti()))
}

async fn page<'a>(
    side: &OrgSide,
    dokument: &'a Avtaledokument,
    mangler: &Mangler,
    checked: bool,
) -> Result<AvtaleSide<'a>, Feil> {
    let (t, sti) = (side.t(), avtale_sti(side.id()));
    let signatur = side.app().avtale_signatur(&side.caller(), side.id()).await?;
    let is_signed = signatur.as_ref().is_some_and(|signatur| signatur.dokument == dokument.to_domain());
    let storrelse = format::bytes(dokument.pdf().len() as u64);
    let label = t.v("avtale-rett-til-a-signere", "organisasjon", &side.org.navn);
    let login = side.k().portal.login().map_or("", |login| login.navn());
    let skjema = SignerSkjema {
        handling: format!("{sti}/signer"),
        sha256: dokument.sha256().to_owned(),
        lest: Checkbox::new(Field::new("lest", label).error(mangler.of("lest")), checked),
        forklaring: t.v("avtale-logg-inn-pa-nytt", "tjeneste", login),
    };
    let tittel = t.s("avtale-tittel");
    Ok(AvtaleSide {
        ramme: side.ramme(&tittel).here(tittel).errors(!mangler.is_empty()),
        summary: mangler.summary(t),
        endret: false,
        navn: dokument.navn(),
        om: t.v2(
            "avtale-versjon-og-dato",
            "versjon",
            dokument.versjon(),
            "dato",
            format::calendar_date(dokument.dato(), t.sprak()),
        ),
        pdf: (format!("{sti}.pdf"), t.v("avtale-last-ned", "storrelse", storrelse)),
        blokker: dokument.blokker(),
        eldre_signatur: signatur.as_ref().filter(|_| !is_signed).map(|signatur| {
            t.v2("avtale-eldre-signatur", "versjon", &signatur.dokument.versjon, "ny", dokument.versjon())
        }),
        signatur: signatur.as_ref().map(|signatur| facts(signatur, side.k())),
        kvittering: format!("{sti}/kvittering"),
        ta_i_bruk: (is_signed && side.org.tatt_i_bruk.is_none()).then(|| format!("{sti}/ta-i-bruk")),
        skjema: (!is_signed).then_some(skjema),
    })
}

async fn show(side: OrgSide) -> Result<Response, Feil> {
    let Some(dokument) = dokument(&side)? else { return Ok(nothing_to_sign(&side)) };
    Ok(ok(&page(&side, dokument, &Mangler::default(), false).await?))
}

async fn download(side: OrgSide) -> Result<Response, Feil> {
    let Some(dokument) = dokument(&side)? else { return Ok(nothing_to_sign(&side)) };
    let headers = [
        (header::CONTENT_TYPE, "application/pdf"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"avtale.pdf\""),
    ];
    Ok((headers, dokument.pdf().to_vec()).into_response())
}

/// Sends the person through the login again; what comes of it is told by [`back_from_login`].
async fn sign(side: OrgSide, skjema: Skjema) -> Result<Response, Feil> {
    let Some(dokument) = dokument(&side)? else { return Ok(nothing_to_sign(&side)) };
    let checked = skjema.felter.checked("lest");
    if skjema.felter.raw("sha256") != dokument.sha256() {
        // What was read is not what would be signed.
        let changed = AvtaleSide { endret: true, ..page(&side, dokument, &Mangler::default(), false).await? };
        return Ok(conflict(&changed));
    }
    if !checked {
        let mut mangler = Mangler::default();
        mangler.add("lest", side.t().s("avtale-kryss-av"));
        return Ok(invalid(&page(&side, dokument, &mangler, checked).await?));
    }
    let k = side.k();
    k.portal
        .limits()
        .count(Who::login(k.adresse), k.now)
        .map_err(|TooOften { wait_minutes }| Feil::ForOfte { wait_minutes })?;
    let signering = Signering { org: side.id().to_string(), sha256: dokument.sha256().to_owned() };
    let under_veis = UnderVeis::new(k, "", Some(signering));
    // The cookie of a login is the browser's word; that this form was sent in this session is ours.
    side.app().put_sesjon_value(side.innlogget.sesjon.id, SIGNERING, under_veis.state()).await?;
    under_veis.go(k).await
}

/// How a login that was to sign an avtale ended.
enum Utfall {
    /// Nothing was signed: key of the text that says why.
    Ikke(&'static str),
    /// Nothing was signed, and an operator can find out why.
    Feilet { feilkode: String },
    /// It is signed.
    Signert,
}

/// The browser comes back from a login that was to sign an avtale. The session goes on, whoever it was that came back.
pub(crate) async fn back_from_login(
    k: &Kontekst,
    login: &dyn PersonLogin,
    felter: &Felter,
    under_veis: &UnderVeis,
    signering: &Signering,
) -> Result<Response, Feil> {
    let Some(sesjon) = k.aktiv().cloned() else { return Ok(found("/logg-inn?melding=avbrutt")) };
    let org: FiksOrgId = signering.org.parse().map_err(|_| Feil::FinnesIkke)?;
    let innlogget = Innlogget { k: k.clone(), sesjon };
    let utfall = finish(&innlogget, org, login, felter, under_veis, signering).await?;
    let melding = match utfall {
        Utfall::Ikke(key) => Melding::advarsel(key),
        Utfall::Feilet { feilkode } => Melding::advarsel("avtale-feilet").with("feilkode", feilkode),
        Utfall::Signert => Melding::ok("avtale-signert"),
    };
    innlogget.to(&avtale_sti(org), melding).await
}

async fn finish(
    innlogget: &Innlogget,
    org: FiksOrgId,
    login: &dyn PersonLogin,
    felter: &Felter,
    under_veis: &UnderVeis,
    signering: &Signering,
) -> Result<Utfall, Feil> {
    let (app, k, sesjon) = (innlogget.app(), &innlogget.k, &innlogget.sesjon);
    let began = app.take_sesjon_value(sesjon.id, SIGNERING).await?;
    if began.as_deref() != Some(under_veis.state()) {
        return Ok(Utfall::Ikke("avtale-avbrutt"));
    }
    let verified = match verify(k, login, felter, under_veis).await {
        Ok(Some(verified)) => verified,
        Ok(None) => return Ok(Utfall::Ikke("avtale-avbrutt")),
        Err(error) => {
            let code = app.ids().uuid();
            let source = &error as &dyn std::error::Error;
            tracing::warn!(
                target: REFUSED,
                { error = source, error.id = %code },
                "a person could not log in to sign"
            );
            return Ok(Utfall::Feilet { feilkode: code.to_string() });
        }
    };
    if !app.is_same_person(&sesjon.person, &verified.identifier).await? {
        return Ok(Utfall::Ikke("avtale-annen-person"));
    }
    if !niva::is_at_least(verified.acr.as_deref(), sesjon.acr.as_deref()) {
        return Ok(Utfall::Ikke("avtale-lavere-niva"));
    }
    match k.portal.config().avtale.dokument() {
        Some(dokument) if dokument.sha256() == signering.sha256 => {
            app.sign_avtale(&innlogget.caller(), org, dokument.to_domain(), verified.acr).await?;
            Ok(Utfall::Signert)
        }
        _ => Ok(Utfall::Ikke("avtale-endret")),
    }
}

#[derive(Template)]
#[template(path = "avtale/kvittering.html")]
struct KvitteringSide {
    ramme: Ramme,
    organisasjon: String,
    orgnummer: String,
    signatur: Signatur,
    ta_i_bruk: Option<String>,
    avtale: String,
}

async fn show_kvittering(side: OrgSide) -> Result<Response, Feil> {
    let Some(dokument) = dokument(&side)? else { return Ok(nothing_to_sign(&side)) };
    let sti = avtale_sti(side.id());
    let Some(signatur) = side.app().avtale_signatur(&side.caller(), side.id()).await? else {
        return Ok(found(&sti));
    };
    let t = side.t();
    let may_start = side.org.tatt_i_bruk.is_none() && signatur.dokument == dokument.to_domain();
    let ramme = side.ramme(t.s("avtale-signert")).here(t.s("avtale-kvittering"));
    Ok(ok(&KvitteringSide {
        ramme,
        organisasjon: side.org.navn.clone(),
        orgnummer: format::orgnummer(side.org.orgnummer),
        signatur: facts(&signatur, side.k()),
        ta_i_bruk: may_start.then(|| format!("{sti}/ta-i-bruk")),
        avtale: sti,
    }))
}

async fn take_into_use(side: OrgSide, _: Skjema) -> Result<Response, Feil> {
    if let Some(dokument) = dokument(&side)?
        && side.org.tatt_i_bruk.is_none()
    {
        let signed = side.app().avtale_signatur(&side.caller(), side.id()).await?;
        if signed.is_some_and(|signatur| signatur.dokument != dokument.to_domain()) {
            return side.innlogget.to(&avtale_sti(side.id()), Melding::advarsel("avtale-endret")).await;
        }
    }
    match side.app().ta_i_bruk(&side.caller(), side.id()).await {
        Ok(_) => side.innlogget.to(&side.systemer_sti(), Melding::ok("avtale-tatt-i-bruk")).await,
        Err(Error::Conflict { what: "avtale" }) => {
            side.innlogget.to(&avtale_sti(side.id()), Melding::advarsel("avtale-ma-signeres")).await
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use domain::person::Rolle;

    use crate::avtale::Avtale;
    use crate::testing::{Answer, Browser, Hvem, PROVIDER, World};

    const NEWER: &str = "# Avtale\nVersjon: 2.0\nDato: 2026-12-01\nEn ny tekst.\n";

    fn path(world: &World) -> String {
        format!("/o/{}/protokoll/avtale", world.nyvik)
    }

    fn sha256(page: &Answer) -> String {
        let rest = page.text.split("name=\"sha256\" value=\"").nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// Reads the avtale and sends the form; the state of the login that follows.
    async fn begin(world: &World, browser: &mut Browser) -> String {
        let page = browser.get(&path(world)).await;
        let sha256 = sha256(&page);
        let fields = [("sha256", sha256.as_str()), ("lest", "ja")];
        let answer = browser.post(&format!("{}/signer", path(world)), &fields).await;
        let address = answer.location();
        assert!(address.starts_with(PROVIDER) && address.contains("force=true"), "{address}");
        address.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned()
    }

    /// Comes back from the login, to the page of the avtale.
    async fn come_back(world: &World, browser: &mut Browser, query: &str) -> Answer {
        let answer = browser.get(&format!("/auth/retur?{query}")).await;
        let to = answer.location().to_owned();
        assert!(to.starts_with(&format!("{}?m=", path(world))), "{to}");
        browser.get(&to).await
    }

    async fn is_signed(world: &World) -> bool {
        world.app.avtale_signatur(&app::Caller::Operator, world.nyvik).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn avtale_is_for_administrators() {
        let world = World::new().await;
        let paths = ["", ".pdf", "/kvittering"].map(|end| format!("{}{end}", path(&world)));
        for rolle in [Rolle::Protokolladministrator, Rolle::Lesetilgang] {
            let mut member = world.member(world.nyvik, rolle).await;
            for path in &paths {
                member.get(path).await.is(403);
            }
            for end in ["/signer", "/ta-i-bruk"] {
                member.post(&format!("{}{end}", path(&world)), &[]).await.is(403);
            }
        }
        let mut stranger = world.browser(Hvem::Admin).await;
        for path in &paths {
            stranger.get(path).await.is(404);
            assert!(world.anonymous().get(path).await.location().starts_with("/logg-inn?retur="));
        }
        let mut admin = world.browser(Hvem::Nyvik).await;
        admin.csrf = "wrong".to_owned();
        admin.post(&format!("{}/signer", path(&world)), &[]).await.is(403);
    }

    #[tokio::test]
    async fn avtale_is_read_signed_and_taken_into_use() {
        let world = World::new().await;
        let mut admin = world.browser(Hvem::Nyvik).await;
        let page = admin.get(&path(&world)).await;
        page.is(200).says("Avtale om bruk av Fiks Protokoll").says("Versjon 1.0, 22.11.2026.");
        page.says("4. Nøkler og passord").says("Last ned avtalen (PDF,").says("Signer dokument");
        page.says("Jeg har lest avtalen og har rett til å signere for Nyvik kommune");
        page.says("Du blir sendt til ID-porten for å logge inn på nytt.").says_not("Avtalen er signert");
        assert_eq!(admin.get(&format!("{}/kvittering", path(&world))).await.location(), path(&world));
        let too_early = admin.post(&format!("{}/ta-i-bruk", path(&world)), &[]).await;
        let too_early = too_early.location().to_owned();
        admin.get(&too_early).await.says("Avtalen må signeres før Fiks Protokoll kan tas i bruk.");

        let before = admin.cookies.clone();
        let state = begin(&world, &mut admin).await;
        let query = format!("code={}&state={state}", Hvem::Nyvik.identifier());
        let page = come_back(&world, &mut admin, &query).await;
        page.is(200).says("Avtalen er signert").says("Signert av Test Nyvik").says("Vis kvittering");
        page.says("Ta i bruk Fiks Protokoll").says_not("Signer dokument");
        assert_ne!(before["__Host-sesjon"], admin.cookies["__Host-sesjon"]);

        let receipt = admin.get(&format!("{}/kvittering", path(&world))).await;
        receipt.is(200).says("Avtalen er signert").says("Nyvik kommune").says("910\u{a0}075\u{a0}918");
        receipt.says("Versjon 1.0").says("Test Nyvik").says("SHA-256").says("Ta i bruk Fiks Protokoll");

        let answer = admin.post(&format!("{}/ta-i-bruk", path(&world)), &[]).await;
        let to = answer.location().to_owned();
        assert!(to.starts_with(&format!("/o/{}/protokoll/systemer?m=", world.nyvik)), "{to}");
        let page = admin.get(&path(&world)).await;
        page.is(200).says("Signert av").says_not("Ta i bruk Fiks Protokoll").says_not("Signer dokument");
    }

    #[tokio::test]
    async fn box_must_be_ticked() {
        let world = World::new().await;
        let mut admin = world.browser(Hvem::Nyvik).await;
        for (sprak, text) in [
            ("nb", "Kryss av for at du har lest avtalen og har rett til å signere"),
            ("nn", "Kryss av for at du har lese avtalen og har rett til å signere"),
            ("en", "Tick the box to say that you have read the agreement and are entitled to sign"),
        ] {
            admin.sprak = sprak;
            let sha256 = sha256(&admin.get(&path(&world)).await);
            let page = admin.post(&format!("{}/signer", path(&world)), &[("sha256", &sha256)]).await;
            page.is(422).says(text);
            assert!(page.text.contains("href=\"#lest\""));
        }
    }

    #[tokio::test]
    async fn another_person_a_lower_level_or_a_cancelled_login_signs_nothing() {
        let world = World::new().await;
        let mut admin = world.browser(Hvem::Nyvik).await;
        let state = begin(&world, &mut admin).await;
        let page = come_back(&world, &mut admin, &format!("error=access_denied&state={state}")).await;
        page.is(200).says("Signeringen ble avbrutt. Ingenting er lagret.");

        let state = begin(&world, &mut admin).await;
        let query = format!("code={}&state={state}", Hvem::Admin.identifier());
        let page = come_back(&world, &mut admin, &query).await;
        page.is(200).says("Du logget inn som en annen person. Signeringen er avbrutt.").says("Test Nyvik");

        world.login.set_acr("idporten-loa-low");
        let state = begin(&world, &mut admin).await;
        let query = format!("code={}&state={state}", Hvem::Nyvik.identifier());
        let page = come_back(&world, &mut admin, &query).await;
        page.is(200).says("Du logget inn på et lavere sikkerhetsnivå enn før. Signeringen er avbrutt.");

        world.login.set_acr("idporten-loa-substantial");
        for answer in [format!("code={}", Hvem::Nyvik.identifier()), "error=access_denied".to_owned()] {
            let state = begin(&world, &mut admin).await;
            let query = format!("{answer}&iss=https%3A%2F%2Fevil.no&state={state}");
            let page = come_back(&world, &mut admin, &query).await;
            page.is(200).says("Signeringen feilet. Ingenting er lagret. Feilkode:");
        }

        world.login.refuse(Some("the nonce is another"));
        let state = begin(&world, &mut admin).await;
        let query = format!("code={}&state={state}", Hvem::Nyvik.identifier());
        let page = come_back(&world, &mut admin, &query).await;
        page.is(200).says("Signeringen feilet. Ingenting er lagret. Feilkode:");
        assert!(!is_signed(&world).await);
    }

    #[tokio::test]
    async fn login_that_was_not_begun_by_the_form_of_this_session_signs_nothing() {
        let world = World::new().await;
        let mut admin = world.browser(Hvem::Nyvik).await;
        let state = begin(&world, &mut admin).await;
        // The cookie of that login in a new session of the same person.
        let cookie = admin.cookies["__Host-innlogging"].clone();
        let mut other = world.browser(Hvem::Nyvik).await;
        other.cookies.insert("__Host-innlogging".to_owned(), cookie);
        let query = format!("code={}&state={state}", Hvem::Nyvik.identifier());
        let page = come_back(&world, &mut other, &query).await;
        page.is(200).says("Signeringen ble avbrutt. Ingenting er lagret.");
        assert!(!is_signed(&world).await);
    }

    #[tokio::test]
    async fn avtale_that_changes_meanwhile_is_not_signed() {
        let world = World::new().await;
        let changed = "Avtalen er endret siden du åpnet den. Les den nye versjonen før du signerer.";
        let newer = world.with_avtale(Avtale::from_text(NEWER).unwrap());
        let mut admin = world.browser(Hvem::Nyvik).await;
        let old = sha256(&admin.get(&path(&world)).await);
        let state = begin(&world, &mut admin).await;
        admin.router = newer;
        let query = format!("code={}&state={state}", Hvem::Nyvik.identifier());
        let page = come_back(&world, &mut admin, &query).await;
        page.is(200).says(changed).says("En ny tekst.").says("Versjon 2.0, 01.12.2026.");
        let page = admin.post(&format!("{}/signer", path(&world)), &[("sha256", &old), ("lest", "ja")]).await;
        page.is(409).says(changed).says("En ny tekst.");
        assert!(!is_signed(&world).await);
    }

    #[tokio::test]
    async fn newer_avtale_is_offered_for_signing_and_does_not_start_the_service_unsigned() {
        let world = World::new().await;
        let mut admin = world.browser(Hvem::Nyvik).await;
        let state = begin(&world, &mut admin).await;
        come_back(&world, &mut admin, &format!("code={}&state={state}", Hvem::Nyvik.identifier()))
            .await
            .is(200);
        admin.router = world.with_avtale(Avtale::from_text(NEWER).unwrap());
        let page = admin.get(&path(&world)).await;
        page.is(200).says(
            "Organisasjonen har signert versjon 1.0 av avtalen. Versjon 2.0 under er ikke signert ennå.",
        );
        page.says("Signer dokument").says_not("Ta i bruk Fiks Protokoll");
        let answer = admin.post(&format!("{}/ta-i-bruk", path(&world)), &[]).await;
        assert!(answer.location().starts_with(&format!("{}?m=", path(&world))), "{}", answer.location());
        admin.get(&format!("/o/{}/tjenester", world.nyvik)).await.says("Kan tas i bruk");
    }

    #[tokio::test]
    async fn avtale_can_be_downloaded() {
        let world = World::new().await;
        let answer = world.browser(Hvem::Nyvik).await.get(&format!("{}.pdf", path(&world))).await;
        answer.is(200);
        assert_eq!(answer.headers["content-type"], "application/pdf");
        assert!(answer.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
        assert!(answer.text.starts_with("%PDF-"));
    }
}
