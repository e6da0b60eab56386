use std::time::Duration;

use fiks_io_client::Payload;
use testkit::domain::melding::{Hendelse, Status};
use testkit::{TestServer, eventually};

use crate::{MOTTATT, OPPRETT, arkivmelding, next};

#[tokio::test(flavor = "multi_thread")]
async fn melding_is_sent_received_answered_and_acked() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let (mut at_fagsystem, mut at_arkiv) =
        (pair.from.receive().await.unwrap(), pair.to.receive().await.unwrap());

    let klient_id = "0f6d0ac9-6f0e-4b0c-a1c1-7f7f3e1f9a55".parse().unwrap();
    let request = arkivmelding(pair.arkiv.konto_id)
        .ttl(Duration::from_hours(1))
        .klient_melding_id(klient_id)
        .klient_korrelasjons_id("sak 2026/17 – æøå")
        .header("system", "Mitt fagsystem");
    let sent = pair.from.send(request).await.unwrap();
    assert_eq!(sent.ttl, 3_600_000);

    let received = next(&mut at_arkiv).await;
    assert_eq!(received.melding_id, sent.melding_id);
    assert_eq!(received.melding_type, OPPRETT);
    assert_eq!(received.avsender_konto_id, pair.fagsystem.konto_id);
    assert_eq!(received.klient_melding_id(), Some(klient_id));
    assert_eq!(received.klient_korrelasjons_id(), Some("sak 2026/17 – æøå"));
    assert_eq!(received.headere.get("system").map(String::as_str), Some("Mitt fagsystem"));
    assert_eq!(received.ttl, Some(Duration::from_hours(1)));
    assert!(!received.redelivered);
    let opened = received.dekrypter().await.unwrap().read_to_memory(1 << 20).await.unwrap();
    assert_eq!(opened.file("arkivmelding.xml").unwrap(), "<arkivmelding/>");
    assert_eq!(opened.signatures.len(), 1);

    let svar = received.svar(MOTTATT, Payload::none()).await.unwrap();
    received.ack().await.unwrap();
    let answer = next(&mut at_fagsystem).await;
    assert_eq!(answer.melding_id, svar.melding_id);
    assert_eq!(answer.svar_pa_melding, Some(sent.melding_id));
    assert!(!answer.has_payload());
    answer.ack().await.unwrap();

    for id in [sent.melding_id, svar.melding_id] {
        let (status, record) = server.settled(id).await;
        assert_eq!(status, Status::Bekreftet);
        let steps: Vec<_> = record.sporing.into_iter().map(|line| line.hendelse).collect();
        let [Hendelse::LagtPaKo, Hendelse::Levert { forsok: 1, adresse: Some(adresse) }, Hendelse::Bekreftet] =
            steps[..]
        else {
            unreachable!("{steps:?}")
        };
        assert!(adresse.ip().is_loopback(), "{adresse}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_payload_goes_through_dokumentlager_and_can_be_fetched_again() {
    let server =
        TestServer::start_with(|config| config.melding.inline_payload_max_bytes = 10_000).await.unwrap();
    let pair = server.pair().await.unwrap();
    let mut at_arkiv = pair.to.receive().await.unwrap();
    // What does not compress, or the container would be small.
    let content: Vec<u8> = (0u32..50_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let request = arkivmelding(pair.arkiv.konto_id)
        .payload(Payload::file("arkivmelding.xml", "<arkivmelding/>").and_file("stor.bin", content.clone()));
    let sent = pair.from.send(request).await.unwrap();
    assert!(sent.dokumentlager_id.is_some());
    let received = next(&mut at_arkiv).await;
    assert_eq!(received.dokumentlager_id, sent.dokumentlager_id);
    for _ in 0..2 {
        let opened = received.dekrypter().await.unwrap().read_to_memory(1 << 20).await.unwrap();
        assert_eq!(opened.file("stor.bin").unwrap(), &content);
    }
    received.ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn katalog_shows_whether_anybody_listens() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    let status = pair.from.konto_status(pair.arkiv.konto_id).await.unwrap();
    assert!(status.gyldig_avsender && status.gyldig_mottaker);
    assert_eq!((status.antall_konsumenter, status.antall_uavhentede_meldinger), (0, 1));
    let mut at_arkiv = pair.to.receive().await.unwrap();
    next(&mut at_arkiv).await.ack().await.unwrap();
    eventually("the queue is empty and somebody listens", async || {
        let status = pair.from.konto_status(pair.arkiv.konto_id).await.unwrap();
        ((status.antall_konsumenter, status.antall_uavhentede_meldinger) == (1, 0)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_a_queue_survives_a_restart() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let first = pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    let second = pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    let server = server.restart().await.unwrap();
    let client = server.client(&pair.arkiv).unwrap();
    let mut at_arkiv = client.receive().await.unwrap();
    for sent in [first, second] {
        let received = next(&mut at_arkiv).await;
        assert_eq!(received.melding_id, sent.melding_id);
        assert!(!received.redelivered);
        received.dekrypter().await.unwrap().read_to_memory(1 << 20).await.unwrap();
        received.ack().await.unwrap();
        assert_eq!(server.settled(sent.melding_id).await.0, Status::Bekreftet);
    }
}
