//! What those who look after kontoer get to see, and what they can do about a dead letter.

use std::time::Duration;

use reqwest::StatusCode;
use testkit::app::drift::Driftsstatus;
use testkit::app::melding::{Retning, SporingSok};
use testkit::app::ports::{Del, Deltilstand, Funn};
use testkit::app::{Error, Missing};
use testkit::domain::melding::{Hendelse, Status};
use testkit::domain::status::Kontotilstand;
use testkit::{Caller, TestServer, eventually};
use wire::id::{MeldingId, Uuid};

use crate::{arkivmelding, next};

const OPERATOR: Caller = Caller::Operator;

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_of_each_konto_and_of_all_together() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let (app, owner) = (server.app(), pair.arkiv.fiks_org_id);
    pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    let status = app.status_for_org(&OPERATOR, owner).await.unwrap();
    assert_eq!((status.totalt.kontoer, status.totalt.mangler_kobling), (1, Some(1)));
    assert_eq!((status.totalt.pa_ko, status.totalt.uleverte), (Some(1), Some(0)));
    assert_eq!(status.rader[0].konto.konto_id, pair.arkiv.konto_id);
    assert_eq!(status.rader[0].tilstander[0], Kontotilstand::ManglerKobling);
    assert!(status.rader[0].trenger_oppfolging);
    let of_system = app.status_for_system(&OPERATOR, owner, pair.arkiv.system_id).await.unwrap();
    assert_eq!(of_system.rader, status.rader);

    let _at_arkiv = pair.to.receive().await.unwrap();
    let rad = eventually("the konto is connected", async || {
        let rad = app.status_for_konto(&OPERATOR, pair.arkiv.sti()).await.unwrap();
        (rad.tilstander[0] == Kontotilstand::Koblet).then_some(rad)
    })
    .await;
    assert_eq!(rad.konto, status.rader[0].konto);
    let foreign = app.status_for_system(&OPERATOR, owner, pair.fagsystem.system_id).await;
    assert!(matches!(foreign, Err(Error::NotFound(Missing::System(_)))), "{foreign:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_follow_a_melding_and_only_the_receiver_sees_where_it_went() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let app = server.app();
    let (sender, receiver) = (pair.fagsystem.fiks_org_id, pair.arkiv.fiks_org_id);
    let mut at_arkiv = pair.to.receive().await.unwrap();
    let sent =
        pair.from.send(arkivmelding(pair.arkiv.konto_id).klient_korrelasjons_id("sak 17")).await.unwrap();
    let other = pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    let melding = next(&mut at_arkiv).await;
    let svar = melding.svar(crate::MOTTATT, fiks_io_client::Payload::none()).await.unwrap();
    melding.ack().await.unwrap();
    assert_eq!(server.settled(sent.melding_id).await.0, Status::Bekreftet);

    for (owner, retning) in [(sender, Retning::Sendt), (receiver, Retning::Mottatt)] {
        let search = async |term: &str| {
            let sok = SporingSok { term: term.to_owned(), limit: 25, ..SporingSok::default() };
            app.sporing_sok(&OPERATOR, owner, sok).await.unwrap()
        };
        for term in [format!(" {} ", sent.melding_id), "sak 17".to_owned()] {
            let found = search(&term).await;
            let rad = found.rader.iter().find(|rad| rad.melding_id == sent.melding_id).expect("it is found");
            assert_eq!((rad.retning, rad.status), (retning, Status::Bekreftet));
            assert_eq!(rad.klient_korrelasjons_id.as_deref(), Some("sak 17"));
            let motpart = rad.motpart.as_ref().expect("the other konto exists");
            assert_ne!(motpart.fiks_org_id, owner);
            assert_eq!(motpart.konto_id, rad.motpart_id);
        }
        let all: Vec<_> = search("").await.rader.into_iter().map(|rad| rad.melding_id).collect();
        assert_eq!(all, [svar.melding_id, other.melding_id, sent.melding_id]);
        let mut paged = Vec::new();
        let mut sok = SporingSok { limit: 2, ..SporingSok::default() };
        loop {
            let page = app.sporing_sok(&OPERATOR, owner, sok.clone()).await.unwrap();
            paged.extend(page.rader.into_iter().map(|rad| rad.melding_id));
            let Some(neste) = page.neste else { break };
            sok.before = Some(neste);
        }
        assert_eq!(paged, all);

        let way = app.sporing_melding(&OPERATOR, owner, sent.melding_id).await.unwrap();
        assert_eq!((way.leveringer, way.svar, way.svar_pa_melding), (1, vec![svar.melding_id], None));
        let addresses: Vec<bool> = way
            .trinn
            .iter()
            .filter_map(|trinn| match trinn.hendelse {
                Hendelse::Levert { adresse, .. } => Some(adresse.is_some()),
                _ => None,
            })
            .collect();
        assert_eq!(addresses, [owner == receiver]);
        assert_eq!(way.trinn[0].ms_siden_forrige, None);
        assert!(way.trinn[1..].iter().all(|trinn| trinn.ms_siden_forrige >= Some(0)));
        let answer = app.sporing_melding(&OPERATOR, owner, svar.melding_id).await.unwrap();
        assert_eq!(answer.svar_pa_melding, Some(sent.melding_id));
    }
    let unknown = MeldingId::from_uuid(Uuid::from_u128(7));
    let missing = app.sporing_melding(&OPERATOR, sender, unknown).await;
    assert!(matches!(missing, Err(Error::NotFound(Missing::Melding(_)))), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_is_put_back_and_taken_with_its_payload_in_dokumentlager() {
    let server =
        TestServer::start_with(|config| config.melding.inline_payload_max_bytes = 100).await.unwrap();
    let pair = server.pair().await.unwrap();
    let (app, sti) = (server.app(), pair.arkiv.sti());
    let mut at_arkiv = pair.to.receive().await.unwrap();
    let ttl = Duration::from_hours(1);
    let sent = pair.from.send(arkivmelding(pair.arkiv.konto_id).ttl(ttl)).await.unwrap();
    assert!(sent.dokumentlager_id.is_some());
    for _ in 0..3 {
        next(&mut at_arkiv).await.nack_with_requeue().await.unwrap();
    }
    assert_eq!(server.settled(sent.melding_id).await.0, Status::Uleverbar);
    let dead = app.list_dead_letters(&OPERATOR, sti).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].melding_id, sent.melding_id);
    assert_eq!(dead[0].avsender.as_ref().map(|navn| navn.system_id), Some(pair.fagsystem.system_id));

    // Long after the time of its payload, which is kept for as long as the dead letter names it.
    server.clock.advance(Duration::from_hours(24 * 20));
    assert_eq!(app.remove_expired_dokumenter().await.unwrap(), 0);
    assert!(app.dokument(&OPERATOR, sent.dokumentlager_id.unwrap()).await.is_ok());
    assert!(app.requeue_dead_letter(&OPERATOR, sti, sent.melding_id).await.unwrap());
    assert!(!app.requeue_dead_letter(&OPERATOR, sti, sent.melding_id).await.unwrap());
    server.clock.advance(Duration::from_mins(59));
    app.remove_expired_dokumenter().await.unwrap();
    let again = next(&mut at_arkiv).await;
    assert_eq!((again.melding_id, again.redelivered), (sent.melding_id, false));
    // The client's token is of the time before the clock was moved, so it cannot fetch it here.
    assert_eq!(server.stored_payloads().unwrap(), 1);
    again.ack().await.unwrap();
    assert_eq!(server.settled(sent.melding_id).await.0, Status::Bekreftet);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_without_its_payload_stays_where_it_is() {
    let server =
        TestServer::start_with(|config| config.melding.inline_payload_max_bytes = 100).await.unwrap();
    let pair = server.pair().await.unwrap();
    let (app, sti) = (server.app(), pair.arkiv.sti());
    let mut at_arkiv = pair.to.receive().await.unwrap();
    let request = arkivmelding(pair.arkiv.konto_id).ttl(Duration::from_hours(1));
    let sent = pair.from.send(request).await.unwrap();
    for _ in 0..3 {
        next(&mut at_arkiv).await.nack_with_requeue().await.unwrap();
    }
    server.settled(sent.melding_id).await;
    std::fs::remove_dir_all(server.dev.data.join("dokumentlager/dokument")).unwrap();
    let refused = app.requeue_dead_letter(&OPERATOR, sti, sent.melding_id).await;
    assert!(matches!(refused, Err(Error::NotFound(Missing::Dokument(_)))), "{refused:?}");
    assert_eq!(app.list_dead_letters(&OPERATOR, sti).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn driftsstatus_tells_of_each_part_and_helse_of_what_is_down() {
    let server = TestServer::start().await.unwrap();
    let app = server.app();
    let Driftsstatus { installasjon, deler } = eventually("each part was looked at", async || {
        let status = app.driftsstatus(&OPERATOR).unwrap();
        let all = status.deler.iter().all(|del| del.helse.funn != Funn::IkkeSjekket);
        all.then_some(status)
    })
    .await;
    let installasjon = installasjon.expect("it was told");
    assert!(!installasjon.versjon.is_empty() && !installasjon.skjemaversjon.is_empty());
    let of = |del: Del| deler.iter().find(|status| status.del == del).copied().expect("it is there");
    for del in [Del::Database, Del::Meldingsko, Del::Dokumentlager] {
        assert_eq!(
            (of(del).helse.tilstand, of(del).helse.funn),
            (Deltilstand::IOrden, Funn::Svarer),
            "{del:?}"
        );
        assert!(of(del).sist_sjekket < of(del).neste_sjekk);
    }
    assert_eq!(of(Del::Epost).helse.funn, Funn::IkkeSattOpp);

    let ask = async || {
        let answer = reqwest::get(format!("{}/helse", server.dev.http_url())).await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    assert_eq!(ask().await, (StatusCode::OK, r#"{"status":"klar"}"#.to_owned()));
    // A file where the folder of the check should be.
    let checked = server.dev.data.join("dokumentlager/helse");
    std::fs::remove_dir_all(&checked).unwrap();
    std::fs::write(&checked, "").unwrap();
    server.clock.advance(Duration::from_secs(31));
    let body = eventually("the part is seen to be down", async || {
        let (status, body) = ask().await;
        (status == StatusCode::SERVICE_UNAVAILABLE).then_some(body)
    })
    .await;
    assert_eq!(body, r#"{"nede":["dokumentlager"],"status":"ikke klar"}"#);
    std::fs::remove_file(&checked).unwrap();
    eventually("it is up again", async || {
        server.clock.advance(Duration::from_secs(31));
        (ask().await.0 == StatusCode::OK).then_some(())
    })
    .await;
}
