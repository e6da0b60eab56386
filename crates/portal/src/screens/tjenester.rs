//! Screen 3: «Tjenester», where everybody begins who acts for an organisasjon.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::person::Rolle;

use crate::feil::Feil;
use crate::innlogget::OrgSide;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::{found, ok};

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/tjenester", get(show))
        .route("/o/{org}/tjenester/ta-i-bruk", get(show_ta_i_bruk))
}

#[derive(Template)]
#[template(path = "tjenester/tjenester.html")]
struct Tjenester {
    ramme: Ramme,
    protokoll: Protokoll,
    lenker: Vec<(String, String)>,
}

/// What the card of Fiks Protokoll holds.
enum Protokoll {
    /// It is in use.
    TattIBruk { konfigurasjon: String, tall: String },
    /// The avtale has to be signed first: opens the dialog.
    MaSigneres { sporsmal: TaIBruk },
    /// Nothing stands in the way: a button that does it.
    KanTasIBruk { handling: String },
    /// Somebody else has to do it.
    IkkeAdministrator,
}

/// The question before the signing.
struct TaIBruk {
    side: String,
    forklaring: String,
    signering: String,
    tilbake: String,
}

fn ta_i_bruk(side: &OrgSide) -> TaIBruk {
    TaIBruk {
        side: format!("{}/tjenester/ta-i-bruk", side.sti()),
        forklaring: side.t().v("tjenester-forst-signere", "organisasjon", &side.org.navn),
        signering: format!("{}/protokoll/avtale", side.sti()),
        tilbake: format!("{}/tjenester", side.sti()),
    }
}

async fn show(side: OrgSide) -> Result<Response, Feil> {
    let (t, sti) = (side.t(), side.sti());
    let in_use = side.org.tatt_i_bruk.is_some();
    let is_administrator = side.rolle == Rolle::Administrator;
    let protokoll = if in_use {
        Protokoll::TattIBruk { konfigurasjon: side.systemer_sti(), tall: numbers(&side).await? }
    } else if !is_administrator {
        Protokoll::IkkeAdministrator
    } else if may_be_taken_into_use(&side).await? {
        Protokoll::KanTasIBruk { handling: format!("{sti}/protokoll/avtale/ta-i-bruk") }
    } else {
        Protokoll::MaSigneres { sporsmal: ta_i_bruk(&side) }
    };
    let mut lenker = Vec::new();
    if in_use {
        lenker.push((format!("{sti}/status"), t.s("tjenester-status")));
    }
    lenker.push((format!("{sti}/hendelser"), t.s("tjenester-hendelser")));
    if in_use {
        lenker.push((format!("{sti}/sporing"), t.s("tjenester-sporing")));
        lenker.push((format!("{sti}/bruk"), t.s("bruk-tittel")));
    }
    if is_administrator {
        lenker.push((format!("{sti}/personer"), t.s("personer-tittel")));
    }
    if side.innlogget.sesjon.person.drift {
        lenker.push(("/drift".to_owned(), t.s("drift-tittel")));
    }
    let ramme = Ramme::new(side.k(), t.s("tjenester-tittel")).of_org(&side).here(t.s("tjenester-tittel"));
    Ok(ok(&Tjenester { ramme, protokoll, lenker }))
}

/// Whether the avtale is out of the way, signed or never asked for.
async fn may_be_taken_into_use(side: &OrgSide) -> Result<bool, Feil> {
    let Some(dokument) = side.k().portal.config().avtale.dokument() else { return Ok(true) };
    let signed = side.app().avtale_signatur(&side.caller(), side.id()).await?;
    Ok(signed.is_some_and(|signatur| signatur.dokument == dokument.to_domain()))
}

/// «{n} systemer · {m} kontoer mangler kobling», as far as the queues tell.
async fn numbers(side: &OrgSide) -> Result<String, Feil> {
    let (t, caller) = (side.t(), side.caller());
    let systemer = side.app().count_organisasjon(&caller, side.id()).await?.systemer;
    let status = side.app().status_for_org(&caller, side.id()).await?;
    let systemer = t.v("tjenester-systemer", "n", systemer);
    let kobling = match status.totalt.mangler_kobling {
        Some(kontoer) => t.v("tjenester-mangler-kobling", "n", kontoer),
        None => t.s("felles-status-ikke-tilgjengelig"),
    };
    Ok(format!("{systemer} · {kobling}"))
}

#[derive(Template)]
#[template(path = "tjenester/ta-i-bruk.html")]
struct TaIBrukSide {
    ramme: Ramme,
    sporsmal: TaIBruk,
}

/// The dialog as a page of its own, for browsers without script.
async fn show_ta_i_bruk(side: OrgSide) -> Result<Response, Feil> {
    side.demand_administrator()?;
    if side.org.tatt_i_bruk.is_some() || may_be_taken_into_use(&side).await? {
        return Ok(found(&format!("{}/tjenester", side.sti())));
    }
    let tittel = side.t().s("tjenester-ta-i-bruk-tittel");
    let ramme = side.ramme(&tittel).here(tittel);
    Ok(ok(&TaIBrukSide { ramme, sporsmal: ta_i_bruk(&side) }))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Hvem, READERS, World, opens};

    #[tokio::test]
    async fn every_role_sees_the_services_of_its_organisasjon_and_nobody_else_does() {
        let world = World::new().await;
        let path = format!("{}/tjenester", world.storevik.o());
        opens(&world, &path, READERS).await;
    }

    #[tokio::test]
    async fn service_in_use_tells_how_much_there_is_and_leads_on() {
        let world = World::new().await;
        let path = format!("{}/tjenester", world.storevik.o());
        let page = world.browser(Hvem::Les).await.get(&path).await;
        page.is(200).says("Tatt i bruk").says("Kryptert meldingsutveksling mellom systemer.");
        page.says("1 system · 1 konto mangler kobling").says("Konfigurasjon").says("Status for køer");
        page.says("Hendelser")
            .says("Sporing")
            .says_not("Tilgangsstyring for personer")
            .says_not("Kan tas i bruk");
        let page = world.browser(Hvem::Admin).await.get(&path).await;
        page.is(200).says("Tilgangsstyring for personer");
        assert!(page.text.contains(&format!("href=\"{}/personer\"", world.storevik.o())));
    }

    #[tokio::test]
    async fn page_does_without_the_numbers_of_the_queues() {
        let world = World::new().await;
        world.broker.stop();
        let page = world.browser(Hvem::Admin).await.get(&format!("{}/tjenester", world.storevik.o())).await;
        page.is(200).says("1 system · Status er ikke tilgjengelig akkurat nå");
    }

    #[tokio::test]
    async fn administrator_is_led_to_the_signing_and_others_are_told_who_can() {
        let world = World::new().await;
        let (path, question) =
            (format!("/o/{}/tjenester", world.nyvik), format!("/o/{}/tjenester/ta-i-bruk", world.nyvik));
        let mut admin = world.browser(Hvem::Nyvik).await;
        for path in [&path, &question] {
            let page = admin.get(path).await;
            page.is(200).says("Ta i bruk Fiks Protokoll").says("Gå til signering").says("Lukk");
            page.says("Først må noen med rett til å signere for Nyvik kommune signere avtalen.");
            assert!(page.text.contains(&format!("href=\"/o/{}/protokoll/avtale\"", world.nyvik)));
        }
        admin.get(&path).await.says("Kan tas i bruk").says_not("Sporing").says_not("Konfigurasjon");
        let mut reader = world.member(world.nyvik, domain::person::Rolle::Lesetilgang).await;
        reader
            .get(&path)
            .await
            .is(200)
            .says("En administrator må ta tjenesten i bruk.")
            .says_not("Gå til signering");
        reader.get(&question).await.is(403);
    }

    #[tokio::test]
    async fn without_an_avtale_the_button_takes_into_use() {
        let world = World::without_avtale().await;
        let mut admin = world.browser(Hvem::Nyvik).await;
        let page = admin.get(&format!("/o/{}/tjenester", world.nyvik)).await;
        page.is(200).says("Ta i bruk").says_not("Gå til signering");
        let avtale = format!("/o/{}/protokoll/avtale", world.nyvik);
        for path in [avtale.clone(), format!("{avtale}.pdf"), format!("{avtale}/kvittering")] {
            assert_eq!(admin.get(&path).await.location(), format!("/o/{}/tjenester", world.nyvik));
        }
        let answer = admin.post(&format!("{avtale}/ta-i-bruk"), &[]).await;
        assert!(answer.location().starts_with(&format!("/o/{}/protokoll/systemer?m=", world.nyvik)));
        admin.get(&format!("/o/{}/tjenester", world.nyvik)).await.is(200).says("Tatt i bruk");
    }
}
