//! What holds on every page, whoever makes it: who may see it, what it says in its headers, and that changes come from
//! pages of ours.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, StatusCode, header};

use crate::testing::{Answer, Browser, Hvem, ORIGIN, PROVIDER, World};

/// Path and methods of every route, read from the code: one that is forgotten here cannot hide.
fn routes() -> Vec<(String, bool, bool)> {
    let mut paths = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/screens")];
    let mut found = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        // Without tools for developers, as here, these pages are not there for anybody: their own tests say so.
        if ["utvikling.rs", "start.rs"].iter().any(|file| path.ends_with(file)) {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for rest in text.split(".route(").skip(1) {
            let call = &rest[..rest.find("\n        .").or(rest.find("\n}")).unwrap_or(rest.len())];
            let path = match call.trim_start().strip_prefix('"') {
                Some(literal) => literal.split('"').next().unwrap().to_owned(),
                // The one that the headers must know of too.
                None if call.starts_with("FRONT_CHANNEL") => crate::sikkerhet::FRONT_CHANNEL.to_owned(),
                None => panic!("a route is written out where it is: {call}"),
            };
            let has = |method: &str| call.contains(&format!("{method}("));
            found.push((path, has("get"), has("post")));
        }
    }
    found
}

/// The path with the ids of Storevik in it, and of nothing where it names something else.
fn filled(world: &World, path: &str) -> String {
    let part = &world.storevik;
    path.replace("{org}", &part.org.to_string())
        .replace("{system}", &part.system.to_string())
        .replace("{konto}", &part.sti.konto_id.to_string())
        .split('/')
        .map(|piece| if piece.starts_with('{') { "11111111-1111-4111-8111-111111111111" } else { piece })
        .collect::<Vec<_>>()
        .join("/")
}

fn of_org(path: &str) -> bool {
    path.starts_with("/o/")
}

#[tokio::test]
async fn every_page_of_an_organisasjon_is_for_its_people_alone() {
    let world = World::new().await;
    let mut strangers = Vec::new();
    for hvem in [Hvem::Lillefjord, Hvem::Drift, Hvem::Uten] {
        strangers.push(world.browser(hvem).await);
    }
    let mut anonymous = world.anonymous();
    let mut seen = 0;
    for (path, get, _) in routes().into_iter().filter(|(path, get, _)| *get && of_org(path)) {
        assert!(get);
        let path = filled(&world, &path);
        for stranger in &mut strangers {
            let answer = stranger.get(&path).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {}", answer.text);
        }
        let answer = anonymous.get(&path).await;
        assert!(answer.location().starts_with("/logg-inn?retur=%2Fo%2F"), "{path}");
        seen += 1;
    }
    assert!(seen > 20, "{seen} routes were found");
}

#[tokio::test]
async fn every_change_must_come_from_a_page_of_ours() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Admin).await;
    let mut seen = 0;
    for (path, _, post) in routes() {
        if !post {
            continue;
        }
        let path = filled(&world, &path);
        for (origin, site) in
            [("https://evil.no", "cross-site"), ("null", "cross-site"), (ORIGIN, "same-site")]
        {
            let answer = send(&mut browser, &path, origin, site, true).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} from {origin}");
        }
        let answer = send(&mut browser, &path, ORIGIN, "same-origin", false).await;
        // What does not exist is told before the token is looked at.
        let refused = matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
        assert!(refused, "{path} without a token answers {}", answer.status);
        seen += 1;
    }
    assert!(seen > 20, "{seen} routes were found");
}

async fn send(browser: &mut Browser, path: &str, origin: &str, site: &str, token: bool) -> Answer {
    let body = if token { format!("csrf={}", browser.csrf) } else { "csrf=x".to_owned() };
    let request = browser
        .request(Method::POST, path)
        .header(header::ORIGIN, origin)
        .header("sec-fetch-site", site)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    browser.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn reader_changes_nothing() {
    let world = World::new().await;
    let mut reader = world.browser(Hvem::Les).await;
    let mut seen = 0;
    for (path, _, post) in routes() {
        if !post || !of_org(&path) {
            continue;
        }
        let path = filled(&world, &path);
        let answer = reader.post(&path, &[]).await;
        let refused = matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
        assert!(refused, "{path} answers {}: {}", answer.status, answer.text);
        seen += 1;
    }
    assert!(seen > 20, "{seen} routes were found");
}

#[tokio::test]
async fn every_answer_has_the_headers_that_protect_it() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Admin).await;
    for (path, get, _) in routes() {
        if !get {
            continue;
        }
        let answer = browser.get(&filled(&world, &path)).await;
        let headers = &answer.headers;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains(&format!("form-action 'self' {PROVIDER};")), "{path}: {policy}");
        assert!(policy.contains("require-trusted-types-for 'script'"), "{path}: {policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer", "{path}");
        if !["/tema.css", "/logo"].contains(&path.as_str()) {
            assert!(headers[header::CACHE_CONTROL].to_str().unwrap().contains("no-store"), "{path}");
        }
    }
}

#[tokio::test]
async fn nothing_that_could_run_stands_in_a_page() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Admin).await;
    for (path, get, _) in routes() {
        if !get {
            continue;
        }
        let text = browser.get(&filled(&world, &path)).await.text;
        for forbidden in [" style=\"", " onclick=", " onload=", "javascript:", "<style"] {
            assert!(!text.contains(forbidden), "{path} has {forbidden}");
        }
        let scripts: Vec<_> = text.split("<script").skip(1).collect();
        assert!(scripts.iter().all(|script| script.contains("src=\"/static/")), "{path}");
    }
}

#[tokio::test]
async fn what_was_typed_survives_the_end_of_the_session() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Admin).await;
    let path = format!("{}/ny/1", systemer(&world));
    world.clock.advance(std::time::Duration::from_mins(31));
    let answer = browser.post(&path, &[("navn", "Skrevet lenge"), ("beskrivelse", "<b>")]).await;
    answer.is(401).says("Du er logget ut").says("Logg inn i en ny fane");
    assert!(answer.text.contains("name=\"navn\" value=\"Skrevet lenge\""), "{}", answer.text);
    assert!(answer.text.contains("value=\"&#60;b&#62;\""), "{}", answer.text);
    // Logged in again in another tab: the page is too old, which is told, and then all goes on.
    browser.log_in(&Hvem::Admin.identifier()).await;
    let fresh = std::mem::replace(&mut browser.csrf, "gammel".to_owned());
    let answer = browser.post(&path, &[("navn", "Skrevet lenge"), ("beskrivelse", "x")]).await;
    answer.is(403).says("Siden har stått åpen for lenge. Prøv igjen.");
    assert!(answer.text.contains("name=\"navn\" value=\"Skrevet lenge\""), "{}", answer.text);
    assert_eq!(browser.csrf, fresh);
    let fields = [("navn", "Skrevet lenge"), ("beskrivelse", "x"), ("epost", "a@b.no")];
    assert!(browser.post(&path, &fields).await.location().contains("/ny/2?u="));
}

#[tokio::test]
async fn what_was_typed_survives_a_database_that_is_down() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Admin).await;
    let path = format!("{}/ny/1", systemer(&world));
    world.registry.stop();
    let answer = browser.post(&path, &[("navn", "Skrevet lenge")]).await;
    answer.is(503).says("Det du skrev, er tatt vare på").says("Feilkode");
    assert!(answer.text.contains("name=\"navn\" value=\"Skrevet lenge\""), "{}", answer.text);
    // The button on that page leads on as soon as the database is back.
    world.registry.mend();
    browser.post(&path, &[("navn", "Skrevet lenge")]).await.is(422).says("Skriv inn beskrivelse");
    world.registry.stop();
    browser
        .get(&path)
        .await
        .is(503)
        .says("Vi har tekniske problemer")
        .says("Dette skyldes ikke noe du gjorde.");
    world.registry.mend();
    browser.get(&path).await.is(200);
}

#[tokio::test]
async fn pages_load_while_the_queues_are_down() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Admin).await;
    world.broker.stop();
    let part = &world.storevik;
    for path in [
        format!("{}/tjenester", part.o()),
        systemer(&world),
        part.s(),
        format!("{}/kontoer", part.s()),
        part.k(),
        format!("{}/hendelser", part.o()),
    ] {
        browser.get(&path).await.is(200);
    }
    browser.get(&part.k()).await.says("Ukjent").says("Status er ikke tilgjengelig akkurat nå");
}

#[tokio::test]
async fn two_drafts_of_a_system_do_not_mix() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Admin).await;
    let path = format!("{}/ny/1", systemer(&world));
    let mut addresses = Vec::new();
    for navn in ["Første fane", "Andre fane"] {
        let fields = [("navn", navn), ("beskrivelse", "x"), ("epost", "a@b.no")];
        addresses.push(browser.post(&path, &fields).await.location().replace("/ny/2", "/ny/1"));
    }
    assert_ne!(addresses[0], addresses[1]);
    assert!(browser.get(&addresses[0]).await.text.contains("value=\"Første fane\""));
    assert!(browser.get(&addresses[1]).await.text.contains("value=\"Andre fane\""));
}

#[tokio::test]
async fn password_is_shown_once_and_a_repeat_makes_nothing() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Protokoll).await;
    let base = systemer(&world);
    let fields = [("navn", "Nytt fagsystem"), ("beskrivelse", "x"), ("epost", "a@b.no")];
    let second = browser.post(&format!("{base}/ny/1"), &fields).await.location().to_owned();
    let u = second.split("u=").nth(1).unwrap().to_owned();
    // A later step without the ones before leads to the first that is missing.
    let third = format!("{base}/ny/3?u={u}");
    assert!(browser.get(&third).await.location().contains("/ny/2?u="));
    let fields = [("u", u.as_str()), ("orgnummer", "974 760 673"), ("api", "ja")];
    assert_eq!(browser.post(&format!("{base}/ny/2"), &fields).await.location(), third);
    let fields = [("u", u.as_str())];
    let answer = browser.post(&format!("{base}/ny/opprett"), &fields).await;
    answer.is(200).says("Systemet er opprettet").says("integrasjonPassord");
    assert!(answer.headers[header::CACHE_CONTROL].to_str().unwrap().contains("no-store"));
    let again = browser.post(&format!("{base}/ny/opprett"), &fields).await;
    again.is(200).says("Systemet er allerede opprettet").says("Passordet kan ikke vises på nytt.");
    let systemer = browser.get(&base).await;
    assert_eq!(systemer.text.matches("Nytt fagsystem</a>").count(), 1, "{}", systemer.text);
}

#[tokio::test]
async fn wizard_tells_every_broken_rule_in_three_languages() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Admin).await;
    let base = systemer(&world);
    let long = "a".repeat(501);
    for (sprak, texts) in [
        (
            "nb",
            [
                "Du må rette 1 feil for å gå videre",
                "Skriv inn systemnavn",
                "Systemnavn må ha minst 2 tegn",
                "Systemnavn kan ha høyst 200 tegn",
                "Systemnavn kan ikke inneholde _",
                "Skriv inn beskrivelse",
                "Beskrivelse kan ha høyst 500 tegn",
                "Skriv inn minst én e-postadresse",
                "E-postadressen ab.no er ikke gyldig. Skriv den som navn@eksempel.no",
                "a@b.no står to ganger",
                "Skriv inn organisasjonsnummer",
                "Organisasjonsnummer må ha 9 siffer",
            ],
        ),
        (
            "nn",
            [
                "Du må rette 1 feil for å gå vidare",
                "Skriv inn systemnamn",
                "Systemnamn må ha minst 2 teikn",
                "Systemnamn kan ha høgst 200 teikn",
                "Systemnamn kan ikkje innehalde _",
                "Skriv inn omtale",
                "Omtale kan ha høgst 500 teikn",
                "Skriv inn minst éi e-postadresse",
                "E-postadressa ab.no er ikkje gyldig. Skriv ho som namn@eksempel.no",
                "a@b.no står to gonger",
                "Skriv inn organisasjonsnummer",
                "Organisasjonsnummer må ha 9 siffer",
            ],
        ),
        (
            "en",
            [
                "You must correct 1 error to continue",
                "Enter system name",
                "System name must have at least 2 characters",
                "System name can have at most 200 characters",
                "System name cannot contain _",
                "Enter description",
                "Description can have at most 500 characters",
                "Enter at least one e-mail address",
                "The e-mail address ab.no is not valid. Write it as name@example.no",
                "a@b.no is listed twice",
                "Enter organisation number",
                "The organisation number must have 9 digits",
            ],
        ),
    ] {
        browser.sprak = sprak;
        let first = format!("{base}/ny/1");
        let long_name = "a".repeat(201);
        let cases: [(&str, &str, &[&str], &str); 9] = [
            ("", "x", &["a@b.no"], texts[1]),
            ("a", "x", &["a@b.no"], texts[2]),
            (&long_name, "x", &["a@b.no"], texts[3]),
            ("mitt_system", "x", &["a@b.no"], texts[4]),
            ("ab", "", &["a@b.no"], texts[5]),
            ("ab", &long, &["a@b.no"], texts[6]),
            ("ab", "x", &[""], texts[7]),
            ("ab", "x", &["ab.no"], texts[8]),
            ("ab", "x", &["a@b.no", "a@b.no"], texts[9]),
        ];
        for (navn, beskrivelse, eposter, text) in cases {
            let mut fields = vec![("navn", navn), ("beskrivelse", beskrivelse)];
            fields.extend(eposter.iter().map(|epost| ("epost", *epost)));
            let answer = browser.post(&first, &fields).await;
            answer.is(422).says(texts[0]).says(text);
            // Once in the summary and once at the field.
            assert_eq!(answer.plain().matches(text).count(), 2, "{sprak}: {text}");
        }
        let fields = [("navn", "ab"), ("beskrivelse", "x"), ("epost", "a@b.no")];
        let u = browser.post(&first, &fields).await.location().split("u=").nth(1).unwrap().to_owned();
        for (orgnummer, text) in [("", texts[10]), ("12345678", texts[11]), ("97476067x", texts[11])] {
            let fields = [("u", u.as_str()), ("orgnummer", orgnummer)];
            browser.post(&format!("{base}/ny/2"), &fields).await.is(422).says(texts[0]).says(text);
        }
    }
}

#[tokio::test]
async fn session_ends_when_it_is_not_used_and_polling_does_not_count() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Admin).await;
    let tjenester = format!("{}/tjenester", world.storevik.o());
    for _ in 0..3 {
        world.clock.advance(std::time::Duration::from_mins(20));
        browser.get(&tjenester).await.is(200);
    }
    world.clock.advance(std::time::Duration::from_mins(20));
    browser.get(&format!("{}/status.json", world.storevik.o())).await;
    world.clock.advance(std::time::Duration::from_mins(11));
    let location = browser.get(&tjenester).await.location().to_owned();
    assert!(location.ends_with("&melding=utlopt"), "{location}");
    browser.get(&location).await.says("du ikke hadde brukt portalen på 30 minutter");
}

#[tokio::test]
async fn login_and_logout_tell_how_they_went() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Admin).await;
    let before = browser.cookies.clone();
    let answer = browser.post("/logg-ut", &[]).await;
    assert!(answer.location().starts_with("https://login.test/endsession"), "{}", answer.location());
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    browser.cookies = before;
    assert!(browser.get("/velg-organisasjon").await.location().starts_with("/logg-inn"));
    let mut other = world.anonymous();
    other.get("/auth/start").await.is(303);
    assert_eq!(other.get("/auth/retur?code=x&state=y").await.location(), "/logg-inn?melding=avbrutt");
    world.login.refuse(Some("the test says so"));
    let answer = other.get("/auth/start").await;
    let state = answer.location().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let answer = other.get(&format!("/auth/retur?code=x&state={state}")).await;
    let location = answer.location().to_owned();
    other.get(&location).await.says("Innloggingen feilet. Feilkode: ");
}

#[tokio::test]
async fn endless_logins_from_one_address_are_refused_for_a_minute() {
    let world = World::new().await;
    let mut browser = world.anonymous();
    for _ in 0..1_200 {
        browser.get("/auth/start").await.is(303);
    }
    let answer = browser.get("/auth/start").await;
    answer.is(429).says("Du har prøvd for mange ganger. Vent 1 minutt.");
}

/// Lets nobody wait.
struct Crowded;

impl app::Doorkeeper for Crowded {
    fn admit(&self, _: &app::Caller) -> Result<(), app::Error> {
        Ok(())
    }

    fn log_in_refused(&self) -> Result<(), app::Error> {
        Ok(())
    }

    fn waits(&self, _: std::net::IpAddr) -> futures::future::BoxFuture<'static, Option<app::Waiting>> {
        Box::pin(std::future::ready(None))
    }
}

#[tokio::test]
async fn login_for_which_too_many_wait_already_is_answered_at_once_and_invited_to_come_back() {
    let world = World::new().await;
    let mut browser = world.anonymous();
    let mut request = browser.request(Method::GET, "/auth/start").body(Body::empty()).unwrap();
    request.extensions_mut().insert(app::Door(std::sync::Arc::new(Crowded)));
    let answer = browser.send(request).await;
    assert_eq!(answer.headers[header::RETRY_AFTER], "10");
    answer.is(503).says("Vi har tekniske problemer");
    browser.get("/auth/start").await.is(303);
}

/// Anybody can write a cookie, and each would cost a request to the provider and a place to wait for it.
#[tokio::test]
async fn login_that_this_server_did_not_begin_or_long_ago_asks_the_provider_nothing() {
    const NAME: &str = "__Host-innlogging";
    let world = World::new().await;
    // If the provider were asked, it would fail otherwise.
    world.login.refuse(Some("it was asked"));
    let mut browser = world.anonymous();
    let mut begin = async || {
        let answer = browser.get("/auth/start").await;
        let state = answer.location().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        (state, browser.cookies[NAME].clone())
    };
    let back = async |cookie: &str, state: &str| {
        let mut browser = world.anonymous();
        browser.cookies.insert(NAME.to_owned(), cookie.to_owned());
        browser.get(&format!("/auth/retur?code=x&state={state}")).await.location().to_owned()
    };
    let ((state, cookie), (other_state, other)) = (begin().await, begin().await);
    let parts: Vec<_> = cookie.split('.').collect();
    let [value, second, seal] = parts[..] else { panic!("{cookie}") };
    let (other_value, other_seal) = (other.split('.').next().unwrap(), other.rsplit('.').next().unwrap());
    for (cookie, state) in [
        (value.to_owned(), &state),
        (format!("{value}.{second}"), &state),
        (format!("{value}.{second}."), &state),
        (format!("{value}.{second}.{other_seal}"), &state),
        (format!("{value}.9{second}.{seal}"), &state),
        (format!("{other_value}.{second}.{seal}"), &other_state),
        (cookie.clone(), &other_state),
    ] {
        assert_eq!(back(&cookie, state).await, "/logg-inn?melding=avbrutt", "{cookie}");
    }
    assert!(back(&cookie, &state).await.starts_with("/logg-inn?melding=feilet"), "its own is asked about");
    world.clock.advance(app::sesjon::INNLOGGING + std::time::Duration::from_secs(1));
    assert_eq!(back(&cookie, &state).await, "/logg-inn?melding=avbrutt", "too long ago");
}

#[tokio::test]
async fn answer_of_another_provider_is_a_failed_login() {
    let world = World::new().await;
    let code = Hvem::Admin.identifier();
    let ours = PROVIDER.replace(':', "%3A");
    for (query, good) in [
        (format!("code={code}&iss={ours}"), true),
        (format!("code={code}"), true),
        (format!("code={code}&iss=https%3A%2F%2Fevil.no"), false),
        (format!("code={code}&iss="), false),
        ("error=access_denied&iss=https%3A%2F%2Fevil.no".to_owned(), false),
    ] {
        let mut browser = world.anonymous();
        let answer = browser.get("/auth/start").await;
        let state = answer.location().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let answer = browser.get(&format!("/auth/retur?{query}&state={state}")).await;
        let location = answer.location().to_owned();
        if good {
            assert_eq!(location, "/velg-organisasjon", "{query}");
        } else {
            assert!(location.starts_with("/logg-inn?melding=feilet&feilkode="), "{query}: {location}");
            browser.get(&location).await.says("Innloggingen feilet. Feilkode: ");
            browser.get("/velg-organisasjon").await.is(303);
        }
    }
    let mut browser = world.anonymous();
    let answer = browser.get("/auth/start").await;
    let state = answer.location().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let answer = browser.get(&format!("/auth/retur?error=access_denied&iss={ours}&state={state}")).await;
    assert_eq!(answer.location(), "/logg-inn?melding=avbrutt");
}

#[tokio::test]
async fn logout_at_the_provider_ends_the_session_here() {
    let world = World::new().await;
    let mut browser = world.browser(Hvem::Admin).await;
    let sid = format!("sid-{}", Hvem::Admin.identifier());
    let frame = format!("/auth/frontkanal?iss={PROVIDER}&sid={sid}");
    let answer = world.anonymous().get(&frame).await;
    let policy = answer.is(200).headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains(&format!("frame-ancestors {PROVIDER}")), "{policy}");
    browser.get(&world.storevik.s()).await.is(303);
}

fn systemer(world: &World) -> String {
    format!("{}/protokoll/systemer", world.storevik.o())
}

#[test]
fn each_route_is_named_once() {
    let routes = routes();
    let paths: BTreeSet<_> = routes.iter().map(|(path, ..)| path).collect();
    assert_eq!(paths.len(), routes.len());
    assert!(routes.iter().all(|(_, get, post)| *get || *post), "{routes:?}");
}
