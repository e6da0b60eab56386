//! The use cases about people, on a real registry.

use std::sync::Arc;
use std::time::Duration;

use app::contract::{CountingIds, ManualClock};
use app::paging::Page;
use app::ports::{PersonIdentifier, Registry, VerifiedPerson};
use app::sesjon::{ABSOLUTE, AktivSesjon, IDLE, Once, SesjonSvar};
use app::system::NyttSystem;
use app::{
    Adapters, App, Caller, Error, Forbidden, Grense, Grenser, InnloggetPerson, Missing, PassordKey, Settings,
};
use domain::avtale::AvtaleDokument;
use domain::organisasjon::Organisasjon;
use domain::person::Rolle;
use domain::system::SystemInfo;

use crate::fixture::{self, Empty};

const KARI: &str = "01019012345";
const OLA: &str = "02029012345";
const ISSUER: &str = "https://idporten.no";
const OPERATOR: Caller = Caller::Operator;

struct World {
    app: App,
    registry: Arc<dyn Registry>,
    clock: ManualClock,
    storevik: Organisasjon,
    lillefjord: Organisasjon,
    _alive: Empty,
}

async fn world() -> World {
    world_with(Settings::default()).await
}

async fn world_with(settings: Settings) -> World {
    let (registry, alive) = fixture::registry().await;
    let clock = ManualClock::default();
    let adapters = Adapters::registry_only(
        Arc::clone(&registry),
        Arc::new(clock.clone()),
        Arc::new(CountingIds::default()),
    );
    let app = App::new(adapters, PassordKey::new(&[7; 32]), settings);
    let make = async |navn: &str, orgnummer: &str| {
        app.create_organisasjon(&OPERATOR, navn.to_owned(), orgnummer.parse().unwrap(), None).await.unwrap()
    };
    let storevik = make("Storevik kommune", "310000108").await;
    let lillefjord = make("Lillefjord kommune", "310000205").await;
    World { app, registry, clock, storevik, lillefjord, _alive: alive }
}

fn verified(number: &str, navn: Option<&str>) -> VerifiedPerson {
    VerifiedPerson {
        identifier: PersonIdentifier::new(number),
        navn: navn.map(str::to_owned),
        acr: Some("idporten-loa-substantial".to_owned()),
        sid: Some(format!("sid-{number}")),
        id_token: "header.claims.signature".to_owned(),
    }
}

impl World {
    async fn give(&self, number: &str, navn: &str, rolle: Rolle) {
        let identifier = PersonIdentifier::new(number);
        self.app
            .create_person_with_rolle(&OPERATOR, self.storevik.id, navn, &identifier, rolle)
            .await
            .unwrap();
    }

    async fn log_in(&self, number: &str) -> (String, InnloggetPerson) {
        let begun = self.app.log_in_person(&verified(number, None), ISSUER, None).await.unwrap();
        let token = begun.token.reveal().to_owned();
        let person = self.aktiv(&token).await.person;
        assert_eq!(person.person_id, begun.person.id);
        (token, person)
    }

    /// A person with that rolle in Storevik, with the token of his session.
    async fn person(&self, number: &str, rolle: Rolle) -> (String, InnloggetPerson) {
        self.give(number, "Kari Nordmann", rolle).await;
        self.log_in(number).await
    }

    async fn aktiv(&self, token: &str) -> AktivSesjon {
        match self.app.sesjon(token, false).await.unwrap() {
            SesjonSvar::Aktiv(sesjon) => sesjon,
            other => panic!("the session is over: {other:?}"),
        }
    }

    async fn hendelser(&self) -> Vec<String> {
        let lines =
            self.registry.begin_read().await.unwrap().list_audit_lines(self.storevik.id, 100).await.unwrap();
        for line in &lines {
            let told = format!("{line:?}");
            assert!(!told.contains(KARI) && !told.contains("Kari"), "{told}");
        }
        lines.into_iter().map(|line| format!("{} {}", line.hvem, line.hva)).collect()
    }
}

fn nytt_system() -> NyttSystem {
    NyttSystem {
        info: SystemInfo {
            navn: "Mitt fagsystem".to_owned(),
            beskrivelse: "Til test".to_owned(),
            eposter: vec!["drift@example.no".to_owned()],
            offentlig: false,
            automatisk_godkjenning: false,
            leverandor_navn: None,
            leverandor_kontaktpunkt: None,
        },
        orgnummer: "310000108".to_owned(),
        konfigureres_av_integrasjon: false,
    }
}

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(result: Result<T, Error>, about: &str) {
    match result {
        Err(Error::Conflict { what }) => assert_eq!(what, about),
        other => panic!("expected a conflict about {about}, got {other:?}"),
    }
}

#[tokio::test]
async fn unknown_person_gets_a_session_without_any_organisasjon() {
    let world = world().await;
    let (token, person) = world.log_in(KARI).await;
    assert_eq!((person.navn.as_str(), person.roller.len(), person.drift), ("", 0, false));
    assert!(world.app.organisasjoner_for(&Caller::from(person.clone())).await.unwrap().is_empty());
    let sesjon = world.aktiv(&token).await;
    assert_eq!(sesjon.id_token.as_deref(), Some("header.claims.signature"));
    assert_eq!((sesjon.person, sesjon.issuer.as_str()), (person.clone(), ISSUER));
    let refused = world.app.list_systemer(&person.into(), world.storevik.id).await;
    assert!(matches!(refused, Err(Error::NotFound(Missing::Organisasjon(_)))), "{refused:?}");
}

#[tokio::test]
async fn person_is_the_same_before_and_after_his_first_login() {
    let world = world().await;
    world.give("010190 12345", "Kari Nordmann", Rolle::Administrator).await;
    world.give(KARI, "En annen", Rolle::Administrator).await;
    let (_, person) = world.log_in(KARI).await;
    assert_eq!(person.navn, "Kari Nordmann");
    let told = world.app.log_in_person(&verified(KARI, Some("KARI NORDMANN")), ISSUER, None).await.unwrap();
    assert_eq!((told.person.id, told.person.navn.as_str()), (person.person_id, "KARI NORDMANN"));
    assert!(world.app.is_same_person(&person, &PersonIdentifier::new(KARI)).await.unwrap());
    assert!(!world.app.is_same_person(&person, &PersonIdentifier::new(OLA)).await.unwrap());
}

#[tokio::test]
async fn last_administrator_stays() {
    let world = world().await;
    let (_, kari) = world.person(KARI, Rolle::Administrator).await;
    let (_, ola) = world.person(OLA, Rolle::Protokolladministrator).await;
    let (caller, org) = (Caller::from(kari.clone()), world.storevik.id);
    assert_conflict(world.app.remove_rolle(&caller, org, kari.person_id).await, "siste administrator");
    let lesetilgang = world.app.update_rolle(&caller, org, kari.person_id, Rolle::Lesetilgang).await;
    assert_conflict(lesetilgang, "siste administrator");
    let again = world
        .app
        .create_person_with_rolle(&OPERATOR, org, "Kari", &PersonIdentifier::new(KARI), Rolle::Lesetilgang)
        .await;
    assert_conflict(again, "siste administrator");
    world.app.update_rolle(&caller, org, ola.person_id, Rolle::Administrator).await.unwrap();
    world.app.remove_rolle(&caller, org, kari.person_id).await.unwrap();
    let listed = world.app.list_personer(&OPERATOR, org, Page::default()).await.unwrap();
    assert_eq!(listed.rows.iter().map(|row| row.person.id).collect::<Vec<_>>(), [ola.person_id]);
    let gone = world.app.update_rolle(&OPERATOR, org, kari.person_id, Rolle::Lesetilgang).await;
    assert!(matches!(gone, Err(Error::NotFound(Missing::Person(_)))), "{gone:?}");
}

#[tokio::test]
async fn only_administrator_manages_people_and_only_the_operator_drift() {
    let world = world().await;
    world.give(OLA, "Ola Nordmann", Rolle::Administrator).await;
    let (_, kari) = world.person(KARI, Rolle::Protokolladministrator).await;
    let caller = Caller::from(kari.clone());
    let (app, org, number) = (&world.app, world.storevik.id, PersonIdentifier::new(KARI));
    for refused in [
        app.create_person_with_rolle(&caller, org, "Kari", &number, Rolle::Administrator).await.err(),
        app.update_rolle(&caller, org, kari.person_id, Rolle::Administrator).await.err(),
        app.remove_rolle(&caller, org, kari.person_id).await.err(),
        app.list_personer(&caller, org, Page::default()).await.err(),
        app.set_drift(&caller, "Kari", &number, true).await.err(),
    ] {
        assert!(matches!(refused, Some(Error::Forbidden(Forbidden::Rolle))), "{refused:?}");
    }
    let elsewhere = app.list_personer(&caller, world.lillefjord.id, Page::default()).await;
    assert!(matches!(elsewhere, Err(Error::NotFound(Missing::Organisasjon(_)))), "{elsewhere:?}");
    app.set_drift(&OPERATOR, "Kari", &number, true).await.unwrap();
    assert!(world.log_in(KARI).await.1.drift);
}

#[tokio::test]
async fn every_wrong_field_of_a_new_person_is_told() {
    let world = world().await;
    let number = PersonIdentifier::new("123");
    let refused = world
        .app
        .create_person_with_rolle(&OPERATOR, world.storevik.id, " ", &number, Rolle::Lesetilgang)
        .await;
    let Err(Error::Invalid(fields)) = refused else { panic!("accepted: {refused:?}") };
    assert_eq!(fields.iter().map(|field| field.field).collect::<Vec<_>>(), ["navn", "identifikator"]);
}

#[tokio::test]
async fn organisasjoner_and_language_of_a_person_are_his_own() {
    let world = world().await;
    world.give(KARI, "Kari Nordmann", Rolle::Administrator).await;
    let number = PersonIdentifier::new(KARI);
    world
        .app
        .create_person_with_rolle(&OPERATOR, world.lillefjord.id, "x y", &number, Rolle::Lesetilgang)
        .await
        .unwrap();
    let (token, kari) = world.log_in(KARI).await;
    let caller = Caller::from(kari);
    let mine = world.app.organisasjoner_for(&caller).await.unwrap();
    let mine: Vec<_> = mine.iter().map(|one| (one.navn.as_str(), one.rolle)).collect();
    assert_eq!(
        mine,
        [("Lillefjord kommune", Rolle::Lesetilgang), ("Storevik kommune", Rolle::Administrator)]
    );
    assert_eq!(world.aktiv(&token).await.sprak, None);
    assert!(matches!(world.app.set_sprak(&caller, Some("de")).await, Err(Error::Invalid(_))));
    world.app.set_sprak(&caller, Some("nn")).await.unwrap();
    assert_eq!(world.aktiv(&token).await.sprak.as_deref(), Some("nn"));
    world.app.set_sprak(&caller, None).await.unwrap();
    assert_eq!(world.aktiv(&token).await.sprak, None);
    let nobody = world.app.organisasjoner_for(&OPERATOR).await;
    assert!(matches!(nobody, Err(Error::Forbidden(Forbidden::PersonOnly))), "{nobody:?}");
}

#[tokio::test]
async fn sesjon_ends_when_it_is_not_used() {
    let world = world().await;
    let (token, _) = world.log_in(KARI).await;
    world.clock.advance(IDLE.saturating_sub(Duration::from_secs(1)));
    assert!(matches!(world.app.sesjon(&token, true).await.unwrap(), SesjonSvar::Aktiv(_)));
    world.clock.advance(IDLE.saturating_sub(Duration::from_secs(1)));
    let left = world.aktiv(&token).await.utloper_inaktiv.duration_since(world.app.clock().now());
    assert_eq!(left.as_secs(), 1);
    // A page that asks by itself does not put it off.
    world.clock.advance(Duration::from_secs(1));
    assert!(matches!(world.app.sesjon(&token, true).await.unwrap(), SesjonSvar::Utlopt));
    assert!(matches!(world.app.sesjon(&token, true).await.unwrap(), SesjonSvar::Ingen));
}

#[tokio::test]
async fn sesjon_ends_after_a_working_day_however_busy() {
    let world = world().await;
    let (token, _) = world.log_in(KARI).await;
    let step = IDLE / 2;
    for _ in 1..ABSOLUTE.as_secs() / step.as_secs() {
        world.clock.advance(step);
        assert!(matches!(world.app.sesjon(&token, true).await.unwrap(), SesjonSvar::Aktiv(_)));
    }
    assert!(world.aktiv(&token).await.utloper_absolutt < world.aktiv(&token).await.utloper_inaktiv);
    world.clock.advance(step);
    assert!(matches!(world.app.sesjon(&token, true).await.unwrap(), SesjonSvar::Utlopt));
}

#[tokio::test]
async fn use_is_written_once_a_minute_at_most() {
    let world = world().await;
    let (token, _) = world.log_in(KARI).await;
    let begun = world.aktiv(&token).await.utloper_inaktiv;
    world.clock.advance(Duration::from_secs(59));
    world.app.sesjon(&token, true).await.unwrap();
    assert_eq!(world.aktiv(&token).await.utloper_inaktiv, begun);
    world.clock.advance(Duration::from_secs(1));
    world.app.sesjon(&token, true).await.unwrap();
    assert_eq!(world.aktiv(&token).await.utloper_inaktiv.duration_since(begun).as_secs(), 60);
}

#[tokio::test]
async fn new_login_ends_the_session_that_the_browser_came_with() {
    let world = world().await;
    let (old, _) = world.log_in(KARI).await;
    let (others, _) = world.log_in(OLA).await;
    let new = world
        .app
        .log_in_person(&verified(KARI, None), ISSUER, Some(world.aktiv(&old).await.id))
        .await
        .unwrap();
    assert_ne!(new.token.reveal(), old);
    assert!(matches!(world.app.sesjon(&old, false).await.unwrap(), SesjonSvar::Ingen));
    world.aktiv(new.token.reveal()).await;
    world.aktiv(&others).await;
}

#[tokio::test]
async fn rotated_session_goes_on_under_the_new_token_alone() {
    let world = world().await;
    let (old, kari) = world.log_in(KARI).await;
    let before = world.aktiv(&old).await;
    world.app.put_sesjon_value(before.id, "utkast", "x").await.unwrap();
    let new = world.app.rotate_sesjon(&old).await.unwrap();
    let after = world.aktiv(new.reveal()).await;
    assert_eq!((after.id, &after.person, &after.id_token), (before.id, &kari, &before.id_token));
    assert_ne!(after.csrf, before.csrf);
    assert_eq!(world.app.sesjon_value(after.id, "utkast").await.unwrap().as_deref(), Some("x"));
    assert!(matches!(world.app.sesjon(&old, false).await.unwrap(), SesjonSvar::Ingen));
    assert_conflict(world.app.rotate_sesjon(&old).await, "sesjon");
}

#[tokio::test]
async fn sessions_end_on_logout_here_or_at_the_provider_and_by_the_sweep() {
    let world = world().await;
    let (kari, _) = world.log_in(KARI).await;
    let (ola, _) = world.log_in(OLA).await;
    let id = world.aktiv(&kari).await.id;
    world.app.end_sesjon(id).await.unwrap();
    assert!(matches!(world.app.sesjon(&kari, false).await.unwrap(), SesjonSvar::Ingen));
    assert_eq!(
        world.app.end_sesjoner_by_sid("https://another.example", &format!("sid-{OLA}")).await.unwrap(),
        0
    );
    world.aktiv(&ola).await;
    assert_eq!(world.app.end_sesjoner_by_sid(ISSUER, &format!("sid-{OLA}")).await.unwrap(), 1);
    assert!(matches!(world.app.sesjon(&ola, false).await.unwrap(), SesjonSvar::Ingen));
    let (kari, _) = world.log_in(KARI).await;
    world.clock.advance(IDLE.saturating_sub(Duration::from_secs(1)));
    assert_eq!(world.app.remove_expired_sesjoner().await.unwrap(), 0);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.app.remove_expired_sesjoner().await.unwrap(), 1);
    assert!(matches!(world.app.sesjon(&kari, false).await.unwrap(), SesjonSvar::Ingen));
}

#[tokio::test]
async fn value_is_taken_once_and_bounded() {
    let world = world().await;
    let (token, _) = world.log_in(KARI).await;
    let (app, id) = (&world.app, world.aktiv(&token).await.id);
    app.put_sesjon_value(id, "flash", "Lagret").await.unwrap();
    assert_eq!(app.take_sesjon_value(id, "flash").await.unwrap().as_deref(), Some("Lagret"));
    assert_eq!(app.take_sesjon_value(id, "flash").await.unwrap(), None);
    let largest = "x".repeat(64 * 1024);
    app.put_sesjon_value(id, "utkast", &largest).await.unwrap();
    let refused = app.put_sesjon_value(id, "utkast", &format!("{largest}x")).await;
    assert!(matches!(refused, Err(Error::TooLarge { max_bytes: 65536 })), "{refused:?}");
    for key in ["", "nei takk", "a\0", &"x".repeat(101)] {
        assert!(matches!(app.put_sesjon_value(id, key, "x").await, Err(Error::Invalid(_))), "{key}");
        assert_eq!(app.sesjon_value(id, key).await.unwrap(), None);
    }
    for n in 0..64 {
        world.clock.advance(Duration::from_millis(1));
        app.put_sesjon_value(id, &format!("utkast:{n}"), "x").await.unwrap();
    }
    assert_eq!(app.sesjon_value(id, "utkast").await.unwrap(), None);
    assert!(app.sesjon_value(id, "utkast:0").await.unwrap().is_some());
    app.end_sesjon(id).await.unwrap();
    assert_conflict(app.put_sesjon_value(id, "utkast", "x").await, "sesjon");
}

#[tokio::test]
async fn one_login_too_many_ends_the_oldest_session_of_that_person_only() {
    let grenser = Grenser::default().with(Grense::SesjonerPerPerson, 2);
    let world = world_with(Settings { grenser, ..Settings::default() }).await;
    let (other, _) = world.log_in(OLA).await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(1));
        tokens.push(world.log_in(KARI).await.0);
    }
    let oldest = world.app.sesjon(&tokens[0], true).await.unwrap();
    assert!(matches!(oldest, SesjonSvar::Ingen), "{oldest:?}");
    for token in [&tokens[1], &tokens[2], &other] {
        world.aktiv(token).await;
    }
}

/// The log of hendelser is kept for years.
#[tokio::test]
async fn log_ins_without_end_leave_a_line_an_hour() {
    let world = world().await;
    world.give(KARI, "Kari Nordmann", Rolle::Lesetilgang).await;
    let lines = async || {
        let lines = world.hendelser().await;
        lines.iter().filter(|line| line.ends_with("logget inn")).count()
    };
    assert_eq!(lines().await, 0);
    for hour in 1..=3 {
        for _ in 0..10 {
            world.log_in(KARI).await;
        }
        assert_eq!(lines().await, hour);
        world.clock.advance(Duration::from_hours(1));
    }
}

#[tokio::test]
async fn role_counts_from_the_next_click_on() {
    let world = world().await;
    world.give(OLA, "Ola Nordmann", Rolle::Administrator).await;
    let (token, kari) = world.person(KARI, Rolle::Administrator).await;
    world.app.update_rolle(&OPERATOR, world.storevik.id, kari.person_id, Rolle::Lesetilgang).await.unwrap();
    assert_eq!(world.aktiv(&token).await.person.rolle(world.storevik.id), Some(Rolle::Lesetilgang));
    world.app.remove_rolle(&OPERATOR, world.storevik.id, kari.person_id).await.unwrap();
    assert_eq!(world.aktiv(&token).await.person.rolle(world.storevik.id), None);
}

#[tokio::test]
async fn lesetilgang_reads_and_changes_nothing() {
    let world = world().await;
    let (app, org) = (&world.app, world.storevik.id);
    app.ta_i_bruk(&OPERATOR, org).await.unwrap();
    let made = app.create_system(&OPERATOR, org, nytt_system(), None).await.unwrap();
    let (system, integrasjon) = (made.system.id, made.integrasjon.id);
    let caller = Caller::from(world.person(KARI, Rolle::Lesetilgang).await.1);
    assert_eq!(app.list_systemer(&caller, org).await.unwrap(), std::slice::from_ref(&made.system));
    assert_eq!(app.system(&caller, org, system).await.unwrap().system, made.system);
    let later = app.clock().now() + Duration::from_hours(24);
    for refused in [
        app.create_system(&caller, org, nytt_system(), None).await.err(),
        app.update_system_info(&caller, org, system, nytt_system().info, None).await.err(),
        app.update_integrasjon_privilegium(&caller, org, system, true, None).await.err(),
        app.new_passord(&caller, org, system, integrasjon, None).await.err(),
        app.add_integrasjon(&caller, org, system, "310000205", later, None).await.err(),
        app.remove_system(&caller, org, system).await.err(),
        app.ta_i_bruk(&caller, org).await.err(),
    ] {
        assert!(matches!(refused, Some(Error::Forbidden(Forbidden::Rolle))), "{refused:?}");
    }
}

#[tokio::test]
async fn avtale_is_signed_before_a_person_takes_it_into_use() {
    let world = world().await;
    let (app, org) = (&world.app, world.storevik.id);
    let (_, kari) = world.person(KARI, Rolle::Administrator).await;
    let (_, ola) = world.person(OLA, Rolle::Protokolladministrator).await;
    let caller = Caller::from(kari.clone());
    let dokument = |versjon: &str| AvtaleDokument {
        versjon: versjon.to_owned(),
        sha256: "ab".repeat(32),
        navn: "Avtale om bruk".to_owned(),
    };
    assert_conflict(app.ta_i_bruk(&caller, org).await, "avtale");
    let refused = app.sign_avtale(&Caller::from(ola.clone()), org, dokument("1"), None).await;
    assert!(matches!(refused, Err(Error::Forbidden(Forbidden::Rolle))), "{refused:?}");
    assert_eq!(app.avtale_signatur(&caller, org).await.unwrap(), None);

    let acr = Some("idporten-loa-high".to_owned());
    let signed = app.sign_avtale(&caller, org, dokument("1"), acr.clone()).await.unwrap();
    assert_eq!((signed.signert_av, signed.acr.clone()), (kari.person_id, acr));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(app.sign_avtale(&caller, org, dokument("1"), None).await.unwrap(), signed);
    let newer = app.sign_avtale(&caller, org, dokument("2"), None).await.unwrap();
    assert_eq!(app.avtale_signatur(&Caller::from(ola.clone()), org).await.unwrap(), Some(newer));
    let refused = app.ta_i_bruk(&Caller::from(ola), org).await;
    assert!(matches!(refused, Err(Error::Forbidden(Forbidden::Rolle))), "{refused:?}");
    assert!(app.ta_i_bruk(&caller, org).await.unwrap().tatt_i_bruk.is_some());

    let hendelser = world.hendelser().await;
    let by_kari: Vec<_> = hendelser
        .iter()
        .filter_map(|line| line.strip_prefix(&format!("person:{} ", kari.person_id)))
        .collect();
    assert_eq!(by_kari, ["tok Fiks Protokoll i bruk", "signerte avtale", "signerte avtale", "logget inn"]);
}

#[tokio::test]
async fn installation_without_avtale_and_the_operator_need_no_signature() {
    let world = world_with(Settings { avtale_kreves: false, ..Settings::default() }).await;
    let (_, kari) = world.person(KARI, Rolle::Administrator).await;
    assert!(world.app.ta_i_bruk(&kari.into(), world.storevik.id).await.is_ok());
    let world = self::world().await;
    assert!(world.app.ta_i_bruk(&OPERATOR, world.storevik.id).await.is_ok());
}

#[tokio::test]
async fn form_sent_twice_makes_one_system_and_one_password() {
    let world = world().await;
    let (app, org) = (&world.app, world.storevik.id);
    app.ta_i_bruk(&OPERATOR, org).await.unwrap();
    let (token, kari) = world.person(KARI, Rolle::Administrator).await;
    let caller = Caller::from(kari);
    let sesjon = world.aktiv(&token).await.id;
    let once = |key: &str| Some(Once { sesjon, key: key.to_owned() });
    let made = app.create_system(&caller, org, nytt_system(), once("k1")).await.unwrap();
    assert_conflict(app.create_system(&caller, org, nytt_system(), once("k1")).await, "engangsnokkel");
    assert_eq!(app.list_systemer(&caller, org).await.unwrap().len(), 1);
    let (system, integrasjon) = (made.system.id, made.integrasjon.id);
    app.new_passord(&caller, org, system, integrasjon, once("k2")).await.unwrap();
    assert_conflict(app.new_passord(&caller, org, system, integrasjon, once("k2")).await, "engangsnokkel");
    let later = app.clock().now() + Duration::from_hours(24);
    app.add_integrasjon(&caller, org, system, "310000205", later, once("k3")).await.unwrap();
    let again = app.add_integrasjon(&caller, org, system, "310000205", later, once("k3")).await;
    assert_conflict(again, "engangsnokkel");
    assert_eq!(app.system(&caller, org, system).await.unwrap().integrasjoner.len(), 2);

    // Input that is refused leaves the key unspent: the form is sent again when it is put right.
    let wrong = NyttSystem { orgnummer: "1".to_owned(), ..nytt_system() };
    assert!(matches!(app.create_system(&caller, org, wrong, once("k4")).await, Err(Error::Invalid(_))));
    app.create_system(&caller, org, nytt_system(), once("k4")).await.unwrap();
    app.end_sesjon(sesjon).await.unwrap();
    assert_conflict(app.create_system(&caller, org, nytt_system(), once("k5")).await, "sesjon");
}

#[tokio::test]
async fn integrasjon_before_must_end_in_time_to_come() {
    let world = world().await;
    let (app, org) = (&world.app, world.storevik.id);
    app.ta_i_bruk(&OPERATOR, org).await.unwrap();
    let system = app.create_system(&OPERATOR, org, nytt_system(), None).await.unwrap().system.id;
    let now = app.clock().now();
    for (ends, orgnummer, fields) in [
        (now - Duration::from_secs(1), "310000205", vec!["utlopsDato"]),
        (now + Duration::from_hours(3 * 366 * 24), "1", vec!["organisasjonsnummer", "utlopsDato"]),
    ] {
        let refused = app.add_integrasjon(&OPERATOR, org, system, orgnummer, ends, None).await;
        let Err(Error::Invalid(told)) = refused else { panic!("accepted: {refused:?}") };
        assert_eq!(told.iter().map(|field| field.field).collect::<Vec<_>>(), fields);
    }
    app.add_integrasjon(&OPERATOR, org, system, "310000205", now, None).await.unwrap();
}

#[tokio::test]
async fn change_on_top_of_another_ones_change_is_refused() {
    let world = world().await;
    let (app, org) = (&world.app, world.storevik.id);
    app.ta_i_bruk(&OPERATOR, org).await.unwrap();
    let made = app.create_system(&OPERATOR, org, nytt_system(), None).await.unwrap();
    let (opened, integrasjon) = (made.system, made.integrasjon);
    let info = SystemInfo { beskrivelse: "Brukes nå".to_owned(), ..nytt_system().info };
    world.clock.advance(Duration::from_secs(1));
    let expected = Some(opened.sist_endret);
    let changed = app.update_system_info(&OPERATOR, org, opened.id, info.clone(), expected).await.unwrap();
    let late = app.update_system_info(&OPERATOR, org, opened.id, nytt_system().info, expected).await;
    assert_conflict(late, "endring");
    app.update_system_info(&OPERATOR, org, opened.id, info.clone(), Some(changed.sist_endret)).await.unwrap();
    app.update_system_info(&OPERATOR, org, opened.id, info, None).await.unwrap();

    assert_conflict(
        app.update_integrasjon_privilegium(&OPERATOR, org, opened.id, false, expected).await,
        "endring",
    );
    let seen = Some(changed.sist_endret);
    app.update_integrasjon_privilegium(&OPERATOR, org, opened.id, false, seen).await.unwrap();

    let (id, before) = (integrasjon.id, Some(integrasjon.orgnummer));
    let update = async |orgnummer: &str, expected| {
        app.update_orgnummer(&OPERATOR, org, opened.id, id, orgnummer, expected).await
    };
    let other = update("310000205", before).await.unwrap().orgnummer;
    assert_conflict(update("310000108", before).await, "endring");
    update("310000205", before).await.unwrap();
    update("310000108", Some(other)).await.unwrap();
    update("310000205", None).await.unwrap();
}
