//! One installation, one identity: what happens when a part of it is missing, empty, another's or older.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::Path;
use std::time::Duration;

use testkit::app::Error;
use testkit::app::konto::{KontoSti, NyKonto};
use testkit::app::ports::{Del, Funn};
use testkit::domain::melding::{Hendelse, Status};
use testkit::{Caller, Pair, TestServer, eventually};
use wire::id::MeldingId;

use crate::{arkivmelding, next};

/// How many meldinger wait in each of these tests.
const MELDINGER: usize = 5;

async fn queued(pair: &Pair) -> Vec<MeldingId> {
    let mut ids = Vec::new();
    for _ in 0..MELDINGER {
        ids.push(pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap().melding_id);
    }
    ids
}

fn move_away(data: &Path, names: &[&str], to: &Path) {
    for name in names {
        std::fs::rename(data.join(name), to.join(name)).unwrap();
    }
}

fn put_back(data: &Path, names: &[&str], from: &Path) {
    for name in names {
        let (put, kept) = (data.join(name), from.join(name));
        if put.is_dir() {
            std::fs::remove_dir_all(&put).unwrap();
        }
        std::fs::rename(kept, put).unwrap();
    }
}

/// Each part in turn is missing: the start names it and makes nothing in its place, and with it back all is as before.
#[tokio::test(flavor = "multi_thread")]
async fn missing_part_stops_the_start_and_nothing_is_made_or_removed() {
    let server =
        TestServer::start_with(|config| config.melding.inline_payload_max_bytes = 100).await.unwrap();
    let pair = server.pair().await.unwrap();
    let sent = queued(&pair).await;
    assert_eq!(server.stored_payloads().unwrap(), MELDINGER);
    let mut stopped = server.stop().await.unwrap();
    let aside = tempfile::tempdir().unwrap();
    for (names, expected) in [
        (&["register.sqlite"][..], "the registry is missing or empty"),
        (&["ko"], "the queue log is missing"),
        (&["ko", "ko.installasjon"], "the queue log is missing"),
        (&["ko.installasjon"], "which installation the queue log belongs to is missing"),
        (&["dokumentlager"], "the payloads in Dokumentlager are missing"),
        (&["passord.key"], "passord.key is missing"),
    ] {
        move_away(&stopped.data(), names, aside.path());
        let refused = stopped.start().await.err().expect("it must not start");
        let refused = format!("{refused:#}");
        assert!(refused.contains(expected), "{names:?}: {refused}");
        assert!(refused.contains("looked at: registry /"), "{refused}");
        for name in names {
            assert!(!stopped.data().join(name).exists(), "{name} was made");
        }
        put_back(&stopped.data(), names, aside.path());
    }
    let server = stopped.start().await.map_err(|error| format!("{error:#}")).unwrap();
    assert_eq!(server.stored_payloads().unwrap(), MELDINGER);
    let mut at_arkiv = server.client(&pair.arkiv).unwrap().receive().await.unwrap();
    for _ in 0..sent.len() {
        next(&mut at_arkiv).await.ack().await.unwrap();
    }
    for id in sent {
        assert_eq!(server.settled(id).await.0, Status::Bekreftet);
    }
}

/// As with a mistyped registry.url: an empty file, an empty registry, and that of another installation.
#[tokio::test(flavor = "multi_thread")]
async fn another_registry_is_refused_before_anything_is_written_to_it() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    queued(&pair).await;
    let mut stopped = server.stop().await.unwrap();
    let other = TestServer::start().await.unwrap();
    other.pair().await.unwrap();
    let other = other.stop().await.unwrap();
    let (ours, theirs) = (stopped.data().join("register.sqlite"), other.data().join("register.sqlite"));
    let kept = std::fs::read(&ours).unwrap();
    for (file, expected) in [
        (Vec::new(), "the registry is missing or empty"),
        (std::fs::read(&theirs).unwrap(), "the registry belongs to installation"),
    ] {
        std::fs::write(&ours, &file).unwrap();
        let refused = stopped.start().await.err().expect("it must not start");
        let refused = format!("{refused:#}");
        assert!(refused.contains(expected), "{refused}");
        assert!(std::fs::read(&ours).unwrap() == file, "the other registry was written to");
    }
    std::fs::write(&ours, kept).unwrap();
    let server = stopped.start().await.map_err(|error| format!("{error:#}")).unwrap();
    let status = server.app().live_status(&[pair.arkiv.konto_id]).await[0].unwrap();
    assert_eq!(status.ready, MELDINGER as u64);
}

/// A registry of before a konto was made: its queue stands still with all that is in it, is counted, and comes back.
#[tokio::test(flavor = "multi_thread")]
async fn older_registry_loses_no_melding_and_no_payload() {
    let server =
        TestServer::start_with(|config| config.melding.inline_payload_max_bytes = 100).await.unwrap();
    let pair = server.pair().await.unwrap();
    let mut stopped = server.stop().await.unwrap();
    let register = stopped.data().join("register.sqlite");
    let older = std::fs::read(&register).unwrap();

    let server = stopped.start().await.unwrap();
    let app = server.app().clone();
    let mal = app.konto(&Caller::Operator, pair.arkiv.sti()).await.unwrap().konto;
    let ny = NyKonto {
        navn: "Enda en".to_owned(),
        beskrivelse: "Laget etter kopien".to_owned(),
        protokoll_navn: mal.protokoll_navn.clone(),
        parter: mal.parter.clone(),
        offentlig_nokkel: Some(app.offentlig_nokkel(mal.id).await.unwrap().pem),
    };
    let made =
        app.create_konto(&Caller::Operator, pair.arkiv.fiks_org_id, pair.arkiv.system_id, ny, None).await;
    let konto = made.unwrap().konto.id;
    let sti = KontoSti { konto_id: konto, ..pair.arkiv.sti() };
    app.grant_tilgang(&Caller::Operator, sti, pair.fagsystem.system_id).await.unwrap();
    let client = server.client(&pair.fagsystem).unwrap();
    for _ in 0..MELDINGER {
        client.send(arkivmelding(konto).ttl(Duration::from_hours(1))).await.unwrap();
    }
    drop((client, app));
    let mut stopped = server.stop().await.unwrap();
    let newer = std::fs::read(&register).unwrap();

    std::fs::write(&register, older).unwrap();
    let server = stopped.start().await.map_err(|error| format!("{error:#}")).unwrap();
    let aside = server.app().list_set_aside(&Caller::Operator).await.unwrap();
    assert_eq!(
        aside.iter().map(|queue| (queue.konto, queue.meldinger)).collect::<Vec<_>>(),
        [(konto, MELDINGER as u64)]
    );
    // Long after their time, and after a sweep.
    server.clock.advance(Duration::from_hours(24 * 20));
    server.app().remove_orphaned_payloads().await.unwrap();
    server.app().remove_expired_dokumenter().await.unwrap();
    assert_eq!(server.stored_payloads().unwrap(), MELDINGER);
    assert_eq!(server.app().list_set_aside(&Caller::Operator).await.unwrap(), aside);
    assert_eq!(
        samsvar(&server).await,
        Funn::UkjentForRegisteret {
            eldre: true,
            kontoer: 1,
            meldinger: MELDINGER as u64,
            dokumenter: MELDINGER as u64,
        }
    );

    let mut stopped = server.stop().await.unwrap();
    std::fs::write(&register, newer).unwrap();
    let server = stopped.start().await.unwrap();
    assert_eq!(server.app().list_set_aside(&Caller::Operator).await.unwrap(), []);
    assert_eq!(server.app().broker().list_queues().await.unwrap().len(), 3);
}

/// What the health page shows of registry and queues once it has counted `dokumenter`.
async fn samsvar(server: &TestServer) -> Funn {
    eventually("the driftsstatus tells of dokumenter", async || {
        server.clock.advance(Duration::from_secs(31));
        let deler = server.app().helse().deler;
        let found = deler.into_iter().find(|del| del.del == Del::Samsvar)?.helse.funn;
        matches!(found, Funn::UkjentForRegisteret { dokumenter, .. } if dokumenter > 0).then_some(found)
    })
    .await
}

/// A registry of before some large meldinger came, and of no other change: those are counted, and so is one of the last
/// moment, which the mark does not know of yet.
#[tokio::test(flavor = "multi_thread")]
async fn registry_from_before_a_dokument_came_is_recognised() {
    let server =
        TestServer::start_with(|config| config.melding.inline_payload_max_bytes = 100).await.unwrap();
    let pair = server.pair().await.unwrap();
    let mut stopped = server.stop().await.unwrap();
    let (register, mark) = (stopped.data().join("register.sqlite"), stopped.data().join("ko.installasjon"));
    let (older, mark_before) = (std::fs::read(&register).unwrap(), std::fs::read(&mark).unwrap());

    let server = stopped.start().await.unwrap();
    let client = server.client(&pair.fagsystem).unwrap();
    for _ in 0..MELDINGER {
        client.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    }
    drop(client);
    let mut stopped = server.stop().await.unwrap();
    let newer = std::fs::read(&register).unwrap();

    std::fs::write(&register, older).unwrap();
    for (mark_before, eldre) in [(None, true), (Some(mark_before), false)] {
        if let Some(before) = mark_before {
            std::fs::write(&mark, before).unwrap();
        }
        let server = stopped.start().await.map_err(|error| format!("{error:#}")).unwrap();
        let expected =
            Funn::UkjentForRegisteret { eldre, kontoer: 0, meldinger: 0, dokumenter: MELDINGER as u64 };
        assert_eq!(samsvar(&server).await, expected);
        stopped = server.stop().await.unwrap();
    }
    std::fs::write(&register, newer).unwrap();
    let server = stopped.start().await.unwrap();
    eventually("with the registry as it was last all is known", async || {
        server.clock.advance(Duration::from_secs(31));
        let deler = server.app().helse().deler;
        deler.into_iter().find(|del| del.helse.funn == Funn::Samsvarer)
    })
    .await;
}

/// Emptied on purpose: the senders hear of it. One whose Konto is known is never emptied.
#[tokio::test(flavor = "multi_thread")]
async fn queue_that_is_set_aside_is_emptied_by_an_explicit_order() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let mut stopped = server.stop().await.unwrap();
    let register = stopped.data().join("register.sqlite");
    let older = std::fs::read(&register).unwrap();
    let server = stopped.start().await.unwrap();
    let new = server.pair().await.unwrap();
    let sent = queued(&new).await;
    let konto = new.arkiv.konto_id;
    let in_use = server.app().order_emptying(&Caller::Operator, konto).await;
    assert!(matches!(in_use, Err(Error::Conflict { what: "konto" })), "{in_use:?}");
    drop(new);
    let mut stopped = server.stop().await.unwrap();
    std::fs::write(&register, older).unwrap();
    let server = stopped.start().await.map_err(|error| format!("{error:#}")).unwrap();
    let app = server.app();
    let unknown = app.order_emptying(&Caller::Operator, pair.arkiv.konto_id).await;
    assert!(unknown.is_err(), "{unknown:?}");
    let found = app.order_emptying(&Caller::Operator, konto).await.unwrap();
    assert_eq!((found.konto, found.meldinger), (konto, sent.len() as u64));
    eventually("the queue is gone", async || {
        (!app.broker().list_queues().await.ok()?.contains(&konto)).then_some(())
    })
    .await;
    for id in sent {
        let record = app.spor_melding(&Caller::Operator, id).await.unwrap();
        assert!(record.sporing.iter().any(|line| line.hendelse == Hendelse::KontoSlettet), "{record:?}");
    }
    assert_eq!(app.list_set_aside(&Caller::Operator).await.unwrap(), []);
}

/// One server a data folder.
#[tokio::test(flavor = "multi_thread")]
async fn second_server_on_a_data_folder_is_told_who_has_it() {
    let server = TestServer::start().await.unwrap();
    let refused = server.start_beside().await.err().expect("there is one already");
    let refused = format!("{refused:#}");
    assert!(refused.contains("another Knutepunkt uses the data folder"), "{refused}");
    assert!(refused.contains(&std::process::id().to_string()), "{refused}");
}
