//! Screen 16: the numbers that pages ask for again and again. Asking does not prolong a session.

use std::collections::BTreeSet;

use app::status::Kontostatus;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::id::KontoId;
use http::HeaderMap;

use crate::feil::Feil;
use crate::innlogget::{KontoSide, OrgSide, SystemSide};
use crate::kontekst::Kontekst;
use crate::live::{self, Statussvar};
use crate::portal::Portal;
use crate::skjema::Felter;

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/o/{org}/status.json", get(of_org))
        .route("/o/{org}/protokoll/systemer/{system}/status.json", get(of_system))
        .route("/o/{org}/protokoll/systemer/{system}/kontoer/{konto}/status.json", get(of_konto))
}

async fn of_org(side: OrgSide, headers: HeaderMap) -> Result<Response, Feil> {
    let status = side.app().status_for_org(&side.caller(), side.id()).await?;
    several(side.k(), &status).await?.answer(&headers)
}

async fn of_system(side: SystemSide, headers: HeaderMap) -> Result<Response, Feil> {
    let status = side.app().status_for_system(&side.caller(), side.side.id(), side.system.id).await?;
    several(side.k(), &status).await?.answer(&headers)
}

async fn of_konto(side: KontoSide, headers: HeaderMap) -> Result<Response, Feil> {
    let rad = side.app().status_for_konto(&side.caller(), side.konto_sti()).await?;
    let mut svar = Statussvar::new(side.t(), side.k().now);
    svar.konto(&rad, &side.detaljer.konto.navn, str::to_owned);
    if rad.tall.is_some() {
        svar.text(live::VARSEL_KOBLING, live::uten_kobling(side.t(), live::kobling(&rad)));
    }
    svar.answer(&headers)
}

/// All together, and each of those that the address names.
async fn several(k: &Kontekst, status: &Kontostatus) -> Result<Statussvar, Feil> {
    let query = k.sti.split_once('?').map_or("", |(_, query)| query);
    let wanted: BTreeSet<KontoId> =
        Felter::from_query(query).all(live::KONTO).iter().filter_map(|id| id.parse().ok()).collect();
    let mut svar = Statussvar::new(k.t, status.tidspunkt);
    svar.totals(status);
    let shown: Vec<_> = status.rader.iter().filter(|rad| wanted.contains(&rad.konto.konto_id)).collect();
    let ids: Vec<_> = shown.iter().map(|rad| rad.konto.konto_id).collect();
    let called = k.portal.app().kontonavn(&ids).await?;
    for rad in shown {
        let id = rad.konto.konto_id;
        // Without a name it was removed this very moment.
        if let Some(kontonavn) = called.get(&id) {
            svar.konto(rad, &kontonavn.navn, |name| live::of(name, &id));
        }
    }
    Ok(svar)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use app::ports::{Broker as _, ChannelOptions, Consumer};
    use axum::body::Body;
    use http::{Method, header};
    use serde_json::{Value, json};

    use crate::screens::sporing::tests::send;
    use crate::testing::{Answer, Browser, Hvem, READERS, World, opens};

    fn parsed(answer: &Answer) -> Value {
        assert_eq!(answer.is(200).headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        serde_json::from_str(&answer.text).unwrap()
    }

    async fn again(browser: &mut Browser, path: &str, etag: &str) -> Answer {
        let request = browser.request(Method::GET, path).header(header::IF_NONE_MATCH, etag);
        browser.send(request.body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn numbers_are_for_those_who_may_see_the_page() {
        let world = World::new().await;
        let part = world.storevik;
        let paths = [part.o(), part.s(), part.k()].map(|sti| format!("{sti}/status.json"));
        for path in &paths {
            opens(&world, path, READERS).await;
        }
    }

    #[tokio::test]
    async fn every_value_that_a_page_keeps_up_to_date_is_sent() {
        let world = World::new().await;
        let part = world.storevik;
        let mut browser = world.browser(Hvem::Les).await;
        for page in [format!("{}/status", part.o()), part.s(), format!("{}/kontoer", part.s()), part.k()] {
            let text = browser.get(&page).await.text;
            let url = text.split("data-status-url=\"").nth(1).unwrap().split('"').next().unwrap();
            let json = parsed(&browser.get(&url.replace("&#38;", "&")).await);
            let marked: Vec<_> = text.split("data-live=\"").skip(1).collect();
            assert!(marked.len() >= 3, "{page}");
            for rest in marked {
                let (name, rest) = rest.split_once('"').unwrap();
                let shown = rest.split_once('>').unwrap().1.split('<').next().unwrap();
                let sent = &json["verdier"][name];
                let sent = sent["tekst"].as_str().or(sent.as_str()).unwrap_or_default();
                assert_eq!(sent, shown, "{name} of {page}");
            }
            for rest in text.split("data-varsel=\"").skip(1) {
                let (name, rest) = rest.split_once('"').unwrap();
                let shown = rest.split_once("2xs\">").unwrap().1.split('<').next().unwrap();
                assert_eq!(json["verdier"][name], shown, "{name} of {page}");
            }
        }
    }

    #[tokio::test]
    async fn state_is_told_with_the_words_that_are_read_out() {
        let world = World::new().await;
        let path = format!("{}/status.json", world.storevik.k());
        let mut browser = world.browser(Hvem::Les).await;
        let json = parsed(&browser.get(&path).await);
        let missing = json!({
            "tekst": "Mangler kobling", "farge": "warning",
            "melding": "Mitt fagsystem - konto: mangler kobling",
        });
        assert_eq!(json["verdier"]["kobling"], missing);
        assert_eq!(json["verdier"]["ko"], "0");
        assert_eq!(json["verdier"]["varsel-kobling"], "Mangler kobling");
        let channel = world.broker.open_channel(ChannelOptions::default()).await.unwrap();
        channel.control.consume(Consumer(1), world.storevik.sti.konto_id, 1).await.unwrap();
        let json = parsed(&browser.get(&path).await);
        assert_eq!(json["verdier"]["kobling"]["melding"], "Mitt fagsystem - konto: koblet til");
        assert_eq!(json["verdier"]["konsumenter"], "1");
        assert_eq!(json["verdier"]["varsel-kobling"], "");
        assert!(json.get("sent").is_none(), "{json}");
    }

    #[tokio::test]
    async fn same_numbers_are_sent_once_a_minute_at_most() {
        let world = World::new().await;
        let path = format!("{}/status.json", world.storevik.o());
        let mut browser = world.browser(Hvem::Les).await;
        let first = browser.get(&path).await;
        let etag = first.headers[header::ETAG].to_str().unwrap().to_owned();
        let same = again(&mut browser, &path, &etag).await;
        assert_eq!(same.is(304).text, "");
        assert_eq!(same.headers[header::ETAG], etag);
        send(&world, world.lillefjord.sti.konto_id, world.storevik.sti.konto_id, &[]).await;
        let json = parsed(&again(&mut browser, &path, &etag).await);
        assert_eq!(json["verdier"]["pa-ko"], "1");
        // The words depend on the language, and the time is shown to the minute.
        browser.sprak = "en";
        assert_ne!(browser.get(&path).await.headers[header::ETAG], etag);
        browser.sprak = "nb";
        let etag = browser.get(&path).await.headers[header::ETAG].to_str().unwrap().to_owned();
        world.clock.advance(Duration::from_mins(1));
        again(&mut browser, &path, &etag).await.is(200);
    }

    #[tokio::test]
    async fn kontoer_that_the_page_does_not_show_are_left_out() {
        let world = World::new().await;
        let path = format!("{}/status.json", world.storevik.s());
        let mut browser = world.browser(Hvem::Les).await;
        let other = format!("{path}?konto={}", world.lillefjord.sti.konto_id);
        for path in [&path, &other] {
            let json = parsed(&browser.get(path).await);
            assert_eq!(json["verdier"]["kontoer"], "1");
            assert!(!json.to_string().contains("kobling-"), "{json}");
        }
        let own = format!("{path}?konto={}", world.storevik.sti.konto_id);
        assert!(parsed(&browser.get(&own).await).to_string().contains("kobling-"));
    }

    #[tokio::test]
    async fn numbers_that_are_late_are_left_out_and_the_state_is_unknown() {
        let world = World::new().await;
        let part = world.storevik;
        let mut browser = world.browser(Hvem::Les).await;
        world.broker.stop();
        let json = parsed(&browser.get(&format!("{}/status.json", part.o())).await);
        assert_eq!(json["sent"], "Status er ikke tilgjengelig akkurat nå");
        assert_eq!(json["verdier"]["kontoer"], "1");
        assert!(json["verdier"].get("pa-ko").is_none(), "{json}");
        let json = parsed(&browser.get(&format!("{}/status.json", part.k())).await);
        assert_eq!(json["sent"], "Status er ikke tilgjengelig akkurat nå");
        let unknown =
            json!({ "tekst": "Ukjent", "farge": "neutral", "melding": "Mitt fagsystem - konto: ukjent" });
        assert_eq!(json["verdier"], json!({ "kobling": unknown }));
        world.registry.stop();
        browser.get(&format!("{}/status.json", part.o())).await.is(503);
    }

    #[tokio::test]
    async fn asking_does_not_keep_a_session_alive() {
        let world = World::new().await;
        let (page, json) =
            (format!("{}/status", world.storevik.o()), format!("{}/status.json", world.storevik.o()));
        let mut browser = world.browser(Hvem::Les).await;
        browser.get(&page).await.is(200);
        for _ in 0..2 {
            world.clock.advance(Duration::from_mins(14));
            browser.get(&json).await.is(200);
        }
        world.clock.advance(Duration::from_mins(3));
        browser.get(&json).await.is(303);
        assert!(browser.get(&page).await.location().starts_with("/logg-inn?retur="));
    }
}
