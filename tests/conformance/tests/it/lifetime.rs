use std::collections::BTreeSet;
use std::time::Duration;

use testkit::domain::melding::Status;
use testkit::{Caller, TestServer};
use wire::meldingstype::{SERVERFEIL, TIDSAVBRUDD};

use crate::{OPPRETT, arkivmelding, next, nothing};

#[tokio::test(flavor = "multi_thread")]
async fn sender_hears_of_a_melding_that_nobody_fetched_in_time() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let mut at_fagsystem = pair.from.receive().await.unwrap();
    let request =
        arkivmelding(pair.arkiv.konto_id).ttl(Duration::from_secs(5)).klient_korrelasjons_id("sak 1");
    let sent = pair.from.send(request).await.unwrap();
    server.clock.advance(Duration::from_secs(6));
    let kvittering = next(&mut at_fagsystem).await;
    assert_eq!(kvittering.melding_type, TIDSAVBRUDD);
    assert_eq!(kvittering.svar_pa_melding, Some(sent.melding_id));
    assert_eq!(kvittering.svar_pa_melding_type.as_deref(), Some(OPPRETT));
    assert_eq!(kvittering.klient_korrelasjons_id(), Some("sak 1"));
    assert_eq!(kvittering.avsender_konto_id, pair.arkiv.konto_id);
    assert!(!kvittering.has_payload());
    kvittering.ack().await.unwrap();
    assert_eq!(server.settled(sent.melding_id).await.0, Status::Utlopt);
    let mut at_arkiv = pair.to.receive().await.unwrap();
    nothing(&mut at_arkiv).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn third_return_ends_in_serverfeil() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let (mut at_fagsystem, mut at_arkiv) =
        (pair.from.receive().await.unwrap(), pair.to.receive().await.unwrap());
    let sent = pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    for attempt in 1..=3 {
        let received = next(&mut at_arkiv).await;
        assert_eq!(received.melding_id, sent.melding_id);
        assert_eq!(received.redelivered, attempt > 1);
        received.nack_with_requeue().await.unwrap();
    }
    let kvittering = next(&mut at_fagsystem).await;
    assert_eq!(kvittering.melding_type, SERVERFEIL);
    assert_eq!(kvittering.svar_pa_melding, Some(sent.melding_id));
    kvittering.ack().await.unwrap();
    assert_eq!(server.settled(sent.melding_id).await.0, Status::Uleverbar);
    nothing(&mut at_arkiv).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_count_as_attempts_too() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let mut at_fagsystem = pair.from.receive().await.unwrap();
    let sent = pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    for _ in 0..3 {
        let mut at_arkiv = pair.to.receive().await.unwrap();
        assert_eq!(next(&mut at_arkiv).await.melding_id, sent.melding_id);
    }
    assert_eq!(next(&mut at_fagsystem).await.melding_type, SERVERFEIL);
    assert_eq!(server.settled(sent.melding_id).await.0, Status::Uleverbar);
}

#[tokio::test(flavor = "multi_thread")]
async fn nack_drops_without_a_word_to_the_sender() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let (mut at_fagsystem, mut at_arkiv) =
        (pair.from.receive().await.unwrap(), pair.to.receive().await.unwrap());
    let sent = pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    next(&mut at_arkiv).await.nack().await.unwrap();
    assert_eq!(server.settled(sent.melding_id).await.0, Status::Avvist);
    nothing(&mut at_fagsystem).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sender_hears_of_meldinger_in_a_removed_konto() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let mut at_fagsystem = pair.from.receive().await.unwrap();
    let sent = pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    let api = pair.to.konfigurasjon(pair.arkiv.fiks_org_id, pair.arkiv.system_id);
    api.delete_konto(pair.arkiv.konto_id).await.unwrap();
    let kvittering = next(&mut at_fagsystem).await;
    assert_eq!(
        (kvittering.melding_type.as_str(), kvittering.svar_pa_melding),
        (SERVERFEIL, Some(sent.melding_id))
    );
    assert!(pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_melding_is_left_half_done_when_a_system_is_removed_under_traffic() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let mut at_fagsystem = pair.from.receive().await.unwrap();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (from, konto) = (pair.from.clone(), pair.arkiv.konto_id);
    // Sends until it is refused.
    let sender = tokio::spawn(async move {
        let (mut accepted, mut begun) = (Vec::new(), Some(begun));
        while let Ok(sent) = from.send(arkivmelding(konto)).await {
            accepted.push(sent.melding_id);
            if accepted.len() == 20
                && let Some(begun) = begun.take()
            {
                begun.send(()).unwrap();
            }
        }
        accepted
    });
    has_begun.await.unwrap();
    let (owner, system) = (pair.arkiv.fiks_org_id, pair.arkiv.system_id);
    server.app().remove_system(&Caller::Operator, owner, system).await.unwrap();
    let accepted = sender.await.unwrap();
    assert!(accepted.len() >= 20);
    let mut told = BTreeSet::new();
    while told.len() < accepted.len() {
        let kvittering = next(&mut at_fagsystem).await;
        assert_eq!(kvittering.melding_type, SERVERFEIL);
        assert!(told.insert(kvittering.svar_pa_melding.unwrap()), "each sender is told once");
        kvittering.ack().await.unwrap();
    }
    assert_eq!(told, accepted.iter().copied().collect());
    for id in accepted {
        assert_eq!(server.settled(id).await.0, Status::Uleverbar);
    }
    nothing(&mut at_fagsystem).await;
    let left = server.app().broker().list_queues().await.unwrap();
    assert_eq!(left, [pair.fagsystem.konto_id]);
}
