//! The end of a System: how much goes with it, and its name typed by those who mean it.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::{sporsmal_ramme, sti};
use crate::feil::Feil;
use crate::innlogget::SystemSide;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::{invalid, ok};
use crate::skjema::{Mangler, Skjema};
use crate::view::{ErrorSummary, Field};

pub(super) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/protokoll/systemer/{system}/konfigurasjon/slett", get(ask_slett).post(remove))
}

/// The question whether to remove the System.
pub(super) struct Slett {
    pub(super) sti: String,
    pub(super) tittel: String,
    pub(super) tekst: String,
    pub(super) felt: Field,
}

pub(super) async fn slett(side: &SystemSide, typed: &str, error: Option<String>) -> Result<Slett, Feil> {
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
    use super::super::testing::{follow, sti, stored};
    use crate::testing::{Hvem, World};

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
